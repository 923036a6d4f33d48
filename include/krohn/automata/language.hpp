// A language as a value: what is cheap to know of it, found once, when it is made.
//
//     const Language language = catalog_language("word:S3");  // any automaton of it
//     language.minimal().num_states(), language.is_group()
//
// What is dear is asked of functions, which take a language and give values: find_flags (monoid_flags.hpp),
// letter_facts (expressivity.hpp), compile, check, classify.
#pragma once

#include <cstddef>

#include "krohn/automata/dfa.hpp"
#include "krohn/automata/transformation.hpp"

namespace krohn {

class Language {
 public:
  /// Minimises the automaton. An automaton is a language wherever one is asked for.
  Language(const Dfa& dfa);  // NOLINT(google-explicit-constructor)

  /// Minimal, numbered breadth first, in the order of symbols and with the names of labels of the automaton given.
  const Dfa& minimal() const noexcept { return minimal_; }
  /// Of the minimal automaton.
  const DistinctLetters& letters() const noexcept { return letters_; }
  /// Every letter permutes the states of the minimal automaton: its transition monoid is a group.
  bool is_group() const noexcept { return letters_.permute; }
  /// States of the automaton given.
  std::size_t given_states() const noexcept { return given_states_; }

 private:
  std::size_t given_states_;
  Dfa minimal_;
  DistinctLetters letters_;
};

}  // namespace krohn
