// A recurrence in chunks needs its inputs at all positions before any output: every operation runs over all tokens of a
// word, one operation after the other, on devices over those of many words. On the CPU a state part is carried by its
// own operation alone, from the word's start.
#include "krohn/engine/chunked_form.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <variant>

#include "choose_device.hpp"
#include "krohn/engine/derived_weights.hpp"
#include "krohn/engine/threads.hpp"
#include "krohn/error.hpp"
#include "krohn/model/program_form.hpp"
#include "krohn/numeric/rounding.hpp"
#include "learned/device_batches.hpp"
#include "learned_pass.hpp"
#include "parallel.hpp"

namespace krohn {
namespace {

/// As the kernels have them.
constexpr std::size_t chunk_updates = 64;
constexpr std::size_t keywise_delta_updates = 16;  // and rank_one

/// One update erases by what the state before the decay held, the other writes (RWKV-7).
bool erases_apart(const LinearRecurrence& r) {
  return r.decay == LinearRecurrence::Decay::key && r.updates.size() == 2 && r.updates[0].read.present() &&
         r.updates[0].reads_undecayed && !r.updates[0].value.present() && !r.updates[0].beta.present() &&
         !r.updates[1].read.present() && !r.updates[1].beta.present();
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
      if (rule_ == ChunkedRule::elementwise) {
        for (std::size_t t = first; t < first + count; ++t) elementwise_token(t);
      } else if (apart) {
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

  /// Entries by themselves: what the segments of kernels/chunked_elementwise.cu have in common is done in turn.
  void elementwise_token(std::size_t token) {
    const std::size_t K = shape_.key_size;
    const std::size_t V = shape_.value_size;
    const std::size_t row = batch_ * shape_.length + token;
    const std::size_t by_head = row * shape_.heads + head_;
    const float* key = key_row(arrays_.key, row);
    const float* query = key_row(arrays_.query, row);
    const bool rated = !arrays_.rates.empty();
    const float* decays = arrays_.decay.data() + by_head * (rated ? V : K * V);
    std::vector<float> out(V, 0.0F);
    for (std::size_t k = 0; k < K; ++k) {
      for (std::size_t v = 0; v < V; ++v) {
        const std::size_t i = k * V + v;
        float decay = rated ? std::exp(decays[v] * arrays_.rates[i]) : decays[i];
        if (rated && arrays_.signed_rates) decay = 2.0F * decay - 1.0F;
        state_[i] = decay * state_[i] + rounded(key[k]) * rounded(arrays_.value[by_head * V + v]);
        out[v] += rounded(query[k]) * state_[i];
      }
    }
    float* to = arrays_.output.data() + by_head * V;
    for (std::size_t v = 0; v < V; ++v) to[v] = rounded(out[v] * scale_);
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
    if (r.decay == Decay::rotation) return model.layers()[layer] + " has decays that turn pairs of keys";
    if (r.reads_before) return model.layers()[layer] + " reads its state before it writes";
    if (r.ridge.present()) return model.layers()[layer] + " solves equations to read its state";
    const bool apart = erases_apart(r);
    if (!apart && form.factors == 0) {
      if (r.updates.size() != 1) return std::to_string(r.updates.size()) + " writes a token";
      if (r.updates[0].beta.present()) return model.layers()[layer] + " writes with a strength";
    } else if (!apart) {
      if (r.decay == Decay::rate || r.decay == Decay::element) {
        return model.layers()[layer] + " has a decay for every element beside Householder factors";
      }
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

ChunkedRule rule_of(const LinearRecurrence& r) {
  using Decay = LinearRecurrence::Decay;
  if (r.decay == Decay::rate || r.decay == Decay::element) return ChunkedRule::elementwise;
  const bool by_key = r.decay == Decay::key;
  if (!r.updates[0].read.present()) return by_key ? ChunkedRule::keywise : ChunkedRule::linear;
  if (r.updates[0].reads_undecayed) return ChunkedRule::rank_one;
  return by_key ? ChunkedRule::keywise_delta : ChunkedRule::delta;
}

float log_of(float decay) {
  if (decay < 0.0F) {
    throw InputError("chunked form: expected decays of at least 0, got " + std::to_string(decay));
  }
  return std::max(std::log(decay), least_log_decay);
}

/// Words on the CPU, one at a time, with memory of their own.
class WordRun {
 public:
  WordRun(const Program& model, ChunkedFormat format)
      : model_(model),
        format_(format),
        pass_(make_pass<float>(model)),
        width_(pass_->schedule().num_features),
        start_(model.state_size()),
        state_(model.state_size()) {
    pass_->initial(start_.data());
  }

  /// logits [length, num_logits]
  void run(const Tokens& word, std::span<float> logits) {
    const Schedule& schedule = pass_->schedule();
    length_ = word.size();
    features_.assign(length_ * width_, 0.0F);
    state_ = start_;
    for (std::size_t i = 0; i < schedule.operations.size(); ++i) {
      const ScheduledOperation& scheduled = schedule.operations[i];
      if (const auto* r = std::get_if<LinearRecurrence>(&scheduled.operation.kind)) {
        recur(*r, schedule.place[scheduled.value]);
      } else {
        for (std::size_t t = 0; t < length_; ++t) {
          pass_->run_operation(i, row(t), state_.data(), word[t], nullptr);
        }
      }
    }
    const std::uint32_t place = schedule.place[schedule.operations.back().value];
    const std::size_t size = model_.num_logits();
    for (std::size_t t = 0; t < length_; ++t) {
      std::copy_n(row(t) + place, size, logits.begin() + static_cast<std::ptrdiff_t>(t * size));
    }
  }

 private:
  float* row(std::size_t t) { return features_.data() + t * width_; }

  /// The queries that share a state as heads of their own, as on devices.
  void recur(const LinearRecurrence& r, std::size_t out) {
    using Decay = LinearRecurrence::Decay;
    const ChunkedRule rule = rule_of(r);
    const bool apart = rule == ChunkedRule::rank_one;
    // What erases apart has arrays of its own.
    const std::span<const RankOneUpdate> updates = std::span(r.updates).subspan(apart ? 1 : 0);
    const ChunkedShape shape{1,
                             length_,
                             r.states * r.queries,
                             r.states * r.queries,
                             r.key_size,
                             r.value_size,
                             static_cast<std::uint32_t>(updates.size())};
    std::vector<float> query, key, value, beta, decay, read, write;
    const std::vector<float> rates = derived_weights<float>(model_.tensors(), r.rates, [](float x) { return x; });
    for (std::size_t t = 0; t < length_; ++t) {
      const auto at = [&](const HeadInput& in, std::size_t head) {
        return row(t) + pass_->schedule().place[in.slice.value] + in.first(head);
      };
      const auto append = [&](std::vector<float>& to, const HeadInput& in, std::size_t head, std::size_t size) {
        to.insert(to.end(), at(in, head), at(in, head) + size);
      };
      const auto each_head = [&](const auto& f) {
        for (std::size_t h = 0; h < shape.heads; ++h) f(h, h / r.queries);
      };
      each_head([&](std::size_t head, std::size_t state) {
        append(query, r.query, head, r.key_size);
        if (r.decay == Decay::rate) append(decay, r.decays, state, r.value_size);
        if (r.decay == Decay::element) append(decay, r.decays, state, std::size_t{r.key_size} * r.value_size);
        if (r.decay == Decay::scalar || r.decay == Decay::key) {
          const std::size_t size = r.decay == Decay::key ? r.key_size : 1;
          std::transform(at(r.decays, state), at(r.decays, state) + size, std::back_inserter(decay), log_of);
        }
        if (apart) {
          append(read, r.updates[0].read, state, r.key_size);
          append(write, r.updates[0].write, state, r.key_size);
        }
      });
      for (const RankOneUpdate& update : updates) {
        each_head([&](std::size_t, std::size_t state) {
          append(key, update.write, state, r.key_size);
          if (update.value.present()) {
            append(value, update.value, state, r.value_size);
          } else {
            value.insert(value.end(), r.value_size, 0.0F);
          }
          beta.push_back(update.beta.present() ? *at(update.beta, state) : 1.0F);
        });
      }
    }
    const std::size_t size = shape.heads * r.value_size;
    std::vector<float> output(length_ * size);
    ChunkedHostArrays arrays{query, key, value, beta, decay, {}, output, {}, read, write, rates, r.signed_rates};
    run_chunked_cpu(rule, format_, shape, 1.0F, arrays);
    for (std::size_t t = 0; t < length_; ++t) {
      std::copy_n(output.begin() + static_cast<std::ptrdiff_t>(t * size), size, row(t) + out);
    }
  }

  const Program& model_;
  ChunkedFormat format_;
  std::unique_ptr<LearnedPass<float>> pass_;
  std::size_t width_;
  std::size_t length_ = 0;
  /// [length, width]
  std::vector<float> features_;
  std::vector<float> start_;
  std::vector<float> state_;
};

/// [words, length, num_logits], on the CPU: a thread takes words that follow each other.
std::vector<float> logits_of(const Program& model, std::span<const Tokens> words, std::size_t length,
                             ChunkedFormat format) {
  const std::size_t size = length * model.num_logits();
  std::vector<float> result(words.size() * size);
  const unsigned threads = threads_to_use(0);
  const std::size_t shared = (words.size() + threads - 1) / threads;
  parallel_blocks((words.size() + shared - 1) / shared, threads, [&](std::size_t block) {
    WordRun run(model, format);
    for (std::size_t w = block * shared; w < std::min(words.size(), (block + 1) * shared); ++w) {
      run.run(words[w], std::span(result).subspan(w * size, size));
    }
  });
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
    result.logits = logits_of(model, words, length, options.format);
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
