// Enclosures of learned-fp32-v1 as values: an Arithmetic for forward::Interpreter whose numbers are affine forms
//     center + sum of coefficients[i] e_i + radius [-1, 1],   every e_i in [-1, 1],
// that contain what the canonical form computes, for every choice of the e_i. What depends on no e_i is exact: it is
// the canonical number itself, computed by the canonical operations.
//
// Directed rounding is by radius, not by the processor's mode. An operation on forms is the operation over the reals (a
// linear part, and what is left in the radius), and then
//   - the canonical rounding: at most `unit` of the result's magnitude, and least_step below the normal numbers; for a
//     function of numeric/transcendental.hpp its stated bound;
//   - the rounding of the doubles that the form itself consists of: `own` of the magnitudes that went in, which covers
//     the at most 2^3 roundings of 2^-53 that a coefficient, or the centre, goes through;
//   - the rounding of the radius: it grows by `own` of itself.
// Sources: de Figueiredo and Stolfi, "Affine arithmetic: concepts and applications", 2004.
//
// Throws Undecided where a form crosses what an operation has no enclosure over: zero under a root or a division, a
// comparison. Cost: `Symbols` multiply-adds an operation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "krohn/numeric/transcendental.hpp"

namespace krohn::affine {

/// An operation has no enclosure of what it was given.
struct Undecided {
  const char* operation;
};

/// Half a unit in the last place of binary32, relative, with room for the second order; the least distance of numbers.
inline constexpr double unit = 0x1.0001p-24;
inline constexpr double least_step = 0x1p-148;
/// What the doubles of a form may be off, of the magnitudes that went in.
inline constexpr double own = 0x1p-49;
/// Beyond, a canonical value might be infinite.
inline constexpr double largest = 0x1p120;

template <int Symbols>
struct Form {
  double center = 0.0;
  double radius = 0.0;
  double coefficients[Symbols] = {};
  /// `center` is the canonical number; all else is 0.
  bool exact = true;

  Form() = default;
  explicit Form(float x) : center(static_cast<double>(x)) {}

  float number() const { return static_cast<float>(center); }
  double spread() const {
    double sum = 0.0;
    for (const double c : coefficients) sum += std::abs(c);
    return sum;
  }
  /// Half of the width, and the largest absolute value.
  double width() const { return exact ? 0.0 : (spread() + radius) * (1.0 + own); }
  double magnitude() const { return exact ? std::abs(center) : std::abs(center) + width(); }
  double lower() const { return exact ? center : center - width() - own * magnitude(); }
  double upper() const { return exact ? center : center + width() + own * magnitude(); }
};

/// The form with a canonical rounding of `relative` and the roundings of its own numbers, which were made of numbers of
/// magnitude `involved`.
template <int S>
Form<S> rounded(Form<S> x, double involved, double relative = unit) {
  x.exact = false;
  x.radius = (x.radius + relative * x.magnitude() + own * involved + least_step) * (1.0 + own);
  if (!(x.magnitude() < largest)) throw Undecided{"overflow"};
  return x;
}

/// slope x + offset, without rounding; exact in what it does to the symbols.
template <int S>
Form<S> scaled(const Form<S>& x, double slope, double offset) {
  Form<S> y;
  y.exact = false;
  y.center = slope * x.center + offset;
  for (int i = 0; i < S; ++i) y.coefficients[i] = slope * x.coefficients[i];
  y.radius = std::abs(slope) * x.radius;
  return y;
}

/// a + b and a - b over the reals.
template <int S>
Form<S> sum(const Form<S>& a, const Form<S>& b, double sign = 1.0) {
  Form<S> y;
  y.exact = false;
  y.center = a.center + sign * b.center;
  for (int i = 0; i < S; ++i) y.coefficients[i] = a.coefficients[i] + sign * b.coefficients[i];
  y.radius = (a.radius + b.radius + own * (a.magnitude() + b.magnitude())) * (1.0 + own);
  return y;
}

template <int S>
Form<S> operator+(const Form<S>& a, const Form<S>& b) {
  if (a.exact && b.exact) return Form<S>(a.number() + b.number());
  return rounded(sum(a, b), 0.0);
}
template <int S>
Form<S> operator-(const Form<S>& a, const Form<S>& b) {
  if (a.exact && b.exact) return Form<S>(a.number() - b.number());
  return rounded(sum(a, b, -1.0), 0.0);
}

/// a b + c over the reals. With a = a0 + A, where A is the part of the symbols, and likewise b: a0 b0 + a0 B + b0 A are
/// kept; of A B the products of a symbol with itself lie between 0 and A_i B_i, the others in the radius.
template <int S>
Form<S> product_sum(const Form<S>& a, const Form<S>& b, const Form<S>& c) {
  if (b.exact && !a.exact) return product_sum(b, a, c);
  Form<S> y;
  y.exact = false;
  y.center = a.center * b.center + c.center;
  if (a.exact) {
    for (int i = 0; i < S; ++i) y.coefficients[i] = a.center * b.coefficients[i] + c.coefficients[i];
    y.radius = std::abs(a.center) * b.radius + c.radius;
  } else {
    double diagonal = 0.0;
    double squares = 0.0;
    for (int i = 0; i < S; ++i) {
      y.coefficients[i] = a.center * b.coefficients[i] + b.center * a.coefficients[i] + c.coefficients[i];
      const double square = a.coefficients[i] * b.coefficients[i];
      diagonal += square;
      squares += std::abs(square);
    }
    const double as = a.spread();
    const double bs = b.spread();
    double others = as * bs - squares;
    if constexpr (S <= 24) {
      others = 0.0;
      for (int i = 0; i < S; ++i) {
        for (int j = i + 1; j < S; ++j) {
          others += std::abs(a.coefficients[i] * b.coefficients[j] + a.coefficients[j] * b.coefficients[i]);
        }
      }
    }
    y.center += 0.5 * diagonal;
    y.radius = c.radius + 0.5 * squares + std::max(others, 0.0) + (std::abs(a.center) + as) * b.radius +
               (std::abs(b.center) + bs) * a.radius + a.radius * b.radius + own * S * as * bs;
  }
  return y;
}

/// A product of two symbols that is a symbol of its own, so that what many forms have of it adds up with its signs: of
/// k and l, e_k e_l; of k and k, 2 e_k^2 - 1.
struct Pair {
  std::size_t k, l, symbol;
};

/// a b + c over the reals, where c knows the pairs, and a and b do or not.
template <int S>
Form<S> product_sum(const Form<S>& a, const Form<S>& b, const Form<S>& c, std::span<const Pair> pairs) {
  if (a.exact || b.exact || pairs.empty()) return product_sum(a, b, c);
  Form<S> y;
  y.exact = false;
  y.center = a.center * b.center + c.center;
  for (int i = 0; i < S; ++i) {
    y.coefficients[i] = a.center * b.coefficients[i] + b.center * a.coefficients[i] + c.coefficients[i];
  }
  const double as = a.spread();
  const double bs = b.spread();
  double others = as * bs;
  for (const Pair& pair : pairs) {
    const double first = a.coefficients[pair.k] * b.coefficients[pair.l];
    const double second = a.coefficients[pair.l] * b.coefficients[pair.k];
    if (pair.k == pair.l) {
      y.center += 0.5 * first;
      y.coefficients[pair.symbol] += 0.5 * first;
      others -= std::abs(first);
    } else {
      y.coefficients[pair.symbol] += first + second;
      others -= std::abs(first) + std::abs(second);
    }
  }
  y.radius = c.radius + std::max(others, 0.0) + (std::abs(a.center) + as) * b.radius +
             (std::abs(b.center) + bs) * a.radius + a.radius * b.radius + own * S * as * bs;
  return y;
}

/// x f over the reals, where f multiplies many forms: for the pairs of k and k a symbol is e_k times what the symbols
/// make of f, over the most that they can.
template <int S>
Form<S> scaled_by(const Form<S>& x, const Form<S>& f, std::span<const Pair> pairs) {
  Form<S> y;
  y.exact = false;
  y.center = x.center * f.center;
  for (int i = 0; i < S; ++i) y.coefficients[i] = x.center * f.coefficients[i] + f.center * x.coefficients[i];
  const double xs = x.spread();
  const double fs = f.spread();
  double others = xs;
  for (const Pair& pair : pairs) {
    y.coefficients[pair.symbol] += fs * x.coefficients[pair.k];
    others -= std::abs(x.coefficients[pair.k]);
  }
  y.radius = std::max(others, 0.0) * fs + (std::abs(x.center) + xs) * f.radius + (std::abs(f.center) + fs) * x.radius +
             x.radius * f.radius + own * S * xs * fs;
  return y;
}

template <int S>
Form<S> fused(const Form<S>& a, const Form<S>& b, const Form<S>& c) {
  if (a.exact && b.exact && c.exact) return Form<S>(numeric::fused(a.number(), b.number(), c.number()));
  return rounded(product_sum(a, b, c), a.magnitude() * b.magnitude() + c.magnitude());
}
template <int S>
Form<S> operator*(const Form<S>& a, const Form<S>& b) {
  if (a.exact && b.exact) return Form<S>(a.number() * b.number());
  return rounded(product_sum(a, b, Form<S>()), a.magnitude() * b.magnitude());
}

/// Of a convex f over [x.lower(), x.upper()]: with the chord's slope, f(x) - slope x is largest at an end, and above
/// the tangent at any point. f and f' are right to `error` of their values.
template <int S, class F, class Slope>
Form<S> convex(const Form<S>& x, const F& f, const Slope& derivative, double relative, double error = 0x1p-46) {
  const double low = x.lower();
  const double high = x.upper();
  const double at_low = f(low);
  const double at_high = f(high);
  const double slope = high > low ? (at_high - at_low) / (high - low) : 0.0;
  double touch = 0.5 * (low + high);
  // The tangent of the chord's slope, by bisection: derivatives of convex functions grow.
  for (double a = low, b = high, i = 0; i < 24; ++i) {
    touch = 0.5 * (a + b);
    (derivative(touch) < slope ? a : b) = touch;
  }
  const double tangent = derivative(touch);
  const double rest = tangent - slope;
  const double most = std::max(at_low - slope * low, at_high - slope * high);
  const double least = f(touch) - tangent * touch + std::min(rest * low, rest * high);
  const double end = std::max(std::abs(low), std::abs(high));
  const double involved = std::abs(at_low) + std::abs(at_high) + (2.0 * std::abs(slope) + std::abs(tangent)) * end;
  Form<S> y = scaled(x, slope, 0.5 * (most + least));
  y.radius += 0.5 * std::max(most - least, 0.0) + error * involved;
  return rounded(y, involved, relative);
}

/// Of f with |f''| at most `curvature`: the tangent in the middle, or [least, most] where that is narrower.
template <int S>
Form<S> smooth(const Form<S>& x, double value, double derivative, double curvature, double least, double most,
               double relative) {
  const double width = x.width() + own * x.magnitude();
  const double involved = std::abs(value) + std::abs(derivative) * x.magnitude() + std::abs(least) + std::abs(most) +
                          curvature * x.magnitude();
  const double rest = 0.5 * curvature * width * width;
  Form<S> y;
  if (rest < 0.5 * (most - least)) {
    y = scaled(x, derivative, value - derivative * x.center);
    y.radius += rest;
  } else {
    y.exact = false;
    y.center = 0.5 * (least + most);
    y.radius = 0.5 * (most - least);
  }
  y.radius += 0x1p-44 * involved;
  return rounded(y, involved, relative);
}

/// Units in the last place of numeric/transcendental.hpp, relative, with room for the second order.
inline constexpr double ulps(double count) { return count * 0x1.001p-23; }

template <int S>
Form<S> square_root(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::square_root(x.number()));
  if (!(x.lower() > 0.0)) throw Undecided{"a root across 0"};
  // Concave: the negative is convex.
  Form<S> y = convex(
      x, [](double v) { return -std::sqrt(v); }, [](double v) { return -0.5 / std::sqrt(v); }, unit);
  y.center = -y.center;
  for (double& c : y.coefficients) c = -c;
  return y;
}

template <int S>
Form<S> rsqrt(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::rsqrt(x.number()));
  if (!(x.lower() > 0.0)) throw Undecided{"a norm across 0"};
  return convex(
      x, [](double v) { return 1.0 / std::sqrt(v); }, [](double v) { return -0.5 / (v * std::sqrt(v)); }, ulps(1.5));
}

template <int S>
Form<S> quotient(const Form<S>& a, const Form<S>& b) {
  if (a.exact && b.exact) return Form<S>(numeric::quotient(a.number(), b.number()));
  if (b.exact) {
    if (b.center == 0.0) throw Undecided{"a division by 0"};
    return rounded(scaled(a, 1.0 / b.center, 0.0), a.magnitude() / std::abs(b.center));
  }
  if (b.lower() > 0.0) {
    const Form<S> inverse = convex(
        b, [](double v) { return 1.0 / v; }, [](double v) { return -1.0 / (v * v); }, 0.0);
    return rounded(product_sum(a, inverse, Form<S>()), a.magnitude() * inverse.magnitude());
  }
  if (b.upper() < 0.0) return quotient(scaled(a, -1.0, 0.0), scaled(b, -1.0, 0.0));
  throw Undecided{"a division across 0"};
}

template <int S>
bool less(const Form<S>& a, const Form<S>& b) {
  if (a.exact && b.exact) return a.center < b.center;
  const Form<S> difference = sum(a, b, -1.0);
  if (difference.upper() < 0.0) return true;
  if (difference.lower() >= 0.0) return false;
  throw Undecided{"a comparison"};
}
template <int S>
Form<S> select(bool condition, const Form<S>& a, const Form<S>& b) {
  return condition ? a : b;
}

/// max(x, 0) over the reals.
template <int S>
Form<S> positive_part(const Form<S>& x) {
  const double low = x.lower();
  const double high = x.upper();
  if (low >= 0.0) return x;
  if (high <= 0.0) return Form<S>();
  const double slope = high / (high - low);
  const double half = -0.5 * slope * low;
  Form<S> y = scaled(x, slope, half);
  y.radius = (y.radius + half + own * 4.0 * x.magnitude()) * (1.0 + own);
  return y;
}
template <int S>
Form<S> maximum(const Form<S>& a, const Form<S>& b) {
  if (a.exact && b.exact) return Form<S>(numeric::maximum(a.number(), b.number()));
  const Form<S> difference = sum(a, b, -1.0);
  if (difference.lower() >= 0.0) return a;
  if (difference.upper() <= 0.0) return b;
  return sum(b, positive_part(difference));
}
template <int S>
Form<S> minimum(const Form<S>& a, const Form<S>& b) {
  if (a.exact && b.exact) return Form<S>(numeric::minimum(a.number(), b.number()));
  const Form<S> difference = sum(a, b, -1.0);
  if (difference.upper() <= 0.0) return a;
  if (difference.lower() >= 0.0) return b;
  return sum(a, positive_part(difference), -1.0);
}
template <int S>
Form<S> absolute(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::absolute(x.number()));
  if (x.lower() >= 0.0) return x;
  const Form<S> negative = scaled(x, -1.0, 0.0);
  if (x.upper() <= 0.0) return negative;
  return sum(sum(positive_part(x), positive_part(x)), x, -1.0);
}

template <int S>
Form<S> exp(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::exp(x.number()));
  // The canonical exponential is clamped at -105 and 89, where it is 0 and infinite.
  if (x.upper() > 80.0) throw Undecided{"an exponential beyond 80"};
  if (x.lower() < -80.0) {
    Form<S> y;
    y.exact = false;
    y.center = y.radius = 0.5 * numeric::exp(x.upper());
    return rounded(y, y.magnitude(), ulps(1.25));
  }
  const auto f = [](double v) { return numeric::exp(v); };
  return convex(x, f, f, ulps(1.25));
}

template <int S>
Form<S> sigmoid(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::sigmoid(x.number()));
  const double s = numeric::sigmoid(x.center);
  // |f''| is at most 1 / (6 sqrt 3).
  return smooth(x, s, s * (1.0 - s), 0.0963, numeric::sigmoid(x.lower()), numeric::sigmoid(x.upper()), ulps(2.5));
}

template <int S>
Form<S> silu(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::silu(x.number()));
  const double s = numeric::sigmoid(x.center);
  const double low = x.lower();
  const double high = x.upper();
  const double ends[] = {numeric::silu(low), numeric::silu(high)};
  // The one minimum is at -1.27846.., above -0.278465. |f''| is at most f''(0) = 1/2.
  const double least = low <= -1.2784 && high >= -1.2785 ? -0.278465 : std::min(ends[0], ends[1]);
  return smooth(x, x.center * s, s * (1.0 + x.center * (1.0 - s)), 0.5, least, std::max(ends[0], ends[1]), ulps(4));
}

template <int S>
Form<S> tanh(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::tanh(x.number()));
  const double t = numeric::tanh(x.center);
  // |f''| is at most 4 / (3 sqrt 3).
  return smooth(x, t, 1.0 - t * t, 0.77, numeric::tanh(x.lower()), numeric::tanh(x.upper()), ulps(3));
}

template <int S>
Form<S> softplus(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::softplus(x.number()));
  return smooth(x, numeric::softplus(x.center), numeric::sigmoid(x.center), 0.25, numeric::softplus(x.lower()),
                numeric::softplus(x.upper()), ulps(2));
}

template <int S>
Form<S> log_sigmoid(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::log_sigmoid(x.number()));
  return smooth(x, numeric::log_sigmoid(x.center), numeric::sigmoid(-x.center), 0.25, numeric::log_sigmoid(x.lower()),
                numeric::log_sigmoid(x.upper()), ulps(2));
}

/// Exact arguments only.
template <int S>
Form<S> log(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::log(x.number()));
  throw Undecided{"a logarithm"};
}
template <int S>
Form<S> gelu(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::gelu(x.number()));
  throw Undecided{"gelu"};
}
template <int S>
Form<S> gelu_tanh(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::gelu_tanh(x.number()));
  throw Undecided{"gelu"};
}
template <int S>
Form<S> sine(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::sine(x.number()));
  throw Undecided{"a sine"};
}
template <int S>
Form<S> cosine(const Form<S>& x) {
  if (x.exact) return Form<S>(numeric::cosine(x.number()));
  throw Undecided{"a cosine"};
}

}  // namespace krohn::affine

namespace krohn::numeric {

template <int S>
struct ScalarOf<affine::Form<S>> {
  using Type = float;
};

}  // namespace krohn::numeric
