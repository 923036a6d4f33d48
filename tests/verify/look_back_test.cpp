// label: quick
// How far functionals go over all words: what any word reaches, added up in long double, is never more, for random
// decays and writes, first states and functionals; and of all words up to a length that decides, some reach nearly that
// far.
#include "../../src/verify/sets/look_back.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "krohn/numeric/splitmix64.hpp"

namespace krohn::sets {
namespace {

double uniform(SplitMix64& random) { return static_cast<double>(random.next() >> 11U) * 0x1p-53; }

struct Problem {
  std::vector<std::vector<double>> decays;
  LookBack::Entries entries;
  std::vector<double> functional;
};

/// Hulls are the least: of every entry by itself, the word of one token for ever that is best for it, or the first
/// state.
Problem draw(SplitMix64& random, std::size_t tokens, std::size_t size, double slowest, bool begun) {
  Problem problem;
  LookBack::Entries& entries = problem.entries;
  for (std::size_t c = 0; c < tokens; ++c) {
    std::vector<double>& decays = problem.decays.emplace_back();
    std::vector<double>& writes = entries.writes.emplace_back();
    for (std::size_t j = 0; j < size; ++j) {
      decays.push_back(random.next() % 8 == 0 ? 0.0 : 1.0 - slowest * std::pow(10.0, -2.0 + 2.0 * uniform(random)));
      writes.push_back(random.next() % 8 == 0 ? 0.0 : 2.0 * uniform(random) - 1.0);
    }
  }
  for (std::size_t j = 0; j < size; ++j) {
    problem.functional.push_back(2.0 * uniform(random) - 1.0);
    entries.first.push_back(begun ? 4.0 * uniform(random) - 2.0 : 0.0);
    // s <= h is kept by every token if a h + w <= h, so by the largest w / (1 - a), and at least the first state.
    double up = entries.first.back();
    double down = -entries.first.back();
    for (std::size_t c = 0; c < tokens; ++c) {
      up = std::max(up, entries.writes[c][j] / (1.0 - problem.decays[c][j]));
      down = std::max(down, -entries.writes[c][j] / (1.0 - problem.decays[c][j]));
    }
    entries.up.push_back(up * (1.0 + 0x1p-40) + 0x1p-40);
    entries.down.push_back(down + 0x1p-40 * std::abs(down) + 0x1p-40);
  }
  return problem;
}

long double reached(const Problem& problem, const std::vector<std::size_t>& word) {
  std::vector<long double> state(problem.entries.first.begin(), problem.entries.first.end());
  for (const std::size_t c : word) {
    for (std::size_t j = 0; j < state.size(); ++j) {
      state[j] = static_cast<long double>(problem.decays[c][j]) * state[j] +
                 static_cast<long double>(problem.entries.writes[c][j]);
    }
  }
  long double sum = 0.0L;
  for (std::size_t j = 0; j < state.size(); ++j) sum += static_cast<long double>(problem.functional[j]) * state[j];
  return sum;
}

std::vector<std::size_t> random_word(SplitMix64& random, std::size_t tokens, std::size_t length) {
  std::vector<std::size_t> word;
  for (std::uint64_t left = 0, c = 0; word.size() < length; --left) {
    if (left == 0) {
      left = 1 + random.next() % (std::uint64_t{1} << (random.next() % 10));
      c = random.next() % tokens;
    }
    word.push_back(c);
  }
  return word;
}

TEST_CASE("no word reaches farther, whatever its length") {
  SplitMix64 random(3);
  for (int round = 0; round < 150; ++round) {
    const std::size_t tokens = 1 + random.next() % 4;
    const Problem problem =
        draw(random, tokens, 1 + random.next() % 6, std::pow(10.0, -3.0 * uniform(random)), random.next() % 2 == 0);
    const double far = LookBack(problem.decays).far(problem.functional.data(), problem.entries);
    // Of a sum in long double, and of what is called far.
    const long double room = 1e-12L * (1.0L + std::abs(static_cast<long double>(far)));
    for (int i = 0; i < 60; ++i) {
      const std::size_t length = random.next() % (i % 6 == 0 ? 3000 : 40);
      CAPTURE(round);
      REQUIRE(reached(problem, random_word(random, tokens, length)) <= static_cast<long double>(far) + room);
    }
  }
}

TEST_CASE("some word reaches nearly as far, where few tokens decide") {
  SplitMix64 random(4);
  for (int round = 0; round < 40; ++round) {
    // Decays of at most 0.6: what lies more than 14 tokens back is less than 10^-3 of what is written.
    Problem problem = draw(random, 2, 3, 1.0, round % 2 == 0);
    for (auto& row : problem.decays) {
      for (double& a : row) a = 0.6 * uniform(random);
    }
    for (std::size_t j = 0; j < 3; ++j) {
      double& up = problem.entries.up[j];
      double& down = problem.entries.down[j];
      up = problem.entries.first[j];
      down = -problem.entries.first[j];
      for (std::size_t c = 0; c < 2; ++c) {
        up = std::max(up, problem.entries.writes[c][j] / (1.0 - problem.decays[c][j]));
        down = std::max(down, -problem.entries.writes[c][j] / (1.0 - problem.decays[c][j]));
      }
    }
    const double far = LookBack(problem.decays).far(problem.functional.data(), problem.entries);
    long double most = reached(problem, {});
    for (std::size_t length = 1; length <= 14; ++length) {
      for (std::size_t word = 0; word < (std::size_t{1} << length); ++word) {
        std::vector<std::size_t> letters;
        for (std::size_t i = 0; i < length; ++i) letters.push_back(word >> i & 1U);
        most = std::max(most, reached(problem, letters));
      }
    }
    CAPTURE(round);
    CHECK(static_cast<double>(most) <= far);
    // Cells within 2^-8 of what is reached are followed no further; entries are at most 5.
    CHECK(far <= static_cast<double>(most) + 0x1p-7 * std::abs(static_cast<double>(most)) + 3.0 * 5.0 * 1e-3);
  }
}

TEST_CASE("hulls that end too soon are seen, where they matter") {
  SplitMix64 random(5);
  int seen = 0;
  for (int round = 0; round < 60; ++round) {
    Problem problem = draw(random, 2, 4, 0.001, false);
    for (double& x : problem.entries.up) x *= 0.2;
    for (double& x : problem.entries.down) x *= 0.2;
    const double far = LookBack(problem.decays).far(problem.functional.data(), problem.entries);
    for (const std::size_t c : {0U, 1U}) {
      if (reached(problem, std::vector<std::size_t>(20000, c)) > static_cast<long double>(far) * 1.01L) ++seen;
    }
  }
  CHECK(seen > 5);
}

}  // namespace
}  // namespace krohn::sets
