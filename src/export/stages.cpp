// Stages of a language: a group in one (Grazzi et al. 2025, arXiv:2411.12537, Thm 3), anything else a cascade, a level
// a stage, and a delay stage behind a level whose old slot is needed after a reset.
//
// The last level never needs it: its label is a function of the row and the new slot. A permutation of places of two
// signs takes, for each of its cycles of length k, k - 1 swaps where the cycle has places of both signs; two cycles of
// one sign each, of different signs, are first joined by a swap; a cycle that is left over is joined with an outside
// place of the other sign and takes k + 1. Signs are chosen to make the longest row shortest, then the readings few.
// Tested by tests/export/fla_test.cpp.
#include "stages.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>

#include "krohn/automata/group_action.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using Swap = std::pair<std::uint32_t, std::uint32_t>;
using Permutation = std::vector<std::uint32_t>;

// All sign patterns are tried up to this width, single negative places beyond.
constexpr std::uint32_t max_tried_width = 10;
constexpr std::size_t max_configurations = std::size_t{1} << 20U;

bool is_identity(const Permutation& image) {
  for (std::uint32_t i = 0; i < image.size(); ++i) {
    if (image[i] != i) return false;
  }
  return true;
}

/// The places of one marker, their signs, and how it is moved.
struct Places {
  std::uint32_t width = 0;
  /// Empty: all positive, and keys of both signs.
  std::vector<bool> negative;
  /// Writes take two factors, one for each coordinate of the place, and no pair behind the last place.
  bool writes_twice = false;

  /// Behind the coordinates that are written.
  std::uint32_t end() const { return 2 * width + (writes_twice ? 0 : 2); }

  bool is_negative(std::uint32_t place) const { return !negative.empty() && negative[place]; }
  bool apart(std::uint32_t i, std::uint32_t j) const { return negative.empty() || negative[i] != negative[j]; }
  std::uint32_t other_sign(std::uint32_t place) const {
    for (std::uint32_t i = 0; i < width; ++i) {
      if (negative[i] != negative[place]) return i;
    }
    throw InternalError("export: all places have one sign");
  }

  /// A cycle that moves the marker on cycle[i] to cycle[i + 1], some neighbours of which can be swapped at once.
  void unwind(std::vector<std::uint32_t> cycle, std::vector<Swap>& swaps) const {
    while (cycle.size() > 1) {
      const auto of_sign = [&](std::uint32_t place) {
        return std::count_if(cycle.begin(), cycle.end(),
                             [&](std::uint32_t c) { return is_negative(c) == is_negative(place); });
      };
      std::size_t i = 0;
      std::uint32_t next = 0;
      for (;; ++i) {
        if (i == cycle.size()) throw InternalError("export: a cycle of one sign");
        next = cycle[(i + 1) % cycle.size()];
        if (apart(cycle[i], next) && (negative.empty() || cycle.size() == 2 || of_sign(next) > 1)) break;
      }
      swaps.emplace_back(cycle[i], next);
      cycle.erase(std::find(cycle.begin(), cycle.end(), next));
    }
  }

  /// Swaps, in order of application, that move a marker on place i to image[i].
  std::vector<Swap> swaps(const Permutation& image) const {
    std::vector<Swap> result;
    std::vector<std::vector<std::uint32_t>> alone[2];
    std::vector<bool> seen(width, false);
    for (std::uint32_t start = 0; start < width; ++start) {
      std::vector<std::uint32_t> cycle;
      for (std::uint32_t i = start; !seen[i]; i = image[i]) {
        seen[i] = true;
        cycle.push_back(i);
      }
      if (cycle.size() < 2) continue;
      const bool one_sign = !negative.empty() && std::all_of(cycle.begin(), cycle.end(), [&](std::uint32_t c) {
        return negative[c] == negative[cycle[0]];
      });
      if (one_sign) {
        alone[negative[cycle[0]] ? 1 : 0].push_back(std::move(cycle));
      } else {
        unwind(std::move(cycle), result);
      }
    }
    // The swap (a0 b0) before the cycle a0 b1 .. b0 a1 .. is the two cycles a and b; with b = (x) it is a alone.
    while (!alone[0].empty() || !alone[1].empty()) {
      std::vector<std::uint32_t> a;
      std::vector<std::uint32_t> b;
      for (int sign : {0, 1}) {
        if (alone[sign].empty()) continue;
        (a.empty() ? a : b) = std::move(alone[sign].back());
        alone[sign].pop_back();
      }
      if (b.empty()) b = {other_sign(a[0])};
      result.emplace_back(a[0], b[0]);
      std::vector<std::uint32_t> joined = {a[0]};
      joined.insert(joined.end(), b.begin() + 1, b.end());
      joined.push_back(b[0]);
      joined.insert(joined.end(), a.begin() + 1, a.end());
      unwind(std::move(joined), result);
    }
    return result;
  }

  StageFactor swap(const Swap& s) const {
    const int sign = negative.empty() ? -1 : 1;
    return {{{2 * s.first, 1}, {2 * s.first + 1, 1}, {2 * s.second, sign}, {2 * s.second + 1, sign}}, 2, {}};
  }
  /// Where a write puts the marker, to be swapped to `place` if that is another.
  std::uint32_t written(std::uint32_t place) const { return is_negative(place) ? other_sign(place) : place; }

  StageAction permute(const Permutation& image) const {
    StageAction action;
    for (const Swap& s : swaps(image)) action.factors.push_back(swap(s));
    return action;
  }
  StageAction write(std::uint32_t place, bool clears) const {
    const std::uint32_t at = written(place);
    StageAction action{clears, {}};
    if (writes_twice) {
      for (const std::uint32_t coordinate : {2 * at, 2 * at + 1}) {
        action.factors.push_back({{{coordinate, 1}}, 1, {{0, 1}}});
      }
    } else {
      action.factors.push_back({{{2 * at, 1}, {2 * at + 1, 1}, {2 * width, 1}, {2 * width + 1, 1}}, 1, {{0, 2}}});
    }
    if (at != place) action.factors.push_back(swap({at, place}));
    return action;
  }
};

/// One query for one bit of the code of the places of one sign.
struct Reading {
  std::vector<StageEntry> query;
  int sign = 1;
  std::vector<bool> present;  // per place
};

/// Squares that sum to `rest`, the fewest (at most four, by Lagrange's theorem).
std::vector<int> squares(int rest) {
  std::vector<std::vector<int>> fewest(static_cast<std::size_t>(rest) + 1);
  for (int sum = 1; sum <= rest; ++sum) {
    std::vector<int>& best = fewest[static_cast<std::size_t>(sum)];
    for (int s = 1; s * s <= sum; ++s) {
      const std::vector<int>& others = fewest[static_cast<std::size_t>(sum - s * s)];
      if (!best.empty() && best.size() <= others.size() + 1) continue;
      best = others;
      best.push_back(s);
    }
  }
  return fewest.back();
}

/// Asks for a set of places: one or both coordinates of each, and coordinates that are always zero, behind the last
/// pair, which make the norm a power of 2. As few of these as there can be.
std::vector<StageEntry> query_of(const std::vector<std::uint32_t>& places, std::uint32_t end) {
  std::vector<StageEntry> best;
  std::size_t fewest = 5;
  for (int copies : {1, 2}) {
    const int sum = copies * static_cast<int>(places.size());
    int power = 1;
    while (power < sum) power *= 4;
    const std::vector<int> pads = squares(power - sum);
    if (pads.size() >= fewest) continue;
    fewest = pads.size();
    best.clear();
    for (const std::uint32_t place : places) {
      for (int c = 0; c < copies; ++c) best.push_back({2 * place + static_cast<std::uint32_t>(c), 1});
    }
    for (std::size_t i = 0; i < pads.size(); ++i) {
      best.push_back({end + static_cast<std::uint32_t>(i), pads[i]});
    }
  }
  return best;
}

/// Codes of the places in bits, those of each sign by themselves; one place has no bit at all.
std::vector<Reading> readings_of(const Places& places) {
  std::vector<Reading> result;
  for (const bool negative : {true, false}) {
    std::vector<std::uint32_t> members;
    for (std::uint32_t i = 0; i < places.width; ++i) {
      if (places.is_negative(i) == negative) members.push_back(i);
    }
    // The first code without a bit goes to the first negative place, or to the first place where there is none.
    const bool has_zero = negative || places.negative.empty();
    const std::size_t codes = members.size() + (has_zero ? 0 : 1);
    for (std::uint32_t bit = 0; (std::size_t{1} << bit) < codes; ++bit) {
      Reading reading;
      reading.sign = negative ? -1 : 1;
      reading.present.assign(places.width, false);
      std::vector<std::uint32_t> asked;
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (((i + (has_zero ? 0 : 1)) >> bit & 1U) == 0) continue;
        reading.present[members[i]] = true;
        asked.push_back(members[i]);
      }
      reading.query = query_of(asked, places.end());
      result.push_back(std::move(reading));
    }
  }
  return result;
}

/// The permutations and writes that a marker must be able to do.
struct MarkerWork {
  std::uint32_t width = 0;
  std::vector<Permutation> permutations;
  std::vector<std::uint32_t> writes;
};

std::size_t factors_of(const Places& places, const MarkerWork& work) {
  std::size_t most = 1;
  for (const Permutation& image : work.permutations) most = std::max(most, places.swaps(image).size());
  for (const std::uint32_t place : work.writes) {
    most = std::max<std::size_t>(most, places.write(place, true).factors.size());
  }
  return most;
}

std::uint32_t key_size_of(const Places& places, const std::vector<Reading>& readings) {
  std::uint32_t size = places.end();
  for (const Reading& reading : readings) {
    for (const StageEntry& entry : reading.query) size = std::max(size, entry.index + 1);
  }
  return size;
}

Places choose_places(const MarkerWork& work, bool signed_keys) {
  std::vector<std::vector<bool>> signs;
  if (signed_keys) {
    signs.emplace_back();
  } else if (work.width <= max_tried_width) {
    for (std::uint32_t mask = 1; mask + 1 < (1U << work.width); ++mask) {
      std::vector<bool>& negative = signs.emplace_back(work.width);
      for (std::uint32_t i = 0; i < work.width; ++i) negative[i] = (mask >> i & 1U) != 0;
    }
  } else {
    for (std::uint32_t one = 0; one < work.width; ++one) signs.emplace_back(work.width)[one] = true;
    std::vector<bool>& halves = signs.emplace_back(work.width);
    for (std::uint32_t i = 0; i < work.width; i += 2) halves[i] = true;
  }
  std::optional<Places> best;
  std::array<std::size_t, 3> least{};
  for (const std::vector<bool>& negative : signs) {
    for (const bool twice : {false, true}) {
      Places places{work.width, negative, twice};
      const std::vector<Reading> readings = readings_of(places);
      std::size_t keys = 16;
      while (keys < key_size_of(places, readings)) keys *= 4;
      const std::array<std::size_t, 3> cost = {factors_of(places, work), keys, readings.size()};
      if (best && cost >= least) continue;
      least = cost;
      best = std::move(places);
    }
  }
  return *best;
}

StageFeature row_feature(std::uint32_t row) { return {StageFeature::Kind::row, 0, row}; }
StageFeature slot_feature(std::uint32_t slot, std::uint32_t slots) {
  return {StageFeature::Kind::slot, 0, slot + 1 == slots ? StageFeature::absent : slot};
}
StageFeature reading_feature(std::uint32_t head, std::uint32_t column) {
  return {StageFeature::Kind::reading, head, column};
}
void replace(StageUnit& unit, StageFeature from, StageFeature to) {
  if (from == to) return;
  unit.writes.emplace_back(to, 1);
  unit.writes.emplace_back(from, -1);
}

/// Puts everything that was read back to absent.
void forget_readings(Stage& stage) {
  for (std::uint32_t h = 0; h < stage.heads.size(); ++h) {
    for (std::uint32_t c = 0; c < stage.heads[h].columns; ++c) {
      StageUnit unit{{reading_feature(h, c)}, {}};
      replace(unit, reading_feature(h, c), reading_feature(h, StageFeature::absent));
      stage.units.push_back(std::move(unit));
    }
  }
}

/// What follows a row: the same for every slot, or by slot.
using Following = std::vector<std::pair<std::vector<StageFeature>, std::uint32_t>>;

void push_row(Stage& stage, std::uint32_t row, const Following& following) {
  std::map<std::uint32_t, std::size_t> count;
  for (const auto& [tests, next] : following) ++count[next];
  const std::uint32_t usual = std::max_element(count.begin(), count.end(), [](const auto& a, const auto& b) {
                                return a.second < b.second;
                              })->first;
  StageUnit always{{row_feature(row)}, {}};
  replace(always, row_feature(row), row_feature(usual));
  if (!always.writes.empty()) stage.units.push_back(std::move(always));
  for (const auto& [tests, next] : following) {
    StageUnit unit{tests, {}};
    unit.tests.insert(unit.tests.begin(), row_feature(row));
    replace(unit, row_feature(usual), row_feature(next));
    if (!unit.writes.empty()) stage.units.push_back(std::move(unit));
  }
}

class Planner {
 public:
  Planner(const Dfa& minimal, bool signed_keys) : minimal_(minimal), signed_keys_(signed_keys) {}

  StagePlan group() {
    const GroupAction action = find_action(minimal_);
    const auto degree = static_cast<std::uint32_t>(action.degree);
    const auto [tracked, configurations] = base_of(action);
    MarkerWork work{std::max(degree, 2U), {}, tracked};
    for (const Permutation& letter : action.letters) work.permutations.push_back(widened(letter, work.width));
    const Places places = choose_places(work, signed_keys_);
    const std::vector<Reading> readings = readings_of(places);
    Stage stage;
    stage.name = "group";
    stage.rows = 1 + static_cast<std::uint32_t>(action.letters.size());
    stage.key_size = key_size_of(places, readings);
    for (const std::uint32_t point : tracked) {
      std::vector<StageAction> actions = {places.write(point, false)};
      for (const Permutation& letter : work.permutations) actions.push_back(places.permute(letter));
      for (const Reading& reading : readings) {
        stage.heads.push_back({StageHead::Kind::table, actions, reading.query, 1, reading.sign});
      }
    }
    // Every row is replaced by the usual label, and that by another where the markers say so.
    std::map<std::uint32_t, std::size_t> count;
    for (const auto& [places_of, state] : configurations) ++count[label(state)];
    const std::uint32_t usual = std::max_element(count.begin(), count.end(), [](const auto& a, const auto& b) {
                                  return a.second < b.second;
                                })->first;
    for (std::uint32_t row = 0; row < stage.rows; ++row) push_row(stage, row, {{{}, usual}});
    for (const auto& [at, state] : configurations) {
      StageUnit unit;
      for (std::size_t t = 0; t < tracked.size(); ++t) {
        append_pattern(unit.tests, readings, at[t], static_cast<std::uint32_t>(t * readings.size()));
      }
      replace(unit, row_feature(usual), row_feature(label(state)));
      if (!unit.writes.empty()) stage.units.push_back(std::move(unit));
    }
    forget_readings(stage);
    for (const std::uint32_t letter : action.letter_of_symbol) plan_.symbol_row.push_back(1 + letter);
    explain(stage, "the group", work);
    plan_.stages.push_back(std::move(stage));
    return finish();
  }

  StagePlan cascade(const CascadeOptions& options) {
    const Cascade cascade = make_cascade(minimal_, options);
    const auto depth = static_cast<std::uint32_t>(cascade.depth());
    if (depth == 0) {
      // One state: a table without heads.
      Stage stage;
      stage.name = "labels";
      stage.rows = 2;
      stage.key_size = 1;
      for (const std::uint32_t row : {0U, 1U}) push_row(stage, row, {{{}, label(minimal_.start())}});
      plan_.stages.push_back(std::move(stage));
      plan_.symbol_row.assign(minimal_.num_symbols(), 1);
      return finish();
    }
    // From the last level up: rows that do and lead to the same are one.
    std::vector<MergedRows> merged(depth);
    for (std::uint32_t l = depth; l-- > 0;)
      merged[l] = merge_rows(cascade, l, l + 1 < depth ? &merged[l + 1] : nullptr);
    for (const std::uint32_t row : cascade.symbol_row) plan_.symbol_row.push_back(1 + merged[0].number[row]);
    for (std::uint32_t l = 0; l < depth; ++l) level(cascade, l, merged[l]);
    if (plan_.times) {
      const Places places{2, signed_keys_ ? std::vector<bool>{} : std::vector<bool>{true, false}, false};
      const std::vector<Reading> readings = readings_of(places);
      Stage& first = plan_.stages.front();
      std::vector<StageAction> actions(first.rows, places.permute({1, 0}));
      actions[0] = places.write(1, false);
      first.heads.push_back({StageHead::Kind::table, std::move(actions), readings[0].query, 1, readings[0].sign});
      first.key_size = std::max(first.key_size, key_size_of(places, readings));
    }
    return finish();
  }

 private:
  std::uint32_t label(State state) const {
    return minimal_.label(state) == null_label ? 0 : static_cast<std::uint32_t>(minimal_.label(state));
  }

  static Permutation widened(Permutation letter, std::uint32_t width) {
    while (letter.size() < width) letter.push_back(static_cast<std::uint32_t>(letter.size()));
    return letter;
  }

  static void append_pattern(std::vector<StageFeature>& tests, const std::vector<Reading>& readings,
                             std::uint32_t place, std::uint32_t first_head) {
    for (std::uint32_t r = 0; r < readings.size(); ++r) {
      tests.push_back(reading_feature(first_head + r, readings[r].present[place] ? 0 : StageFeature::absent));
    }
  }

  using Configurations = std::map<std::vector<std::uint32_t>, State>;

  /// Where the points `tracked` are after every word, and the state then; nothing where that does not tell the state.
  std::optional<Configurations> configurations(const GroupAction& action,
                                               const std::vector<std::uint32_t>& tracked) const {
    Configurations result;
    std::vector<std::vector<std::uint32_t>> open = {tracked};
    result.emplace(tracked, minimal_.start());
    while (!open.empty()) {
      const std::vector<std::uint32_t> at = std::move(open.back());
      open.pop_back();
      const State from = result.at(at);
      for (Symbol a = 0; a < minimal_.num_symbols(); ++a) {
        const Permutation& letter = action.letters[action.letter_of_symbol[a]];
        std::vector<std::uint32_t> moved;
        for (const std::uint32_t place : at) moved.push_back(letter[place]);
        const auto [found, added] = result.emplace(moved, minimal_.next(from, a));
        if (!added && found->second != minimal_.next(from, a)) return std::nullopt;
        if (!added) continue;
        if (result.size() > max_configurations) {
          throw ResourceError("export: more than 2^20 arrangements of a group's markers");
        }
        open.push_back(std::move(moved));
      }
    }
    return result;
  }

  /// Points whose places tell the state, no one of them left out.
  std::pair<std::vector<std::uint32_t>, Configurations> base_of(const GroupAction& action) const {
    std::vector<std::uint32_t> tracked;
    // Marked points tell most.
    for (const bool marked : {true, false}) {
      for (std::uint32_t p = 0; p < action.degree; ++p) {
        if ((action.colour[p] != 0) == marked) tracked.push_back(p);
      }
    }
    std::optional<Configurations> found;
    std::size_t size = 0;
    for (; size <= tracked.size() && !found; ++size) {
      found = configurations(action, {tracked.begin(), tracked.begin() + static_cast<std::ptrdiff_t>(size)});
    }
    if (!found) throw InternalError("export: a group's points do not tell its states");
    tracked.resize(size - 1);
    for (std::size_t i = tracked.size(); i-- > 0;) {
      std::vector<std::uint32_t> fewer = tracked;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      if (std::optional<Configurations> without = configurations(action, fewer)) {
        tracked = std::move(fewer);
        found = std::move(without);
      }
    }
    return {std::move(tracked), *std::move(found)};
  }

  /// The rows of a level, equal ones merged.
  struct MergedRows {
    /// Per row of the cascade's level its number here.
    std::vector<std::uint32_t> number;
    /// Per merged row the action, and by old slot what follows: a merged row of the next stage, or a label. A single
    /// entry where it is the same for every slot that occurs.
    std::vector<std::uint32_t> action;
    std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> following;
  };

  MergedRows merge_rows(const Cascade& cascade, std::uint32_t l, const MergedRows* below) const {
    const CascadeLevel& level = cascade.levels[l];
    using BySlot = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
    std::vector<BySlot> following(level.rows.size());
    bool delayed = false;
    for (std::size_t r = 0; r < level.rows.size(); ++r) {
      const std::size_t end = r + 1 < level.rows.size() ? level.rows[r + 1].next : level.next.size();
      for (std::size_t i = level.rows[r].next; i < end; ++i) {
        if (level.next[i] == Cascade::no_row) continue;
        following[r].emplace_back(static_cast<std::uint32_t>(i - level.rows[r].next),
                                  below == nullptr ? label(level.next[i]) : 1 + below->number[level.next[i]]);
      }
      const bool same = std::all_of(following[r].begin(), following[r].end(),
                                    [&](const auto& each) { return each.second == following[r][0].second; });
      if (same && !following[r].empty()) following[r] = {{0, following[r][0].second}};
      delayed =
          delayed || (following[r].size() > 1 && level.actions[level.rows[r].action].kind == SlotAction::Kind::reset);
    }
    // Where the new chain does not sit on the level its slot means nothing: a reset, where the level has one, makes it
    // one and the same, so that fewer states are reached, and rows become equal.
    const auto reset = std::find_if(level.actions.begin(), level.actions.end(),
                                    [](const SlotAction& action) { return action.kind == SlotAction::Kind::reset; });
    MergedRows result;
    std::map<std::pair<std::uint32_t, BySlot>, std::uint32_t> numbers;
    for (std::size_t r = 0; r < level.rows.size(); ++r) {
      std::uint32_t action = level.rows[r].action;
      const bool idle = cascade.node_level[level.rows[r].new_node] != l && (delayed || following[r].size() <= 1);
      if (idle && reset != level.actions.end()) action = static_cast<std::uint32_t>(reset - level.actions.begin());
      const auto [found, added] =
          numbers.emplace(std::pair{action, following[r]}, static_cast<std::uint32_t>(numbers.size()));
      result.number.push_back(found->second);
      if (!added) continue;
      result.action.push_back(action);
      result.following.push_back(std::move(following[r]));
    }
    return result;
  }

  void level(const Cascade& cascade, std::uint32_t l, const MergedRows& merged) {
    const CascadeLevel& level = cascade.levels[l];
    const bool last = l + 1 == cascade.depth();
    const auto rows = static_cast<std::uint32_t>(merged.action.size());
    using Kind = SlotAction::Kind;
    const auto action_of = [&](std::uint32_t r) -> const SlotAction& { return level.actions[merged.action[r]]; };
    bool permutes = false;
    bool resets = false;
    for (const SlotAction& action : level.actions) {
      permutes = permutes || (action.kind == Kind::permutation && !is_identity(action.image));
      resets = resets || action.kind == Kind::reset;
    }
    std::vector<bool> selects(rows, false);
    bool delayed = false;
    for (std::uint32_t r = 0; r < rows; ++r) {
      selects[r] = merged.following[r].size() > 1;
      delayed = delayed || (selects[r] && action_of(r).kind == Kind::reset);
    }
    if (last && delayed) throw InternalError("export: the last level looks behind a reset");

    Stage stage;
    stage.name = "level " + std::to_string(l + 1);
    stage.rows = 1 + rows;
    const std::uint32_t width = level.width;
    std::vector<std::vector<StageFeature>> patterns(width);
    if (permutes) {
      MarkerWork work{width, {}, {cascade.start[l]}};
      for (const SlotAction& action : level.actions) {
        if (action.kind == Kind::permutation) work.permutations.push_back(action.image);
        if (action.kind == Kind::reset) work.writes.push_back(action.image[0]);
      }
      const Places places = choose_places(work, signed_keys_);
      const std::vector<Reading> readings = readings_of(places);
      stage.key_size = key_size_of(places, readings);
      std::vector<StageAction> actions = {places.write(cascade.start[l], false)};
      for (std::uint32_t r = 0; r < rows; ++r) {
        const SlotAction& action = action_of(r);
        actions.push_back(action.kind == Kind::permutation ? places.permute(action.image)
                          : action.kind == Kind::reset     ? places.write(action.image[0], true)
                                                           : StageAction{});
      }
      for (const Reading& reading : readings) {
        stage.heads.push_back({StageHead::Kind::table, actions, reading.query, 1, reading.sign});
      }
      for (std::uint32_t slot = 0; slot < width; ++slot) append_pattern(patterns[slot], readings, slot, 0);
      explain(stage, stage.name + " of the cascade", work);
      if (resets && plan_.why_gate.empty()) {
        plan_.why_gate = stage.name + " of the cascade permutes its " + std::to_string(width) +
                         " slots and resets them too; without a gate a reset takes a projection for every slot";
      }
    } else {
      stage.key_size = 1;
      const auto write = [&](std::uint32_t slot) {
        StageFactor factor{{{0, 1}}, 1, {}};
        if (slot + 1 < width) factor.value.push_back({slot, 1});
        return StageAction{false, {factor}};
      };
      std::vector<StageAction> actions = {write(cascade.start[l])};
      for (std::uint32_t r = 0; r < rows; ++r) {
        actions.push_back(action_of(r).kind == Kind::reset ? write(action_of(r).image[0]) : StageAction{});
      }
      stage.heads.push_back({StageHead::Kind::table, std::move(actions), {{0, 1}}, std::max(width, 2U) - 1, 1});
      for (std::uint32_t slot = 0; slot < width; ++slot) {
        patterns[slot] = {reading_feature(0, slot + 1 == width ? StageFeature::absent : slot)};
      }
    }

    if (delayed) {
      plan_.times = true;
      stage.slots = width;
      for (std::uint32_t slot = 0; slot + 1 < width; ++slot) {
        StageUnit unit{patterns[slot], {}};
        replace(unit, slot_feature(width - 1, width), slot_feature(slot, width));
        stage.units.push_back(std::move(unit));
      }
      forget_readings(stage);
      Stage delay;
      delay.name = stage.name + ", delayed";
      delay.rows = stage.rows;
      delay.key_size = 2;
      delay.heads.push_back({StageHead::Kind::delay, {}, {}, width - 1, 1});
      for (std::uint32_t slot = 0; slot < width; ++slot) {
        patterns[slot] = {reading_feature(0, slot + 1 == width ? StageFeature::absent : slot)};
      }
      plan_.stages.push_back(std::move(stage));
      stage = std::move(delay);
    }
    for (std::uint32_t r = 0; r < rows; ++r) {
      Following tests;
      for (const auto& [old_slot, next] : merged.following[r]) {
        if (!selects[r]) {
          tests = {{{}, next}};
          break;
        }
        tests.emplace_back(patterns[delayed ? old_slot : action_of(r).apply(old_slot)], next);
      }
      if (!tests.empty()) push_row(stage, 1 + r, tests);
    }
    push_row(stage, 0, {{{}, last ? label(minimal_.start()) : 0U}});
    if (delayed) {
      for (std::uint32_t slot = 0; slot + 1 < width; ++slot) {
        StageUnit unit{{slot_feature(slot, width)}, {}};
        replace(unit, slot_feature(slot, width), slot_feature(width - 1, width));
        stage.units.push_back(std::move(unit));
      }
    }
    forget_readings(stage);
    plan_.stages.push_back(std::move(stage));
  }

  void explain(const Stage& stage, const std::string& what, const MarkerWork& work) {
    if (stage.num_householder() <= 1 || !plan_.why_factors.empty()) return;
    std::size_t reflections = 1;
    for (const Permutation& image : work.permutations) {
      reflections = std::max(reflections, image.size() - cycle_count(image));
    }
    if (reflections > 1) {
      plan_.why_factors = what + " has a letter that permutes " + std::to_string(work.width) +
                          " places with reflection length " + std::to_string(reflections) +
                          ", and no product of fewer factors is that permutation (Scherk 1950)";
    } else {
      plan_.why_factors = what + " needs " + std::to_string(stage.num_householder()) +
                          " factors with keys that silu leaves nonnegative: such a key swaps a place of each sign, and "
                          "a negative one cannot be written at once";
    }
  }

  StagePlan finish() {
    for (const Stage& stage : plan_.stages) {
      plan_.num_householder = std::max(plan_.num_householder, stage.num_householder());
      plan_.gated = plan_.gated || stage.gated();
    }
    return std::move(plan_);
  }

  const Dfa& minimal_;
  bool signed_keys_;
  StagePlan plan_;
};

}  // namespace

std::size_t Stage::num_householder() const {
  std::size_t most = 1;
  for (const StageHead& head : heads) {
    for (const StageAction& action : head.actions) most = std::max(most, action.factors.size());
  }
  return most;
}

bool Stage::gated() const {
  return std::any_of(heads.begin(), heads.end(), [](const StageHead& head) {
    return std::any_of(head.actions.begin(), head.actions.end(),
                       [](const StageAction& action) { return action.clears; });
  });
}

StagePlan plan_stages(const Language& language, bool signed_keys, const CascadeOptions& options) {
  Planner planner(language.minimal(), signed_keys);
  return language.is_group() && language.minimal().num_states() > 1 ? planner.group() : planner.cascade(options);
}

}  // namespace krohn
