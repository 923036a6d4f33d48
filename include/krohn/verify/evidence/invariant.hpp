// Evidence for PROVED: an invariant of layers (src/verify/invariant.cpp has the proof).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/fields.hpp"

namespace krohn {

struct InvariantCheck;

/// Rows that do not occur are left out of `rows` and their contexts.
struct InvariantEvidence {
  static constexpr std::string_view kind = "invariant";
  static constexpr bool shows(VerdictKind verdict) { return verdict == VerdictKind::proved; }

  struct Layer {
    /// 32-bit words of a hidden state, and the states: [count * hidden_words], the first is the initial one.
    std::size_t hidden_words = 0;
    std::vector<std::uint32_t> hidden;
    /// Input rows, ascending, and what each is annotated with.
    std::vector<std::uint32_t> rows;
    std::vector<RowContext> contexts;
    friend bool operator==(const Layer&, const Layer&) = default;
  };
  std::vector<std::uint32_t> slot_readout;
  std::vector<std::uint32_t> node_layer;
  std::vector<std::uint32_t> child_offset;
  std::vector<std::int32_t> child_node;
  std::vector<std::uint32_t> node_state;
  std::uint32_t root = 0;
  std::vector<Layer> layers;

  void list(EvidenceFields& fields);
  void check(const Assertion& assertion) const;
  friend bool operator==(const InvariantEvidence&, const InvariantEvidence&) = default;
};

/// Of an invariant that was proved from this hint. Symbols in annotations are replaced by the first symbol that acts
/// alike, so that a row chain names one symbol.
InvariantEvidence invariant_evidence(const InvariantCheck& check, const InvariantHint& hint, const Dfa& automaton);

}  // namespace krohn
