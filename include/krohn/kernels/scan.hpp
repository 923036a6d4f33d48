// The prefix scan of affine maps on the CUDA device. Every function throws DeviceError where there is no device, or a
// call to it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "krohn/kernels/dense_rows.hpp"

namespace krohn {

/// The largest hidden size of MapScan.
inline constexpr std::uint32_t map_scan_max_size = 8;

/// Multiplies the maps of a sequence of rows. The caller has established that the products are exact.
class MapScan {
 public:
  /// `affine` if some row has values or writes. `capacity`: the most symbols on the device at a time.
  MapScan(const DenseRowsView& rows, bool affine, std::size_t capacity);
  ~MapScan();
  MapScan(const MapScan&) = delete;
  MapScan& operator=(const MapScan&) = delete;

  /// hidden [size] <- the map of `symbols` applied to hidden.
  void advance(std::span<const std::uint8_t> symbols, std::span<float> hidden);
  /// The same for `count` uniform random symbols made on the device beforehand (of the first row numbers, without the
  /// identity); returns the milliseconds of maps, scan and product. For measurements.
  double advance_random(std::size_t count, std::uint64_t seed, std::span<float> hidden);
  /// Copies back the symbols of the last call.
  void symbols(std::span<std::uint8_t> out) const;

  struct Memory;

 private:
  std::unique_ptr<Memory> memory_;
};

}  // namespace krohn
