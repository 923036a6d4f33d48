// Comba (Hu et al. 2025): S = a S + k (beta (v - S_old^T p))^T, with S_old the state before its decay. p is the key
// times a number of the head and takes part in the query, q - D p; then all three are normalised, so that p is the
// key's direction again.
#include <string>

#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  DeltaHeads sizes;
  sizes.num_heads = sizes.num_value_heads = options.size("num_heads", 6);
  if (options.size("num_v_heads", sizes.num_heads) != sizes.num_heads) {
    options.report("num_v_heads", "num_heads " + std::to_string(sizes.num_heads) +
                                      ": with other numbers flash-linear-attention reads vectors of later tokens and "
                                      "beyond its tensors, which no causal function describes");
  }
  sizes.key_size = options.size("head_dim", 256);
  sizes.value_size = options.product(sizes.key_size, "expand_v", 2.0);
  const std::size_t conv = options.flag("use_short_conv", true) ? options.size("conv_size", 4) : 0;
  options.ask("conv_size");
  const Function gate = options.flag("use_output_gate", true) ? Function::sigmoid : Function::copy;
  if (!options.flag("use_inner_decay", true)) note_unread(draft, "use_inner_decay", "the decay of the inner key is on");
  if (!options.flag("use_output_correction", true)) {
    note_unread(draft, "use_output_correction", "the query is corrected");
  }
  if (options.number("correction_factor", 1.0) != 1.0) {
    note_unread(draft, "correction_factor", "the correction is the tensor D");
  }
  const FlaShell shell(draft, 21);
  return shell.build(draft, "comba", [&](const std::string& prefix, Slice h, Slice x) {
    ProgramBuilder& net = draft.net;
    Tensors& tensors = draft.tensors;
    const auto share = static_cast<std::uint32_t>(sizes.key_size);
    Projected inputs;
    const Slice q = projection(draft, prefix, "q", h, sizes.queries(), conv, Function::silu);
    const Slice k = projection(draft, prefix, "k", h, sizes.queries(), conv, Function::silu);
    inputs.value = projection(draft, prefix, "v", h, sizes.values(), conv, Function::silu);
    Elementwise inner;
    inner.function = Function::multiply_weight;
    inner.a = {k};
    inner.w = {tensors.vector(prefix + "decay", {sizes.num_heads}), share, WeightUse::Derived::sigmoid};
    const Slice p = net.map(inner, k.size);
    Elementwise corrected;
    corrected.function = Function::add_weighted;
    corrected.a = {q};
    corrected.b = {p};
    corrected.w = {tensors.vector(prefix + "D", {sizes.num_heads}), share, WeightUse::Derived::negative};
    inputs.query = net.l2_norm(net.map(corrected, q.size), sizes.num_heads);
    inputs.key = net.l2_norm(k, sizes.num_heads);
    const Slice erased = net.l2_norm(p, sizes.num_heads);
    const Slice beta =
        net.map(Function::sigmoid, net.product(tensors.matrix(prefix + "b_proj.weight", sizes.num_heads, h.size), h));
    const Slice decays = gated_decay(draft, prefix, h, sizes.num_heads);
    LinearRecurrence r = ProgramBuilder::recurrence(sizes.num_heads, sizes.key_size, sizes.value_size);
    r.decay = LinearRecurrence::Decay::scalar;
    r.decays = ProgramBuilder::heads(decays, 1);
    RankOneUpdate update;
    update.read = ProgramBuilder::heads(erased, sizes.key_size);
    update.write = ProgramBuilder::heads(inputs.key, sizes.key_size);
    update.value = ProgramBuilder::heads(inputs.value, sizes.value_size);
    update.beta = ProgramBuilder::heads(beta, 1);
    update.reads_undecayed = true;
    r.updates = {update};
    r.query = ProgramBuilder::heads(inputs.query, sizes.key_size);
    const Slice o = over_root(net, net.recur(std::move(r)), sizes.key_size);
    return head_output(draft, prefix, o, h, x, sizes.num_heads,
                       tensors.vector(prefix + "o_norm.weight", {sizes.value_size}), shell.epsilon, gate);
  });
}

}  // namespace

extern const Architecture comba;
const Architecture comba{"comba", build};

}  // namespace krohn::architectures
