// Subgroups of S_4, and their products with signs, by signs and at most one reflection a letter, without rounding.
//
// Two ways to write an element of S_4 as a reflection after signs, both in small dyadic numbers:
//
// Three dimensions: S_4 with -1 is the group of signed permutations of three coordinates (the cube's symmetries). Signs
// are a gate, a swap of two coordinates is one factor. The 32 elements that swap two coordinates or none are within
// reach, the 16 that turn all three are not: signs leave a cycle of three coordinates one, and a reflection that
// permutes coordinates swaps two. So this is for letters none of which has order 3 or 6 there.
//
// Four dimensions, every element: for a quaternion p of norm 1 the map x -> p x p is the reflection in the hyperplane
// orthogonal to p after diag(-1, 1, 1, 1) (icosahedral.cpp). The 48 quaternions above the rotations of the cube are, up
// to their length, e_i, e_i +- e_j and +-1 +-i +-j +-k: keys of ones with beta = 2 / |p|^2, which is 2, 1 or 1/2. For
// p = +-e_i the map is diag(-1, 1, 1, 1) with the sign of coordinate i changed: a gate alone. Behind a word x_1 .. x_n
// the state is a x b with a = p_n .. p_1, and a up to its sign is the element of S_4. The maps keep the points of Z^4
// whose coordinates have an even sum: x - (k.x / 2) k for k of ones, with k.x even.
//
// Homomorphisms of the letters' group to these are found by trying images of generators; sign characters, one more
// coordinate each, tell apart what they do not. The starting point is a small one with the fewest points in its orbit
// that are not shared by two states: points are slots, and the orbit is what shows that a model is right.
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "krohn/compile/group.hpp"
#include "permuting_letters.hpp"

namespace krohn {
namespace {

using Index = std::uint32_t;
using Point = std::vector<int>;

/// |S_4| times four signs.
constexpr std::size_t max_order = 24 * 16;

/// A small group of orthogonal maps up to what the readout does not see, element 0 the identity.
struct Target {
  std::size_t dimension;
  /// [elements, elements]: first the row's, then the column's.
  std::vector<std::vector<Index>> then;
  /// Per element: its gate and factor, or nothing where one factor does not do.
  std::vector<std::optional<TokenRow>> row;
  /// Per element: its matrix times two, row-major.
  std::vector<std::vector<int>> twice;
  /// Where the dynamics may start: points whose images have whole coordinates.
  std::vector<Point> starts;
  /// How many homomorphisms are looked at. Those that differ by an inner automorphism have the same orbits.
  std::size_t tries;
};

Point image(const Target& target, Index element, const Point& x) {
  const std::vector<int>& m = target.twice[element];
  Point y(x.size(), 0);
  for (std::size_t i = 0; i < y.size(); ++i) {
    for (std::size_t j = 0; j < x.size(); ++j) y[i] += m[i * x.size() + j] * x[j];
    y[i] /= 2;
  }
  return y;
}

/// Points of at most this squared length, shortest first, one of each pair x and -x.
std::vector<Point> points_up_to(std::size_t dimension, int most, int parts) {
  std::vector<Point> result;
  int largest = 1;
  while ((largest + 1) * (largest + 1) <= most) ++largest;
  Point x(dimension, -largest);
  for (;;) {
    int length = 0;
    int sum = 0;
    for (const int c : x) {
      length += c * c;
      sum += c;
    }
    const auto first = std::find_if(x.begin(), x.end(), [](int c) { return c != 0; });
    if (length <= most && first != x.end() && *first > 0 && sum % parts == 0) result.push_back(x);
    std::size_t i = 0;
    while (i < dimension && ++x[i] > largest) x[i++] = -largest;
    if (i == dimension) break;
  }
  const auto length = [](const Point& p) { return std::inner_product(p.begin(), p.end(), p.begin(), 0); };
  std::stable_sort(result.begin(), result.end(), [&](const Point& a, const Point& b) { return length(a) < length(b); });
  return result;
}

/// The signed permutations of three coordinates.
Target cube() {
  Target target{3, {}, {}, {}, points_up_to(3, 14, 1), 48};
  struct Signed {
    std::array<std::size_t, 3> to;
    std::array<int, 3> sign;
    auto operator<=>(const Signed&) const = default;
  };
  std::vector<Signed> elements;
  std::array<std::size_t, 3> to{0, 1, 2};
  do {
    for (unsigned signs = 0; signs < 8; ++signs) {
      elements.push_back({to, {(signs & 1U) != 0 ? -1 : 1, (signs & 2U) != 0 ? -1 : 1, (signs & 4U) != 0 ? -1 : 1}});
    }
  } while (std::next_permutation(to.begin(), to.end()));
  for (const Signed& a : elements) {
    std::vector<Index>& products = target.then.emplace_back();
    for (const Signed& b : elements) {
      Signed c{};
      for (std::size_t j = 0; j < 3; ++j) {
        c.to[j] = b.to[a.to[j]];
        c.sign[j] = a.sign[j] * b.sign[a.to[j]];
      }
      products.push_back(static_cast<Index>(std::find(elements.begin(), elements.end(), c) - elements.begin()));
    }
    std::vector<int>& matrix = target.twice.emplace_back(9, 0);
    for (std::size_t j = 0; j < 3; ++j) matrix[a.to[j] * 3 + j] = 2 * a.sign[j];
    std::vector<std::uint32_t> moved;
    for (std::uint32_t j = 0; j < 3; ++j) {
      if (a.to[j] != j) moved.push_back(j);
    }
    if (moved.size() == 3) {
      target.row.emplace_back();
      continue;
    }
    TokenRow row;
    if (std::find(a.sign.begin(), a.sign.end(), -1) != a.sign.end()) row.gate = {a.sign.begin(), a.sign.end()};
    if (moved.size() == 2) row.factors.push_back({{{moved[0], 1.0F}, {moved[1], -1.0F}}, 1.0F, {}});
    target.row.emplace_back(std::move(row));
  }
  return target;
}

using Quaternion = std::array<int, 4>;

/// The direction of a product.
Quaternion product(const Quaternion& x, const Quaternion& y) {
  Quaternion z{
      x[0] * y[0] - x[1] * y[1] - x[2] * y[2] - x[3] * y[3], x[0] * y[1] + x[1] * y[0] + x[2] * y[3] - x[3] * y[2],
      x[0] * y[2] - x[1] * y[3] + x[2] * y[0] + x[3] * y[1], x[0] * y[3] + x[1] * y[2] - x[2] * y[1] + x[3] * y[0]};
  while (std::all_of(z.begin(), z.end(), [](int c) { return c % 2 == 0; })) {
    for (int& c : z) c /= 2;
  }
  return z;
}

/// Of p and -p the one whose first coordinate that is not 0 is positive.
Quaternion up_to_sign(Quaternion p) {
  if (*std::find_if(p.begin(), p.end(), [](int c) { return c != 0; }) < 0) {
    for (int& c : p) c = -c;
  }
  return p;
}

/// x -> p x p for the 24 quaternions p, up to sign and length, above the rotations of a cube.
Target quaternions() {
  // All of S_4 moves a point to 576 others if it is orthogonal to at most one of the 24 lines of the keys, as (0, 1, 2,
  // 5).
  Target target{4, {}, {}, {}, points_up_to(4, 30, 2), 2};
  std::vector<Quaternion> elements{{1, 0, 0, 0}};
  for (std::size_t i = 0; i < elements.size(); ++i) {
    for (const Quaternion& g : {Quaternion{1, 1, 0, 0}, Quaternion{1, 1, 1, 1}}) {
      const Quaternion next = up_to_sign(product(elements[i], g));
      if (std::find(elements.begin(), elements.end(), next) == elements.end()) elements.push_back(next);
    }
  }
  for (const Quaternion& p : elements) {
    std::vector<Index>& products = target.then.emplace_back();
    for (const Quaternion& q : elements) {
      // Later letters multiply from the left.
      const auto at = std::find(elements.begin(), elements.end(), up_to_sign(product(q, p)));
      products.push_back(static_cast<Index>(at - elements.begin()));
    }
    const int length = std::inner_product(p.begin(), p.end(), p.begin(), 0);
    // (I - 2 p p^T / |p|^2) diag(-1, 1, 1, 1)
    std::vector<int>& matrix = target.twice.emplace_back(16, 0);
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        matrix[i * 4 + j] = ((i == j ? 2 : 0) - 4 * p[i] * p[j] / length) * (j == 0 ? -1 : 1);
      }
    }
    TokenRow row;
    row.gate = {-1.0F, 1.0F, 1.0F, 1.0F};
    if (length == 1) {
      const auto axis =
          static_cast<std::size_t>(std::find_if(p.begin(), p.end(), [](int c) { return c != 0; }) - p.begin());
      row.gate[axis] *= -1.0F;
      if (axis == 0) row.gate = {1.0F};
    } else {
      GeneralizedHouseholder factor{{}, 2.0F / static_cast<float>(length), {}};
      for (std::uint32_t i = 0; i < 4; ++i) {
        if (p[i] != 0) factor.key.push_back({i, static_cast<float>(p[i])});
      }
      row.factors.push_back(std::move(factor));
    }
    target.row.emplace_back(std::move(row));
  }
  return target;
}

/// The group of the letters that permute, by its generators.
struct Group {
  /// [elements][generators]: first the element, then the generator; element 0 is the identity.
  std::vector<std::vector<Index>> next;
};

std::optional<Group> group_of(const std::vector<Images>& generators, std::size_t states) {
  Images identity(states);
  std::iota(identity.begin(), identity.end(), 0U);
  std::vector<Images> elements{identity};
  std::map<Images, Index> number{{identity, 0}};
  Group group;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    std::vector<Index>& next = group.next.emplace_back();
    for (const Images& generator : generators) {
      const Images image = composed(elements[i], generator);
      const auto [at, is_new] = number.try_emplace(image, static_cast<Index>(elements.size()));
      if (is_new) elements.push_back(image);
      next.push_back(at->second);
    }
    if (elements.size() > max_order) return std::nullopt;
  }
  return group;
}

/// The image of every element under the homomorphism with these images of generators, if there is one. `then` as in
/// Target.
template <class Then>
std::optional<std::vector<Index>> homomorphism(const Group& group, const std::vector<Index>& generators,
                                               const Then& then) {
  constexpr Index none = ~Index{0};
  std::vector<Index> image(group.next.size(), none);
  image[0] = 0;
  std::vector<Index> found{0};
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (std::size_t g = 0; g < generators.size(); ++g) {
      const Index y = group.next[found[i]][g];
      const Index value = then(image[found[i]], generators[g]);
      if (image[y] == none) {
        image[y] = value;
        found.push_back(y);
      } else if (image[y] != value) {
        return std::nullopt;
      }
    }
  }
  return image;
}

/// Every choice of one of `count` images for each of so many generators.
void for_each_choice(std::size_t generators, std::size_t count,
                     const std::function<void(const std::vector<Index>&)>& visit) {
  std::vector<Index> chosen(generators, 0);
  for (;;) {
    visit(chosen);
    std::size_t g = 0;
    while (g < generators && ++chosen[g] == count) chosen[g++] = 0;
    if (g == generators) return;
  }
}

/// A way to write the letters: elements of the target and signs, both by generator.
struct Way {
  std::vector<Index> elements;
  std::vector<std::vector<Index>> signs;
  /// Per letter that permutes.
  std::vector<TokenRow> rows;
  std::size_t factors = 0;
};

/// A letter's row, with one coordinate more for each sign.
TokenRow with_signs(TokenRow row, std::size_t dimension, const std::vector<Index>& signs) {
  if (row.gate.size() == 1 && std::find(signs.begin(), signs.end(), Index{1}) == signs.end()) return row;
  if (row.gate.size() == 1) row.gate.assign(dimension, row.gate[0]);
  for (const Index s : signs) row.gate.push_back(s == 0 ? 1.0F : -1.0F);
  return row;
}

struct Orbit {
  std::vector<Point> points;
  std::vector<State> states;
};

/// What is reached from the start, unless two states share a point or `most` points do not suffice.
std::optional<Orbit> orbit_of(const Target& target, const PermutingLetters& letters, State start, const Point& first,
                              const std::vector<Index>& element, const std::vector<std::vector<Index>>& signs,
                              std::size_t most) {
  Orbit orbit{{first}, {start}};
  orbit.points[0].resize(first.size() + (signs.empty() ? 0 : signs.front().size()), 1);
  std::map<Point, std::size_t> number{{orbit.points[0], 0}};
  for (std::size_t i = 0; i < orbit.points.size(); ++i) {
    for (std::size_t l = 0; l < letters.images.size(); ++l) {
      if (!letters.permutes[l]) continue;
      const Point& now = orbit.points[i];
      Point next = image(target, element[l], {now.begin(), now.begin() + static_cast<std::ptrdiff_t>(first.size())});
      for (std::size_t s = 0; s < signs[l].size(); ++s)
        next.push_back(now[first.size() + s] * (signs[l][s] == 0 ? 1 : -1));
      const State state = letters.images[l][orbit.states[i]];
      const auto [at, is_new] = number.try_emplace(next, orbit.points.size());
      if (!is_new) {
        if (orbit.states[at->second] != state) return std::nullopt;
        continue;
      }
      if (orbit.points.size() == most) return std::nullopt;
      orbit.points.push_back(std::move(next));
      orbit.states.push_back(state);
    }
  }
  return orbit;
}

}  // namespace

std::optional<CompiledGroup> compile_octahedral(const Dfa& minimal) {
  const std::optional<PermutingLetters> letters = permuting_letters(minimal);
  if (!letters) return std::nullopt;
  const std::optional<Group> group = group_of(letters->generators, minimal.num_states());
  if (!group) return std::nullopt;
  const std::size_t generators = letters->generators.size();
  // Characters to signs, the first the trivial one.
  std::vector<std::vector<Index>> characters;
  std::vector<std::vector<Index>> character_of_generators;
  for_each_choice(generators, 2, [&](const std::vector<Index>& signs) {
    if (auto found = homomorphism(*group, signs, [](Index a, Index b) { return a ^ b; })) {
      characters.push_back(*std::move(found));
      character_of_generators.push_back(signs);
    }
  });
  const auto along = [&](std::size_t letter, const std::vector<Index>& by_generator, const auto& then) {
    Index image = 0;
    for (const std::size_t g : letters->word[letter]) image = then(image, by_generator[g]);
    return image;
  };

  std::optional<CompiledGroup> best;
  std::tuple<std::size_t, std::size_t, std::size_t> best_size;  // dimension, factors, slots
  for (const Target& target : {cube(), quaternions()}) {
    const auto then = [&](Index a, Index b) { return target.then[a][b]; };
    std::size_t tried = 0;
    for_each_choice(generators, target.then.size(), [&](const std::vector<Index>& images) {
      const auto found = homomorphism(*group, images, then);
      if (!found) return;
      // Signs until only the identity is left of the kernel.
      std::vector<Index> kernel;
      for (Index x = 0; x < found->size(); ++x) {
        if ((*found)[x] == 0) kernel.push_back(x);
      }
      std::vector<std::size_t> chosen;
      for (std::size_t c = 1; c < characters.size() && kernel.size() > 1; ++c) {
        std::vector<Index> rest;
        for (const Index x : kernel) {
          if (characters[c][x] == 0) rest.push_back(x);
        }
        if (rest.size() == kernel.size()) continue;
        kernel = std::move(rest);
        chosen.push_back(c);
      }
      if (kernel.size() > 1) return;
      std::vector<TokenRow> rows;
      std::vector<Index> element;
      std::vector<std::vector<Index>> signs;
      std::size_t factors = 0;
      for (std::size_t l = 0; l < letters->images.size(); ++l) {
        element.push_back(along(l, images, then));
        std::vector<Index>& own = signs.emplace_back();
        for (const std::size_t c : chosen) {
          own.push_back(along(l, character_of_generators[c], [](Index a, Index b) { return a ^ b; }));
        }
        rows.emplace_back();
        if (!letters->permutes[l]) continue;
        if (!target.row[element.back()]) return;
        rows.back() = with_signs(*target.row[element.back()], target.dimension, own);
        factors += rows.back().factors.size();
      }
      const std::size_t dimension = target.dimension + chosen.size();
      if (best && std::tuple(dimension, factors) > std::tuple(std::get<0>(best_size), std::get<1>(best_size))) return;
      if (tried == target.tries) return;
      ++tried;
      for (const Point& start : target.starts) {
        const bool ties =
            best && std::tuple(dimension, factors) == std::tuple(std::get<0>(best_size), std::get<1>(best_size));
        const std::size_t most = ties ? std::get<2>(best_size) - 1 : max_slots;
        const std::optional<Orbit> orbit = orbit_of(target, *letters, minimal.start(), start, element, signs, most);
        if (!orbit) continue;
        std::vector<std::vector<float>> points;
        for (const Point& p : orbit->points) points.emplace_back(p.begin(), p.end());
        std::optional<CompiledGroup> made = layer_of_points(minimal, *letters, rows, points, orbit->states);
        if (!made) return;
        best = std::move(made);
        best_size = {dimension, factors, orbit->points.size()};
      }
    });
  }
  return best;
}

}  // namespace krohn
