// Batches, and the choice of the device. The reference is Machine::step, word by word. Where only last labels are asked
// for there are faster forms. On CUDA devices, where words reach few states (in all their bits, by the reference's own
// steps), a word is a walk through the table of these (run_states_cuda). On the CPU, where no reachable state can tie,
// a dense form (run_dense_avx2) runs all symbols of a word but the last, which the reference runs, so that the label,
// the margin and the errors come from the reference itself; a word whose state is not finite is run again by the
// reference for the error's text. Other models run on a CUDA device by flat_step, the reference's own formulas. On
// devices the words go in parts, to whichever worker is free. Tested by tests/engine/run_test.cpp.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <string>

#include "choose_device.hpp"
#include "compiled/dense_avx2.hpp"
#include "compiled/table_machine.hpp"
#include "cpu_features.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/recurrent.hpp"
#include "parallel.hpp"
#include "reachable.hpp"
#include "word_steps.hpp"

namespace krohn {
namespace {

/// From here on Device::automatic takes a CUDA device: below, its start costs more.
constexpr std::uint64_t device_symbols = 200'000'000;
/// Below this many symbols the closure that licenses the fast form costs more than it gains.
constexpr std::uint64_t fast_form_symbols = 200'000;
/// Steps spent on that closure at most: a tenth of a second.
constexpr std::size_t closure_steps = 400'000;
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

/// The licence for the dense form: one dense layer in which no reachable state is ever undefined.
std::optional<DenseRows> TableMachine::licensed_rows(std::uint32_t max_size) const {
  if (integer_format(semantics_)) return std::nullopt;
  std::optional<DenseRows> rows = dense_rows(model_);
  if (!rows || rows->size > max_size || std::uint64_t{rows->stride} * rows->rows > (1U << 30U)) return std::nullopt;
  const std::optional<Reachable> reachable = reachable_states(*this, closure_steps);
  if (!reachable || !always_defined(*reachable)) return std::nullopt;
  return rows;
}

/// Runs the last symbol of a word whose prefix led to `h`.
void TableMachine::finish_word(std::size_t index, std::span<const Symbol> word, std::span<float> h,
                               std::vector<std::byte>& state, Trace& trace) const {
  if (word.empty() || std::any_of(h.begin(), h.end(), is_not_finite)) {
    WordSteps(*this).run(index, word, std::nullopt, trace);
    return;
  }
  for (float& x : h) x += 0.0F;
  std::fill(state.begin(), state.end(), std::byte{0});
  std::memcpy(state.data(), h.data(), h.size_bytes());
  try {
    const Observation seen = step(state, word.back());
    trace.labels[index] = seen.label;
    if (!trace.margins.empty()) trace.margins[index] = seen.margin;
  } catch (const NumericError& error) {
    raise_at(index, word.size(), error);
  }
}

void TableMachine::run_avx2(const DenseRows& rows, WordBatch words, const RunOptions& options, Trace& trace) const {
  const std::vector<std::size_t> order = by_length(words);
  const std::size_t blocks = (words.size() + dense_avx2_words - 1) / dense_avx2_words;
  parallel_blocks(blocks, threads_to_use(options.threads), [&](std::size_t block) {
    options.check_stop();
    const std::size_t begin = block * dense_avx2_words;
    const std::size_t count = std::min(dense_avx2_words, words.size() - begin);
    std::span<const Symbol> prefixes[dense_avx2_words];
    float hidden[dense_avx2_words * dense_avx2_max_size];
    for (std::size_t i = 0; i < count; ++i) prefixes[i] = prefix_of(words[order[begin + i]]);
    run_dense_avx2(rows, view_.format, initial_.data(), {prefixes, count}, hidden);
    std::vector<std::byte> state(state_size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = order[begin + i];
      finish_word(index, words[index], {hidden + i * rows.size, rows.size}, state, trace);
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
      std::vector<std::byte> state(state_size());
      for (std::size_t i = block * block_words; i < std::min((block + 1) * block_words, count); ++i) {
        const std::size_t index = order[first + i];
        Observation seen = before;
        if (!words[index].empty()) {
          const Symbol last = words[index].back();
          seen.label = reachable.label[std::size_t{end[i]} * num_symbols + last];
          if (!trace.margins.empty()) {
            const auto at = reachable.states.begin() + static_cast<std::ptrdiff_t>(end[i] * state.size());
            std::copy_n(at, state.size(), state.begin());
            seen = step(state, last);
          }
        }
        trace.labels[index] = seen.label;
        if (!trace.margins.empty()) trace.margins[index] = seen.margin;
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
    std::optional<Reachable> reachable;
    if (!options.all_positions && alphabet().size() <= byte_symbols) {
      reachable = reachable_states(*this, closure_steps);
    }
    if (reachable) {
      run_states_on_devices(*reachable, words, options, bytes, *team, trace);
    } else {
      run_flat_on_devices(words, options, bytes, *team, trace);
    }
    trace.device = team->description();
    return trace;
  }
  if (!options.all_positions && symbols >= fast_form_symbols && has_avx2_fma()) {
    if (const std::optional<DenseRows> rows = licensed_rows(dense_avx2_max_size)) {
      trace.device = "cpu (avx2)";
      run_avx2(*rows, words, options, trace);
      return trace;
    }
  }
  trace.device = "cpu";
  step_words(*this, words, options, trace);
  return trace;
}

}  // namespace krohn
