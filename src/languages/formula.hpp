// Boolean formulas over numbered atoms, as automata of other tools carry them for states, letters and bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace krohn {

/// A token of a formula, and an item of its postfix form (which has no brackets).
struct FormulaToken {
  enum class Kind : std::uint8_t { atom, truth, falsehood, negation, conjunction, disjunction, open, close };
  Kind kind;
  std::uint32_t atom = 0;
};

/// Operands before their operators.
using Formula = std::vector<FormulaToken>;

struct ParsedFormula {
  Formula formula;
  /// The index of the first token that does not fit (the number of tokens where the end does not).
  std::optional<std::size_t> broken;
};

/// `|` binds loosest, then `&`, then `!`. Linear, without recursion.
ParsedFormula parse_formula(std::span<const FormulaToken> tokens);

/// The values of a formula where exactly one atom is true: for every atom below num_atoms, and for an atom that it does
/// not name. Time O(size of the formula * num_atoms / 64).
struct SingletonValues {
  std::vector<bool> of_atom;
  bool of_others = false;
};
SingletonValues singleton_values(const Formula& formula, std::size_t num_atoms);

/// Calls `found` with every valuation (a value an atom) that satisfies the formula, ascending by atom 0, then 1, ...
/// Stops and returns false where `found` does, and where `budget`, from which every partial valuation that is tried
/// takes the formula's size, is used up. Valuations that a decided part of the formula rules out are not tried.
bool for_each_model(const Formula& formula, std::size_t num_atoms, std::size_t& budget,
                    const std::function<bool(const std::vector<std::uint8_t>&)>& found);

}  // namespace krohn
