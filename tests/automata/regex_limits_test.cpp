// label: slow
// Expressions at the limits: nesting, length, and automata past the cap.
#include <doctest/doctest.h>

#include <string>

#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

std::string error_of(std::string_view pattern) {
  try {
    (void)parse_regex(pattern);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("deep nesting and long patterns neither overflow nor hang") {
  const std::size_t depth = 100000;
  CHECK(parse_regex(std::string(depth, '(') + "a" + std::string(depth, ')')) == parse_regex("a"));
  CHECK(parse_regex(std::string(depth, '~') + "a") == parse_regex("a"));
  std::string stars = std::string(depth, '(') + "a";
  for (std::size_t i = 0; i < depth; ++i) stars += ")*";
  CHECK(parse_regex(stars) == parse_regex("a*"));
  CHECK(error_of(std::string(depth, '(') + "a").starts_with("column 100000: "));
  CHECK(parse_regex(std::string(10000, 'a')).num_states() == 10002);
  std::string alternatives = "a";
  for (std::size_t i = 0; i < depth; ++i) alternatives += "|a";
  CHECK(parse_regex(alternatives) == parse_regex("a"));
  CHECK_THROWS_AS(parse_regex("(a|b)*a(a|b){40}"), ResourceError);
}

}  // namespace
}  // namespace krohn
