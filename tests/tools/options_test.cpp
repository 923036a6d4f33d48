// label: quick
// Options that would be ignored are refused and named, and so are numbers, names and paths that cannot be meant, before
// any work is done.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tools/krohn_process.hpp"

namespace krohn {
namespace {

struct Fixture {
  TemporaryDirectory directory;
  std::string model = (directory / "m").string();
  std::string checkpoint = std::string(KROHN_SOURCE_DIR) + "/tests/data/models/parity_delta_net_neg_noconv_1layer";

  Fixture() { REQUIRE(run_krohn("compile parity -o " + model).exit_code == 0); }
};

TEST_CASE("a verdict asked for on a device has one, also where no rung needs it") {
  const Fixture f;
  const ProcessResult result = run_krohn("check " + f.model + " parity --device cuda");
  if (result.exit_code == 0) {
    CHECK(result.out.find("s PROVED") != std::string::npos);
  } else {
    check_refused(result, "CUDA was asked for, but there is no device", 3);
  }
}

TEST_CASE("an option that means nothing where it stands is refused by name") {
  const Fixture f;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"search " + f.model + " parity --up-to 5 --shard 1/2", "--shard: expected --report FILE with it"},
      {"accuracy " + f.model + " --alphabet 01", "--alphabet: expected none without LANG"},
      {"check " + f.model + " --alphabet 01", "--alphabet: expected none without LANG"},
      {"run " + f.model + " --sequence s --words w", "--words: expected none beside --sequence"},
      {"run " + f.model + " --sequence s --all-positions", "--all-positions: expected none beside --sequence"},
      {"run " + f.model + " --task t", "--task: expected none for a compiled model"},
      {"run " + f.checkpoint + " --sequence s", "--sequence: expected none for a checkpoint"},
      {"inspect " + f.model + " --svg p.svg", "--svg: expected none for a compiled model"},
      {"inspect parity --compare-forms", "--compare-forms: expected none for a language"},
      {"inspect " + f.checkpoint + " --tables", "--tables: expected none for a checkpoint"},
      {"inspect " + f.checkpoint + " --form fp32", "--form: expected none without --compare-forms"},
      {"report parity --format bf16 -o r", "--format: expected none for a language"},
      {"convert parity -o x.json --to att", "--to: expected none without -o -"},
      {"run " + f.model + " --device cpu --devices 0", "--devices: expected none beside --device cpu, got '0'"},
      {"accuracy " + f.model + " parity --form bf16", "form: expected a checkpoint, got a compiled model"},
      {"report parity -o - --json", "--json: expected none beside -o -"},
  };
  for (const auto& [command, message] : cases) {
    CAPTURE(command);
    check_refused(run_krohn(command), message);
  }
  CHECK(f.directory.names() == std::vector<std::string>{"m"});
}

TEST_CASE("a value that cannot be meant is a usage error that says what was expected") {
  const Fixture f;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"compile parity -o x --max-rows -3", "--max-rows: expected a number from 0"},
      {"compile parity -o x --cascade Q", "--cascade: expected one of G, R, Z, auto, got 'Q'"},
      {"classify parity --max-monoid 0", "--max-monoid: expected a number from 1"},
      {"report parity -o x --words 0", "--words: expected a number from 1 to 1000000, got '0'"},
      {"report parity -o x --max-monoid -1", "--max-monoid: expected a number from 0"},
      {"run " + f.model + " --memory -1", "--memory: expected bytes, with K, M, G or T if wanted, got '-1'"},
      {"run " + f.model + " --memory 1X", "--memory: expected bytes"},
      {"check " + f.model + " parity --memory 17179869184G", "--memory: expected bytes"},
      {"harden " + f.checkpoint + " -o x --memory 1X", "--memory: expected bytes"},
      {"check " + f.model + " parity --device tpu", "--device: expected one of auto, cpu, cuda, got 'tpu'"},
      {"search " + f.model + " --up-to 3 --devices 0,", "--devices: expected numbers of devices below 64 with commas"},
      {"search " + f.model + " --up-to 3 --devices 64", "--devices: expected numbers of devices below 64 with commas"},
      {"accuracy " + f.checkpoint + " --form fp16", "--form: expected one of bf16, fp32, got 'fp16'"},
      {"refute --layers 9", "--layers: expected a number from 1 to 6, got '9'"},
  };
  for (const auto& [command, message] : cases) {
    CAPTURE(command);
    const ProcessResult result = run_krohn(command);
    check_refused(result, message, 2);
    CHECK(result.error.find("krohn: " + message) == 0);
  }
  for (const std::string size : {"4096", "4k", "4KiB", "1m", "1MB", "1G", "1t", "17179869183G"}) {
    CHECK(run_krohn("run " + f.model + " --memory " + size).exit_code == 0);
  }
}

TEST_CASE("a path that cannot be written is refused before the work, not after it") {
  const Fixture f;
  // The first two would otherwise search for a minute.
  const std::string search = "search " + f.model + " parity --up-to 60 --time-limit 60 --report ";
  const std::string refuted = "refute " + f.checkpoint + " --theorem modular:3 --certificate ";
  for (const std::string& command :
       {search + "/nowhere/r", search + f.model, refuted + "/nowhere/c", "compile 're:(a{2,9}b{1,7}){3}' -o " + f.model,
        "run " + f.checkpoint + " --tokens none --logits /nowhere/l",
        "inspect " + f.checkpoint + " --svg /nowhere/p.svg", std::string("report random:2000,2,1 -o /nowhere/r")}) {
    CAPTURE(command);
    check_refused(run_krohn(command), "expected a path");
  }
  CHECK(f.directory.names() == std::vector<std::string>{"m"});
}

TEST_CASE("what is no language is refused by what it looks like") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"inspect ./no/such", "./no/such: expected a file, got nothing of that name"},
      {"classify 're:~()'", "expected an alphabet (--alphabet) or at least one character"},
      {"explain foo", "foo: expected a group G of word:G"},
  };
  for (const auto& [command, message] : cases) {
    CAPTURE(command);
    check_refused(run_krohn(command), message);
  }
}

TEST_CASE("a language of one state is a model without layers, and compile says so") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "m").string();
  const ProcessResult result = run_krohn("compile 're:(a|b)*' -o " + model);
  CHECK(result.exit_code == 0);
  CHECK(result.out.find("0 (one state: the label of every word)") != std::string::npos);
  CHECK(run_krohn("check " + model + " 're:(a|b)*'").out.find("s PROVED\n") != std::string::npos);
}

TEST_CASE("a part of a search is one JSON object where --json is asked for") {
  const Fixture f;
  const std::string report = (f.directory / "r").string();
  const ProcessResult agrees =
      run_krohn("search " + f.model + " parity --up-to 5 --shard 2/2 --json --report " + report);
  CHECK(agrees.exit_code == 0);
  const nlohmann::json part = nlohmann::json::parse(agrees.out);
  CHECK(part["part"] == 2);
  CHECK(part["parts"] == 2);
  CHECK(part["agreed"] == 5);
  CHECK(part["disagreement"].is_null());
  const ProcessResult differs = run_krohn("search " + f.model + " mod:2 --up-to 5 --json --report " + report);
  CHECK(differs.exit_code == 10);
  CHECK(nlohmann::json::parse(differs.out)["disagreement"] == nlohmann::json::array());
}

}  // namespace
}  // namespace krohn
