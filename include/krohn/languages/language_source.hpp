// What reading a language gives: an automaton, and what had to be done to the text to make it one.
#pragma once

#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn {

struct LanguageSource {
  Dfa dfa;
  /// One line each, for stderr: "parity.json: 3 missing transitions completed with a sink, state 7 (label 0)".
  std::vector<std::string> notes;
};

}  // namespace krohn
