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
#include <limits>
#include <numeric>
#include <ranges>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

using Integer = boost::multiprecision::cpp_int;
using Point = std::uint16_t;

// Up to this order the elements of a component's group are listed.
constexpr std::uint64_t max_canonical_order = 128;

Integer order_of(const PermutationGroup& group) {
  Integer product = 1;
  for (const std::uint32_t length : group.chain()) product *= length;
  return product;
}

/// The search over R-classes. A representative x has image P; it is stored as its kernel (the class of every point,
/// numbered by first occurrence) and the place in P of every kernel class.
class RClasses {
 public:
  RClasses(const ImageOrbit& orbit, const GreenLimits& limits)
      : orbit_(orbit),
        degree_(orbit.degree()),
        letters_(orbit.letters().size()),
        limits_(limits),
        limit_(std::min(limits.r_classes, limits.kernel_entries / std::max<std::size_t>(1, orbit.degree()))),
        table_(64, none) {
    if (degree_ > std::numeric_limits<Point>::max()) {
      throw ResourceError("Green's relations: expected at most 65535 states, got " + std::to_string(degree_));
    }
    kernel_.resize(degree_);
    number_.resize(degree_);
    place_.resize(degree_);
  }

  bool search() {
    const std::uint32_t start = orbit_.component_of(0);
    std::iota(kernel_.begin(), kernel_.end(), Point{0});
    fresh_.assign(kernel_.begin(), kernel_.end());
    classify(start);
    for (std::uint32_t i = 0; i < size(); ++i) {
      if (limits_.stopped()) return false;
      for (const Transformation& letter : orbit_.letters()) {
        const std::uint32_t target = classify(multiply(letter, i));
        if (target == none) return false;
        targets_.push_back(target);
      }
    }
    return true;
  }

  std::size_t size() const { return component_.size(); }
  std::size_t num_letters() const { return letters_; }
  std::uint32_t component(std::uint32_t i) const { return component_[i]; }
  std::span<const Point> kernel(std::uint32_t i) const {
    return std::span<const Point>(kernels_).subspan(i * degree_, degree_);
  }
  std::vector<Point> kernels() && { return std::move(kernels_); }
  std::uint32_t target(std::uint32_t i, std::size_t letter) const { return targets_[i * letters_ + letter]; }

  /// Where target(i, letter) lies in the same component: the permutation g of P with
  /// letter * (representative i) = (representative of the target) g.
  Permutation difference(std::uint32_t i, std::size_t letter) {
    multiply(orbit_.letters()[letter], i);
    const std::uint32_t y = target(i, letter);
    Permutation g(fresh_.size());
    for (std::size_t c = 0; c < fresh_.size(); ++c) g[places_[place_offset_[y] + c]] = fresh_[c];
    return g;
  }

 private:
  static constexpr std::uint32_t none = ImageOrbit::none;

  /// First the letter, then representative i, moved to the representative set of the image's component: the kernel in
  /// kernel_, the places in fresh_; returns the component.
  std::uint32_t multiply(const Transformation& letter, std::uint32_t i) {
    const Point* kernel = &kernels_[i * degree_];
    const Point* places = &places_[place_offset_[i]];
    const std::size_t rank = place_offset_[i + 1] - place_offset_[i];
    constexpr Point unset = std::numeric_limits<Point>::max();
    std::fill_n(number_.begin(), rank, unset);
    fresh_.clear();
    for (std::size_t q = 0; q < degree_; ++q) {
      const Point old = kernel[letter[q]];
      if (number_[old] == unset) {
        number_[old] = static_cast<Point>(fresh_.size());
        fresh_.push_back(places[old]);
      }
      kernel_[q] = number_[old];
    }
    const std::uint32_t component = component_[i];
    if (fresh_.size() == rank) return component;  // the image is P still
    const std::span<const std::uint32_t> base = orbit_.points(orbit_.components()[component].members[0]);
    image_.clear();
    for (const Point k : fresh_) image_.push_back(base[k]);
    const std::uint32_t set = orbit_.find(image_);
    const std::span<const std::uint32_t> here = orbit_.points(set);
    for (std::size_t k = 0; k < here.size(); ++k) place_[here[k]] = static_cast<Point>(k);
    for (std::size_t c = 0; c < fresh_.size(); ++c) fresh_[c] = place_[image_[c]];
    return orbit_.component_of(set);
  }

  /// The R-class of the element in kernel_, fresh_; a new one if need be; none past the limit.
  std::uint32_t classify(std::uint32_t component) {
    const bool canonical = make_canonical(component);
    std::size_t slot = hash(component, canonical) & (table_.size() - 1);
    std::uint32_t* last = nullptr;
    for (; table_[slot] != none; slot = (slot + 1) & (table_.size() - 1)) {
      const std::uint32_t first = table_[slot];
      if (component_[first] != component || !std::ranges::equal(kernel(first), kernel_)) continue;
      if (canonical) {
        if (std::equal(fresh_.begin(), fresh_.end(), &places_[place_offset_[first]])) return first;
        continue;
      }
      for (std::uint32_t candidate = first; candidate != none; candidate = next_[candidate]) {
        const Point* places = &places_[place_offset_[candidate]];
        step_.resize(fresh_.size());
        for (std::size_t c = 0; c < fresh_.size(); ++c) step_[places[c]] = fresh_[c];
        if (orbit_.components()[component].group.contains(step_)) return candidate;
        last = &next_[candidate];
      }
      break;
    }
    if (size() >= limit_) return none;
    const auto id = static_cast<std::uint32_t>(size());
    if (last != nullptr) {
      *last = id;  // before next_ grows
    } else {
      table_[slot] = id;
      ++keys_;
    }
    next_.push_back(none);
    hashes_.push_back(hash(component, canonical));
    component_.push_back(component);
    kernels_.insert(kernels_.end(), kernel_.begin(), kernel_.end());
    places_.insert(places_.end(), fresh_.begin(), fresh_.end());
    place_offset_.push_back(places_.size());
    if (2 * keys_ > table_.size()) grow();
    return id;
  }

  void grow() {
    std::vector<std::uint32_t> old(table_.size() * 2, none);
    old.swap(table_);
    for (const std::uint32_t first : old) {
      if (first == none) continue;
      std::size_t slot = hashes_[first] & (table_.size() - 1);
      while (table_[slot] != none) slot = (slot + 1) & (table_.size() - 1);
      table_[slot] = first;
    }
  }

  /// Small groups: replaces the element by the least of its coset (which is R-related), so that classes of one kernel
  /// are told apart by hashing. Returns false for groups too large for that.
  bool make_canonical(std::uint32_t component) {
    const PermutationGroup& group = orbit_.components()[component].group;
    if (group.is_trivial()) return true;
    if (group_elements_.empty()) group_elements_.resize(orbit_.components().size());
    std::vector<Permutation>& elements = group_elements_[component];
    if (elements.empty()) {
      const std::optional<std::uint64_t> order = group.order();
      if (!order || *order > max_canonical_order) return false;
      elements = group.elements(max_canonical_order);
    }
    least_ = fresh_;
    for (const Permutation& g : elements) {
      bool less = false;
      for (std::size_t c = 0; c < fresh_.size(); ++c) {
        const auto moved = static_cast<Point>(g[fresh_[c]]);
        if (!less && moved > least_[c]) break;
        less = less || moved < least_[c];
        // From the first smaller place on, this is the new least.
        if (less) least_[c] = moved;
      }
    }
    fresh_ = least_;
    return true;
  }

  std::size_t hash(std::uint32_t component, bool with_places) const {
    std::uint64_t value = component;
    for (const Point c : kernel_) {
      value = (value ^ c) * 0x9E3779B97F4A7C15U;
      value ^= value >> 29U;
    }
    for (std::size_t c = 0; with_places && c < fresh_.size(); ++c) {
      value = (value ^ fresh_[c]) * 0x9E3779B97F4A7C15U;
      value ^= value >> 29U;
    }
    return static_cast<std::size_t>(value ^ (value >> 32U));
  }

  const ImageOrbit& orbit_;
  std::size_t degree_;
  std::size_t letters_;
  const GreenLimits& limits_;
  std::size_t limit_;
  std::vector<std::uint32_t> table_;  // the first class of a key (component, kernel)
  std::size_t keys_ = 0;
  std::vector<std::size_t> hashes_;
  std::vector<std::vector<Permutation>> group_elements_;
  std::vector<Point> least_;
  std::vector<std::uint32_t> next_;  // large groups: the next class of the same key
  std::vector<std::uint32_t> component_;
  std::vector<Point> kernels_;  // [classes, degree]
  std::vector<Point> places_;
  std::vector<std::size_t> place_offset_ = {0};
  std::vector<std::uint32_t> targets_;
  std::vector<Point> kernel_;
  std::vector<Point> fresh_;
  std::vector<Point> number_;
  std::vector<Point> place_;
  std::vector<std::uint32_t> image_;
  Permutation step_;
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
Integer h_class_size(RClasses& classes, const std::vector<std::uint32_t>& members, std::size_t rank) {
  const Permutation identity = identity_transformation(rank);
  std::unordered_map<std::uint32_t, Permutation> shift;
  for (const std::uint32_t x : members) shift.emplace(x, Permutation());
  // s_x r_0 = r_x t_x with a left multiplier s_x; a r_x = r_y g gives a s_x r_0 = r_y g t_x.
  std::vector<std::uint32_t> queue = {members[0]};
  shift[members[0]] = identity;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (std::size_t a = 0; a < classes.num_letters(); ++a) {
      const auto y = shift.find(classes.target(queue[i], a));
      if (y == shift.end() || !y->second.empty()) continue;
      y->second = then(classes.difference(queue[i], a), shift[queue[i]]);
      queue.push_back(y->first);
    }
  }
  std::vector<Permutation> generators;
  PermutationGroup group(rank, {});
  for (const std::uint32_t x : members) {
    for (std::size_t a = 0; a < classes.num_letters(); ++a) {
      const auto y = shift.find(classes.target(x, a));
      if (y == shift.end()) continue;
      const Permutation generator = then(inverse(y->second), then(classes.difference(x, a), shift[x]));
      if (group.contains(generator)) continue;
      generators.push_back(generator);
      group = PermutationGroup(rank, generators);
    }
  }
  return order_of(group);
}

bool is_transversal(std::span<const std::uint32_t> set, std::span<const Point> kernel,
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
  for (const ImageComponent& component : orbit.components()) {
    if (!component.group_known) return std::nullopt;
  }
  RClasses classes(orbit, limits);
  if (!classes.search()) return std::nullopt;
  const std::size_t letters = orbit.letters().size();

  GreenRelations green;
  green.r_classes = classes.size();
  Integer order = 0;
  Integer l_total = 0;
  Integer h_total = 0;
  Integer idempotents = 0;
  std::size_t work = 0;
  bool counted = true;
  std::vector<std::uint32_t> stamp(orbit.degree() + 1, 0);
  std::uint32_t clock = 0;
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
      h_size = h_class_size(classes, members, component.rank);
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
        counted = !limits.stopped();
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
  green.degree = orbit.degree();
  green.kernels = std::move(classes).kernels();
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
      box.back().push_back(d_class.regular && is_transversal(orbit.points(set), green.kernel(row), stamp, clock));
    }
  }
  return box;
}

}  // namespace krohn
