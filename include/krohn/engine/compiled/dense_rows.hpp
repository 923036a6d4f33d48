// The first layer's rows, one a symbol, as dense vectors of one length: the form that CUDA kernels read.
//
// Absent entries are zeros and short rows are filled with factors of beta 0; by docs/semantics.md, section 6, that
// changes nothing but signs of zeros. A row is stored as
//     gate[D] (if any row is gated)   per factor: key[D], beta, value (if any row has values)   write[D] (if any)
// and without values beta is stored negated, for c = (-beta) * acc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "krohn/kernels/dense_rows.hpp"
#include "krohn/model/lrnn_model.hpp"

namespace krohn {

struct DenseRows {
  std::uint32_t size = 0;     // D, the hidden size
  std::uint32_t factors = 0;  // of every row
  bool gate = false;
  bool value = false;
  bool write = false;
  std::uint32_t stride = 0;  // floats a row
  std::uint32_t rows = 0;    // one a symbol
  std::vector<float> values;

  DenseRowsView view() const noexcept { return {size, factors, gate, value, write, stride, rows, values.data()}; }
};

/// Nothing if the model has not exactly one layer with one value column, or a symbol without a row.
std::optional<DenseRows> dense_rows(const LrnnModel& model);

}  // namespace krohn
