// The words on which a model fails, beside the one that refutes it: families u v^k w, a failing word from every state
// of the language, and how accuracy falls along the worst loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

/// The words before loop^k after, k = 0, 1, ..: on which of them the model's label is wrong. Every k up to `bound` was
/// run by itself, in the canonical form.
struct FailingFamily {
  Word before;
  Word loop;
  Word after;
  std::uint64_t bound = 0;
  /// The k up to `bound` at which it fails, ascending; not empty.
  std::vector<std::uint64_t> failing;
  /// From `from` on k fails if and only if k - from is, modulo `period`, one of `residues` (ascending, below period).
  struct Pattern {
    std::uint64_t from = 0;
    std::uint64_t period = 1;
    std::vector<std::uint64_t> residues;
  };
  /// Present where the k up to `bound` show one over at least half of them and four periods, or `for_ever`.
  std::optional<Pattern> pattern;
  /// Everything carried came back with the language's state, so that the pattern holds for every k whatever, not only
  /// up to `bound`.
  bool for_ever = false;
};

/// A word on which the model fails, that passes the state: `access` is a shortest word that leads there.
struct FailingFromState {
  State state = 0;
  Word access;
  /// What follows. Nothing: none was found.
  std::optional<Word> suffix;
  /// Every shorter suffix was tried.
  bool shortest = false;
};

/// Along before loop loop ..: the share of right labels among the positions up to a length (before excluded), for
/// lengths that double.
struct Direction {
  Word before;
  Word loop;
  struct Share {
    std::uint64_t length = 0;
    double right = 1.0;
  };
  std::vector<Share> shares;
};

struct FailingOptions {
  Budget budget;
  /// Steps of the model in all.
  std::uint64_t steps = std::uint64_t{1} << 19U;
  std::size_t families = 4;
  /// States of the language from which a failing word is looked for.
  std::size_t states = 32;
  /// Positions of a direction; twice the refuting word's, where that is more.
  std::uint64_t length = 512;
};

struct Failing {
  /// The plainest first.
  std::vector<FailingFamily> families;
  std::vector<FailingFromState> from_states;
  /// The direction with the fewest right labels; nothing where all were right.
  std::optional<Direction> worst;
  /// Steps that it took; whether a limit cut it short.
  std::uint64_t steps = 0;
  bool cut_short = false;
};

/// `word` is one on which the model fails (a Counterexample's). Its repetitions, and those of the other failing words,
/// are made longer and shorter; what is claimed of a family was run. Runs that end in NaN or infinity are passed over.
Failing describe_failing(const Machine& model, const Specification& specification, const Word& word,
                         const FailingOptions& options);

/// A word with its long stretches of one symbol as "a{57}"; the empty word is empty.
std::string stretches_text(const Word& word, const Alphabet& alphabet);
/// "1^k", "0(01)^k1", "a{57}b^k"; symbols of more than one character are separated by spaces.
std::string family_text(const FailingFamily& family, const Alphabet& alphabet);
/// "every even k from 26 on (run for every k up to 512)", "k = 3, 5 (..)".
std::string failing_text(const FailingFamily& family);

}  // namespace krohn
