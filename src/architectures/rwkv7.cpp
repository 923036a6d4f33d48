// RWKV-7 (Peng et al. 2025): S = (diag(w) - (a kk) kk^T) S + k v^T with kk^T read from the undecayed S, o = S^T r.
// Later layers mix in the values of the first.
//
// Forms of the file: flash-linear-attention's, and its form of before April 2025 with the six mixes of a layer in one
// tensor x_x, rows r, w, k, v, a, g.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

/// Per layer, the values' size: one number, or a list of equal ones.
std::vector<std::size_t> value_sizes(Options& options, std::size_t layers, std::size_t size, std::size_t heads) {
  std::vector<std::size_t> values(layers, size);
  if (!options.has("value_dim")) return values;
  const JsonField field = options.ask("value_dim");
  if (field.value()->array() == nullptr) {
    values.assign(layers, options.size("value_dim", size));
  } else {
    const std::vector<JsonField> elements = field.elements();
    if (elements.size() != layers) field.report("a size for each of " + std::to_string(layers) + " layers");
    for (std::size_t i = 0; i < std::min(layers, elements.size()); ++i) {
      const auto value = elements[i].integer(1, std::int64_t{1} << 24U);
      if (value) values[i] = static_cast<std::size_t>(*value);
    }
  }
  if (std::any_of(values.begin(), values.end(), [&](std::size_t v) { return v % heads != 0; })) {
    field.report("multiples of the " + std::to_string(heads) + " heads");
  }
  if (std::any_of(values.begin(), values.end(), [&](std::size_t v) { return v != values[0]; })) {
    field.report("one size for all layers");
  }
  return values;
}

/// How much of the token before goes into each of six inputs. Files of before April 2025 have one tensor x_x [6, size].
std::map<std::string, std::uint32_t> mixing_weights(Tensors& tensors, const std::string& prefix, std::size_t size) {
  const std::vector<std::size_t> shape{1, 1, size};
  const std::string all = prefix + "x_x";
  const std::vector<float> rows = tensors.has(all) ? tensors.take(all, {6, size}) : std::vector<float>();
  std::map<std::string, std::uint32_t> weights;
  for (const char* name : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g"}) {
    if (!tensors.has(all)) {
      weights[name] = tensors.vector(prefix + name, shape);
      continue;
    }
    std::vector<float> row;
    if (!rows.empty()) {
      const auto first = rows.begin() + static_cast<std::ptrdiff_t>(weights.size() * size);
      row.assign(first, first + static_cast<std::ptrdiff_t>(size));
    }
    weights[name] = tensors.add(prefix + name, shape, std::move(row));
  }
  return weights;
}

Program build(Draft& draft) {
  Options& options = draft.options;
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  common_options(options);
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t vocabulary = options.size("vocab_size", 32000);
  const std::size_t layers = options.size("num_hidden_layers", 24, 4096);
  const double epsilon = options.epsilon("norm_eps", 1e-5);
  const bool norm_first = options.flag("norm_first", true);
  const bool norm_bias = options.flag("norm_bias", true);
  const bool fuse_norm = options.flag("fuse_norm", true);
  options.require_text("hidden_act", {"sqrelu"});
  // An explicit null for head_dim means that num_heads says it.
  std::size_t head_size = 64;
  if (options.ask("head_dim").is_null()) {
    if (!options.has("num_heads")) options.report("num_heads", "a number, since head_dim is null");
    head_size = options.split(size, options.size("num_heads", 1), "num_heads");
  } else {
    head_size = options.size("head_dim", 64);
  }
  const std::size_t heads = options.split(size, head_size, "head_dim");
  if (options.size("num_heads", heads) != heads) {
    options.report("num_heads", "hidden_size / head_dim = " + std::to_string(heads));
  }
  const std::size_t inner = feed_forward_size(options, size, 1, 1, 32);
  const std::vector<std::size_t> values = value_sizes(options, layers, size, heads);
  for (const char* key : {"decay_low_rank_dim", "gate_low_rank_dim", "a_low_rank_dim", "v_low_rank_dim"}) {
    options.ask(key);
  }
  const auto layer_norm = [&](const std::string& name, Slice x) {
    Normalization norm{Normalization::Kind::layer, x, 1, epsilon, tensors.vector(name + ".weight", {size})};
    if (norm_bias) norm.bias = tensors.vector(name + ".bias", {size});
    return net.normalize(norm);
  };
  const auto low_rank = [&](const std::string& name, const char* rank_key, std::size_t out, bool bias, Function inside,
                            Slice in) {
    // Where the rank is null, the tensors say it.
    const std::size_t rank =
        options.size(rank_key, std::max<std::size_t>(tensors.extent(name + ".lora.0.weight", 0), 1));
    const std::uint32_t down = tensors.matrix(name + ".lora.0.weight", rank, size);
    const std::uint32_t up = tensors.matrix(name + ".lora.2.weight", out, rank);
    return net.low_rank(down, up, bias ? tensors.vector(name + ".lora.2.bias", {out}) : no_index, inside, in);
  };

  const std::uint32_t embedding = tensors.matrix("model.embeddings.weight", vocabulary, size);
  Slice x = net.embedding(embedding);
  Slice first_values;
  for (std::size_t i = 0; i < layers && !tensors.hopeless(); ++i) {
    const std::string layer = "model.layers." + std::to_string(i);
    const std::string attn = layer + ".attn.";
    net.begin_layer("rwkv7");
    if (i == 0 && norm_first) x = layer_norm(layer + ".pre_norm", x);
    const Slice h = layer_norm(layer + ".attn_norm", x);
    const std::size_t width = values[i];
    const std::size_t value_size = std::max<std::size_t>(width / heads, 1);
    const Slice dx = net.shift(h, "mixer");
    std::map<std::string, std::uint32_t> mixes = mixing_weights(tensors, attn, size);
    const auto mixed = [&](const char* name) { return net.shift_mix(h, dx, mixes.at(name)); };
    const auto projected = [&](const char* name, std::size_t out, Slice in) {
      return net.product(tensors.matrix(attn + name, out, size), in);
    };
    const Slice r = projected("r_proj.weight", size, mixed("x_r"));
    const Slice w = net.map_constant(
        Function::key_decay, low_rank(attn + "w_lora", "decay_low_rank_dim", size, true, Function::tanh, mixed("x_w")),
        -0.6065306597126334);
    Slice k = projected("k_proj.weight", size, mixed("x_k"));
    const Slice v_in = mixed("x_v");
    Slice v = projected("v_proj.weight", width, v_in);
    if (i > 0) {
      const Slice share = low_rank(attn + "v_lora", "v_low_rank_dim", width, true, Function::copy, v_in);
      v = net.map(Function::mix_value, v, share, first_values);
    } else {
      first_values = v;
      // The first layer has no earlier values to mix in: files of before 2025-04 have the map, and nothing reads it.
      for (const char* part : {"0.weight", "2.weight", "2.bias"}) tensors.leave_out(attn + "v_lora.lora." + part);
    }
    const Slice a = net.map(Function::sigmoid,
                            low_rank(attn + "a_lora", "a_low_rank_dim", size, true, Function::copy, mixed("x_a")));
    const Slice g = low_rank(attn + "g_lora", "gate_low_rank_dim", width, false, Function::sigmoid, mixed("x_g"));
    const Slice scaled = net.map_weight(Function::multiply_weight, k, tensors.vector(attn + "k_k", {size}));
    Normalization key_norm{Normalization::Kind::l2, scaled, static_cast<std::uint32_t>(heads), 1e-6};
    if (!fuse_norm) {
      key_norm.kind = Normalization::Kind::root;
      key_norm.epsilon = 1e-12;
    }
    const Slice removal = net.normalize(key_norm);
    k = net.map({Function::rated_key, {k}, {a}, {}, {tensors.vector(attn + "k_a", {size})}, {}}, size);
    LinearRecurrence recurrence = ProgramBuilder::recurrence(heads, head_size, value_size);
    recurrence.decay = LinearRecurrence::Decay::key;
    recurrence.decays = ProgramBuilder::heads(w, head_size);
    RankOneUpdate remove;
    remove.read = ProgramBuilder::heads(removal, head_size);
    remove.write = ProgramBuilder::heads(net.multiply(removal, a), head_size);
    remove.reads_undecayed = true;
    RankOneUpdate write;
    write.write = ProgramBuilder::heads(k, head_size);
    write.value = ProgramBuilder::heads(v, value_size);
    recurrence.updates = {remove, write};
    recurrence.query = ProgramBuilder::heads(r, head_size);
    const Slice read = net.recur(std::move(recurrence));
    Normalization norm{Normalization::Kind::layer,
                       read,
                       static_cast<std::uint32_t>(heads),
                       static_cast<double>(head_size) * epsilon,
                       tensors.vector(attn + "g_norm.weight", {width}),
                       tensors.vector(attn + "g_norm.bias", {width})};
    const Slice o = net.normalize(norm);
    const Slice bonus = net.weighted_dot(r, k, heads, tensors.vector(attn + "r_k", {heads, head_size}));
    Elementwise add_bonus;
    add_bonus.function = Function::add_product;
    add_bonus.a = {o};
    add_bonus.b = {bonus, static_cast<std::uint32_t>(value_size)};
    add_bonus.c = {v};
    const Slice y = net.multiply(net.map(add_bonus, width), g);
    x = net.product(tensors.matrix(attn + "o_proj.weight", size, width), y, no_index, x);

    const Slice u = layer_norm(layer + ".ffn_norm", x);
    const Slice in = net.shift_mix(u, net.shift(u, "feed_forward"), tensors.vector(layer + ".ffn.x_k", {size}));
    const Slice inside =
        net.map(Function::squared_relu, net.product(tensors.matrix(layer + ".ffn.key.weight", inner, size), in));
    x = net.product(tensors.matrix(layer + ".ffn.value.weight", size, inner), inside, no_index, x);
  }
  net.end_layers();
  head(draft, layer_norm("model.norm", x), embedding, "tie_word_embeddings");
  return draft.finish();
}

}  // namespace

extern const Architecture rwkv7;
const Architecture rwkv7{"rwkv7", build};

}  // namespace krohn::architectures
