// Triangular models: shape checks, all problems at once. Linear in the size of the matrices.
// Tested by tests/verify/refute_test.cpp.
#include "krohn/model/triangular_model.hpp"

#include <cmath>
#include <string>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {

TriangularModel::TriangularModel(LrnnModel chain, std::vector<std::vector<std::vector<float>>> lower)
    : chain_(std::move(chain)), lower_(std::move(lower)) {
  std::vector<std::string> problems;
  const std::vector<TableLayer>& layers = chain_.layers();
  if (lower_.size() != layers.size()) {
    throw InputError("lower: expected " + std::to_string(layers.size()) + " layers, got " +
                     std::to_string(lower_.size()));
  }
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const TokenTable& table = layers[l].table;
    const std::string where = "layers[" + std::to_string(l) + "]";
    if (table.num_factors() != 0) problems.push_back(where + ": expected no factors in a triangular layer");
    if (table.value_size() != 1) {
      problems.push_back(where + ".value_size: expected 1, got " + std::to_string(table.value_size()));
    }
    if (lower_[l].size() != table.num_rows()) {
      problems.push_back(where + ".lower: expected " + std::to_string(table.num_rows()) + " rows, got " +
                         std::to_string(lower_[l].size()));
    }
    const std::size_t size = table.key_size();
    for (std::size_t r = 0; r < lower_[l].size(); ++r) {
      const std::string row = where + ".lower[" + std::to_string(r) + "]";
      if (lower_[l][r].size() != size * size) {
        problems.push_back(row + ": expected " + std::to_string(size * size) + " entries, got " +
                           std::to_string(lower_[l][r].size()));
        continue;
      }
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < size; ++j) {
          const float value = lower_[l][r][i * size + j];
          if (!std::isfinite(value) || (j >= i && value != 0.0F)) {
            problems.push_back(row + ": expected finite values strictly below the diagonal and zeros elsewhere, got " +
                               std::to_string(value) + " at " + std::to_string(i) + ", " + std::to_string(j));
          }
        }
      }
    }
  }
  if (!problems.empty()) throw InputError(std::move(problems));
}

ExactMatrix TriangularModel::matrix(std::size_t layer, std::size_t row) const {
  const TokenRow diagonal = chain_.layers().at(layer).table.row(row);
  const std::size_t size = chain_.layers()[layer].table.key_size();
  ExactMatrix matrix{size, std::vector<double>(size * size, 0.0)};
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < i; ++j)
      matrix.entries[i * size + j] = static_cast<double>(lower(layer, row)[i * size + j]);
    matrix.entries[i * size + i] = static_cast<double>(diagonal.gate.size() == 1 ? diagonal.gate[0] : diagonal.gate[i]);
  }
  return matrix;
}

}  // namespace krohn
