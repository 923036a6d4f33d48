// label: quick
// The walk of a device's prefix tree, with a device that only knows words' numbers: every word is tried once, in runs
// that fit, and of planted errors the first in shortlex order is told last, whether levels are tried one by one or two
// at once.
#include "learned/prefix_walk.hpp"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

/// A word as its length and its number among the words of that length.
using Node = std::pair<std::uint64_t, std::uint64_t>;

struct Level {
  std::vector<Node> nodes;
};

/// What LearnedDevice documents, of words: states are the words themselves.
struct Device {
  bool twice = false;
  std::set<Node> wrong;
  std::size_t rows = 0;
  std::size_t states = 0;
  std::map<Node, int> tried;

  LearnedBranches branches;
  std::vector<Node> families;

  bool branches_twice(std::uint32_t symbols) const { return twice && symbols == 2; }

  void branch(const Level& from, std::size_t begin, std::size_t count, const LearnedBranches& b, Level* to) {
    branches = b;
    families.clear();
    REQUIRE(begin + count <= from.nodes.size());
    std::vector<Node> last;
    for (std::size_t i = begin; i < begin + count; ++i) {
      std::vector<Node> level = {from.nodes[i]};
      for (std::uint32_t l = 0; l < b.levels; ++l) {
        std::vector<Node> next;
        for (const auto& [length, number] : level) {
          for (std::uint32_t a = 0; a < b.symbols; ++a) next.emplace_back(length + 1, number * b.symbols + a);
        }
        families.insert(families.end(), next.begin(), next.end());
        level = std::move(next);
      }
      last.insert(last.end(), level.begin(), level.end());
    }
    CHECK(families.front().second % b.tokens == b.first_token);
    CHECK(families.size() == count * b.family());
    CHECK(last.size() == count * b.words_of_last());
    CHECK(families.size() <= rows);
    if (to != nullptr) {
      CHECK(last.size() <= states);
      to->nodes = last;
    }
    for (const Node& node : families) ++tried[node];
  }

  LearnedDevice::Checked check(const Level& from, std::size_t begin, Level*, std::uint32_t compared) {
    LearnedDevice::Checked checked;
    const std::uint64_t length = from.nodes[begin].first + 1;
    for (const Node& node : families) {
      const auto l = static_cast<std::uint32_t>(node.first - length);
      const std::uint64_t first = from.nodes[begin].second * branches.symbols * (l == 0 ? 1 : branches.symbols);
      checked.last_label[l] = label(node);
      if (l < compared || !wrong.contains(node)) continue;
      checked.first_wrong[l] = std::min(checked.first_wrong[l], static_cast<std::uint32_t>(node.second - first));
    }
    return checked;
  }

  static std::int32_t label(const Node& node) {
    return static_cast<std::int32_t>(node.first * 1000 + node.second % 997);
  }
};

struct Below {
  std::uint32_t num_symbols = 2;
  std::size_t max_rows = 0;
  std::size_t max_last_rows = 0;
  std::uint64_t target = 0;
  std::uint64_t done = 0;
  std::map<std::size_t, Level> levels;
  std::vector<Node> told;
  std::size_t counted = 0;

  std::uint32_t symbols() const { return num_symbols; }
  std::uint32_t tokens() const { return num_symbols * num_symbols; }
  std::uint64_t root_length() const { return levels.at(0).nodes.front().first; }
  std::size_t rows() const { return max_rows; }
  std::size_t last_rows() const { return max_last_rows; }
  std::uint64_t limit() const { return told.empty() ? target : told.back().first - 1; }
  bool stopped() const { return false; }
  Level& states_of(std::size_t level) { return levels[level]; }
  void count(std::size_t rows, double) { counted += rows; }
  void last_of(std::uint64_t number, std::uint64_t length, std::int32_t label) const {
    CHECK(label == Device::label({length, number}));
  }
  void wrong(std::uint64_t number, std::uint64_t length) {
    CHECK((told.empty() || length < told.back().first));
    told.emplace_back(length, number);
  }
};

// Words of `symbols` up to `target` below all words of length `root`.
void walk(std::uint32_t symbols, std::uint64_t root, std::uint64_t target, std::uint64_t done, std::size_t rows,
          std::size_t last_rows, bool twice, const std::set<Node>& wrong) {
  Device device;
  device.twice = twice;
  device.wrong = wrong;
  device.states = rows;
  device.rows = last_rows;
  Below below;
  below.num_symbols = symbols;
  below.max_rows = rows;
  below.max_last_rows = last_rows;
  below.target = target;
  below.done = done;
  std::uint64_t roots = 1;
  for (std::uint64_t i = 0; i < root; ++i) roots *= symbols;
  for (std::uint64_t number = 0; number < roots; ++number) below.levels[0].nodes.emplace_back(root, number);
  PrefixWalk(below, device).expand(0, 0, roots, 0);

  std::optional<Node> first;
  for (const Node& node : wrong) {
    if (node.first > std::max(root, done) && node.first <= target && (!first || node < *first)) first = node;
  }
  CHECK(below.told.empty() == !first);
  if (first && !below.told.empty()) CHECK(below.told.back() == *first);
  // No word is tried twice, and none that precedes what was found is left out.
  std::size_t all = 0;
  std::uint64_t words = roots;
  for (std::uint64_t length = root + 1; length <= target; ++length) {
    words *= symbols;
    for (std::uint64_t number = 0; number < words; ++number) {
      const auto found = device.tried.find({length, number});
      const int times = found == device.tried.end() ? 0 : found->second;
      all += static_cast<std::size_t>(times);
      if (times > 1 || (times == 0 && (!first || Node{length, number} < *first))) {
        CAPTURE(length);
        CAPTURE(number);
        FAIL_CHECK("tried " << times << " times");
      }
    }
  }
  CHECK(below.counted == all);
}

TEST_CASE("every word is tried once, and the first error in shortlex order is found") {
  SplitMix64 draw(1);
  for (const std::uint32_t symbols : {2U, 3U}) {
    for (const bool twice : {false, true}) {
      for (std::uint64_t root = 0; root <= 3; ++root) {
        for (std::uint64_t target = root + 1; target <= (symbols == 2 ? 9 : 6); ++target) {
          for (const std::size_t rows : {std::size_t{symbols}, std::size_t{12}, std::size_t{60}}) {
            for (const std::size_t more : {1U, 4U}) {
              CAPTURE(symbols);
              CAPTURE(twice);
              CAPTURE(root);
              CAPTURE(target);
              CAPTURE(rows);
              walk(symbols, root, target, 0, rows, more * rows, twice, {});
              for (int i = 0; i < 3; ++i) {
                std::set<Node> wrong;
                for (int k = 0; k <= i; ++k) {
                  const std::uint64_t length = 1 + draw.next() % target;
                  std::uint64_t words = 1;
                  for (std::uint64_t l = 0; l < length; ++l) words *= symbols;
                  wrong.emplace(length, draw.next() % words);
                }
                walk(symbols, root, target, draw.next() % target, rows, more * rows, twice, wrong);
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace krohn
