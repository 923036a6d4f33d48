// Elementary operations on transformations, each linear in the degree. Tested by tests/automata/green_test.cpp.
#include "krohn/automata/transformation.hpp"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <map>
#include <numeric>
#include <set>

namespace krohn {

Transformation identity_transformation(std::size_t degree) {
  Transformation f(degree);
  std::iota(f.begin(), f.end(), 0U);
  return f;
}

Transformation compose(std::span<const std::uint32_t> f, std::span<const std::uint32_t> g) {
  Transformation result(f.size());
  for (std::size_t q = 0; q < f.size(); ++q) result[q] = g[f[q]];
  return result;
}

Transformation transformation_of(const Dfa& dfa, std::span<const Symbol> word) {
  Transformation result = identity_transformation(dfa.num_states());
  for (const Symbol a : word) {
    for (std::uint32_t& q : result) q = dfa.next(q, a);
  }
  return result;
}

std::size_t rank_of(std::span<const std::uint32_t> f) {
  std::vector<bool> hit(f.size(), false);
  std::size_t rank = 0;
  for (const std::uint32_t image : f) {
    if (!hit[image]) ++rank;
    hit[image] = true;
  }
  return rank;
}

PowerPattern power_pattern(std::span<const std::uint32_t> f) {
  // The index is the longest way onto a cycle, the period the least common multiple of the cycles' lengths.
  const std::size_t n = f.size();
  std::vector<std::size_t> visits(n, 0);
  for (const std::uint32_t image : f) ++visits[image];
  std::vector<std::uint32_t> leaves;
  for (std::uint32_t q = 0; q < n; ++q) {
    if (visits[q] == 0) leaves.push_back(q);
  }
  std::vector<std::size_t> height(n, 0);  // longest path into q from off the cycles
  std::size_t index = 0;
  std::vector<bool> off_cycle(n, false);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const std::uint32_t q = leaves[i];
    off_cycle[q] = true;
    height[f[q]] = std::max(height[f[q]], height[q] + 1);
    index = std::max(index, height[q] + 1);
    if (--visits[f[q]] == 0) leaves.push_back(f[q]);
  }
  std::set<std::size_t> lengths;
  std::vector<bool> seen = off_cycle;
  for (std::uint32_t q = 0; q < n; ++q) {
    std::size_t length = 0;
    for (std::uint32_t x = q; !seen[x]; x = f[x]) {
      seen[x] = true;
      ++length;
    }
    if (length > 0) lengths.insert(length);
  }
  boost::multiprecision::cpp_int period = 1;
  for (const std::size_t length : lengths)
    period = boost::multiprecision::lcm(period, boost::multiprecision::cpp_int(length));
  return {std::max<std::size_t>(index, 1), period.str(), period > 1};
}

DistinctLetters distinct_letters(const Dfa& dfa) {
  DistinctLetters result;
  std::map<Transformation, std::uint32_t> index;
  for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
    const auto [at, is_new] = index.try_emplace(dfa.letter(a), static_cast<std::uint32_t>(result.images.size()));
    if (is_new) {
      result.images.push_back(at->first);
      result.symbol.push_back(a);
      result.permute = result.permute && rank_of(at->first) == at->first.size();
    }
    result.of_symbol.push_back(at->second);
  }
  return result;
}

}  // namespace krohn
