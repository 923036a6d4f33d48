#include "mamba_shell.hpp"

namespace krohn::architectures {

Program mamba_shell(Draft& draft, const std::string& name,
                    const std::function<Slice(const std::string&, Slice, Slice, double)>& mixer) {
  Options& options = draft.options;
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  common_options(options);
  options.pass_over({"residual_in_fp32", "rescale_prenorm_residual", "fuse_norm", "dt_scale", "dt_min", "dt_max",
                     "dt_init_scheme", "dt_init_floor", "conv_init", "A_init_range", "chunk_size", "time_step_scale",
                     "time_step_min", "time_step_max", "time_step_init_scheme", "time_step_floor", "use_mambapy",
                     "use_associative_scan"});
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t vocabulary = options.size("vocab_size", 32000);
  const std::size_t layers = options.size("num_hidden_layers", 48, 4096);
  const double epsilon = options.epsilon("norm_eps", options.epsilon("layer_norm_epsilon", 1e-5));
  options.require_text("hidden_act", {"silu", "swish"});
  const std::string canonical = "backbone.embeddings.weight";
  const std::string found = tensors.has("backbone.embedding.weight") ? "backbone.embedding.weight" : canonical;
  const std::uint32_t embedding = tensors.stacked(canonical, {found}, {vocabulary, size}, true);
  Slice x = net.embedding(embedding);
  for (std::size_t i = 0; i < layers && !tensors.hopeless(); ++i) {
    const std::string layer = "backbone.layers." + std::to_string(i);
    net.begin_layer(name);
    const Slice h = net.rms_norm(x, tensors.vector(layer + ".norm.weight", {size}), epsilon);
    x = mixer(layer + ".mixer.", h, x, epsilon);
  }
  net.end_layers();
  const Slice last = net.rms_norm(x, tensors.vector("backbone.norm_f.weight", {size}), epsilon);
  head(draft, last, embedding, "tie_word_embeddings");
  return draft.finish();
}

Slice skip(ProgramBuilder& net, Slice o, Slice u, std::uint32_t weight, std::size_t share) {
  return net.map({Function::add_weighted, {o}, {u}, {}, {weight, static_cast<std::uint32_t>(share)}, {}}, o.size);
}

Slice gated_out(Draft& draft, const std::string& prefix, Slice y, Slice x, bool bias) {
  const std::uint32_t out = draft.tensors.matrix(prefix + "out_proj.weight", x.size, y.size);
  return draft.net.product(out, y, bias ? draft.tensors.vector(prefix + "out_proj.bias", {x.size}) : no_index, x);
}

Slice selective_scan(Draft& draft, const std::string& prefix, const SelectiveScan& s, Slice h, Slice x) {
  ProgramBuilder& net = draft.net;
  Tensors& tensors = draft.tensors;
  const std::size_t channels = s.channels;
  const std::uint32_t in = tensors.matrix(prefix + "in_proj.weight", 2 * channels, h.size);
  const Slice both = net.product(in, h, s.bias ? tensors.vector(prefix + "in_proj.bias", {2 * channels}) : no_index);
  const Slice z = both.part(channels, channels);
  const std::uint32_t kernel = tensors.vector(prefix + "conv1d.weight", {channels, 1, s.width});
  const std::uint32_t kernel_bias = s.convolution_bias ? tensors.vector(prefix + "conv1d.bias", {channels}) : no_index;
  const Slice u = net.convolution(kernel, kernel_bias, both.part(0, channels), Function::silu, "x");
  const Slice selection = net.product(tensors.matrix(prefix + "x_proj.weight", s.rank + 2 * s.state_size, channels), u);
  const Slice dt = net.product(tensors.matrix(prefix + "dt_proj.weight", channels, s.rank), selection.part(0, s.rank));
  const Slice step = net.map_weight(Function::softplus_weight, dt, tensors.vector(prefix + "dt_proj.bias", {channels}));
  LinearRecurrence r = ProgramBuilder::recurrence(1, s.state_size, channels);
  r.decay = LinearRecurrence::Decay::rate;
  r.decays = ProgramBuilder::heads(step, 0);
  r.rates = {tensors.matrix(prefix + "A_log", channels, s.state_size), 1, WeightUse::Derived::negative_exponential};
  r.signed_rates = s.negative;
  RankOneUpdate update;
  update.write = ProgramBuilder::heads(selection.part(s.rank, s.state_size), 0);
  update.value = ProgramBuilder::heads(net.multiply(step, u), 0);
  r.updates = {update};
  r.query = ProgramBuilder::heads(selection.part(s.rank + s.state_size, s.state_size), 0);
  const Slice o = net.recur(std::move(r), StatePart::Axes::value_key_of_one_head);
  const Slice y = skip(net, o, u, tensors.vector(prefix + "D", {channels}), 1);
  return gated_out(draft, prefix, net.multiply(y, net.map(Function::silu, z)), x, s.bias);
}

std::size_t scan_rank(Options& options, const std::string& key, std::size_t size) {
  const JsonField field = options.ask(key);
  const bool automatic =
      !field.exists() || field.is_null() || (field.value()->string() != nullptr && *field.value()->string() == "auto");
  return automatic ? (size + 15) / 16 : options.size(key, 1);
}

}  // namespace krohn::architectures
