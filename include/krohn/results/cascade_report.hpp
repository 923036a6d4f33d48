// What a cascade is made of, level by level, with the group of each; as values and as JSON.
//
// The JSON object has these members, in this order:
//
//  1. "states": of the automaton; "mode": as Cascade::modes(); "family": the sets that it rests on; "depth".
//  2. "levels": from the top down, {"width": slots, "group": the name of the group that the level's permutations
//     generate ("1" for a level that only resets), "order": its order (a string where it is above 10^15),
//     "composition_factors": their names or null, "generators": the permutations, each the images of the slots,
//     "resets": the slots that something resets to, "rows": how many contexts the level has}.
//  3. "start": the coordinates of the automaton's start state; "states_at": for each state of the automaton,
//  coordinates
//     that decode to it, or null for a state that does not occur.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/permutation_group.hpp"

namespace krohn {

struct LevelFacts {
  std::size_t width = 0;
  GroupName group;
  /// Decimal.
  std::string order;
  /// Distinct permutations of the slots other than the identity.
  std::vector<Permutation> permutations;
  /// Slots that some row resets to, ascending.
  std::vector<std::uint32_t> resets;
  std::size_t rows = 0;
};

/// Throws ResourceError for a group whose stabiliser chain would take more than a gigabyte.
LevelFacts level_facts(const CascadeLevel& level);

/// The object above over several lines, with a final line feed.
std::string cascade_json(const Cascade& cascade);

}  // namespace krohn
