// Gated DeltaNet and (Gated) DeltaProduct, which differ in their options.
#pragma once

#include "fla.hpp"

namespace krohn::architectures {

struct GatedDelta {
  /// key_size and value_size are read from head_dim and expand_v.
  DeltaHeads sizes;
  /// Of the output; copy: none.
  Function gate = Function::silu;
  bool decays = true;
};

/// The rest of the options, the tensors and the program.
Program gated_delta(Draft& draft, GatedDelta g);

}  // namespace krohn::architectures
