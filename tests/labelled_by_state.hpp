// Automata that tell their states apart by labels.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/automata/minimize.hpp"

namespace krohn::testing {

/// The minimal automaton of `delta` [states, symbols] from state 0, over a, b, .., each state with a label of its own.
inline Dfa labelled_by_state(std::size_t states, std::size_t symbols, std::vector<State> delta) {
  std::vector<std::string> names;
  std::vector<LabelId> labels;
  for (std::size_t q = 0; q < states; ++q) {
    names.push_back(std::to_string(q));
    labels.push_back(static_cast<LabelId>(q));
  }
  std::vector<std::string> letters;
  for (std::size_t a = 0; a < symbols; ++a) letters.push_back(std::string(1, static_cast<char>('a' + a)));
  return minimize(Dfa(Alphabet(letters), 0, std::move(delta), std::move(labels), std::move(names)));
}

}  // namespace krohn::testing
