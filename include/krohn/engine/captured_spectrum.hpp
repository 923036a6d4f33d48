// Eigenvalues of state-transition matrices that were captured in a running model: keys, betas and gates as arrays.
#pragma once

#include <complex>
#include <cstddef>
#include <span>
#include <vector>

namespace krohn {

/// The matrices A = (I - beta_n k_n k_n^T) .. (I - beta_1 k_1 k_1^T) diag(gate), of size key_size. Row-major.
template <class T>
struct CapturedUpdates {
  std::size_t matrices = 0;
  /// n, at least 1.
  std::size_t factors = 1;
  std::size_t key_size = 0;
  /// [matrices, factors, key_size]
  std::span<const T> keys;
  /// [matrices, factors]
  std::span<const T> betas;
  /// [matrices, key_size], [matrices], or empty for 1.
  std::span<const T> gates;
};

/// [matrices, key_size] eigenvalues in double, in no order within a matrix. Without a gate for each coordinate an
/// eigenvalue problem of the size of min(factors, key_size), else one of key_size. Throws InputError for sizes that do
/// not fit, NumericError for a number that is not finite. T is float or double.
template <class T>
std::vector<std::complex<double>> captured_spectrum(const CapturedUpdates<T>& updates);

extern template std::vector<std::complex<double>> captured_spectrum(const CapturedUpdates<float>&);
extern template std::vector<std::complex<double>> captured_spectrum(const CapturedUpdates<double>&);

}  // namespace krohn
