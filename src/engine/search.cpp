// The shared parts of enumerate: the breadth-first beginning of a search, the split into parts, the counts of words by
// dynamic programming over the automaton (exact integers, no search), and the conclusion.
#include "search.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t most_words = std::uint64_t{1} << 62U;
/// Prefixes a part, at least.
constexpr std::uint64_t prefixes_per_part = 64;
/// A round is at least this much larger than what it walks again.
constexpr std::uint64_t round_growth = 64;

/// The range of prefix numbers of a part.
std::pair<std::uint64_t, std::uint64_t> shard_range(Shard shard, std::uint64_t prefixes) {
  const auto bound = [&](std::uint64_t i) {
    // prefixes * i / count without overflow: prefixes < 64 * 2^32 * symbols may be large.
    const std::uint64_t quotient = prefixes / shard.count;
    const std::uint64_t rest = prefixes % shard.count;
    return quotient * i + rest * i / shard.count;
  };
  return {bound(shard.index), bound(std::uint64_t{shard.index} + 1)};
}

}  // namespace

bool before(const Word& a, const Word& b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

void keep_first(std::optional<Event>& best, const Event& event) {
  if (!best || before(event.word, best->word)) best = event;
}

bool stop_requested(const EnumerateOptions& options) {
  return (options.stop != nullptr && options.stop->load(std::memory_order_relaxed)) ||
         (options.deadline && std::chrono::steady_clock::now() >= *options.deadline);
}

std::optional<std::uint64_t> bounded_power(std::uint64_t base, std::uint64_t exponent) {
  std::uint64_t power = 1;
  if (base <= 1) return power;
  for (std::uint64_t i = 0; i < exponent; ++i) {
    if (power > most_words / base) return std::nullopt;
    power *= base;
  }
  return power;
}

Word word_of(std::uint64_t number, std::uint64_t length, std::uint32_t symbols) {
  Word word(length);
  for (std::size_t i = word.size(); i-- > 0;) {
    word[i] = static_cast<Symbol>(number % symbols);
    number /= symbols;
  }
  return word;
}

std::uint64_t shard_prefix(std::uint32_t symbols, std::uint32_t count, std::uint64_t max_length) {
  if (count <= 1) return 0;
  std::uint64_t prefix = 0;
  std::uint64_t words = 1;
  while (words < prefixes_per_part * count && prefix < max_length) {
    words *= symbols;
    ++prefix;
    if (symbols == 1) break;
  }
  return prefix;
}

std::optional<std::uint64_t> words_in_part(std::uint32_t symbols, Shard shard, std::uint64_t search_length,
                                           std::uint64_t length) {
  if (symbols == 0 || length > search_length || !bounded_power(symbols, search_length)) return std::nullopt;
  const std::uint64_t prefix = shard_prefix(symbols, shard.count, search_length);
  if (length < prefix) return shard.index == 0 ? *bounded_power(symbols, length) : 0;
  const auto [low, high] = shard_range(shard, *bounded_power(symbols, prefix));
  return (high - low) * *bounded_power(symbols, length - prefix);
}

void check_search(const Recognizer& recognizer, const LabelledAutomaton& automaton, const EnumerateOptions& options) {
  const std::size_t symbols = recognizer.alphabet().size();
  std::vector<std::string> problems;
  if (automaton.num_symbols != symbols) {
    problems.push_back("automaton: expected " + std::to_string(symbols) + " symbols, got " +
                       std::to_string(automaton.num_symbols));
  }
  if (automaton.delta.size() != automaton.num_states() * automaton.num_symbols ||
      automaton.start >= automaton.num_states() ||
      std::any_of(automaton.delta.begin(), automaton.delta.end(),
                  [&](std::uint32_t q) { return q >= automaton.num_states(); })) {
    problems.push_back("automaton: expected a transition to a state for every state and symbol, got other arrays");
  }
  if (options.shard.count == 0 || options.shard.index >= options.shard.count) {
    problems.push_back("shard: expected a part i of n with 0 <= i < n, got " + std::to_string(options.shard.index) +
                       " of " + std::to_string(options.shard.count));
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  if (!bounded_power(symbols, options.max_length)) {
    throw ResourceError("enumerate: " + std::to_string(symbols) + "^" + std::to_string(options.max_length) +
                        " words are more than 2^62; ask for a smaller length");
  }
}

Beginning begin_search(const Recognizer& recognizer, const LabelledAutomaton& automaton,
                       const EnumerateOptions& options, std::uint64_t wanted) {
  const std::uint32_t symbols = automaton.num_symbols;
  const std::size_t size = recognizer.state_size();
  const std::uint64_t prefix = shard_prefix(symbols, options.shard.count, options.max_length);
  const std::uint64_t compared_from = options.agreed ? *options.agreed + 1 : 0;
  Beginning beginning;
  Frontier& frontier = beginning.frontier;
  frontier.state_size = size;
  frontier.states.resize(size);
  frontier.word = {0};
  frontier.automaton_state = {automaton.start};
  const auto compared = [&](std::uint64_t length) {
    return length >= compared_from && *words_in_part(symbols, options.shard, options.max_length, length) != 0;
  };
  const auto differs = [&](std::uint32_t q, std::int32_t label) {
    const std::int32_t expected = automaton.expected[q];
    return expected != LabelledAutomaton::any_label && expected != label;
  };
  const Observation empty = recognizer.initial(frontier.states);
  if (compared(0) && differs(automaton.start, empty.label)) {
    beginning.event = Event{{}, false};
    return beginning;
  }
  std::vector<std::byte> state(size);
  while (frontier.length < options.max_length && (frontier.length < prefix || frontier.size() < wanted) &&
         (symbols > 1 || frontier.length == 0)) {
    Frontier next;
    next.length = frontier.length + 1;
    next.state_size = size;
    const bool compare = compared(next.length);
    std::uint64_t low = 0;
    std::uint64_t high = most_words;
    if (next.length == prefix) std::tie(low, high) = shard_range(options.shard, *bounded_power(symbols, prefix));
    for (std::size_t i = 0; i < frontier.size(); ++i) {
      for (Symbol a = 0; a < symbols; ++a) {
        const std::uint64_t number = frontier.word[i] * symbols + a;
        if (number < low || number >= high) continue;
        std::copy_n(frontier.states.begin() + static_cast<std::ptrdiff_t>(i * size), size, state.begin());
        const std::uint32_t q = automaton.delta[std::size_t{frontier.automaton_state[i]} * symbols + a];
        ++beginning.nodes;
        bool numeric = false;
        std::int32_t label = undefined_label;
        try {
          label = recognizer.step(state, a).label;
        } catch (const NumericError&) {
          numeric = true;
        }
        if (numeric || (compare && differs(q, label))) {
          beginning.event = Event{word_of(number, next.length, symbols), numeric};
          return beginning;
        }
        next.word.push_back(number);
        next.states.insert(next.states.end(), state.begin(), state.end());
        next.automaton_state.push_back(q);
      }
    }
    frontier = std::move(next);
  }
  return beginning;
}

std::uint64_t round_target(std::uint64_t done, std::uint32_t symbols, std::uint64_t max_length) {
  if (symbols <= 1) return std::min(max_length, 2 * done + round_growth);
  std::uint64_t levels = 0;
  for (std::uint64_t growth = 1; growth < round_growth; growth *= symbols) ++levels;
  // The first round is the short one: a short last one would walk nearly all of the one before again.
  const std::uint64_t rest = (max_length - done) % levels;
  return done + (rest != 0 ? rest : levels);
}

std::vector<LengthStatistics> length_statistics(const LabelledAutomaton& automaton, Shard shard,
                                                std::uint64_t search_length, std::uint64_t max) {
  const std::uint32_t symbols = automaton.num_symbols;
  const std::uint64_t prefix = shard_prefix(symbols, shard.count, search_length);
  std::vector<std::uint64_t> count(automaton.num_states(), 0);
  std::vector<LengthStatistics> statistics;
  count[automaton.start] = 1;
  for (std::uint64_t length = 0; length <= max; ++length) {
    if (length > 0) {
      std::vector<std::uint64_t> next(count.size(), 0);
      if (length == prefix) {
        const auto [low, high] = shard_range(shard, *bounded_power(symbols, prefix));
        for (std::uint64_t number = low; number < high; ++number) {
          std::uint32_t q = automaton.start;
          for (const Symbol a : word_of(number, prefix, symbols)) q = automaton.delta[std::size_t{q} * symbols + a];
          ++next[q];
        }
      } else {
        for (std::size_t q = 0; q < count.size(); ++q) {
          for (Symbol a = 0; a < symbols && count[q] != 0; ++a) next[automaton.delta[q * symbols + a]] += count[q];
        }
      }
      count = std::move(next);
    }
    LengthStatistics line{length, 0, 0};
    if (*words_in_part(symbols, shard, search_length, length) != 0) {
      for (std::size_t q = 0; q < count.size(); ++q) {
        line.words += count[q];
        if (automaton.expected[q] != LabelledAutomaton::any_label) line.in_domain += count[q];
      }
    }
    statistics.push_back(line);
  }
  return statistics;
}

void conclude(const Recognizer& recognizer, const LabelledAutomaton& automaton, const EnumerateOptions& options,
              const std::optional<Event>& event, std::optional<std::uint64_t> agreed, EnumerateResult& result) {
  if (event && event->numeric) {
    std::vector<std::byte> state(recognizer.state_size());
    recognizer.initial(state);
    try {
      for (const Symbol a : event->word) recognizer.step(state, a);
    } catch (const NumericError& error) {
      throw NumericError("word " + recognizer.alphabet().format_word(event->word) + ": " + error.what());
    }
    throw InternalError("enumerate: a run that was not finite is finite in the reference");
  }
  result.agreed = agreed;
  if (event) {
    result.disagreement = event->word;
    result.agreed = event->word.empty() ? std::nullopt : std::optional<std::uint64_t>(event->word.size() - 1);
  }
  if (result.agreed || result.disagreement) {
    const std::uint64_t last = result.disagreement ? result.disagreement->size() : *result.agreed;
    result.lengths = length_statistics(automaton, options.shard, options.max_length, last);
  }
}

MergedEnumeration merge(const std::vector<EnumerateResult>& parts) {
  MergedEnumeration merged;
  for (const EnumerateResult& part : parts) {
    if (part.disagreement && (!merged.disagreement || before(*part.disagreement, *merged.disagreement))) {
      merged.disagreement = part.disagreement;
    }
  }
  merged.agreed = parts.empty() ? std::nullopt : parts.front().agreed;
  for (const EnumerateResult& part : parts) {
    merged.agreed = merged.agreed && part.agreed ? std::optional(std::min(*merged.agreed, *part.agreed)) : std::nullopt;
  }
  if (merged.disagreement) {
    merged.first = std::all_of(parts.begin(), parts.end(), [&](const EnumerateResult& part) {
      return part.disagreement || (part.agreed && *part.agreed >= merged.disagreement->size());
    });
  }
  if (merged.agreed) {
    for (std::uint64_t length = 0; length <= *merged.agreed; ++length) {
      LengthStatistics line{length, 0, 0};
      for (const EnumerateResult& part : parts) {
        if (length >= part.lengths.size()) throw InternalError("merge: a part lacks the counts of its lengths");
        line.words += part.lengths[length].words;
        line.in_domain += part.lengths[length].in_domain;
      }
      merged.lengths.push_back(line);
    }
  }
  return merged;
}

}  // namespace krohn
