#include "hybrid.hpp"

#include <algorithm>

#include "krohn/error.hpp"

namespace krohn::architectures {

Program refuse_hybrid(Draft& draft) {
  throw InputError(std::string(draft.net.architecture()) +
                   ": expected a model of linear layers alone, got one with attention layers; krohn inspect shows its "
                   "linear layers");
}

std::vector<std::size_t> linear_layers_of(Options& options, std::size_t layers,
                                          const std::function<bool(std::size_t)>& otherwise) {
  std::vector<std::size_t> linear;
  if (!options.has("layer_types")) {
    for (std::size_t i = 0; i < layers; ++i) {
      if (otherwise(i)) linear.push_back(i);
    }
    return linear;
  }
  const std::vector<JsonField> types = options.ask("layer_types").elements();
  if (types.size() != layers) options.report("layer_types", "a type for each of " + std::to_string(layers) + " layers");
  for (std::size_t i = 0; i < types.size(); ++i) {
    const std::string type = types[i].string().value_or("");
    if (type == "linear_attention") linear.push_back(i);
  }
  return linear;
}

Program side_by_side(Draft& draft, const LayerInputs& inputs, const std::vector<std::size_t>& layers,
                     const HybridLayers& parts) {
  Tensors& tensors = draft.tensors;
  ProgramBuilder& net = draft.net;
  std::vector<std::size_t> chosen;
  for (const std::size_t layer : layers) {
    if (!inputs.only || *inputs.only == layer) chosen.push_back(layer);
  }
  if (chosen.empty()) {
    throw InputError(std::string(net.architecture()) + ": expected a linear layer, got none" +
                     (inputs.only ? " of number " + std::to_string(*inputs.only) : ""));
  }
  const std::size_t row = chosen.size() * parts.size;
  std::vector<float> table(inputs.count * row);
  for (std::size_t l = 0; l < chosen.size(); ++l) {
    const std::vector<float> samples = inputs.rows(chosen[l], parts.size);
    for (std::size_t i = 0; i < inputs.count; ++i) {
      std::copy_n(samples.begin() + static_cast<std::ptrdiff_t>(i * parts.size), parts.size,
                  table.begin() + static_cast<std::ptrdiff_t>(i * row + l * parts.size));
    }
  }
  const Slice all = net.embedding(tensors.add("inputs", {inputs.count, row}, std::move(table), true));
  for (std::size_t l = 0; l < chosen.size() && !tensors.hopeless(); ++l) {
    const std::string layer = "model.layers." + std::to_string(chosen[l]) + ".";
    net.begin_layer(parts.kind);
    const Slice x = all.part(l * parts.size, parts.size);
    parts.mixer(layer + parts.mixer_name + ".", parts.norm(layer, x), x);
  }
  draft.layer_numbers = chosen;
  std::vector<std::string> prefixes;
  for (const std::size_t layer : chosen) {
    prefixes.push_back("model.layers." + std::to_string(layer) + "." + parts.mixer_name + ".");
  }
  tensors.leave_out_outside(prefixes);
  tensors.finish();
  return net.finish();
}

Projected convolved(Draft& draft, const std::string& prefix, const std::array<Slice, 3>& inputs, std::size_t width) {
  Tensors& tensors = draft.tensors;
  const std::size_t channels = inputs[0].size + inputs[1].size + inputs[2].size;
  const std::array<std::string, 3> names = {"q_conv1d.weight", "k_conv1d.weight", "v_conv1d.weight"};
  std::vector<float> kernels;
  if (tensors.has(prefix + "conv1d.weight")) {
    kernels = tensors.take(prefix + "conv1d.weight", {channels, 1, width});
  } else {
    std::size_t found = 0;
    for (const std::string& name : names) found += tensors.extent(prefix + name, 0);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::size_t extent = tensors.extent(prefix + names[i], 0);
      const std::vector<float> part =
          tensors.take(prefix + names[i], {found == channels ? extent : inputs[i].size, 1, width});
      kernels.insert(kernels.end(), part.begin(), part.end());
    }
  }
  const bool whole = kernels.size() == channels * width;
  std::array<Slice, 3> outputs;
  auto first = kernels.begin();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto count = static_cast<std::ptrdiff_t>(inputs[i].size * width);
    std::vector<float> kernel;
    if (whole) {
      kernel.assign(first, first + count);
      first += count;
    }
    const std::uint32_t weight = tensors.add(prefix + names[i], {inputs[i].size, 1, width}, std::move(kernel));
    outputs[i] = draft.net.convolution(weight, no_index, inputs[i], Function::silu, names[i].substr(0, 1));
  }
  return {outputs[0], outputs[1], outputs[2]};
}

}  // namespace krohn::architectures
