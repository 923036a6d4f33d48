// HGRN (Qin et al. 2023): s = f s + (1 - f) silu(i) for every channel by itself, with forget gates f that a bound,
// learned for each layer and channel, keeps from below.
#include "shared/forget_gates.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t channels = options.product(size, "expand_ratio", 1.0);
  const ForgetGates gates(draft);
  const bool affine = options.flag("elementwise_affine", true);
  const FlaShell shell(draft, 24);
  if (gates.bounded && channels != size && shell.layers > 1) {
    options.report("expand_ratio", "1 with use_lower_bound: bounds have hidden_size channels");
  }
  const std::uint32_t bounds = gates.bounds(draft, shell);
  return shell.build(draft, "hgrn", [&, layer = std::uint32_t{0}](const std::string& prefix, Slice h, Slice x) mutable {
    ProgramBuilder& net = draft.net;
    Tensors& tensors = draft.tensors;
    const Slice i = projection(draft, prefix, "i", h, channels, gates.convolution, Function::copy);
    const Slice f = gates.gate(draft, prefix, h, channels, bounds, layer++);
    const Slice one = net.constant(1.0, 1);
    LinearRecurrence r = ProgramBuilder::recurrence(1, 1, channels);
    r.decay = LinearRecurrence::Decay::element;
    r.decays = ProgramBuilder::heads(f, channels);
    const Slice opened = net.map(Function::silu, i);
    RankOneUpdate update;
    update.write = ProgramBuilder::heads(one, 1);
    update.value = ProgramBuilder::heads(net.multiply(opened, net.map(Function::complement, f)), channels);
    r.updates = {update};
    r.query = ProgramBuilder::heads(one, 1);
    const std::uint32_t weight = affine ? tensors.vector(prefix + "g_norm.weight", {channels}) : no_index;
    return head_output(draft, prefix, net.recur(std::move(r)), h, x, 1, weight, shell.epsilon, Function::silu);
  });
}

}  // namespace

extern const Architecture hgrn;
const Architecture hgrn{"hgrn", build};

}  // namespace krohn::architectures
