// What a scan runs: the finite machine that a model is, and the monoid of its transformations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "krohn/engine/machine.hpp"
#include "krohn/kernels/scan.hpp"
#include "reachable.hpp"

namespace krohn {

/// The transformations of a machine's states that words effect, in shortlex order of their shortest words. Members as
/// MonoidView's.
struct TransformationMonoid {
  std::uint32_t num_symbols = 0;
  std::vector<std::uint32_t> right;
  std::vector<std::uint32_t> first;
  std::vector<std::uint32_t> rest;

  MonoidView view() const noexcept {
    return {static_cast<std::uint32_t>(first.size()), num_symbols, right.data(), first.data(), rest.data()};
  }
};

/// Nothing if listing them takes more than `max_work` look-ups, or half as many words of memory. `next` is [states *
/// num_symbols].
std::optional<TransformationMonoid> transformation_monoid(const std::vector<std::uint32_t>& next,
                                                          std::uint32_t num_symbols, std::size_t max_work);

struct ScanPlan {
  Reachable machine;
  std::optional<TransformationMonoid> monoid;
};

/// The plan, or the reason why there is none.
std::variant<ScanPlan, std::string> plan_scan(const Machine& model);

}  // namespace krohn
