// A block's recurrence needs its inputs at all positions before any output. On devices every operation runs over all
// positions anyway. On the CPU the words are read once for each layer: the recurrences below answer from what is known,
// the layer's own inputs are collected, then run in chunks; a last pass gives the logits.
#include "krohn/engine/chunked_form.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "choose_device.hpp"
#include "krohn/engine/interpreter.hpp"
#include "krohn/error.hpp"
#include "krohn/model/program_form.hpp"
#include "krohn/numeric/rounding.hpp"
#include "learned/device_batches.hpp"
#include "learned_pass.hpp"

namespace krohn {
namespace {

using forward::Decay;
using forward::Update;

constexpr std::size_t chunk_updates = 64;
/// Log decays below this are zero after one step in fp32, and stay finite in sums.
constexpr float least_log_decay = -200.0F;

/// One block's recurrence over all words, its states (and the queries that share one) as heads.
struct BlockArrays {
  ChunkedRule rule = ChunkedRule::delta;
  ChunkedShape shape;
  bool decays = false;
  std::vector<float> query, key, value, beta, decay, output;
};

class Collector final : public forward::Probe<float> {
 public:
  Collector(std::size_t words, std::size_t length, std::size_t blocks)
      : words_(words), length_(length), known_(blocks) {}

  void begin(std::size_t block) { collected_ = block; }
  void at(std::size_t word, std::size_t position) {
    word_ = word;
    position_ = position;
  }
  BlockArrays& block(std::size_t i) { return known_[i]; }

  void recurrence(std::size_t block, std::size_t head, std::size_t key_size, std::size_t value_size,
                  const Decay<float>& decay, std::span<const Update<float>> updates) override {
    if (block != collected_) return;
    // The queries are seen in answer(), which knows their number and so the place of everything.
    head_ = head;
    step_ = {key_size, value_size, decay, updates};
  }

  bool answer(std::size_t block, std::size_t head, std::size_t queries, const float* query, float* out) override {
    BlockArrays& arrays = known_[block];
    if (block < collected_) {
      const std::size_t size = arrays.shape.value_size;
      const float* from = arrays.output.data() + row(arrays) * size + head * queries * size;
      std::copy_n(from, queries * size, out);
      return true;
    }
    if (block == collected_) {
      collect(arrays, queries, query);
      // Anything finite: what follows in this block and above is thrown away.
      std::fill_n(out, queries * step_.value_size, 0.0F);
      return true;
    }
    return false;
  }

 private:
  struct Step {
    std::size_t key_size = 0;
    std::size_t value_size = 0;
    Decay<float> decay;
    std::span<const Update<float>> updates;
  };

  std::size_t row(const BlockArrays& arrays) const { return (word_ * length_ + position_) * arrays.shape.heads; }

  /// Heads come in order; the first token shows how many there are.
  void collect(BlockArrays& arrays, std::size_t queries, const float* query) {
    const Step& s = step_;
    const std::size_t n = s.updates.size();
    if (word_ == 0 && position_ == 0) {
      arrays.shape = {words_,     length_,      (head_ + 1) * queries,        (head_ + 1) * queries,
                      s.key_size, s.value_size, static_cast<std::uint32_t>(n)};
      arrays.rule = s.updates[0].read != nullptr              ? ChunkedRule::delta
                    : s.decay.kind == Decay<float>::Kind::key ? ChunkedRule::keywise
                                                              : ChunkedRule::linear;
      arrays.decays = s.decay.kind != Decay<float>::Kind::none;
    }
    for (std::size_t i = 0; i < queries; ++i) {
      append(arrays.query, query + i * s.key_size, s.key_size);
      if (arrays.rule == ChunkedRule::keywise) {
        for (std::size_t k = 0; k < s.key_size; ++k) arrays.decay.push_back(log_of(s.decay.values[k]));
      } else if (arrays.decays) {
        arrays.decay.push_back(log_of(*s.decay.values));
      }
      for (const Update<float>& update : s.updates) {
        append(arrays.key, update.write, s.key_size);
        if (update.value != nullptr) {
          append(arrays.value, update.value, s.value_size);
        } else {
          arrays.value.insert(arrays.value.end(), s.value_size, 0.0F);
        }
        arrays.beta.push_back(update.beta != nullptr ? *update.beta : 1.0F);
      }
    }
  }
  static void append(std::vector<float>& to, const float* from, std::size_t size) {
    to.insert(to.end(), from, from + size);
  }
  static float log_of(float decay) { return std::max(std::log(decay), least_log_decay); }

  std::size_t words_;
  std::size_t length_;
  std::vector<BlockArrays> known_;
  std::size_t collected_ = 0;
  std::size_t word_ = 0;
  std::size_t position_ = 0;
  std::size_t head_ = 0;
  Step step_;
};

/// [tokens, heads, updates, size] as collected, to [tokens, updates, heads, size] as the recurrence reads it.
std::vector<float> updates_outside(const std::vector<float>& from, std::size_t heads, std::size_t updates,
                                   std::size_t size) {
  if (updates == 1) return from;
  std::vector<float> to(from.size());
  const std::size_t token = heads * updates * size;
  for (std::size_t t = 0; t < from.size() / token; ++t) {
    for (std::size_t h = 0; h < heads; ++h) {
      for (std::size_t u = 0; u < updates; ++u) {
        std::copy_n(from.data() + t * token + (h * updates + u) * size, size,
                    to.data() + t * token + (u * heads + h) * size);
      }
    }
  }
  return to;
}

/// A recurrence of one sequence on the CPU.
class Chunks {
 public:
  Chunks(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale,
         const ChunkedHostArrays& arrays)
      : rule_(rule), round_(format == ChunkedFormat::bf16), shape_(shape), scale_(scale), arrays_(arrays) {}

  void run(std::size_t batch, std::size_t head) {
    batch_ = batch;
    head_ = head;
    key_head_ = head / (shape_.heads / shape_.key_heads);
    const std::size_t size = shape_.key_size * shape_.value_size;
    state_.assign(size, 0.0F);
    const std::size_t sequence = batch * shape_.heads + head;
    if (!arrays_.initial_state.empty()) {
      std::copy_n(arrays_.initial_state.data() + sequence * size, size, state_.data());
    }
    const std::size_t tokens = chunk_updates / shape_.householder;
    for (std::size_t first = 0; first < shape_.length; first += tokens) {
      chunk(first, std::min(tokens, shape_.length - first));
    }
    if (!arrays_.final_state.empty()) std::copy_n(state_.data(), size, arrays_.final_state.data() + sequence * size);
  }

 private:
  float rounded(float x) const { return round_ ? round_to_bf16(x) : x; }
  const float* key_row(std::span<const float> from, std::size_t row) const {
    return from.data() + (row * shape_.key_heads + key_head_) * shape_.key_size;
  }

  void chunk(std::size_t first, std::size_t tokens) {
    const std::size_t n = shape_.householder;
    const std::size_t K = shape_.key_size;
    const std::size_t V = shape_.value_size;
    const std::size_t updates = tokens * n;
    const std::size_t row = batch_ * shape_.length + first;
    const bool keywise = rule_ == ChunkedRule::keywise;
    // b_i, one a step or one a key.
    const std::size_t widths = keywise ? K : 1;
    std::vector<float> sum(updates * widths, 0.0F);
    for (std::size_t i = 0; i < updates; ++i) {
      for (std::size_t w = 0; w < widths; ++w) {
        float decay = 0.0F;
        if (!arrays_.decay.empty() && i % n == 0) {
          decay = keywise ? rounded(key_row(arrays_.decay, row + i)[w])
                          : arrays_.decay[(row + i / n) * shape_.heads + head_];
        }
        sum[i * widths + w] = (i == 0 ? 0.0F : sum[(i - 1) * widths + w]) + decay;
      }
    }
    const auto power = [&](std::size_t to, std::size_t from, std::size_t w) {
      return std::exp(sum[to * widths + w] - sum[from * widths + w]);
    };
    const auto dot = [&](const float* x, const float* y, std::size_t to, std::size_t from) {
      float total = 0.0F;
      for (std::size_t k = 0; k < K; ++k) {
        const float product = rounded(x[k]) * rounded(y[k]);
        total += keywise ? product * power(to, from, k) : product;
      }
      return keywise ? total : total * power(to, from, 0);
    };
    std::vector<float> old(state_.size());
    std::transform(state_.begin(), state_.end(), old.begin(), [&](float x) { return rounded(x); });
    const auto value = [&](std::size_t i, std::size_t v) {
      return rounded(arrays_.value[((row * n + i) * shape_.heads + head_) * V + v]);
    };
    std::vector<float> exact(updates * V);
    for (std::size_t i = 0; i < updates; ++i) {
      for (std::size_t v = 0; v < V; ++v) exact[i * V + v] = value(i, v);
    }
    if (rule_ == ChunkedRule::delta) {
      std::vector<float> inverse(updates * updates, 0.0F);
      for (std::size_t i = 0; i < updates; ++i) {
        inverse[i * updates + i] = 1.0F;
        const float beta = arrays_.beta[(row * n + i) * shape_.heads + head_];
        for (std::size_t j = 0; j < i; ++j) {
          const float a = beta * dot(key_row(arrays_.key, row * n + i), key_row(arrays_.key, row * n + j), i, j);
          for (std::size_t c = 0; c <= j; ++c) inverse[i * updates + c] -= a * inverse[j * updates + c];
        }
      }
      std::vector<float> rest(updates * V);
      for (std::size_t j = 0; j < updates; ++j) {
        const float* key = key_row(arrays_.key, row * n + j);
        for (std::size_t v = 0; v < V; ++v) {
          float total = 0.0F;
          for (std::size_t k = 0; k < K; ++k) total += rounded(key[k]) * old[k * V + v];
          rest[j * V + v] = rounded(exact[j * V + v] - std::exp(sum[j]) * total);
        }
      }
      std::fill(exact.begin(), exact.end(), 0.0F);
      for (std::size_t i = 0; i < updates; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
          const float t = rounded(inverse[i * updates + j] * arrays_.beta[(row * n + j) * shape_.heads + head_]);
          for (std::size_t v = 0; v < V; ++v) exact[i * V + v] += t * rest[j * V + v];
        }
      }
    }
    for (std::size_t t = 0; t < tokens; ++t) {
      const std::size_t i = t * n + n - 1;
      const float* query = key_row(arrays_.query, row + t);
      std::vector<float> out(V, 0.0F);
      for (std::size_t k = 0; k < K; ++k) {
        const float q = keywise ? rounded(rounded(query[k]) * std::exp(sum[i * K + k])) : rounded(query[k]);
        for (std::size_t v = 0; v < V; ++v) out[v] += q * old[k * V + v];
      }
      if (!keywise) {
        for (float& x : out) x *= std::exp(sum[i]);
      }
      for (std::size_t j = 0; j <= i; ++j) {
        const float score = rounded(dot(query, key_row(arrays_.key, row * n + j), i, j));
        for (std::size_t v = 0; v < V; ++v) out[v] += score * rounded(exact[j * V + v]);
      }
      float* to = arrays_.output.data() + ((row + t) * shape_.heads + head_) * V;
      for (std::size_t v = 0; v < V; ++v) to[v] = rounded(out[v] * scale_);
    }
    const std::size_t last = updates - 1;
    for (std::size_t k = 0; k < K; ++k) {
      const float decay = std::exp(sum[last * widths + (keywise ? k : 0)]);
      for (std::size_t v = 0; v < V; ++v) state_[k * V + v] *= decay;
      for (std::size_t j = 0; j < updates; ++j) {
        float key = rounded(key_row(arrays_.key, row * n + j)[k]);
        if (keywise) key = rounded(key * power(last, j, k));
        const float remaining = keywise ? 1.0F : power(last, j, 0);
        for (std::size_t v = 0; v < V; ++v) state_[k * V + v] += key * rounded(exact[j * V + v] * remaining);
      }
    }
  }

  ChunkedRule rule_;
  bool round_;
  const ChunkedShape& shape_;
  float scale_;
  const ChunkedHostArrays& arrays_;
  std::size_t batch_ = 0;
  std::size_t head_ = 0;
  std::size_t key_head_ = 0;
  std::vector<float> state_;
};

}  // namespace

void run_chunked_cpu(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale,
                     const ChunkedHostArrays& arrays) {
  Chunks chunks(rule, format, shape, scale, arrays);
  for (std::size_t b = 0; b < shape.batch; ++b) {
    for (std::size_t h = 0; h < shape.heads; ++h) chunks.run(b, h);
  }
}

std::optional<std::string> without_chunked_form(const Program& model) {
  using Decay = LinearRecurrence::Decay;
  if (model.snapped()) return "its state is snapped to codes after every token";
  const auto reason = [&](std::size_t layer) -> std::optional<std::string> {
    const LayerForm form = form_of(model, layer);
    if (!form.linear) return model.layers()[layer] + " is not linear";
    const LinearRecurrence& r = *form.recurrence;
    if (r.decay == Decay::rate || r.decay == Decay::element) {
      return model.layers()[layer] + " has a decay for every element";
    }
    if (r.decay == Decay::rotation) return model.layers()[layer] + " has decays that turn pairs of keys";
    if (r.reads_before) return model.layers()[layer] + " reads its state before it writes";
    if (r.ridge.present()) return model.layers()[layer] + " solves equations to read its state";
    if (form.factors == 0) {
      if (r.updates.size() > 1) return std::to_string(r.updates.size()) + " writes a token";
    } else {
      if (r.updates[0].reads_undecayed) return model.layers()[layer] + " reads its undecayed state";
      if (!form.symmetric || form.factors != r.updates.size())
        return "an update that reads another vector than it writes";
      if (r.decay == Decay::key) return "a decay for every key beside Householder factors";
      if (form.factors > 4) return std::to_string(form.factors) + " Householder factors a token (at most 4)";
    }
    if (r.key_size > 128) return "keys of size " + std::to_string(r.key_size) + " (at most 128)";
    return std::nullopt;
  };
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    if (const auto why = reason(i)) return "layer " + std::to_string(i) + ": " + *why;
  }
  return std::nullopt;
}

namespace {

/// The length of all words. Throws InputError.
std::size_t checked_length(const Program& model, std::span<const Tokens> words) {
  if (const auto reason = without_chunked_form(model)) throw InputError("chunked form: " + *reason);
  const std::size_t length = words.empty() ? 0 : words[0].size();
  for (const Tokens& word : words) {
    if (word.size() != length) {
      throw InputError("chunked form: expected words of one length, got " + std::to_string(length) + " and " +
                       std::to_string(word.size()));
    }
    for (const std::uint32_t token : word) {
      if (token >= model.vocabulary_size()) {
        throw InputError("token: expected an id below the vocabulary size " + std::to_string(model.vocabulary_size()) +
                         ", got " + std::to_string(token));
      }
    }
  }
  return length;
}

[[noreturn]] void throw_not_finite(std::size_t row, std::size_t length) {
  throw NumericError("chunked form: word " + std::to_string(row / length) + ", position " +
                     std::to_string(row % length) + ": a logit is not finite");
}

/// [words, length, num_logits]
std::vector<float> logits_on_cpu(const Program& model, std::span<const Tokens> words, std::size_t length,
                                 ChunkedFormat format) {
  const std::size_t blocks = model.layers().size();
  const std::size_t num_logits = model.num_logits();
  std::vector<float> result(words.size() * length * num_logits);
  Collector collector(words.size(), length, blocks);
  const std::unique_ptr<LearnedPass<float>> pass = make_pass<float>(model);
  std::vector<float> state(model.state_size());
  for (std::size_t block = 0; block <= blocks; ++block) {
    collector.begin(block);
    for (std::size_t w = 0; w < words.size(); ++w) {
      pass->initial(state.data());
      for (std::size_t t = 0; t < length; ++t) {
        collector.at(w, t);
        float* logits = block == blocks ? result.data() + (w * length + t) * num_logits : nullptr;
        pass->step(state.data(), words[w][t], logits, collector);
      }
    }
    if (block == blocks) break;
    BlockArrays& arrays = collector.block(block);
    const ChunkedShape& shape = arrays.shape;
    const std::size_t n = shape.householder;
    const std::vector<float> key = updates_outside(arrays.key, shape.heads, n, shape.key_size);
    const std::vector<float> value = updates_outside(arrays.value, shape.heads, n, shape.value_size);
    const std::vector<float> beta = updates_outside(arrays.beta, shape.heads, n, 1);
    arrays.output.resize(words.size() * length * shape.heads * shape.value_size);
    run_chunked_cpu(arrays.rule, format, shape, 1.0F,
                    {arrays.query, key, value, beta, arrays.decay, {}, arrays.output, {}});
    arrays.query.clear();
    arrays.key.clear();
    arrays.value.clear();
    arrays.decay.clear();
  }
  return result;
}

}  // namespace

ChunkedLogits run_chunked_form(const Program& model, std::span<const Tokens> words, const ChunkedFormOptions& options) {
  const std::size_t length = checked_length(model, words);
  const std::shared_ptr<DeviceTeam> team = choose_devices(options.device, true);
  ChunkedLogits result;
  const std::size_t num_logits = model.num_logits();
  if (length != 0 && team) {
    result.logits.resize(words.size() * length * num_logits);
    const std::span<float> logits = result.logits;
    run_chunked_on_devices(model, {}, words, options.format, *team,
                           [&](const LearnedDevice& device, std::size_t first, std::size_t count) {
                             const std::size_t size = length * num_logits;
                             device.logits(logits.subspan(first * size, count * size));
                           });
  } else if (length != 0) {
    result.logits = logits_on_cpu(model, words, length, options.format);
  }
  for (std::size_t i = 0; i < result.logits.size(); ++i) {
    if (!std::isfinite(result.logits[i])) throw_not_finite(i / num_logits, length);
  }
  result.device = team ? team->description() : "cpu";
  return result;
}

ChunkedLabels label_chunked_form(const Program& model, const LearnedTask& task, std::span<const Tokens> words,
                                 const ChunkedFormOptions& options) {
  const std::size_t length = checked_length(model, words);
  const std::shared_ptr<DeviceTeam> team = choose_devices(options.device, true);
  ChunkedLabels result;
  if (length == 0 || !team) {
    const std::size_t size = model.num_logits();
    const ChunkedLogits seen = run_chunked_form(model, words, {options.format, Device::cpu});
    for (std::size_t i = 0; i < seen.logits.size(); i += size) {
      result.labels.push_back(task.observe(std::span(seen.logits).subspan(i, size)).label);
    }
  } else {
    result.labels.resize(words.size() * length);
    const std::span<std::int32_t> labels = result.labels;
    run_chunked_on_devices(model, answers_of(task), words, options.format, *team,
                           [&](const LearnedDevice& device, std::size_t first, std::size_t count) {
                             device.labels(labels.subspan(first * length, count * length));
                           });
    const auto bad = std::ranges::find(result.labels, not_finite_label);
    if (bad != result.labels.end()) throw_not_finite(static_cast<std::size_t>(bad - result.labels.begin()), length);
  }
  result.device = team ? team->description() : "cpu";
  return result;
}

}  // namespace krohn
