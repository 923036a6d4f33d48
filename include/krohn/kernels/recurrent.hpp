// Batches of words on the CUDA device, one thread a word, with the bits of docs/semantics.md. Every function throws
// DeviceError where there is no device, or a call to it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "krohn/kernels/flat_model.hpp"
#include "krohn/kernels/machine_view.hpp"

namespace krohn {

/// Words of byte symbols in device memory, interleaved so that neighbouring threads read neighbouring bytes: symbol t
/// of word w is byte ((t / 16) * padded_words + w) * 16 + t % 16.
class DeviceWords {
 public:
  static constexpr std::size_t chunk = 16;

  /// `interleaved` as above, of chunks * padded_words * 16 bytes; `length[w] <= 16 * chunks`; padded_words a multiple
  /// of 32.
  DeviceWords(std::span<const std::uint8_t> interleaved, std::span<const std::uint32_t> length);
  /// Words of equal length (a multiple of 16) of uniform random symbols, made on the device; for measurements.
  static DeviceWords random(std::size_t words, std::size_t length, std::uint32_t symbols, std::uint64_t seed);
  ~DeviceWords();
  DeviceWords(DeviceWords&&) noexcept;
  DeviceWords& operator=(DeviceWords&&) noexcept;

  std::size_t num_words() const noexcept;
  std::size_t padded_words() const noexcept;
  /// Copies one word back.
  std::vector<std::uint8_t> word(std::size_t index) const;

  struct Memory;
  const Memory& memory() const noexcept { return *memory_; }

 private:
  DeviceWords();
  std::unique_ptr<Memory> memory_;
};

/// Walks a machine's table over every word from state `start` and writes the states where they end, [words]. Returns
/// the kernel's milliseconds. Symbols must be below machine.num_symbols, of which there are at most byte_symbols.
double run_states_cuda(const MachineView& machine, std::uint32_t start, const DeviceWords& words,
                       std::span<std::uint32_t> end);

/// What run_flat_cuda found.
struct FlatBatchResult {
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  /// The first word that met NaN or infinity, or none; the outputs of such words are unspecified.
  std::uint64_t first_bad_word = none;
  double milliseconds = 0.0;
};

/// Runs any model: several layers, any sizes, undefined labels. Word w has the symbols symbols[offset[w]] ..
/// symbols[offset[w + 1]]. With `all_positions`, word w's labels start at labels[offset[w] + w]: position 0 first;
/// else labels[w] is its last. `margins` is as labels, or empty. `arena_words` is the length of model.words.
FlatBatchResult run_flat_cuda(const FlatModelView& model, std::size_t arena_words,
                              std::span<const std::uint32_t> symbols, std::span<const std::uint64_t> offset,
                              bool all_positions, std::span<std::int32_t> labels, std::span<float> margins);

}  // namespace krohn
