// Orbits by breadth-first search; blocks by the finest invariant partition that joins two points (Atkinson 1975), for
// every choice of the second point. Cost: orbit length^2 * generators, near enough.
// Tested by tests/automata/permutation_group_test.cpp.
#include "permutation_action.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "krohn/error.hpp"

namespace krohn {

std::uint64_t order_of(const Permutation& p) {
  std::vector<bool> seen(p.size(), false);
  std::uint64_t order = 1;
  for (std::uint32_t x = 0; x < p.size(); ++x) {
    std::uint64_t length = 0;
    for (std::uint32_t y = x; !seen[y]; y = p[y]) {
      seen[y] = true;
      ++length;
    }
    if (length > 1) order = std::lcm(order, length);
  }
  return order;
}

Permutation power(const Permutation& p, std::uint64_t exponent) {
  Permutation result(p.size());
  std::iota(result.begin(), result.end(), 0U);
  Permutation base = p;
  for (; exponent > 0; exponent >>= 1U) {
    if ((exponent & 1U) != 0) result = then(result, base);
    base = then(base, base);
  }
  return result;
}

std::vector<std::vector<std::uint32_t>> orbits(const PermutationGroup& group) {
  std::vector<std::vector<std::uint32_t>> result;
  std::vector<bool> seen(group.degree(), false);
  for (std::uint32_t x = 0; x < group.degree(); ++x) {
    if (seen[x]) continue;
    std::vector<std::uint32_t> orbit = {x};
    seen[x] = true;
    for (std::size_t i = 0; i < orbit.size(); ++i) {
      for (const Permutation& g : group.generators()) {
        if (!seen[g[orbit[i]]]) {
          seen[g[orbit[i]]] = true;
          orbit.push_back(g[orbit[i]]);
        }
      }
    }
    if (orbit.size() > 1) result.push_back(std::move(orbit));
  }
  return result;
}

std::optional<PointClasses> block_system(const PermutationGroup& group, const std::vector<std::uint32_t>& orbit) {
  for (std::size_t i = 1; i < orbit.size(); ++i) {
    std::vector<std::uint32_t> parent(group.degree());
    std::iota(parent.begin(), parent.end(), 0U);
    const auto find = [&](std::uint32_t x) {
      while (parent[x] != x) x = parent[x] = parent[parent[x]];
      return x;
    };
    std::vector<std::pair<std::uint32_t, std::uint32_t>> queue = {{orbit[0], orbit[i]}};
    parent[orbit[i]] = orbit[0];
    for (std::size_t k = 0; k < queue.size(); ++k) {
      for (const Permutation& g : group.generators()) {
        const std::uint32_t x = find(g[queue[k].first]);
        const std::uint32_t y = find(g[queue[k].second]);
        if (x == y) continue;
        parent[y] = x;
        queue.emplace_back(g[queue[k].first], g[queue[k].second]);
      }
    }
    std::vector<std::int32_t> class_of(group.degree(), -1);
    std::map<std::uint32_t, std::int32_t> number;
    for (const std::uint32_t x : orbit) {
      class_of[x] = number.try_emplace(find(x), static_cast<std::int32_t>(number.size())).first->second;
    }
    if (number.size() > 1) return PointClasses{std::move(class_of), number.size()};
  }
  return std::nullopt;
}

PointClasses orbit_classes(const PermutationGroup& group, const std::vector<std::uint32_t>& orbit) {
  PointClasses classes{std::vector<std::int32_t>(group.degree(), -1), orbit.size()};
  for (std::size_t i = 0; i < orbit.size(); ++i) classes.of[orbit[i]] = static_cast<std::int32_t>(i);
  return classes;
}

Permutation action_on(const Permutation& permutation, const PointClasses& classes) {
  Permutation image(classes.count);
  for (std::uint32_t x = 0; x < permutation.size(); ++x) {
    if (classes.of[x] < 0) continue;
    image[static_cast<std::size_t>(classes.of[x])] = static_cast<std::uint32_t>(classes.of[permutation[x]]);
  }
  return image;
}

PermutationGroup action_on(const PermutationGroup& group, const PointClasses& classes) {
  std::vector<Permutation> images;
  for (const Permutation& g : group.generators()) images.push_back(action_on(g, classes));
  return PermutationGroup(classes.count, images);
}

namespace {

PermutationGroup on_classes_and_points(const PermutationGroup& group, const PointClasses& classes) {
  std::vector<Permutation> joint;
  for (const Permutation& g : group.generators()) {
    Permutation both = action_on(g, classes);
    for (const std::uint32_t x : g) both.push_back(static_cast<std::uint32_t>(classes.count) + x);
    joint.push_back(std::move(both));
  }
  Permutation base(classes.count);
  std::iota(base.begin(), base.end(), 0U);
  return PermutationGroup(classes.count + group.degree(), joint, base);
}

}  // namespace

ClassAction::ClassAction(const PermutationGroup& group, const PointClasses& classes)
    : degree_(group.degree()),
      classes_(classes.count),
      image_(action_on(group, classes)),
      joint_(on_classes_and_points(group, classes)) {}

PermutationGroup ClassAction::kernel() const {
  std::vector<Permutation> generators;
  Permutation base(classes_);
  std::iota(base.begin(), base.end(), 0U);
  const PermutationGroup fixing = joint_.stabilizer(base);
  for (const Permutation& g : fixing.generators()) {
    Permutation on_points(degree_);
    for (std::size_t x = 0; x < degree_; ++x) {
      on_points[x] = g[classes_ + x] - static_cast<std::uint32_t>(classes_);
    }
    generators.push_back(std::move(on_points));
  }
  return PermutationGroup(degree_, generators);
}

Permutation ClassAction::lift(const Permutation& on_classes) const {
  const std::optional<Permutation> both = joint_.element_with(on_classes);
  if (!both) throw InternalError("class action: expected a member of the image");
  Permutation on_points(degree_);
  for (std::size_t x = 0; x < degree_; ++x) {
    on_points[x] = (*both)[classes_ + x] - static_cast<std::uint32_t>(classes_);
  }
  return on_points;
}

std::optional<std::pair<std::size_t, bool>> natural_symmetric(const PermutationGroup& group) {
  const std::vector<std::uint32_t> primes = group.order_primes();
  for (const std::vector<std::uint32_t>& orbit : orbits(group)) {
    const PermutationGroup image = action_on(group, orbit_classes(group, orbit));
    if (image.order_primes() != primes) continue;  // not faithful
    std::vector<std::uint32_t> symmetric;
    for (std::uint32_t i = 2; i <= orbit.size(); ++i) {
      std::uint32_t rest = i;
      for (std::uint32_t p = 2; p <= rest; ++p) {
        for (; rest % p == 0; rest /= p) symmetric.push_back(p);
      }
    }
    std::sort(symmetric.begin(), symmetric.end());
    if (symmetric == primes) return std::pair(orbit.size(), true);
    symmetric.erase(symmetric.begin());
    if (orbit.size() >= 3 && symmetric == primes) return std::pair(orbit.size(), false);
  }
  return std::nullopt;
}

}  // namespace krohn
