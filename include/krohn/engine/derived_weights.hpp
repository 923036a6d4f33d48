// The numbers that an operation makes of a tensor before it meets features (WeightUse), in any number type: once, when
// a program is prepared. docs/semantics.md, section 8.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "krohn/model/program.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn {

/// `weight` makes a Weight of a float. Empty where there is no tensor.
template <class Weight, class Make>
std::vector<Weight> derived_weights(const std::vector<ProgramTensor>& tensors, const WeightUse& use,
                                    const Make& weight) {
  using Derived = WeightUse::Derived;
  std::vector<Weight> result;
  if (!use.present()) return result;
  const ProgramTensor& tensor = tensors[use.tensor];
  const TensorValues read(tensor);
  const std::vector<float>& values = *read;
  const Weight zero = weight(0.0F);
  if (use.derived == Derived::cumulative_softmax) {
    using numeric::exp;
    using numeric::maximum;
    using numeric::quotient;
    const std::size_t channels = tensor.extent(1);
    for (std::size_t c = 0; c < channels; ++c) {
      Weight most = weight(values[c]);
      for (std::size_t i = channels + c; i < values.size(); i += channels) {
        most = maximum(most, weight(values[i]));
      }
      Weight total = zero;
      for (std::size_t i = c; i < values.size(); i += channels) {
        total = total + exp(weight(values[i]) - most);
      }
      Weight sum = zero;
      for (std::size_t row = 1; row <= use.row; ++row) {
        sum = sum + quotient(exp(weight(values[row * channels + c]) - most), total);
      }
      result.push_back(sum);
    }
    return result;
  }
  for (const float value : values) {
    using numeric::exp;
    using numeric::sigmoid;
    const Weight x = weight(value);
    result.push_back(use.derived == Derived::exponential            ? exp(x)
                     : use.derived == Derived::negative_exponential ? zero - exp(x)
                     : use.derived == Derived::negative             ? zero - x
                     : use.derived == Derived::sigmoid              ? sigmoid(x)
                                                                    : x);
  }
  return result;
}

}  // namespace krohn
