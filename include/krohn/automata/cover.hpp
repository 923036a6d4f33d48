// Cover automata: the fewest states that are right on all words up to a length.
#pragma once

#include <cstdint>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// A smallest automaton among those that give every word of at most `length` symbols the label that a given one gives
/// it (null counts as a label of its own). There may be several of that size.
///
/// That it is a smallest is seen from `words`: for i < j there is a suffix z with |words[i] z|, |words[j] z| <= length
/// behind which the two have different labels. An automaton with fewer states would lead two of the words to one state,
/// and so be wrong on one of the two words with z.
struct Cover {
  Dfa automaton;
  std::uint64_t length = 0;
  /// [states]: a word that leads to the state; the states are numbered in the order of these words, shortlex.
  std::vector<Word> words;
  /// [states * (states - 1) / 2]: the suffix for i < j, at j * (j - 1) / 2 + i; a shortest one.
  std::vector<Word> suffixes;

  const Word& suffix(std::size_t i, std::size_t j) const { return suffixes.at(j * (j - 1) / 2 + i); }
};

/// A smallest cover of `dfa`, and where a choice is left the one that follows `dfa` longest. Time and memory
/// O(n k min(n, length)) for n states and k symbols, and O(m^2 (k + length)) for m states of the result. Sources:
/// Dwork and Stockmeyer 1990; Campeanu, Paun and Yu 2001.
Cover minimal_cover(const Dfa& dfa, std::uint64_t length);

}  // namespace krohn
