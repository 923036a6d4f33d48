// Finite machines as the kernels read them: a table of transitions, the monoid of what words do to its states, and an
// action on a few points.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace krohn {

/// A machine as a table: next[q * num_symbols + a].
struct MachineView {
  std::uint32_t num_states = 0;
  std::uint32_t num_symbols = 0;
  const std::uint32_t* next = nullptr;
};

/// The elements of a finite monoid of transformations, element 0 the identity, and what multiplies them:
/// right[e * num_symbols + a] is e followed by symbol a, and every element but 0 is the symbol first[e] followed by the
/// element rest[e].
struct MonoidView {
  std::uint32_t num_elements = 0;
  std::uint32_t num_symbols = 0;
  const std::uint32_t* right = nullptr;
  const std::uint32_t* first = nullptr;
  const std::uint32_t* rest = nullptr;
};

/// The most points that symbols act on.
inline constexpr std::uint32_t most_points = 8;

/// Where points are moved, a byte a point.
using PointImages = std::array<std::uint8_t, most_points>;

/// Symbol a moves point p to image[a * most_points + p]; points that do not exist stay where they are.
struct PointsView {
  std::uint32_t num_symbols = 0;
  const std::uint8_t* image = nullptr;

  /// Where symbols, one after the other, move a point.
  std::uint32_t moved(std::uint32_t point, std::span<const std::uint32_t> symbols) const {
    for (const std::uint32_t a : symbols) point = image[std::size_t{a} * most_points + point];
    return point;
  }
};

/// The most symbols of an alphabet that is read by bytes.
inline constexpr std::uint32_t byte_symbols = 256;

}  // namespace krohn
