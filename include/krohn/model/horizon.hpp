// Certified horizons: for how many tokens an inexact layer stays nearer to the right reference state than its
// readout's margin (drift bound of accumulated rounding).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

/// Where the hidden state should be: a point for every slot of the readout, and how the table's rows move the slots.
/// Nothing in it is trusted: a poor reference gives a short horizon, never a wrong one.
struct ReferenceStates {
  /// Row-major [slots, key_size].
  std::vector<double> centre;
  /// Row-major [slots, table rows]: the slot that the row leads to.
  std::vector<std::uint32_t> successor;
  /// The slot of initial_hidden.
  std::uint32_t start = 0;
  friend bool operator==(const ReferenceStates&, const ReferenceStates&) = default;
};

/// The bound e_{t+1} <= (1 + growth) e_t + step_error, e_0 = initial_error, on the 2-norm distance between the
/// computed hidden state and its centre, and the length up to which it stays below `margin`.
struct Horizon {
  double initial_error = 0.0;
  double step_error = 0.0;
  double growth = 0.0;
  double margin = 0.0;
  /// Behind each symbol of every word of at most this length the hidden state decodes to the reference slot; none means
  /// every length.
  std::optional<std::uint64_t> length;
};

/// The unit roundoff of the format in which the semantics stores hidden states: 2^-24, 2^-11, 2^-8.
double unit_roundoff(Semantics semantics);

/// False if the computed hidden state is its centre at every length; with the errors of certify_horizon. Cost: slots *
/// rows * factors.
bool drifts(const TableLayer& layer, const ReferenceStates& reference, Semantics semantics);

/// Bounds the drift of one layer of value_size 1, whose table rows are factors without values behind gates of signs, or
/// reset: a zero gate and a write; with one readout of two slots or more, number 0, and beside it only such as decode
/// nothing. Before the step or after it: the bound is on every state up to that length. Throws InputError for any other
/// layer and for shapes that do not agree. Cost: slots^2 * key_size + slots * rows * factors.
Horizon certify_horizon(const TableLayer& layer, const ReferenceStates& reference, Semantics semantics);

}  // namespace krohn
