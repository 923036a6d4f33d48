// The forget gates of HGRN and HGRN-2: sigmoid(f), in every layer but the first raised to b + (1 - b) sigmoid(f), where
// b is, for each channel, the sum of the softmax over layers of model.lower_bounds from layer 1 to this one.
#pragma once

#include <algorithm>
#include <string>

#include "fla.hpp"

namespace krohn::architectures {

struct ForgetGates {
  bool bounded = true;
  /// Of the short convolutions, which have no activation; 0: none.
  std::size_t convolution = 0;

  explicit ForgetGates(Draft& draft) {
    bounded = draft.options.flag("use_lower_bound", true);
    const bool convolved = draft.options.flag("use_short_conv", false);
    const std::size_t width = draft.options.size("conv_size", 4);
    convolution = convolved ? width : 0;
  }

  /// The tensor of all layers' bounds.
  std::uint32_t bounds(Draft& draft, const FlaShell& shell) const {
    return bounded ? draft.tensors.vector("model.lower_bounds", {shell.layers, shell.size}) : no_index;
  }

  Slice gate(Draft& draft, const std::string& prefix, Slice h, std::size_t channels, std::uint32_t bounds,
             std::uint32_t layer) const {
    ProgramBuilder& net = draft.net;
    const Slice open =
        net.map(Function::sigmoid, projection(draft, prefix, "f", h, channels, convolution, Function::copy));
    if (!bounded || layer == 0) return open;
    Elementwise raised;
    raised.function = Function::lower_bounded;
    raised.a = {open};
    raised.w = {bounds, 1, WeightUse::Derived::cumulative_softmax, layer};
    return net.map(raised, channels);
  }
};

}  // namespace krohn::architectures
