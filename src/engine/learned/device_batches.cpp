// Words are sorted by length and go in parts to the team's devices. On a device the words of a part are taken in groups
// whose states fit in a quarter of the memory twice; a group advances by chunks of time whose rows fit in half of it,
// so that words that have ended drop off its end. Tested by tests/kernels/learned_test.cpp.
#include "learned/device_batches.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>

#include "choose_device.hpp"
#include "krohn/engine/learned_program.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

/// From so many multiply-adds on Device::automatic takes CUDA devices: their start costs some tenths of a second.
constexpr double device_work = 1e10;
/// Host memory for logits on their way.
constexpr std::size_t logits_bytes = std::size_t{1} << 28U;
/// Words of a part, where there are that many: fewer leave a device with too few columns at a time.
constexpr std::size_t part_words = 2048;

/// Tokens of a word that go to the device together, where its rows suffice.
constexpr std::size_t chunk_steps = 64;

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

/// Tokens begin .. begin + count - 1 of a word, in the rows of a chunk from first_row on.
struct Piece {
  std::size_t word = 0;
  std::size_t begin = 0;
  std::size_t count = 0;
  std::size_t first_row = 0;
};

/// What is read at once.
struct Chunk {
  std::vector<std::uint32_t> tokens;
  std::vector<Piece> pieces;
  /// Words end with the pieces from this one on.
  std::size_t first_ended = 0;
};

/// What all workers share.
struct Batch {
  Batch(const Program& of_model, std::span<const LearnedAnswer> with_answers, std::span<const Tokens> of_words,
        std::size_t workers, const DeviceMemory& device_memory, bool with_logits)
      : model(of_model),
        program(make_learned_program(of_model)),
        answers(with_answers.begin(), with_answers.end()),
        words(of_words),
        order(of_words.size()),
        memory(device_memory),
        logits(with_logits) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return words[a].size() > words[b].size(); });
    while (!order.empty() && words[order.back()].empty()) order.pop_back();
    const std::size_t count = order.size();
    const auto shared = [&](std::size_t parts) { return (count + parts - 1) / parts; };
    part_size = workers == 1 ? count : std::max(shared(4 * workers), std::min(part_words, shared(workers)));
    part_size = std::max<std::size_t>(part_size, 1);
  }

  std::size_t parts() const { return (order.size() + part_size - 1) / part_size; }
  std::span<const std::size_t> part(std::size_t i) const {
    return std::span(order).subspan(i * part_size, std::min(part_size, order.size() - i * part_size));
  }

  const Program& model;
  LearnedProgram program;
  std::vector<LearnedAnswer> answers;
  std::span<const Tokens> words;
  /// Longest words first; those without tokens are left out.
  std::vector<std::size_t> order;
  std::size_t part_size = 1;
  DeviceMemory memory;
  bool logits;
};

/// A worker on a device, words chunk by chunk.
class BatchRun {
 public:
  explicit BatchRun(const Batch& batch) : batch_(batch), state_size_(batch.model.state_size()) {
    const LearnedProgram& program = batch.program;
    const std::size_t bytes = usable_memory(batch.memory);
    const std::size_t row =
        4 * (std::size_t{program.num_features} + (batch.logits ? program.num_logits : 0)) + device_row_bytes;
    const std::size_t state = 2 * 4 * std::max<std::size_t>(state_size_, 1);
    const std::size_t weights = 4 * program.weights.size();
    const std::size_t half = bytes > weights ? (bytes - weights) / 2 : 0;
    if (half < row || half < state) too_little(bytes);
    // The first part has the longest words.
    std::size_t total = 0;
    for (const std::size_t w : batch.part(0)) total += batch.words[w].size();
    max_rows_ = std::min({half / row, most_device_rows, std::max<std::size_t>(total, 1)});
    if (batch.logits) {
      max_rows_ = std::min(max_rows_, std::max<std::size_t>(1, logits_bytes / (4 * program.num_logits)));
    }
    // As many words as fill the rows by chunks of some length: what a word costs in every chunk, on the host too, is
    // then spread over its tokens.
    const std::size_t steps = std::clamp<std::size_t>(batch.words[batch.part(0).front()].size(), 1, chunk_steps);
    group_ = std::min({half / state, std::max<std::size_t>(max_rows_ / steps, 1), batch.part_size});
    device_ = std::make_unique<LearnedDevice>(program.view(), batch.answers, max_rows_);
    from_ = std::make_unique<LearnedStates>(group_, state_size_);
    to_ = std::make_unique<LearnedStates>(group_, state_size_);
  }

  /// Calls read(chunk) after each chunk; the rows of a word come in order.
  template <class Read>
  void run(std::span<const std::size_t> order, const Read& read) {
    for (std::size_t first = 0; first < order.size(); first += group_) {
      const std::span<const std::size_t> group = order.subspan(first, std::min(group_, order.size() - first));
      device_->restart(*from_, group.size());
      std::size_t active = group.size();
      for (std::size_t begin = 0; active > 0;) {
        const std::size_t steps = std::max<std::size_t>(1, max_rows_ / active);
        Chunk chunk;
        std::vector<std::uint32_t> first_row;
        std::vector<std::uint32_t> length;
        std::size_t still_active = 0;
        for (std::size_t i = 0; i < active; ++i) {
          const Tokens& word = batch_.words[group[i]];
          const std::size_t end = std::min(word.size(), begin + steps);
          chunk.pieces.push_back({group[i], begin, end - begin, chunk.tokens.size()});
          first_row.push_back(static_cast<std::uint32_t>(chunk.tokens.size()));
          length.push_back(static_cast<std::uint32_t>(end - begin));
          const auto at = word.begin() + static_cast<std::ptrdiff_t>(begin);
          chunk.tokens.insert(chunk.tokens.end(), at, at + static_cast<std::ptrdiff_t>(end - begin));
          if (end < word.size()) ++still_active;
        }
        chunk.first_ended = still_active;
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
    std::vector<float> states((chunk.pieces.size() - chunk.first_ended) * state_size_);
    device_->download(*to_, chunk.first_ended, states);
    return states;
  }

 private:
  const Batch& batch_;
  std::size_t state_size_;
  std::size_t max_rows_ = 0;
  std::size_t group_ = 1;
  std::unique_ptr<LearnedDevice> device_;
  std::unique_ptr<LearnedStates> from_;
  std::unique_ptr<LearnedStates> to_;
};

/// The first word, by number, that is not finite, and its first position that is not.
class FirstNotFinite {
 public:
  void add(std::size_t word, std::size_t position) {
    const std::lock_guard lock(mutex_);
    if (!found_ || word < found_->first || (word == found_->first && position < found_->second)) {
      found_ = {word, position};
    }
  }
  void raise(const Batch& batch) const {
    if (found_) throw_not_finite(batch.model, batch.words[found_->first], found_->first, found_->second);
  }

 private:
  std::mutex mutex_;
  std::optional<std::pair<std::size_t, std::size_t>> found_;
};

/// Has the team read every part; read(run, chunk).
template <class Read>
void run_parts(const Batch& batch, DeviceTeam& team, const Read& read) {
  std::vector<std::unique_ptr<BatchRun>> workers(team.size());
  team.work(
      workers, batch.parts(), [&](std::size_t) { return std::make_unique<BatchRun>(batch); },
      [&](BatchRun& run, std::size_t part) {
        run.run(batch.part(part), [&](const Chunk& chunk) { read(run, chunk); });
      });
}

}  // namespace

std::shared_ptr<DeviceTeam> choose_devices(const Program& model, double tokens, const Device& asked) {
  const bool large = tokens * static_cast<double>(model.num_parameters()) >= device_work && runs_on_device(model);
  return choose_devices(asked, large);
}

std::size_t usable_memory(const DeviceMemory& memory) {
  return memory.asked != 0 ? memory.asked : free_device_memory() / 10 * 9 / memory.sharers;
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

void run_on_devices(const Program& model, std::span<const Tokens> words, DeviceTeam& team, const DeviceMemory& memory,
                    const LogitsSink& sink) {
  const Batch batch(model, {}, words, team.size(), memory, true);
  const std::size_t size = model.num_logits();
  const std::size_t state_size = model.state_size();
  FirstNotFinite bad;
  run_parts(batch, team, [&](const BatchRun& run, const Chunk& chunk) {
    std::vector<float> logits(chunk.tokens.size() * size);
    run.device().logits(logits);
    const std::vector<float> states = run.ended_states(chunk);
    for (std::size_t i = 0; i < chunk.pieces.size(); ++i) {
      const Piece& piece = chunk.pieces[i];
      for (std::size_t t = 0; t < piece.count; ++t) {
        const auto row = std::span<const float>(logits).subspan((piece.first_row + t) * size, size);
        if (!std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); })) {
          bad.add(piece.word, piece.begin + t);
          break;
        }
        const bool last = i >= chunk.first_ended && t + 1 == piece.count;
        const auto state = last ? std::span(states).subspan((i - chunk.first_ended) * state_size, state_size)
                                : std::span<const float>{};
        sink(piece.word, piece.begin + t, row, state);
      }
    }
  });
  bad.raise(batch);
}

void label_on_devices(const Program& model, const LearnedTask& task, std::span<const Tokens> words, DeviceTeam& team,
                      const DeviceMemory& memory, const LabelSink& sink) {
  const Batch batch(model, answers_of(task), words, team.size(), memory, false);
  FirstNotFinite bad;
  run_parts(batch, team, [&](const BatchRun& run, const Chunk& chunk) {
    std::vector<std::int32_t> labels(chunk.tokens.size());
    run.device().labels(labels);
    for (const Piece& piece : chunk.pieces) {
      const auto of_word = std::span<const std::int32_t>(labels).subspan(piece.first_row, piece.count);
      const auto first_bad = std::find(of_word.begin(), of_word.end(), not_finite_label);
      if (first_bad != of_word.end()) {
        bad.add(piece.word, piece.begin + static_cast<std::size_t>(first_bad - of_word.begin()));
      }
      sink(piece.word, piece.begin, of_word);
    }
  });
  bad.raise(batch);
}

void run_chunked_on_devices(const Program& model, std::span<const LearnedAnswer> answers, std::span<const Tokens> words,
                            ChunkedFormat format, DeviceTeam& team,
                            const std::function<void(const LearnedDevice&, std::size_t, std::size_t)>& read) {
  const LearnedProgram program = make_learned_program(model);
  const std::size_t length = words[0].size();
  std::size_t row = 4 * (std::size_t{program.num_features} + program.num_logits) + device_row_bytes;
  std::size_t recurrence = 0;
  for (const LearnedRecurrence& r : program.recurrences) recurrence = std::max(recurrence, chunked_row_bytes(r));
  row += recurrence;
  // A few parts for each worker; fewer words leave a device with too few sequences at a time.
  const std::size_t shared = (words.size() + 4 * team.size() - 1) / (4 * team.size());
  const std::size_t wanted = std::min({words.size(), std::max<std::size_t>(1, most_device_rows / length),
                                       team.size() == 1 ? words.size() : std::max<std::size_t>(shared, 64)});
  struct Worker {
    Worker(const LearnedProgram& program, std::span<const LearnedAnswer> answers, std::size_t words, std::size_t length)
        : device(program.view(), answers, words * length), states(words, program.initial_state.size()) {
      device.restart(states, words);
    }
    LearnedDevice device;
    LearnedStates states;
  };
  const auto make = [&](std::size_t) {
    const std::size_t bytes = usable_memory({});
    const std::size_t needed = wanted * (length * row + 4 * program.initial_state.size()) + 4 * program.weights.size();
    if (needed > bytes) {
      throw ResourceError("device memory: " + std::to_string(wanted) + " words of " + std::to_string(length) +
                          " tokens take " + std::to_string(needed) + " bytes in chunks, and " + std::to_string(bytes) +
                          " are free; use shorter words, or the CPU");
    }
    return std::make_unique<Worker>(program, answers, wanted, length);
  };
  std::vector<std::unique_ptr<Worker>> workers(team.size());
  team.work(workers, (words.size() + wanted - 1) / wanted, make, [&](Worker& worker, std::size_t part) {
    const std::size_t first = part * wanted;
    const std::size_t count = std::min(wanted, words.size() - first);
    std::vector<std::uint32_t> tokens;
    for (std::size_t w = first; w < first + count; ++w) tokens.insert(tokens.end(), words[w].begin(), words[w].end());
    worker.device.read_chunked(tokens, length, worker.states, format);
    read(worker.device, first, count);
  });
}

}  // namespace krohn
