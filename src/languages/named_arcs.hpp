// What the formats that allow nondeterminism read: arcs between numbered states, with symbols by name.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/nfa.hpp"
#include "krohn/languages/language_source.hpp"
#include "name_table.hpp"

namespace krohn {

struct NamedArcs {
  std::vector<State> starts;
  NameTable symbols;
  std::vector<NfaTransition> arcs;  ///< the symbol counts in `symbols`, or is `epsilon`
  std::vector<LabelId> labels;      ///< one entry a state
  std::vector<std::string> label_names{"0", "1"};
  std::optional<Alphabet> alphabet;  ///< as the file states it
  bool must_be_deterministic = false;
  std::vector<std::string> notes;  ///< what the reader had to choose; they come first

  void add_arc(State from, std::string_view symbol, State to) {
    arcs.push_back({from, symbols.find_or_add(symbol).index, to});
  }
  void add_silent_arc(State from, State to) { arcs.push_back({from, epsilon, to}); }
};

/// The automaton of the arcs. If they are deterministic (one start, no epsilon, no two arcs from a state under one
/// symbol to different states), the states keep their numbers and missing transitions lead to a sink, which a note
/// says; else the minimal automaton of the same language, with a note, which says so where no state is initial. Throws
/// InputError for nondeterministic arcs that must not be so, or whose labels are other than 0 and 1. Symbols outside
/// the alphabet, an alphabet without symbols, and a file without states are the caller's to refuse. Throws
/// ResourceError past the caps.
LanguageSource automaton_of(const std::string& source, NamedArcs arcs, const Alphabet& alphabet);

/// The stated alphabet, else the given one, else the symbols that occur in ascending order of their bytes. Throws
/// InputError if there are none, or if both are stated and they differ in more than their order; the given order wins.
Alphabet alphabet_of(const std::string& source, const NamedArcs& arcs, const std::optional<Alphabet>& given);

}  // namespace krohn
