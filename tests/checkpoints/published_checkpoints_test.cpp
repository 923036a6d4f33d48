// label: quick
// Checkpoints as they were published: each case has the same weights twice, as krohn's own tests write them and with
// the options, names or shapes of the published files, and both are one model with the same logits bit for bit. What
// changes the function is refused by name.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "../temporary_directory.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/error.hpp"
#include "krohn/results/token_run.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

const fs::path data = KROHN_TEST_DATA;

std::string problems_of(const fs::path& directory) {
  try {
    read_checkpoint(directory);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

// The weights of a directory under another configuration.
std::string problems_with(const fs::path& directory, const std::string& from, const std::string& to) {
  const TemporaryDirectory copy;
  fs::copy_file(directory / "model.safetensors", copy / "model.safetensors");
  std::string text = read_file(directory / "config.json");
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  std::ofstream(copy / "config.json") << text.replace(at, from.size(), to);
  return problems_of(copy / "");
}

bool mentions(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  const bool found = text.find(part) != std::string::npos;
  CHECK(found);
  return found;
}

std::vector<Tensor> logits(const Program& model, const fs::path& tokens) {
  return run_tokens(model, read_input_ids(Safetensors::read(tokens), model), TokenStates::last);
}

TEST_CASE("a published file is the model that its weights are under the usual names") {
  std::size_t seen = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(data / "cases")) {
    if (!fs::exists(entry.path() / "public")) continue;
    CAPTURE(entry.path());
    REQUIRE(problems_of(entry.path() / "public") == "accepted");
    const Program plain = read_checkpoint(entry.path() / "plain").model;
    const Program published = read_checkpoint(entry.path() / "public").model;
    CHECK(plain == published);
    CHECK(plain.fingerprint() == published.fingerprint());
    CHECK(read_model_type(entry.path() / "public") == read_model_type(entry.path() / "plain"));
    const std::vector<Tensor> a = logits(plain, entry.path() / "in.safetensors");
    const std::vector<Tensor> b = logits(published, entry.path() / "in.safetensors");
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].bytes == b[i].bytes);
    ++seen;
  }
  CHECK(seen >= 4);
}

TEST_CASE("keys of the original configuration beside transformers' own must agree with those") {
  const fs::path mamba = data / "cases" / "mamba_hf_published_config" / "public";
  const auto problems = [&](const std::string& from, const std::string& to) { return problems_with(mamba, from, to); };
  mentions(problems("\"d_inner\": 32", "\"d_inner\": 64"), "/d_inner: expected expand * hidden_size = 32, got 64");
  mentions(problems("\"d_model\": 16", "\"d_model\": 8"), "/d_model: expected hidden_size = 16");
  mentions(problems("\"n_layer\": 2", "\"n_layer\": 3"), "/n_layer: expected num_hidden_layers = 2");
  CHECK(problems("\"ssm_cfg\": {}", "\"ssm_cfg\": {\"layer\": \"Mamba1\", \"d_state\": 4, \"dt_min\": 0.5}") ==
        "accepted");
  mentions(problems("\"ssm_cfg\": {}", "\"ssm_cfg\": {\"d_state\": 8}"), "/ssm_cfg/d_state: expected what state_size");
  mentions(problems("\"ssm_cfg\": {}", "\"ssm_cfg\": {\"layer\": \"Mamba2\"}"), "/ssm_cfg/layer: expected what");
  mentions(problems("\"ssm_cfg\": {}", "\"ssm_cfg\": {\"what\": 1}"), "/ssm_cfg/what: expected what what says");
  mentions(problems("\"rms_norm\": true", "\"rms_norm\": false"), "backbone.norm_f.bias: expected a tensor");
}

TEST_CASE("what mamba_ssm's configuration says and krohn does not run is refused by name") {
  const fs::path mamba = data / "cases" / "mamba_ssm_original_format" / "public";
  const auto problems = [&](const std::string& to) { return problems_with(mamba, "\"ssm_cfg\": {}", to); };
  mentions(problems("\"ssm_cfg\": {\"layer\": \"Mamba3\"}"), "'Mamba1' or 'Mamba2'");
  mentions(problems("\"ssm_cfg\": {\"layer\": \"Mamba2\"}"), "mixer.dt_bias: expected a tensor");
  mentions(problems("\"ssm_cfg\": {\"d_state\": 8}"), "A_log: expected shape [32, 8]");
  mentions(problems("\"ssm_cfg\": {\"half\": 8}"), "the unknown option 'half'");
  mentions(problems("\"ssm_cfg\": {}, \"d_intermediate\": 64"), "/d_intermediate: expected 0");
  mentions(problems("\"ssm_cfg\": {}, \"attn_layer_idx\": [1]"), "/attn_layer_idx: expected nothing in it");
  mentions(problems("\"ssm_cfg\": {}, \"tie_embeddings\": 1"), "/tie_word_embeddings");
  CHECK(problems("\"ssm_cfg\": {}, \"tie_embeddings\": false") == "accepted");
  CHECK(problems("\"ssm_cfg\": {}, \"d_intermediate\": 0, \"attn_layer_idx\": [], \"attn_cfg\": {}") == "accepted");
  mentions(problems_with(mamba, "\"n_layer\": 2,", ""), "expected the member 'model_type', or the configuration");
  mentions(problems_with(mamba, "\"vocab_size\": 5", "\"vocab_size\": 9"), "expected shape [16, 16]");
}

// A case under changed names of its tensors.
Checkpoint renamed(const fs::path& directory, const std::function<std::string(const std::string&)>& name) {
  const TemporaryDirectory copy;
  fs::copy_file(directory / "config.json", copy / "config.json");
  const Safetensors file = Safetensors::read(directory / "model.safetensors");
  std::vector<Tensor> tensors;
  for (const TensorView& view : file.tensors()) {
    tensors.push_back({name(view.name), view.dtype, view.shape,
                       std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size())});
  }
  std::ofstream(copy / "model.safetensors", std::ios::binary) << format_safetensors(tensors);
  return read_checkpoint(copy / "");
}

TEST_CASE("what wrappers put into the names of tensors is left out, and a note says so") {
  const fs::path tied = data / "cases" / "mamba_hf_published_config" / "plain";
  for (const fs::path& directory : {tied, data / "golden" / "delta_net_neg", data / "golden" / "mambaLM_posneg",
                                    data / "golden" / "xlstm10_mlstm"}) {
    CAPTURE(directory);
    const Program expected = read_checkpoint(directory).model;
    for (const char* text :
         {"module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model.module.",
          "_forward_module.model.", "model.model.", "net._fsdp_wrapped_module.module."}) {
      const std::string prefix = text;
      CAPTURE(prefix);
      const Checkpoint checkpoint = renamed(directory, [&](const std::string& name) { return prefix + name; });
      CHECK(checkpoint.model == expected);
      REQUIRE(!checkpoint.notes.empty());
      mentions(checkpoint.notes[0], "'" + prefix + "' before all of them");
    }
    // A layer wrapped by itself.
    const Checkpoint inside = renamed(directory, [](std::string name) {
      const std::size_t at = name.find(".0.");
      return at == std::string::npos ? name : name.insert(at + 3, "_checkpoint_wrapped_module._orig_mod.");
    });
    CHECK(inside.model == expected);
    REQUIRE(!inside.notes.empty());
    mentions(inside.notes[0], "'_checkpoint_wrapped_module.' within");
  }
}

TEST_CASE("a prefix of all names that is the model's own stays") {
  const TemporaryDirectory copy;
  const fs::path directory = data / "golden" / "delta_net_neg";
  std::string config = read_file(directory / "config.json");
  const std::string untied = "\"tie_word_embeddings\": false";
  REQUIRE(config.find(untied) != std::string::npos);
  config.replace(config.find(untied), untied.size(), "\"tie_word_embeddings\": true");
  std::ofstream(copy / "config.json") << config;
  for (const char* prefix : {"", "module.", "model.", "_orig_mod.model."}) {
    CAPTURE(prefix);
    const Safetensors file = Safetensors::read(directory / "model.safetensors");
    std::vector<Tensor> tensors;
    for (const TensorView& view : file.tensors()) {
      if (view.name == "lm_head.weight") continue;
      tensors.push_back({prefix + view.name, view.dtype, view.shape,
                         std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size())});
    }
    std::ofstream(copy / "model.safetensors", std::ios::binary) << format_safetensors(tensors);
    CHECK(problems_of(copy / "") == "accepted");
    CHECK(read_checkpoint(copy / "").model.tied());
  }
}

TEST_CASE("RWKV-7's first layer may have a map that nothing reads") {
  const fs::path directory = data / "golden" / "rwkv7_default";
  const Program expected = read_checkpoint(directory).model;
  const TemporaryDirectory copy;
  fs::copy_file(directory / "config.json", copy / "config.json");
  const Safetensors file = Safetensors::read(directory / "model.safetensors");
  std::vector<Tensor> tensors;
  for (const TensorView& view : file.tensors()) {
    const std::string bytes(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
    tensors.push_back({view.name, view.dtype, view.shape, bytes});
    const std::size_t at = view.name.find("layers.1.attn.v_lora");
    if (at == std::string::npos) continue;
    tensors.push_back({std::string(view.name).replace(at + 7, 1, "0"), view.dtype, view.shape, bytes});
  }
  REQUIRE(tensors.size() == file.tensors().size() + 3);
  std::ofstream(copy / "model.safetensors", std::ios::binary) << format_safetensors(tensors);
  CHECK(read_checkpoint(copy / "").model == expected);
}

TEST_CASE("a version of flash-linear-attention decides what qk_norm sum means") {
  const fs::path variants = data / "variants";
  const auto read = [&](const char* name, std::array<std::uint32_t, 3> version) {
    return read_checkpoint(variants / name, {.fla_version = version});
  };
  const auto sums = [](const Program& model) {
    return std::count_if(model.operations().begin(), model.operations().end(), [](const Operation& operation) {
      const auto* norm = std::get_if<Normalization>(&operation.kind);
      return norm != nullptr && norm->kind == Normalization::Kind::sum;
    });
  };
  const char* signed_keys = "published_delta_net_absolute_sum";
  CHECK(sums(read(signed_keys, {0, 5, 2}).model) == 4);
  CHECK(sums(read(signed_keys, {0, 6, 0}).model) == 0);
  CHECK(read(signed_keys, {1, 0, 0}).model == read_checkpoint(variants / signed_keys).model);
  CHECK(read(signed_keys, {0, 5, 2}).notes.empty());
  CHECK(read(signed_keys, {0, 6, 0}).notes.empty());
  mentions(read_checkpoint(variants / signed_keys).notes.at(0), "--fla-version says which one");
  // Either meaning is that of the float64 reference, and they are two.
  const Safetensors golden = Safetensors::read(variants / signed_keys / "golden.safetensors");
  const std::vector<double> since_0_6 = to_double(*golden.find("logits"));
  const std::vector<double> before_0_6 = to_double(*golden.find("logits_before_0_6"));
  const std::vector<Tokens> words = read_input_ids(golden, read_checkpoint(variants / signed_keys).model).words;
  const auto farthest = [&](std::array<std::uint32_t, 3> version, const std::vector<double>& expected) {
    const Program model = read(signed_keys, version).model;
    std::vector<double> row(model.num_logits());
    double worst = 0;
    std::size_t at = 0;
    for (const Tokens& word : words) {
      LearnedStream<double> stream(model);
      for (const std::uint32_t token : word) {
        stream.step(token, row);
        for (const double x : row) worst = std::max(worst, std::fabs(x - expected.at(at++)));
      }
    }
    CHECK(at == expected.size());
    return worst;
  };
  CHECK(farthest({0, 5, 2}, before_0_6) < 1e-9);
  CHECK(farthest({0, 6, 0}, since_0_6) < 1e-9);
  CHECK(farthest({0, 5, 2}, since_0_6) > 1e-3);
  CHECK(farthest({0, 6, 0}, before_0_6) > 1e-3);
  // Where keys are positive both are one function, with the same bits.
  const Program before = read("delta_net_06", {0, 5, 2}).model;
  const Program since = read("delta_net_06", {0, 6, 0}).model;
  CHECK(sums(before) == 4);
  CHECK(before.fingerprint() != since.fingerprint());
  const fs::path tokens = variants / "delta_net_06" / "golden.safetensors";
  const std::vector<Tensor> a = logits(before, tokens);
  const std::vector<Tensor> b = logits(since, tokens);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].bytes == b[i].bytes);
}

TEST_CASE("an output gate that no version before 0.6.0 knew") {
  const fs::path gated = data / "variants" / "published_gated_deltanet_sigmoid_gate";
  CHECK_THROWS_AS(read_checkpoint(gated, {.fla_version = std::array<std::uint32_t, 3>{0, 5, 2}}), InputError);
  CHECK_NOTHROW(read_checkpoint(gated, {.fla_version = std::array<std::uint32_t, 3>{0, 6, 0}}));
  mentions(problems_with(gated, "\"output_gate_activation\": \"sigmoid\"", "\"output_gate_activation\": \"tanh\""),
           "/output_gate_activation: expected 'swish' or 'silu' or 'sigmoid'");
}

TEST_CASE("the linear layers of hybrids give what they give in their models") {
  for (const std::string name : {"olmo_hybrid", "qwen3_next", "kimi_linear"}) {
    CAPTURE(name);
    const fs::path directory = data / "hybrids" / name;
    CHECK(is_hybrid(directory));
    mentions(problems_of(directory), "expected a model of linear layers alone, got one with attention layers");
    const Safetensors golden = Safetensors::read(directory / "golden.safetensors");
    for (const std::size_t layer : {0U, 2U}) {
      CAPTURE(layer);
      const Checkpoint checkpoint =
          read_linear_layers(directory, {.file = directory / "golden.safetensors", .only = layer});
      CHECK(checkpoint.layer_numbers == std::vector<std::size_t>{layer});
      mentions(checkpoint.notes.back(), "6 inputs of");
      const TensorView* outputs = golden.find("outputs." + std::to_string(layer));
      REQUIRE(outputs != nullptr);
      const std::vector<double> expected = to_double(*outputs);
      const std::size_t size = outputs->shape[1];
      REQUIRE(checkpoint.model.num_logits() == size);
      const Tokens word = read_input_ids(golden, checkpoint.model).words.at(0);
      LearnedStream<double> exact(checkpoint.model);
      LearnedStream<float> canonical(checkpoint.model);
      std::vector<double> wide(size);
      std::vector<float> narrow(size);
      double worst = 0;
      double worst_single = 0;
      for (std::size_t t = 0; t < word.size(); ++t) {
        exact.step(word[t], wide);
        canonical.step(word[t], narrow);
        for (std::size_t i = 0; i < size; ++i) {
          worst = std::max(worst, std::fabs(wide[i] - expected[t * size + i]));
          worst_single = std::max(worst_single, std::fabs(static_cast<double>(narrow[i]) - expected[t * size + i]));
        }
      }
      MESSAGE(name, ", layer ", layer, ": double outputs within ", worst, ", fp32 within ", worst_single);
      CHECK(worst < 1e-9);
      CHECK(worst_single < 1e-4);
    }
    // All of them side by side: what each gives does not depend on the others.
    const Checkpoint all = read_linear_layers(directory);
    CHECK(all.layer_numbers == std::vector<std::size_t>{0, 2});
    CHECK(all.model.layers().size() == 2);
    CHECK(all.model.vocabulary_size() == 64);
    mentions(all.notes.back(), "64 random directions");
    CHECK_THROWS_AS(read_linear_layers(directory, {.only = 1}), InputError);
  }
  CHECK_FALSE(is_hybrid(data / "golden" / "delta_net_neg"));
  CHECK_THROWS_AS(read_linear_layers(data / "golden" / "delta_net_neg"), InputError);
}

TEST_CASE("Kimi Linear's published configuration says in a part of its own which layers are linear") {
  const fs::path directory = data / "hybrids" / "kimi_linear";
  const TemporaryDirectory copy;
  fs::copy_file(directory / "model.safetensors", copy / "model.safetensors");
  std::ofstream(copy / "config.json") << R"({"model_type": "kimi_linear", "hidden_size": 8, "num_hidden_layers": 3,
      "linear_attn_config": {"full_attn_layers": [2], "kda_layers": [1, 3], "head_dim": 4, "num_heads": 2,
                             "short_conv_kernel_size": 4}})";
  const Checkpoint published = read_linear_layers(copy / "");
  CHECK(published.layer_numbers == std::vector<std::size_t>{0, 2});
  CHECK(published.model == read_linear_layers(directory).model);
}

TEST_CASE("a linear layer's tensors in a hybrid are all there, and nothing else") {
  const fs::path directory = data / "hybrids" / "olmo_hybrid";
  const auto with = [&](const std::function<std::string(const std::string&)>& name) {
    const TemporaryDirectory copy;
    fs::copy_file(directory / "config.json", copy / "config.json");
    const Safetensors file = Safetensors::read(directory / "model.safetensors");
    std::vector<Tensor> tensors;
    for (const TensorView& view : file.tensors()) {
      tensors.push_back({name(view.name), view.dtype, view.shape,
                         std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size())});
    }
    std::ofstream(copy / "model.safetensors", std::ios::binary) << format_safetensors(tensors);
    try {
      read_linear_layers(copy / "");
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto renamed_to = [&](const std::string& from, const std::string& to) {
    return with([&](const std::string& name) { return name == from ? to : name; });
  };
  const std::string layer = "model.layers.2.linear_attn.";
  CHECK(renamed_to("model.layers.1.self_attn.q_proj.weight", "anything") == "accepted");
  const std::string problems = renamed_to(layer + "b_proj.weight", layer + "c_proj.weight");
  mentions(problems, layer + "b_proj.weight: expected a tensor of shape [2, 8]");
  mentions(problems, layer + "c_proj.weight': expected only tensors");
}

TEST_CASE("options of DeltaNet's files of 2024") {
  const fs::path delta = data / "cases" / "delta_net_mid2024_options" / "public";
  mentions(problems_with(delta, "\"use_rope\": false", "\"use_rope\": true"), "/use_rope: expected false");
  mentions(problems_with(delta, "\"share_conv_kernel\": false", "\"share_conv_kernel\": true"),
           "h_conv1d.weight: expected a tensor of shape [16, 1, 4]");
  mentions(problems_with(delta, "\"use_rope\": false", "\"rms_norm_eps\": 1e-5"),
           "/rms_norm_eps: expected what norm_eps");
  CHECK(problems_with(delta, "\"use_rope\": false", "\"rms_norm_eps\": 1e-6") == "accepted");
  const std::vector<std::string> notes = read_checkpoint(delta).notes;
  REQUIRE(notes.size() == 1);
  mentions(notes[0], "sqrt(|k|^2 + 1e-6)");
}

}  // namespace
}  // namespace krohn
