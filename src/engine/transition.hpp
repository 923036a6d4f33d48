// What a token does to a head's state, S -> A S, and products of such matrices along a word.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <optional>
#include <span>

#include "krohn/engine/interpreter.hpp"

namespace krohn {

/// A = scale (I - w_n r_n^T) .. (I - w_1 r_1^T), or `diagonal`, `rotations` or `full`, where one of these is not empty.
struct Transition {
  double scale = 1.0;
  /// [key_size, n]; beta is inside the reads.
  Eigen::MatrixXd reads;
  Eigen::MatrixXd writes;
  /// Decays of their own for every key (or element) and no factors.
  Eigen::VectorXd diagonal;
  /// For every pair of keys the complex number that it is multiplied by, and no factors: an eigenvalue, as its
  /// conjugate is.
  Eigen::VectorXcd rotations;
  /// Decays of their own for every key, or such for pairs of keys, with factors; or a factor that reads the undecayed
  /// state.
  Eigen::MatrixXd full;
  /// Symmetric, with the eigenvalues of `full`, where that is D - w r^T with w_i r_i >= 0 throughout: the
  /// characteristic polynomial depends on w and r by the products w_i r_i alone. Else empty.
  Eigen::MatrixXd symmetric;
  /// Where `full` is a I - w r^T: a, and the one eigenvalue that differs. Else empty.
  std::optional<double> scaled_identity;
  double moved = 0.0;
};

Transition transition_of(std::size_t key_size, std::size_t value_size, const forward::Decay<double>& decay,
                         std::span<const forward::Update<double>> updates);

/// The spectrum of a product: `scale` times the eigenvalues of `matrix`, and times 1 as often as `ones` says.
struct ReducedProduct {
  double scale = 1.0;
  Eigen::MatrixXd matrix;
  std::size_t ones = 0;
  /// The entries of `matrix` are sums of terms of this magnitude in all: relative errors of the factors' entries and
  /// rounding errors are small against it, not against |matrix|.
  double magnitude = 0.0;
};

/// A(x_t) .. A(x_1) of one head, the first of `transitions` acting first; none of them is `diagonal` or `rotations`,
/// and they are all `full` or none is. At most key_size eigenvalues differ from `scale`, however many factors there
/// are.
ReducedProduct reduced_product(std::span<const Transition> transitions);

/// Column after column.
inline std::span<const double> entries(const Eigen::MatrixXd& matrix) {
  return {matrix.data(), static_cast<std::size_t>(matrix.size())};
}

/// Throws NumericError if an entry is not finite.
void require_finite(const Eigen::MatrixXd& matrix);

}  // namespace krohn
