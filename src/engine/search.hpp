// What the CPU and the CUDA forms of enumerate share: the plan of a search (frontier, part, rounds), events,
// statistics.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "krohn/engine/enumerate.hpp"

namespace krohn {

/// The first thing out of order: a word with the wrong label, or one on which the run is not finite.
struct Event {
  Word word;
  bool numeric = false;
};

/// Shortlex order.
bool before(const Word& a, const Word& b);

/// Keeps the first of two events.
void keep_first(std::optional<Event>& best, const Event& event);

/// The words of this part of one length, carried to the next shards' subtrees: what the deeper search starts from.
struct Frontier {
  std::uint64_t length = 0;
  std::size_t state_size = 0;
  /// Node i: the word as a number (most significant symbol first), the carried state and the automaton's state.
  std::vector<std::uint64_t> word;
  std::vector<std::byte> states;
  std::vector<std::uint32_t> automaton_state;

  std::size_t size() const noexcept { return word.size(); }
};

/// True once the search is to end early.
bool stop_requested(const EnumerateOptions& options);

/// base^exponent, or nothing above 2^62.
std::optional<std::uint64_t> bounded_power(std::uint64_t base, std::uint64_t exponent);

/// The word of `length` symbols whose number is `number`.
Word word_of(std::uint64_t number, std::uint64_t length, std::uint32_t symbols);

/// The prefix length of a search split into `count` parts (see Shard).
std::uint64_t shard_prefix(std::uint32_t symbols, std::uint32_t count, std::uint64_t max_length);

/// Throws InputError for arguments that do not fit, ResourceError for a tree that is too large.
void check_search(const Recognizer& recognizer, const LabelledAutomaton& automaton, const EnumerateOptions& options);

/// All words up to the length of the frontier, in shortlex order.
struct Beginning {
  Frontier frontier;
  std::optional<Event> event;
  std::uint64_t nodes = 0;
};

/// Tries every word of the part up to a length at which there are at least `wanted` words (and at least the shard's
/// prefix), or max_length. Stops after the length of the first event.
Beginning begin_search(const Recognizer& recognizer, const LabelledAutomaton& automaton,
                       const EnumerateOptions& options, std::uint64_t wanted);

/// The length to which the next round goes, after `done`: far enough that walking the tree again costs little.
std::uint64_t round_target(std::uint64_t done, std::uint32_t symbols, std::uint64_t max_length);

/// Words and in-domain words of this part for lengths 0 .. max.
std::vector<LengthStatistics> length_statistics(const LabelledAutomaton& automaton, Shard shard,
                                                std::uint64_t search_length, std::uint64_t max);

/// Turns what was found into a result, or throws the NumericError that the first event is.
void conclude(const Recognizer& recognizer, const LabelledAutomaton& automaton, const EnumerateOptions& options,
              const std::optional<Event>& event, std::optional<std::uint64_t> agreed, EnumerateResult& result);

}  // namespace krohn
