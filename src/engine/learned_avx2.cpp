// The forward pass with AVX2 and FMA: eight (in double four) neighbouring columns of one word, or eight words at once.
// Each lane does the canonical form's operations in the canonical order, so the bits are those of one number at a time.
//
// Only what is defined after the pragma is compiled for these instructions. Of that, what other files share is always
// inlined, or is a template instantiated here on types of this file: no code with these instructions can be linked in
// for another caller. Tested by tests/engine/learned_test.cpp.
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

#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")

#include "krohn/numeric/transcendental.hpp"

namespace krohn {
namespace {

/// Eight floats. The alignment is said, since allocators read it from the type.
struct alignas(32) Eight {
  __m256 v;
  Eight() = default;
  explicit Eight(float x) : v(_mm256_set1_ps(x)) {}
  explicit Eight(__m256 x) : v(x) {}
};
struct Mask {
  __m256 v;
};
#define KROHN_INLINE [[gnu::always_inline]] inline
KROHN_INLINE Eight operator+(Eight a, Eight b) { return Eight(_mm256_add_ps(a.v, b.v)); }
KROHN_INLINE Eight operator-(Eight a, Eight b) { return Eight(_mm256_sub_ps(a.v, b.v)); }
KROHN_INLINE Eight operator*(Eight a, Eight b) { return Eight(_mm256_mul_ps(a.v, b.v)); }
KROHN_INLINE Eight fused(Eight a, Eight b, Eight c) { return Eight(_mm256_fmadd_ps(a.v, b.v, c.v)); }
KROHN_INLINE Eight quotient(Eight a, Eight b) { return Eight(_mm256_div_ps(a.v, b.v)); }
KROHN_INLINE Eight square_root(Eight a) { return Eight(_mm256_sqrt_ps(a.v)); }
KROHN_INLINE Mask less(Eight a, Eight b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
KROHN_INLINE Eight select(Mask m, Eight a, Eight b) { return Eight(_mm256_blendv_ps(b.v, a.v, m.v)); }
KROHN_INLINE Eight absolute(Eight a) {
  return Eight(_mm256_and_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF))));
}
KROHN_INLINE Eight scale(Eight value, Eight shifted) {
  const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(shifted.v), _mm256_set1_epi32(0x4B400000));
  const __m256i half = _mm256_srai_epi32(n, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias), 23);
  return Eight(_mm256_mul_ps(_mm256_mul_ps(value.v, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second)));
}
KROHN_INLINE numeric::Split<Eight> split(Eight x) {
  const __m256i i = _mm256_castps_si256(x.v);
  const __m256i e = _mm256_srai_epi32(_mm256_sub_epi32(i, _mm256_set1_epi32(0x3F3504F3)), 23);
  const __m256i m = _mm256_sub_epi32(i, _mm256_slli_epi32(e, 23));
  return {Eight(_mm256_castsi256_ps(m)), Eight(_mm256_cvtepi32_ps(e))};
}

/// Four doubles.
struct alignas(32) Four {
  __m256d v;
  Four() = default;
  explicit Four(double x) : v(_mm256_set1_pd(x)) {}
  explicit Four(__m256d x) : v(x) {}
};
struct MaskOfFour {
  __m256d v;
};
KROHN_INLINE Four operator+(Four a, Four b) { return Four(_mm256_add_pd(a.v, b.v)); }
KROHN_INLINE Four operator-(Four a, Four b) { return Four(_mm256_sub_pd(a.v, b.v)); }
KROHN_INLINE Four operator*(Four a, Four b) { return Four(_mm256_mul_pd(a.v, b.v)); }
KROHN_INLINE Four fused(Four a, Four b, Four c) { return Four(_mm256_fmadd_pd(a.v, b.v, c.v)); }
KROHN_INLINE Four quotient(Four a, Four b) { return Four(_mm256_div_pd(a.v, b.v)); }
KROHN_INLINE Four square_root(Four a) { return Four(_mm256_sqrt_pd(a.v)); }
KROHN_INLINE MaskOfFour less(Four a, Four b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
KROHN_INLINE Four select(MaskOfFour m, Four a, Four b) { return Four(_mm256_blendv_pd(b.v, a.v, m.v)); }
KROHN_INLINE Four absolute(Four a) {
  return Four(_mm256_and_pd(a.v, _mm256_castsi256_pd(_mm256_set1_epi64x(0x7FFFFFFFFFFFFFFF))));
}
KROHN_INLINE Four scale(Four value, Four shifted) {
  // |n| is below 2^11. There is no arithmetic shift of 64 bits: the lower 32 bits are shifted, the upper ones leave
  // with the shift to the exponent's place.
  const __m256i n = _mm256_sub_epi64(_mm256_castpd_si256(shifted.v), _mm256_set1_epi64x(0x4338000000000000));
  const __m256i half = _mm256_srai_epi32(n, 1);
  const __m256i bias = _mm256_set1_epi32(1023);
  const __m256i first = _mm256_slli_epi64(_mm256_add_epi32(half, bias), 52);
  const __m256i second = _mm256_slli_epi64(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias), 52);
  return Four(_mm256_mul_pd(_mm256_mul_pd(value.v, _mm256_castsi256_pd(first)), _mm256_castsi256_pd(second)));
}
KROHN_INLINE numeric::Split<Four> split(Four x) {
  const __m256i i = _mm256_castpd_si256(x.v);
  const __m256i d = _mm256_sub_epi64(i, _mm256_set1_epi64x(0x3FE6A09E667F3BCD));
  const __m256i m = _mm256_sub_epi64(i, _mm256_and_si256(d, _mm256_set1_epi64x(static_cast<long long>(~0ULL << 52))));
  const __m256i upper =
      _mm256_permutevar8x32_epi32(_mm256_srai_epi32(d, 20), _mm256_setr_epi32(1, 3, 5, 7, 1, 3, 5, 7));
  return {Four(_mm256_castsi256_pd(m)), Four(_mm256_cvtepi32_pd(_mm256_castsi256_si128(upper)))};
}

}  // namespace

template <>
struct numeric::ScalarOf<Eight> {
  using Type = float;
};
template <>
struct numeric::ScalarOf<Four> {
  using Type = double;
};

}  // namespace krohn

#include "learned_pass_of.hpp"

namespace krohn {
namespace {

/// One word; eight neighbouring numbers at once where they do the same.
struct OneWord {
  using Number = float;
  using Weight = float;
  using Wide = Eight;
  static constexpr std::size_t width = 8;
  static constexpr std::size_t lanes = 1;
  static float weight(float x) { return x; }
  static float constant(double x) { return static_cast<float>(x); }
  static Eight load(const float* p) { return Eight(_mm256_loadu_ps(p)); }
  static void store(float* p, Eight x) { _mm256_storeu_ps(p, x.v); }
  static Eight spread(float x) { return Eight(x); }
  static Eight weights(const float* p) { return Eight(_mm256_loadu_ps(p)); }
  static float gather(const float* row, const std::uint32_t* tokens, std::size_t) { return row[*tokens]; }
  // [vocabulary][size]
  static constexpr std::size_t tabulated_tokens = 256;
  static std::size_t table_size(std::size_t size, std::size_t vocabulary) { return vocabulary * size; }
  static void record(float* table, std::size_t size, std::size_t, std::size_t token, const float* y) {
    std::copy_n(y, size, table + token * size);
  }
  static void look_up(const float* table, std::size_t size, std::size_t, const std::uint32_t* tokens, float* y) {
    std::copy_n(table + *tokens * size, size, y);
  }
};

struct EightWords : WordsTogether<Eight> {
  // One permutation of a register a half.
  static void look_up(const float* table, std::size_t size, std::size_t, const std::uint32_t* tokens, Eight* y) {
    const __m256i token = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tokens));
    const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(token, 28));
    for (std::size_t i = 0; i < size; ++i, table += tabulated_tokens) {
      const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), token);
      const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), token);
      y[i] = Eight(_mm256_blendv_ps(low, high, upper));
    }
  }
};

/// One word in double, four neighbouring numbers at once.
struct OneWordInDouble {
  using Number = double;
  using Weight = double;
  using Wide = Four;
  static constexpr std::size_t width = 4;
  static constexpr std::size_t lanes = 1;
  static constexpr std::size_t tabulated_tokens = 0;
  static double weight(float x) { return x; }
  static double constant(double x) { return x; }
  static Four load(const double* p) { return Four(_mm256_loadu_pd(p)); }
  static void store(double* p, Four x) { _mm256_storeu_pd(p, x.v); }
  static Four spread(double x) { return Four(x); }
  static Four weights(const float* p) { return Four(_mm256_cvtps_pd(_mm_loadu_ps(p))); }
  static Four weights(const double* p) { return Four(_mm256_loadu_pd(p)); }
  static double gather(const float* row, const std::uint32_t* tokens, std::size_t) { return row[*tokens]; }
};

}  // namespace

std::unique_ptr<LearnedPass<float>> make_avx2_pass(const Program& model) {
  return std::make_unique<LearnedPassOf<float, OneWord>>(model);
}
std::unique_ptr<LearnedPass<float>> make_avx2_batch(const Program& model) {
  return std::make_unique<LearnedPassOf<float, EightWords>>(model);
}
std::unique_ptr<LearnedPass<double>> make_avx2_double_pass(const Program& model) {
  return std::make_unique<LearnedPassOf<double, OneWordInDouble>>(model);
}

}  // namespace krohn

#pragma GCC pop_options

#else

namespace krohn {

std::unique_ptr<LearnedPass<float>> make_avx2_pass(const Program&) {
  throw InternalError("this build has no AVX2 code");
}
std::unique_ptr<LearnedPass<float>> make_avx2_batch(const Program&) {
  throw InternalError("this build has no AVX2 code");
}
std::unique_ptr<LearnedPass<double>> make_avx2_double_pass(const Program&) {
  throw InternalError("this build has no AVX2 code");
}

}  // namespace krohn

#endif
