// RWKV-6 (Peng et al. 2024): o = (S + diag(bonus) k v^T)^T r, then S = diag(exp(-exp(w))) S + k v^T. Each of five
// inputs of a layer mixes in the token before by a low-rank function of both.
#include <array>
#include <map>
#include <string>

#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  common_options(options);
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t vocabulary = options.size("vocab_size", 32000);
  const std::size_t layers = options.size("num_hidden_layers", 24, 4096);
  const std::size_t heads = options.size("num_heads", 4);
  const std::size_t keys = options.product(size, "expand_k", 0.5);
  const std::size_t width = options.product(size, "expand_v", 1.0);
  const std::size_t key_size = options.split(keys, heads, "num_heads");
  const std::size_t value_size = options.split(width, heads, "num_heads");
  const std::size_t mix_rank = options.size("proj_low_rank_dim", 32);
  const std::size_t decay_rank = options.size("gate_low_rank_dim", 64);
  const std::size_t inner = feed_forward_size(options, size, 1, 1, 32, 3.5);
  const double epsilon = options.epsilon("norm_eps", 1e-5);
  const bool norm_first = options.flag("norm_first", true);
  const bool norm_bias = options.flag("norm_bias", true);
  options.flag("fuse_norm", true);
  // The library's own table of functions, in which gelu is the form by tanh.
  static const std::map<std::string, Function> functions = {{"sqrelu", Function::squared_relu},
                                                            {"relu", Function::relu},
                                                            {"silu", Function::silu},
                                                            {"swish", Function::silu},
                                                            {"gelu", Function::gelu_tanh},
                                                            {"sigmoid", Function::sigmoid},
                                                            {"logsigmoid", Function::log_sigmoid}};
  const Function activation = functions.at(
      options.require_text("hidden_act", {"sqrelu", "relu", "silu", "swish", "gelu", "sigmoid", "logsigmoid"}));
  const auto layer_norm = [&](const std::string& name, Slice x) {
    Normalization norm{Normalization::Kind::layer, x, 1, epsilon, tensors.vector(name + ".weight", {size})};
    if (norm_bias) norm.bias = tensors.vector(name + ".bias", {size});
    return net.normalize(norm);
  };
  const auto projected = [&](const std::string& name, std::size_t out, Slice in) {
    return net.product(tensors.matrix(name + ".linear.weight", out, size), in);
  };

  const std::uint32_t embedding = tensors.matrix("model.embeddings.weight", vocabulary, size);
  Slice x = net.embedding(embedding);
  for (std::size_t i = 0; i < layers && !tensors.hopeless(); ++i) {
    const std::string layer = "model.layers." + std::to_string(i);
    const std::string attn = layer + ".attn.";
    net.begin_layer("rwkv6");
    if (i == 0 && norm_first) x = layer_norm(layer + ".pre_norm", x);
    const Slice u = layer_norm(layer + ".attn_norm", x);
    const Slice dx = net.shift(u, "mixer");
    // How much of the token before goes into each of r, w, k, v and g.
    const Slice mixed = net.shift_mix(u, dx, tensors.vector(attn + "x_proj.0.mu", {size}));
    const Slice narrow = net.map(Function::tanh, projected(attn + "x_proj.0", 5 * mix_rank, mixed));
    const std::uint32_t up = tensors.matrix(attn + "x_proj.2.weight", size, 5 * mix_rank);
    std::vector<Slice> wide;
    for (std::size_t n = 0; n < 5; ++n) {
      Product part{up, no_index, narrow.part(n * mix_rank, mix_rank), {}};
      part.first_input = static_cast<std::uint32_t>(n * mix_rank);
      part.inputs = static_cast<std::uint32_t>(mix_rank);
      wide.push_back(net.push(part, size));
    }
    const Slice mixes =
        net.map_weight(Function::add_weight, net.interleave(wide), tensors.vector(attn + "x_bias", {5, size}));
    const auto input = [&](std::size_t n) { return net.map(Function::add_product, u, dx, mixes.part(n * size, size)); };
    const Slice r = projected(attn + "r_proj", keys, input(0));
    const Slice w_in = input(1);
    const std::uint32_t down = tensors.matrix(attn + "w_proj.linear.lora.0.weight", decay_rank, size);
    const std::uint32_t decay_up = tensors.matrix(attn + "w_proj.linear.lora.2.weight", keys, decay_rank);
    const std::uint32_t decay_bias = tensors.vector(attn + "w_proj.linear.lora.2.bias", {keys});
    const Slice w =
        net.map(Function::exponential_decay, net.low_rank(down, decay_up, decay_bias, Function::tanh, w_in));
    const Slice k = projected(attn + "k_proj", keys, input(2));
    const Slice v = projected(attn + "v_proj", width, input(3));
    const Slice g = projected(attn + "g_proj", width, input(4));
    LinearRecurrence recurrence = ProgramBuilder::recurrence(heads, key_size, value_size);
    recurrence.decay = LinearRecurrence::Decay::key;
    recurrence.decays = ProgramBuilder::heads(w, key_size);
    RankOneUpdate update;
    update.write = ProgramBuilder::heads(k, key_size);
    update.value = ProgramBuilder::heads(v, value_size);
    recurrence.updates = {update};
    recurrence.query = ProgramBuilder::heads(r, key_size);
    recurrence.reads_before = true;
    const Slice read = net.recur(std::move(recurrence));
    const Slice bonus = net.weighted_dot(r, k, heads, tensors.vector(attn + "bonus", {heads, key_size}));
    Elementwise add_bonus;
    add_bonus.function = Function::add_product;
    add_bonus.a = {read};
    add_bonus.b = {bonus, static_cast<std::uint32_t>(value_size)};
    add_bonus.c = {v};
    Normalization norm{Normalization::Kind::layer,
                       net.map(add_bonus, width),
                       static_cast<std::uint32_t>(heads),
                       epsilon,
                       tensors.vector(attn + "g_norm.weight", {width}),
                       tensors.vector(attn + "g_norm.bias", {width})};
    const Slice o = net.normalize(norm);
    const Slice y = net.multiply(o, net.map(Function::silu, g));
    x = net.product(tensors.matrix(attn + "o_proj.weight", size, width), y, no_index, x);

    const std::string ffn = layer + ".ffn.";
    const Slice h = layer_norm(layer + ".ffn_norm", x);
    const Slice dh = net.shift(h, "feed_forward");
    const Slice key_in = net.shift_mix(h, dh, tensors.vector(ffn + "key.mu", {size}));
    const Slice inside = net.map(activation, projected(ffn + "key", inner, key_in));
    const Slice gate_in = net.shift_mix(h, dh, tensors.vector(ffn + "receptance.mu", {size}));
    const Slice gate = net.map(Function::sigmoid, projected(ffn + "receptance", size, gate_in));
    const Slice value = net.product(tensors.matrix(ffn + "value.weight", size, inner), inside);
    x = net.add(x, net.multiply(value, gate));
  }
  net.end_layers();
  head(draft, layer_norm("model.norm", x), embedding, "tie_word_embeddings");
  return draft.finish();
}

}  // namespace

extern const Architecture rwkv6;
const Architecture rwkv6{"rwkv6", build};

}  // namespace krohn::architectures
