// label: slow
// Checkpoints on the command line: logits and labels, verdicts, accuracy and eigenvalues, as text and as JSON, and
// what bad input is answered with.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/source_text.hpp"
#include "tools/krohn_process.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

const std::string golden = std::string(KROHN_TEST_DATA) + "/golden/";
const std::string models = std::string(KROHN_TEST_DATA) + "/models/";

void write_ids(const fs::path& path, const Tensor& tensor) {
  write_file(path, format_safetensors(std::vector<Tensor>{tensor}));
}

TEST_CASE("run --tokens writes logits, and states where asked") {
  const TemporaryDirectory directory;
  const std::string out = (directory / "out.safetensors").string();
  const std::string in = golden + "mamba_default/golden.safetensors";
  const Safetensors expected = Safetensors::read(in);
  CHECK(run_krohn("run " + golden + "mamba_default --tokens " + in + " --logits " + out).exit_code == 0);
  const Safetensors plain = Safetensors::read(out);
  CHECK(plain.tensors().size() == 1);
  CHECK(plain.metadata().at("semantics") == "learned-fp32-v1");
  REQUIRE(plain.find("logits") != nullptr);
  CHECK(plain.find("logits")->type() == "F32 [2, 100, 8]");
  const std::vector<double> ours = to_double(*plain.find("logits"));
  const std::vector<double> theirs = to_double(*expected.find("logits"));
  for (std::size_t i = 0; i < ours.size(); ++i) REQUIRE(std::fabs(ours[i] - theirs[i]) < 1e-4);
  CHECK(
      run_krohn("run " + golden + "mamba_default --states --threads 1 --tokens " + in + " --logits " + out).exit_code ==
      0);
  const Safetensors states = Safetensors::read(out);
  CHECK(to_float(*states.find("logits")) == to_float(*plain.find("logits")));
  REQUIRE(states.find("S.1") != nullptr);
  CHECK(states.find("S.1")->type() == "F32 [2, 64, 8]");
  CHECK(states.find("conv.0.x")->type() == "F32 [2, 4, 64]");
}

TEST_CASE("run --states every writes the states of every position, of tokens and of words") {
  const TemporaryDirectory directory;
  const std::string out = (directory / "out.safetensors").string();
  const std::string in = golden + "mamba_default/golden.safetensors";
  CHECK(run_krohn("run " + golden + "mamba_default --states every --tokens " + in + " --logits " + out).exit_code == 0);
  CHECK(Safetensors::read(out).find("S.1")->type() == "F32 [2, 100, 64, 8]");
  const std::string trained = std::string(KROHN_TEST_DATA) + "/zoo/gdn_2l__tomita4";
  CHECK(run_krohn("run " + trained + " --states every -o " + out, "01\n110\n").exit_code == 0);
  CHECK(Safetensors::read(out).find("S.1")->type() == "F32 [7, 2, 16, 16]");
  const std::string compiled = (directory / "m").string();
  REQUIRE(run_krohn("compile parity -o " + compiled).exit_code == 0);
  CHECK(run_krohn("run " + compiled + " --states every -o " + out, "1\n01\n").exit_code == 0);
  const Safetensors states = Safetensors::read(out);
  CHECK(states.find("S.0")->type() == "F32 [5, 1, 1, 1]");
  CHECK(to_int64(*states.find("offset")) == std::vector<std::int64_t>{0, 2, 5});
  CHECK(to_int64(*states.find("labels")) == std::vector<std::int64_t>{0, 1, 0, 0, 1});
  CHECK(states.metadata().at("labels") == R"(["0","1"])");
  check_refused(run_krohn("run " + compiled + " --states every"), "after -o");
  check_refused(run_krohn("run " + compiled + " -o " + out, "1\n"), "--output");
  check_refused(run_krohn("run " + compiled + " --states all -o " + out, "1\n"), "last", 2);
}

TEST_CASE("input ids of either integer type, of no words and of no tokens") {
  const TemporaryDirectory directory;
  const fs::path in = directory / "in.safetensors";
  const std::string out = (directory / "out.safetensors").string();
  const std::string command = "run " + golden + "xlstm10_mlstm --tokens " + in.string() + " --logits " + out;
  write_ids(in, make_tensor("input_ids", std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}, {2, 3}));
  CHECK(run_krohn(command).exit_code == 0);
  const std::vector<float> narrow = to_float(*Safetensors::read(out).find("logits"));
  write_ids(in, make_tensor("input_ids", std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}, {2, 3}));
  CHECK(run_krohn(command + " --states").exit_code == 0);
  CHECK(to_float(*Safetensors::read(out).find("logits")) == narrow);
  for (const std::vector<std::uint64_t>& shape : {std::vector<std::uint64_t>{0, 4}, {3, 0}}) {
    write_ids(in, make_tensor("input_ids", std::vector<std::int64_t>{}, shape));
    CHECK(run_krohn(command).exit_code == 0);
    CHECK(Safetensors::read(out).find("logits")->shape == std::vector<std::uint64_t>{shape[0], shape[1], 6});
  }
  // Without a token, the states are those before the first: nothing seen, and a running maximum of nothing.
  CHECK(run_krohn(command + " --states").exit_code == 0);
  const Safetensors start = Safetensors::read(out);
  REQUIRE(start.find("S.0") != nullptr);
  CHECK(start.find("S.0")->shape[0] == 3);
  for (const float entry : to_float(*start.find("S.0"))) CHECK(entry == 0);
  for (const float entry : to_float(*start.find("m.0"))) CHECK(entry == -std::numeric_limits<float>::infinity());
  // A file of a few bytes cannot ask for any number of words.
  write_ids(in, make_tensor("input_ids", std::vector<std::int64_t>{}, {std::uint64_t{1} << 60U, 0}));
  check_refused(run_krohn(command), "input_ids: expected at most 1048576 words of no token");
  write_ids(in, make_tensor("input_ids", std::vector<std::int64_t>{0, 6, -1, 3}, {2, 2}));
  const fs::path fresh = directory / "fresh.safetensors";
  const std::string refused = "run " + golden + "xlstm10_mlstm --tokens " + in.string() + " --logits " + fresh.string();
  const ProcessResult bad = run_krohn(refused);
  check_refused(bad, "input_ids[0][1]: expected an id from 0 to 5, got 6");
  check_refused(bad, "input_ids[1][0]: expected an id from 0 to 5, got -1");
  write_ids(in, make_tensor("input_ids", std::vector<std::int64_t>{0, 1}, {2}));
  check_refused(run_krohn(refused), "input_ids: expected I64 or I32 of shape [B, T]");
  write_ids(in, make_tensor("ids", std::vector<std::int64_t>{0, 1}, {1, 2}));
  check_refused(run_krohn(refused), "input_ids: expected a tensor of shape [B, T], got none");
  CHECK_FALSE(fs::exists(fresh));
  check_refused(run_krohn("run " + golden + "xlstm10_mlstm --tokens " + in.string()), "--logits");
  write_file(directory / "config.json", R"({"model_type": "llama"})");
  check_refused(run_krohn("run " + (directory / "").string() + " --tokens " + in.string() + " --logits " + out),
                "/model_type: expected one of comba, delta_net");
}

TEST_CASE("run labels words, and marks where there is no answer") {
  const std::string model = models + "parity_delta_net_neg_noconv_1layer";
  CHECK(run_krohn("run " + model, "1\n\n0110\n111\n").out == "1\n?\n0\n1\n");
  CHECK(run_krohn("run " + model + " --all-positions", "1\n0110\n").out == "1\n0 1 0 0\n");
  check_refused(run_krohn("run " + model, "2\n"), "column 1");
  // No silent fallback: a device, or an error.
  const ProcessResult cuda = run_krohn("run " + model + " --device cuda", "1\n\n0110\n111\n");
  if (cuda.exit_code == 0) {
    CHECK(cuda.out == "1\n?\n0\n1\n");
  } else {
    check_refused(cuda, "CUDA was asked for", 3);
  }
  check_refused(run_krohn("run " + golden + "gla_default", "1\n"), "expected a task");
}

TEST_CASE("check refutes what theory forbids, by the task's language or by a named one") {
  for (const std::string language : {"", " parity"}) {
    const ProcessResult result =
        run_krohn("check " + models + "parity_delta_net_pos" + language + " --json --time-limit 60");
    CHECK(result.exit_code == 10);
    const auto json = nlohmann::json::parse(result.out);
    CHECK(json["verdict"] == "REFUTED");
    CHECK(json["word"].size() < 40);
    CHECK(json["domain"] == "all words of length at least 1");
    CHECK(json["semantics"] == "learned-fp32-v1");
  }
  const ProcessResult short_words =
      run_krohn("check " + models + "s3_gated_deltaproduct_n2_neg --up-to 3 --time-limit 60");
  CHECK(short_words.exit_code == 0);
  CHECK(short_words.out.find("s CERTIFIED 3") != std::string::npos);
  check_refused(run_krohn("check " + models + "parity_delta_net_pos cycle:3"), "0");
  check_refused(run_krohn("check " + models + "parity_delta_net_pos --format fp16"), "learned-fp32-v1");
}

TEST_CASE("accuracy measures by length") {
  const std::string command = "accuracy " + models + "parity_delta_net_pos --lengths 40..128 --words 64 --seed 3";
  const ProcessResult result = run_krohn(command + " --json");
  CHECK(result.exit_code == 0);
  const auto json = nlohmann::json::parse(result.out);
  CHECK(json["chance"] == 0.5);
  REQUIRE(json["lengths"].size() == 3);
  CHECK(json["lengths"][1]["length"] == 64);
  for (const auto& each : json["lengths"]) {
    for (const char* share : {"position", "last", "sequence"}) {
      CHECK(each[share]["low"] <= each[share]["value"]);
      CHECK(each[share]["high"] >= each[share]["value"]);
    }
  }
  CHECK(run_krohn(command + " --json").out == result.out);
  CHECK(run_krohn(command).out.find("sequences") != std::string::npos);
  // The form that answers is named.
  const std::string form = "accuracy " + models + "parity_delta_net_pos --lengths 9 --words 8 --device cpu --form bf16";
  CHECK(run_krohn(form).out.find("(seed 0), chunked, bf16; value") != std::string::npos);
  CHECK(nlohmann::json::parse(run_krohn(form + " --json").out)["semantics"] == "chunked, bf16");
  check_refused(run_krohn("accuracy " + models + "parity_delta_net_pos --lengths 5..3"), "lengths: expected");
  check_refused(run_krohn("accuracy " + models + "parity_delta_net_pos --lengths 5 --weights 1"), "symbol weights");
}

TEST_CASE("inspect shows a checkpoint's eigenvalues, as text, JSON and a drawing") {
  const TemporaryDirectory directory;
  const std::string svg = (directory / "plot.svg").string();
  const ProcessResult result = run_krohn("inspect " + models + "s3_gated_deltaproduct_n2_neg --json --svg " + svg);
  CHECK(result.exit_code == 0);
  const auto json = nlohmann::json::parse(result.out);
  CHECK(json["architecture"] == "gated_deltaproduct");
  CHECK(json["parameters"] == 55908);
  REQUIRE(json["spectrum"]["heads"].size() == 2);
  CHECK(json["spectrum"]["heads"][0]["complex"] > 0);
  CHECK(nlohmann::json::parse(read_file(directory / "plot.json")) == json);
  CHECK(read_file(svg).starts_with("<svg xmlns"));
  const ProcessResult text = run_krohn("inspect " + models + "s3_gated_deltaproduct_n2_neg");
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("layer 0: delta") != std::string::npos);
  CHECK(run_krohn("inspect " + golden + "xlstm01_slstm").out.find("moves by no matrix") != std::string::npos);
  const std::string hybrid = std::string(KROHN_TEST_DATA) + "/hybrids/olmo_hybrid";
  const ProcessResult layers = run_krohn("inspect " + hybrid);
  CHECK(layers.exit_code == 0);
  CHECK(layers.error.find("attention layers, feed-forward parts, embedding and head are left out") !=
        std::string::npos);
  CHECK(layers.out.find("olmo_hybrid, of which 2 linear layers") != std::string::npos);
  CHECK(layers.out.find("layer 2: delta") != std::string::npos);
  CHECK(layers.out.find("layer 1:") == std::string::npos);
  const ProcessResult recorded = run_krohn("inspect " + hybrid + " --json --inputs " + hybrid + "/golden.safetensors");
  CHECK(recorded.exit_code == 0);
  CHECK(recorded.out.find("\"kind\": \"linear layers\"") != std::string::npos);
  CHECK(recorded.out.find("\"layer\": 2") != std::string::npos);
  check_refused(run_krohn("inspect " + golden + "gla_default --inputs " + hybrid + "/golden.safetensors"), "--inputs");
  check_refused(run_krohn("report " + hybrid + " -o " + (directory / "page.html").string()), "krohn inspect shows");
  const std::string signed_keys = std::string(KROHN_TEST_DATA) + "/variants/published_delta_net_absolute_sum";
  CHECK(run_krohn("inspect " + signed_keys).error.find("--fla-version says which one") != std::string::npos);
  const ProcessResult before = run_krohn("inspect " + signed_keys + " --fla-version 0.5.2");
  CHECK(before.exit_code == 0);
  CHECK(before.error.empty());
  CHECK(before.out != run_krohn("inspect " + signed_keys + " --fla-version 0.6").out);
  for (const char* version : {"0", "0.6.x", "0.6.0.1", "-1.0", "0.6."}) {
    const ProcessResult refused = run_krohn("inspect " + signed_keys + " --fla-version " + version);
    CHECK(refused.exit_code == 2);
    CHECK(refused.error.find("expected a version such as 0.5.2") != std::string::npos);
  }
  check_refused(run_krohn("inspect " + golden + "gla_default --svg " + (directory / "plot.png").string()), ".svg");
}

TEST_CASE("refute decides a checkpoint's hypothesis from its weights") {
  // Negative eigenvalues in force: -0.9987 for '1', so that the theorem says nothing; the factor is symmetric, so
  // that Theorem 2's hypothesis holds in this one layer.
  const std::string negative = models + "parity_delta_net_neg_noconv_1layer";
  check_refused(run_krohn("refute " + negative + " --theorem parity --budget 1000"),
                "layer 0, head 0, symbol '1': expected only eigenvalues that are real and not negative, got -0.998707");
  nlohmann::json report =
      nlohmann::json::parse(run_krohn("refute " + negative + " --theorem modular:3 --budget 1000 --json").out);
  CHECK(report.at("hypothesis_holds") == true);
  // Two factors a token: 120 degrees for a rotation of S_3, cos 120 = -0.5. The matrix of the last token of 3^3,
  // computed in float64 by PyTorch from the weights, has the eigenvalues -0.4948056 +- 0.8689998i.
  for (const auto& [theorem, allowed] :
       std::vector<std::pair<std::string, std::string>>{{"parity", "real and not negative"}, {"modular:3", "real"}}) {
    check_refused(run_krohn("refute " + models + "s3_gated_deltaproduct_n2_neg --theorem " + theorem + " --budget 9"),
                  "symbol '3' at the end of the word 3^3: expected only eigenvalues that are " + allowed +
                      ", got -0.494806+0.869i");
  }
  report = nlohmann::json::parse(
      run_krohn("refute " + models + "parity_delta_net_pos --theorem parity --budget 1000 --json").out);
  CHECK(report.at("hypothesis_holds") == true);
  CHECK(report.at("layers").at(0).at("method") ==
        "1 factor a token, beta from 8.2457e-05 to 0.999918 (by its weights), |k| < 1");
}

}  // namespace
}  // namespace krohn
