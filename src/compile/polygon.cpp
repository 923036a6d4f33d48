// Position p is the corner at angle 2 pi p / n. The reflection in the line at angle pi c / n takes p to c - p; that in
// the x-axis takes p to -p, so that both together, the x-axis first, take p to p + c. Sines are the project's own,
// whose bits are the same everywhere. Lines on an axis or a diagonal have the exact keys (1, 0), (0, 1), (-1, 1), (1,
// 1).
//
// A generator of the rotations, if the permutations turn a polygon, is among the elements of their group, which then
// has at most 2 n; nearly always it is a letter. Tested by tests/compile/polygon_test.cpp.
#include "polygon.hpp"

#include <algorithm>
#include <numbers>
#include <numeric>
#include <set>
#include <utility>

#include "krohn/numeric/transcendental.hpp"

namespace krohn {
namespace {

/// The place of every point on the cycle of `step` through the start; nothing where that does not meet all.
std::optional<std::vector<std::uint32_t>> places_on_cycle(const std::vector<std::uint32_t>& step, std::uint32_t start) {
  const auto size = static_cast<std::uint32_t>(step.size());
  std::vector<std::uint32_t> position(size, size);
  std::uint32_t place = 0;
  for (std::uint32_t at = start; position[at] == size; at = step[at]) position[at] = place++;
  if (place < size) return std::nullopt;
  return position;
}

std::optional<Turn> turn_of(const std::vector<std::uint32_t>& permutation, const std::vector<std::uint32_t>& position,
                            std::uint32_t start) {
  const std::size_t size = permutation.size();
  const std::size_t shift = position[permutation[start]];
  bool turned = true;
  bool mirrored = true;
  for (std::size_t point = 0; point < size; ++point) {
    const std::size_t image = position[permutation[point]];
    turned = turned && image == (position[point] + shift) % size;
    mirrored = mirrored && image == (shift + size - position[point]) % size;
  }
  if (!turned && !mirrored) return std::nullopt;
  return Turn{!turned, shift};
}

std::optional<Polygon> polygon_by(const std::vector<std::uint32_t>& step,
                                  std::span<const std::vector<std::uint32_t>> permutations, std::uint32_t start) {
  std::optional<std::vector<std::uint32_t>> position = places_on_cycle(step, start);
  if (!position) return std::nullopt;
  Polygon polygon{*std::move(position), {}};
  for (const std::vector<std::uint32_t>& permutation : permutations) {
    const std::optional<Turn> turn = turn_of(permutation, polygon.position, start);
    if (!turn) return std::nullopt;
    polygon.turns.push_back(*turn);
  }
  return polygon;
}

/// The reflection in the line at angle pi shift / corners.
GeneralizedHouseholder reflection(std::size_t shift, std::size_t corners) {
  if (shift == 0) return {{{1, 1.0F}}, 2.0F, {}};
  if (2 * shift == corners) return {{{0, 1.0F}}, 2.0F, {}};
  if (4 * shift == corners) return {{{0, -1.0F}, {1, 1.0F}}, 1.0F, {}};
  if (4 * shift == 3 * corners) return {{{0, 1.0F}, {1, 1.0F}}, 1.0F, {}};
  const double angle = std::numbers::pi * static_cast<double>(shift) / static_cast<double>(corners);
  return {{{0, static_cast<float>(-numeric::sine(angle))}, {1, static_cast<float>(numeric::cosine(angle))}}, 2.0F, {}};
}

/// At angle 2 pi position / corners; on the axes exactly.
std::pair<double, double> corner(std::size_t position, std::size_t corners) {
  if (position == 0) return {1.0, 0.0};
  if (2 * position == corners) return {-1.0, 0.0};
  if (4 * position == corners) return {0.0, 1.0};
  if (4 * position == 3 * corners) return {0.0, -1.0};
  const double angle = 2.0 * std::numbers::pi * static_cast<double>(position) / static_cast<double>(corners);
  return {numeric::cosine(angle), numeric::sine(angle)};
}

}  // namespace

std::optional<Polygon> find_polygon(std::span<const std::vector<std::uint32_t>> permutations, std::size_t size,
                                    std::uint32_t start) {
  std::vector<std::uint32_t> identity(size);
  std::iota(identity.begin(), identity.end(), 0U);
  std::set<std::vector<std::uint32_t>> elements = {identity};
  std::vector<const std::vector<std::uint32_t>*> queue = {&*elements.begin()};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (std::optional<Polygon> found = polygon_by(*queue[i], permutations, start)) return found;
    for (const std::vector<std::uint32_t>& permutation : permutations) {
      std::vector<std::uint32_t> product(size);
      for (std::size_t point = 0; point < size; ++point) product[point] = permutation[(*queue[i])[point]];
      const auto [place, added] = elements.insert(std::move(product));
      if (!added) continue;
      if (elements.size() > 2 * size) return std::nullopt;
      queue.push_back(&*place);
    }
  }
  return std::nullopt;
}

Corners corners_of(const Polygon& polygon) {
  Corners corners;
  for (const std::uint32_t position : polygon.position) {
    const auto [x, y] = corner(position, polygon.position.size());
    corners.centre.insert(corners.centre.end(), {x, y});
    std::vector<Entry>& weight = corners.readout.weight.emplace_back();
    if (x != 0.0) weight.push_back({0, static_cast<float>(x)});
    if (y != 0.0) weight.push_back({1, static_cast<float>(y)});
    corners.readout.bias.push_back(0.0F);
  }
  return corners;
}

TokenRow turn_row(const Turn& turn, std::size_t corners, bool signed_gates) {
  TokenRow row;
  if (turn.mirrored) {
    row.factors = {reflection(turn.shift, corners)};
  } else if (turn.shift != 0) {
    if (signed_gates) {
      row.gate = {1.0F, -1.0F};
    } else {
      row.factors = {reflection(0, corners)};
    }
    row.factors.push_back(reflection(turn.shift, corners));
  }
  return row;
}

}  // namespace krohn
