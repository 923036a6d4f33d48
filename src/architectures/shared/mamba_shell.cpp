#include "mamba_shell.hpp"

#include <algorithm>
#include <utility>

#include "krohn/text/source_text.hpp"

namespace krohn::architectures {

namespace {

/// mamba_ssm's names of a mixer's options, and the names that `build` asks for.
constexpr std::pair<std::string_view, std::string_view> mixer_names[] = {
    {"d_state", "state_size"}, {"d_conv", "conv_kernel"}, {"dt_rank", "time_step_rank"}, {"headdim", "head_dim"},
    {"ngroups", "n_groups"},   {"bias", "use_bias"},      {"conv_bias", "use_conv_bias"}};

std::string renamed(const std::string& key) {
  const auto* at =
      std::find_if(std::begin(mixer_names), std::end(mixer_names), [&](const auto& pair) { return pair.first == key; });
  return at == std::end(mixer_names) ? key : std::string(at->second);
}

/// What mamba_ssm's configuration says that krohn does not run: attention between the layers, and feed-forward parts.
void require_mixers_only(Options& options) {
  options.require_empty("attn_layer_idx");
  options.require_empty("attn_cfg");
  if (!options.has("d_intermediate")) return;
  if (options.ask("d_intermediate").integer(0).value_or(0) != 0) {
    options.report("d_intermediate", "0: krohn does not run models with feed-forward parts");
  }
}

/// Members of ssm_cfg beside options of their own: none reads them, so that what they say must be what those say.
void require_same_mixer(Options& options) {
  if (!options.has("ssm_cfg")) return;
  for (const auto& [key, field] : options.ask("ssm_cfg").members()) {
    if (Options::without_effect(key) || field.is_null()) continue;
    const std::string name = key == "layer" ? "model_type" : renamed(key);
    const JsonField other = options.ask(name);
    const bool same = key == "layer" ? (field.string() == "Mamba2") == (other.string() == "mamba2")
                                     : other.exists() && json_text(*other.value()) == json_text(*field.value());
    if (!same) field.report("what " + name + " says");
  }
}

}  // namespace

std::optional<JsonValue::Object> of_mamba_ssm(const JsonField& root, std::string_view layer) {
  if (!root.find("d_model").exists() || !root.find("n_layer").exists()) return std::nullopt;
  const JsonField mixer = root.find("ssm_cfg");
  const bool said_mixer = mixer.exists() && !mixer.is_null();
  std::string found = "Mamba1";
  if (said_mixer && mixer.find("layer").exists()) found = mixer.find("layer").string().value_or("");
  if (found != layer) return std::nullopt;
  const std::uint32_t line = root.value()->line;
  JsonValue::Object options;
  const auto lift = [&](const JsonField& from) {
    for (const auto& [key, field] : from.members()) {
      if (key != "ssm_cfg" && key != "layer") options.push_back({renamed(key), *field.value()});
    }
  };
  lift(root);
  if (said_mixer) lift(mixer);
  const auto said = [&](std::string_view key) {
    return std::find_if(options.begin(), options.end(), [&](const JsonMember& member) { return member.key == key; });
  };
  for (JsonMember& member : options) {
    if (member.key == "d_model") member.key = "hidden_size";
    if (member.key == "n_layer") member.key = "num_hidden_layers";
    if (member.key == "tie_embeddings") member.key = "tie_word_embeddings";
  }
  // Its defaults, where they are not those of `build`; files of before there was tie_embeddings are tied.
  if (said("vocab_size") == options.end()) options.push_back({"vocab_size", {std::int64_t{50277}, line}});
  if (said("tie_word_embeddings") == options.end()) options.push_back({"tie_word_embeddings", {true, line}});
  for (auto member = options.begin(); member != options.end(); ++member) {
    if (said(member->key) != member) root.report("every option once, got " + shown(member->key) + " again");
  }
  const JsonField multiple = root.find("pad_vocab_size_multiple");
  const std::int64_t step = multiple.exists() ? multiple.integer(1, std::int64_t{1} << 24U).value_or(1) : 8;
  JsonValue& vocabulary = said("vocab_size")->value;
  if (auto* rows = std::get_if<std::int64_t>(&vocabulary.data); rows != nullptr && *rows >= 1 && *rows <= 1 << 24) {
    *rows = (*rows + step - 1) / step * step;
  }
  return options;
}

Program mamba_shell(Draft& draft, const std::string& name, std::size_t channels,
                    const std::function<Slice(const std::string&, Slice, Slice, double)>& mixer,
                    bool reads_activation) {
  Options& options = draft.options;
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  common_options(options);
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t vocabulary = options.size("vocab_size", 32000);
  const std::size_t layers = options.size("num_hidden_layers", 48, 4096);
  const double epsilon = options.epsilon("norm_eps", options.epsilon("layer_norm_epsilon", 1e-5));
  if (reads_activation) options.require_text("hidden_act", {"silu", "swish"});
  options.require_equal("d_model", size, "hidden_size");
  options.require_equal("n_layer", layers, "num_hidden_layers");
  for (const char* key : {"intermediate_size", "d_inner"}) {
    options.require_equal(key, channels, "expand * hidden_size");
  }
  require_mixers_only(options);
  require_same_mixer(options);
  // Without it a file of mamba_ssm has layer norms with biases; transformers reads it nowhere, and has no such biases.
  const bool rms = options.flag("rms_norm", true);
  const auto norm = [&](const std::string& at, Slice x) {
    const std::uint32_t weight = tensors.vector(at + ".weight", {size});
    if (rms) return net.rms_norm(x, weight, epsilon);
    Normalization layer{Normalization::Kind::layer, x, 1, epsilon, weight};
    layer.bias = tensors.vector(at + ".bias", {size});
    return net.normalize(layer);
  };
  const std::string canonical = "backbone.embeddings.weight";
  const std::string found = tensors.has("backbone.embedding.weight") ? "backbone.embedding.weight" : canonical;
  const std::uint32_t embedding = tensors.stacked(canonical, {found}, {vocabulary, size}, true);
  Slice x = net.embedding(embedding);
  for (std::size_t i = 0; i < layers && !tensors.hopeless(); ++i) {
    const std::string layer = "backbone.layers." + std::to_string(i);
    net.begin_layer(name);
    x = mixer(layer + ".mixer.", norm(layer + ".norm", x), x, epsilon);
  }
  net.end_layers();
  head(draft, norm("backbone.norm_f", x), embedding, "tie_word_embeddings");
  return draft.finish();
}

SelectiveScan read_selective_scan(Draft& draft, std::size_t size, const std::string& prefix) {
  Options& options = draft.options;
  const auto extent = [&](const char* name, std::size_t axis, std::size_t otherwise) {
    const std::size_t found = draft.tensors.extent(prefix + name, axis);
    return found == 0 ? otherwise : found;
  };
  SelectiveScan s;
  s.state_size = options.size("state_size", extent("A_log", 1, 16));
  s.channels = options.product(size, "expand", 2);
  s.width = options.size("conv_kernel", extent("conv1d.weight", 2, 4));
  s.rank = scan_rank(options, options.has("time_step_rank") ? "time_step_rank" : "dt_rank", size);
  s.bias = options.flag("use_bias", false);
  s.convolution_bias = options.flag("use_conv_bias", true);
  s.negative = options.flag("positive_and_negative", false);
  return s;
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
