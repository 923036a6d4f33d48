// xLSTM (Beck et al. 2024): blocks of mLSTM, a linear recurrence with a running maximum that keeps its gates finite and
// a normaliser as one more value column, or of sLSTM, a nonlinear cell, with a feed-forward part behind it.
//
// The cell's recurrent kernel comes as [heads, in, 4 out] or [heads, 4 out, in], by which of two programs wrote it.
#include <cmath>
#include <vector>

#include "shared/experiment.hpp"
#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

/// The bias-free layer norm whose file holds weight - 1.
Slice offset_norm(Draft& draft, const std::string& name, Slice x, std::size_t groups = 1) {
  Normalization norm{Normalization::Kind::layer, x, static_cast<std::uint32_t>(groups), 1e-5,
                     draft.tensors.vector(name + ".weight", {x.size})};
  norm.weight_is_offset = true;
  return draft.net.normalize(norm);
}

Slice causal_convolution(Draft& draft, const std::string& name, Slice x, std::size_t width) {
  const std::uint32_t weight = draft.tensors.vector(name + "conv1d.conv.weight", {x.size, 1, width});
  const std::uint32_t bias = draft.tensors.vector(name + "conv1d.conv.bias", {x.size});
  return draft.net.convolution(weight, bias, x, Function::silu, "x");
}

struct MlstmSizes {
  std::size_t heads = 0;
  std::size_t channels = 0;
  std::size_t width = 0;
  std::size_t block = 0;
};

Slice mlstm(Draft& draft, const std::string& prefix, const MlstmSizes& s, Slice h, Slice x) {
  ProgramBuilder& net = draft.net;
  Tensors& tensors = draft.tensors;
  const std::size_t channels = s.channels;
  const std::size_t d = draft.options.split(channels, s.heads, "num_heads");
  const std::size_t blocks = draft.options.split(channels, s.block, "qkv_proj_blocksize");
  const Slice up = net.product(tensors.matrix(prefix + "proj_up.weight", 2 * channels, h.size), h);
  const Slice inner = up.part(0, channels);
  const Slice c = causal_convolution(draft, prefix, inner, s.width);
  const auto projected = [&](const char* name, Slice in) {
    return net.product(tensors.matrix(prefix + name, {blocks, s.block, s.block}), in);
  };
  const Slice q = projected("q_proj.weight", c);
  const Slice k = projected("k_proj.weight", c);
  const Slice v = projected("v_proj.weight", inner);
  const Slice qkv = net.push(Interleave{{q, k, v}, 1}, 3 * channels);
  const auto gate = [&](const std::string& name) {
    return net.product(tensors.matrix(prefix + "mlstm_cell." + name + ".weight", s.heads, 3 * channels), qkv);
  };
  const std::uint32_t hidden =
      net.state(StatePart::Kind::hidden, {s.heads, d, d + 1}, "", 0.0F, StatePart::Axes::normalizer_last);
  // A running maximum.
  const std::uint32_t maximum = net.state(StatePart::Kind::stabilizer, {s.heads}, "", -HUGE_VALF);
  Stabilizer stabilizer;
  stabilizer.input = gate("igate");
  stabilizer.forget = gate("fgate");
  stabilizer.input_bias = tensors.vector(prefix + "mlstm_cell.igate.bias", {s.heads});
  stabilizer.forget_bias = tensors.vector(prefix + "mlstm_cell.fgate.bias", {s.heads});
  stabilizer.maximum = maximum;
  const Slice stabilized = net.push(stabilizer, 3 * s.heads);
  const Slice decays = stabilized.part(0, s.heads);
  const Slice strength = stabilized.part(s.heads, s.heads);
  const Slice floor = stabilized.part(2 * s.heads, s.heads);
  const auto share = static_cast<std::uint32_t>(d);
  const auto columns = static_cast<std::uint32_t>(d + 1);
  const Slice written = net.map({Function::multiply, {strength, share}, {v}, {}, {}, {}}, channels);
  const Slice values =
      net.push(Interleave{{written, strength}, static_cast<std::uint32_t>(s.heads)}, s.heads * (d + 1));
  LinearRecurrence r = ProgramBuilder::recurrence(s.heads, d, d + 1);
  r.hidden = hidden;
  r.decay = LinearRecurrence::Decay::scalar;
  r.decays = ProgramBuilder::heads(decays, 1);
  RankOneUpdate update;
  update.write = ProgramBuilder::heads(net.map_constant(Function::divide_by, k, std::sqrt(static_cast<double>(d))), d);
  update.value = ProgramBuilder::heads(values, d + 1);
  r.updates = {update};
  r.query = ProgramBuilder::heads(q, d);
  const Slice read = net.recur(std::move(r));
  Elementwise bound;
  bound.function = Function::bound;
  bound.a = {read.part(d, read.size - d), 1, 1, columns};
  bound.b = {floor};
  bound.k = 1e-6;
  Elementwise divide;
  divide.function = Function::divide;
  divide.a = {read, 1, share, columns};
  divide.b = {net.map(bound, s.heads), share};
  const Slice o = offset_norm(draft, prefix + "mlstm_cell.outnorm", net.map(divide, channels), s.heads);
  const std::uint32_t skip = tensors.vector(prefix + "learnable_skip", {channels});
  const Slice y = net.map({Function::add_weighted, {o}, {c}, {}, {skip}, {}}, channels);
  const Slice gated = net.multiply(y, net.map(Function::silu, up.part(channels, channels)));
  return net.product(tensors.matrix(prefix + "proj_down.weight", x.size, channels), gated, no_index, x);
}

Slice slstm(Draft& draft, const std::string& prefix, std::size_t heads, std::size_t width, Slice h, Slice x) {
  ProgramBuilder& net = draft.net;
  Tensors& tensors = draft.tensors;
  const std::size_t size = x.size;
  const std::size_t d = draft.options.split(size, heads, "num_heads");
  const Slice convolved = width > 0 ? causal_convolution(draft, prefix, h, width) : h;
  const auto slot = [&](const char* name, Slice in) {
    return net.product(tensors.matrix(prefix + name, {heads, d, d}), in);
  };
  // That code crosses the names: the input slot is fed by fgate, the forget slot by igate.
  const Slice input = slot("fgate.weight", convolved);
  const Slice forget = slot("igate.weight", convolved);
  const Slice cell_input = slot("zgate.weight", h);
  const Slice output = slot("ogate.weight", h);
  const std::string kernel = prefix + "slstm_cell._recurrent_kernel_";
  const std::string bias_name = prefix + "slstm_cell._bias_";
  const bool rows_of_inputs = tensors.extent(kernel, 1) == d;
  const std::vector<float> r =
      rows_of_inputs ? tensors.take(kernel, {heads, d, 4 * d}) : tensors.take(kernel, {heads, 4 * d, d});
  const std::vector<float> b = tensors.take(bias_name, {4 * size});
  std::vector<float> recurrent;
  std::vector<float> bias;
  if (!r.empty() && !b.empty()) {
    recurrent.resize(r.size());
    bias.resize(b.size());
    for (std::size_t gate = 0; gate < 4; ++gate) {
      for (std::size_t head = 0; head < heads; ++head) {
        for (std::size_t out = 0; out < d; ++out) {
          const std::size_t row = (gate * heads + head) * d + out;
          bias[row] = rows_of_inputs ? b[(head * 4 + gate) * d + out] : b[row];
          for (std::size_t in = 0; in < d; ++in) {
            recurrent[row * d + in] = rows_of_inputs ? r[(head * d + in) * 4 * d + gate * d + out]
                                                     : r[(head * 4 * d + gate * d + out) * d + in];
          }
        }
      }
    }
  }
  SlstmCell cell;
  cell.in = net.push(Interleave{{input, forget, cell_input, output}, 1}, 4 * size);
  cell.recurrent = tensors.add(kernel, {4, heads, d, d}, std::move(recurrent), true);
  cell.bias = tensors.add(bias_name, {4 * size}, std::move(bias));
  cell.output = net.state(StatePart::Kind::output, {size});
  cell.cell = net.state(StatePart::Kind::cell, {size});
  cell.normalizer = net.state(StatePart::Kind::normalizer, {size});
  cell.stabilizer = net.state(StatePart::Kind::stabilizer, {size});
  const Slice y = offset_norm(draft, prefix + "group_norm", net.push(cell, size), heads);
  return net.add(x, y);
}

/// ceil(factor * size / multiple) * multiple.
std::size_t rounded_up(Options& options, const char* key, double otherwise, std::size_t size, std::size_t multiple) {
  const double scaled = options.number(key, otherwise) * static_cast<double>(size) / static_cast<double>(multiple);
  const double steps = std::ceil(scaled);
  if (steps >= 1 && steps <= 1e6) return static_cast<std::size_t>(steps) * multiple;
  options.report(key, "a factor that makes a size of at least 1");
  return multiple;
}

/// Which blocks are sLSTMs.
std::vector<bool> slstm_blocks(Options& options, std::size_t layers) {
  std::vector<bool> scalar(layers, false);
  if (!options.has("slstm_at")) return scalar;
  const JsonField at = options.ask("slstm_at");
  if (const std::string* text = at.value()->string()) {
    if (*text != "all") at.report("a list of blocks, or 'all'");
    scalar.assign(layers, *text == "all");
    return scalar;
  }
  for (const JsonField& index : at.elements()) {
    const auto i = index.integer(0, static_cast<std::int64_t>(layers) - 1);
    if (i) scalar[static_cast<std::size_t>(*i)] = true;
  }
  return scalar;
}

Program build(Draft& draft) {
  Options& options = draft.options;
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  const std::string embedding_name = "token_embedding.weight";
  const std::size_t size = options.size("embedding_dim", 128);
  const std::size_t layers = options.size("num_blocks", 1, 4096);
  const std::size_t heads = options.size("num_heads", 4);
  const std::size_t slstm_heads = options.size("slstm_num_heads", heads);
  const std::size_t vocabulary =
      options.size("vocab_size", std::max<std::size_t>(tensors.extent(embedding_name, 0), 1));
  MlstmSizes sizes;
  sizes.heads = options.size("mlstm_num_heads", heads);
  sizes.width = options.size("mlstm_conv1d_kernel_size", 4);
  std::size_t slstm_width = 0;
  if (options.has("slstm_conv1d_kernel_size")) {
    slstm_width = static_cast<std::size_t>(options.ask("slstm_conv1d_kernel_size").integer(0, 1024).value_or(0));
  }
  sizes.block = options.size("qkv_proj_blocksize", 4);
  const std::size_t multiple = options.size("round_proj_up_to_multiple_of", 64);
  sizes.channels = rounded_up(options, "mlstm_proj_factor", 2.0, size, multiple);
  const std::size_t inner = rounded_up(options, "ffn_proj_factor", 1.3, size, multiple);
  options.require_text("slstm_backend", {"vanilla", "cuda"});
  options.require_flag("bias", false);
  options.require_text("ffn_act_fn", {"gelu"});
  const bool last_norm = options.flag("add_post_blocks_norm", true);
  const std::vector<bool> scalar = slstm_blocks(options, layers);
  const std::uint32_t embedding = tensors.matrix(embedding_name, vocabulary, size);
  Slice x = net.embedding(embedding);
  for (std::size_t i = 0; i < layers && !tensors.hopeless(); ++i) {
    const std::string layer = "xlstm_block_stack.blocks." + std::to_string(i);
    net.begin_layer(scalar[i] ? "slstm" : "mlstm");
    const Slice h = offset_norm(draft, layer + ".xlstm_norm", x);
    if (!scalar[i]) {
      x = mlstm(draft, layer + ".xlstm.", sizes, h, x);
      continue;
    }
    x = slstm(draft, layer + ".xlstm.", slstm_heads, slstm_width, h, x);
    const Slice u = offset_norm(draft, layer + ".ffn_norm", x);
    const std::string ffn = layer + ".ffn.";
    const auto [gate, up] =
        halves(draft, ffn + "proj_up.weight", ffn + "proj_up.gate", ffn + "proj_up.up", inner, size);
    x = gated_feed_forward(draft, u, x, Function::gelu, gate, up,
                           tensors.matrix(ffn + "proj_down.weight", size, inner));
  }
  net.end_layers();
  if (last_norm) x = offset_norm(draft, "xlstm_block_stack.post_blocks_norm", x);
  head(draft, x, embedding, "tie_weights");
  return draft.finish();
}

std::optional<JsonValue::Object> of_experiment(const JsonField& model) {
  if (!model.find("num_blocks").exists()) return std::nullopt;
  JsonValue::Object options;
  for (const auto& [key, field] : model.members()) {
    if (says_nothing(key)) continue;
    if (key == "mlstm_block") {
      if (field.is_null()) continue;
      lift(field.find("mlstm"),
           {{"num_heads", "mlstm_num_heads"},
            {"conv1d_kernel_size", "mlstm_conv1d_kernel_size"},
            {"qkv_proj_blocksize", "qkv_proj_blocksize"},
            {"proj_factor", "mlstm_proj_factor"},
            {"round_proj_up_to_multiple_of", "round_proj_up_to_multiple_of"}},
           "mlstm_block.mlstm.", options);
    } else if (key == "slstm_block") {
      if (field.is_null()) continue;
      lift(field.find("slstm"),
           {{"num_heads", "slstm_num_heads"},
            {"conv1d_kernel_size", "slstm_conv1d_kernel_size"},
            {"backend", "slstm_backend"}},
           "slstm_block.slstm.", options);
      lift(field.find("feedforward"), {{"proj_factor", "ffn_proj_factor"}, {"act_fn", "ffn_act_fn"}},
           "slstm_block.feedforward.", options);
    } else {
      options.push_back({key, *field.value()});
    }
  }
  const bool said = std::any_of(options.begin(), options.end(),
                                [](const JsonMember& member) { return member.key == "slstm_conv1d_kernel_size"; });
  if (!said) options.push_back({"slstm_conv1d_kernel_size", {std::int64_t{4}, model.value()->line}});
  return options;
}

}  // namespace

extern const Architecture xlstm_lm;
const Architecture xlstm_lm{"xlstm_lm", build, of_experiment};

}  // namespace krohn::architectures
