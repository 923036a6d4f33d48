// Breadth-first closure of the carried states under all symbols, by an open-addressing table on their bytes. It is a
// means to choose a faster path with the same results (no decode can tie; a small set of states): no verdict is taken
// from it. Tested by tests/engine/scan_test.cpp.
#include "reachable.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "krohn/error.hpp"

namespace krohn {

std::optional<Reachable> reachable_states(const Machine& machine, std::size_t max_steps) {
  const std::size_t size = machine.state_size();
  const std::size_t symbols = machine.alphabet().size();
  Reachable result;
  // Keys own their bytes: the vector of states moves while it grows.
  std::unordered_map<std::string, std::uint32_t> index;
  const auto key = [&](const std::byte* bytes) { return std::string(reinterpret_cast<const char*>(bytes), size); };
  std::vector<std::byte> state(size);
  try {
    machine.initial(state);
    result.states = state;
    result.count = 1;
    index.emplace(key(state.data()), 0);
    std::size_t steps = 0;
    for (std::size_t i = 0; i < result.count; ++i) {
      for (Symbol a = 0; a < symbols; ++a) {
        if (++steps > max_steps) return std::nullopt;
        std::copy_n(result.states.begin() + static_cast<std::ptrdiff_t>(i * size), size, state.begin());
        result.label.push_back(machine.step(state, a).label);
        const auto [at, added] = index.emplace(key(state.data()), static_cast<std::uint32_t>(result.count));
        if (added) {
          result.states.insert(result.states.end(), state.begin(), state.end());
          ++result.count;
        }
        result.next.push_back(at->second);
      }
    }
  } catch (const NumericError&) {
    return std::nullopt;
  }
  return result;
}

bool always_defined(const Reachable& reachable) {
  return std::none_of(reachable.label.begin(), reachable.label.end(),
                      [](std::int32_t label) { return label == undefined_label; });
}

}  // namespace krohn
