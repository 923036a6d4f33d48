// The carried states that some word reaches, where there are few.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "krohn/engine/machine.hpp"

namespace krohn {

/// Every reachable carried state, in breadth-first order, and all that was seen on the way.
struct Reachable {
  /// State i occupies the bytes i * state_size .. (i + 1) * state_size.
  std::vector<std::byte> states;
  std::size_t count = 0;
  /// [count * symbols]: the successor of state i under symbol a, and the label seen on the way.
  std::vector<std::uint32_t> next;
  std::vector<std::int32_t> label;
};

/// Nothing if more than `max_steps` steps are needed, or if some step meets NaN or infinity.
std::optional<Reachable> reachable_states(const Machine& machine, std::size_t max_steps);

/// True if `reachable` shows that no word is ever undefined.
bool always_defined(const Reachable& reachable);

}  // namespace krohn
