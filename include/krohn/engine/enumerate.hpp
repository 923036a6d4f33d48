// Every word up to a length, on a prefix tree: one recurrence step a node, the automaton walked alongside, and the
// first word in shortlex order on which the two differ.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "krohn/engine/machine.hpp"

namespace krohn {

/// The automaton as plain arrays, its labels translated to the model's.
struct LabelledAutomaton {
  /// An entry of `expected`: every label is right here (the word is outside the domain).
  static constexpr std::int32_t any_label = -2;
  /// An entry of `expected`: no label of the model is right here.
  static constexpr std::int32_t no_label = -3;

  std::uint32_t num_symbols = 0;
  std::uint32_t start = 0;
  /// [states * num_symbols]
  std::vector<std::uint32_t> delta;
  /// [states]: the model's label, any_label or no_label.
  std::vector<std::int32_t> expected;

  std::size_t num_states() const noexcept { return expected.size(); }
};

/// A deterministic part of a search: part `index` of `count`. Words shorter than the prefix length (the least P with
/// symbols^P >= 64 * count, at most the search's length) belong to part 0; a longer word belongs to the part of its
/// first P symbols, whose values 0 .. symbols^P - 1 (most significant symbol first) are split into `count` runs.
struct Shard {
  std::uint32_t index = 0;
  std::uint32_t count = 1;
};

/// The words of one length that belong to a part of a search up to `search_length`; over all parts they add up to
/// symbols^length. Nothing without symbols, beyond `search_length`, and if symbols^search_length exceeds 2^62: no
/// search is like that.
std::optional<std::uint64_t> words_in_part(std::uint32_t symbols, Shard shard, std::uint64_t search_length,
                                           std::uint64_t length);

struct EnumerateProgress {
  std::uint64_t nodes = 0;   // so far
  std::uint64_t total = 0;   // of this part, up to max_length
  std::uint64_t length = 0;  // every word up to here agrees
  double seconds = 0.0;
};

struct EnumerateOptions {
  /// Every word up to this length is tried.
  std::uint64_t max_length = 0;
  /// Words up to this length are known to agree (from an earlier result's `agreed`) and are not compared again.
  std::optional<std::uint64_t> agreed;
  Shard shard;
  Device device = Device::automatic;
  unsigned threads = 0;
  /// The most bytes to use on a CUDA device; 0 leaves it to the search.
  std::uint64_t device_memory = 0;
  /// The search ends here with what is established, as by the flag.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  /// Polled; once true, the search ends with what is established.
  const std::atomic<bool>* stop = nullptr;
  /// Called about twice a second, by one thread at a time.
  std::function<void(const EnumerateProgress&)> progress;
};

/// What was seen of the words of one length.
struct LengthStatistics {
  std::uint64_t length = 0;
  std::uint64_t words = 0;
  /// Those whose label the automaton fixes.
  std::uint64_t in_domain = 0;
  friend bool operator==(const LengthStatistics&, const LengthStatistics&) = default;
};

struct EnumerateResult {
  /// The first word, in shortlex order, of this part whose label differs.
  std::optional<Word> disagreement;
  /// Every word of this part up to this length agrees; nothing if not even the empty word was tried or agrees.
  std::optional<std::uint64_t> agreed;
  /// True if the search ended because of the stop flag or the deadline.
  bool stopped = false;
  /// The part's words of every length up to `agreed`, and of the disagreement's length.
  std::vector<LengthStatistics> lengths;
  /// Recurrence steps made, and the time they took.
  std::uint64_t nodes = 0;
  double seconds = 0.0;
  /// Of these, the seconds of the device's kernels.
  double device_seconds = 0.0;
  /// What ran, as Trace::device.
  std::string device;
};

/// Tries every word of the part, by the fastest form that the machine has on the device. The result (but for nodes,
/// seconds) depends neither on the device nor on threads nor on timing. Throws NumericError, naming the word, if the
/// first word that is not in order is one on which the run meets NaN or infinity; InputError for a shard, an automaton
/// or an alphabet that does not fit; ResourceError if symbols^max_length exceeds 2^62; DeviceError as Machine::run.
/// Cost: the nodes of the prefix tree, and up to a quarter more.
EnumerateResult enumerate(const Machine& machine, const LabelledAutomaton& automaton, const EnumerateOptions& options);

/// What enumerate() on all parts of a search says together.
struct MergedEnumeration {
  std::optional<Word> disagreement;
  /// True if every part established all words before `disagreement`.
  bool first = false;
  std::optional<std::uint64_t> agreed;
  std::vector<LengthStatistics> lengths;
};

/// `parts[i]` is the result of part i of parts.size(). Does not depend on the number of parts.
MergedEnumeration merge(const std::vector<EnumerateResult>& parts);

}  // namespace krohn
