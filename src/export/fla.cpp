// Stages -> the tensors of a checkpoint. Sizes are chosen so that all scales are powers of two: with P features present
// and hidden size D = 4^a P, m = 8 2^a, the mean square is 64 exactly, from which 1e-6 vanishes in binary32, and a
// normed feature is 2^a. Key and value sizes are powers of 4; a head's output is 0 or +-(V w / 2^j) / sqrt(key_size) in
// one column, with a mean square of at least 64. Each weight is a bf16 number, and the file is bf16.
#include "krohn/export/fla.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "directory.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/numeric/rounding.hpp"
#include "stages.hpp"

namespace krohn {
namespace {

using Json = nlohmann::ordered_json;

constexpr float saturated = 128.0F;  // silu(128) = 128, silu(-128) = 0, exp(-softplus(128)) = 0, sigmoid(+-128) = 1, 0
constexpr float key_scale = 1024.0F;
constexpr std::size_t max_key_size = 256;
constexpr const char* format = "krohn-fla-export-v1";

std::size_t power_of_4_from(std::size_t least, std::size_t size) {
  std::size_t result = least;
  while (result < size) result *= 4;
  return result;
}

/// A matrix [outputs, inputs] to be filled in.
class Matrix {
 public:
  Matrix(std::size_t rows, std::size_t columns) : columns_(columns), values_(rows * columns, 0.0F) {}
  float& at(std::size_t row, std::size_t column) { return values_.at(row * columns_ + column); }
  const std::vector<float>& values() const { return values_; }
  std::size_t columns() const { return columns_; }

 private:
  std::size_t columns_;
  std::vector<float> values_;
};

class Builder {
 public:
  Builder(const StagePlan& plan, const Dfa& dfa, FlaArchitecture architecture)
      : plan_(plan), dfa_(dfa), architecture_(architecture) {
    lay_out();
    size_heads();
  }

  std::uint64_t parameters() const {
    const std::uint64_t k = heads_ * key_size_;
    const std::uint64_t v = heads_ * value_size_;
    std::uint64_t layer = 2 * size_ + size_ * (k + steps_ * (k + v + heads_) + v) + value_size_ + 3 * size_ * inner_;
    if (scalar_gate()) layer += heads_ * size_ + 2 * heads_;
    if (architecture_ == FlaArchitecture::kda) {
      layer += 2 * value_size_ * size_ + value_size_ * (k + v) + v + k + heads_;
    }
    return 2 * vocabulary() * size_ + size_ + plan_.stages.size() * layer;
  }

  FlaExport build(const std::string& language) {
    tensor("model.embeddings.weight", embedding());
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) layer(i);
    constant("model.norm.weight", {size_}, 1.0F);
    tensor("lm_head.weight", head());
    FlaExport result;
    result.architecture = architecture_;
    result.hidden_size = size_;
    result.intermediate_size = inner_;
    result.heads = heads_;
    result.key_size = key_size_;
    result.value_size = value_size_;
    result.num_householder = steps_;
    result.gated = plan_.gated;
    for (const Tensor& each : tensors_) result.parameters += each.bytes.size() / 2;
    for (const Stage& stage : plan_.stages) {
      std::size_t tests = 1;
      for (const StageUnit& unit : stage.units) tests = std::max(tests, unit.tests.size());
      result.layers.push_back({stage.name, stage.rows, stage.heads.size(), stage.num_householder(), stage.units.size(),
                               magnitude_, (0.5 - 104.0 / 256.0) / static_cast<double>(tests)});
    }
    result.files = {{"config.json", config().dump(2) + "\n"},
                    {"model.safetensors", format_safetensors(tensors_, {{"format", "pt"}})},
                    {"task.json", task(language)},
                    {"vocab.json", names().dump(2) + "\n"},
                    {"export.json", report(result, language).dump(2) + "\n"},
                    {"README.md", readme(language)}};
    return result;
  }

 private:
  // Tokens: the one before every word, the symbols, the labels.
  std::size_t vocabulary() const { return 1 + dfa_.num_symbols() + dfa_.label_names().size(); }
  std::size_t label_token(std::size_t label) const { return 1 + dfa_.num_symbols() + label; }
  bool scalar_gate() const {
    return architecture_ == FlaArchitecture::gated_deltanet ||
           (architecture_ == FlaArchitecture::gated_deltaproduct && plan_.gated);
  }

  void lay_out() {
    std::size_t rows = std::max<std::size_t>(dfa_.label_names().size(), 1);
    std::size_t slots = 0;
    inner_ = 16;
    for (std::size_t s = 0; s < plan_.stages.size(); ++s) {
      const Stage& stage = plan_.stages[s];
      rows = std::max<std::size_t>(rows, stage.rows);
      slots = std::max<std::size_t>(slots, stage.slots);
      inner_ = std::max(inner_, (stage.units.size() + 15) / 16 * 16);
      const std::size_t level_heads = stage.heads.size() - (s == 0 && plan_.times ? 1 : 0);
      for (std::size_t h = 0; h < level_heads; ++h) {
        if (columns_.size() <= h) columns_.push_back(0);
        columns_[h] = std::max(columns_[h], stage.heads[h].columns);
      }
    }
    // The time head's reading stays; it is the last.
    time_head_ = columns_.size();
    if (plan_.times) columns_.push_back(1);
    heads_ = std::max<std::size_t>(columns_.size(), 1);
    rows_ = rows;
    std::size_t next = rows;
    present_ = 1;
    for (const std::uint32_t columns : columns_) {
      reading_.push_back(next);
      next += columns + 1;
      ++present_;
    }
    slot_ = next;
    slots_ = slots;
    if (slots > 0) {
      next += slots;
      ++present_;
    }
    pads_ = next;
    std::size_t power = 1;
    while (power < present_) power *= 2;
    size_ = 0;
    for (const std::size_t p : {power, 2 * power}) {
      const std::size_t size = power_of_4_from(p, std::max<std::size_t>(next + p - present_, 32));
      if (size_ != 0 && size >= size_) continue;
      size_ = size;
      all_present_ = p;
    }
    scale_ = std::sqrt(static_cast<float>(size_ / all_present_));
    mark_ = 8.0F * scale_;
  }

  void size_heads() {
    std::size_t key = 1;
    std::size_t value = 1;
    for (const Stage& stage : plan_.stages) {
      key = std::max<std::size_t>(key, stage.key_size);
      for (const StageHead& each : stage.heads) value = std::max<std::size_t>(value, each.columns);
    }
    key_size_ = power_of_4_from(16, key);
    value_size_ = power_of_4_from(16, value);
    steps_ = plan_.num_householder;
    if (key_size_ > max_key_size || value_size_ > max_key_size) {
      throw ResourceError(
          "export: expected heads of at most 256 keys and columns, as the library's kernels have them, "
          "got " +
          std::to_string(std::max(key, value)));
    }
    // A reading of weight 1 and norm 2^j gives V / (2^j sqrt(key_size)), whose mean square is to be at least 64.
    double divisor = 1.0;
    for (const Stage& stage : plan_.stages) {
      for (const StageHead& each : stage.heads) divisor = std::max(divisor, norm(each.query));
    }
    magnitude_ = std::max(256.0, 8.0 * divisor * std::sqrt(static_cast<double>(key_size_ * value_size_)));
  }

  static double norm(const std::vector<StageEntry>& entries) {
    double sum = 0.0;
    for (const StageEntry& entry : entries) sum += static_cast<double>(entry.weight) * entry.weight;
    return std::sqrt(sum);
  }

  std::size_t place(std::size_t head_shift, const StageFeature& feature) const {
    const bool absent = feature.index == StageFeature::absent;
    switch (feature.kind) {
      case StageFeature::Kind::row:
        return feature.index;
      case StageFeature::Kind::reading: {
        const std::size_t h = head_shift + feature.head;
        return reading_[h] + (absent ? columns_[h] : feature.index);
      }
      case StageFeature::Kind::slot:
        return slot_ + (absent ? slots_ - 1 : feature.index);
    }
    throw InternalError("export: an unknown feature");
  }

  /// The head of the model that runs head h of stage s.
  std::size_t model_head(std::size_t s, std::size_t h) const {
    return s == 0 && plan_.times && h + 1 == plan_.stages[0].heads.size() ? time_head_ : h;
  }

  Matrix embedding() const {
    Matrix e(vocabulary(), size_);
    const auto fill = [&](std::size_t token, std::size_t row) {
      e.at(token, row) = mark_;
      for (std::size_t h = 0; h < reading_.size(); ++h) e.at(token, reading_[h] + columns_[h]) = mark_;
      if (slots_ > 0) e.at(token, slot_ + slots_ - 1) = mark_;
      for (std::size_t i = 0; i < all_present_ - present_; ++i) e.at(token, pads_ + i) = mark_;
    };
    fill(0, 0);
    for (std::size_t a = 0; a < dfa_.num_symbols(); ++a) fill(1 + a, plan_.symbol_row[a]);
    return e;
  }

  Matrix head() const {
    Matrix w(vocabulary(), size_);
    for (std::size_t label = 0; label < dfa_.label_names().size(); ++label) {
      w.at(label_token(label), label) = 16.0F / scale_;
    }
    return w;
  }

  void layer(std::size_t s) {
    const Stage& stage = plan_.stages[s];
    const std::string name = "model.layers." + std::to_string(s) + ".";
    const std::string attn = name + "attn.";
    const std::size_t keys = heads_ * key_size_;
    const std::size_t values = heads_ * value_size_;
    Matrix q(keys, size_);
    Matrix k(steps_ * keys, size_);
    Matrix v(steps_ * values, size_);
    Matrix b(steps_ * heads_, size_);
    Matrix a(heads_, size_);
    Matrix o(size_, values);
    const float beta_one = plan_doubles() ? 0.0F : 64.0F;
    const auto magnitude = static_cast<float>(magnitude_);
    const auto beta = [&](std::size_t row, std::size_t feature, int strength) {
      b.at(row, feature) = (strength == 0 ? -saturated : strength == 1 ? beta_one : 64.0F) / scale_;
    };
    for (std::size_t row = 0; row < rows_; ++row) {
      for (std::size_t j = 0; j < steps_ * heads_; ++j) beta(j, row, 0);
    }
    for (std::size_t h = 0; h < stage.heads.size(); ++h) {
      const StageHead& head = stage.heads[h];
      const std::size_t at = model_head(s, h);
      if (head.kind == StageHead::Kind::table) {
        for (std::size_t row = 0; row < stage.rows; ++row) {
          const StageAction& action = head.actions[row];
          if (action.clears) a.at(at, row) = 2.0F * saturated / scale_;
          for (std::size_t j = 0; j < action.factors.size(); ++j) {
            const StageFactor& factor = action.factors[j];
            for (const StageEntry& entry : factor.key) {
              k.at(j * keys + at * key_size_ + entry.index, row) =
                  key_scale * static_cast<float>(entry.weight) / scale_;
            }
            for (const StageEntry& entry : factor.value) {
              v.at(j * values + at * value_size_ + entry.index, row) =
                  magnitude * static_cast<float>(entry.weight) / scale_;
            }
            beta(j * heads_ + at, row, factor.beta);
          }
          for (const StageEntry& entry : head.query) {
            q.at(at * key_size_ + entry.index, row) = key_scale * static_cast<float>(entry.weight) / scale_;
          }
        }
      } else {
        const std::size_t odd = reading_[time_head_];
        const std::size_t even = odd + 1;
        k.at(at * key_size_, even) = key_scale / scale_;
        k.at(at * key_size_ + 1, odd) = key_scale / scale_;
        q.at(at * key_size_, odd) = key_scale / scale_;
        q.at(at * key_size_ + 1, even) = key_scale / scale_;
        for (std::size_t row = 0; row < stage.rows; ++row) beta(at, row, 1);
        for (std::size_t c = 0; c < head.columns; ++c) {
          v.at(at * value_size_ + c, slot_ + c) = magnitude / scale_;
        }
      }
      for (std::size_t c = 0; c < head.columns; ++c) {
        const float mark = static_cast<float>(head.sign) * mark_;
        o.at(reading_[at] + c, at * value_size_ + c) = mark;
        o.at(reading_[at] + columns_[at], at * value_size_ + c) = -mark;
      }
    }
    constant(name + "attn_norm.weight", {size_}, 1.0F);
    constant(name + "mlp_norm.weight", {size_}, 1.0F);
    tensor(attn + "q_proj.weight", q);
    tensor(attn + "k_proj.weight", k);
    tensor(attn + "v_proj.weight", v);
    tensor(attn + "b_proj.weight", b);
    // Normed, a marker is sqrt(value_size).
    constant(attn + "o_norm.weight", {value_size_}, 1.0F / std::sqrt(static_cast<float>(value_size_)));
    tensor(attn + "o_proj.weight", o);
    if (scalar_gate()) {
      tensor(attn + "a_proj.weight", a);
      constant(attn + "A_log", {heads_}, 0.0F);
      constant(attn + "dt_bias", {heads_}, -saturated);
    }
    if (architecture_ == FlaArchitecture::kda) {
      // Heads of a stage clear together, but for the time head, which never does.
      Matrix down(value_size_, size_);
      Matrix up(keys, value_size_);
      for (std::size_t h = 0; h < heads_; ++h) {
        for (std::size_t row = 0; row < rows_; ++row) down.at(0, row) = std::max(down.at(0, row), a.at(h, row));
      }
      for (std::size_t h = 0; h < heads_; ++h) {
        const bool clears = std::any_of(a.values().begin() + static_cast<std::ptrdiff_t>(h * size_),
                                        a.values().begin() + static_cast<std::ptrdiff_t>((h + 1) * size_),
                                        [](float w) { return w != 0.0F; });
        for (std::size_t i = 0; clears && i < key_size_; ++i) up.at(h * key_size_ + i, 0) = 1.0F;
      }
      tensor(attn + "f_proj.0.weight", down);
      tensor(attn + "f_proj.1.weight", up);
      constant(attn + "A_log", {heads_}, 0.0F);
      constant(attn + "dt_bias", {keys}, -saturated);
      constant(attn + "g_proj.0.weight", {value_size_, size_}, 0.0F);
      constant(attn + "g_proj.1.weight", {values, value_size_}, 0.0F);
      constant(attn + "g_proj.1.bias", {values}, 64.0F);
    }
    table(stage, name + "mlp.");
  }

  void table(const Stage& stage, const std::string& mlp) {
    Matrix gate(inner_, size_);
    Matrix up(inner_, size_);
    Matrix down(size_, inner_);
    for (std::size_t u = 0; u < stage.units.size(); ++u) {
      const StageUnit& unit = stage.units[u];
      // One row is always present: it carries what does not depend on the input.
      for (std::size_t row = 0; row < rows_; ++row) {
        gate.at(u, row) = -saturated * static_cast<float>(2 * unit.tests.size() - 1) / scale_;
        up.at(u, row) = mark_ / saturated / scale_;
      }
      for (const StageFeature& test : unit.tests) gate.at(u, place(0, test)) += 2.0F * saturated / scale_;
      for (const auto& [feature, sign] : unit.writes) down.at(place(0, feature), u) = static_cast<float>(sign);
    }
    tensor(mlp + "gate_proj.weight", gate);
    tensor(mlp + "up_proj.weight", up);
    tensor(mlp + "down_proj.weight", down);
  }

  bool plan_doubles() const {
    for (const Stage& stage : plan_.stages) {
      for (const StageHead& head : stage.heads) {
        for (const StageAction& action : head.actions) {
          for (const StageFactor& factor : action.factors) {
            if (factor.beta == 2) return true;
          }
        }
      }
    }
    return false;
  }

  void tensor(const std::string& name, const Matrix& matrix) {
    store(name, {matrix.values().size() / matrix.columns(), matrix.columns()}, matrix.values());
  }
  void constant(const std::string& name, std::vector<std::uint64_t> shape, float value) {
    std::uint64_t size = 1;
    for (const std::uint64_t extent : shape) size *= extent;
    store(name, std::move(shape), std::vector<float>(size, value));
  }
  void store(const std::string& name, std::vector<std::uint64_t> shape, const std::vector<float>& values) {
    Tensor tensor{name, DType::bf16, std::move(shape), std::string(2 * values.size(), '\0')};
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (round_to_bf16(values[i]) != values[i]) throw InternalError("export: " + name + " is not exact in bf16");
      const auto bits = __builtin_bit_cast(std::uint32_t, values[i]);
      tensor.bytes[2 * i] = static_cast<char>(bits >> 16U & 0xFFU);
      tensor.bytes[2 * i + 1] = static_cast<char>(bits >> 24U);
    }
    tensors_.push_back(std::move(tensor));
  }

  Json config() const {
    Json c;
    const std::map<FlaArchitecture, const char*> classes = {
        {FlaArchitecture::delta_net, "DeltaNetForCausalLM"},
        {FlaArchitecture::gated_deltanet, "GatedDeltaNetForCausalLM"},
        {FlaArchitecture::gated_deltaproduct, "GatedDeltaProductForCausalLM"},
        {FlaArchitecture::kda, "KDAForCausalLM"}};
    c["architectures"] = {classes.at(architecture_)};
    c["model_type"] = model_type_of(architecture_);
    c["torch_dtype"] = "bfloat16";
    c["vocab_size"] = vocabulary();
    c["bos_token_id"] = 0;
    c["eos_token_id"] = nullptr;
    c["pad_token_id"] = nullptr;
    c["tie_word_embeddings"] = false;
    c["hidden_size"] = size_;
    c["num_hidden_layers"] = plan_.stages.size();
    c["num_heads"] = heads_;
    c["intermediate_size"] = inner_;
    c["hidden_act"] = "swish";
    c["norm_eps"] = 1e-6;
    c["use_short_conv"] = false;
    c["allow_neg_eigval"] = plan_doubles();
    const double over_keys = static_cast<double>(value_size_) / static_cast<double>(key_size_);
    if (architecture_ == FlaArchitecture::delta_net) {
      c["expand_k"] = static_cast<double>(heads_ * key_size_) / static_cast<double>(size_);
      c["expand_v"] = static_cast<double>(heads_ * value_size_) / static_cast<double>(size_);
      c["qk_activation"] = "identity";
      c["qk_norm"] = "l2";
      c["use_beta"] = true;
      c["use_gate"] = false;
    } else {
      c["head_dim"] = key_size_;
      c["expand_v"] = over_keys;
    }
    if (architecture_ == FlaArchitecture::gated_deltanet) c["use_gate"] = false;
    if (architecture_ == FlaArchitecture::gated_deltaproduct) {
      c["num_householder"] = steps_;
      c["use_forget_gate"] = plan_.gated;
      c["use_output_gate"] = false;
    }
    return c;
  }

  /// What the tokens are, in their order.
  Json names() const {
    Json names = {"<bos>"};
    for (const std::string& symbol : dfa_.alphabet().names()) names.push_back(symbol);
    for (const std::string& label : dfa_.label_names()) names.push_back(label);
    return names;
  }

  std::string task(const std::string& language) const {
    Json t;
    t["format"] = "krohn-task-v1";
    t["name"] = language;
    Json symbols = Json::object();
    for (std::size_t a = 0; a < dfa_.num_symbols(); ++a) symbols[dfa_.alphabet().names()[a]] = 1 + a;
    t["symbols"] = std::move(symbols);
    t["bos"] = 0;
    t["positions"] = "all";
    Json outputs = Json::object();
    for (std::size_t l = 0; l < dfa_.label_names().size(); ++l) {
      outputs[std::to_string(label_token(l))] = dfa_.label_names()[l];
    }
    t["outputs"] = std::move(outputs);
    t["automaton"] = Json::parse(format_json(dfa_));
    return t.dump(1) + "\n";
  }

  Json report(const FlaExport& model, const std::string& language) const {
    Json r;
    r["format"] = format;
    r["language"] = language;
    r["states"] = dfa_.num_states();
    r["architecture"] = model_type_of(architecture_);
    r["parameters"] = model.parameters;
    r["mark"] = mark_;
    Json stream;
    stream["row"] = {0, rows_};
    for (std::size_t h = 0; h < reading_.size(); ++h) {
      const std::string name = plan_.times && h == time_head_ ? "time" : "reading " + std::to_string(h);
      stream[name] = {reading_[h], reading_[h] + columns_[h] + 1};
    }
    if (slots_ > 0) stream["slot"] = {slot_, slot_ + slots_};
    stream["constant"] = {pads_, pads_ + all_present_ - present_};
    r["residual_stream"] = std::move(stream);
    r["layers"] = Json::array();
    for (const FlaLayer& each : model.layers) {
      r["layers"].push_back({{"stage", each.name},
                             {"rows", each.rows},
                             {"heads", each.heads},
                             {"num_householder", each.num_householder},
                             {"units", each.units},
                             {"hidden_values", {0.0, each.magnitude, -each.magnitude}},
                             {"hidden_error", 0.0},
                             {"table_tolerance", each.tolerance}});
    }
    return r;
  }

  std::string readme(const std::string& language) const {
    return "# " + language + " as a " + model_type_of(architecture_) +
           R"( language model

Weights computed by krohn from an automaton, not trained. After token 0 and the tokens of a word, the largest logit at
the last position is the word's label (vocab.json lists the tokens: that first one, the symbols, the labels). It loads with flash-linear-attention 0.5.2 or newer:

```python
import fla, torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("PATH OF THIS FOLDER", dtype=torch.bfloat16).cuda().eval()
```

`krohn check` on this folder proves that it is right on every word. Files: config.json, model.safetensors (bf16), task.json
(the automaton, and which tokens and logits mean what), vocab.json, export.json (the blocks of the residual stream; per
layer what its hidden states hold, exactly, and how much noise its table takes).
)";
  }

  const StagePlan& plan_;
  const Dfa& dfa_;
  FlaArchitecture architecture_;
  std::size_t rows_ = 0;
  std::size_t slots_ = 0;
  std::size_t slot_ = 0;
  std::size_t pads_ = 0;
  std::size_t present_ = 0;
  std::size_t all_present_ = 0;
  std::size_t size_ = 0;
  std::size_t inner_ = 0;
  std::size_t heads_ = 0;
  std::size_t time_head_ = 0;
  std::size_t key_size_ = 0;
  std::size_t value_size_ = 0;
  std::size_t steps_ = 1;
  float scale_ = 1.0F;
  float mark_ = 1.0F;
  double magnitude_ = 1.0;
  /// Per head of the model: its columns and where its reading begins.
  std::vector<std::uint32_t> columns_;
  std::vector<std::size_t> reading_;
  std::vector<Tensor> tensors_;
};

std::string why_not(FlaArchitecture architecture, const StagePlan& plan) {
  const bool product = architecture == FlaArchitecture::gated_deltaproduct;
  if (!product && plan.num_householder > 1) {
    return "one factor a token and head, and " + plan.why_factors + "; expected gated_deltaproduct";
  }
  if (architecture == FlaArchitecture::delta_net && plan.gated) {
    return "no gate, and " + plan.why_gate + "; expected gated_deltanet, gated_deltaproduct or kda";
  }
  return "";
}

}  // namespace

const char* model_type_of(FlaArchitecture architecture) {
  switch (architecture) {
    case FlaArchitecture::delta_net:
      return "delta_net";
    case FlaArchitecture::gated_deltanet:
      return "gated_deltanet";
    case FlaArchitecture::gated_deltaproduct:
      return "gated_deltaproduct";
    case FlaArchitecture::kda:
      return "kda";
  }
  throw InternalError("export: an unknown architecture");
}

FlaExport export_to_fla(const Language& language, const std::string& name, const FlaOptions& options) {
  const Dfa& minimal = language.minimal();
  if (minimal.label_names().empty()) {
    throw InputError(name + ": expected a language that gives some word a label, got none");
  }
  const auto plan_of = [&](FlaArchitecture architecture) {
    return plan_stages(language, architecture == FlaArchitecture::delta_net, options.cascade);
  };
  FlaArchitecture architecture = FlaArchitecture::delta_net;
  StagePlan plan;
  if (options.architecture) {
    architecture = *options.architecture;
    plan = plan_of(architecture);
    const std::string reason = why_not(architecture, plan);
    if (!reason.empty()) {
      throw InputError(std::string("--architecture: ") + model_type_of(architecture) + " runs a level a layer with " +
                       reason);
    }
  } else {
    for (const FlaArchitecture each :
         {FlaArchitecture::delta_net, FlaArchitecture::gated_deltanet, FlaArchitecture::gated_deltaproduct}) {
      architecture = each;
      plan = plan_of(each);
      if (why_not(each, plan).empty()) break;
    }
  }
  Builder builder(plan, minimal, architecture);
  if (builder.parameters() > options.max_parameters) {
    throw ResourceError("export: expected at most " + std::to_string(options.max_parameters) +
                        " parameters (--max-parameters), got a model of " + std::to_string(builder.parameters()) +
                        " in " + std::to_string(plan.stages.size()) + " layers");
  }
  FlaExport result = builder.build(name);
  if (result.parameters != builder.parameters()) throw InternalError("export: a wrong count of parameters");
  return result;
}

void write_fla_export(const std::filesystem::path& path, const FlaExport& model, bool force) {
  write_export(path, model.files, force);
}

}  // namespace krohn
