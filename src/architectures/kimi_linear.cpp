// Kimi Linear's linear layers: Kimi Delta Attention (kda.cpp) with names of its own, an output gate without a bias, and
// decays exp(-exp(A_log) softplus(f + dt_bias)). Its other layers are attention. Published files say which layers are
// which in linear_attn_config, counted from 1.
#include "shared/hybrid.hpp"

namespace krohn::architectures {
namespace {

Program linear_layers(Draft& draft, const LayerInputs& inputs) {
  Options& options = draft.options;
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  HybridLayers parts;
  parts.kind = "kda";
  parts.mixer_name = "self_attn";
  parts.size = options.size("hidden_size", 2304);
  const std::size_t layers = options.size("num_hidden_layers", 27, 4096);
  std::size_t heads = options.size("linear_num_heads", 32);
  std::size_t size = options.size("linear_head_dim", 128);
  std::size_t width = options.size("linear_conv_kernel_dim", 4);
  std::vector<bool> linear(layers);
  for (std::size_t i = 0; i < layers; ++i) linear[i] = i == 0 || i % 4 != 0;
  if (options.has("linear_attn_config")) {
    const JsonField own = options.ask("linear_attn_config");
    const auto take = [&](const char* key, std::size_t& value) {
      const JsonField field = own.find(key);
      if (!field.exists()) return;
      value = static_cast<std::size_t>(field.integer(1, 1 << 24).value_or(static_cast<std::int64_t>(value)));
    };
    take("num_heads", heads);
    take("head_dim", size);
    take("short_conv_kernel_size", width);
    if (own.find("kda_layers").exists()) {
      linear.assign(layers, false);
      for (const JsonField& number : own.find("kda_layers").elements()) {
        const auto i = number.integer(1, static_cast<std::int64_t>(layers));
        if (i) linear[static_cast<std::size_t>(*i) - 1] = true;
      }
    }
  }
  DeltaHeads sizes;
  sizes.num_heads = sizes.num_value_heads = heads;
  sizes.key_size = sizes.value_size = size;
  const double epsilon = options.epsilon("rms_norm_eps", 1e-5);
  options.require_text("hidden_act", {"silu", "swish"});
  parts.norm = [&](const std::string& layer, Slice x) {
    return net.rms_norm(x, tensors.vector(layer + "input_layernorm.weight", {parts.size}), epsilon);
  };
  parts.mixer = [&](const std::string& prefix, Slice h, Slice x) {
    const auto product = [&](const std::string& name, std::size_t out) {
      return net.product(tensors.matrix(prefix + name, out, h.size), h);
    };
    Projected projected =
        convolved(draft, prefix,
                  {product("q_proj.weight", sizes.queries()), product("k_proj.weight", sizes.queries()),
                   product("v_proj.weight", sizes.values())},
                  width);
    projected.query = net.l2_norm(projected.query, sizes.num_heads);
    projected.key = net.l2_norm(projected.key, sizes.num_heads);
    const Slice beta = net.map_constant(Function::strength, product("b_proj.weight", heads), 1.0, 1.0, 0.0);
    const auto low_rank = [&](const std::string& down, const std::string& up) {
      return net.low_rank(tensors.matrix(down, size, h.size), tensors.matrix(up, sizes.values(), size), no_index,
                          Function::copy, h);
    };
    // transformers keeps the gate's tensors in a module of their own.
    const std::string gate = prefix + (tensors.has(prefix + "forget_gate.A_log") ? "forget_gate." : "");
    const bool four = tensors.extent(gate + "A_log", 1) != 0;
    Elementwise decay;
    decay.function = Function::gated_decay;
    decay.a = {low_rank(gate + "f_a_proj.weight", gate + "f_b_proj.weight")};
    decay.w = {tensors.vector(gate + "dt_bias", {sizes.queries()})};
    decay.v = {tensors.vector(gate + "A_log", four ? std::vector<std::size_t>{1, 1, heads, 1} : std::vector{heads}),
               static_cast<std::uint32_t>(size), WeightUse::Derived::negative_exponential};
    const Slice decays = net.map(decay, sizes.queries());
    const Slice o = delta_rule(net, sizes, projected, beta, LinearRecurrence::Decay::key, decays);
    const Slice normed = net.rms_norm(o, tensors.vector(prefix + "o_norm.weight", {size}), epsilon, heads);
    const Slice opened = net.map(Function::sigmoid, low_rank(prefix + "g_a_proj.weight", prefix + "g_b_proj.weight"));
    return net.product(tensors.matrix(prefix + "o_proj.weight", x.size, sizes.values()), net.multiply(normed, opened),
                       no_index, x);
  };
  return side_by_side(draft, inputs,
                      linear_layers_of(options, layers, [&](std::size_t layer) { return linear[layer]; }), parts);
}

}  // namespace

extern const Architecture kimi_linear;
const Architecture kimi_linear{"kimi_linear", refuse_hybrid, nullptr, nullptr, linear_layers};

}  // namespace krohn::architectures
