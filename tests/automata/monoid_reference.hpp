// The transition monoid by brute force, and its Green's relations, idempotents and maximal subgroups by definition:
// the independent reference of the algebra tests. Quadratic and worse; for some thousand elements.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace krohn::reference {

using Map = std::vector<std::uint32_t>;

inline Map multiply(const Map& f, const Map& g) {  // first f, then g
  Map h(f.size());
  for (std::size_t q = 0; q < f.size(); ++q) h[q] = g[f[q]];
  return h;
}

inline std::size_t rank(const Map& f) { return std::set<std::uint32_t>(f.begin(), f.end()).size(); }

struct Monoid {
  std::vector<Map> elements;  // the identity first
  std::vector<Map> generators;

  /// Stops once there are more than `limit` elements.
  Monoid(std::size_t degree, std::vector<Map> letters, std::size_t limit = 100000) : generators(std::move(letters)) {
    Map identity(degree);
    std::iota(identity.begin(), identity.end(), 0U);
    std::set<Map> seen = {identity};
    elements = {identity};
    for (std::size_t i = 0; i < elements.size() && elements.size() <= limit; ++i) {
      for (const Map& g : generators) {
        Map product = multiply(elements[i], g);
        if (seen.insert(product).second) elements.push_back(std::move(product));
      }
    }
  }
};

/// Class numbers of mutual reachability in a graph on 0..n-1.
inline std::vector<std::size_t> mutual_reachability(const std::vector<std::vector<std::size_t>>& edges) {
  // Kosaraju: finishing order, then the reversed graph.
  const std::size_t n = edges.size();
  std::vector<std::vector<std::size_t>> reversed(n);
  for (std::size_t x = 0; x < n; ++x) {
    for (const std::size_t y : edges[x]) reversed[y].push_back(x);
  }
  std::vector<std::size_t> finished;
  std::vector<bool> seen(n, false);
  for (std::size_t root = 0; root < n; ++root) {
    if (seen[root]) continue;
    std::vector<std::pair<std::size_t, std::size_t>> path = {{root, 0}};
    seen[root] = true;
    while (!path.empty()) {
      auto& [x, i] = path.back();
      if (i < edges[x].size()) {
        const std::size_t y = edges[x][i++];
        if (!seen[y]) {
          seen[y] = true;
          path.emplace_back(y, 0);
        }
      } else {
        finished.push_back(x);
        path.pop_back();
      }
    }
  }
  std::vector<std::size_t> class_of(n, n);
  std::size_t classes = 0;
  for (std::size_t k = n; k-- > 0;) {
    if (class_of[finished[k]] != n) continue;
    std::vector<std::size_t> queue = {finished[k]};
    class_of[finished[k]] = classes;
    for (std::size_t i = 0; i < queue.size(); ++i) {
      for (const std::size_t y : reversed[queue[i]]) {
        if (class_of[y] == n) {
          class_of[y] = classes;
          queue.push_back(y);
        }
      }
    }
    ++classes;
  }
  return class_of;
}

inline std::size_t count_classes(const std::vector<std::size_t>& class_of) {
  return std::set<std::size_t>(class_of.begin(), class_of.end()).size();
}

struct Green {
  std::size_t r = 0, l = 0, h = 0, d = 0, regular_d = 0, idempotents = 0;
  /// The H-classes that are groups, one a regular D-class, as lists of elements.
  std::vector<std::vector<Map>> groups;
};

inline Green green(const Monoid& monoid) {
  const std::size_t n = monoid.elements.size();
  std::map<Map, std::size_t> index;
  for (std::size_t i = 0; i < n; ++i) index.emplace(monoid.elements[i], i);
  std::vector<std::vector<std::size_t>> right(n);
  std::vector<std::vector<std::size_t>> left(n);
  std::vector<std::vector<std::size_t>> both(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (const Map& g : monoid.generators) {
      right[i].push_back(index.at(multiply(monoid.elements[i], g)));
      left[i].push_back(index.at(multiply(g, monoid.elements[i])));
    }
    both[i] = right[i];
    both[i].insert(both[i].end(), left[i].begin(), left[i].end());
  }
  const auto r = mutual_reachability(right);
  const auto l = mutual_reachability(left);
  const auto d = mutual_reachability(both);  // J = D in finite monoids
  Green result;
  result.r = count_classes(r);
  result.l = count_classes(l);
  result.d = count_classes(d);
  std::map<std::pair<std::size_t, std::size_t>, std::vector<Map>> h;
  for (std::size_t i = 0; i < n; ++i) h[{r[i], l[i]}].push_back(monoid.elements[i]);
  result.h = h.size();
  std::set<std::size_t> regular;
  for (std::size_t i = 0; i < n; ++i) {
    if (multiply(monoid.elements[i], monoid.elements[i]) != monoid.elements[i]) continue;
    ++result.idempotents;
    if (regular.insert(d[i]).second) result.groups.push_back(h[{r[i], l[i]}]);
  }
  result.regular_d = regular.size();
  return result;
}

/// By definition: x^k = x^{k+1} for some k.
inline bool aperiodic(const Monoid& monoid) {
  for (const Map& x : monoid.elements) {
    std::set<Map> seen;
    Map power = x;
    while (seen.insert(power).second) power = multiply(power, x);
    if (multiply(power, x) != power) return false;  // `power` is on the cycle
  }
  return true;
}

/// The inverse of x in the group that it lies in: x^(p - 1) for its period p.
inline Map group_inverse(const Map& x) {
  Map inverse = multiply(x, x);
  if (inverse == x) return x;  // idempotent
  Map last = x;
  for (Map next = inverse; next != x; next = multiply(next, x)) {
    inverse = last;  // ends two steps before x returns: x^(p - 1)
    last = next;
  }
  // x^p is `last` (the identity of the group), x^(p - 1) the one before it.
  return inverse;
}

/// The derived series of a group given as a list of elements reaches its identity.
inline bool solvable(std::vector<Map> group) {
  for (std::size_t size = 0; group.size() != size && group.size() > 1;) {
    size = group.size();
    std::set<Map> seen;
    for (const Map& x : group) {
      for (const Map& y : group) {
        seen.insert(multiply(multiply(group_inverse(x), group_inverse(y)), multiply(x, y)));
      }
    }
    std::vector<Map> generated(seen.begin(), seen.end());
    const std::vector<Map> generators = generated;
    for (std::size_t i = 0; i < generated.size(); ++i) {
      for (const Map& g : generators) {
        Map product = multiply(generated[i], g);
        if (seen.insert(product).second) generated.push_back(std::move(product));
      }
    }
    group = std::move(generated);
  }
  return group.size() == 1;
}

/// Every two elements of coprime orders commute.
inline bool nilpotent(const std::vector<Map>& group) {
  const auto order = [](const Map& x) {
    std::size_t k = 1;
    for (Map power = multiply(x, x); power != x; power = multiply(power, x)) ++k;
    return k;
  };
  for (const Map& x : group) {
    for (const Map& y : group) {
      if (std::gcd(order(x), order(y)) == 1 && multiply(x, y) != multiply(y, x)) return false;
    }
  }
  return true;
}

}  // namespace krohn::reference
