// Tested by tests/verify/sets_test.cpp.
#include "sets/fan.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "krohn/error.hpp"

namespace krohn::sets {
namespace {
constexpr std::size_t most_dimensions = 16;
}

Fan::Fan(std::size_t dimension, const std::vector<double>& places) : dimension_(dimension) {
  if (places.empty() || dimension == 1) {
    for (std::size_t i = 0; i < 2 * dimension_; ++i) {
      for (std::size_t j = 0; j < dimension_; ++j) directions_.push_back(j != i / 2 ? 0.0 : i % 2 == 0 ? 1.0 : -1.0);
    }
    return;
  }
  for (std::size_t i = places.size(); i-- > 1;) places_.push_back(-places[i]);
  places_.insert(places_.end(), places.begin(), places.end());
  std::size_t points = 1;
  for (std::size_t j = 0; j < dimension_; ++j) points *= places_.size();
  numbers_.assign(points, 0);
  for (std::size_t point = 0; point < points; ++point) {
    bool surface = false;
    std::array<double, most_dimensions> x{};
    for (std::size_t j = 0, rest = point; j < dimension_; ++j, rest /= places_.size()) {
      const std::size_t at = rest % places_.size();
      surface = surface || at == 0 || at + 1 == places_.size();
      x[j] = places_[at];
    }
    if (!surface) continue;
    numbers_[point] = static_cast<std::uint32_t>(size());
    directions_.insert(directions_.end(), x.begin(), x.begin() + static_cast<std::ptrdiff_t>(dimension_));
  }
}

std::vector<double> Fan::even_places(std::size_t parts) {
  std::vector<double> places;
  for (std::size_t i = 0; i <= parts; ++i) places.push_back(static_cast<double>(i) / static_cast<double>(parts));
  return places;
}

std::size_t Fan::opposite(std::size_t i) const {
  // The points of the grid are listed in an order that reflecting them in the origin turns around.
  const std::size_t result = places_.empty() ? i ^ 1U : size() - 1 - i;
  for (std::size_t j = 0; j < dimension_; ++j) {
    if (direction(i)[j] != -direction(result)[j]) throw InternalError("sets: a direction without its opposite");
  }
  return result;
}

std::uint32_t Fan::number(const std::size_t* vertex) const {
  std::size_t point = 0;
  for (std::size_t j = dimension_; j-- > 0;) point = point * places_.size() + vertex[j];
  return numbers_[point];
}

void Fan::decompose(const double* vector, std::vector<Part>& parts) const {
  parts.clear();
  double most = 0.0;
  std::size_t face = 0;
  for (std::size_t j = 0; j < dimension_; ++j) {
    if (std::abs(vector[j]) > most) {
      most = std::abs(vector[j]);
      face = j;
    }
  }
  if (most == 0.0) return;
  if (places_.empty()) {
    for (std::size_t j = 0; j < dimension_; ++j) {
      if (vector[j] != 0.0) {
        parts.push_back({static_cast<std::uint32_t>(2 * j + (vector[j] < 0.0 ? 1 : 0)), std::abs(vector[j])});
      }
    }
    return;
  }
  std::array<std::size_t, most_dimensions> vertex{};
  std::array<double, most_dimensions> fraction{};
  std::array<std::size_t, most_dimensions> order{};
  std::size_t count = 0;
  for (std::size_t j = 0; j < dimension_; ++j) {
    if (j == face) {
      vertex[j] = vector[j] > 0.0 ? places_.size() - 1 : 0;
      continue;
    }
    const double place = std::clamp(vector[j] / most, -1.0, 1.0);
    const auto above = std::upper_bound(places_.begin(), places_.end() - 1, place);
    vertex[j] = static_cast<std::size_t>(above - places_.begin()) - 1;
    fraction[j] = std::min((place - *(above - 1)) / (*above - *(above - 1)), 1.0);
    order[count++] = j;
  }
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count),
            [&](std::size_t a, std::size_t b) { return fraction[a] > fraction[b]; });
  double left = 1.0;
  for (std::size_t i = 0; i <= count; ++i) {
    const double next = i < count ? fraction[order[i]] : 0.0;
    if (left > next) parts.push_back({number(vertex.data()), (left - next) * most});
    if (i < count) ++vertex[order[i]];
    left = next;
  }
}

}  // namespace krohn::sets
