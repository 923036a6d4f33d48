// DeltaNet (Schlag et al. 2021; Yang et al. 2024): S = S + k (beta (v - S^T k))^T with normalised keys.
//
// Forms of the file: flash-linear-attention's, and its form of November 2024, which says the range of beta itself
// (sigmoid_scale, sigmoid_shift, sigmoid_pre_scale), has norms inside the mixers (norm_first), one gate_proj, and
// leaves queries and keys linear where there is no convolution. Both keep tensors under the names below. In the form of
// before 15 July 2024, with share_conv_kernel, one convolution of the layer's input stands before all projections, that
// of beta too, and no silu follows.
#include <string>

#include "shared/experiment.hpp"
#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  DeltaHeads sizes;
  sizes.num_heads = sizes.num_value_heads = options.size("num_heads", 16);
  sizes.key_size = options.split(options.product(size, "expand_k", 1.0), sizes.num_heads, "num_heads");
  sizes.value_size = options.split(options.product(size, "expand_v", 1.0), sizes.num_heads, "num_heads");
  const bool use_beta = options.flag("use_beta", true);
  const Function gate = options.flag("use_gate", false) ? Function::silu : Function::copy;
  const bool use_convolution = options.flag("use_short_conv", true);
  const std::size_t width = options.size("conv_size", 4);
  const std::string activation_name = options.require_text("qk_activation", {"silu", "relu", "elu", "identity"});
  const bool l2 = options.require_text("qk_norm", {"l2", "sum"}) == "l2";
  const bool negative = options.flag("allow_neg_eigval", false);
  const bool said = options.has("sigmoid_scale") || options.has("sigmoid_shift") || options.has("sigmoid_pre_scale");
  const bool shares = shared_convolution(draft, use_convolution);
  // Read by the layer for six weeks in 2024 only, then commented out: queries and keys were rotated by their position.
  options.require_flag("use_rope", false);
  const bool of_2024 = options.has("share_conv_kernel") || options.has("use_rope");
  const bool old_form = said || of_2024 || options.has("norm_first") ||
                        (draft.tensors.has("model.layers.0.mlp.gate_proj.weight") &&
                         !draft.tensors.has("model.layers.0.mlp.up_proj.weight"));
  const double scale = options.number("sigmoid_scale", negative ? 2.0 : 1.0);
  const double shift = options.number("sigmoid_shift", 0.0);
  const double input_scale = options.number("sigmoid_pre_scale", 1.0);
  if (said && negative && (scale != 2.0 || shift != 0.0)) {
    options.report("allow_neg_eigval", "no allow_neg_eigval beside another sigmoid_scale");
  }
  const Function activation = activation_name == "relu"                  ? Function::relu
                              : activation_name == "elu"                 ? Function::elu_plus_one
                              : activation_name == "identity"            ? Function::copy
                              : shares || (old_form && !use_convolution) ? Function::copy
                                                                         : Function::silu;
  if (of_2024 && l2) {
    draft.notes.push_back(
        "share_conv_kernel and use_rope are of files of before August 2024, when keys were divided by max(|k|, 1e-12); "
        "krohn divides them by sqrt(|k|^2 + 1e-6), as flash-linear-attention has done since");
  }
  if (old_form && !use_convolution && activation_name == "silu") {
    draft.notes.push_back(
        "queries and keys without an activation, as in the version of the library that wrote the file; "
        "flash-linear-attention now applies silu to them where there is no convolution");
  }
  // Files of the older forms cannot be of 0.6.0.
  const bool absolute = !l2 && draft.since_fla(0, 6, !old_form);
  if (!l2 && !draft.hints.fla_version) {
    draft.notes.push_back(std::string("qk_norm sum: read as flash-linear-attention computes it ") +
                          (absolute ? "since 0.6.0, x / max(sum |x|, 1e-6); before, it was x / sum x"
                                    : "before 0.6.0, x / sum x, since other options are of older files; now it is "
                                      "x / max(sum |x|, 1e-6)") +
                          ": --fla-version says which one the weights were trained with");
  }
  const FlaShell shell(draft, 24);
  return shell.build(draft, "delta", [&](const std::string& prefix, Slice in, Slice x) {
    ProgramBuilder& net = draft.net;
    Tensors& tensors = draft.tensors;
    const Slice h = shares ? convolved_input(draft, prefix, in, width, Function::copy) : in;
    const std::size_t conv = use_convolution && !shares ? width : 0;
    Projected inputs;
    inputs.query = projection(draft, prefix, "q", h, sizes.queries(), conv, activation);
    inputs.key = projection(draft, prefix, "k", h, sizes.queries(), conv, activation);
    inputs.value = projection(draft, prefix, "v", h, sizes.values(), conv, shares ? Function::copy : Function::silu);
    for (Slice* each : {&inputs.query, &inputs.key}) {
      using Kind = Normalization::Kind;
      *each = net.normalize({l2         ? Kind::l2
                             : absolute ? Kind::absolute_sum
                                        : Kind::sum,
                             *each, static_cast<std::uint32_t>(sizes.num_heads), l2 || absolute ? 1e-6 : 0.0});
    }
    // Without b_proj beta is 1, doubled where the newer form allows negative eigenvalues.
    const Slice beta =
        use_beta ? net.map_constant(Function::strength,
                                    net.product(tensors.matrix(prefix + "b_proj.weight", sizes.num_heads, h.size), h),
                                    input_scale, scale, shift)
                 : net.constant(negative ? 2.0 : 1.0, sizes.num_heads);
    const Slice o = delta_rule(net, sizes, inputs, beta, LinearRecurrence::Decay::none, {});
    return head_output(draft, prefix, o, h, x, sizes.num_heads,
                       tensors.vector(prefix + "o_norm.weight", {sizes.value_size}), shell.epsilon, gate);
  });
}

/// Experiments that name delta_net never tie, and take the range of beta from the configuration.
std::optional<JsonValue::Object> of_experiment(const JsonField& model) {
  if (experiment_name(model) != "delta_net") return std::nullopt;
  JsonValue::Object options;
  lift(model, {{"d_model", "hidden_size"}, {"n_layers", "num_hidden_layers"}, {"n_heads", "num_heads"}}, "", options);
  std::erase_if(options, [](const JsonMember& member) { return member.key == "tie_weights"; });
  model.at("sigmoid_scale");
  return options;
}

}  // namespace

extern const Architecture delta_net;
const Architecture delta_net{"delta_net", build, of_experiment};

}  // namespace krohn::architectures
