#include "gated_delta.hpp"

#include <string>
#include <vector>

namespace krohn::architectures {
namespace {

/// Keys, values or betas of all steps, from k_projs.j.weight and k_conv1ds.j.weight.
Slice stacked_projection(Draft& draft, const std::string& prefix, const std::string& name, Slice h, std::size_t steps,
                         std::size_t out, std::size_t width) {
  const auto names = [&](const std::string& part) {
    std::vector<std::string> result;
    for (std::size_t j = 0; j < steps; ++j) {
      result.push_back(std::string(prefix).append(name).append(part).append(std::to_string(j)).append(".weight"));
    }
    return result;
  };
  const Slice y = draft.net.product(
      draft.tensors.stacked(prefix + name + "_proj.weight", names("_projs."), {out, h.size}, true), h);
  if (width == 0) return y;
  const std::uint32_t weight =
      draft.tensors.stacked(prefix + name + "_conv1d.weight", names("_conv1ds."), {out, 1, width}, false);
  return draft.net.convolution(weight, no_index, y, Function::silu, name);
}

}  // namespace

void read_gated_delta(Options& options, GatedDelta& g) {
  g.sizes.key_size = options.size("head_dim", 256);
  g.sizes.value_size = options.product(g.sizes.key_size, "expand_v", 2.0);
  const bool use_convolution = options.flag("use_short_conv", true);
  const std::size_t width = options.size("conv_size", 4);
  g.width = use_convolution ? width : 0;
  g.range = options.flag("allow_neg_eigval", false) ? 2.0 : 1.0;
}

GatedDelta delta_product(Options& options) {
  GatedDelta g;
  g.sizes.num_householder = options.size("num_householder", 1, 1024);
  g.sizes.num_heads = g.sizes.num_value_heads = options.size("num_heads", 6);
  const bool gate = options.flag("use_output_gate", options.flag("use_gate", true));
  g.gate = gate ? Function::silu : Function::copy;
  if (options.has("use_output_gate") && options.has("use_gate") && options.flag("use_gate", true) != gate) {
    options.report("use_gate", "the value of use_output_gate");
  }
  g.decays = options.flag("use_forget_gate", false);
  read_gated_delta(options, g);
  return g;
}

Slice gated_delta_layer(Draft& draft, const GatedDelta& g, const std::string& prefix, Slice h, Slice x,
                        double epsilon) {
  ProgramBuilder& net = draft.net;
  Tensors& tensors = draft.tensors;
  const DeltaHeads& sizes = g.sizes;
  const std::size_t steps = sizes.num_householder;
  const bool old_form = tensors.has(prefix + "k_projs.0.weight");
  // A parameter of Gated DeltaNet's files of before March 2025, which no version of the layer ever read.
  tensors.leave_out(prefix + "D");
  Projected inputs;
  Slice beta;
  if (old_form) {
    inputs.query = net.product(tensors.matrix(prefix + "q_proj.weight", sizes.queries(), h.size), h);
    if (g.width == 0) {
      inputs.query = net.map(Function::silu, inputs.query);
    } else {
      const std::uint32_t weight = tensors.stacked(prefix + "q_conv1d.weight", {prefix + "q_conv1ds.0.weight"},
                                                   {sizes.queries(), 1, g.width}, false);
      inputs.query = net.convolution(weight, tensors.optional(prefix + "q_conv1ds.0.bias", {sizes.queries()}),
                                     inputs.query, Function::silu, "q");
      // The others are in the files, and that code never reads them.
      for (std::size_t j = 1; j < steps; ++j) {
        tensors.leave_out(prefix + "q_conv1ds." + std::to_string(j) + ".weight");
      }
    }
    inputs.key = stacked_projection(draft, prefix, "k", h, steps, sizes.queries(), g.width);
    inputs.value = stacked_projection(draft, prefix, "v", h, steps, sizes.values(), g.width);
    if (g.width == 0) {
      inputs.key = net.map(Function::silu, inputs.key);
      inputs.value = net.map(Function::silu, inputs.value);
    }
    beta = stacked_projection(draft, prefix, "b", h, steps, sizes.num_value_heads, 0);
  } else {
    inputs.query = projection(draft, prefix, "q", h, sizes.queries(), g.width, Function::silu);
    inputs.key = projection(draft, prefix, "k", h, steps * sizes.queries(), g.width, Function::silu);
    inputs.value = projection(draft, prefix, "v", h, steps * sizes.values(), g.width, Function::silu);
    beta = net.product(tensors.matrix(prefix + "b_proj.weight", steps * sizes.num_value_heads, h.size), h);
  }
  inputs.query = net.l2_norm(inputs.query, sizes.num_heads);
  inputs.key = net.l2_norm(inputs.key, steps * sizes.num_heads);
  beta = net.map_constant(Function::strength, beta, 1.0, g.range, 0.0);
  Slice decays;
  if (g.decays) decays = gated_decay(draft, prefix, h, sizes.num_value_heads);
  using Decay = LinearRecurrence::Decay;
  const Slice o = delta_rule(net, sizes, inputs, beta, g.decays ? Decay::scalar : Decay::none, decays);
  return head_output(draft, prefix, o, h, x, sizes.num_value_heads,
                     tensors.vector(prefix + "o_norm.weight", {sizes.value_size}), epsilon, g.gate);
}

Program gated_delta(Draft& draft, const GatedDelta& g) {
  const FlaShell shell(draft, 21);
  return shell.build(draft, "delta", [&](const std::string& prefix, Slice h, Slice x) {
    return gated_delta_layer(draft, g, prefix, h, x, shell.epsilon);
  });
}

}  // namespace krohn::architectures
