// Qwen3-Next's linear layers: Gated DeltaNet (gated_deltanet.cpp) with one convolution over queries, keys and values,
// and projections in two tensors whose rows are grouped by key head: of each its query, its key, its values, their
// gates; of each the betas of its values, their decays. The norm before is kept as weight - 1. Its other layers are
// attention.
#include <vector>

#include "shared/hybrid.hpp"

namespace krohn::architectures {
namespace {

Program linear_layers(Draft& draft, const LayerInputs& inputs) {
  Options& options = draft.options;
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  HybridLayers parts;
  parts.kind = "delta";
  parts.mixer_name = "linear_attn";
  parts.size = options.size("hidden_size", 2048);
  const std::size_t layers = options.size("num_hidden_layers", 48, 4096);
  const std::size_t interval = options.size("full_attention_interval", 4);
  DeltaHeads sizes;
  sizes.num_heads = options.size("linear_num_key_heads", 16);
  sizes.num_value_heads = options.size("linear_num_value_heads", 32);
  sizes.key_size = options.size("linear_key_head_dim", 128);
  sizes.value_size = options.size("linear_value_head_dim", 128);
  if (sizes.num_value_heads % sizes.num_heads != 0) {
    options.report("linear_num_value_heads", "a multiple of linear_num_key_heads " + std::to_string(sizes.num_heads));
  }
  const std::size_t share = std::max<std::size_t>(sizes.num_value_heads / sizes.num_heads, 1);
  const std::size_t width = options.size("linear_conv_kernel_dim", 4);
  const double epsilon = options.epsilon("rms_norm_eps", 1e-6);
  options.require_text("hidden_act", {"silu", "swish"});
  parts.norm = [&](const std::string& layer, Slice x) {
    Normalization norm{Normalization::Kind::rms, x, 1, epsilon,
                       tensors.vector(layer + "input_layernorm.weight", {parts.size})};
    norm.weight_is_offset = true;
    return net.normalize(norm);
  };
  parts.mixer = [&](const std::string& prefix, Slice h, Slice x) {
    const std::size_t values = share * sizes.value_size;
    const std::vector<std::uint32_t> qkvz = tensors.ungrouped(prefix + "in_proj_qkvz.weight", sizes.num_heads,
                                                              {{prefix + "q_proj.weight", sizes.key_size},
                                                               {prefix + "k_proj.weight", sizes.key_size},
                                                               {prefix + "v_proj.weight", values},
                                                               {prefix + "g_proj.weight", values}},
                                                              h.size);
    const std::vector<std::uint32_t> ba =
        tensors.ungrouped(prefix + "in_proj_ba.weight", sizes.num_heads,
                          {{prefix + "b_proj.weight", share}, {prefix + "a_proj.weight", share}}, h.size);
    Projected projected =
        convolved(draft, prefix, {net.product(qkvz[0], h), net.product(qkvz[1], h), net.product(qkvz[2], h)}, width);
    projected.query = net.l2_norm(projected.query, sizes.num_heads);
    projected.key = net.l2_norm(projected.key, sizes.num_heads);
    const Slice beta = net.map_constant(Function::strength, net.product(ba[0], h), 1.0, 1.0, 0.0);
    Elementwise decay;
    decay.function = Function::gated_decay;
    decay.a = {net.product(ba[1], h)};
    decay.v = {tensors.vector(prefix + "A_log", {sizes.num_value_heads}), 1, WeightUse::Derived::negative_exponential};
    decay.w = {tensors.vector(prefix + "dt_bias", {sizes.num_value_heads})};
    const Slice decays = net.map(decay, sizes.num_value_heads);
    const Slice o = delta_rule(net, sizes, projected, beta, LinearRecurrence::Decay::scalar, decays);
    const Slice normed =
        net.rms_norm(o, tensors.vector(prefix + "norm.weight", {sizes.value_size}), epsilon, sizes.num_value_heads);
    const Slice y = net.multiply(normed, net.map(Function::silu, net.product(qkvz[3], h)));
    return net.product(tensors.matrix(prefix + "out_proj.weight", x.size, sizes.values()), y, no_index, x);
  };
  const auto linear = [&](std::size_t layer) { return (layer + 1) % interval != 0; };
  return side_by_side(draft, inputs, linear_layers_of(options, layers, linear), parts);
}

}  // namespace

extern const Architecture qwen3_next;
const Architecture qwen3_next{"qwen3_next", refuse_hybrid, nullptr, nullptr, linear_layers};

}  // namespace krohn::architectures
