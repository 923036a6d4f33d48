// Batches, and the choice of the device. The reference is Machine::step, word by word. Where words reach few states (in
// all their bits, by the reference's own steps), a word is a walk through the table of these, on the CPU
// (state_walk.hpp) and, where only last labels are asked for, on CUDA devices (run_states_cuda); a margin is the
// reference's own, from the state before the last symbol. Other models run on a CUDA device by flat_step, the
// reference's own formulas. On devices the words go in parts, to whichever worker is free. Tested by
// tests/engine/run_test.cpp.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "choose_device.hpp"
#include "compiled/state_walk.hpp"
#include "compiled/table_machine.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/recurrent.hpp"
#include "parallel.hpp"
#include "reachable.hpp"
#include "word_steps.hpp"

namespace krohn {
namespace {

/// From here on Device::automatic takes a CUDA device: below, its start costs more.
constexpr std::uint64_t device_symbols = 200'000'000;
/// Below this many symbols the closure costs more than it gains.
constexpr std::uint64_t fast_form_symbols = 200'000;
/// Steps spent on that closure at most, and bytes of states stepped on: a tenth of a second where a layer is small.
constexpr std::size_t closure_steps = 400'000;
constexpr std::size_t closure_bytes = std::size_t{1} << 25U;
/// Words a block of the work beside a device.
constexpr std::size_t block_words = 64;
/// What goes to a device at a time: of several devices at least so much, where the words are many.
constexpr std::size_t part_bytes = std::size_t{1} << 30U;
constexpr std::uint64_t least_part_bytes = std::uint64_t{1} << 24U;

/// Words of like length next to each other, longest first; equal lengths stay in order.
std::vector<std::size_t> by_length(WordBatch words) {
  std::vector<std::size_t> order(words.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return words[a].size() > words[b].size(); });
  return order;
}

/// All symbols but the last, which the reference runs.
std::span<const Symbol> prefix_of(std::span<const Symbol> word) {
  return word.first(word.empty() ? 0 : word.size() - 1);
}

/// Words first .. of `order` that go to the device together: padded to the longest they stay within `bytes`, and at
/// least half of that is symbols.
std::size_t batch_end(WordBatch words, const std::vector<std::size_t>& order, std::size_t first, std::size_t bytes) {
  const std::size_t longest = (prefix_of(words[order[first]]).size() / DeviceWords::chunk + 1) * DeviceWords::chunk;
  std::size_t end = first;
  while (end < order.size() && (end - first + 1) * longest <= bytes &&
         (2 * words[order[end]].size() + DeviceWords::chunk >= longest || end - first < 32)) {
    ++end;
  }
  return std::max(end, first + 1);
}

}  // namespace

/// The states that words reach, looked for once; null where they are many, or one is not a finite number.
const Reachable* TableMachine::reached() const {
  std::call_once(looked_, [&] {
    const std::size_t steps = std::min(closure_steps, closure_bytes / state_size());
    if (std::optional<Reachable> found = reachable_states(*this, steps)) {
      reachable_ = std::make_unique<const Reachable>(std::move(*found));
    }
  });
  return reachable_.get();
}

/// What is seen after the last symbol of a word whose other symbols led to a state, and before any symbol.
void TableMachine::observe_last(const Reachable& reachable, const Observation& before, std::size_t index,
                                std::span<const Symbol> word, std::uint32_t state, Trace& trace) const {
  Observation seen = before;
  if (!word.empty()) {
    seen.label = reachable.label[std::size_t{state} * alphabet().size() + word.back()];
    if (!trace.margins.empty()) {
      std::vector<std::byte> carried(state_size());
      const auto at = reachable.states.begin() + static_cast<std::ptrdiff_t>(state * carried.size());
      std::copy_n(at, carried.size(), carried.begin());
      seen = step(carried, word.back());
    }
  }
  trace.labels[index] = seen.label;
  if (!trace.margins.empty()) trace.margins[index] = seen.margin;
}

void TableMachine::run_states(const Reachable& reachable, WordBatch words, const RunOptions& options,
                              Trace& trace) const {
  const std::vector<std::size_t> order = by_length(words);
  const StateWalk walk(reachable, static_cast<std::uint32_t>(alphabet().size()));
  std::vector<std::byte> start(state_size());
  const Observation before = initial(start);
  const std::size_t blocks = (words.size() + block_words - 1) / block_words;
  parallel_blocks(blocks, threads_to_use(options.threads), [&](std::size_t block) {
    options.check_stop();
    const std::size_t beyond = std::min((block + 1) * block_words, words.size());
    for (std::size_t begin = block * block_words; begin < beyond; begin += state_walk_words) {
      const std::size_t count = std::min(state_walk_words, beyond - begin);
      std::span<const Symbol> together[state_walk_words];
      if (options.all_positions) {
        std::int32_t* labels[state_walk_words];
        for (std::size_t i = 0; i < count; ++i) {
          const std::size_t index = order[begin + i];
          together[i] = words[index];
          labels[i] = trace.labels.data() + trace.offset[index];
          *labels[i]++ = before.label;
        }
        walk.labels({together, count}, {labels, count});
        continue;
      }
      std::uint32_t end[state_walk_words];
      for (std::size_t i = 0; i < count; ++i) together[i] = prefix_of(words[order[begin + i]]);
      walk.ends({together, count}, {end, count});
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t index = order[begin + i];
        observe_last(reachable, before, index, words[index], end[i], trace);
      }
    }
  });
}

/// Words run through the machine of the states that words reach, all symbols but the last, which the reference runs
/// where a margin is asked for.
void TableMachine::run_states_on_devices(const Reachable& reachable, WordBatch words, const RunOptions& options,
                                         std::size_t bytes, DeviceTeam& team, Trace& trace) const {
  const std::vector<std::size_t> order = by_length(words);
  if (!order.empty() && words[order.front()].size() > UINT32_MAX) {
    throw ResourceError("run: a word has 2^32 symbols or more; use a scan");
  }
  // Part i: words bound[i] .. bound[i + 1] of the order.
  std::vector<std::size_t> bound = {0};
  while (bound.back() < order.size()) bound.push_back(batch_end(words, order, bound.back(), bytes));
  const auto threads = static_cast<unsigned>(std::max<std::size_t>(1, threads_to_use(options.threads) / team.size()));
  const auto num_symbols = static_cast<std::uint32_t>(alphabet().size());
  const MachineView machine{static_cast<std::uint32_t>(reachable.count), num_symbols, reachable.next.data()};
  std::vector<std::byte> start(state_size());
  const Observation before = initial(start);
  std::vector<std::unique_ptr<Stateless>> workers(team.size());
  team.work(workers, bound.size() - 1, make_stateless, [&](Stateless&, std::size_t part) {
    options.check_stop();
    const std::size_t first = bound[part];
    const std::size_t count = bound[part + 1] - first;
    const std::size_t padded = (count + 31) / 32 * 32;
    const std::size_t chunks = (prefix_of(words[order[first]]).size() + DeviceWords::chunk - 1) / DeviceWords::chunk;
    std::vector<std::uint8_t> interleaved(chunks * padded * DeviceWords::chunk);
    std::vector<std::uint32_t> length(count);
    parallel_blocks((count + block_words - 1) / block_words, threads, [&](std::size_t block) {
      for (std::size_t i = block * block_words; i < std::min((block + 1) * block_words, count); ++i) {
        const std::span<const Symbol> prefix = prefix_of(words[order[first + i]]);
        length[i] = static_cast<std::uint32_t>(prefix.size());
        for (std::size_t t = 0; t < prefix.size(); ++t) {
          interleaved[(t / DeviceWords::chunk * padded + i) * DeviceWords::chunk + t % DeviceWords::chunk] =
              static_cast<std::uint8_t>(prefix[t]);
        }
      }
    });
    std::vector<std::uint32_t> end(count);
    run_states_cuda(machine, 0, DeviceWords(interleaved, length), end);
    parallel_blocks((count + block_words - 1) / block_words, threads, [&](std::size_t block) {
      for (std::size_t i = block * block_words; i < std::min((block + 1) * block_words, count); ++i) {
        const std::size_t index = order[first + i];
        observe_last(reachable, before, index, words[index], end[i], trace);
      }
    });
  });
}

void TableMachine::run_flat_on_devices(WordBatch words, const RunOptions& options, std::size_t bytes, DeviceTeam& team,
                                       Trace& trace) const {
  // Symbols, labels and margins: up to 12 bytes a position.
  const std::size_t positions = std::max<std::size_t>(1, bytes / 12);
  std::vector<std::size_t> bound = {0};
  while (bound.back() < words.size()) {
    std::size_t end = bound.back();
    for (std::size_t symbols = 0; end < words.size(); ++end) {
      symbols += words[end].size();
      if (end > bound.back() && symbols > positions) break;
    }
    bound.push_back(end);
  }
  std::vector<std::unique_ptr<Stateless>> workers(team.size());
  team.work(workers, bound.size() - 1, make_stateless, [&](Stateless&, std::size_t part) {
    options.check_stop();
    const std::size_t first = bound[part];
    const std::size_t end = bound[part + 1];
    std::vector<std::uint32_t> symbols;
    std::vector<std::uint64_t> offset = {0};
    for (std::size_t i = first; i < end; ++i) {
      symbols.insert(symbols.end(), words[i].begin(), words[i].end());
      offset.push_back(symbols.size());
    }
    const std::size_t at = trace.offset[first];
    const std::size_t count = trace.offset[end] - at;
    const FlatBatchResult result = run_flat_cuda(
        view_, flat_.words().size(), symbols, offset, options.all_positions, {trace.labels.data() + at, count},
        options.margins ? std::span<float>(trace.margins.data() + at, count) : std::span<float>());
    if (result.first_bad_word != FlatBatchResult::none) {
      const std::size_t bad = first + static_cast<std::size_t>(result.first_bad_word);
      WordSteps(*this).run(bad, words[bad], std::nullopt, trace);
      throw InternalError("run: word " + std::to_string(bad + 1) + " is not finite on the device, but is on the CPU");
    }
  });
}

Trace TableMachine::run(WordBatch words, const RunOptions& options) const {
  check_symbols(*this, words, options.threads);
  std::uint64_t symbols = 0;
  for (std::size_t i = 0; i < words.size(); ++i) symbols += words[i].size();
  Trace trace = empty_trace(*this, words, options);
  if (const auto team = choose_devices(options.device, symbols >= device_symbols)) {
    std::size_t bytes = options.device_memory != 0 ? options.device_memory / 2 : part_bytes;
    // A few parts for each worker of several.
    if (team->size() > 1) {
      const std::uint64_t share = std::max(least_part_bytes, symbols / (4 * team->size()));
      bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, share));
    }
    const bool last_by_bytes = !options.all_positions && alphabet().size() <= byte_symbols;
    if (const Reachable* reachable = last_by_bytes ? reached() : nullptr) {
      run_states_on_devices(*reachable, words, options, bytes, *team, trace);
    } else {
      run_flat_on_devices(words, options, bytes, *team, trace);
    }
    trace.device = team->description();
    return trace;
  }
  // Margins at all positions are the reference's alone.
  if (symbols >= fast_form_symbols && !(options.all_positions && options.margins)) {
    if (const Reachable* reachable = reached()) {
      trace.device = "cpu (states)";
      run_states(*reachable, words, options, trace);
      return trace;
    }
  }
  trace.device = "cpu";
  step_words(*this, words, options, trace);
  return trace;
}

}  // namespace krohn
