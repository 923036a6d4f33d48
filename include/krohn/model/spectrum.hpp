// Eigenvalues of state transition matrices, decided from the exact values of the stored numbers.
//
// A(row) = (I - beta_n k_n k_n^T) .. (I - beta_1 k_1 k_1^T) diag(gate). Binary floating-point numbers are rational, so
// "all eigenvalues are real" and "all are real and not negative" are decidable: by inspection for gates, by
// 1 - beta |k|^2 for one factor, by a similarity to a symmetric matrix for two positive semidefinite factors, by
// Sturm's theorem on the characteristic polynomial for other small products. Only blocks beyond those are left to
// floating-point eigenvalues, which decide nothing.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/model/token_table.hpp"

namespace krohn {

/// What is known of a spectrum. The first three are facts about the exact matrix; `undecided` stands for a block too
/// large for exact arithmetic, where `eigenvalues` are all there is.
enum class SpectrumKind { nonnegative_real, real_with_negative, not_all_real, undecided };

/// "real and not negative", "real, some negative", "not all real", "not decided exactly".
std::string_view spectrum_kind_name(SpectrumKind kind);

struct MatrixSpectrum {
  SpectrumKind kind = SpectrumKind::undecided;
  /// With multiplicity, as floating-point values for display, sorted by real part.
  std::vector<std::complex<double>> eigenvalues;
  /// How `kind` was decided.
  std::string method;
  /// For the kinds with a negative or non-real eigenvalue: the one to show, the most negative or the least real.
  std::complex<double> worst{};
};

/// A square matrix of binary numbers, row-major [size, size], whose exact values are meant.
struct ExactMatrix {
  std::size_t size = 0;
  std::vector<double> entries;
};

/// The spectrum of one row's A. Cost: linear for gates and single factors; for products the sum over connected blocks
/// of b^4 exact operations, blocks of more than `max_block` left undecided.
MatrixSpectrum row_spectrum(const TokenTable& table, std::size_t row, std::size_t max_block = 12);

/// The spectrum of A(rows.back()) .. A(rows.front()): the last row acts last. `rows` is not empty.
MatrixSpectrum product_spectrum(const TokenTable& table, std::span<const std::uint32_t> rows,
                                std::size_t max_block = 12);

/// One of the distinct matrices that are products of the same number of rows' matrices.
struct DistinctProduct {
  MatrixSpectrum spectrum;
  /// A product that gives it, the last row acting last; of a longer one the last 64 rows.
  std::vector<std::uint32_t> rows;
};

/// The distinct products of `length`, a power of two, matrices of `rows`, which is not empty, by squaring the set of
/// them: few for the projections and permutations that compiled models are made of, whatever the length. Nothing where
/// some set on the way has more than `most` elements or squaring it takes more than 2^24 entries or some 2^22 terms.
std::optional<std::vector<DistinctProduct>> distinct_products(const TokenTable& table,
                                                              std::span<const std::uint32_t> rows, std::uint64_t length,
                                                              std::size_t most = 256, std::size_t max_block = 12);

/// The eigenvalues of A(rows.back()) .. A(rows.front()) in double, which decide nothing.
std::vector<std::complex<double>> product_eigenvalues(const TokenTable& table, std::span<const std::uint32_t> rows);

/// The spectrum of a product of square matrices of equal size, the last one acting last; triangular products (all
/// lower, or all upper) are decided from the diagonals. `matrices` is not empty.
MatrixSpectrum product_spectrum(std::span<const ExactMatrix> matrices, std::size_t max_block = 12);

}  // namespace krohn
