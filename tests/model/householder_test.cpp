// label: quick
// Factorisations reproduce the matrix, use the least number of reflections, and eigenvalues are evaluated exactly.
#include "krohn/model/householder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <numeric>
#include <random>

#include "krohn/error.hpp"

namespace krohn {
namespace {

using Rational = boost::multiprecision::cpp_rational;
using RationalMatrix = std::vector<std::vector<Rational>>;

std::size_t rank(RationalMatrix m) {
  std::size_t result = 0;
  const std::size_t n = m.size();
  for (std::size_t column = 0; column < n && result < n; ++column) {
    std::size_t pivot = result;
    while (pivot < n && m[pivot][column] == 0) ++pivot;
    if (pivot == n) continue;
    std::swap(m[pivot], m[result]);
    for (std::size_t i = result + 1; i < n; ++i) {
      const Rational factor = m[i][column] / m[result][column];
      for (std::size_t j = column; j < n; ++j) m[i][j] -= factor * m[result][j];
    }
    ++result;
  }
  return result;
}

RationalMatrix identity(std::size_t n) {
  RationalMatrix m(n, std::vector<Rational>(n));
  for (std::size_t i = 0; i < n; ++i) m[i][i] = Rational(1);
  return m;
}

/// (I - 2 k k^T / k^T k) m
void reflect(const std::vector<std::int64_t>& key, RationalMatrix& m) {
  const std::size_t n = key.size();
  Rational squares = 0;
  for (const std::int64_t k : key) squares += Rational(k) * Rational(k);
  for (std::size_t column = 0; column < n; ++column) {
    Rational dot = 0;
    for (std::size_t i = 0; i < n; ++i) dot += Rational(key[i]) * m[i][column];
    for (std::size_t i = 0; i < n; ++i) m[i][column] -= 2 * dot / squares * Rational(key[i]);
  }
}

TEST_CASE("permutations of degree up to 6: the product is the matrix, with degree - cycles = rank(g - I) factors") {
  for (std::size_t n = 1; n <= 6; ++n) {
    std::vector<std::uint32_t> images(n);
    std::iota(images.begin(), images.end(), 0U);
    std::size_t wrong = 0;
    do {
      RationalMatrix g(n, std::vector<Rational>(n));
      std::vector<Fraction> fractions(n * n);
      std::vector<double> doubles(n * n, 0.0);
      for (std::size_t p = 0; p < n; ++p) {
        g[images[p]][p] = Rational(1);
        fractions[images[p] * n + p].numerator = 1;
        doubles[images[p] * n + p] = 1.0;
      }
      RationalMatrix moved = g;
      for (std::size_t i = 0; i < n; ++i) moved[i][i] -= 1;
      const std::size_t least = rank(moved);

      const HouseholderProduct product = HouseholderProduct::from_permutation(images);
      wrong += product.factors().size() != least ? 1 : 0;
      wrong += product.to_matrix() != doubles ? 1 : 0;

      const auto keys = minimal_reflections(n, fractions);
      wrong += keys.size() != least ? 1 : 0;
      RationalMatrix rebuilt = identity(n);
      for (const auto& key : keys) reflect(key, rebuilt);
      wrong += rebuilt != g ? 1 : 0;

      wrong += HouseholderProduct::from_orthogonal(n, doubles).factors().size() != least ? 1 : 0;
    } while (std::next_permutation(images.begin(), images.end()));
    CAPTURE(n);
    CHECK(wrong == 0);
  }
}

TEST_CASE("rational rotations: least number of integer keys, exact product") {
  // Products of m reflections in integer vectors have rank(g - I) = the rank of the vectors.
  std::mt19937 random(7);
  for (int trial = 0; trial < 40; ++trial) {
    const std::size_t n = 2 + random() % 4;
    const std::size_t m = random() % (n + 1);
    RationalMatrix g = identity(n);
    for (std::size_t i = 0; i < m; ++i) {
      std::vector<std::int64_t> key(n, 0);
      while (std::all_of(key.begin(), key.end(), [](std::int64_t k) { return k == 0; })) {
        for (std::int64_t& k : key) k = static_cast<std::int64_t>(random() % 5) - 2;
      }
      reflect(key, g);
    }
    std::vector<Fraction> fractions;
    for (const auto& row : g) {
      for (const Rational& entry : row) {
        fractions.push_back(
            {numerator(entry).convert_to<std::int64_t>(), denominator(entry).convert_to<std::int64_t>()});
      }
    }
    RationalMatrix moved = g;
    for (std::size_t i = 0; i < n; ++i) moved[i][i] -= 1;
    const auto keys = minimal_reflections(n, fractions);
    CHECK(keys.size() == rank(moved));
    RationalMatrix rebuilt = identity(n);
    for (const auto& key : keys) reflect(key, rebuilt);
    CHECK(rebuilt == g);
  }
  CHECK_THROWS_AS(minimal_reflections(1, std::vector<Fraction>{{1, 2}}), InputError);
}

TEST_CASE("any orthogonal matrix from at most n reflections, to the rounding of the keys") {
  std::mt19937 random(11);
  for (std::size_t n = 1; n <= 12; ++n) {
    // Gram-Schmidt of a random matrix, twice for orthogonality to a few units of double.
    std::vector<std::vector<double>> columns(n, std::vector<double>(n));
    for (auto& column : columns) {
      for (double& x : column) x = static_cast<double>(random()) * 0x1p-31 - 1.0;
    }
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          const double dot = std::inner_product(columns[i].begin(), columns[i].end(), columns[j].begin(), 0.0);
          for (std::size_t r = 0; r < n; ++r) columns[i][r] -= dot * columns[j][r];
        }
        const double length =
            std::sqrt(std::inner_product(columns[i].begin(), columns[i].end(), columns[i].begin(), 0.0));
        for (double& x : columns[i]) x /= length;
      }
    }
    std::vector<double> matrix(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) matrix[i * n + j] = columns[j][i];
    }
    const HouseholderProduct product = HouseholderProduct::from_orthogonal(n, matrix);
    CHECK(product.factors().size() <= n);
    const std::vector<double> rebuilt = product.to_matrix();
    double worst = 0.0;
    for (std::size_t i = 0; i < n * n; ++i) worst = std::max(worst, std::fabs(rebuilt[i] - matrix[i]));
    // A unit key rounded to fp32 is off by u = 2^-24 at most, its reflection by 4u + 2u^2 < 5u, n of them by 5nu to
    // first order, the rest that is not reduced by sqrt(n) 2^-25; doubled for higher orders.
    CHECK(worst <= 2.0 * (5.0 * static_cast<double>(n) + 0.5 * std::sqrt(static_cast<double>(n))) * 0x1p-24);
  }
  CHECK_THROWS_AS(HouseholderProduct::from_orthogonal(2, std::vector<double>{1, 0, 0, 1.5}), InputError);
  CHECK_THROWS_AS(HouseholderProduct::from_orthogonal(2, std::vector<double>{1, 0, 0}), InputError);
}

TEST_CASE("factors act in order, the first first") {
  const GeneralizedHouseholder project{{{0, 1.0F}}, 1.0F, {}};
  const GeneralizedHouseholder exchange{{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}};
  const HouseholderProduct product(2, {project, exchange});
  CHECK(product.apply(std::vector<double>{3.0, 5.0}) == std::vector<double>{5.0, 0.0});
  CHECK_THROWS_AS(HouseholderProduct(1, {exchange}), InputError);
}

TEST_CASE("eigenvalues are compared without rounding") {
  CHECK(compare_eigenvalue({{{0, 1.0F}, {3, -1.0F}}, 1.0F, {}}, -1) == std::strong_ordering::equal);
  CHECK(compare_eigenvalue({{{0, 0.5F}, {1, 0.5F}, {2, -0.5F}, {3, -0.5F}}, 2.0F, {}}, -1) ==
        std::strong_ordering::equal);
  CHECK(compare_eigenvalue({{{2, 1.0F}}, 1.0F, {}}, 0) == std::strong_ordering::equal);
  // A unit key rounded up: |k|^2 is 1 + 2^-46 times something odd, which no double sum needs to show.
  const float above = std::nextafter(1.0F, 2.0F);
  CHECK(compare_eigenvalue({{{0, above}}, 2.0F, {}}, -1) == std::strong_ordering::less);
  CHECK(compare_eigenvalue({{{0, 1.0F}, {1, 0x1p-100F}}, 2.0F, {}}, -1) == std::strong_ordering::less);
  CHECK(compare_eigenvalue({{{0, std::nextafter(1.0F, 0.0F)}}, 1.0F, {}}, 0) == std::strong_ordering::greater);
  CHECK(exact_eigenvalue({{{0, 0.5F}}, 1.0F, {}}) == "3/4");
  CHECK(exact_eigenvalue({{{0, 1.0F}, {1, 1.0F}}, 1.0F, {}}) == "-1");
}

}  // namespace
}  // namespace krohn
