// Learned models on the CUDA device: words in batches, and what they share with prefix trees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/kernels/device.hpp"
#include "krohn/kernels/learned.hpp"

namespace krohn {

/// As choose_device, for a run of so many tokens; the model may be one that no device runs.
std::optional<CudaDevice> choose_device(const Program& model, double tokens, Device asked);

/// As run_learned; tokens are checked already. `memory`: bytes to use, 0 for what is free.
void run_on_device(const Program& model, std::span<const Tokens> words, const CudaDevice& device, std::size_t memory,
                   const LogitsSink& sink);

/// Called with every word and position (0 = after the first token) and the task's label there, from one thread.
using LabelSink = std::function<void(std::size_t word, std::size_t position, std::int32_t label)>;

/// The task's labels, decided on the device; tokens are checked already. Throws as run_learned.
void label_on_device(const Program& model, const LearnedTask& task, std::span<const Tokens> words,
                     const CudaDevice& device, std::size_t memory, const LabelSink& sink);

/// The most rows that go to the device together, and the bytes of one beside its features: its entries in the batch's
/// arrays.
inline constexpr std::size_t most_device_rows = std::size_t{1} << 18U;
inline constexpr std::size_t device_row_bytes = 28;

/// The bytes to use where `asked` are allowed, or what is free if that is 0.
std::size_t usable_memory(std::size_t asked, const CudaDevice& device);

/// Throws ResourceError.
[[noreturn]] void too_little(std::size_t memory);

std::vector<LearnedAnswer> answers_of(const LearnedTask& task);

}  // namespace krohn
