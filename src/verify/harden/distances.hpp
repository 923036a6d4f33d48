// What both kinds of hardening measure of codes. Tested by tests/verify/harden_test.cpp and harden_compiled_test.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "krohn/verify/harden.hpp"

namespace krohn {

inline double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return sum;
}

inline double distance(std::span<const float> a, std::span<const float> b) { return std::sqrt(squared_distance(a, b)); }

inline double squared_norm(std::span<const float> a) {
  double sum = 0.0;
  for (const float x : a) sum += static_cast<double>(x) * static_cast<double>(x);
  return sum;
}

/// How far states of own runs lie from codes, in ranges of lengths that double.
class DistancesByLength {
 public:
  static constexpr std::size_t words = 8;
  static constexpr std::size_t longest = 511;

  DistancesByLength() {
    for (std::size_t from = 1; from <= longest; from *= 2) table_.push_back({from, 2 * from - 1, 0.0, 0.0});
    counts_.resize(table_.size(), 0);
  }

  /// A state behind `length` symbols, at most `longest`.
  void add(std::size_t length, double distance) {
    std::size_t range = 0;
    while (table_[range].to < length) ++range;
    table_[range].mean += distance;
    table_[range].most = std::max(table_[range].most, distance);
    ++counts_[range];
  }

  std::vector<CodeDistance> table() const {
    std::vector<CodeDistance> result = table_;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] > 0) result[i].mean /= static_cast<double>(counts_[i]);
    }
    return result;
  }

 private:
  std::vector<CodeDistance> table_;
  std::vector<std::size_t> counts_;
};

/// The least distance between two codes of one unit; infinite where none has two.
inline double least_distance(const std::vector<UnitCodes>& units) {
  double least = std::numeric_limits<double>::infinity();
  for (const UnitCodes& unit : units) {
    for (std::size_t i = 0; i < unit.codes.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) least = std::min(least, distance(unit.codes[i], unit.codes[j]));
    }
  }
  return least;
}

}  // namespace krohn
