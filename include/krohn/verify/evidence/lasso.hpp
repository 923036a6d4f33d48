// Evidence for REFUTED: two words behind which the model carries the same bits, and a suffix that makes the automaton
// ask for different labels. No readout is right on both.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/fields.hpp"

namespace krohn {

struct IndistinguishablePair;

struct LassoEvidence {
  static constexpr std::string_view kind = "lasso";
  static constexpr bool shows(VerdictKind verdict) { return verdict == VerdictKind::refuted; }

  Word prefix_a;
  Word prefix_b;
  /// The words are prefix loop^exponent.
  Word loop;
  std::uint64_t exponent_a = 0;
  std::uint64_t exponent_b = 0;
  Word suffix;
  /// The automaton's labels behind the suffix, and the model's, which is the same for both.
  std::string expected_a;
  std::string expected_b;
  std::string observed;
  /// The words of the carried state before the suffix.
  std::vector<std::uint32_t> state;

  void list(EvidenceFields& fields);
  void check(const Assertion& assertion) const;
  /// The claim in words, where it is not that of a word.
  static std::string claim(const Claim& claim, const std::string& semantics);
  friend bool operator==(const LassoEvidence&, const LassoEvidence&) = default;
};

/// Runs the first word once more, for the state behind it.
LassoEvidence lasso_evidence(const IndistinguishablePair& pair, const Machine& machine);

}  // namespace krohn
