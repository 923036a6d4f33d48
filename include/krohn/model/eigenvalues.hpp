// Eigenvalues of small dense matrices in double, solved in one place; of symmetric ones in symmetric.hpp.
//
// By Eigen 3.4: Hessenberg form and the shifted QR algorithm (Golub and Van Loan, Matrix Computations, 7.5). Computed
// eigenvalues are those of a matrix that differs from the given one by a modest multiple of size * 2^-53 times its
// norm; they are estimates and prove nothing, and their last digits follow the machine's vector instructions.
#pragma once

#include <complex>
#include <cstddef>
#include <span>
#include <vector>

namespace krohn {

/// Of a matrix [size, size], column after column. Throws NumericError where the iteration does not converge (an entry
/// that is not finite, say).
std::vector<std::complex<double>> eigenvalues(std::span<const double> matrix, std::size_t size);

struct EigenDecomposition {
  std::vector<std::complex<double>> values;
  /// [size, size], column after column: an eigenvector of each value, of norm 1.
  std::vector<std::complex<double>> vectors;
  /// The computed inverse of `vectors`; not finite where they are linearly dependent.
  std::vector<std::complex<double>> inverse;
};

/// Throws as `eigenvalues`.
EigenDecomposition eigen_decomposition(std::span<const double> matrix, std::size_t size);

/// The triangle R [min(rows, columns), columns], column after column, of the factorisation Q R of `matrix`
/// [rows, columns], given column after column, by Householder reflections.
std::vector<double> qr_triangle(std::span<const double> matrix, std::size_t rows, std::size_t columns);

}  // namespace krohn
