// Directions on the surface of the cube [-1, 1]^n, such that every vector is a combination of neighbouring ones with
// weights of at least 0: a grid on every face, its cells cut into simplices (Kuhn's triangulation). The grid's places
// are the same on all axes, 0 = places[0] < .. < places.back() = 1 and their negatives, so that the coordinate
// hyperplanes are unions of simplices. Without places: the unit vectors and their negatives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace krohn::sets {

class Fan {
 public:
  Fan(std::size_t dimension, const std::vector<double>& places);
  /// So many equal parts of [0, 1].
  static std::vector<double> even_places(std::size_t parts);

  std::size_t dimension() const { return dimension_; }
  std::size_t size() const { return directions_.size() / dimension_; }
  const double* direction(std::size_t i) const { return directions_.data() + i * dimension_; }

  /// The number of its negative.
  std::size_t opposite(std::size_t i) const;

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
  /// All of an axis, ascending.
  std::vector<double> places_;
  std::vector<double> directions_;
  /// Of a point of the grid, its direction.
  std::vector<std::uint32_t> numbers_;
};

}  // namespace krohn::sets
