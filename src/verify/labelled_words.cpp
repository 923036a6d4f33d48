// The comparison of whole batches of words.
#include "labelled_words.hpp"

namespace krohn {

LabelledWords label_and_compare(const Machine& machine, const Specification& specification, std::span<const Word> words,
                                Device device) {
  const Trace seen = machine.run(words, {.device = device, .all_positions = true});
  LabelledWords result{std::nullopt, seen.device};
  const Dfa& automaton = specification.automaton();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::span<const std::int32_t> labels = seen.labels_of(i);
    State q = automaton.start();
    for (std::size_t t = 0; t < words[i].size(); ++t) {
      q = automaton.next(q, words[i][t]);
      if (!specification.agrees(labels[t + 1], q)) {
        result.wrong = LabelledWords::Wrong{i, t + 1};
        return result;
      }
    }
  }
  return result;
}

}  // namespace krohn
