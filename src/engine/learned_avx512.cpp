// The forward pass with AVX-512: sixteen words to a register, in one register a number or in two, which share each
// weight that is read and hide each other's latency. Each lane does the canonical form's operations in the canonical
// order. What is compiled for these instructions, and how it is kept from other callers, is as in learned_avx2.cpp.
// Tested by tests/engine/learned_test.cpp.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "cpu_features.hpp"
#include "krohn/error.hpp"
#include "krohn/model/program.hpp"
#include "learned_pass.hpp"

#if defined(KROHN_HAVE_AVX2_TARGET)

#include <immintrin.h>

// GCC 12 takes the intrinsics' own undefined operands (_mm512_undefined_ps) for uninitialized variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")

#include "krohn/numeric/transcendental.hpp"

namespace krohn {
namespace {

#define KROHN_INLINE [[gnu::always_inline]] inline

struct alignas(64) Sixteen {
  __m512 v;
  Sixteen() = default;
  KROHN_INLINE explicit Sixteen(float x) : v(_mm512_set1_ps(x)) {}
  KROHN_INLINE explicit Sixteen(__m512 x) : v(x) {}
};
struct Mask {
  __mmask16 v;
};
KROHN_INLINE Sixteen operator+(Sixteen a, Sixteen b) { return Sixteen(_mm512_add_ps(a.v, b.v)); }
KROHN_INLINE Sixteen operator-(Sixteen a, Sixteen b) { return Sixteen(_mm512_sub_ps(a.v, b.v)); }
KROHN_INLINE Sixteen operator*(Sixteen a, Sixteen b) { return Sixteen(_mm512_mul_ps(a.v, b.v)); }
KROHN_INLINE Sixteen fused(Sixteen a, Sixteen b, Sixteen c) { return Sixteen(_mm512_fmadd_ps(a.v, b.v, c.v)); }
KROHN_INLINE Sixteen quotient(Sixteen a, Sixteen b) { return Sixteen(_mm512_div_ps(a.v, b.v)); }
KROHN_INLINE Sixteen square_root(Sixteen a) { return Sixteen(_mm512_sqrt_ps(a.v)); }
KROHN_INLINE Mask less(Sixteen a, Sixteen b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
KROHN_INLINE Sixteen select(Mask m, Sixteen a, Sixteen b) { return Sixteen(_mm512_mask_blend_ps(m.v, b.v, a.v)); }
KROHN_INLINE Sixteen absolute(Sixteen a) { return Sixteen(_mm512_abs_ps(a.v)); }
KROHN_INLINE Sixteen scale(Sixteen value, Sixteen shifted) {
  const __m512i n = _mm512_sub_epi32(_mm512_castps_si512(shifted.v), _mm512_set1_epi32(0x4B400000));
  const __m512i half = _mm512_srai_epi32(n, 1);
  const __m512i bias = _mm512_set1_epi32(127);
  const __m512i first = _mm512_slli_epi32(_mm512_add_epi32(half, bias), 23);
  const __m512i second = _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(n, half), bias), 23);
  return Sixteen(_mm512_mul_ps(_mm512_mul_ps(value.v, _mm512_castsi512_ps(first)), _mm512_castsi512_ps(second)));
}
KROHN_INLINE numeric::Split<Sixteen> split(Sixteen x) {
  const __m512i i = _mm512_castps_si512(x.v);
  const __m512i e = _mm512_srai_epi32(_mm512_sub_epi32(i, _mm512_set1_epi32(0x3F3504F3)), 23);
  const __m512i m = _mm512_sub_epi32(i, _mm512_slli_epi32(e, 23));
  return {Sixteen(_mm512_castsi512_ps(m)), Sixteen(_mm512_cvtepi32_ps(e))};
}

/// Two registers as one number.
struct ThirtyTwo {
  Sixteen low;
  Sixteen high;
  ThirtyTwo() = default;
  KROHN_INLINE explicit ThirtyTwo(float x) : low(x), high(x) {}
  KROHN_INLINE ThirtyTwo(Sixteen l, Sixteen h) : low(l), high(h) {}
};
struct MaskPair {
  Mask low;
  Mask high;
};
using Pair = ThirtyTwo;
KROHN_INLINE Pair operator+(Pair a, Pair b) { return {a.low + b.low, a.high + b.high}; }
KROHN_INLINE Pair operator-(Pair a, Pair b) { return {a.low - b.low, a.high - b.high}; }
KROHN_INLINE Pair operator*(Pair a, Pair b) { return {a.low * b.low, a.high * b.high}; }
KROHN_INLINE Pair fused(Pair a, Pair b, Pair c) { return {fused(a.low, b.low, c.low), fused(a.high, b.high, c.high)}; }
KROHN_INLINE Pair quotient(Pair a, Pair b) { return {quotient(a.low, b.low), quotient(a.high, b.high)}; }
KROHN_INLINE Pair square_root(Pair a) { return {square_root(a.low), square_root(a.high)}; }
KROHN_INLINE MaskPair less(Pair a, Pair b) { return {less(a.low, b.low), less(a.high, b.high)}; }
KROHN_INLINE Pair select(MaskPair m, Pair a, Pair b) {
  return {select(m.low, a.low, b.low), select(m.high, a.high, b.high)};
}
KROHN_INLINE Pair absolute(Pair a) { return {absolute(a.low), absolute(a.high)}; }
KROHN_INLINE Pair scale(Pair value, Pair shifted) {
  return {scale(value.low, shifted.low), scale(value.high, shifted.high)};
}
KROHN_INLINE numeric::Split<Pair> split(Pair x) {
  const numeric::Split<Sixteen> low = split(x.low);
  const numeric::Split<Sixteen> high = split(x.high);
  return {{low.mantissa, high.mantissa}, {low.exponent, high.exponent}};
}

}  // namespace

template <>
struct numeric::ScalarOf<Sixteen> {
  using Type = float;
};
template <>
struct numeric::ScalarOf<ThirtyTwo> {
  using Type = float;
};

}  // namespace krohn

#include "learned_pass_of.hpp"

namespace krohn {
namespace {

/// Sixteen words or thirty-two.
template <class N>
struct ManyWords : WordsTogether<N> {
  static constexpr std::size_t registers = WordsTogether<N>::lanes / 16;
  // One permutation of a register.
  static void look_up(const float* table, std::size_t size, std::size_t, const std::uint32_t* tokens, N* y) {
    __m512i token[registers];
    for (std::size_t r = 0; r < registers; ++r) token[r] = _mm512_loadu_si512(tokens + 16 * r);
    float* out = reinterpret_cast<float*>(y);
    for (std::size_t i = 0; i < size; ++i, table += WordsTogether<N>::tabulated_tokens) {
      const __m512 values = _mm512_loadu_ps(table);
      for (std::size_t r = 0; r < registers; ++r, out += 16) {
        _mm512_store_ps(out, _mm512_permutexvar_ps(token[r], values));
      }
    }
  }
};

}  // namespace

std::unique_ptr<LearnedPass<float>> make_avx512_batch(const Program& model, std::size_t words) {
  if (words <= 16) return std::make_unique<LearnedPassOf<float, ManyWords<Sixteen>>>(model);
  return std::make_unique<LearnedPassOf<float, ManyWords<ThirtyTwo>>>(model);
}

}  // namespace krohn

#pragma GCC pop_options
#pragma GCC diagnostic pop

#else

namespace krohn {

std::unique_ptr<LearnedPass<float>> make_avx512_batch(const Program&, std::size_t) {
  throw InternalError("this build has no AVX-512 code");
}

}  // namespace krohn

#endif
