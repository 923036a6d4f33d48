// Rounding of binary32 to binary16 and bfloat16, nearest with ties to even, and back: integer operations only, so that
// host, device and constant evaluation give the same bits. Subnormals are kept; overflow becomes infinity; every NaN
// becomes the quiet NaN of its sign with no payload.
#pragma once

#include <bit>
#include <cstdint>

#include "krohn/numeric/host_device.hpp"

namespace krohn {

/// The bit pattern of the binary16 value nearest to x.
KROHN_HOST_DEVICE constexpr std::uint16_t fp16_bits(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = (bits >> 16U) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  std::uint32_t rounded = 0;
  if (magnitude > 0x7F800000U) {
    rounded = 0x7E00U;
  } else if (magnitude >= 0x477FF000U) {  // 65520: half way from the largest finite value to 2^16
    rounded = 0x7C00U;
  } else if (magnitude >= 0x38800000U) {  // 2^-14, the least normal value
    const std::uint32_t rebiased = magnitude - 0x38000000U;
    rounded = (rebiased + 0xFFFU + ((rebiased >> 13U) & 1U)) >> 13U;
  } else if (magnitude > 0x33000000U) {  // above 2^-25, half of the least subnormal: a multiple of 2^-24 with ties
    const std::uint32_t significand = (magnitude & 0x7FFFFFU) | 0x800000U;
    const std::uint32_t shift = 126U - (magnitude >> 23U);
    const std::uint32_t rest = significand & ((1U << shift) - 1U);
    const std::uint32_t half = 1U << (shift - 1U);
    rounded = significand >> shift;
    rounded += static_cast<std::uint32_t>(rest > half || (rest == half && (rounded & 1U) != 0U));
  }
  return static_cast<std::uint16_t>(sign | rounded);
}

/// The binary32 value of a binary16 bit pattern (exact).
KROHN_HOST_DEVICE constexpr float fp16_value(std::uint16_t pattern) {
  const std::uint32_t sign = static_cast<std::uint32_t>(pattern & 0x8000U) << 16U;
  const std::uint32_t exponent = (pattern >> 10U) & 0x1FU;
  std::uint32_t fraction = pattern & 0x3FFU;
  if (exponent == 0x1FU) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13U));
  if (exponent != 0U) return std::bit_cast<float>(sign | ((exponent + 112U) << 23U) | (fraction << 13U));
  if (fraction == 0U) return std::bit_cast<float>(sign);
  std::uint32_t shifted_exponent = 113U;
  while ((fraction & 0x400U) == 0U) {
    fraction <<= 1U;
    --shifted_exponent;
  }
  return std::bit_cast<float>(sign | (shifted_exponent << 23U) | ((fraction & 0x3FFU) << 13U));
}

/// The bit pattern of the bfloat16 value nearest to x.
KROHN_HOST_DEVICE constexpr std::uint16_t bf16_bits(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>(((bits >> 16U) & 0x8000U) | 0x7FC0U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

/// The binary32 value of a bfloat16 bit pattern (exact).
KROHN_HOST_DEVICE constexpr float bf16_value(std::uint16_t pattern) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(pattern) << 16U);
}

/// The binary32 value nearest to x among the binary16 values.
KROHN_HOST_DEVICE constexpr float round_to_fp16(float x) { return fp16_value(fp16_bits(x)); }

/// The binary32 value nearest to x among the bfloat16 values.
KROHN_HOST_DEVICE constexpr float round_to_bf16(float x) { return bf16_value(bf16_bits(x)); }

/// True for NaN and the infinities, whatever the compiler's floating-point options.
KROHN_HOST_DEVICE constexpr bool is_not_finite(float x) {
  return (std::bit_cast<std::uint32_t>(x) & 0x7F800000U) == 0x7F800000U;
}

}  // namespace krohn
