// Kimi Delta Attention (Kimi Team 2025): the delta rule behind a gate for every key, S = diag(a) S;
// S = S + k (beta (v - S^T k))^T. Gates are exp(-exp(A_log) softplus(f)), or with lower_bound b exp(b
// sigmoid(exp(A_log) f)), where f is a low-rank function of the input. The output gate is a sigmoid, and always there.
#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

/// h f0^T f1^T (+ bias) for two tensors prefix + name + ".0" and ".1".
Slice low_rank(Draft& draft, const std::string& name, Slice h, std::size_t rank, std::size_t out, bool bias) {
  const std::uint32_t down = draft.tensors.matrix(name + ".0.weight", rank, h.size);
  const std::uint32_t up = draft.tensors.matrix(name + ".1.weight", out, rank);
  return draft.net.low_rank(down, up, bias ? draft.tensors.vector(name + ".1.bias", {out}) : no_index, Function::copy,
                            h);
}

Program build(Draft& draft) {
  Options& options = draft.options;
  DeltaHeads sizes;
  sizes.num_heads = options.size("num_heads", 16);
  sizes.num_value_heads = options.size("num_v_heads", sizes.num_heads);
  if (sizes.num_value_heads % sizes.num_heads != 0) {
    options.report("num_v_heads", "a multiple of num_heads " + std::to_string(sizes.num_heads));
  }
  sizes.key_size = options.size("head_dim", 128);
  sizes.value_size = options.product(sizes.key_size, "expand_v", 1.0);
  const bool use_convolution = options.flag("use_short_conv", true);
  const std::size_t width = options.size("conv_size", 4);
  const double scale = options.flag("allow_neg_eigval", false) ? 2.0 : 1.0;
  if (options.flag("safe_gate", false)) {
    note_unread(draft, "safe_gate",
                "which kernel computes the gates is chosen by it, and lower_bound says what they are");
  }
  const bool bounded = options.has("lower_bound");
  const double lower_bound = options.number("lower_bound", 0.0);
  if (bounded && !(lower_bound < 0)) options.report("lower_bound", "null or a number below 0");
  const FlaShell shell(draft, 24);
  return shell.build(draft, "kda", [&](const std::string& prefix, Slice h, Slice x) {
    ProgramBuilder& net = draft.net;
    Tensors& tensors = draft.tensors;
    const std::size_t conv = use_convolution ? width : 0;
    Projected inputs;
    inputs.query =
        net.l2_norm(projection(draft, prefix, "q", h, sizes.queries(), conv, Function::silu), sizes.num_heads);
    inputs.key = net.l2_norm(projection(draft, prefix, "k", h, sizes.queries(), conv, Function::silu), sizes.num_heads);
    inputs.value = projection(draft, prefix, "v", h, sizes.values(), conv, Function::silu);
    const Slice beta = net.map_constant(
        Function::strength, net.product(tensors.matrix(prefix + "b_proj.weight", sizes.num_value_heads, h.size), h),
        1.0, scale, 0.0);
    const std::size_t gates = sizes.num_value_heads * sizes.key_size;
    const auto share = static_cast<std::uint32_t>(sizes.key_size);
    const Slice f = low_rank(draft, prefix + "f_proj", h, sizes.value_size, gates, false);
    const std::uint32_t log_rate = tensors.vector(prefix + "A_log", {sizes.num_value_heads});
    const std::uint32_t bias = tensors.vector(prefix + "dt_bias", {gates});
    Slice decays;
    if (bounded) {
      Elementwise rated;
      rated.function = Function::multiply_weight;
      rated.a = {net.map_weight(Function::add_weight, f, bias)};
      rated.w = {log_rate, share, WeightUse::Derived::exponential};
      decays = net.map_constant(Function::key_decay, net.map(rated, gates), lower_bound);
    } else {
      Elementwise decay;
      decay.function = Function::gated_decay;
      decay.a = {f};
      decay.w = {bias};
      decay.v = {log_rate, share, WeightUse::Derived::negative_exponential};
      decays = net.map(decay, gates);
    }
    const Slice o = delta_rule(net, sizes, inputs, beta, LinearRecurrence::Decay::key, decays);
    const Slice normed = net.rms_norm(o, tensors.vector(prefix + "o_norm.weight", {sizes.value_size}), shell.epsilon,
                                      sizes.num_value_heads);
    const Slice gate = low_rank(draft, prefix + "g_proj", h, sizes.value_size, sizes.values(), true);
    return net.product(tensors.matrix(prefix + "o_proj.weight", x.size, sizes.values()),
                       net.multiply(normed, net.map(Function::sigmoid, gate)), no_index, x);
  });
}

}  // namespace

extern const Architecture kda;
const Architecture kda{"kda", build};

}  // namespace krohn::architectures
