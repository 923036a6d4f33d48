#include "fla.hpp"

#include <algorithm>
#include <utility>

namespace krohn::architectures {

void common_options(Options& options, bool depth_residuals) {
  options.require_null("attn");
  if (!depth_residuals) options.require_null("attnres_block_size");
  options.require_null("quantization_config");
  options.require_flag("is_encoder_decoder", false);
  options.require_flag("add_cross_attention", false);
  if (options.has("pruned_heads") && !options.ask("pruned_heads").members().empty()) {
    options.ask("pruned_heads").report("no pruned heads");
  }
}

void note_unread(Draft& draft, const std::string& key, const std::string& computed) {
  draft.notes.push_back(key + " changes nothing: no layer of flash-linear-attention reads it; " + computed);
}

std::size_t feed_forward_size(Options& options, std::size_t size, double numerator, double denominator,
                              std::size_t multiple, double default_ratio) {
  const double ratio = options.number("hidden_ratio", default_ratio);
  if (options.has("intermediate_size")) return options.size("intermediate_size", 1);
  const double scaled = std::trunc(static_cast<double>(size) * ratio * numerator / denominator);
  if (!(scaled >= 1) || scaled > 0x1p24) {
    options.report("hidden_ratio", "a factor that makes a size of at least 1");
    return 1;
  }
  return (static_cast<std::size_t>(scaled) + multiple - 1) / multiple * multiple;
}

void head(Draft& draft, Slice x, std::uint32_t embedding, const std::string& tie_key) {
  constexpr const char* name = "lm_head.weight";
  Tensors& tensors = draft.tensors;
  const std::vector<std::size_t> shape = draft.net.tensor(embedding).shape;
  const bool said = draft.options.has(tie_key);
  const bool tied = draft.options.flag(tie_key, false);
  std::uint32_t matrix = embedding;
  if (tensors.has(name)) {
    std::vector<float> values = tied ? tensors.take(name, shape) : std::vector<float>();
    if (!tied) {
      matrix = tensors.matrix(name, shape);
    } else if (!values.empty()) {
      values = input_major(values, shape);
      const TensorValues table(draft.net.tensor(embedding));
      if (!table->empty() && values != *table) {
        tensors.report(std::string(name) + ": expected the embedding's values, since " + tie_key +
                       " is true, got others");
      }
    }
  } else if (said && !tied) {
    tensors.report_missing(name, shape, ", since " + tie_key + " is false");
  }
  draft.net.product(matrix, x);
}

Slice gated_feed_forward(Draft& draft, Slice h, Slice x, Function activation, std::uint32_t gate, std::uint32_t up,
                         std::uint32_t down) {
  ProgramBuilder& net = draft.net;
  const Slice opened = net.map(activation, net.product(gate, h));
  return net.product(down, net.multiply(net.product(up, h), opened), no_index, x);
}

std::pair<std::uint32_t, std::uint32_t> halves(Draft& draft, const std::string& name, const std::string& first,
                                               const std::string& second, std::size_t inner, std::size_t size) {
  const std::vector<std::uint32_t> parts = draft.tensors.ungrouped(name, 1, {{first, inner}, {second, inner}}, size);
  return {parts[0], parts[1]};
}

FlaShell::FlaShell(Draft& draft, std::size_t default_layers, const Form& form) {
  Options& options = draft.options;
  common_options(options, form.depth_residuals);
  if (form.depth_residuals && options.has("attnres_block_size")) {
    residual_block = options.size("attnres_block_size", 1);
    if (residual_block > 1 && residual_block % 2 != 0)
      options.report("attnres_block_size", "null, 1 or an even number");
  }
  size = options.size("hidden_size", 2048);
  vocabulary = options.size("vocab_size", 32000);
  layers = options.size("num_hidden_layers", default_layers, 4096);
  // Called rms_norm_eps in files of before May (GLA) and June (DeltaNet) 2024, a name that nothing reads any more.
  const double old_epsilon = options.epsilon("rms_norm_eps", 1e-6);
  epsilon = options.epsilon("norm_eps", old_epsilon);
  if (options.has("rms_norm_eps") && epsilon != old_epsilon) options.report("rms_norm_eps", "what norm_eps says");
  if (!options.has("norm_eps") && old_epsilon != 1e-6) {
    draft.notes.push_back(
        "rms_norm_eps: taken for norm_eps, as it was called when such files were written; later versions "
        "of flash-linear-attention do not read it and take 1e-6");
  }
  inner = feed_forward_size(options, size, 2, 3, 256, form.hidden_ratio);
  const std::string function = form.powlu ? options.require_text("hidden_act", {"swish", "silu", "powlu"})
                                          : options.require_text("hidden_act", {"swish", "silu"});
  if (function == "powlu") activation = Function::powlu;
  options.flag("fuse_norm", true);
  if (form.norms_inside) {
    norms_inside = options.flag("norm_first", draft.tensors.has("model.layers.0.attn.norm.weight"));
  }
}

Program FlaShell::build(Draft& draft, const std::string& name, const Mixer& mixer) const {
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  const std::uint32_t embedding = tensors.matrix("model.embeddings.weight", vocabulary, size);
  Slice x = net.embedding(embedding);
  const auto norm = [&](const std::string& at) { return tensors.vector(at + ".weight", {size}); };
  // With residuals over depth: the sums that are done; x is the running one.
  std::vector<Slice> done;
  // The input of the mixer or feed-forward part `part` of a layer, whose norm has this weight.
  const auto input = [&](std::size_t index, const std::string& layer, const std::string& part, std::uint32_t weight) {
    if (residual_block == 0) return net.rms_norm(x, weight, epsilon);
    std::vector<Slice> sums = done;
    sums.push_back(x);
    Slice h;
    if (index == 0) {
      h = net.rms_norm(x, weight, epsilon);
      tensors.leave_out(layer + "." + part + "_res_proj.weight");
      tensors.leave_out(layer + "." + part + "_res_norm.weight");
    } else {
      h = mixed_sums(draft, sums, layer + "." + part + "_res_", weight);
    }
    if (index % residual_block == 0) {
      done = sums;
      x.value = no_index;
    }
    return h;
  };
  for (std::size_t i = 0; i < layers && !tensors.hopeless(); ++i) {
    const std::string layer = "model.layers." + std::to_string(i);
    net.begin_layer(names.empty() ? name : names[i]);
    const Slice h = input(2 * i, layer, "attn", norm(layer + (norms_inside ? ".attn.norm" : ".attn_norm")));
    x = mixer(layer + ".attn.", h, x);
    const Slice u = input(2 * i + 1, layer, "mlp", norm(layer + (norms_inside ? ".mlp.norm" : ".mlp_norm")));
    // gate_proj, up_proj, down_proj, or the older gate_proj that holds both, gate rows first.
    const std::string mlp = layer + ".mlp.";
    const std::string gate_name = mlp + "gate_proj.weight";
    const std::string up_name = mlp + "up_proj.weight";
    const bool both = !tensors.has(up_name) && tensors.extent(gate_name, 0) == 2 * inner;
    const auto [gate, up] =
        both ? halves(draft, gate_name, gate_name, up_name, inner, size)
             : std::pair{tensors.matrix(gate_name, inner, size), tensors.matrix(up_name, inner, size)};
    x = gated_feed_forward(draft, u, x, activation, gate, up, tensors.matrix(mlp + "down_proj.weight", size, inner));
  }
  net.end_layers();
  const std::uint32_t last = norm("model.norm");
  done.push_back(x);
  const Slice y = residual_block == 0 ? net.rms_norm(x, last, epsilon) : mixed_sums(draft, done, "model.res_", last);
  head(draft, y, embedding, "tie_word_embeddings");
  return draft.finish();
}

Slice FlaShell::mixed_sums(Draft& draft, const std::vector<Slice>& sums, const std::string& weights,
                           std::uint32_t norm) const {
  ProgramBuilder& net = draft.net;
  const std::uint32_t query = draft.tensors.matrix(weights + "proj.weight", 1, size);
  const std::uint32_t weight = draft.tensors.vector(weights + "norm.weight", {size});
  std::vector<Slice> scores;
  for (const Slice& sum : sums) scores.push_back(net.product(query, net.rms_norm(sum, weight, epsilon)));
  const Slice shares = net.normalize({Normalization::Kind::softmax, net.interleave(scores), 1});
  const auto share = [&](std::size_t i) { return Operand{shares.part(i, 1), static_cast<std::uint32_t>(size)}; };
  Slice mixed = net.map({Function::multiply, {sums[0]}, share(0), {}, {}, {}}, size);
  for (std::size_t i = 1; i < sums.size(); ++i) {
    mixed = net.map({Function::add_product, {mixed}, share(i), {sums[i]}, {}, {}}, size);
  }
  return net.rms_norm(mixed, norm, epsilon);
}

bool shared_convolution(Draft& draft, bool use_convolution) {
  // The option's default was true while there was one; the tensor tells.
  const bool found = draft.tensors.has("model.layers.0.attn.h_conv1d.weight");
  return draft.options.flag("share_conv_kernel", found) && use_convolution;
}

Slice convolved_input(Draft& draft, const std::string& prefix, Slice h, std::size_t width, Function activation) {
  Tensors& tensors = draft.tensors;
  const std::uint32_t weight = tensors.vector(prefix + "h_conv1d.weight", {h.size, 1, width});
  return draft.net.convolution(weight, tensors.optional(prefix + "h_conv1d.bias", {h.size}), h, activation, "h");
}

Slice projection(Draft& draft, const std::string& prefix, const std::string& name, Slice h, std::size_t out,
                 std::size_t width, Function activation) {
  ProgramBuilder& net = draft.net;
  const Slice y = net.product(draft.tensors.matrix(prefix + name + "_proj.weight", out, h.size), h);
  if (width == 0) return activation == Function::copy ? y : net.map(activation, y);
  const std::string convolution = prefix + name + "_conv1d";
  const std::uint32_t weight = draft.tensors.vector(convolution + ".weight", {out, 1, width});
  return net.convolution(weight, draft.tensors.optional(convolution + ".bias", {out}), y, activation,
                         name.substr(0, 1));
}

Slice delta_rule(ProgramBuilder& net, const DeltaHeads& sizes, const Projected& inputs, Slice beta,
                 LinearRecurrence::Decay decay, Slice decays) {
  const std::size_t share = sizes.num_value_heads / sizes.num_heads;
  LinearRecurrence r = ProgramBuilder::recurrence(sizes.num_value_heads, sizes.key_size, sizes.value_size);
  r.decay = decay;
  if (decay != LinearRecurrence::Decay::none) {
    r.decays = ProgramBuilder::heads(decays, decay == LinearRecurrence::Decay::key ? sizes.key_size : 1);
  }
  for (std::size_t j = 0; j < sizes.num_householder; ++j) {
    const HeadInput key =
        ProgramBuilder::heads(inputs.key.part(j * sizes.queries(), sizes.queries()), sizes.key_size, share);
    RankOneUpdate update;
    update.read = key;
    update.write = key;
    update.value = ProgramBuilder::heads(inputs.value.part(j * sizes.values(), sizes.values()), sizes.value_size);
    update.beta = ProgramBuilder::heads(beta.part(j * sizes.num_value_heads, sizes.num_value_heads), 1);
    r.updates.push_back(update);
  }
  r.query = ProgramBuilder::heads(inputs.query, sizes.key_size, share);
  return over_root(net, net.recur(std::move(r)), sizes.key_size);
}

Slice gated_decay(Draft& draft, const std::string& prefix, Slice h, std::size_t value_heads) {
  Tensors& tensors = draft.tensors;
  Elementwise decay;
  decay.function = Function::gated_decay;
  decay.a = {draft.net.product(tensors.matrix(prefix + "a_proj.weight", value_heads, h.size), h)};
  decay.v = {tensors.vector(prefix + "A_log", {value_heads}), 1, WeightUse::Derived::negative_exponential};
  decay.w = {tensors.vector(prefix + "dt_bias", {value_heads})};
  return draft.net.map(decay, value_heads);
}

Slice head_output(Draft& draft, const std::string& prefix, Slice o, Slice h, Slice x, std::size_t heads,
                  std::uint32_t norm, double epsilon, Function gate) {
  ProgramBuilder& net = draft.net;
  Slice y = net.rms_norm(o, norm, epsilon, heads);
  if (gate != Function::copy) {
    const Slice g = net.product(draft.tensors.matrix(prefix + "g_proj.weight", o.size, h.size), h);
    y = net.multiply(y, net.map(gate, g));
  }
  return net.product(draft.tensors.matrix(prefix + "o_proj.weight", x.size, o.size), y, no_index, x);
}

}  // namespace krohn::architectures
