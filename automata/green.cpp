// R-classes by orbits (in the manner of Konieczny 1994 and of East, Egri-Nagy, Mitchell and Peresse 2019).
//
// Let C be a component of image sets with representative P and group G. The R-class of an element x with image in C
// consists of the elements x w whose image is in C: |C| |G| of them, all with the kernel of x. Moved along the
// component so that its image is P, x is determined up to R by (C, kernel) and by the coset of G: two such elements x,
// y with equal kernel differ by one permutation g of P, x g = y, and are R-related iff g is in G. Every element is
// reached from the identity by multiplication from the left, and a x R a y follows from x R y: so a search over
// representatives, multiplied by every letter from the left, finds every R-class once.
//
// D-classes are the strongly connected components of this left multiplication on R-classes (D = J in finite monoids).
// H-classes: inside a D-class the letters act from the left with images staying in P; the Schreier generators of this
// action, read as permutations of P, generate the group of the H-class; for a regular class it is all of G. A class is
// regular iff one of its kernels has a transversal among the component's sets; the transversal pairs are its
// idempotents.
#include "krohn/automata/green.hpp"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

using Integer = boost::multiprecision::cpp_int;

struct KernelKey {
  std::uint32_t component;
  std::vector<std::uint32_t> kernel;
  friend bool operator==(const KernelKey&, const KernelKey&) = default;
};

struct KernelKeyHash {
  std::size_t operator()(const KernelKey& key) const {
    std::uint64_t hash = key.component;
    for (const std::uint32_t c : key.kernel) {
      hash = (hash ^ c) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 29U;
    }
    return static_cast<std::size_t>(hash);
  }
};

Integer order_of(const PermutationGroup& group) {
  Integer product = 1;
  for (const std::uint32_t length : group.chain()) product *= length;
  return product;
}

/// The search over R-classes. Elements are stored as words of places: the kernel class of every point, and per kernel
/// class the place in P that it is mapped to.
class RClasses {
 public:
  RClasses(const ImageOrbit& orbit, std::size_t limit) : orbit_(orbit), limit_(limit) {}

  bool search() {
    Transformation element = identity_transformation(orbit_.degree());
    std::vector<std::uint32_t> difference;
    classify(element, difference);
    for (std::uint32_t i = 0; i < elements_.size(); ++i) {
      for (const Transformation& letter : orbit_.letters()) {
        // Left multiplication: first the letter, then the representative.
        element = compose(letter, elements_[i]);
        const std::uint32_t target = classify(element, difference);
        if (target == ImageOrbit::none) return false;
        targets_.push_back(target);
        differences_.push_back(difference);
      }
    }
    return true;
  }

  std::size_t size() const { return elements_.size(); }
  std::uint32_t component(std::uint32_t i) const { return component_[i]; }
  const std::vector<std::uint32_t>& kernel(std::uint32_t i) const { return kernels_[i]; }
  std::uint32_t target(std::uint32_t i, std::size_t letter) const {
    return targets_[i * orbit_.letters().size() + letter];
  }
  /// The permutation of P that takes the target's representative to letter * representative i; empty for identity.
  const std::vector<std::uint32_t>& difference(std::uint32_t i, std::size_t letter) const {
    return differences_[i * orbit_.letters().size() + letter];
  }

 private:
  /// The R-class of an element, a new one if need be; `difference` is the permutation of P by which the element, moved
  /// to P, differs from the representative (empty: none).
  std::uint32_t classify(Transformation& element, std::vector<std::uint32_t>& difference) {
    difference.clear();
    KernelKey key{0, std::vector<std::uint32_t>(element.size())};
    points_.clear();
    number_.assign(element.size(), ImageOrbit::none);
    for (std::size_t q = 0; q < element.size(); ++q) {
      std::uint32_t& number = number_[element[q]];
      if (number == ImageOrbit::none) {
        number = static_cast<std::uint32_t>(points_.size());
        points_.push_back(element[q]);
      }
      key.kernel[q] = number;
    }
    const std::uint32_t set = orbit_.find(points_);
    key.component = orbit_.component_of(set);
    // Move to P: point k of the set comes from point k of P.
    const std::span<const std::uint32_t> here = orbit_.points(set);
    const std::span<const std::uint32_t> base = orbit_.points(orbit_.components()[key.component].members[0]);
    place_.resize(element.size());
    for (std::uint32_t k = 0; k < here.size(); ++k) place_[here[k]] = k;
    for (std::uint32_t& q : element) q = base[place_[q]];
    // The place of every kernel class.
    std::vector<std::uint32_t> places(points_.size());
    for (std::size_t c = 0; c < points_.size(); ++c) places[c] = place_[points_[c]];

    std::vector<std::uint32_t>& candidates = by_key_[key];
    const PermutationGroup& group = orbit_.components()[key.component].group;
    Permutation step(places.size());
    for (const std::uint32_t candidate : candidates) {
      bool same = true;
      for (std::size_t c = 0; c < places.size(); ++c) {
        step[places_[candidate][c]] = places[c];
        same = same && places_[candidate][c] == places[c];
      }
      if (same) return candidate;
      if (group.is_trivial() || !group.contains(step)) continue;
      difference = step;
      return candidate;
    }
    if (elements_.size() >= limit_) return ImageOrbit::none;
    const auto id = static_cast<std::uint32_t>(elements_.size());
    candidates.push_back(id);
    elements_.push_back(element);
    places_.push_back(std::move(places));
    component_.push_back(key.component);
    kernels_.push_back(std::move(key.kernel));
    return id;
  }

  const ImageOrbit& orbit_;
  std::size_t limit_;
  std::unordered_map<KernelKey, std::vector<std::uint32_t>, KernelKeyHash> by_key_;
  std::vector<Transformation> elements_;
  std::vector<std::vector<std::uint32_t>> places_;
  std::vector<std::uint32_t> component_;
  std::vector<std::vector<std::uint32_t>> kernels_;
  std::vector<std::uint32_t> targets_;
  std::vector<std::vector<std::uint32_t>> differences_;
  std::vector<std::uint32_t> points_;
  std::vector<std::uint32_t> number_;
  std::vector<std::uint32_t> place_;
};

/// Strongly connected components of the left multiplication; classes in the order of their first member.
std::vector<std::vector<std::uint32_t>> strong_components(const RClasses& classes, std::size_t letters) {
  const std::size_t size = classes.size();
  constexpr std::uint32_t none = ImageOrbit::none;
  std::vector<std::uint32_t> number(size, none);
  std::vector<std::uint32_t> low(size, 0);
  std::vector<bool> closed(size, false);
  std::vector<std::uint32_t> stack;
  std::vector<std::pair<std::uint32_t, std::size_t>> path;
  std::vector<std::vector<std::uint32_t>> components;
  std::uint32_t counter = 0;
  for (std::uint32_t root = 0; root < size; ++root) {
    if (number[root] != none) continue;
    path.emplace_back(root, 0);
    while (!path.empty()) {
      const std::uint32_t x = path.back().first;
      if (path.back().second == 0) {
        number[x] = low[x] = counter++;
        stack.push_back(x);
      }
      bool descended = false;
      while (path.back().second < letters) {
        const std::uint32_t y = classes.target(x, path.back().second++);
        if (number[y] == none) {
          path.emplace_back(y, 0);
          descended = true;
          break;
        }
        if (!closed[y]) low[x] = std::min(low[x], number[y]);
      }
      if (descended) continue;
      path.pop_back();
      if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[x]);
      if (low[x] != number[x]) continue;
      components.emplace_back();
      for (std::uint32_t y = none; y != x;) {
        y = stack.back();
        stack.pop_back();
        closed[y] = true;
        components.back().push_back(y);
      }
      std::sort(components.back().begin(), components.back().end());
    }
  }
  std::sort(components.begin(), components.end());
  return components;
}

/// The group of the H-classes of a D-class: Schreier generators of the left action on its R-classes.
Integer h_class_size(const RClasses& classes, const std::vector<std::uint32_t>& members, std::size_t letters,
                     std::size_t rank, std::vector<Permutation>& shift, std::vector<bool>& reached) {
  const Permutation identity = identity_transformation(rank);
  const auto difference = [&](std::uint32_t x, std::size_t a) -> const Permutation& {
    const Permutation& stored = classes.difference(x, a);
    return stored.empty() ? identity : stored;
  };
  // s_x r_0 = r_x t_x with a left multiplier s_x; a r_x = r_y g gives a s_x r_0 = r_y g t_x.
  std::vector<std::uint32_t> queue = {members[0]};
  shift[members[0]] = identity;
  reached[members[0]] = true;
  std::vector<bool> inside(classes.size(), false);
  for (const std::uint32_t x : members) inside[x] = true;
  std::vector<Permutation> generators;
  PermutationGroup group(rank, {});
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const std::uint32_t x = queue[i];
    for (std::size_t a = 0; a < letters; ++a) {
      const std::uint32_t y = classes.target(x, a);
      if (!inside[y]) continue;
      Permutation moved = then(difference(x, a), shift[x]);
      if (!reached[y]) {
        reached[y] = true;
        shift[y] = std::move(moved);
        queue.push_back(y);
      }
    }
  }
  for (const std::uint32_t x : members) {
    for (std::size_t a = 0; a < letters; ++a) {
      const std::uint32_t y = classes.target(x, a);
      if (!inside[y]) continue;
      const Permutation generator = then(inverse(shift[y]), then(difference(x, a), shift[x]));
      if (generator == identity || group.contains(generator)) continue;
      generators.push_back(generator);
      group = PermutationGroup(rank, generators);
    }
  }
  return order_of(group);
}

bool is_transversal(std::span<const std::uint32_t> set, const std::vector<std::uint32_t>& kernel,
                    std::vector<std::uint32_t>& stamp, std::uint32_t& clock) {
  ++clock;
  for (const std::uint32_t q : set) {
    if (stamp[kernel[q]] == clock) return false;
    stamp[kernel[q]] = clock;
  }
  return true;
}

}  // namespace

std::optional<GreenRelations> find_green(const ImageOrbit& orbit, const GreenLimits& limits) {
  if (!orbit.complete()) return std::nullopt;
  RClasses classes(orbit, limits.r_classes);
  if (!classes.search()) return std::nullopt;
  const std::size_t letters = orbit.letters().size();

  GreenRelations green;
  green.r_classes = classes.size();
  for (std::uint32_t i = 0; i < classes.size(); ++i) green.r_class_kernel.push_back(classes.kernel(i));
  Integer order = 0;
  Integer l_total = 0;
  Integer h_total = 0;
  Integer idempotents = 0;
  std::size_t work = 0;
  bool counted = true;
  std::vector<std::uint32_t> stamp(orbit.degree() + 1, 0);
  std::uint32_t clock = 0;
  std::vector<Permutation> shift(classes.size());
  std::vector<bool> reached(classes.size(), false);
  for (std::vector<std::uint32_t>& members : strong_components(classes, letters)) {
    const std::uint32_t id = classes.component(members[0]);
    const ImageComponent& component = orbit.components()[id];
    DClass d_class;
    d_class.rank = component.rank;
    d_class.component = id;
    d_class.r_classes = members.size();
    for (const std::uint32_t set : component.members) {
      if (is_transversal(orbit.points(set), classes.kernel(members[0]), stamp, clock)) {
        d_class.regular = true;
        break;
      }
    }
    const Integer r_size = component.members.size() * order_of(component.group);
    Integer h_size = 1;
    if (d_class.regular) {
      h_size = order_of(component.group);
    } else if (!component.group.is_trivial()) {
      h_size = h_class_size(classes, members, letters, component.rank, shift, reached);
    }
    const Integer l_classes = r_size / h_size;
    d_class.h_size = h_size.str();
    d_class.l_classes = l_classes.str();
    order += r_size * members.size();
    l_total += l_classes;
    h_total += l_classes * members.size();
    if (d_class.regular) {
      ++green.regular_d_classes;
      work += members.size() * component.members.size() * component.rank;
      counted = counted && work <= limits.idempotent_work;
      for (std::size_t i = 0; counted && i < members.size(); ++i) {
        std::size_t count = 0;
        for (const std::uint32_t set : component.members) {
          count += is_transversal(orbit.points(set), classes.kernel(members[i]), stamp, clock) ? 1 : 0;
        }
        idempotents += count;
      }
    }
    d_class.rows = std::move(members);
    green.d_classes.push_back(std::move(d_class));
  }
  green.order = order.str();
  green.l_classes = l_total.str();
  green.h_classes = h_total.str();
  if (counted) green.idempotents = idempotents.str();
  return green;
}

std::vector<std::vector<bool>> egg_box(const ImageOrbit& orbit, const GreenRelations& green, const DClass& d_class) {
  const ImageComponent& component = orbit.components()[d_class.component];
  std::vector<std::uint32_t> stamp(orbit.degree() + 1, 0);
  std::uint32_t clock = 0;
  std::vector<std::vector<bool>> box;
  for (const std::uint32_t row : d_class.rows) {
    box.emplace_back();
    for (const std::uint32_t set : component.members) {
      box.back().push_back(d_class.regular &&
                           is_transversal(orbit.points(set), green.r_class_kernel[row], stamp, clock));
    }
  }
  return box;
}

}  // namespace krohn
