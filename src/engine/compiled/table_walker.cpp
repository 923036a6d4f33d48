// The walk of a compiled model on a CUDA device, in one of two forms.
//
// Canonical: where the pairs (hidden state, automaton state) that any word reaches are few, one dense layer at that,
// each pair has one right hidden state after each symbol; the device runs the recurrence at every node and compares the
// bits with that state, without decoding. Pairs with a wrong label have no right hidden state, so that their words are
// reported. Flat: any other model, decoded at every node.
//
// What the device does not report rests on the equality of bits (canonical) or on the same formulas (flat). A canonical
// report that the reference does not confirm sends the search on by the flat walk. The least report of a round is the
// first word out of order of its lengths, because a round visits every word of them. A round is cut into parts, which
// the team's devices take in turn, each with tables and frontier of its own.
// Tested by tests/engine/enumerate_test.cpp.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <unordered_map>

#include "choose_device.hpp"
#include "compiled/table_machine.hpp"
#include "krohn/engine/compiled/dense_rows.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/enumerate.hpp"
#include "parallel.hpp"
#include "reachable.hpp"
#include "search.hpp"

namespace krohn {
namespace {

/// From here on Device::automatic takes a CUDA device.
constexpr std::uint64_t device_words = 50'000'000;
constexpr std::size_t closure_steps = 400'000;
constexpr std::size_t max_pairs = 200'000;
/// Frontier nodes wanted: a wave of threads, of some nodes each, on the largest devices.
constexpr std::uint64_t most_frontier_nodes = 1U << 19U;
/// Words below each frontier node at least, where the search is that deep.
constexpr std::uint64_t words_below = 64;
/// Nodes a launch: about a tenth of a second.
constexpr double nodes_a_launch = 1e11;
constexpr double flat_nodes_a_launch = 2e9;

/// The pairs (hidden state, automaton state) reached, numbered, and the right hidden states after each symbol.
struct Pairs {
  std::uint32_t symbols = 0;
  std::vector<std::uint32_t> next;
  std::vector<float> hidden;
  std::size_t count = 0;
};

std::optional<Pairs> reachable_pairs(const Machine& machine, const LabelledAutomaton& automaton, std::size_t size) {
  const std::optional<Reachable> reachable = reachable_states(machine, closure_steps);
  if (!reachable || !always_defined(*reachable)) return std::nullopt;
  Pairs pairs;
  pairs.symbols = automaton.num_symbols;
  std::unordered_map<std::uint64_t, std::uint32_t> index;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> list = {{0, automaton.start}};
  index.emplace(automaton.start, 0U);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto [state, q] = list[i];
    for (Symbol a = 0; a < automaton.num_symbols; ++a) {
      const std::size_t edge = std::size_t{state} * automaton.num_symbols + a;
      const std::uint32_t to = reachable->next[edge];
      const std::uint32_t to_q = automaton.delta[std::size_t{q} * automaton.num_symbols + a];
      const auto [at, added] =
          index.emplace((std::uint64_t{to} << 32U) | to_q, static_cast<std::uint32_t>(list.size()));
      if (added) list.emplace_back(to, to_q);
      if (list.size() > max_pairs) return std::nullopt;
      pairs.next.push_back(at->second);
      const std::int32_t expected = automaton.expected[to_q];
      const bool right = expected == LabelledAutomaton::any_label || expected == reachable->label[edge];
      for (std::size_t j = 0; j < size; ++j) {
        float x = 0.0F;
        std::memcpy(&x, reachable->states.data() + std::size_t{to} * machine.state_size() + 4 * j, 4);
        pairs.hidden.push_back(right ? x : std::numeric_limits<float>::quiet_NaN());
      }
    }
  }
  pairs.count = list.size();
  return pairs;
}

/// The words of all parts of a round, as keys: the least one.
class LeastKey {
 public:
  using Key = std::uint64_t;
  void lower(Key key) {
    Key before = key_.load();
    while (key < before && !key_.compare_exchange_weak(before, key)) {
    }
  }
  Key key() const { return key_.load(); }
  std::uint64_t length() const { return key() >> tree_word_bits; }

 private:
  std::atomic<Key> key_{tree_none};
};

class TableWalker final : public Walker {
 public:
  TableWalker(const LrnnModel& model, const FlatModel& flat, std::shared_ptr<DeviceTeam> team, Search& search,
              const Frontier& frontier)
      : flat_(flat),
        team_(std::move(team)),
        search_(search),
        frontier_(frontier),
        hidden_(hidden_of_frontier()),
        rows_(flat.view().every_form ? std::nullopt : dense_rows(model)),
        dense_trees_(team_->size()),
        flat_trees_(team_->size()) {
    if (rows_ && rows_->size <= dense_tree_max_size) {
      pairs_ = reachable_pairs(search.machine(), search.automaton(), rows_->size);
    }
    if (pairs_) pair_of_node_ = pairs_of_frontier();
  }

  std::optional<Word> walk(std::uint64_t done, std::uint64_t target) override {
    LeastKey best;
    for (bool again = true; again;) {
      again = false;
      const auto shorter_found = [&] { return best.key() != tree_none && best.length() < target; };
      const auto stopped = [&] { return search_.stopped() || shorter_found(); };
      if (pairs_) {
        const std::size_t parts = parts_of(target, nodes_a_launch);
        team_->work(
            dense_trees_, parts, [this](std::size_t) { return make_dense_tree(); },
            [&](DenseTree& tree, std::size_t part) {
              const std::uint64_t steps = tree.steps(target);
              walk_part(tree, part_of(steps, part, parts), steps, done, target, best);
            },
            stopped);
      } else {
        const std::size_t parts = parts_of(target, flat_nodes_a_launch);
        team_->work(
            flat_trees_, parts, [this](std::size_t) { return make_flat_tree(); },
            [&](FlatTree& tree, std::size_t part) {
              const std::uint64_t nodes = frontier_.size();
              walk_part(tree, part_of(nodes, part, parts), nodes, done, target, best);
            },
            stopped);
      }
      if (shorter_found() && !search_.stopped()) {
        // Longer words cannot be first any more: the round begins again with what is left of it.
        target = best.length();
        again = true;
      }
    }
    const std::uint64_t key = best.key();
    if (key == tree_none) return std::nullopt;
    return word_of(key & ((std::uint64_t{1} << tree_word_bits) - 1), best.length(), search_.automaton().num_symbols);
  }

  bool assume_less() override {
    if (!pairs_) return false;
    pairs_.reset();
    for (std::unique_ptr<DenseTree>& tree : dense_trees_) tree.reset();
    return true;
  }

 private:
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  /// Part `part` of `parts` equal ones; some are empty where there are fewer steps than parts.
  static Range part_of(std::uint64_t steps, std::size_t part, std::size_t parts) {
    const std::uint64_t whole = steps / parts;
    const std::uint64_t rest = steps % parts;
    const auto bound = [&](std::uint64_t i) { return whole * i + rest * i / parts; };
    return {bound(part), bound(part + 1)};
  }

  /// Into how many parts a round is cut: launches of a tenth of a second, and a few for each worker of a long round.
  std::size_t parts_of(std::uint64_t target, double nodes_a_part) const {
    const double nodes = nodes_to(target);
    const double launches = std::max(1.0, std::ceil(nodes / nodes_a_part));
    const auto workers = static_cast<double>(team_->size());
    const double each = team_->size() > 1 ? std::ceil(nodes / (nodes_a_part / 32.0)) : 1.0;
    return static_cast<std::size_t>(std::max(launches, std::min(each, 8.0 * workers)));
  }

  template <class Tree>
  void walk_part(Tree& tree, Range range, std::uint64_t steps, std::uint64_t done, std::uint64_t target,
                 LeastKey& best) {
    if (range.first == range.last) return;
    double milliseconds = 0.0;
    best.lower(tree.walk(done, target, range.first, range.last, milliseconds));
    const double share = static_cast<double>(range.last - range.first) / static_cast<double>(steps);
    search_.count(static_cast<std::uint64_t>(nodes_to(target) * share), milliseconds / 1000.0);
  }

  std::vector<std::uint32_t> pairs_of_frontier() const {
    constexpr std::size_t block_nodes = 4096;
    const std::uint32_t symbols = pairs_->symbols;
    std::uint64_t first_digit = 1;
    for (std::uint64_t i = 1; i < frontier_.length; ++i) first_digit *= symbols;
    std::vector<std::uint32_t> of_node(frontier_.size());
    const std::size_t blocks = (of_node.size() + block_nodes - 1) / block_nodes;
    parallel_blocks(blocks, threads_to_use(search_.options().threads), [&](std::size_t block) {
      for (std::size_t i = block * block_nodes; i < std::min((block + 1) * block_nodes, of_node.size()); ++i) {
        std::uint32_t pair = 0;
        std::uint64_t digit = first_digit;
        for (std::uint64_t l = 0; l < frontier_.length; ++l, digit /= symbols) {
          pair = pairs_->next[std::size_t{pair} * symbols + frontier_.word[i] / digit % symbols];
        }
        of_node[i] = pair;
      }
    });
    return of_node;
  }

  std::unique_ptr<DenseTree> make_dense_tree() const {
    return std::make_unique<DenseTree>(
        rows_->view(), flat_.view().format,
        CanonicalStates{static_cast<std::uint32_t>(pairs_->count), pairs_->symbols, pairs_->next.data(),
                        pairs_->hidden.data()},
        TreeFrontier{frontier_.length, frontier_.size(), frontier_.word.data(), hidden_.data(), pair_of_node_.data()});
  }

  std::unique_ptr<FlatTree> make_flat_tree() const {
    std::vector<std::uint8_t> undefined;
    for (std::size_t i = 0; i < frontier_.size(); ++i) {
      std::uint32_t flag = 0;
      std::memcpy(&flag, frontier_.states.data() + (i + 1) * frontier_.state_size - 4, 4);
      undefined.push_back(static_cast<std::uint8_t>(flag != 0));
    }
    return std::make_unique<FlatTree>(flat_.view(), flat_.words().size(), search_.automaton().delta,
                                      search_.automaton().expected,
                                      TreeFrontier{frontier_.length, frontier_.size(), frontier_.word.data(),
                                                   hidden_.data(), frontier_.automaton_state.data()},
                                      undefined.data(), search_.options().device_memory / 2);
  }

  std::vector<float> hidden_of_frontier() const {
    const std::size_t size = frontier_.state_size / 4 - 1;
    std::vector<float> hidden(frontier_.size() * size);
    for (std::size_t i = 0; i < frontier_.size() && size != 0; ++i) {
      std::memcpy(hidden.data() + i * size, frontier_.states.data() + i * frontier_.state_size, 4 * size);
    }
    return hidden;
  }

  /// The nodes below the frontier up to this length.
  double nodes_to(std::uint64_t length) const {
    const auto symbols = static_cast<double>(search_.automaton().num_symbols);
    double nodes = 0.0;
    for (std::uint64_t l = frontier_.length + 1; l <= length; ++l) {
      nodes += std::pow(symbols, static_cast<double>(l - frontier_.length));
    }
    return nodes * static_cast<double>(frontier_.size());
  }

  const FlatModel& flat_;
  std::shared_ptr<DeviceTeam> team_;
  Search& search_;
  const Frontier& frontier_;
  std::vector<float> hidden_;
  std::optional<DenseRows> rows_;
  /// Of the canonical walk; none on the flat one.
  std::optional<Pairs> pairs_;
  std::vector<std::uint32_t> pair_of_node_;
  /// Per member of the team.
  std::vector<std::unique_ptr<DenseTree>> dense_trees_;
  std::vector<std::unique_ptr<FlatTree>> flat_trees_;
};

}  // namespace

WalkPlan TableMachine::plan_walk(const EnumerateOptions& options) const {
  const std::optional<std::uint64_t> words = bounded_power(alphabet().size(), options.max_length);
  const bool fits = words && *words < (std::uint64_t{1} << tree_word_bits) && options.max_length <= tree_max_length;
  if (options.device.is_cuda() && !fits) {
    throw ResourceError("enumerate: the words of length " + std::to_string(options.max_length) +
                        " are too many, or too long, for a CUDA device");
  }
  const std::uint32_t parts = std::max(1U, options.shard.count);
  const std::shared_ptr<DeviceTeam> team = choose_devices(options.device, fits && *words / parts >= device_words);
  if (!team) return depth_first_plan();
  // A quarter of the memory for the frontier: hidden states, words and states of its nodes.
  const std::uint64_t most_nodes =
      options.device_memory == 0
          ? most_frontier_nodes
          : std::clamp<std::uint64_t>(options.device_memory / 4 / (state_size() + 16), 1, most_frontier_nodes);
  return {[team] { return team->description(); },
          std::clamp<std::uint64_t>(*words / words_below / parts, 1, most_nodes),
          [this, team](Search& search, const Frontier& frontier) {
            return std::make_unique<TableWalker>(model_, flat_, team, search, frontier);
          }};
}

}  // namespace krohn
