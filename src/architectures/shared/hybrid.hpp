// The linear layers of hybrids, models in which some layers are attention: those cannot be run here, and what lies
// behind one of them is unknown, so that the linear layers stand side by side, each reading inputs of its own from a
// table [samples, layers * size]. Token i is sample i of every layer; the value is the last layer's, input and mixer
// added. Everything else in the file is left out: attention, feed-forward parts, the norms behind mixers, embedding and
// head.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "fla.hpp"

namespace krohn::architectures {

/// For an architecture that is not read whole: throws InputError that says so.
Program refuse_hybrid(Draft& draft);

/// Which layers are linear: `layer_types`, else every layer i for which `otherwise(i)`.
std::vector<std::size_t> linear_layers_of(Options& options, std::size_t layers,
                                          const std::function<bool(std::size_t)>& otherwise);

/// A hybrid's layer: the norm of its input, and its mixer, called `mixer_name` in the file; its prefix ends in a dot.
struct HybridLayers {
  std::string kind;
  std::string mixer_name;
  std::size_t size = 0;
  std::function<Slice(const std::string& layer, Slice x)> norm;
  Mixer mixer;
};
Program side_by_side(Draft& draft, const LayerInputs& inputs, const std::vector<std::size_t>& layers,
                     const HybridLayers& parts);

/// Queries, keys and values (in this order) through their short convolutions and silu. Files have one tensor conv1d, or
/// q_conv1d, k_conv1d and v_conv1d one after the other, which some programs cut at other places than the sizes.
Projected convolved(Draft& draft, const std::string& prefix, const std::array<Slice, 3>& inputs, std::size_t width);

}  // namespace krohn::architectures
