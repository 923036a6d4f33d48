// Directions on the surface of the cube [-1, 1]^n, such that every vector is a combination of neighbouring ones with
// weights of at least 0: a grid on every face, its cells cut into simplices (Kuhn's triangulation), n segments an edge,
// even, so that the coordinate hyperplanes are unions of simplices. With no segments: the unit vectors and their
// negatives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace krohn::sets {

class Fan {
 public:
  Fan(std::size_t dimension, std::size_t segments);

  std::size_t dimension() const { return dimension_; }
  std::size_t size() const { return directions_.size() / dimension_; }
  const double* direction(std::size_t i) const { return directions_.data() + i * dimension_; }

  struct Part {
    std::uint32_t direction = 0;
    double weight = 0.0;
  };
  /// At most dimension() parts, whose sum is `vector` up to 2^-48 of its largest entry, and exactly where it is a
  /// direction. None for 0.
  void decompose(const double* vector, std::vector<Part>& parts) const;

 private:
  std::uint32_t number(const std::size_t* vertex) const;

  std::size_t dimension_;
  std::size_t segments_;
  std::vector<double> directions_;
  /// Of a point of the grid, its direction.
  std::vector<std::uint32_t> numbers_;
};

}  // namespace krohn::sets
