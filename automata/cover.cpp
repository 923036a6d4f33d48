// Minimal cover automata. Words x and y, |x| <= |y|, are similar if no suffix z with |y z| <= N leads them to different
// labels. If |x| <= |y| <= |z|, then x ~ y and y ~ z give x ~ z, and x ~ y and x ~ z give y ~ z. Going through words in
// shortlex order and keeping those that are similar to none before gives words that are pairwise dissimilar: no cover
// has fewer states. An arrow leads from a kept word x under a to a kept word similar to x a and not longer. Then the
// state x behind a word w of at most N symbols has |x| <= |w| and x ~ w, by induction: x ~ w gives x a ~ w a, and the
// arrow's end y has y ~ x a and |y| <= |x a| <= |w a|, so y ~ w a. With the empty suffix: the label is right.
//
// Two states of the given automaton agree on all suffixes of at most h symbols if they are in one class of the h-th
// round of Moore's refinement (1956); the rounds end when no class splits.
#include "krohn/automata/cover.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace krohn {
namespace {

/// [rounds][states]: the class of a state by the labels behind all suffixes of at most `round` symbols; the last round
/// stands for all later ones.
std::vector<std::vector<std::uint32_t>> refinement(const Dfa& dfa, std::uint64_t length) {
  const std::size_t n = dfa.num_states();
  std::vector<std::vector<std::uint32_t>> rounds;
  std::vector<std::uint32_t> classes(n);
  std::size_t count = 0;
  {
    std::unordered_map<LabelId, std::uint32_t> number;
    for (State q = 0; q < n; ++q) {
      classes[q] = number.emplace(dfa.label(q), static_cast<std::uint32_t>(number.size())).first->second;
    }
    count = number.size();
  }
  rounds.push_back(classes);
  std::u32string key;
  while (rounds.size() <= length) {
    const std::vector<std::uint32_t>& before = rounds.back();
    std::unordered_map<std::u32string, std::uint32_t> number;
    for (State q = 0; q < n; ++q) {
      key.assign(1, static_cast<char32_t>(rounds.front()[q]));
      for (Symbol a = 0; a < dfa.num_symbols(); ++a) key.push_back(static_cast<char32_t>(before[dfa.next(q, a)]));
      classes[q] = number.emplace(key, static_cast<std::uint32_t>(number.size())).first->second;
    }
    // Every round refines the one before: as many classes are the same classes.
    if (number.size() == count) break;
    count = number.size();
    rounds.push_back(classes);
  }
  return rounds;
}

}  // namespace

Cover minimal_cover(const Dfa& dfa, std::uint64_t length) {
  const std::vector<std::vector<std::uint32_t>> rounds = refinement(dfa, length);
  const auto agree = [&](State p, State q, std::uint64_t height) {
    const auto& classes = rounds[std::min<std::uint64_t>(height, rounds.size() - 1)];
    return classes[p] == classes[q];
  };
  // How many rounds do not tell the two apart.
  const auto agreement = [&](State p, State q) {
    std::size_t low = 0;
    std::size_t high = rounds.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (rounds[middle][p] == rounds[middle][q]) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };

  std::vector<State> states{dfa.start()};
  std::vector<Word> words{Word{}};
  std::vector<State> delta;
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      const State to = dfa.next(states[i], a);
      const std::uint64_t read = words[i].size() + 1;
      std::optional<State> best;
      std::size_t best_agreement = 0;
      for (std::size_t j = 0; j < states.size(); ++j) {
        if (read <= length && !agree(states[j], to, length - read)) continue;
        const std::size_t rounds_equal = agreement(states[j], to);
        if (!best || rounds_equal > best_agreement) {
          best = static_cast<State>(j);
          best_agreement = rounds_equal;
        }
      }
      if (!best) {
        best = static_cast<State>(states.size());
        Word word = words[i];
        word.push_back(a);
        states.push_back(to);
        words.push_back(std::move(word));
      }
      delta.push_back(*best);
    }
  }

  std::vector<LabelId> labels;
  for (const State q : states) labels.push_back(dfa.label(q));
  std::vector<Word> suffixes;
  for (std::size_t j = 1; j < states.size(); ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      State p = states[i];
      State q = states[j];
      Word suffix;
      // Apart in round h, so after some symbol in round h - 1.
      for (std::size_t height = agreement(p, q); height > 0; --height) {
        Symbol a = 0;
        while (rounds[height - 1][dfa.next(p, a)] == rounds[height - 1][dfa.next(q, a)]) ++a;
        suffix.push_back(a);
        p = dfa.next(p, a);
        q = dfa.next(q, a);
      }
      suffixes.push_back(std::move(suffix));
    }
  }
  return {Dfa(dfa.alphabet(), 0, std::move(delta), std::move(labels), dfa.label_names()), length, std::move(words),
          std::move(suffixes)};
}

}  // namespace krohn
