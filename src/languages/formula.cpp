// See the header: the shunting yard of Dijkstra (1961), values 64 atoms at a time, and a depth-first search over the
// atoms on three-valued partial valuations, which is kept on an explicit stack.
// Tested by tests/languages/format_mata_test.cpp.
#include "formula.hpp"

#include <algorithm>

namespace krohn {
namespace {

using Kind = FormulaToken::Kind;

int tightness(Kind kind) { return kind == Kind::negation ? 3 : kind == Kind::conjunction ? 2 : 1; }

// The value of a postfix formula in an algebra given by its operations.
template <typename Value, typename OfAtom>
Value evaluate(const Formula& formula, std::vector<Value>& stack, Value truth, Value falsehood, OfAtom&& of_atom,
               Value (*negation)(Value), Value (*conjunction)(Value, Value), Value (*disjunction)(Value, Value)) {
  stack.clear();
  for (const FormulaToken& item : formula) {
    switch (item.kind) {
      case Kind::atom:
        stack.push_back(of_atom(item.atom));
        break;
      case Kind::truth:
        stack.push_back(truth);
        break;
      case Kind::falsehood:
        stack.push_back(falsehood);
        break;
      case Kind::negation:
        stack.back() = negation(stack.back());
        break;
      default: {
        const Value right = stack.back();
        stack.pop_back();
        stack.back() = (item.kind == Kind::conjunction ? conjunction : disjunction)(stack.back(), right);
      }
    }
  }
  return stack.back();
}

constexpr std::uint8_t undecided = 2;

}  // namespace

ParsedFormula parse_formula(std::span<const FormulaToken> tokens) {
  ParsedFormula result;
  std::vector<Kind> waiting;  // operators and opening brackets
  bool wants_operand = true;
  const auto pop = [&] {
    result.formula.push_back({waiting.back()});
    waiting.pop_back();
  };
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Kind kind = tokens[i].kind;
    const bool prefix = kind == Kind::atom || kind == Kind::truth || kind == Kind::falsehood ||
                        kind == Kind::negation || kind == Kind::open;
    if (prefix != wants_operand) {
      result.broken = i;
      return result;
    }
    switch (kind) {
      case Kind::negation:
      case Kind::open:
        waiting.push_back(kind);
        break;
      case Kind::close:
        while (!waiting.empty() && waiting.back() != Kind::open) pop();
        if (waiting.empty()) {
          result.broken = i;
          return result;
        }
        waiting.pop_back();
        break;
      case Kind::conjunction:
      case Kind::disjunction:
        while (!waiting.empty() && waiting.back() != Kind::open && tightness(waiting.back()) >= tightness(kind)) pop();
        waiting.push_back(kind);
        wants_operand = true;
        break;
      default:
        result.formula.push_back(tokens[i]);
        wants_operand = false;
    }
  }
  if (wants_operand) {
    result.broken = tokens.size();
    return result;
  }
  while (!waiting.empty()) {
    if (waiting.back() == Kind::open) {
      result.broken = tokens.size();
      return result;
    }
    pop();
  }
  return result;
}

SingletonValues singleton_values(const Formula& formula, std::size_t num_atoms) {
  using Lanes = std::uint64_t;
  SingletonValues values;
  values.of_atom.resize(num_atoms);
  std::vector<Lanes> stack;
  const auto lanes = [&](std::size_t first) {
    return evaluate<Lanes>(
        formula, stack, ~Lanes{0}, Lanes{0},
        [&](std::uint32_t atom) { return atom >= first && atom - first < 64 ? Lanes{1} << (atom - first) : Lanes{0}; },
        [](Lanes a) { return ~a; }, [](Lanes a, Lanes b) { return a & b; }, [](Lanes a, Lanes b) { return a | b; });
  };
  for (std::size_t first = 0; first < num_atoms; first += 64) {
    const Lanes value = lanes(first);
    for (std::size_t i = first; i < std::min(num_atoms, first + 64); ++i) {
      values.of_atom[i] = ((value >> (i - first)) & 1U) != 0;
    }
  }
  values.of_others = (lanes(num_atoms) & 1U) != 0;
  return values;
}

bool for_each_model(const Formula& formula, std::size_t num_atoms, std::size_t& budget,
                    const std::function<bool(const std::vector<std::uint8_t>&)>& found) {
  using Value = std::uint8_t;  // 0, 1 or undecided
  std::vector<Value> stack;
  std::vector<Value> valuation(num_atoms, undecided);
  const auto value = [&] {
    return evaluate<Value>(
        formula, stack, 1, 0, [&](std::uint32_t atom) { return valuation[atom]; },
        [](Value a) { return a == undecided ? a : static_cast<Value>(1 - a); },
        [](Value a, Value b) {
          return a == 0 || b == 0 ? Value{0} : a == undecided || b == undecided ? undecided : Value{1};
        },
        [](Value a, Value b) {
          return a == 1 || b == 1 ? Value{1} : a == undecided || b == undecided ? undecided : Value{0};
        });
  };
  // The valuation is a path of the search: atoms below `depth` are decided.
  std::size_t depth = 0;
  while (budget > formula.size()) {
    budget -= formula.size();
    const bool possible = value() != 0;
    if (possible && depth == num_atoms && !found(valuation)) return false;
    if (possible && depth < num_atoms) {
      valuation[depth++] = 0;
      continue;
    }
    while (depth > 0 && valuation[depth - 1] == 1) valuation[--depth] = undecided;
    if (depth == 0) return true;
    valuation[depth - 1] = 1;
  }
  return false;
}

}  // namespace krohn
