// Random programs of every architecture: options drawn, sizes of the caller's, and the tensors that the architecture
// then asks for, made up.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "krohn/architectures/architecture.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn::testing {

/// What a beta is: sigmoid-shaped in (0, 1) or (0, 2), or one exact number for every token.
enum class Beta { unit, doubled, zero, one, two };

struct ProgramSizes {
  std::size_t heads = 2;
  std::size_t head_size = 16;
  std::size_t num_householder = 1;
  Beta beta = Beta::doubled;
  /// 0: drawn, where the architecture leaves it free.
  std::size_t model_size = 0;
};

/// Tensors by name.
class NamedTensors final : public TensorSource {
 public:
  void add(const std::string& name, const std::vector<std::size_t>& shape, std::vector<float> values) {
    tensors_[name] = {{shape.begin(), shape.end()}, std::move(values)};
  }
  std::string name() const override { return "test"; }
  std::vector<std::string> tensor_names() const override {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }
  const std::vector<std::uint64_t>* shape(const std::string& tensor) const override {
    const auto at = tensors_.find(tensor);
    return at == tensors_.end() ? nullptr : &at->second.first;
  }
  std::string type(const std::string&) const override { return "F32"; }
  std::optional<std::vector<float>> values(const std::string& tensor) const override {
    return tensors_.at(tensor).second;
  }

 private:
  std::map<std::string, std::pair<std::vector<std::uint64_t>, std::vector<float>>> tensors_;
};

/// The program with 1 to 5 random codes for every state of its linear recurrences, of positive entries, since some
/// states are sums of squares.
inline Program with_random_codes(const Program& program, std::uint64_t seed) {
  SplitMix64 random(seed);
  ProgramParts parts = program.parts();
  for (StatePart& part : parts.state_parts) {
    if (part.kind != StatePart::Kind::hidden) continue;
    for (std::size_t u = 0; u < part.shape[0]; ++u) {
      ProgramTensor codes;
      codes.name = codes_name(part, u);
      codes.shape = {1 + random.next() % 5, part.shape[1], part.shape[2]};
      for (std::size_t i = 0; i < codes.shape[0] * part.shape[1] * part.shape[2]; ++i) {
        codes.values.push_back(static_cast<float>(static_cast<double>(random.next() >> 11U) * 0x1p-53));
      }
      part.codes.push_back(static_cast<std::uint32_t>(parts.tensors.size()));
      parts.tensors.push_back(std::move(codes));
    }
  }
  return Program(std::move(parts));
}

class RandomProgram {
 public:
  explicit RandomProgram(std::uint64_t seed) : random_(seed) {}

  /// One of random_architectures(); two layers, a vocabulary of 5.
  Program make(const std::string& kind, const ProgramSizes& sizes) {
    Program program = of_configuration(configuration(kind, sizes));
    if (sizes.beta == Beta::unit || sizes.beta == Beta::doubled) return program;
    ProgramParts parts = program.parts();
    for (Operation& operation : parts.operations) {
      auto* op = std::get_if<Elementwise>(&operation.kind);
      if (op == nullptr || op->function != Function::strength) continue;
      op->l = 0.0;
      op->m = sizes.beta == Beta::zero ? 0.0 : sizes.beta == Beta::one ? 1.0 : 2.0;
    }
    return Program(std::move(parts));
  }

  /// The program of a configuration with made-up tensors.
  Program of_configuration(const std::string& text) {
    const JsonDocument document = parse_json(text, "test");
    JsonProblems problems(document);
    const Architecture* architecture = find_architecture(problems.root().at("model_type").string().value_or(""));
    if (architecture == nullptr) throw std::logic_error("no such architecture: " + text);
    NamedTensors tensors;
    // What is missing after a try is made up for the next.
    for (;;) {
      Draft draft(architecture->name, problems.root(), tensors);
      try {
        Program program = architecture->build(draft);
        problems.raise_if_any();
        return program;
      } catch (const InputError&) {
        problems.raise_if_any();
        if (draft.tensors.missing().empty()) throw;
      }
      for (const Tensors::Missing& missing : draft.tensors.missing()) {
        tensors.add(missing.name, missing.shape, values(missing.name, missing.shape));
      }
    }
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  bool coin() { return below(2) == 0; }
  std::string flag() { return coin() ? "true" : "false"; }
  std::string one_of(std::initializer_list<const char*> texts) { return texts.begin()[below(texts.size())]; }

  std::vector<float> values(const std::string& name, const std::vector<std::size_t>& shape) {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    const bool norm = shape.size() == 1 && name.find("norm") != std::string::npos && name.ends_with("weight");
    // xLSTM's files hold weight - 1.
    const double middle = norm && name.find("xlstm") == std::string::npos ? 1.0 : 0.0;
    const double scale = norm                ? 0.5
                         : shape.size() == 1 ? 1.0
                         : name.find("embedding") != std::string::npos
                             ? 1.0
                             : 1.5 / std::sqrt(static_cast<double>(shape.back()));
    std::vector<float> result(count);
    for (float& x : result) {
      x = static_cast<float>((static_cast<double>(random_.next() >> 11U) * 0x1p-52 - 1.0) * scale + middle);
    }
    return result;
  }

  std::string configuration(const std::string& kind, const ProgramSizes& s) {
    const std::size_t channels = s.heads * s.head_size;
    // Where the architecture leaves it free.
    const std::size_t size = s.model_size != 0 ? s.model_size : 24 + 4 * below(3);
    std::string text = "{";
    const auto say = [&](const std::string& key, const std::string& value) {
      text += (text.size() > 1 ? ", " : "") + ("\"" + key + "\": ") + value;
    };
    const auto number = [&](const std::string& key, std::size_t value) { say(key, std::to_string(value)); };
    const auto name = [&](const std::string& value) { say("model_type", "\"" + value + "\""); };
    // `newer`: options of flash-linear-attention's shell that came in 2026.
    const auto shell = [&](std::size_t model_size, bool newer = false) {
      number("hidden_size", model_size);
      number("vocab_size", 5);
      number("num_hidden_layers", 2);
      number("intermediate_size", model_size + 9);
      say("tie_word_embeddings", flag());
      if (newer && coin()) say("hidden_act", "\"powlu\"");
      if (newer && coin()) number("attnres_block_size", 1 + below(2));
    };
    const auto convolution = [&] {
      say("use_short_conv", flag());
      number("conv_size", 1 + below(4));
    };
    if (kind == "delta" && s.num_householder == 1 && coin()) {
      name("delta_net");
      shell(channels);
      number("num_heads", s.heads);
      say("use_gate", flag());
      const bool sum = below(4) == 0;
      say("qk_norm", sum ? "\"sum\"" : "\"l2\"");
      // A sum norm needs a sum that is not near zero.
      say("qk_activation", sum ? "\"elu\"" : "\"" + one_of({"silu", "relu", "elu", "identity"}) + "\"");
      say("allow_neg_eigval", s.beta == Beta::unit ? "false" : "true");
      convolution();
    } else if (kind == "delta" || kind == "kda") {
      const bool product = kind == "delta" && s.num_householder > 1;
      name(kind == "kda" ? "kda" : product ? "gated_deltaproduct" : "gated_deltanet");
      shell(size);
      number("num_heads", s.heads);
      number("head_dim", s.head_size);
      say("expand_v", coin() ? "1.0" : "1.5");
      if (product) {
        number("num_householder", s.num_householder);
        say("use_forget_gate", flag());
        say("use_output_gate", flag());
      } else {
        number("num_v_heads", s.heads * (1 + below(2)));
        if (kind == "kda") {
          say("lower_bound", coin() ? "-5.0" : "null");
        } else {
          say("use_gate", flag());
        }
      }
      say("allow_neg_eigval", s.beta == Beta::unit ? "false" : "true");
      convolution();
    } else if (kind == "comba" || kind == "precond_gated_deltanet") {
      name(kind);
      shell(size, kind == "comba");
      number("num_heads", s.heads);
      number("head_dim", s.head_size);
      say("expand_v", coin() ? "1.0" : "1.5");
      if (kind == "comba") {
        say("use_output_gate", flag());
      } else {
        number("num_v_heads", s.heads * (1 + below(2)));
        say("use_gate", flag());
        say("allow_neg_eigval", s.beta == Beta::unit ? "false" : "true");
        // Beyond this, products of its matrices grow with the words.
        say("squash_x", "1.1");
      }
      convolution();
    } else if (kind == "hgrn") {
      name("hgrn");
      shell(channels, true);
      for (const char* key : {"use_lower_bound", "elementwise_affine"}) say(key, flag());
      convolution();
    } else if (kind == "hgrn2") {
      name("hgrn2");
      shell(channels, true);
      number("expand_ratio", s.head_size);
      for (const char* key : {"use_lower_bound", "elementwise_affine"}) say(key, flag());
      convolution();
    } else if (kind == "retnet") {
      // Keys of an even size.
      const std::size_t head_size = (s.head_size + 1) / 2 * 2;
      name("retnet");
      number("hidden_size", head_size * s.heads);
      number("vocab_size", 5);
      number("num_hidden_layers", 2);
      say("tie_word_embeddings", flag());
      number("num_heads", s.heads);
      number("num_kv_heads", coin() ? s.heads : 1);
      say("expand_v", coin() ? "1.0" : "2.0");
      if (coin()) say("feature_map", "\"" + one_of({"relu", "silu", "sigmoid", "tanh", "relu2", "gelu"}) + "\"");
      for (const char* key : {"use_output_gate", "elementwise_affine", "fuse_norm"}) say(key, flag());
    } else if (kind == "linear_attn") {
      // Small heads: dpfp has eight features an entry. What is divided by is positive.
      const std::size_t share = 1 + below(2);
      const std::size_t head_size = std::min<std::size_t>(s.head_size, 16);
      const std::string map = one_of({"elementwise_product", "hedgehog", "t2r", "relu", "identity", "elu", "dpfp"});
      const bool positive = map == "hedgehog" || map == "elu";
      name("linear_attn");
      shell(head_size * s.heads * share, true);
      number("num_heads", s.heads * share);
      number("num_kv_heads", s.heads);
      say("feature_map", "\"" + map + "\"");
      say("elementwise_affine", flag());
      for (const char* key : {"norm_q", "norm_k", "norm_feature_map"}) say(key, positive ? flag() : "false");
    } else if (kind == "mesa_net") {
      name("mesa_net");
      shell(size, true);
      number("num_heads", s.heads);
      number("head_dim", s.head_size);
      number("conv_size", 1 + below(4));
      number("max_cg_step_training", 1 + below(8));
      say("use_output_gate", flag());
    } else if (kind == "mamba3") {
      const bool mimo = coin();
      const std::size_t groups = s.heads % 2 == 0 && coin() ? 2 : 1;
      name("mamba3");
      number("hidden_size", channels);
      number("vocab_size", 5);
      number("num_hidden_layers", 2);
      say("expand", "1");
      number("head_dim", s.head_size);
      number("state_size", 2 * (2 + below(15)));
      number("n_groups", groups);
      say("is_mimo", mimo ? "true" : "false");
      number("mimo_rank", 1 + below(4));
      say("rope_fraction", coin() ? "0.5" : "1.0");
      say("A_floor", coin() ? "0.0001" : "0.2");
      for (const char* key : {"is_outproj_norm", "use_bias", "tie_word_embeddings"}) say(key, flag());
    } else if (kind == "rwkv6") {
      name("rwkv6");
      shell(channels);
      number("num_heads", s.heads);
      say("expand_k", "1.0");
      for (const char* key : {"proj", "gate"}) number(std::string(key) + "_low_rank_dim", 1 + below(6));
      for (const char* key : {"norm_first", "norm_bias"}) say(key, flag());
      say("hidden_act", "\"" + one_of({"sqrelu", "relu", "silu", "gelu", "sigmoid", "logsigmoid"}) + "\"");
    } else if (kind == "gla") {
      const std::size_t share = 1 + below(2);
      name("gla");
      shell(channels * share);
      number("num_heads", s.heads * share);
      number("num_kv_heads", s.heads);
      say("expand_k", "1.0");
      if (coin()) say("feature_map", "\"" + one_of({"relu", "silu", "sigmoid", "logsigmoid", "sqrelu"}) + "\"");
      if (coin()) say("clamp_min", "-0.05");
      say("use_output_gate", flag());
      convolution();
    } else if (kind == "mamba") {
      name("mamba");
      number("hidden_size", channels);
      number("vocab_size", 5);
      number("num_hidden_layers", 2);
      say("expand", "1");
      number("state_size", 5 + below(12));
      number("time_step_rank", 1 + below(3));
      number("conv_kernel", 1 + below(4));
      say("use_bias", flag());
      say("use_conv_bias", flag());
      say("positive_and_negative", flag());
      say("tie_word_embeddings", flag());
    } else if (kind == "mamba2") {
      name("mamba2");
      number("hidden_size", channels);
      number("vocab_size", 5);
      number("num_hidden_layers", 2);
      say("expand", "1");
      number("head_dim", s.head_size);
      number("state_size", 3 + below(30));
      number("n_groups", s.heads % 2 == 0 && coin() ? 2 : 1);
      number("conv_kernel", 1 + below(4));
      say("time_step_limit", "[0.01, 1.5]");
      for (const char* key : {"use_bias", "use_conv_bias", "rmsnorm", "norm_before_gate", "D_has_hdim"})
        say(key, flag());
      say("tie_word_embeddings", flag());
    } else if (kind == "rwkv7") {
      name("rwkv7");
      shell(channels);
      number("head_dim", s.head_size);
      for (const char* key : {"decay", "gate", "a", "v"}) number(std::string(key) + "_low_rank_dim", 1 + below(6));
      for (const char* key : {"norm_first", "norm_bias", "fuse_norm"}) say(key, flag());
    } else {
      name("xlstm_lm");
      number("embedding_dim", channels);
      number("num_blocks", 2);
      number("num_heads", s.heads);
      number("vocab_size", 5);
      number("qkv_proj_blocksize", s.head_size);
      number("round_proj_up_to_multiple_of", channels);
      number("mlstm_conv1d_kernel_size", 1 + below(4));
      say("mlstm_proj_factor", "1.0");
      say("slstm_at", kind == "slstm" ? "\"all\"" : "[]");
      number("slstm_conv1d_kernel_size", below(4));
      say("tie_weights", flag());
    }
    return text + "}";
  }

  SplitMix64 random_;
};

inline const std::vector<std::string>& random_architectures() {
  static const std::vector<std::string> names = {"delta",
                                                 "gla",
                                                 "mamba",
                                                 "mamba2",
                                                 "rwkv7",
                                                 "mlstm",
                                                 "slstm",
                                                 "kda",
                                                 "comba",
                                                 "hgrn",
                                                 "hgrn2",
                                                 "retnet",
                                                 "linear_attn",
                                                 "mesa_net",
                                                 "mamba3",
                                                 "rwkv6",
                                                 "precond_gated_deltanet"};
  return names;
}

}  // namespace krohn::testing
