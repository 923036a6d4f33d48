// Trained checkpoints: a directory with config.json (or an experiment's config.yaml) and the weights.
//
// 1. config.json names its model_type, one of the architectures (docs/checkpoints.md lists them), as
//    flash-linear-attention and transformers write it (absent keys have that library's defaults; Infinity may be
//    written bare, as "inf" or as {"__float__": "Infinity"}). Without a model_type it is mamba_ssm's.
// 2. Older forms of the files are read too: each architecture's source says which.
// 3. Every option that changes what the model computes is honoured or refused by name, and so is an option that the
//    architecture does not know; those without effect are passed over (src/architectures/shared/draft.cpp has the
//    list).
// 4. A tensor that is missing, of another shape, not F32, F16 or BF16, not finite, or that the configuration does not
//    call for is an error. Without lm_head.weight the head is the embedding, unless config.json says that it is not.
// 5. Weights: Weights::read_directory.
// 6. config.yaml, read where there is no config.json: the options of config.json as YAML, or what the training scripts
// of
//    Grazzi et al. 2025 save: a section `model` with a `name` (delta_net, mamba, or an xLSTM's) and that code's own
//    keys, and dataset.kwargs.vocab_size.
// 7. Of a hybrid, a model with attention between its linear layers, the linear layers alone are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/architectures/draft.hpp"
#include "krohn/checkpoints/weights.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

struct Checkpoint {
  Program model;
  /// What a reader should know although it is no error (a convention that implementations disagree on).
  std::vector<std::string> notes;
  /// Of linear layers read out of a hybrid, their numbers there; empty where the model is read whole.
  std::vector<std::size_t> layer_numbers = {};
};

/// Throws InputError with every problem of the configuration and of the weights at once. Codes are read from
/// codes.safetensors where it is there: a tensor codes_name() for every unit of every recurrent state part, and in the
/// metadata the format krohn-codes-v1 and the weights_fingerprint of the model without codes.
Checkpoint read_checkpoint(const std::filesystem::path& directory, const ReadingHints& hints = {});

/// The same, with the large matrices of safetensors files left on the disk (ProgramTensor::deferred): for models larger
/// than memory, and what reads each layer's weights once.
Checkpoint map_checkpoint(const std::filesystem::path& directory, const ReadingHints& hints = {});

/// The same of a configuration, the text of a config.json that `source` names in messages, and weights that are in
/// memory. Codes are none.
Checkpoint read_checkpoint(std::string_view config, const std::string& source, const Weights& weights,
                           const ReadingHints& hints = {});

/// Samples of the inputs of layers: of a safetensors file `inputs` [count, size] for every layer or `inputs.I` for
/// layer I; without one, random directions (entries of mean 0 and variance 1, by the seed), whose length the layers'
/// norms take away.
struct LayerSamples {
  std::filesystem::path file = {};
  std::size_t count = 64;
  std::uint64_t seed = 0;
  /// One layer alone.
  std::optional<std::size_t> only = std::nullopt;
  /// The large matrices stay on the disk, as map_checkpoint leaves them.
  bool mapped = false;
};

/// Whether the checkpoint is a hybrid: a model with attention between its linear layers, which read_checkpoint refuses.
bool is_hybrid(const std::filesystem::path& directory);

/// The linear layers of a hybrid, side by side: token i is sample i of every layer's input, and the value the last
/// one's input with what its mixer adds. Throws InputError as read_checkpoint does, of the linear layers' options and
/// tensors; everything else in the files is left out.
Checkpoint read_linear_layers(const std::filesystem::path& directory, const LayerSamples& samples = {},
                              const ReadingHints& hints = {});

/// The bytes of codes.safetensors for a program that has codes.
std::string format_codes(const Program& program);

}  // namespace krohn
