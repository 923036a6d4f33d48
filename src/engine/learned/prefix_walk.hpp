// The walk of one device below nodes of a prefix tree: depth first, many nodes of one length at a time, in
// lexicographic order. Where the device does two levels at once, an odd level comes first, so that the last two are
// tried together. Tested by tests/engine/prefix_walk_test.cpp.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "krohn/kernels/learned.hpp"

namespace krohn {

/// `Device` has branch(), check() and branches_twice() of LearnedDevice. `Below` says what is walked: symbols(),
/// tokens() (runs of the program's window), root_length(), rows() that leave states and last_rows() in all at
/// once, the limit() of lengths, `done` (what is longer is compared), stopped(), states_of(level); and hears
/// count(rows, seconds), last_of(number, length, label) of the last word of a batch, and of what is wrong(number,
/// length): a word by its number among those of its length. A word told lowers the limit to below its length.
template <class Below, class Device>
class PrefixWalk {
 public:
  PrefixWalk(Below& below, Device& device) : below_(below), device_(device) {}

  /// Tries what lies below `count` nodes of a level, the states begin .. of it, whose words are consecutive numbers.
  void expand(std::size_t level, std::size_t begin, std::size_t count, std::uint64_t first_word) {
    using Clock = std::chrono::steady_clock;
    const std::uint32_t symbols = below_.symbols();
    const std::uint64_t length = below_.root_length() + level + 1;
    for (std::size_t at = 0, parents = 0; at < count && !below_.stopped(); at += parents) {
      const std::uint64_t limit = below_.limit();
      if (length > limit) return;
      LearnedBranches branches{symbols, below_.tokens(), 0, 2};
      const bool even = (limit - length) % 2 == 1;
      const bool fits = branches.words_of_last() <= below_.rows() && branches.family() <= below_.last_rows();
      if (!even || !fits || !device_.branches_twice(symbols)) branches.levels = 1;
      const bool last = length + branches.levels > limit;
      parents = std::min(below_.last_rows() / branches.family(), count - at);
      if (!last) parents = std::min(parents, below_.rows() / branches.words_of_last());
      const std::uint64_t word = (first_word + at) * symbols;
      branches.first_token = static_cast<std::uint32_t>(word % branches.tokens);
      auto& from = below_.states_of(level);
      auto* to = last ? nullptr : &below_.states_of(level + branches.levels);
      const auto start = Clock::now();
      device_.branch(from, begin + at, parents, branches, to);
      // Levels of words up to `done` are not compared again.
      const auto compared = static_cast<std::uint32_t>(below_.done < length ? 0 : below_.done - length + 1);
      const LearnedDevice::Checked checked = device_.check(from, begin + at, to, compared);
      below_.count(parents * branches.family(), std::chrono::duration<double>(Clock::now() - start).count());
      // Of each length: the first of its words here, and how many.
      std::uint64_t first = word;
      std::uint64_t words = parents * symbols;
      for (std::uint32_t l = 0;; ++l, first *= symbols, words *= symbols) {
        below_.last_of(first + words - 1, length + l, checked.last_label[l]);
        const bool wrong = checked.first_wrong[l] != LearnedDevice::Checked::none;
        if (wrong) below_.wrong(first + checked.first_wrong[l], length + l);
        if (wrong && l == 0) return;
        if (wrong || l + 1 == branches.levels) break;
      }
      if (to != nullptr) expand(level + branches.levels, 0, words, first);
    }
  }

 private:
  Below& below_;
  Device& device_;
};

}  // namespace krohn
