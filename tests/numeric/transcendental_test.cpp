// label: quick
// The stated error bounds hold against a higher precision (double for float, the 64-bit significand of long double
// for double), on dense, random and edge arguments; limits and NaN come out as stated.
#include "krohn/numeric/transcendental.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace krohn {
namespace {

template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

// One unit in the last place of T at `exact`, of the smallest normal number below it.
template <class T>
Wide<T> unit(Wide<T> exact) {
  const Wide<T> magnitude = std::max(std::fabs(exact), static_cast<Wide<T>>(std::numeric_limits<T>::min()));
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  return std::ldexp(static_cast<Wide<T>>(1), exponent - std::numeric_limits<T>::digits);
}

template <class T>
struct Function {
  std::string name;
  std::function<T(T)> ours;
  std::function<Wide<T>(Wide<T>)> exact;
  double bound;
  double low;
  double high;
  // True where the bound is in units of |argument|.
  bool absolute = false;
};

template <class T>
std::vector<Function<T>> functions() {
  using W = Wide<T>;
  const double top = std::is_same_v<T, float> ? 88.7 : 709.7;
  const double bottom = std::is_same_v<T, float> ? -87.3 : -708.3;
  const double huge = std::is_same_v<T, float> ? 3e38 : 1e308;
  // Reference functions of turns are exact as far.
  const double turns = std::is_same_v<T, float> ? 4194304 : 1e6;
  const auto sigmoid = [](W x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); };
  return {
      {"exp", [](T x) { return numeric::exp(x); }, [](W x) { return std::exp(x); }, 1.25, bottom, top},
      {"log", [](T x) { return numeric::log(x); }, [](W x) { return std::log(x); }, 1, 1e-45, huge},
      {"log1p", [](T x) { return numeric::log1p(x); }, [](W x) { return std::log1p(x); }, 1.5, -0.999, huge},
      {"softplus", [](T x) { return numeric::softplus(x); },
       [](W x) { return std::max(x, W(0)) + std::log1p(std::exp(-std::fabs(x))); }, 2, bottom, 1e6},
      {"log_sigmoid", [](T x) { return numeric::log_sigmoid(x); },
       [](W x) { return std::min(x, W(0)) - std::log1p(std::exp(-std::fabs(x))); }, 2, -1e6, -bottom},
      {"sigmoid", [](T x) { return numeric::sigmoid(x); }, sigmoid, 2.5, bottom, -bottom},
      {"silu", [](T x) { return numeric::silu(x); }, [=](W x) { return x * sigmoid(x); }, 4, bottom, -bottom},
      {"tanh", [](T x) { return numeric::tanh(x); }, [](W x) { return std::tanh(x); }, 3, -30, 30},
      {"rsqrt", [](T x) { return numeric::rsqrt(x); }, [](W x) { return 1 / std::sqrt(x); }, 1.5, 1e-37, 1e37},
      {"erf", [](T x) { return numeric::erf(x); }, [](W x) { return std::erf(x); }, 3, -10, 10},
      {"gelu", [](T x) { return numeric::gelu(x); }, [](W x) { return x / 2 * std::erfc(-x / std::sqrt(W(2))); }, 3,
       -20, 20, true},
      {"sine", [](T x) { return numeric::sine(x); }, [](W x) { return std::sin(x); }, 2, -turns, turns},
      {"cosine", [](T x) { return numeric::cosine(x); }, [](W x) { return std::cos(x); }, 2, -turns, turns},
      {"gelu_tanh", [](T x) { return numeric::gelu_tanh(x); },
       [](W x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(W(-1))) * (x + W(0.044715) * x * x * x))); }, 6,
       -20, 20, true},
  };
}

template <class T>
double worst_error(const Function<T>& f, const std::vector<T>& arguments) {
  double worst = 0;
  for (const T x : arguments) {
    const Wide<T> exact = f.exact(x);
    const Wide<T> error = std::fabs(static_cast<Wide<T>>(f.ours(x)) - exact) / unit<T>(f.absolute ? Wide<T>(x) : exact);
    worst = std::max(worst, static_cast<double>(error));
    if (!(error <= f.bound)) {
      CAPTURE(f.name);
      CAPTURE(static_cast<double>(x));
      CHECK(error <= f.bound);
      return worst;
    }
  }
  return worst;
}

// Even steps over the range, even steps over the exponents, random points of both kinds, and the edges.
template <class T>
std::vector<T> arguments(double low, double high) {
  std::vector<T> result;
  const auto add = [&](double x) {
    const T value = static_cast<T>(x);
    if (value >= static_cast<T>(low) && value <= static_cast<T>(high)) result.push_back(value);
  };
  const double span = std::min(high, 1e3) - std::max(low, -1e3);
  for (int i = 0; i <= 20000; ++i) add(std::max(low, -1e3) + span * i / 20000);
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(std::max(low, -1e3), std::min(high, 1e3));
  std::uniform_real_distribution<double> exponent(std::is_same_v<T, float> ? -44.8 : -307.0,
                                                  std::log10(std::max(std::fabs(low), std::fabs(high))));
  for (int i = 0; i < 20000; ++i) {
    add(uniform(random));
    const double magnitude = std::pow(10.0, exponent(random));
    add(magnitude);
    add(-magnitude);
    add(1 + magnitude);
    add(1 - magnitude);
  }
  for (int i = -60; i <= 60; ++i) {
    // Where the reduction of exp and the octaves of log change.
    for (const double middle : {i * 0.69314718055994530942, (i + 0.5) * 0.69314718055994530942, std::ldexp(1.0, i),
                                std::ldexp(std::sqrt(0.5), i)}) {
      add(middle);
      add(static_cast<double>(std::nextafter(static_cast<T>(middle), static_cast<T>(high))));
      add(static_cast<double>(std::nextafter(static_cast<T>(middle), static_cast<T>(low))));
    }
  }
  add(low);
  add(high);
  add(0.0);
  return result;
}

TEST_CASE_TEMPLATE("every function stays within its stated bound", T, float, double) {
  for (const Function<T>& f : functions<T>()) {
    const double worst = worst_error<T>(f, arguments<T>(f.low, f.high));
    MESSAGE(f.name, " ", std::string(sizeof(T) == 4 ? "float" : "double"), ": worst error ", worst, " of ", f.bound,
            " units");
  }
}

TEST_CASE_TEMPLATE("limits, NaN and the subnormal range", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(numeric::exp(infinity) == infinity);
  CHECK(numeric::exp(-infinity) == 0);
  CHECK(numeric::exp(T(0)) == 1);
  CHECK(numeric::exp(T(1000)) == infinity);
  CHECK(numeric::exp(T(-1000)) == 0);
  CHECK(numeric::log(T(0)) == -infinity);
  CHECK(numeric::log(T(1)) == 0);
  CHECK(numeric::log(infinity) == infinity);
  CHECK(std::isnan(numeric::log(T(-1))));
  CHECK(numeric::log1p(T(-1)) == -infinity);
  CHECK(numeric::log1p(T(0)) == 0);
  CHECK(numeric::log1p(infinity) == infinity);
  CHECK(std::isnan(numeric::log1p(T(-2))));
  CHECK(std::isnan(numeric::log1p(-infinity)));
  CHECK(numeric::sigmoid(T(0)) == T(0.5));
  CHECK(numeric::sigmoid(infinity) == 1);
  CHECK(numeric::sigmoid(-infinity) == 0);
  CHECK(numeric::softplus(infinity) == infinity);
  CHECK(numeric::softplus(-infinity) == 0);
  CHECK(numeric::log_sigmoid(infinity) == 0);
  CHECK(numeric::log_sigmoid(-infinity) == -infinity);
  CHECK(numeric::tanh(infinity) == 1);
  CHECK(numeric::tanh(-infinity) == -1);
  CHECK(numeric::tanh(T(0)) == 0);
  CHECK(numeric::sine(T(0)) == 0);
  CHECK(numeric::cosine(T(0)) == 1);
  CHECK(std::isnan(numeric::sine(infinity)));
  CHECK(std::isnan(numeric::cosine(-infinity)));
  CHECK(std::isnan(numeric::sine(nan)));
  CHECK(std::fabs(numeric::sine(std::numeric_limits<T>::max())) <= 1);
  CHECK(numeric::gelu_tanh(infinity) == infinity);
  CHECK(numeric::erf(infinity) == 1);
  CHECK(numeric::erf(-infinity) == -1);
  CHECK(numeric::rsqrt(T(4)) == T(0.5));
  for (const Function<T>& f : functions<T>()) {
    CAPTURE(f.name);
    CHECK(std::isnan(f.ours(nan)));
  }
  // One rounding: the nearest subnormal, so within half a unit of it plus the error of a normal result.
  const T tiny = std::is_same_v<T, float> ? T(-100) : T(-740);
  const Wide<T> exact = std::exp(static_cast<Wide<T>>(tiny));
  CHECK(std::fabs(static_cast<Wide<T>>(numeric::exp(tiny)) - exact) <=
        static_cast<Wide<T>>(std::numeric_limits<T>::denorm_min()) * static_cast<Wide<T>>(0.51));
}

}  // namespace
}  // namespace krohn
