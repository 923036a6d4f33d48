// label: quick
// A fused multiply-add rounds the exact value of a * b + c once, to nearest, ties to even: against integers of any
// size, where random numbers seldom go: halfway between floats, just beside it by less than a double can say, at the
// ends of the exponents, in the subnormal numbers and where everything cancels.
#include "krohn/numeric/fused.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace krohn {
namespace {

using boost::multiprecision::cpp_int;

/// significand * 2^exponent, exactly.
struct Exact {
  cpp_int significand;
  int exponent = 0;
};

template <class T>
Exact exact(T x) {
  int exponent = 0;
  const T fraction = std::frexp(x, &exponent);
  return {cpp_int(static_cast<std::int64_t>(std::ldexp(fraction, std::numeric_limits<T>::digits))),
          exponent - std::numeric_limits<T>::digits};
}

Exact operator*(const Exact& a, const Exact& b) { return {a.significand * b.significand, a.exponent + b.exponent}; }

Exact operator+(const Exact& a, const Exact& b) {
  const int least = std::min(a.exponent, b.exponent);
  return {cpp_int(a.significand << (a.exponent - least)) + cpp_int(b.significand << (b.exponent - least)), least};
}

/// To nearest, ties to even; the sign of a zero is not looked at.
template <class T>
T rounded(const Exact& value) {
  const bool negative = value.significand < 0;
  cpp_int magnitude = abs(value.significand);
  if (magnitude == 0) return T(0);
  int exponent = value.exponent;
  const int top = static_cast<int>(msb(magnitude)) + 1 + exponent;  // magnitude * 2^exponent < 2^top
  const int unit = std::max(top - std::numeric_limits<T>::digits,
                            std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits);
  if (exponent < unit) {
    const int dropped = unit - exponent;
    cpp_int half = 1;
    half <<= dropped - 1;
    const cpp_int rest = magnitude % (2 * half);
    magnitude >>= dropped;
    if (rest > half || (rest == half && (magnitude & 1) == 1)) ++magnitude;
    exponent = unit;
  }
  const T result = std::ldexp(static_cast<T>(static_cast<std::uint64_t>(magnitude)), exponent);
  return negative ? -result : result;
}

/// Significands with few bits or with nearly all of them, so that ties come up.
template <class T>
T random_number(std::mt19937_64& random, int least_exponent, int most_exponent) {
  constexpr int digits = std::numeric_limits<T>::digits;
  std::uint64_t significand = (random() >> (64 - digits)) | (std::uint64_t{1} << (digits - 1));
  switch (random() % 4) {
    case 0:
      significand &= ~std::uint64_t{0} << (random() % digits);
      break;
    case 1:
      significand |= (std::uint64_t{1} << (random() % digits)) - 1;
      break;
    default:
      break;
  }
  const int exponent =
      least_exponent + static_cast<int>(random() % static_cast<unsigned>(most_exponent - least_exponent));
  const T result = std::ldexp(static_cast<T>(significand), exponent - digits);
  return (random() & 1U) != 0 ? result : -result;
}

template <class T, class Fused>
void check_against_integers(std::uint64_t seed, const Fused& fused) {
  std::mt19937_64 random(seed);
  const int least = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
  const int most = std::numeric_limits<T>::max_exponent;
  std::size_t subnormal = 0;
  std::size_t inexact = 0;
  for (int i = 0; i < 200'000; ++i) {
    // Everywhere; near each other; a product that falls beside the last bits of c; subnormal results.
    const int kind = i % 4;
    const T a = kind == 0 ? random_number<T>(random, least, most) : random_number<T>(random, -4, 4);
    T b = kind == 0 ? random_number<T>(random, least, most) : random_number<T>(random, -4, 4);
    T c = kind == 0 ? random_number<T>(random, least, most) : random_number<T>(random, -4, 4);
    if (kind == 2) b = std::ldexp(b, -std::numeric_limits<T>::digits - static_cast<int>(random() % 8));
    if (kind == 3) {
      b = std::ldexp(b, least + static_cast<int>(random() % 40));
      c = std::ldexp(c, least + static_cast<int>(random() % 40));
    }
    const Exact value = exact(a) * exact(b) + exact(c);
    const T expected = rounded<T>(value);
    const T got = fused(a, b, c);
    if (got != expected) {
      CAPTURE(a);
      CAPTURE(b);
      CAPTURE(c);
      CHECK(got == expected);
      return;
    }
    subnormal += expected != 0 && std::fabs(expected) < std::numeric_limits<T>::min() ? 1U : 0U;
    inexact += std::isfinite(expected) && exact(expected).significand != value.significand ? 1U : 0U;
  }
  // The test meets what it is about.
  CHECK(subnormal > 1000);
  CHECK(inexact > 100'000);
}

TEST_CASE("fused multiply-adds are the exact value rounded once") {
  SUBCASE("fp32, as everything runs it") {
    check_against_integers<float>(1, [](float a, float b, float c) { return numeric::fused(a, b, c); });
  }
  SUBCASE("fp32, by doubles") { check_against_integers<float>(2, numeric::fused_in_double); }
  SUBCASE("double") {
    check_against_integers<double>(3, [](double a, double b, double c) { return numeric::fused(a, b, c); });
  }
}

// (1 + 2^-20)(1 - 2^-20) = 1 - 2^-40: below halfway by less than a double of the sum can say. Two roundings would meet
// a tie and go to the even neighbour.
TEST_CASE("by doubles, what lies just beside a tie of subnormal floats goes to its own side") {
  const float a = std::ldexp(1.0F + std::ldexp(1.0F, -20), -75);
  const float b = std::ldexp(1.0F - std::ldexp(1.0F, -20), -75);
  for (const int odd : {4'194'303, 5'000'001, 8'388'607}) {
    const float c = std::ldexp(static_cast<float>(odd), -149);
    CHECK(static_cast<float>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c)) != c);
    CHECK(numeric::fused_in_double(a, b, c) == c);
    CHECK(numeric::fused(a, b, c) == c);
  }
}

TEST_CASE("by doubles, zeros keep their signs and what is not finite goes through") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const float numbers[] = {0.0F,
                           -0.0F,
                           1.0F,
                           -1.0F,
                           std::numeric_limits<float>::denorm_min(),
                           std::numeric_limits<float>::max(),
                           -std::numeric_limits<float>::max(),
                           infinity,
                           -infinity,
                           nan};
  for (const float a : numbers) {
    for (const float b : numbers) {
      for (const float c : numbers) {
        const float expected = std::fma(a, b, c);
        const float got = numeric::fused_in_double(a, b, c);
        if (std::isnan(expected)) {
          CHECK(std::isnan(got));
        } else {
          CHECK(std::bit_cast<std::uint32_t>(got) == std::bit_cast<std::uint32_t>(expected));
        }
      }
    }
  }
}

}  // namespace
}  // namespace krohn
