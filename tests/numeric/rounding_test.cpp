// label: quick
// Rounding to 16-bit formats is to the nearest value with ties to even; products and sums are not contracted.
#include "krohn/numeric/rounding.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "krohn/kernels/flat_model.hpp"

namespace krohn {
namespace {

float float_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }

static_assert(fp16_bits(1.0F) == 0x3C00U && fp16_bits(-2.0F) == 0xC000U && fp16_bits(65520.0F) == 0x7C00U);
static_assert(bf16_bits(1.0F) == 0x3F80U && round_to_bf16(1.00390625F) == 1.0F);

// The value of a 16-bit pattern from the definition of the format, for fraction and exponent widths given.
double value_by_definition(std::uint32_t pattern, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const std::uint32_t exponent = (pattern >> fraction_bits) & ((1U << exponent_bits) - 1U);
  const std::uint32_t fraction = pattern & ((1U << fraction_bits) - 1U);
  const double sign = (pattern & 0x8000U) != 0U ? -1.0 : 1.0;
  if (exponent == 0U) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(fraction + (1U << fraction_bits), static_cast<int>(exponent) - bias - fraction_bits);
}

struct Format {
  int exponent_bits;
  int fraction_bits;
  std::uint16_t (*bits)(float);
  float (*value)(std::uint16_t);
  std::uint32_t infinity() const { return ((1U << exponent_bits) - 1U) << fraction_bits; }
};
std::uint16_t to_fp16(float x) { return fp16_bits(x); }
std::uint16_t to_bf16(float x) { return bf16_bits(x); }
float from_fp16(std::uint16_t p) { return fp16_value(p); }
float from_bf16(std::uint16_t p) { return bf16_value(p); }
const Format formats[] = {{5, 10, to_fp16, from_fp16}, {8, 7, to_bf16, from_bf16}};

TEST_CASE("every 16-bit pattern has the value that its format defines, and rounds to itself") {
  for (const Format& format : formats) {
    for (std::uint32_t pattern = 0; pattern < 0x10000U; ++pattern) {
      const auto p = static_cast<std::uint16_t>(pattern);
      const std::uint32_t magnitude = pattern & 0x7FFFU;
      if (magnitude > format.infinity()) {
        CHECK(std::isnan(format.value(p)));
        CHECK((format.bits(format.value(p)) & 0x7FFFU) > format.infinity());
        continue;
      }
      if (magnitude == format.infinity()) {
        CHECK(std::isinf(format.value(p)));
      } else {
        CHECK(static_cast<double>(format.value(p)) ==
              value_by_definition(pattern, format.exponent_bits, format.fraction_bits));
      }
      CHECK(format.bits(format.value(p)) == p);
    }
  }
}

TEST_CASE("every midpoint rounds to even, its neighbours to the nearer side") {
  for (const Format& format : formats) {
    for (std::uint32_t pattern = 0; pattern < format.infinity(); ++pattern) {
      // The midpoint of two neighbours has one fraction bit more, so it is a binary32 value; beyond the largest
      // finite value the next one is where the format's infinity stands: 2^emax+1 by its bits.
      const double low = value_by_definition(pattern, format.exponent_bits, format.fraction_bits);
      const double high = value_by_definition(pattern + 1, format.exponent_bits, format.fraction_bits);
      const auto middle = static_cast<float>((low + high) / 2);
      if (std::isinf(middle)) continue;  // bfloat16's last midpoint, tested below
      REQUIRE(static_cast<double>(middle) == (low + high) / 2);
      const std::uint32_t even = (pattern & 1U) == 0U ? pattern : pattern + 1;
      const float below = std::nextafter(middle, 0.0F);
      const float above = std::nextafter(middle, std::numeric_limits<float>::infinity());
      for (const std::uint32_t sign : {0U, 0x8000U}) {
        const float s = sign != 0U ? -1.0F : 1.0F;
        CHECK(format.bits(s * middle) == (sign | even));
        CHECK(format.bits(s * below) == (sign | pattern));
        CHECK(format.bits(s * above) == (sign | (pattern + 1)));
      }
    }
  }
  CHECK(bf16_bits(float_of(0x7F7F8000U)) == 0x7F80U);
  CHECK(bf16_bits(float_of(0x7F7F7FFFU)) == 0x7F7FU);
}

TEST_CASE("binary16 rounding equals the compiler's own on random patterns") {
  std::mt19937 random(1);
  for (int i = 0; i < 2'000'000; ++i) {
    const float x = float_of(static_cast<std::uint32_t>(random()));
    if (std::isnan(x)) continue;
    __extension__ const auto expected = static_cast<_Float16>(x);
    REQUIRE(fp16_bits(x) == std::bit_cast<std::uint16_t>(expected));
  }
}

// With a = b = 1 + 2^-12, the rounded product is 1 + 2^-11 and the exact one 2^-24 more.
constexpr float a = 1.000244140625F;
constexpr float c = -1.00048828125F;

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2,fma"), noinline)) float product_and_sum(float x, float y, float z) { return x * y + z; }
__attribute__((target("avx2,fma"), noinline)) float one_rounding(float x, float y, float z) { return fused(x, y, z); }
bool can_contract() { return __builtin_cpu_supports("fma") != 0; }
#else
[[gnu::noinline]] float product_and_sum(float x, float y, float z) { return x * y + z; }
[[gnu::noinline]] float one_rounding(float x, float y, float z) { return fused(x, y, z); }
bool can_contract() { return true; }
#endif

TEST_CASE("a product and a sum are two roundings even where the machine could fuse them; fused() is one") {
  CHECK(fused(a, a, c) == 0x1p-24F);
  if (can_contract()) {
    CHECK(product_and_sum(a, a, c) == 0.0F);
    CHECK(one_rounding(a, a, c) == 0x1p-24F);
  }
}

}  // namespace
}  // namespace krohn
