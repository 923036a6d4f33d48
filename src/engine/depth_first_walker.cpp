// The CPU's walk: each frontier node's subtree depth first, by one thread. Invariant: no word at or before the final
// one in shortlex order is skipped, whatever the threads do, because a block is only ever cut to lengths that cannot
// precede a word already found. Tested by tests/engine/enumerate_test.cpp.
#include <algorithm>
#include <atomic>
#include <mutex>

#include "krohn/error.hpp"
#include "parallel.hpp"
#include "search.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t frontier_nodes = 4096;
constexpr std::uint64_t nodes_between_polls = 4096;

/// The first word out of order of all threads, and what it allows a block to leave out.
class FirstWord {
 public:
  void add(std::size_t block, const Word& word) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!word_ || before(word, *word_)) {
      word_ = word;
      block_ = block;
      length_.store(word.size());
    }
  }
  /// Words of `block` longer than this cannot be first. Blocks are in lexicographic order of their prefixes.
  std::uint64_t longest(std::size_t block, std::uint64_t target) const {
    if (length_.load() > target) return target;
    const std::lock_guard<std::mutex> lock(mutex_);
    return block < block_ ? word_->size() : word_->size() - 1;
  }
  const std::optional<Word>& word() const { return word_; }

 private:
  mutable std::mutex mutex_;
  std::optional<Word> word_;
  std::size_t block_ = 0;
  std::atomic<std::uint64_t> length_{~std::uint64_t{0}};
};

class DepthFirstWalker final : public Walker {
 public:
  DepthFirstWalker(Search& search, const Frontier& frontier) : search_(search), frontier_(frontier) {}

  std::optional<Word> walk(std::uint64_t done, std::uint64_t target) override {
    FirstWord first;
    parallel_blocks(frontier_.size(), threads_to_use(search_.options().threads),
                    [&](std::size_t block) { walk_below(block, done, target, first); });
    return first.word();
  }

 private:
  /// Symbols ascending, so that words of one length come in order.
  void walk_below(std::size_t block, std::uint64_t done, std::uint64_t target, FirstWord& first) {
    const LabelledAutomaton& automaton = search_.automaton();
    const std::uint32_t symbols = automaton.num_symbols;
    const std::size_t size = frontier_.state_size;
    std::uint64_t longest = first.longest(block, target);
    if (longest <= frontier_.length || search_.stopped()) return;
    const auto depth_limit = static_cast<std::size_t>(target - frontier_.length);
    std::vector<std::byte> states((depth_limit + 1) * size);
    std::vector<std::uint32_t> q(depth_limit + 1);
    std::vector<Symbol> suffix(depth_limit + 1);
    std::copy_n(frontier_.states.begin() + static_cast<std::ptrdiff_t>(block * size), size, states.begin());
    q[0] = frontier_.automaton_state[block];
    std::uint64_t visited = 0;
    std::size_t depth = 0;
    suffix[0] = 0;
    for (;;) {
      if (suffix[depth] == symbols || frontier_.length + depth >= longest) {
        if (depth == 0) break;
        --depth;
        ++suffix[depth];
        continue;
      }
      if (++visited % nodes_between_polls == 0) {
        if (search_.stopped()) break;
        longest = std::min(longest, first.longest(block, target));
        if (frontier_.length + depth >= longest) continue;
      }
      const Symbol a = suffix[depth];
      const std::span<std::byte> child(states.data() + (depth + 1) * size, size);
      std::copy_n(states.begin() + static_cast<std::ptrdiff_t>(depth * size), size, child.begin());
      const std::uint32_t state = automaton.delta[std::size_t{q[depth]} * symbols + a];
      const std::uint64_t length = frontier_.length + depth + 1;
      bool wrong = false;
      try {
        wrong = search_.differs(state, search_.machine().step(child, a).label) && length > done;
      } catch (const NumericError&) {
        wrong = true;
      }
      if (wrong) {
        Word word = word_of(frontier_.word[block], frontier_.length, symbols);
        word.insert(word.end(), suffix.begin(), suffix.begin() + static_cast<std::ptrdiff_t>(depth + 1));
        first.add(block, word);
        longest = length - 1;
        continue;
      }
      ++depth;
      q[depth] = state;
      suffix[depth] = 0;
    }
    search_.count(visited);
  }

  Search& search_;
  const Frontier& frontier_;
};

}  // namespace

WalkPlan depth_first_plan() {
  return {
      [] { return std::string("cpu"); }, frontier_nodes,
      [](Search& search, const Frontier& frontier) { return std::make_unique<DepthFirstWalker>(search, frontier); }};
}

}  // namespace krohn
