// The words of the full length are run in batches of neighbours, which share their beginnings; the labels at all
// positions fill the levels of the tree of words. From the last level up, words of one level with equal labels on all
// that follows become one state (an acyclic automaton, by hashing). Tested by tests/verify/extract_test.cpp.
#include "extract/table.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t batch_words = std::uint64_t{1} << 14U;

}  // namespace

std::optional<std::uint64_t> words_up_to(std::size_t symbols, std::uint64_t length) {
  constexpr std::uint64_t most = std::uint64_t{1} << 62U;
  std::uint64_t words = 1;
  for (std::uint64_t i = 0; i < length; ++i) {
    if (words > (most - 1) / symbols) return std::nullopt;
    words = words * symbols + 1;
  }
  return words;
}

Dfa tabulate(const Target& target, std::uint64_t length, const ExtractOptions& options) {
  const std::size_t k = target.num_symbols();
  std::vector<std::vector<std::int32_t>> seen(length + 1);
  std::uint64_t count = 1;
  for (std::vector<std::int32_t>& level : seen) {
    level.resize(count);
    count *= k;
  }
  count /= k;
  RunOptions how;
  how.device = options.device;
  how.threads = options.threads;
  how.all_positions = true;
  how.stop = options.budget.stop;
  for (std::uint64_t begin = 0; begin < count; begin += batch_words) {
    if (options.budget.interrupted() || options.budget.out_of_time()) throw StoppedError();
    const std::uint64_t end = std::min(count, begin + batch_words);
    std::vector<Word> words;
    words.reserve(end - begin);
    for (std::uint64_t number = begin; number < end; ++number) {
      Word word(length);
      std::uint64_t rest = number;
      for (std::size_t i = length; i-- > 0; rest /= k) word[i] = static_cast<Symbol>(rest % k);
      words.push_back(std::move(word));
    }
    const Trace trace = target.model().run(words, how);
    for (std::uint64_t number = begin; number < end; ++number) {
      const std::span<const std::int32_t> labels = trace.labels_of(number - begin);
      std::uint64_t place = number;
      for (std::size_t t = length + 1; t-- > 0; place /= k) seen[t][place] = labels[t];
    }
  }
  // Labels, null outside the domain.
  std::vector<State> inside{target.domain().start()};
  for (std::size_t t = 0; t <= length; ++t) {
    for (std::size_t i = 0; i < seen[t].size(); ++i) seen[t][i] = target.label(seen[t][i], inside[i]);
    if (t == length) break;
    std::vector<State> next;
    next.reserve(seen[t + 1].size());
    for (const State state : inside) {
      for (Symbol a = 0; a < k; ++a) next.push_back(target.domain().next(state, a));
    }
    inside = std::move(next);
  }

  std::vector<State> delta;
  std::vector<LabelId> labels;
  std::vector<State> below;
  std::u32string key;
  for (std::size_t t = length + 1; t-- > 0;) {
    std::unordered_map<std::u32string, State> number;
    std::vector<State> here(seen[t].size());
    for (std::size_t i = 0; i < here.size(); ++i) {
      key.assign(1, static_cast<char32_t>(seen[t][i] + 1));
      for (std::size_t a = 0; a < k && t < length; ++a) key.push_back(static_cast<char32_t>(below[i * k + a]));
      const auto [entry, added] = number.emplace(key, static_cast<State>(labels.size()));
      here[i] = entry->second;
      if (!added) continue;
      labels.push_back(seen[t][i]);
      for (std::size_t a = 0; a < k; ++a) delta.push_back(t < length ? below[i * k + a] : entry->second);
    }
    below = std::move(here);
  }
  return target.automaton(std::move(delta), std::move(labels), below.front());
}

}  // namespace krohn
