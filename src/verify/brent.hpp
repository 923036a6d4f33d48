// Brent's cycle detection (R. P. Brent, BIT 20, 1980) on values of any kind, with the least transient.
#pragma once

#include <cstdint>

#include "krohn/verify/lasso.hpp"

namespace krohn {

/// `apply(value)` replaces a value by its image and may throw to end the search; `same(a, b)` compares. The hare is
/// `period` applications ahead of the tortoise, which stands at 2^i - 1. The place that the tortoise left last is kept:
/// had it been on the cycle, a period of at most the stride waited for there would have shown, so the search for the
/// transient may start there. Detects after at most 2 max(mu, lambda) + lambda applications.
template <class Value, class Apply, class Same>
Lasso brent_lasso(const Value& start, Apply&& apply, const Same& same) {
  Value tortoise = start;
  Value left = start;
  Value hare = start;
  std::uint64_t at = 0;  // the tortoise's place
  std::uint64_t left_at = 0;
  std::uint64_t left_stride = 0;
  std::uint64_t stride = 1;
  std::uint64_t period = 1;
  apply(hare);
  while (!same(tortoise, hare)) {
    if (period == stride) {
      left = tortoise;
      left_at = at;
      left_stride = stride;
      tortoise = hare;
      at += period;
      stride *= 2;
      period = 0;
    }
    apply(hare);
    ++period;
  }
  std::uint64_t transient = 0;
  Value slow = start;
  if (period <= left_stride) {
    slow = left;
    transient = left_at;
  }
  Value fast = slow;
  for (std::uint64_t i = 0; i < period; ++i) apply(fast);
  while (!same(slow, fast)) {
    apply(slow);
    apply(fast);
    ++transient;
  }
  return {transient, period};
}

}  // namespace krohn
