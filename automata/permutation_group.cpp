// Schreier-Sims. A chain of stabilisers G = G_0 > G_1 > .. with base points b_i; level i holds generators of (a
// subgroup of) G_i, the orbit of b_i and a transversal u with u_p: b_i -> p. Elements sift: at level i divide by the
// transversal element of the image of b_i. The chain is right iff every Schreier generator u_p s u_{p.s}^-1 of every
// level sifts to the identity below it (Schreier's lemma). Random elements fill the chain first (product
// replacement), then all Schreier generators are sifted once; a residue is a new generator. The product of the orbit
// lengths never exceeds the order, so a chain that reaches m! (or m!/2 with even generators) on m moved points is
// complete without that last pass: S_n and A_n are quick. Transversals are explicit: memory is the sum of the orbit
// lengths times the degree.
//
// Series: normal closures by conjugating until nothing new appears. The centre: a central element commutes with the
// action on every orbit, where it is determined by one image; the candidates are combined over the orbits and tested
// for membership.
#include "krohn/automata/permutation_group.hpp"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <limits>
#include <numeric>
#include <set>
#include <unordered_set>
#include <utility>

#include "krohn/automata/transformation.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_transversal_entries = std::size_t{1} << 28U;
constexpr std::size_t max_centre_candidates = 20'000;

Permutation identity(std::size_t degree) {
  Permutation p(degree);
  std::iota(p.begin(), p.end(), 0U);
  return p;
}

bool is_identity(std::span<const std::uint32_t> p) {
  for (std::uint32_t x = 0; x < p.size(); ++x) {
    if (p[x] != x) return false;
  }
  return true;
}

bool is_even(std::span<const std::uint32_t> p) {
  std::vector<bool> seen(p.size(), false);
  bool even = true;
  for (std::uint32_t x = 0; x < p.size(); ++x) {
    seen[x] = true;
    for (std::uint32_t y = p[x]; !seen[y]; y = p[y]) {
      seen[y] = true;
      even = !even;
    }
  }
  return even;
}

Permutation commutator(const Permutation& p, const Permutation& q) {
  return then(then(inverse(p), inverse(q)), then(p, q));
}

}  // namespace

Permutation then(std::span<const std::uint32_t> p, std::span<const std::uint32_t> q) {
  Permutation result(p.size());
  for (std::size_t x = 0; x < p.size(); ++x) result[x] = q[p[x]];
  return result;
}

Permutation inverse(std::span<const std::uint32_t> p) {
  Permutation result(p.size());
  for (std::uint32_t x = 0; x < p.size(); ++x) result[p[x]] = x;
  return result;
}

struct PermutationGroup::Level {
  std::uint32_t base = 0;
  std::vector<Permutation> generators;
  std::vector<std::uint32_t> orbit;
  std::vector<std::int32_t> index;       // per point: its place in the orbit, or -1
  std::vector<Permutation> transversal;  // base -> orbit[i]
  std::vector<Permutation> inverse;      // its inverses
  std::vector<std::size_t> checked;      // per generator: orbit points whose Schreier generator sifted
  std::vector<std::size_t> expanded;     // per generator: orbit points it was applied to
};

class PermutationGroup::Chain {
 public:
  Chain(std::size_t degree, std::vector<Level> levels) : degree_(degree), levels_(std::move(levels)) {}
  explicit Chain(std::size_t degree) : degree_(degree) {}

  std::vector<Level>& levels() { return levels_; }

  /// The residue of g after dividing through the levels from `first`, and the level that stopped it.
  std::pair<Permutation, std::size_t> sift(Permutation g, std::size_t first) const {
    std::size_t l = first;
    Permutation product(degree_);
    for (; l < levels_.size(); ++l) {
      const Level& level = levels_[l];
      const std::int32_t at = level.index[g[level.base]];
      if (at < 0) break;
      if (at == 0) continue;  // the transversal of the base point is the identity
      const Permutation& divisor = level.inverse[static_cast<std::size_t>(at)];
      for (std::size_t x = 0; x < degree_; ++x) product[x] = divisor[g[x]];
      g.swap(product);
    }
    return {std::move(g), l};
  }

  /// A deepest level on a base point, with no generators so far.
  void start_level(std::uint32_t base) {
    Level level;
    level.base = base;
    level.index.assign(degree_, -1);
    level.orbit = {base};
    level.index[base] = 0;
    level.transversal = {identity(degree_)};
    level.inverse = {identity(degree_)};
    count_entries();
    levels_.push_back(std::move(level));
  }

  /// Adds g, which fixes the base points before level `last`, to the levels first..last.
  void insert(const Permutation& g, std::size_t first, std::size_t last) {
    if (last == levels_.size()) {
      std::uint32_t base = 0;
      while (g[base] == base) ++base;
      start_level(base);
    }
    for (std::size_t l = first; l <= last; ++l) {
      Level& level = levels_[l];
      level.generators.push_back(g);
      level.checked.push_back(0);
      level.expanded.push_back(0);
      extend_orbit(level);
    }
  }

  /// True if the orbits already account for all permutations of the moved points, or all even ones.
  bool is_symmetric_or_alternating(std::size_t moved, bool even) const {
    const std::size_t expected = moved < 2 ? 0 : (even ? (moved < 3 ? 0 : moved - 2) : moved - 1);
    if (expected == 0 || levels_.size() < expected) return false;
    for (std::size_t l = 0; l < expected; ++l) {
      if (levels_[l].orbit.size() != moved - l) return false;
    }
    return true;
  }

  void fill_at_random(const std::vector<Permutation>& generators, std::size_t moved, bool even) {
    std::vector<Permutation> pool;
    for (std::size_t i = 0; i < std::max<std::size_t>(generators.size(), 8); ++i) {
      pool.push_back(generators[i % generators.size()]);
    }
    Permutation accumulator = generators[0];
    std::uint64_t seed = 1;
    const auto random = [&](std::size_t bound) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      return static_cast<std::size_t>((seed >> 33U) % bound);
    };
    const auto next = [&]() -> const Permutation& {
      const std::size_t i = random(pool.size());
      const std::size_t j = (i + 1 + random(pool.size() - 1)) % pool.size();
      const Permutation& other = random(2) == 0 ? pool[j] : (scratch_ = inverse(pool[j]), scratch_);
      pool[i] = random(2) == 0 ? then(pool[i], other) : then(other, pool[i]);
      accumulator = then(accumulator, pool[i]);
      return accumulator;
    };
    for (int i = 0; i < 30; ++i) next();
    for (int trivial = 0; trivial < 10 && !is_symmetric_or_alternating(moved, even);) {
      auto [residue, level] = sift(next(), 0);
      if (is_identity(residue)) {
        ++trivial;
        continue;
      }
      trivial = 0;
      insert(residue, 0, level);
    }
  }

  /// Sifts every Schreier generator that has not been sifted yet; residues join the chain.
  void verify() {
    for (std::size_t l = levels_.size(); l-- > 0;) {
      const std::size_t grown = verify_level(l);
      if (grown > l) l = grown + 1;  // the levels below `l` grew down to `grown`: start again there
    }
  }

 private:
  /// The deepest level that grew, or `l` if none did.
  std::size_t verify_level(std::size_t l) {
    for (std::size_t s = 0; s < levels_[l].generators.size(); ++s) {
      while (levels_[l].checked[s] < levels_[l].orbit.size()) {
        const Level& level = levels_[l];
        const std::size_t at = level.checked[s];
        Permutation product = then(level.transversal[at], level.generators[s]);
        const auto target = static_cast<std::size_t>(level.index[product[level.base]]);
        // A tree edge gives the identity.
        if (target != 0) product = then(product, level.inverse[target]);
        auto [residue, stop] = sift(std::move(product), l + 1);
        if (!is_identity(residue)) {
          insert(residue, l + 1, stop);
          return stop;
        }
        ++levels_[l].checked[s];
      }
    }
    return l;
  }

  void extend_orbit(Level& level) {
    for (bool grown = true; grown;) {
      grown = false;
      for (std::size_t s = 0; s < level.generators.size(); ++s) {
        while (level.expanded[s] < level.orbit.size()) {
          const std::size_t at = level.expanded[s]++;
          const std::uint32_t image = level.generators[s][level.orbit[at]];
          if (level.index[image] >= 0) continue;
          count_entries();
          level.index[image] = static_cast<std::int32_t>(level.orbit.size());
          level.orbit.push_back(image);
          level.transversal.push_back(then(level.transversal[at], level.generators[s]));
          level.inverse.push_back(krohn::inverse(level.transversal.back()));
          grown = true;
        }
      }
    }
  }

  void count_entries() {
    entries_ += 2 * degree_;
    if (entries_ > max_transversal_entries) {
      throw ResourceError("permutation group: the stabiliser chain of degree " + std::to_string(degree_) +
                          " exceeds a gigabyte");
    }
  }

  std::size_t degree_;
  std::vector<Level> levels_;
  std::size_t entries_ = 0;
  Permutation scratch_;
};

PermutationGroup::PermutationGroup(std::size_t degree, const std::vector<Permutation>& generators,
                                   std::span<const std::uint32_t> base)
    : degree_(degree), given_base_(base.begin(), base.end()) {
  std::unordered_set<Permutation, TransformationHash> seen;
  for (const Permutation& generator : generators) {
    std::vector<bool> hit(degree, false);
    bool valid = generator.size() == degree;
    for (std::size_t x = 0; valid && x < degree; ++x) {
      valid = generator[x] < degree && !hit[generator[x]];
      if (valid) hit[generator[x]] = true;
    }
    if (!valid) throw InputError("generator: expected a permutation of " + std::to_string(degree) + " points");
    if (!is_identity(generator) && seen.insert(generator).second) generators_.push_back(generator);
  }
  if (generators_.empty()) return;

  std::vector<bool> moves(degree, false);
  bool even = true;
  for (const Permutation& generator : generators_) {
    even = even && is_even(generator);
    for (std::size_t x = 0; x < degree; ++x) moves[x] = moves[x] || generator[x] != x;
  }
  const auto moved = static_cast<std::size_t>(std::count(moves.begin(), moves.end(), true));

  Chain chain(degree);
  for (const std::uint32_t point : base) chain.start_level(point);
  // Generators that the chain so far contains add nothing; the rest go in whole or as residues.
  for (const Permutation& generator : generators_) {
    auto [residue, level] = chain.sift(generator, 0);
    if (!is_identity(residue)) chain.insert(residue, 0, level);
  }
  if (degree > 8) chain.fill_at_random(generators_, moved, even);
  if (!chain.is_symmetric_or_alternating(moved, even)) chain.verify();
  for (Level& level : chain.levels()) {
    if (level.orbit.size() == 1) continue;
    base_.push_back(level.base);
    chain_.push_back(static_cast<std::uint32_t>(level.orbit.size()));
    orbit_index_.push_back(std::move(level.index));
    transversal_inverse_.push_back(std::move(level.inverse));
  }
}

bool PermutationGroup::contains(std::span<const std::uint32_t> permutation) const {
  if (permutation.size() != degree_) return false;
  Permutation g(permutation.begin(), permutation.end());
  for (std::size_t l = 0; l < base_.size(); ++l) {
    const std::int32_t at = orbit_index_[l][g[base_[l]]];
    if (at < 0) return false;
    if (at > 0) g = then(g, transversal_inverse_[l][static_cast<std::size_t>(at)]);
  }
  return is_identity(g);
}

std::string PermutationGroup::order_text() const {
  boost::multiprecision::cpp_int product = 1;
  for (const std::uint32_t length : chain_) product *= length;
  return product.str();
}

std::optional<std::uint64_t> PermutationGroup::order() const {
  std::uint64_t product = 1;
  for (const std::uint32_t length : chain_) {
    if (product > std::numeric_limits<std::uint64_t>::max() / length) return std::nullopt;
    product *= length;
  }
  return product;
}

std::vector<std::uint32_t> PermutationGroup::order_primes() const {
  std::vector<std::uint32_t> primes;
  for (std::uint32_t rest : chain_) {
    for (std::uint32_t p = 2; p * p <= rest; ++p) {
      while (rest % p == 0) {
        primes.push_back(p);
        rest /= p;
      }
    }
    if (rest > 1) primes.push_back(rest);
  }
  std::sort(primes.begin(), primes.end());
  return primes;
}

std::vector<Permutation> PermutationGroup::elements(std::size_t limit) const {
  if (!order() || *order() > limit) {
    throw ResourceError("permutation group: expected at most " + std::to_string(limit) + " elements, got " +
                        order_text());
  }
  // Every element is one product of transversal elements, the deepest level first.
  std::vector<Permutation> result = {identity(degree_)};
  for (std::size_t l = base_.size(); l-- > 0;) {
    std::vector<Permutation> products;
    for (const Permutation& divisor : transversal_inverse_[l]) {
      const Permutation representative = inverse(divisor);
      for (const Permutation& g : result) products.push_back(then(g, representative));
    }
    result = std::move(products);
  }
  return result;
}

PermutationGroup PermutationGroup::stabilizer(std::span<const std::uint32_t> points) const {
  if (!std::ranges::equal(points, given_base_))
    return PermutationGroup(degree_, generators_, points).stabilizer(points);
  // The transversals of the levels below those points generate it.
  std::vector<Permutation> members;
  PermutationGroup result(degree_, {});
  for (std::size_t l = 0; l < base_.size(); ++l) {
    if (std::ranges::find(points, base_[l]) != points.end()) continue;
    for (const Permutation& g : transversal_inverse_[l]) {
      if (result.contains(g)) continue;
      members.push_back(g);
      result = PermutationGroup(degree_, members);
    }
  }
  return result;
}

std::optional<Permutation> PermutationGroup::element_with(std::span<const std::uint32_t> images) const {
  // g is sought as .. v_2 v_1 with v_l from the transversal of level l: divided by v_1, .., v_{l-1}, the image of the
  // l-th base point must lie in the l-th orbit. Base points that the chain does not move are left out of `base_`.
  Permutation element = identity(degree_);
  std::size_t l = 0;
  for (std::size_t i = 0; i < given_base_.size(); ++i) {
    // `element` is the product of the inverses so far.
    std::uint32_t image = element[images[i]];
    if (l < base_.size() && base_[l] == given_base_[i]) {
      const std::int32_t at = orbit_index_[l][image];
      if (at < 0) return std::nullopt;
      const Permutation& divisor = transversal_inverse_[l][static_cast<std::size_t>(at)];
      element = then(element, divisor);
      image = divisor[image];
      ++l;
    }
    if (image != given_base_[i]) return std::nullopt;
  }
  return inverse(element);
}

PermutationGroup PermutationGroup::normal_closure(const std::vector<Permutation>& elements) const {
  std::vector<Permutation> members;
  PermutationGroup closure(degree_, {});
  const auto add = [&](const Permutation& g) {
    if (closure.contains(g)) return;
    members.push_back(g);
    closure = PermutationGroup(degree_, members);
  };
  for (const Permutation& g : elements) add(g);
  for (std::size_t i = 0; i < members.size(); ++i) {
    for (const Permutation& generator : generators_) add(then(then(inverse(generator), members[i]), generator));
  }
  return closure;
}

PermutationGroup PermutationGroup::derived_subgroup() const {
  std::vector<Permutation> commutators;
  for (std::size_t i = 0; i < generators_.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) commutators.push_back(commutator(generators_[i], generators_[j]));
  }
  return normal_closure(commutators);
}

std::vector<PermutationGroup> PermutationGroup::derived_series() const {
  std::vector<PermutationGroup> series = {*this};
  while (!series.back().is_trivial()) {
    PermutationGroup next = series.back().derived_subgroup();
    if (next.order_text() == series.back().order_text()) break;
    series.push_back(std::move(next));
  }
  return series;
}

bool PermutationGroup::is_abelian() const {
  for (std::size_t i = 0; i < generators_.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (then(generators_[i], generators_[j]) != then(generators_[j], generators_[i])) return false;
    }
  }
  return true;
}

bool PermutationGroup::is_solvable() const {
  // Groups of prime power order, and of order p^a q^b (Burnside), are solvable.
  const std::vector<std::uint32_t> primes = order_primes();
  if (std::set<std::uint32_t>(primes.begin(), primes.end()).size() <= 2 || is_abelian()) return true;
  return derived_series().back().is_trivial();
}

bool PermutationGroup::is_nilpotent() const {
  const std::vector<std::uint32_t> primes = order_primes();
  if (primes.empty() || primes.front() == primes.back() || is_abelian()) return true;
  PermutationGroup term = *this;
  while (!term.is_trivial()) {
    std::vector<Permutation> commutators;
    for (const Permutation& p : term.generators()) {
      for (const Permutation& q : generators_) commutators.push_back(commutator(p, q));
    }
    PermutationGroup next = normal_closure(commutators);
    if (next.order_text() == term.order_text()) return false;
    term = std::move(next);
  }
  return true;
}

bool PermutationGroup::is_2_group() const {
  return std::all_of(chain_.begin(), chain_.end(), [](std::uint32_t length) { return (length & (length - 1)) == 0; });
}

std::optional<PermutationGroup> PermutationGroup::centre() const {
  if (is_abelian()) return *this;
  std::vector<Permutation> candidates = {identity(degree_)};
  std::vector<bool> done(degree_, false);
  for (std::uint32_t first = 0; first < degree_; ++first) {
    if (done[first]) continue;
    std::vector<std::uint32_t> orbit = {first};
    std::vector<std::pair<std::uint32_t, std::size_t>> reached = {{0, 0}};  // (orbit place, generator) it came from
    done[first] = true;
    for (std::uint32_t i = 0; i < orbit.size(); ++i) {
      for (std::size_t s = 0; s < generators_.size(); ++s) {
        const std::uint32_t image = generators_[s][orbit[i]];
        if (done[image]) continue;
        done[image] = true;
        orbit.push_back(image);
        reached.emplace_back(i, s);
      }
    }
    if (orbit.size() == 1) continue;
    // z maps first to y, hence first.w to y.w; it must commute with every generator on the orbit.
    std::vector<std::vector<std::uint32_t>> restrictions;
    for (const std::uint32_t y : orbit) {
      std::vector<std::uint32_t> z(degree_);
      z[first] = y;
      for (std::size_t i = 1; i < orbit.size(); ++i) {
        z[orbit[i]] = generators_[reached[i].second][z[orbit[reached[i].first]]];
      }
      bool commutes = true;
      for (const Permutation& generator : generators_) {
        for (const std::uint32_t x : orbit) commutes = commutes && z[generator[x]] == generator[z[x]];
      }
      if (commutes) restrictions.push_back(std::move(z));
    }
    if (candidates.size() * restrictions.size() > max_centre_candidates) return std::nullopt;
    std::vector<Permutation> combined;
    for (const Permutation& candidate : candidates) {
      for (const std::vector<std::uint32_t>& z : restrictions) {
        combined.push_back(candidate);
        for (const std::uint32_t x : orbit) combined.back()[x] = z[x];
      }
    }
    candidates = std::move(combined);
  }
  std::vector<Permutation> members;
  PermutationGroup result(degree_, {});
  for (const Permutation& z : candidates) {
    if (!contains(z) || result.contains(z)) continue;
    members.push_back(z);
    result = PermutationGroup(degree_, members);
  }
  return result;
}

}  // namespace krohn
