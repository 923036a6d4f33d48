// Letters that are valuations of named bits: what automata with formulas on their transitions become.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formula.hpp"
#include "name_table.hpp"
#include "named_arcs.hpp"

namespace krohn {

/// A transition under every valuation that satisfies the formula, whose atoms are bits.
struct ValuationArc {
  State from;
  State to;
  Formula formula;
  std::size_t line;
};

inline constexpr std::size_t max_valuation_letters = 4096;

/// A decimal number below 2^63 without leading zeros; nothing where the text is none.
std::optional<std::uint64_t> canonical_number(std::string_view text);

/// The bits ascending by n where all are named <text><n> with one text and decimal numbers below 2^63 without leading
/// zeros, else ascending by their bytes.
std::vector<std::uint32_t> natural_order(const NameTable& bits);

/// Adds to `arcs`, which has no symbols yet, one arc a valuation, its alphabet (the valuations that occur, ascending)
/// and a note with the order of the bits. A letter is named by the values 0 and 1 of the bits in `order`, "t" if there
/// are none. Throws ResourceError for more than max_valuation_letters letters.
void add_valuation_arcs(const std::string& source, const NameTable& bits, const std::vector<std::uint32_t>& order,
                        std::vector<ValuationArc> transitions, NamedArcs& arcs);

}  // namespace krohn
