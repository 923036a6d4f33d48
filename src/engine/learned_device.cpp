// Words are sorted by length and taken in groups whose states fit in a quarter of the memory twice; a group advances by
// chunks of time whose rows fit in half of it, so that words that have ended drop off its end.
//
// A prefix tree is begun on the CPU; then the device walks it depth first, many nodes of one length at a time, in
// lexicographic order. Each length has room for the states of one batch; a batch is expanded piece by piece before the
// next one replaces it. Invariant: everything before the batch at hand in lexicographic order has been tried up to the
// target (or to one less than the length of an event found), so that the last event found, the shortest, is the first
// in shortlex order. Nodes of the target's length leave no state. Events, and one word of every length, are confirmed
// by the recognizer on the CPU.
#include "learned_device.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>

#include "krohn/engine/learned_program.hpp"
#include "krohn/error.hpp"
#include "search.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t most_rows = std::size_t{1} << 18U;
/// Host memory for logits on their way.
constexpr std::size_t logits_bytes = std::size_t{1} << 28U;
/// Bytes of a row beside its features: its entries in the batch's arrays.
constexpr std::size_t row_bytes = 28;
constexpr std::uint64_t frontier_nodes = 256;

std::size_t usable_memory(std::size_t asked, const CudaDevice& device) {
  return asked != 0 ? asked : device.free_memory / 10 * 9;
}

[[noreturn]] void too_little(std::size_t memory) {
  throw ResourceError("device memory: " + std::to_string(memory) +
                      " bytes do not hold one token's features and states of this model; allow more, or use the CPU");
}

std::vector<LearnedAnswer> answers_of(const LearnedTask& task) {
  std::vector<LearnedAnswer> answers;
  for (const LearnedTask::Output& output : task.outputs) answers.push_back({output.logit, output.label});
  return answers;
}

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
    const std::size_t row = 4 * (std::size_t{program.num_features} + (logits ? program.num_logits : 0)) + row_bytes;
    const std::size_t state = 2 * 4 * std::max<std::size_t>(state_size_, 1);
    const std::size_t weights = 4 * program.weights.size();
    const std::size_t half = bytes > weights ? (bytes - weights) / 2 : 0;
    if (half < row || half < state) too_little(bytes);
    std::size_t total = 0;
    for (const std::size_t w : order_) total += words[w].size();
    max_rows_ = std::min({half / row, most_rows, std::max<std::size_t>(total, 1)});
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

class TreeSearch {
 public:
  TreeSearch(const Recognizer& recognizer, const Recognizer::Learned& learned, const LabelledAutomaton& automaton,
             const EnumerateOptions& options, const CudaDevice& device)
      : recognizer_(recognizer),
        model_(*learned.model),
        task_(*learned.task),
        automaton_(automaton),
        options_(options),
        cuda_(device),
        start_(Clock::now()) {
    check_search(recognizer, automaton, options);
  }

  EnumerateResult run() {
    const std::uint32_t symbols = automaton_.num_symbols;
    for (const LengthStatistics& line :
         length_statistics(automaton_, options_.shard, options_.max_length, options_.max_length)) {
      total_ += line.words;
    }
    const Beginning beginning = begin_search(recognizer_, automaton_, options_, frontier_nodes);
    nodes_ = beginning.nodes;
    std::optional<Event> event = beginning.event;
    agreed_ = beginning.frontier.length;
    if (options_.agreed) agreed_ = std::max(agreed_, std::min(*options_.agreed, options_.max_length));
    if (!event && agreed_ < options_.max_length && beginning.frontier.size() > 0) prepare(beginning.frontier);
    while (!event && agreed_ < options_.max_length && !stopped()) {
      longest_ = round_target(agreed_, symbols, options_.max_length);
      const std::uint64_t target = longest_;
      found_.reset();
      if (device_ != nullptr) expand(0, beginning.frontier.size());
      if (stopped()) break;
      if (found_) {
        confirm(*found_);
        event = found_;
      } else {
        agreed_ = target;
      }
    }
    EnumerateResult result;
    result.stopped = !event && agreed_ < options_.max_length;
    result.nodes = nodes_;
    result.device_seconds = device_seconds_;
    result.device = cuda_.name;
    conclude(recognizer_, automaton_, options_, event, agreed_, result);
    result.seconds = seconds();
    return result;
  }

 private:
  /// A batch of nodes of one length: words as numbers, the automaton's states; their carried states are on the device.
  struct Level {
    std::unique_ptr<LearnedStates> states;
    std::vector<std::uint64_t> word;
    std::vector<std::uint32_t> automaton_state;
  };

  bool stopped() const { return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  void prepare(const Frontier& frontier) {
    const LearnedProgram program = make_learned_program(model_);
    const std::size_t symbols = automaton_.num_symbols;
    frontier_length_ = frontier.length;
    const std::size_t depth = static_cast<std::size_t>(options_.max_length - frontier.length);
    if (depth > 64) throw ResourceError("enumerate: words of one symbol are too long for a device; use the CPU");
    const std::size_t bytes = usable_memory(options_.device_memory, cuda_);
    const std::size_t state = 4 * std::max<std::size_t>(model_.state_size(), 1);
    const std::size_t fixed = 4 * program.weights.size() + frontier.size() * state;
    const std::size_t row = 4 * std::size_t{program.num_features} + row_bytes;
    // The nodes of a length by which the batches of all lengths fit; a length never has more than its words.
    const auto capacity = [&](std::size_t rows, std::size_t level) {
      const double words =
          static_cast<double>(frontier.size()) * std::pow(static_cast<double>(symbols), static_cast<double>(level));
      return words < static_cast<double>(rows) ? static_cast<std::size_t>(words) : rows;
    };
    const auto needed = [&](std::size_t rows) {
      std::size_t sum = fixed + capacity(rows, depth) * row;
      for (std::size_t level = 1; level < depth; ++level) sum += capacity(rows, level) * state;
      return sum;
    };
    std::size_t rows = std::max(symbols, most_rows / symbols * symbols);
    while (rows > symbols && needed(rows) > bytes) rows = std::max(symbols, rows / 2 / symbols * symbols);
    if (needed(rows) > bytes) too_little(bytes);
    parents_ = std::max<std::size_t>(1, rows / symbols);
    for (const std::uint32_t token : task_.tokens) tokens_.push_back(token);
    device_ =
        std::make_unique<LearnedDevice>(program.view(), answers_of(task_), std::max(symbols, capacity(rows, depth)));
    levels_.resize(depth);
    for (std::size_t level = 0; level < depth; ++level) {
      const std::size_t size = level == 0 ? frontier.size() : std::max(symbols, capacity(rows, level));
      levels_[level].states = std::make_unique<LearnedStates>(size, model_.state_size());
    }
    levels_[0].word = frontier.word;
    levels_[0].automaton_state = frontier.automaton_state;
    std::vector<float> states(frontier.states.size() / sizeof(float));
    if (!states.empty()) std::memcpy(states.data(), frontier.states.data(), frontier.states.size());
    device_->upload(*levels_[0].states, 0, states);
  }

  /// Tries what lies below the `count` nodes of a level.
  void expand(std::size_t level, std::size_t count) {
    const std::uint32_t symbols = automaton_.num_symbols;
    const std::uint64_t length = frontier_length_ + level + 1;
    for (std::size_t begin = 0; begin < count && length <= longest_ && !stopped(); begin += parents_) {
      const std::size_t parents = std::min(parents_, count - begin);
      const std::size_t rows = parents * symbols;
      const bool leaves = length == longest_;
      const auto before = Clock::now();
      device_->branch(*levels_[level].states, begin, parents, tokens_,
                      leaves ? nullptr : levels_[level + 1].states.get());
      labels_.resize(rows);
      device_->labels(labels_);
      device_seconds_ += std::chrono::duration<double>(Clock::now() - before).count();
      nodes_ += rows;
      const Level& from = levels_[level];
      if (length > compared_) {
        compared_ = length;
        compare(word_of(from.word[begin + parents - 1] * symbols + (symbols - 1), length, symbols), labels_.back());
      }
      std::vector<std::uint64_t> words;
      std::vector<std::uint32_t> automaton_states;
      if (!leaves) {
        words.resize(rows);
        automaton_states.resize(rows);
      }
      bool event = false;
      for (std::size_t parent = 0, row = 0; parent < parents && !event; ++parent) {
        const std::uint32_t* next = &automaton_.delta[std::size_t{from.automaton_state[begin + parent]} * symbols];
        for (Symbol a = 0; a < symbols; ++a, ++row) {
          const std::uint32_t q = next[a];
          const std::int32_t expected = automaton_.expected[q];
          const std::int32_t label = labels_[row];
          const bool differs = expected != LabelledAutomaton::any_label && expected != label && length > agreed_;
          if (differs || label == not_finite_label) {
            const std::uint64_t number = from.word[begin + parent] * symbols + a;
            found_ = Event{word_of(number, length, symbols), label == not_finite_label};
            longest_ = length - 1;
            event = true;
            break;
          }
          if (!leaves) {
            words[row] = from.word[begin + parent] * symbols + a;
            automaton_states[row] = q;
          }
        }
      }
      report();
      if (event) return;
      if (leaves) continue;
      levels_[level + 1].word = std::move(words);
      levels_[level + 1].automaton_state = std::move(automaton_states);
      expand(level + 1, rows);
    }
  }

  /// The reference gives the label too: one word of every length is asked, so that a device that computes something
  /// else is noticed.
  void compare(const Word& word, std::int32_t label) const {
    std::vector<std::byte> state(recognizer_.state_size());
    Observation seen = recognizer_.initial(state);
    try {
      for (const Symbol a : word) seen = recognizer_.step(state, a);
    } catch (const NumericError&) {
      seen.label = not_finite_label;
    }
    if (seen.label != label) {
      throw InternalError("enumerate: the device gives word " + recognizer_.alphabet().format_word(word) +
                          " another label than the CPU");
    }
  }

  /// The reference sees the event too.
  void confirm(const Event& event) const {
    std::vector<std::byte> state(recognizer_.state_size());
    Observation seen = recognizer_.initial(state);
    std::uint32_t q = automaton_.start;
    bool numeric = false;
    try {
      for (const Symbol a : event.word) {
        q = automaton_.delta[std::size_t{q} * automaton_.num_symbols + a];
        seen = recognizer_.step(state, a);
      }
    } catch (const NumericError&) {
      numeric = true;
    }
    const std::int32_t expected = automaton_.expected[q];
    const bool differs = expected != LabelledAutomaton::any_label && expected != seen.label;
    if (numeric != event.numeric || (!numeric && !differs)) {
      throw InternalError("enumerate: the device reports a word that is in order on the CPU");
    }
  }

  void report() {
    if (!options_.progress || Clock::now() - last_report_ < std::chrono::milliseconds(500)) return;
    last_report_ = Clock::now();
    options_.progress({nodes_, total_, agreed_, seconds()});
  }

  const Recognizer& recognizer_;
  const Program& model_;
  const LearnedTask& task_;
  const LabelledAutomaton& automaton_;
  const EnumerateOptions& options_;
  const CudaDevice& cuda_;
  Clock::time_point start_;
  Clock::time_point last_report_ = Clock::now();
  std::unique_ptr<LearnedDevice> device_;
  std::vector<std::uint32_t> tokens_;
  std::vector<Level> levels_;
  std::vector<std::int32_t> labels_;
  std::size_t parents_ = 1;
  std::uint64_t frontier_length_ = 0;
  std::uint64_t longest_ = 0;
  std::uint64_t agreed_ = 0;
  std::uint64_t compared_ = 0;
  std::optional<Event> found_;
  std::uint64_t nodes_ = 0;
  std::uint64_t total_ = 0;
  double device_seconds_ = 0.0;
};

}  // namespace

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

std::vector<std::vector<std::int32_t>> label_on_device(const Program& model, const LearnedTask& task,
                                                       std::span<const Tokens> words, const CudaDevice& device,
                                                       std::size_t memory) {
  const std::vector<LearnedAnswer> answers = answers_of(task);
  BatchRun run(model, answers, words, device, memory, false);
  std::vector<std::vector<std::int32_t>> result;
  for (const Tokens& word : words) result.emplace_back(word.size(), undefined_label);
  std::vector<std::int32_t> labels;
  run.run([&](const BatchRun::Chunk& chunk) {
    labels.resize(chunk.tokens.size());
    run.device().labels(labels);
    const auto bad = first_bad_row(chunk, [&](std::size_t row) { return labels[row] == not_finite_label; });
    if (bad) throw_not_finite(model, words[chunk.word[*bad]], chunk.word[*bad], chunk.position[*bad]);
    for (std::size_t row = 0; row < labels.size(); ++row) result[chunk.word[row]][chunk.position[row]] = labels[row];
  });
  return result;
}

EnumerateResult enumerate_on_device(const Recognizer& recognizer, const Recognizer::Learned& learned,
                                    const LabelledAutomaton& automaton, const EnumerateOptions& options,
                                    const CudaDevice& device) {
  return TreeSearch(recognizer, learned, automaton, options, device).run();
}

}  // namespace krohn
