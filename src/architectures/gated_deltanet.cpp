// Gated DeltaNet (Yang et al. 2025): the delta rule behind a scalar gate, S = a S; S = S + k (beta (v - S^T k))^T.
#include <string>

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
  const std::string gate = options.require_text("output_gate_activation", {"swish", "silu", "sigmoid"});
  if (gate == "sigmoid" && !draft.since_fla(0, 6, true)) {
    options.report("output_gate_activation", "swish before 0.6.0: no earlier layer reads the option");
  }
  g.gate = !options.flag("use_gate", true) ? Function::copy : gate == "sigmoid" ? Function::sigmoid : Function::silu;
  g.decays = true;
  read_gated_delta(options, g);
  return gated_delta(draft, g);
}

}  // namespace

extern const Architecture gated_deltanet;
const Architecture gated_deltanet{"gated_deltanet", build};

}  // namespace krohn::architectures
