// A product with weights for many tokens at once, in double: each weight is read once for all of them.
#pragma once

#include <cstddef>
#include <vector>

namespace krohn {

class ProductInDouble {
 public:
  /// sums[t * rows + r] = sum over i, ascending, from +0, of weight[i * rows + r] x[t * stride + i], one fused
  /// multiply-add a term: the bits of the interpreter's product in double. `count` tokens. Valid until the next call.
  const std::vector<double>& multiply(const float* weight, std::size_t rows, std::size_t columns, const double* x,
                                      std::size_t stride, std::size_t count);

 private:
  std::vector<double> tiles_;
  std::vector<double> inputs_;
  std::vector<double> panel_;
  std::vector<double> sums_;
};

}  // namespace krohn
