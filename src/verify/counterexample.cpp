// Confirms and shortens counterexamples. Every word that leaves this file was run from the empty state on the CPU
// reference, and differs at its last position and at none before it. Shortening is by deletion of chunks of halving
// length (Zeller and Hildebrandt's delta debugging): 1-minimal when it ends by itself, and not claimed to be shortest.
#include "krohn/verify/counterexample.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {

std::optional<Counterexample> confirm(const Recognizer& model, const Specification& specification,
                                      std::span<const Symbol> word) {
  std::vector<std::byte> state(model.state_size());
  Observation observation = model.initial(state);
  State q = specification.automaton().start();
  std::size_t position = 0;
  while (specification.agrees(observation.label, q)) {
    if (position == word.size()) return std::nullopt;
    observation = model.step(state, word[position]);
    q = specification.automaton().next(q, word[position]);
    ++position;
  }
  return Counterexample{.word = Word(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(position)),
                        .shortest = false,
                        .expected = specification.expected(q),
                        .observed = specification.observed(observation.label),
                        .margin = observation.margin,
                        .position = position};
}

Counterexample minimise(const Recognizer& model, const Specification& specification, Counterexample counterexample,
                        std::uint64_t steps, const Budget& budget) {
  std::size_t chunk = counterexample.word.size() / 2;
  while (chunk >= 1) {
    bool shortened = false;
    for (std::size_t at = 0; at < counterexample.word.size();) {
      const std::size_t length = counterexample.word.size();
      if (steps < length || budget.interrupted() || budget.out_of_time()) return counterexample;
      Word shorter(counterexample.word.begin(), counterexample.word.begin() + static_cast<std::ptrdiff_t>(at));
      shorter.insert(shorter.end(),
                     counterexample.word.begin() + static_cast<std::ptrdiff_t>(std::min(at + chunk, length)),
                     counterexample.word.end());
      steps -= shorter.size();
      std::optional<Counterexample> found;
      try {
        found = confirm(model, specification, shorter);
      } catch (const NumericError&) {
        // A shorter word that ends in NaN is no counterexample; the longer one stands.
      }
      if (found) {
        counterexample = *std::move(found);
        shortened = true;
      } else {
        at += chunk;
      }
    }
    if (!shortened || chunk > 1) chunk /= 2;
  }
  return counterexample;
}

}  // namespace krohn
