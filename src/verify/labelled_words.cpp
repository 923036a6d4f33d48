// The comparison of whole batches of words.
#include "labelled_words.hpp"

#include <vector>

#include "krohn/engine/learned.hpp"

namespace krohn {

LabelledWords label_and_compare(const Recognizer::Learned& learned, const Specification& specification,
                                std::span<const Word> words, Device device) {
  std::vector<Tokens> tokens;
  for (const Word& word : words) tokens.push_back(tokens_of(*learned.task, word));
  const LearnedLabels seen = label_words(*learned.model, *learned.task, tokens, {0, device, 0});
  LabelledWords result{std::nullopt, seen.device};
  const std::size_t lead = learned.task->first_token ? 1 : 0;
  const Dfa& automaton = specification.automaton();
  for (std::size_t i = 0; i < words.size(); ++i) {
    State q = automaton.start();
    for (std::size_t t = 0; t < words[i].size(); ++t) {
      q = automaton.next(q, words[i][t]);
      if (!specification.agrees(seen.labels[i][t + lead], q)) {
        result.wrong = LabelledWords::Wrong{i, t + 1};
        return result;
      }
    }
  }
  return result;
}

}  // namespace krohn
