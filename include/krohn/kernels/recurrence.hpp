// The recurrence of learned linear RNNs on the CUDA device, with the bits of docs/semantics.md section 8.
//
//     Recurrence r;
//     r.words = B;  r.heads = H;  r.length = T;  r.key_size = r.value_size = d;
//     r.num_updates = 1;
//     r.updates[0].read = r.updates[0].write = {k, T * H * d, H * d, d, 1};   // [B, T, H, d]
//     r.updates[0].value = {v, T * H * d, H * d, d, 1};
//     r.updates[0].beta = {beta, T * H, H, 1, 0};                             // [B, T, H]
//     r.query = {q, T * H * d, H * d, d, 1};
//     r.output = {o, T * H * d, H * d, d, 1};
//     r.state_out = state;                                                    // [B, H, d, d]
//     run_recurrence_cuda(r);
//
// For every word and head, on S [key_size, value_size], token by token: S = decay . S; for each update in order
// S = S + w (beta (v - r^T S))^T; o = S^T q. All pointers are device pointers; strides are in numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "krohn/numeric/transcendental.hpp"

namespace krohn {

/// An input or output of every step: element e of token t of word w in head h is
/// data[w * word + t * time + (h / group) * head + e * element], or, where the recurrence has `first_row`,
/// data[(first_row[w] + t) * time + (h / group) * head + e * element].
template <class T>
struct RecurrenceArray {
  T* data = nullptr;  // null: absent
  std::int64_t word = 0;
  std::int64_t time = 0;
  std::int64_t head = 0;
  std::int64_t element = 0;
  /// So many heads in a row share one.
  std::uint32_t group = 1;
};
using RecurrenceInput = RecurrenceArray<const float>;
using RecurrenceOutput = RecurrenceArray<float>;

/// One update. Elements of read and write: key_size; of value: value_size; of beta: one.
struct RecurrenceUpdate {
  RecurrenceInput read;  // absent: nothing is read
  RecurrenceInput write;
  RecurrenceInput value;  // absent: zero
  RecurrenceInput beta;   // absent: 1
  /// The dot product is with S before the decay; only the first update may say so.
  bool reads_undecayed = false;
};

struct Recurrence {
  static constexpr std::uint32_t most_updates = 8;
  /// rate: element (j, c) decays by exp(x rates[j, c]) or, where `negative`, fma(2, exp(..), -1), with x [value_size].
  /// rotation: keys 2j and 2j + 1 are multiplied by the complex number of decays 2j and 2j + 1.
  enum class Decay : std::uint32_t { none, scalar, key, element, rate, rotation };

  std::uint32_t words = 0;
  std::uint32_t heads = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  /// Tokens of every word, or, with `lengths` [words], the most of any.
  std::uint32_t length = 0;
  const std::uint32_t* lengths = nullptr;
  const std::uint32_t* first_row = nullptr;
  /// Said by the caller: every word has one token, word w's in row w (first_row[w] = w), and every array has time 1, so
  /// that an element's numbers of all words lie side by side.
  bool single = false;

  Decay decay_kind = Decay::none;
  /// One element; key_size; key_size * value_size (key row by key row); value_size; key_size.
  RecurrenceInput decay;
  const float* rates = nullptr;  // [key_size, value_size]
  bool negative = false;

  std::uint32_t num_updates = 0;
  RecurrenceUpdate updates[most_updates];
  RecurrenceInput query;
  RecurrenceOutput output;
  /// The query is answered before the token changes S.
  bool reads_before = false;
  /// Where it is there [key_size], the first key_size columns of S are a matrix M, and the output [value_size -
  /// key_size] is that of the other columns to what `solver_steps` steps of conjugate gradients make of
  /// (M + diag(ridge)) x = q (krohn/model/program.hpp).
  RecurrenceInput ridge;
  std::uint32_t solver_steps = 0;
  /// Where they are there [heads / state_group, key_size * value_size, num_codes]: after a token's updates a state
  /// becomes the nearest of its codes, before it is read out (docs/semantics.md, section 10). A state with fewer codes
  /// has infinite ones behind them.
  const float* codes = nullptr;
  std::uint32_t num_codes = 0;

  /// State (w, h, j, c) is at w * state_word + ((h / state_group) * key_size + j) * value_size + c; 0 for state_word
  /// means heads / state_group * key_size * value_size. Word w starts from the state of word source[w], or of w;
  /// without state_in from zero; without state_out nothing is stored. Where state_group is not 1, or there is a
  /// source, state_in and state_out must not overlap.
  const float* state_in = nullptr;
  float* state_out = nullptr;
  std::int64_t state_word = 0;
  std::uint32_t state_group = 1;
  const std::uint32_t* source = nullptr;
};

/// Enqueues the recurrence on the default stream and returns. Throws DeviceError where there is no device or the
/// launch fails, InternalError for sizes that do not fit. Key sizes up to 128 run in registers, one thread a column;
/// others, and decays by `element`, keep S in memory: then state_out is required where length > 0.
void run_recurrence_cuda(const Recurrence& recurrence);

// ---- one column, number by number: the definition, shared by the host's tests and the device's general form ---------

namespace recurrence_detail {

template <class T>
KROHN_INLINE_DEVICE T* at(const Recurrence& r, const RecurrenceArray<T>& array, std::uint32_t w, std::uint32_t t,
                          std::uint32_t h) {
  const std::int64_t start =
      r.first_row != nullptr ? static_cast<std::int64_t>(r.first_row[w]) * array.time : w * array.word;
  return array.data + start + t * array.time + (h / array.group) * array.head;
}

KROHN_INLINE_DEVICE std::int64_t state_offset(const Recurrence& r, std::uint32_t w, std::uint32_t h) {
  const std::int64_t one = static_cast<std::int64_t>(r.key_size) * r.value_size;
  const std::int64_t word = r.state_word != 0 ? r.state_word : r.heads / r.state_group * one;
  return w * word + (h / r.state_group) * one;
}

/// exp(x rate), or twice that less one.
KROHN_INLINE_DEVICE float rate_decay(float x, float rate, bool negative) {
  const float a = numeric::exp(x * rate);
  return negative ? numeric::fused(2.0F, a, -1.0F) : a;
}

}  // namespace recurrence_detail

/// Token t of column c of head h of word w on a column S [key_size] whose entries are `stride` apart; S is read and
/// written in place.
KROHN_INLINE_DEVICE void recurrence_token(const Recurrence& r, std::uint32_t w, std::uint32_t h, std::uint32_t c,
                                          std::uint32_t t, float* S, std::int64_t stride) {
  using numeric::fused;
  using recurrence_detail::at;
  const auto answer = [&] {
    const float* query = at(r, r.query, w, t, h);
    float sum = 0.0F;
    for (std::uint32_t j = 0; j < r.key_size; ++j) sum = fused(query[j * r.query.element], S[j * stride], sum);
    at(r, r.output, w, t, h)[c * r.output.element] = sum;
  };
  if (r.reads_before) answer();
  float undecayed = 0.0F;
  if (r.num_updates > 0 && r.updates[0].reads_undecayed) {
    const RecurrenceInput& array = r.updates[0].read;
    const float* read = at(r, array, w, t, h);
    for (std::uint32_t j = 0; j < r.key_size; ++j) undecayed = fused(read[j * array.element], S[j * stride], undecayed);
  }
  if (r.decay_kind == Recurrence::Decay::rotation) {
    const float* decay = at(r, r.decay, w, t, h);
    for (std::uint32_t j = 0; j < r.key_size; j += 2) {
      const float a = decay[j * r.decay.element];
      const float b = decay[(j + 1) * r.decay.element];
      const float u = S[j * stride];
      const float v = S[(j + 1) * stride];
      S[j * stride] = fused(a, u, 0.0F - b * v);
      S[(j + 1) * stride] = fused(a, v, b * u);
    }
  } else if (r.decay_kind != Recurrence::Decay::none) {
    const float* decay = at(r, r.decay, w, t, h);
    for (std::uint32_t j = 0; j < r.key_size; ++j) {
      float a = 0.0F;
      if (r.decay_kind == Recurrence::Decay::scalar) {
        a = decay[0];
      } else if (r.decay_kind == Recurrence::Decay::key) {
        a = decay[j * r.decay.element];
      } else if (r.decay_kind == Recurrence::Decay::element) {
        a = decay[(static_cast<std::int64_t>(j) * r.value_size + c) * r.decay.element];
      } else {
        a = recurrence_detail::rate_decay(decay[c * r.decay.element],
                                          r.rates[static_cast<std::size_t>(j) * r.value_size + c], r.negative);
      }
      S[j * stride] = a * S[j * stride];
    }
  }
  for (std::uint32_t u = 0; u < r.num_updates; ++u) {
    const RecurrenceUpdate& update = r.updates[u];
    float difference = update.value.data == nullptr ? 0.0F : at(r, update.value, w, t, h)[c * update.value.element];
    if (update.read.data != nullptr) {
      float sum = undecayed;
      if (!update.reads_undecayed) {
        const float* read = at(r, update.read, w, t, h);
        sum = 0.0F;
        for (std::uint32_t j = 0; j < r.key_size; ++j) sum = fused(read[j * update.read.element], S[j * stride], sum);
      }
      difference = difference - sum;
    }
    const float change = update.beta.data == nullptr ? difference : *at(r, update.beta, w, t, h) * difference;
    const float* write = at(r, update.write, w, t, h);
    for (std::uint32_t j = 0; j < r.key_size; ++j) {
      S[j * stride] = fused(change, write[j * update.write.element], S[j * stride]);
    }
  }
  if (!r.reads_before && r.ridge.data == nullptr && r.codes == nullptr) answer();
}

/// All tokens of a column.
KROHN_INLINE_DEVICE void recurrence_column(const Recurrence& r, std::uint32_t w, std::uint32_t h, std::uint32_t c,
                                           float* S, std::int64_t stride) {
  const std::uint32_t length = r.lengths != nullptr ? r.lengths[w] : r.length;
  for (std::uint32_t t = 0; t < length; ++t) recurrence_token(r, w, h, c, t, S, stride);
}

/// Numbers that recurrence_head works with beside the state.
KROHN_INLINE_DEVICE std::uint32_t recurrence_scratch(const Recurrence& r) {
  const std::uint32_t solver = r.ridge.data != nullptr ? 4 * r.key_size : 0;
  return solver > r.num_codes ? solver : r.num_codes;
}

/// S [key_size, value_size] of head h becomes the nearest of its codes; where no distance is finite it stays.
template <class Threads>
KROHN_INLINE_DEVICE void recurrence_snap(const Recurrence& r, std::uint32_t h, float* S, float* distances,
                                         const Threads& threads) {
  const std::uint32_t size = r.key_size * r.value_size;
  const float* codes = r.codes + static_cast<std::size_t>(h / r.state_group) * size * r.num_codes;
  threads.each(r.num_codes, [&](std::uint32_t k) {
    float sum = 0.0F;
    for (std::uint32_t i = 0; i < size; ++i) {
      const float difference = S[i] - codes[static_cast<std::size_t>(i) * r.num_codes + k];
      sum = numeric::fused(difference, difference, sum);
    }
    distances[k] = sum;
  });
  constexpr float largest = 3.40282346638528859812e+38F;
  std::uint32_t best = r.num_codes;
  for (std::uint32_t k = 0; k < r.num_codes; ++k) {
    if (distances[k] <= largest && (best == r.num_codes || distances[k] < distances[best])) best = k;
  }
  if (best == r.num_codes) return;
  threads.each(size, [&](std::uint32_t i) { S[i] = codes[static_cast<std::size_t>(i) * r.num_codes + best]; });
}

/// All tokens of head h of word w where there is a ridge or codes, on S [key_size, value_size]. Threads::each(n, f)
/// calls f(i) for every i < n, each by one of the threads, and ends when all are done; `scratch` [recurrence_scratch]
/// is theirs together. Sums that all need are taken by each.
template <class Threads>
KROHN_INLINE_DEVICE void recurrence_head(const Recurrence& r, std::uint32_t w, std::uint32_t h, float* S,
                                         float* scratch, const Threads& threads) {
  using numeric::fused;
  using recurrence_detail::at;
  constexpr float guard = 1e-5F;
  const std::uint32_t n = r.key_size;
  const std::int64_t stride = r.value_size;
  float* const x = scratch;
  float* const residual = scratch + n;
  float* const p = scratch + 2 * n;
  float* const image = scratch + 3 * n;
  const auto dot = [n](const float* a, const float* b) {
    float sum = 0.0F;
    for (std::uint32_t i = 0; i < n; ++i) sum = fused(a[i], b[i], sum);
    return sum;
  };
  const auto column = [&](const float* vector, std::uint32_t c) {
    float sum = 0.0F;
    for (std::uint32_t j = 0; j < n; ++j) sum = fused(vector[j], S[j * stride + c], sum);
    return sum;
  };
  const std::uint32_t length = r.lengths != nullptr ? r.lengths[w] : r.length;
  for (std::uint32_t t = 0; t < length; ++t) {
    threads.each(r.value_size, [&](std::uint32_t c) { recurrence_token(r, w, h, c, t, S + c, stride); });
    if (r.codes != nullptr) recurrence_snap(r, h, S, scratch, threads);
    if (r.reads_before) continue;
    const float* query = at(r, r.query, w, t, h);
    float* out = at(r, r.output, w, t, h);
    if (r.ridge.data == nullptr) {
      threads.each(r.value_size, [&](std::uint32_t c) {
        float sum = 0.0F;
        for (std::uint32_t j = 0; j < n; ++j) sum = fused(query[j * r.query.element], S[j * stride + c], sum);
        out[c * r.output.element] = sum;
      });
      continue;
    }
    const float* ridge = at(r, r.ridge, w, t, h);
    threads.each(n, [&](std::uint32_t i) {
      x[i] = 0.0F;
      residual[i] = p[i] = query[i * r.query.element];
    });
    float d = dot(residual, residual);
    for (std::uint32_t step = 0; step < r.solver_steps; ++step) {
      threads.each(n, [&](std::uint32_t i) { image[i] = fused(ridge[i * r.ridge.element], p[i], column(p, i)); });
      const float a = numeric::quotient(d, dot(p, image) + guard);
      const float minus_a = 0.0F - a;
      threads.each(n, [&](std::uint32_t i) {
        x[i] = fused(a, p[i], x[i]);
        residual[i] = fused(minus_a, image[i], residual[i]);
      });
      const float next = dot(residual, residual);
      const float b = numeric::quotient(next, d + guard);
      threads.each(n, [&](std::uint32_t i) { p[i] = fused(b, p[i], residual[i]); });
      d = next;
    }
    threads.each(r.value_size - n, [&](std::uint32_t c) { out[c * r.output.element] = column(x, n + c); });
  }
}

}  // namespace krohn
