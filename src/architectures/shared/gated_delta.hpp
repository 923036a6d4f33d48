// Gated DeltaNet and (Gated) DeltaProduct, which differ in their options.
#pragma once

#include "fla.hpp"

namespace krohn::architectures {

struct GatedDelta {
  DeltaHeads sizes;
  /// Of the output; copy: none.
  Function gate = Function::silu;
  bool decays = true;
  /// Of the short convolutions; 0: none.
  std::size_t width = 4;
  /// Strengths are in [0, range].
  double range = 1.0;
};

/// head_dim, expand_v, use_short_conv, conv_size, allow_neg_eigval: what both have.
void read_gated_delta(Options& options, GatedDelta& g);

/// All options of a (Gated) DeltaProduct's layers.
GatedDelta delta_product(Options& options);

/// One layer's mixer.
Slice gated_delta_layer(Draft& draft, const GatedDelta& g, const std::string& prefix, Slice h, Slice x, double epsilon);

/// The shell's options, the tensors and the program of a model of such layers.
Program gated_delta(Draft& draft, const GatedDelta& g);

}  // namespace krohn::architectures
