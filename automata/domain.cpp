// Both walk the automaton by levels: the states that the words of one length reach.
// Tested by tests/checkpoints/open_model_test.cpp.
#include "krohn/automata/domain.hpp"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {

std::string domain_in_words(const Dfa& language, std::uint64_t min_length) {
  std::set<State> seen = {language.start()};
  for (std::uint64_t length = 0; length < min_length; ++length) {
    std::set<State> next;
    for (const State state : seen) {
      for (Symbol a = 0; a < language.num_symbols(); ++a) next.insert(language.next(state, a));
    }
    seen = std::move(next);
  }
  std::vector<State> pending(seen.begin(), seen.end());
  bool null_reached = false;
  bool label_reached = false;
  while (!pending.empty()) {
    const State q = pending.back();
    pending.pop_back();
    null_reached = null_reached || language.label(q) == null_label;
    label_reached = label_reached || language.label(q) != null_label;
    for (Symbol a = 0; a < language.num_symbols(); ++a) {
      if (seen.insert(language.next(q, a)).second) pending.push_back(language.next(q, a));
    }
  }
  if (!label_reached) return "no words: the language's labels are all null";
  const std::string words = min_length == 0 ? "words" : "words of length at least " + std::to_string(min_length);
  return null_reached ? "the " + words + " whose label in the language is not null" : "all " + words;
}

Dfa without_short_words(const Dfa& language, std::uint64_t min_length) {
  if (min_length == 0) return language;
  // Level l holds the states that some word of length l < min_length reaches; the last level is the automaton itself.
  std::vector<State> delta(language.delta().begin(), language.delta().end());
  std::vector<LabelId> labels(language.labels().begin(), language.labels().end());
  const std::size_t symbols = language.num_symbols();
  std::map<State, State> level = {{language.start(), static_cast<State>(labels.size())}};
  const auto start = static_cast<State>(labels.size());
  labels.push_back(null_label);
  delta.resize(labels.size() * symbols);
  for (std::uint64_t length = 0; length < min_length; ++length) {
    const bool last = length + 1 == min_length;
    std::map<State, State> next;
    for (const auto& [state, copy] : level) {
      for (Symbol a = 0; a < symbols; ++a) {
        const State target = language.next(state, a);
        if (last) {
          delta[copy * symbols + a] = target;
          continue;
        }
        const auto [at, added] = next.emplace(target, static_cast<State>(labels.size()));
        if (added) {
          if (labels.size() > 10'000'000) {
            throw ResourceError("min_length " + std::to_string(min_length) +
                                ": the automaton without the short words exceeds 10000000 states");
          }
          labels.push_back(null_label);
          delta.resize(labels.size() * symbols);
        }
        delta[copy * symbols + a] = at->second;
      }
    }
    level = std::move(next);
  }
  return Dfa(language.alphabet(), start, std::move(delta), std::move(labels), language.label_names());
}

}  // namespace krohn
