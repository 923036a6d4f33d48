// The comparison of whole batches of words.
#include "labelled_words.hpp"

#include <vector>

#include "krohn/error.hpp"

namespace krohn {
namespace {

/// The first position behind which the label of `word` is wrong, or nothing; label_at(t) is the model's after t + 1
/// symbols.
template <class LabelAt>
std::optional<std::size_t> first_wrong(const Specification& specification, const Word& word, const LabelAt& label_at) {
  State q = specification.automaton().start();
  for (std::size_t t = 0; t < word.size(); ++t) {
    q = specification.automaton().next(q, word[t]);
    if (!specification.agrees(label_at(t), q)) return t + 1;
  }
  return std::nullopt;
}

struct OverBudget {};

}  // namespace

LabelledWords label_and_compare(const Machine& machine, const Specification& specification, std::span<const Word> words,
                                Device device, const Budget& budget, NotFinite not_finite) {
  LabelledWords result;
  // True if the word is right.
  const auto compare = [&](const auto& label_at) {
    const auto length = first_wrong(specification, words[result.right], label_at);
    if (length) result.wrong = LabelledWords::Wrong{result.right, *length};
    return !length;
  };
  try {
    const Trace seen = machine.run(words, {.device = device, .all_positions = true});
    result.device = seen.device;
    while (result.right < words.size()) {
      const std::span<const std::int32_t> labels = seen.labels_of(result.right);
      if (!compare([&](std::size_t t) { return labels[t + 1]; })) return result;
      ++result.right;
    }
    return result;
  } catch (const NumericError&) {
    // One after the other, then.
  }
  result.device = "cpu";
  std::vector<std::byte> state(machine.state_size());
  while (result.right < words.size()) {
    try {
      machine.initial(state);
      const bool right = compare([&](std::size_t t) {
        if (t % 64 == 0 && (budget.interrupted() || budget.out_of_time())) throw OverBudget{};
        return machine.step(state, words[result.right][t]).label;
      });
      if (!right) return result;
    } catch (const NumericError&) {
      if (not_finite == NotFinite::raise) throw;
    } catch (const OverBudget&) {
      return result;
    }
    ++result.right;
  }
  return result;
}

}  // namespace krohn
