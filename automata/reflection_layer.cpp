// What (I - beta k k^T) diag(alpha) does in one layer, proved by construction.
//
// Heads multiply: a word acts on every head at once, and the readout is any function of the token and of the carried
// state. So the letters' matrices may generate any group K with a homomorphism onto the group G of the language: the
// state after a word is (its element of K) x_0 for a vector x_0 that no element but 1 fixes in all heads, and the
// readout goes from there to K to G. A letter x needs a lift of x to K that is a reflection times a sign diagonal in
// every head. Four kinds of heads in which every element is one:
//
//   d = 1   1 and -1: alpha.
//   d = 2   every element of O(2): a reflection is beta = 2; a rotation is a reflection after diag(1, -1). So cyclic
//           and dihedral groups; abelian groups and their extensions by an inversion have faithful sums of these.
//   d = 4   on quaternions, x -> p x p is the reflection x -> -p conj(x) p after x -> -conj(x), which is diag(-1, 1, 1,
//           1), for every unit p. Products are x -> a x b with a = p_n .. p_1 and b = p_1 .. p_n: with the p of a
//           finite group the matrices form a finite group, and a up to its sign is an element of S_4 (p in the binary
//           octahedral group) or A_5 (binary icosahedral). For S_4 the p are e_i, (e_i +- e_j)/sqrt 2 and (+-1 +-i +-j
//           +-k)/2, so that all entries of the matrices are 0, 1/2, 1 and their negatives: no step rounds. (A_5's are
//           irrational; a rotation of three dimensions would not do, as its ten axes of order 3 are orthogonal to at
//           most six of any three basis vectors. S_4 has d = 3 too, inexactly: in the basis (1,-1,0)/sqrt 2,
//           (1,1,0)/sqrt 2, (0,0,1) every rotation of the cube is one reflection after signs, in the cube's own only
//           those that do not turn all three coordinates.)
//   points  a transposition of d points is the reflection e_i - e_j: a head where every letter moves two points or none
//           (here elements other than letters may be out of reach).
//
// G embeds in a product of such heads iff their kernels meet in 1. The kernels of all homomorphisms to O(2) meet in
// the derived subgroup and, over the subgroups A of index 2 and any t outside, the normal closures of A', t^2 and all
// a (t a t^-1): modulo these A is abelian and t inverts it, and where it is so characters of A give dihedral groups.
// Homomorphisms to S_4 and A_5 are found by trying images of generators; heads that are exact (signs, Z_4, D_4, S_4)
// are taken where they suffice: their quotients are those modulo fourth powers as well. If the kernels meet in more
// than 1, a preimage is tried: the group that generators' images under *all* maps into D_m generate together is the
// largest with homomorphisms enough to D_m, and does G if the generators' correspondence with G is a homomorphism (so
// the quaternion group is a quotient of a subgroup of D_4 x D_4). Cost: the order times what is tried, each capped.
#include "krohn/automata/reflection_layer.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <numeric>
#include <utility>

#include "krohn/automata/transition_monoid.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_order = 4096;
/// Elements times the degree.
constexpr std::size_t max_entries = std::size_t{1} << 21U;
constexpr std::size_t max_generators = 6;
/// Images of generators times the order.
constexpr std::size_t max_homomorphism_work = std::size_t{1} << 26U;
constexpr std::size_t max_lift_maps = 4096;
constexpr std::size_t max_lift_entries = std::size_t{1} << 23U;

using Index = std::uint32_t;
using Subset = std::vector<bool>;

/// A small group by the numbers of its elements; 0 is the identity.
class Elements {
 public:
  Elements(std::size_t degree, const std::vector<Permutation>& letters)
      : monoid_(degree, as_transformations(letters),
                {.max_elements = std::min(max_order, max_entries / std::max<std::size_t>(degree, 1))}) {}

  bool complete() const { return monoid_.complete(); }
  std::size_t size() const { return monoid_.size(); }
  Permutation element(Index x) const {
    const Transformation images = monoid_.element(x);
    return Permutation(images.begin(), images.end());
  }
  Index number(const Permutation& p) const { return monoid_.find(p); }
  Index product(Index x, Index y) const { return number(then(element(x), element(y))); }
  Index inverse_of(Index x) const { return number(inverse(element(x))); }
  Index power(Index x, std::size_t n) const {
    Index result = 0;
    for (; n > 0; n /= 2, x = product(x, x)) {
      if (n % 2 == 1) result = product(result, x);
    }
    return result;
  }
  std::size_t order(Index x) const {
    const Permutation p = element(x);
    std::size_t result = 1;
    std::vector<bool> seen(p.size(), false);
    for (std::size_t first = 0; first < p.size(); ++first) {
      std::size_t length = 0;
      for (std::size_t q = first; !seen[q]; q = p[q], ++length) seen[q] = true;
      if (length > 0) result = std::lcm(result, length);
    }
    return result;
  }
  /// y -> y x for every y.
  std::vector<Index> right(Index x) const {
    const Permutation by = element(x);
    std::vector<Index> result(size());
    for (Index y = 0; y < size(); ++y) result[y] = number(then(element(y), by));
    return result;
  }

 private:
  static std::vector<Transformation> as_transformations(const std::vector<Permutation>& letters) {
    std::vector<Transformation> result;
    for (const Permutation& p : letters) result.emplace_back(p.begin(), p.end());
    return result;
  }
  TransitionMonoid monoid_;
};

std::size_t count(const Subset& subset) {
  return static_cast<std::size_t>(std::count(subset.begin(), subset.end(), true));
}

/// The subgroup that grows by a generator at a time.
class Subgroup {
 public:
  explicit Subgroup(const Elements& group) : group_(group), members_(group.size(), false), list_{0} {
    members_[0] = true;
  }
  bool contains(Index x) const { return members_[x]; }
  const Subset& members() const { return members_; }
  const std::vector<Index>& list() const { return list_; }

  void add(Index x) {
    if (members_[x]) return;
    generators_.push_back(group_.right(x));
    // A finite monoid of permutations is a group: closing under the generators is enough.
    for (std::size_t i = 0; i < list_.size(); ++i) {
      for (const std::vector<Index>& by : generators_) {
        const Index y = by[list_[i]];
        if (members_[y]) continue;
        members_[y] = true;
        list_.push_back(y);
      }
    }
  }

 private:
  const Elements& group_;
  Subset members_;
  std::vector<Index> list_;
  std::vector<std::vector<Index>> generators_;
};

/// A normal subgroup, and heads whose common kernel it is.
struct Quotient {
  Subset kernel;
  std::vector<std::size_t> heads;
  bool exact = false;
  std::string name;
};

class Search {
 public:
  Search(std::size_t degree, const std::vector<Permutation>& letters, const Elements& group)
      : group_(group), degree_(degree), letters_(letters) {
    Subgroup known(group);
    for (const Permutation& letter : letters) {
      const Index x = group.number(letter);
      if (known.contains(x)) continue;
      known.add(x);
      generators_.push_back(x);
    }
    // Later generators may have made earlier ones superfluous.
    for (std::size_t i = 0; i < generators_.size() && generators_.size() > 1;) {
      Subgroup without(group);
      for (std::size_t j = 0; j < generators_.size(); ++j) {
        if (j != i) without.add(generators_[j]);
      }
      if (without.list().size() == group.size()) {
        generators_.erase(generators_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    for (const Index g : generators_) right_.push_back(group.right(g));
  }

  std::optional<ReflectionLayer> find() {
    add_orbits();
    add_abelian();
    if (generators_.size() <= max_generators) {
      add_dihedral();
      add_images(symmetric_elements(4, false), 3, true, "x -> p x p on quaternions (S_4)");
      add_images(symmetric_elements(5, true), 60, false, "x -> p x p on quaternions (A_5)");
    }
    Subset common(group_.size(), true);
    for (const Quotient& q : quotients_) intersect(common, q.kernel);
    if (count(common) == 1) return smallest_choice();
    return lifted();
  }

 private:
  static void intersect(Subset& a, const Subset& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = a[i] && b[i];
  }

  Subset normal_closure(std::vector<Index> elements) const {
    Subgroup closure(group_);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      if (closure.contains(elements[i])) continue;
      closure.add(elements[i]);
      for (const Index g : generators_) {
        elements.push_back(group_.product(group_.product(group_.inverse_of(g), elements[i]), g));
      }
    }
    return closure.members();
  }
  Index commutator(Index x, Index y) const {
    return group_.product(group_.product(group_.inverse_of(x), group_.inverse_of(y)), group_.product(x, y));
  }

  /// Heads for the abelian quotient of `of` (a subgroup with its generators) by `kernel`: as many as its rank. In O(2)
  /// unless the exponent is 2 and signs will do.
  Quotient abelian_quotient(const std::vector<Index>& generators, const std::vector<Index>& of, Subset kernel,
                            bool signs, std::string name) const {
    std::size_t exponent = 1;
    for (const Index g : generators) {
      Index y = g;
      std::size_t n = 1;
      for (; !kernel[y]; y = group_.product(y, g)) ++n;
      exponent = std::lcm(exponent, n);
    }
    const std::size_t order = count(kernel);
    std::size_t rank = 0;
    std::size_t rest = exponent;
    for (std::size_t p = 2; rest > 1; ++p) {
      if (rest % p != 0) continue;
      while (rest % p == 0) rest /= p;
      std::size_t torsion = 0;
      for (const Index x : of) torsion += kernel[group_.power(x, p)] ? 1U : 0U;
      std::size_t p_rank = 0;
      for (std::size_t n = torsion / order; n > 1; n /= p) ++p_rank;
      rank = std::max(rank, p_rank);
    }
    const std::size_t size = signs && exponent <= 2 ? 1 : 2;
    return {std::move(kernel), std::vector<std::size_t>(rank, size), 4 % exponent == 0, std::move(name)};
  }

  /// Orbits on which every letter is a swap or nothing.
  void add_orbits() {
    std::vector<std::size_t> orbit(degree_, degree_);
    for (std::size_t first = 0; first < degree_; ++first) {
      if (orbit[first] != degree_) continue;
      std::vector<std::size_t> points{first};
      orbit[first] = first;
      for (std::size_t i = 0; i < points.size(); ++i) {
        for (const Permutation& letter : letters_) {
          const std::size_t next = letter[points[i]];
          if (orbit[next] == first) continue;
          orbit[next] = first;
          points.push_back(next);
        }
      }
      if (points.size() == 1) continue;
      const bool swaps = std::all_of(letters_.begin(), letters_.end(), [&](const Permutation& letter) {
        return std::count_if(points.begin(), points.end(), [&](std::size_t p) { return letter[p] != p; }) <= 2;
      });
      if (!swaps) continue;
      Subset kernel(group_.size());
      for (Index x = 0; x < group_.size(); ++x) {
        const Permutation images = group_.element(x);
        kernel[x] = std::all_of(points.begin(), points.end(), [&](std::size_t p) { return images[p] == p; });
      }
      quotients_.push_back({std::move(kernel), {points.size()}, true, "swaps of points"});
    }
  }

  void add_abelian() {
    std::vector<Index> commutators;
    for (const Index x : generators_) {
      for (const Index y : generators_) commutators.push_back(commutator(x, y));
    }
    std::vector<Index> all(group_.size());
    std::iota(all.begin(), all.end(), 0U);
    const std::string name = "signs and plane rotations";
    quotients_.push_back(abelian_quotient(generators_, all, normal_closure(commutators), true, name));
    if (quotients_.back().exact) return;
    for (const Index x : generators_) commutators.push_back(group_.power(x, 4));
    Subset kernel = normal_closure(std::move(commutators));
    if (count(kernel) == group_.size()) return;
    quotients_.push_back(abelian_quotient(generators_, all, std::move(kernel), true, name));
  }

  /// Where the generators' images extend to a homomorphism, the image of every element; `times(a, i)` is the image a
  /// times that of generator i.
  template <class Image, class Times>
  std::optional<std::vector<Image>> homomorphism(Image one, const Times& times) const {
    std::vector<std::optional<Image>> image(group_.size());
    image[0] = one;
    std::vector<Index> found{0};
    for (std::size_t i = 0; i < found.size(); ++i) {
      for (std::size_t g = 0; g < generators_.size(); ++g) {
        const Index y = right_[g][found[i]];
        const Image value = times(*image[found[i]], g);
        if (!image[y]) {
          image[y] = value;
          found.push_back(y);
        } else if (*image[y] != value) {
          return std::nullopt;
        }
      }
    }
    std::vector<Image> result;
    for (const std::optional<Image>& value : image) result.push_back(*value);
    return result;
  }

  void add_dihedral() {
    for (std::size_t signs = 1; signs < std::size_t{1} << generators_.size(); ++signs) {
      const auto outside = homomorphism<unsigned>(
          0, [&](unsigned a, std::size_t g) { return a ^ static_cast<unsigned>(signs >> g & 1U); });
      if (!outside) continue;
      std::vector<Index> inside;
      for (Index x = 0; x < group_.size(); ++x) {
        if ((*outside)[x] == 0) inside.push_back(x);
      }
      const Index t = generators_[static_cast<std::size_t>(std::countr_zero(signs))];
      const Index back = group_.inverse_of(t);
      std::vector<Index> subgroup;  // Schreier's generators of the subgroup
      for (std::size_t g = 0; g < generators_.size(); ++g) {
        const Index s = generators_[g];
        if ((signs >> g & 1U) == 0) {
          subgroup.push_back(s);
          subgroup.push_back(group_.product(group_.product(t, s), back));
        } else {
          subgroup.push_back(group_.product(s, back));
          subgroup.push_back(group_.product(t, s));
        }
      }
      std::vector<Index> relations{group_.product(t, t)};
      for (const Index a : subgroup) {
        relations.push_back(group_.product(a, group_.product(group_.product(t, a), back)));
        for (const Index b : subgroup) relations.push_back(commutator(a, b));
      }
      // All of it, and modulo fourth powers, which is exact.
      for (const bool fourth : {false, true}) {
        if (fourth) {
          for (const Index a : subgroup) relations.push_back(group_.power(a, 4));
        }
        Subset kernel = normal_closure(relations);
        if (count(kernel) == inside.size()) break;  // signs alone, which the abelian quotient has
        quotients_.push_back(
            abelian_quotient(subgroup, inside, std::move(kernel), false, "the plane's rotations and reflections"));
        if (quotients_.back().exact) break;
      }
    }
  }

  static std::vector<Permutation> symmetric_elements(std::size_t degree, bool even) {
    std::vector<Permutation> result;
    Permutation p(degree);
    std::iota(p.begin(), p.end(), 0U);
    do {
      std::size_t inversions = 0;
      for (std::size_t i = 0; i < degree; ++i) {
        for (std::size_t j = i + 1; j < degree; ++j) inversions += p[i] > p[j] ? 1U : 0U;
      }
      if (!even || inversions % 2 == 0) result.push_back(p);
    } while (std::next_permutation(p.begin(), p.end()));
    return result;
  }

  /// Homomorphisms to `target` (all of its elements, the identity first) whose image has a multiple of `least`
  /// elements: heads of size 4.
  void add_images(const std::vector<Permutation>& target, std::size_t least, bool exact, const std::string& name) {
    if (group_.size() % least != 0) return;
    const std::size_t n = target.size();
    std::map<Permutation, Index> number;
    for (Index i = 0; i < n; ++i) number.emplace(target[i], i);
    std::vector<std::vector<Index>> times(n, std::vector<Index>(n));
    for (std::size_t a = 0; a < n; ++a) {
      for (std::size_t b = 0; b < n; ++b) times[a][b] = number.at(then(target[a], target[b]));
    }
    // Only images whose order divides the generator's.
    std::vector<std::vector<Index>> candidates;
    std::size_t work = group_.size();
    for (const Index g : generators_) {
      std::vector<Index>& list = candidates.emplace_back();
      const std::size_t order = group_.order(g);
      for (Index r = 0; r < n; ++r) {
        Index power = 0;
        for (std::size_t i = 0; i < order; ++i) power = times[power][r];
        if (power == 0) list.push_back(r);
      }
      work *= list.size();
      if (work > max_homomorphism_work) return;
    }
    std::vector<std::size_t> chosen(generators_.size(), 0);
    std::vector<Subset> kernels;
    for (;;) {
      const auto image =
          homomorphism<Index>(0, [&](Index a, std::size_t g) { return times[a][candidates[g][chosen[g]]]; });
      if (image) {
        Subset kernel(group_.size());
        for (Index x = 0; x < group_.size(); ++x) kernel[x] = (*image)[x] == 0;
        if (group_.size() / count(kernel) % least == 0 &&
            std::find(kernels.begin(), kernels.end(), kernel) == kernels.end()) {
          kernels.push_back(kernel);
          quotients_.push_back({std::move(kernel), {4}, exact, name});
        }
      }
      std::size_t g = 0;
      while (g < chosen.size() && ++chosen[g] == candidates[g].size()) chosen[g++] = 0;
      if (g == chosen.size()) return;
    }
  }

  /// Of quotients whose kernels meet in 1 those that are needed: exact ones alone where they suffice, small ones first.
  ReflectionLayer smallest_choice() const {
    Subset left(group_.size(), true);
    for (const Quotient& q : quotients_) {
      if (q.exact) intersect(left, q.kernel);
    }
    const bool exact_ones_suffice = count(left) == 1;
    std::vector<const Quotient*> order;
    for (const Quotient& q : quotients_) {
      if (q.exact || !exact_ones_suffice) order.push_back(&q);
    }
    const auto size = [](const Quotient& q) { return std::accumulate(q.heads.begin(), q.heads.end(), std::size_t{0}); };
    std::stable_sort(order.begin(), order.end(), [&](const Quotient* a, const Quotient* b) {
      return size(*a) != size(*b) ? size(*a) < size(*b) : count(a->kernel) < count(b->kernel);
    });
    std::vector<const Quotient*> chosen;
    Subset common(group_.size(), true);
    for (const Quotient* q : order) {
      const std::size_t before = count(common);
      intersect(common, q->kernel);
      if (count(common) < before) chosen.push_back(q);
    }
    for (std::size_t i = 0; i < chosen.size();) {
      Subset rest(group_.size(), true);
      for (std::size_t j = 0; j < chosen.size(); ++j) {
        if (j != i) intersect(rest, chosen[j]->kernel);
      }
      if (count(rest) == 1) {
        chosen.erase(chosen.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    ReflectionLayer layer;
    layer.exact = exact_ones_suffice;
    std::vector<std::string> names;
    for (const Quotient* q : chosen) {
      layer.heads.insert(layer.heads.end(), q->heads.begin(), q->heads.end());
      if (std::find(names.begin(), names.end(), q->name) == names.end()) names.push_back(q->name);
    }
    for (const std::string& name : names) layer.construction += (layer.construction.empty() ? "" : ", ") + name;
    return layer;
  }

  /// A preimage of G in a power of a dihedral group.
  std::optional<ReflectionLayer> lifted() const {
    std::size_t exponent = 1;
    for (Index x = 0; x < group_.size(); ++x) exponent = std::lcm(exponent, group_.order(x));
    for (const std::size_t m : {std::size_t{4}, exponent}) {
      if (2 * m > 127) continue;
      if (auto layer = lifted_to_dihedral(m)) return layer;
    }
    return std::nullopt;
  }

  std::optional<ReflectionLayer> lifted_to_dihedral(std::size_t m) const {
    // Element r + m f is the rotation by r after f flips.
    const auto times = [m](std::size_t a, std::size_t b) {
      const std::size_t ra = a % m, fa = a / m, rb = b % m, fb = b / m;
      return (fb == 0 ? (ra + rb) % m : (m - ra + rb) % m) + m * (fa ^ fb);
    };
    std::size_t maps = 1;
    for (std::size_t g = 0; g < generators_.size(); ++g) {
      maps *= 2 * m;
      if (maps > max_lift_maps) return std::nullopt;
    }
    // Of every generator and element the images under all maps, a byte each.
    std::vector<std::string> image(generators_.size(), std::string(maps, 0));
    for (std::size_t map = 0; map < maps; ++map) {
      std::size_t rest = map;
      for (std::size_t g = 0; g < generators_.size(); ++g, rest /= 2 * m) {
        image[g][map] = static_cast<char>(rest % (2 * m));
      }
    }
    std::map<std::string, Index> preimage{{std::string(maps, 0), 0}};
    std::vector<std::map<std::string, Index>::const_iterator> found{preimage.begin()};
    for (std::size_t i = 0; i < found.size(); ++i) {
      for (std::size_t g = 0; g < generators_.size(); ++g) {
        std::string next(maps, 0);
        for (std::size_t map = 0; map < maps; ++map) {
          next[map] = static_cast<char>(
              times(static_cast<std::size_t>(found[i]->first[map]), static_cast<std::size_t>(image[g][map])));
        }
        const Index y = right_[g][found[i]->second];
        const auto [at, is_new] = preimage.try_emplace(std::move(next), y);
        if (!is_new && at->second != y) return std::nullopt;
        if (is_new) found.push_back(at);
        if (preimage.size() * maps > max_lift_entries) return std::nullopt;
      }
    }
    // Heads that tell apart whatever G tells apart, none of them superfluous.
    const auto enough = [&](const std::vector<std::size_t>& heads) {
      std::map<std::string, Index> seen;
      for (const auto& at : found) {
        std::string part;
        for (const std::size_t head : heads) part.push_back(at->first[head]);
        if (seen.try_emplace(std::move(part), at->second).first->second != at->second) return false;
      }
      return true;
    };
    std::vector<std::size_t> heads;
    for (std::size_t map = 0; map < maps && !enough(heads); ++map) heads.push_back(map);
    for (std::size_t i = heads.size(); i-- > 0;) {
      std::vector<std::size_t> without = heads;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
      if (enough(without)) heads = std::move(without);
    }
    return ReflectionLayer{std::vector<std::size_t>(heads.size(), 2), 4 % m == 0,
                           "a group of plane rotations and reflections that has this one as a quotient"};
  }

  const Elements& group_;
  std::size_t degree_;
  const std::vector<Permutation>& letters_;
  std::vector<Index> generators_;
  std::vector<std::vector<Index>> right_;
  std::vector<Quotient> quotients_;
};

}  // namespace

std::optional<ReflectionLayer> find_reflection_layer(std::size_t degree, const std::vector<Permutation>& letters) {
  const bool swaps = std::all_of(letters.begin(), letters.end(), [](const Permutation& letter) {
    std::size_t moved = 0;
    for (std::size_t p = 0; p < letter.size(); ++p) moved += letter[p] != p ? 1U : 0U;
    return moved <= 2;
  });
  // A cycle through all points commutes with its powers alone.
  const auto cycle = std::find_if(letters.begin(), letters.end(), [&](const Permutation& letter) {
    std::size_t length = 1;
    for (std::size_t p = letter[0]; p != 0; p = letter[p]) ++length;
    return length == degree;
  });
  const bool cyclic = degree > 2 && cycle != letters.end() &&
                      std::all_of(letters.begin(), letters.end(), [&](const Permutation& letter) {
                        return then(letter, *cycle) == then(*cycle, letter);
                      });
  // Other cyclic groups are inexact: only Z_2, Z_4 and, in four dimensions, Z_3 are without rounding, and products.
  if (cyclic && 12 % degree != 0) return ReflectionLayer{{2}, false, "plane rotations"};
  std::optional<ReflectionLayer> found;
  const Elements group(degree, letters);
  if (group.complete()) {
    if (group.size() == 1) return ReflectionLayer{{}, true, "every letter does nothing"};
    found = Search(degree, letters, group).find();
  }
  if (!swaps || (found && found->exact)) return found;
  return ReflectionLayer{{degree}, true, "swaps of points"};
}

}  // namespace krohn
