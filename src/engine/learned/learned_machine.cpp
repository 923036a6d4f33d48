// The machine of a learned model: forward passes one token a call, with scratch memory that calls lend each other, and
// many words at once as run_learned or a device has them. Tested by tests/engine/learned_test.cpp.
#include "krohn/engine/learned/learned_machine.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include "krohn/engine/learned/carried_words.hpp"
#include "krohn/error.hpp"
#include "learned/collapsed_program.hpp"
#include "learned/device_batches.hpp"
#include "learned/prefix_tree.hpp"
#include "parallel.hpp"
#include "word_steps.hpp"

namespace krohn {
namespace {

class LearnedMachine final : public Machine {
 public:
  LearnedMachine(std::shared_ptr<const Program> model, LearnedTask task)
      : model_(std::move(model)), task_(std::move(task)) {
    task_.validate(*model_);
    if (!model_->snapped()) return;
    words_.emplace(*model_, read_tokens(task_));
  }

  LearnedView view() const { return {*model_, task_}; }

  const Alphabet& alphabet() const override { return task_.alphabet; }
  const std::vector<std::string>& label_names() const override { return task_.label_names; }
  std::string_view semantics() const override { return semantics_of(*model_); }
  std::string fingerprint() const override { return model_->weights_fingerprint(); }
  std::size_t state_size() const override { return 4 * (words_ ? words_->size() : model_->state_size()); }

  Observation initial(std::span<std::byte> state) const override {
    Borrowed scratch(*this);
    scratch->stream.restart();
    if (words_) words_->initial(scratch->words);
    Observation observation{undefined_label, 0.0F};
    if (task_.first_token) observation = advance(*scratch, *task_.first_token);
    std::ranges::copy(carried(*scratch), state.begin());
    return observation;
  }

  Observation step(std::span<std::byte> state, Symbol symbol) const override {
    Borrowed scratch(*this);
    std::ranges::copy(state, carried(*scratch).begin());
    if (words_) words_->expand(scratch->words, scratch->stream.state());
    const Observation observation = advance(*scratch, task_.tokens.at(symbol));
    std::ranges::copy(carried(*scratch), state.begin());
    return observation;
  }

  std::vector<float> hidden(std::span<const std::byte> state) const override {
    if (!words_) return Machine::hidden(state);
    std::vector<std::uint32_t> words(words_->size());
    std::ranges::copy(state, std::as_writable_bytes(std::span(words)).begin());
    std::vector<float> values(model_->state_size());
    words_->expand(words, values);
    return values;
  }

  std::shared_ptr<CollapsedStates> collapsed() const override { return collapsed_states(*model_, task_); }

  Trace run(WordBatch words, const RunOptions& options) const override {
    check_symbols(*this, words, options.threads);
    Trace trace = empty_trace(*this, words, options);
    constexpr std::size_t block_words = 256;
    std::vector<Tokens> runs(words.size());
    parallel_blocks((runs.size() + block_words - 1) / block_words, threads_to_use(options.threads),
                    [&](std::size_t block) {
                      const std::size_t end = std::min((block + 1) * block_words, runs.size());
                      for (std::size_t i = block * block_words; i < end; ++i) runs[i] = tokens_of(task_, words[i]);
                    });
    double tokens = 0;
    for (const Tokens& run : runs) tokens += static_cast<double>(run.size());
    // The entry of a label after so many tokens, if it was asked for. Without a first token the empty word keeps `?`.
    const std::size_t lead = task_.first_token ? 1 : 0;
    const auto entry = [&](std::size_t word, std::size_t position) -> std::optional<std::uint64_t> {
      const std::size_t read = position + 1 - lead;
      if (options.all_positions) return trace.offset[word] + read;
      return read == words[word].size() ? std::optional(trace.offset[word]) : std::nullopt;
    };
    LearnedRunOptions how{options.threads, options.device, options.device_memory};
    if (!options.margins) {
      // On a device the labels are decided there.
      if (const auto team = choose_devices(*model_, tokens, options.device)) {
        label_on_devices(*model_, task_, runs, *team, {options.device_memory, options.runs_at_once},
                         [&](std::size_t word, std::size_t position, std::span<const std::int32_t> labels) {
                           for (std::size_t i = 0; i < labels.size(); ++i) {
                             if (const auto at = entry(word, position + i)) trace.labels[*at] = labels[i];
                           }
                         });
        trace.device = team->description();
        return trace;
      }
      how.device = Device::cpu;
    }
    trace.device = run_learned(*model_, runs, how, [&](std::size_t word, std::size_t position, auto logits, auto) {
      options.check_stop();
      const auto at = entry(word, position);
      if (!at) return;
      const Observation seen = task_.observe(logits);
      trace.labels[*at] = seen.label;
      if (options.margins) trace.margins[*at] = seen.margin;
    });
    return trace;
  }

  WalkPlan plan_walk(const EnumerateOptions& options) const override {
    const std::optional<std::uint64_t> words = bounded_power(alphabet().size(), options.max_length);
    const double tokens = words ? static_cast<double>(*words) / std::max(1U, options.shard.count) : 0.0;
    std::shared_ptr<DeviceTeam> team = choose_devices(*model_, tokens, options.device);
    return team ? prefix_tree_plan(*model_, task_, std::move(team)) : depth_first_plan();
  }

 private:
  struct Scratch {
    LearnedStream<float> stream;
    std::vector<float> logits;
    /// Of a program with codes, what is carried.
    std::vector<std::uint32_t> words;
  };
  /// Scratch memory for one call: taken from those that are free, or new.
  class Borrowed {
   public:
    explicit Borrowed(const LearnedMachine& owner) : owner_(owner) {
      {
        const std::lock_guard lock(owner.mutex_);
        if (!owner.free_.empty()) {
          scratch_ = std::move(owner.free_.back());
          owner.free_.pop_back();
          return;
        }
      }
      scratch_ = std::make_unique<Scratch>(
          Scratch{LearnedStream<float>(*owner.model_), std::vector<float>(owner.model_->num_logits()),
                  std::vector<std::uint32_t>(owner.words_ ? owner.words_->size() : 0)});
    }
    ~Borrowed() {
      const std::lock_guard lock(owner_.mutex_);
      owner_.free_.push_back(std::move(scratch_));
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Scratch* operator->() { return scratch_.get(); }
    Scratch& operator*() { return *scratch_; }

   private:
    const LearnedMachine& owner_;
    std::unique_ptr<Scratch> scratch_;
  };

  std::span<std::byte> carried(Scratch& scratch) const {
    return words_ ? std::as_writable_bytes(std::span(scratch.words)) : std::as_writable_bytes(scratch.stream.state());
  }

  Observation advance(Scratch& scratch, std::uint32_t token) const {
    scratch.stream.step(token, scratch.logits);
    if (words_) words_->advance(scratch.words, token, scratch.stream.state());
    return task_.observe(scratch.logits);
  }

  std::shared_ptr<const Program> model_;
  LearnedTask task_;
  std::optional<CarriedWords> words_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> free_;
};

}  // namespace

Tokens tokens_of(const LearnedTask& task, std::span<const Symbol> word) {
  Tokens tokens;
  tokens.reserve(word.size() + 1);
  if (task.first_token) tokens.push_back(*task.first_token);
  for (const Symbol symbol : word) tokens.push_back(task.tokens.at(symbol));
  return tokens;
}

Tokens read_tokens(const LearnedTask& task) {
  Tokens tokens = task.tokens;
  if (task.first_token) tokens.push_back(*task.first_token);
  return tokens;
}

void LearnedTask::validate(const Program& model) const {
  std::vector<std::string> problems;
  const std::string below_vocabulary =
      "a token id below the vocabulary size " + std::to_string(model.vocabulary_size());
  if (tokens.size() != alphabet.size()) {
    problems.push_back("symbols: expected a token for each of " + std::to_string(alphabet.size()) + " symbols, got " +
                       std::to_string(tokens.size()));
  }
  for (std::size_t i = 0; i < std::min(tokens.size(), alphabet.size()); ++i) {
    if (tokens[i] >= model.vocabulary_size()) {
      problems.push_back("symbols: " + alphabet.name(static_cast<Symbol>(i)) + ": expected " + below_vocabulary +
                         ", got " + std::to_string(tokens[i]));
    }
  }
  if (first_token && *first_token >= model.vocabulary_size()) {
    problems.push_back("bos: expected " + below_vocabulary + ", got " + std::to_string(*first_token));
  }
  if (outputs.empty()) problems.push_back("outputs: expected at least one, got none");
  for (const Output& output : outputs) {
    if (output.logit >= model.num_logits()) {
      problems.push_back("outputs: expected a logit below " + std::to_string(model.num_logits()) + ", got " +
                         std::to_string(output.logit));
    }
    if (output.label < 0 || static_cast<std::size_t>(output.label) >= label_names.size()) {
      problems.push_back("outputs: expected one of " + std::to_string(label_names.size()) + " labels, got " +
                         std::to_string(output.label));
    }
  }
  if (!problems.empty()) throw InputError(problems);
}

Observation LearnedTask::observe(std::span<const float> logits) const {
  Output best = outputs.front();
  for (const Output& output : outputs) {
    if (logits[output.logit] > logits[best.logit]) best = output;
  }
  float margin = std::numeric_limits<float>::infinity();
  for (const Output& output : outputs) {
    if (output.label != best.label) margin = std::min(margin, logits[best.logit] - logits[output.logit]);
  }
  // Equal logits of different labels: nothing is the largest.
  if (margin <= 0.0F) return {undefined_label, 0.0F};
  return {best.label, margin};
}

std::optional<LearnedView> learned_of(const Machine& machine) {
  const auto* learned = dynamic_cast<const LearnedMachine*>(&machine);
  return learned == nullptr ? std::nullopt : std::optional(learned->view());
}

std::unique_ptr<Machine> make_machine(std::shared_ptr<const Program> model, LearnedTask task) {
  return std::make_unique<LearnedMachine>(std::move(model), std::move(task));
}

}  // namespace krohn
