// The frontier is cut into runs of neighbouring nodes, and the team's devices take a run at a time. A device walks
// below its run depth first, many nodes of one length at a time, in lexicographic order: nodes that lie together are
// consecutive words, so that a batch is a range of numbers. Each length has room for the states of one batch; a batch
// is expanded piece by piece before the next one replaces it. The automaton runs on the device beside the model. Where
// the device does two levels at once every second one has states. Nodes of the target's length leave none.
//
// Invariant of a run: everything before the batch at hand in lexicographic order has been tried up to the run's limit:
// the target, the length of a word found in a later run, or one less than that of a word found in this run or an
// earlier one. So the shortest word found, of the first run among equals, is the first in shortlex order. Tested by
// tests/engine/enumerate_test.cpp.
#include "learned/prefix_tree.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "krohn/engine/learned_program.hpp"
#include "krohn/error.hpp"
#include "learned/device_batches.hpp"
#include "learned/prefix_walk.hpp"

namespace krohn {
namespace {

/// Few: the CPU makes their states one after the other.
constexpr std::uint64_t frontier_nodes = 64;
/// Nodes that leave no states are tried so many times as many at once, where there is room.
constexpr std::size_t most_last_rows = 4;
/// Runs for each of several workers.
constexpr std::size_t runs_a_worker = 8;

/// The word found so far: the shortest, of the first run among equals.
class Found {
 public:
  explicit Found(std::uint64_t target) : best_((target + 1) << run_bits) {}
  /// The longest words of a run that may still be the first one out of order.
  std::uint64_t limit(std::size_t run) const {
    const std::uint64_t best = best_.load();
    return (best >> run_bits) - (run >= (best & ((std::uint64_t{1} << run_bits) - 1)) ? 1 : 0);
  }
  void add(std::uint64_t length, std::size_t run) {
    const std::uint64_t key = (length << run_bits) | run;
    std::uint64_t before = best_.load();
    while (key < before && !best_.compare_exchange_weak(before, key)) {
    }
  }

 private:
  static constexpr unsigned run_bits = 32;
  std::atomic<std::uint64_t> best_;
};

struct Run {
  std::size_t number = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// What the workers share.
struct Tree {
  Search& search;
  const Frontier& frontier;
  const Program& model;
  const LearnedTask& task;
  LearnedProgram program;
  /// Of the program: runs of its window's symbols.
  std::uint32_t tokens = 1;
  std::size_t runs = 1;

  Run run(std::size_t number) const {
    return {number, frontier.size() * number / runs, frontier.size() * (number + 1) / runs};
  }
};

/// The walk below runs on one device.
class TreeWorker {
 public:
  explicit TreeWorker(const Tree& tree) : tree_(tree) {
    const Frontier& frontier = tree.frontier;
    const std::size_t symbols = tree.search.automaton().num_symbols;
    const auto depth = static_cast<std::size_t>(tree.search.options().max_length - frontier.length);
    const std::size_t roots = (frontier.size() + tree.runs - 1) / tree.runs;
    const std::size_t bytes = usable_memory({tree.search.options().device_memory});
    const std::size_t state = 4 * (std::max<std::size_t>(tree.model.state_size(), 1) + 1);
    const std::size_t fixed = 4 * tree.program.weights.size() + frontier.size() * state;
    const std::size_t row = 4 * std::size_t{tree.program.num_features} + device_row_bytes;
    // The nodes of a length by which the batches of all lengths fit; a length never has more than its words.
    const auto capacity = [&](std::size_t rows, std::size_t level) {
      const double words =
          static_cast<double>(roots) * std::pow(static_cast<double>(symbols), static_cast<double>(level));
      return words < static_cast<double>(rows) ? static_cast<std::size_t>(words) : rows;
    };
    // Of the last length, or of the last two together, which leave no states.
    std::size_t more = most_last_rows;
    const auto batch = [&](std::size_t rows) {
      const std::size_t last = capacity(more * rows, depth);
      return std::min(more * rows, last + last / symbols);
    };
    const auto needed = [&](std::size_t rows) {
      std::size_t sum = fixed + batch(rows) * row;
      for (std::size_t level = 1; level < depth; ++level) sum += capacity(rows, level) * state;
      return sum;
    };
    std::size_t rows = std::max(symbols, most_device_rows / symbols * symbols);
    while ((more > 1 || rows > symbols) && needed(rows) > bytes) {
      if (more > 1) {
        more /= 2;
      } else {
        rows = std::max(symbols, rows / 2 / symbols * symbols);
      }
    }
    if (needed(rows) > bytes) too_little(bytes);
    rows_ = rows;
    last_rows_ = std::max(symbols, batch(rows));
    device_ = std::make_unique<LearnedDevice>(tree.program.view(), answers_of(tree.task), last_rows_);
    for (std::size_t level = 0; level < depth; ++level) {
      capacity_.push_back(level == 0 ? frontier.size() : std::max(symbols, capacity(rows, level)));
    }
    levels_.resize(depth);
    std::vector<float> states(frontier.states.size() / sizeof(float));
    if (!states.empty()) std::memcpy(states.data(), frontier.states.data(), frontier.states.size());
    device_->upload(states_of(0), 0, states);
    const LabelledAutomaton& automaton = tree.search.automaton();
    device_->set_automaton({automaton.delta, automaton.expected}, states_of(0), frontier.automaton_state);
  }

  /// Tries the words of lengths up to the limit below a run; calls report(word) with those that are out of order and
  /// longer than `done`, or not finite, each shorter than the one before.
  template <class Report>
  void walk(const Run& run, std::uint64_t done, const Found& found, const Report& report) {
    Below<Report> below{*this, run, done, found, report};
    PrefixWalk(below, *device_).expand(0, run.begin, run.end - run.begin, tree_.frontier.word[run.begin]);
  }

 private:
  /// What PrefixWalk asks.
  template <class Report>
  struct Below {
    TreeWorker& worker;
    const Run& run;
    std::uint64_t done;
    const Found& found;
    const Report& report;

    std::uint32_t symbols() const { return worker.tree_.search.automaton().num_symbols; }
    std::uint32_t tokens() const { return worker.tree_.tokens; }
    std::uint64_t root_length() const { return worker.tree_.frontier.length; }
    std::size_t rows() const { return worker.rows_; }
    std::size_t last_rows() const { return worker.last_rows_; }
    std::uint64_t limit() const { return found.limit(run.number); }
    bool stopped() const { return worker.tree_.search.stopped(); }
    LearnedStates& states_of(std::size_t level) const { return worker.states_of(level); }
    void count(std::size_t rows, double seconds) const { worker.tree_.search.count(rows, seconds); }
    void last_of(std::uint64_t number, std::uint64_t length, std::int32_t label) const {
      if (length <= worker.compared_) return;
      worker.compared_ = length;
      worker.compare(word_of(number, length, symbols()), label);
    }
    void wrong(std::uint64_t number, std::uint64_t length) const { report(word_of(number, length, symbols())); }
  };

  LearnedStates& states_of(std::size_t level) {
    std::unique_ptr<LearnedStates>& states = levels_[level];
    if (!states) states = std::make_unique<LearnedStates>(capacity_[level], tree_.model.state_size());
    return *states;
  }

  /// The reference gives the label too: one word of every length is asked, so that a device that computes something
  /// else is noticed.
  void compare(const Word& word, std::int32_t label) const {
    const Machine& machine = tree_.search.machine();
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

  const Tree& tree_;
  std::unique_ptr<LearnedDevice> device_;
  /// Per length: the carried states of a batch, how many at most; made where they are needed.
  std::vector<std::size_t> capacity_;
  std::vector<std::unique_ptr<LearnedStates>> levels_;
  /// Nodes at once that leave states.
  std::size_t rows_ = 1;
  /// Nodes at once that leave no states.
  std::size_t last_rows_ = 1;
  std::uint64_t compared_ = 0;
};

class PrefixTree final : public Walker {
 public:
  PrefixTree(const Program& model, const LearnedTask& task, std::shared_ptr<DeviceTeam> team, Search& search,
             const Frontier& frontier)
      : tree_{search, frontier, model, task, make_tree_program(model, task.tokens, frontier.length + 1)},
        team_(std::move(team)),
        workers_(team_->size()) {
    if (search.options().max_length - frontier.length > 64) {
      throw ResourceError("enumerate: words of one symbol are too long for a device; use the CPU");
    }
    for (std::uint32_t i = 0; i < tree_.program.window; ++i) tree_.tokens *= search.automaton().num_symbols;
    if (team_->size() > 1) tree_.runs = std::clamp<std::size_t>(runs_a_worker * team_->size(), 1, frontier.size());
  }

  std::optional<Word> walk(std::uint64_t done, std::uint64_t target) override {
    Found found(target);
    std::vector<std::optional<Word>> words(tree_.runs);
    team_->work(
        workers_, tree_.runs, [this](std::size_t) { return std::make_unique<TreeWorker>(tree_); },
        [&](TreeWorker& worker, std::size_t number) {
          worker.walk(tree_.run(number), done, found, [&](Word word) {
            found.add(word.size(), number);
            words[number] = std::move(word);
          });
        },
        [this] { return tree_.search.stopped(); });
    std::optional<Word> first;
    for (const std::optional<Word>& word : words) {
      if (word && (!first || before(*word, *first))) first = word;
    }
    return first;
  }

 private:
  Tree tree_;
  std::shared_ptr<DeviceTeam> team_;
  /// Per member of the team.
  std::vector<std::unique_ptr<TreeWorker>> workers_;
};

}  // namespace

WalkPlan prefix_tree_plan(const Program& model, const LearnedTask& task, std::shared_ptr<DeviceTeam> team) {
  return {[team] { return team->description(); }, frontier_nodes,
          [&model, &task, team](Search& search, const Frontier& frontier) {
            return std::make_unique<PrefixTree>(model, task, team, search, frontier);
          }};
}

}  // namespace krohn
