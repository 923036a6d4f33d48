// label: slow
// The varieties against their definitions, on every element of monoids of random automata, and against theorems.
#include "krohn/automata/varieties.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/presentation.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/automata/regex.hpp"
#include "monoid_reference.hpp"

using namespace krohn;

namespace {

MonoidVarieties varieties_of(const Dfa& dfa) {
  const MonoidFacts facts = find_flags(dfa);
  return find_varieties(dfa, facts, find_green(facts.orbit));
}

/// f to its idempotent power.
reference::Map idempotent_power(const reference::Map& f) {
  reference::Map power = f;
  while (reference::multiply(power, power) != power) power = reference::multiply(power, f);
  return power;
}

/// From the definitions: the ideals x M, M x and M x M as sets; every regular element (x = x y x) idempotent.
void check_by_definition(const Dfa& dfa, const reference::Monoid& monoid) {
  using reference::multiply;
  std::set<std::set<reference::Map>> right_ideals;
  std::set<std::set<reference::Map>> left_ideals;
  std::set<std::set<reference::Map>> ideals;
  bool da = true;
  for (const reference::Map& x : monoid.elements) {
    std::set<reference::Map> right;
    std::set<reference::Map> left;
    std::set<reference::Map> both;
    bool regular = false;
    for (const reference::Map& y : monoid.elements) {
      right.insert(multiply(x, y));
      left.insert(multiply(y, x));
      regular = regular || multiply(multiply(x, y), x) == x;
    }
    for (const reference::Map& y : left) {
      for (const reference::Map& z : monoid.elements) both.insert(multiply(y, z));
    }
    right_ideals.insert(std::move(right));
    left_ideals.insert(std::move(left));
    ideals.insert(std::move(both));
    if (regular && multiply(x, x) != x) da = false;
  }
  const std::size_t size = monoid.elements.size();
  const MonoidVarieties varieties = varieties_of(dfa);
  CHECK(varieties.is_r_trivial == (right_ideals.size() == size));
  CHECK(varieties.is_l_trivial == (left_ideals.size() == size));
  CHECK(varieties.is_j_trivial == (ideals.size() == size));
  CHECK(varieties.is_da == da);
}

/// Whether some set of the elements of all words of one length, 1 or more, has a group of two or more elements.
bool group_in_one_length(const reference::Monoid& monoid) {
  using reference::multiply;
  std::set<reference::Map> of_length(monoid.generators.begin(), monoid.generators.end());
  std::set<std::set<reference::Map>> seen;
  while (seen.insert(of_length).second) {
    for (const reference::Map& x : of_length) {
      // The cyclic group of x, where x is in a group at all: x, x^2, .. until x comes again.
      const reference::Map one = idempotent_power(x);
      if (one == x || multiply(one, x) != x) continue;
      bool inside = true;
      for (reference::Map power = multiply(x, x); inside && power != x; power = multiply(power, x)) {
        inside = of_length.contains(power);
      }
      if (inside) return true;
    }
    std::set<reference::Map> next;
    for (const reference::Map& x : of_length) {
      for (const reference::Map& g : monoid.generators) next.insert(multiply(x, g));
    }
    of_length = std::move(next);
  }
  return false;
}

Dfa random_minimal(unsigned states, unsigned symbols, unsigned seed) {
  return minimize(catalog_language("random:" + std::to_string(states) + "," + std::to_string(symbols) + "," +
                                   std::to_string(seed)));
}

reference::Monoid monoid_of(const Dfa& dfa) {
  std::vector<reference::Map> letters;
  for (Symbol a = 0; a < dfa.num_symbols(); ++a) letters.push_back(dfa.letter(a));
  return {dfa.num_states(), letters, 400};
}

}  // namespace

TEST_CASE("the varieties are those of the definitions, on random automata") {
  std::size_t looked_at = 0;
  std::map<std::string, std::size_t> classes;
  for (unsigned seed = 0; seed < 400; ++seed) {
    const Dfa dfa = random_minimal(2 + seed % 4, 1 + seed % 3, seed);
    const reference::Monoid monoid = monoid_of(dfa);
    if (monoid.elements.size() > 80) continue;
    CAPTURE(seed);
    check_by_definition(dfa, monoid);
    const MonoidVarieties varieties = varieties_of(dfa);
    CHECK(varieties.is_quasi_aperiodic == !group_in_one_length(monoid));
    REQUIRE(varieties.circuit_class.has_value());
    ++classes[std::string(circuit_class_name(*varieties.circuit_class))];
    ++looked_at;
  }
  CHECK(looked_at > 150);
  CHECK(classes["AC0"] > 20);
  CHECK(classes["ACC0"] > 20);
}

TEST_CASE("quasi-aperiodicity of larger monoids is that of the sets of elements of one length") {
  std::size_t quasi = 0;
  for (unsigned seed = 0; seed < 120; ++seed) {
    const Dfa dfa = random_minimal(4 + seed % 3, 1 + seed % 2, 1000 + seed);
    const reference::Monoid monoid = monoid_of(dfa);
    if (monoid.elements.size() > 300) continue;
    CAPTURE(seed);
    const bool expected = !group_in_one_length(monoid);
    CHECK(varieties_of(dfa).is_quasi_aperiodic == expected);
    quasi += expected ? 1U : 0U;
  }
  CHECK(quasi > 10);
}

TEST_CASE("known languages stand where the literature has them") {
  struct Known {
    const char* language;
    bool r, l, j, da;
    CircuitClass circuits;
  };
  using enum CircuitClass;
  for (const Known& known : {
           // Piecewise testable; a right ideal of a letter's first occurrence; its mirror image; a join of both.
           Known{"re:(a|b)*a(a|b)*b(a|b)*", true, true, true, true, ac0},
           Known{"re:b*a(a|b)*", true, true, true, true, ac0},
           Known{"re:a(a|b|c)*", true, false, false, true, ac0},
           Known{"re:(a|b|c)*a", false, true, false, true, ac0},
           Known{"re:a(a|b|c)*a", false, false, false, true, ac0},
           // Star-free, not in DA.
           Known{"re:(ab)*", false, false, false, false, ac0},
           // Not star-free, but only lengths are counted: constant depth all the same.
           Known{"re:(aa)*", false, false, false, false, ac0},
           Known{"re:((a|b)(a|b))*", false, false, false, false, ac0},
           Known{"re:(ab|ba)*", false, false, false, false, ac0},
           Known{"re:(aa|b)*", false, false, false, false, ac0},
           // Letters are counted modulo 2 whatever lies between them.
           Known{"re:b*(ab*ab*)*", false, false, false, false, acc0},
           Known{"parity", false, false, false, false, acc0},
           Known{"S:4", false, false, false, false, acc0},
           Known{"S:5", false, false, false, false, nc1},
           Known{"A:5", false, false, false, false, nc1},
       }) {
    CAPTURE(known.language);
    const std::string name = known.language;
    const Dfa dfa = name.starts_with("re:") ? parse_regex(name.substr(3)) : catalog_language(name);
    const MonoidVarieties varieties = varieties_of(dfa);
    CHECK(varieties.is_r_trivial == known.r);
    CHECK(varieties.is_l_trivial == known.l);
    CHECK(varieties.is_j_trivial == known.j);
    CHECK(varieties.is_da == known.da);
    CHECK(varieties.circuit_class == known.circuits);
  }
}

TEST_CASE("where the images of the state set are cut off, what is not known is left open") {
  const Dfa dfa = parse_regex("(a|b|c)*a(a|b)*c(a|b|c){4}");
  const MonoidFacts facts = find_flags(dfa, 3);
  const MonoidVarieties varieties = find_varieties(dfa, facts, std::nullopt);
  CHECK(varieties.is_r_trivial.has_value());
  CHECK_FALSE(varieties.is_l_trivial.has_value());
  CHECK_FALSE(varieties.is_quasi_aperiodic.has_value());
  CHECK_FALSE(varieties.circuit_class.has_value());
}

TEST_CASE("a presentation rewrites every word to the least word of its element") {
  for (const char* name : {"re:(ab)*", "re:(aaa)*(bb)*", "re:(a|b)*abb", "S:4", "flipflop", "random:4,3,7"}) {
    CAPTURE(name);
    const std::string text = name;
    const Dfa dfa = minimize(text.starts_with("re:") ? parse_regex(text.substr(3)) : catalog_language(text));
    std::vector<Transformation> letters;
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) letters.push_back(dfa.letter(a));
    const TransitionMonoid monoid(dfa.num_states(), letters, {.right_graph = true});
    const std::vector<Relation> relations = presentation(monoid);
    const auto rewrite_once = [&](std::vector<std::uint32_t>& word, std::size_t skip) {
      for (std::size_t i = 0; i < word.size(); ++i) {
        for (const Relation& relation : relations) {
          if (i + relation.left.size() > word.size()) continue;
          if (!std::equal(relation.left.begin(), relation.left.end(), word.begin() + static_cast<std::ptrdiff_t>(i))) {
            continue;
          }
          if (skip-- > 0) continue;
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(i),
                     word.begin() + static_cast<std::ptrdiff_t>(i + relation.left.size()));
          word.insert(word.begin() + static_cast<std::ptrdiff_t>(i), relation.right.begin(), relation.right.end());
          return true;
        }
      }
      return false;
    };
    for (const Relation& relation : relations) {
      CHECK(transformation_of(dfa, relation.left) == transformation_of(dfa, relation.right));
      // Neither side can be rewritten by another relation, and no proper factor of the left side can.
      std::vector<std::uint32_t> right = relation.right;
      CHECK_FALSE(rewrite_once(right, 0));
      std::vector<std::uint32_t> shorter(relation.left.begin() + 1, relation.left.end());
      CHECK_FALSE(rewrite_once(shorter, 0));
      shorter.assign(relation.left.begin(), relation.left.end() - 1);
      CHECK_FALSE(rewrite_once(shorter, 0));
    }
    std::uint64_t random = 1;
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<std::uint32_t> word;
      for (int i = 0; i < 12; ++i) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        word.push_back(static_cast<std::uint32_t>((random >> 33U) % dfa.num_symbols()));
      }
      const std::vector<std::uint32_t> least = monoid.word(monoid.find(transformation_of(dfa, word)));
      // Whichever place is rewritten, it ends in the least word.
      for (std::size_t skip : {0U, 1U}) {
        std::vector<std::uint32_t> rewritten = word;
        while (rewrite_once(rewritten, skip) || rewrite_once(rewritten, 0)) {
        }
        CHECK(rewritten == least);
      }
    }
  }
}
