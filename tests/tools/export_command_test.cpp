// label: quick
// krohn export and krohn kit as a user meets them: what is written, what is printed, what is refused.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "krohn_process.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("an export names its sizes, and krohn check proves it") {
  const TemporaryDirectory directory;
  const std::string path = (directory / "model").string();
  const ProcessResult made = run_krohn("export 're:(a|b)*abb' --to fla -o " + path);
  CHECK(made.exit_code == 0);
  for (const char* part : {"parameters", "layers", "heads", "factors"}) CHECK(mentions(made.out, part));
  CHECK(mentions(run_krohn("check " + path).out, "s PROVED"));
  check_refused(run_krohn("export parity --to fla -o " + path), "--force");
  CHECK(run_krohn("export parity --to fla --force -o " + path).exit_code == 0);
  CHECK(mentions(run_krohn("check " + path + " parity").out, "s PROVED"));
}

TEST_CASE("a compiled model is exported, a checkpoint is not") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  CHECK(run_krohn("compile flipflop -o " + model).exit_code == 0);
  CHECK(run_krohn("export " + model + " --to dense -o " + (directory / "dense").string()).exit_code == 0);
  const ProcessResult made = run_krohn("export " + model + " --to torch --json -o " + (directory / "torch").string());
  CHECK(nlohmann::json::parse(made.out).at("layers").size() == 1);
  const std::string fla = (directory / "fla").string();
  CHECK(run_krohn("export " + model + " --to fla -o " + fla).exit_code == 0);
  check_refused(run_krohn("export " + fla + " --to dense -o " + (directory / "no").string()), "checkpoint");
  CHECK(directory.names() == std::vector<std::string>{"dense", "fla", "model", "torch"});
}

TEST_CASE(
    "options that mean nothing, sizes and architectures that do not fit are refused, and nothing is left behind") {
  const TemporaryDirectory directory;
  const std::string to = " -o " + (directory / "x").string();
  check_refused(run_krohn("export parity --to dense --architecture kda" + to), "--architecture");
  check_refused(run_krohn("export parity --to fla --keys integer" + to), "--keys");
  check_refused(run_krohn("export Z:3 --to fla --architecture kda" + to), "Scherk");
  check_refused(run_krohn("export parity --to fla --max-parameters 10" + to), "4048", 3);
  check_refused(run_krohn("export word:S4 --to dense --max-parameters 10" + to), "--max-parameters", 3);
  check_refused(run_krohn("export parity --to gguf" + to), "fla", 2);
  check_refused(run_krohn("kit softmax" + to), "delta-rule", 2);
  CHECK(directory.names().empty());
}

}  // namespace
}  // namespace krohn
