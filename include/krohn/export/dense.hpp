// Compiled models as plain dense arrays, for any program that reads safetensors, and as a PyTorch module.
//
// docs/dense.md is the layout of the file: per layer the actions (gates, keys, betas, values, writes), the rows of its
// input (action, readout, what follows by slot), the readouts as scores, and where the layer is exact the readout as a
// ReLU network of two hidden layers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "krohn/model/lrnn_model.hpp"

namespace krohn {

struct DenseExport {
  /// A safetensors file.
  std::string bytes;
  std::size_t parameters = 0;
  /// Per layer the units of its readout's network, hidden layer by hidden layer; 0, 0 where it has none.
  std::vector<std::pair<std::size_t, std::size_t>> network_units;
  /// Why a layer has no network, by layer: "layer 0: ..".
  std::vector<std::string> notes;
};

/// Throws ResourceError where more than `max_parameters` numbers would be written (those of networks count).
DenseExport export_to_dense(const LrnnModel& model, std::uint64_t max_parameters);

/// A directory with model.py, a PyTorch module in under a hundred lines, and model.safetensors, the dense arrays.
void write_torch_export(const std::filesystem::path& path, const DenseExport& model, bool force = false);

}  // namespace krohn
