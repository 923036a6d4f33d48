// Evidence for PROVED, and up to a length for CERTIFIED, of a learned model as it is: sets around its states that every
// token maps into each other, and words' ends behind which the readout is right (krohn/verify/sets.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/fields.hpp"

namespace krohn {

struct InductiveSetsEvidence {
  static constexpr std::string_view kind = "inductive-sets";
  static constexpr bool shows(VerdictKind verdict) {
    return verdict == VerdictKind::proved || verdict == VerdictKind::certified;
  }

  /// "fans" or "hulls".
  std::string family;
  /// Up to which length the rounding is bounded; all lengths if absent.
  std::optional<std::uint64_t> length = std::nullopt;
  /// What the recurrence is given, context by context and head by head (sets/system.hpp).
  std::vector<float> inputs;
  /// Where the family's directions lie.
  std::vector<double> grids;
  /// How far the sets, and the errors of rounding, go in the family's directions.
  std::vector<double> supports;
  std::vector<double> errors;
  /// Of fans without a gate, head by head: how fast the sets grow.
  std::vector<double> rates;
  /// A word's end, and the situation in which it begins: behind it the readout is right whatever came before.
  struct Ending {
    std::uint32_t situation = 0;
    Word word;
    friend bool operator==(const Ending&, const Ending&) = default;
  };
  std::vector<Ending> endings;

  void list(EvidenceFields& fields);
  void check(const Assertion& assertion) const;
  friend bool operator==(const InductiveSetsEvidence&, const InductiveSetsEvidence&) = default;
};

}  // namespace krohn
