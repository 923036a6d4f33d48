// label: quick
// Products and complements by their truth tables on all short words; separating words against plain breadth-first
// search over words; the answer for equal languages.
#include "krohn/automata/product.hpp"

#include <doctest/doctest.h>

#include <random>

#include "corpus.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

Dfa random_dfa(std::mt19937& random, std::size_t max_states, std::size_t symbols, int labels) {
  const std::size_t states = 1 + random() % max_states;
  std::vector<State> delta(states * symbols);
  for (State& to : delta) to = static_cast<State>(random() % states);
  std::vector<LabelId> of_state(states);
  std::vector<std::string> names;
  for (int i = 0; i < labels; ++i) names.push_back(std::to_string(i));
  for (LabelId& label : of_state) label = static_cast<LabelId>(random() % static_cast<unsigned>(labels));
  return Dfa(Alphabet::of_characters(std::string("abcd").substr(0, symbols)), static_cast<State>(random() % states),
             delta, of_state, names);
}

// Every word up to the length, in shortlex order.
std::vector<Word> words_up_to(std::size_t symbols, std::size_t length) {
  std::vector<Word> words{{}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() == length) continue;
    for (Symbol a = 0; a < symbols; ++a) {
      Word longer = words[i];
      longer.push_back(a);
      words.push_back(std::move(longer));
    }
  }
  return words;
}

bool accepts(const Dfa& dfa, const Word& word) { return dfa.accepts_at(dfa.next(dfa.start(), word)); }
std::string label_of(const Dfa& dfa, const Word& word) {
  const LabelId label = dfa.label(dfa.next(dfa.start(), word));
  return label == null_label ? "(none)" : "=" + dfa.label_name(label);
}

TEST_CASE("products and complements are what their names say, word by word") {
  std::mt19937 random(3);
  const std::vector<Word> words = words_up_to(2, 8);
  for (int round = 0; round < 100; ++round) {
    const Dfa a = random_dfa(random, 6, 2, 2);
    const Dfa b = random_dfa(random, 6, 2, 2);
    const Dfa both = product(a, b, BooleanOperation::conjunction);
    const Dfa either = product(a, b, BooleanOperation::disjunction);
    const Dfa minus = product(a, b, BooleanOperation::difference);
    const Dfa differ = product(a, b, BooleanOperation::symmetric_difference);
    const Dfa not_a = complement(a);
    std::size_t wrong = 0;
    for (const Word& word : words) {
      const bool in_a = accepts(a, word);
      const bool in_b = accepts(b, word);
      wrong += accepts(both, word) != (in_a && in_b);
      wrong += accepts(either, word) != (in_a || in_b);
      wrong += accepts(minus, word) != (in_a && !in_b);
      wrong += accepts(differ, word) != (in_a != in_b);
      wrong += accepts(not_a, word) == in_a;
    }
    CHECK(wrong == 0);
    CHECK(both.num_states() <= a.num_states() * b.num_states());
  }
}

TEST_CASE("De Morgan over the corpus") {
  const auto& all = corpus::languages();
  std::size_t pairs = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size() && j < i + 8; ++j) {
      if (all[i].alphabet != all[j].alphabet) continue;
      ++pairs;
      const Dfa left = complement(product(all[i].dfa, all[j].dfa, BooleanOperation::conjunction));
      const Dfa right = product(complement(all[i].dfa), complement(all[j].dfa), BooleanOperation::disjunction);
      CHECK_FALSE(separating_word(left, right).has_value());
      CHECK(minimize(left) == minimize(right));
    }
  }
  CHECK(pairs > 100);
}

TEST_CASE("the separating word is the first in shortlex order") {
  std::mt19937 random(5);
  std::size_t different = 0;
  std::size_t equal = 0;
  std::size_t longest = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::size_t symbols = 1 + random() % 3;
    const Dfa a = random_dfa(random, 5, symbols, 1 + static_cast<int>(random() % 3));
    Dfa b = random_dfa(random, 5, symbols, 1 + static_cast<int>(random() % 3));
    if (round % 3 == 0) {
      // A near copy: one transition changed, so that separating words are longer and some pairs are equal.
      std::vector<State> delta(a.delta().begin(), a.delta().end());
      delta[random() % delta.size()] = static_cast<State>(random() % a.num_states());
      b = Dfa(a.alphabet(), a.start(), delta, {a.labels().begin(), a.labels().end()}, a.label_names());
    }
    // Two automata of m and n states that differ do so on a word shorter than m + n.
    std::optional<Word> expected;
    for (const Word& word : words_up_to(symbols, symbols == 3 ? 6 : 9)) {
      if (label_of(a, word) != label_of(b, word)) {
        expected = word;
        break;
      }
    }
    const std::optional<Word> found = separating_word(a, b);
    if (expected || symbols < 3) CHECK(found == expected);
    if (found) {
      CHECK(label_of(a, *found) != label_of(b, *found));
      ++different;
      longest = std::max(longest, found->size());
    } else {
      CHECK(minimize(a).num_states() == minimize(b).num_states());
      ++equal;
    }
  }
  CHECK(different > 500);
  CHECK(equal > 100);
  CHECK(longest >= 4);
}

TEST_CASE("a separating word exists exactly when the minimal automata differ") {
  const auto& all = corpus::languages();
  for (const corpus::Language& a : all) {
    for (const corpus::Language& b : all) {
      if (a.alphabet != b.alphabet) continue;
      CHECK(separating_word(a.dfa, b.dfa).has_value() == !(minimize(a.dfa) == minimize(b.dfa)));
    }
  }
}

TEST_CASE("labels are compared by name, and null with null") {
  const Alphabet ab = Alphabet::of_characters("ab");
  const Dfa a(ab, 0, {0, 1, 1, 0}, {0, 1}, {"x", "y"});
  CHECK_FALSE(separating_word(a, Dfa(ab, 0, {0, 1, 1, 0}, {1, 0}, {"y", "x"})).has_value());
  CHECK(separating_word(a, Dfa(ab, 0, {0, 1, 1, 0}, {0, 1}, {"y", "x"})) == Word{});
  CHECK(separating_word(a, Dfa(ab, 0, {0, 1, 1, 0}, {0, 1}, {"x", "z"})) == Word{1});
  CHECK(separating_word(a, Dfa(ab, 0, {0, 1, 1, 0}, {0, null_label}, {"x", "y"})) == Word{1});
  const Dfa hidden(ab, 0, {0, 1, 1, 0}, {0, null_label}, {"x"});
  CHECK_FALSE(separating_word(hidden, hidden).has_value());
  CHECK(separating_word(hidden, Dfa(ab, 0, {0, 1, 1, 0}, {0, 1}, {"x", "null"})) == Word{1});
}

TEST_CASE("what products and separating words refuse") {
  const Dfa a = parse_regex("a*", Alphabet::of_characters("ab"));
  const Dfa c = parse_regex("a*", Alphabet::of_characters("ba"));
  CHECK_THROWS_AS(product(a, c, BooleanOperation::conjunction), InputError);
  CHECK_THROWS_AS(separating_word(a, c), InputError);
  CHECK_THROWS_AS(complement(catalog_language("cycle:3")), InputError);
  CHECK_THROWS_AS(product(catalog_language("cycle:3"), catalog_language("cycle:3"), BooleanOperation::conjunction),
                  InputError);
  const Dfa three = catalog_language("mod:30");
  const Dfa seven = catalog_language("mod:49");
  CHECK(product(three, seven, BooleanOperation::conjunction).num_states() == 30 * 49);
  CHECK_THROWS_AS(product(three, seven, BooleanOperation::conjunction, 30 * 49 - 1), ResourceError);
  CHECK_NOTHROW(product(three, seven, BooleanOperation::conjunction, 30 * 49));
}

}  // namespace
}  // namespace krohn
