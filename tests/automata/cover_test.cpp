// label: quick
// Cover automata: right on every word up to the length, by running them all; as many words as states that are pairwise
// dissimilar, which no smaller automaton could tell apart; the minimal automaton where the length is beyond its states.
#include "krohn/automata/cover.hpp"

#include <doctest/doctest.h>

#include "corpus.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"

namespace krohn {
namespace {

// Every word up to `length`, shortest first.
std::vector<Word> all_words(std::size_t symbols, std::size_t length) {
  std::vector<Word> words{Word{}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() == length) break;
    for (Symbol a = 0; a < symbols; ++a) {
      Word word = words[i];
      word.push_back(a);
      words.push_back(std::move(word));
    }
  }
  return words;
}

LabelId label_of(const Dfa& dfa, const Word& word) { return dfa.label(dfa.next(dfa.start(), word)); }

void check_cover(const Dfa& dfa, std::uint64_t length) {
  CAPTURE(length);
  const Cover cover = minimal_cover(dfa, length);
  for (const Word& word : all_words(dfa.num_symbols(), length)) {
    REQUIRE(label_of(cover.automaton, word) == label_of(dfa, word));
  }
  const std::size_t n = cover.automaton.num_states();
  REQUIRE(cover.words.size() == n);
  for (std::size_t j = 0; j < n; ++j) {
    CHECK(cover.automaton.next(0, cover.words[j]) == j);
    for (std::size_t i = 0; i < j; ++i) {
      Word x = cover.words[i];
      Word y = cover.words[j];
      const Word& z = cover.suffix(i, j);
      x.insert(x.end(), z.begin(), z.end());
      y.insert(y.end(), z.begin(), z.end());
      REQUIRE(x.size() <= length);
      REQUIRE(y.size() <= length);
      REQUIRE(label_of(dfa, x) != label_of(dfa, y));
    }
  }
}

TEST_CASE("a cover is right on all words up to the length, and its words are pairwise dissimilar") {
  for (const corpus::Language& language : corpus::languages()) {
    CAPTURE(language.id);
    for (const std::uint64_t length : {0U, 1U, 2U, 3U, 5U}) {
      if (language.dfa.num_symbols() <= 3) check_cover(language.dfa, length);
    }
  }
}

TEST_CASE("beyond twice the states the cover is the minimal automaton") {
  // Two states of n are told apart by fewer than n symbols, behind words of fewer than n.
  for (const corpus::Language& language : corpus::languages()) {
    if (language.min_states > 60) continue;
    CAPTURE(language.id);
    const Cover cover = minimal_cover(language.dfa, 2 * language.min_states);
    CHECK(cover.automaton == minimize(language.dfa));
  }
}

TEST_CASE("a long word's end needs no state of its own in a cover") {
  // a^12 alone: 14 states; up to length 11 one, which rejects; up to length 12 words 1, a, .., a^12, and a sink, which
  // a^12 is not similar to but b is to none of the others.
  const Dfa dfa = minimize(parse_regex("a{12}", Alphabet::of_characters("ab")));
  CHECK(dfa.num_states() == 14);
  CHECK(minimal_cover(dfa, 11).automaton.num_states() == 1);
  check_cover(dfa, 12);
  CHECK(minimal_cover(dfa, 12).automaton.num_states() == 13);
}

}  // namespace
}  // namespace krohn
