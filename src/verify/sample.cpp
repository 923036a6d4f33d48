// Draws words from a declared distribution. The number of words is fixed beforehand, so that the Clopper-Pearson bound
// holds; a sample that was cut short claims nothing. Labels are compared at every position, so a word counts as wrong
// if any of its prefixes does. Refuses an empty design.
#include "krohn/verify/sample.hpp"

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <chrono>
#include <vector>

#include "krohn/engine/learned.hpp"
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

namespace {

struct Draw {
  SplitMix64 random;
  std::uint64_t length;
};
Draw draw_word(const SampleDesign& design, std::uint64_t index) {
  SplitMix64 random(design.seed + index * golden);
  const std::uint64_t length = 1 + draw_below(random, design.max_length);
  return {random, length};
}

bool over(const Budget& budget, Sample& result) {
  if (!budget.interrupted() && !budget.out_of_time()) return false;
  result.limit = budget.interrupted() ? Limit::interrupt : Limit::time;
  return true;
}

void step_words(const Recognizer& model, const Specification& specification, const Budget& budget, Sample& result) {
  const SampleDesign& design = result.design;
  const Dfa& automaton = specification.automaton();
  std::vector<std::byte> state(model.state_size());
  result.device = "cpu";
  for (; result.drawn < design.words; ++result.drawn) {
    auto [random, length] = draw_word(design, result.drawn);
    Word word;
    Observation observation = model.initial(state);
    State q = automaton.start();
    while (specification.agrees(observation.label, q) && word.size() < length) {
      if (result.steps % 64 == 0 && over(budget, result)) return;
      word.push_back(static_cast<Symbol>(draw_below(random, automaton.num_symbols())));
      observation = model.step(state, word.back());
      q = automaton.next(q, word.back());
      ++result.steps;
    }
    if (!specification.agrees(observation.label, q)) {
      result.disagreement = std::move(word);
      return;
    }
  }
}

// Words in batches that grow while they are quick, so that a wrong model is found early, a right one soon fills a
// device, and limits are kept. Where a run in a batch is not finite the words from there on are stepped: a word before
// it, or its own beginning, may be wrong.
void run_words(const Recognizer& model, const Recognizer::Learned& learned, const Specification& specification,
               const Budget& budget, Device device, Sample& result) {
  using Clock = std::chrono::steady_clock;
  constexpr std::uint64_t first_batch = 64;
  constexpr std::uint64_t batch_tokens = std::uint64_t{1} << 22U;
  constexpr auto quick = std::chrono::milliseconds(100);
  const SampleDesign& design = result.design;
  const Dfa& automaton = specification.automaton();
  std::vector<std::byte> state(model.state_size());
  if (!specification.agrees(model.initial(state).label, automaton.start())) {
    result.disagreement = Word{};
    return;
  }
  const std::size_t lead = learned.task->first_token ? 1 : 0;
  const std::uint64_t most = std::max<std::uint64_t>(1, batch_tokens / design.max_length);
  for (std::uint64_t batch = std::min(first_batch, most); result.drawn < design.words;) {
    if (over(budget, result)) return;
    const auto start = Clock::now();
    std::vector<Word> words;
    std::vector<Tokens> tokens;
    for (std::uint64_t i = result.drawn; i < std::min(design.words, result.drawn + batch); ++i) {
      auto [random, length] = draw_word(design, i);
      Word& word = words.emplace_back();
      for (std::uint64_t t = 0; t < length; ++t) {
        word.push_back(static_cast<Symbol>(draw_below(random, automaton.num_symbols())));
      }
      tokens.push_back(tokens_of(*learned.task, word));
    }
    LearnedLabels seen;
    try {
      seen = label_words(*learned.model, *learned.task, tokens, {0, device, 0});
    } catch (const NumericError&) {
      return step_words(model, specification, budget, result);
    }
    result.device = seen.device;
    for (std::size_t i = 0; i < words.size(); ++i, ++result.drawn) {
      State q = automaton.start();
      for (std::size_t t = 0; t < words[i].size(); ++t) {
        q = automaton.next(q, words[i][t]);
        ++result.steps;
        if (!specification.agrees(seen.labels[i][t + lead], q)) {
          result.disagreement = Word(words[i].begin(), words[i].begin() + static_cast<std::ptrdiff_t>(t + 1));
          return;
        }
      }
    }
    if (Clock::now() - start < quick) batch = std::min(8 * batch, most);
  }
}

}  // namespace

Sample sample(const Recognizer& model, const Specification& specification, const SampleDesign& design,
              const Budget& budget, Device device) {
  if (design.words == 0 || design.max_length == 0) throw InputError("sample: expected words and a length, got none");
  Sample result{.design = design, .disagreement = std::nullopt, .bound = std::nullopt, .device = {}};
  if (const std::optional<Recognizer::Learned> learned = model.learned()) {
    run_words(model, *learned, specification, budget, device, result);
  } else {
    step_words(model, specification, budget, result);
  }
  if (!result.disagreement && result.limit == Limit::none) {
    result.bound = clopper_pearson_upper(0, design.words, design.confidence);
  }
  return result;
}

}  // namespace krohn
