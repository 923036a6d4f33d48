// The configuration of a checkpoint directory, from whichever file says it.
//
// 1. config.json: one object with model_type, as krohn/checkpoints/checkpoint.hpp lists it; without one, the
// configuration of a
//    program that writes none, which an architecture knows by its keys (mamba_ssm's).
// 2. Else config.yaml. A mapping with model_type is read as config.json would be.
// 3. Another config.yaml is an experiment, as the scripts that compare DeltaNet, Mamba and xLSTM on formal languages
//    save it beside NAME.pth: a mapping `model`, and dataset.kwargs.vocab_size (else model.vocab_size). model.name
//    says what the rest means:
//      delta_net: DeltaNet of the November 2024 form with d_model, n_layers, n_heads, sigmoid_scale, use_short_conv,
//      the
//        rest that form's defaults;
//      mamba: paper_mamba_lm with the keys of its own;
//      another name, with num_blocks: xlstm_lm with mlstm_block.mlstm, slstm_block.slstm and slstm_block.feedforward,
//        absent keys with the defaults of that code (sLSTM's convolution has width 4 there).
//    Options of training in `model` are passed over; any other key goes on under its own name, so that an unknown one
//    is refused.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "krohn/text/json_document.hpp"

namespace krohn {

/// One object with a model_type. Throws InputError.
JsonDocument read_checkpoint_config(const std::filesystem::path& directory);
/// The text of a config.json; `source` names it in messages.
JsonDocument parse_checkpoint_config(std::string_view text, std::string source);

}  // namespace krohn
