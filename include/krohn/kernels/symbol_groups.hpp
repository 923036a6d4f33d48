// Several symbols of a small alphabet as one number of 8 bits, so that a table of 256 rows takes them at once. A group
// has 4, 2 or 1 symbols, the first in the lowest bits; tables have the groups' rows first, then (where a group is not
// one symbol) a row for each symbol, for what remains of a word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace krohn {

inline constexpr std::uint32_t group_numbers = 256;

/// The largest group whose numbers have 8 bits.
constexpr int largest_group(std::uint32_t num_symbols) { return num_symbols <= 4 ? 4 : num_symbols <= 16 ? 2 : 1; }

/// The row of symbol 0.
constexpr std::uint32_t first_symbol_row(int group) { return group > 1 ? group_numbers : 0; }
constexpr std::uint32_t group_rows(int group, std::uint32_t num_symbols) {
  return first_symbol_row(group) + num_symbols;
}

/// The largest group for which fits(rows) holds of the number of a table's rows, else 1.
template <class Fits>
int largest_group(std::uint32_t num_symbols, const Fits& fits) {
  int group = largest_group(num_symbols);
  while (group > 1 && !fits(group_rows(group, num_symbols))) group /= 2;
  return group;
}

/// A word of four symbols, its first in the lowest byte, with the number of its group `i` of G symbols in the byte
/// group_byte<G>(i).
template <int G>
constexpr std::uint32_t grouped(std::uint32_t word, int i) {
  // The products' other parts lie below bit 24 and meet nowhere, or beyond bit 31.
  if constexpr (G == 4) return word * ((1U << 24U) + (1U << 18U) + (1U << 12U) + (1U << 6U));
  if constexpr (G == 2) return word * (i == 0 ? (1U << 24U) + (1U << 20U) : (1U << 8U) + (1U << 4U));
  return word;
}
template <int G>
constexpr int group_byte(int i) {
  return G == 1 ? i : 3;
}

/// Calls body(row, symbols) for every row of a table that stands for symbols; others are never looked up.
template <class Body>
void each_group_row(int group, std::uint32_t num_symbols, const Body& body) {
  const int bits = 8 / group;
  std::uint32_t symbols[4] = {};
  for (std::uint32_t number = 0; number < first_symbol_row(group); ++number) {
    bool exists = true;
    for (int i = 0; i < group; ++i) {
      symbols[i] = (number >> (bits * i)) & ((1U << bits) - 1U);
      exists = exists && symbols[i] < num_symbols;
    }
    if (exists) body(number, std::span<const std::uint32_t>(symbols, static_cast<std::size_t>(group)));
  }
  for (symbols[0] = 0; symbols[0] < num_symbols; ++symbols[0]) {
    body(first_symbol_row(group) + symbols[0], std::span<const std::uint32_t>(symbols, 1));
  }
}

/// A machine's transitions next[q * num_symbols + a] as a table of group_rows() entries a state, each the offset of the
/// next state's row, in entries.
template <class Entry>
std::vector<Entry> grouped_table(const std::uint32_t* next, std::uint32_t states, std::uint32_t num_symbols,
                                 int group) {
  const std::uint32_t row = group_rows(group, num_symbols);
  std::vector<Entry> table(std::size_t{states} * row, 0);
  for (std::uint32_t q = 0; q < states; ++q) {
    each_group_row(group, num_symbols, [&](std::uint32_t i, std::span<const std::uint32_t> symbols) {
      std::uint32_t to = q;
      for (const std::uint32_t a : symbols) to = next[std::size_t{to} * num_symbols + a];
      table[std::size_t{q} * row + i] = static_cast<Entry>(to * row);
    });
  }
  return table;
}

}  // namespace krohn
