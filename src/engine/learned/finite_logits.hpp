// What ends a run.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include "krohn/error.hpp"

namespace krohn {

template <class T>
void require_finite(std::span<const T> logits) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      throw NumericError("logit " + std::to_string(i) + " is " + (std::isnan(logits[i]) ? "NaN" : "infinite") +
                         ": the run has no labels from here on");
    }
  }
}

}  // namespace krohn
