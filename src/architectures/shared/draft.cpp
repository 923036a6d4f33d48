// Both sides record what was asked of them, so that what nobody asked for is reported: an unknown option, a tensor left
// over. Cost: one pass over the weights.
#include "krohn/architectures/draft.hpp"

#include <algorithm>
#include <cmath>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

constexpr std::size_t largest_size = std::size_t{1} << 24U;

/// Options that change nothing of what a token's logits are, and why. The only such list: what is not in it is honoured
/// by an architecture or refused.
struct Neutral {
  std::string_view reason;
  std::vector<std::string_view> keys;
};

const std::vector<Neutral>& neutral_options() {
  static const std::vector<Neutral> groups = {
      {"names of the model, of its files and of the programs that wrote them",
       {"_commit_hash", "_name_or_path", "architectures", "auto_map", "finetuning_task", "model_type", "name_or_path",
        "task_specific_params", "tokenizer_class", "transformers_version", "trust_remote_code"}},
      {"the type that weights are kept in: they are read as stored, and computed with in single precision",
       {"dtype", "residual_in_fp32", "torch_dtype", "use_bfloat16"}},
      {"tokens of special meaning, and names of classes: no layer reads them",
       {"bos_token_id", "decoder_start_token_id", "eos_token_id", "id2label", "label2id", "pad_token_id", "prefix",
        "problem_type", "sep_token_id"}},
      {"how text is drawn from the logits",
       {"bad_words_ids",
        "begin_suppress_tokens",
        "diversity_penalty",
        "do_sample",
        "early_stopping",
        "encoder_no_repeat_ngram_size",
        "exponential_decay_length_penalty",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "length_penalty",
        "max_length",
        "min_length",
        "no_repeat_ngram_size",
        "num_beam_groups",
        "num_beams",
        "num_return_sequences",
        "remove_invalid_values",
        "repetition_penalty",
        "suppress_tokens",
        "temperature",
        "top_k",
        "top_p",
        "typical_p"}},
      {"what a call returns beside the logits",
       {"keys_to_ignore_at_inference", "output_attentions", "output_hidden_states", "output_scores", "return_dict",
        "return_dict_in_generate", "torchscript", "use_cache"}},
      {"which kernels compute the same formulas, in how large pieces, and on how many devices",
       {"_attn_implementation", "_attn_implementation_autoset", "attn_implementation", "attn_mode", "chunk_size",
        "chunk_size_feed_forward", "fuse_norm", "fuse_swiglu", "fused_add_norm", "process_group", "pscan",
        "sequence_parallel", "use_associative_scan", "use_cuda", "use_fast_path", "use_mambapy", "use_mem_eff_path"}},
      {"the loss, dropout and the optimiser: training",
       {"add_embedding_dropout", "dropout", "fuse_cross_entropy", "fuse_linear_cross_entropy", "tf_legacy_loss",
        "use_l2warp", "weight_decay_on_embedding"}},
      {"the first weights of training, which those of the file replace",
       {"A_init_range", "a_log_init_lower", "base_std", "conv_init", "dt_init", "dt_init_floor", "dt_init_scheme",
        "dt_max", "dt_min", "dt_scale", "initializer_range", "log_atk_scale_init", "mup_base_width",
        "rescale_prenorm_residual", "time_step_floor", "time_step_init_scheme", "time_step_max", "time_step_min",
        "time_step_scale"}},
      {"the length of training's sequences: no architecture has positions",
       {"context_length", "max_position_embeddings"}},
      {"rows that pad the embedding: vocab_size counts them where there is a model_type", {"pad_vocab_size_multiple"}},
      {"encoders and cross attention, which no architecture has",
       {"cross_attention_hidden_size", "is_decoder", "tie_encoder_decoder"}},
      {"read by no layer in any version of flash-linear-attention: the output norm is always there",
       {"use_output_norm"}},
  };
  return groups;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

// ---- options --------------------------------------------------------------------------------------------------------

bool Options::has(const std::string& key) {
  const JsonField field = ask(key);
  return field.exists() && !field.is_null();
}
std::size_t Options::size(const std::string& key, std::size_t otherwise, std::size_t most) {
  if (!has(key)) return otherwise;
  const auto value = ask(key).integer(1, static_cast<std::int64_t>(most));
  return value ? static_cast<std::size_t>(*value) : otherwise;
}
bool Options::flag(const std::string& key, bool otherwise) {
  return has(key) ? ask(key).boolean().value_or(otherwise) : otherwise;
}
double Options::number(const std::string& key, double otherwise) {
  if (!has(key)) return otherwise;
  const double value = ask(key).number().value_or(otherwise);
  if (std::isfinite(value)) return value;
  ask(key).report("a finite number");
  return otherwise;
}
double Options::epsilon(const std::string& key, double otherwise) {
  const double value = number(key, otherwise);
  if (value >= 0) return value;
  root_.find(key).report("a number of at least 0");
  return otherwise;
}
std::size_t Options::product(std::size_t size, const std::string& key, double otherwise) {
  const double value = std::trunc(static_cast<double>(size) * number(key, otherwise));
  if (value >= 1 && value <= static_cast<double>(largest_size)) return static_cast<std::size_t>(value);
  root_.find(key).report("a factor that makes a size of at least 1");
  return 1;
}
std::string Options::text(const std::string& key, const std::string& otherwise) {
  return has(key) ? ask(key).string().value_or(otherwise) : otherwise;
}
JsonField Options::ask(const std::string& key) {
  asked_.insert(key);
  return root_.find(key);
}
void Options::require_equal(const std::string& key, std::size_t value, const std::string& name) {
  if (size(key, value) != value) report(key, name + " = " + std::to_string(value));
}
std::size_t Options::split(std::size_t total, std::size_t parts, const std::string& key) {
  if (total % parts == 0) return total / parts;
  report(key, "a divisor of " + std::to_string(total));
  return std::max<std::size_t>(total / parts, 1);
}
void Options::report(const std::string& key, const std::string& expected) {
  const JsonField field = root_.find(key);
  field.exists() ? field.report(expected) : root_.report(key + ": " + expected, "none");
}
void Options::require_null(const std::string& key) {
  if (has(key)) ask(key).report("null: krohn does not run models with this option");
}
void Options::require_empty(const std::string& key) {
  if (!has(key)) return;
  const JsonField field = ask(key);
  const JsonValue& value = *field.value();
  const bool empty =
      (value.array() != nullptr && value.array()->empty()) || (value.object() != nullptr && value.object()->empty());
  if (!empty) field.report("nothing in it: krohn does not run models with this option");
}
void Options::require_flag(const std::string& key, bool value) {
  if (flag(key, value) == value) return;
  root_.find(key).report(std::string(value ? "true" : "false") + ": krohn does not run models with another value");
}
std::string Options::require_text(const std::string& key, std::initializer_list<const char*> values) {
  const std::string value = text(key, *values.begin());
  if (std::find(values.begin(), values.end(), value) != values.end()) return value;
  std::string expected;
  for (const char* v : values) expected += (expected.empty() ? "'" : "' or '") + std::string(v);
  root_.find(key).report(expected + "'");
  return *values.begin();
}
bool Options::without_effect(std::string_view key) {
  return std::any_of(neutral_options().begin(), neutral_options().end(), [&](const Neutral& group) {
    return std::find(group.keys.begin(), group.keys.end(), key) != group.keys.end();
  });
}
void Options::finish() {
  for (const auto& [key, field] : root_.members()) {
    if (!asked_.contains(key) && !without_effect(key)) {
      field.report("only options that krohn knows for this model type", "the unknown option " + shown(key));
    }
  }
}

// ---- tensors --------------------------------------------------------------------------------------------------------

std::size_t Tensors::extent(const std::string& name, std::size_t axis) const {
  const std::vector<std::uint64_t>* shape = source_.shape(name);
  return shape == nullptr || shape->size() <= axis ? 0 : (*shape)[axis];
}

bool Tensors::take_name(const std::string& name, const std::vector<std::size_t>& shape) {
  const std::vector<std::uint64_t>* found = source_.shape(name);
  if (found == nullptr) {
    report_missing(name, shape);
    return false;
  }
  taken_.insert(name);
  const bool fits = std::equal(found->begin(), found->end(), shape.begin(), shape.end());
  if (!fits) report(name + ": expected shape " + shape_text(shape) + ", got " + source_.type(name));
  return fits;
}

std::vector<float> Tensors::take(const std::string& name, const std::vector<std::size_t>& shape) {
  if (!take_name(name, shape)) return {};
  std::optional<std::vector<float>> values = source_.values(name);
  if (!values) {
    report(name + ": expected F32, F16 or BF16, got " + source_.type(name));
    return {};
  }
  const auto bad = std::count_if(values->begin(), values->end(), [](float x) { return !std::isfinite(x); });
  if (bad != 0) {
    report(name + ": expected finite weights, got " + std::to_string(bad) + " of " + std::to_string(values->size()) +
           " that are NaN or infinite");
    return {};
  }
  return *std::move(values);
}

std::uint32_t Tensors::add(const std::string& name, const std::vector<std::size_t>& shape, std::vector<float> values,
                           bool matrix) {
  if (matrix && !values.empty()) values = input_major(values, shape);
  return net_.add({name, shape, matrix, std::move(values)});
}

std::uint32_t Tensors::vector(const std::string& name, const std::vector<std::size_t>& shape) {
  return add(name, shape, take(name, shape));
}
std::uint32_t Tensors::optional(const std::string& name, const std::vector<std::size_t>& shape) {
  return has(name) ? vector(name, shape) : no_index;
}
std::uint32_t Tensors::matrix(const std::string& name, const std::vector<std::size_t>& shape) {
  // What is read later is found to be finite, or not, by the program.
  if (std::shared_ptr<const DeferredValues> later = has(name) ? source_.deferred(name) : nullptr) {
    return net_.add({name, shape, true, {}, take_name(name, shape) ? std::move(later) : nullptr});
  }
  return add(name, shape, take(name, shape), true);
}

namespace {

/// `count` rows from `first` on of every group of `rows`.
std::vector<float> rows_of_groups(const std::vector<float>& values, std::size_t rows, std::size_t first,
                                  std::size_t count, std::size_t in) {
  std::vector<float> own;
  own.reserve(values.size() / rows * count);
  for (std::size_t row = first; row * in < values.size(); row += rows) {
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(row * in);
    own.insert(own.end(), from, from + static_cast<std::ptrdiff_t>(count * in));
  }
  return own;
}

class RowsOfGroups final : public DeferredValues {
 public:
  RowsOfGroups(std::shared_ptr<const DeferredValues> whole, std::size_t rows, std::size_t first, std::size_t count,
               std::size_t in)
      : whole_(std::move(whole)), rows_(rows), first_(first), count_(count), in_(in) {}
  std::size_t size() const override { return whole_->size() / rows_ * count_; }
  std::vector<float> read() const override { return rows_of_groups(whole_->read(), rows_, first_, count_, in_); }

 private:
  std::shared_ptr<const DeferredValues> whole_;
  std::size_t rows_;
  std::size_t first_;
  std::size_t count_;
  std::size_t in_;
};

}  // namespace

std::vector<std::uint32_t> Tensors::ungrouped(const std::string& name, std::size_t groups,
                                              const std::vector<std::pair<std::string, std::size_t>>& parts,
                                              std::size_t in) {
  std::size_t rows = 0;
  for (const auto& [part, count] : parts) rows += count;
  const std::vector<std::size_t> shape = {groups * rows, in};
  std::shared_ptr<const DeferredValues> later = has(name) ? source_.deferred(name) : nullptr;
  std::vector<float> values;
  if (later == nullptr) {
    values = take(name, shape);
  } else if (!take_name(name, shape)) {
    later = nullptr;
  }
  std::vector<std::uint32_t> matrices;
  std::size_t first = 0;
  for (const auto& [part, count] : parts) {
    const std::vector<std::size_t> own = {groups * count, in};
    if (later != nullptr) {
      matrices.push_back(
          net_.add({part, own, true, {}, std::make_shared<RowsOfGroups>(later, rows, first, count, in)}));
    } else {
      matrices.push_back(add(part, own, rows_of_groups(values, rows, first, count, in), true));
    }
    first += count;
  }
  return matrices;
}

std::uint32_t Tensors::stacked(const std::string& name, const std::vector<std::string>& names,
                               const std::vector<std::size_t>& shape, bool matrix) {
  std::vector<float> all;
  std::size_t expected = names.size();
  for (const std::size_t extent : shape) expected *= extent;
  for (const std::string& each : names) {
    const std::vector<float> part = take(each, shape);
    all.insert(all.end(), part.begin(), part.end());
  }
  if (all.size() != expected) all.clear();
  std::vector<std::size_t> whole = shape;
  whole[0] *= names.size();
  return add(name, whole, std::move(all), matrix);
}

void Tensors::leave_out_outside(const std::vector<std::string>& prefixes) {
  for (const std::string& name : source_.tensor_names()) {
    const auto begins = [&](const std::string& prefix) { return name.starts_with(prefix); };
    if (std::none_of(prefixes.begin(), prefixes.end(), begins)) leave_out(name);
  }
}

void Tensors::report_missing(const std::string& name, const std::vector<std::size_t>& shape, const std::string& why) {
  report(name + ": expected a tensor of shape " + shape_text(shape) + why + ", got none");
  missing_.push_back({name, shape});
}

void Tensors::report(const std::string& problem) {
  if (count_++ < 50) problems_.push_back(source_.name() + ": " + problem);
}

void Tensors::finish() {
  for (const std::string& name : source_.tensor_names()) {
    if (taken_.contains(name)) continue;
    report(shown(name) + ": expected only tensors that the configuration calls for, got " + source_.type(name));
  }
  if (count_ == 0) return;
  if (count_ > problems_.size()) {
    problems_.push_back(source_.name() + ": " + std::to_string(count_ - problems_.size()) + " more problems");
  }
  throw InputError(problems_);
}

}  // namespace krohn
