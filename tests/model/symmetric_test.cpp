// label: quick
// Decompositions against the equations that define them, eigenvalues against Eigen's, and against matrices whose
// spectra are known by construction; the bits of one decomposition, which are to be the same on every machine.
#include "krohn/model/symmetric.hpp"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

/// Column after column, entries in [-1, 1).
std::vector<double> random_symmetric(SplitMix64& random, std::size_t size) {
  std::vector<double> matrix(size * size);
  for (std::size_t j = 0; j < size; ++j) {
    for (std::size_t i = j; i < size; ++i) {
      matrix[j * size + i] = matrix[i * size + j] = static_cast<double>(random.next() >> 11U) * 0x1p-52 - 1.0;
    }
  }
  return matrix;
}

/// V D V^T = M and V^T V = I. Backward errors of reduction and of implicit QR are some units of roundoff of the norm,
/// 2-norms here, for each of the size reflections and about 3 size sweeps: 64 size 2^-53 |M|, |M| at most size times
/// the largest entry.
void check_decomposition(const std::vector<double>& matrix, std::size_t n) {
  CAPTURE(n);
  double largest = 0.0;
  for (const double entry : matrix) largest = std::max(largest, std::fabs(entry));
  const auto size = static_cast<double>(n);
  const double orthogonal = 64.0 * size * 0x1p-53;
  const double tolerance = orthogonal * size * largest;
  const SymmetricDecomposition found = symmetric_decomposition(matrix, n);
  REQUIRE(found.values.size() == n);
  REQUIRE(found.vectors.size() == n * n);
  CHECK(std::is_sorted(found.values.begin(), found.values.end()));
  // The rotations of the vectors change no value.
  CHECK(symmetric_eigenvalues(matrix, n) == found.values);
  double worst = 0.0;
  double askew = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double entry = 0.0;
      double inner = 0.0;
      for (std::size_t k = 0; k < n; ++k) {
        entry += found.vectors[k * n + i] * found.values[k] * found.vectors[k * n + j];
        inner += found.vectors[i * n + k] * found.vectors[j * n + k];
      }
      worst = std::max(worst, std::fabs(entry - matrix[j * n + i]));
      askew = std::max(askew, std::fabs(inner - (i == j ? 1.0 : 0.0)));
    }
  }
  CHECK(worst <= tolerance);
  CHECK(askew <= orthogonal);
  const Eigen::Map<const Eigen::MatrixXd> given(matrix.data(), static_cast<Eigen::Index>(n),
                                                static_cast<Eigen::Index>(n));
  const Eigen::VectorXd expected = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(given).eigenvalues();
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(std::fabs(found.values[i] - expected(static_cast<Eigen::Index>(i))) <= 2.0 * tolerance);
  }
}

TEST_CASE("a symmetric matrix is V D V^T with orthonormal V and ascending D") {
  SplitMix64 random(2);
  for (const std::size_t n : {1, 2, 3, 4, 5, 7, 12, 40}) {
    std::vector<double> matrix = random_symmetric(random, n);
    check_decomposition(matrix, n);
    // Far from 1, where squares overflow or vanish.
    for (double& entry : matrix) entry *= 0x1p+900;
    check_decomposition(matrix, n);
    for (double& entry : matrix) entry = entry * 0x1p-900 * 0x1p-800;
    check_decomposition(matrix, n);
    // Of rank 1, with n - 1 values 0; entries of very different size; blocks without a connection.
    std::vector<double> one(n * n);
    std::vector<double> graded(n * n);
    std::vector<double> blocks = random_symmetric(random, n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        one[j * n + i] = static_cast<double>((i + 1) * (j + 1));
        graded[j * n + i] = std::ldexp(1.0, -20 * static_cast<int>(i + j));
        if ((i < n / 2) != (j < n / 2)) blocks[j * n + i] = 0.0;
      }
    }
    check_decomposition(one, n);
    check_decomposition(graded, n);
    check_decomposition(blocks, n);
    check_decomposition(std::vector<double>(n * n, 0.0), n);
  }
}

TEST_CASE(
    "Gram matrices of few centred features, which are singular: what is left after the features is rounding errors") {
  SplitMix64 random(5);
  for (std::size_t trial = 0; trial < 100; ++trial) {
    const std::size_t n = 2 + random.next() % 40;
    const std::size_t features = 1 + random.next() % 4;
    std::vector<double> gram(n * n, 0.0);
    for (std::size_t feature = 0; feature < features; ++feature) {
      std::vector<double> x(n);
      double sum = 0.0;
      for (double& value : x) sum += value = static_cast<double>(random.next() % 5);
      for (double& value : x) value -= sum / static_cast<double>(n);
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t i = 0; i < n; ++i) gram[j * n + i] += x[j] * x[i];
      }
    }
    check_decomposition(gram, n);
  }
}

TEST_CASE("multiple eigenvalues: the cycle's, which come in pairs") {
  for (std::size_t n = 3; n <= 24; ++n) {
    std::vector<double> cycle(n * n, 0.0);
    std::vector<double> expected;
    for (std::size_t i = 0; i < n; ++i) {
      cycle[i * n + (i + 1) % n] += 1.0;
      cycle[(i + 1) % n * n + i] += 1.0;
      expected.push_back(2.0 * std::cos(2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n)));
    }
    std::sort(expected.begin(), expected.end());
    check_decomposition(cycle, n);
    const std::vector<double> values = symmetric_eigenvalues(cycle, n);
    // The norm is 2.
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(std::fabs(values[i] - expected[i]) <= 128.0 * static_cast<double>(n) * 0x1p-53);
    }
  }
}

TEST_CASE("only the lower triangle is read") {
  SplitMix64 random(3);
  std::vector<double> matrix = random_symmetric(random, 6);
  const std::vector<double> values = symmetric_eigenvalues(matrix, 6);
  for (std::size_t j = 0; j < 6; ++j) {
    for (std::size_t i = 0; i < j; ++i) matrix[j * 6 + i] = std::numeric_limits<double>::quiet_NaN();
  }
  CHECK(symmetric_eigenvalues(matrix, 6) == values);
}

TEST_CASE("the same bits on every machine") {
  // Pinned: whatever changes them changes the weights of compiled representations.
  SplitMix64 random(4);
  const SymmetricDecomposition found = symmetric_decomposition(random_symmetric(random, 40), 40);
  std::uint64_t bits = 0;
  for (const std::vector<double>* list : {&found.values, &found.vectors}) {
    for (const double x : *list) bits = (bits ^ std::bit_cast<std::uint64_t>(x)) * 0x100000001B3U;
  }
  CHECK(bits == 13070080513389240146U);
}

TEST_CASE("what has no spectrum is refused") {
  CHECK(symmetric_eigenvalues({}, 0).empty());
  CHECK(symmetric_decomposition({}, 0).values.empty());
  CHECK_THROWS_WITH_AS(symmetric_eigenvalues(std::vector<double>{1.0, 2.0}, 2), "matrix: expected 4 entries, got 2",
                       InputError);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(symmetric_eigenvalues(std::vector<double>{nan, 0.0, 0.0, 1.0}, 2), NumericError);
  CHECK_THROWS_AS(symmetric_decomposition(std::vector<double>{1.0, nan, nan, 1.0}, 2), NumericError);
  CHECK_THROWS_AS(symmetric_decomposition(std::vector<double>{std::numeric_limits<double>::infinity()}, 1),
                  NumericError);
}

}  // namespace
}  // namespace krohn
