// Eigenvalues and eigenvectors of symmetric matrices in double, with the same bits on every machine.
//
// Where an eigenvalue is multiple, its eigenvectors are any basis of their space: which one comes out hangs on the last
// digits, and so does all that is computed from it, such as the weights of a compiled layer. A library whose sums
// follow the machine's vector instructions gives every machine weights of its own; here all sums have one order.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace krohn {

struct SymmetricDecomposition {
  /// Ascending.
  std::vector<double> values;
  /// [size, size], column after column: orthonormal eigenvectors.
  std::vector<double> vectors;
};

/// Of the symmetric matrix whose lower triangle is that of `matrix` [size, size], column after column. The values are
/// those of a matrix that differs from it by a modest multiple of size * 2^-53 times its norm; they are estimates and
/// prove nothing. Throws InputError for another number of entries, NumericError where an entry is not finite. Cost:
/// about 9 size^3 operations.
SymmetricDecomposition symmetric_decomposition(std::span<const double> matrix, std::size_t size);

/// The values alone, as `symmetric_decomposition` finds them, ascending. Throws as it does. Cost: about 2 size^3
/// operations.
std::vector<double> symmetric_eigenvalues(std::span<const double> matrix, std::size_t size);

}  // namespace krohn
