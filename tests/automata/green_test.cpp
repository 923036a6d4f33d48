// label: slow
// Green's relations, orders and flags against brute force: all transformation monoids of degree at most 4 with two
// generators (up to exchange of the two), random ones to degree 7, the named families, and the corpus.
#include "krohn/automata/green.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "automata/monoid_reference.hpp"
#include "corpus.hpp"
#include "krohn/automata/monoid_flags.hpp"

namespace krohn {
namespace {

Dfa automaton(const std::vector<Transformation>& letters) {
  const std::size_t n = letters[0].size();
  std::vector<State> delta;
  for (std::size_t q = 0; q < n; ++q) {
    for (const Transformation& letter : letters) delta.push_back(letter[q]);
  }
  std::vector<std::string> names;
  for (std::size_t a = 0; a < letters.size(); ++a) names.push_back("x" + std::to_string(a));
  return Dfa::acceptor(Alphabet(names), 0, delta, std::vector<bool>(n, false));
}

/// The number of disagreements between the fast computation and the definitions.
std::size_t disagreements(const std::vector<Transformation>& letters) {
  const Dfa dfa = automaton(letters);
  const reference::Monoid monoid(dfa.num_states(), letters);
  const reference::Green expected = reference::green(monoid);
  const MonoidFacts facts = find_flags(dfa);
  const auto green = find_green(facts.orbit);
  if (!green) return 1;
  std::size_t wrong = 0;
  const auto expect = [&](bool holds) { wrong += holds ? 0 : 1; };
  expect(green->order == std::to_string(monoid.elements.size()));
  expect(green->r_classes == expected.r);
  expect(green->l_classes == std::to_string(expected.l));
  expect(green->h_classes == std::to_string(expected.h));
  expect(green->d_classes.size() == expected.d);
  expect(green->regular_d_classes == expected.regular_d);
  expect(green->idempotents == std::to_string(expected.idempotents));
  std::size_t boxed = 0;
  std::multiset<std::string> sizes;
  for (const DClass& d : green->d_classes) {
    for (const auto& row : egg_box(facts.orbit, *green, d))
      boxed += static_cast<std::size_t>(std::ranges::count(row, true));
    if (d.regular) sizes.insert(d.h_size);
  }
  expect(boxed == expected.idempotents);
  std::multiset<std::string> expected_sizes;
  bool solvable = true;
  bool nilpotent = true;
  bool abelian = true;
  bool two_groups = true;
  for (const auto& group : expected.groups) {
    expected_sizes.insert(std::to_string(group.size()));
    solvable = solvable && (group.size() < 60 || reference::solvable(group));
    nilpotent = nilpotent && (group.size() > 200 ? false : reference::nilpotent(group));
    for (const auto& x : group) {
      for (const auto& y : group) {
        if (group.size() <= 200 && reference::multiply(x, y) != reference::multiply(y, x)) abelian = false;
      }
    }
    if (group.size() > 200) abelian = false;  // degree at most 7: subgroups of that size are not abelian
    two_groups = two_groups && (group.size() & (group.size() - 1)) == 0;
  }
  expect(sizes == expected_sizes);
  const MonoidFlags& flags = facts.flags;
  expect(flags.is_aperiodic == reference::aperiodic(monoid));
  expect(flags.is_aperiodic == (expected_sizes.count("1") == expected_sizes.size()));
  expect(flags.all_groups_solvable == solvable);
  expect(flags.all_groups_nilpotent == nilpotent);
  expect(flags.all_groups_abelian == abelian);
  expect(flags.only_2_groups == two_groups);
  expect(flags.is_group == (expected.idempotents == 1));
  bool commutative = true;
  for (const auto& x : letters) {
    for (const auto& y : letters) commutative = commutative && reference::multiply(x, y) == reference::multiply(y, x);
  }
  expect(flags.is_commutative == commutative);
  // The witness by its definition.
  expect(flags.not_aperiodic.has_value() == !*flags.is_aperiodic);
  if (flags.not_aperiodic) {
    const PeriodWitness& w = *flags.not_aperiodic;
    const Transformation f = transformation_of(dfa, w.word);
    std::vector<Transformation> powers = {identity_transformation(dfa.num_states())};
    const std::size_t period = std::stoull(w.period);
    while (powers.size() <= w.index + period) powers.push_back(reference::multiply(powers.back(), f));
    expect(period > 1 && w.index >= 1);
    expect(powers[w.index] == powers[w.index + period]);
    expect(powers[w.index] != powers[w.index + 1]);
  }
  expect(flags.not_solvable.has_value() == !solvable);
  if (flags.not_solvable) {
    // The words permute the set, and the group that they generate there is not solvable.
    const GroupWitness& w = *flags.not_solvable;
    std::vector<reference::Map> actions;
    for (const Word& word : w.words) {
      const Transformation f = transformation_of(dfa, word);
      reference::Map action;
      for (const State q : w.states) {
        const auto at = std::ranges::find(w.states, f[q]);
        expect(at != w.states.end());
        action.push_back(static_cast<std::uint32_t>(at - w.states.begin()));
      }
      actions.push_back(action);
    }
    expect(!reference::solvable(reference::Monoid(w.states.size(), actions).elements));
  }
  return wrong;
}

std::vector<Transformation> all_transformations(std::size_t n) {
  std::vector<Transformation> all;
  std::size_t count = 1;
  for (std::size_t i = 0; i < n; ++i) count *= n;
  for (std::size_t code = 0; code < count; ++code) {
    Transformation f(n);
    std::size_t rest = code;
    for (std::uint32_t& image : f) {
      image = static_cast<std::uint32_t>(rest % n);
      rest /= n;
    }
    all.push_back(std::move(f));
  }
  return all;
}

TEST_CASE("all monoids of degree at most 4 with two generators") {
  for (std::size_t n = 1; n <= 4; ++n) {
    const std::vector<Transformation> all = all_transformations(n);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t j = 0; j <= i; ++j) wrong += disagreements({all[i], all[j]});
    }
    CAPTURE(n);
    CHECK(wrong == 0);
  }
}

TEST_CASE("random monoids to degree 7") {
  std::mt19937 random(5);
  std::size_t tested = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const std::size_t n = 5 + random() % 3;
    std::vector<Transformation> letters(1 + random() % 3, Transformation(n));
    for (Transformation& f : letters) {
      for (std::uint32_t q = 0; q < n; ++q) f[q] = q;
      std::shuffle(f.begin(), f.end(), random);
      // Some letters permute, some merge a few states, some are arbitrary.
      const std::size_t merges = random() % 3 == 0 ? n : random() % 3;
      for (std::size_t k = 0; k < merges; ++k) f[random() % n] = static_cast<std::uint32_t>(random() % n);
    }
    if (reference::Monoid(n, letters, 3000).elements.size() > 3000) continue;
    ++tested;
    CAPTURE(trial);
    CHECK(disagreements(letters) == 0);
  }
  CHECK(tested > 50);
}

TEST_CASE("named families: T_n and S_n, and the Jones-like counts of T_n") {
  std::string power = "1";
  for (std::size_t n = 2; n <= 8; ++n) {
    Transformation cycle(n);
    Transformation swap = identity_transformation(n);
    Transformation merge = identity_transformation(n);
    for (std::uint32_t q = 0; q < n; ++q) cycle[q] = static_cast<std::uint32_t>((q + 1) % n);
    std::swap(swap[0], swap[1]);
    merge[1] = 0;
    std::uint64_t order = 1;
    std::uint64_t factorial = 1;
    for (std::size_t i = 1; i <= n; ++i) order *= n, factorial *= i;
    const ImageOrbit full(n, {cycle, swap, merge}, 1000);
    const auto green = find_green(full);
    REQUIRE(green.has_value());
    CHECK(green->order == std::to_string(order));
    // T_n: one regular D-class a rank; R-classes are the partitions of n points, L-classes the non-empty subsets;
    // idempotents sum C(n,k) k^(n-k).
    CHECK(green->d_classes.size() == n);
    CHECK(green->regular_d_classes == n);
    const std::vector<std::size_t> bell = {1, 1, 2, 5, 15, 52, 203, 877, 4140};
    CHECK(green->r_classes == bell[n]);
    CHECK(green->l_classes == std::to_string((1U << n) - 1));
    std::uint64_t idempotents = 0;
    std::uint64_t binomial = 1;
    for (std::uint64_t k = 1; k <= n; ++k) {
      binomial = binomial * (n - k + 1) / k;
      std::uint64_t term = binomial;
      for (std::uint64_t i = k; i < n; ++i) term *= k;
      idempotents += term;
    }
    CHECK(green->idempotents == std::to_string(idempotents));
    const ImageOrbit symmetric(n, {cycle, swap}, 1000);
    const auto group = find_green(symmetric);
    REQUIRE(group.has_value());
    CHECK(group->order == std::to_string(factorial));
    CHECK(group->d_classes.size() == 1);
    CHECK(group->idempotents == "1");
  }
}

TEST_CASE("the facts of all corpus languages") {
  CHECK(corpus::languages().size() == 108);
  for (const corpus::Language& language : corpus::languages()) {
    CAPTURE(language.id);
    const MonoidFacts facts = find_flags(language.dfa);
    CHECK(facts.flags.is_group == language.is_group);
    CHECK(facts.flags.is_aperiodic == language.is_aperiodic);
    CHECK(facts.flags.all_groups_solvable == language.all_groups_solvable);
    const auto green = find_green(facts.orbit);
    if (language.monoid_order) {
      REQUIRE(green.has_value());
      CHECK(green->order == std::to_string(*language.monoid_order));
    } else if (green) {
      CHECK(green->order.size() >= 5);  // the corpus leaves orders above 50,000 out
    }
  }
}

TEST_CASE("a group too large for a stabiliser chain: flags of commuting generators stay, the rest is open") {
  // The regular action of Z_m has one orbit of m points and needs 2 m^2 entries: too many for m = 12,000.
  const std::size_t m = 12000;
  Transformation cycle(m);
  for (std::size_t q = 0; q < m; ++q) cycle[q] = static_cast<std::uint32_t>((q + 1) % m);
  const MonoidFacts facts = find_flags(automaton({cycle, identity_transformation(m)}));
  CHECK(facts.flags.is_group);
  CHECK(facts.flags.is_aperiodic == false);
  CHECK(facts.flags.all_groups_abelian == true);
  CHECK(facts.flags.all_groups_solvable == true);
  CHECK(facts.flags.only_2_groups == false);
  REQUIRE(facts.flags.not_aperiodic.has_value());
  CHECK(facts.flags.not_aperiodic->period == "12000");
  CHECK_FALSE(find_green(facts.orbit).has_value());
  Transformation swap = identity_transformation(m);
  std::swap(swap[0], swap[1]);
  const MonoidFacts symmetric = find_flags(automaton({cycle, swap}));
  CHECK(symmetric.flags.is_aperiodic == false);
  CHECK(symmetric.flags.all_groups_abelian == false);
  CHECK_FALSE(symmetric.flags.all_groups_solvable.has_value());
}

TEST_CASE("a cap leaves the positive flags open and keeps what was found") {
  Transformation cycle = {1, 2, 3, 4, 5, 6, 7, 0};
  Transformation merge = {0, 0, 2, 3, 4, 5, 6, 7};
  const MonoidFacts open = find_flags(automaton({merge, {1, 1, 2, 3, 4, 5, 6, 7}, {0, 2, 2, 3, 4, 5, 6, 7}}), 2);
  CHECK_FALSE(open.orbit.complete());
  CHECK_FALSE(open.flags.is_aperiodic.has_value());
  CHECK_FALSE(find_green(open.orbit).has_value());
  const MonoidFacts found = find_flags(automaton({cycle, merge}), 4);
  CHECK_FALSE(found.orbit.complete());
  CHECK(found.flags.is_aperiodic == false);
  CHECK(found.flags.not_aperiodic.has_value());
  CHECK_FALSE(found.flags.all_groups_solvable.has_value());
}

}  // namespace
}  // namespace krohn
