// The driver of a search: its breadth-first beginning, the split into parts, rounds, confirmation and conclusion.
// Counts of words come by dynamic programming over the automaton (exact integers, no search).
// Tested by tests/engine/enumerate_test.cpp.
#include "search.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "krohn/error.hpp"
#include "parallel.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t most_words = std::uint64_t{1} << 62U;
/// Prefixes a part, at least.
constexpr std::uint64_t prefixes_per_part = 64;
/// A round is at least this much larger than what it walks again.
constexpr std::uint64_t round_growth = 64;
/// Nodes of the breadth-first beginning that a thread takes at a time.
constexpr std::size_t begin_nodes = 256;

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

/// The prefix length of a search split into `count` parts (see Shard).
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

/// The length to which the next round goes, after `done`: far enough that walking the tree again costs little.
std::uint64_t round_target(std::uint64_t done, std::uint32_t symbols, std::uint64_t max_length) {
  if (symbols <= 1) return std::min(max_length, 2 * done + round_growth);
  std::uint64_t levels = 0;
  for (std::uint64_t growth = 1; growth < round_growth; growth *= symbols) ++levels;
  // The first round is the short one: a short last one would walk nearly all of the one before again.
  const std::uint64_t rest = (max_length - done) % levels;
  return done + (rest != 0 ? rest : levels);
}

/// Words and in-domain words of this part for lengths 0 .. max.
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

}  // namespace

bool before(const Word& a, const Word& b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

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

std::optional<std::uint64_t> words_in_part(std::uint32_t symbols, Shard shard, std::uint64_t search_length,
                                           std::uint64_t length) {
  if (symbols == 0 || length > search_length || !bounded_power(symbols, search_length)) return std::nullopt;
  const std::uint64_t prefix = shard_prefix(symbols, shard.count, search_length);
  if (length < prefix) return shard.index == 0 ? *bounded_power(symbols, length) : 0;
  const auto [low, high] = shard_range(shard, *bounded_power(symbols, prefix));
  return (high - low) * *bounded_power(symbols, length - prefix);
}

Search::Search(const Machine& machine, const LabelledAutomaton& automaton, const EnumerateOptions& options)
    : machine_(machine), automaton_(automaton), options_(options) {
  const std::size_t symbols = machine.alphabet().size();
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
  for (const LengthStatistics& line :
       length_statistics(automaton, options.shard, options.max_length, options.max_length)) {
    total_ += line.words;
  }
}

bool Search::stopped() const {
  return (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) ||
         (options_.deadline && Clock::now() >= *options_.deadline);
}

void Search::count(std::uint64_t nodes, double device_seconds) {
  nodes_ += nodes;
  device_seconds_ += device_seconds;
  if (!options_.progress) return;
  const std::unique_lock<std::mutex> lock(report_mutex_, std::try_to_lock);
  if (!lock.owns_lock() || Clock::now() - last_report_ < std::chrono::milliseconds(500)) return;
  last_report_ = Clock::now();
  options_.progress({nodes_, total_, agreed_, seconds()});
}

std::optional<Word> Search::begin(std::uint64_t wanted) {
  const std::uint32_t symbols = automaton_.num_symbols;
  const std::size_t size = machine_.state_size();
  const std::uint64_t prefix = shard_prefix(symbols, options_.shard.count, options_.max_length);
  const std::uint64_t compared_from = options_.agreed ? *options_.agreed + 1 : 0;
  frontier_.state_size = size;
  frontier_.states.resize(size);
  frontier_.word = {0};
  frontier_.automaton_state = {automaton_.start};
  const auto compared = [&](std::uint64_t length) {
    return length >= compared_from && *words_in_part(symbols, options_.shard, options_.max_length, length) != 0;
  };
  const Observation empty = machine_.initial(frontier_.states);
  if (compared(0) && differs(automaton_.start, empty.label)) return Word{};
  while (frontier_.length < options_.max_length && (frontier_.length < prefix || frontier_.size() < wanted) &&
         (symbols > 1 || frontier_.length == 0)) {
    Frontier next;
    next.length = frontier_.length + 1;
    next.state_size = size;
    const bool compare = compared(next.length);
    std::uint64_t low = 0;
    std::uint64_t high = most_words;
    if (next.length == prefix) std::tie(low, high) = shard_range(options_.shard, *bounded_power(symbols, prefix));
    std::vector<std::uint32_t> parent;
    for (std::size_t i = 0; i < frontier_.size(); ++i) {
      for (Symbol a = 0; a < symbols; ++a) {
        const std::uint64_t number = frontier_.word[i] * symbols + a;
        if (number < low || number >= high) continue;
        next.word.push_back(number);
        parent.push_back(static_cast<std::uint32_t>(i));
      }
    }
    const std::size_t count = next.word.size();
    next.states.resize(count * size);
    next.automaton_state.resize(count);
    // In blocks, side by side; the first node out of order is that of the first block that has one.
    std::atomic<std::size_t> wrong{count};
    parallel_blocks((count + begin_nodes - 1) / begin_nodes, threads_to_use(options_.threads), [&](std::size_t block) {
      for (std::size_t n = block * begin_nodes; n < std::min((block + 1) * begin_nodes, count) && n < wrong; ++n) {
        const std::span<std::byte> state = std::span(next.states).subspan(n * size, size);
        const std::uint32_t i = parent[n];
        const auto a = static_cast<Symbol>(next.word[n] % symbols);
        std::copy_n(frontier_.states.begin() + static_cast<std::ptrdiff_t>(i * size), size, state.begin());
        const std::uint32_t q = automaton_.delta[std::size_t{frontier_.automaton_state[i]} * symbols + a];
        next.automaton_state[n] = q;
        ++nodes_;
        bool numeric = false;
        std::int32_t label = undefined_label;
        try {
          label = machine_.step(state, a).label;
        } catch (const NumericError&) {
          numeric = true;
        }
        if (!numeric && !(compare && differs(q, label))) continue;
        std::size_t before = wrong;
        while (n < before && !wrong.compare_exchange_weak(before, n)) {
        }
      }
    });
    if (wrong < count) return word_of(next.word[wrong], next.length, symbols);
    frontier_ = std::move(next);
  }
  return std::nullopt;
}

bool Search::confirmed(const Word& word) const {
  std::vector<std::byte> state(machine_.state_size());
  Observation seen = machine_.initial(state);
  std::uint32_t q = automaton_.start;
  try {
    for (const Symbol a : word) {
      seen = machine_.step(state, a);
      q = automaton_.delta[std::size_t{q} * automaton_.num_symbols + a];
    }
  } catch (const NumericError& error) {
    throw NumericError("word " + machine_.alphabet().format_word(word) + ": " + error.what());
  }
  return differs(q, seen.label);
}

EnumerateResult Search::run(const WalkPlan& plan) {
  std::optional<Word> wrong = begin(plan.frontier_nodes);
  if (wrong && !confirmed(*wrong)) throw InternalError("enumerate: a step gives another label when it is made again");
  agreed_ = frontier_.length;
  if (options_.agreed) agreed_ = std::max(agreed_, std::min(*options_.agreed, options_.max_length));
  std::unique_ptr<Walker> walker;
  if (!wrong && agreed_ < options_.max_length && frontier_.size() > 0) walker = plan.open(*this, frontier_);
  while (!wrong && agreed_ < options_.max_length && !stopped()) {
    const std::uint64_t target = round_target(agreed_, automaton_.num_symbols, options_.max_length);
    std::optional<Word> found = walker ? walker->walk(agreed_, target) : std::nullopt;
    // A round cut short proves nothing about its lengths; what it found is real, but perhaps not the first.
    if (stopped()) break;
    if (!found) {
      agreed_ = target;
    } else if (confirmed(*found)) {
      wrong = std::move(found);
    } else if (!walker->assume_less()) {
      throw InternalError("enumerate: the device reports a word that is in order on the CPU");
    }
  }
  EnumerateResult result;
  result.stopped = !wrong && agreed_ < options_.max_length;
  result.nodes = nodes_;
  result.device_seconds = device_seconds_;
  result.device = plan.device();
  result.agreed = agreed_;
  if (wrong) result.agreed = wrong->empty() ? std::nullopt : std::optional<std::uint64_t>(wrong->size() - 1);
  result.disagreement = std::move(wrong);
  const std::uint64_t last = result.disagreement ? result.disagreement->size() : *result.agreed;
  result.lengths = length_statistics(automaton_, options_.shard, options_.max_length, last);
  result.seconds = seconds();
  return result;
}

EnumerateResult enumerate(const Machine& machine, const LabelledAutomaton& automaton, const EnumerateOptions& options) {
  const WalkPlan plan = machine.plan_walk(options);
  return Search(machine, automaton, options).run(plan);
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
