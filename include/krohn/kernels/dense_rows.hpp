// The rows of a one-layer model, one a symbol, as dense vectors: what the specialised kernels read.
#pragma once

#include <cstdint>

namespace krohn {

/// A row holds, in this order,
///     gate[size] (if `gate`)   per factor: key[size], beta, value (if `value`)   write[size] (if `write`),
/// and without values beta is negated: c = beta * acc instead of beta * (value - acc). `values` has `rows` rows of
/// `stride` floats.
struct DenseRowsView {
  std::uint32_t size = 0;
  std::uint32_t factors = 0;
  bool gate = false;
  bool value = false;
  bool write = false;
  std::uint32_t stride = 0;
  std::uint32_t rows = 0;
  const float* values = nullptr;
};

}  // namespace krohn
