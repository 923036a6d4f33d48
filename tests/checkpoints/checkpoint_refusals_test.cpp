// label: quick
// A checkpoint that is not exactly what its configuration says is refused, naming every problem at once: tensors
// missing, left over, of another shape or type, NaN weights, options that krohn does not know or does not run.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <span>

#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

// A directory of its own that starts as a copy of a recorded checkpoint.
class Copy {
 public:
  explicit Copy(const std::string& name)
      : path_(fs::temp_directory_path() /
              ("krohn_refusals_" + std::to_string(::getpid()) + "_" + std::to_string(counter_++))) {
    fs::create_directories(path_);
    const fs::path from = fs::path(KROHN_TEST_DATA) / name;
    fs::copy_file(from / "config.json", path_ / "config.json");
    fs::copy_file(from / "model.safetensors", path_ / "model.safetensors");
  }
  ~Copy() { fs::remove_all(path_); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  const fs::path& path() const { return path_; }

  // Replaces the first occurrence of a text in config.json.
  void configure(const std::string& from, const std::string& to) const {
    std::string text = read_file(path_ / "config.json");
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write("config.json", text.replace(at, from.size(), to));
  }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }
  // The tensors, to be changed and written back.
  std::vector<Tensor> tensors() const {
    std::vector<Tensor> all;
    const Safetensors file = Safetensors::read(path_ / "model.safetensors");
    for (const TensorView& view : file.tensors()) {
      all.push_back({view.name, view.dtype, view.shape,
                     std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size())});
    }
    return all;
  }
  void write_tensors(const std::vector<Tensor>& tensors) const {
    write("model.safetensors", format_safetensors(tensors));
  }

  std::string problems() const {
    try {
      read_checkpoint(path_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }

 private:
  static inline int counter_ = 0;
  fs::path path_;
};

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Tensor& named(std::vector<Tensor>& tensors, const std::string& name) {
  const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == name; });
  REQUIRE(at != tensors.end());
  return *at;
}

TEST_CASE("an unchanged copy is accepted") { CHECK(Copy("golden/delta_net_neg").problems() == "accepted"); }

TEST_CASE("every wrong tensor is named at once") {
  const Copy copy("golden/delta_net_neg");
  std::vector<Tensor> tensors = copy.tensors();
  const std::string layer = "model.layers.0.";
  named(tensors, layer + "attn.q_proj.weight").name = layer + "attn.q_projection.weight";
  named(tensors, layer + "attn.o_norm.weight").shape = {4, 4};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  named(tensors, layer + "mlp_norm.weight") = make_tensor(layer + "mlp_norm.weight", std::vector<float>(32, nan));
  named(tensors, "model.norm.weight") = make_tensor("model.norm.weight", std::vector<double>(32, 1.0));
  copy.write_tensors(tensors);
  const std::string problems = copy.problems();
  CHECK(mentions(problems, layer + "attn.q_proj.weight: expected a tensor of shape [32, 32], got none"));
  CHECK(mentions(problems, layer + "attn.q_projection.weight': expected only tensors"));
  CHECK(mentions(problems, layer + "attn.o_norm.weight: expected shape [16], got F32 [4, 4]"));
  CHECK(mentions(problems, layer + "mlp_norm.weight: expected finite weights, got 32 of 32"));
  CHECK(mentions(problems, "model.norm.weight: expected F32, F16 or BF16, got F64 [32]"));
}

TEST_CASE("a missing head is tied only where the configuration does not deny it") {
  const Copy copy("golden/delta_net_neg");
  std::vector<Tensor> tensors = copy.tensors();
  std::erase_if(tensors, [](const Tensor& t) { return t.name == "lm_head.weight"; });
  copy.write_tensors(tensors);
  CHECK(mentions(copy.problems(),
                 "lm_head.weight: expected a tensor of shape [8, 32], since tie_word_embeddings is false"));
  copy.configure("\"tie_word_embeddings\": false,", "");
  CHECK(copy.problems() == "accepted");
  CHECK(read_checkpoint(copy.path()).model.tied());
  copy.configure("\"use_beta\"", "\"tie_word_embeddings\": true, \"use_beta\"");
  CHECK(copy.problems() == "accepted");
  const Copy both("golden/delta_net_neg");
  both.configure("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
  CHECK(mentions(both.problems(), "lm_head.weight: expected the embedding's values"));
}

TEST_CASE("options that change inference are honoured or refused by name") {
  struct Change {
    const char* model;
    const char* from;
    const char* to;
    const char* problem;
  };
  const Change changes[] = {
      {"delta_net_neg", "\"model_type\": \"delta_net\"", "\"model_type\": \"llama\"", "/model_type: expected one of"},
      {"delta_net_neg", "\"attn\": null", "\"attn\": {\"layers\": [0]}", "/attn: expected null"},
      {"delta_net_neg", "\"attnres_block_size\": null", "\"attnres_block_size\": 3",
       "/attnres_block_size: expected null, 1 or an even number"},
      {"delta_net_neg", "\"hidden_act\": \"swish\"", "\"hidden_act\": \"gelu\"", "/hidden_act: expected 'swish'"},
      {"delta_net_neg", "\"qk_norm\": \"l2\"", "\"qk_norm\": \"l3\"", "/qk_norm: expected 'l2' or 'sum'"},
      {"delta_net_neg", "\"use_beta\": true", "\"use_beta\": true, \"use_ripe\": true",
       "the unknown option 'use_ripe'"},
      {"delta_net_neg", "\"num_heads\": 2", "\"num_heads\": 0", "/num_heads: expected"},
      {"delta_net_neg", "\"num_heads\": 2", "\"num_heads\": 3", "/num_heads: expected a divisor of 32"},
      {"delta_net_neg", "\"norm_eps\": 1e-06", "\"norm_eps\": Infinity", "/norm_eps: expected a finite number"},
      {"gla_default", "\"use_gk\": true", "\"use_gk\": false", "/use_gk: expected true"},
      {"gla_default", "\"feature_map\": null", "\"feature_map\": \"gelu\"", "/feature_map: expected 'relu'"},
      {"mamba2_default", "\"n_groups\": 1", "\"n_groups\": 3", "/n_groups: expected a divisor"},
      {"mamba2_default", "\"inf\"", "\"much\"", "expected a number or Infinity"},
      {"rwkv7_default", "\"head_dim\": 16", "\"head_dim\": null", "accepted"},
      {"rwkv7_default", "\"head_dim\": 16", "\"head_dim\": 8", "/num_heads: expected hidden_size / head_dim = 4"},
      {"rwkv7_default", "[\n    32,\n    32\n  ]", "[32, 64]", "/value_dim: expected one size for all layers"},
      {"rwkv7_default", "[\n    32,\n    32\n  ]", "[33, 33]", "/value_dim: expected multiples of the 2 heads"},
      {"rwkv7_default", "[\n    32,\n    32\n  ]", "[32]", "/value_dim: expected a size for each of 2 layers"},
      {"rwkv7_default", "\"hidden_act\": \"sqrelu\"", "\"hidden_act\": \"relu\"", "/hidden_act: expected 'sqrelu'"},
      {"xlstm01_slstm", "\"slstm_backend\": \"vanilla\"", "\"slstm_backend\": \"other\"", "/slstm_backend: expected"},
      {"xlstm01_slstm", "\"slstm_at\": [\n  0,\n  1\n ]", "\"slstm_at\": [7]", "/slstm_at/0: expected"},
  };
  for (const Change& change : changes) {
    CAPTURE(change.to);
    const Copy copy(std::string("golden/") + change.model);
    copy.configure(change.from, change.to);
    const std::string problems = copy.problems();
    CAPTURE(problems);
    CHECK(mentions(problems, change.problem));
  }
}

TEST_CASE("a stack says what each of its layers is, and has no options of layers that it lacks") {
  struct Change {
    const char* from;
    const char* to;
    const char* problem;
  };
  const Change changes[] = {
      {"\"layer_types\": [\"gated_deltaproduct\"]", "\"layer_types\": [\"gla\"]",
       "/layer_types/0: expected mamba or gated_deltaproduct, got 'gla'"},
      {"\"layer_types\": [\"gated_deltaproduct\"]", "\"layer_types\": []",
       "/layer_types: expected a list with a type for each layer"},
      {"\"layer_types\": [\"gated_deltaproduct\"],", "", "expected layer_types: a list with a type for each layer"},
      {"\"hidden_size\"", "\"num_hidden_layers\": 2, \"hidden_size\"",
       "/num_hidden_layers: expected the number of layer_types, 1, got 2"},
      {"\"hidden_size\"", "\"state_size\": 3, \"hidden_size\"", "the unknown option 'state_size'"},
  };
  for (const Change& change : changes) {
    CAPTURE(change.to);
    const Copy copy("variants/layer_stack_02");
    copy.configure(change.from, change.to);
    const std::string problems = copy.problems();
    CAPTURE(problems);
    CHECK(mentions(problems, change.problem));
  }
}

TEST_CASE("a size that no model has is refused by the option that says it") {
  for (const char* ratio : {"-1", "0", "1e300"}) {
    CAPTURE(ratio);
    const Copy copy("golden/delta_net_neg");
    copy.configure("\"hidden_ratio\": 4", std::string("\"hidden_ratio\": ") + ratio);
    // Not read where the size itself is there.
    CHECK(copy.problems() == "accepted");
    copy.configure("\"intermediate_size\": 64", "\"intermediate_size\": null");
    CHECK(mentions(copy.problems(), "/hidden_ratio: expected a factor that makes a size of at least 1"));
  }
  const Copy rwkv("golden/rwkv7_default");
  rwkv.configure("\"head_dim\": 16", "\"head_dim\": null");
  rwkv.configure("\"num_heads\": 2", "\"num_heads\": null");
  CHECK(mentions(rwkv.problems(), "/num_heads: expected a number, since head_dim is null"));
  const Copy mamba("golden/mamba2_default");
  mamba.configure("\"inf\"", "NaN");
  CHECK(mentions(mamba.problems(), "/dt_limit: expected two limits in ascending order"));
  CHECK_FALSE(mentions(mamba.problems(), "step_least"));
}

TEST_CASE("the configuration's problems and the weights' are reported together") {
  const Copy copy("golden/delta_net_neg");
  copy.configure("\"use_beta\": true", "\"use_beta\": true, \"use_ripe\": true");
  std::vector<Tensor> tensors = copy.tensors();
  tensors.erase(tensors.begin());
  copy.write_tensors(tensors);
  const std::string problems = copy.problems();
  CHECK(mentions(problems, "the unknown option 'use_ripe'"));
  CHECK(mentions(problems, "got none"));
}

TEST_CASE("weights that are missing, ambiguous, truncated or oversized are refused") {
  const Copy copy("golden/delta_net_neg");
  const std::string bytes = read_file(copy.path() / "model.safetensors");
  copy.write("model.safetensors", bytes.substr(0, bytes.size() - 4));
  CHECK(mentions(copy.problems(), "model.safetensors"));
  CHECK(copy.problems() != "accepted");
  copy.write("model.safetensors", bytes + "xxxx");
  CHECK(copy.problems() != "accepted");
  fs::remove(copy.path() / "model.safetensors");
  CHECK(mentions(copy.problems(), "expected model.safetensors, pytorch_model.bin or one file of weights, got none"));
  copy.write("a.safetensors", bytes);
  CHECK(copy.problems() == "accepted");
  copy.write("b.safetensors", bytes);
  CHECK(mentions(copy.problems(), "got a.safetensors, b.safetensors"));
  copy.write("c.pth", bytes);
  copy.write("d.bin", bytes);
  CHECK(mentions(copy.problems(), "got c.pth, d.bin"));
}

TEST_CASE("inputs and reference values beside a PyTorch file are not taken for its weights") {
  const Copy copy("golden/delta_net_neg");
  fs::rename(copy.path() / "model.safetensors", copy.path() / "golden.safetensors");
  fs::copy_file(fs::path(KROHN_TEST_DATA) / "torch" / "tensors.pth", copy.path() / "trained.pth");
  CHECK(mentions(copy.problems(), "trained.pth: "));
  CHECK_FALSE(mentions(copy.problems(), "one file of weights"));
}

TEST_CASE("shards need an index that fits them") {
  const Copy copy("golden/delta_net_neg");
  const std::vector<Tensor> tensors = copy.tensors();
  const std::size_t half = tensors.size() / 2;
  copy.write("one.safetensors", format_safetensors(std::span(tensors).first(half)));
  copy.write("two.safetensors", format_safetensors(std::span(tensors).subspan(half)));
  fs::remove(copy.path() / "model.safetensors");
  const auto index = [&](std::size_t first, const std::string& extra) {
    std::string map;
    for (std::size_t i = first; i < tensors.size(); ++i) {
      map += (map.empty() ? "\"" : ", \"") + tensors[i].name + "\": \"" + (i < half ? "one" : "two") + ".safetensors\"";
    }
    copy.write("model.safetensors.index.json", "{\"metadata\": {}, \"weight_map\": {" + map + extra + "}}");
  };
  index(0, "");
  CHECK(copy.problems() == "accepted");
  CHECK(read_checkpoint(copy.path()).model ==
        read_checkpoint(fs::path(KROHN_TEST_DATA) / "golden/delta_net_neg").model);
  index(0, ", \"other\": \"one.safetensors\"");
  CHECK(mentions(copy.problems(), "'other': expected in one.safetensors, got no such tensor"));
  index(1, "");
  CHECK(mentions(copy.problems(), "expected every tensor of the shards in the index"));
  // The prefix of a wrapped module is dropped in shards and index alike.
  std::vector<Tensor> wrapped = tensors;
  for (Tensor& tensor : wrapped) tensor.name.insert(0, "_orig_mod.");
  copy.write("one.safetensors", format_safetensors(std::span(wrapped).first(half)));
  copy.write("two.safetensors", format_safetensors(std::span(wrapped).subspan(half)));
  std::string map;
  for (std::size_t i = 0; i < wrapped.size(); ++i) {
    map += (map.empty() ? "\"" : ", \"") + wrapped[i].name + "\": \"" + (i < half ? "one" : "two") + ".safetensors\"";
  }
  copy.write("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
  CHECK(copy.problems() == "accepted");
  index(0, ", \"other\": \"../one.safetensors\"");
  CHECK(mentions(copy.problems(), "expected the name of a file in the same directory"));
}

TEST_CASE("an sLSTM kernel is read in either layout") {
  const Copy copy("golden/xlstm01_slstm");
  const Program expected = read_checkpoint(copy.path()).model;
  std::vector<Tensor> tensors = copy.tensors();
  constexpr std::size_t heads = 4;
  constexpr std::size_t d = 8;
  for (Tensor& tensor : tensors) {
    const std::vector<float> from =
        tensor.name.find("_recurrent_kernel_") != std::string::npos || tensor.name.find("_bias_") != std::string::npos
            ? to_float(tensor.view())
            : std::vector<float>{};
    std::vector<float> to(from.size());
    if (tensor.name.find("_recurrent_kernel_") != std::string::npos) {
      // (head, gate and out, in) -> (head, in, gate and out)
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t o = 0; o < 4 * d; ++o) {
          for (std::size_t i = 0; i < d; ++i) to[(h * d + i) * 4 * d + o] = from[(h * 4 * d + o) * d + i];
        }
      }
      tensor = make_tensor(tensor.name, std::span<const float>(to), {heads, d, 4 * d});
    } else if (tensor.name.find("_bias_") != std::string::npos) {
      // (gate, head, out) -> (head, gate, out)
      for (std::size_t g = 0; g < 4; ++g) {
        for (std::size_t h = 0; h < heads; ++h) {
          for (std::size_t o = 0; o < d; ++o) to[(h * 4 + g) * d + o] = from[(g * heads + h) * d + o];
        }
      }
      tensor = make_tensor(tensor.name, std::span<const float>(to));
    }
  }
  copy.write_tensors(tensors);
  CHECK(read_checkpoint(copy.path()).model == expected);
}

}  // namespace
}  // namespace krohn
