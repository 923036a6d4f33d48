// HGRN-2 (Qin et al. 2024): S = diag(f) S + (1 - f) v^T with forget gates f that a bound, learned for each layer and
// channel, keeps from below.
#include "shared/forget_gates.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  std::size_t key_size = 0;
  std::size_t heads = 0;
  if (options.ask("expand_ratio").is_null()) {
    if (!options.has("num_heads")) options.report("num_heads", "a number, since expand_ratio is null");
    heads = options.size("num_heads", 1);
    key_size = options.split(size, heads, "num_heads");
  } else {
    key_size = options.size("expand_ratio", 128);
    heads = std::max<std::size_t>(size / key_size, 1);
    if (key_size > size) options.report("expand_ratio", "at most hidden_size " + std::to_string(size));
    if (options.size("num_heads", heads) != heads) {
      note_unread(draft, "num_heads", "there are hidden_size / expand_ratio = " + std::to_string(heads) + " heads");
    }
  }
  const std::size_t value_size = options.split(size, heads, "expand_ratio");
  const std::size_t keys = heads * key_size;
  const ForgetGates gates(draft);
  if (gates.bounded && keys != size) options.report("expand_ratio", "a divisor of hidden_size, with use_lower_bound");
  const bool affine = options.flag("elementwise_affine", true);
  const FlaShell shell(draft, 24);
  if (shell.epsilon != 1e-5 && options.has("norm_eps")) {
    draft.notes.push_back("norm_eps: the norm of what the heads read takes 1e-5, as in flash-linear-attention");
  }
  const std::uint32_t bounds = gates.bounds(draft, shell);
  return shell.build(
      draft, "hgrn2", [&, layer = std::uint32_t{0}](const std::string& prefix, Slice h, Slice x) mutable {
        ProgramBuilder& net = draft.net;
        Tensors& tensors = draft.tensors;
        const Slice q =
            net.map(Function::silu, projection(draft, prefix, "q", h, keys, gates.convolution, Function::copy));
        const Slice f = gates.gate(draft, prefix, h, keys, bounds, layer++);
        const Slice v = projection(draft, prefix, "i", h, size, gates.convolution, Function::copy);
        LinearRecurrence r = ProgramBuilder::recurrence(heads, key_size, value_size);
        r.decay = LinearRecurrence::Decay::key;
        r.decays = ProgramBuilder::heads(f, key_size);
        RankOneUpdate update;
        update.write = ProgramBuilder::heads(net.map(Function::complement, f), key_size);
        update.value = ProgramBuilder::heads(v, value_size);
        r.updates = {update};
        r.query = ProgramBuilder::heads(q, key_size);
        const Slice o = over_root(net, net.recur(std::move(r)), key_size);
        // Over all heads at once.
        const std::uint32_t weight = affine ? tensors.vector(prefix + "g_norm.weight", {size}) : no_index;
        return net.product(tensors.matrix(prefix + "o_proj.weight", size, size), net.rms_norm(o, weight, 1e-5),
                           no_index, x);
      });
}

}  // namespace

extern const Architecture hgrn2;
const Architecture hgrn2{"hgrn2", build};

}  // namespace krohn::architectures
