// A search of every word: the driver, and what it asks of the walks that differ between machines and devices.
//
// The tree of words is begun breadth first on the reference (Machine::step); a walker then tries what lies below this
// frontier, in rounds of growing length, so that the words up to the last finished round are established when the
// search is stopped. Whatever a walker finds is confirmed on the reference.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "krohn/engine/enumerate.hpp"

namespace krohn {

/// Shortlex order.
bool before(const Word& a, const Word& b);

/// base^exponent, or nothing above 2^62.
std::optional<std::uint64_t> bounded_power(std::uint64_t base, std::uint64_t exponent);

/// The word of `length` symbols whose number is `number`.
Word word_of(std::uint64_t number, std::uint64_t length, std::uint32_t symbols);

/// The words of a part of one length: what the deeper search starts from.
struct Frontier {
  std::uint64_t length = 0;
  std::size_t state_size = 0;
  /// Node i: the word as a number (most significant symbol first), the carried state and the automaton's state.
  std::vector<std::uint64_t> word;
  std::vector<std::byte> states;
  std::vector<std::uint32_t> automaton_state;

  std::size_t size() const noexcept { return word.size(); }
};

/// Tries the words below a frontier.
class Walker {
 public:
  virtual ~Walker() = default;
  /// Tries the words of lengths done + 1 .. target below the frontier; the first in shortlex order whose label differs,
  /// or on which the run is not finite. Ends early, with anything, once the search is stopped.
  virtual std::optional<Word> walk(std::uint64_t done, std::uint64_t target) = 0;
  /// After a word that the reference finds in order: true if the walk rested on an assumption, and from now on does
  /// without.
  virtual bool assume_less() { return false; }
};

/// What walkers see of the search that they work for. May be used by several threads at once.
class Search {
 public:
  /// Throws InputError for arguments that do not fit, ResourceError for a tree that is too large. All arguments must
  /// outlive the search.
  Search(const Machine& machine, const LabelledAutomaton& automaton, const EnumerateOptions& options);

  EnumerateResult run(const WalkPlan& plan);

  const Machine& machine() const noexcept { return machine_; }
  const LabelledAutomaton& automaton() const noexcept { return automaton_; }
  const EnumerateOptions& options() const noexcept { return options_; }
  /// True once the search is to end early.
  bool stopped() const;
  /// Whether the label is wrong behind a word that leads the automaton to `state`.
  bool differs(std::uint32_t state, std::int32_t label) const {
    const std::int32_t expected = automaton_.expected[state];
    return expected != LabelledAutomaton::any_label && expected != label;
  }
  /// Notes steps made, and the seconds that a device took for them; reports progress now and then.
  void count(std::uint64_t nodes, double device_seconds = 0.0);

 private:
  using Clock = std::chrono::steady_clock;

  /// Tries all words up to a length at which there are at least `wanted` words (and at least the shard's prefix), or
  /// max_length. Returns the first word out of order; the frontier is then that of the length before.
  std::optional<Word> begin(std::uint64_t wanted);
  /// Whether the reference finds the word out of order; throws, naming the word, the NumericError that it meets.
  bool confirmed(const Word& word) const;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  const Machine& machine_;
  const LabelledAutomaton& automaton_;
  const EnumerateOptions& options_;
  Clock::time_point start_ = Clock::now();
  Frontier frontier_;
  std::uint64_t total_ = 0;
  std::uint64_t agreed_ = 0;
  std::atomic<std::uint64_t> nodes_{0};
  std::atomic<double> device_seconds_{0.0};
  std::mutex report_mutex_;
  Clock::time_point last_report_ = Clock::now();
};

/// How a machine walks the trees of a search.
struct WalkPlan {
  /// What runs, as Trace::device; asked at the end.
  std::function<std::string()> device;
  /// Nodes of the frontier that are wanted.
  std::uint64_t frontier_nodes = 0;
  /// Opens the walk; the arguments outlive it.
  std::function<std::unique_ptr<Walker>(Search& search, const Frontier& frontier)> open;
};

/// The CPU's: each node's subtree is walked depth first by one thread, with Machine::step.
WalkPlan depth_first_plan();

}  // namespace krohn
