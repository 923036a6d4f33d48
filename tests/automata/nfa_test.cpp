// label: quick
// The subset construction against a direct simulation of the nondeterministic automaton, for the rows of bits and for
// the sorted lists.
#include "krohn/automata/nfa.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "krohn/automata/minimize.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

void close(const Nfa& nfa, std::set<State>& states) {
  for (bool grown = true; grown;) {
    grown = false;
    for (const NfaTransition& t : nfa.transitions()) {
      if (t.symbol == epsilon && states.contains(t.from) && states.insert(t.to).second) grown = true;
    }
  }
}

bool accepts(const Nfa& nfa, const Word& word) {
  std::set<State> states(nfa.starts().begin(), nfa.starts().end());
  close(nfa, states);
  for (const Symbol a : word) {
    std::set<State> next;
    for (const NfaTransition& t : nfa.transitions()) {
      if (t.symbol == a && states.contains(t.from)) next.insert(t.to);
    }
    close(nfa, next);
    states = std::move(next);
  }
  for (const State q : states) {
    if (nfa.accepting(q)) return true;
  }
  return false;
}

Nfa random_nfa(std::mt19937& random, std::size_t max_states, std::size_t symbols) {
  const std::size_t n = 1 + random() % max_states;
  std::vector<NfaTransition> transitions;
  const std::size_t count = random() % (3 * n + 1);
  for (std::size_t i = 0; i < count; ++i) {
    const bool silent = random() % 4 == 0;
    transitions.push_back({static_cast<State>(random() % n), silent ? epsilon : static_cast<Symbol>(random() % symbols),
                           static_cast<State>(random() % n)});
  }
  std::vector<State> starts;
  for (std::size_t i = random() % 3; i > 0; --i) starts.push_back(static_cast<State>(random() % n));
  std::vector<bool> accepting(n);
  for (std::size_t q = 0; q < n; ++q) accepting[q] = random() % 3 == 0;
  return Nfa(Alphabet::of_characters(std::string("abc").substr(0, symbols)), starts, transitions, accepting);
}

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

TEST_CASE("determinize accepts what some path accepts") {
  std::mt19937 random(17);
  const std::vector<Word> words = words_up_to(2, 7);
  std::size_t accepted = 0;
  for (int round = 0; round < 300; ++round) {
    const Nfa nfa = random_nfa(random, 8, 2);
    const Dfa dfa = determinize(nfa);
    CHECK(reachable_part(dfa) == dfa);
    std::size_t wrong = 0;
    for (const Word& word : words) {
      const bool expected = accepts(nfa, word);
      if (dfa.accepts_at(dfa.next(dfa.start(), word)) != expected) ++wrong;
      accepted += expected ? 1 : 0;
    }
    CHECK(wrong == 0);
  }
  CHECK(accepted > 1000);
}

TEST_CASE("large automata (sorted lists) agree with small ones (rows of bits) on the same language") {
  std::mt19937 random(19);
  for (int round = 0; round < 20; ++round) {
    const Nfa nfa = random_nfa(random, 10, 2);
    // The same language with many useless copies: states that start nothing and are never reached.
    std::vector<NfaTransition> transitions(nfa.transitions().begin(), nfa.transitions().end());
    const std::size_t n = nfa.num_states();
    const std::size_t padded = 20000;
    for (std::size_t q = n; q < padded; ++q) transitions.push_back({static_cast<State>(q), 0, static_cast<State>(q)});
    std::vector<bool> accepting(padded, true);
    for (std::size_t q = 0; q < n; ++q) accepting[q] = nfa.accepting(static_cast<State>(q));
    const Nfa large(nfa.alphabet(), {nfa.starts().begin(), nfa.starts().end()}, transitions, accepting);
    CHECK(determinize(large) == determinize(nfa));
  }
}

TEST_CASE("the n-th letter from the end needs 2^n states, and the cap is kept") {
  for (std::size_t n = 1; n <= 10; ++n) {
    std::vector<NfaTransition> transitions{{0, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (State q = 1; q < n; ++q) {
      transitions.push_back({q, 0, q + 1});
      transitions.push_back({q, 1, q + 1});
    }
    std::vector<bool> accepting(n + 1, false);
    accepting[n] = true;
    const Nfa nfa(Alphabet::of_characters("ab"), {0}, transitions, accepting);
    const std::size_t count = std::size_t{1} << n;
    CHECK(determinize(nfa).num_states() == count);
    CHECK(minimize(determinize(nfa)).num_states() == count);
    CHECK_NOTHROW(determinize(nfa, count));
    CHECK_THROWS_AS(determinize(nfa, count - 1), ResourceError);
  }
}

TEST_CASE("no states, no starts, and what is refused") {
  const Alphabet ab = Alphabet::of_characters("ab");
  const Dfa nothing = parse_regex("[^ab]", ab);
  CHECK(minimize(determinize(Nfa(ab, {}, {}, {}))) == nothing);
  CHECK(minimize(determinize(Nfa(ab, {}, {{0, 0, 0}}, {true}))) == nothing);
  CHECK(minimize(determinize(Nfa(ab, {0}, {{0, epsilon, 0}}, {true}))) == parse_regex("", ab));
  CHECK_THROWS_AS(Nfa(ab, {1}, {}, {true}), InputError);
  CHECK_THROWS_AS(Nfa(ab, {0}, {{0, 2, 0}}, {true}), InputError);
  CHECK_THROWS_AS(Nfa(ab, {0}, {{0, 0, 1}}, {true}), InputError);
  CHECK_THROWS_AS(Nfa(ab, {0}, {{1, 0, 0}}, {true}), InputError);
}

}  // namespace
}  // namespace krohn
