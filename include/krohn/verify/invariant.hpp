// The hint of a compiled model as an inductive invariant, checked layer by layer on the bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/model/hint.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

/// One layer's part of an established invariant.
struct LayerInvariant {
  /// Bytes of one hidden state.
  std::size_t hidden_size = 0;
  /// The hidden states that the layer can take, a superset; the first is the initial one. [count * hidden_size]
  std::vector<std::byte> hidden;
  /// The layer's input rows that can occur, a superset, ascending.
  std::vector<std::uint32_t> rows;

  std::size_t count() const noexcept { return hidden_size == 0 ? 0 : hidden.size() / hidden_size; }
};

/// What the check of a hint established.
struct InvariantCheck {
  /// The labels agree on every word of the domain, of any length.
  bool proved = false;
  /// The invariant shows that the model is an automaton that differs from the language: the first word in shortlex
  /// order of the model's alphabet on which it does, if every label on the way is determined. Not yet confirmed.
  std::optional<Word> disagreement;
  /// Why nothing was proved; empty if `proved`. A hint that fails says nothing about the model.
  std::string reason;
  /// Where all steps of all layers are exact in every order of operations, the significant bits that they need.
  std::optional<unsigned> exact_bits;
  /// Recurrence steps computed, and the layers closed.
  std::uint64_t steps = 0;
  std::vector<LayerInvariant> layers;
};

/// See hint.hpp for the invariant and the source for the proof. Throws nothing for a wrong hint: it reports it.
/// Time: a step for each (table row and readout in use, hidden state of its layer), and a look-up for each (input row,
/// hidden state); memory alike. Never joint configurations of layers.
InvariantCheck check_invariant(const LrnnModel& model, Semantics semantics, const InvariantHint& hint,
                               const Specification& specification, const Budget& budget);

}  // namespace krohn
