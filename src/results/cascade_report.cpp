// Tested by tests/results/cascade_picture_test.cpp.
#include "krohn/results/cascade_report.hpp"

#include <set>
#include <utility>

#include "krohn/error.hpp"
#include "result_json.hpp"

namespace krohn {

LevelFacts level_facts(const CascadeLevel& level) {
  std::set<Permutation> permutations;
  std::set<std::uint32_t> resets;
  for (const SlotAction& action : level.actions) {
    if (action.kind == SlotAction::Kind::permutation) permutations.insert(action.image);
    if (action.kind == SlotAction::Kind::reset) resets.insert(action.image[0]);
  }
  LevelFacts facts;
  facts.width = level.width;
  facts.permutations.assign(permutations.begin(), permutations.end());
  facts.resets.assign(resets.begin(), resets.end());
  facts.rows = level.rows.size();
  const PermutationGroup group(level.width, facts.permutations);
  facts.group = name_group(group);
  facts.order = group.order_text();
  return facts;
}

std::string cascade_json(const Cascade& cascade) {
  Json levels = Json::array();
  for (const CascadeLevel& level : cascade.levels) {
    const LevelFacts facts = level_facts(level);
    levels.push_back({{"width", facts.width},
                      {"group", facts.group.name},
                      {"order", big_number(facts.order)},
                      {"composition_factors", value_or_null(facts.group.composition_factors)},
                      {"generators", facts.permutations},
                      {"resets", facts.resets},
                      {"rows", facts.rows}});
  }
  Json states = Json::array();
  for (State state = 0; state < cascade.num_states; ++state) {
    try {
      states.push_back(cascade.encode(state));
    } catch (const InternalError&) {
      states.push_back(nullptr);
    }
  }
  return json_lines({{"states", cascade.num_states},
                     {"mode", cascade.modes()},
                     {"family", cascade.family},
                     {"depth", cascade.depth()},
                     {"levels", std::move(levels)},
                     {"start", cascade.start},
                     {"states_at", std::move(states)}});
}

}  // namespace krohn
