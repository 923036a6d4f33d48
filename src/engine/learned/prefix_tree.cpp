// The device walks the tree depth first, many nodes of one length at a time, in lexicographic order. Each length has
// room for the states of one batch; a batch is expanded piece by piece before the next one replaces it. Invariant:
// everything before the batch at hand in lexicographic order has been tried up to the target (or to one less than the
// length of a word found), so that the last word found, the shortest, is the first in shortlex order. Nodes of the
// target's length leave no state. Tested by tests/engine/enumerate_test.cpp.
#include "learned/prefix_tree.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>

#include "krohn/engine/learned_program.hpp"
#include "krohn/error.hpp"
#include "learned/device_batches.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t frontier_nodes = 256;

class PrefixTree final : public Walker {
 public:
  PrefixTree(const Program& model, const LearnedTask& task, const CudaDevice& device, Search& search,
             const Frontier& frontier)
      : search_(search), frontier_(frontier) {
    const LearnedProgram program = make_learned_program(model);
    const std::size_t symbols = search.automaton().num_symbols;
    const std::size_t depth = static_cast<std::size_t>(search.options().max_length - frontier.length);
    if (depth > 64) throw ResourceError("enumerate: words of one symbol are too long for a device; use the CPU");
    const std::size_t bytes = usable_memory(search.options().device_memory, device);
    const std::size_t state = 4 * std::max<std::size_t>(model.state_size(), 1);
    const std::size_t fixed = 4 * program.weights.size() + frontier.size() * state;
    const std::size_t row = 4 * std::size_t{program.num_features} + device_row_bytes;
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
    std::size_t rows = std::max(symbols, most_device_rows / symbols * symbols);
    while (rows > symbols && needed(rows) > bytes) rows = std::max(symbols, rows / 2 / symbols * symbols);
    if (needed(rows) > bytes) too_little(bytes);
    parents_ = std::max<std::size_t>(1, rows / symbols);
    for (const std::uint32_t token : task.tokens) tokens_.push_back(token);
    device_ =
        std::make_unique<LearnedDevice>(program.view(), answers_of(task), std::max(symbols, capacity(rows, depth)));
    levels_.resize(depth);
    for (std::size_t level = 0; level < depth; ++level) {
      const std::size_t size = level == 0 ? frontier.size() : std::max(symbols, capacity(rows, level));
      levels_[level].states = std::make_unique<LearnedStates>(size, model.state_size());
    }
    levels_[0].word = frontier.word;
    levels_[0].automaton_state = frontier.automaton_state;
    std::vector<float> states(frontier.states.size() / sizeof(float));
    if (!states.empty()) std::memcpy(states.data(), frontier.states.data(), frontier.states.size());
    device_->upload(*levels_[0].states, 0, states);
  }

  std::optional<Word> walk(std::uint64_t done, std::uint64_t target) override {
    done_ = done;
    longest_ = target;
    found_.reset();
    expand(0, frontier_.size());
    return found_;
  }

 private:
  /// A batch of nodes of one length: words as numbers, the automaton's states; their carried states are on the device.
  struct Level {
    std::unique_ptr<LearnedStates> states;
    std::vector<std::uint64_t> word;
    std::vector<std::uint32_t> automaton_state;
  };

  /// Tries what lies below the `count` nodes of a level.
  void expand(std::size_t level, std::size_t count) {
    const LabelledAutomaton& automaton = search_.automaton();
    const std::uint32_t symbols = automaton.num_symbols;
    const std::uint64_t length = frontier_.length + level + 1;
    for (std::size_t begin = 0; begin < count && length <= longest_ && !search_.stopped(); begin += parents_) {
      const std::size_t parents = std::min(parents_, count - begin);
      const std::size_t rows = parents * symbols;
      const bool leaves = length == longest_;
      const auto start = Clock::now();
      device_->branch(*levels_[level].states, begin, parents, tokens_,
                      leaves ? nullptr : levels_[level + 1].states.get());
      labels_.resize(rows);
      device_->labels(labels_);
      search_.count(rows, std::chrono::duration<double>(Clock::now() - start).count());
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
      bool wrong = false;
      for (std::size_t parent = 0, row = 0; parent < parents && !wrong; ++parent) {
        const std::uint32_t* next = &automaton.delta[std::size_t{from.automaton_state[begin + parent]} * symbols];
        for (Symbol a = 0; a < symbols; ++a, ++row) {
          const std::uint32_t q = next[a];
          const std::int32_t label = labels_[row];
          if (label == not_finite_label || (search_.differs(q, label) && length > done_)) {
            found_ = word_of(from.word[begin + parent] * symbols + a, length, symbols);
            longest_ = length - 1;
            wrong = true;
            break;
          }
          if (!leaves) {
            words[row] = from.word[begin + parent] * symbols + a;
            automaton_states[row] = q;
          }
        }
      }
      if (wrong) return;
      if (leaves) continue;
      levels_[level + 1].word = std::move(words);
      levels_[level + 1].automaton_state = std::move(automaton_states);
      expand(level + 1, rows);
    }
  }

  /// The reference gives the label too: one word of every length is asked, so that a device that computes something
  /// else is noticed.
  void compare(const Word& word, std::int32_t label) const {
    const Machine& machine = search_.machine();
    std::vector<std::byte> state(machine.state_size());
    Observation seen = machine.initial(state);
    try {
      for (const Symbol a : word) seen = machine.step(state, a);
    } catch (const NumericError&) {
      seen.label = not_finite_label;
    }
    if (seen.label != label) {
      throw InternalError("enumerate: the device gives word " + machine.alphabet().format_word(word) +
                          " another label than the CPU");
    }
  }

  Search& search_;
  const Frontier& frontier_;
  std::unique_ptr<LearnedDevice> device_;
  std::vector<std::uint32_t> tokens_;
  std::vector<Level> levels_;
  std::vector<std::int32_t> labels_;
  std::size_t parents_ = 1;
  std::uint64_t done_ = 0;
  std::uint64_t longest_ = 0;
  std::uint64_t compared_ = 0;
  std::optional<Word> found_;
};

}  // namespace

WalkPlan prefix_tree_plan(const Program& model, const LearnedTask& task, const CudaDevice& device) {
  return {device.name, frontier_nodes, [&model, &task, device](Search& search, const Frontier& frontier) {
            return std::make_unique<PrefixTree>(model, task, device, search, frontier);
          }};
}

}  // namespace krohn
