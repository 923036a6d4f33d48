// label: quick
// Elements, shortlex least words and Cayley graphs against brute force at every width of storage; the sizes of T_n
// and S_n; the corpus.
#include "krohn/automata/transition_monoid.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "automata/monoid_reference.hpp"
#include "corpus.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

/// Degree n with the interesting action on the last k points, the rest fixed or sent to 0: every byte is used.
std::vector<Transformation> letters_at(std::size_t n, std::mt19937& random) {
  std::vector<Transformation> letters(1 + random() % 3, Transformation(n));
  const std::size_t k = std::min<std::size_t>(n, 5);
  for (Transformation& f : letters) {
    for (std::uint32_t q = 0; q < n; ++q) f[q] = q;
    for (std::size_t i = n - k; i < n; ++i) f[i] = static_cast<std::uint32_t>(n - 1 - random() % k);
    if (n > k && random() % 2 == 0) f[random() % (n - k)] = static_cast<std::uint32_t>(n - 1);
  }
  return letters;
}

TEST_CASE("every width: elements, words, graphs") {
  std::mt19937 random(9);
  for (const std::size_t n : {1U, 2U, 3U, 5U, 7U, 8U, 9U, 12U, 16U, 17U, 24U, 31U, 100U, 256U, 257U, 300U}) {
    for (int trial = 0; trial < 6; ++trial) {
      CAPTURE(n);
      const std::vector<Transformation> letters = letters_at(n, random);
      const reference::Monoid expected(n, letters, 2000);
      if (expected.elements.size() > 2000) continue;
      MonoidOptions options;
      options.left_graph = true;
      const TransitionMonoid monoid(n, letters, options);
      REQUIRE(monoid.complete());
      REQUIRE(monoid.size() == expected.elements.size());
      // The reference enumerates breadth first in the order of the letters too: shortlex.
      std::size_t wrong = 0;
      std::map<reference::Map, std::uint32_t> number;
      std::vector<std::vector<std::uint32_t>> least(monoid.size());
      for (std::uint32_t x = 0; x < monoid.size(); ++x) number.emplace(expected.elements[x], x);
      for (std::uint32_t x = 0; x < monoid.size(); ++x) {
        wrong += monoid.element(x) != expected.elements[x] ? 1 : 0;
        wrong += monoid.find(expected.elements[x]) != x ? 1 : 0;
        Transformation product = identity_transformation(n);
        for (const std::uint32_t l : monoid.word(x)) product = reference::multiply(product, letters[l]);
        wrong += product != expected.elements[x] ? 1 : 0;
        for (std::uint32_t l = 0; l < letters.size(); ++l) {
          const std::uint32_t right = number.at(reference::multiply(expected.elements[x], letters[l]));
          wrong += monoid.right(x, l) != right ? 1 : 0;
          wrong += monoid.left(x, l) != number.at(reference::multiply(letters[l], expected.elements[x])) ? 1 : 0;
          std::vector<std::uint32_t> word = least[x];
          word.push_back(l);
          if (right != 0 && least[right].empty()) least[right] = word;
        }
        wrong += monoid.word(x) != least[x] ? 1 : 0;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("sizes that are known, and find beyond the monoid") {
  std::size_t power = 1;
  std::size_t factorial = 1;
  for (std::uint32_t n = 1; n <= 6; ++n) {
    power = 1;
    factorial *= n;
    Transformation cycle(n);
    Transformation swap = identity_transformation(n);
    Transformation merge = identity_transformation(n);
    for (std::uint32_t q = 0; q < n; ++q) cycle[q] = (q + 1) % n, power *= n;
    if (n > 1) std::swap(swap[0], swap[1]), merge[1] = 0;
    CHECK(TransitionMonoid(n, {cycle, swap, merge}).size() == power);
    const TransitionMonoid symmetric(n, {cycle, swap});
    CHECK(symmetric.size() == factorial);
    if (n > 1) CHECK(symmetric.find(merge) == TransitionMonoid::none);
  }
  CHECK(TransitionMonoid(3, {}).size() == 1);
  CHECK(TransitionMonoid(0, {{}}).size() == 1);
}

TEST_CASE("the cap is exact, and says so") {
  const Transformation cycle = {1, 2, 3, 4, 5, 6, 0};
  const Transformation swap = {1, 0, 2, 3, 4, 5, 6};
  for (const std::size_t cap : {1U, 2U, 100U, 5039U, 5040U, 5041U}) {
    MonoidOptions options;
    options.max_elements = cap;
    const TransitionMonoid monoid(7, {cycle, swap}, options);
    CHECK(monoid.size() == std::min<std::size_t>(cap, 5040));
    CHECK(monoid.complete() == (cap >= 5040));
    options.left_graph = true;
    CHECK(TransitionMonoid(7, {cycle, swap}, options).size() == monoid.size());
  }
}

TEST_CASE("the corpus' orders") {
  for (const corpus::Language& language : corpus::languages()) {
    if (!language.monoid_order || *language.monoid_order > 20000) continue;
    CAPTURE(language.id);
    CHECK(TransitionMonoid(language.dfa.num_states(), distinct_letters(language.dfa).images).size() ==
          *language.monoid_order);
  }
}

TEST_CASE("bad input") {
  CHECK_THROWS_AS(TransitionMonoid(2, {{0}}), InputError);
  CHECK_THROWS_AS(TransitionMonoid(2, {{0, 2}}), InputError);
  CHECK_THROWS_AS(TransitionMonoid(2, {{0, 1}}).right(0, 0), InputError);
  CHECK_THROWS_AS(TransitionMonoid(2, {{0, 1}}).element(7), InputError);
}

}  // namespace
}  // namespace krohn
