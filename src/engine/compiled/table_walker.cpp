// The walk of a compiled model on a CUDA device, in one of two forms.
//
// Canonical: where the pairs (hidden state, automaton state) that any word reaches are few, one dense layer at that,
// each pair has one right hidden state after each symbol; the device runs the recurrence at every node and compares the
// bits with that state, without decoding. Pairs with a wrong label have no right hidden state, so that their words are
// reported. Flat: any other model, decoded at every node.
//
// What the device does not report rests on the equality of bits (canonical) or on the same formulas (flat). A canonical
// report that the reference does not confirm sends the search on by the flat walk. The least report of a round is the
// first word out of order of its lengths, because a round visits every word of them.
// Tested by tests/engine/enumerate_test.cpp.
#include <algorithm>
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

class TableWalker final : public Walker {
 public:
  TableWalker(const LrnnModel& model, const FlatModel& flat, Search& search, const Frontier& frontier)
      : flat_(flat), search_(search), frontier_(frontier) {
    const std::optional<DenseRows> rows = dense_rows(model);
    if (rows && rows->size <= dense_tree_max_size) {
      if (const std::optional<Pairs> pairs = reachable_pairs(search.machine(), search.automaton(), rows->size)) {
        make_canonical(*rows, *pairs);
      }
    }
    if (!canonical_) make_flat();
  }

  std::optional<Word> walk(std::uint64_t done, std::uint64_t target) override {
    std::optional<Key> best;
    bool again = true;
    while (again) {
      again = false;
      const std::uint64_t steps = canonical_ ? canonical_->steps(target) : frontier_.size();
      const double nodes_a_step = nodes_to(target) / static_cast<double>(steps);
      const double limit = canonical_ ? nodes_a_launch : flat_nodes_a_launch;
      const auto chunk = static_cast<std::uint64_t>(std::max(1.0, std::floor(limit / nodes_a_step)));
      for (std::uint64_t first = 0; first < steps && !search_.stopped(); first += chunk) {
        const std::uint64_t last = std::min(steps, first + chunk);
        double milliseconds = 0.0;
        const Key key = canonical_ ? canonical_->walk(done, target, first, last, milliseconds)
                                   : flat_tree_->walk(done, target, first, last, milliseconds);
        search_.count(static_cast<std::uint64_t>(nodes_a_step * static_cast<double>(last - first)),
                      milliseconds / 1000.0);
        if (key == tree_none) continue;
        best = best ? std::min(*best, key) : key;
        const std::uint64_t length = *best >> tree_word_bits;
        if (length < target) {
          // Longer words cannot be first any more: the round begins again with what is left of it.
          target = length;
          again = true;
          break;
        }
      }
    }
    if (!best) return std::nullopt;
    return word_of(*best & ((Key{1} << tree_word_bits) - 1), *best >> tree_word_bits, search_.automaton().num_symbols);
  }

  bool assume_less() override {
    if (!canonical_) return false;
    canonical_.reset();
    make_flat();
    return true;
  }

 private:
  using Key = std::uint64_t;

  void make_canonical(const DenseRows& rows, const Pairs& pairs) {
    std::vector<std::uint32_t> state;
    for (std::size_t i = 0; i < frontier_.size(); ++i) {
      std::uint32_t pair = 0;
      for (const Symbol a : word_of(frontier_.word[i], frontier_.length, pairs.symbols)) {
        pair = pairs.next[std::size_t{pair} * pairs.symbols + a];
      }
      state.push_back(pair);
    }
    const std::vector<float> hidden = hidden_of_frontier();
    canonical_ = std::make_unique<DenseTree>(
        rows.view(), flat_.view().format,
        CanonicalStates{static_cast<std::uint32_t>(pairs.count), pairs.symbols, pairs.next.data(), pairs.hidden.data()},
        TreeFrontier{frontier_.length, frontier_.size(), frontier_.word.data(), hidden.data(), state.data()});
  }

  void make_flat() {
    const std::vector<float> hidden = hidden_of_frontier();
    std::vector<std::uint8_t> undefined;
    for (std::size_t i = 0; i < frontier_.size(); ++i) {
      std::uint32_t flag = 0;
      std::memcpy(&flag, frontier_.states.data() + (i + 1) * frontier_.state_size - 4, 4);
      undefined.push_back(static_cast<std::uint8_t>(flag != 0));
    }
    flat_tree_ = std::make_unique<FlatTree>(flat_.view(), flat_.words().size(), search_.automaton().delta,
                                            search_.automaton().expected,
                                            TreeFrontier{frontier_.length, frontier_.size(), frontier_.word.data(),
                                                         hidden.data(), frontier_.automaton_state.data()},
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
  Search& search_;
  const Frontier& frontier_;
  std::unique_ptr<DenseTree> canonical_;
  std::unique_ptr<FlatTree> flat_tree_;
};

}  // namespace

WalkPlan TableMachine::plan_walk(const EnumerateOptions& options) const {
  const std::optional<std::uint64_t> words = bounded_power(alphabet().size(), options.max_length);
  const bool fits = words && *words < (std::uint64_t{1} << tree_word_bits) && options.max_length <= tree_max_length;
  if (options.device == Device::cuda && !fits) {
    throw ResourceError("enumerate: the words of length " + std::to_string(options.max_length) +
                        " are too many, or too long, for a CUDA device");
  }
  const std::uint32_t parts = std::max(1U, options.shard.count);
  const std::optional<CudaDevice> device =
      choose_device(device_for(options.device), fits && *words / parts >= device_words);
  if (!device) return depth_first_plan();
  // A quarter of the memory for the frontier: hidden states, words and states of its nodes.
  const std::uint64_t most_nodes =
      options.device_memory == 0
          ? most_frontier_nodes
          : std::clamp<std::uint64_t>(options.device_memory / 4 / (state_size() + 16), 1, most_frontier_nodes);
  return {device->name, std::clamp<std::uint64_t>(*words / words_below / parts, 1, most_nodes),
          [this](Search& search, const Frontier& frontier) {
            return std::make_unique<TableWalker>(model_, flat_, search, frontier);
          }};
}

}  // namespace krohn
