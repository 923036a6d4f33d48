// label: quick
// Congruences against the definition: the finest partition that joins the pair and that every letter respects.
#include "krohn/automata/congruence.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>

namespace krohn {
namespace {

// By saturation of a relation, in the plainest way.
Partition by_saturation(std::size_t n, const std::vector<std::vector<State>>& letters, State p, State q) {
  std::vector<std::vector<bool>> related(n, std::vector<bool>(n, false));
  for (State i = 0; i < n; ++i) related[i][i] = true;
  related[p][q] = related[q][p] = true;
  for (bool changed = true; changed;) {
    changed = false;
    const auto relate = [&](State i, State j) {
      if (!related[i][j]) changed = related[i][j] = related[j][i] = true;
    };
    for (State i = 0; i < n; ++i) {
      for (State j = 0; j < n; ++j) {
        if (!related[i][j]) continue;
        for (const std::vector<State>& letter : letters) relate(letter[i], letter[j]);
        for (State k = 0; k < n; ++k) {
          if (related[j][k]) relate(i, k);
        }
      }
    }
  }
  Partition partition(n);
  std::uint32_t count = 0;
  for (State i = 0; i < n; ++i) {
    const auto first = static_cast<State>(std::find(related[i].begin(), related[i].end(), true) - related[i].begin());
    partition[i] = first == i ? count++ : partition[first];
  }
  return partition;
}

std::vector<std::vector<State>> random_letters(std::mt19937_64& random, std::size_t n, std::size_t k) {
  std::vector<std::vector<State>> letters(k, std::vector<State>(n));
  for (std::vector<State>& letter : letters) {
    for (State q = 0; q < n; ++q) letter[q] = static_cast<State>(random() % 3 == 0 ? random() % n : (q + 1) % n);
  }
  return letters;
}

TEST_CASE("a pair generates the finest congruence that joins it") {
  std::mt19937_64 random(1);
  std::size_t proper = 0;
  for (int trial = 0; trial < 300; ++trial) {
    const std::size_t n = 2 + random() % 7;
    const auto letters = random_letters(random, n, 1 + random() % 2);
    const auto p = static_cast<State>(random() % n);
    const auto q = static_cast<State>(random() % n);
    const Partition partition = generated_congruence(n, letters, {p, q});
    CHECK(partition == by_saturation(n, letters, p, q));
    const std::size_t classes = classes_of(partition).size();
    if (classes > 1 && classes < n) ++proper;
  }
  CHECK(proper > 30);
}

TEST_CASE("candidates are proper, distinct, respected by the letters, and at most as many as asked for") {
  std::mt19937_64 random(2);
  std::size_t total = 0;
  for (int trial = 0; trial < 100; ++trial) {
    const std::size_t n = 2 + random() % 9;
    const auto letters = random_letters(random, n, 1);
    std::size_t unlimited = SIZE_MAX;
    const std::vector<Partition> found = small_congruences(n, letters, 5, unlimited);
    CHECK(found.size() <= 5);
    total += found.size();
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(std::count(found.begin(), found.end(), found[i]) == 1);
      const auto classes = classes_of(found[i]);
      CHECK(classes.size() > 1);
      CHECK(classes.size() < n);
      const auto quotient = quotient_letters(letters, found[i]);
      for (std::size_t a = 0; a < letters.size(); ++a) {
        for (State q = 0; q < n; ++q) CHECK(found[i][letters[a][q]] == quotient[a][found[i][q]]);
      }
    }
  }
  CHECK(total > 50);
  std::size_t unlimited = SIZE_MAX;
  CHECK(small_congruences(129, {std::vector<State>(129, 0)}, 5, unlimited).empty());
}

TEST_CASE("a budget ends the search: what is found is what a larger budget finds, and fewer pairs are looked at") {
  std::mt19937_64 random(3);
  std::size_t fewer = 0;
  for (int trial = 0; trial < 50; ++trial) {
    const std::size_t n = 10 + random() % 20;
    const auto letters = random_letters(random, n, 1);
    std::size_t unlimited = SIZE_MAX;
    const std::vector<Partition> all = small_congruences(n, letters, 10000, unlimited);
    const std::size_t work = SIZE_MAX - unlimited;
    std::size_t budget = work / 4;
    const std::vector<Partition> some = small_congruences(n, letters, 10000, budget);
    CHECK(budget == 0);
    for (const Partition& partition : some) CHECK(std::count(all.begin(), all.end(), partition) == 1);
    if (some.size() < all.size()) ++fewer;
    std::size_t none = 0;
    CHECK(small_congruences(n, letters, 10000, none).empty());
  }
  CHECK(fewer > 10);
}

}  // namespace
}  // namespace krohn
