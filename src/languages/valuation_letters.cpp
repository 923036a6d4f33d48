// See the header. The search for valuations tries only what a formula leaves possible, so that formulas that name
// every bit cost about their letters. Tested by tests/languages/more_formats_test.cpp.
#include "valuation_letters.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_work = std::size_t{1} << 31U;  // of the search for letters, in sizes of formulas
constexpr std::size_t max_bits = 1000;
constexpr std::size_t max_arcs = std::size_t{1} << 26U;

}  // namespace

std::optional<std::uint64_t> canonical_number(std::string_view text) {
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end || value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::uint32_t> natural_order(const NameTable& bits) {
  struct Bit {
    std::string_view prefix;
    std::optional<std::uint64_t> number;
    std::uint32_t index;
  };
  std::vector<Bit> list;
  bool numbered = true;
  for (std::uint32_t i = 0; i < bits.size(); ++i) {
    const std::string_view name = bits[i];
    const std::size_t digits = name.find_last_not_of("0123456789") + 1;
    list.push_back({name.substr(0, digits), canonical_number(name.substr(digits)), i});
    numbered = numbered && list.back().number && list.back().prefix == list.front().prefix;
  }
  std::sort(list.begin(), list.end(), [&](const Bit& x, const Bit& y) {
    return numbered ? *x.number < *y.number : bits[x.index] < bits[y.index];
  });
  std::vector<std::uint32_t> order;
  for (const Bit& bit : list) order.push_back(bit.index);
  return order;
}

void add_valuation_arcs(const std::string& source, const NameTable& bits, const std::vector<std::uint32_t>& order,
                        std::vector<ValuationArc> transitions, NamedArcs& arcs) {
  std::vector<std::uint32_t> place(order.size());
  std::string listed;
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    listed += (listed.empty() ? "" : " ") + std::string(bits[order[i]]);
  }
  if (order.size() > max_bits) {
    throw ResourceError(source + ": expected at most " + std::to_string(max_bits) + " bits, got " +
                        std::to_string(order.size()));
  }
  std::string name(std::max<std::size_t>(1, order.size()), 't');
  std::size_t budget = max_work;
  for (ValuationArc& arc : transitions) {
    for (FormulaToken& item : arc.formula) {
      if (item.kind == FormulaToken::Kind::atom) item.atom = place[item.atom];
    }
    const bool complete =
        for_each_model(arc.formula, order.size(), budget, [&](const std::vector<std::uint8_t>& valuation) {
          for (std::size_t i = 0; i < valuation.size(); ++i) name[i] = valuation[i] == 1 ? '1' : '0';
          const std::uint32_t letter = arcs.symbols.find_or_add(name).index;
          if (letter >= max_valuation_letters || arcs.arcs.size() >= max_arcs) return false;
          arcs.arcs.push_back({arc.from, letter, arc.to});
          return true;
        });
    if (!complete) {
      throw ResourceError(source + ":" + std::to_string(arc.line) + ": expected transitions under at most " +
                          std::to_string(max_valuation_letters) + " valuations of the bits, got more" +
                          (budget <= arc.formula.size() ? ", or formulas that take too long to expand" : "") +
                          " (there are " + std::to_string(order.size()) + " bits)");
    }
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < arcs.symbols.size(); ++i) names.emplace_back(arcs.symbols[i]);
  std::sort(names.begin(), names.end());
  if (!names.empty()) arcs.alphabet = Alphabet(std::move(names));
  arcs.notes.push_back(source + ": letters are valuations of the bits " + shown(listed, 200) + " in this order, " +
                       std::to_string(arcs.symbols.size()) + " of 2^" + std::to_string(order.size()) + " occur");
}

}  // namespace krohn
