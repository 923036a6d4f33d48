// Trained models proved as they are, by sets around their states: for every state of the language's automaton (and the
// last tokens, where convolutions look back) a set that holds the carried state behind every word that leads there,
// closed under every token; and the last symbols, as many as it takes, behind which the readout is right on all of the
// set. docs/sets.md has the method, the rounding budget and what it cannot do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/evidence/inductive_sets.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

struct SetsReport {
  /// What is shown, if something is.
  std::optional<InductiveSetsEvidence> sets = std::nullopt;
  /// A word that is answered wrongly.
  std::optional<Word> wrong = std::nullopt;
  /// In a few words; of a failure, which operation lost the proof.
  std::string outcome;
  std::uint64_t evaluations = 0;
};

struct SetsOptions {
  Budget budget;
  /// The claim asked for: all words up to this length. All lengths if absent.
  std::optional<std::uint64_t> up_to = std::nullopt;
};

/// Tries to show that the machine, a learned model's, is right on every word, or up to a length. A machine that the
/// method does not apply to is no error.
SetsReport enclose(const Machine& machine, const Specification& specification, const SetsOptions& options);

/// Why the sets do not show that the machine is right on every word (up to their length); nothing if they do. Searches
/// nothing.
std::optional<std::string> refuse_sets(const InductiveSetsEvidence& sets, const Machine& machine,
                                       const Specification& specification);

}  // namespace krohn
