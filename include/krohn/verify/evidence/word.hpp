// Evidence for REFUTED: a word at whose end, and at no position before, the labels differ.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/fields.hpp"

namespace krohn {

struct Counterexample;

struct WordEvidence {
  static constexpr std::string_view kind = "word";
  static constexpr bool shows(VerdictKind verdict) { return verdict == VerdictKind::refuted; }

  Word word;
  std::string expected;
  std::string observed;
  /// The bits of the margin (binary32), and the words of the carried state after the word.
  std::uint32_t margin_bits = 0;
  std::vector<std::uint32_t> state;

  void list(EvidenceFields& fields);
  void check(const Assertion& assertion) const;
  friend bool operator==(const WordEvidence&, const WordEvidence&) = default;
};

/// Runs the word once more, for the state behind it.
WordEvidence word_evidence(const Counterexample& counterexample, const Machine& machine);

}  // namespace krohn
