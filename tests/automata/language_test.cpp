// label: quick
// A language's facts are those of any automaton of it, and its letters are the minimal automaton's.
#include "krohn/automata/language.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "corpus.hpp"
#include "krohn/automata/minimize.hpp"

namespace {

using namespace krohn;

// The automaton twice over: every symbol changes the copy, so that no state is like in number.
Dfa doubled(const Dfa& dfa) {
  const auto n = static_cast<State>(dfa.num_states());
  std::vector<State> delta;
  std::vector<LabelId> labels;
  for (State copy = 0; copy < 2; ++copy) {
    for (State q = 0; q < n; ++q) {
      for (Symbol a = 0; a < dfa.num_symbols(); ++a) delta.push_back((1 - copy) * n + dfa.next(q, a));
      labels.push_back(dfa.label(q));
    }
  }
  return Dfa(dfa.alphabet(), n + dfa.start(), std::move(delta), std::move(labels), dfa.label_names());
}

TEST_CASE("two automata of one language are one value, and its letters are told apart by what they do") {
  for (const corpus::Language& entry : corpus::languages()) {
    CAPTURE(entry.id);
    if (entry.dfa.num_states() > 300) continue;
    const Language language = entry.dfa;
    const Language same = doubled(entry.dfa);
    CHECK(same.given_states() == 2 * entry.dfa.num_states());
    CHECK(same.minimal() == language.minimal());
    CHECK(language.minimal() == minimize(entry.dfa));
    CHECK(language.is_group() == entry.is_group);
    const Dfa& minimal = language.minimal();
    std::set<std::vector<State>> actions;
    for (Symbol a = 0; a < minimal.num_symbols(); ++a) {
      actions.insert(minimal.letter(a));
      CHECK(language.letters().images[language.letters().of_symbol[a]] == minimal.letter(a));
    }
    CHECK(actions.size() == language.letters().images.size());
    // A letter permutes where no two states have one image.
    CHECK(language.is_group() == std::all_of(actions.begin(), actions.end(), [](const std::vector<State>& images) {
            return std::set<State>(images.begin(), images.end()).size() == images.size();
          }));
  }
}

}  // namespace
