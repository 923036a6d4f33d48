// label: quick
// The action found carries the state (h_q well defined, pairwise distinct) and has the known least degree.
#include "krohn/automata/group_action.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "krohn/automata/transformation.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using Permutation = std::vector<std::uint32_t>;

// Words act left to right: (p then q)[x] = q[p[x]].
Permutation then(const Permutation& p, const Permutation& q) {
  Permutation result(p.size());
  for (std::size_t x = 0; x < p.size(); ++x) result[x] = q[p[x]];
  return result;
}

std::set<Permutation> closure(const std::vector<Permutation>& generators) {
  Permutation identity(generators[0].size());
  std::iota(identity.begin(), identity.end(), 0U);
  std::set<Permutation> elements = {identity};
  std::vector<Permutation> queue = {identity};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const Permutation& g : generators) {
      Permutation product = then(queue[i], g);
      if (elements.insert(product).second) queue.push_back(std::move(product));
    }
  }
  return elements;
}

Alphabet numbered(std::size_t size) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < size; ++i) names.push_back(std::to_string(i));
  return Alphabet(std::move(names));
}

// The word problem of the group: a state for each element, letters as given, the identity first in lexicographic order.
Dfa word_problem(const std::vector<Permutation>& generators, bool all_elements) {
  const std::set<Permutation> elements = closure(generators);
  std::map<Permutation, State> number;
  for (const Permutation& g : elements) number.emplace(g, static_cast<State>(number.size()));
  const std::vector<Permutation> letters =
      all_elements ? std::vector<Permutation>(elements.begin(), elements.end()) : generators;
  std::vector<State> delta;
  for (const Permutation& g : elements) {
    for (const Permutation& letter : letters) delta.push_back(number.at(then(g, letter)));
  }
  std::vector<bool> accepting(elements.size(), false);
  accepting[0] = true;
  return Dfa::acceptor(numbered(letters.size()), 0, std::move(delta), accepting);
}

// The action on points, start 0.
Dfa natural(const std::vector<Permutation>& letters) {
  std::vector<State> delta;
  for (State q = 0; q < letters[0].size(); ++q) {
    for (const Permutation& letter : letters) delta.push_back(letter[q]);
  }
  std::vector<bool> accepting(letters[0].size(), false);
  accepting[0] = true;
  return Dfa::acceptor(numbered(letters.size()), 0, std::move(delta), accepting);
}

std::vector<Permutation> cyclic(std::uint32_t m) {
  Permutation p(m);
  for (std::uint32_t i = 0; i < m; ++i) p[i] = (i + 1) % m;
  return {p};
}

std::vector<Permutation> symmetric(std::uint32_t n) {
  Permutation swap(n);
  std::iota(swap.begin(), swap.end(), 0U);
  std::swap(swap[0], swap[1]);
  return {swap, cyclic(n)[0]};
}

std::vector<Permutation> alternating(std::uint32_t n) {
  std::vector<Permutation> generators;
  for (std::uint32_t i = 2; i < n; ++i) {
    Permutation p(n);
    std::iota(p.begin(), p.end(), 0U);
    p[0] = 1, p[1] = i, p[i] = 0;
    generators.push_back(p);
  }
  return generators;
}

// Every claim of the header, by definition.
void check_action(const Dfa& dfa, const GroupAction& action) {
  const std::size_t k = action.degree;
  REQUIRE(action.letter_of_symbol.size() == dfa.num_symbols());
  REQUIRE(action.state_colours.size() == dfa.num_states() * k);
  CHECK(std::accumulate(action.block_counts.begin(), action.block_counts.end(), std::size_t{0}) == k);
  const auto start = action.state_colour(dfa.start());
  CHECK(Permutation(start.begin(), start.end()) == action.colour);
  std::set<Permutation> distinct;
  std::size_t wrong = 0;
  for (State q = 0; q < dfa.num_states(); ++q) {
    const auto before = action.state_colour(q);
    distinct.insert(Permutation(before.begin(), before.end()));
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      const Permutation& points = action.letters[action.letter_of_symbol[a]];
      const auto after = action.state_colour(dfa.next(q, a));
      for (std::size_t p = 0; p < k; ++p) wrong += after[points[p]] != before[p] ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
  CHECK(distinct.size() == dfa.num_states());
  std::set<Permutation> letters;
  std::size_t reflections = 0;
  for (const Permutation& letter : action.letters) {
    letters.insert(letter);
    reflections = std::max(reflections, k - cycle_count(letter));
  }
  CHECK(letters.size() == action.letters.size());
  CHECK(reflections == action.max_reflections);
}

std::vector<std::size_t> sorted(std::vector<std::size_t> counts) {
  std::sort(counts.begin(), counts.end());
  return counts;
}

using Counts = std::vector<std::size_t>;

TEST_CASE("S_5 on all 120 letters: five points coloured 1 to 5, at most four reflections") {
  const Dfa dfa = word_problem(symmetric(5), true);
  const GroupAction action = find_action(dfa);
  check_action(dfa, action);
  CHECK(action.degree == 5);
  Permutation colours = action.colour;
  std::sort(colours.begin(), colours.end());
  CHECK(colours == Permutation{1, 2, 3, 4, 5});
  CHECK(action.max_reflections == 4);
}

TEST_CASE("the least degree of a faithful action of known groups") {
  const auto counts = [](const std::vector<Permutation>& generators, bool all) {
    const Dfa dfa = word_problem(generators, all);
    const GroupAction action = find_action(dfa);
    check_action(dfa, action);
    return sorted(action.block_counts);
  };
  CHECK(counts(cyclic(2), false) == Counts{2});
  CHECK(counts(cyclic(3), false) == Counts{3});
  CHECK(counts(cyclic(6), false) == Counts{2, 3});
  CHECK(counts(cyclic(8), false) == Counts{8});
  CHECK(counts(cyclic(60), false) == Counts{3, 4, 5});
  CHECK(counts(alternating(4), true) == Counts{4});
  CHECK(counts(symmetric(4), true) == Counts{4});
  CHECK(counts(alternating(5), true) == Counts{5});
  CHECK(counts(alternating(5), false) == Counts{5});
  // Z_2 x Z_2: two copies of two points; the quaternions have no smaller action than the regular one.
  CHECK(counts({{1, 0, 2, 3}, {0, 1, 3, 2}}, false) == Counts{2, 2});
  CHECK(counts({{1, 2, 3, 0, 5, 6, 7, 4}, {4, 7, 6, 5, 2, 1, 0, 3}}, false) == Counts{8});
  // The dihedral group of the hexagon is S_3 x Z_2: 3 + 2 points rather than 6.
  CHECK(counts({{1, 2, 3, 4, 5, 0}, {0, 5, 4, 3, 2, 1}}, false) == Counts{2, 3});
}

TEST_CASE("a natural action is left as it is, one point marked") {
  const std::vector<Permutation> generators = symmetric(5);
  const std::set<Permutation> all = closure(generators);
  for (const Dfa& dfa : {natural(generators), natural(std::vector<Permutation>(all.begin(), all.end()))}) {
    const GroupAction action = find_action(dfa);
    check_action(dfa, action);
    CHECK(action.degree == 5);
    CHECK(action.colour == Permutation{1, 0, 0, 0, 0});
  }
}

TEST_CASE("an intermediate action: cosets of a subgroup that is not normal, start not state 0") {
  // S_4 on the 12 ordered pairs of points; four points with the first and the second of the pair marked carry it.
  std::map<std::pair<std::uint32_t, std::uint32_t>, State> number;
  for (std::uint32_t x = 0; x < 4; ++x) {
    for (std::uint32_t y = 0; y < 4; ++y) {
      if (x != y) number.emplace(std::pair(x, y), static_cast<State>(number.size()));
    }
  }
  std::vector<State> delta;
  for (const auto& [pair, state] : number) {
    for (const Permutation& g : symmetric(4)) delta.push_back(number.at({g[pair.first], g[pair.second]}));
  }
  std::vector<bool> accepting(12, false);
  accepting[5] = true;
  const Dfa dfa = Dfa::acceptor(numbered(2), 7, delta, accepting);
  const GroupAction action = find_action(dfa);
  check_action(dfa, action);
  CHECK(action.degree == 4);
}

TEST_CASE("one state, letters that act alike, and automata that are refused") {
  const Dfa one = Dfa::acceptor(numbered(2), 0, {0, 0}, {true});
  const GroupAction action = find_action(one);
  check_action(one, action);
  CHECK(action.degree == 1);
  CHECK(action.letter_of_symbol == Permutation{0, 0});
  const Dfa alike = Dfa::acceptor(numbered(3), 0, {1, 0, 1, 0, 1, 0}, {true, false});
  CHECK(find_action(alike).letter_of_symbol == Permutation{0, 1, 0});
  const Dfa merging = Dfa::acceptor(numbered(1), 0, {1, 1}, {true, false});
  CHECK_FALSE(distinct_letters(merging).permute);
  CHECK_THROWS_AS(find_action(merging), InputError);
  const Dfa unreachable = Dfa::acceptor(numbered(1), 0, {0, 1}, {true, false});
  CHECK_THROWS_AS(find_action(unreachable), InputError);
}

}  // namespace
}  // namespace krohn
