// The transcendental functions of learned models, for host and device, with the same bits everywhere.
//
// Host and device libraries round exp, log and tanh differently, so a label computed with them is a fact about a
// library. Here every function is a fixed sequence of correctly rounded operations (add, multiply, fused
// multiply-add, divide, square root, round to nearest even), exact scaling by powers of two, and selections; no
// branch depends on a value, so the same text runs on one number or on a vector of them, and the bits are the same.
// A build must neither contract a * b + c nor reorder sums (-ffp-contract=off, nvcc -fmad=false, no fast math).
//
// Error bounds, in units in the last place of the exact result where it is a normal number. They are sums of the
// roundings in each formula (half a unit each, amplified where the comment says so) plus the truncation of its
// series, and the tests measure them against a higher precision:
//
//   exp 1.25, log 1, log1p 1.5, softplus 2, log_sigmoid 2, sigmoid 2.5, silu 4, tanh 3, rsqrt 1.5, erf 3,
//   sine and cosine 2 up to 2^22 (2^50 in double)
//   gelu: 3 units in the last place of |x| (absolute: 1 + erf cancels where x is negative); gelu_tanh 6
//
// NaN gives NaN. Infinities give the limits (silu and gelu of minus infinity, a product of zero and infinity, NaN).
// exp rounds once into the subnormal range; log and log1p take subnormal arguments.
//
// The functions are templates over a number type with the primitives below: float and double here, and vector
// types that bring primitives of their own in their namespace.
#pragma once

#include <cstdint>

#include "krohn/numeric/fused.hpp"

namespace krohn::numeric {

/// The scalar whose precision a number type has; vector types specialise it.
template <class Number>
struct ScalarOf {
  using Type = Number;
};
template <class Number>
using Scalar = typename ScalarOf<Number>::Type;

template <class Number>
inline constexpr bool single_precision = sizeof(Scalar<Number>) == sizeof(float);

// ---- primitives of float and double -------------------------------------------------------------------------------

/// a / b, correctly rounded.
KROHN_INLINE_DEVICE float quotient(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}
KROHN_INLINE_DEVICE double quotient(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __ddiv_rn(a, b);
#else
  return a / b;
#endif
}

/// The correctly rounded square root.
KROHN_INLINE_DEVICE float square_root(float x) {
#if defined(__CUDA_ARCH__)
  return __fsqrt_rn(x);
#else
  return __builtin_sqrtf(x);
#endif
}
KROHN_INLINE_DEVICE double square_root(double x) {
#if defined(__CUDA_ARCH__)
  return __dsqrt_rn(x);
#else
  return __builtin_sqrt(x);
#endif
}

KROHN_INLINE_DEVICE bool less(float a, float b) { return a < b; }
KROHN_INLINE_DEVICE bool less(double a, double b) { return a < b; }
KROHN_INLINE_DEVICE float select(bool condition, float a, float b) { return condition ? a : b; }
KROHN_INLINE_DEVICE double select(bool condition, double a, double b) { return condition ? a : b; }

namespace bits {
#if defined(__CUDA_ARCH__)
KROHN_INLINE_DEVICE std::int32_t of(float x) { return __float_as_int(x); }
KROHN_INLINE_DEVICE std::int64_t of(double x) { return __double_as_longlong(x); }
KROHN_INLINE_DEVICE float number(std::int32_t x) { return __int_as_float(x); }
KROHN_INLINE_DEVICE double number(std::int64_t x) { return __longlong_as_double(x); }
#else
KROHN_INLINE_DEVICE std::int32_t of(float x) { return __builtin_bit_cast(std::int32_t, x); }
KROHN_INLINE_DEVICE std::int64_t of(double x) { return __builtin_bit_cast(std::int64_t, x); }
KROHN_INLINE_DEVICE float number(std::int32_t x) { return __builtin_bit_cast(float, x); }
KROHN_INLINE_DEVICE double number(std::int64_t x) { return __builtin_bit_cast(double, x); }
#endif
}  // namespace bits

KROHN_INLINE_DEVICE float absolute(float x) { return bits::number(bits::of(x) & std::int32_t{0x7FFFFFFF}); }
KROHN_INLINE_DEVICE double absolute(double x) { return bits::number(bits::of(x) & std::int64_t{0x7FFFFFFFFFFFFFFF}); }

/// Added to an integer-valued number n of small size, this leaves n in the low bits of the sum; added to any number
/// of small size it rounds it to the nearest integer (3 * 2^(p-2) for precision p).
template <class Number>
inline constexpr Scalar<Number> rounding_shift = single_precision<Number> ? Scalar<Number>(12582912.0)
                                                                          : Scalar<Number>(6755399441055744.0);

/// value * 2^n for shifted = n + rounding_shift, rounded at most once; |n| up to 2 * 127 (2 * 1023 in double) and
/// value in [1/2, 2]. Where `shifted` is NaN, `value` must be NaN.
KROHN_INLINE_DEVICE float scale(float value, float shifted) {
  const std::int32_t n = bits::of(shifted) - std::int32_t{0x4B400000};
  const std::int32_t half = n >> 1;
  return (value * bits::number(static_cast<std::int32_t>(static_cast<std::uint32_t>(half + 127) << 23))) *
         bits::number(static_cast<std::int32_t>(static_cast<std::uint32_t>(n - half + 127) << 23));
}
KROHN_INLINE_DEVICE double scale(double value, double shifted) {
  const std::int64_t n = bits::of(shifted) - std::int64_t{0x4338000000000000};
  const std::int64_t half = n >> 1;
  return (value * bits::number(static_cast<std::int64_t>(static_cast<std::uint64_t>(half + 1023) << 52))) *
         bits::number(static_cast<std::int64_t>(static_cast<std::uint64_t>(n - half + 1023) << 52));
}

/// x = mantissa * 2^exponent, exactly, with the mantissa in [sqrt(1/2), sqrt(2)), for positive normal x.
template <class Number>
struct Split {
  Number mantissa;
  Number exponent;
};
KROHN_INLINE_DEVICE Split<float> split(float x) {
  const std::int32_t e = static_cast<std::int32_t>(static_cast<std::uint32_t>(bits::of(x)) - 0x3F3504F3U) >> 23;
  const std::uint32_t m = static_cast<std::uint32_t>(bits::of(x)) - (static_cast<std::uint32_t>(e) << 23);
  return {bits::number(static_cast<std::int32_t>(m)), static_cast<float>(e)};
}
KROHN_INLINE_DEVICE Split<double> split(double x) {
  const std::int64_t e =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(bits::of(x)) - std::uint64_t{0x3FE6A09E667F3BCD}) >> 52;
  const std::uint64_t m = static_cast<std::uint64_t>(bits::of(x)) - (static_cast<std::uint64_t>(e) << 52);
  return {bits::number(static_cast<std::int64_t>(m)), static_cast<double>(e)};
}

// ---- functions ----------------------------------------------------------------------------------------------------

/// The smaller; `a` where they are equal or `a` is NaN.
template <class Number>
KROHN_INLINE_DEVICE Number minimum(Number a, Number b) {
  return select(less(b, a), b, a);
}
/// The larger; `a` where they are equal or `a` is NaN.
template <class Number>
KROHN_INLINE_DEVICE Number maximum(Number a, Number b) {
  return select(less(a, b), b, a);
}

/// sum of coefficients[i] x^i by Horner's rule, highest power first, one fused multiply-add a step.
template <class Number, int Count>
KROHN_INLINE_DEVICE Number horner(Number x, const double (&coefficients)[Count]) {
  using S = Scalar<Number>;
  Number sum = Number(static_cast<S>(coefficients[Count - 1]));
  for (int i = Count - 2; i >= 0; --i) sum = fused(sum, x, Number(static_cast<S>(coefficients[i])));
  return sum;
}

/// What exp and expm1 share: x = n ln 2 + r with |r| <= ln 2 / 2 (1 + 2^-20), and r + r^2 (1/2 + r/6 + ..) = e^r - 1
/// to 0.51 units of e^r. The two-part ln 2 makes n * ln2_high exact, so r carries two roundings of size |r|.
template <class Number>
struct ReducedExponential {
  Number shifted;  // n + rounding_shift
  Number minus_one;
};
template <class Number>
KROHN_INLINE_DEVICE ReducedExponential<Number> reduced_exponential(Number x) {
  using S = Scalar<Number>;
  const Number shifted = fused(x, Number(S(1.4426950408889634074)), Number(rounding_shift<Number>));
  const Number n = shifted - Number(rounding_shift<Number>);
  Number r;
  Number series;
  if constexpr (single_precision<Number>) {
    // ln 2 = 0x1.62E4p-1 + ..: the first part has 16 bits, so that its product with |n| < 2^8 is exact.
    r = fused(n, Number(S(-0.693145751953125)), x);
    r = fused(n, Number(S(-1.428606765330187045e-06)), r);
    // 1/k!, truncated after r^7/7!: the rest is below (ln 2 / 2)^8 / 8! = 5.2e-9 = 0.09 units of 1/2.
    constexpr double coefficients[] = {0.5, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040};
    series = horner(r, coefficients);
  } else {
    // The first part has 32 bits.
    r = fused(n, Number(S(-6.93147180369123816490e-01)), x);
    r = fused(n, Number(S(-1.90821492927058770002e-10)), r);
    // Truncated after r^13/13!: the rest is below 4.2e-18 = 0.04 units of 1/2.
    constexpr double coefficients[] = {0.5,           1.0 / 6,        1.0 / 24,        1.0 / 120,
                                       1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                                       1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
    series = horner(r, coefficients);
  }
  return {shifted, fused(r * r, series, r)};
}

/// e^x.
template <class Number>
KROHN_INLINE_DEVICE Number exp(Number x) {
  using S = Scalar<Number>;
  constexpr S low = single_precision<Number> ? S(-105) : S(-747);
  constexpr S high = single_precision<Number> ? S(89) : S(710);
  x = maximum(minimum(x, Number(high)), Number(low));
  const ReducedExponential<Number> part = reduced_exponential(x);
  return scale(Number(S(1)) + part.minus_one, part.shifted);
}

namespace bits {
/// log(mantissa) + exponent * ln 2 + correction, where f = mantissa - 1. With s = f / (2 + f):
/// log(1 + f) = f - (f^2/2 - s (f^2/2 + R)), R = s^2 (2/3 + 2/5 s^2 + ..), |s| <= 0.1716, which keeps all but the
/// last subtraction below a quarter of the result.
template <class Number>
KROHN_INLINE_DEVICE Number log_of_split(Number f, Number exponent, Number correction) {
  using S = Scalar<Number>;
  const Number s = quotient(f, Number(S(2)) + f);
  const Number z = s * s;
  Number series;
  if constexpr (single_precision<Number>) {
    constexpr double coefficients[] = {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11};
    series = horner(z, coefficients) * z;
  } else {
    constexpr double coefficients[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13,
                                       2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23, 2.0 / 25};
    series = horner(z, coefficients) * z;
  }
  const Number half_square = Number(S(0.5)) * f * f;
  constexpr S ln2_high = single_precision<Number> ? S(0.693145751953125) : S(6.93147180369123816490e-01);
  constexpr S ln2_low = single_precision<Number> ? S(1.428606765330187045e-06) : S(1.90821492927058770002e-10);
  const Number small = fused(exponent, Number(ln2_low), correction);
  const Number tail = half_square - fused(s, half_square + series, small);
  return exponent * Number(ln2_high) - (tail - f);
}
}  // namespace bits

/// The natural logarithm; -infinity at 0, NaN below.
template <class Number>
KROHN_INLINE_DEVICE Number log(Number x) {
  using S = Scalar<Number>;
  constexpr S smallest = single_precision<Number> ? S(1.17549435e-38) : S(2.2250738585072014e-308);
  constexpr S largest = single_precision<Number> ? S(3.40282347e+38) : S(1.7976931348623157e+308);
  // 2^24 (2^54) lifts every subnormal into the normal range, exactly.
  constexpr S lift = single_precision<Number> ? S(16777216) : S(18014398509481984.0);
  constexpr S lift_exponent = single_precision<Number> ? S(24) : S(54);
  const auto subnormal = less(x, Number(smallest));
  const Split<Number> part = split(select(subnormal, x * Number(lift), x));
  const Number exponent = select(subnormal, part.exponent - Number(lift_exponent), part.exponent);
  Number result = bits::log_of_split(part.mantissa - Number(S(1)), exponent, Number(S(0)));
  const Number infinity = Number(largest) * Number(S(2));
  const Number nan = infinity - infinity;
  result = select(less(Number(S(0)), x), result, nan);
  result = select(less(Number(largest), x), infinity, result);
  const Number zero_case = select(less(x, Number(S(0))), nan, Number(S(0)) - infinity);
  return select(less(Number(S(0)), x), result, select(less(absolute(x), Number(smallest)), zero_case, nan));
}

/// log(1 + x) for x > -1; -infinity at -1, NaN below.
template <class Number>
KROHN_INLINE_DEVICE Number log1p(Number x) {
  using S = Scalar<Number>;
  constexpr S largest = single_precision<Number> ? S(3.40282347e+38) : S(1.7976931348623157e+308);
  const Number one = Number(S(1));
  const Number u = one + x;
  const Split<Number> part = split(u);
  // Where 1 + x stays in the first octave, f = x is exact; elsewhere the rounding error of 1 + x, exact by
  // Fast2Sum on the larger of the two, enters to first order as error / u, below 2^-24 (2^-53).
  const auto near = less(absolute(part.exponent), Number(S(0.5)));
  const Number error = select(less(x, one), x - (u - one), one - (u - x));
  const Number f = select(near, x, part.mantissa - one);
  const Number correction = select(near, Number(S(0)), quotient(error, u));
  Number result = bits::log_of_split(f, part.exponent, correction);
  const Number infinity = Number(largest) * Number(S(2));
  const Number nan = infinity - infinity;
  result = select(less(Number(largest), x), infinity, result);
  // At x near 0, f is x and the series vanishes; at and below -1 the split has no meaning.
  const Number outside = select(less(u, Number(S(0))), nan, Number(S(0)) - infinity);
  result = select(less(Number(S(0)), u), result, outside);
  return select(less(absolute(x), infinity), result, x + select(less(x, Number(S(0))), nan, x));
}

namespace bits {
/// above / below, rounded once, of t or 1 and 1 + t, where t is from 0 to 1.
template <class Number>
KROHN_INLINE_DEVICE Number unit_quotient(Number above, Number below) {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(Number) == sizeof(float)) {
    // A division without its check for extreme exponents: where t is too small for that, 1 + t is 1. That the quotient
    // is the rounded one was tried for every t.
    float reciprocal;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(reciprocal) : "f"(below));
    const float q = above * reciprocal;
    return below == 1.0F ? above : fused(fused(-below, q, above), reciprocal, q);
  }
#endif
  return quotient(above, below);
}
}  // namespace bits

/// 1 / (1 + e^-x). With t = e^-|x|: 1 / (1 + t) or t / (1 + t), whose denominators are at least 1.
template <class Number>
KROHN_INLINE_DEVICE Number sigmoid(Number x) {
  using S = Scalar<Number>;
  const Number one = Number(S(1));
  const Number t = exp(Number(S(0)) - absolute(x));
  return bits::unit_quotient(select(less(x, Number(S(0))), t, one), one + t);
}

/// log(1 + e^x) = max(x, 0) + log1p(e^-|x|).
template <class Number>
KROHN_INLINE_DEVICE Number softplus(Number x) {
  using S = Scalar<Number>;
  return maximum(x, Number(S(0))) + log1p(exp(Number(S(0)) - absolute(x)));
}

/// log(sigmoid(x)) = min(x, 0) - log1p(e^-|x|).
template <class Number>
KROHN_INLINE_DEVICE Number log_sigmoid(Number x) {
  using S = Scalar<Number>;
  return minimum(x, Number(S(0))) - log1p(exp(Number(S(0)) - absolute(x)));
}

/// x sigmoid(x), also called swish.
template <class Number>
KROHN_INLINE_DEVICE Number silu(Number x) {
  return x * sigmoid(x);
}

/// tanh |x| = m / (m + 2), m = e^(2|x|) - 1 = (2^n - 1) + 2^n (e^r - 1), in which nothing cancels since n >= 0.
/// Beyond 10 (20 in double) the result is 1 to the last place.
template <class Number>
KROHN_INLINE_DEVICE Number tanh(Number x) {
  using S = Scalar<Number>;
  constexpr S limit = single_precision<Number> ? S(10) : S(20);
  const Number magnitude = minimum(absolute(x), Number(limit));
  const Number one = Number(S(1));
  const ReducedExponential<Number> part = reduced_exponential(magnitude + magnitude);
  const Number power = scale(one, part.shifted);
  const Number m = fused(power, part.minus_one, power - one);
  const Number result = quotient(m, m + Number(S(2)));
  return select(less(x, Number(S(0))), Number(S(0)) - result, result);
}

/// 1 / sqrt(x): the two correctly rounded operations in turn.
template <class Number>
KROHN_INLINE_DEVICE Number rsqrt(Number x) {
  return quotient(Number(Scalar<Number>(1)), square_root(x));
}

/// The error function. Below 1 its series 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)), whose terms' sum is at most
/// twice the result; above, 1 - e^(-x^2) P(y) with y = (x - 2) / (x + 2) and P the interpolation of
/// e^(x^2) erfc(x) at Chebyshev nodes (relative error 3e-10 on [1, 4], 3e-18 on [1, 6]), computed with 40 digits.
template <class Number>
KROHN_INLINE_DEVICE Number erf(Number x) {
  using S = Scalar<Number>;
  constexpr S limit = single_precision<Number> ? S(4) : S(6);
  const Number one = Number(S(1));
  const Number magnitude = absolute(x);
  const Number small = minimum(magnitude, one);
  const Number large = maximum(minimum(magnitude, Number(limit)), one);
  const Number y = quotient(large - Number(S(2)), large + Number(S(2)));
  const Number square = small * small;
  Number series;
  Number tail;
  if constexpr (single_precision<Number>) {
    constexpr double near[] = {1.1283791670955125739,     -0.37612638903183752463,     0.11283791670955125739,
                               -0.026866170645131251759,  0.0052239776254421878421,    -0.00085483270234508528325,
                               0.00012055332981789664251, -0.000014925650358406250977, 1.6462114365889247402e-6,
                               -1.6365844691234924317e-7, 1.480719281587921724e-8,     -1.2290555301717927353e-9};
    constexpr double far[] = {0.25539567631050574387,     -0.42718584831165002401,    0.24165819411285701949,
                              -0.078978473147069186582,   0.003732908027349174569,    0.0069939540250839268225,
                              -0.00084765557867121685049, -0.00093952690218259559957, 0.00004987674193344444433};
    series = horner(square, near);
    tail = horner(y, far);
  } else {
    constexpr double near[] = {1.1283791670955125739,      -0.37612638903183752463,     0.11283791670955125739,
                               -0.026866170645131251759,   0.0052239776254421878421,    -0.00085483270234508528325,
                               0.00012055332981789664251,  -0.000014925650358406250977, 1.6462114365889247402e-6,
                               -1.6365844691234924317e-7,  1.480719281587921724e-8,     -1.2290555301717927353e-9,
                               9.4227590646504109706e-11,  -6.7113668551641103779e-12,  4.4632242632864773449e-13,
                               -2.7835162072109213549e-14, 1.6342614095367151894e-15,   -9.0639708428086724792e-17,
                               4.7633480405150681197e-18,  -2.3784598852774294255e-19,  1.1312187259246310682e-20};
    constexpr double far[] = {0.25539567631050574375,      -0.42718584741395839652,    0.24165819424246646392,
                              -0.078978581015732125421,    0.0037328924043277639248,   0.0069974617392004437674,
                              -0.00084714325092038440093,  -0.00098197702656788892271, 0.000043555602195154722071,
                              0.00017436116545392263717,   0.000027525480361206066702, -0.000027579864674305785854,
                              -0.000013968072301771460689, 1.3926211836188029348e-6,   3.7892156437584639713e-6,
                              1.1780775215625582588e-6,    -5.3226968556557863375e-7,  -4.2153010542383209882e-7};
    series = horner(square, near);
    tail = horner(y, far);
  }
  const Number from_tail = one - exp(Number(S(0)) - large * large) * tail;
  const Number result = select(less(magnitude, one), small * series, from_tail);
  return select(less(x, Number(S(0))), Number(S(0)) - result, result);
}

/// x (1 + erf(x / sqrt 2)) / 2, the exact form.
template <class Number>
KROHN_INLINE_DEVICE Number gelu(Number x) {
  using S = Scalar<Number>;
  return (Number(S(0.5)) * x) * (Number(S(1)) + erf(x * Number(S(0.70710678118654752440))));
}

/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
template <class Number>
KROHN_INLINE_DEVICE Number gelu_tanh(Number x) {
  using S = Scalar<Number>;
  const Number inner = fused(Number(S(0.044715)) * x, x * x, x);
  return (Number(S(0.5)) * x) * (Number(S(1)) + tanh(Number(S(0.79788456080286535588)) * inner));
}

/// x = quarters pi/2 + r: sin r, cos r, and the quarters modulo 4, from -2 to 2. pi/2 is in three parts: the first
/// leaves an exact difference, whose bits are multiples of those of pi/2's first part and which is below 2; the others
/// are below it by a precision each, so that r has two roundings of its own size, however small it is.
template <class Number>
struct Turned {
  Number sine;
  Number cosine;
  Number quarters;
};
template <class Number>
KROHN_INLINE_DEVICE Turned<Number> turned(Number x) {
  using S = Scalar<Number>;
  constexpr S limit = single_precision<Number> ? S(4194304) : S(1125899906842624.0);  // 2^22, 2^50
  x = maximum(minimum(x, Number(limit)), Number(S(0) - limit));
  const Number n =
      fused(x, Number(S(0.63661977236758134308)), Number(rounding_shift<Number>)) - Number(rounding_shift<Number>);
  Number r;
  Number sine_series;
  Number cosine_series;
  if constexpr (single_precision<Number>) {
    r = fused(n, Number(S(-1.57079637050628662109375)), x);
    r = fused(n, Number(S(4.371138828673793e-08)), r);
    r = fused(n, Number(S(1.7151245100058819e-15)), r);
    const Number z = r * r;
    constexpr double sines[] = {-1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800};
    constexpr double cosines[] = {-1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600};
    sine_series = horner(z, sines) * z;
    cosine_series = horner(z, cosines) * z;
  } else {
    r = fused(n, Number(S(-1.5707963267948965580)), x);
    r = fused(n, Number(S(-6.123233995736766036e-17)), r);
    r = fused(n, Number(S(1.4973849048591698e-33)), r);
    const Number z = r * r;
    constexpr double sines[] = {-1.0 / 6,
                                1.0 / 120,
                                -1.0 / 5040,
                                1.0 / 362880,
                                -1.0 / 39916800,
                                1.0 / 6227020800.0,
                                -1.0 / 1307674368000.0,
                                1.0 / 355687428096000.0,
                                -1.0 / 121645100408832000.0};
    constexpr double cosines[] = {-1.0 / 2,
                                  1.0 / 24,
                                  -1.0 / 720,
                                  1.0 / 40320,
                                  -1.0 / 3628800,
                                  1.0 / 479001600,
                                  -1.0 / 87178291200.0,
                                  1.0 / 20922789888000.0,
                                  -1.0 / 6402373705728000.0,
                                  1.0 / 2432902008176640000.0};
    sine_series = horner(z, sines) * z;
    cosine_series = horner(z, cosines) * z;
  }
  const Number fours = fused(n, Number(S(0.25)), Number(rounding_shift<Number>)) - Number(rounding_shift<Number>);
  return {fused(r, sine_series, r), Number(S(1)) + cosine_series, fused(fours, Number(S(-4)), n)};
}

/// sin x; beyond 2^22 (2^50 in double), where neighbouring numbers are further apart than a turn's tenth, of that
/// bound.
template <class Number>
KROHN_INLINE_DEVICE Number sine(Number x) {
  using S = Scalar<Number>;
  const Turned<Number> t = turned(x);
  const Number value = select(less(absolute(absolute(t.quarters) - Number(S(1))), Number(S(0.5))), t.cosine, t.sine);
  const Number negative = Number(S(0)) - value;
  const Number result =
      select(less(t.quarters, Number(S(-0.5))), negative, select(less(Number(S(1.5)), t.quarters), negative, value));
  // x - x is NaN where x is infinite.
  return select(less(absolute(x - x), Number(S(1))), result, x - x);
}

/// cos x, with the same bound; cos 0 is 1.
template <class Number>
KROHN_INLINE_DEVICE Number cosine(Number x) {
  using S = Scalar<Number>;
  const Turned<Number> t = turned(x);
  const Number value = select(less(absolute(absolute(t.quarters) - Number(S(1))), Number(S(0.5))), t.sine, t.cosine);
  const Number negative = Number(S(0)) - value;
  const Number result =
      select(less(Number(S(0.5)), t.quarters), negative, select(less(t.quarters, Number(S(-1.5))), negative, value));
  return select(less(absolute(x - x), Number(S(1))), result, x - x);
}

}  // namespace krohn::numeric
