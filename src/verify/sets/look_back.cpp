// Rounding of the doubles: a cell's functional is a product of at most `last_level` decays, whatever the way to it, so
// that every term is right to 2^-45 of itself; sums have fewer than 2^9 terms and as many levels. All together stay
// below `slack` of the sum of the sizes of all terms. Tested by tests/verify/look_back_test.cpp.
#include "sets/look_back.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <unordered_map>

#include "krohn/error.hpp"
#include "sets/enclosing.hpp"

namespace krohn::sets {
namespace {

constexpr std::size_t last_level = 250;
/// A level that would pass it is the last.
constexpr std::size_t most_cells = 4000;
/// What a cell may exceed others by, as a part of what they reach, and still be set aside.
constexpr double unseen = 0x1p-8;

double dot(const double* a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < b.size(); ++j) sum += a[j] * b[j];
  return sum;
}

}  // namespace

/// Cells that passed equally many tokens.
struct LookBack::Level {
  /// How many of each token, 8 bits each.
  std::vector<std::uint64_t> counts;
  /// [cells, size]
  std::vector<double> functionals;
  /// The most that the tokens passed have added.
  std::vector<double> added;
};

LookBack::LookBack(std::vector<std::vector<double>> decays)
    : decays_(std::move(decays)), size_(decays_.front().size()), longest_(size_, 0.0) {
  if (decays_.size() > 8 || size_ >= 512) throw InternalError("sets: too many tokens or entries to look back");
  for (const std::vector<double>& decay : decays_) {
    std::vector<double>& sums = sums_.emplace_back();
    for (std::size_t j = 0; j < size_; ++j) {
      sums.push_back(1.0 / (1.0 - decay[j]));
      longest_[j] = std::max(longest_[j], sums[j]);
    }
  }
}

double LookBack::far(const double* functional, const Entries& entries) const {
  const std::size_t tokens = decays_.size();
  std::vector<std::vector<double>> limits = entries.writes;
  double size = 0.0;
  for (std::size_t c = 0; c < tokens; ++c) {
    for (std::size_t j = 0; j < size_; ++j) limits[c][j] *= sums_[c][j];
  }
  for (std::size_t j = 0; j < size_; ++j) {
    double most = 0.0;
    for (std::size_t c = 0; c < tokens; ++c) most = std::max(most, std::abs(entries.writes[c][j]));
    const double hull = std::max({std::abs(entries.up[j]), std::abs(entries.down[j]), std::abs(entries.first[j])});
    size += std::abs(functional[j]) * (most * longest_[j] + hull);
  }
  Level level{{0}, std::vector<double>(functional, functional + size_), {0.0}};
  double result = -std::numeric_limits<double>::infinity();
  // What words surely reach, up to rounding.
  double reached = result;
  std::vector<double> bounds;
  std::size_t cells = 0;
  for (std::size_t depth = 0;; ++depth) {
    const std::size_t count = level.counts.size();
    cells += count;
    bounds.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const double* p = level.functionals.data() + i * size_;
      const double begun = level.added[i] + dot(p, entries.first);
      result = std::max(result, begun);
      reached = std::max(reached, begun);
      double hull = 0.0;
      for (std::size_t j = 0; j < size_; ++j) hull += std::max(p[j] * entries.up[j], -p[j] * entries.down[j]);
      bounds.push_back(level.added[i] + hull);
      for (std::size_t c = 0; c < tokens; ++c) reached = std::max(reached, level.added[i] + dot(p, limits[c]));
    }
    const bool last = depth == last_level || cells + count * tokens > most_cells;
    Level next;
    std::unordered_map<std::uint64_t, std::size_t> places;
    for (std::size_t i = 0; i < count; ++i) {
      if (last || !(bounds[i] > reached + unseen * std::abs(reached))) {
        result = std::max(result, bounds[i]);
        continue;
      }
      const double* p = level.functionals.data() + i * size_;
      for (std::size_t c = 0; c < tokens; ++c) {
        const std::uint64_t counts = level.counts[i] + (std::uint64_t{1} << (8 * c));
        const double added = level.added[i] + dot(p, entries.writes[c]);
        const auto [place, fresh] = places.emplace(counts, next.counts.size());
        if (fresh) {
          next.counts.push_back(counts);
          for (std::size_t j = 0; j < size_; ++j) next.functionals.push_back(p[j] * decays_[c][j]);
          next.added.push_back(added);
        } else {
          next.added[place->second] = std::max(next.added[place->second], added);
        }
      }
    }
    if (next.counts.empty()) return result + slack * size;
    level = std::move(next);
  }
}

}  // namespace krohn::sets
