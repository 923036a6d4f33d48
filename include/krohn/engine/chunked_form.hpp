// The chunked form of a learned model: every block's recurrence 64 updates at a time as matrix products (or, where the
// entries of a state decay by themselves, in stretches of time side by side), everything else as in the canonical form.
// It is another function than learned-fp32-v1 (docs/semantics.md, 9): it searches, no verdict rests on it.
//
// It exists for recurrences with one decay a step and up to four Householder factors (the delta family), one decay a
// key and one factor (KDA) or one that erases apart from what is written (RWKV-7), and for outer products with one
// decay a step, one a key or one an entry (Mamba-2, mLSTM; GLA; Mamba, HGRN); not for sLSTM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/engine/device.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/kernels/chunked.hpp"

namespace krohn {

/// Why the model has no chunked form, naming the layer; nothing where it has one.
std::optional<std::string> without_chunked_form(const Program& model);

/// chunked.hpp's recurrence on the CPU: the same formulas, rounded to the format in the same places (for fp32 nowhere
/// but in the sums); elementwise token by token. Any key and value size.
void run_chunked_cpu(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale,
                     const ChunkedHostArrays& arrays);

struct ChunkedFormOptions {
  ChunkedFormat format = ChunkedFormat::bf16;
  Device device = Device::automatic;
};

struct ChunkedLogits {
  /// [words, length, num_logits]
  std::vector<float> logits;
  /// "cpu", or the devices' names.
  std::string device;
};

/// The logits at every position of words of one length. A block's recurrence reads what the chunked forms of those
/// below it gave. Cost: that of the operations once; on the CPU a word's features at all its tokens are kept,
/// for each core. Throws InputError for a model without a chunked form, words of several lengths, or a token
/// outside the vocabulary; NumericError where a logit is not finite; ResourceError where a device cannot hold a word;
/// DeviceError as Device::cuda says.
ChunkedLogits run_chunked_form(const Program& model, std::span<const Tokens> words, const ChunkedFormOptions& options);

struct ChunkedLabels {
  /// [words, length]: the task's label at every position, undefined_label for a tie.
  std::vector<std::int32_t> labels;
  std::string device;
};

/// The labels that those logits give, decided on the devices. Throws as run_chunked_form.
ChunkedLabels label_chunked_form(const Program& model, const LearnedTask& task, std::span<const Tokens> words,
                                 const ChunkedFormOptions& options);

}  // namespace krohn
