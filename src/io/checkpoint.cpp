// One function a model type turns options and tensors into a LearnedModel. Both sides record what was asked of them,
// so that what nobody asked for is reported: an unknown option, a tensor left over.
#include "krohn/io/checkpoint.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "checkpoint_config.hpp"
#include "krohn/error.hpp"
#include "krohn/io/json_document.hpp"
#include "krohn/io/source_text.hpp"
#include "krohn/io/weights.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_size = std::size_t{1} << 24U;
constexpr std::size_t most_layers = 4096;

/// Options of training, generation, caching and fused kernels, and what Hugging Face's base class adds: none of them
/// changes what a token's logits are.
const std::set<std::string, std::less<>>& neutral_options() {
  static const std::set<std::string, std::less<>> names = {"_attn_implementation",
                                                           "_attn_implementation_autoset",
                                                           "_commit_hash",
                                                           "_name_or_path",
                                                           "architectures",
                                                           "attn_implementation",
                                                           "attn_mode",
                                                           "auto_map",
                                                           "bad_words_ids",
                                                           "begin_suppress_tokens",
                                                           "bos_token_id",
                                                           "chunk_size_feed_forward",
                                                           "cross_attention_hidden_size",
                                                           "decoder_start_token_id",
                                                           "diversity_penalty",
                                                           "do_sample",
                                                           "dtype",
                                                           "early_stopping",
                                                           "encoder_no_repeat_ngram_size",
                                                           "eos_token_id",
                                                           "exponential_decay_length_penalty",
                                                           "finetuning_task",
                                                           "forced_bos_token_id",
                                                           "forced_eos_token_id",
                                                           "fuse_cross_entropy",
                                                           "fuse_linear_cross_entropy",
                                                           "fuse_swiglu",
                                                           "id2label",
                                                           "initializer_range",
                                                           "is_decoder",
                                                           "keys_to_ignore_at_inference",
                                                           "label2id",
                                                           "length_penalty",
                                                           "max_length",
                                                           "max_position_embeddings",
                                                           "min_length",
                                                           "model_type",
                                                           "name_or_path",
                                                           "no_repeat_ngram_size",
                                                           "num_beam_groups",
                                                           "num_beams",
                                                           "num_return_sequences",
                                                           "output_attentions",
                                                           "output_hidden_states",
                                                           "output_scores",
                                                           "pad_token_id",
                                                           "prefix",
                                                           "problem_type",
                                                           "remove_invalid_values",
                                                           "repetition_penalty",
                                                           "return_dict",
                                                           "return_dict_in_generate",
                                                           "sep_token_id",
                                                           "suppress_tokens",
                                                           "task_specific_params",
                                                           "temperature",
                                                           "tf_legacy_loss",
                                                           "tie_encoder_decoder",
                                                           "tokenizer_class",
                                                           "top_k",
                                                           "top_p",
                                                           "torch_dtype",
                                                           "torchscript",
                                                           "transformers_version",
                                                           "trust_remote_code",
                                                           "typical_p",
                                                           "use_bfloat16",
                                                           "use_cache",
                                                           "use_l2warp"};
  return names;
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The options of one config.json, with defaults.
class Config {
 public:
  explicit Config(JsonField root) : root_(root) {}

  bool has(const std::string& key) {
    const JsonField field = ask(key);
    return field.exists() && !field.is_null();
  }
  std::size_t size(const std::string& key, std::size_t otherwise, std::size_t most = largest_size) {
    const JsonField field = ask(key);
    if (!field.exists() || field.is_null()) return otherwise;
    const auto value = field.integer(1, static_cast<std::int64_t>(most));
    return value ? static_cast<std::size_t>(*value) : otherwise;
  }
  bool flag(const std::string& key, bool otherwise) {
    const JsonField field = ask(key);
    if (!field.exists() || field.is_null()) return otherwise;
    return field.boolean().value_or(otherwise);
  }
  double number(const std::string& key, double otherwise) {
    const JsonField field = ask(key);
    if (!field.exists() || field.is_null()) return otherwise;
    const double value = field.number().value_or(otherwise);
    if (!std::isfinite(value)) {
      field.report("a finite number");
      return otherwise;
    }
    return value;
  }
  /// A number of at least 0.
  double epsilon(const std::string& key, double otherwise) {
    const double value = number(key, otherwise);
    if (value < 0) root_.find(key).report("a number of at least 0");
    return value < 0 ? otherwise : value;
  }
  /// int(size * factor), as Python computes it.
  std::size_t product(std::size_t size, const std::string& key, double otherwise) {
    const double factor = number(key, otherwise);
    const double value = std::trunc(static_cast<double>(size) * factor);
    if (!(value >= 1) || value > static_cast<double>(largest_size)) {
      root_.find(key).report("a factor that makes a size of at least 1");
      return 1;
    }
    return static_cast<std::size_t>(value);
  }
  std::string text(const std::string& key, const std::string& otherwise) {
    const JsonField field = ask(key);
    if (!field.exists() || field.is_null()) return otherwise;
    return field.string().value_or(otherwise);
  }
  JsonField ask(const std::string& key) {
    asked_.insert(key);
    return root_.find(key);
  }
  void pass_over(std::initializer_list<const char*> keys) {
    for (const char* key : keys) asked_.insert(key);
  }
  void report(const std::string& key, const std::string& expected) {
    const JsonField field = root_.find(key);
    field.exists() ? field.report(expected) : root_.report(key + ": " + expected, "none");
  }
  /// Refuses an option that is supported in one setting only.
  void require_null(const std::string& key) {
    const JsonField field = ask(key);
    if (field.exists() && !field.is_null()) field.report("null: krohn does not run models with this option");
  }
  void require_flag(const std::string& key, bool value) {
    if (flag(key, value) != value) {
      root_.find(key).report(std::string(value ? "true" : "false") + ": krohn does not run models with another value");
    }
  }
  void require_text(const std::string& key, std::initializer_list<const char*> values) {
    const std::string value = text(key, *values.begin());
    if (std::any_of(values.begin(), values.end(), [&](const char* v) { return value == v; })) return;
    std::string expected;
    for (const char* v : values) expected += (expected.empty() ? "'" : "' or '") + std::string(v);
    root_.find(key).report(expected + "'");
  }
  void finish() {
    for (const auto& [key, field] : root_.members()) {
      if (!asked_.contains(key) && !neutral_options().contains(key)) {
        field.report("only options that krohn knows for this model type", "the unknown option " + shown(key));
      }
    }
  }

 private:
  JsonField root_;
  std::set<std::string, std::less<>> asked_;
};

/// What every loader shares.
struct Source {
  Config config;
  WeightTaker weights;
  std::vector<std::string> notes;
};

std::uint64_t extent(const Source& s, const std::string& name, std::size_t dimension) {
  const TensorView* view = s.weights.find(name);
  return view == nullptr || view->shape.size() <= dimension ? 0 : view->shape[dimension];
}

Norm rms_norm(Source& s, const std::string& name, std::size_t size, double epsilon) {
  return {Norm::Kind::rms, epsilon, s.weights.tensor(name + ".weight", {size}), {}, false};
}

/// The head: lm_head.weight, or the embedding where it is absent and may be.
std::optional<Matrix> head(Source& s, std::size_t vocabulary, std::size_t size, const std::string& tie_key,
                           const std::string& embedding) {
  const JsonField tie = s.config.ask(tie_key);
  const bool said = tie.exists() && !tie.is_null();
  const bool tied = said && tie.boolean().value_or(false);
  if (s.weights.has("lm_head.weight")) {
    Matrix matrix = s.weights.matrix("lm_head.weight", vocabulary, size);
    const TensorView* a = s.weights.find("lm_head.weight");
    const TensorView* b = s.weights.find(embedding);
    if (tied && b != nullptr && !matrix.entries.empty() && b->shape == a->shape && to_float(*a) != to_float(*b)) {
      s.weights.report("lm_head.weight: expected the embedding's values, since " + tie_key + " is true, got others");
    }
    return matrix;
  }
  if (said && !tied) {
    s.weights.report("lm_head.weight: expected shape [" + std::to_string(vocabulary) + ", " + std::to_string(size) +
                     "], since " + tie_key + " is false, got none");
  }
  return std::nullopt;
}

std::optional<ShortConvolution> convolution(Source& s, const std::string& name, std::size_t channels,
                                            std::size_t width) {
  return ShortConvolution{channels, width, s.weights.tensor(name + ".weight", {channels, 1, width}),
                          s.weights.optional(name + ".bias", {channels})};
}

/// Options that stand in every fla configuration and that krohn supports in one setting.
void common_options(Config& c) {
  c.require_null("attn");
  c.require_null("attnres_block_size");
  c.require_null("quantization_config");
  c.require_flag("is_encoder_decoder", false);
  c.require_flag("add_cross_attention", false);
  const JsonField pruned = c.ask("pruned_heads");
  if (pruned.exists() && !pruned.is_null() && !pruned.members().empty()) pruned.report("no pruned heads");
}

/// gate_proj, up_proj, down_proj, or the older gate_proj that holds both, gate rows first.
GatedFeedForward gated_mlp(Source& s, const std::string& name, std::size_t size, std::size_t inner) {
  GatedFeedForward f;
  if (s.weights.has(name + ".up_proj.weight") || extent(s, name + ".gate_proj.weight", 0) != 2 * inner) {
    f.gate = s.weights.matrix(name + ".gate_proj.weight", inner, size);
    f.up = s.weights.matrix(name + ".up_proj.weight", inner, size);
  } else {
    const std::vector<float> both = s.weights.tensor(name + ".gate_proj.weight", {2 * inner, size});
    if (!both.empty()) {
      const auto middle = both.begin() + static_cast<std::ptrdiff_t>(inner * size);
      f.gate = to_matrix({both.begin(), middle}, inner, size);
      f.up = to_matrix({middle, both.end()}, inner, size);
    }
  }
  f.down = s.weights.matrix(name + ".down_proj.weight", size, inner);
  return f;
}

/// intermediate_size, else int(size * hidden_ratio * share) as Python computes it, rounded up to a multiple.
std::size_t feed_forward_size(Config& c, std::size_t size, double numerator, double denominator,
                              std::int64_t multiple) {
  const double ratio = c.number("hidden_ratio", 4);
  if (c.has("intermediate_size")) return c.size("intermediate_size", 1);
  const double scaled = std::trunc(static_cast<double>(size) * ratio * numerator / denominator);
  if (!(scaled >= 1) || scaled > static_cast<double>(largest_size)) {
    c.report("hidden_ratio", "a factor that makes a size of at least 1");
    return 1;
  }
  return static_cast<std::size_t>(multiple * ceil_div(static_cast<std::int64_t>(scaled), multiple));
}

/// The heads must divide what they split.
std::size_t split(Source& s, std::size_t total, std::size_t heads, const std::string& key) {
  if (total % heads != 0) {
    s.config.report(key, "a divisor of " + std::to_string(total));
    return std::max<std::size_t>(total / heads, 1);
  }
  return total / heads;
}

/// Embedding, blocks with attn_norm, attn, mlp_norm, mlp, last norm, head.
template <class MakeMixer>
LearnedModel fla_shell(Source& s, const std::string& architecture, MakeMixer make_mixer) {
  Config& c = s.config;
  common_options(c);
  const std::size_t size = c.size("hidden_size", 2048);
  const std::size_t vocabulary = c.size("vocab_size", 32000);
  const std::size_t layers =
      c.size("num_hidden_layers", architecture == "gated_deltanet" || architecture == "gated_deltaproduct" ? 21 : 24,
             most_layers);
  const double epsilon = c.epsilon("norm_eps", 1e-6);
  const std::size_t inner = feed_forward_size(c, size, 2, 3, 256);
  c.require_text("hidden_act", {"swish", "silu"});
  c.flag("fuse_norm", true);
  const bool inside = c.flag("norm_first", false);
  Matrix embedding = s.weights.matrix("model.embeddings.weight", vocabulary, size);
  std::vector<LearnedBlock> blocks;
  for (std::size_t i = 0; i < layers && !s.weights.hopeless(); ++i) {
    const std::string name = "model.layers." + std::to_string(i);
    LearnedBlock block;
    block.mixer_norm = rms_norm(s, name + (inside ? ".attn.norm" : ".attn_norm"), size, epsilon);
    block.mixer = make_mixer(name + ".attn.", size, epsilon);
    block.feed_forward_norm = rms_norm(s, name + (inside ? ".mlp.norm" : ".mlp_norm"), size, epsilon);
    block.feed_forward = gated_mlp(s, name + ".mlp", size, inner);
    blocks.push_back(std::move(block));
  }
  Norm last = rms_norm(s, "model.norm", size, epsilon);
  std::optional<Matrix> out = head(s, vocabulary, size, "tie_word_embeddings", "model.embeddings.weight");
  c.finish();
  s.weights.finish();
  if (!s.weights.problems().empty()) throw InputError(s.weights.problems());
  return LearnedModel(architecture, std::move(embedding), std::move(blocks), std::move(last), std::move(out));
}

LearnedModel delta_net(Source& s) {
  Config& c = s.config;
  c.pass_over({"use_output_norm", "chunk_size"});
  const std::size_t size = c.size("hidden_size", 2048);
  const std::size_t keys = c.product(size, "expand_k", 1.0);
  const std::size_t values = c.product(size, "expand_v", 1.0);
  const std::size_t heads = c.size("num_heads", 16);
  const std::size_t key_size = split(s, keys, heads, "num_heads");
  const std::size_t value_size = split(s, values, heads, "num_heads");
  const bool use_beta = c.flag("use_beta", true);
  const bool use_gate = c.flag("use_gate", false);
  const bool use_convolution = c.flag("use_short_conv", true);
  const std::size_t width = c.size("conv_size", 4);
  c.require_text("qk_activation", {"silu", "relu", "elu", "identity"});
  const std::string activation = c.text("qk_activation", "silu");
  c.require_text("qk_norm", {"l2", "sum"});
  const bool sum_norm = c.text("qk_norm", "l2") == "sum";
  const bool negative = c.flag("allow_neg_eigval", false);
  // The November 2024 form says the range of beta itself, has one gate_proj, and leaves queries and keys linear where
  // there is no convolution.
  const bool said = c.has("sigmoid_scale") || c.has("sigmoid_shift") || c.has("sigmoid_pre_scale");
  const bool old_form =
      said || c.has("norm_first") ||
      (s.weights.has("model.layers.0.mlp.gate_proj.weight") && !s.weights.has("model.layers.0.mlp.up_proj.weight"));
  const double scale = c.number("sigmoid_scale", negative ? 2.0 : 1.0);
  const double shift = c.number("sigmoid_shift", 0.0);
  const double input_scale = c.number("sigmoid_pre_scale", 1.0);
  if (said && negative && (scale != 2.0 || shift != 0.0)) {
    c.report("allow_neg_eigval", "no allow_neg_eigval beside another sigmoid_scale");
  }
  return fla_shell(s, "delta_net", [&](const std::string& name, std::size_t d, double epsilon) {
    DeltaMixer m;
    m.num_heads = m.num_value_heads = heads;
    m.key_size = key_size;
    m.value_size = value_size;
    m.inputs.query = s.weights.matrix(name + "q_proj.weight", keys, d);
    m.inputs.key = s.weights.matrix(name + "k_proj.weight", keys, d);
    m.inputs.value = s.weights.matrix(name + "v_proj.weight", values, d);
    if (use_convolution) {
      m.inputs.query_convolution = convolution(s, name + "q_conv1d", keys, width);
      m.inputs.key_convolution = convolution(s, name + "k_conv1d", keys, width);
      m.inputs.value_convolution = convolution(s, name + "v_conv1d", values, width);
    }
    m.inputs.query_key_activation = activation == "relu"           ? Activation::relu
                                    : activation == "elu"          ? Activation::elu_plus_one
                                    : activation == "identity"     ? Activation::identity
                                    : old_form && !use_convolution ? Activation::identity
                                                                   : Activation::silu;
    m.key_norm = sum_norm ? DeltaMixer::KeyNorm::sum : DeltaMixer::KeyNorm::l2;
    if (use_beta) m.beta = s.weights.matrix(name + "b_proj.weight", heads, d);
    m.beta_input_scale = input_scale;
    // Without b_proj beta is 1, doubled where the newer form allows negative eigenvalues.
    m.beta_scale = use_beta ? scale : negative ? 2.0 : 1.0;
    m.beta_shift = use_beta ? shift : 0.0;
    if (use_gate) m.output.gate = s.weights.matrix(name + "g_proj.weight", values, d);
    m.output.norm = rms_norm(s, name + "o_norm", value_size, epsilon);
    m.output.projection = s.weights.matrix(name + "o_proj.weight", d, values);
    return m;
  });
}

/// gated_deltanet and gated_deltaproduct.
LearnedModel gated_delta(Source& s, bool product) {
  Config& c = s.config;
  c.pass_over({"use_output_norm"});
  const std::size_t householder = product ? c.size("num_householder", 1, 1024) : 1;
  const std::size_t heads = c.size("num_heads", 6);
  const std::size_t value_heads = product ? heads : c.size("num_v_heads", heads);
  const std::size_t key_size = c.size("head_dim", 256);
  const std::size_t value_size = c.product(key_size, "expand_v", 2.0);
  if (value_heads % heads != 0) c.report("num_v_heads", "a multiple of num_heads " + std::to_string(heads));
  bool gate = true;
  if (product) {
    // The June 2025 form calls it use_gate.
    gate = c.flag("use_output_gate", c.flag("use_gate", true));
    if (c.has("use_output_gate") && c.has("use_gate") && c.flag("use_gate", true) != gate) {
      c.report("use_gate", "the value of use_output_gate");
    }
  } else {
    gate = c.flag("use_gate", true);
  }
  const bool decays = product ? c.flag("use_forget_gate", false) : true;
  const bool use_convolution = c.flag("use_short_conv", true);
  const std::size_t width = c.size("conv_size", 4);
  const double scale = c.flag("allow_neg_eigval", false) ? 2.0 : 1.0;
  const std::size_t queries = heads * key_size;
  const std::size_t values = value_heads * value_size;
  return fla_shell(
      s, product ? "gated_deltaproduct" : "gated_deltanet",
      [&](const std::string& name, std::size_t d, double epsilon) {
        DeltaMixer m;
        m.num_heads = heads;
        m.num_value_heads = value_heads;
        m.key_size = key_size;
        m.value_size = value_size;
        m.num_householder = householder;
        m.beta_scale = scale;
        m.inputs.query = s.weights.matrix(name + "q_proj.weight", queries, d);
        const bool old_form = product && s.weights.has(name + "k_projs.0.weight");
        const auto names = [&](const std::string& part, const std::string& what) {
          std::vector<std::string> result;
          for (std::size_t j = 0; j < householder; ++j) {
            result.push_back(std::string(name).append(part).append(".").append(std::to_string(j)).append(what));
          }
          return result;
        };
        const auto stacked_convolution = [&](const std::string& part, std::size_t channels) {
          ShortConvolution all{householder * channels, width, {}, {}};
          for (const std::string& each : names(part, ".weight")) {
            const std::vector<float> w = s.weights.tensor(each, {channels, 1, width});
            all.weight.insert(all.weight.end(), w.begin(), w.end());
          }
          return all;
        };
        if (old_form) {
          m.inputs.key = s.weights.stacked(names("k_projs", ".weight"), queries, d);
          m.inputs.value = s.weights.stacked(names("v_projs", ".weight"), values, d);
          m.beta = s.weights.stacked(names("b_projs", ".weight"), value_heads, d);
          if (use_convolution) {
            m.inputs.query_convolution = convolution(s, name + "q_conv1ds.0", queries, width);
            // The others are in the files, and that code never reads them.
            for (std::size_t j = 1; j < householder; ++j) {
              s.weights.leave_out(name + "q_conv1ds." + std::to_string(j) + ".weight");
            }
            m.inputs.key_convolution = stacked_convolution("k_conv1ds", queries);
            m.inputs.value_convolution = stacked_convolution("v_conv1ds", values);
          }
        } else {
          m.inputs.key = s.weights.matrix(name + "k_proj.weight", householder * queries, d);
          m.inputs.value = s.weights.matrix(name + "v_proj.weight", householder * values, d);
          m.beta = s.weights.matrix(name + "b_proj.weight", householder * value_heads, d);
          if (use_convolution) {
            m.inputs.query_convolution = convolution(s, name + "q_conv1d", queries, width);
            m.inputs.key_convolution = convolution(s, name + "k_conv1d", householder * queries, width);
            m.inputs.value_convolution = convolution(s, name + "v_conv1d", householder * values, width);
          }
        }
        if (decays) {
          m.decay = s.weights.matrix(name + "a_proj.weight", value_heads, d);
          m.log_rate = s.weights.tensor(name + "A_log", {value_heads});
          m.decay_bias = s.weights.tensor(name + "dt_bias", {value_heads});
        }
        if (gate) m.output.gate = s.weights.matrix(name + "g_proj.weight", values, d);
        m.output.norm = rms_norm(s, name + "o_norm", value_size, epsilon);
        m.output.projection = s.weights.matrix(name + "o_proj.weight", d, values);
        return m;
      });
}

LearnedModel gla(Source& s) {
  Config& c = s.config;
  c.pass_over({"use_output_norm"});
  const std::size_t size = c.size("hidden_size", 2048);
  const std::size_t keys = c.product(size, "expand_k", 0.5);
  const std::size_t values = c.product(size, "expand_v", 1.0);
  const std::size_t heads = c.size("num_heads", 4);
  const std::size_t key_heads = c.size("num_kv_heads", heads);
  if (heads % key_heads != 0) c.report("num_kv_heads", "a divisor of num_heads " + std::to_string(heads));
  const std::size_t key_size = split(s, keys, heads, "num_heads");
  const std::size_t value_size = split(s, values, heads, "num_heads");
  const bool use_convolution = c.flag("use_short_conv", false);
  const std::size_t width = c.size("conv_size", 4);
  const bool gate = c.flag("use_output_gate", true);
  const bool affine = c.flag("elementwise_affine", true);
  c.require_flag("use_gk", true);
  c.require_flag("use_gv", false);
  std::optional<double> floor;
  if (c.has("clamp_min")) floor = c.number("clamp_min", 0);
  Activation feature_map = Activation::identity;
  if (c.has("feature_map")) {
    c.require_text("feature_map", {"relu", "silu", "swish", "sigmoid", "logsigmoid", "sqrelu"});
    const std::string name = c.text("feature_map", "relu");
    feature_map = name == "relu"         ? Activation::relu
                  : name == "sigmoid"    ? Activation::sigmoid
                  : name == "logsigmoid" ? Activation::log_sigmoid
                  : name == "sqrelu"     ? Activation::squared_relu
                                         : Activation::silu;
  }
  return fla_shell(s, "gla", [&](const std::string& name, std::size_t d, double epsilon) {
    GlaMixer m;
    m.num_heads = heads;
    m.num_key_heads = key_heads;
    m.key_size = key_size;
    m.value_size = value_size;
    m.inputs.query = s.weights.matrix(name + "q_proj.weight", keys, d);
    m.inputs.key = s.weights.matrix(name + "k_proj.weight", key_heads * key_size, d);
    m.inputs.value = s.weights.matrix(name + "v_proj.weight", key_heads * value_size, d);
    m.inputs.query_key_activation = use_convolution ? Activation::silu : Activation::identity;
    m.inputs.value_activation = m.inputs.query_key_activation;
    if (use_convolution) {
      m.inputs.query_convolution = convolution(s, name + "q_conv1d", keys, width);
      m.inputs.key_convolution = convolution(s, name + "k_conv1d", key_heads * key_size, width);
      m.inputs.value_convolution = convolution(s, name + "v_conv1d", key_heads * value_size, width);
    }
    m.feature_map = feature_map;
    const std::uint64_t rank = extent(s, name + "gk_proj.0.weight", 0);
    m.decay_down = s.weights.matrix(name + "gk_proj.0.weight", rank == 0 ? 16 : rank, d);
    m.decay_up = s.weights.matrix(name + "gk_proj.1.weight", key_heads * key_size, rank == 0 ? 16 : rank);
    m.decay_bias = s.weights.tensor(name + "gk_proj.1.bias", {key_heads * key_size});
    m.decay_floor = floor;
    if (gate) m.output.gate = s.weights.matrix(name + "g_proj.weight", values, d);
    const std::string norm = gate && c.flag("fuse_norm", true) ? "g_norm_swish_gate" : "g_norm";
    if (affine) {
      m.output.norm = rms_norm(s, name + norm, value_size, epsilon);
    } else {
      m.output.norm = {Norm::Kind::rms, epsilon, {}, {}, false};
    }
    m.output.projection = s.weights.matrix(name + "o_proj.weight", d, values);
    return m;
  });
}

/// in_proj, conv1d, x_proj, dt_proj, A_log, D, out_proj.
MambaMixer mamba_mixer(Source& s, const std::string& name, std::size_t size, std::size_t channels, std::size_t state,
                       std::size_t rank, std::size_t width, bool bias, bool convolution_bias, bool negative) {
  MambaMixer m;
  m.channels = channels;
  m.state_size = state;
  m.rank = rank;
  m.negative_eigenvalues = negative;
  m.in = s.weights.matrix(name + "in_proj.weight", 2 * channels, size);
  if (bias) m.in_bias = s.weights.tensor(name + "in_proj.bias", {2 * channels});
  m.convolution = {channels, width, s.weights.tensor(name + "conv1d.weight", {channels, 1, width}), {}};
  if (convolution_bias) m.convolution.bias = s.weights.tensor(name + "conv1d.bias", {channels});
  m.selection = s.weights.matrix(name + "x_proj.weight", rank + 2 * state, channels);
  m.step = s.weights.matrix(name + "dt_proj.weight", channels, rank);
  m.step_bias = s.weights.tensor(name + "dt_proj.bias", {channels});
  m.log_rate = s.weights.tensor(name + "A_log", {channels, state});
  m.skip = s.weights.tensor(name + "D", {channels});
  m.out = s.weights.matrix(name + "out_proj.weight", size, channels);
  if (bias) m.out_bias = s.weights.tensor(name + "out_proj.bias", {size});
  return m;
}

/// 'auto' is a sixteenth of the size, rounded up.
std::size_t mamba_rank(Config& c, const std::string& key, std::size_t size) {
  const JsonField field = c.ask(key);
  const bool automatic =
      !field.exists() || field.is_null() || (field.value()->string() != nullptr && *field.value()->string() == "auto");
  return automatic ? static_cast<std::size_t>(ceil_div(static_cast<std::int64_t>(size), 16)) : c.size(key, 1);
}

/// Embedding, blocks with norm and mixer, norm_f, head.
template <class MakeMixer>
LearnedModel mamba_shell(Source& s, const std::string& architecture, MakeMixer make_mixer) {
  Config& c = s.config;
  common_options(c);
  c.pass_over({"residual_in_fp32", "rescale_prenorm_residual", "fuse_norm", "dt_scale", "dt_min", "dt_max",
               "dt_init_scheme", "dt_init_floor", "conv_init", "A_init_range", "chunk_size", "time_step_scale",
               "time_step_min", "time_step_max", "time_step_init_scheme", "time_step_floor", "use_mambapy",
               "use_associative_scan"});
  const std::size_t size = c.size("hidden_size", 2048);
  const std::size_t vocabulary = c.size("vocab_size", 32000);
  const std::size_t layers = c.size("num_hidden_layers", 48, most_layers);
  const double epsilon = c.epsilon("norm_eps", c.epsilon("layer_norm_epsilon", 1e-5));
  c.require_text("hidden_act", {"silu", "swish"});
  const std::string embedding_name =
      s.weights.has("backbone.embedding.weight") ? "backbone.embedding.weight" : "backbone.embeddings.weight";
  Matrix embedding = s.weights.matrix(embedding_name, vocabulary, size);
  std::vector<LearnedBlock> blocks;
  for (std::size_t i = 0; i < layers && !s.weights.hopeless(); ++i) {
    const std::string name = "backbone.layers." + std::to_string(i);
    LearnedBlock block;
    block.mixer_norm = rms_norm(s, name + ".norm", size, epsilon);
    block.mixer = make_mixer(name + ".mixer.", size, epsilon);
    blocks.push_back(std::move(block));
  }
  Norm last = rms_norm(s, "backbone.norm_f", size, epsilon);
  std::optional<Matrix> out = head(s, vocabulary, size, "tie_word_embeddings", embedding_name);
  c.finish();
  s.weights.finish();
  if (!s.weights.problems().empty()) throw InputError(s.weights.problems());
  return LearnedModel(architecture, std::move(embedding), std::move(blocks), std::move(last), std::move(out));
}

LearnedModel mamba(Source& s) {
  Config& c = s.config;
  const std::size_t size = c.size("hidden_size", 2048);
  const std::size_t state = c.size("state_size", 16);
  const std::size_t channels = c.product(size, "expand", 2);
  const std::size_t width = c.size("conv_kernel", 4);
  const std::size_t rank = mamba_rank(c, c.has("time_step_rank") ? "time_step_rank" : "dt_rank", size);
  const bool bias = c.flag("use_bias", false);
  const bool convolution_bias = c.flag("use_conv_bias", true);
  const bool negative = c.flag("positive_and_negative", false);
  if (c.size("intermediate_size", channels) != channels) {
    c.report("intermediate_size", "expand * hidden_size = " + std::to_string(channels));
  }
  return mamba_shell(s, "mamba", [&](const std::string& name, std::size_t d, double) {
    return mamba_mixer(s, name, d, channels, state, rank, width, bias, convolution_bias, negative);
  });
}

/// A bound of dt_limit: a number, or infinity in one of the ways in which it is written.
double limit(const JsonField& field) {
  const JsonValue* value = field.value();
  if (value == nullptr) return 0;
  const JsonValue* inner = value->find("__float__");
  const std::string* text = inner != nullptr ? inner->string() : value->string();
  if (text != nullptr) {
    if (*text == "inf" || *text == "Infinity" || *text == "+inf") return std::numeric_limits<double>::infinity();
    field.report("a number or Infinity");
    return 0;
  }
  return field.number().value_or(0);
}

LearnedModel mamba2(Source& s) {
  Config& c = s.config;
  const std::size_t size = c.size("hidden_size", 2048);
  const std::size_t head_size = c.size("head_dim", 64);
  const std::size_t state = c.size("state_size", 128);
  const std::size_t channels = c.product(size, "expand", 2);
  const std::size_t groups = c.size("n_groups", 1);
  const std::size_t width = c.size("conv_kernel", 4);
  const std::size_t heads = split(s, channels, head_size, "head_dim");
  const bool bias = c.flag("use_bias", false);
  const bool convolution_bias = c.flag("use_conv_bias", true);
  const bool norm = c.flag("rmsnorm", true);
  const bool norm_before_gate = c.flag("norm_before_gate", false);
  const bool wide_skip = c.flag("D_has_hdim", false);
  if (c.size("num_heads", heads) != heads) {
    c.report("num_heads", "expand * hidden_size / head_dim = " + std::to_string(heads));
  }
  if (heads % groups != 0) {
    c.report("n_groups", "a divisor of the " + std::to_string(heads) + " heads");
  }
  if (groups > 1 && groups < heads) {
    s.notes.push_back("n_groups " + std::to_string(groups) + " of " + std::to_string(heads) +
                      " heads: head h uses group h / (heads / groups), as the published kernels do; an implementation "
                      "that tiles the groups (h modulo groups) computes another function of the same weights");
  }
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
  const std::string limit_key = c.has("time_step_limit") ? "time_step_limit" : "dt_limit";
  if (c.has(limit_key)) {
    const std::vector<JsonField> limits = c.ask(limit_key).elements();
    if (limits.size() == 2) {
      least = limit(limits[0]);
      most = limit(limits[1]);
    }
    if (limits.size() != 2 || !(least >= 0) || !(least <= most)) {
      c.report(limit_key, "two limits in ascending order, from 0");
      least = 0;
      most = std::numeric_limits<double>::infinity();
    }
  }
  const std::size_t convolved = channels + 2 * groups * state;
  return mamba_shell(s, "mamba2", [&](const std::string& name, std::size_t d, double epsilon) {
    Mamba2Mixer m;
    m.num_heads = heads;
    m.head_size = head_size;
    m.state_size = state;
    m.num_groups = groups;
    m.in = s.weights.matrix(name + "in_proj.weight", channels + convolved + heads, d);
    if (bias) m.in_bias = s.weights.tensor(name + "in_proj.bias", {channels + convolved + heads});
    m.convolution = {convolved, width, s.weights.tensor(name + "conv1d.weight", {convolved, 1, width}), {}};
    if (convolution_bias) m.convolution.bias = s.weights.tensor(name + "conv1d.bias", {convolved});
    m.step_bias = s.weights.tensor(name + "dt_bias", {heads});
    m.step_least = least;
    m.step_most = most;
    m.log_rate = s.weights.tensor(name + "A_log", {heads});
    m.skip = s.weights.tensor(name + "D", {wide_skip ? channels : heads});
    if (norm) m.norm = rms_norm(s, name + "norm", channels, epsilon);
    m.norm_before_gate = norm_before_gate;
    m.out = s.weights.matrix(name + "out_proj.weight", d, channels);
    if (bias) m.out_bias = s.weights.tensor(name + "out_proj.bias", {d});
    return m;
  });
}

LearnedModel rwkv7(Source& s) {
  Config& c = s.config;
  common_options(c);
  const std::size_t size = c.size("hidden_size", 2048);
  const std::size_t vocabulary = c.size("vocab_size", 32000);
  const std::size_t layers = c.size("num_hidden_layers", 24, most_layers);
  const double epsilon = c.epsilon("norm_eps", 1e-5);
  const bool norm_first = c.flag("norm_first", true);
  const bool norm_bias = c.flag("norm_bias", true);
  const bool fuse_norm = c.flag("fuse_norm", true);
  c.require_text("hidden_act", {"sqrelu"});
  // An explicit null for head_dim means that num_heads says it.
  std::size_t head_size = 64;
  const JsonField head_dim = c.ask("head_dim");
  if (head_dim.exists() && head_dim.is_null()) {
    if (!c.has("num_heads")) c.report("num_heads", "a number, since head_dim is null");
    head_size = split(s, size, c.size("num_heads", 1), "num_heads");
  } else {
    head_size = c.size("head_dim", 64);
  }
  const std::size_t heads = split(s, size, head_size, "head_dim");
  if (c.size("num_heads", heads) != heads) {
    c.report("num_heads", "hidden_size / head_dim = " + std::to_string(heads));
  }
  const std::size_t inner = feed_forward_size(c, size, 1, 1, 32);
  std::vector<std::size_t> values(layers, size);
  const JsonField value_dim = c.ask("value_dim");
  if (value_dim.exists() && !value_dim.is_null()) {
    if (value_dim.value()->array() == nullptr) {
      values.assign(layers, c.size("value_dim", size));
    } else {
      const std::vector<JsonField> elements = value_dim.elements();
      if (elements.size() != layers) value_dim.report("a size for each of " + std::to_string(layers) + " layers");
      for (std::size_t i = 0; i < std::min(layers, elements.size()); ++i) {
        const auto value = elements[i].integer(1, static_cast<std::int64_t>(largest_size));
        if (value) values[i] = static_cast<std::size_t>(*value);
      }
    }
    if (std::any_of(values.begin(), values.end(), [&](std::size_t v) { return v % heads != 0; })) {
      value_dim.report("multiples of the " + std::to_string(heads) + " heads");
    }
    // Later layers mix in the values of the first.
    if (std::any_of(values.begin(), values.end(), [&](std::size_t v) { return v != values[0]; })) {
      value_dim.report("one size for all layers");
    }
  }
  const auto layer_norm = [&](const std::string& name) {
    Norm norm{Norm::Kind::layer, epsilon, s.weights.tensor(name + ".weight", {size}), {}, false};
    if (norm_bias) norm.bias = s.weights.tensor(name + ".bias", {size});
    return norm;
  };
  const auto low_rank = [&](const std::string& name, const char* rank_key, std::size_t out, bool bias) {
    // Where the rank is null, the tensors say it.
    const std::uint64_t found = std::max<std::uint64_t>(extent(s, name + ".lora.0.weight", 0), 1);
    const std::size_t rank = c.size(rank_key, found);
    LowRank l;
    l.down = s.weights.matrix(name + ".lora.0.weight", rank, size);
    l.up = s.weights.matrix(name + ".lora.2.weight", out, rank);
    if (bias) l.bias = s.weights.tensor(name + ".lora.2.bias", {out});
    return l;
  };
  for (const char* key : {"decay_low_rank_dim", "gate_low_rank_dim", "a_low_rank_dim", "v_low_rank_dim"}) c.ask(key);
  Matrix embedding = s.weights.matrix("model.embeddings.weight", vocabulary, size);
  std::vector<LearnedBlock> blocks;
  for (std::size_t i = 0; i < layers && !s.weights.hopeless(); ++i) {
    const std::string name = "model.layers." + std::to_string(i);
    const std::string attn = name + ".attn.";
    LearnedBlock block;
    if (i == 0 && norm_first) block.stream_norm = layer_norm(name + ".pre_norm");
    block.mixer_norm = layer_norm(name + ".attn_norm");
    Rwkv7Mixer m;
    m.num_heads = heads;
    m.key_size = head_size;
    m.value_size = std::max<std::size_t>(values[i] / heads, 1);
    m.mix_r = s.weights.tensor(attn + "x_r", {1, 1, size});
    m.mix_w = s.weights.tensor(attn + "x_w", {1, 1, size});
    m.mix_k = s.weights.tensor(attn + "x_k", {1, 1, size});
    m.mix_v = s.weights.tensor(attn + "x_v", {1, 1, size});
    m.mix_a = s.weights.tensor(attn + "x_a", {1, 1, size});
    m.mix_g = s.weights.tensor(attn + "x_g", {1, 1, size});
    m.receptance = s.weights.matrix(attn + "r_proj.weight", size, size);
    m.key = s.weights.matrix(attn + "k_proj.weight", size, size);
    m.value = s.weights.matrix(attn + "v_proj.weight", values[i], size);
    m.out = s.weights.matrix(attn + "o_proj.weight", size, values[i]);
    m.decay = low_rank(attn + "w_lora", "decay_low_rank_dim", size, true);
    if (i > 0) m.value_mix = low_rank(attn + "v_lora", "v_low_rank_dim", values[i], true);
    m.rate = low_rank(attn + "a_lora", "a_low_rank_dim", size, true);
    m.gate = low_rank(attn + "g_lora", "gate_low_rank_dim", values[i], false);
    m.removal_scale = s.weights.tensor(attn + "k_k", {size});
    m.rate_scale = s.weights.tensor(attn + "k_a", {size});
    m.bonus = s.weights.tensor(attn + "r_k", {heads, head_size});
    m.smooth_key_norm = fuse_norm;
    m.norm = {Norm::Kind::layer, static_cast<double>(head_size) * epsilon,
              s.weights.tensor(attn + "g_norm.weight", {values[i]}),
              s.weights.tensor(attn + "g_norm.bias", {values[i]}), false};
    block.mixer = std::move(m);
    block.feed_forward_norm = layer_norm(name + ".ffn_norm");
    ShiftedFeedForward f;
    f.mix = s.weights.tensor(name + ".ffn.x_k", {size});
    f.key = s.weights.matrix(name + ".ffn.key.weight", inner, size);
    f.value = s.weights.matrix(name + ".ffn.value.weight", size, inner);
    block.feed_forward = std::move(f);
    blocks.push_back(std::move(block));
  }
  Norm last = layer_norm("model.norm");
  std::optional<Matrix> out = head(s, vocabulary, size, "tie_word_embeddings", "model.embeddings.weight");
  c.finish();
  s.weights.finish();
  if (!s.weights.problems().empty()) throw InputError(s.weights.problems());
  return LearnedModel("rwkv7", std::move(embedding), std::move(blocks), std::move(last), std::move(out));
}

/// The paper's Mamba language model: no last norm, a convolution of width 1 by default.
LearnedModel paper_mamba(Source& s) {
  Config& c = s.config;
  c.pass_over({"dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor", "pscan", "use_cuda", "context_length", "mup",
               "mup_base_width", "base_std"});
  const std::size_t size = c.size("d_model", 128);
  const std::size_t layers = c.size("n_layers", 2, most_layers);
  const std::size_t state = c.size("d_state", 16);
  const std::size_t width = c.size("d_conv", 1);
  const std::size_t channels = c.product(size, "expand_factor", 2);
  const std::size_t rank = mamba_rank(c, "dt_rank", size);
  const std::size_t vocabulary = c.size("vocab_size", std::max<std::size_t>(extent(s, "token_embedding.weight", 0), 1));
  const double epsilon = c.epsilon("rms_norm_eps", 1e-5);
  const bool bias = c.flag("bias", false);
  const bool convolution_bias = c.flag("conv_bias", true);
  c.require_flag("inner_layernorms", false);
  if (!c.has("positive_and_negative")) {
    c.report("positive_and_negative", "true or false, since the weights do not tell");
  }
  const bool negative = c.flag("positive_and_negative", false);
  Matrix embedding = s.weights.matrix("token_embedding.weight", vocabulary, size);
  std::vector<LearnedBlock> blocks;
  for (std::size_t i = 0; i < layers && !s.weights.hopeless(); ++i) {
    const std::string name = "layers." + std::to_string(i);
    LearnedBlock block;
    block.mixer_norm = rms_norm(s, name + ".norm", size, epsilon);
    block.mixer =
        mamba_mixer(s, name + ".mixer.", size, channels, state, rank, width, bias, convolution_bias, negative);
    blocks.push_back(std::move(block));
  }
  std::optional<Matrix> out = head(s, vocabulary, size, "tie_weights", "token_embedding.weight");
  c.finish();
  s.weights.finish();
  if (!s.weights.problems().empty()) throw InputError(s.weights.problems());
  return LearnedModel("paper_mamba_lm", std::move(embedding), std::move(blocks), std::nullopt, std::move(out));
}

/// [blocks, out, in]
BlockDiagonal block_diagonal(Source& s, const std::string& name, std::size_t blocks, std::size_t size) {
  return {blocks, size, s.weights.tensor(name, {blocks, size, size})};
}

/// The bias-free layer norm whose file holds weight - 1.
Norm offset_norm(Source& s, const std::string& name, std::size_t size) {
  return {Norm::Kind::layer, 1e-5, s.weights.tensor(name + ".weight", {size}), {}, true};
}

MlstmMixer mlstm(Source& s, const std::string& name, std::size_t size, std::size_t heads, std::size_t channels,
                 std::size_t width, std::size_t block) {
  MlstmMixer m;
  m.num_heads = heads;
  m.head_size = split(s, channels, heads, "num_heads");
  m.up = s.weights.matrix(name + "proj_up.weight", 2 * channels, size);
  m.convolution = {channels, width, s.weights.tensor(name + "conv1d.conv.weight", {channels, 1, width}),
                   s.weights.tensor(name + "conv1d.conv.bias", {channels})};
  const std::size_t blocks = split(s, channels, block, "qkv_proj_blocksize");
  m.query = block_diagonal(s, name + "q_proj.weight", blocks, block);
  m.key = block_diagonal(s, name + "k_proj.weight", blocks, block);
  m.value = block_diagonal(s, name + "v_proj.weight", blocks, block);
  m.input_gate = s.weights.matrix(name + "mlstm_cell.igate.weight", heads, 3 * channels);
  m.input_gate_bias = s.weights.tensor(name + "mlstm_cell.igate.bias", {heads});
  m.forget_gate = s.weights.matrix(name + "mlstm_cell.fgate.weight", heads, 3 * channels);
  m.forget_gate_bias = s.weights.tensor(name + "mlstm_cell.fgate.bias", {heads});
  m.norm = offset_norm(s, name + "mlstm_cell.outnorm", channels);
  m.skip = s.weights.tensor(name + "learnable_skip", {channels});
  m.down = s.weights.matrix(name + "proj_down.weight", size, channels);
  return m;
}

SlstmMixer slstm(Source& s, const std::string& name, std::size_t size, std::size_t heads, std::size_t width) {
  SlstmMixer m;
  m.num_heads = heads;
  m.head_size = split(s, size, heads, "num_heads");
  const std::size_t d = m.head_size;
  if (width > 0) {
    m.convolution = ShortConvolution{size, width, s.weights.tensor(name + "conv1d.conv.weight", {size, 1, width}),
                                     s.weights.tensor(name + "conv1d.conv.bias", {size})};
  }
  // That code crosses the names: the input slot is fed by fgate, the forget slot by igate.
  m.slots[0] = block_diagonal(s, name + "fgate.weight", heads, d);
  m.slots[1] = block_diagonal(s, name + "igate.weight", heads, d);
  m.slots[2] = block_diagonal(s, name + "zgate.weight", heads, d);
  m.slots[3] = block_diagonal(s, name + "ogate.weight", heads, d);
  // The kernel's shape tells which of two programs wrote it: [heads, in, 4 out] or [heads, 4 out, in].
  const std::string kernel = name + "slstm_cell._recurrent_kernel_";
  const bool input_major = extent(s, kernel, 1) == d;
  const std::vector<float> r =
      input_major ? s.weights.tensor(kernel, {heads, d, 4 * d}) : s.weights.tensor(kernel, {heads, 4 * d, d});
  const std::vector<float> b = s.weights.tensor(name + "slstm_cell._bias_", {4 * size});
  if (!r.empty() && !b.empty()) {
    m.recurrent.resize(r.size());
    m.bias.resize(b.size());
    for (std::size_t gate = 0; gate < 4; ++gate) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t out = 0; out < d; ++out) {
          const std::size_t row = (gate * heads + h) * d + out;
          m.bias[row] = input_major ? b[(h * 4 + gate) * d + out] : b[row];
          for (std::size_t in = 0; in < d; ++in) {
            m.recurrent[row * d + in] =
                input_major ? r[(h * d + in) * 4 * d + gate * d + out] : r[(h * 4 * d + gate * d + out) * d + in];
          }
        }
      }
    }
  }
  m.norm = offset_norm(s, name + "group_norm", size);
  return m;
}

LearnedModel xlstm(Source& s) {
  Config& c = s.config;
  c.pass_over({"context_length", "dropout", "weight_decay_on_embedding", "add_embedding_dropout"});
  const std::size_t size = c.size("embedding_dim", 128);
  const std::size_t layers = c.size("num_blocks", 1, most_layers);
  const std::size_t heads = c.size("num_heads", 4);
  const std::size_t mlstm_heads = c.size("mlstm_num_heads", heads);
  const std::size_t slstm_heads = c.size("slstm_num_heads", heads);
  const std::size_t vocabulary = c.size("vocab_size", std::max<std::size_t>(extent(s, "token_embedding.weight", 0), 1));
  const std::size_t mlstm_width = c.size("mlstm_conv1d_kernel_size", 4);
  std::size_t slstm_width = 0;
  if (const JsonField width = c.ask("slstm_conv1d_kernel_size"); width.exists() && !width.is_null()) {
    slstm_width = static_cast<std::size_t>(width.integer(0, 1024).value_or(0));
  }
  const std::size_t block = c.size("qkv_proj_blocksize", 4);
  const std::size_t multiple = c.size("round_proj_up_to_multiple_of", 64);
  const auto rounded = [&](const char* key, double otherwise) {
    const double scaled = c.number(key, otherwise) * static_cast<double>(size) / static_cast<double>(multiple);
    const double steps = std::ceil(scaled);
    if (!(steps >= 1) || steps > 1e6) {
      c.report(key, "a factor that makes a size of at least 1");
      return multiple;
    }
    return static_cast<std::size_t>(steps) * multiple;
  };
  const std::size_t channels = rounded("mlstm_proj_factor", 2.0);
  const std::size_t inner = rounded("ffn_proj_factor", 1.3);
  c.require_text("slstm_backend", {"vanilla", "cuda"});
  c.require_flag("bias", false);
  c.require_text("ffn_act_fn", {"gelu"});
  const bool last_norm = c.flag("add_post_blocks_norm", true);
  std::vector<bool> scalar(layers, false);
  if (const JsonField at = c.ask("slstm_at"); at.exists() && !at.is_null()) {
    if (at.value()->string() != nullptr) {
      if (*at.value()->string() == "all") {
        scalar.assign(layers, true);
      } else {
        at.report("a list of blocks, or 'all'");
      }
    } else {
      for (const JsonField& index : at.elements()) {
        if (const auto i = index.integer(0, static_cast<std::int64_t>(layers) - 1)) {
          scalar[static_cast<std::size_t>(*i)] = true;
        }
      }
    }
  }
  Matrix embedding = s.weights.matrix("token_embedding.weight", vocabulary, size);
  std::vector<LearnedBlock> blocks;
  for (std::size_t i = 0; i < layers && !s.weights.hopeless(); ++i) {
    const std::string name = "xlstm_block_stack.blocks." + std::to_string(i);
    LearnedBlock b;
    b.mixer_norm = offset_norm(s, name + ".xlstm_norm", size);
    if (scalar[i]) {
      b.mixer = slstm(s, name + ".xlstm.", size, slstm_heads, slstm_width);
      b.feed_forward_norm = offset_norm(s, name + ".ffn_norm", size);
      GatedFeedForward f;
      f.activation = GatedFeedForward::Gate::gelu;
      const std::vector<float> both = s.weights.tensor(name + ".ffn.proj_up.weight", {2 * inner, size});
      if (!both.empty()) {
        const auto middle = both.begin() + static_cast<std::ptrdiff_t>(inner * size);
        f.gate = to_matrix({both.begin(), middle}, inner, size);
        f.up = to_matrix({middle, both.end()}, inner, size);
      }
      f.down = s.weights.matrix(name + ".ffn.proj_down.weight", size, inner);
      b.feed_forward = std::move(f);
    } else {
      b.mixer = mlstm(s, name + ".xlstm.", size, mlstm_heads, channels, mlstm_width, block);
    }
    blocks.push_back(std::move(b));
  }
  std::optional<Norm> last;
  if (last_norm) last = offset_norm(s, "xlstm_block_stack.post_blocks_norm", size);
  std::optional<Matrix> out = head(s, vocabulary, size, "tie_weights", "token_embedding.weight");
  c.finish();
  s.weights.finish();
  if (!s.weights.problems().empty()) throw InputError(s.weights.problems());
  return LearnedModel("xlstm_lm", std::move(embedding), std::move(blocks), std::move(last), std::move(out));
}

struct Loader {
  std::string_view model_type;
  LearnedModel (*load)(Source&);
};

constexpr Loader loaders[] = {
    {"delta_net", delta_net},
    {"gated_deltanet", [](Source& s) { return gated_delta(s, false); }},
    {"gated_deltaproduct", [](Source& s) { return gated_delta(s, true); }},
    {"mamba", mamba},
    {"mamba2", mamba2},
    {"gla", gla},
    {"rwkv7", rwkv7},
    {"paper_mamba_lm", paper_mamba},
    {"xlstm_lm", xlstm},
};

const Loader* find_loader(std::string_view model_type) {
  for (const Loader& loader : loaders) {
    if (loader.model_type == model_type) return &loader;
  }
  return nullptr;
}

}  // namespace

Checkpoint read_checkpoint(const fs::path& directory) {
  const JsonDocument document = read_checkpoint_config(directory);
  JsonProblems problems(document);
  const std::optional<std::string> type = problems.root().at("model_type").string();
  problems.raise_if_any();
  const Loader* loader = find_loader(*type);
  if (loader == nullptr) {
    std::string known;
    for (const Loader& each : loaders) known += (known.empty() ? "" : ", ") + std::string(each.model_type);
    problems.root().at("model_type").report("one of " + known);
    problems.raise_if_any();
  }
  std::vector<std::string> all;
  try {
    const Weights weights = Weights::read_directory(directory);
    Source source{Config(problems.root()), WeightTaker(weights), {}};
    LearnedModel model = loader->load(source);
    problems.raise_if_any();
    return {std::move(model), std::move(source.notes)};
  } catch (const InputError& error) {
    all = error.problems();
  }
  // The configuration's problems explain those of the weights: first.
  try {
    problems.raise_if_any();
  } catch (const InputError& error) {
    if (error.problems() != all) all.insert(all.begin(), error.problems().begin(), error.problems().end());
  }
  throw InputError(all);
}

}  // namespace krohn
