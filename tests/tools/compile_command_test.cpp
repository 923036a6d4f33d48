// label: slow
// krohn compile: the report's keys, every option, caps and refusals that write nothing; krohn inspect shows what was
// compiled.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "krohn_process.hpp"

namespace krohn {
namespace {

// Six states with a group and resets: modulo 3 on a, then modulo 2 on b, then a sink.
constexpr const char* mixed = "'re:(aaa)*(bb)*'";

TEST_CASE("the report has its keys, and bounds beside the depth found") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  const ProcessResult compiled = run_krohn(std::string("compile ") + mixed + " -o " + model + " --json");
  REQUIRE(compiled.exit_code == 0);
  const nlohmann::json report = nlohmann::json::parse(compiled.out);
  for (const char* key :
       {"states", "minimal_states", "layers", "hidden", "num_householder", "exact", "horizon", "levels", "widths",
        "mode", "linear_bound", "paper_bound", "holonomy_depth", "rows", "factors"}) {
    CHECK_MESSAGE(report.contains(key), key);
  }
  CHECK(report["minimal_states"] == 6);
  CHECK(report["levels"] == 2);
  CHECK(report["linear_bound"] == 5);
  CHECK(report["paper_bound"] == 64);
  CHECK(report["holonomy_depth"] == 3);
  CHECK(report["exact"] == true);
  CHECK(report["horizon"].is_null());
  CHECK(report["hidden"].size() == report["layers"]);
  CHECK(report["num_householder"].size() == report["layers"]);
}

TEST_CASE("every option compiles to a model that check proves") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  for (const std::string options :
       {"--cascade R", "--cascade Z", "--cascade G", "--delay block", "--resets householder", "--resets register",
        "--resets hybrid", "--keys dyadic", "--delay block --resets register --keys dyadic"}) {
    CAPTURE(options);
    REQUIRE(run_krohn(std::string("compile ") + mixed + " --force -o " + model + " " + options).exit_code == 0);
    for (const std::string format : {"fp32", "fp16", "bf16"}) {
      const ProcessResult checked = run_krohn("check " + model + " " + mixed + " --format " + format);
      CHECK(checked.exit_code == 0);
      CHECK(checked.out.find("s PROVED") != std::string::npos);
    }
  }
  REQUIRE(run_krohn("compile 're:(a|b)*abb' --force -o " + model + " --spectrum nonnegative --delay block").exit_code ==
          0);
  CHECK(run_krohn("check " + model + " 're:(a|b)*abb'").exit_code == 0);
}

TEST_CASE("families and integers: what is compiled is proved, in its own arithmetic, and says what it saved") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  for (const std::string options : {"--family pd", "--family pd --semantics int8-wrap", "--family rwkv7-widened",
                                    "--family kda --format int8-saturate", "--semantics int16-wrap-state-v1"}) {
    CAPTURE(options);
    const ProcessResult compiled =
        run_krohn(std::string("compile ") + mixed + " --force --json -o " + model + " " + options);
    REQUIRE_MESSAGE(compiled.exit_code == 0, compiled.error);
    const nlohmann::json report = nlohmann::json::parse(compiled.out);
    const bool pd = options.find("pd") != std::string::npos;
    CHECK((report["mode"] == "moves") == pd);
    if (pd) CHECK(report["layers"] == 1);
    if (pd) CHECK(report["with_reflections"]["layers"] > 1);
    // In the model's own semantics.
    const ProcessResult checked = run_krohn("check " + model + " " + mixed + " --json");
    CHECK(checked.exit_code == 0);
    CHECK(nlohmann::json::parse(checked.out)["semantics"] == report["semantics"]);
  }
  // Past the caps of the cascade one layer is left.
  REQUIRE(run_krohn("compile random:12,3,1 --max-rows 100 --force -o " + model + " --family pd").exit_code == 0);
  CHECK(run_krohn("check " + model + " random:12,3,1").exit_code == 0);
  // One move or one swap a letter: the clear of a bit, and its flip.
  REQUIRE(run_krohn("compile tomita:5 --force -o " + model + " --family rwkv7-widened").exit_code == 0);
  CHECK(run_krohn("check " + model + " tomita:5 --format bf16").exit_code == 0);
}

TEST_CASE("caps and what the language does not have are refused by name, and nothing is written") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  const auto refused = [&](const std::string& arguments, int exit_code, const std::string& text) {
    const ProcessResult result = run_krohn("compile " + arguments + " -o " + model);
    CAPTURE(arguments);
    CAPTURE(result.error);
    CHECK(result.exit_code == exit_code);
    CHECK(result.error.find(text) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(model));
  };
  refused("random:12,3,1 --cascade R --max-rows 100", 3, "--max-rows");
  refused("random:12,3,1 --cascade G --max-family 20", 3, "--max-family");
  refused("random:12,3,1 --max-rows 100", 3, "level");
  refused(std::string(mixed) + " --spectrum nonnegative", 1, "aperiodic");
  refused("'re:(a|b)*abb' --representation rotation", 1, "turns a polygon");
  refused("'re:(a|b)*abb' --representation dimension", 1, "permutations");
  refused("parity --cascade X", 2, "--cascade");
  refused("parity --semantics int4-wrap", 2, "int8-saturate");
  refused("word:S3 --keys dyadic --semantics int8-wrap", 1, "key[0]: expected an integer, got 0.5");
  refused("mod:7 --representation rotation --semantics int16-wrap", 1, "int16-wrap-state-v1");
}

TEST_CASE("inspect shows the cascade level by level and as DOT") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  REQUIRE(run_krohn(std::string("compile ") + mixed + " -o " + model).exit_code == 0);
  CHECK(run_krohn("inspect " + model + " --levels").out.find("{0-5}:") != std::string::npos);
  const std::string dot = run_krohn("inspect " + model + " --dot").out;
  CHECK(dot.rfind("digraph", 0) == 0);
  CHECK(dot.find("shape=circle") != std::string::npos);
  CHECK(run_krohn("inspect parity --dot").exit_code == 1);
}

}  // namespace
}  // namespace krohn
