// Batches of words on the CUDA device, one thread a word, with the bits of docs/semantics.md. Every function throws
// DeviceError where there is no device, or a call to it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "krohn/kernels/dense_rows.hpp"
#include "krohn/kernels/flat_model.hpp"

namespace krohn {

/// The largest hidden size of dense_recurrence, and the most rows (symbols and the identity).
inline constexpr std::uint32_t dense_max_size = 16;
inline constexpr std::uint32_t dense_max_rows = 256;

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

/// Runs one dense layer over every word from `initial` [rows.size] and writes the hidden states [words][rows.size]
/// (signs of zeros unspecified; a run that met NaN or infinity leaves an element that is not finite). Returns the
/// kernel's milliseconds. Symbols must be below rows.rows.
double run_dense_cuda(const DenseRowsView& rows, StateFormat format, const float* initial, const DeviceWords& words,
                      std::span<float> hidden);

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
