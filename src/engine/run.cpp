// Batches on the CPU, and the choice of the device. Two CPU forms with the same results: the recognizer, word by word;
// and, where only last labels are asked for and no reachable state can tie, run_dense_avx2 on the first layer's dense
// rows, whose last symbol is then run by the recognizer, so that the label, the margin and the errors come from the
// reference itself. A word whose state is not finite is run again by the recognizer for the error's text.
#include "krohn/engine/run.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <string>

#include "cpu_features.hpp"
#include "dense_avx2.hpp"
#include "dense_rows.hpp"
#include "krohn/engine/flat_model.hpp"
#include "krohn/engine/recognizer.hpp"
#include "krohn/error.hpp"
#include "parallel.hpp"
#include "reachable.hpp"

namespace krohn {
namespace {

/// Below this many symbols the closure that licenses the fast form costs more than it gains.
constexpr std::uint64_t fast_form_symbols = 200'000;
/// Steps spent on that closure at most: a tenth of a second.
constexpr std::size_t closure_steps = 400'000;
/// Words a block of the recognizer form.
constexpr std::size_t block_words = 64;

/// The least upper bound of the symbols of a word: one pass that the compiler vectorises.
Symbol largest_symbol(const Word& word) {
  Symbol largest = 0;
  for (const Symbol symbol : word) largest = std::max(largest, symbol);
  return largest;
}

void check_symbols(const LrnnModel& model, std::span<const Word> words, unsigned threads) {
  const std::size_t blocks = (words.size() + block_words - 1) / block_words;
  parallel_blocks(blocks, threads_to_use(threads), [&](std::size_t block) {
    const std::size_t end = std::min((block + 1) * block_words, words.size());
    for (std::size_t i = block * block_words; i < end; ++i) {
      if (words[i].empty() || largest_symbol(words[i]) < model.alphabet().size()) continue;
      std::size_t t = 0;
      while (words[i][t] < model.alphabet().size()) ++t;
      throw InputError("words[" + std::to_string(i) + "][" + std::to_string(t) + "]: expected a symbol below " +
                       std::to_string(model.alphabet().size()) + ", got " + std::to_string(words[i][t]));
    }
  });
}

[[noreturn]] void raise_at(std::size_t word, std::size_t position, const NumericError& error) {
  throw NumericError("word " + std::to_string(word + 1) + ", position " + std::to_string(position) + ": " +
                     error.what());
}

/// The reference: one word, every position.
void run_word(const Recognizer& recognizer, std::size_t index, const Word& word, bool all_positions,
              std::vector<std::byte>& state, std::int32_t* labels, float* margins) {
  Observation seen = recognizer.initial(state);
  const auto put = [&](std::size_t at) {
    labels[at] = seen.label;
    if (margins != nullptr) margins[at] = seen.margin;
  };
  if (all_positions) put(0);
  for (std::size_t t = 0; t < word.size(); ++t) {
    try {
      seen = recognizer.step(state, word[t]);
    } catch (const NumericError& error) {
      raise_at(index, t + 1, error);
    }
    if (all_positions) put(t + 1);
  }
  if (!all_positions) put(0);
}

/// The licence for the fast form: one dense layer in which no reachable state is ever undefined.
std::optional<DenseRows> fast_form(const LrnnModel& model, const Recognizer& recognizer) {
  if (!has_avx2_fma()) return std::nullopt;
  std::optional<DenseRows> rows = dense_rows(model);
  if (!rows || rows->size > dense_avx2_max_size || std::uint64_t{rows->stride} * rows->rows > (1U << 30U)) {
    return std::nullopt;
  }
  const std::optional<Reachable> reachable = reachable_states(recognizer, closure_steps);
  if (!reachable || !always_defined(*reachable)) return std::nullopt;
  return rows;
}

void run_fast(const LrnnModel& model, const Recognizer& recognizer, const DenseRows& rows, std::span<const Word> words,
              const RunOptions& options, Trace& trace) {
  const FlatModel flat(model, options.semantics);
  const StateFormat format = flat.view().format;
  const std::vector<float> initial = flat.initial_hidden();
  // Words of like length run together; the sort is stable so that equal lengths stay in memory order.
  std::vector<std::size_t> order(words.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return words[a].size() > words[b].size(); });
  const std::size_t blocks = (words.size() + dense_avx2_words - 1) / dense_avx2_words;
  parallel_blocks(blocks, threads_to_use(options.threads), [&](std::size_t block) {
    const std::size_t begin = block * dense_avx2_words;
    const std::size_t count = std::min(dense_avx2_words, words.size() - begin);
    std::span<const Symbol> prefixes[dense_avx2_words];
    float hidden[dense_avx2_words * dense_avx2_max_size];
    for (std::size_t i = 0; i < count; ++i) {
      const Word& word = words[order[begin + i]];
      prefixes[i] = {word.data(), word.empty() ? 0 : word.size() - 1};
    }
    run_dense_avx2(rows, format, initial.data(), {prefixes, count}, hidden);
    std::vector<std::byte> state(recognizer.state_size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = order[begin + i];
      const Word& word = words[index];
      float* h = hidden + i * rows.size;
      float* margins = options.margins ? trace.margins.data() + index : nullptr;
      if (word.empty() || std::any_of(h, h + rows.size, is_not_finite)) {
        run_word(recognizer, index, word, false, state, trace.labels.data() + index, margins);
        continue;
      }
      for (std::uint32_t j = 0; j < rows.size; ++j) h[j] = h[j] + 0.0F;
      std::fill(state.begin(), state.end(), std::byte{0});
      std::memcpy(state.data(), h, 4 * std::size_t{rows.size});
      try {
        const Observation seen = recognizer.step(state, word.back());
        trace.labels[index] = seen.label;
        if (margins != nullptr) *margins = seen.margin;
      } catch (const NumericError& error) {
        raise_at(index, word.size(), error);
      }
    }
  });
}

}  // namespace

Trace run(const LrnnModel& model, std::span<const Word> words, const RunOptions& options) {
  check_symbols(model, words, options.threads);
  std::uint64_t symbols = 0;
  for (const Word& word : words) symbols += word.size();
  const std::unique_ptr<Recognizer> recognizer = make_recognizer(model, options.semantics);
  Trace trace;
  trace.semantics = std::string(semantics_id(options.semantics));
  trace.device = "cpu";
  trace.offset.reserve(words.size() + 1);
  trace.offset.push_back(0);
  for (const Word& word : words)
    trace.offset.push_back(trace.offset.back() + (options.all_positions ? word.size() + 1 : 1));
  trace.labels.resize(trace.offset.back());
  if (options.margins) trace.margins.resize(trace.offset.back());
  if (!options.all_positions && symbols >= fast_form_symbols) {
    if (const std::optional<DenseRows> rows = fast_form(model, *recognizer)) {
      trace.device = "cpu (avx2)";
      run_fast(model, *recognizer, *rows, words, options, trace);
      return trace;
    }
  }
  const std::size_t blocks = (words.size() + block_words - 1) / block_words;
  parallel_blocks(blocks, threads_to_use(options.threads), [&](std::size_t block) {
    std::vector<std::byte> state(recognizer->state_size());
    const std::size_t end = std::min((block + 1) * block_words, words.size());
    for (std::size_t i = block * block_words; i < end; ++i) {
      const std::uint64_t at = trace.offset[i];
      run_word(*recognizer, i, words[i], options.all_positions, state, trace.labels.data() + at,
               options.margins ? trace.margins.data() + at : nullptr);
    }
  });
  return trace;
}

}  // namespace krohn
