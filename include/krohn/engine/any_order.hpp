// Enclosures of every order of operations as values: an Arithmetic for forward::Interpreter whose numbers contain what
// a program computes however its sums and products are bracketed, ordered, multiplied out and fused, each operation
// rounded to binary32 or to a format that holds it, and with functions of a relative error of at most function_error.
//
// A number is a polynomial of *atoms*: numbers of the model, results of functions, and the values that earlier
// operations of the program left behind. Where it is made of `terms` products of atoms, each of at most `products` + 1
// factors, and `mass` is the sum of their absolute values, every way to compute it takes each product through at most n
// = products + terms - 1 roundings, so that it is off by at most gamma_n mass, gamma_n = n u / (1 - n u), u = 2^-24
// (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1). `radius` is how far the exact value lies
// from `center` for all values of the atoms. settled() adds both up and makes an atom of the number: after every
// operation of the program, before functions and comparisons.
//
// The doubles that center, radius and mass are computed in are paid for by `growth`: each is rounded at most n + 3
// times on the way, by 2^-53 of the mass, and 0.01 n u is more than that; radii grow by 2^-40 of themselves with every
// step.
//
// `reach` is at least the product of max(1, |factor|) over the factors of any of the products. An operation whose
// result falls below the normal numbers loses at most 2^-126 (rounded or set to 0), and what is multiplied with it on
// the way to the number are other factors of a product: the loss grows to at most 2^-126 reach. Every way takes at most
// terms * products multiplications and terms additions, and reads terms * (products + 1) factors, which may be set to 0
// as they are read. Partial products are at most reach, sums of them terms times that, so that with reach below 2^60
// nothing overflows in any order.
//
// Throws affine::Undecided (`what` it was that has no enclosure): numbers of 2^30 and beyond, a reach of 2^60, a
// comparison that is not decided, a root or a quotient across 0, functions that are not covered. Cost: about ten times
// that of doubles.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "krohn/engine/affine.hpp"
#include "krohn/engine/interpreter.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn::any_order {

using affine::Undecided;

/// Of exp, sigmoid, silu, softplus, log, tanh, roots and reciprocal roots, relative: eight units in the last place.
inline constexpr double function_error = 0x1p-20;
/// A rounding, with room for gamma's denominator (n is below 2^13) and for the doubles.
inline constexpr double growth = 0x1p-24 * 1.01;
inline constexpr double most_terms = 4096.0;
inline constexpr double largest = 0x1p30;
inline constexpr double farthest = 0x1p60;
/// What a function, or a sum of squares of numbers below 2^30, loses below the normal numbers at most.
inline constexpr double underflow = 0x1p-80;
inline constexpr double outwards = 1.0 + 0x1p-40;

struct Number {
  double center = 0.0;
  double radius = 0.0;
  double mass = 0.0;
  double products = 0.0;
  double terms = 1.0;
  double reach = 1.0;

  Number() = default;
  explicit Number(float x) : center(static_cast<double>(x)), mass(std::abs(center)), reach(std::max(1.0, mass)) {}

  /// Nothing is added by it in any order.
  bool zero() const { return mass == 0.0; }
  /// Of an atom.
  double lower() const { return center - radius * outwards; }
  double upper() const { return center + radius * outwards; }
};

/// A factor by itself.
inline Number as_atom(Number x) {
  x.mass = (std::abs(x.center) + x.radius) * outwards;
  x.products = 0.0;
  x.terms = 1.0;
  x.reach = std::max(1.0, x.mass);
  if (!(x.mass < largest)) throw Undecided{"a number beyond 2^30"};
  return x;
}

/// An atom between two numbers.
inline Number between(double low, double high) {
  Number x;
  x.center = 0.5 * (low + high);
  x.radius = std::max(high - x.center, x.center - low) * outwards + 0x1p-50 * std::max(std::abs(low), std::abs(high));
  return as_atom(x);
}

/// The number with its roundings in the radius, an atom. Numbers of the model stay as they are.
inline Number settled(const Number& x) {
  const double n = x.products + x.terms - 1.0;
  Number y = x;
  if (n > 0.0) {
    const double operations = 2.0 * x.terms * (x.products + 1.0);
    y.radius = (x.radius + n * growth * x.mass + operations * 0x1p-126 * x.reach) * outwards;
  }
  return as_atom(y);
}

inline Number operator+(const Number& a, const Number& b) {
  if (a.zero()) return b;
  if (b.zero()) return a;
  Number y;
  y.center = a.center + b.center;
  y.radius = (a.radius + b.radius) * outwards;
  y.mass = (a.mass + b.mass) * outwards;
  y.products = std::max(a.products, b.products);
  y.terms = a.terms + b.terms;
  y.reach = std::max(a.reach, b.reach);
  if (!(y.terms <= most_terms && y.mass < largest)) throw Undecided{"a sum of too many terms, or beyond 2^30"};
  return y;
}
inline Number operator-(const Number& a) {
  Number y = a;
  y.center = -y.center;
  return y;
}
inline Number operator-(const Number& a, const Number& b) { return a + -b; }
inline Number operator*(const Number& a, const Number& b) {
  if (a.zero() || b.zero()) return {};
  Number y;
  y.center = a.center * b.center;
  y.radius = ((std::abs(a.center) + a.radius) * b.radius + std::abs(b.center) * a.radius) * outwards;
  y.mass = a.mass * b.mass * outwards;
  y.products = a.products + b.products + 1.0;
  y.terms = a.terms * b.terms;
  y.reach = a.reach * b.reach * outwards;
  if (!(y.terms <= most_terms && y.products <= most_terms && y.mass < largest && y.reach < farthest)) {
    throw Undecided{"a product of too many terms, or of too large factors"};
  }
  return y;
}
inline Number fused(const Number& a, const Number& b, const Number& c) { return a * b + c; }

/// Of a monotone f, which is right to 2^-40 in double.
template <class F>
Number monotone(const Number& x, const F& f) {
  const Number a = settled(x);
  const double ends[] = {f(a.lower()), f(a.upper())};
  Number y = between(std::min(ends[0], ends[1]), std::max(ends[0], ends[1]));
  y.radius = (y.radius + function_error * 1.01 * y.mass + underflow) * outwards;
  return as_atom(y);
}

inline Number square_root(const Number& x) {
  if (!(settled(x).lower() > 0.0)) throw Undecided{"a root across 0"};
  return monotone(x, [](double v) { return std::sqrt(v); });
}
inline Number rsqrt(const Number& x) {
  if (!(settled(x).lower() > 0.0)) throw Undecided{"a norm across 0"};
  return monotone(x, [](double v) { return 1.0 / std::sqrt(v); });
}
/// A division rounds once, the product with a reciprocal twice: the reciprocal is an atom, right to a rounding.
inline Number quotient(const Number& a, const Number& b) {
  const Number d = settled(b);
  if (d.lower() <= 0.0 && d.upper() >= 0.0) throw Undecided{"a division across 0"};
  Number inverse = between(std::min(1.0 / d.lower(), 1.0 / d.upper()), std::max(1.0 / d.lower(), 1.0 / d.upper()));
  inverse.radius = (inverse.radius + growth * inverse.mass + underflow) * outwards;
  return a * as_atom(inverse);
}

inline bool less(const Number& a, const Number& b) {
  const Number x = settled(a);
  const Number y = settled(b);
  if (x.upper() < y.lower()) return true;
  if (x.lower() > y.upper() || (x.radius == 0.0 && y.radius == 0.0)) return false;
  throw Undecided{"a comparison"};
}
inline Number select(bool condition, const Number& a, const Number& b) { return condition ? a : b; }
inline Number maximum(const Number& a, const Number& b) {
  const Number x = settled(a);
  const Number y = settled(b);
  if (x.lower() >= y.upper()) return a;
  if (y.lower() >= x.upper()) return b;
  return between(std::max(x.lower(), y.lower()), std::max(x.upper(), y.upper()));
}
inline Number minimum(const Number& a, const Number& b) { return -maximum(-a, -b); }
inline Number absolute(const Number& a) { return maximum(a, -a); }

inline Number exp(const Number& x) {
  const Number a = settled(x);
  if (a.upper() > 80.0 || a.lower() < -80.0) throw Undecided{"an exponential beyond 80"};
  return monotone(a, [](double v) { return numeric::exp(v); });
}
inline Number sigmoid(const Number& x) {
  return monotone(x, [](double v) { return numeric::sigmoid(v); });
}
inline Number tanh(const Number& x) {
  return monotone(x, [](double v) { return numeric::tanh(v); });
}
inline Number softplus(const Number& x) {
  return monotone(x, [](double v) { return numeric::softplus(v); });
}
inline Number log_sigmoid(const Number& x) {
  return monotone(x, [](double v) { return numeric::log_sigmoid(v); });
}
inline Number log(const Number& x) {
  if (!(settled(x).lower() > 0.0)) throw Undecided{"a logarithm across 0"};
  return monotone(x, [](double v) { return numeric::log(v); });
}
/// Its one minimum is at -1.27846.., above -0.278465.
inline Number silu(const Number& x) {
  const Number a = settled(x);
  const double ends[] = {numeric::silu(a.lower()), numeric::silu(a.upper())};
  const bool turns = a.lower() <= -1.2784 && a.upper() >= -1.2785;
  Number y = between(turns ? -0.278465 : std::min(ends[0], ends[1]), std::max(ends[0], ends[1]));
  y.radius = (y.radius + function_error * 1.01 * y.mass + underflow) * outwards;
  return as_atom(y);
}
inline Number gelu(const Number&) { throw Undecided{"gelu"}; }
inline Number gelu_tanh(const Number&) { throw Undecided{"gelu"}; }
inline Number sine(const Number&) { throw Undecided{"a sine"}; }
inline Number cosine(const Number&) { throw Undecided{"a cosine"}; }

/// One number at a time; says itself which code is the nearest.
struct Arithmetic : forward::OneByOne<Number> {
  /// The code that every order finds nearest, or throws Undecided. Squares of distances d_k = sum of (s_i - c_ki)^2, or
  /// their roots: with one rounding for the difference, doubled by the square, one for the square, size - 1 for the sum
  /// and one for the root, doubled, each is off by at most (size + 4) roundings of d_k. The difference of two is linear
  /// in s: d_j - d_k = sum of (c_ki - c_ji) (2 s_i - c_ji - c_ki).
  static forward::NearestCode<Number> nearest_code(Number* state, std::size_t size, const float* entries,
                                                   std::size_t pitch, std::size_t count) {
    for (std::size_t i = 0; i < size; ++i) state[i] = settled(state[i]);
    std::size_t best = 0;
    double least = HUGE_VAL;
    double second = HUGE_VAL;
    const auto code = [&](std::size_t k, std::size_t i) { return static_cast<double>(entries[i * pitch + k]); };
    const auto distance = [&](std::size_t k, bool most) {
      double sum = 0.0;
      for (std::size_t i = 0; i < size; ++i) {
        const double d = std::abs(state[i].center - code(k, i)) + (most ? state[i].radius * outwards : 0.0);
        sum += d * d;
      }
      return sum * outwards;
    };
    for (std::size_t k = 0; k < count; ++k) {
      const double d = distance(k, false);
      if (d < least) {
        second = least;
        least = d;
        best = k;
      } else {
        second = std::min(second, d);
      }
    }
    const double roundings = (static_cast<double>(size) + 4.0) * growth;
    const double here = distance(best, true);
    for (std::size_t k = 0; k < count; ++k) {
      if (k == best) continue;
      double sum = 0.0;
      double loss = 0.0;
      for (std::size_t i = 0; i < size; ++i) {
        const double across = code(best, i) - code(k, i);
        const double along = 2.0 * state[i].center - code(k, i) - code(best, i);
        sum += across * along;
        // Of the doubles: seven roundings, and the sum's.
        loss += std::abs(across) *
                (2.0 * state[i].radius * outwards +
                 0x1p-40 * (2.0 * std::abs(state[i].center) + std::abs(code(k, i)) + std::abs(code(best, i))));
      }
      loss = loss * outwards + roundings * (here + distance(k, true)) + underflow;
      if (!(sum > loss)) throw Undecided{"which code is the nearest"};
    }
    const auto number = [](double x) {
      Number y;
      y.center = y.mass = x;
      y.reach = std::max(1.0, x);
      return y;
    };
    return {best, number(least), number(second)};
  }
};

}  // namespace krohn::any_order

namespace krohn::numeric {

template <>
struct ScalarOf<any_order::Number> {
  using Type = float;
};

}  // namespace krohn::numeric
