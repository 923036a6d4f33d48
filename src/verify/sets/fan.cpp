#include "sets/fan.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace krohn::sets {
namespace {
constexpr std::size_t most_dimensions = 16;
}

Fan::Fan(std::size_t dimension, std::size_t segments)
    : dimension_(dimension), segments_(dimension == 1 ? 0 : segments) {
  if (segments_ == 0) {
    for (std::size_t i = 0; i < 2 * dimension_; ++i) {
      for (std::size_t j = 0; j < dimension_; ++j) directions_.push_back(j != i / 2 ? 0.0 : i % 2 == 0 ? 1.0 : -1.0);
    }
    return;
  }
  std::size_t points = 1;
  for (std::size_t j = 0; j < dimension_; ++j) points *= segments_ + 1;
  numbers_.assign(points, 0);
  for (std::size_t point = 0; point < points; ++point) {
    bool surface = false;
    std::array<double, most_dimensions> x{};
    for (std::size_t j = 0, rest = point; j < dimension_; ++j, rest /= segments_ + 1) {
      const std::size_t at = rest % (segments_ + 1);
      surface = surface || at == 0 || at == segments_;
      x[j] = 2.0 * static_cast<double>(at) / static_cast<double>(segments_) - 1.0;
    }
    if (!surface) continue;
    numbers_[point] = static_cast<std::uint32_t>(size());
    directions_.insert(directions_.end(), x.begin(), x.begin() + static_cast<std::ptrdiff_t>(dimension_));
  }
}

std::uint32_t Fan::number(const std::size_t* vertex) const {
  std::size_t point = 0;
  for (std::size_t j = dimension_; j-- > 0;) point = point * (segments_ + 1) + vertex[j];
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
  if (segments_ == 0) {
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
  const double segments = static_cast<double>(segments_);
  for (std::size_t j = 0; j < dimension_; ++j) {
    if (j == face) {
      vertex[j] = vector[j] > 0.0 ? segments_ : 0;
      continue;
    }
    const double place = std::clamp((vector[j] / most + 1.0) * 0.5 * segments, 0.0, segments);
    vertex[j] = std::min(static_cast<std::size_t>(place), segments_ - 1);
    fraction[j] = std::min(place - static_cast<double>(vertex[j]), 1.0);
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
