// Words are sorted by length and taken in groups whose states fit in a quarter of the memory twice; a group advances by
// chunks of time whose rows fit in half of it, so that words that have ended drop off its end.
// Tested by tests/kernels/learned_test.cpp.
#include "learned/device_batches.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>

#include "choose_device.hpp"
#include "krohn/engine/learned_program.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

/// From so many multiply-adds on Device::automatic takes a CUDA device: its start costs some tenths of a second.
constexpr double device_work = 1e10;
/// Host memory for logits on their way.
constexpr std::size_t logits_bytes = std::size_t{1} << 28U;
/// Throws the NumericError that the reference throws on the word.
[[noreturn]] void throw_not_finite(const Program& model, const Tokens& word, std::size_t index, std::size_t position) {
  LearnedStream<float> stream(model);
  std::vector<float> logits(model.num_logits());
  for (std::size_t t = 0; t <= position; ++t) {
    try {
      stream.step(word[t], logits);
    } catch (const NumericError& error) {
      throw NumericError("word " + std::to_string(index) + ", position " + std::to_string(t) + ": " + error.what());
    }
  }
  throw InternalError("a run that was not finite on the device is finite in the reference");
}

/// Words on the device, chunk by chunk.
class BatchRun {
 public:
  BatchRun(const Program& model, std::span<const LearnedAnswer> answers, std::span<const Tokens> words,
           const CudaDevice& device, std::size_t memory, bool logits)
      : words_(words), order_(words.size()), state_size_(model.state_size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return words[a].size() > words[b].size(); });
    while (!order_.empty() && words[order_.back()].empty()) order_.pop_back();
    if (order_.empty()) return;
    const LearnedProgram program = make_learned_program(model);
    const std::size_t bytes = usable_memory(memory, device);
    const std::size_t row =
        4 * (std::size_t{program.num_features} + (logits ? program.num_logits : 0)) + device_row_bytes;
    const std::size_t state = 2 * 4 * std::max<std::size_t>(state_size_, 1);
    const std::size_t weights = 4 * program.weights.size();
    const std::size_t half = bytes > weights ? (bytes - weights) / 2 : 0;
    if (half < row || half < state) too_little(bytes);
    std::size_t total = 0;
    for (const std::size_t w : order_) total += words[w].size();
    max_rows_ = std::min({half / row, most_device_rows, std::max<std::size_t>(total, 1)});
    if (logits) max_rows_ = std::min(max_rows_, std::max<std::size_t>(1, logits_bytes / (4 * program.num_logits)));
    group_ = std::min({half / state, max_rows_, order_.size()});
    device_ = std::make_unique<LearnedDevice>(program.view(), answers, max_rows_);
    from_ = std::make_unique<LearnedStates>(group_, state_size_);
    to_ = std::make_unique<LearnedStates>(group_, state_size_);
  }

  /// One chunk: row i is position[i] of word[i].
  struct Chunk {
    std::vector<std::uint32_t> tokens;
    std::vector<std::size_t> word;
    std::vector<std::size_t> position;
    /// Word ended[i] ends in this chunk and is state first_ended + i.
    std::vector<std::size_t> ended;
    std::size_t first_ended = 0;
  };

  /// Calls read(chunk) after each chunk; the rows of a word come in order.
  template <class Read>
  void run(const Read& read) {
    for (std::size_t first = 0; first < order_.size(); first += group_) {
      const std::span<const std::size_t> group =
          std::span(order_).subspan(first, std::min(group_, order_.size() - first));
      device_->restart(*from_, group.size());
      std::size_t active = group.size();
      for (std::size_t begin = 0; active > 0;) {
        const std::size_t steps = std::max<std::size_t>(1, max_rows_ / active);
        Chunk chunk;
        std::vector<std::uint32_t> first_row;
        std::vector<std::uint32_t> length;
        std::size_t still_active = 0;
        for (std::size_t i = 0; i < active; ++i) {
          const Tokens& word = words_[group[i]];
          const std::size_t end = std::min(word.size(), begin + steps);
          first_row.push_back(static_cast<std::uint32_t>(chunk.tokens.size()));
          length.push_back(static_cast<std::uint32_t>(end - begin));
          for (std::size_t t = begin; t < end; ++t) {
            chunk.tokens.push_back(word[t]);
            chunk.word.push_back(group[i]);
            chunk.position.push_back(t);
          }
          if (end < word.size()) {
            ++still_active;
          } else {
            if (chunk.ended.empty()) chunk.first_ended = i;
            chunk.ended.push_back(group[i]);
          }
        }
        device_->read(chunk.tokens, first_row, length, *from_, *to_);
        read(chunk);
        std::swap(from_, to_);
        begin += steps;
        active = still_active;
      }
    }
  }

  const LearnedDevice& device() const { return *device_; }
  /// The states of the words that ended in the chunk just read.
  std::vector<float> ended_states(const Chunk& chunk) const {
    std::vector<float> states(chunk.ended.size() * state_size_);
    device_->download(*to_, chunk.first_ended, states);
    return states;
  }

 private:
  std::span<const Tokens> words_;
  std::vector<std::size_t> order_;
  std::size_t state_size_;
  std::size_t max_rows_ = 0;
  std::size_t group_ = 1;
  std::unique_ptr<LearnedDevice> device_;
  std::unique_ptr<LearnedStates> from_;
  std::unique_ptr<LearnedStates> to_;
};

/// The row, if any, whose word is the least of those for which `bad` holds, and its first.
template <class Bad>
std::optional<std::size_t> first_bad_row(const BatchRun::Chunk& chunk, const Bad& bad) {
  std::optional<std::size_t> first;
  for (std::size_t row = 0; row < chunk.tokens.size(); ++row) {
    if (bad(row) && (!first || chunk.word[row] < chunk.word[*first])) first = row;
  }
  return first;
}

}  // namespace

std::optional<CudaDevice> choose_device(const Program& model, double tokens, Device asked) {
  const bool large = tokens * static_cast<double>(model.num_parameters()) >= device_work && runs_on_device(model);
  return choose_device(asked, large);
}

std::size_t usable_memory(std::size_t asked, const CudaDevice& device) {
  return asked != 0 ? asked : device.free_memory / 10 * 9;
}

void too_little(std::size_t memory) {
  throw ResourceError("device memory: " + std::to_string(memory) +
                      " bytes do not hold one token's features and states of this model; allow more, or use the CPU");
}

std::vector<LearnedAnswer> answers_of(const LearnedTask& task) {
  std::vector<LearnedAnswer> answers;
  for (const LearnedTask::Output& output : task.outputs) answers.push_back({output.logit, output.label});
  return answers;
}

void run_on_device(const Program& model, std::span<const Tokens> words, const CudaDevice& device, std::size_t memory,
                   const LogitsSink& sink) {
  BatchRun run(model, {}, words, device, memory, true);
  const std::size_t size = model.num_logits();
  std::vector<float> logits;
  run.run([&](const BatchRun::Chunk& chunk) {
    logits.resize(chunk.tokens.size() * size);
    run.device().logits(logits);
    const auto row_of = [&](std::size_t row) { return std::span<const float>(logits).subspan(row * size, size); };
    const auto bad = first_bad_row(chunk, [&](std::size_t row) {
      const auto values = row_of(row);
      return !std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
    });
    if (bad) throw_not_finite(model, words[chunk.word[*bad]], chunk.word[*bad], chunk.position[*bad]);
    const std::vector<float> states = run.ended_states(chunk);
    const std::size_t state_size = model.state_size();
    std::size_t ended = 0;
    for (std::size_t row = 0; row < chunk.tokens.size(); ++row) {
      const bool last = chunk.position[row] + 1 == words[chunk.word[row]].size();
      sink(chunk.word[row], chunk.position[row], row_of(row),
           last ? std::span(states).subspan(ended++ * state_size, state_size) : std::span<const float>{});
    }
  });
}

void label_on_device(const Program& model, const LearnedTask& task, std::span<const Tokens> words,
                     const CudaDevice& device, std::size_t memory, const LabelSink& sink) {
  const std::vector<LearnedAnswer> answers = answers_of(task);
  BatchRun run(model, answers, words, device, memory, false);
  std::vector<std::int32_t> labels;
  run.run([&](const BatchRun::Chunk& chunk) {
    labels.resize(chunk.tokens.size());
    run.device().labels(labels);
    const auto bad = first_bad_row(chunk, [&](std::size_t row) { return labels[row] == not_finite_label; });
    if (bad) throw_not_finite(model, words[chunk.word[*bad]], chunk.word[*bad], chunk.position[*bad]);
    for (std::size_t row = 0; row < labels.size(); ++row) sink(chunk.word[row], chunk.position[row], labels[row]);
  });
}

}  // namespace krohn
