// Learned models on CUDA devices: words in batches, and what they share with prefix trees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "krohn/engine/device_team.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/kernels/device.hpp"
#include "krohn/kernels/learned.hpp"

namespace krohn {

/// As choose_devices, for a run of so many tokens; the model may be one that no device runs.
std::shared_ptr<DeviceTeam> choose_devices(const Program& model, double tokens, const Device& asked);

/// What a run may use of each device.
struct DeviceMemory {
  std::size_t asked = 0;  // bytes; 0: what is free
  unsigned sharers = 1;   // runs that share what is free
};

/// As run_learned; tokens are checked already.
void run_on_devices(const Program& model, std::span<const Tokens> words, DeviceTeam& team, const DeviceMemory& memory,
                    const LogitsSink& sink);

/// Called with the task's labels of a word at consecutive positions (0 = after the first token), from several threads
/// at once; not_finite_label where there is none.
using LabelSink = std::function<void(std::size_t word, std::size_t position, std::span<const std::int32_t> labels)>;

/// The task's labels, decided on the devices; tokens are checked already. Throws as run_learned.
void label_on_devices(const Program& model, const LearnedTask& task, std::span<const Tokens> words, DeviceTeam& team,
                      const DeviceMemory& memory, const LabelSink& sink);

/// Words of one length in their chunked form, part by part; tokens are checked already. read(device, first, count),
/// from several threads at once, is told when the device holds the labels and logits of words first .. first + count
/// - 1. Throws ResourceError where a device cannot hold a word.
void run_chunked_on_devices(const Program& model, std::span<const LearnedAnswer> answers, std::span<const Tokens> words,
                            ChunkedFormat format, DeviceTeam& team,
                            const std::function<void(const LearnedDevice&, std::size_t, std::size_t)>& read);

/// The most rows that go to the device together, and the bytes of one beside its features: its entries in the batch's
/// arrays.
inline constexpr std::size_t most_device_rows = std::size_t{1} << 18U;
inline constexpr std::size_t device_row_bytes = 28;

/// The bytes to use of this thread's device.
std::size_t usable_memory(const DeviceMemory& memory);

/// Throws ResourceError.
[[noreturn]] void too_little(std::size_t memory);

std::vector<LearnedAnswer> answers_of(const LearnedTask& task);

}  // namespace krohn
