// The CPU form for any recognizer, and the choice of the device. The tree is begun breadth first; then, in rounds of
// growing length, each frontier node's subtree is walked depth first by one thread, so that the words up to the last
// finished round are established when the search is stopped. Invariant: no word at or before the final event in
// shortlex order is skipped, whatever the threads do, because a block is only ever cut to lengths that cannot precede
// an event already found.
#include "krohn/engine/enumerate.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <string>

#include "choose_device.hpp"
#include "enumerate_device.hpp"
#include "krohn/engine/learned_program.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/enumerate.hpp"
#include "learned_device.hpp"
#include "parallel.hpp"
#include "search.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t frontier_nodes = 4096;
constexpr std::uint64_t nodes_between_polls = 4096;
/// From here on Device::automatic takes a CUDA device.
constexpr std::uint64_t device_words = 50'000'000;
/// The same for a learned model, in multiply-adds.
constexpr double learned_device_work = 1e10;

/// The first event of all threads, and what it allows a block to leave out.
class FirstEvent {
 public:
  void add(std::size_t block, const Event& event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!event_ || before(event.word, event_->word)) {
      event_ = event;
      block_ = block;
      length_.store(event.word.size());
    }
  }
  /// Words of `block` longer than this cannot be first. Blocks are in lexicographic order of their prefixes.
  std::uint64_t longest(std::size_t block, std::uint64_t target) const {
    if (length_.load() > target) return target;
    const std::lock_guard<std::mutex> lock(mutex_);
    return block < block_ ? event_->word.size() : event_->word.size() - 1;
  }
  const std::optional<Event>& event() const { return event_; }

 private:
  mutable std::mutex mutex_;
  std::optional<Event> event_;
  std::size_t block_ = 0;
  std::atomic<std::uint64_t> length_{~std::uint64_t{0}};
};

class Search {
 public:
  Search(const Recognizer& recognizer, const LabelledAutomaton& automaton, const EnumerateOptions& options)
      : recognizer_(recognizer), automaton_(automaton), options_(options), start_(Clock::now()) {
    check_search(recognizer, automaton, options);
  }

  EnumerateResult run() {
    for (const LengthStatistics& line :
         length_statistics(automaton_, options_.shard, options_.max_length, options_.max_length)) {
      total_ += line.words;
    }
    Beginning beginning = begin_search(recognizer_, automaton_, options_, frontier_nodes);
    nodes_ = beginning.nodes;
    std::optional<Event> event = beginning.event;
    agreed_ = beginning.frontier.length;
    if (options_.agreed) agreed_ = std::max(agreed_.load(), std::min(*options_.agreed, options_.max_length));
    while (!event && agreed_ < options_.max_length && !stopped()) {
      const std::uint64_t target = round_target(agreed_, automaton_.num_symbols, options_.max_length);
      FirstEvent first;
      const Frontier& frontier = beginning.frontier;
      parallel_blocks(frontier.size(), threads_to_use(options_.threads),
                      [&](std::size_t block) { walk(frontier, block, target, first); });
      if (stopped()) {
        // A round cut short proves nothing about its lengths; an event in it is real, but perhaps not the first.
        break;
      }
      event = first.event();
      if (!event) agreed_ = target;
    }
    EnumerateResult result;
    result.stopped = !event && agreed_ < options_.max_length;
    result.nodes = nodes_;
    result.device = "cpu";
    conclude(recognizer_, automaton_, options_, event, agreed_.load(), result);
    result.seconds = seconds();
    return result;
  }

 private:
  bool stopped() const { return stop_requested(options_); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  /// Depth first from one frontier node: symbols ascending, so that words of one length come in order.
  void walk(const Frontier& frontier, std::size_t block, std::uint64_t target, FirstEvent& first) {
    const std::uint32_t symbols = automaton_.num_symbols;
    const std::size_t size = frontier.state_size;
    const std::uint64_t compared_from = agreed_ + 1;
    std::uint64_t longest = first.longest(block, target);
    if (longest <= frontier.length || stopped()) return;
    const auto depth_limit = static_cast<std::size_t>(target - frontier.length);
    std::vector<std::byte> states((depth_limit + 1) * size);
    std::vector<std::uint32_t> q(depth_limit + 1);
    std::vector<Symbol> suffix(depth_limit + 1);
    std::copy_n(frontier.states.begin() + static_cast<std::ptrdiff_t>(block * size), size, states.begin());
    q[0] = frontier.automaton_state[block];
    std::uint64_t visited = 0;
    std::size_t depth = 0;
    suffix[0] = 0;
    for (;;) {
      if (suffix[depth] == symbols || frontier.length + depth >= longest) {
        if (depth == 0) break;
        --depth;
        ++suffix[depth];
        continue;
      }
      if (++visited % nodes_between_polls == 0) {
        if (stopped()) break;
        longest = std::min(longest, first.longest(block, target));
        if (frontier.length + depth >= longest) continue;
      }
      const Symbol a = suffix[depth];
      const std::span<std::byte> child(states.data() + (depth + 1) * size, size);
      std::copy_n(states.begin() + static_cast<std::ptrdiff_t>(depth * size), size, child.begin());
      const std::uint32_t state = automaton_.delta[std::size_t{q[depth]} * symbols + a];
      const std::uint64_t length = frontier.length + depth + 1;
      bool numeric = false;
      std::int32_t label = undefined_label;
      try {
        label = recognizer_.step(child, a).label;
      } catch (const NumericError&) {
        numeric = true;
      }
      const std::int32_t expected = automaton_.expected[state];
      const bool differs = expected != LabelledAutomaton::any_label && expected != label;
      if (numeric || (differs && length >= compared_from)) {
        Word word = word_of(frontier.word[block], frontier.length, symbols);
        word.insert(word.end(), suffix.begin(), suffix.begin() + static_cast<std::ptrdiff_t>(depth + 1));
        first.add(block, Event{std::move(word), numeric});
        longest = length - 1;
        continue;
      }
      ++depth;
      q[depth] = state;
      suffix[depth] = 0;
    }
    nodes_ += visited;
    report();
  }

  void report() {
    if (!options_.progress) return;
    const std::unique_lock<std::mutex> lock(progress_mutex_, std::try_to_lock);
    if (!lock.owns_lock() || Clock::now() - last_report_ < std::chrono::milliseconds(500)) return;
    last_report_ = Clock::now();
    options_.progress({nodes_, total_, agreed_, seconds()});
  }

  const Recognizer& recognizer_;
  const LabelledAutomaton& automaton_;
  const EnumerateOptions& options_;
  Clock::time_point start_;
  Clock::time_point last_report_ = Clock::now();
  std::mutex progress_mutex_;
  std::atomic<std::uint64_t> nodes_{0};
  std::atomic<std::uint64_t> agreed_{0};
  std::uint64_t total_ = 0;
};

}  // namespace

EnumerateResult enumerate(const Recognizer& recognizer, const LabelledAutomaton& automaton,
                          const EnumerateOptions& options) {
  if (const std::optional<Recognizer::Learned> learned = recognizer.learned()) {
    const std::optional<std::uint64_t> words = bounded_power(automaton.num_symbols, options.max_length);
    const bool large = words && runs_on_device(*learned->model) &&
                       static_cast<double>(*words) / std::max(1U, options.shard.count) *
                               static_cast<double>(learned->model->num_parameters()) >=
                           learned_device_work;
    if (const std::optional<CudaDevice> device = choose_device(options.device, large)) {
      return enumerate_on_device(recognizer, *learned, automaton, options, *device);
    }
  } else if (options.device == Device::cuda) {
    throw DeviceError("enumerate: this model runs on the CPU only; expected --device cpu or auto");
  }
  return Search(recognizer, automaton, options).run();
}

EnumerateResult enumerate(const LrnnModel& model, Semantics semantics, const LabelledAutomaton& automaton,
                          const EnumerateOptions& options) {
  const std::optional<std::uint64_t> words = bounded_power(automaton.num_symbols, options.max_length);
  const bool fits = words && *words < (std::uint64_t{1} << tree_word_bits) && options.max_length <= tree_max_length;
  if (options.device == Device::cuda && !fits) {
    throw ResourceError("enumerate: the words of length " + std::to_string(options.max_length) +
                        " are too many, or too long, for a CUDA device");
  }
  const bool large = fits && *words / std::max(1U, options.shard.count) >= device_words;
  if (const std::optional<CudaDevice> device = choose_device(options.device, large)) {
    return enumerate_on_device(model, semantics, automaton, options, *device);
  }
  EnumerateOptions on_cpu = options;
  on_cpu.device = Device::cpu;
  return enumerate(*make_recognizer(model, semantics), automaton, on_cpu);
}

}  // namespace krohn
