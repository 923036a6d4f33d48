// label: quick
// Minimisation against Moore's refinement written here, and the canonical numbering.
#include "krohn/automata/minimize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "corpus.hpp"

namespace krohn {
namespace {

// The coarsest partition that labels and letters respect, by repeated signatures; then a breadth-first quotient.
Dfa moore(const Dfa& dfa) {
  const std::size_t n = dfa.num_states();
  std::vector<std::size_t> block(n);
  for (State q = 0; q < n; ++q) block[q] = static_cast<std::size_t>(dfa.label(q) + 1);
  std::size_t blocks = 0;
  for (;;) {
    std::map<std::vector<std::size_t>, std::size_t> names;
    std::vector<std::size_t> refined(n);
    for (State q = 0; q < n; ++q) {
      std::vector<std::size_t> signature{block[q]};
      for (Symbol a = 0; a < dfa.num_symbols(); ++a) signature.push_back(block[dfa.next(q, a)]);
      refined[q] = names.emplace(signature, names.size()).first->second;
    }
    block = refined;
    if (names.size() == blocks) break;
    blocks = names.size();
  }
  std::map<std::size_t, State> number{{block[dfa.start()], 0}};
  std::vector<State> representatives{dfa.start()};
  std::vector<State> delta;
  std::vector<LabelId> labels;
  for (std::size_t i = 0; i < representatives.size(); ++i) {
    labels.push_back(dfa.label(representatives[i]));
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      const State to = dfa.next(representatives[i], a);
      const auto [entry, added] = number.emplace(block[to], static_cast<State>(representatives.size()));
      if (added) representatives.push_back(to);
      delta.push_back(entry->second);
    }
  }
  return Dfa(dfa.alphabet(), 0, delta, labels, dfa.label_names());
}

enum class Shape { uniform, permutations, chain, few_targets };

Dfa random_dfa(std::mt19937& random, Shape shape, std::size_t states, std::size_t symbols, int labels) {
  const auto below = [&](std::size_t bound) { return static_cast<State>(random() % bound); };
  std::vector<State> delta(states * symbols);
  for (std::size_t a = 0; a < symbols; ++a) {
    std::vector<State> images(states);
    for (State q = 0; q < states; ++q) images[q] = q;
    std::shuffle(images.begin(), images.end(), random);
    for (State q = 0; q < states; ++q) {
      State to = 0;
      switch (shape) {
        case Shape::uniform:
          to = below(states);
          break;
        case Shape::permutations:
          to = images[q];
          break;
        case Shape::chain:  // splits off one state a time: the slow case of Moore's refinement
          to = a == 0 ? static_cast<State>(std::min<std::size_t>(q + 1, states - 1)) : q;
          break;
        case Shape::few_targets:
          to = below(std::min<std::size_t>(states, 3));
          break;
      }
      delta[q * symbols + a] = to;
    }
  }
  std::vector<LabelId> of_state(states);
  for (State q = 0; q < states; ++q) {
    of_state[q] = shape == Shape::chain ? (q + 1 == states ? 1 : 0)
                                        : static_cast<LabelId>(random() % static_cast<unsigned>(labels + 1)) - 1;
  }
  std::vector<std::string> names;
  for (int i = 0; i < std::max(labels, 2); ++i) names.push_back(std::to_string(i));
  const std::string characters = "abcdefgh";
  return Dfa(Alphabet::of_characters(characters.substr(0, symbols)), below(states), delta, of_state, names);
}

TEST_CASE("minimize equals Moore's refinement on random automata") {
  std::mt19937 random(20240601);
  std::size_t merged = 0;
  for (int round = 0; round < 1500; ++round) {
    const Shape shape = static_cast<Shape>(round % 4);
    const std::size_t states = 1 + random() % (round % 10 == 0 ? 200 : 20);
    const Dfa dfa = random_dfa(random, shape, states, 1 + random() % 4, 1 + static_cast<int>(random() % 3));
    const Dfa minimal = minimize(dfa);
    CHECK(minimal == moore(dfa));
    if (minimal.num_states() < reachable_part(dfa).num_states()) ++merged;
  }
  CHECK(merged > 100);  // the comparison saw automata that are not minimal
}

TEST_CASE("both stages: automata that short words separate, and those that only long words do") {
  std::mt19937 random(23);
  for (const Shape shape : {Shape::uniform, Shape::permutations, Shape::chain}) {
    for (const std::size_t states : {100U, 1000U, 3000U}) {
      const Dfa dfa = random_dfa(random, shape, states, 2, 2);
      // Moore's refinement takes as many rounds as a chain has states.
      if (shape != Shape::chain || states <= 1000) CHECK(minimize(dfa) == moore(dfa));
      const Dfa minimal = minimize(dfa);
      CHECK(minimize(minimal) == minimal);
    }
  }
  // A chain of which every state needs a word of its own length, started at its beginning.
  const std::size_t n = 3000;
  std::vector<State> delta(n);
  for (std::size_t q = 0; q < n; ++q) delta[q] = static_cast<State>(std::min(q + 1, n - 1));
  std::vector<bool> accepting(n, false);
  accepting[n - 1] = true;
  const Dfa chain = Dfa::acceptor(Alphabet::of_characters("a"), 0, delta, accepting);
  CHECK(minimize(chain) == chain);
  // Two copies of it, reached by different letters: equivalent states far from what tells them apart from the rest.
  std::vector<State> doubled(2 * (2 * n + 1));
  std::vector<bool> ends(2 * n + 1, false);
  doubled[0] = 1;
  doubled[1] = static_cast<State>(n + 1);
  for (std::size_t q = 0; q < n; ++q) {
    for (std::size_t a = 0; a < 2; ++a) {
      doubled[2 * (1 + q) + a] = static_cast<State>(1 + std::min(q + 1, n - 1));
      doubled[2 * (1 + n + q) + a] = static_cast<State>(1 + n + std::min(q + 1, n - 1));
    }
  }
  ends[n] = ends[2 * n] = true;
  CHECK(minimize(Dfa::acceptor(Alphabet::of_characters("ab"), 0, doubled, ends)).num_states() == n + 1);
}

TEST_CASE("minimize is idempotent and does not depend on the numbering") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const Dfa dfa = random_dfa(random, Shape::uniform, 1 + random() % 30, 1 + random() % 3, 2);
    const std::size_t n = dfa.num_states();
    std::vector<State> to(n);
    for (State q = 0; q < n; ++q) to[q] = q;
    std::shuffle(to.begin(), to.end(), random);
    std::vector<State> delta(n * dfa.num_symbols());
    std::vector<LabelId> labels(n);
    for (State q = 0; q < n; ++q) {
      labels[to[q]] = dfa.label(q);
      for (Symbol a = 0; a < dfa.num_symbols(); ++a) delta[to[q] * dfa.num_symbols() + a] = to[dfa.next(q, a)];
    }
    const Dfa renumbered(dfa.alphabet(), to[dfa.start()], delta, labels, dfa.label_names());
    const Dfa minimal = minimize(dfa);
    CHECK(minimize(minimal) == minimal);
    CHECK(minimize(renumbered) == minimal);
  }
}

TEST_CASE("the corpus is minimal, and its numbering breadth first") {
  for (const corpus::Language& entry : corpus::languages()) {
    CAPTURE(entry.id);
    const Dfa minimal = minimize(entry.dfa);
    CHECK(minimal.num_states() == entry.min_states);
    CHECK(minimal == moore(entry.dfa));
  }
}

TEST_CASE("null is a label of its own, and unused label names stay") {
  const Alphabet a = Alphabet::of_characters("a");
  const Dfa dfa(a, 0, {1, 2, 0}, {0, null_label, 0}, {"x", "y"});
  CHECK(minimize(dfa).num_states() == 3);
  const Dfa constant(a, 0, {1, 2, 0}, {0, 0, 0}, {"x", "y"});
  CHECK(minimize(constant) == Dfa(a, 0, {0}, {0}, {"x", "y"}));
  const Dfa all = Dfa::acceptor(a, 1, {1, 0}, {true, true});
  CHECK(minimize(all) == Dfa::acceptor(a, 0, {0}, {true}));
  CHECK(minimize(all).is_acceptor());
}

TEST_CASE("unreachable states are dropped") {
  const Alphabet a = Alphabet::of_characters("a");
  const Dfa dfa = Dfa::acceptor(a, 2, {1, 0, 2, 1}, {true, false, true, true});
  CHECK(reachable_part(dfa) == Dfa::acceptor(a, 0, {0}, {true}));
  CHECK(minimize(dfa) == Dfa::acceptor(a, 0, {0}, {true}));
}

}  // namespace
}  // namespace krohn
