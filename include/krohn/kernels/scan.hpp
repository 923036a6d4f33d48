// Walks of a transition table over one long sequence on the CUDA device, piece by piece. Every function throws
// DeviceError where there is no device, or a call to it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace krohn {

/// The elements of a finite monoid of transformations, element 0 the identity, and what multiplies them:
/// right[e * num_symbols + a] is e followed by symbol a, and every element but 0 is the symbol first[e] followed by the
/// element rest[e].
struct MonoidView {
  std::uint32_t num_elements = 0;
  std::uint32_t num_symbols = 0;
  const std::uint32_t* right = nullptr;
  const std::uint32_t* first = nullptr;
  const std::uint32_t* rest = nullptr;
};

/// A machine as a table: next[q * num_symbols + a].
struct MachineView {
  std::uint32_t num_states = 0;
  std::uint32_t num_symbols = 0;
  const std::uint32_t* next = nullptr;
};

/// The most symbols of an alphabet: one a byte.
inline constexpr std::uint32_t piece_scan_max_symbols = 256;
/// The most entries of a table.
inline constexpr std::uint64_t piece_scan_max_entries = std::uint64_t{1} << 26U;
/// The most states of a machine that is walked from every state.
inline constexpr std::uint32_t piece_scan_max_states = 1U << 16U;

/// What a sequence does to a machine's states, found without knowing the state before it.
struct PieceEffect {
  /// With a monoid: the element.
  std::uint32_t element = 0;
  /// Without: the state that each state becomes.
  std::vector<std::uint32_t> image;
};

/// Walks a machine over sequences of symbols. With a monoid, each piece of a sequence is walked once, from the
/// identity, and the pieces' elements are multiplied by a prefix scan; without, each piece is walked from every state.
class PieceScan {
 public:
  /// `capacity`: the most symbols on the device at a time. `monoid` may be null; its generators are the machine's.
  PieceScan(const MachineView& machine, const MonoidView* monoid, std::size_t capacity);
  ~PieceScan();
  PieceScan(const PieceScan&) = delete;
  PieceScan& operator=(const PieceScan&) = delete;

  /// Of `symbols`, which are valid and at most `capacity`.
  PieceEffect effect(std::span<const std::uint8_t> symbols);
  /// The state after `count` uniform random symbols, made on the device beforehand, from `state`; adds the milliseconds
  /// of walks and scan. For measurements.
  std::uint32_t advance_random(std::size_t count, std::uint64_t seed, std::uint32_t state, double& milliseconds);
  /// Copies back the symbols of the last call.
  void symbols(std::span<std::uint8_t> out) const;

  struct Memory;

 private:
  std::unique_ptr<Memory> memory_;
};

}  // namespace krohn
