// The set systems of the four cascade modes. Families are enumerated breadth-first from Q and kept as flat bit
// masks; classes, tiles and levels follow from them. Mode R names its sets as the walk meets them.
//
// Levels of the family modes are given by heights: level(P) = height(Q) - height(class of P). Whatever counts as a
// step down (a tile; a letter into another class, except where mode G finds the tile numberings in agreement) has
// smaller height, so a letter that carries P onto P' on the same level maps tiles bijectively onto tiles.
// Cost: a family of m sets over w words takes O(m |letters| w) for the images and O(m r w) for the tiles of the r
// class representatives. Tested by tests/automata/cascade_test.cpp.
#include "krohn/automata/set_family.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

using Mask = std::uint64_t;
constexpr std::uint32_t none = 0xFFFFFFFFU;
constexpr std::uint64_t max_subset_tests = std::uint64_t{1} << 29;
constexpr std::uint64_t max_subset_words = std::uint64_t{1} << 31;
constexpr std::size_t max_point_states = 16384;
constexpr std::size_t max_pool_words = std::size_t{1} << 27;

/// Interned subsets of {0, .., n-1}: a flat arena of masks and an open-addressing table of indices.
class SetPool {
 public:
  explicit SetPool(std::size_t num_points) : words_((num_points + 63) / 64), slots_(1024, none) {}

  std::size_t size() const noexcept { return size_.size(); }
  std::size_t words() const noexcept { return words_; }
  const Mask* mask(std::uint32_t set) const noexcept { return &masks_[set * words_]; }
  std::uint32_t cardinality(std::uint32_t set) const noexcept { return size_[set]; }

  std::uint32_t find(const Mask* mask) const {
    const std::size_t modulus = slots_.size() - 1;
    for (std::size_t i = hash(mask) & modulus;; i = (i + 1) & modulus) {
      if (slots_[i] == none || std::equal(mask, mask + words_, this->mask(slots_[i]))) return slots_[i];
    }
  }

  std::uint32_t insert(const Mask* mask) {
    const std::uint32_t known = find(mask);
    if (known != none) return known;
    const auto set = static_cast<std::uint32_t>(size());
    if (set >= max_pool_words / words_) {
      throw ResourceError("more than " + std::to_string(set) + " sets of states, 1 GiB of memory");
    }
    masks_.insert(masks_.end(), mask, mask + words_);
    int count = 0;
    for (std::size_t w = 0; w < words_; ++w) count += std::popcount(mask[w]);
    size_.push_back(static_cast<std::uint32_t>(count));
    if (2 * size() > slots_.size()) {
      slots_.assign(2 * slots_.size(), none);
      for (std::uint32_t s = 0; s < size(); ++s) place(s);
    } else {
      place(set);
    }
    return set;
  }

  bool contains(std::uint32_t set, State point) const { return ((mask(set)[point / 64] >> (point % 64)) & 1U) != 0; }
  /// The number of words before the first that shows that `inner` is no subset of `outer`: all words of a subset.
  std::size_t words_inside(const Mask* inner, const Mask* outer) const {
    std::size_t w = 0;
    while (w < words_ && (inner[w] & ~outer[w]) == 0) ++w;
    return w;
  }
  bool inside(const Mask* inner, const Mask* outer) const { return words_inside(inner, outer) == words_; }
  bool inside(std::uint32_t inner, std::uint32_t outer) const { return inside(mask(inner), mask(outer)); }

  std::vector<Mask> image(std::uint32_t set, const std::vector<State>& letter) const {
    std::vector<Mask> result(words_, 0);
    for_each(set, [&](State q) { result[letter[q] / 64] |= Mask{1} << (letter[q] % 64); });
    return result;
  }

  template <typename Visit>
  void for_each(std::uint32_t set, Visit visit) const {
    for (std::size_t w = 0; w < words_; ++w) {
      for (Mask rest = mask(set)[w]; rest != 0; rest &= rest - 1) {
        visit(static_cast<State>(64 * w + static_cast<std::size_t>(std::countr_zero(rest))));
      }
    }
  }

  /// The number of members of `set` below `point`.
  std::uint32_t rank(std::uint32_t set, State point) const {
    int count = 0;
    for (std::size_t w = 0; w < point / 64; ++w) count += std::popcount(mask(set)[w]);
    count += std::popcount(mask(set)[point / 64] & ((Mask{1} << (point % 64)) - 1));
    return static_cast<std::uint32_t>(count);
  }

 private:
  std::size_t hash(const Mask* mask) const {
    Mask h = 0x9E3779B97F4A7C15U;
    for (std::size_t w = 0; w < words_; ++w) {
      h = (h ^ mask[w]) * 0xBF58476D1CE4E5B9U;
      h ^= h >> 29;
    }
    return static_cast<std::size_t>(h);
  }
  void place(std::uint32_t set) {
    const std::size_t modulus = slots_.size() - 1;
    std::size_t i = hash(mask(set)) & modulus;
    while (slots_[i] != none) i = (i + 1) & modulus;
    slots_[i] = set;
  }

  std::size_t words_;
  std::vector<Mask> masks_;
  std::vector<std::uint32_t> size_;
  std::vector<std::uint32_t> slots_;
};

std::vector<Mask> mask_of(std::size_t points, const std::vector<State>& members) {
  std::vector<Mask> mask((points + 63) / 64, 0);
  for (const State q : members) mask[q / 64] |= Mask{1} << (q % 64);
  return mask;
}

[[noreturn]] void broken(const std::string& what) { throw InternalError("cascade: " + what); }

// Mode R: level l handles the sets of size n - l, tile i of P is P without its i-th smallest point. All sets of one
// size are one class, so a shared slot is a rank.
class PointSystem final : public SetSystem {
 public:
  PointSystem(std::size_t num_states, std::vector<std::vector<State>> letters,
              const std::vector<std::vector<State>>& roots)
      : letters_(std::move(letters)), pool_(num_states) {
    // A level a state, and on each at least a pass over a set: quadratic time before the rows are counted.
    if (num_states > max_point_states) {
      throw ResourceError("mode R: expected at most " + std::to_string(max_point_states) + " states, got " +
                          std::to_string(num_states));
    }
    for (const std::vector<State>& root : roots) {
      pool_.insert(mask_of(num_states, root).data());
      largest_ = std::max(largest_, root.size());
    }
  }

  std::size_t depth() const override { return largest_ - 1; }
  std::uint32_t root() const override { return 0; }
  std::uint32_t level(std::uint32_t set) const override {
    return static_cast<std::uint32_t>(largest_) - pool_.cardinality(set);
  }
  std::uint32_t num_tiles(std::uint32_t set) const override {
    return pool_.cardinality(set) == 1 ? 0 : pool_.cardinality(set);
  }
  std::uint32_t tile(std::uint32_t set, std::uint32_t index) override { return without(set, member(set, index)); }
  State point(std::uint32_t singleton) const override { return member(singleton, 0); }
  bool carries_onto(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    const std::vector<Mask> image = pool_.image(from, letters_[letter]);
    return std::equal(image.begin(), image.end(), pool_.mask(to));
  }
  std::vector<std::uint32_t> tile_map(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    std::vector<std::uint32_t> map;
    pool_.for_each(from, [&](State q) { map.push_back(pool_.rank(to, letters_[letter][q])); });
    return map;
  }
  std::uint32_t tile_around(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    const std::vector<Mask> image = pool_.image(from, letters_[letter]);
    std::uint32_t index = none;
    std::uint32_t rank = 0;
    pool_.for_each(to, [&](State q) {
      if (index == none && ((image[q / 64] >> (q % 64)) & 1U) == 0) index = rank;
      ++rank;
    });
    if (index == none) broken("no point of the new set is free");
    return index;
  }
  std::uint32_t tile_with(std::uint32_t set, State state) override { return pool_.rank(set, state) == 0 ? 1 : 0; }
  std::size_t num_sets() const override { return pool_.size(); }

 private:
  State member(std::uint32_t set, std::uint32_t index) const {
    State found = 0;
    std::uint32_t rank = 0;
    pool_.for_each(set, [&](State q) {
      if (rank++ == index) found = q;
    });
    return found;
  }
  std::uint32_t without(std::uint32_t set, State point) {
    std::vector<Mask> mask(pool_.mask(set), pool_.mask(set) + pool_.words());
    mask[point / 64] &= ~(Mask{1} << (point % 64));
    return pool_.insert(mask.data());
  }

  std::vector<std::vector<State>> letters_;
  SetPool pool_;
  std::size_t largest_ = 1;
};

// Modes Z, G and H on an enumerated family.
class FamilySystem final : public SetSystem {
 public:
  FamilySystem(std::size_t num_states, std::vector<std::vector<State>> letters,
               const std::vector<std::vector<State>>& roots, CascadeMode mode, std::size_t max_family)
      : num_states_(num_states), letters_(std::move(letters)), mode_(mode), max_family_(max_family), pool_(num_states) {
    for (const std::vector<State>& root : roots) pool_.insert(mask_of(num_states, root).data());
    num_roots_ = pool_.size();
    enumerate();
    find_classes();
    find_tiles();
    find_levels();
  }

  std::size_t depth() const override { return depth_; }
  std::uint32_t root() const override { return 0; }
  std::uint32_t level(std::uint32_t set) const override {
    return static_cast<std::uint32_t>(depth_) - height_[class_[set]];
  }
  std::uint32_t num_tiles(std::uint32_t set) const override { return static_cast<std::uint32_t>(tiles_[set].size()); }
  std::uint32_t tile(std::uint32_t set, std::uint32_t index) override { return tiles_[set][index]; }
  State point(std::uint32_t singleton) const override {
    State found = 0;
    pool_.for_each(singleton, [&](State q) { found = q; });
    return found;
  }
  bool carries_onto(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    return image(from, letter) == to;
  }
  std::vector<std::uint32_t> tile_map(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    std::vector<std::uint32_t> map(tiles_[from].size());
    for (std::size_t i = 0; i < map.size(); ++i) {
      map[i] = index_of(tiles_[to], image(tiles_[from][i], letter));
      if (map[i] == none) broken("the image of a tile is no tile");
    }
    return map;
  }
  std::uint32_t tile_around(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    const std::uint32_t inner = image(from, letter);
    for (std::uint32_t i = 0; i < tiles_[to].size(); ++i) {
      if (pool_.inside(inner, tiles_[to][i])) return i;
    }
    broken("no tile contains the image of the old set");
  }
  std::uint32_t tile_with(std::uint32_t set, State state) override {
    for (std::uint32_t i = 0; i < tiles_[set].size(); ++i) {
      if (pool_.contains(tiles_[set][i], state)) return i;
    }
    broken("no tile contains the state");
  }
  std::size_t num_sets() const override { return pool_.size(); }

 private:
  static std::uint32_t index_of(const std::vector<std::uint32_t>& list, std::uint32_t value) {
    const auto found = std::find(list.begin(), list.end(), value);
    return found == list.end() ? none : static_cast<std::uint32_t>(found - list.begin());
  }
  std::uint32_t image(std::uint32_t set, std::size_t letter) const { return image_[set * letters_.size() + letter]; }

  // With `more` sets still to come.
  void check_cap(std::size_t more = 0) const {
    const std::size_t sets = pool_.size() + more;
    if (sets > max_family_) {
      throw ResourceError("mode " + mode_name(mode_) + ": more than " + std::to_string(max_family_) +
                          " sets (--max-family)");
    }
  }

  void add_images(std::size_t from) {
    for (std::size_t set = from; set < pool_.size(); ++set) {
      for (const std::vector<State>& letter : letters_) {
        image_.push_back(pool_.insert(pool_.image(static_cast<std::uint32_t>(set), letter).data()));
      }
      check_cap();
    }
  }

  // Breadth-first over the images of the roots; Z also pulls every member back along the letters that are injective
  // around it.
  void enumerate() {
    add_images(0);
    const std::size_t done = pool_.size();
    // A state may be in the family already, as a root or an image; the other sets are then as many as these at least.
    check_cap(num_states_ > done ? num_states_ - done : 0);
    for (State q = 0; q < num_states_; ++q) pool_.insert(mask_of(num_states_, {q}).data());
    add_images(done);
    if (mode_ != CascadeMode::pulled) return;
    std::uint64_t tests = 0;
    std::uint64_t words = 0;
    struct Bijection {
      std::uint32_t from, letter, to;
    };
    std::vector<Bijection> bijections;
    std::size_t sets_seen = 0;      // whose bijections are listed
    std::size_t sets_finished = 0;  // tested against every bijection of an earlier round
    std::size_t old_bijections = 0;
    while (sets_finished < pool_.size()) {
      for (; sets_seen < pool_.size(); ++sets_seen) {
        const auto set = static_cast<std::uint32_t>(sets_seen);
        if (pool_.cardinality(set) <= 2) continue;  // pulling a singleton back gives a singleton
        for (std::uint32_t a = 0; a < letters_.size(); ++a) {
          const std::uint32_t to = image(set, a);
          if (pool_.cardinality(to) == pool_.cardinality(set) && to != set) bijections.push_back({set, a, to});
          if (to == set && !fixes_points(set, a)) bijections.push_back({set, a, to});
        }
      }
      const std::size_t end = pool_.size();
      for (std::size_t b = 0; b < bijections.size(); ++b) {
        const Bijection& bijection = bijections[b];
        const std::vector<State>& letter = letters_[bijection.letter];
        const std::size_t first = b < old_bijections ? sets_finished : 0;
        tests += end - first;
        if (tests > max_subset_tests) {
          throw ResourceError("mode Z: more than 2^29 subset tests to close its family, " +
                              std::to_string(pool_.size()) + " sets so far");
        }
        for (std::size_t t = first; t < end; ++t) {
          const auto set = static_cast<std::uint32_t>(t);
          const std::uint32_t size = pool_.cardinality(set);
          // Only a proper subset is pulled back; sizes lie side by side in memory, the sets do not.
          if (size == 1 || size >= pool_.cardinality(bijection.to)) continue;
          const std::size_t same = pool_.words_inside(pool_.mask(set), pool_.mask(bijection.to));
          words += same + 1;
          if (words > max_subset_words) {
            throw ResourceError("mode Z: more than 2^31 words compared to close its family, " +
                                std::to_string(pool_.size()) + " sets so far");
          }
          if (same < pool_.words()) continue;
          pool_.insert(pulled_back(set, bijection.from, letter).data());
          check_cap();
        }
      }
      old_bijections = bijections.size();
      sets_finished = end;
      add_images(end);
    }
  }

  bool fixes_points(std::uint32_t set, std::uint32_t letter) const {
    bool fixed = true;
    pool_.for_each(set, [&](State q) { fixed = fixed && letters_[letter][q] == q; });
    return fixed;
  }

  std::vector<Mask> pulled_back(std::uint32_t set, std::uint32_t around, const std::vector<State>& letter) const {
    std::vector<Mask> mask(pool_.words(), 0);
    pool_.for_each(around, [&](State q) {
      if (pool_.contains(set, letter[q])) mask[q / 64] |= Mask{1} << (q % 64);
    });
    return mask;
  }

  // Strongly connected components of the equal-size edges (Tarjan, iterative: paths are long), numbered so that an
  // edge leads to a smaller or equal number among sets of one size; for Z, components ignoring direction.
  void find_classes() {
    const std::size_t count = pool_.size();
    class_.assign(count, none);
    if (mode_ == CascadeMode::pulled) {
      std::vector<std::uint32_t> root(count);
      std::iota(root.begin(), root.end(), 0U);
      const auto find = [&](std::uint32_t x) {
        while (root[x] != x) x = root[x] = root[root[x]];
        return x;
      };
      for (std::uint32_t set = 0; set < count; ++set) {
        for (std::size_t a = 0; a < letters_.size(); ++a) {
          const std::uint32_t to = image(set, a);
          if (pool_.cardinality(to) == pool_.cardinality(set)) root[find(set)] = find(to);
        }
      }
      std::vector<std::uint32_t> number(count, none);
      for (std::uint32_t set = 0; set < count; ++set) {
        std::uint32_t& known = number[find(set)];
        if (known == none) known = static_cast<std::uint32_t>(num_classes_++);
        class_[set] = known;
      }
    } else {
      std::vector<std::uint32_t> order(count, none);
      std::vector<std::uint32_t> low(count, 0);
      std::vector<std::uint32_t> stack;
      std::vector<std::pair<std::uint32_t, std::size_t>> path;
      std::uint32_t time = 0;
      for (std::uint32_t start = 0; start < count; ++start) {
        if (order[start] != none) continue;
        path.emplace_back(start, 0);
        while (!path.empty()) {
          const std::uint32_t set = path.back().first;
          if (path.back().second == 0 && order[set] == none) {
            order[set] = low[set] = time++;
            stack.push_back(set);
          }
          bool descended = false;
          while (path.back().second < letters_.size()) {
            const std::uint32_t to = image(set, path.back().second++);
            if (pool_.cardinality(to) != pool_.cardinality(set)) continue;
            if (order[to] == none) {
              path.emplace_back(to, 0);
              descended = true;
              break;
            }
            if (class_[to] == none) low[set] = std::min(low[set], order[to]);
          }
          if (descended) continue;
          if (low[set] == order[set]) {
            while (true) {
              const std::uint32_t member = stack.back();
              stack.pop_back();
              class_[member] = static_cast<std::uint32_t>(num_classes_);
              if (member == set) break;
            }
            ++num_classes_;
          }
          path.pop_back();
          if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[set]);
        }
      }
    }
    members_.assign(num_classes_, {});
    for (std::uint32_t set = 0; set < count; ++set) members_[class_[set]].push_back(set);
  }

  // Tiles of a class's first member by a scan of the family from large to small, carried to the other members along
  // letters of a spanning tree (in Z also against them).
  void find_tiles() {
    const std::size_t count = pool_.size();
    tiles_.assign(count, {});
    std::vector<std::uint32_t> by_size(count);
    std::iota(by_size.begin(), by_size.end(), 0U);
    std::stable_sort(by_size.begin(), by_size.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return pool_.cardinality(a) > pool_.cardinality(b); });
    std::vector<std::size_t> first_smaller(num_states_ + 1, count);
    for (std::size_t i = count; i-- > 0;) first_smaller[pool_.cardinality(by_size[i])] = i;
    for (std::size_t size = 1, next = count; size <= num_states_; ++size) {
      const std::size_t own = first_smaller[size];
      first_smaller[size] = next;  // where the sets smaller than `size` begin
      if (own != count) next = own;
    }
    std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> incoming;  // per set (letter, from), in Z
    if (mode_ == CascadeMode::pulled) {
      incoming.resize(count);
      for (std::uint32_t set = 0; set < count; ++set) {
        for (std::uint32_t a = 0; a < letters_.size(); ++a) {
          const std::uint32_t to = image(set, a);
          if (pool_.cardinality(to) == pool_.cardinality(set)) incoming[to].emplace_back(a, set);
        }
      }
    }
    std::vector<bool> reached(count, false);
    for (const std::vector<std::uint32_t>& members : members_) {
      const std::uint32_t first = members.front();
      if (pool_.cardinality(first) == 1) continue;
      std::vector<std::uint32_t>& kept = tiles_[first];
      std::vector<Mask> left(pool_.mask(first), pool_.mask(first) + pool_.words());
      for (std::size_t i = first_smaller[pool_.cardinality(first)]; i < count; ++i) {
        const std::uint32_t set = by_size[i];
        if (!pool_.inside(set, first)) continue;
        if (pool_.cardinality(set) == 1 && !pool_.inside(pool_.mask(set), left.data())) continue;
        if (std::none_of(kept.begin(), kept.end(), [&](std::uint32_t tile) { return pool_.inside(set, tile); })) {
          kept.push_back(set);
          for (std::size_t w = 0; w < left.size(); ++w) left[w] &= ~pool_.mask(set)[w];
        }
      }
      std::vector<std::uint32_t> queue = {first};
      reached[first] = true;
      for (std::size_t head = 0; head < queue.size(); ++head) {
        const std::uint32_t set = queue[head];
        for (std::size_t a = 0; a < letters_.size(); ++a) {
          const std::uint32_t to = image(set, a);
          if (class_[to] != class_[set] || reached[to]) continue;
          reached[to] = true;
          for (const std::uint32_t tile : tiles_[set]) tiles_[to].push_back(image(tile, a));
          queue.push_back(to);
        }
        if (mode_ != CascadeMode::pulled) continue;
        for (const auto& [a, from] : incoming[set]) {
          if (reached[from]) continue;
          reached[from] = true;
          for (const std::uint32_t tile : tiles_[set]) {
            const std::uint32_t pulled = pool_.find(pulled_back(tile, from, letters_[a]).data());
            if (pulled == none) broken("a tile pulled back along a letter is no member of the family");
            tiles_[from].push_back(pulled);
          }
          queue.push_back(from);
        }
      }
      if (queue.size() != members.size()) broken("a class is not connected");
    }
  }

  void find_levels() {
    height_.assign(num_classes_, 0);
    if (mode_ == CascadeMode::pulled) {
      std::vector<bool> occurs(num_states_ + 1, false);
      for (std::uint32_t set = 0; set < pool_.size(); ++set) occurs[pool_.cardinality(set)] = true;
      std::vector<std::uint32_t> height(num_states_ + 1, 0);
      for (std::size_t size = 2; size <= num_states_; ++size) height[size] = height[size - 1] + (occurs[size] ? 1 : 0);
      for (std::size_t c = 0; c < num_classes_; ++c) height_[c] = height[pool_.cardinality(members_[c].front())];
    } else {
      // A class's successors are smaller sets, or classes of the same size that Tarjan numbered before it.
      std::vector<std::uint32_t> order(num_classes_);
      std::iota(order.begin(), order.end(), 0U);
      std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return pool_.cardinality(members_[a].front()) < pool_.cardinality(members_[b].front());
      });
      if (mode_ == CascadeMode::images) start_numberings();
      for (const std::uint32_t c : order) {
        if (pool_.cardinality(members_[c].front()) == 1) continue;
        std::uint32_t height = 0;
        for (const std::uint32_t set : members_[c]) {
          for (const std::uint32_t tile : tiles_[set]) height = std::max(height, height_[class_[tile]] + 1);
          for (std::size_t a = 0; a < letters_.size(); ++a) {
            const std::uint32_t to = image(set, a);
            if (class_[to] == c) continue;
            const bool free = mode_ == CascadeMode::images && pool_.cardinality(to) == pool_.cardinality(set) &&
                              numberings_agree(set, a, to);
            height = std::max(height, height_[class_[to]] + (free ? 0U : 1U));
          }
        }
        height_[c] = height;
      }
      if (mode_ == CascadeMode::images) renumber();
    }
    for (std::size_t root = 0; root < num_roots_; ++root) {
      depth_ = std::max<std::size_t>(depth_, height_[class_[root]]);
    }
  }

  // Mode G keeps a union-find over classes; to_root_[c][i] is the number that tile i of class c has in its root.
  void start_numberings() {
    root_.resize(num_classes_);
    std::iota(root_.begin(), root_.end(), 0U);
    to_root_.resize(num_classes_);
    for (std::size_t c = 0; c < num_classes_; ++c) {
      to_root_[c].resize(tiles_[members_[c].front()].size());
      std::iota(to_root_[c].begin(), to_root_[c].end(), 0U);
    }
  }

  std::uint32_t find_root(std::uint32_t c) {
    if (root_[c] == c) return c;
    std::vector<std::uint32_t> path;
    while (root_[c] != c) {
      path.push_back(c);
      c = root_[c];
    }
    // Compress from the root outwards: every link already leads to the root when its successor has been done.
    for (std::size_t i = path.size() - 1; i-- > 0;) {
      const std::uint32_t link = path[i];
      for (std::uint32_t& number : to_root_[link]) number = to_root_[path[i + 1]][number];
      root_[link] = c;
    }
    return c;
  }

  // True if `letter` maps tiles(set) onto tiles(to) and one numbering serves both classes.
  bool numberings_agree(std::uint32_t set, std::size_t letter, std::uint32_t to) {
    if (tiles_[set].size() != tiles_[to].size()) return false;
    std::vector<std::uint32_t> map(tiles_[set].size());
    for (std::size_t i = 0; i < map.size(); ++i) {
      map[i] = index_of(tiles_[to], image(tiles_[set][i], letter));
      if (map[i] == none) return false;
    }
    const std::uint32_t from_class = class_[set];
    const std::uint32_t to_class = class_[to];
    const std::uint32_t from_root = find_root(from_class);
    const std::uint32_t target_root = find_root(to_class);
    if (from_root == target_root) {
      for (std::size_t i = 0; i < map.size(); ++i) {
        if (to_root_[from_class][i] != to_root_[to_class][map[i]]) return false;
      }
      return true;
    }
    std::vector<std::uint32_t> link(map.size());
    for (std::size_t i = 0; i < map.size(); ++i) link[to_root_[from_class][i]] = to_root_[to_class][map[i]];
    root_[from_root] = target_root;
    to_root_[from_root] = std::move(link);
    return true;
  }

  void renumber() {
    for (std::uint32_t c = 0; c < num_classes_; ++c) {
      find_root(c);
      for (const std::uint32_t set : members_[c]) {
        std::vector<std::uint32_t> tiles(tiles_[set].size());
        for (std::size_t i = 0; i < tiles.size(); ++i) tiles[to_root_[c][i]] = tiles_[set][i];
        tiles_[set] = std::move(tiles);
      }
    }
  }

  std::size_t num_states_;
  std::vector<std::vector<State>> letters_;
  CascadeMode mode_;
  std::size_t max_family_;
  SetPool pool_;
  std::size_t num_roots_ = 0;
  std::vector<std::uint32_t> image_;  // [sets, letters]
  std::size_t num_classes_ = 0;
  std::vector<std::uint32_t> class_;
  std::vector<std::vector<std::uint32_t>> members_;
  std::vector<std::vector<std::uint32_t>> tiles_;
  std::vector<std::uint32_t> height_;  // per class
  std::size_t depth_ = 0;
  std::vector<std::uint32_t> root_;
  std::vector<std::vector<std::uint32_t>> to_root_;
};

// A congruence's quotient above, the subsets of its classes below. Sets of the quotient's system have even names,
// subsets of classes odd ones; a class stands for the quotient's singleton.
class SplitSystem final : public SetSystem {
 public:
  SplitSystem(std::vector<std::uint32_t> class_of, std::unique_ptr<SetSystem> upper, std::unique_ptr<SetSystem> lower)
      : class_of_(std::move(class_of)),
        upper_(std::move(upper)),
        lower_(std::move(lower)),
        singleton_(*std::max_element(class_of_.begin(), class_of_.end()) + 1, none) {}

  std::size_t depth() const override { return upper_->depth() + lower_->depth(); }
  std::uint32_t root() const override { return 2 * upper_->root(); }
  std::uint32_t level(std::uint32_t set) const override {
    return is_upper(set) ? upper_->level(set / 2)
                         : static_cast<std::uint32_t>(upper_->depth()) + lower_->level(set / 2);
  }
  std::uint32_t num_tiles(std::uint32_t set) const override {
    return is_upper(set) ? upper_->num_tiles(set / 2) : lower_->num_tiles(set / 2);
  }
  std::uint32_t tile(std::uint32_t set, std::uint32_t index) override {
    if (!is_upper(set)) return 2 * lower_->tile(set / 2, index) + 1;
    const std::uint32_t tile = upper_->tile(set / 2, index);
    if (upper_->level(tile) < upper_->depth()) return 2 * tile;
    const State quotient_state = upper_->point(tile);
    singleton_[quotient_state] = tile;
    return 2 * quotient_state + 1;  // the lower system's roots are the classes, in order
  }
  State point(std::uint32_t singleton) const override { return lower_->point(singleton / 2); }
  bool carries_onto(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    return is_upper(to) ? upper_->carries_onto(above(from), letter, to / 2)
                        : lower_->carries_onto(from / 2, letter, to / 2);
  }
  std::vector<std::uint32_t> tile_map(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    return is_upper(to) ? upper_->tile_map(above(from), letter, to / 2) : lower_->tile_map(from / 2, letter, to / 2);
  }
  std::uint32_t tile_around(std::uint32_t from, std::uint32_t letter, std::uint32_t to) override {
    return is_upper(to) ? upper_->tile_around(above(from), letter, to / 2)
                        : lower_->tile_around(from / 2, letter, to / 2);
  }
  std::uint32_t tile_with(std::uint32_t set, State state) override {
    return is_upper(set) ? upper_->tile_with(set / 2, class_of_[state]) : lower_->tile_with(set / 2, state);
  }
  std::size_t num_sets() const override { return upper_->num_sets() + lower_->num_sets(); }

 private:
  static bool is_upper(std::uint32_t set) { return set % 2 == 0; }
  // The quotient's set that `set` stands for while the levels of the quotient are walked.
  std::uint32_t above(std::uint32_t set) const {
    if (is_upper(set)) return set / 2;
    if (set / 2 >= singleton_.size()) broken("a chain left the quotient's levels before their end");
    return singleton_[set / 2];
  }

  std::vector<std::uint32_t> class_of_;
  std::unique_ptr<SetSystem> upper_;
  std::unique_ptr<SetSystem> lower_;
  std::vector<std::uint32_t> singleton_;
};

}  // namespace

std::string mode_name(CascadeMode mode) {
  switch (mode) {
    case CascadeMode::points:
      return "R";
    case CascadeMode::pulled:
      return "Z";
    case CascadeMode::images:
      return "G";
    case CascadeMode::holonomy:
      return "H";
  }
  throw InternalError("cascade: unknown mode");
}

std::unique_ptr<SetSystem> make_set_system(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                                           const std::vector<std::vector<State>>& roots, CascadeMode mode,
                                           std::size_t max_family) {
  if (mode == CascadeMode::points) return std::make_unique<PointSystem>(num_states, letters, roots);
  return std::make_unique<FamilySystem>(num_states, letters, roots, mode, max_family);
}

std::unique_ptr<SetSystem> make_set_system(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                                           CascadeMode mode, std::size_t max_family) {
  std::vector<State> all(num_states);
  std::iota(all.begin(), all.end(), State{0});
  return make_set_system(num_states, letters, {all}, mode, max_family);
}

std::unique_ptr<SetSystem> make_split_system(std::vector<std::uint32_t> class_of, std::unique_ptr<SetSystem> upper,
                                             std::unique_ptr<SetSystem> lower) {
  return std::make_unique<SplitSystem>(std::move(class_of), std::move(upper), std::move(lower));
}

}  // namespace krohn
