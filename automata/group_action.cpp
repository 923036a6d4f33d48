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
// every q, breadth first until the budget is spent; joins work on the quotient, so coarse systems are cheap. (2)
// Greedy: one pass over the states in some order, taking every join that still keeps the start apart from given
// states; by monotonicity one pass ends in a maximal system. Passes in several orders reach actions far above the
// budget (S_7: 5,040 states, degree 7). The whole is deterministic: orders come from a fixed generator.
//
// Letters are first thinned out to a generating set when the action is regular: letters are taken while they enlarge
// the start's orbit; the centraliser of a transitive group is transitive iff the group is regular, which is tested on
// all letters.
#include "krohn/automata/group_action.hpp"

#include <algorithm>
#include <bit>
#include <deque>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

using Permutation = std::vector<std::uint32_t>;

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
// Work limits in elementary steps, about a nanosecond each.
constexpr std::size_t closure_budget = 6'000'000;
constexpr std::size_t greedy_budget = 60'000'000;
constexpr std::size_t greedy_runs = 24;
constexpr std::size_t choice_nodes = 100'000;
constexpr std::size_t max_ties = 64;
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
  std::size_t size() const { return representative.size(); }
};

struct Candidate {
  BlockSystem system;
  StateSet kernel;
  std::size_t reflections = 0;
};

/// The transitive permutation group of the states, thinned to few generators, with words to every state.
class Search {
 public:
  Search(std::size_t states, State start, std::vector<Permutation> letters)
      : states_(states), start_(start), letters_(std::move(letters)) {
    thin_generators();
    walk();
    find_suborbits();
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
    if (!regular_) generators_ = letters_;
  }

  /// For every generator g the map start.w -> start.g.w must be well defined and commute with all letters.
  bool is_regular() {
    walk();
    for (const Permutation& generator : generators_) {
      Permutation moved(states_);
      for (const std::uint32_t q : order_) {
        moved[q] = q == start_ ? generator[start_] : generators_[by_[q]][moved[from_[q]]];
      }
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

  /// Generators of a word from the start to q, in order.
  std::vector<std::uint32_t> word_to(std::uint32_t q) const {
    std::vector<std::uint32_t> word;
    for (; q != start_; q = from_[q]) word.push_back(by_[q]);
    std::reverse(word.begin(), word.end());
    return word;
  }

  /// The orbits of the stabiliser of the start on the states, from its Schreier generators w_q a w_{q.a}^-1.
  void find_suborbits() {
    suborbit_.resize(states_);
    std::iota(suborbit_.begin(), suborbit_.end(), 0U);
    if (regular_) return;
    if (states_ > max_suborbit_states) {
      tractable_ = false;
      return;
    }
    // back[q][y] = the point that w_q takes to y.
    std::vector<Permutation> back(states_);
    for (const std::uint32_t q : order_) {
      back[q].resize(states_);
      if (q == start_) {
        std::iota(back[q].begin(), back[q].end(), 0U);
        continue;
      }
      const Permutation& generator = generators_[by_[q]];
      for (std::uint32_t y = 0; y < states_; ++y) back[q][generator[y]] = back[from_[q]][y];
    }
    UnionFind orbits(states_);
    for (const std::uint32_t q : order_) {
      for (const Permutation& generator : generators_) {
        const Permutation& after = back[generator[q]];
        for (std::uint32_t y = 0; y < states_; ++y) orbits.merge(back[q][y], after[generator[y]]);
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

  /// The finest system above `system` that has blocks 0 and j in one block (Atkinson's algorithm on the quotient).
  BlockSystem join(const BlockSystem& system, std::uint32_t j) {
    const std::size_t blocks = system.size();
    UnionFind classes(blocks);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> queue = {{0, j}};
    classes.merge(0, j);
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const auto [x, y] = queue[i];
      for (const Permutation& generator : system.generators) {
        if (classes.merge(generator[x], generator[y])) queue.emplace_back(generator[x], generator[y]);
      }
    }
    spent_ += blocks + 4 * queue.size() * system.generators.size();
    BlockSystem result;
    std::vector<std::uint32_t> number(blocks);
    for (std::uint32_t b = 0; b < blocks; ++b) {
      const std::uint32_t root = classes.find(b);
      if (root == b) {
        number[b] = static_cast<std::uint32_t>(result.representative.size());
        result.representative.push_back(system.representative[b]);
      } else {
        number[b] = number[root];  // roots are smallest, hence already numbered
      }
    }
    for (const Permutation& generator : system.generators) {
      Permutation images(result.size());
      for (std::uint32_t b = 0; b < blocks; ++b) images[number[b]] = number[generator[b]];
      result.generators.push_back(std::move(images));
    }
    result.block_of.resize(states_);
    for (std::uint32_t q = 0; q < states_; ++q) result.block_of[q] = number[system.block_of[q]];
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

  /// True if state r has another vector than the start: `word` takes some block out of its orbit.
  bool separates(const BlockSystem& system, const std::vector<std::uint32_t>& orbit,
                 const std::vector<std::uint32_t>& word) const {
    for (std::uint32_t b = 0; b < system.size(); ++b) {
      std::uint32_t image = b;
      for (const std::uint32_t g : word) image = system.generators[g][image];
      if (orbit[image] != orbit[b]) return true;
    }
    return false;
  }

  StateSet kernel(const BlockSystem& system, const std::vector<std::uint32_t>& orbit) const {
    StateSet result(states_);
    for (std::uint32_t q = 0; q < states_; ++q) {
      if (system.block_of[q] == 0 && (q == start_ || !separates(system, orbit, word_to(q)))) result.insert(q);
    }
    return result;
  }

  /// The largest number of reflections of a letter on the blocks.
  std::size_t reflections(const BlockSystem& system) const {
    std::size_t most = 0;
    Permutation images(system.size());
    for (const Permutation& letter : letters_) {
      for (std::uint32_t b = 0; b < system.size(); ++b) {
        images[b] = system.block_of[letter[system.representative[b]]];
      }
      most = std::max(most, system.size() - cycle_count(images));
    }
    return most;
  }

  void add(const BlockSystem& system) {
    if (!tractable_) {
      StateSet only(states_);
      only.insert(start_);
      candidates_.push_back({system, only, 0});
      return;
    }
    StateSet unseparated = kernel(system, block_orbits(system));
    spent_ += states_;
    const auto [at, is_new] = by_kernel_.try_emplace(unseparated, candidates_.size());
    if (is_new) {
      candidates_.push_back({system, std::move(unseparated), reflections(system)});
      return;
    }
    Candidate& known = candidates_[at->second];
    if (system.size() > known.system.size()) return;
    const std::size_t needed = reflections(system);
    if (system.size() == known.system.size() && needed >= known.reflections) return;
    known.system = system;
    known.reflections = needed;
  }

  void close_upwards(const BlockSystem& finest) {
    std::unordered_map<StateSet, bool, StateSet::Hash> seen;
    std::deque<BlockSystem> queue = {finest};
    const auto start_block = [&](const BlockSystem& system) {
      StateSet block(states_);
      for (std::uint32_t q = 0; q < states_; ++q) {
        if (system.block_of[q] == 0) block.insert(q);
      }
      return block;
    };
    const std::size_t limit = spent_ + closure_budget;
    while (!queue.empty()) {
      const BlockSystem system = std::move(queue.front());
      queue.pop_front();
      for (std::uint32_t j = 1; j < system.size(); ++j) {
        if (spent_ > limit) return;
        BlockSystem coarser = join(system, j);
        if (coarser.size() == 1 || !seen.try_emplace(start_block(coarser), true).second) continue;
        add(coarser);
        queue.push_back(std::move(coarser));
      }
    }
    complete_ = true;
  }

  /// One pass over the states: joins that keep the start apart from every word's state.
  BlockSystem climb_once(const BlockSystem& finest, const std::vector<std::uint32_t>& order,
                         const std::vector<std::vector<std::uint32_t>>& words) {
    BlockSystem system = finest;
    std::vector<bool> failed(states_, false);  // per state: its block, at the time, could not be joined
    for (const std::uint32_t q : order) {
      const std::uint32_t block = system.block_of[q];
      if (block == 0 || failed[q]) continue;
      BlockSystem coarser = join(system, block);
      bool separate = coarser.size() > 1;
      if (separate) {
        const std::vector<std::uint32_t> orbit = block_orbits(coarser);
        for (const auto& word : words) separate = separate && separates(coarser, orbit, word);
        spent_ += coarser.size() + states_;
      }
      if (separate) {
        system = std::move(coarser);
      } else {
        for (std::uint32_t r = 0; r < states_; ++r) {
          if (system.block_of[r] == block) failed[r] = true;
        }
      }
    }
    return system;
  }

  std::vector<std::uint32_t> shuffled(std::size_t run) const {
    std::vector<std::uint32_t> order(states_);
    std::iota(order.begin(), order.end(), 0U);
    std::uint64_t seed = run;
    for (std::size_t i = states_; run > 0 && i > 1; --i) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      std::swap(order[i - 1], order[static_cast<std::size_t>((seed >> 33U) % i)]);
    }
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
      const std::vector<std::uint32_t> order = shuffled(run);
      // One system that separates everything: a state it fails on becomes a condition of the next attempt.
      std::vector<std::vector<std::uint32_t>> words;
      for (std::size_t attempt = 0; attempt < 8 && spent_ < limit; ++attempt) {
        const BlockSystem system = climb_once(finest, order, words);
        if (system.size() == 1) {
          words.push_back(word_to(order[0] == start_ ? order[1] : order[0]));
          continue;
        }
        add(system);
        const std::uint32_t missed = first_other(kernel(system, block_orbits(system)), order);
        if (missed == start_) break;
        words.push_back(word_to(missed));
      }
      // A sum of systems: each separates one of the states that the earlier ones left.
      StateSet left(states_);
      for (std::uint32_t q = 0; q < states_; ++q) left.insert(q);
      while (spent_ < limit) {
        const std::uint32_t target = first_other(left, order);
        if (target == start_) break;
        const BlockSystem system = climb_once(finest, order, {word_to(target)});
        add(system);
        left = left.meet(kernel(system, block_orbits(system)));
      }
    }
  }

  std::vector<BlockSystem> cheapest() {
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
      const StateSet smaller = left.meet(candidates_[i].kernel);
      if (smaller == left) continue;
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
  std::vector<Candidate> candidates_;
  std::unordered_map<StateSet, std::size_t, StateSet::Hash> by_kernel_;
  std::vector<std::vector<std::size_t>> solutions_;
  std::size_t best_degree_ = 0;
  std::size_t nodes_ = 0;
  std::size_t spent_ = 0;
};

struct PermutationHash {
  std::size_t operator()(const Permutation& permutation) const {
    std::uint64_t hash = 0;
    for (const std::uint32_t image : permutation) {
      hash = (hash ^ image) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 29U;
    }
    return static_cast<std::size_t>(hash);
  }
};

}  // namespace

bool letters_are_permutations(const Dfa& dfa) {
  std::vector<Symbol> last_seen(dfa.num_states(), static_cast<Symbol>(dfa.num_symbols()));
  for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
    for (State q = 0; q < dfa.num_states(); ++q) {
      Symbol& mark = last_seen[dfa.next(q, a)];
      if (mark == a) return false;
      mark = a;
    }
  }
  return true;
}

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
  if (!letters_are_permutations(dfa)) {
    throw InputError("letters: expected permutations of the states, got a letter that merges two states");
  }
  GroupAction action;
  std::vector<Permutation> letters;
  std::unordered_map<Permutation, std::uint32_t, PermutationHash> index;
  for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
    const auto [at, is_new] = index.try_emplace(dfa.letter(a), static_cast<std::uint32_t>(letters.size()));
    if (is_new) letters.push_back(at->first);
    action.letter_of_symbol.push_back(at->second);
  }
  index.clear();

  Search search(dfa.num_states(), dfa.start(), letters);
  const std::vector<BlockSystem> systems = search.choose();
  for (const BlockSystem& system : systems) {
    action.block_counts.push_back(system.size());
    action.degree += system.size();
    const std::vector<std::uint32_t> colour = search.colouring(system);
    action.colour.insert(action.colour.end(), colour.begin(), colour.end());
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
  std::unordered_map<Permutation, bool, PermutationHash> distinct;
  for (State q = 0; q < dfa.num_states(); ++q) {
    const std::span<const std::uint32_t> colours = action.state_colour(q);
    if (!distinct.try_emplace(Permutation(colours.begin(), colours.end()), true).second) {
      throw InternalError("group action: two states share a colouring");
    }
  }
  return action;
}

}  // namespace krohn
