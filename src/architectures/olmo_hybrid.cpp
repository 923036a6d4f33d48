// OLMo Hybrid's linear layers: Gated DeltaNet (gated_deltanet.cpp) with beta in (0, 2) by default, an output norm whose
// epsilon is 1e-5 whatever the model's, and a gate behind it. Its other layers are attention.
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
  parts.size = options.size("hidden_size", 3840);
  const std::size_t layers = options.size("num_hidden_layers", 32, 4096);
  const std::size_t attention_heads = options.size("num_attention_heads", 30);
  DeltaHeads sizes;
  sizes.num_heads = options.size("linear_num_key_heads", attention_heads);
  sizes.num_value_heads = options.size("linear_num_value_heads", attention_heads);
  sizes.key_size = options.size("linear_key_head_dim", std::max<std::size_t>(parts.size * 3 / 4 / sizes.num_heads, 1));
  sizes.value_size = options.size("linear_value_head_dim", 2 * sizes.key_size);
  if (sizes.num_value_heads % sizes.num_heads != 0) {
    options.report("linear_num_value_heads", "a multiple of linear_num_key_heads " + std::to_string(sizes.num_heads));
  }
  const std::size_t width = options.size("linear_conv_kernel_dim", 4);
  const double scale = options.flag("linear_allow_neg_eigval", true) ? 2.0 : 1.0;
  const double epsilon = options.epsilon("rms_norm_eps", 1e-6);
  options.require_text("hidden_act", {"silu", "swish"});
  parts.norm = [&](const std::string& layer, Slice x) {
    const std::string published = layer + "attention_layer_norm.weight";
    const std::string name = tensors.has(published) ? published : layer + "input_layernorm.weight";
    return net.rms_norm(x, tensors.vector(name, {parts.size}), epsilon);
  };
  parts.mixer = [&](const std::string& prefix, Slice h, Slice x) {
    const auto product = [&](const char* name, std::size_t out) {
      return net.product(tensors.matrix(prefix + name, out, h.size), h);
    };
    Projected projected =
        convolved(draft, prefix,
                  {product("q_proj.weight", sizes.queries()), product("k_proj.weight", sizes.queries()),
                   product("v_proj.weight", sizes.values())},
                  width);
    projected.query = net.l2_norm(projected.query, sizes.num_heads);
    projected.key = net.l2_norm(projected.key, sizes.num_heads);
    const Slice beta =
        net.map_constant(Function::strength, product("b_proj.weight", sizes.num_value_heads), 1.0, scale, 0.0);
    const Slice decays = gated_decay(draft, prefix, h, sizes.num_value_heads);
    const Slice o = delta_rule(net, sizes, projected, beta, LinearRecurrence::Decay::scalar, decays);
    return head_output(draft, prefix, o, h, x, sizes.num_value_heads,
                       tensors.vector(prefix + "o_norm.weight", {sizes.value_size}), 1e-5, Function::silu);
  };
  const auto linear = [](std::size_t layer) { return layer % 4 != 3; };
  return side_by_side(draft, inputs, linear_layers_of(options, layers, linear), parts);
}

}  // namespace

extern const Architecture olmo_hybrid;
const Architecture olmo_hybrid{"olmo_hybrid", refuse_hybrid, nullptr, nullptr, linear_layers};

}  // namespace krohn::architectures
