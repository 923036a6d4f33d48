// What the form of a program's operations, and bounds from its weights, say of its layers in exact arithmetic, whatever
// the tokens are: what the theorems' hypotheses look at.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>

#include "krohn/model/program.hpp"

namespace krohn {

/// Every entry lies from `least` to `most`.
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  /// Narrowed by a bound from the weights: the entries of W h with h out of a norm are at most sqrt(d) |w| in size.
  bool by_weights = false;
};

/// Of a value's entries. Nothing is known of most values; of what sigmoids, exponentials and constants make, much is.
Range range_of(const Program& program, std::uint32_t value);

/// A layer's state-transition matrices. Each is diag(decay) with a product of factors I - beta write read^T.
struct LayerForm {
  /// False: a nonlinear cell, or no recurrence at all.
  bool linear = false;
  /// Its gates are kept finite by a running maximum.
  bool stabilized = false;
  /// Null where it is not linear.
  const LinearRecurrence* recurrence = nullptr;
  /// {1, 1} without decays; of rotations, of their real and imaginary parts.
  Range decay{1.0, 1.0};
  /// Pairs of keys are multiplied by complex numbers: the eigenvalues need not be real.
  bool rotates = false;
  /// Updates that read.
  std::size_t factors = 0;
  /// Each of them reads the vector that it writes.
  bool symmetric = true;
  /// Each vector read is shorter than 1.
  bool unit_keys = true;
  /// Over all factors; {1, 1} where there is no beta.
  Range beta{1.0, 1.0};
  /// Decays, factors or betas depend on earlier tokens too.
  bool remembers = false;
  /// The widest convolution of the layer; 0 without one.
  std::size_t convolution_width = 0;
};

LayerForm form_of(const Program& program, std::size_t layer);

/// The 2-norm of a layer's state-transition matrices and of all their products over all inputs, as far as the form
/// says.
struct NormBound {
  /// Of one matrix; not above 1: of products too. None: the form gives no bound.
  std::optional<double> most;
  /// In a few words.
  std::string why;
};
NormBound norm_bound(const LayerForm& form);

}  // namespace krohn
