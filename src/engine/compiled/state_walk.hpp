// Walks of words through the table of the states that words reach, on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "reachable.hpp"

namespace krohn {

/// A good number of words for one call: they are walked side by side, whose look-ups hide each other's latency.
inline constexpr std::size_t state_walk_words = 8;

class StateWalk {
 public:
  /// Of a machine's states, which begin with state 0.
  StateWalk(const Reachable& reachable, std::uint32_t num_symbols);

  /// Walks up to state_walk_words words from state 0 to their ends. Cost: a look-up for each group of 4, 2 or 1
  /// symbols, by the size of the alphabet, where the table of groups stays small.
  void ends(std::span<const std::span<const Symbol>> words, std::span<std::uint32_t> end) const;
  /// The same, with the label after each symbol to labels[i][0 .. words[i].size() - 1].
  void labels(std::span<const std::span<const Symbol>> words, std::span<std::int32_t* const> labels) const;

 private:
  template <class Entry>
  std::vector<Entry> table(const Reachable& reachable) const;
  template <class Entry, int G>
  void ends_in_groups(const std::vector<Entry>& table, std::span<const std::span<const Symbol>> words,
                      std::span<std::uint32_t> end) const;
  template <class Entry>
  void ends_in(const std::vector<Entry>& table, std::span<const std::span<const Symbol>> words,
               std::span<std::uint32_t> end) const;

  const Reachable& reachable_;
  std::uint32_t num_symbols_;
  int group_ = 1;
  std::uint32_t row_ = 0;
  /// Offsets of the next states' rows; one of the two.
  std::vector<std::uint16_t> narrow_;
  std::vector<std::uint32_t> wide_;
};

}  // namespace krohn
