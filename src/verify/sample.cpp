// Draws words from a declared distribution. The number of words is fixed beforehand, so that the Clopper-Pearson bound
// holds; a sample that was cut short claims nothing. Labels are compared at every position, so a word counts as wrong
// if any of its prefixes does. Refuses an empty design. Tested by tests/verify/check_test.cpp.
#include "krohn/verify/sample.hpp"

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <chrono>
#include <vector>

#include "joint_run.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "labelled_words.hpp"

namespace krohn {
namespace {

__extension__ using Wide = unsigned __int128;

std::uint64_t draw_below(SplitMix64& random, std::uint64_t n) {
  return static_cast<std::uint64_t>((static_cast<Wide>(random.next()) * n) >> 64U);
}

}  // namespace

double clopper_pearson_upper(std::uint64_t failures, std::uint64_t trials, double confidence) {
  if (failures >= trials) return 1.0;
  return boost::math::ibeta_inv(static_cast<double>(failures) + 1.0, static_cast<double>(trials - failures),
                                confidence);
}

namespace {

struct Draw {
  SplitMix64 random;
  std::uint64_t length;
};
Draw draw_word(const SampleDesign& design, std::uint64_t index) {
  SplitMix64 random(design.seed + index * SplitMix64::increment);
  const std::uint64_t length = 1 + draw_below(random, design.max_length);
  return {random, length};
}

bool over(const Budget& budget, Sample& result) {
  if (!budget.interrupted() && !budget.out_of_time()) return false;
  result.limit = budget.interrupted() ? Limit::interrupt : Limit::time;
  return true;
}

/// Whether the language says something of the word or of a beginning of it.
bool meets_label(const Dfa& automaton, const Word& word) {
  State q = automaton.start();
  bool labelled = automaton.label(q) != null_label;
  for (std::size_t i = 0; i < word.size() && !labelled; ++i) {
    q = automaton.next(q, word[i]);
    labelled = automaton.label(q) != null_label;
  }
  return labelled;
}

void run_words(const Machine& model, const Specification& specification, const Budget& budget, Device device,
               Sample& result) {
  using Clock = std::chrono::steady_clock;
  constexpr std::uint64_t first_batch = 64;
  constexpr std::uint64_t batch_tokens = std::uint64_t{1} << 22U;
  const SampleDesign& design = result.design;
  const Dfa& automaton = specification.automaton();
  if (JointRun(model, specification).wrong()) {
    result.disagreement = Word{};
    return;
  }
  GrowingBatch batch(first_batch, std::max<std::uint64_t>(1, batch_tokens / design.max_length));
  while (result.drawn < design.words) {
    if (over(budget, result)) return;
    const auto start = Clock::now();
    std::vector<Word> words;
    for (std::uint64_t i = result.drawn; i < std::min<std::uint64_t>(design.words, result.drawn + batch.size()); ++i) {
      auto [random, length] = draw_word(design, i);
      Word& word = words.emplace_back();
      for (std::uint64_t t = 0; t < length; ++t) {
        word.push_back(static_cast<Symbol>(draw_below(random, automaton.num_symbols())));
      }
    }
    const LabelledWords seen = label_and_compare(model, specification, words, device, budget, NotFinite::raise);
    result.device = seen.device;
    for (std::size_t i = 0; i < seen.right; ++i) {
      result.steps += words[i].size();
      result.labelled += meets_label(automaton, words[i]) ? 1 : 0;
    }
    result.drawn += seen.right;
    if (seen.wrong) {
      result.steps += seen.wrong->length;
      words[seen.right].resize(seen.wrong->length);
      ++result.labelled;
      result.disagreement = std::move(words[seen.right]);
      return;
    }
    batch.took(Clock::now() - start);
  }
}

}  // namespace

Sample sample(const Machine& model, const Specification& specification, const SampleDesign& design,
              const Budget& budget, Device device) {
  if (design.words == 0 || design.max_length == 0) throw InputError("sample: expected words and a length, got none");
  Sample result{.design = design, .disagreement = std::nullopt, .bound = std::nullopt, .device = {}};
  run_words(model, specification, budget, device, result);
  if (!result.disagreement && result.limit == Limit::none && result.labelled > 0) {
    result.bound = clopper_pearson_upper(0, design.words, design.confidence);
  }
  return result;
}

}  // namespace krohn
