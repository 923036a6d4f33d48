// label: quick
// The subset construction against a direct simulation of the nondeterministic automaton, for the rows of bits and for
// the sorted lists.
#include "krohn/automata/nfa.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
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

// Words with an a and n letters other than c behind it: .*a[^c]{n}.* over a, b, c.
Nfa filter(std::size_t n) {
  std::vector<NfaTransition> transitions{{0, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 0, 1}};
  for (State q = 1; q <= n; ++q) {
    transitions.push_back({q, 0, q + 1});
    transitions.push_back({q, 1, q + 1});
  }
  const auto last = static_cast<State>(n + 1);
  for (Symbol a = 0; a < 3; ++a) transitions.push_back({last, a, last});
  std::vector<bool> accepting(n + 2, false);
  accepting[last] = true;
  return Nfa(Alphabet::of_characters("abc"), {0}, transitions, accepting);
}

TEST_CASE("a filter of n + 2 states makes n + 2 sets, not 2^n") {
  for (const std::size_t n : {std::size_t{12}, std::size_t{26}, std::size_t{100}, std::size_t{500}}) {
    const MinimalDfa minimal = minimal_dfa(filter(n));
    CHECK(minimal.num_sets == n + 2);
    CHECK(minimal.dfa.num_states() == n + 2);
    // The number of letters since the oldest a behind the last c decides.
    std::mt19937 random(static_cast<unsigned>(n));
    std::size_t accepted = 0;
    for (int round = 0; round < 200; ++round) {
      std::optional<std::size_t> since;
      bool expected = false;
      State q = minimal.dfa.start();
      for (std::size_t i = 0; i < 3 * n; ++i) {
        const Symbol a = random() % (2 * n) == 0 ? 2 : static_cast<Symbol>(random() % 2);
        since = a == 2   ? std::nullopt
                : since  ? std::optional(*since + 1)
                : a == 0 ? std::optional<std::size_t>(0)
                         : since;
        expected = expected || since >= std::optional(n);
        q = minimal.dfa.next(q, a);
        if (minimal.dfa.accepts_at(q) != expected) FAIL("another answer");
      }
      accepted += expected ? 1 : 0;
    }
    CHECK(accepted > 10);
    CHECK(accepted < 200);
  }
}

TEST_CASE("smaller sets keep the language: random automata of thousands of sets, with and without simulations") {
  std::mt19937 random(23);
  std::size_t smaller = 0;
  for (int round = 0; round < 30; ++round) {
    // A letter 13 or 14 from the end, beside a filter: more than 4096 sets, of which the filter's shrink.
    const std::size_t depth = 13 + random() % 2;
    const std::size_t n = 8 + random() % 8;
    const Nfa part = filter(n);
    std::vector<NfaTransition> transitions(part.transitions().begin(), part.transitions().end());
    const auto base = static_cast<State>(part.num_states());
    for (Symbol a = 0; a < 3; ++a) transitions.push_back({base, a, base});
    transitions.push_back({base, static_cast<Symbol>(random() % 3), base + 1});
    for (State q = 1; q < depth; ++q) {
      for (Symbol a = 0; a < 3; ++a) {
        if (random() % 4 != 0) transitions.push_back({base + q, a, base + q + 1});
      }
    }
    const std::size_t states = base + depth + 1;
    for (int i = 0; i < 2; ++i) {
      transitions.push_back({static_cast<State>(random() % states), random() % 2 == 0 ? epsilon : Symbol{1},
                             static_cast<State>(random() % states)});
    }
    std::vector<bool> accepting(states, false);
    accepting[base - 1] = true;
    accepting[states - 1] = true;
    const Nfa nfa(part.alphabet(), {0, base}, transitions, accepting);
    const MinimalDfa minimal = minimal_dfa(nfa);
    CHECK(minimal.dfa == minimize(determinize(nfa)));
    if (minimal.num_sets > 4096 || minimal.dfa.num_states() < minimal.num_sets) ++smaller;
    std::size_t wrong = 0;
    for (int i = 0; i < 300; ++i) {
      Word word(random() % 40);
      for (Symbol& a : word) a = random() % 8 == 0 ? 2 : static_cast<Symbol>(random() % 2);
      if (minimal.dfa.accepts_at(minimal.dfa.next(minimal.dfa.start(), word)) != accepts(nfa, word)) ++wrong;
    }
    CHECK(wrong == 0);
  }
  CHECK(smaller > 10);
}

TEST_CASE("sorted lists leave out simulated states as rows of bits do") {
  const Nfa small = filter(30);
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) names.push_back(std::to_string(i));
  std::vector<NfaTransition> transitions(small.transitions().begin(), small.transitions().end());
  const std::size_t padded = 6000;
  for (std::size_t q = small.num_states(); q < padded; ++q) {
    transitions.push_back({static_cast<State>(q), static_cast<Symbol>(3 + q % 17), static_cast<State>(q)});
  }
  std::vector<bool> accepting(padded, false);
  for (State q = 0; q < small.num_states(); ++q) accepting[q] = small.accepting(q);
  const MinimalDfa minimal = minimal_dfa(Nfa(Alphabet(names), {0}, transitions, accepting));
  CHECK(minimal.num_sets == 33);  // with the sink, for the letters that lead nowhere
}

TEST_CASE("letters that act alike are one class, and come out each by itself") {
  std::mt19937 random(29);
  for (int round = 0; round < 200; ++round) {
    const Nfa nfa = random_nfa(random, 7, 2);
    // Four letters for two: which stands for which is drawn.
    std::vector<Symbol> stands_for(4);
    for (Symbol& a : stands_for) a = static_cast<Symbol>(random() % 2);
    std::vector<NfaTransition> transitions;
    for (const NfaTransition& t : nfa.transitions()) {
      if (t.symbol == epsilon) transitions.push_back(t);
      for (Symbol a = 0; a < 4; ++a) {
        if (t.symbol == stands_for[a]) transitions.push_back({t.from, a, t.to});
      }
    }
    std::shuffle(transitions.begin(), transitions.end(), random);
    std::vector<bool> accepting;
    for (State q = 0; q < nfa.num_states(); ++q) accepting.push_back(nfa.accepting(q));
    const Nfa wide(Alphabet::of_characters("abcd"), {nfa.starts().begin(), nfa.starts().end()}, transitions, accepting);
    const MinimalDfa minimal = minimal_dfa(wide);
    CHECK(minimal.dfa == minimize(determinize(wide)));
    for (const Word& word : words_up_to(4, 4)) {
      Word narrow;
      for (const Symbol a : word) narrow.push_back(stands_for[a]);
      if (minimal.dfa.accepts_at(minimal.dfa.next(minimal.dfa.start(), word)) != accepts(nfa, narrow)) FAIL("differs");
    }
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
