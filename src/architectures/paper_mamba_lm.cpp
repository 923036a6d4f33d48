// The Mamba language model of the training scripts of Grazzi et al. 2025: no last norm, a convolution of width 1 by
// default.
#include "shared/experiment.hpp"
#include "shared/mamba_shell.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  const std::string embedding_name = "token_embedding.weight";
  const std::size_t size = options.size("d_model", 128);
  const std::size_t layers = options.size("n_layers", 2, 4096);
  SelectiveScan s;
  s.state_size = options.size("d_state", 16);
  s.width = options.size("d_conv", 1);
  s.channels = options.product(size, "expand_factor", 2);
  s.rank = scan_rank(options, "dt_rank", size);
  const std::size_t vocabulary =
      options.size("vocab_size", std::max<std::size_t>(tensors.extent(embedding_name, 0), 1));
  const double epsilon = options.epsilon("rms_norm_eps", 1e-5);
  s.bias = options.flag("bias", false);
  s.convolution_bias = options.flag("conv_bias", true);
  options.require_flag("inner_layernorms", false);
  options.require_flag("mup", false);
  if (!options.has("positive_and_negative")) {
    options.report("positive_and_negative", "true or false, since the weights do not tell");
  }
  s.negative = options.flag("positive_and_negative", false);
  const std::uint32_t embedding = tensors.matrix(embedding_name, vocabulary, size);
  Slice x = net.embedding(embedding);
  for (std::size_t i = 0; i < layers && !tensors.hopeless(); ++i) {
    const std::string layer = "layers." + std::to_string(i);
    net.begin_layer("mamba");
    const Slice h = net.rms_norm(x, tensors.vector(layer + ".norm.weight", {size}), epsilon);
    x = selective_scan(draft, layer + ".mixer.", s, h, x);
  }
  net.end_layers();
  head(draft, x, embedding, "tie_weights");
  return draft.finish();
}

std::optional<JsonValue::Object> of_experiment(const JsonField& model) {
  if (experiment_name(model) != "mamba") return std::nullopt;
  JsonValue::Object options;
  lift(model, {}, "", options);
  std::erase_if(options, [](const JsonMember& member) { return member.key == "tie_weights"; });
  return options;
}

}  // namespace

extern const Architecture paper_mamba_lm;
const Architecture paper_mamba_lm{"paper_mamba_lm", build, of_experiment};

}  // namespace krohn::architectures
