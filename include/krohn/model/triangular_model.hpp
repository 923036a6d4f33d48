// Linear RNNs with lower triangular state transition matrices, for illustrating what they cannot do
// (Grazzi et al., arXiv:2411.12537, Theorem 2). They are no format of weights: models are made in memory.
#pragma once

#include <cstddef>
#include <vector>

#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/spectrum.hpp"

namespace krohn {

/// A chain of layers without GH factors, to whose diagonal A(row) = diag(gate) a strictly lower triangular part is
/// added: h <- (diag(gate) + L) h + write. Readouts and the way from layer to layer are the chain's.
class TriangularModel {
 public:
  /// `lower[l][r]` is L of layer l's table row r, row-major [key_size, key_size]; entries on and above the diagonal are
  /// zero. Throws InputError for factors, a value size other than 1, wrong sizes, entries that are not finite.
  TriangularModel(LrnnModel chain, std::vector<std::vector<std::vector<float>>> lower);

  const LrnnModel& chain() const noexcept { return chain_; }
  const std::vector<float>& lower(std::size_t layer, std::size_t row) const { return lower_.at(layer).at(row); }
  /// A(row), exactly.
  ExactMatrix matrix(std::size_t layer, std::size_t row) const;

 private:
  LrnnModel chain_;
  std::vector<std::vector<std::vector<float>>> lower_;
};

}  // namespace krohn
