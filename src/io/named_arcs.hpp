// What the formats that allow nondeterminism read: arcs between numbered states, with symbols by name.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "krohn/io/language_source.hpp"

namespace krohn {

struct NamedArc {
  State from;
  std::string symbol;
  State to;
  bool reads_nothing = false;  ///< epsilon; `symbol` is then ignored
};

struct NamedArcs {
  std::vector<State> starts;
  std::vector<NamedArc> arcs;
  std::vector<bool> accepting;       ///< one entry a state
  std::optional<Alphabet> alphabet;  ///< as the file states it
  bool must_be_deterministic = false;
};

/// The automaton of the arcs. If they are deterministic (one start, no epsilon, no two arcs from a state under one
/// symbol to different states), the states keep their numbers and missing transitions lead to a sink, which a note
/// says; else the minimal automaton of the same language, with a note. Throws InputError for nondeterministic arcs that
/// must not be so. Symbols outside the alphabet, an alphabet
/// without symbols, and a file without states are the caller's to refuse. Throws ResourceError past the caps.
LanguageSource automaton_of(const std::string& source, const NamedArcs& arcs, const Alphabet& alphabet);

/// The stated alphabet, else the given one, else the symbols that occur in ascending order of their bytes. Throws
/// InputError if there are none, or if both are stated and they differ in more than their order; the given order wins.
Alphabet alphabet_of(const std::string& source, const NamedArcs& arcs, const std::optional<Alphabet>& given);

}  // namespace krohn
