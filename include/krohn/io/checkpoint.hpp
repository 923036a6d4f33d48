// Trained checkpoints: a directory with config.json (or an experiment's config.yaml) and the weights.
//
// 1. config.json names its model_type: delta_net, gated_deltanet, gated_deltaproduct, mamba, mamba2, gla or rwkv7, as
//    flash-linear-attention writes them through Hugging Face's save_pretrained (absent keys have that library's
//    defaults; Infinity may be written bare, as "inf" or as {"__float__": "Infinity"}); paper_mamba_lm; or xlstm_lm.
// 2. Also read: DeltaNet of the November 2024 form (sigmoid_scale, sigmoid_shift, sigmoid_pre_scale, norm_first, one
//    gate_proj for gate and up), and DeltaProduct of the June 2025 form (k_projs.j, v_projs.j, b_projs.j, *_conv1ds.j).
// 3. Every option that changes what the model computes is honoured or refused by name, and so is an option that this
//    list does not know; options of training, caching and fused kernels are passed over.
// 4. A tensor that is missing, of another shape, not F32, F16 or BF16, not finite, or that the configuration does not
//    call for is an error. Without lm_head.weight the head is the embedding, unless config.json says that it is not.
// 5. Weights: Weights::read_directory.
// 6. config.yaml, read where there is no config.json: the options of config.json as YAML, or what the training scripts
// of
//    Grazzi et al. 2025 save: a section `model` with a `name` (delta_net, mamba, or an xLSTM's) and that code's own
//    keys, and dataset.kwargs.vocab_size.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "krohn/architectures/draft.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

struct Checkpoint {
  Program model;
  /// What a reader should know although it is no error (a convention that implementations disagree on).
  std::vector<std::string> notes;
};

/// Throws InputError with every problem of the configuration and of the weights at once. Codes are read from
/// codes.safetensors where it is there: a tensor codes_name() for every unit of every recurrent state part, and in the
/// metadata the format krohn-codes-v1 and the weights_fingerprint of the model without codes.
Checkpoint read_checkpoint(const std::filesystem::path& directory, const ReadingHints& hints = {});

/// The bytes of codes.safetensors for a program that has codes.
std::string format_codes(const Program& program);

}  // namespace krohn
