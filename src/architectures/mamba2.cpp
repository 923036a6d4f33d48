// Mamba-2 (Dao and Gu 2024): per head a scalar decay exp(dt rate); head h uses group h / (heads / groups) of B and C.
#include <cmath>
#include <limits>

#include "shared/mamba_shell.hpp"

namespace krohn::architectures {
namespace {

/// A bound of dt_limit: a number, or infinity in one of the ways in which it is written.
double limit(const JsonField& field) {
  const JsonValue* value = field.value();
  if (value == nullptr) return 0;
  const JsonValue* inner = value->find("__float__");
  const std::string* text = inner != nullptr ? inner->string() : value->string();
  if (text == nullptr) return field.number().value_or(0);
  if (*text == "inf" || *text == "Infinity" || *text == "+inf") return std::numeric_limits<double>::infinity();
  field.report("a number or Infinity");
  return 0;
}

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t head_size = options.size("head_dim", 64);
  const std::size_t state = options.size("state_size", 128);
  const std::size_t channels = options.product(size, "expand", 2);
  const std::size_t groups = options.size("n_groups", 1);
  const std::size_t width = options.size("conv_kernel", 4);
  const std::size_t heads = options.split(channels, head_size, "head_dim");
  const bool bias = options.flag("use_bias", false);
  const bool convolution_bias = options.flag("use_conv_bias", true);
  const bool norm = options.flag("rmsnorm", true);
  const bool norm_before_gate = options.flag("norm_before_gate", false);
  const bool wide_skip = options.flag("D_has_hdim", false);
  options.require_equal("num_heads", heads, "expand * hidden_size / head_dim");
  options.require_equal("d_ssm", channels, "expand * hidden_size");
  // Of the first Mamba's low-rank steps, in configurations that were made from one: no layer has such.
  options.ask("time_step_rank");
  if (heads % groups != 0) {
    options.report("n_groups", "a divisor of the " + std::to_string(heads) + " heads");
  }
  if (groups > 1 && groups < heads) {
    draft.notes.push_back(
        "n_groups " + std::to_string(groups) + " of " + std::to_string(heads) +
        " heads: head h uses group h / (heads / groups), as the published kernels do; an implementation that tiles the "
        "groups (h modulo groups), or norms all channels together, computes another function of the same weights");
  }
  if (norm && norm_before_gate) {
    draft.notes.push_back(
        "norm_before_gate: the norm stands before the gate, as in mamba_ssm and flash-linear-attention; "
        "transformers does not read the option and puts it behind");
  }
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
  const std::string limit_key = options.has("time_step_limit") ? "time_step_limit" : "dt_limit";
  if (options.has(limit_key)) {
    const std::vector<JsonField> limits = options.ask(limit_key).elements();
    if (limits.size() == 2) {
      least = limit(limits[0]);
      most = limit(limits[1]);
    }
    if (limits.size() != 2 || !(least >= 0) || !(least <= most)) {
      options.report(limit_key, "two limits in ascending order, from 0");
      least = 0;
      most = std::numeric_limits<double>::infinity();
    }
  }
  const std::size_t group_state = groups * state;
  const std::size_t convolved = channels + 2 * group_state;
  const std::size_t rows = channels + convolved + heads;
  return mamba_shell(draft, "mamba2", channels, [&](const std::string& prefix, Slice h, Slice x, double epsilon) {
    ProgramBuilder& net = draft.net;
    Tensors& tensors = draft.tensors;
    const std::uint32_t in_bias = bias ? tensors.vector(prefix + "in_proj.bias", {rows}) : no_index;
    const Slice in = net.product(tensors.matrix(prefix + "in_proj.weight", rows, h.size), h, in_bias);
    const Slice z = in.part(0, channels);
    const std::uint32_t kernel = tensors.vector(prefix + "conv1d.weight", {convolved, 1, width});
    const std::uint32_t kernel_bias = convolution_bias ? tensors.vector(prefix + "conv1d.bias", {convolved}) : no_index;
    const Slice xbc = net.convolution(kernel, kernel_bias, in.part(channels, convolved), Function::silu, "x");
    const Slice u = xbc.part(0, channels);
    Elementwise clamp;
    clamp.function = Function::clamped_step;
    clamp.a = {in.part(channels + convolved, heads)};
    clamp.w = {tensors.vector(prefix + "dt_bias", {heads})};
    clamp.k = least;
    clamp.l = most;
    const Slice step = net.map(clamp, heads);
    Elementwise decay;
    decay.function = Function::rate_decay;
    decay.a = {step};
    decay.w = {tensors.vector(prefix + "A_log", {heads}), 1, WeightUse::Derived::negative_exponential};
    const Slice decays = net.map(decay, heads);
    Elementwise scaled;
    scaled.function = Function::multiply;
    scaled.a = {step, static_cast<std::uint32_t>(head_size)};
    scaled.b = {u};
    const Slice value = net.map(scaled, channels);
    const std::size_t share = std::max<std::size_t>(heads / groups, 1);
    LinearRecurrence r = ProgramBuilder::recurrence(heads, state, head_size);
    r.decay = LinearRecurrence::Decay::scalar;
    r.decays = ProgramBuilder::heads(decays, 1);
    RankOneUpdate update;
    update.write = ProgramBuilder::heads(xbc.part(channels, group_state), state, share);
    update.value = ProgramBuilder::heads(value, head_size);
    r.updates = {update};
    r.query = ProgramBuilder::heads(xbc.part(channels + group_state, group_state), state, share);
    const Slice o = net.recur(std::move(r), StatePart::Axes::value_key);
    const std::uint32_t skips = tensors.vector(prefix + "D", {wide_skip ? channels : heads});
    Slice y = skip(net, o, u, skips, wide_skip ? 1 : head_size);
    const auto gate = [&] { y = net.multiply(y, net.map(Function::silu, z)); };
    if (!norm || !norm_before_gate) gate();
    if (norm) {
      y = net.rms_norm(y, tensors.vector(prefix + "norm.weight", {channels}), epsilon, groups);
      if (norm_before_gate) gate();
    }
    return gated_out(draft, prefix, y, x, bias);
  });
}

std::optional<JsonValue::Object> of_unnamed(const JsonField& root) { return of_mamba_ssm(root, "Mamba2"); }

}  // namespace

extern const Architecture mamba2;
const Architecture mamba2{"mamba2", build, nullptr, of_unnamed};

}  // namespace krohn::architectures
