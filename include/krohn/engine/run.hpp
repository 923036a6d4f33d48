// Runs a compiled model on a batch of words.
//
//     const Trace trace = run(model, words, {.semantics = Semantics::fp16_state_v1});
//     trace.label(3);                        // the label of words[3]
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

/// Where a computation runs. `automatic` takes a CUDA device if there is one and the work is large enough to gain.
enum class Device { automatic, cpu, cuda };

/// Throws DeviceError, with the reason, if CUDA is asked for and there is no device.
void require_device(Device asked);

struct RunOptions {
  Semantics semantics = Semantics::fp32_fma_v1;
  Device device = Device::automatic;
  /// The label after every symbol and before the first, instead of the last one only.
  bool all_positions = false;
  /// Fill Trace::margins.
  bool margins = false;
  /// CPU threads; 0 takes one a core.
  unsigned threads = 0;
  /// The most bytes of device memory to use; 0 for what is free.
  std::size_t device_memory = 0;
};

/// Labels (and margins) of a batch, in the order of the words. Labels, margins and errors are the same bits on every
/// device and for every number of threads.
struct Trace {
  /// [words + 1]: word i has the entries offset[i] .. offset[i + 1]; one, or its length + 1 where all positions were
  /// asked for (entry t is the label after t symbols).
  std::vector<std::uint64_t> offset;
  std::vector<std::int32_t> labels;
  /// As labels, or empty.
  std::vector<float> margins;
  /// What ran: "cpu" (word by word), "cpu (avx2)" (eight words a register), or the name of the CUDA device.
  std::string device;
  std::string semantics;

  std::size_t num_words() const noexcept { return offset.size() - 1; }
  /// The last label of a word.
  std::int32_t label(std::size_t word) const { return labels.at(offset.at(word + 1) - 1); }
  std::span<const std::int32_t> labels_of(std::size_t word) const {
    return {labels.data() + offset.at(word), static_cast<std::size_t>(offset.at(word + 1) - offset.at(word))};
  }
};

/// Throws NumericError, naming the first word concerned, if a run meets NaN or infinity; InputError for a symbol that
/// is not in the model's alphabet; DeviceError if CUDA was asked for and is missing or fails. Cost: linear in the
/// symbols, spread over words.
Trace run(const LrnnModel& model, std::span<const Word> words, const RunOptions& options = {});

}  // namespace krohn
