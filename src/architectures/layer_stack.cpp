// Stacks of Mamba's and (Gated) DeltaProduct's layers in one shell, in any order: diagonal and Householder transitions
// together. tools/train writes such files; no published library does.
//
// The shell is flash-linear-attention's. layer_types says "mamba" or "gated_deltaproduct" for every layer; the other
// options are those of these two architectures, under their names, one set for all layers of a kind, and none of a kind
// that no layer has.
#include <algorithm>
#include <string>
#include <vector>

#include "shared/gated_delta.hpp"
#include "shared/mamba_shell.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::string scan = "mamba";
  const std::string product = "gated_deltaproduct";
  std::vector<std::string> types;
  for (const JsonField& type : options.ask("layer_types").elements()) {
    types.push_back(type.string().value_or(""));
    if (types.back() != scan && types.back() != product) {
      type.report("mamba or gated_deltaproduct");
      types.back() = product;
    }
  }
  if (types.empty()) {
    options.report("layer_types", "a list with a type for each layer");
    types = {scan, product};
  }
  FlaShell shell(draft, types.size());
  if (shell.layers != types.size()) {
    options.report("num_hidden_layers", "the number of layer_types, " + std::to_string(types.size()));
  }
  shell.layers = types.size();
  shell.names = types;
  const auto prefix_of = [](std::size_t layer) { return "model.layers." + std::to_string(layer) + ".attn."; };
  SelectiveScan s;
  const auto first = std::find(types.begin(), types.end(), scan);
  if (first != types.end()) {
    s = read_selective_scan(draft, shell.size, prefix_of(static_cast<std::size_t>(first - types.begin())));
  }
  GatedDelta g;
  if (std::find(types.begin(), types.end(), product) != types.end()) g = delta_product(options);
  std::size_t layer = 0;
  return shell.build(draft, "", [&](const std::string& prefix, Slice h, Slice x) {
    return types[layer++] == scan ? selective_scan(draft, prefix, s, h, x)
                                  : gated_delta_layer(draft, g, prefix, h, x, shell.epsilon);
  });
}

}  // namespace

extern const Architecture layer_stack;
const Architecture layer_stack{"layer_stack", build};

}  // namespace krohn::architectures
