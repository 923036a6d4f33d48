// Draws words from a declared distribution. The number of words is fixed beforehand, so that the Clopper-Pearson bound
// holds; a sample that was cut short claims nothing. Labels are compared at every position, so a word counts as wrong
// if any of its prefixes does. Refuses an empty design.
#include "krohn/verify/sample.hpp"

#include <boost/math/special_functions/beta.hpp>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t golden = 0x9E3779B97F4A7C15U;

std::uint64_t draw_below(SplitMix64& random, std::uint64_t n) {
  return static_cast<std::uint64_t>((static_cast<Wide>(random.next()) * n) >> 64U);
}

}  // namespace

double clopper_pearson_upper(std::uint64_t failures, std::uint64_t trials, double confidence) {
  if (failures >= trials) return 1.0;
  return boost::math::ibeta_inv(static_cast<double>(failures) + 1.0, static_cast<double>(trials - failures),
                                confidence);
}

Sample sample(const Recognizer& model, const Specification& specification, const SampleDesign& design,
              const Budget& budget) {
  if (design.words == 0 || design.max_length == 0) throw InputError("sample: expected words and a length, got none");
  Sample result{.design = design, .disagreement = std::nullopt, .bound = std::nullopt};
  const Dfa& automaton = specification.automaton();
  std::vector<std::byte> state(model.state_size());
  for (; result.drawn < design.words; ++result.drawn) {
    SplitMix64 random(design.seed + result.drawn * golden);
    const std::uint64_t length = 1 + draw_below(random, design.max_length);
    Word word;
    Observation observation = model.initial(state);
    State q = automaton.start();
    bool labelled = automaton.label(q) != null_label;
    while (specification.agrees(observation.label, q) && word.size() < length) {
      if (result.steps % 64 == 0 && (budget.interrupted() || budget.out_of_time())) {
        result.limit = budget.interrupted() ? Limit::interrupt : Limit::time;
        return result;
      }
      word.push_back(static_cast<Symbol>(draw_below(random, automaton.num_symbols())));
      observation = model.step(state, word.back());
      q = automaton.next(q, word.back());
      labelled = labelled || automaton.label(q) != null_label;
      ++result.steps;
    }
    result.labelled += labelled ? 1 : 0;
    if (!specification.agrees(observation.label, q)) {
      result.disagreement = std::move(word);
      return result;
    }
  }
  if (result.labelled > 0) result.bound = clopper_pearson_upper(0, design.words, design.confidence);
  return result;
}

}  // namespace krohn
