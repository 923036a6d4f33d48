// Dense rows are built from TokenTable::row, symbol by symbol. Factors with an empty key are dropped: they do nothing,
// but padded with zeros an overflow of beta * v would reach the hidden state. Tested by tests/engine/machine_test.cpp.
#include "krohn/engine/compiled/dense_rows.hpp"

#include <algorithm>

namespace krohn {

std::optional<DenseRows> dense_rows(const LrnnModel& model) {
  if (model.layers().size() != 1) return std::nullopt;
  const TableLayer& layer = model.layers().front();
  if (layer.table.value_size() != 1 || layer.table.reads_apart() || !layer.codes.empty()) return std::nullopt;
  std::vector<TokenRow> rows;
  for (const std::int32_t row : model.symbol_row()) {
    if (row < 0) return std::nullopt;
    rows.push_back(layer.table.row(layer.row_action[static_cast<std::size_t>(row)]));
    std::erase_if(rows.back().factors,
                  [](const GeneralizedHouseholder& factor) { return factor.beta == 0.0F || factor.key.empty(); });
  }
  DenseRows dense;
  dense.size = static_cast<std::uint32_t>(layer.table.key_size());
  dense.rows = static_cast<std::uint32_t>(rows.size());
  for (const TokenRow& row : rows) {
    dense.factors = std::max(dense.factors, static_cast<std::uint32_t>(row.factors.size()));
    dense.gate = dense.gate || std::any_of(row.gate.begin(), row.gate.end(), [](float a) { return a != 1.0F; });
    dense.write = dense.write || !row.write.empty();
    for (const GeneralizedHouseholder& factor : row.factors) dense.value = dense.value || !factor.value.empty();
  }
  const std::size_t size = dense.size;
  const std::size_t factor_stride = size + 1 + (dense.value ? 1 : 0);
  const std::size_t stride = (dense.gate ? size : 0) + dense.factors * factor_stride + (dense.write ? size : 0);
  dense.stride = static_cast<std::uint32_t>(stride);
  dense.values.assign(stride * rows.size(), 0.0F);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const TokenRow& row = rows[r];
    float* out = dense.values.data() + r * stride;
    if (dense.gate) {
      for (std::size_t j = 0; j < size; ++j) out[j] = row.gate.size() == 1 ? row.gate[0] : row.gate[j];
      out += size;
    }
    for (std::size_t f = 0; f < row.factors.size(); ++f) {
      const GeneralizedHouseholder& factor = row.factors[f];
      float* at = out + f * factor_stride;
      for (const Entry& entry : factor.key) at[entry.index] = entry.value;
      at[size] = dense.value ? factor.beta : -factor.beta;
      if (dense.value && !factor.value.empty()) at[size + 1] = factor.value.front().value;
    }
    out += dense.factors * factor_stride;
    for (const Entry& entry : row.write) out[entry.index] = entry.value;
  }
  return dense;
}

}  // namespace krohn
