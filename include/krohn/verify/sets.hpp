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
#include "krohn/verify/specification.hpp"

namespace krohn {

/// What a verdict by sets rests on: everything else follows from model and language.
struct InductiveSets {
  /// "fans" or "hulls".
  std::string family;
  /// How far the sets, and the errors of rounding, go in the family's directions.
  std::vector<double> supports;
  std::vector<double> errors;
  /// A word's end, and where it begins: behind it the readout is right whatever came before.
  struct Ending {
    std::uint32_t situation = 0;
    Word word;
    friend bool operator==(const Ending&, const Ending&) = default;
  };
  std::vector<Ending> endings;
  /// Up to which length the rounding is bounded; all lengths if absent.
  std::optional<std::uint64_t> length = std::nullopt;
  friend bool operator==(const InductiveSets&, const InductiveSets&) = default;
};

struct SetsReport {
  /// What is shown, if something is.
  std::optional<InductiveSets> sets = std::nullopt;
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
std::optional<std::string> refuse_sets(const InductiveSets& sets, const Machine& machine,
                                       const Specification& specification);

/// Whether everything that a one-layer learned machine carries is forgotten in time, and the language is not: then only
/// definite languages, which the last symbols decide, can be proved of it.
bool forgets_more_than(const Machine& machine, const Specification& specification);

}  // namespace krohn
