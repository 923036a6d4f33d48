// A nondeterministic automaton simulated state by state, and random ones: what the readers of every format are compared
// with. It shares nothing with the readers but the alphabet of the answer.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn::test {

struct ReferenceArc {
  std::size_t from;
  std::optional<std::string> symbol;  ///< none: reads nothing
  std::size_t to;
};

struct ReferenceAutomaton {
  std::size_t num_states = 0;
  std::set<std::size_t> starts;
  std::set<std::size_t> finals;
  std::vector<ReferenceArc> arcs;

  std::set<std::size_t> closed(std::set<std::size_t> states) const {
    for (bool grown = true; grown;) {
      grown = false;
      for (const ReferenceArc& arc : arcs) {
        if (!arc.symbol && states.contains(arc.from)) grown = states.insert(arc.to).second || grown;
      }
    }
    return states;
  }

  bool accepts(const std::vector<std::string>& word) const {
    std::set<std::size_t> states = closed(starts);
    for (const std::string& symbol : word) {
      std::set<std::size_t> next;
      for (const ReferenceArc& arc : arcs) {
        if (arc.symbol == symbol && states.contains(arc.from)) next.insert(arc.to);
      }
      states = closed(next);
    }
    for (const std::size_t q : states) {
      if (finals.contains(q)) return true;
    }
    return false;
  }
};

struct ReferenceShape {
  std::vector<std::string> symbols;
  bool deterministic = false;  ///< one start, at most one arc a state and symbol
  bool silent = false;         ///< arcs that read nothing may occur
};

/// At least one state and one arc with a symbol; state 0 is a start.
inline ReferenceAutomaton random_reference(std::mt19937& random, const ReferenceShape& shape) {
  ReferenceAutomaton automaton;
  automaton.num_states = 1 + random() % 6;
  const std::size_t n = automaton.num_states;
  automaton.starts.insert(0);
  if (!shape.deterministic && random() % 4 == 0) automaton.starts.insert(random() % n);
  for (std::size_t q = 0; q < n; ++q) {
    if (random() % 3 == 0) automaton.finals.insert(q);
  }
  std::set<std::pair<std::size_t, std::string>> used;
  for (std::size_t i = 1 + random() % (3 * n); i > 0; --i) {
    const std::size_t from = i == 1 ? 0 : random() % n;
    const std::string& symbol = shape.symbols[random() % shape.symbols.size()];
    if (shape.deterministic && !used.insert({from, symbol}).second) continue;
    automaton.arcs.push_back({from, symbol, random() % n});
  }
  if (shape.silent) {
    for (std::size_t i = random() % n; i > 0; --i) automaton.arcs.push_back({random() % n, std::nullopt, random() % n});
  }
  return automaton;
}

/// Every word up to length 5 over the alphabet of `dfa` (up to length 3 for more than three symbols) has the label of
/// the simulation; symbols that the reference does not know lead nowhere in it.
inline void check_same_language(const ReferenceAutomaton& reference, const Dfa& dfa) {
  const std::vector<std::string>& names = dfa.alphabet().names();
  const std::size_t longest = names.size() <= 3 ? 5 : names.size() <= 8 ? 3 : 2;
  std::vector<std::vector<std::string>> words{{}};
  for (std::size_t begin = 0, length = 0; length < longest; ++length) {
    const std::size_t end = words.size();
    for (; begin < end; ++begin) {
      for (const std::string& name : names) {
        words.push_back(words[begin]);
        words.back().push_back(name);
      }
    }
  }
  std::size_t different = 0;
  for (const std::vector<std::string>& word : words) {
    State q = dfa.start();
    for (const std::string& symbol : word) q = dfa.next(q, *dfa.alphabet().find(symbol));
    if (dfa.accepts_at(q) != reference.accepts(word)) ++different;
  }
  CHECK(different == 0);
}

}  // namespace krohn::test
