// Preconditioned Gated DeltaNet (flash-linear-attention 0.5): the gated delta rule writes m * k in the place of k,
// where m is a bounded function of a second state, n = a' n + b' k^2 for every key by itself: S = a S; S = S + (m * k)
// (beta (v - S^T k))^T. A layer of the file is two of the program, since n is a recurrence of its own.
#include <string>

#include "krohn/numeric/transcendental.hpp"
#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  DeltaHeads sizes;
  sizes.num_heads = options.size("num_heads", 6);
  sizes.num_value_heads = options.size("num_v_heads", sizes.num_heads);
  if (sizes.num_value_heads % sizes.num_heads != 0) {
    options.report("num_v_heads", "a multiple of num_heads " + std::to_string(sizes.num_heads));
  }
  sizes.key_size = options.size("head_dim", 256);
  sizes.value_size = options.product(sizes.key_size, "expand_v", 2.0);
  const std::size_t width = options.size("conv_size", 4);
  const std::size_t conv = options.flag("use_short_conv", true) ? width : 0;
  const Function gate = options.flag("use_gate", true) ? Function::silu : Function::copy;
  const double scale = options.flag("allow_neg_eigval", false) ? 2.0 : 1.0;
  const double squash = options.number("squash_x", 1.5);
  if (!(squash > 0.0)) options.report("squash_x", "a number above 0");
  const double squash_epsilon = options.epsilon("squash_eps", 1e-6);
  draft.notes.push_back(
      "each layer is two here, the preconditioner's sums of squared keys and the delta rule that reads them");
  FlaShell::Form form;
  form.depth_residuals = false;
  const FlaShell shell(draft, 21, form);
  return shell.build(draft, "preconditioner", [&](const std::string& prefix, Slice h, Slice x) {
    ProgramBuilder& net = draft.net;
    Tensors& tensors = draft.tensors;
    const std::size_t heads = sizes.num_heads;
    const auto projected = [&](const std::string& name, std::size_t out) {
      return net.product(tensors.matrix(prefix + name + ".weight", out, h.size), h);
    };
    const Slice q = net.l2_norm(projection(draft, prefix, "q", h, sizes.queries(), conv, Function::silu), heads);
    const Slice k = net.l2_norm(projection(draft, prefix, "k", h, sizes.queries(), conv, Function::silu), heads);
    const Slice v = projection(draft, prefix, "v", h, sizes.values(), conv, Function::silu);
    const Slice beta =
        net.map_constant(Function::strength, projected("b_proj", sizes.num_value_heads), 1.0, scale, 0.0);
    const Slice decays = gated_decay(draft, prefix, h, sizes.num_value_heads);
    Elementwise forgets;
    forgets.function = Function::gated_decay;
    forgets.a = {projected("a_atk_proj", heads)};
    forgets.v = {tensors.vector(prefix + "A_log_atk", {heads}), 1, WeightUse::Derived::negative_exponential};
    forgets.w = {tensors.vector(prefix + "dt_bias_atk", {heads})};
    LinearRecurrence squares = ProgramBuilder::recurrence(heads, 1, sizes.key_size);
    squares.decay = LinearRecurrence::Decay::scalar;
    squares.decays = ProgramBuilder::heads(net.map(forgets, heads), 1);
    const Slice one = net.constant(1.0, 1);
    RankOneUpdate square;
    square.write = ProgramBuilder::heads(one, 0);
    square.value = ProgramBuilder::heads(net.multiply(k, k), sizes.key_size);
    square.beta = ProgramBuilder::heads(net.map(Function::sigmoid, projected("b_atk_proj", heads)), 1);
    squares.updates = {square};
    squares.query = ProgramBuilder::heads(one, 0);
    Elementwise squashed;
    squashed.function = Function::squash;
    squashed.a = {net.recur(std::move(squares))};
    squashed.w = {tensors.vector(prefix + "log_atk_scale", {heads}), static_cast<std::uint32_t>(sizes.key_size)};
    squashed.k = squash_epsilon;
    squashed.l = 0.0 - numeric::log(squash > 0.0 ? squash : 1.0);

    net.begin_layer("delta");
    const Slice written = net.multiply(net.map(squashed, sizes.queries()), k);
    const std::size_t share = std::max<std::size_t>(sizes.num_value_heads / heads, 1);
    LinearRecurrence r = ProgramBuilder::recurrence(sizes.num_value_heads, sizes.key_size, sizes.value_size);
    r.decay = LinearRecurrence::Decay::scalar;
    r.decays = ProgramBuilder::heads(decays, 1);
    RankOneUpdate update;
    update.read = ProgramBuilder::heads(k, sizes.key_size, share);
    update.write = ProgramBuilder::heads(written, sizes.key_size, share);
    update.value = ProgramBuilder::heads(v, sizes.value_size);
    update.beta = ProgramBuilder::heads(beta, 1);
    r.updates = {update};
    r.query = ProgramBuilder::heads(q, sizes.key_size, share);
    const Slice o = over_root(net, net.recur(std::move(r)), sizes.key_size);
    return head_output(draft, prefix, o, h, x, sizes.num_value_heads,
                       tensors.vector(prefix + "o_norm.weight", {sizes.value_size}), shell.epsilon, gate);
  });
}

}  // namespace

extern const Architecture precond_gated_deltanet;
const Architecture precond_gated_deltanet{"precond_gated_deltanet", build};

}  // namespace krohn::architectures
