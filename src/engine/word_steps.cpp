// Words in blocks, a block a thread at a time. Tested by tests/engine/product_spectrum_test.cpp.
#include "word_steps.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "krohn/error.hpp"
#include "parallel.hpp"
#include "search.hpp"

namespace krohn {
namespace {

/// Words a block.
constexpr std::size_t block_words = 64;
/// States kept for the words to come.
constexpr std::size_t most_kept_bytes = std::size_t{16} << 20U;

[[noreturn]] void refuse_cuda(const char* what) {
  throw DeviceError(std::string(what) + ": this model runs on the CPU only; expected --device cpu or auto");
}

/// The least upper bound of the symbols of a word: one pass that the compiler vectorises.
Symbol largest_symbol(std::span<const Symbol> word) {
  Symbol largest = 0;
  for (const Symbol symbol : word) largest = std::max(largest, symbol);
  return largest;
}

}  // namespace

void check_symbols(const Machine& machine, WordBatch words, unsigned threads) {
  const std::size_t symbols = machine.alphabet().size();
  const std::size_t blocks = (words.size() + block_words - 1) / block_words;
  parallel_blocks(blocks, threads_to_use(threads), [&](std::size_t block) {
    const std::size_t end = std::min((block + 1) * block_words, words.size());
    for (std::size_t i = block * block_words; i < end; ++i) {
      if (words[i].empty() || largest_symbol(words[i]) < symbols) continue;
      std::size_t t = 0;
      while (words[i][t] < symbols) ++t;
      throw InputError("words[" + std::to_string(i) + "][" + std::to_string(t) + "]: expected a symbol below " +
                       std::to_string(symbols) + ", got " + std::to_string(words[i][t]));
    }
  });
}

Trace empty_trace(const Machine& machine, WordBatch words, const RunOptions& options) {
  Trace trace;
  trace.semantics = std::string(machine.semantics());
  trace.offset.reserve(words.size() + 1);
  trace.offset.push_back(0);
  for (std::size_t i = 0; i < words.size(); ++i) {
    trace.offset.push_back(trace.offset.back() + (options.all_positions ? words[i].size() + 1 : 1));
  }
  trace.labels.resize(trace.offset.back(), undefined_label);
  if (options.margins) trace.margins.resize(trace.offset.back());
  return trace;
}

void raise_at(std::size_t word, std::size_t position, const NumericError& error) {
  throw NumericError("word " + std::to_string(word + 1) + ", position " + std::to_string(position) + ": " +
                     error.what());
}

void WordSteps::run(std::size_t index, std::span<const Symbol> word, std::optional<std::span<const Symbol>> next,
                    Trace& trace, const RunOptions& options) {
  const std::size_t size = state_.size();
  const std::uint64_t first = trace.offset[index];
  const bool all_positions = trace.offset[index + 1] - first > 1;
  std::size_t common = 0;
  if (next) {
    common = static_cast<std::size_t>(std::ranges::mismatch(word, *next).in1 - word.begin());
  }
  // Words that share little would pay for copies that none of them uses.
  const bool keep = common > 0 && 2 * common >= word.size() && (word.size() + 1) * size <= most_kept_bytes;
  if (keep) {
    states_.resize((word.size() + 1) * size);
    seen_.resize(word.size() + 1);
  }
  Observation seen;
  const auto put = [&](std::size_t position) {
    if (!all_positions && position != word.size()) return;
    const std::uint64_t at = all_positions ? first + position : first;
    trace.labels[at] = seen.label;
    if (!trace.margins.empty()) trace.margins[at] = seen.margin;
  };
  const auto keep_at = [&](std::size_t position) {
    if (!keep) return;
    std::ranges::copy(state_, states_.begin() + static_cast<std::ptrdiff_t>(position * size));
    seen_[position] = seen;
  };
  std::size_t position = 0;
  if (kept_ > 0) {
    for (; position < kept_; ++position) {
      seen = seen_[position];
      put(position);
    }
    --position;
    std::copy_n(states_.begin() + static_cast<std::ptrdiff_t>(position * size), size, state_.begin());
  } else {
    seen = machine_.initial(state_);
    put(0);
    keep_at(0);
  }
  while (position < word.size()) {
    options.check_stop();
    try {
      seen = machine_.step(state_, word[position]);
    } catch (const NumericError& error) {
      raise_at(index, position + 1, error);
    }
    put(++position);
    keep_at(position);
  }
  kept_ = std::min(keep ? word.size() + 1 : kept_, common + 1);
}

void step_words(const Machine& machine, WordBatch words, const RunOptions& options, Trace& trace) {
  const std::size_t blocks = (words.size() + block_words - 1) / block_words;
  parallel_blocks(blocks, threads_to_use(options.threads), [&](std::size_t block) {
    WordSteps steps(machine);
    const std::size_t end = std::min((block + 1) * block_words, words.size());
    for (std::size_t i = block * block_words; i < end; ++i) {
      steps.run(i, words[i], i + 1 < end ? std::optional(words[i + 1]) : std::nullopt, trace, options);
    }
  });
}

std::string Machine::fingerprint() const { throw InternalError("machine: no certificate is about this semantics"); }

std::vector<float> Machine::hidden(std::span<const std::byte> state) const {
  std::vector<float> values(state.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), state.data(), values.size() * sizeof(float));
  return values;
}

Trace Machine::run(WordBatch words, const RunOptions& options) const {
  if (options.device.is_cuda()) refuse_cuda("run");
  check_symbols(*this, words, options.threads);
  Trace trace = empty_trace(*this, words, options);
  trace.device = "cpu";
  step_words(*this, words, options, trace);
  return trace;
}

WalkPlan Machine::plan_walk(const EnumerateOptions& options) const {
  if (options.device.is_cuda()) refuse_cuda("enumerate");
  return depth_first_plan();
}

}  // namespace krohn
