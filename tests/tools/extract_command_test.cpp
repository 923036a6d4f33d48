// label: slow
// krohn extract as a shell sees it: exit codes, files, and what is refused.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "krohn_process.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

const std::string models = std::string(KROHN_TEST_DATA) + "/models/";
const std::string neg = models + "parity_delta_net_neg_noconv_1layer";

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("a compiled model is its minimal automaton: files read back are the language's own") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  REQUIRE(run_krohn("compile 're:(aaa)*(bb)*' -o " + model).exit_code == 0);
  const std::string json = (scratch / "x.json").string();
  const ProcessResult result = run_krohn("extract " + model + " -o " + json);
  CHECK(result.exit_code == 0);
  CHECK(result.out.find("s EXACT 6\n") != std::string::npos);
  const std::string dot = (scratch / "x.dot").string();
  CHECK(run_krohn("extract " + model + " --compare 're:(aaa)*(bb)*' -o " + dot).exit_code == 0);
  for (const std::string& file : {json, dot}) {
    REQUIRE(run_krohn("convert " + file + " -o " + (scratch / "back.json").string()).exit_code == 0);
    REQUIRE(run_krohn("convert 're:(aaa)*(bb)*' --minimize -o " + (scratch / "own.json").string()).exit_code == 0);
    CHECK(text_of(scratch / "back.json") == text_of(scratch / "own.json"));
  }
}

TEST_CASE("another language: the shortest word, both labels, exit code 10, and marked states in .svg and .dot") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  REQUIRE(run_krohn("compile 're:(aaa)*(bb)*' -o " + model).exit_code == 0);
  const std::string compare = "extract " + model + " --compare 're:(aaa)*b*' ";
  const ProcessResult result = run_krohn(compare + "-o " + (scratch / "x.svg").string());
  CHECK(result.exit_code == 10);
  CHECK(result.out.find("on b (length 1): the language says 1, the model 0") != std::string::npos);
  const std::string svg = text_of(scratch / "x.svg");
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.find("What the model does") != std::string::npos);
  CHECK(svg.find("stroke-dasharray=\"5 3\"") != std::string::npos);
  CHECK(run_krohn(compare + "-o " + (scratch / "x.dot").string()).exit_code == 10);
  CHECK(text_of(scratch / "x.dot").find("penwidth=\"3\"") != std::string::npos);
  const auto json = nlohmann::json::parse(run_krohn(compare + "--json").out);
  CHECK(json["status"] == "exact");
  CHECK(json["comparison"]["equal"] == false);
  CHECK(json["comparison"]["word"] == nlohmann::json::array({"b"}));
}

TEST_CASE("a trained model: 20 without a proof, 0 where it is equal up to the length asked for, 10 where it differs") {
  const ProcessResult alone = run_krohn("extract " + neg + " --up-to 8 --time-limit 10");
  CHECK(alone.exit_code == 20);
  CHECK(alone.out.find("s AGREES 8 3\n") != std::string::npos);
  const ProcessResult equal = run_krohn("extract " + neg + " --up-to 8 --time-limit 10 --compare parity");
  CHECK(equal.exit_code == 0);
  CHECK(equal.out.find("equal to parity on all words up to length 8\n") != std::string::npos);
  CHECK(run_krohn("extract " + neg + " --up-to 8 --time-limit 10 --compare tomita:1").exit_code == 10);
  const ProcessResult differs = run_krohn("extract " + neg + " --time-limit 15 --compare parity");
  CHECK(differs.exit_code == 10);
  CHECK(differs.out.find("differs from parity on 1") != std::string::npos);
}

TEST_CASE("what cannot be meant is refused by name") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  REQUIRE(run_krohn("compile parity -o " + model).exit_code == 0);
  check_refused(run_krohn("extract " + model + " --compare 're:(ab)*'"), "alphabet: expected the same symbols");
  std::ofstream(scratch / "l.json") << R"({"format": "krohn-automaton-v1", "alphabet": ["0", "1"], "start": 0,
    "transitions": [[0, 0]], "labels": ["yes"]})";
  check_refused(run_krohn("extract " + model + " --compare " + (scratch / "l.json").string()),
                "labels: expected those of the model (0, 1), got 'yes'");
  check_refused(run_krohn("extract " + model + " -o " + (scratch / "x.pdf").string()), "x.pdf");
  check_refused(run_krohn("extract " + model + " --alphabet 01"), "without --compare or --hypothesis");
  fs::copy(neg, scratch / "bare");
  fs::remove(scratch / "bare" / "task.json");
  check_refused(run_krohn("extract " + (scratch / "bare").string()), "expected a task");
}

}  // namespace
}  // namespace krohn
