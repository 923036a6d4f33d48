// (Gated) DeltaProduct (Siems et al. 2025): num_householder delta steps a token, perhaps behind a scalar gate.
//
// Forms of the file: flash-linear-attention's, and its form of June 2025 (k_projs.j, v_projs.j, b_projs.j, *_conv1ds.j;
// use_gate for use_output_gate), whose tensors are stacked here under the newer names.
#include "shared/gated_delta.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) { return gated_delta(draft, delta_product(draft.options)); }

}  // namespace

extern const Architecture gated_deltaproduct;
const Architecture gated_deltaproduct{"gated_deltaproduct", build};

}  // namespace krohn::architectures
