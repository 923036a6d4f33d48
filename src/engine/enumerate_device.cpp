// The CUDA form: the beginning of the search on the CPU, then rounds of growing length on the device. Two walks.
//
// Canonical: where the pairs (hidden state, automaton state) that any word reaches are few, one dense layer at that,
// each pair has one right hidden state after each symbol; the device runs the recurrence at every node and compares the
// bits with that state, without decoding. Pairs with a wrong label have no right hidden state, so that their words are
// reported. Flat: any other model, decoded at every node.
//
// Whatever the device reports is confirmed by the recognizer on the CPU; what it does not report rests on the equality
// of bits (canonical) or on the same formulas (flat). A report that is not confirmed sends the search on by the flat
// walk. The least report of a round is the first event of its lengths, because a round visits every word of them.
#include "enumerate_device.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <unordered_map>

#include "krohn/engine/dense_rows.hpp"
#include "krohn/engine/flat_model.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/enumerate.hpp"
#include "reachable.hpp"
#include "search.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t closure_steps = 400'000;
constexpr std::size_t max_pairs = 200'000;
/// Frontier nodes wanted: a wave of threads, of some nodes each, on the largest devices.
constexpr std::uint64_t frontier_nodes = 1U << 19U;
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

std::optional<Pairs> reachable_pairs(const Recognizer& recognizer, const LabelledAutomaton& automaton,
                                     std::size_t size) {
  const std::optional<Reachable> reachable = reachable_states(recognizer, closure_steps);
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
        std::memcpy(&x, reachable->states.data() + std::size_t{to} * recognizer.state_size() + 4 * j, 4);
        pairs.hidden.push_back(right ? x : std::numeric_limits<float>::quiet_NaN());
      }
    }
  }
  pairs.count = list.size();
  return pairs;
}

class DeviceSearch {
 public:
  DeviceSearch(const LrnnModel& model, Semantics semantics, const LabelledAutomaton& automaton,
               const EnumerateOptions& options)
      : model_(model),
        recognizer_(make_recognizer(model, semantics)),
        flat_(model, semantics),
        automaton_(automaton),
        options_(options),
        start_(Clock::now()) {
    check_search(*recognizer_, automaton, options);
  }

  EnumerateResult run(const CudaDevice& device) {
    const std::uint32_t symbols = automaton_.num_symbols;
    for (const LengthStatistics& line :
         length_statistics(automaton_, options_.shard, options_.max_length, options_.max_length)) {
      total_ += line.words;
    }
    const std::uint64_t words = *bounded_power(symbols, options_.max_length);
    // A quarter of the memory for the frontier: hidden states, words and states of its nodes.
    const std::uint64_t bytes_a_node = recognizer_->state_size() + 16;
    const std::uint64_t most_nodes =
        options_.device_memory == 0
            ? frontier_nodes
            : std::clamp<std::uint64_t>(options_.device_memory / 4 / bytes_a_node, 1, frontier_nodes);
    const std::uint64_t wanted = std::clamp<std::uint64_t>(words / words_below / options_.shard.count, 1, most_nodes);
    const Beginning beginning = begin_search(*recognizer_, automaton_, options_, wanted);
    nodes_ = beginning.nodes;
    std::optional<Event> event = beginning.event;
    std::optional<std::uint64_t> agreed = beginning.frontier.length;
    if (options_.agreed) agreed = std::max(*agreed, std::min(*options_.agreed, options_.max_length));
    if (!event && *agreed < options_.max_length) prepare(beginning.frontier);
    while (!event && *agreed < options_.max_length && !stopped()) {
      const std::uint64_t target = round_target(*agreed, symbols, options_.max_length);
      agreed_ = *agreed;
      const std::optional<Key> found = round(*agreed, target);
      if (stopped()) break;
      if (!found) {
        agreed = target;
        continue;
      }
      event = confirm(*found);
      if (!event) {
        if (!canonical_) throw InternalError("enumerate: the device reports a word that is in order on the CPU");
        canonical_.reset();  // the flat walk repeats the round
        make_flat(beginning.frontier);
      }
    }
    EnumerateResult result;
    result.stopped = !event && *agreed < options_.max_length;
    result.nodes = nodes_;
    result.device_seconds = milliseconds_ / 1000.0;
    result.device = device.name;
    conclude(*recognizer_, automaton_, options_, event, agreed, result);
    result.seconds = seconds();
    return result;
  }

 private:
  using Key = std::uint64_t;

  bool stopped() const { return stop_requested(options_); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  /// Moves the frontier to the device, in canonical form where that exists.
  void prepare(const Frontier& frontier) {
    const std::optional<DenseRows> rows = dense_rows(model_);
    if (rows && rows->size <= dense_tree_max_size) {
      if (const std::optional<Pairs> pairs = reachable_pairs(*recognizer_, automaton_, rows->size)) {
        std::vector<std::uint32_t> state;
        for (std::size_t i = 0; i < frontier.size(); ++i) {
          std::uint32_t pair = 0;
          for (const Symbol a : word_of(frontier.word[i], frontier.length, pairs->symbols)) {
            pair = pairs->next[std::size_t{pair} * pairs->symbols + a];
          }
          state.push_back(pair);
        }
        const std::vector<float> hidden = hidden_of(frontier);
        canonical_ = std::make_unique<DenseTree>(
            rows->view(), flat_.view().format,
            CanonicalStates{static_cast<std::uint32_t>(pairs->count), pairs->symbols, pairs->next.data(),
                            pairs->hidden.data()},
            TreeFrontier{frontier.length, frontier.size(), frontier.word.data(), hidden.data(), state.data()});
      }
    }
    frontier_size_ = frontier.size();
    frontier_length_ = frontier.length;
    if (!canonical_) make_flat(frontier);
  }

  void make_flat(const Frontier& frontier) {
    const std::vector<float> hidden = hidden_of(frontier);
    std::vector<std::uint8_t> undefined;
    for (std::size_t i = 0; i < frontier.size(); ++i) {
      std::uint32_t flag = 0;
      std::memcpy(&flag, frontier.states.data() + (i + 1) * frontier.state_size - 4, 4);
      undefined.push_back(static_cast<std::uint8_t>(flag != 0));
    }
    flat_tree_ = std::make_unique<FlatTree>(flat_.view(), flat_.words().size(), automaton_.delta, automaton_.expected,
                                            TreeFrontier{frontier.length, frontier.size(), frontier.word.data(),
                                                         hidden.data(), frontier.automaton_state.data()},
                                            undefined.data(), options_.device_memory / 2);
  }

  std::vector<float> hidden_of(const Frontier& frontier) const {
    const std::size_t size = frontier.state_size / 4 - 1;
    std::vector<float> hidden(frontier.size() * size);
    for (std::size_t i = 0; i < frontier.size() && size != 0; ++i) {
      std::memcpy(hidden.data() + i * size, frontier.states.data() + i * frontier.state_size, 4 * size);
    }
    return hidden;
  }

  /// All words of lengths done + 1 .. target; the first report, if any. Ends early when stopped.
  std::optional<Key> round(std::uint64_t done, std::uint64_t target) {
    std::optional<Key> best;
    const auto nodes_to = [&](std::uint64_t length) {
      double nodes = 0.0;
      for (std::uint64_t l = frontier_length_ + 1; l <= length; ++l) {
        nodes += std::pow(static_cast<double>(automaton_.num_symbols), static_cast<double>(l - frontier_length_));
      }
      return nodes * static_cast<double>(frontier_size_);
    };
    bool again = true;
    while (again) {
      again = false;
      const std::uint64_t steps = canonical_ ? canonical_->steps(target) : frontier_size_;
      const double nodes_a_step = nodes_to(target) / static_cast<double>(steps);
      const double limit = canonical_ ? nodes_a_launch : flat_nodes_a_launch;
      const auto chunk = static_cast<std::uint64_t>(std::max(1.0, std::floor(limit / nodes_a_step)));
      for (std::uint64_t first = 0; first < steps; first += chunk) {
        if (stopped()) return best;
        const std::uint64_t last = std::min(steps, first + chunk);
        const Key key = canonical_ ? canonical_->walk(done, target, first, last, milliseconds_)
                                   : flat_tree_->walk(done, target, first, last, milliseconds_);
        nodes_ += static_cast<std::uint64_t>(nodes_a_step * static_cast<double>(last - first));
        report();
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
    return best;
  }

  /// The event that the reference sees on the word, if any.
  std::optional<Event> confirm(Key key) const {
    const std::uint64_t length = key >> tree_word_bits;
    const Word word = word_of(key & ((Key{1} << tree_word_bits) - 1), length, automaton_.num_symbols);
    std::vector<std::byte> state(recognizer_->state_size());
    Observation seen = recognizer_->initial(state);
    std::uint32_t q = automaton_.start;
    try {
      for (const Symbol a : word) {
        seen = recognizer_->step(state, a);
        q = automaton_.delta[std::size_t{q} * automaton_.num_symbols + a];
      }
    } catch (const NumericError&) {
      return Event{word, true};
    }
    const std::int32_t expected = automaton_.expected[q];
    if (expected != LabelledAutomaton::any_label && expected != seen.label) return Event{word, false};
    return std::nullopt;
  }

  void report() {
    if (!options_.progress || Clock::now() - last_report_ < std::chrono::milliseconds(500)) return;
    last_report_ = Clock::now();
    options_.progress({nodes_, total_, agreed_, seconds()});
  }

  const LrnnModel& model_;
  std::unique_ptr<Recognizer> recognizer_;
  FlatModel flat_;
  const LabelledAutomaton& automaton_;
  const EnumerateOptions& options_;
  Clock::time_point start_;
  Clock::time_point last_report_ = Clock::now();
  std::unique_ptr<DenseTree> canonical_;
  std::unique_ptr<FlatTree> flat_tree_;
  std::size_t frontier_size_ = 0;
  std::uint64_t frontier_length_ = 0;
  std::uint64_t nodes_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t agreed_ = 0;
  double milliseconds_ = 0.0;
};

}  // namespace

EnumerateResult enumerate_on_device(const LrnnModel& model, Semantics semantics, const LabelledAutomaton& automaton,
                                    const EnumerateOptions& options, const CudaDevice& device) {
  return DeviceSearch(model, semantics, automaton, options).run(device);
}

}  // namespace krohn
