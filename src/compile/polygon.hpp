// Permutations that turn a regular polygon of their points: rotations and reflections of the plane.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "krohn/model/lrnn_model.hpp"

namespace krohn {

/// Position p to p + shift, or mirrored to shift - p, modulo the number of corners.
struct Turn {
  bool mirrored = false;
  std::size_t shift = 0;
};

/// Points as the corners of a regular polygon, and what each permutation does to it.
struct Polygon {
  /// Of each point, the start at 0.
  std::vector<std::uint32_t> position;
  std::vector<Turn> turns;
};

/// Nothing where the permutations turn no polygon of all points: they generate no cyclic or dihedral group on them that
/// has a cycle through all. `permutations`: images of 0 .. size - 1. Cost: at most 2 size elements, each of size.
std::optional<Polygon> find_polygon(std::span<const std::vector<std::uint32_t>> permutations, std::size_t size,
                                    std::uint32_t start);

/// The corners where the points lie, point 0 first: as they are, [points, 2], and as the rows of a readout.
struct Corners {
  std::vector<double> centre;
  SlotReadout readout;
};
Corners corners_of(const Polygon& polygon);

/// The turn as reflections of the plane: one where it is mirrored, else the one in the x-axis and one more. With signed
/// gates that first one is the gate diag(1, -1). Keys are of norm 1 and rounded to binary32, but exact where a line is
/// an axis or a diagonal.
TokenRow turn_row(const Turn& turn, std::size_t corners, bool signed_gates);

/// Whether turns compute without rounding: of two and four corners.
inline bool turns_exactly(std::size_t corners) { return corners <= 2 || corners == 4; }

}  // namespace krohn
