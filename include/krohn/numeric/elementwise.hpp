// The functions that a program applies to features one by one, for host and device: one formula each, so that the CPU's
// interpreter and the device's kernels cannot differ. Rounded as written, from left to right.
#pragma once

#include "krohn/numeric/function.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn {

/// Constants k, l, m of a function, in the number type.
template <class Number>
struct FunctionConstants {
  Number k, l, m;
};

/// f of what `a` .. `v` give when called; operands that f does not have are not asked for.
template <class Number, class A, class B, class C, class W, class V>
KROHN_INLINE_DEVICE Number elementwise(Function f, const FunctionConstants<Number>& constants, const A& a, const B& b,
                                       const C& c, const W& w, const V& v) {
  using namespace numeric;
  const auto number = [](double x) { return Number(static_cast<Scalar<Number>>(x)); };
  const auto zero = [&] { return number(0.0); };
  const auto one = [&] { return number(1.0); };
  switch (f) {
    case Function::constant:
      return constants.k;
    case Function::copy:
      return a();
    case Function::add:
      return a() + b();
    case Function::subtract:
      return a() - b();
    case Function::add_weight:
      return a() + w();
    case Function::scale:
      return a() * constants.k;
    case Function::divide_by:
      return quotient(a(), constants.k);
    case Function::multiply:
      return a() * b();
    case Function::multiply_weight:
      return a() * w();
    case Function::divide:
      return quotient(a(), b());
    case Function::exponential:
      return exp(a());
    case Function::silu:
      return silu(a());
    case Function::gelu:
      return gelu(a());
    case Function::relu:
      return maximum(a(), zero());
    case Function::sigmoid:
      return sigmoid(a());
    case Function::log_sigmoid:
      return log_sigmoid(a());
    case Function::squared_relu: {
      const Number positive = maximum(a(), zero());
      return positive * positive;
    }
    case Function::elu_plus_one: {
      const Number x = a();
      return select(less(zero(), x), x + one(), exp(x));
    }
    case Function::tanh:
      return tanh(a());
    case Function::times_silu:
      return a() * silu(b());
    case Function::times_gelu:
      return a() * gelu(b());
    case Function::times_sigmoid:
      return a() * sigmoid(b());
    case Function::add_weighted:
      return fused(b(), w(), a());
    case Function::add_product:
      return fused(b(), c(), a());
    case Function::strength:
      return sigmoid(a() * constants.k) * constants.l + constants.m;
    case Function::softplus_weight:
      return softplus(a() + w());
    case Function::clamped_step:
      return minimum(maximum(softplus(a() + w()), constants.k), constants.l);
    case Function::gated_decay:
      return exp(v() * softplus(a() + w()));
    case Function::rate_decay:
      return exp(a() * w());
    case Function::divided_decay:
      return exp(maximum(quotient(log_sigmoid(a()), constants.k), constants.l));
    case Function::key_decay:
      return exp(constants.k * sigmoid(a()));
    case Function::mix_value: {
      const Number x = a();
      return fused(c() - x, sigmoid(b()), x);
    }
    case Function::rated_key:
      return a() * fused(b() - one(), w(), one());
    case Function::bound:
      return maximum(absolute(a()), b()) + constants.k;
    case Function::add_constant:
      return a() + constants.k;
    case Function::complement:
      return one() - a();
    case Function::cosine:
      return cosine(a());
    case Function::sine:
      return sine(a());
    case Function::gelu_tanh:
      return gelu_tanh(a());
    case Function::powlu: {
      const Number x = a();
      const Number exponent = quotient(number(3.0), square_root(x) + one());
      return select(less(zero(), x), exp(exponent * log(x)), x) * sigmoid(x);
    }
    case Function::exponential_decay:
      return exp(zero() - exp(a()));
    case Function::floored_decay:
      return exp(zero() - a() * maximum(softplus(b()), constants.k));
    case Function::lower_bounded: {
      const Number floor = w();
      return fused(one() - floor, a(), floor);
    }
    case Function::squash: {
      const Number r = log(a() + constants.k) - w();
      return exp(constants.l * quotient(r, one() + absolute(r)));
    }
  }
  return a();
}

}  // namespace krohn
