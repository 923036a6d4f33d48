// The drift bound behind a horizon. For one token with row a let A be the exact product of its factors *as stored*,
// h the computed state before it, c the centre of its slot, c' the centre of the successor, e = |h - c|.
//
//   |h' - c'|  <=  |h' - A h| + |A (h - c)| + |A c - c'|.
//
// * |A c - c'| is the defect of the reference under the stored keys; it is evaluated, not estimated.
// * |A| <= G, the product of g_f = max(1, |1 - beta_f |k_f|^2|) over the factors.
// * One factor with m key entries, beta |k|^2 = s. The dot product of m fused steps errs by at most
//   gamma_m |k| |h|, gamma_k = k u / (1 - k u); two more roundings give c = -beta k.h with error at most
//   beta |k| |h| gamma_{m+2}; times k: s gamma_{m+2} |h|. The last rounding errs by u times the exact sum, whose norm
//   is at most (g_f + s gamma_{m+2}) |h|. Together kappa_f = s gamma_{m+2} + u (g_f + s gamma_{m+2}), relative to |h|.
//   A factor with key e_j or -e_j and beta 1 or 2 maps h_j to 0 or -h_j without error, and so does a gate of signs.
// * A row that resets, a zero gate and a write w, leaves w, rounded to the state's format: A = 0, the defect is |w -
// c'|,
//   and what was wrong before is forgotten.
// * Hence |h' - A h| <= K |h| with K = prod (g_f + kappa_f) - G. A state format of unit roundoff v > 2^-24 rounds once
//   more: K grows by v (G + K).
// * Underflow errs by at most 2^-150 an operation, amplified by beta and the key on its way into the state: counted as
//   2^-140 (m + 2) (1 + beta) (1 + |k|)^2 a factor; the state format's by half its least subnormal an element.
// * Overflow: while |h| <= R a factor's numbers stay below 2 P R max(1, |k|, |beta| |k|, 1 + |s|), P the stretch of the
//   factors before it, and the scores below 2 (|w| R + |b|). R = |c| + e is kept where these are at most 2^127: beyond,
//   the margin ends.
//
// So e' <= (G + K) e + defect + K |c| + absolute: `growth` = max (G + K) - 1, `step_error` the rest at its maximum.
// The readout: slot q wins over j while (w_q - w_j).h + b_q - b_j exceeds the rounding of both scores, at most
// gamma_{n+2} (|w| |h| + |b|) each for n entries, and 2^-150 an entry where the score is subnormal; with |h| <= |c| + e
// that bounds e from above: the margin.
//
// All this is evaluated in double. Sums of at most 2^21 terms in double err by less than 2^-31 relatively in the worst
// case and the quantities are themselves of order 2^-24; every bound is therefore multiplied by 1 + 2^-20, lower bounds
// by 1 - 2^-20, and the defect gets 2^-48 (1 + max s) G |c| (m + 2)(factors + 1) for its own rounding.
#include "krohn/model/horizon.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "krohn/error.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn {
namespace {

constexpr double outward = 1.0 + 0x1p-20;
constexpr double inward = 1.0 - 0x1p-20;
constexpr double unit_fp32 = 0x1p-24;
// Twice this is still finite in binary32, so exact magnitudes up to it are safe from rounding.
constexpr double finite = 0x1p126;

double gamma(std::size_t operations) {
  const double product = static_cast<double>(operations) * unit_fp32;
  return product / (1.0 - product);
}

double least_subnormal(Semantics semantics) {
  if (semantics == Semantics::fp16_state_v1) return 0x1p-24;
  if (semantics == Semantics::bf16_state_v1) return 0x1p-133;
  return 0x1p-149;
}

double largest_finite(Semantics semantics) { return semantics == Semantics::fp16_state_v1 ? 65504.0 : 0x1p+100; }

double norm(const double* vector, std::size_t size) {
  double sum = 0.0;
  for (std::size_t i = 0; i < size; ++i) sum += vector[i] * vector[i];
  return std::sqrt(sum);
}

double norm(const std::vector<Entry>& vector) {
  double sum = 0.0;
  for (const Entry& entry : vector) sum += static_cast<double>(entry.value) * static_cast<double>(entry.value);
  return std::sqrt(sum);
}

bool resets(const TokenRow& row) {
  return std::ranges::all_of(row.gate, [](float a) { return a == 0.0F; });
}

/// Whether every format holds the numbers.
bool representable(std::span<const float> values) {
  return std::ranges::all_of(values, [](float value) { return value == 0.0F || std::fabs(value) == 1.0F; });
}

/// How far the format's rounding moves a vector of this norm, of `size` numbers.
double stored_error(double length, std::size_t size, Semantics semantics) {
  return unit_roundoff(semantics) * length * outward +
         least_subnormal(semantics) * std::sqrt(static_cast<double>(size));
}

void check(const TableLayer& layer, const ReferenceStates& reference, Semantics semantics) {
  const auto refuse = [](const std::string& problem) { throw InputError("horizon: " + problem); };
  if (integer_format(semantics)) {
    refuse("expected floating point, got " + std::string(semantics_id(semantics)) + ", which does not drift");
  }
  if (layer.table.value_size() != 1) refuse("expected value size 1, got " + std::to_string(layer.table.value_size()));
  if (!layer.codes.empty()) refuse("expected no codes, got a layer that does not drift");
  if (layer.table.reads_apart()) refuse("expected factors that read by their keys, got a read vector");
  if (!layer.table.arrays().value_index.empty()) refuse("expected factors that write nothing, got a value");
  for (std::size_t r = 0; r < layer.table.num_rows(); ++r) {
    const TokenRow row = layer.table.row(r);
    if (resets(row)) {
      if (!row.factors.empty()) refuse("expected a zero gate and a write to reset, got factors too");
      continue;
    }
    if (!std::ranges::all_of(row.gate, [](float a) { return std::fabs(a) == 1.0F; })) {
      refuse("expected gates of signs, or of zeros in a reset, got others");
    }
    if (!row.write.empty()) refuse("expected no write but behind a zero gate, got one");
  }
  if (layer.readouts.empty()) refuse("expected a readout, got none");
  const std::size_t slots = layer.readouts[0].num_slots();
  if (slots < 2) refuse("expected a readout of two slots or more, got one, which no drift can change");
  for (std::size_t i = 1; i < layer.readouts.size(); ++i) {
    if (layer.readouts[i].num_slots() > 1 || !layer.readouts[i].weight[0].empty()) {
      refuse("expected one readout, and beside it only such as decode nothing, got others");
    }
  }
  if (reference.centre.size() != slots * layer.hidden_size() ||
      reference.successor.size() != slots * layer.table.num_rows() || reference.start >= slots) {
    refuse("expected a centre and successors for each of " + std::to_string(slots) + " slots, got other shapes");
  }
  for (const std::uint32_t slot : reference.successor) {
    if (slot >= slots) refuse("expected a successor below " + std::to_string(slots) + ", got " + std::to_string(slot));
  }
}

/// The largest distance from the centre at which every slot still wins by finite scores.
double readout_margin(const SlotReadout& readout, const ReferenceStates& reference, std::size_t size, double radius) {
  const std::size_t slots = readout.num_slots();
  std::vector<double> weight(size * slots, 0.0);  // [size, slots]
  double largest_weight = 0.0;
  double largest_bias = 0.0;
  std::size_t entries = 0;
  for (std::size_t q = 0; q < slots; ++q) {
    for (const Entry& entry : readout.weight[q]) weight[entry.index * slots + q] = static_cast<double>(entry.value);
    largest_weight = std::max(largest_weight, norm(readout.weight[q]));
    largest_bias = std::max(largest_bias, std::fabs(static_cast<double>(readout.bias[q])));
    entries = std::max(entries, readout.weight[q].size());
  }
  const double rounding = 2.0 * gamma(entries + 2) * outward;
  double margin = std::numeric_limits<double>::infinity();
  // Other slots by blocks, so that their sums stay in the cache nearest to the core.
  constexpr std::size_t block = 256;
  double gap[block];
  double squares[block];
  for (std::size_t q = 0; q < slots; ++q) {
    const double* centre = &reference.centre[q * size];
    const double length = norm(centre, size);
    const double computed = (2.0 * largest_weight * length + 2.0 * largest_bias) * static_cast<double>(size + 2);
    const double lost = rounding * (largest_weight * length + largest_bias) + 0x1p-48 * computed +
                        static_cast<double>(entries + 1) * 0x1p-148;
    for (std::size_t first = 0; first < slots; first += block) {
      const std::size_t count = std::min(block, slots - first);
      for (std::size_t j = 0; j < count; ++j) {
        gap[j] = static_cast<double>(readout.bias[q]) - static_cast<double>(readout.bias[first + j]);
        squares[j] = 0.0;
      }
      for (std::size_t i = 0; i < size; ++i) {
        const double own = weight[i * slots + q];
        const double* others = &weight[i * slots + first];
        for (std::size_t j = 0; j < count; ++j) {
          const double difference = own - others[j];
          gap[j] += difference * centre[i];
          squares[j] += difference * difference;
        }
      }
      for (std::size_t j = 0; j < count; ++j) {
        if (first + j == q) continue;
        const double least = gap[j] - lost;
        // Most slots are farther than the margin so far, which shows without a root: least > margin * slope.
        const double beyond = least - margin * (rounding * largest_weight);
        if (beyond > 0.0 && beyond * beyond > margin * margin * squares[j] * outward) continue;
        const double slope = std::sqrt(squares[j]) + rounding * largest_weight;
        margin = std::min(margin, slope > 0.0 ? least / slope : (least > 0.0 ? margin : 0.0));
      }
    }
  }
  // The norm of the hidden state up to which no score overflows.
  const double room = largest_weight > 0.0 ? (finite - largest_bias) / largest_weight : finite - largest_bias;
  return std::max(0.0, std::min(margin, room - radius) * inward);
}

/// The drift of a step, and what bounds the numbers within it.
struct Drift {
  double initial_error = 0.0;
  double step_error = 0.0;
  double growth = 0.0;
  /// The largest norm of a centre.
  double radius = 0.0;
  /// Of all numbers within a step, relative to |h|.
  double amplitude = 1.0;

  bool none() const { return !(growth > 0.0) && !(step_error > 0.0) && !(initial_error > 0.0); }
};

Drift drift_of(const TableLayer& layer, const ReferenceStates& reference, Semantics semantics) {
  const std::size_t size = layer.hidden_size();
  const std::size_t rows = layer.table.num_rows();
  const std::size_t slots = layer.readouts[0].num_slots();
  Drift drift;
  double& radius = drift.radius;
  for (std::size_t q = 0; q < slots; ++q) radius = std::max(radius, norm(&reference.centre[q * size], size));
  radius *= outward;

  std::vector<double> state(size);
  for (std::size_t i = 0; i < size; ++i) {
    state[i] = static_cast<double>(layer.initial_hidden[i]) - reference.centre[reference.start * size + i];
  }
  drift.initial_error = norm(state.data(), size) * outward;
  // The initial state is rounded to the format too.
  if (semantics != Semantics::fp32_fma_v1 && !representable(layer.initial_hidden)) {
    const std::vector<double> initial(layer.initial_hidden.begin(), layer.initial_hidden.end());
    drift.initial_error += stored_error(norm(initial.data(), size), size, semantics);
  }

  for (std::size_t r = 0; r < rows; ++r) {
    const TokenRow row = layer.table.row(r);
    if (resets(row)) {
      std::vector<float> written(size, 0.0F);
      for (const Entry& entry : row.write) written[entry.index] = entry.value;
      double error = 0.0;
      for (std::size_t q = 0; q < slots; ++q) {
        const double* target = &reference.centre[reference.successor[q * rows + r] * size];
        for (std::size_t i = 0; i < size; ++i) state[i] = static_cast<double>(written[i]) - target[i];
        error = std::max(error, norm(state.data(), size) * outward);
      }
      if (semantics != Semantics::fp32_fma_v1 && !representable(written)) {
        error += stored_error(norm(row.write), size, semantics);
      }
      drift.step_error = std::max(drift.step_error, error);
      continue;
    }
    double stretch = 1.0;  // G
    double rounded = 1.0;  // G + K
    double absolute = 0.0;
    double strongest = 1.0;
    bool exact = true;
    std::size_t entries = 0;
    for (const GeneralizedHouseholder& factor : row.factors) {
      double squares = 0.0;
      for (const Entry& entry : factor.key) {
        squares += static_cast<double>(entry.value) * static_cast<double>(entry.value);
      }
      const double strength = static_cast<double>(factor.beta) * squares;  // beta |k|^2
      const double length = std::sqrt(squares);
      const auto operations = static_cast<double>(factor.key.size() + 2);
      const bool sign_change = factor.key.size() == 1 && std::fabs(factor.key[0].value) == 1.0F &&
                               (factor.beta == 1.0F || factor.beta == 2.0F);
      entries = std::max(entries, factor.key.size());
      if (factor.beta == 0.0F || factor.key.empty() || sign_change) continue;
      const double pull = std::fabs(static_cast<double>(factor.beta)) * length;
      drift.amplitude =
          std::max({drift.amplitude, rounded * length, rounded * pull, rounded * (1.0 + std::fabs(strength))});
      exact = false;
      strongest = std::max(strongest, std::fabs(strength));
      // |1 - s|, enlarged by the error of s in double.
      const double bound =
          std::max(1.0, std::fabs(1.0 - strength) + (operations + 2.0) * 0x1p-52 * (1.0 + std::fabs(strength)));
      const double dot = std::fabs(strength) * outward * gamma(factor.key.size() + 2);
      const double grown = bound + (dot + unit_fp32 * (bound + dot)) * outward;
      stretch *= bound;
      rounded *= grown;
      const double beta = std::fabs(static_cast<double>(factor.beta));
      absolute = absolute * grown + 0x1p-140 * operations * (1.0 + beta) * (1.0 + length) * (1.0 + length);
    }
    double relative = exact ? 0.0 : (rounded - stretch) * outward + 0x1p-50;
    if (semantics != Semantics::fp32_fma_v1 && !row.factors.empty()) {
      relative += unit_roundoff(semantics) * (stretch + relative) * outward;
      absolute += least_subnormal(semantics) * std::sqrt(static_cast<double>(size));
    }
    double defect = 0.0;
    for (std::size_t q = 0; q < slots; ++q) {
      std::copy_n(&reference.centre[q * size], size, state.begin());
      for (std::size_t i = 0; i < size; ++i) state[i] *= static_cast<double>(row.gate[row.gate.size() == 1 ? 0 : i]);
      for (const GeneralizedHouseholder& factor : row.factors) {
        double dot = 0.0;
        for (const Entry& entry : factor.key) dot += static_cast<double>(entry.value) * state[entry.index];
        for (const Entry& entry : factor.key) {
          state[entry.index] -= static_cast<double>(factor.beta) * dot * static_cast<double>(entry.value);
        }
      }
      const double* target = &reference.centre[reference.successor[q * rows + r] * size];
      double difference = 0.0;
      for (std::size_t i = 0; i < size; ++i) difference += (state[i] - target[i]) * (state[i] - target[i]);
      defect = std::max(defect, std::sqrt(difference));
    }
    if (defect > 0.0 || !exact) {
      defect += 0x1p-48 * (1.0 + strongest) * stretch * radius *
                static_cast<double>((entries + 2) * (row.factors.size() + 1));
    }
    drift.growth = std::max(drift.growth, (stretch - 1.0) + relative);
    drift.step_error = std::max(drift.step_error, (defect + relative * radius + absolute) * outward);
  }
  drift.growth *= outward;
  return drift;
}

}  // namespace

double unit_roundoff(Semantics semantics) {
  if (semantics == Semantics::fp16_state_v1) return 0x1p-11;
  if (semantics == Semantics::bf16_state_v1) return 0x1p-8;
  return unit_fp32;
}

bool drifts(const TableLayer& layer, const ReferenceStates& reference, Semantics semantics) {
  check(layer, reference, semantics);
  return !drift_of(layer, reference, semantics).none();
}

Horizon certify_horizon(const TableLayer& layer, const ReferenceStates& reference, Semantics semantics) {
  check(layer, reference, semantics);
  const Drift drift = drift_of(layer, reference, semantics);
  Horizon horizon;
  horizon.initial_error = drift.initial_error;
  horizon.step_error = drift.step_error;
  horizon.growth = drift.growth;
  horizon.margin = readout_margin(layer.readouts[0], reference, layer.hidden_size(), drift.radius);
  horizon.margin = std::max(0.0, std::min(horizon.margin, (finite / drift.amplitude - drift.radius) * inward));

  const double g = horizon.growth;
  const double s = horizon.step_error;
  // An infinity would end the run: nothing is claimed where the state could leave the format.
  const bool overflows = 2.0 * (drift.radius + (drift.none() ? 0.0 : horizon.margin)) > largest_finite(semantics);
  if (overflows || !(horizon.initial_error < horizon.margin)) {
    horizon.length = 0;
  } else if (g > 0.0) {
    // (1 + g)^T (e_0 + s/g) - s/g < margin.
    const double ratio = (horizon.margin - horizon.initial_error) * g / (horizon.initial_error * g + s);
    const double steps = numeric::log1p(ratio) / numeric::log1p(g) * inward;
    if (steps < 0x1p63) horizon.length = static_cast<std::uint64_t>(std::max(0.0, steps));
  } else if (s > 0.0) {
    const double steps = (horizon.margin - horizon.initial_error) / s * inward;
    horizon.length = steps < 0x1p63 ? static_cast<std::uint64_t>(steps) : std::uint64_t{1} << 63U;
  }
  return horizon;
}

}  // namespace krohn
