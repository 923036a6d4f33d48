// Names of groups, each by a criterion that determines the isomorphism type:
//
// * abelian: |G^(p^k)| / |G^(p^(k+1))| on the p-part counts the cyclic factors of order at least p^(k+1).
// * S_m, A_m: a faithful orbit of m points and order m! or m!/2. Further S_n for n <= 7 on other points: derived
//   subgroup A_n of index 2 and trivial centre embed G in Aut(A_n), which is S_n unless n = 6; of the three groups
//   between A_6 and Aut(A_6) only S_6 has no element of order 8. S_4 is the group of order 24 without centre, A_4 that
//   of order 12.
// * perfect groups of the orders in the table: there is one perfect group of each (Holt and Plesken 1989). Above them
// the
//   simple groups that composition_series names by their order.
// * dihedral and dicyclic groups: a cyclic subgroup <r> of index 2 and s outside it that inverts r, with s^2 = 1 or
//   s^2 = r^(n/2). SL(2,3): order 24 and derived subgroup Q_8.
// * direct products: normal subgroups N_1, N_2 with trivial meet and |N_1| |N_2| = |G|.
// * Z_p:Z_k: a normal Z_p that is its own centraliser; Aut(Z_p) has one subgroup of order k.
// Tested by tests/automata/permutation_group_test.cpp.
#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "krohn/automata/composition_series.hpp"
#include "krohn/automata/permutation_group.hpp"
#include "krohn/error.hpp"
#include "permutation_action.hpp"

namespace krohn {
namespace {

// Up to this order elements are listed.
constexpr std::uint64_t listed_order = 2000;
constexpr int max_depth = 12;

struct PerfectGroup {
  std::uint64_t order;
  const char* name;
};

/// The orders below 10^4 that have exactly one perfect group.
const std::vector<PerfectGroup>& perfect_groups() {
  static const std::vector<PerfectGroup> groups = {
      {60, "A_5"},         {120, "SL(2,5)"},    {168, "PSL(2,7)"},  {336, "SL(2,7)"},    {360, "A_6"},
      {504, "PSL(2,8)"},   {660, "PSL(2,11)"},  {720, "SL(2,9)"},   {1092, "PSL(2,13)"}, {1320, "SL(2,11)"},
      {2184, "SL(2,13)"},  {2448, "PSL(2,17)"}, {2520, "A_7"},      {3420, "PSL(2,19)"}, {3600, "A_5 x A_5"},
      {4080, "PSL(2,16)"}, {5616, "PSL(3,3)"},  {6048, "PSU(3,3)"}, {6072, "PSL(2,23)"}, {7800, "PSL(2,25)"},
      {7920, "M_11"},      {9828, "PSL(2,27)"},
  };
  return groups;
}

std::uint64_t factorial(std::size_t n) {
  std::uint64_t product = 1;
  for (std::size_t i = 2; i <= n; ++i) product *= i;
  return product;
}

std::string cyclic(std::uint64_t n) { return "Z_" + std::to_string(n); }

std::string join(std::vector<std::string> parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : " x ") + part;
  return text;
}

/// Invariant factors, each dividing the next: Z_2 x Z_4.
std::string abelian_name(const PermutationGroup& group) {
  const std::vector<std::uint32_t> primes = group.order_primes();
  std::vector<std::uint64_t> factors;  // descending
  for (const std::uint32_t p : std::set<std::uint32_t>(primes.begin(), primes.end())) {
    const auto exponent = [&](const PermutationGroup& g) {
      const std::vector<std::uint32_t> list = g.order_primes();
      return std::count(list.begin(), list.end(), p);
    };
    std::vector<Permutation> powers = group.generators();
    std::uint64_t q = 1;
    auto larger = exponent(group);
    while (larger > 0) {
      for (Permutation& g : powers) g = power(g, p);
      q *= p;
      const auto smaller = exponent(PermutationGroup(group.degree(), powers));
      // That many cyclic factors have order at least q.
      const auto count = static_cast<std::size_t>(larger - smaller);
      if (factors.size() < count) factors.resize(count, 1);
      for (std::size_t i = 0; i < count; ++i) factors[i] *= p;
      larger = smaller;
    }
  }
  std::vector<std::string> parts;
  for (std::size_t i = factors.size(); i-- > 0;) parts.push_back(cyclic(factors[i]));
  return join(parts);
}

std::string name_of(const PermutationGroup& group, int depth);

/// Dihedral or dicyclic, from the list of elements.
std::optional<std::string> inverted_cyclic_name(const std::vector<Permutation>& elements) {
  const std::uint64_t half = elements.size() / 2;
  if (elements.size() % 2 != 0 || half < 3) return std::nullopt;
  for (const Permutation& r : elements) {
    if (order_of(r) != half) continue;
    std::set<Permutation> rotations;
    for (std::uint64_t k = 0; k < half; ++k) rotations.insert(power(r, k));
    const Permutation back = inverse(r);
    for (const Permutation& s : elements) {
      if (rotations.contains(s)) continue;
      if (then(then(inverse(s), r), s) != back) break;  // one s outside <r> inverts r iff all do
      const Permutation square = then(s, s);
      if (order_of(square) == 1) return "D_" + std::to_string(half);
      if (half % 2 == 0 && square == power(r, half / 2)) {
        const bool quaternion = (elements.size() & (elements.size() - 1)) == 0;
        return quaternion ? "Q_" + std::to_string(elements.size()) : "Dic_" + std::to_string(half / 2);
      }
      break;
    }
    // Several cyclic subgroups of index 2 may exist; go on to the next r.
  }
  return std::nullopt;
}

std::optional<std::string> product_name(const PermutationGroup& group, const std::vector<Permutation>& elements,
                                        int depth) {
  // Normal closures of single elements, and joins of two of them.
  std::map<std::vector<Permutation>, PermutationGroup> normal;
  const auto add = [&](PermutationGroup subgroup) {
    if (subgroup.is_trivial() || *subgroup.order() == elements.size()) return;
    std::vector<Permutation> members = subgroup.elements(elements.size());
    std::sort(members.begin(), members.end());
    normal.try_emplace(std::move(members), std::move(subgroup));
  };
  std::set<Permutation> done;
  for (const Permutation& g : elements) {
    if (done.contains(g)) continue;
    for (const Permutation& h : elements) done.insert(then(then(inverse(h), g), h));
    add(group.normal_closure({g}));
  }
  std::vector<PermutationGroup> list;
  for (const auto& [members, subgroup] : normal) list.push_back(subgroup);
  if (list.size() <= 40) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        std::vector<Permutation> generators = list[i].generators();
        generators.insert(generators.end(), list[j].generators().begin(), list[j].generators().end());
        add(PermutationGroup(group.degree(), generators));
      }
    }
  }
  for (const auto& [members, first] : normal) {
    for (const auto& [others, second] : normal) {
      if (members.size() < others.size() || members.size() * others.size() != elements.size()) continue;
      std::vector<Permutation> meet;
      std::set_intersection(members.begin(), members.end(), others.begin(), others.end(), std::back_inserter(meet));
      if (meet.size() != 1) continue;
      const std::string left = name_of(first, depth + 1);
      const std::string right = name_of(second, depth + 1);
      // "order 24 x S_3" would say less than it seems to.
      if (left.find("order") == std::string::npos && right.find("order") == std::string::npos) {
        return join({left, right});
      }
    }
  }
  return std::nullopt;
}

std::optional<std::string> frobenius_name(const PermutationGroup& group, const std::vector<Permutation>& elements) {
  const std::vector<std::uint32_t> primes = group.order_primes();
  const std::uint32_t p = primes.back();
  if (std::count(primes.begin(), primes.end(), p) != 1) return std::nullopt;
  for (const Permutation& g : elements) {
    if (order_of(g) != p) continue;
    if (group.normal_closure({g}).order() != p) return std::nullopt;
    const auto commuting =
        std::count_if(elements.begin(), elements.end(), [&](const Permutation& h) { return then(g, h) == then(h, g); });
    if (commuting != p) return std::nullopt;
    return cyclic(p) + ":" + cyclic(elements.size() / p);
  }
  return std::nullopt;
}

std::string name_of(const PermutationGroup& group, int depth) {
  if (group.is_trivial()) return "1";
  if (group.is_abelian()) return abelian_name(group);
  const std::string unnamed = "order " + group.order_text();
  if (depth > max_depth) return unnamed;
  if (const auto natural = natural_symmetric(group); natural && (natural->second || natural->first > 3)) {
    return (natural->second ? "S_" : "A_") + std::to_string(natural->first);
  }
  if (!group.order()) return unnamed;
  const std::uint64_t order = *group.order();
  if (order == 6) return "S_3";
  const PermutationGroup derived = group.derived_subgroup();
  if (derived.order() == order) {
    for (const PerfectGroup& perfect : perfect_groups()) {
      if (perfect.order == order) return perfect.name;
    }
    // Larger ones where they are simple and of a known order.
    if (const auto series = composition_series(group); series && series->factors.size() == 1) {
      if (!series->factors[0].starts_with("simple of order")) return series->factors[0];
    }
    return unnamed;
  }
  const std::optional<PermutationGroup> centre = group.centre();
  if (centre && centre->is_trivial()) {
    if (order == 12) return "A_4";
    if (order == 24) return "S_4";
    for (const std::size_t n : {5U, 6U, 7U}) {
      if (order != factorial(n) || derived.order() != order / 2) continue;
      if (name_of(derived, depth + 1) != "A_" + std::to_string(n)) continue;
      bool symmetric = true;
      if (n == 6) {
        for (const Permutation& g : group.elements(listed_order)) symmetric = symmetric && order_of(g) != 8;
      }
      if (symmetric) return "S_" + std::to_string(n);
    }
  }
  if (order > listed_order) return unnamed;
  const std::vector<Permutation> elements = group.elements(listed_order);
  if (const auto name = inverted_cyclic_name(elements)) return *name;
  if (order == 24 && derived.order() == 8 && name_of(derived, depth + 1) == "Q_8") return "SL(2,3)";
  if (const auto name = product_name(group, elements, depth)) return *name;
  if (const auto name = frobenius_name(group, elements)) return *name;
  return unnamed;
}

/// Cyclic factors by their order, then the others as found.
void sort_factors(std::vector<std::string>& factors) {
  const auto rank = [](const std::string& name) -> std::uint64_t {
    return name.starts_with("Z_") ? std::stoull(name.substr(2)) : std::numeric_limits<std::uint64_t>::max();
  };
  std::stable_sort(factors.begin(), factors.end(),
                   [&](const std::string& x, const std::string& y) { return rank(x) < rank(y); });
}

}  // namespace

GroupName name_group(const PermutationGroup& group) {
  GroupName result;
  result.name = name_of(group, 0);
  if (group.is_solvable()) {
    // The primes of the order, no matter how large the group is.
    result.composition_factors.emplace();
    for (const std::uint32_t p : group.order_primes()) result.composition_factors->push_back(cyclic(p));
  } else if (std::optional<CompositionSeries> series = composition_series(group)) {
    sort_factors(series->factors);
    result.composition_factors = std::move(series->factors);
  }
  return result;
}

}  // namespace krohn
