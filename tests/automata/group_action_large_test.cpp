// label: slow
// Groups of some ten thousand elements.
#include <doctest/doctest.h>

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

}  // namespace
}  // namespace krohn
