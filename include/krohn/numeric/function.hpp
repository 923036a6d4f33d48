// Which functions a program applies to features one by one; krohn/numeric/elementwise.hpp has their formulas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "krohn/numeric/host_device.hpp"

namespace krohn {

// Name, and its operands: features a, b, c; weights w, v (constants k, l, m are not listed).
#define KROHN_ELEMENTWISE(X)                                                                 \
  X(constant, "")           /* k */                                                          \
  X(copy, "a")              /* a */                                                          \
  X(add, "ab")              /* a + b */                                                      \
  X(subtract, "ab")         /* a - b */                                                      \
  X(add_weight, "aw")       /* a + w */                                                      \
  X(scale, "a")             /* a k */                                                        \
  X(divide_by, "a")         /* a / k */                                                      \
  X(multiply, "ab")         /* a b */                                                        \
  X(multiply_weight, "aw")  /* a w */                                                        \
  X(divide, "ab")           /* a / b */                                                      \
  X(exponential, "a")       /* exp(a) */                                                     \
  X(silu, "a")              /* */                                                            \
  X(gelu, "a")              /* */                                                            \
  X(relu, "a")              /* */                                                            \
  X(sigmoid, "a")           /* */                                                            \
  X(log_sigmoid, "a")       /* */                                                            \
  X(squared_relu, "a")      /* */                                                            \
  X(elu_plus_one, "a")      /* a + 1 where a > 0, else exp(a) */                             \
  X(tanh, "a")              /* */                                                            \
  X(times_silu, "ab")       /* a silu(b) */                                                  \
  X(times_gelu, "ab")       /* a gelu(b) */                                                  \
  X(times_sigmoid, "ab")    /* a sigmoid(b) */                                               \
  X(add_weighted, "abw")    /* fma(b, w, a) */                                               \
  X(add_product, "abc")     /* fma(b, c, a) */                                               \
  X(strength, "a")          /* sigmoid(a k) l + m */                                         \
  X(softplus_weight, "aw")  /* softplus(a + w) */                                            \
  X(clamped_step, "aw")     /* softplus(a + w), from k to l */                               \
  X(gated_decay, "awv")     /* exp(v softplus(a + w)) */                                     \
  X(rate_decay, "aw")       /* exp(a w) */                                                   \
  X(divided_decay, "a")     /* exp(max(log_sigmoid(a) / k, l)) */                            \
  X(key_decay, "a")         /* exp(k sigmoid(a)) */                                          \
  X(mix_value, "abc")       /* fma(c - a, sigmoid(b), a) */                                  \
  X(rated_key, "abw")       /* a fma(b - 1, w, 1) */                                         \
  X(bound, "ab")            /* max(|a|, b) + k */                                            \
  X(add_constant, "a")      /* a + k */                                                      \
  X(complement, "a")        /* 1 - a */                                                      \
  X(cosine, "a")            /* */                                                            \
  X(sine, "a")              /* */                                                            \
  X(gelu_tanh, "a")         /* a (1 + tanh(..)) / 2 */                                       \
  X(powlu, "a")             /* a^(3 / (sqrt(a) + 1)) sigmoid(a) where a > 0, else silu(a) */ \
  X(exponential_decay, "a") /* exp(-exp(a)) */                                               \
  X(floored_decay, "ab")    /* exp(-(a max(softplus(b), k))) */                              \
  X(lower_bounded, "aw")    /* fma(1 - w, a, w) */                                           \
  X(squash, "aw")           /* exp(l (r / (1 + |r|))), r = log(a + k) - w */

enum class Function : std::uint32_t {
#define KROHN_NAME(name, operands) name,
  KROHN_ELEMENTWISE(KROHN_NAME)
#undef KROHN_NAME
};

inline constexpr std::string_view function_names[] = {
#define KROHN_NAME(name, operands) #name,
    KROHN_ELEMENTWISE(KROHN_NAME)
#undef KROHN_NAME
};
inline constexpr std::string_view function_operands[] = {
#define KROHN_NAME(name, operands) operands,
    KROHN_ELEMENTWISE(KROHN_NAME)
#undef KROHN_NAME
};
constexpr std::string_view name_of(Function f) { return function_names[static_cast<std::size_t>(f)]; }
/// The letters of the operands that `f` reads.
constexpr std::string_view operands_of(Function f) { return function_operands[static_cast<std::size_t>(f)]; }

/// Calls use(std::integral_constant<Function, f>()), so that what it does with `f` is settled outside of its loops.
template <class Use>
KROHN_INLINE_DEVICE decltype(auto) with_function(Function f, const Use& use) {
  switch (f) {
#define KROHN_CASE(name, operands) \
  case Function::name:             \
    return use(std::integral_constant<Function, Function::name>());
    KROHN_ELEMENTWISE(KROHN_CASE)
#undef KROHN_CASE
  }
  return use(std::integral_constant<Function, Function::copy>());
}

}  // namespace krohn
