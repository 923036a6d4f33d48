// label: slow
// Automata of some ten thousand states: what is found, and what is refused before it fills the memory.
#include <doctest/doctest.h>

#include <utility>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/group_action.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

TEST_CASE(
    "cyclic groups of many divisors take the sum of their prime powers, and too many colours are a ResourceError") {
  // 43200 has 84 divisors, and 64 is not among the first.
  CHECK(find_action(catalog_language("mod:43200")).degree == 64 + 27 + 25);
  // A prime: nothing but the action on the states, whose colours are 16411^2 numbers, just above 2^28.
  CHECK_THROWS_AS(find_action(catalog_language("mod:16411")), ResourceError);
}

TEST_CASE("sets of states that would take gigabytes or days are refused in every mode") {
  // 87382 states.
  const Dfa large = catalog_language("dyck:4,8");
  for (const auto& [mode, problem] :
       {std::pair(CascadeMode::images, "1 GiB"), std::pair(CascadeMode::points, "16384")}) {
    CascadeOptions options;
    options.mode = mode;
    options.max_family = 1000000;
    CHECK_THROWS_WITH_AS(make_cascade(large, options), doctest::Contains(problem), ResourceError);
  }
}

}  // namespace
}  // namespace krohn
