// Minimisation in two stages. Two states are equivalent if no word leads them to different labels; the coarsest
// partition by labels that every letter respects is that equivalence, and no stage ever makes a partition finer than
// it.
//
// First a few rounds of Moore's refinement (1956) on hashes: a state's new hash is made of its own and those of its
// successors, so that states that agree on all words up to the number of rounds have equal hashes. Colliding hashes
// only leave a partition too coarse. If it turns out that every letter respects it, which is checked exactly, it is the
// answer: so it is for most automata without structure, whose states differ on short words, at a few passes over them.
// Otherwise Hopcroft's refinement (1971) goes on from there. Its invariant: for every block B and every block not
// waiting as a splitter, all states of B agree on which letters lead into it. Of the two parts of a split only the
// smaller has to wait, hence O(k n log n) on the whole. Everything lies in flat arrays; unreachable states are dropped
// first.
#include "krohn/automata/minimize.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::uint32_t unset = UINT32_MAX;

// The reachable states in breadth-first order, as plain arrays.
struct Numbered {
  std::vector<State> delta;
  std::vector<LabelId> labels;
};

Numbered number_reachable(const Dfa& dfa) {
  constexpr std::size_t ahead = 16;  // how far in front of the breadth-first scan the memory is asked for
  const std::size_t n = dfa.num_states();
  const std::size_t k = dfa.num_symbols();
  const State* const delta = dfa.delta().data();
  std::vector<State> order;
  order.reserve(n);
  order.push_back(dfa.start());
  std::vector<State> number(n, unset);
  number[dfa.start()] = 0;
  Numbered result;
  result.delta.reserve(n * k);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i + ahead < order.size()) {
      __builtin_prefetch(delta + std::size_t{order[i + ahead]} * k);
      const State* const soon = delta + std::size_t{order[i + ahead / 2]} * k;
      for (std::size_t a = 0; a < std::min<std::size_t>(k, 8); ++a) __builtin_prefetch(&number[soon[a]]);
    }
    const State* const row = delta + std::size_t{order[i]} * k;
    for (std::size_t a = 0; a < k; ++a) {
      State& name = number[row[a]];
      if (name == unset) {
        name = static_cast<State>(order.size());
        order.push_back(row[a]);
      }
      result.delta.push_back(name);
    }
  }
  result.labels.reserve(order.size());
  for (const State q : order) result.labels.push_back(dfa.label(q));
  return result;
}

// Classes of states, numbered in the order of their first states.
struct Classes {
  std::vector<std::uint32_t> of_state;
  std::vector<State> first;  // the first state of each class
};

std::uint64_t mix(std::uint64_t x) {
  x *= 0x9E3779B97F4A7C15ULL;
  x ^= x >> 32U;
  return x * 0xD6E8FEB86659FD93ULL;
}

// The classes of equal hashes; none if equal hashes meet different labels.
std::optional<Classes> classes_of(const std::vector<std::uint64_t>& hashes, const std::vector<LabelId>& labels) {
  const std::size_t n = hashes.size();
  std::size_t slots = 16;
  while (slots < 2 * n) slots *= 2;
  std::vector<std::uint32_t> table(slots, unset);  // of classes
  const auto slot_of = [&](std::size_t q) { return (hashes[q] ^ (hashes[q] >> 29U)) & (slots - 1); };
  Classes classes;
  classes.of_state.resize(n);
  for (std::size_t q = 0; q < n; ++q) {
    if (q + 16 < n) __builtin_prefetch(&table[slot_of(q + 16)]);
    std::size_t slot = slot_of(q);
    while (table[slot] != unset && hashes[classes.first[table[slot]]] != hashes[q]) slot = (slot + 1) & (slots - 1);
    if (table[slot] == unset) {
      table[slot] = static_cast<std::uint32_t>(classes.first.size());
      classes.first.push_back(static_cast<State>(q));
    } else if (labels[classes.first[table[slot]]] != labels[q]) {
      return std::nullopt;
    }
    classes.of_state[q] = table[slot];
  }
  return classes;
}

// Whether states of one class go to states of one class under every letter.
bool is_stable(const Classes& classes, const std::vector<State>& delta, std::size_t k) {
  for (std::size_t q = 0; q < classes.of_state.size(); ++q) {
    const std::size_t first = classes.first[classes.of_state[q]];
    if (first == q) continue;
    for (std::size_t a = 0; a < k; ++a) {
      if (classes.of_state[delta[q * k + a]] != classes.of_state[delta[first * k + a]]) return false;
    }
  }
  return true;
}

struct Rounds {
  Classes classes;  // label by label; never finer than the equivalence
  bool stable = false;
};

// A few rounds of hashes, looked at after every second one, for as long as they separate much.
Rounds refine_by_rounds(const Numbered& numbered, std::size_t k) {
  constexpr int max_rounds = 16;
  const std::size_t n = numbered.labels.size();
  std::vector<std::uint64_t> hashes(n);
  std::vector<std::uint64_t> next(n);
  for (std::size_t q = 0; q < n; ++q) {
    hashes[q] = mix(static_cast<std::uint64_t>(std::int64_t{numbered.labels[q]} + 2));
  }
  const std::optional<Classes> by_label = classes_of(hashes, numbered.labels);
  if (!by_label) throw InternalError("minimize: two labels have one hash");
  Rounds result{*by_label, by_label->first.size() == 1};
  // The second letter's successors must count differently from the first's: each letter has its own odd factor.
  std::vector<std::uint64_t> factors(k);
  for (std::size_t a = 0; a < k; ++a) factors[a] = mix(a + 1) | 1U;
  for (int round = 1; round <= max_rounds && !result.stable; ++round) {
    const State* row = numbered.delta.data();
    for (std::size_t q = 0; q < n; ++q, row += k) {
      std::uint64_t sum = hashes[q];
      for (std::size_t a = 0; a < k; ++a) sum += hashes[row[a]] * factors[a];
      next[q] = mix(sum);
    }
    hashes.swap(next);
    if (round < 4 ? round != 3 : round % 2 == 0) continue;
    std::optional<Classes> classes = classes_of(hashes, numbered.labels);
    if (!classes) break;
    const std::size_t before = result.classes.first.size();
    const std::size_t now = classes->first.size();
    result.classes = std::move(*classes);
    result.stable = now == n || is_stable(result.classes, numbered.delta, k);
    if (now < 2 * before && now < n / 8) break;
  }
  return result;
}

// A partition of 0..n-1: each block is a range of `elements`; the first `marked` elements of a block are marked.
class Partition {
  struct Block {
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t marked;
  };

 public:
  explicit Partition(const Classes& classes)
      : elements_(classes.of_state.size()),
        location_(classes.of_state.size()),
        block_of_(classes.of_state),
        blocks_(classes.first.size(), Block{0, 0, 0}) {
    for (const std::uint32_t block : block_of_) ++blocks_[block].end;
    std::uint32_t sum = 0;
    for (Block& block : blocks_) {
      block.begin = sum;
      sum += block.end;
      block.end = block.begin;
    }
    for (State q = 0; q < block_of_.size(); ++q) {
      location_[q] = blocks_[block_of_[q]].end++;
      elements_[location_[q]] = q;
    }
  }

  std::uint32_t size() const { return static_cast<std::uint32_t>(blocks_.size()); }
  std::uint32_t size_of(std::uint32_t block) const { return blocks_[block].end - blocks_[block].begin; }
  std::uint32_t block_of(State q) const { return block_of_[q]; }
  std::span<const State> states(std::uint32_t block) const {
    return std::span(elements_).subspan(blocks_[block].begin, size_of(block));
  }

  // Marks q; true if it is the first of its block.
  bool mark(State q) {
    Block& block = blocks_[block_of_[q]];
    const std::uint32_t at = location_[q];
    const std::uint32_t to = block.begin + block.marked;
    if (at < to) return false;
    const State other = elements_[to];
    elements_[to] = q;
    elements_[at] = other;
    location_[q] = to;
    location_[other] = at;
    return block.marked++ == 0;
  }

  // Parts marked from unmarked; the smaller part is the new block, returned; `unset` if all were marked.
  std::uint32_t split(std::uint32_t index) {
    Block& block = blocks_[index];
    const std::uint32_t middle = block.begin + block.marked;
    const std::uint32_t unmarked = block.end - middle;
    const std::uint32_t marked = std::exchange(block.marked, 0);
    if (unmarked == 0) return unset;
    Block part{block.begin, middle, 0};
    if (marked <= unmarked) {
      block.begin = middle;
    } else {
      part = {middle, block.end, 0};
      block.end = middle;
    }
    const auto name = static_cast<std::uint32_t>(blocks_.size());
    for (std::uint32_t i = part.begin; i < part.end; ++i) block_of_[elements_[i]] = name;
    blocks_.push_back(part);
    return name;
  }

 private:
  std::vector<State> elements_;
  std::vector<std::uint32_t> location_;
  std::vector<std::uint32_t> block_of_;
  std::vector<Block> blocks_;
};

// For every letter the states that it leads into each state: sources[offset[a * (n + 1) + q] ..].
struct Inverse {
  std::vector<std::uint32_t> offset;
  std::vector<State> sources;
};

Inverse invert(const std::vector<State>& delta, std::size_t n, std::size_t k) {
  Inverse inverse{std::vector<std::uint32_t>(k * (n + 1), 0), std::vector<State>(n * k)};
  for (std::size_t a = 0; a < k; ++a) {
    std::uint32_t* offset = inverse.offset.data() + a * (n + 1);
    State* sources = inverse.sources.data() + a * n;
    for (std::size_t q = 0; q < n; ++q) ++offset[delta[q * k + a]];
    std::uint32_t sum = 0;
    for (std::size_t q = 0; q <= n; ++q) sum += std::exchange(offset[q], sum);
    for (std::size_t q = 0; q < n; ++q) sources[offset[delta[q * k + a]]++] = static_cast<State>(q);
    for (std::size_t q = n; q > 0; --q) offset[q] = offset[q - 1];
    offset[0] = 0;
  }
  return inverse;
}

void refine(Partition& partition, const std::vector<State>& delta, std::size_t n, std::size_t k) {
  const Inverse inverse = invert(delta, n, k);
  std::vector<std::uint32_t> waiting;
  std::uint32_t largest = 0;
  for (std::uint32_t b = 1; b < partition.size(); ++b) {
    if (partition.size_of(b) > partition.size_of(largest)) largest = b;
  }
  for (std::uint32_t b = 0; b < partition.size(); ++b) {
    if (b != largest) waiting.push_back(b);
  }
  std::vector<State> splitter;
  std::vector<std::uint32_t> touched;
  while (!waiting.empty() && partition.size() < n) {
    // A copy: the block may itself be split while its letters are worked through.
    const std::span<const State> states = partition.states(waiting.back());
    splitter.assign(states.begin(), states.end());
    waiting.pop_back();
    for (std::size_t a = 0; a < k; ++a) {
      const std::uint32_t* offset = inverse.offset.data() + a * (n + 1);
      const State* sources = inverse.sources.data() + a * n;
      touched.clear();
      for (const State q : splitter) {
        for (std::uint32_t i = offset[q]; i < offset[q + 1]; ++i) {
          if (partition.mark(sources[i])) touched.push_back(partition.block_of(sources[i]));
        }
      }
      for (const std::uint32_t block : touched) {
        const std::uint32_t part = partition.split(block);
        // Whether or not the rest still waits, the new part has to: it is the smaller one.
        if (part != unset) waiting.push_back(part);
      }
    }
  }
}

}  // namespace

Dfa reachable_part(const Dfa& dfa) {
  Numbered numbered = number_reachable(dfa);
  return Dfa(dfa.alphabet(), 0, std::move(numbered.delta), std::move(numbered.labels), dfa.label_names());
}

Dfa minimize(const Dfa& dfa) {
  const Numbered numbered = number_reachable(dfa);
  const std::size_t n = numbered.labels.size();
  const std::size_t k = dfa.num_symbols();
  Rounds rounds = refine_by_rounds(numbered, k);
  Classes& classes = rounds.classes;
  if (!rounds.stable) {
    Partition partition(classes);
    refine(partition, numbered.delta, n, k);
    classes.first.clear();
    std::vector<std::uint32_t> number(partition.size(), unset);
    for (State q = 0; q < n; ++q) {
      std::uint32_t& name = number[partition.block_of(q)];
      if (name == unset) {
        name = static_cast<std::uint32_t>(classes.first.size());
        classes.first.push_back(q);
      }
      classes.of_state[q] = name;
    }
  }

  // States are numbered breadth first, so that the first state of a class is the one through which the quotient is
  // first reached there: classes in the order of their first states are numbered breadth first.
  std::vector<State> delta;
  std::vector<LabelId> labels;
  delta.reserve(classes.first.size() * k);
  labels.reserve(classes.first.size());
  for (const State q : classes.first) {
    labels.push_back(numbered.labels[q]);
    for (std::size_t a = 0; a < k; ++a) delta.push_back(classes.of_state[numbered.delta[q * k + a]]);
  }
  return Dfa(dfa.alphabet(), 0, std::move(delta), std::move(labels), dfa.label_names());
}

}  // namespace krohn
