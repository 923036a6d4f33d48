// Linear recurrences step by step in double, by plain loops: what chunked forms are compared with.
#pragma once

#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "krohn/kernels/chunked.hpp"
#include "krohn/numeric/rounding.hpp"

namespace krohn::testing {

struct RecurrenceCase {
  ChunkedRule rule = ChunkedRule::delta;
  ChunkedShape shape;
  float scale = 1.0F;
  std::vector<float> query, key, value, beta, decay, initial_state, read, write, rates;
  bool signed_rates = false;

  ChunkedHostArrays arrays(std::vector<float>& output, std::vector<float>& final_state) const {
    output.assign(shape.batch * shape.length * shape.heads * shape.value_size, NAN);
    final_state.assign(shape.batch * shape.heads * shape.key_size * shape.value_size, NAN);
    return {query, key, value, beta, decay, initial_state, output, final_state, read, write, rates, signed_rates};
  }
};

inline bool has_delta(ChunkedRule rule) { return rule == ChunkedRule::delta || rule == ChunkedRule::keywise_delta; }
/// One decay a key and head, and chunks of 16 tokens.
inline bool short_chunks(ChunkedRule rule) {
  return rule == ChunkedRule::keywise_delta || rule == ChunkedRule::rank_one;
}
/// Log decays of a token.
inline std::size_t decays_of(ChunkedRule rule, const ChunkedShape& shape) {
  if (rule == ChunkedRule::keywise) return shape.key_heads * shape.key_size;
  return shape.heads * (short_chunks(rule) ? shape.key_size : 1);
}

/// Normal queries, values and states of bf16 numbers; delta rules: unit keys (before their rounding) and betas that are
/// 0, 1, 2 or between 1 and 2; log decays in [-1, 0].
/// rank_one: what erases is a unit vector x twice, the second time by a rate in [0, 1]; its odd entries are doubled
/// where it reads and halved where it writes. In those units of the keys it is a contraction.
inline RecurrenceCase random_case(ChunkedRule rule, const ChunkedShape& shape, bool decays, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
  const auto fill = [&](std::vector<float>& to, std::size_t size) {
    to.resize(size);
    for (float& x : to) x = round_to_bf16(normal(random));
  };
  RecurrenceCase c;
  c.rule = rule;
  c.shape = shape;
  c.scale = 0.25F;
  const std::size_t tokens = shape.batch * shape.length;
  fill(c.query, tokens * shape.key_heads * shape.key_size);
  fill(c.key, tokens * shape.householder * shape.key_heads * shape.key_size);
  fill(c.value, tokens * shape.householder * shape.heads * shape.value_size);
  fill(c.initial_state, shape.batch * shape.heads * shape.key_size * shape.value_size);
  if (has_delta(rule)) {
    for (std::size_t row = 0; row < c.key.size(); row += shape.key_size) {
      float square = 0.0F;
      for (std::size_t i = 0; i < shape.key_size; ++i) square += c.key[row + i] * c.key[row + i];
      // A little under unit length, so that beta = 2 stays a contraction after the rounding.
      for (std::size_t i = 0; i < shape.key_size; ++i) {
        c.key[row + i] = round_to_bf16(0.996F * c.key[row + i] / std::sqrt(square));
      }
    }
    for (std::size_t i = 0; i < tokens * shape.householder * shape.heads; ++i) {
      const float betas[] = {0.0F, 1.0F, 2.0F, 1.0F + uniform(random)};
      c.beta.push_back(betas[random() % 4]);
    }
  }
  if (rule == ChunkedRule::rank_one) {
    fill(c.read, c.key.size());
    for (std::size_t row = 0; row < c.read.size(); row += shape.key_size) {
      float square = 0.0F;
      for (std::size_t i = 0; i < shape.key_size; ++i) square += c.read[row + i] * c.read[row + i];
      const float rate = uniform(random);
      for (std::size_t i = 0; i < shape.key_size; ++i) {
        const float x = 0.99F * c.read[row + i] / std::sqrt(square);
        c.read[row + i] = round_to_bf16(i % 2 == 0 ? x : 2.0F * x);
        c.write.push_back(round_to_bf16(rate * (i % 2 == 0 ? x : 0.5F * x)));
      }
    }
  }
  if (decays) {
    for (std::size_t i = 0; i < tokens * decays_of(rule, shape); ++i)
      c.decay.push_back(round_to_bf16(-uniform(random)));
  }
  return c;
}

struct RecurrenceResult {
  std::vector<double> output, final_state;
};

inline RecurrenceResult run_reference(const RecurrenceCase& c) {
  const ChunkedShape& s = c.shape;
  RecurrenceResult result;
  result.output.resize(s.batch * s.length * s.heads * s.value_size);
  for (std::size_t b = 0; b < s.batch; ++b) {
    for (std::size_t h = 0; h < s.heads; ++h) {
      const std::size_t group = h / (s.heads / s.key_heads);
      const std::size_t size = s.key_size * s.value_size;
      std::vector<double> state(size, 0.0);
      for (std::size_t i = 0; i < size && !c.initial_state.empty(); ++i) {
        state[i] = c.initial_state[(b * s.heads + h) * size + i];
      }
      for (std::size_t t = 0; t < s.length; ++t) {
        const std::size_t token = b * s.length + t;
        std::vector<double> erased(s.value_size, 0.0);
        const std::size_t at = (token * s.key_heads + group) * s.key_size;
        for (std::size_t k = 0; k < s.key_size && c.rule == ChunkedRule::rank_one; ++k) {
          for (std::size_t v = 0; v < s.value_size; ++v) {
            erased[v] += double{c.read[at + k]} * state[k * s.value_size + v];
          }
        }
        if (!c.decay.empty()) {
          for (std::size_t k = 0; k < s.key_size; ++k) {
            const std::size_t by_head = token * s.heads + h;
            const float g = c.rule == ChunkedRule::keywise ? c.decay[(token * s.key_heads + group) * s.key_size + k]
                            : short_chunks(c.rule)         ? c.decay[by_head * s.key_size + k]
                                                           : c.decay[by_head];
            for (std::size_t v = 0; v < s.value_size; ++v) state[k * s.value_size + v] *= std::exp(double{g});
          }
        }
        for (std::size_t k = 0; k < s.key_size && c.rule == ChunkedRule::rank_one; ++k) {
          for (std::size_t v = 0; v < s.value_size; ++v) {
            state[k * s.value_size + v] -= double{c.write[at + k]} * erased[v];
          }
        }
        for (std::size_t u = 0; u < s.householder; ++u) {
          const std::size_t row = token * s.householder + u;
          const float* key = &c.key[(row * s.key_heads + group) * s.key_size];
          for (std::size_t v = 0; v < s.value_size; ++v) {
            double w = c.value[(row * s.heads + h) * s.value_size + v];
            if (has_delta(c.rule)) {
              for (std::size_t k = 0; k < s.key_size; ++k) w -= double{key[k]} * state[k * s.value_size + v];
              w *= double{c.beta[row * s.heads + h]};
            }
            for (std::size_t k = 0; k < s.key_size; ++k) state[k * s.value_size + v] += double{key[k]} * w;
          }
        }
        const float* query = &c.query[(token * s.key_heads + group) * s.key_size];
        for (std::size_t v = 0; v < s.value_size; ++v) {
          double sum = 0.0;
          for (std::size_t k = 0; k < s.key_size; ++k) sum += double{query[k]} * state[k * s.value_size + v];
          result.output[(token * s.heads + h) * s.value_size + v] = sum * double{c.scale};
        }
      }
      result.final_state.insert(result.final_state.end(), state.begin(), state.end());
    }
  }
  return result;
}

/// |got - expected| / |expected| in the 2-norm; infinity where something was not written.
inline double relative_error(const std::vector<float>& got, const std::vector<double>& expected) {
  double difference = 0.0;
  double norm = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double d = double{got[i]} - expected[i];
    difference += d * d;
    norm += expected[i] * expected[i];
  }
  if (expected.empty()) return 0.0;
  return std::isnan(difference) ? INFINITY : std::sqrt(difference / norm);
}

/// What rounding can do, relative to the 2-norm. A chunk rounds six operands in a row (state, V - K S, T, U, P,
/// output), each by one unit roundoff u of its own size; the sums in between are fp32. A contraction carries what went
/// wrong on without growth, so that m chunks add at most m times as much: 6 u (m + 1). Random signs make it far less.
/// The keywise delta rule rounds keys and queries times decays too, nine operands a chunk of 16; the rank-one rule
/// those of two kinds of keys, 13, and is a contraction up to a change of units by 2.
inline double rounding_bound(const ChunkedShape& shape, double unit_roundoff, ChunkedRule rule = ChunkedRule::delta) {
  const double chunks =
      std::ceil(static_cast<double>(shape.length * shape.householder) / (short_chunks(rule) ? 16.0 : 60.0));
  const double operands = rule == ChunkedRule::rank_one ? 2.0 * 13.0 : rule == ChunkedRule::keywise_delta ? 9.0 : 6.0;
  return operands * unit_roundoff * (chunks + 1.0);
}

/// Of an output's format: the elementwise rule rounds nothing else that is not a bf16 number already.
inline double output_roundoff(ChunkedFormat format) { return format == ChunkedFormat::bf16 ? 0x1p-8 : 0.0; }

/// How the elementwise rule is given its decays.
enum class Entries { rates, signed_rates, decays };

/// Normal queries, keys, values and states of bf16 numbers. Steps in [0, 2] with rates in [-2, 0], every 64th of both
/// zero and every seventh step 100 times as large, so that all is forgotten; or decays in [-1, 1].
inline RecurrenceCase elementwise_case(const ChunkedShape& shape, Entries entries, unsigned seed) {
  RecurrenceCase c = random_case(ChunkedRule::linear, shape, false, seed);
  c.rule = ChunkedRule::elementwise;
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0.0F, 2.0F);
  const std::size_t steps = shape.batch * shape.length * shape.heads;
  if (entries == Entries::decays) {
    c.decay.resize(steps * shape.key_size * shape.value_size);
    for (float& x : c.decay) x = uniform(random) - 1.0F;
    return c;
  }
  c.signed_rates = entries == Entries::signed_rates;
  c.decay.resize(steps * shape.value_size);
  c.rates.resize(shape.key_size * shape.value_size);
  for (float& x : c.decay) x = uniform(random) * (random() % 64 == 0 ? 0.0F : random() % 7 == 0 ? 100.0F : 1.0F);
  for (float& x : c.rates) x = random() % 64 == 0 ? 0.0F : -uniform(random);
  return c;
}

struct ElementwiseReference {
  RecurrenceResult result;
  /// Entry by entry, how far away rounding can bring it.
  RecurrenceResult bound;
};

/// The recurrence in double, and beside it M = (|A| + eta) M + |k v|, times 1 + 4 u a token, with u = 2^-24 and eta a
/// bound of the error of A: every term of a computed state, a product of decays with a key and a value, is one of the
/// exact state but for factors that M has in full, so that the two differ by M - N at most, where N is M without them.
/// The roundings of a token are those of the product k v and of A h + k v, of the product of a segment's decays and of
/// what it is used in. An output of K terms has K + 5 more, with the sum over threads and the scale; its format rounds
/// it by `output_roundoff`.
///
/// e^x is 2^(x log2 e): three roundings of the exponent, by 3 u |x| of the result, and 2^-22 of it, or what is below
/// the normal numbers; 2 e^x - 1 has a rounding of its own.
inline ElementwiseReference run_elementwise_reference(const RecurrenceCase& c, double output_roundoff) {
  constexpr double u = 0x1p-24;
  const ChunkedShape& s = c.shape;
  ElementwiseReference r;
  r.result.output.resize(s.batch * s.length * s.heads * s.value_size);
  r.bound.output.resize(r.result.output.size());
  for (std::size_t b = 0; b < s.batch; ++b) {
    for (std::size_t h = 0; h < s.heads; ++h) {
      const std::size_t size = s.key_size * s.value_size;
      const std::size_t sequence = b * s.heads + h;
      std::vector<double> state(size, 0.0);
      for (std::size_t i = 0; i < size && !c.initial_state.empty(); ++i)
        state[i] = c.initial_state[sequence * size + i];
      std::vector<double> exact(size);
      for (std::size_t i = 0; i < size; ++i) exact[i] = std::abs(state[i]);
      std::vector<double> wide = exact;
      for (std::size_t t = 0; t < s.length; ++t) {
        const std::size_t token = b * s.length + t;
        const std::size_t by_head = token * s.heads + h;
        const std::size_t by_key = (token * s.key_heads + h / (s.heads / s.key_heads)) * s.key_size;
        std::vector<double> sums(s.value_size, 0.0), exact_sums(s.value_size, 0.0), wide_sums(s.value_size, 0.0);
        for (std::size_t k = 0; k < s.key_size; ++k) {
          for (std::size_t v = 0; v < s.value_size; ++v) {
            const std::size_t i = k * s.value_size + v;
            double decay = 0.0;
            double eta = 0.0;
            if (c.rates.empty()) {
              decay = c.decay[by_head * size + i];
            } else {
              const double x = double{c.decay[by_head * s.value_size + v]} * double{c.rates[i]};
              decay = std::exp(x);
              eta = decay * (0x1p-22 + 3.0 * u * std::abs(x)) * 1.001 + 0x1p-125;
              if (c.signed_rates) {
                decay = 2.0 * decay - 1.0;
                eta = 2.0 * eta + u;
              }
            }
            const double written = double{c.key[by_key + k]} * double{c.value[by_head * s.value_size + v]};
            const double query = c.query[by_key + k];
            state[i] = decay * state[i] + written;
            exact[i] = std::abs(decay) * exact[i] + std::abs(written);
            wide[i] = ((std::abs(decay) + eta) * wide[i] + std::abs(written)) * (1.0 + 4.0 * u);
            sums[v] += query * state[i];
            exact_sums[v] += std::abs(query) * exact[i];
            wide_sums[v] += std::abs(query) * wide[i];
          }
        }
        const double terms = 1.0 + 1.001 * u * static_cast<double>(s.key_size + 5);
        const double scale = c.scale;
        for (std::size_t v = 0; v < s.value_size; ++v) {
          const double before = scale * (wide_sums[v] * terms - exact_sums[v]);
          r.result.output[by_head * s.value_size + v] = scale * sums[v];
          r.bound.output[by_head * s.value_size + v] = before + output_roundoff * (std::abs(scale * sums[v]) + before);
        }
      }
      r.result.final_state.insert(r.result.final_state.end(), state.begin(), state.end());
      for (std::size_t i = 0; i < size; ++i) r.bound.final_state.push_back(wide[i] - exact[i]);
    }
  }
  return r;
}

/// Entries farther from what is expected than the bound, or not written.
inline std::size_t outside(const std::vector<float>& got, const std::vector<double>& expected,
                           const std::vector<double>& bound) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!(std::abs(double{got[i]} - expected[i]) <= bound[i])) ++count;
  }
  return count;
}

/// S_5's reflections in doubled coordinates: point i is e_2i + e_2i+1, the swap of i and j has the unit key
/// (1/2, 1/2, -1/2, -1/2). Reading with queries e_2i is exact whatever the order of operations.
inline RecurrenceCase dyadic_reflections(std::size_t length, std::uint32_t householder, unsigned seed) {
  std::mt19937 random(seed);
  RecurrenceCase c;
  c.rule = ChunkedRule::delta;
  c.shape = {1, length, 1, 1, 16, 16, householder};
  c.initial_state.assign(256, 0.0F);
  for (std::size_t point = 0; point < 5; ++point) {
    c.initial_state[2 * point * 16 + point] = 1.0F;
    c.initial_state[(2 * point + 1) * 16 + point] = 1.0F;
  }
  c.value.assign(length * householder * 16, 0.0F);
  c.beta.assign(length * householder, 2.0F);
  for (std::size_t i = 0; i < length * householder; ++i) {
    const std::size_t a = random() % 5;
    const std::size_t b = (a + 1 + random() % 4) % 5;
    std::vector<float> key(16, 0.0F);
    key[2 * a] = key[2 * a + 1] = 0.5F;
    key[2 * b] = key[2 * b + 1] = -0.5F;
    c.key.insert(c.key.end(), key.begin(), key.end());
  }
  for (std::size_t t = 0; t < length; ++t) {
    for (std::size_t k = 0; k < 16; ++k) c.query.push_back(k == 2 * (t % 5) ? 1.0F : 0.0F);
  }
  return c;
}

}  // namespace krohn::testing
