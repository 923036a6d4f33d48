// What the layers of symmetries are made from: letters that permute the states, as words in a few of them, or reset;
// and what they have in common, a hidden vector for each slot, all of one length, that every row moves onto another
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "krohn/compile/group.hpp"
#include "krohn/model/token_table.hpp"

namespace krohn {

using Images = std::vector<State>;

/// First `first`, then `second`.
Images composed(const Images& first, const Images& second);

/// The letters of an automaton that act differently, numbered by first occurrence.
struct PermutingLetters {
  std::vector<Images> images;
  /// Per letter; one that does not permute resets: all of its images are one state.
  std::vector<bool> permutes;
  std::vector<std::int32_t> row_of_symbol;
  std::vector<std::uint32_t> symbol_of_row;
  /// At most three, none superfluous, that generate the group of the letters that permute.
  std::vector<Images> generators;
  /// Per letter that permutes, a word in the generators.
  std::vector<std::vector<std::size_t>> word;
};

/// Nothing where a letter neither permutes nor resets, the group needs more generators or has more than 4096 elements,
/// or there is one state or more than `max_slots`.
std::optional<PermutingLetters> permuting_letters(const Dfa& minimal);

/// A layer has at most so many slots.
inline constexpr std::size_t max_slots = 1024;

/// The layer whose rows (of the letters that permute; the others are made here: a zero gate and a write) move the
/// points, all of one length, as the letters move the states that they stand for. Slot 0 is the start. Scores are
/// scalar products, largest at the point itself (Cauchy and Schwarz). Nothing where a reset leads to a state that no
/// point stands for.
std::optional<CompiledGroup> layer_of_points(const Dfa& minimal, const PermutingLetters& letters,
                                             std::vector<TokenRow> rows, const std::vector<std::vector<float>>& points,
                                             const std::vector<State>& states);

}  // namespace krohn
