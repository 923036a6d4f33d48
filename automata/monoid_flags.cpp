// Flags from the groups G_P of image sets (image_orbit.hpp). A non-trivial G_P gives a word of period above 1, and
// every group in the monoid divides some G_P; a property of groups that is inherited by divisors holds for all maximal
// subgroups iff it holds for all G_P. A group found in a part of the orbit settles a flag to the negative; the positive
// needs the whole orbit, or a monoid that is R-trivial or commutative. Tested by tests/automata/green_test.cpp.
#include "krohn/automata/monoid_flags.hpp"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <map>
#include <utility>

#include "krohn/automata/group_action.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

Word to_symbols(const std::vector<std::uint32_t>& letters, const DistinctLetters& distinct) {
  Word word;
  for (const std::uint32_t letter : letters) word.push_back(distinct.symbol[letter]);
  return word;
}

bool is_power_of_two(const std::string& decimal) {
  const boost::multiprecision::cpp_int n(decimal);
  return (n & (n - 1)) == 0;
}

/// Every strongly connected component of the automaton is one state: words only move down, the monoid is R-trivial.
bool only_self_loops(const std::vector<Transformation>& letters, std::size_t states) {
  // Kahn's algorithm on the edges that are no loops.
  std::vector<std::size_t> incoming(states, 0);
  for (const Transformation& letter : letters) {
    for (std::size_t q = 0; q < states; ++q) incoming[letter[q]] += letter[q] == q ? 0 : 1;
  }
  std::vector<std::size_t> ready;
  for (std::size_t q = 0; q < states; ++q) {
    if (incoming[q] == 0) ready.push_back(q);
  }
  for (std::size_t i = 0; i < ready.size(); ++i) {
    for (const Transformation& letter : letters) {
      const std::size_t target = letter[ready[i]];
      if (target != ready[i] && --incoming[target] == 0) ready.push_back(target);
    }
  }
  return ready.size() == states;
}

bool letters_commute(const std::vector<Transformation>& letters) {
  for (std::size_t i = 0; i < letters.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      for (std::uint32_t q = 0; q < letters[i].size(); ++q) {
        if (letters[j][letters[i][q]] != letters[i][letters[j][q]]) return false;
      }
    }
  }
  return true;
}

/// Every cycle has a length that is a power of two.
bool has_2_power_order(const Permutation& p) {
  std::vector<bool> seen(p.size(), false);
  for (std::uint32_t x = 0; x < p.size(); ++x) {
    std::size_t length = 0;
    for (std::uint32_t y = x; !seen[y]; y = p[y]) {
      seen[y] = true;
      ++length;
    }
    if ((length & (length - 1)) != 0) return false;
  }
  return true;
}

/// The group of an automaton with permutation letters on the points of a faithful action of low degree; none where that
/// is too large as well, or a state is not reachable.
std::optional<PermutationGroup> smaller_action(const Dfa& dfa) {
  try {
    const GroupAction action = find_action(dfa);
    return PermutationGroup(action.degree, action.letters);
  } catch (const ResourceError&) {
  } catch (const InputError&) {
  }
  return std::nullopt;
}

/// A single letter of period above 1, else the shortest loop of the component.
std::optional<PeriodWitness> period_witness(const Dfa& dfa, const MonoidFacts& facts, std::size_t component) {
  Word word;
  for (std::size_t l = 0; l < facts.letters.images.size() && word.empty(); ++l) {
    if (power_pattern(facts.letters.images[l]).periodic) word = {facts.letters.symbol[l]};
  }
  if (word.empty()) word = to_symbols(facts.orbit.shortest_nontrivial_loop(component), facts.letters);
  const PowerPattern pattern = power_pattern(transformation_of(dfa, word));
  if (!pattern.periodic) throw InternalError("monoid flags: a loop that permutes its set has period 1");
  return PeriodWitness{std::move(word), pattern.index, pattern.period};
}

MonoidFacts flags_of(const Dfa& dfa, const DistinctLetters& distinct, std::size_t max_sets,
                     const std::atomic<bool>* stop) {
  MonoidFacts facts{{}, ImageOrbit(dfa.num_states(), distinct.images, max_sets, stop), distinct};
  MonoidFlags& flags = facts.flags;
  flags.is_group = distinct.permute;
  flags.is_commutative = letters_commute(distinct.images);

  bool aperiodic = true;
  bool abelian = true;
  bool nilpotent = true;
  bool solvable = true;
  bool two_groups = true;
  bool unsettled = false;
  const std::vector<ImageComponent>& components = facts.orbit.components();
  std::size_t first_group = components.size();
  std::size_t first_not_solvable = components.size();
  // Most components share a few groups: equal generators are looked at once.
  std::map<std::vector<Permutation>, bool> seen;
  for (std::size_t c = 0; c < components.size(); ++c) {
    const PermutationGroup& group = components[c].group;
    if (components[c].group_known && group.is_trivial()) continue;
    aperiodic = false;
    if (!components[c].group_known) {
      // Too large for a stabiliser chain: generators that commute still settle everything.
      if (first_group == components.size() || components[c].rank < components[first_group].rank) first_group = c;
      const bool commuting = letters_commute(components[c].sample);
      abelian = abelian && commuting;
      two_groups = two_groups && std::ranges::all_of(components[c].sample, has_2_power_order);
      unsettled = unsettled || !commuting || !components[c].sample_generates;
      continue;
    }
    if (first_group == components.size() || components[c].rank < components[first_group].rank) first_group = c;
    if (!seen.try_emplace(group.generators(), true).second) continue;
    two_groups = two_groups && group.is_2_group();
    abelian = abelian && group.is_abelian();
    if (group.is_2_group()) continue;
    nilpotent = nilpotent && group.is_nilpotent();
    if (group.is_solvable()) continue;
    solvable = false;
    if (first_not_solvable == components.size() || components[c].rank < components[first_not_solvable].rank) {
      first_not_solvable = c;
    }
  }
  if (flags.is_group && !components[0].group_known) {
    facts.group_on_fewer_points = smaller_action(dfa);
    if (const auto& group = facts.group_on_fewer_points) {
      unsettled = false;
      two_groups = group->is_2_group();
      abelian = group->is_abelian();
      nilpotent = group->is_nilpotent();
      solvable = group->is_solvable();
      first_not_solvable = first_group;
    }
  }
  // What the whole orbit is not needed for: in an R-trivial monoid all groups are trivial, in a commutative one all are
  // abelian, and w = a_1 .. a_n has w^k = a_1^k .. a_n^k, so that the letters' own periods decide.
  bool known = facts.orbit.complete() && !unsettled;
  if (!known) known = only_self_loops(distinct.images, dfa.num_states());
  if (!known && flags.is_commutative) {
    known = true;
    for (const Transformation& letter : distinct.images) {
      const PowerPattern pattern = power_pattern(letter);
      aperiodic = aperiodic && !pattern.periodic;
      two_groups = two_groups && is_power_of_two(pattern.period);
    }
  }
  // A letter of period above 1 settles the negative whatever the rest of the orbit holds.
  for (const Transformation& letter : distinct.images) {
    const PowerPattern pattern = power_pattern(letter);
    aperiodic = aperiodic && !pattern.periodic;
    two_groups = two_groups && (!pattern.periodic || is_power_of_two(pattern.period));
  }
  const auto settle = [&](bool holds_so_far) {
    return !holds_so_far || known ? std::optional<bool>(holds_so_far) : std::nullopt;
  };
  flags.is_aperiodic = settle(aperiodic);
  flags.all_groups_abelian = settle(abelian);
  flags.all_groups_nilpotent = settle(nilpotent);
  flags.all_groups_solvable = settle(solvable);
  flags.only_2_groups = settle(two_groups);
  if (!aperiodic) flags.not_aperiodic = period_witness(dfa, facts, first_group);
  if (!solvable) {
    const std::span<const std::uint32_t> points = facts.orbit.points(components[first_not_solvable].members[0]);
    const auto& smaller = facts.group_on_fewer_points;
    GroupWitness witness{
        name_group(smaller ? *smaller : components[first_not_solvable].group).name, {points.begin(), points.end()}, {}};
    if (smaller) {
      for (const Symbol symbol : facts.letters.symbol) witness.words.push_back({symbol});
    } else {
      for (const auto& letters : facts.orbit.generating_words(first_not_solvable)) {
        witness.words.push_back(to_symbols(letters, facts.letters));
      }
    }
    flags.not_solvable = std::move(witness);
  }
  return facts;
}

}  // namespace

MonoidFacts find_flags(const Dfa& dfa, std::size_t max_sets) {
  return flags_of(dfa, distinct_letters(dfa), max_sets, nullptr);
}

MonoidFacts find_flags(const Language& language, std::size_t max_sets, const std::atomic<bool>* stop) {
  return flags_of(language.minimal(), language.letters(), max_sets, stop);
}

}  // namespace krohn
