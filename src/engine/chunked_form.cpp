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

/// As the kernels have them.
constexpr std::size_t chunk_updates = 64;
constexpr std::size_t keywise_delta_updates = 16;  // and rank_one
/// One block's recurrence over all words, its states (and the queries that share one) as heads.
struct BlockArrays {
  ChunkedRule rule = ChunkedRule::delta;
  ChunkedShape shape;
  bool decays = false;
  std::vector<float> query, key, value, beta, decay, output;
  std::vector<float> read, write;  // rank_one
};

/// One update erases by what the state before the decay held, the other writes (RWKV-7).
bool erases_apart(const LinearRecurrence& r) {
  return r.decay == LinearRecurrence::Decay::key && r.updates.size() == 2 && r.updates[0].read.present() &&
         r.updates[0].reads_undecayed && !r.updates[0].value.present() && !r.updates[0].beta.present() &&
         !r.updates[1].read.present() && !r.updates[1].beta.present();
}

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
      const bool by_key = s.decay.kind == Decay<float>::Kind::key;
      const bool apart = by_key && s.updates[0].reads_undecayed;
      if (apart) arrays.shape.householder = 1;
      arrays.rule = s.updates[0].read != nullptr ? (by_key ? ChunkedRule::keywise_delta : ChunkedRule::delta)
                                                 : (by_key ? ChunkedRule::keywise : ChunkedRule::linear);
      if (apart) arrays.rule = ChunkedRule::rank_one;
      arrays.decays = s.decay.kind != Decay<float>::Kind::none;
    }
    for (std::size_t i = 0; i < queries; ++i) {
      append(arrays.query, query + i * s.key_size, s.key_size);
      if (s.decay.kind == Decay<float>::Kind::key) {
        for (std::size_t k = 0; k < s.key_size; ++k) arrays.decay.push_back(log_of(s.decay.values[k]));
      } else if (arrays.decays) {
        arrays.decay.push_back(log_of(*s.decay.values));
      }
      if (arrays.rule == ChunkedRule::rank_one) {
        const Update<float>& erase = s.updates[0];
        append(arrays.read, erase.read, s.key_size);
        append(arrays.write, erase.write, s.key_size);
        append(arrays.key, s.updates[1].write, s.key_size);
        append(arrays.value, s.updates[1].value, s.value_size);
        continue;
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
  static float log_of(float decay) {
    if (decay < 0.0F) {
      throw InputError("chunked form: expected decays of at least 0, got " + std::to_string(decay));
    }
    return std::max(std::log(decay), least_log_decay);
  }

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
    const bool apart = rule_ == ChunkedRule::rank_one;
    const bool short_chunks = apart || rule_ == ChunkedRule::keywise_delta;
    const std::size_t tokens = (short_chunks ? keywise_delta_updates : chunk_updates) / shape_.householder;
    for (std::size_t first = 0; first < shape_.length; first += tokens) {
      const std::size_t count = std::min(tokens, shape_.length - first);
      if (apart) {
        rank_one_chunk(first, count);
      } else {
        chunk(first, count);
      }
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
    const bool delta = rule_ == ChunkedRule::delta || rule_ == ChunkedRule::keywise_delta;
    const bool keywise = rule_ == ChunkedRule::keywise || rule_ == ChunkedRule::keywise_delta;
    // b_i, one a step or one a key.
    const std::size_t widths = keywise ? K : 1;
    std::vector<float> sum(updates * widths, 0.0F);
    for (std::size_t i = 0; i < updates; ++i) {
      for (std::size_t w = 0; w < widths; ++w) {
        float decay = 0.0F;
        if (!arrays_.decay.empty() && i % n == 0) {
          const std::size_t by_head = (row + i / n) * shape_.heads + head_;
          decay = rule_ == ChunkedRule::keywise ? rounded(key_row(arrays_.decay, row + i)[w])
                  : keywise                     ? rounded(arrays_.decay[by_head * K + w])
                                                : arrays_.decay[by_head];
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
    if (delta) {
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
          for (std::size_t k = 0; k < K; ++k) {
            const float read = keywise ? rounded(rounded(key[k]) * std::exp(sum[j * K + k])) : rounded(key[k]);
            total += read * old[k * V + v];
          }
          rest[j * V + v] = rounded(exact[j * V + v] - (keywise ? total : std::exp(sum[j]) * total));
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

  /// As in kernels/chunked_keywise_delta.cuh.
  void rank_one_chunk(std::size_t first, std::size_t tokens) {
    const std::size_t K = shape_.key_size;
    const std::size_t V = shape_.value_size;
    const std::size_t row = batch_ * shape_.length + first;
    // b_{i-1} is row i.
    std::vector<float> sum((tokens + 1) * K, 0.0F);
    for (std::size_t i = 0; i < tokens; ++i) {
      const float* decay = arrays_.decay.data() + ((row + i) * shape_.heads + head_) * K;
      for (std::size_t k = 0; k < K; ++k) sum[(i + 1) * K + k] = sum[i * K + k] + rounded(decay[k]);
    }
    const auto b = [&](std::size_t i, std::size_t k) { return sum[(i + 1) * K + k]; };
    const auto before = [&](std::size_t i, std::size_t k) { return sum[i * K + k]; };
    const auto value = [&](std::size_t j, std::size_t v) {
      return rounded(arrays_.value[((row + j) * shape_.heads + head_) * V + v]);
    };
    // x_i, from before i or with it, with y_j.
    const auto pair = [&](std::span<const float> x, bool undecayed, std::size_t i, std::span<const float> y,
                          std::size_t j) {
      const float* left = key_row(x, row + i);
      const float* right = key_row(y, row + j);
      float total = 0.0F;
      for (std::size_t k = 0; k < K; ++k) {
        const float power = (undecayed ? before(i, k) : b(i, k)) - b(j, k);
        total += rounded(left[k]) * rounded(right[k]) * std::exp(power);
      }
      return total;
    };
    std::vector<float> old(state_.size());
    std::transform(state_.begin(), state_.end(), old.begin(), [&](float x) { return rounded(x); });
    std::vector<float> rest(tokens * V, 0.0F);
    std::vector<float> inverse(tokens * tokens, 0.0F);
    for (std::size_t i = 0; i < tokens; ++i) {
      const float* read = key_row(arrays_.read, row + i);
      float* to = &rest[i * V];
      for (std::size_t k = 0; k < K; ++k) {
        const float x = rounded(rounded(read[k]) * std::exp(before(i, k)));
        for (std::size_t v = 0; v < V; ++v) to[v] -= x * old[k * V + v];
      }
      inverse[i * tokens + i] = 1.0F;
      for (std::size_t j = 0; j < i; ++j) {
        const float of_value = rounded(pair(arrays_.read, true, i, arrays_.key, j));
        for (std::size_t v = 0; v < V; ++v) to[v] -= of_value * value(j, v);
        const float a = pair(arrays_.read, true, i, arrays_.write, j);
        for (std::size_t c = 0; c <= j; ++c) inverse[i * tokens + c] -= a * inverse[j * tokens + c];
      }
      std::transform(to, to + V, to, [&](float x) { return rounded(x); });
    }
    std::vector<float> erased(tokens * V, 0.0F);
    for (std::size_t i = 0; i < tokens; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        const float t = rounded(inverse[i * tokens + j]);
        for (std::size_t v = 0; v < V; ++v) erased[i * V + v] += t * rest[j * V + v];
      }
    }
    std::transform(erased.begin(), erased.end(), erased.begin(), [&](float x) { return rounded(x); });
    for (std::size_t i = 0; i < tokens; ++i) {
      const float* query = key_row(arrays_.query, row + i);
      std::vector<float> out(V, 0.0F);
      for (std::size_t k = 0; k < K; ++k) {
        const float q = rounded(rounded(query[k]) * std::exp(b(i, k)));
        for (std::size_t v = 0; v < V; ++v) out[v] += q * old[k * V + v];
      }
      for (std::size_t j = 0; j <= i; ++j) {
        const float of_erased = rounded(pair(arrays_.query, false, i, arrays_.write, j));
        const float of_value = rounded(pair(arrays_.query, false, i, arrays_.key, j));
        for (std::size_t v = 0; v < V; ++v) out[v] += of_erased * erased[j * V + v] + of_value * value(j, v);
      }
      float* to = arrays_.output.data() + ((row + i) * shape_.heads + head_) * V;
      for (std::size_t v = 0; v < V; ++v) to[v] = rounded(out[v] * scale_);
    }
    for (std::size_t k = 0; k < K; ++k) {
      const float end = b(tokens - 1, k);
      for (std::size_t v = 0; v < V; ++v) state_[k * V + v] *= std::exp(end);
      for (std::size_t j = 0; j < tokens; ++j) {
        const float remaining = std::exp(end - b(j, k));
        const float write = rounded(rounded(key_row(arrays_.write, row + j)[k]) * remaining);
        const float key = rounded(rounded(key_row(arrays_.key, row + j)[k]) * remaining);
        for (std::size_t v = 0; v < V; ++v) state_[k * V + v] += write * erased[j * V + v] + key * value(j, v);
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
    const bool apart = erases_apart(r);
    if (!apart && form.factors == 0) {
      if (r.updates.size() > 1) return std::to_string(r.updates.size()) + " writes a token";
    } else if (!apart) {
      if (r.updates[0].reads_undecayed) return model.layers()[layer] + " reads its undecayed state";
      if (!form.symmetric || form.factors != r.updates.size())
        return "an update that reads another vector than it writes";
      if (r.decay == Decay::key && form.factors > 1) return "a decay for every key beside several Householder factors";
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

/// [words, length, num_logits], on the CPU.
std::vector<float> logits_by_layers(const Program& model, std::span<const Tokens> words, std::size_t length,
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
    const ChunkedHostArrays host{arrays.query, key,           value, beta,        arrays.decay,
                                 {},           arrays.output, {},    arrays.read, arrays.write};
    run_chunked_cpu(arrays.rule, format, shape, 1.0F, host);
    arrays.query.clear();
    arrays.key.clear();
    arrays.value.clear();
    arrays.decay.clear();
    arrays.read.clear();
    arrays.write.clear();
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
    result.logits = logits_by_layers(model, words, length, options.format);
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
    const ChunkedLogits seen = run_chunked_form(model, words, options);
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
