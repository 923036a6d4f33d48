// label: quick
// One layer of signed gates and a reflection: the matrices behind each kind of head, computed, and the groups found.
#include "krohn/automata/reflection_layer.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/group_action.hpp"
#include "krohn/automata/minimize.hpp"

namespace krohn {
namespace {

using Matrix = std::vector<std::vector<double>>;
using Quaternion = std::array<double, 4>;

// Entries here are sums of a few products of numbers up to 1 with a few roundings of 2^-53 each.
constexpr double rounding = 0x1p-45;

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.size(), std::vector<double>(a.size(), 0.0));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a.size(); ++j) {
      for (std::size_t k = 0; k < a.size(); ++k) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

bool equal(const Matrix& a, const Matrix& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a.size(); ++j) {
      if (std::fabs(a[i][j] - b[i][j]) > rounding) return false;
    }
  }
  return true;
}

Matrix transposed(const Matrix& a) {
  Matrix b = a;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a.size(); ++j) b[j][i] = a[i][j];
  }
  return b;
}

/// An orthogonal m is (I - beta k k^T) diag(signs) iff for some signs m diag(signs) is the identity or a symmetric
/// orthogonal matrix with one eigenvalue -1, that is of trace d - 2.
bool one_reflection_after_signs(const Matrix& m) {
  const std::size_t d = m.size();
  for (unsigned signs = 0; signs < 1U << d; ++signs) {
    Matrix s = m;
    double trace = 0.0;
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j < d; ++j) s[i][j] *= (signs >> j & 1U) != 0 ? -1.0 : 1.0;
      trace += s[i][i];
    }
    if (!equal(s, transposed(s))) continue;
    const auto size = static_cast<double>(d);
    if (std::fabs(trace - size) < rounding || std::fabs(trace - (size - 2.0)) < rounding) return true;
  }
  return false;
}

/// The closure of matrices under products.
std::vector<Matrix> generated(const std::vector<Matrix>& generators, std::size_t limit) {
  Matrix one(generators[0].size(), std::vector<double>(generators[0].size(), 0.0));
  for (std::size_t i = 0; i < one.size(); ++i) one[i][i] = 1.0;
  std::vector<Matrix> found{one};
  for (std::size_t i = 0; i < found.size() && found.size() <= limit; ++i) {
    for (const Matrix& g : generators) {
      const Matrix next = product(g, found[i]);
      bool known = false;
      for (const Matrix& m : found) known = known || equal(m, next);
      if (!known) found.push_back(next);
    }
  }
  return found;
}

Matrix rotation_in(const Matrix& basis, const Matrix& m) { return product(transposed(basis), product(m, basis)); }

TEST_CASE("all 24 rotations of a cube are one reflection after signs in one basis, and not in the cube's own") {
  const Matrix quarter{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}};
  const Matrix third{{0, 0, 1}, {1, 0, 0}, {0, 1, 0}};
  const std::vector<Matrix> group = generated({quarter, third}, 30);
  REQUIRE(group.size() == 24);
  const double r = std::sqrt(0.5);
  const Matrix basis{{r, r, 0}, {-r, r, 0}, {0, 0, 1}};  // its columns
  bool in_own_basis = true;
  for (const Matrix& m : group) {
    CHECK(one_reflection_after_signs(rotation_in(basis, m)));
    in_own_basis = in_own_basis && one_reflection_after_signs(m);
  }
  CHECK_FALSE(in_own_basis);
}

Quaternion times(const Quaternion& a, const Quaternion& b) {
  return {a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3], a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
          a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1], a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]};
}

bool same(const Quaternion& a, const Quaternion& b, double sign) {
  double distance = 0.0;
  for (std::size_t i = 0; i < 4; ++i) distance += std::fabs(a[i] - sign * b[i]);
  return distance < 0x1p-40;
}

/// The 120 units of the icosian ring.
std::vector<Quaternion> icosians() {
  const double phi = (1.0 + std::sqrt(5.0)) / 2.0;
  std::vector<Quaternion> found{{1, 0, 0, 0}};
  const std::vector<Quaternion> generators{{0.5, 0.5, 0.5, 0.5}, {phi / 2, 0.5 / phi, 0.5, 0}};
  for (std::size_t i = 0; i < found.size() && found.size() < 200; ++i) {
    for (const Quaternion& g : generators) {
      const Quaternion next = times(found[i], g);
      bool known = false;
      for (const Quaternion& q : found) known = known || same(q, next, 1.0);
      if (!known) found.push_back(next);
    }
  }
  return found;
}

TEST_CASE("x -> p x p is one reflection after signs for every icosian p, and its words keep the element of A_5") {
  const std::vector<Quaternion> units = icosians();
  REQUIRE(units.size() == 120);
  const auto matrix = [](const Quaternion& a, const Quaternion& b) {
    Matrix m(4, std::vector<double>(4));
    for (std::size_t j = 0; j < 4; ++j) {
      Quaternion unit{};
      unit[j] = 1.0;
      const Quaternion image = times(times(a, unit), b);
      for (std::size_t i = 0; i < 4; ++i) m[i][j] = image[i];
    }
    return m;
  };
  for (const Quaternion& p : units) CHECK(one_reflection_after_signs(matrix(p, p)));
  // The element a of x -> a x b is determined by the matrix up to its sign: of all pairs only +-(1, 1) give the
  // identity.
  std::size_t identities = 0;
  const Matrix one = matrix({1, 0, 0, 0}, {1, 0, 0, 0});
  for (const Quaternion& a : units) {
    for (const Quaternion& b : units) identities += equal(matrix(a, b), one) ? 1U : 0U;
  }
  CHECK(identities == 2);
  // A rotation of three dimensions would not do: no basis is orthogonal to all ten axes of order 3, for a vector is
  // orthogonal to at most two of them. The axes are those of the units with real part 1/2.
  std::vector<std::array<double, 3>> axes;
  for (const Quaternion& p : units) {
    if (std::fabs(p[0] - 0.5) > rounding) continue;
    bool known = false;
    for (const auto& a : axes) known = known || std::fabs(a[0] * p[1] + a[1] * p[2] + a[2] * p[3] + 0.75) < rounding;
    if (!known) axes.push_back({p[1], p[2], p[3]});
  }
  REQUIRE(axes.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) {
    for (std::size_t j = i + 1; j < 10; ++j) {
      const auto& a = axes[i];
      const auto& b = axes[j];
      const std::array<double, 3> normal{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2],
                                         a[0] * b[1] - a[1] * b[0]};
      std::size_t in_plane = 0;
      for (const auto& c : axes) {
        in_plane += std::fabs(normal[0] * c[0] + normal[1] * c[1] + normal[2] * c[2]) < rounding ? 1U : 0U;
      }
      CHECK(in_plane == 2);
    }
  }
}

TEST_CASE("x -> p x p is one reflection after signs for the 48 units above the cube's rotations, in halves") {
  std::vector<Quaternion> units{{1, 0, 0, 0}};
  const double r = std::sqrt(0.5);
  for (std::size_t i = 0; i < units.size() && units.size() <= 48; ++i) {
    for (const Quaternion& g : {Quaternion{r, r, 0, 0}, Quaternion{0.5, 0.5, 0.5, 0.5}}) {
      const Quaternion next = times(units[i], g);
      bool known = false;
      for (const Quaternion& q : units) known = known || same(q, next, 1.0);
      if (!known) units.push_back(next);
    }
  }
  REQUIRE(units.size() == 48);
  for (const Quaternion& p : units) {
    Matrix m(4, std::vector<double>(4));
    for (std::size_t j = 0; j < 4; ++j) {
      Quaternion unit{};
      unit[j] = 1.0;
      const Quaternion image = times(times(p, unit), p);
      for (std::size_t i = 0; i < 4; ++i) m[i][j] = image[i];
    }
    CHECK(one_reflection_after_signs(m));
    for (const std::vector<double>& row : m) {
      for (const double x : row) CHECK(std::fabs(2.0 * x - std::round(2.0 * x)) < rounding);
    }
  }
}

TEST_CASE("every rotation and reflection of the plane is one reflection after signs") {
  for (int n = 1; n < 40; ++n) {
    const double t = 2.0 * 3.14159265358979 / n;
    CHECK(one_reflection_after_signs({{std::cos(t), -std::sin(t)}, {std::sin(t), std::cos(t)}}));
    CHECK(one_reflection_after_signs({{std::cos(t), std::sin(t)}, {std::sin(t), -std::cos(t)}}));
  }
}

TEST_CASE("Q_8 is a quotient of a group in D_4 x Z_4, though left multiplication by i is no reflection after signs") {
  // a = (quarter-turn, 1), b = (reflection, i) generate 16 elements in which a^2 b^2 is central and of order 2.
  const auto joined = [](const Matrix& a, const Matrix& b) {
    Matrix m(4, std::vector<double>(4, 0.0));
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t j = 0; j < 2; ++j) {
        m[i][j] = a[i][j];
        m[i + 2][j + 2] = b[i][j];
      }
    }
    return m;
  };
  const Matrix one{{1, 0}, {0, 1}}, quarter{{0, -1}, {1, 0}}, flip{{1, 0}, {0, -1}};
  const Matrix a = joined(quarter, one), b = joined(flip, quarter);
  const std::vector<Matrix> group = generated({a, b}, 40);
  CHECK(group.size() == 16);
  const Matrix c = product(product(a, a), product(b, b));
  for (const Matrix& m : group) CHECK(equal(product(m, c), product(c, m)));
  // In the quotient by c: a^2 = b^2 (c = a^2 b^2), a^4 = 1, and b a b^-1 = a^-1: the quaternion group.
  const Matrix inverse_a = product(a, product(a, a));
  CHECK(equal(product(b, a), product(inverse_a, b)));
  CHECK_FALSE(one_reflection_after_signs({{0, -1, 0, 0}, {1, 0, 0, 0}, {0, 0, 0, -1}, {0, 0, 1, 0}}));
}

std::optional<ReflectionLayer> layer_of(const char* language) {
  const GroupAction action = find_action(minimize(catalog_language(language)));
  return find_reflection_layer(action.degree, action.letters);
}

TEST_CASE("heads for groups whose representations are known") {
  const auto heads = [](const char* language) {
    const auto layer = layer_of(language);
    return layer ? layer->heads : std::vector<std::size_t>{};
  };
  using Heads = std::vector<std::size_t>;
  CHECK(heads("word:Z:2xZ:2") == Heads{1, 1});
  CHECK(heads("word:Z:5") == Heads{2});
  CHECK(heads("word:Z:3xZ:3") == Heads{4, 4});
  CHECK(heads("word:Z:5xZ:5") == Heads{2, 2});
  CHECK(heads("word:D:7") == Heads{2});
  CHECK(heads("word:A4") == Heads{4});
  CHECK(heads("word:S4") == Heads{4});
  CHECK(heads("word:A5") == Heads{4});
  CHECK(heads("word:Z:12") == Heads{2, 4});    // a plane for the quotient Z_4, quaternions for Z_3
  CHECK(heads("word:D:6") == Heads{1, 1, 4});  // an upper bound: one sign would do
  CHECK(heads("word:Z:10") == Heads{2});
  CHECK(heads("word:S4xZ:5") == Heads{2, 4});
  CHECK(heads("word:Q8") == Heads{2, 2});
  CHECK(layer_of("word:D:4")->exact);
  CHECK(layer_of("word:Q8")->exact);
  CHECK(layer_of("word:Z:2xZ:4")->exact);
  for (const char* exact : {"word:D:3", "word:Z:3", "word:A4", "word:S4", "word:Z:12", "word:D:6", "word:Z:3xZ:3"}) {
    CAPTURE(exact);
    CHECK(layer_of(exact)->exact);
  }
  for (const char* inexact : {"word:D:5", "word:Z:10", "word:A5", "word:Z:9", "word:S4xZ:5"}) {
    CAPTURE(inexact);
    CHECK_FALSE(layer_of(inexact)->exact);
  }
  // No homomorphism of S_5 other than its sign leads to a group with such heads.
  CHECK_FALSE(layer_of("word:S5").has_value());
}

TEST_CASE("swaps are reflections in any number, and only they keep S_5 and larger ones in one layer") {
  for (const std::uint32_t n : {3U, 5U, 8U}) {
    std::vector<Permutation> swaps;
    for (std::uint32_t i = 0; i + 1 < n; ++i) {
      Permutation p(n);
      for (std::uint32_t q = 0; q < n; ++q) p[q] = q;
      std::swap(p[i], p[i + 1]);
      swaps.push_back(p);
    }
    const auto layer = find_reflection_layer(n, swaps);
    REQUIRE(layer);
    CHECK(layer->exact);
    CHECK(layer->heads == std::vector<std::size_t>{n});
    if (n < 5) continue;
    Permutation cycle(n);
    for (std::uint32_t q = 0; q < n; ++q) cycle[q] = (q + 1) % n;
    swaps.push_back(cycle);
    CHECK_FALSE(find_reflection_layer(n, swaps));
  }
}

}  // namespace
}  // namespace krohn
