// Gated DeltaNet (Yang et al. 2025): the delta rule behind a scalar gate, S = a S; S = S + k (beta (v - S^T k))^T.
#include "shared/gated_delta.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  GatedDelta g;
  g.sizes.num_heads = options.size("num_heads", 6);
  g.sizes.num_value_heads = options.size("num_v_heads", g.sizes.num_heads);
  if (g.sizes.num_value_heads % g.sizes.num_heads != 0) {
    options.report("num_v_heads", "a multiple of num_heads " + std::to_string(g.sizes.num_heads));
  }
  g.gate = options.flag("use_gate", true);
  g.decays = true;
  return gated_delta(draft, g);
}

}  // namespace

extern const Architecture gated_deltanet;
const Architecture gated_deltanet{"gated_deltanet", build};

}  // namespace krohn::architectures
