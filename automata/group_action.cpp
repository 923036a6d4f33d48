// The search for a low-degree action. Points are blocks of block systems of the transitive action on the states Q.
//
// Why it is right. Let G be the transition group, S the stabiliser of the start. For a block system the start
// colouring gives two blocks one colour iff they lie in one S-orbit; it is S-invariant, so carrying it along a word
// depends only on the state reached. A set of systems separates the states iff no state r other than the start has
// the start's vector (if two states agree, shift both by a group element that takes one to the start). The states that
// one system does not separate from the start, its *kernel*, form a block inside the system's start block; kernels
// grow with the system. So: collect systems with their kernels and choose the cheapest set whose kernels meet in the
// start alone.
//
// Where the systems come from. (1) Upwards from the singletons: a system joined with one more pair (start, q), for
// every q, coarse systems first, until the budget is spent; joins work on the quotient, so coarse systems are cheap.
// (2) Greedy: one pass over the states in some order, taking every join that still keeps the start apart from given
// states; by monotonicity one pass ends in a maximal system. Passes in several orders reach actions far above the
// budget (S_7: 5,040 states, degree 7). In both, the states that powers of letters lead to come first: they generate
// the systems of cyclic groups. The whole is deterministic: orders come from a fixed generator.
//
// Kernels. For a regular action the states are the group's elements, a system is a subgroup H, and its kernel is the
// largest subset of H closed under conjugation: what is outside H is removed, then what a generator conjugates to
// something removed, linear in states * generators. Otherwise each state of the start block is tried.
//
// Letters are first thinned out to a generating set when the action is regular: letters are taken while they enlarge
// the start's orbit; the centraliser of a transitive group is transitive iff the group is regular, which is tested on
// all letters.
#include "krohn/automata/group_action.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "krohn/automata/transformation.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using Permutation = std::vector<std::uint32_t>;

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
// Work limits in elementary steps, about a nanosecond each; on many states as many joins as the divisors of a cyclic
// group's order take (240 up to 10^6), each linear in the states.
constexpr std::size_t closure_budget = 6'000'000;
constexpr std::size_t closure_budget_per_state = 4'000;
constexpr std::size_t greedy_budget = 60'000'000;
// Numbers in the state colours, 4 bytes each.
constexpr std::size_t max_state_colours = std::size_t{1} << 28U;
constexpr std::size_t greedy_runs = 24;
constexpr int pair_attempts = 20;
constexpr std::size_t choice_nodes = 100'000;
constexpr std::size_t max_ties = 64;
constexpr std::size_t max_equal = 8;  // systems kept of one kernel and one size
// Suborbits of a non-regular action take quadratic memory; beyond this many states the states themselves are used.
constexpr std::size_t max_suborbit_states = 4096;

class UnionFind {
 public:
  explicit UnionFind(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), 0U); }
  std::uint32_t find(std::uint32_t x) {
    while (parent_[x] != x) {
      parent_[x] = parent_[parent_[x]];
      x = parent_[x];
    }
    return x;
  }
  /// Keeps the smaller root; returns false if the two were one already.
  bool merge(std::uint32_t x, std::uint32_t y) {
    x = find(x);
    y = find(y);
    if (x == y) return false;
    if (y < x) std::swap(x, y);
    parent_[y] = x;
    return true;
  }

 private:
  std::vector<std::uint32_t> parent_;
};

/// A set of states as bits.
class StateSet {
 public:
  explicit StateSet(std::size_t size) : words_((size + 63) / 64) {}
  void insert(std::uint32_t q) { words_[q / 64] |= std::uint64_t{1} << (q % 64); }
  bool contains(std::uint32_t q) const { return ((words_[q / 64] >> (q % 64)) & 1U) != 0; }
  std::size_t size() const {
    std::size_t count = 0;
    for (const std::uint64_t word : words_) count += static_cast<std::size_t>(std::popcount(word));
    return count;
  }
  StateSet meet(const StateSet& other) const {
    StateSet result = *this;
    for (std::size_t i = 0; i < words_.size(); ++i) result.words_[i] &= other.words_[i];
    return result;
  }
  friend bool operator==(const StateSet&, const StateSet&) = default;
  struct Hash {
    std::size_t operator()(const StateSet& set) const {
      std::uint64_t hash = 0x9E3779B97F4A7C15U;
      for (const std::uint64_t word : set.words_) {
        hash = (hash ^ word) * 0xD6E8FEB86659FD93U;
        hash ^= hash >> 32U;
      }
      return static_cast<std::size_t>(hash);
    }
  };

 private:
  std::vector<std::uint64_t> words_;
};

/// A block system with the action of the generators on its blocks. Block 0 contains the start.
struct BlockSystem {
  std::vector<std::uint32_t> block_of;        // [states]
  std::vector<std::uint32_t> representative;  // [blocks], a state
  std::vector<Permutation> generators;        // on blocks
  /// Per block whether joining it to block 0 is known to leave one block; empty: nothing is known.
  std::vector<bool> hopeless;
  std::size_t size() const { return representative.size(); }
};

/// Systems, those of fewest blocks first. A binary heap with its steps written out: which of equally coarse systems
/// comes first decides the group action that is found, and the standard's heaps leave it to the library.
class CoarsestFirst {
 public:
  bool empty() const { return heap_.empty(); }

  void push(std::unique_ptr<BlockSystem> system) {
    heap_.emplace_back();
    rise(heap_.size() - 1, std::move(system));
  }

  std::unique_ptr<BlockSystem> pop() {
    std::unique_ptr<BlockSystem> first = std::move(heap_.front());
    std::unique_ptr<BlockSystem> last = std::move(heap_.back());
    heap_.pop_back();
    if (heap_.empty()) return first;
    // The gap goes down along the coarser children, the second of equals, and the last system rises from there.
    std::size_t gap = 0;
    for (std::size_t child = 2; child <= heap_.size(); child = 2 * gap + 2) {
      if (child == heap_.size() || heap_[child]->size() > heap_[child - 1]->size()) --child;
      heap_[gap] = std::move(heap_[child]);
      gap = child;
    }
    rise(gap, std::move(last));
    return first;
  }

 private:
  void rise(std::size_t gap, std::unique_ptr<BlockSystem> system) {
    while (gap > 0 && heap_[(gap - 1) / 2]->size() > system->size()) {
      heap_[gap] = std::move(heap_[(gap - 1) / 2]);
      gap = (gap - 1) / 2;
    }
    heap_[gap] = std::move(system);
  }

  std::vector<std::unique_ptr<BlockSystem>> heap_;
};

struct Candidate {
  BlockSystem system;
  StateSet kernel;
  bool obsolete = false;  // a coarser system has the same kernel
};

/// The transitive permutation group of the states, thinned to few generators, with words to every state.
class Search {
 public:
  Search(std::size_t states, State start, std::vector<Permutation> letters)
      : states_(states), start_(start), letters_(std::move(letters)) {
    thin_generators();
    walk();
    if (regular_) {
      find_conjugations();
    } else {
      find_suborbits();
    }
    find_powers();
  }

  /// The chosen systems, coarsest first.
  std::vector<BlockSystem> choose() {
    BlockSystem finest = singletons();
    if (states_ == 1) return {finest};
    add(finest);
    if (tractable_) {
      close_upwards(finest);
      climb(finest);
    }
    return cheapest();
  }

  /// The start colouring of a system: 1 on the start's block and 0 elsewhere where that separates as well, else the
  /// numbers 1, 2, .. of the stabiliser's orbits on blocks.
  std::vector<std::uint32_t> colouring(const BlockSystem& system) const {
    const std::vector<std::uint32_t> orbit = block_orbits(system);
    std::vector<std::uint32_t> colour(system.size());
    const bool marked = !tractable_ || kernel(system, orbit).size() == start_block_size(system);
    std::vector<std::uint32_t> number(system.size(), 0);
    std::uint32_t next = 0;
    for (std::size_t b = 0; b < colour.size(); ++b) {
      if (number[orbit[b]] == 0) number[orbit[b]] = ++next;
      colour[b] = marked ? (b == 0 ? 1 : 0) : number[orbit[b]];
    }
    return colour;
  }

 private:
  void thin_generators() {
    std::vector<std::uint32_t> orbit = {start_};
    std::vector<bool> seen(states_, false);
    seen[start_] = true;
    std::vector<std::size_t> chosen;
    // A letter that stayed inside the orbit may leave it once the orbit has grown: go round until nothing changes.
    for (bool grown = true; grown && orbit.size() < states_;) {
      grown = false;
      for (std::size_t l = 0; l < letters_.size() && orbit.size() < states_; ++l) {
        const auto leaves = [&](std::uint32_t q) { return !seen[letters_[l][q]]; };
        if (std::none_of(orbit.begin(), orbit.end(), leaves)) continue;
        grown = true;
        chosen.push_back(l);
        for (std::size_t i = 0; i < orbit.size(); ++i) {
          for (const std::size_t c : chosen) {
            const std::uint32_t image = letters_[c][orbit[i]];
            if (!seen[image]) {
              seen[image] = true;
              orbit.push_back(image);
            }
          }
        }
      }
    }
    if (orbit.size() < states_) {
      throw InputError("states: expected every state to be reachable, got " + std::to_string(orbit.size()) + " of " +
                       std::to_string(states_));
    }
    std::vector<Permutation> generators;
    for (const std::size_t c : chosen) generators.push_back(letters_[c]);
    generators_ = generators;
    regular_ = is_regular();
    if (!regular_) {
      generators_ = letters_;
    } else if (generators_.size() > 2) {
      find_two_generators();
    }
  }

  /// Regular actions: any letters under which the start reaches every state generate the group; two random ones often
  /// do, and joins take time in proportion to their number.
  void find_two_generators() {
    const std::vector<Permutation> known = generators_;
    std::uint64_t seed = 1;
    const auto random_letter = [&] {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      return static_cast<std::size_t>((seed >> 33U) % letters_.size());
    };
    for (int attempt = 0; attempt < pair_attempts; ++attempt) {
      const std::size_t first = random_letter();
      const std::size_t second = random_letter();
      generators_ = {letters_[first], letters_[second]};
      walk();
      if (order_.size() == states_ && is_regular()) return;
    }
    generators_ = known;
    is_regular();  // for the left multiplications of these generators
  }

  /// For every generator g the map start.w -> start.g.w must be well defined and commute with all letters.
  bool is_regular() {
    walk();
    left_.clear();
    for (const Permutation& generator : generators_) {
      Permutation moved(states_);
      for (const std::uint32_t q : order_) {
        moved[q] = q == start_ ? generator[start_] : generators_[by_[q]][moved[from_[q]]];
      }
      left_.push_back(moved);
      for (const Permutation& letter : letters_) {
        for (std::uint32_t q = 0; q < states_; ++q) {
          if (moved[letter[q]] != letter[moved[q]]) return false;
        }
      }
    }
    return true;
  }

  /// Breadth first from the start: order_, from_, by_ (generator), depth.
  void walk() {
    order_ = {start_};
    from_.assign(states_, none);
    by_.assign(states_, 0);
    from_[start_] = start_;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      for (std::uint32_t g = 0; g < generators_.size(); ++g) {
        const std::uint32_t image = generators_[g][order_[i]];
        if (from_[image] != none) continue;
        from_[image] = order_[i];
        by_[image] = g;
        order_.push_back(image);
      }
    }
  }

  /// Regular actions: for every generator g the map x -> g^-1 x g on the states, read as group elements.
  void find_conjugations() {
    for (std::size_t g = 0; g < generators_.size(); ++g) {
      Permutation conjugate(states_);
      // left_[g] maps x to g x, the generator maps x to x g: g y goes to y g.
      for (std::uint32_t y = 0; y < states_; ++y) conjugate[left_[g][y]] = generators_[g][y];
      conjugation_.push_back(std::move(conjugate));
    }
  }

  /// States that powers of letters, and of products of two letters, lead to from the start: for x of order o the
  /// states start.x^d for the divisors d of o.
  void find_powers() {
    std::vector<std::uint32_t> result;
    std::vector<bool> taken(states_, false);
    const auto add_powers = [&](const auto& apply) {
      std::vector<std::uint32_t> orbit = {start_};
      for (std::uint32_t q = apply(start_); q != start_; q = apply(q)) orbit.push_back(q);
      for (std::size_t d = 1; d < orbit.size(); ++d) {
        if (orbit.size() % d == 0 && !taken[orbit[d]]) {
          taken[orbit[d]] = true;
          result.push_back(orbit[d]);
        }
      }
    };
    const std::size_t most = std::min<std::size_t>(letters_.size(), 64);
    for (std::size_t i = 0; i < most; ++i) {
      add_powers([&](std::uint32_t q) { return letters_[i][q]; });
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(most, 8); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        add_powers([&](std::uint32_t q) { return letters_[j][letters_[i][q]]; });
      }
    }
    powers_ = std::move(result);
  }

  /// A permutation of the states by a group element that takes the start to r, or by the inverse of one: the colours
  /// that it keeps are the same.
  Permutation mover(std::uint32_t r) const {
    if (!regular_) return back_[r];
    // x.w = x w as a product; x = g y gives g (y w): walk the left multiplications.
    Permutation images(states_, none);
    images[start_] = r;
    std::vector<std::uint32_t> queue = {start_};
    for (std::size_t i = 0; i < queue.size(); ++i) {
      for (const Permutation& left : left_) {
        const std::uint32_t x = left[queue[i]];
        if (images[x] != none) continue;
        images[x] = left[images[queue[i]]];
        queue.push_back(x);
      }
    }
    return images;
  }

  /// The orbits of the stabiliser of the start on the states, from its Schreier generators w_q a w_{q.a}^-1.
  void find_suborbits() {
    suborbit_.resize(states_);
    std::iota(suborbit_.begin(), suborbit_.end(), 0U);
    if (states_ > max_suborbit_states) {
      tractable_ = false;
      return;
    }
    // back_[q][y] = the point that w_q takes to y.
    back_.resize(states_);
    for (const std::uint32_t q : order_) {
      back_[q].resize(states_);
      if (q == start_) {
        std::iota(back_[q].begin(), back_[q].end(), 0U);
        continue;
      }
      const Permutation& generator = generators_[by_[q]];
      for (std::uint32_t y = 0; y < states_; ++y) back_[q][generator[y]] = back_[from_[q]][y];
    }
    UnionFind orbits(states_);
    for (const std::uint32_t q : order_) {
      for (const Permutation& generator : generators_) {
        const Permutation& after = back_[generator[q]];
        for (std::uint32_t y = 0; y < states_; ++y) orbits.merge(back_[q][y], after[generator[y]]);
      }
    }
    for (std::uint32_t q = 0; q < states_; ++q) suborbit_[q] = orbits.find(q);
  }

  BlockSystem singletons() const {
    BlockSystem system;
    system.block_of.resize(states_);
    // The start becomes block 0; the others keep their order.
    for (std::uint32_t q = 0; q < states_; ++q) system.block_of[q] = q == start_ ? 0 : (q < start_ ? q + 1 : q);
    system.representative.resize(states_);
    for (std::uint32_t q = 0; q < states_; ++q) system.representative[system.block_of[q]] = q;
    for (const Permutation& generator : generators_) {
      Permutation images(states_);
      for (std::uint32_t q = 0; q < states_; ++q) images[system.block_of[q]] = system.block_of[generator[q]];
      system.generators.push_back(std::move(images));
    }
    return system;
  }

  /// A coarser partition of a system's blocks: the new number of each block, numbered by first occurrence.
  struct Merging {
    std::vector<std::uint32_t> number;
    std::vector<std::uint32_t> first;  // per new block: its first old one
  };

  /// The finest system above `system` that has blocks 0 and j in one block (Atkinson's algorithm on the quotient).
  Merging join(const BlockSystem& system, std::uint32_t j) {
    const std::size_t blocks = system.size();
    UnionFind classes(blocks);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> queue = {{0, j}};
    classes.merge(0, j);
    // Each queued pair is one merge: with one class left there is nothing more to merge.
    for (std::size_t i = 0; i < queue.size() && queue.size() + 1 < blocks; ++i) {
      const auto [x, y] = queue[i];
      for (const Permutation& generator : system.generators) {
        if (classes.merge(generator[x], generator[y])) queue.emplace_back(generator[x], generator[y]);
      }
    }
    spent_ += 4 * blocks + 4 * queue.size() * system.generators.size();
    Merging merging;
    merging.number.resize(blocks);
    for (std::uint32_t b = 0; b < blocks; ++b) {
      const std::uint32_t root = classes.find(b);
      if (root == b) {
        merging.number[b] = static_cast<std::uint32_t>(merging.first.size());
        merging.first.push_back(b);
      } else {
        merging.number[b] = merging.number[root];  // roots are smallest, hence already numbered
      }
    }
    return merging;
  }

  BlockSystem quotient(const BlockSystem& system, const Merging& merging) {
    BlockSystem result;
    for (const std::uint32_t b : merging.first) result.representative.push_back(system.representative[b]);
    for (const Permutation& generator : system.generators) {
      Permutation images(result.size());
      for (std::uint32_t b = 0; b < images.size(); ++b) images[b] = merging.number[generator[merging.first[b]]];
      result.generators.push_back(std::move(images));
    }
    result.block_of.resize(states_);
    for (std::uint32_t q = 0; q < states_; ++q) result.block_of[q] = merging.number[system.block_of[q]];
    spent_ += states_;
    return result;
  }

  /// The orbits of the start's stabiliser on the blocks, each named by its first block: two blocks share an orbit iff
  /// some suborbit meets both.
  std::vector<std::uint32_t> block_orbits(const BlockSystem& system) const {
    UnionFind orbits(system.size());
    if (!regular_) {
      for (std::uint32_t q = 0; q < states_; ++q) orbits.merge(system.block_of[q], system.block_of[suborbit_[q]]);
    }
    std::vector<std::uint32_t> result(system.size());
    for (std::uint32_t b = 0; b < result.size(); ++b) result[b] = orbits.find(b);
    return result;
  }

  std::size_t start_block_size(const BlockSystem& system) const {
    return static_cast<std::size_t>(std::count(system.block_of.begin(), system.block_of.end(), 0U));
  }

  /// True if the state that `mover` belongs to has another vector than the start: some block leaves its orbit.
  bool separates(const BlockSystem& system, const std::vector<std::uint32_t>& orbit, const Permutation& mover) const {
    for (std::uint32_t b = 0; b < system.size(); ++b) {
      if (orbit[system.block_of[mover[system.representative[b]]]] != orbit[b]) return true;
    }
    return false;
  }

  StateSet kernel(const BlockSystem& system, const std::vector<std::uint32_t>& orbit) const {
    StateSet result(states_);
    if (!regular_) {
      for (std::uint32_t q = 0; q < states_; ++q) {
        if (system.block_of[q] == 0 && (q == start_ || !separates(system, orbit, back_[q]))) result.insert(q);
      }
      return result;
    }
    std::vector<bool> removed(states_, false);
    std::vector<std::uint32_t> queue;
    for (std::uint32_t q = 0; q < states_; ++q) {
      if (system.block_of[q] == 0) continue;
      removed[q] = true;
      queue.push_back(q);
    }
    for (std::size_t i = 0; i < queue.size(); ++i) {
      for (const Permutation& conjugation : conjugation_) {
        const std::uint32_t q = conjugation[queue[i]];
        if (removed[q]) continue;
        removed[q] = true;
        queue.push_back(q);
      }
    }
    for (std::uint32_t q = 0; q < states_; ++q) {
      if (!removed[q]) result.insert(q);
    }
    return result;
  }

  void add(const BlockSystem& system) {
    StateSet unseparated(states_);
    unseparated.insert(start_);
    if (tractable_) unseparated = kernel(system, block_orbits(system));
    spent_ += 4 * states_;
    std::vector<std::size_t>& equal = by_kernel_[unseparated];
    if (!equal.empty()) {
      const std::size_t known = candidates_[equal.front()].system.size();
      if (system.size() > known || (system.size() == known && equal.size() == max_equal)) return;
      for (const std::size_t i : equal) {
        if (candidates_[i].system.block_of == system.block_of) return;
      }
      if (system.size() < known) {
        for (const std::size_t i : equal) candidates_[i].obsolete = true;
        equal.clear();
      }
    }
    equal.push_back(candidates_.size());
    candidates_.push_back({system, std::move(unseparated), false});
  }

  void close_upwards(const BlockSystem& finest) {
    std::unordered_set<StateSet, StateSet::Hash> seen;
    CoarsestFirst heap;
    const std::size_t limit = spent_ + std::max(closure_budget, closure_budget_per_state * states_);
    // The new system made, or nothing where the join is a known one; `whole` says that it left one block.
    const auto take = [&](const BlockSystem& system, std::uint32_t j, bool& whole) -> BlockSystem* {
      const Merging merging = join(system, j);
      whole = merging.first.size() == 1;
      if (whole) return nullptr;
      StateSet start_block(states_);
      for (std::uint32_t q = 0; q < states_; ++q) {
        if (merging.number[system.block_of[q]] == 0) start_block.insert(q);
      }
      spent_ += states_;
      if (!seen.insert(std::move(start_block)).second) return nullptr;
      auto coarser = std::make_unique<BlockSystem>(quotient(system, merging));
      add(*coarser);
      BlockSystem* made = coarser.get();
      heap.push(std::move(coarser));
      return made;
    };
    const auto expand = [&](const BlockSystem& system, std::size_t until) {
      std::vector<bool> hopeless = system.hopeless;
      hopeless.resize(system.size(), false);
      std::vector<BlockSystem*> made;
      bool finished = true;
      for (std::uint32_t j = 1; j < system.size() && finished; ++j) {
        if (hopeless[j]) continue;
        bool whole = false;
        if (BlockSystem* coarser = take(system, j, whole)) made.push_back(coarser);
        hopeless[j] = whole;
        finished = spent_ <= until;
      }
      // What joins to one block here does so in every coarser system.
      for (BlockSystem* coarser : made) {
        coarser->hopeless.resize(coarser->size(), false);
        for (std::uint32_t b = 0; b < system.size(); ++b) {
          if (hopeless[b]) coarser->hopeless[coarser->block_of[system.representative[b]]] = true;
        }
      }
      return finished;
    };
    for (const std::uint32_t q : powers_) {
      bool whole = false;
      if (spent_ < limit) take(finest, finest.block_of[q], whole);
    }
    bool complete = expand(finest, spent_ + closure_budget / 2);
    while (!heap.empty() && spent_ <= limit) {
      const std::unique_ptr<BlockSystem> system = heap.pop();
      complete = expand(*system, limit) && complete;
    }
    complete_ = complete && heap.empty();
  }

  /// One pass over the states: joins that keep the start apart from every mover's state.
  BlockSystem climb_once(const BlockSystem& finest, const std::vector<std::uint32_t>& order,
                         const std::vector<Permutation>& movers, std::size_t limit) {
    BlockSystem system = finest;
    std::vector<bool> failed(system.size(), false);  // per block: could not be joined, nor can it later
    for (const std::uint32_t q : order) {
      const std::uint32_t block = system.block_of[q];
      if (block == 0 || failed[block]) continue;
      if (spent_ > limit) break;
      failed[block] = true;
      const Merging merging = join(system, block);
      if (merging.first.size() == 1) continue;
      BlockSystem coarser = quotient(system, merging);
      const std::vector<std::uint32_t> orbit = block_orbits(coarser);
      spent_ += states_;
      if (!std::all_of(movers.begin(), movers.end(),
                       [&](const Permutation& mover) { return separates(coarser, orbit, mover); })) {
        continue;
      }
      std::vector<bool> still_failed(coarser.size(), false);
      for (std::uint32_t b = 0; b < failed.size(); ++b) {
        if (b != block && failed[b]) still_failed[merging.number[b]] = true;
      }
      system = std::move(coarser);
      failed = std::move(still_failed);
    }
    return system;
  }

  /// The powers, then all states; shuffled each but for run 0.
  std::vector<std::uint32_t> order_of(std::size_t run) const {
    std::uint64_t seed = run;
    const auto shuffle = [&](std::vector<std::uint32_t>& list) {
      for (std::size_t i = list.size(); run > 0 && i > 1; --i) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        std::swap(list[i - 1], list[static_cast<std::size_t>((seed >> 33U) % i)]);
      }
    };
    std::vector<std::uint32_t> all(states_);
    std::iota(all.begin(), all.end(), 0U);
    shuffle(all);
    std::vector<std::uint32_t> order = powers_;
    shuffle(order);
    // Every second run leaves the powers where chance puts them.
    if (run % 2 == 1) order.clear();
    order.insert(order.end(), all.begin(), all.end());
    return order;
  }

  std::uint32_t first_other(const StateSet& set, const std::vector<std::uint32_t>& order) const {
    for (const std::uint32_t q : order) {
      if (q != start_ && set.contains(q)) return q;
    }
    return start_;
  }

  void climb(const BlockSystem& finest) {
    if (complete_) return;
    const std::size_t limit = spent_ + greedy_budget;
    for (std::size_t run = 0; run < greedy_runs && spent_ < limit; ++run) {
      const std::vector<std::uint32_t> order = order_of(run);
      // One system that separates everything: a state it fails on becomes a condition of the next attempt.
      std::vector<Permutation> movers;
      for (std::size_t attempt = 0; attempt < 8 && spent_ < limit; ++attempt) {
        const BlockSystem system = climb_once(finest, order, movers, limit);
        add(system);
        const std::uint32_t missed = first_other(kernel(system, block_orbits(system)), order);
        if (missed == start_) break;
        movers.push_back(mover(missed));
      }
      // A sum of systems: each separates one of the states that the earlier ones left.
      StateSet left(states_);
      for (std::uint32_t q = 0; q < states_; ++q) left.insert(q);
      while (spent_ < limit) {
        const std::uint32_t target = first_other(left, order);
        if (target == start_) break;
        const BlockSystem system = climb_once(finest, order, {mover(target)}, limit);
        add(system);
        left = left.meet(kernel(system, block_orbits(system)));
      }
    }
  }

  std::vector<BlockSystem> cheapest() {
    std::erase_if(candidates_, [](const Candidate& candidate) { return candidate.obsolete; });
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [](const Candidate& x, const Candidate& y) { return x.system.size() < y.system.size(); });
    best_degree_ = std::numeric_limits<std::size_t>::max();
    StateSet all(states_);
    for (std::uint32_t q = 0; q < states_; ++q) all.insert(q);
    std::vector<std::size_t> chosen;
    extend(0, all, 0, chosen);
    std::size_t best_reflections = std::numeric_limits<std::size_t>::max();
    std::vector<BlockSystem> best;
    for (const std::vector<std::size_t>& set : solutions_) {
      std::vector<BlockSystem> systems;
      for (const std::size_t i : set) systems.push_back(candidates_[i].system);
      const std::size_t needed = solutions_.size() == 1 ? 0 : total_reflections(systems);
      if (needed < best_reflections) {
        best_reflections = needed;
        best = std::move(systems);
      }
    }
    return best;
  }

  std::size_t total_reflections(const std::vector<BlockSystem>& systems) const {
    std::size_t most = 0;
    for (const Permutation& letter : letters_) {
      std::size_t sum = 0;
      for (const BlockSystem& system : systems) {
        Permutation images(system.size());
        for (std::uint32_t b = 0; b < system.size(); ++b) {
          images[b] = system.block_of[letter[system.representative[b]]];
        }
        sum += system.size() - cycle_count(images);
      }
      most = std::max(most, sum);
    }
    return most;
  }

  /// Branch and bound over sets of candidates in ascending order of degree.
  void extend(std::size_t first, const StateSet& left, std::size_t degree, std::vector<std::size_t>& chosen) {
    if (left.size() == 1) {
      if (degree < best_degree_) solutions_.clear();
      best_degree_ = degree;
      if (solutions_.size() < max_ties) solutions_.push_back(chosen);
      return;
    }
    for (std::size_t i = first; i < candidates_.size(); ++i) {
      const std::size_t total = degree + candidates_[i].system.size();
      if (total > best_degree_) return;
      if (++nodes_ > choice_nodes && !solutions_.empty()) return;
      const StateSet& kernel = candidates_[i].kernel;
      const StateSet smaller = left.meet(kernel);
      if (smaller == left) continue;
      // A chosen system whose kernel contains this one would be superfluous.
      const auto superfluous = [&](std::size_t c) { return candidates_[c].kernel.meet(kernel) == kernel; };
      if (std::any_of(chosen.begin(), chosen.end(), superfluous)) continue;
      chosen.push_back(i);
      extend(i + 1, smaller, total, chosen);
      chosen.pop_back();
    }
  }

  std::size_t states_;
  State start_;
  std::vector<Permutation> letters_;
  std::vector<Permutation> generators_;
  bool regular_ = false;
  bool tractable_ = true;
  bool complete_ = false;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> from_;
  std::vector<std::uint32_t> by_;
  std::vector<std::uint32_t> suborbit_;
  std::vector<Permutation> back_;         // not regular: see find_suborbits
  std::vector<Permutation> left_;         // regular: x -> g x for the generators g
  std::vector<Permutation> conjugation_;  // regular: x -> g^-1 x g
  std::vector<std::uint32_t> powers_;
  std::vector<Candidate> candidates_;
  std::unordered_map<StateSet, std::vector<std::size_t>, StateSet::Hash> by_kernel_;
  std::vector<std::vector<std::size_t>> solutions_;
  std::size_t best_degree_ = 0;
  std::size_t nodes_ = 0;
  std::size_t spent_ = 0;
};

}  // namespace

std::size_t cycle_count(std::span<const std::uint32_t> permutation) {
  std::vector<bool> seen(permutation.size(), false);
  std::size_t cycles = 0;
  for (std::size_t p = 0; p < permutation.size(); ++p) {
    if (seen[p]) continue;
    ++cycles;
    for (std::size_t x = p; !seen[x]; x = permutation[x]) seen[x] = true;
  }
  return cycles;
}

GroupAction find_action(const Dfa& dfa) {
  DistinctLetters distinct = distinct_letters(dfa);
  if (!distinct.permute) {
    throw InputError("letters: expected permutations of the states, got a letter that merges two states");
  }
  GroupAction action;
  const std::vector<Permutation> letters = std::move(distinct.images);
  action.letter_of_symbol = std::move(distinct.of_symbol);

  Search search(dfa.num_states(), dfa.start(), letters);
  const std::vector<BlockSystem> systems = search.choose();
  for (const BlockSystem& system : systems) {
    action.block_counts.push_back(system.size());
    action.degree += system.size();
    const std::vector<std::uint32_t> colour = search.colouring(system);
    action.colour.insert(action.colour.end(), colour.begin(), colour.end());
  }
  if (action.degree > max_state_colours / dfa.num_states()) {
    throw ResourceError("group action: expected at most 2^28 colours, got " + std::to_string(dfa.num_states()) +
                        " states on " + std::to_string(action.degree) +
                        " points; cyclic groups have --representation rotation");
  }
  for (const Permutation& letter : letters) {
    Permutation images;
    images.reserve(action.degree);
    for (const BlockSystem& system : systems) {
      const auto offset = static_cast<std::uint32_t>(images.size());
      for (const std::uint32_t q : system.representative) images.push_back(offset + system.block_of[letter[q]]);
    }
    action.max_reflections = std::max(action.max_reflections, action.degree - cycle_count(images));
    action.letters.push_back(std::move(images));
  }

  // Carry the colouring to every state, breadth first, and check on every edge that the words did not matter.
  const std::size_t degree = action.degree;
  action.state_colours.resize(dfa.num_states() * degree);
  std::vector<bool> seen(dfa.num_states(), false);
  std::vector<State> queue = {dfa.start()};
  seen[dfa.start()] = true;
  std::copy(action.colour.begin(), action.colour.end(),
            action.state_colours.begin() + static_cast<std::ptrdiff_t>(dfa.start() * degree));
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const std::uint32_t* before = &action.state_colours[queue[i] * degree];
    for (std::size_t l = 0; l < letters.size(); ++l) {
      const State image = letters[l][queue[i]];
      std::uint32_t* after = &action.state_colours[image * degree];
      const Permutation& points = action.letters[l];
      if (!seen[image]) {
        seen[image] = true;
        queue.push_back(image);
        for (std::size_t p = 0; p < degree; ++p) after[points[p]] = before[p];
        continue;
      }
      for (std::size_t p = 0; p < degree; ++p) {
        if (after[points[p]] != before[p]) throw InternalError("group action: a colouring depends on the word");
      }
    }
  }
  std::unordered_map<Permutation, bool, TransformationHash> on_states;
  for (State q = 0; q < dfa.num_states(); ++q) {
    const std::span<const std::uint32_t> colours = action.state_colour(q);
    if (!on_states.try_emplace(Permutation(colours.begin(), colours.end()), true).second) {
      throw InternalError("group action: two states share a colouring");
    }
  }
  return action;
}

}  // namespace krohn
