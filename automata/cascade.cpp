// Cascades by the walk over contexts. From the contexts (letter, Q, Q) downwards, each level first settles which
// slots occur at its nodes (the start's, and whatever rows write there), then gives every row an action that is right
// on those slots, and hands on one context for each. Slots that never occur take no width, and a level on which a
// single slot occurs is passed over.
//
// The walk asks the set system for the sets' behaviour; verify_cascade asks nothing but the rows and the automaton,
// and its induction covers all coordinate tuples. Cost: linear in the rows and their entries.
#include "krohn/automata/cascade.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "krohn/automata/congruence.hpp"
#include "krohn/automata/transformation.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::uint32_t none = 0xFFFFFFFFU;

struct Context {
  std::uint32_t letter, old_set, new_set;
  friend bool operator==(const Context&, const Context&) = default;
};
struct ContextHash {
  std::size_t operator()(const Context& c) const {
    std::uint64_t h = (std::uint64_t{c.old_set} << 32 | c.new_set) * 0x9E3779B97F4A7C15U;
    h = (h ^ (h >> 31) ^ c.letter) * 0xBF58476D1CE4E5B9U;
    return static_cast<std::size_t>(h ^ (h >> 32));
  }
};

// The permutation of {0, .., width-1} with the fewest reflections that extends an injective partial map: what is left
// of each path is closed into a cycle, everything else stays.
std::vector<std::uint32_t> closed_permutation(std::uint32_t width,
                                              const std::vector<std::pair<std::uint32_t, std::uint32_t>>& map) {
  std::vector<std::uint32_t> image(width, none);
  std::vector<std::uint32_t> preimage(width, none);
  for (const auto& [from, to] : map) {
    image[from] = to;
    if (preimage[to] != none) throw InternalError("cascade: an action is not injective");
    preimage[to] = from;
  }
  for (std::uint32_t end = 0; end < width; ++end) {
    if (image[end] != none) continue;
    std::uint32_t begin = end;
    while (preimage[begin] != none) begin = preimage[begin];
    image[end] = begin;
    preimage[begin] = end;
  }
  return image;
}

class Walk {
 public:
  Walk(SetSystem& system, const Dfa& dfa, const DistinctLetters& letters, std::size_t max_rows)
      : system_(system), dfa_(dfa), letters_(letters), max_rows_(max_rows) {
    cascade_.num_states = dfa.num_states();
  }

  Cascade run() {
    start_chain();
    std::vector<Context> contexts;
    for (std::uint32_t a = 0; a < letters_.images.size(); ++a) contexts.push_back({a, system_.root(), system_.root()});
    // handed_on[r]: the place, in the level above or in symbol_row, that awaits the number of context r.
    for (const std::uint32_t a : letters_.of_symbol) cascade_.symbol_row.push_back(a);
    std::vector<std::uint32_t>* waiting = &cascade_.symbol_row;
    for (std::uint32_t level = 0; level < system_.depth(); ++level) {
      contexts = expand(level, contexts, waiting);
      waiting = cascade_.levels.empty() ? &cascade_.symbol_row : &cascade_.levels.back().next;
    }
    std::vector<std::uint32_t> state(contexts.size());
    for (std::size_t r = 0; r < contexts.size(); ++r) state[r] = system_.point(contexts[r].new_set);
    redirect(*waiting, state);
    finish_nodes();
    cascade_.family = system_.num_sets();
    return std::move(cascade_);
  }

 private:
  static void redirect(std::vector<std::uint32_t>& waiting, const std::vector<std::uint32_t>& target) {
    for (std::uint32_t& entry : waiting) {
      if (entry != Cascade::no_row) entry = target[entry];
    }
  }

  void start_chain() {
    start_slot_.assign(system_.depth(), 0);
    start_set_.assign(system_.depth(), none);
    std::uint32_t set = system_.root();
    while (system_.level(set) < system_.depth()) {
      const std::uint32_t level = system_.level(set);
      start_set_[level] = set;
      start_slot_[level] = system_.tile_with(set, dfa_.start());
      set = system_.tile(set, start_slot_[level]);
    }
  }

  struct Node {
    std::uint32_t set = 0;
    std::uint32_t level = 0;                     // of the finished cascade
    std::uint32_t alias = none;                  // the set that stands for it where its level was passed over
    std::vector<std::uint32_t> slot_of_tile;     // none where the tile does not occur
    std::vector<std::uint32_t> occurring_tiles;  // ascending
  };

  std::vector<Context> expand(std::uint32_t level, const std::vector<Context>& contexts,
                              std::vector<std::uint32_t>* waiting) {
    struct Plan {
      bool old_here = false;
      bool new_here = false;
      bool permutes = false;
      std::uint32_t target = 0;
      std::vector<std::uint32_t> map;
    };
    std::vector<Plan> plans(contexts.size());
    // Which tiles occur at which node: the start's, resets' targets, and images of occurring tiles.
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> waiting_rows;  // by old set
    std::vector<std::pair<std::uint32_t, std::uint32_t>> fresh;                  // (set, tile)
    const auto occurs = [&](std::uint32_t set, std::uint32_t tile) {
      Node& node = node_of(set);
      if (node.slot_of_tile.empty()) node.slot_of_tile.assign(system_.num_tiles(set), none);
      if (node.slot_of_tile[tile] != none) return;
      node.slot_of_tile[tile] = 0;
      fresh.emplace_back(set, tile);
    };
    if (start_set_[level] != none) occurs(start_set_[level], start_slot_[level]);
    for (std::uint32_t r = 0; r < contexts.size(); ++r) {
      const Context& c = contexts[r];
      Plan& plan = plans[r];
      node_number(c.old_set);
      node_number(c.new_set);
      plan.old_here = system_.level(c.old_set) == level;
      plan.new_here = system_.level(c.new_set) == level;
      if (!plan.new_here) continue;
      const bool onto = system_.carries_onto(c.old_set, c.letter, c.new_set);
      if (onto && !plan.old_here) throw InternalError("cascade: a set is carried onto one of another level");
      if (onto) {
        plan.permutes = true;
        plan.map = system_.tile_map(c.old_set, c.letter, c.new_set);
      } else {
        plan.target = system_.tile_around(c.old_set, c.letter, c.new_set);
      }
      if (plan.old_here) {
        waiting_rows[c.old_set].push_back(r);
      } else {
        occurs(c.new_set, plan.target);
      }
    }
    while (!fresh.empty()) {
      const auto [set, tile] = fresh.back();
      fresh.pop_back();
      const auto rows = waiting_rows.find(set);
      if (rows == waiting_rows.end()) continue;
      for (const std::uint32_t r : rows->second) {
        occurs(contexts[r].new_set, plans[r].permutes ? plans[r].map[tile] : plans[r].target);
      }
    }
    // Number the tile indices that occur anywhere on the level; a node's slots are shared by all nodes.
    std::vector<bool> used;
    std::vector<std::uint32_t> here;
    for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
      Node& node = nodes_[n];
      if (system_.level(node.set) != level) continue;
      here.push_back(n);
      for (std::uint32_t tile = 0; tile < node.slot_of_tile.size(); ++tile) {
        if (node.slot_of_tile[tile] == none) continue;
        if (used.size() <= tile) used.resize(tile + 1, false);
        used[tile] = true;
      }
    }
    std::vector<std::uint32_t> slot(used.size(), none);
    std::uint32_t width = 0;
    for (std::size_t tile = 0; tile < used.size(); ++tile) {
      if (used[tile]) slot[tile] = width++;
    }
    const bool passed_over = width <= 1;
    for (const std::uint32_t n : here) {
      Node& node = nodes_[n];
      for (std::uint32_t tile = 0; tile < node.slot_of_tile.size(); ++tile) {
        if (node.slot_of_tile[tile] == none) continue;
        node.slot_of_tile[tile] = slot[tile];
        node.occurring_tiles.push_back(tile);
      }
      node.level = static_cast<std::uint32_t>(cascade_.levels.size());
      if (!passed_over) continue;
      if (node.occurring_tiles.empty()) throw InternalError("cascade: a set that the chain reaches has no tile");
      node.alias = system_.tile(node.set, node.occurring_tiles[0]);
    }

    std::vector<Context> following;
    std::unordered_map<Context, std::uint32_t, ContextHash> number;
    const auto hand_on = [&](std::uint32_t letter, std::uint32_t old_set, std::uint32_t new_set) {
      const Context context{letter, old_set, new_set};
      const auto [place, added] = number.emplace(context, static_cast<std::uint32_t>(following.size()));
      if (added) {
        following.push_back(context);
        if (level + 1 < system_.depth() && rows_ + following.size() > max_rows_) {
          throw ResourceError("more than " + std::to_string(max_rows_) + " rows (--max-rows), reached on level " +
                              std::to_string(level + 2) + " of " + std::to_string(system_.depth()));
        }
      }
      return place->second;
    };
    if (passed_over) {
      std::vector<std::uint32_t> successor(contexts.size(), Cascade::no_row);
      for (std::uint32_t r = 0; r < contexts.size(); ++r) {
        const Context& c = contexts[r];
        const std::uint32_t old_set = plans[r].old_here ? only_tile(c.old_set) : c.old_set;
        const std::uint32_t new_set = plans[r].new_here ? only_tile(c.new_set) : c.new_set;
        if (old_set != none && new_set != none) successor[r] = hand_on(c.letter, old_set, new_set);
      }
      redirect(*waiting, successor);
      return following;
    }
    rows_ += contexts.size();

    CascadeLevel out;
    out.width = width;
    std::map<SlotAction, std::uint32_t> action_number;
    const auto number_action = [&](SlotAction action) {
      const auto [place, added] = action_number.emplace(action, static_cast<std::uint32_t>(out.actions.size()));
      if (added) out.actions.push_back(std::move(action));
      return place->second;
    };
    // A row that permutes, seen on the slots that occur, may be the identity or (a single slot) a reset.
    bool has_permutation = false;
    std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> moves(contexts.size());
    std::vector<bool> fixes(contexts.size(), false);
    for (std::uint32_t r = 0; r < contexts.size(); ++r) {
      if (!plans[r].permutes) continue;
      const Node& from = node_of(contexts[r].old_set);
      const Node& to = node_of(contexts[r].new_set);
      bool identity = true;
      for (const std::uint32_t tile : from.occurring_tiles) {
        const std::uint32_t a = from.slot_of_tile[tile];
        const std::uint32_t b = to.slot_of_tile[plans[r].map[tile]];
        moves[r].emplace_back(a, b);
        identity = identity && a == b;
      }
      fixes[r] = identity;
      if (!identity && moves[r].size() > 1) has_permutation = true;
    }
    out.rows.reserve(contexts.size());
    for (std::uint32_t r = 0; r < contexts.size(); ++r) {
      const Context& c = contexts[r];
      const Plan& plan = plans[r];
      SlotAction action;
      if (plan.permutes && !fixes[r]) {
        if (has_permutation) {
          action = {SlotAction::Kind::permutation, closed_permutation(width, moves[r])};
        } else {
          action = {SlotAction::Kind::reset, {moves[r][0].second}};
        }
      } else if (plan.new_here && !plan.permutes) {
        const std::uint32_t target = node_of(c.new_set).slot_of_tile[plan.target];
        action = {SlotAction::Kind::reset, {target}};
        if (plan.old_here) {
          const Node& from = node_of(c.old_set);
          if (from.occurring_tiles.size() == 1 && from.slot_of_tile[from.occurring_tiles[0]] == target) action = {};
        }
      }
      CascadeRow row{letters_.symbol[c.letter], node_number(c.old_set), node_number(c.new_set), 0,
                     static_cast<std::uint32_t>(out.next.size())};
      const auto new_after = [&](std::uint32_t new_slot) {
        if (!plan.new_here) return c.new_set;
        return tile_at(c.new_set, new_slot);
      };
      if (plan.old_here) {
        const std::vector<std::uint32_t> tiles = node_of(c.old_set).occurring_tiles;
        const std::size_t base = out.next.size();
        const std::uint32_t slots = tiles.empty() ? 0 : node_of(c.old_set).slot_of_tile[tiles.back()] + 1;
        out.next.resize(base + slots, Cascade::no_row);
        for (const std::uint32_t tile : tiles) {
          const std::uint32_t old_slot = node_of(c.old_set).slot_of_tile[tile];
          const std::uint32_t old_next = system_.tile(c.old_set, tile);
          out.next[base + old_slot] = hand_on(c.letter, old_next, new_after(action.apply(old_slot)));
        }
      } else {
        out.next.push_back(hand_on(c.letter, c.old_set, new_after(plan.new_here ? action.image[0] : 0)));
      }
      row.action = number_action(std::move(action));
      out.rows.push_back(row);
    }
    if (out.next.size() >= none) throw ResourceError("a level has more than 2^32 entries");
    cascade_.levels.push_back(std::move(out));
    return following;
  }

  Node& node_of(std::uint32_t set) { return nodes_[node_number(set)]; }
  std::uint32_t node_number(std::uint32_t set) {
    const auto [place, added] = node_index_.emplace(set, static_cast<std::uint32_t>(nodes_.size()));
    if (added) {
      nodes_.emplace_back();
      nodes_.back().set = set;
    }
    return place->second;
  }
  std::uint32_t only_tile(std::uint32_t set) {
    const Node& node = node_of(set);
    return node.occurring_tiles.empty() ? none : system_.tile(set, node.occurring_tiles[0]);
  }
  std::uint32_t tile_at(std::uint32_t set, std::uint32_t slot) {
    const Node& node = node_of(set);
    for (const std::uint32_t tile : node.occurring_tiles) {
      if (node.slot_of_tile[tile] == slot) return system_.tile(set, tile);
    }
    throw InternalError("cascade: an action leads to a slot that does not occur");
  }

  // Nodes are numbered as met; children lead past levels that were passed over.
  void finish_nodes() {
    const auto settle = [&](std::uint32_t set) {
      while (node_of(set).alias != none) set = node_of(set).alias;
      return node_number(set);
    };
    cascade_.root = settle(system_.root());
    const auto depth = static_cast<std::uint32_t>(cascade_.levels.size());
    cascade_.child_offset.push_back(0);
    for (std::size_t n = 0; n < nodes_.size(); ++n) {  // grows: a child may be met here first
      const std::uint32_t set = nodes_[n].set;
      const bool leaf = system_.level(set) == system_.depth();
      if (!leaf && nodes_[n].alias == none) {
        const std::vector<std::uint32_t> tiles = nodes_[n].occurring_tiles;
        for (const std::uint32_t tile : tiles) {
          const std::uint32_t slot = nodes_[n].slot_of_tile[tile];
          cascade_.child.resize(cascade_.child_offset[n] + slot, Cascade::no_node);
          const std::uint32_t next = settle(system_.tile(set, tile));
          cascade_.child.push_back(next);
        }
      }
      cascade_.child_offset.push_back(static_cast<std::uint32_t>(cascade_.child.size()));
      cascade_.node_level.push_back(leaf ? depth : nodes_[n].level);
      cascade_.node_state.push_back(leaf ? system_.point(set) : 0);
    }
    std::uint32_t node = cascade_.root;
    cascade_.start.assign(depth, 0);
    while (cascade_.node_level[node] < depth) {
      const Node& from = nodes_[node];
      const std::uint32_t tile = system_.tile_with(from.set, dfa_.start());
      const std::uint32_t slot = from.slot_of_tile[tile];
      cascade_.start[from.level] = slot;
      node = cascade_.child_at(node, slot);
    }
  }

  SetSystem& system_;
  const Dfa& dfa_;
  const DistinctLetters& letters_;
  std::size_t max_rows_;
  Cascade cascade_;
  std::size_t rows_ = 0;
  std::vector<std::uint32_t> start_slot_;
  std::vector<std::uint32_t> start_set_;
  std::deque<Node> nodes_;  // references to nodes outlive growth
  std::unordered_map<std::uint32_t, std::uint32_t> node_index_;
};

// The reflections that the distinct permutations of all levels take: width less cycles for each.
std::size_t num_reflections(const Cascade& cascade) {
  std::size_t count = 0;
  for (const CascadeLevel& level : cascade.levels) {
    for (const SlotAction& action : level.actions) {
      if (action.kind != SlotAction::Kind::permutation) continue;
      std::vector<bool> seen(level.width, false);
      for (std::uint32_t slot = 0; slot < level.width; ++slot) {
        for (std::uint32_t at = slot; !seen[at]; at = action.image[at]) {
          seen[at] = true;
          if (action.image[at] != slot) ++count;
        }
      }
    }
  }
  return count;
}

std::string modes_of(const std::vector<CascadePart>& parts) {
  std::string names;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i == 0 || parts[i].mode != parts[i - 1].mode) names += (i == 0 ? "" : "+") + mode_name(parts[i].mode);
  }
  return names;
}

// A set system and the parts that it is made of.
struct Assembly {
  std::unique_ptr<SetSystem> sets;
  std::vector<CascadePart> parts;
};

Cascade walked(const Assembly& assembly, const Dfa& dfa, const DistinctLetters& letters, std::size_t max_rows) {
  Cascade cascade;
  try {
    cascade = Walk(*assembly.sets, dfa, letters, max_rows).run();
  } catch (const ResourceError& error) {
    throw ResourceError("mode " + modes_of(assembly.parts) + ": " + error.what());
  }
  cascade.parts = assembly.parts;
  return cascade;
}

class Assembler {
 public:
  Assembler(const CascadeOptions& options) : options_(options) {
    if (options.resets_only) {
      modes_ = {options.mode.value_or(CascadeMode::images)};
    } else if (options.mode) {
      modes_ = {*options.mode};
    } else {
      modes_ = {CascadeMode::images, CascadeMode::pulled, CascadeMode::points};
    }
  }

  /// A system in each mode that stays within its caps, shallowest first, the order of the modes on a tie.
  std::vector<Assembly> whole(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                              const std::vector<std::vector<State>>& roots) {
    std::vector<Assembly> result;
    for (const CascadeMode mode : modes_) {
      if (!result.empty() && result.front().sets->depth() <= 1) break;
      try {
        Assembly assembly{make_set_system(num_states, letters, roots, mode, options_.max_family), {}};
        assembly.parts = {{mode, assembly.sets->depth()}};
        result.push_back(std::move(assembly));
      } catch (const ResourceError& error) {
        add_reason(error.what());
      }
    }
    std::stable_sort(result.begin(), result.end(),
                     [](const Assembly& a, const Assembly& b) { return a.sets->depth() < b.sets->depth(); });
    return result;
  }

  /// The shallowest system that splits by a congruence, if its depth is below `depth`; quotients are split again.
  std::optional<Assembly> split(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                                std::size_t depth, std::size_t max_congruences) {
    std::optional<Assembly> best;
    if (max_congruences == 0 || depth <= 2) return best;  // a split has two levels
    for (const Partition& partition : small_congruences(num_states, letters, max_congruences, budget_)) {
      const std::vector<std::vector<State>> classes = classes_of(partition);
      const std::vector<std::vector<State>> above = quotient_letters(letters, partition);
      std::vector<Assembly> lower = whole(num_states, letters, classes);
      if (lower.empty() || lower.front().sets->depth() + 1 >= depth) continue;
      std::vector<State> all(classes.size());
      std::iota(all.begin(), all.end(), State{0});
      std::vector<Assembly> upper = whole(classes.size(), above, {all});
      if (upper.empty()) continue;
      if (std::optional<Assembly> further =
              split(classes.size(), above, upper.front().sets->depth(), max_congruences / 4)) {
        upper.front() = *std::move(further);
      }
      const std::size_t sum = upper.front().sets->depth() + lower.front().sets->depth();
      if (sum >= depth) continue;
      depth = sum;
      Assembly& top = upper.front();
      const Assembly& bottom = lower.front();
      std::vector<CascadePart> parts = top.parts;
      parts.insert(parts.end(), bottom.parts.begin(), bottom.parts.end());
      best = Assembly{make_split_system(partition, std::move(top.sets), std::move(lower.front().sets)), parts};
    }
    return best;
  }

  /// Splits are then searched as long as so many pairs of states have not been looked at.
  void set_budget(std::size_t pairs) { budget_ = pairs; }

  void add_reason(const std::string& reason) {
    if (std::find(reasons_.begin(), reasons_.end(), reason) == reasons_.end()) reasons_.push_back(reason);
  }
  /// Every cap that was passed on the way.
  std::string reasons() const {
    std::string all;
    for (const std::string& reason : reasons_) all += (all.empty() ? "" : "; ") + reason;
    return all;
  }

 private:
  const CascadeOptions& options_;
  std::size_t budget_ = SIZE_MAX;
  std::vector<CascadeMode> modes_;
  std::vector<std::string> reasons_;
};

// Above so many states the search for a split may cost about as much as the cascade of the best mode, and modes and
// splits of one depth do not compete for the fewest rows, which would take another cascade: every row of that cascade
// allows looking at so many pairs of states, and so many rows one congruence to be tried.
constexpr std::size_t many_states = 50;
constexpr std::size_t pairs_a_row = 2;
constexpr std::size_t rows_a_congruence = 16384;

Cascade chosen(const Dfa& dfa, const CascadeOptions& options, const DistinctLetters& letters) {
  Assembler assembler(options);
  std::vector<State> all(dfa.num_states());
  std::iota(all.begin(), all.end(), State{0});
  std::vector<Assembly> candidates = assembler.whole(dfa.num_states(), letters.images, {all});
  const std::size_t depth = candidates.empty() ? dfa.num_states() : candidates.front().sets->depth();
  // With a mode of its own the caller has said how; where no mode is within its caps, no part will be.
  std::size_t max_congruences = options.split && !options.mode && !candidates.empty() ? 32 : 0;
  std::optional<Cascade> best;
  const auto merit = [](const Cascade& c) { return std::tuple(c.depth(), c.num_rows(), num_reflections(c)); };
  const auto walk = [&](const Assembly& candidate) {
    try {
      // A competitor of the same depth is of interest only with as few rows.
      const bool competes = best && candidate.sets->depth() == best->depth();
      Cascade next = walked(candidate, dfa, letters, competes ? best->num_rows() : options.max_rows);
      if (!best || merit(next) < merit(*best)) best = std::move(next);
    } catch (const ResourceError& error) {
      assembler.add_reason(error.what());
    }
  };
  const bool large = dfa.num_states() > many_states && !candidates.empty();
  if (large) {
    walk(candidates.front());
    if (best) {
      assembler.set_budget(pairs_a_row * best->num_rows());
      max_congruences = std::min(max_congruences, 1 + best->num_rows() / rows_a_congruence);
    }
  }
  if (std::optional<Assembly> split =
          assembler.split(dfa.num_states(), letters.images, large && best ? depth : depth + 1, max_congruences)) {
    walk(*split);
  }
  for (std::size_t i = large ? 1 : 0; i < candidates.size(); ++i) {
    if (best && (candidates[i].sets->depth() > best->depth() || large)) break;
    walk(candidates[i]);
  }
  if (best) return *std::move(best);
  throw ResourceError("cascade: " + assembler.reasons() + "; try a larger --max-rows or --max-family" +
                      (options.mode ? ", or --cascade auto" : ""));
}

}  // namespace

std::string Cascade::modes() const { return modes_of(parts); }

std::vector<std::size_t> Cascade::widths() const {
  std::vector<std::size_t> result;
  for (const CascadeLevel& level : levels) result.push_back(level.width);
  return result;
}

std::size_t Cascade::num_rows() const noexcept {
  std::size_t count = 0;
  for (const CascadeLevel& level : levels) count += level.rows.size();
  return count;
}

bool Cascade::resets_only() const noexcept {
  return std::none_of(levels.begin(), levels.end(), [](const CascadeLevel& level) {
    return std::any_of(level.actions.begin(), level.actions.end(),
                       [](const SlotAction& action) { return action.kind == SlotAction::Kind::permutation; });
  });
}

std::vector<std::uint32_t> Cascade::encode(State state) const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> parent(node_level.size(), {no_node, 0});  // (node, slot)
  std::vector<std::uint32_t> queue = {root};
  parent[root] = {root, 0};
  for (std::size_t head = 0; head < queue.size(); ++head) {
    const std::uint32_t node = queue[head];
    if (node_level[node] == depth()) {
      if (node_state[node] != state) continue;
      std::vector<std::uint32_t> coordinates(depth(), 0);
      for (std::uint32_t at = node; at != root; at = parent[at].first) {
        coordinates[node_level[parent[at].first]] = parent[at].second;
      }
      return coordinates;
    }
    for (std::uint32_t i = child_offset[node]; i < child_offset[node + 1]; ++i) {
      if (child[i] == no_node || parent[child[i]].first != no_node) continue;
      parent[child[i]] = {node, i - child_offset[node]};
      queue.push_back(child[i]);
    }
  }
  throw InternalError("cascade: state " + std::to_string(state) + " does not occur");
}

State Cascade::decode(const std::vector<std::uint32_t>& coordinates) const {
  std::uint32_t node = root;
  while (node_level[node] < depth()) {
    node = child_at(node, coordinates[node_level[node]]);
    if (node == no_node) throw InternalError("cascade: coordinates that do not occur");
  }
  return node_state[node];
}

State Cascade::step(std::vector<std::uint32_t>& coordinates, Symbol symbol) const {
  std::uint32_t row = symbol_row[symbol];
  for (std::size_t l = 0; l < levels.size(); ++l) {
    if (row == no_row) throw InternalError("cascade: coordinates that do not occur");
    const CascadeRow& entry = levels[l].rows[row];
    const std::uint32_t old_slot = coordinates[l];
    coordinates[l] = levels[l].actions[entry.action].apply(old_slot);
    const std::uint32_t end = row + 1 < levels[l].rows.size() ? levels[l].rows[row + 1].next
                                                              : static_cast<std::uint32_t>(levels[l].next.size());
    const std::uint32_t at = entry.next + (node_level[entry.old_node] == l ? old_slot : 0);
    row = at < end ? levels[l].next[at] : no_row;
  }
  if (row == no_row) throw InternalError("cascade: coordinates that do not occur");
  return row;
}

Cascade make_cascade(const Dfa& dfa, const CascadeOptions& options) {
  Cascade cascade = chosen(dfa, options, distinct_letters(dfa));
  const std::vector<std::string> faults = verify_cascade(cascade, dfa);
  if (!faults.empty()) throw InternalError("cascade: self-verification failed: " + faults.front());
  if (options.resets_only && !cascade.resets_only()) {
    throw InputError(
        cascade.modes() == "G"
            ? "spectrum: expected an aperiodic (star-free) language for nonnegative eigenvalues, got one with a "
              "non-trivial group (levels that permute need an eigenvalue -1)"
            : "spectrum: expected levels that only reset, got permutations in mode " + cascade.modes() +
                  "; try --cascade G, which has none where the language is aperiodic");
  }
  return cascade;
}

std::vector<std::string> verify_cascade(const Cascade& cascade, const Dfa& dfa) {
  constexpr std::size_t max_faults = 16;
  std::vector<std::string> faults;
  const auto fault = [&](std::string text) {
    if (faults.size() < max_faults) faults.push_back(std::move(text));
  };
  const auto depth = static_cast<std::uint32_t>(cascade.depth());
  const std::size_t nodes = cascade.node_level.size();
  if (cascade.symbol_row.size() != dfa.num_symbols()) return {"symbol rows: their number is not that of the symbols"};
  if (cascade.child_offset.size() != nodes + 1 || cascade.node_state.size() != nodes || cascade.root >= nodes ||
      cascade.start.size() != depth || cascade.child_offset.back() != cascade.child.size()) {
    return {"nodes: sizes do not agree"};
  }
  for (std::size_t n = 0; n < nodes; ++n) {
    const std::uint32_t level = cascade.node_level[n];
    const std::string at = "node " + std::to_string(n);
    if (level > depth) return {at + ": level out of range"};
    if (cascade.child_offset[n] > cascade.child_offset[n + 1]) return {at + ": child offsets descend"};
    if (level == depth && cascade.node_state[n] >= dfa.num_states()) return {at + ": state out of range"};
    if (level == depth && cascade.child_offset[n] != cascade.child_offset[n + 1]) fault(at + ": a leaf has children");
    if (level < depth && cascade.child_offset[n + 1] - cascade.child_offset[n] > cascade.levels[level].width) {
      fault(at + ": more children than slots");
    }
    for (std::uint32_t i = cascade.child_offset[n]; i < cascade.child_offset[n + 1]; ++i) {
      const std::uint32_t next = cascade.child[i];
      if (next == Cascade::no_node) continue;
      if (next >= nodes) return {at + ": child out of range"};
      if (cascade.node_level[next] <= level) fault(at + ": a child sits no deeper");
    }
  }
  if (!faults.empty()) return faults;

  // The start: its coordinates are a chain of occurring slots that ends in the start state.
  {
    std::uint32_t node = cascade.root;
    while (node != Cascade::no_node && cascade.node_level[node] < depth) {
      node = cascade.child_at(node, cascade.start[cascade.node_level[node]]);
    }
    if (node == Cascade::no_node || cascade.node_state[node] != dfa.start()) fault("start: decodes to another state");
    for (std::size_t l = 0; l < depth; ++l) {
      if (cascade.start[l] >= cascade.levels[l].width) fault("start: slot out of range");
    }
  }

  // (letter, P, P') must be the context of the row, or after the last level delta must carry P's state to P'.
  const auto expect = [&](std::size_t level, std::uint32_t row, std::uint32_t letter, std::uint32_t old_node,
                          std::uint32_t new_node, const std::string& at) {
    if (level < depth) {
      const std::vector<CascadeRow>& rows = cascade.levels[level].rows;
      if (row >= rows.size()) return fault(at + ": next row out of range");
      if (rows[row].letter != letter || rows[row].old_node != old_node || rows[row].new_node != new_node) {
        fault(at + ": the next row belongs to another context");
      }
      return;
    }
    if (cascade.node_level[old_node] != depth || cascade.node_level[new_node] != depth) {
      return fault(at + ": the chain does not end in a singleton");
    }
    const State state = cascade.node_state[new_node];
    if (row != state) fault(at + ": the new state is not that of the new chain");
    if (dfa.next(cascade.node_state[old_node], letter) != state) fault(at + ": the letter does not lead there");
  };

  const DistinctLetters letters = distinct_letters(dfa);
  for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) {
    const std::uint32_t letter = letters.symbol[letters.of_symbol[symbol]];
    expect(0, cascade.symbol_row[symbol], letter, cascade.root, cascade.root, "symbol " + std::to_string(symbol));
  }
  for (std::uint32_t l = 0; l < depth; ++l) {
    const CascadeLevel& level = cascade.levels[l];
    for (std::size_t a = 0; a < level.actions.size(); ++a) {
      const SlotAction& action = level.actions[a];
      const std::string at = "level " + std::to_string(l) + ", action " + std::to_string(a);
      switch (action.kind) {
        case SlotAction::Kind::identity:
          if (!action.image.empty()) fault(at + ": an identity with images");
          break;
        case SlotAction::Kind::reset:
          if (action.image.size() != 1 || action.image[0] >= level.width) return {at + ": no reset to a slot"};
          break;
        case SlotAction::Kind::permutation: {
          if (action.image.size() != level.width) return {at + ": no permutation of the slots"};
          std::vector<bool> seen(level.width, false);
          for (const std::uint32_t slot : action.image) {
            if (slot >= level.width || seen[slot]) return {at + ": no permutation of the slots"};
            seen[slot] = true;
          }
          break;
        }
      }
    }
    for (std::size_t r = 0; r < level.rows.size(); ++r) {
      const CascadeRow& row = level.rows[r];
      const std::string at = "level " + std::to_string(l) + ", row " + std::to_string(r);
      const std::size_t end = r + 1 < level.rows.size() ? level.rows[r + 1].next : level.next.size();
      if (row.action >= level.actions.size() || row.old_node >= nodes || row.new_node >= nodes ||
          row.letter >= dfa.num_symbols() || row.next > end || end > level.next.size()) {
        return {at + ": an index is out of range"};
      }
      const SlotAction& action = level.actions[row.action];
      const bool old_here = cascade.node_level[row.old_node] == l;
      const bool new_here = cascade.node_level[row.new_node] == l;
      if (cascade.node_level[row.old_node] < l || cascade.node_level[row.new_node] < l) {
        fault(at + ": a chain is behind its level");
        continue;
      }
      if (!new_here && action.kind != SlotAction::Kind::identity) fault(at + ": a slot that does not matter is moved");
      if (new_here && !old_here && action.kind != SlotAction::Kind::reset) {
        fault(at + ": a slot of no meaning is kept");
        continue;
      }
      if (!old_here) {
        if (end - row.next != 1) {
          fault(at + ": expected one next row");
          continue;
        }
        const std::uint32_t new_next = new_here ? cascade.child_at(row.new_node, action.image[0]) : row.new_node;
        if (new_next == Cascade::no_node) {
          fault(at + ": resets to a slot that does not occur");
          continue;
        }
        expect(l + 1, level.next[row.next], row.letter, row.old_node, new_next, at);
        continue;
      }
      const std::uint32_t slots = cascade.child_offset[row.old_node + 1] - cascade.child_offset[row.old_node];
      if (end - row.next != slots) {
        fault(at + ": expected a next row for each slot of the old node");
        continue;
      }
      for (std::uint32_t slot = 0; slot < slots; ++slot) {
        const std::uint32_t old_next = cascade.child_at(row.old_node, slot);
        const std::uint32_t entry = level.next[row.next + slot];
        if (old_next == Cascade::no_node) {
          if (entry != Cascade::no_row) fault(at + ": a next row for a slot that does not occur");
          continue;
        }
        const std::uint32_t new_next = new_here ? cascade.child_at(row.new_node, action.apply(slot)) : row.new_node;
        if (new_next == Cascade::no_node) {
          fault(at + ": leads to a slot that does not occur");
          continue;
        }
        expect(l + 1, entry, row.letter, old_next, new_next, at + ", slot " + std::to_string(slot));
      }
    }
  }
  return faults;
}

std::optional<std::size_t> holonomy_depth(const Dfa& dfa, std::size_t max_family) {
  // The images are the states together and the singletons.
  const DistinctLetters letters = distinct_letters(dfa);
  if (letters.permute) return dfa.num_states() > 1 ? 1 : 0;
  try {
    return make_set_system(dfa.num_states(), letters.images, CascadeMode::holonomy, max_family)->depth();
  } catch (const ResourceError&) {
    return std::nullopt;
  }
}

PointCascade::PointCascade(const Dfa& dfa) : num_states_(dfa.num_states()) {
  for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) letters_.push_back(dfa.letter(symbol));
}

std::vector<State> PointCascade::encode(State state) const {
  std::vector<State> order;
  for (State q = 0; q < num_states_; ++q) {
    if (q != state) order.push_back(q);
  }
  order.push_back(state);
  return order;
}

// With P the old points not yet removed and P' the new ones: while the letter is injective on P it carries P onto P'
// and the new point is the image; before that, the smallest point of P' outside the image of P is free. Removing old
// points only shrinks the image, so the free points are taken from a heap.
void PointCascade::step(std::vector<State>& order, Symbol symbol) const {
  const std::vector<State>& letter = letters_[symbol];
  std::vector<std::uint32_t> preimages(num_states_, 0);
  std::size_t image_size = 0;
  for (State q = 0; q < num_states_; ++q) {
    if (preimages[letter[q]]++ == 0) ++image_size;
  }
  std::vector<State> free;  // a heap, smallest first
  for (State q = 0; q < num_states_; ++q) {
    if (preimages[q] == 0) free.push_back(q);
  }
  const auto smallest_first = [](State a, State b) { return a > b; };
  std::make_heap(free.begin(), free.end(), smallest_first);
  for (std::size_t l = 0; l + 1 < num_states_; ++l) {
    const State old_point = order[l];
    const bool injective = image_size == num_states_ - l;
    State new_point = letter[old_point];
    if (!injective) {
      std::pop_heap(free.begin(), free.end(), smallest_first);
      new_point = free.back();
      free.pop_back();
    }
    if (--preimages[letter[old_point]] == 0) {
      --image_size;
      if (!injective) {
        free.push_back(letter[old_point]);
        std::push_heap(free.begin(), free.end(), smallest_first);
      }
    }
    order[l] = new_point;
  }
  order.back() = letter[order.back()];
}

}  // namespace krohn
