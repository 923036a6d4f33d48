// MesaNet (von Oswald et al. 2025): M = a M + beta k k^T, S = a S + beta k v^T, o = S^T x with (M + diag(lambda)) x =
// q. The published kernel takes a number of conjugate-gradient steps from x = 0, which stall at a residual of about
// 5e-4 by its guarded divisions: the steps are the definition, not the inverse. M and S are one state, side by side.
#include <string>

#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t heads = options.size("num_heads", 16);
  const std::size_t head_size = options.size("head_dim", 128);
  const std::size_t channels = heads * head_size;
  const std::size_t width = options.size("conv_size", 4);
  if (!options.flag("use_short_conv", true)) {
    note_unread(draft, "use_short_conv", "queries and keys go through convolutions, values do not");
  }
  const Function gate = options.flag("use_output_gate", false) ? Function::silu : Function::copy;
  const double least = options.number("lambda_lower_bound", 0.25);
  const std::size_t steps = options.size("max_cg_step_training", 30, 4096);
  options.size("max_cg_step_decoding", 30, 4096);
  draft.notes.push_back(
      "max_cg_step_training conjugate-gradient steps from 0, in exact queries and keys: the pass over a whole "
      "sequence; "
      "flash-linear-attention rounds queries and keys to fp16 there, and token by token starts the steps elsewhere");
  const FlaShell shell(draft, 24);
  return shell.build(draft, "mesa_net", [&](const std::string& prefix, Slice h, Slice x) {
    ProgramBuilder& net = draft.net;
    Tensors& tensors = draft.tensors;
    const Slice q = net.l2_norm(projection(draft, prefix, "q", h, channels, width, Function::silu), heads);
    const Slice k = net.l2_norm(projection(draft, prefix, "k", h, channels, width, Function::silu), heads);
    const Slice v = projection(draft, prefix, "v", h, channels, 0, Function::copy);
    const auto opened = [&](const std::string& name) {
      const std::uint32_t weight = tensors.matrix(prefix + name + ".weight", heads, h.size);
      return net.map(Function::sigmoid, net.product(weight, h, tensors.vector(prefix + name + ".bias", {heads})));
    };
    const Slice beta = opened("b_proj");
    const Slice decays = opened("a_proj");
    const Slice ridge = net.map_constant(Function::add_constant,
                                         net.map_weight(Function::softplus_weight, net.constant(0.0, channels),
                                                        tensors.vector(prefix + "lambda_params", {channels})),
                                         least);
    LinearRecurrence r = ProgramBuilder::recurrence(heads, head_size, 2 * head_size);
    r.decay = LinearRecurrence::Decay::scalar;
    r.decays = ProgramBuilder::heads(decays, 1);
    RankOneUpdate update;
    update.write = ProgramBuilder::heads(k, head_size);
    update.value = ProgramBuilder::heads(net.interleave({k, v}, heads), 2 * head_size);
    update.beta = ProgramBuilder::heads(beta, 1);
    r.updates = {update};
    r.query = ProgramBuilder::heads(q, head_size);
    r.ridge = ProgramBuilder::heads(ridge, head_size);
    r.solver_steps = static_cast<std::uint32_t>(steps);
    return head_output(draft, prefix, net.recur(std::move(r)), h, x, heads,
                       tensors.vector(prefix + "o_norm.weight", {head_size}), shell.epsilon, gate);
  });
}

}  // namespace

extern const Architecture mesa_net;
const Architecture mesa_net{"mesa_net", build};

}  // namespace krohn::architectures
