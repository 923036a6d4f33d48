// A method of the ladder (check.cpp): what it is asked, and what it gives back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "krohn/automata/alphabet.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/sample.hpp"
#include "krohn/verify/specification.hpp"
#include "krohn/verify/verdict.hpp"

namespace krohn {

struct Question {
  const Machine& machine;
  const Specification& specification;
  const CheckOptions& options;
  /// Not trusted; null where there is none.
  const InvariantHint* hint = nullptr;
  /// All options' limits, with the method's share of the time.
  Budget budget;
  /// Every word up to this length is known to agree.
  std::optional<std::uint64_t> agreed;
};

/// A word on which the labels differ, as a method says; the ladder replays it.
struct Disagreement {
  Word word;
  /// Whether every shorter word agrees.
  bool shortest = false;
  /// A fault of krohn where a replay does not show it; else the method only guesses.
  bool certain = false;
};

/// What came of a method. It claims nothing where it has neither proof, word nor length.
struct Finding {
  /// In a few words.
  std::string outcome;
  std::optional<Proved> proved = std::nullopt;
  std::optional<Disagreement> disagreement = std::nullopt;
  /// Every word up to its length agrees.
  std::optional<CertifiedUpTo> agreed = std::nullopt;
  /// Whether that length is a result of its own, not where a search happened to end.
  bool certified = false;
  /// How the word was found, where the method has several ways.
  std::string way = {};
  std::optional<Sample> sample = std::nullopt;
  /// Which limit ended the method, for methods that have the memory to themselves.
  std::optional<Limit> limit = std::nullopt;
  /// Pairs of a closure, hidden states of an invariant; steps of the model.
  std::optional<std::uint64_t> pairs = std::nullopt;
  std::uint64_t steps = 0;
};

/// ", every value exact in N bits", or nothing.
inline std::string exactness_text(const std::optional<unsigned>& bits) {
  return bits ? ", every value exact in " + std::to_string(*bits) + " bits" : "";
}

// The methods that bring evidence of their own (evidence/): the closure until it grows, and within the whole memory;
// the hint's invariant; the horizon of a layer that is not exact.
Finding close_small(const Question& question);
Finding close_whole(const Question& question);
Finding induct(const Question& question);
Finding look_at_horizon(const Question& question);
/// Sets around the states of a learned model of one recurrence.
Finding enclose_by_sets(const Question& question);

}  // namespace krohn
