// The four answers to "does this model recognise this language", each with what it rests on. A verifier never returns
// bool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "krohn/automata/alphabet.hpp"
#include "krohn/verify/evidence/evidence.hpp"

namespace krohn {

/// A word on which model and automaton differ, confirmed by the CPU reference.
struct Counterexample {
  Word word;
  /// True if no shorter word (and none before it in shortlex order among those of its length) differs.
  bool shortest = false;
  std::string expected;
  /// The model's label; "?" where its readout ties.
  std::string observed;
  float margin = 0.0F;
  /// The first position (0 = before any symbol) at which the labels part.
  std::uint64_t position = 0;
};

/// The labels agree on every word of the domain, of any length, in the semantics named.
struct Proved {
  /// Present where every intermediate value of every step was shown to be exact (verify/exactness.hpp): the significant
  /// bits that suffice. The verdict then holds for every order of operations.
  std::optional<unsigned> exact_bits = std::nullopt;
  Evidence evidence = {};
};

/// The labels agree on every word of the domain up to `length`.
struct CertifiedUpTo {
  std::uint64_t length = 0;
  Evidence evidence = {};
  /// The length that the evidence shows: less where a search came further, which leaves none.
  std::uint64_t evidence_length = 0;
};

/// The labels differ: the word is the evidence.
struct Refuted {
  Counterexample counterexample;
};

/// Neither was established. `length` is the best bound that holds (every word up to it agrees), if any.
struct Unknown {
  std::optional<std::uint64_t> length;
  std::string reason;
};

using Verdict = std::variant<Proved, CertifiedUpTo, Refuted, Unknown>;

VerdictKind verdict_kind(const Verdict& verdict);

}  // namespace krohn
