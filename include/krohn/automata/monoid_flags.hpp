// What kind of language it is, read off the groups in the transition monoid of its minimal automaton, with witnesses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/automata/image_orbit.hpp"

namespace krohn {

/// Shows that the monoid is not aperiodic: the transformations of word^index and word^(index + period) agree, those of
/// word^index and word^(index + 1) do not.
struct PeriodWitness {
  Word word;
  std::size_t index = 1;
  /// Above 1; decimal.
  std::string period;
};

/// Shows a group that is not solvable: the words map the set of states onto itself and generate the group there.
struct GroupWitness {
  std::string name;
  std::vector<State> states;
  std::vector<Word> words;
};

/// Each flag is empty where the images of the state set exceed the cap, or a group is too large for a stabiliser chain,
/// and what is known does not settle it.
struct MonoidFlags {
  /// Every letter is a permutation.
  bool is_group = false;
  bool is_commutative = false;
  std::optional<bool> is_aperiodic;
  /// Of all maximal subgroups. The trivial group is all of these.
  std::optional<bool> all_groups_abelian;
  std::optional<bool> all_groups_nilpotent;
  std::optional<bool> all_groups_solvable;
  std::optional<bool> only_2_groups;
  std::optional<PeriodWitness> not_aperiodic;
  std::optional<GroupWitness> not_solvable;
};

struct MonoidFacts {
  MonoidFlags flags;
  ImageOrbit orbit;
  DistinctLetters letters;
};

/// Computes the flags of the transition monoid of `dfa` (for the syntactic monoid: of a minimal automaton) from the
/// images of its state set, of which at most `max_sets` are explored. Cost as ImageOrbit's.
MonoidFacts find_flags(const Dfa& dfa, std::size_t max_sets = 1'000'000);

}  // namespace krohn
