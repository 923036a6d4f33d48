// Minimisation by Hopcroft's refinement (1971). Two states are equivalent if no word leads them to different labels;
// the coarsest partition by labels that every letter respects is that equivalence. Invariant: the partition is never
// finer than the equivalence, and for every block B and every block not waiting as a splitter, all states of B agree
// on which letters lead into it. Of the two parts of a split only the smaller has to wait, hence O(k n log n).
// Everything lies in flat arrays; unreachable states are dropped first.
#include "krohn/automata/minimize.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace krohn {
namespace {

constexpr std::uint32_t unset = UINT32_MAX;

// The reachable states in breadth-first order, as plain arrays.
struct Numbered {
  std::vector<State> delta;
  std::vector<LabelId> labels;
};

Numbered number_reachable(const Dfa& dfa) {
  const std::size_t k = dfa.num_symbols();
  const std::span<const State> delta = dfa.delta();
  std::vector<State> order{dfa.start()};
  std::vector<State> number(dfa.num_states(), unset);
  number[dfa.start()] = 0;
  Numbered result;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const State* row = delta.data() + std::size_t{order[i]} * k;
    for (std::size_t a = 0; a < k; ++a) {
      State& n = number[row[a]];
      if (n == unset) {
        n = static_cast<State>(order.size());
        order.push_back(row[a]);
      }
      result.delta.push_back(n);
    }
  }
  result.labels.reserve(order.size());
  for (const State q : order) result.labels.push_back(dfa.label(q));
  return result;
}

// A partition of 0..n-1: each block is a range of `elements`; the first `marked` elements of a block are marked.
class Partition {
 public:
  explicit Partition(const std::vector<LabelId>& labels) : elements_(labels.size()), location_(labels.size()) {
    block_of_.resize(labels.size());
    for (std::size_t q = 0; q < labels.size(); ++q) elements_[q] = static_cast<State>(q);
    std::stable_sort(elements_.begin(), elements_.end(), [&](State p, State q) { return labels[p] < labels[q]; });
    for (std::uint32_t i = 0; i < elements_.size(); ++i) {
      const State q = elements_[i];
      location_[q] = i;
      if (i == 0 || labels[q] != labels[elements_[i - 1]]) {
        if (i > 0) blocks_.back().end = i;
        blocks_.push_back({i, i, 0});
      }
      block_of_[q] = static_cast<std::uint32_t>(blocks_.size() - 1);
    }
    blocks_.back().end = static_cast<std::uint32_t>(elements_.size());
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
  struct Block {
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t marked;
  };
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
  Partition partition(numbered.labels);
  refine(partition, numbered.delta, n, k);

  // The quotient, breadth first. States are numbered breadth first already, so that the first state of a block seen
  // in ascending order is the one through which the quotient reaches it first.
  std::vector<std::uint32_t> number(partition.size(), unset);
  std::vector<State> first;
  for (State q = 0; q < n; ++q) {
    std::uint32_t& name = number[partition.block_of(q)];
    if (name != unset) continue;
    name = static_cast<std::uint32_t>(first.size());
    first.push_back(q);
  }
  std::vector<State> delta;
  std::vector<LabelId> labels;
  delta.reserve(first.size() * k);
  labels.reserve(first.size());
  for (const State q : first) {
    labels.push_back(numbered.labels[q]);
    for (std::size_t a = 0; a < k; ++a) delta.push_back(number[partition.block_of(numbered.delta[q * k + a])]);
  }
  return Dfa(dfa.alphabet(), 0, std::move(delta), std::move(labels), dfa.label_names());
}

}  // namespace krohn
