// Learned models on the CUDA device: words in batches, prefix trees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "krohn/engine/enumerate.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/kernels/device.hpp"

namespace krohn {

/// As run_learned; tokens are checked already. `memory`: bytes to use, 0 for what is free.
void run_on_device(const Program& model, std::span<const Tokens> words, const CudaDevice& device, std::size_t memory,
                   const LogitsSink& sink);

/// As label_words; tokens are checked already.
std::vector<std::vector<std::int32_t>> label_on_device(const Program& model, const LearnedTask& task,
                                                       std::span<const Tokens> words, const CudaDevice& device,
                                                       std::size_t memory);

/// As enumerate() for the recognizer of a learned model.
EnumerateResult enumerate_on_device(const Recognizer& recognizer, const Recognizer::Learned& learned,
                                    const LabelledAutomaton& automaton, const EnumerateOptions& options,
                                    const CudaDevice& device);

}  // namespace krohn
