// Products of generalized Householder (GH) factors I - beta k k^T: application, factorisation of orthogonal matrices,
// and exact eigenvalue checks.
//
// Order: factors()[0] acts first, so the matrix of the product is F_last .. F_1 F_0 (matrices multiply right to left).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "krohn/model/token_table.hpp"

namespace krohn {

/// An immutable product of GH factors on R^size; the factors' values take no part.
class HouseholderProduct {
 public:
  /// Throws InputError for an index out of range or out of order, or a value that is not finite.
  HouseholderProduct(std::size_t size, std::vector<GeneralizedHouseholder> factors);

  /// At most `size` reflections, rank(Q - I) up to rounding, whose product is `orthogonal` (row-major [size, size]) up
  /// to the rounding of the unit keys to fp32. Throws InputError if |Q^T Q - I| exceeds 2^-20 in an entry.
  static HouseholderProduct from_orthogonal(std::size_t size, std::span<const double> orthogonal);

  /// The permutation matrix that moves entry p to entry images[p], by degree - cycles swaps e_i - e_j, beta 1: the
  /// least number (Scherk). Exact.
  static HouseholderProduct from_permutation(std::span<const std::uint32_t> images);

  std::size_t size() const noexcept { return size_; }
  const std::vector<GeneralizedHouseholder>& factors() const noexcept { return factors_; }

  /// The image of a vector of `size` entries, in double.
  std::vector<double> apply(std::span<const double> vector) const;
  /// Row-major [size, size], in double.
  std::vector<double> to_matrix() const;

 private:
  std::size_t size_ = 0;
  std::vector<GeneralizedHouseholder> factors_;
};

/// How the factor's eigenvalue 1 - beta |k|^2, evaluated without rounding from the stored floats, compares with the
/// integer `value`. The other eigenvalues are 1.
std::strong_ordering compare_eigenvalue(const GeneralizedHouseholder& factor, int value);

/// The eigenvalue 1 - beta |k|^2 as an exact fraction, "p/q" or "p".
std::string exact_eigenvalue(const GeneralizedHouseholder& factor);

/// A fraction; the denominator is positive.
struct Fraction {
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;
};

/// Keys k_0, k_1, .. in integers, not normalised, with g = R_last .. R_1 R_0 for the reflections R_i in the
/// hyperplanes orthogonal to them: rank(g - I) many, the least number possible (Scherk 1950). `orthogonal` is row-major
/// [size, size]; throws InputError if it is not exactly orthogonal, ResourceError if a key does not fit 64 bits.
std::vector<std::vector<std::int64_t>> minimal_reflections(std::size_t size, std::span<const Fraction> orthogonal);

}  // namespace krohn
