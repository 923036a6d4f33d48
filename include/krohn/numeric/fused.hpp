// a * b + c with one rounding, the primitive that every run rests on: an instruction where the machine has one, else
// the C library's function, which rounds once too. On WebAssembly, which has neither instruction nor a library that is
// right for subnormal results in fp32, fp32 goes by doubles.
//
// A build must neither contract a * b + c nor reorder sums (-ffp-contract=off, nvcc -fmad=false, no fast math).
#pragma once

#include <bit>
#include <cstdint>

#include "krohn/numeric/host_device.hpp"

namespace krohn::numeric {

/// a * b + c, rounded once, by operations on doubles. The product of two floats is a double. Its sum with c is rounded
/// to odd: where it is not a double, to the one of its two neighbours whose last bit is set (Boldo and Melquiond 2008,
/// "Emulation of FMA and correctly rounded sums"). A double has 53 bits, at least two more than twice the 24 of a float
/// and so than any subnormal float, so that the second rounding gives what one alone would. What the first rounding
/// left is the exact error of a sum (Knuth's TwoSum), and NaN where a number is not finite.
KROHN_ALWAYS_INLINE float fused_in_double(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = static_cast<double>(c);
  const double sum = product + addend;
  const double back = sum - product;
  const double rest = (product - (sum - back)) + (addend - back);
  auto bits = std::bit_cast<std::int64_t>(sum);
  const bool inexact = rest > 0.0 || rest < 0.0;
  const bool outward = (rest > 0.0) == (sum > 0.0);
  bits += inexact && (bits & 1) == 0 ? (outward ? 1 : -1) : 0;
  return static_cast<float>(std::bit_cast<double>(bits));
}

/// a * b + c, rounded once.
KROHN_INLINE_DEVICE float fused(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  return __fmaf_rn(a, b, c);
#elif defined(__wasm__)
  return fused_in_double(a, b, c);
#else
  return __builtin_fmaf(a, b, c);
#endif
}
KROHN_INLINE_DEVICE double fused(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
  return __fma_rn(a, b, c);
#else
  return __builtin_fma(a, b, c);
#endif
}

}  // namespace krohn::numeric
