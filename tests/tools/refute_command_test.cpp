// label: quick
// krohn refute as a program: verdict lines, exit codes, the JSON keys, and models outside a theorem's hypothesis.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "krohn/text/atomic_file.hpp"
#include "temporary_directory.hpp"
#include "tools/krohn_process.hpp"

namespace krohn {
namespace {

using nlohmann::json;

TEST_CASE("a made model is refuted, and says so in text and in JSON") {
  const ProcessResult text = run_krohn("refute --family mlstm --format bf16 --seed 3");
  CHECK(text.exit_code == 10);
  CHECK(text.out.find("no readout can be right on both") != std::string::npos);
  CHECK(text.out.find("\ns REFUTED 1") != std::string::npos);
  const ProcessResult result = run_krohn("refute --family mlstm --format bf16 --seed 3 --json");
  CHECK(result.exit_code == 10);
  const json report = json::parse(result.out);
  CHECK(report["theorem"] == "parity");
  CHECK(report["hypothesis_holds"] == true);
  CHECK(report["semantics"] == "bf16-state-v1");
  CHECK(report["period"] == 1);
  CHECK(report["layer"] == 0);
  const std::size_t transient = report["transient"];
  CHECK(report["word_a"].size() == transient);
  CHECK(report["word_b"].size() == transient + 1);
  CHECK(report["suffix"].is_array());
  CHECK(report["verdict"] == "REFUTED");
  CHECK((report["word"] == report["word_a"] || report["word"] == report["word_b"]));
  CHECK(report["expected_a"] != report["expected_b"]);
}

TEST_CASE("every family and both theorems") {
  for (const std::string family : {"mamba", "gla", "mlstm", "triangular"}) {
    CHECK(run_krohn("refute --format bf16 --layers 2 --family " + family).exit_code == 10);
    CHECK(run_krohn("refute --format fp16 --range=-1,1 --theorem modular:7 --family " + family).exit_code == 10);
  }
  CHECK(run_krohn("refute --format bf16 --family deltanet --size 2").exit_code == 10);
  CHECK(run_krohn("refute --format bf16 --family linear_attn --layers 2").exit_code == 10);
  const json kda = json::parse(run_krohn("refute --format bf16 --family kda --json").out);
  CHECK(kda["verdict"] == "REFUTED");
  CHECK(kda["hypothesis_holds"] == true);
  CHECK(run_krohn("refute --format bf16 --family kda --range=-1,1 --theorem modular:3").exit_code == 10);
  for (const std::string family : {"mamba2", "rwkv6", "hgrn2", "hgrn", "gated_deltanet", "comba", "gdn2", "rwkv7"}) {
    CAPTURE(family);
    const json made = json::parse(run_krohn("refute --format bf16 --json --family " + family).out);
    CHECK(made["verdict"] == "REFUTED");
    CHECK(made["hypothesis_holds"] == true);
    CHECK(made["word_a"] != made["word_b"]);
  }
  CHECK(run_krohn("refute --format bf16 --family rwkv7 --range=-1,1 --theorem modular:3").exit_code == 10);
  CHECK(run_krohn("refute --family comba --range=-1,1").error.find("expected 0,1 for comba") != std::string::npos);
  for (const auto& [family, reason] : {std::pair<std::string, std::string>{"mamba3", "rotate"},
                                       {"retnet", "rotate"},
                                       {"precond_gated_deltanet", "all tokens before it"},
                                       {"mesa_net", "mamba2"}}) {
    CHECK(run_krohn("refute --family " + family).error.find(reason) != std::string::npos);
  }
  CHECK(run_krohn("refute --family pd").error.find("PD-SSM does every language") != std::string::npos);
  CHECK(run_krohn("refute --family linear_attn --range=-1,1").error.find("one eigenvalue is 1") != std::string::npos);
  CHECK(run_krohn("refute --format bf16 --family deltaproduct --size 2 --householder 3").exit_code == 10);
}

TEST_CASE("the boundary cases hold the hypothesis and recognise their language") {
  for (const std::string name : {"parity-cycle", "mod3-cycle"}) {
    const ProcessResult result = run_krohn("refute --json --example " + name);
    CHECK(result.exit_code == 0);
    const json report = json::parse(result.out);
    CHECK(report["verdict"] == "PROVED");
    CHECK(report["hypothesis_holds"] == true);
    CHECK(report["conclusion"] == "recognised");
    CHECK(report["word_a"].is_null());
    CHECK(report["semantics"] == "fp32-separate-v1");
    CHECK(run_krohn("refute --semantics fp32 --example " + name).exit_code == 10);
  }
  CHECK(run_krohn("refute --list-examples").out.find("mod3-cycle") != std::string::npos);
}

TEST_CASE("a checkpoint is asked about its own language where that counts as the theorem wants") {
  const TemporaryDirectory directory;
  const std::filesystem::path model = directory / "model";
  // Mamba with real eigenvalues of both signs: within the hypothesis of Theorem 2, outside that of Theorem 1.
  std::filesystem::copy(std::filesystem::path(KROHN_TEST_DATA) / "variants" / "mamba_03", model);
  // The sum of a (1), b (2) and 0 (0) modulo 3.
  write_file(model / "task.json", R"({"version": 1, "symbols": {"0": 0, "a": 1, "b": 2}, "bos": null, "min_length": 1,
      "positions": "all", "outputs": {"0": "x", "1": "y", "2": "z"},
      "automaton": {"format": "krohn-automaton-v1", "alphabet": ["0", "a", "b"], "start": 0,
                    "transitions": [[0, 1, 2], [1, 2, 0], [2, 0, 1]], "labels": ["x", "y", "z"]}})");
  const std::string certificate = (directory / "certificate").string();
  for (const std::string symbol : {"a", "b"}) {
    const ProcessResult result = run_krohn("refute " + model.string() + " --theorem modular:3 --budget 1000 --json " +
                                           "--symbol " + symbol + " --certificate " + certificate);
    REQUIRE(result.exit_code == 10);
    const json report = json::parse(result.out);
    CHECK(report["hypothesis_holds"] == true);
    CHECK(report["language"].get<std::string>().find("the model's own") == 0);
    // The labels are those of the model's language: a certificate about it needs no other.
    CHECK(run_krohn("verify " + certificate + " " + model.string()).exit_code == 0);
  }
  // 0 does not count in it, and nothing counts modulo 7.
  for (const std::string other : {"modular:3 --symbol 0", "modular:7 --symbol a"}) {
    const ProcessResult result = run_krohn("refute " + model.string() + " --budget 1000 --json --theorem " + other);
    REQUIRE(result.exit_code == 10);
    CHECK(json::parse(result.out)["language"].get<std::string>().find("the number of") == 0);
  }
}

TEST_CASE("a model outside the hypothesis is bad input, named by layer, symbol and eigenvalue") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  REQUIRE(run_krohn("compile parity -o " + model).exit_code == 0);
  ProcessResult result = run_krohn("refute " + model);
  CHECK(result.exit_code == 1);
  CHECK(result.out.empty());
  CHECK(result.error.find("layer 0, symbol '1'") != std::string::npos);
  CHECK(result.error.find("got -1") != std::string::npos);
  // It is inside the hypothesis of Theorem 2, and does not count modulo 3.
  result = run_krohn("refute --theorem modular " + model);
  CHECK(result.exit_code == 10);
  CHECK(result.out.find("s REFUTED 1") != std::string::npos);
}

TEST_CASE("a model in integers is asked about in floating point only") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  REQUIRE(run_krohn("compile flipflop --semantics int8-wrap -o " + model).exit_code == 0);
  const ProcessResult own = run_krohn("refute --symbol s " + model);
  CHECK(own.exit_code == 1);
  CHECK(own.error.find("int8-wrap-state-v1") != std::string::npos);
  CHECK(run_krohn("refute --symbol s --theorem parity --format fp32 " + model).exit_code == 10);
}

TEST_CASE("wrong arguments") {
  for (const std::string arguments :
       {"--theorem modular:4", "--theorem modular:8 --json", "--theorem dyck", "--example nothing", "no/such/model",
        "--family mamba --example parity-cycle", "--family triangular --semantics bf16-separate-v1", "--symbol x"}) {
    CAPTURE(arguments);
    const ProcessResult result = run_krohn("refute " + arguments);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK_FALSE(result.error.empty());
  }
  for (const std::string arguments : {"--family rnn", "--range 0,2", "--layers 0", "--semantics fp64", "--seed x"}) {
    CHECK(run_krohn("refute " + arguments).exit_code == 2);
  }
}

TEST_CASE("options that mean nothing beside the others are refused, all of them") {
  const ProcessResult result = run_krohn("refute --example parity-cycle --layers 2 --family gla --seed 3");
  CHECK(result.exit_code == 1);
  for (const std::string name : {"--layers", "--family", "--seed"}) {
    CHECK(result.error.find(name + ": expected none beside --example") != std::string::npos);
  }
  // The old spellings are gone.
  CHECK(run_krohn("refute --theorem groups:S3").exit_code == 1);
  CHECK(run_krohn("refute --search").exit_code == 2);
  CHECK(run_krohn("cycles --symbol 1").exit_code == 2);
  CHECK(run_krohn("cycles --family triangular --semantics fp32-separate-v1").exit_code == 1);
  // A seed from which no thousand others follow.
  CHECK(run_krohn("refute --seed -1").exit_code == 2);
}

TEST_CASE("certificates over any alphabet are verified without naming the language") {
  const TemporaryDirectory directory;
  const std::string certificate = (directory / "certificate").string();
  for (const std::string language : {"re:(ab)*", "dyck:1,3", "tomita:5", "re:(#,\\*)*#"}) {
    const std::string model = (directory / "model").string();
    std::filesystem::remove_all(model);
    REQUIRE(run_krohn("compile '" + language + "' -o " + model).exit_code == 0);
    const std::string symbol = language == "re:(ab)*"   ? "b"
                               : language == "dyck:1,3" ? "'('"
                               : language == "tomita:5" ? "0"
                                                        : "'#'";
    for (const std::string theorem : {"parity", "modular:3"}) {
      CAPTURE(language + ", " + theorem);
      const ProcessResult result = run_krohn("refute " + model + " --theorem " + theorem + " --symbol " + symbol +
                                             " --certificate " + certificate);
      // tomita:5 is a group language of negative eigenvalues.
      CHECK(result.exit_code == (language == "tomita:5" && theorem == "parity" ? 1 : 10));
      if (result.exit_code != 10) continue;
      CHECK(run_krohn("verify " + certificate).out.find("s VERIFIED REFUTED") == 0);
    }
  }
  // Symbols of more than a character: the automaton lies beside the certificate.
  const std::string language = (directory / "switch.json").string();
  std::ofstream(language) << R"({"format": "krohn-automaton-v1", "alphabet": ["on", "off", "wait"], "start": 0,
                                 "transitions": [[1, 0, 0], [1, 0, 1]], "accepting": [1]})";
  const std::string model = (directory / "switch").string();
  REQUIRE(run_krohn("compile " + language + " -o " + model).exit_code == 0);
  const std::string command = "refute " + model + " --theorem modular:3 --symbol on --certificate " + certificate;
  REQUIRE(run_krohn(command).exit_code == 10);
  CHECK(std::filesystem::exists(certificate + ".language.json"));
  CHECK(run_krohn("verify " + certificate).out.find("s VERIFIED REFUTED") == 0);
}

TEST_CASE("an example under another theorem than its own") {
  // A cycle of period 2 says nothing about counting modulo 3, and the other way round.
  const json report = json::parse(run_krohn("refute --example parity-cycle --theorem modular:3 --json").out);
  CHECK(report["theorem"] == "modular:3");
  CHECK(report["verdict"] == "REFUTED");
  CHECK(report["period"] == 2);
  const json other = json::parse(run_krohn("refute --example mod3-cycle --theorem parity --json").out);
  CHECK(other["theorem"] == "parity");
  CHECK(other["verdict"] == "REFUTED");
  CHECK(other["period"] == 3);
}

TEST_CASE("a budget that runs out makes no claim") {
  const ProcessResult result = run_krohn("refute --budget 50 --seed 1");
  CHECK(result.out.find("s PROVED") == std::string::npos);
  CHECK(result.out.find("no readout can be right") == std::string::npos);
  CHECK(result.exit_code != 0);
}

TEST_CASE("the search counts cycles") {
  const json report =
      json::parse(run_krohn("cycles --count 40 --family deltanet --size 4 --semantics bf16-separate-v1 --json").out);
  REQUIRE(report["rows"].size() == 1);
  const json row = report["rows"][0];
  CHECK(row["models"] == 40);
  CHECK(row["cycles"] > 0);
  CHECK(row["escapes"] <= row["cycles"]);
  // Transients of fp32 mamba reach millions of steps (seed 9: more than 2^20).
  for (const std::string semantics : {"fp32", "fp32-separate-v1"}) {
    const std::string command = "cycles --count 12 --family mamba --size 4 --json --semantics " + semantics;
    const json settled = json::parse(run_krohn(command).out);
    CHECK(settled["rows"][0]["models"] == 12);
    CHECK(settled["rows"][0]["cycles"] == 0);
    CHECK(settled["rows"][0]["unsettled"] == 0);
    CHECK(json::parse(run_krohn(command + " --budget 100").out)["rows"][0]["unsettled"] > 0);
  }
}

}  // namespace
}  // namespace krohn
