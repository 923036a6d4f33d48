// (Gated) DeltaProduct (Siems et al. 2025): num_householder delta steps a token, perhaps behind a scalar gate.
//
// Forms of the file: flash-linear-attention's, and its form of June 2025 (k_projs.j, v_projs.j, b_projs.j, *_conv1ds.j;
// use_gate for use_output_gate), whose tensors are stacked here under the newer names.
#include "shared/gated_delta.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  GatedDelta g;
  g.sizes.num_householder = options.size("num_householder", 1, 1024);
  g.sizes.num_heads = g.sizes.num_value_heads = options.size("num_heads", 6);
  const bool gate = options.flag("use_output_gate", options.flag("use_gate", true));
  g.gate = gate ? Function::silu : Function::copy;
  if (options.has("use_output_gate") && options.has("use_gate") && options.flag("use_gate", true) != gate) {
    options.report("use_gate", "the value of use_output_gate");
  }
  g.decays = options.flag("use_forget_gate", false);
  return gated_delta(draft, g);
}

}  // namespace

extern const Architecture gated_deltaproduct;
const Architecture gated_deltaproduct{"gated_deltaproduct", build};

}  // namespace krohn::architectures
