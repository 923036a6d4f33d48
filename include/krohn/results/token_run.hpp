// Running a checkpoint on token ids, safetensors in and out: what other programs compare their logits with.
//
// 1. The input has the tensor "input_ids", I64 or I32, [B, T].
// 2. The output has "logits", F32 [B, T, V], in the semantics learned-fp32-v1, and the metadata "semantics".
// 3. With states, the output has for each block i what it carries after the last token (before any, where T = 0), where
//    it carries it:
//      "S.i": the hidden state, [B, heads, key_size, value_size]; Mamba: [B, channels, state_size]; Mamba-2:
//        [B, heads, head_size, state_size]; query heads that share a state repeat it;
//      "conv.i.q", ".k", ".v" or "conv.i.x": the last inputs of the short convolution, [B, width, channels], oldest
//        first, zero before the start (the oldest one is not carried on);
//      "shift.i", "ffn_shift.i", "shift_NAME.i": the last input of a token shift, or what else was kept, [B, size];
//      "n.i", "m.i": mLSTM's normaliser [B, heads, key_size] and stabiliser [B, heads];
//      "y.i", "c.i", "n.i", "m.i": sLSTM's output, cell, normaliser and stabiliser, [B, size].
// 4. With the states of every position, the tensors of rule 3 have a second axis of the T positions: [B, T, ..].
// 5. Of words in place of tokens: the tensors' first axis runs over the positions of all words, one word after the
// other,
//    the one before its first symbol included. "offset", I64 [words + 1]: word w has the entries offset[w] ..
//    offset[w + 1]. "labels", I64: the number of the label there, in the order of the metadata "labels" (a JSON array);
//    -1 for `?`. A compiled model has "S.i" [.., 1, key_size, value_size] for each layer.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "krohn/checkpoints/open_model.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/engine/learned.hpp"

namespace krohn {

/// B words of T tokens.
struct InputIds {
  std::vector<Tokens> words;
  std::size_t length = 0;
};

/// The words of "input_ids". Throws InputError for a missing tensor, another dtype or rank, and for every id that is
/// not in the vocabulary (the first ten by their place).
InputIds read_input_ids(const Safetensors& file, const Program& model);

/// Of the output: no states, those after the last token, or those of every position (which run on the CPU).
enum class TokenStates { none, last, every };

/// The tensors of the output, the same bits on every device. Throws as run_learned, and InputError where states of
/// every position are asked of a device. `device`, if given, is set to what ran, as Trace::device.
std::vector<Tensor> run_tokens(const Program& model, const InputIds& ids, TokenStates states,
                               const LearnedRunOptions& options = {}, std::string* device = nullptr);

/// The tensors of rule 5, in the canonical form. Throws InputError for symbols that the model does not have,
/// NumericError where a run is not finite, naming the word, StoppedError once `stop` is set.
std::vector<Tensor> run_word_states(const OpenModel& model, std::span<const Word> words, const std::atomic<bool>& stop);

}  // namespace krohn
