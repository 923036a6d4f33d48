// The project's one generator of reproducible random numbers (Steele, Lea and Flood 2014): the same numbers on every
// machine and with every standard library.
#pragma once

#include <cstdint>

namespace krohn {

/// SplitMix64; each output is uniform over all 64-bit values.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  /// The generator of seed + n * increment gives the numbers from the n-th one on, counted from 0.
  static constexpr std::uint64_t increment = 0x9E3779B97F4A7C15U;

  std::uint64_t next() {
    state_ += increment;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

 private:
  std::uint64_t state_;
};

}  // namespace krohn
