// label: quick
// Eigenvalues against matrices whose spectra are known by construction, and decompositions against the equations that
// define them.
#include "krohn/model/eigenvalues.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

using Complex = std::complex<double>;

/// The greatest distance from a value of `expected` to the value that is left nearest to it.
double distance(std::vector<Complex> values, const std::vector<Complex>& expected) {
  REQUIRE(values.size() == expected.size());
  double greatest = 0.0;
  for (const Complex& wanted : expected) {
    const auto nearest = std::min_element(values.begin(), values.end(), [&](const Complex& a, const Complex& b) {
      return std::abs(a - wanted) < std::abs(b - wanted);
    });
    greatest = std::max(greatest, std::abs(*nearest - wanted));
    values.erase(nearest);
  }
  return greatest;
}

double uniform(SplitMix64& random) { return static_cast<double>(random.next() >> 11U) * 0x1p-52 - 1.0; }

/// [rows, columns], column after column, entries in [-1, 1).
std::vector<double> random_matrix(SplitMix64& random, std::size_t rows, std::size_t columns) {
  std::vector<double> matrix(rows * columns);
  for (double& entry : matrix) entry = uniform(random);
  return matrix;
}

// Entries of at most 1 in absolute value, sizes of at most 12: norms are at most 12, and the algorithms' backward
// errors are below 100 * size * 2^-53 of that, 1.6e-12. 1e-9 leaves room for the condition of a random matrix's
// eigenvectors.
constexpr double tolerance = 1e-9;

TEST_CASE("the cyclic shift of n has the n-th roots of one") {
  for (std::size_t n = 1; n <= 12; ++n) {
    std::vector<double> shift(n * n, 0.0);
    std::vector<Complex> roots;
    for (std::size_t i = 0; i < n; ++i) {
      shift[i * n + (i + 1) % n] = 1.0;
      roots.push_back(std::polar(1.0, 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n)));
    }
    CHECK(distance(eigenvalues(shift, n), roots) < tolerance);
  }
}

TEST_CASE("eigenvectors satisfy M v = lambda v, and the inverse inverts") {
  SplitMix64 random(1);
  for (std::size_t n = 1; n <= 12; ++n) {
    const std::vector<double> matrix = random_matrix(random, n, n);
    const EigenDecomposition found = eigen_decomposition(matrix, n);
    CHECK(distance(eigenvalues(matrix, n), found.values) < tolerance);
    for (std::size_t column = 0; column < n; ++column) {
      for (std::size_t row = 0; row < n; ++row) {
        Complex image = 0.0;
        Complex product = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
          image += matrix[i * n + row] * found.vectors[column * n + i];
          product += found.vectors[i * n + row] * found.inverse[column * n + i];
        }
        CHECK(std::abs(image - found.values[column] * found.vectors[column * n + row]) < tolerance);
        CHECK(std::abs(product - (row == column ? 1.0 : 0.0)) < tolerance);
      }
    }
  }
}

TEST_CASE("the triangle of Q R has R^T R = A^T A, for wide and tall matrices") {
  SplitMix64 random(3);
  for (const auto& [rows, columns] : {std::pair<std::size_t, std::size_t>{5, 3}, {3, 5}, {4, 4}, {1, 6}, {6, 1}}) {
    const std::vector<double> matrix = random_matrix(random, rows, columns);
    const std::vector<double> triangle = qr_triangle(matrix, rows, columns);
    const std::size_t height = std::min(rows, columns);
    REQUIRE(triangle.size() == height * columns);
    for (std::size_t i = 0; i < columns; ++i) {
      for (std::size_t k = i + 1; k < height; ++k) CHECK(triangle[i * height + k] == 0.0);
      for (std::size_t j = 0; j < columns; ++j) {
        double of_matrix = 0.0;
        double of_triangle = 0.0;
        for (std::size_t k = 0; k < rows; ++k) of_matrix += matrix[i * rows + k] * matrix[j * rows + k];
        for (std::size_t k = 0; k < height; ++k) of_triangle += triangle[i * height + k] * triangle[j * height + k];
        CHECK(std::fabs(of_matrix - of_triangle) < tolerance);
      }
    }
  }
}

TEST_CASE("what has no spectrum is refused") {
  CHECK(eigenvalues({}, 0).empty());
  CHECK_THROWS_WITH_AS(eigenvalues(std::vector<double>{1.0, 2.0}, 2), "matrix: expected 4 entries, got 2", InputError);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> unknown{nan, 0.0, 0.0, nan};
  CHECK_THROWS_AS(eigenvalues(unknown, 2), NumericError);
  CHECK_THROWS_AS(eigen_decomposition(unknown, 2), NumericError);
}

}  // namespace
}  // namespace krohn
