// Breadth-first search over sets as bit masks (own hash table), Tarjan's components on the edges that keep the size,
// and per component the Schreier generators u_X a u_{X.a}^-1 of G_P, where u_X carries the representative P to X along
// a spanning tree. Cost: sets * letters * degree, and a membership test for every generator that is not the identity.
// Tested by tests/automata/green_test.cpp.
#include "krohn/automata/image_orbit.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

std::size_t hash_bits(std::span<const std::uint64_t> bits) {
  std::uint64_t hash = 0x9E3779B97F4A7C15U;
  for (const std::uint64_t word : bits) {
    hash = (hash ^ word) * 0xD6E8FEB86659FD93U;
    hash ^= hash >> 32U;
  }
  hash *= 0xD6E8FEB86659FD93U;
  return static_cast<std::size_t>(hash ^ (hash >> 29U));
}

// Loops examined for witnesses in one component.
constexpr std::size_t max_loops = 4096;
// Generators kept of a group that is too large for a stabiliser chain.
constexpr std::size_t max_sample = 16;

}  // namespace

ImageOrbit::ImageOrbit(std::size_t degree, std::vector<Transformation> letters, std::size_t max_sets,
                       const std::atomic<bool>* stop)
    : degree_(degree), words_((degree + 63) / 64), letters_(std::move(letters)) {
  explore(max_sets, stop);
  find_components();
  find_groups();
}

std::uint32_t ImageOrbit::lookup(std::span<const std::uint64_t> bits) const {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t slot = hash_bits(bits) & mask;; slot = (slot + 1) & mask) {
    const std::uint32_t set = table_[slot];
    if (set == none) return none;
    if (std::equal(bits.begin(), bits.end(), bits_.begin() + static_cast<std::ptrdiff_t>(set * words_))) return set;
  }
}

std::uint32_t ImageOrbit::find(std::span<const std::uint32_t> points) const {
  std::vector<std::uint64_t> bits(words_, 0);
  for (const std::uint32_t q : points) bits[q / 64] |= std::uint64_t{1} << (q % 64);
  return lookup(bits);
}

void ImageOrbit::explore(std::size_t max_sets, const std::atomic<bool>* stop) {
  const auto grow_table = [&] {
    table_.assign(std::max<std::size_t>(64, table_.size() * 2), none);
    const std::size_t mask = table_.size() - 1;
    for (std::uint32_t set = 0; set < size(); ++set) {
      std::size_t slot = hash_bits(std::span(bits_).subspan(set * words_, words_)) & mask;
      while (table_[slot] != none) slot = (slot + 1) & mask;
      table_[slot] = set;
    }
  };
  const auto insert = [&](std::span<const std::uint64_t> bits, std::uint32_t from, std::uint32_t letter) {
    if (2 * (size() + 1) > table_.size()) grow_table();
    const auto set = static_cast<std::uint32_t>(size());
    bits_.insert(bits_.end(), bits.begin(), bits.end());
    for (std::size_t w = 0; w < words_; ++w) {
      for (std::uint64_t rest = bits[w]; rest != 0; rest &= rest - 1) {
        points_.push_back(static_cast<std::uint32_t>(64 * w) + static_cast<std::uint32_t>(std::countr_zero(rest)));
      }
    }
    offset_.push_back(points_.size());
    reached_from_.push_back(from);
    reached_letter_.push_back(letter);
    const std::size_t mask = table_.size() - 1;
    std::size_t slot = hash_bits(bits) & mask;
    while (table_[slot] != none) slot = (slot + 1) & mask;
    table_[slot] = set;
    return set;
  };
  std::vector<std::uint64_t> image(words_, 0);
  for (std::size_t q = 0; q < degree_; ++q) image[q / 64] |= std::uint64_t{1} << (q % 64);
  insert(image, none, none);
  for (std::uint32_t set = 0; set < size(); ++set) {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) {
      complete_ = false;
      next_.resize(size() * letters_.size(), none);
      return;
    }
    for (std::uint32_t a = 0; a < letters_.size(); ++a) {
      std::fill(image.begin(), image.end(), 0U);
      for (std::size_t i = offset_[set]; i < offset_[set + 1]; ++i) {
        const std::uint32_t q = letters_[a][points_[i]];
        image[q / 64] |= std::uint64_t{1} << (q % 64);
      }
      std::uint32_t target = lookup(image);
      if (target == none) {
        if (size() < max_sets && points_.size() < max_points) {
          target = insert(image, set, a);
        } else {
          complete_ = false;
        }
      }
      next_.push_back(target);
    }
  }
}

void ImageOrbit::find_components() {
  // Tarjan's algorithm, iterative, on the edges between sets of equal size.
  const std::size_t sets = size();
  const auto rank = [&](std::uint32_t set) { return offset_[set + 1] - offset_[set]; };
  component_of_.assign(sets, none);
  std::vector<std::uint32_t> number(sets, none);
  std::vector<std::uint32_t> low(sets, 0);
  std::vector<std::uint32_t> stack;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> path;  // (set, next letter)
  std::uint32_t counter = 0;
  for (std::uint32_t root = 0; root < sets; ++root) {
    if (number[root] != none) continue;
    path.emplace_back(root, 0);
    while (!path.empty()) {
      const std::uint32_t set = path.back().first;
      if (path.back().second == 0) {
        number[set] = low[set] = counter++;
        stack.push_back(set);
      }
      bool descended = false;
      while (path.back().second < letters_.size()) {
        const std::uint32_t target = next(set, path.back().second++);
        if (target == none || rank(target) != rank(set)) continue;
        if (number[target] == none) {
          path.emplace_back(target, 0);
          descended = true;
          break;
        }
        if (component_of_[target] == none) low[set] = std::min(low[set], number[target]);
      }
      if (descended) continue;
      path.pop_back();
      if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[set]);
      if (low[set] != number[set]) continue;
      ImageComponent component{rank(set), {}, PermutationGroup(0, {}), true, false, {}};
      const auto id = static_cast<std::uint32_t>(components_.size());
      for (std::uint32_t member = none; member != set;) {
        member = stack.back();
        stack.pop_back();
        component_of_[member] = id;
        component.members.push_back(member);
      }
      // The first set found (breadth first) represents.
      std::sort(component.members.begin(), component.members.end());
      components_.push_back(std::move(component));
    }
  }
}

void ImageOrbit::find_groups() {
  forward_from_.assign(size(), none);
  forward_letter_.assign(size(), none);
  std::vector<std::uint32_t> place(degree_);
  for (std::uint32_t id = 0; id < components_.size(); ++id) {
    ImageComponent& component = components_[id];
    const std::size_t rank = component.rank;
    // A spanning tree from the representative; points are reordered to follow it.
    std::vector<std::uint32_t> queue = {component.members[0]};
    forward_from_[queue[0]] = queue[0];
    for (std::size_t i = 0; i < queue.size(); ++i) {
      for (std::uint32_t a = 0; a < letters_.size(); ++a) {
        const std::uint32_t target = next(queue[i], a);
        if (target == none || component_of_[target] != id || forward_from_[target] != none) continue;
        forward_from_[target] = queue[i];
        forward_letter_[target] = a;
        for (std::size_t k = 0; k < rank; ++k) {
          points_[offset_[target] + k] = letters_[a][points_[offset_[queue[i]] + k]];
        }
        queue.push_back(target);
      }
    }
    if (rank == 1) {
      component.group = PermutationGroup(1, {});
      continue;
    }
    std::vector<Permutation> generators;
    PermutationGroup group(rank, {});
    Permutation action(rank);
    for (const std::uint32_t set : component.members) {
      for (std::size_t a = 0; a < letters_.size(); ++a) {
        const std::uint32_t target = next(set, a);
        if (target == none || component_of_[target] != id) continue;
        bool trivial = true;
        for (std::size_t k = 0; trivial && k < rank; ++k) {
          trivial = letters_[a][points_[offset_[set] + k]] == points_[offset_[target] + k];
        }
        if (trivial) continue;
        for (std::uint32_t k = 0; k < rank; ++k) place[points_[offset_[target] + k]] = k;
        for (std::size_t k = 0; k < rank; ++k) action[k] = place[letters_[a][points_[offset_[set] + k]]];
        if (!component.group_known) {
          if (std::ranges::find(generators, action) != generators.end()) continue;
          component.sample_generates = component.sample_generates && generators.size() < max_sample;
          if (generators.size() < max_sample) generators.push_back(action);
          continue;
        }
        if (group.contains(action)) continue;
        generators.push_back(action);
        try {
          group = PermutationGroup(rank, generators);
        } catch (const ResourceError&) {
          // What was contained so far is generated by the generators kept.
          component.group_known = false;
          component.sample_generates = true;
        }
      }
    }
    if (component.group_known) {
      component.group = std::move(group);
    } else {
      component.group = PermutationGroup(rank, {});
      component.sample = std::move(generators);
    }
  }
}

std::vector<std::uint32_t> ImageOrbit::word_to(std::uint32_t set) const {
  std::vector<std::uint32_t> word;
  for (; reached_from_[set] != none; set = reached_from_[set]) word.push_back(reached_letter_[set]);
  std::reverse(word.begin(), word.end());
  return word;
}

std::vector<ImageOrbit::Loop> ImageOrbit::loops(std::size_t component) const {
  // Loops u_X v_X and u_X a v_{X.a}, where v_Y leads back to P: their actions generate G_P, since
  // u_X a u_{X.a}^-1 = (u_X a v_{X.a}) (u_{X.a} v_{X.a})^-1.
  const ImageComponent& c = components_[component];
  const std::uint32_t representative = c.members[0];
  std::vector<std::uint32_t> back_letter(size(), none);
  std::vector<std::uint32_t> distance(size(), none);
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> reverse(c.members.size());
  std::vector<std::uint32_t> local(size(), none);
  for (std::uint32_t i = 0; i < c.members.size(); ++i) local[c.members[i]] = i;
  for (const std::uint32_t set : c.members) {
    for (std::uint32_t a = 0; a < letters_.size(); ++a) {
      const std::uint32_t target = next(set, a);
      if (target != none && component_of_[target] == component) reverse[local[target]].emplace_back(set, a);
    }
  }
  std::vector<std::uint32_t> queue = {representative};
  distance[representative] = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const auto& [set, a] : reverse[local[queue[i]]]) {
      if (distance[set] != none) continue;
      distance[set] = distance[queue[i]] + 1;
      back_letter[set] = a;
      queue.push_back(set);
    }
  }
  const auto word_from = [&](std::uint32_t set) {
    std::vector<std::uint32_t> word;
    for (; set != representative; set = forward_from_[set]) word.push_back(forward_letter_[set]);
    std::reverse(word.begin(), word.end());
    return word;
  };
  const std::span<const std::uint32_t> base = points(representative);
  std::vector<std::uint32_t> place(degree_, 0);
  for (std::uint32_t k = 0; k < c.rank; ++k) place[base[k]] = k;
  std::vector<Loop> result;
  const auto close = [&](std::vector<std::uint32_t> word, std::uint32_t set) {
    for (; set != representative; set = next(set, back_letter[set])) word.push_back(back_letter[set]);
    if (word.empty()) return;
    Permutation action(c.rank);
    bool trivial = true;
    for (std::uint32_t k = 0; k < c.rank; ++k) {
      std::uint32_t q = base[k];
      for (const std::uint32_t a : word) q = letters_[a][q];
      action[k] = place[q];
      trivial = trivial && action[k] == k;
    }
    if (!trivial) result.push_back({std::move(word), std::move(action)});
  };
  for (const std::uint32_t set : c.members) {
    const std::vector<std::uint32_t> way = word_from(set);
    close(way, set);
    for (std::uint32_t a = 0; a < letters_.size(); ++a) {
      const std::uint32_t target = next(set, a);
      if (target == none || component_of_[target] != component) continue;
      std::vector<std::uint32_t> word = way;
      word.push_back(a);
      close(std::move(word), target);
    }
    if (result.size() > max_loops && !c.group_known) break;
    if (result.size() > max_loops && PermutationGroup(c.rank,
                                                      [&] {
                                                        std::vector<Permutation> actions;
                                                        for (const Loop& loop : result) actions.push_back(loop.action);
                                                        return actions;
                                                      }())
                                             .order_text() == c.group.order_text()) {
      break;
    }
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const Loop& x, const Loop& y) { return x.word.size() < y.word.size(); });
  return result;
}

std::vector<std::vector<std::uint32_t>> ImageOrbit::generating_words(std::size_t component) const {
  std::vector<std::vector<std::uint32_t>> words;
  if (components_[component].group.is_trivial()) return words;
  std::vector<Permutation> actions;
  PermutationGroup group(components_[component].rank, {});
  for (Loop& loop : loops(component)) {
    if (group.contains(loop.action)) continue;
    actions.push_back(loop.action);
    group = PermutationGroup(components_[component].rank, actions);
    words.push_back(std::move(loop.word));
  }
  return words;
}

std::vector<std::uint32_t> ImageOrbit::shortest_nontrivial_loop(std::size_t component) const {
  if (components_[component].group_known && components_[component].group.is_trivial()) return {};
  std::vector<Loop> all = loops(component);
  return all.empty() ? std::vector<std::uint32_t>{} : std::move(all.front().word);
}

}  // namespace krohn
