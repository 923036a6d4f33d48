// What a sequence of symbols does to a few points, on the CPU.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "krohn/kernels/machine_view.hpp"

namespace krohn {

/// Walks sequences by permutations of bytes; only where has_avx2_fma() holds.
class PointsWalk {
 public:
  explicit PointsWalk(const PointsView& points);

  /// Where `symbols`, which are valid, move each point. Cost: a look-up and a permutation for each group of 4, 2 or 1
  /// symbols, by the size of the alphabet.
  PointImages moved(std::span<const std::uint8_t> symbols) const;

 private:
  /// A register; points that do not exist stay where they are.
  struct alignas(16) Row {
    std::array<std::uint8_t, 16> image;
  };
  template <int G>
  PointImages moved_in_groups(std::span<const std::uint8_t> symbols) const;

  int group_;
  std::vector<Row> rows_;
};

}  // namespace krohn
