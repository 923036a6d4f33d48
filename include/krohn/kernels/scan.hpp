// Walks of one long sequence on the CUDA device, piece by piece, each piece without knowing what came before it. Every
// function throws DeviceError where there is no device, or a call to it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "krohn/kernels/machine_view.hpp"

namespace krohn {

/// The most entries of a table.
inline constexpr std::uint64_t piece_scan_max_entries = std::uint64_t{1} << 26U;
/// The most states of a machine that is walked from every state.
inline constexpr std::uint32_t piece_scan_max_states = 1U << 16U;

/// What a sequence does: one of these, by the form of the scan.
struct PieceEffect {
  /// By points: where each is moved.
  PointImages points{};
  /// By a monoid: the element.
  std::uint32_t element = 0;
  /// By states: the state that each state becomes.
  std::vector<std::uint32_t> image;
};

/// Walks sequences of symbols. By points or a monoid, each piece of a sequence is walked once, from the identity, and
/// what the pieces do is multiplied by a prefix scan; by states, each piece is walked from every state.
class PieceScan {
 public:
  /// `capacity`: the most symbols on the device at a time, in each form.
  PieceScan(const PointsView& points, std::size_t capacity);
  PieceScan(const MonoidView& monoid, std::size_t capacity);
  PieceScan(const MachineView& machine, std::size_t capacity);
  ~PieceScan();
  PieceScan(const PieceScan&) = delete;
  PieceScan& operator=(const PieceScan&) = delete;

  /// Of `symbols`, which are valid and at most `capacity`.
  PieceEffect effect(std::span<const std::uint8_t> symbols);
  /// Of `count` uniform random symbols, made on the device beforehand; adds the milliseconds of walks and scan. For
  /// measurements.
  PieceEffect effect_of_random(std::size_t count, std::uint64_t seed, double& milliseconds);
  /// Copies back the symbols of the last call.
  void symbols(std::span<std::uint8_t> out) const;

  struct Memory;

 private:
  std::unique_ptr<Memory> memory_;
};

}  // namespace krohn
