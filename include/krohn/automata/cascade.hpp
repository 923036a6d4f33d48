// Cascades of permutation-reset components that emulate an automaton, by chains of sets.
//
// A state of the cascade is a tuple of coordinates, one a level; walked from the root set downwards, each coordinate
// chooses a tile of the current set where that set sits on the coordinate's level and is garbage elsewhere; the chain
// ends in a singleton, the automaton's state. One step on a letter walks the levels top-down with the old chain's set
// P and the new chain's set P'; the letter and this *context* (P, P') determine the level's action, a permutation, a
// reset or the identity. Invariant: the letter carries P into P'.
//
// At most |Q|-1 levels suffice for every automaton (modes R and Z), where the textbook construction can need
// exponentially many. See SetSystem for the modes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/automata/set_family.hpp"

namespace krohn {

/// What a level's component does with its slot.
struct SlotAction {
  enum class Kind : std::uint8_t { identity, permutation, reset };
  Kind kind = Kind::identity;
  /// permutation: [width] the new slot of each slot; reset: one entry, the new slot; identity: empty.
  std::vector<std::uint32_t> image;

  std::uint32_t apply(std::uint32_t slot) const {
    return kind == Kind::identity ? slot : kind == Kind::reset ? image[0] : image[slot];
  }
  friend auto operator<=>(const SlotAction&, const SlotAction&) = default;
};

/// A row: what a level does in one context.
struct CascadeRow {
  std::uint32_t letter = 0;    // a symbol; letters that act alike share rows
  std::uint32_t old_node = 0;  // the set P
  std::uint32_t new_node = 0;  // the set P'
  std::uint32_t action = 0;    // index into CascadeLevel::actions
  std::uint32_t next = 0;      // offset into CascadeLevel::next
};

struct CascadeLevel {
  /// Slots are 0 .. width - 1.
  std::uint32_t width = 0;
  std::vector<SlotAction> actions;
  std::vector<CascadeRow> rows;
  /// Rows of the next level or, on the last level, states: one entry for each *old* slot where the row's old node
  /// sits on this level (no_row for slots that do not occur there), else a single entry.
  std::vector<std::uint32_t> next;
};

struct CascadeOptions {
  /// Chosen by the policy of make_cascade if empty.
  std::optional<CascadeMode> mode;
  /// The largest family of sets that may be enumerated.
  std::size_t max_family = 65536;
  /// The largest number of rows of all levels together.
  std::size_t max_rows = 2000000;
  /// Whether the policy may split by congruences.
  bool split = true;
  /// Only levels without permutations are acceptable: mode G, and only for aperiodic languages.
  bool resets_only = false;
};

/// A stretch of levels made in one mode.
struct CascadePart {
  CascadeMode mode = CascadeMode::images;
  /// Levels of its set system; a level that a single slot would do is not among the cascade's.
  std::size_t levels = 0;
};

/// A complete cascade with its rows. Plain data: what holds of it is what verify_cascade has checked, and every
/// function below that makes one has called it.
struct Cascade {
  static constexpr std::uint32_t no_row = 0xFFFFFFFFU;
  static constexpr std::uint32_t no_node = 0xFFFFFFFFU;

  /// One, or several where congruences split the automaton: quotient first, then the states within its classes.
  std::vector<CascadePart> parts;
  std::size_t num_states = 0;
  /// Sets of the family (of the sets met, in mode R).
  std::size_t family = 0;
  std::vector<CascadeLevel> levels;
  /// Per symbol: the row of the first level, or the new state if there are no levels.
  std::vector<std::uint32_t> symbol_row;

  /// Nodes are the sets that occur; a node's level, depth() for singletons.
  std::vector<std::uint32_t> node_level;
  /// [nodes + 1] offsets into child; a node has a child for each slot up to the largest that occurs at it.
  std::vector<std::uint32_t> child_offset;
  /// Nodes; no_node where the slot does not occur.
  std::vector<std::uint32_t> child;
  /// The state of a singleton, else 0.
  std::vector<State> node_state;
  std::uint32_t root = 0;
  /// Coordinates of the automaton's start state.
  std::vector<std::uint32_t> start;

  std::size_t depth() const noexcept { return levels.size(); }
  /// The modes of the parts, equal neighbours once: "G" or "G+Z".
  std::string modes() const;
  std::vector<std::size_t> widths() const;
  std::size_t num_rows() const noexcept;
  /// True if no level has a permutation other than the identity.
  bool resets_only() const noexcept;
  /// The child of `node` at `slot`, no_node if the slot does not occur there.
  std::uint32_t child_at(std::uint32_t node, std::uint32_t slot) const noexcept {
    const std::uint32_t i = child_offset[node] + slot;
    return i < child_offset[node + 1] ? child[i] : no_node;
  }

  /// Coordinates that decode to `state`. Cost: O(nodes). Throws InternalError for a state that does not occur.
  std::vector<std::uint32_t> encode(State state) const;
  /// The state at the end of the chain. Throws InternalError for coordinates that do not occur.
  State decode(const std::vector<std::uint32_t>& coordinates) const;
  /// One step through the rows; updates the coordinates and returns the new state. Throws as decode.
  State step(std::vector<std::uint32_t>& coordinates, Symbol symbol) const;
};

/// The cascade of `dfa` in the mode of `options` or by the policy: of G, Z and R the shallowest, on a tie the one with
/// fewer rows, then the one whose permutations take fewer reflections; never deeper than |Q|-1. An automaton that
/// congruences split into a cascade better in this sense (a quotient, then its classes) is split; above 50 states, only
/// into a shallower one. The start reaches every state. Only slots that occur from the start have rows. The result is
/// verified. Throws ResourceError past a cap (which, how far, what to try), InputError if `resets_only` cannot be had.
Cascade make_cascade(const Dfa& dfa, const CascadeOptions& options = {});

/// The proof by induction over contexts that the cascade emulates `dfa` from its start state on all words: every row
/// is a permutation, a reset or the identity, slots that do not matter are reset before they do, contexts follow one
/// another, and the last level's states are those of `dfa`. Uses nothing but the arguments. Returns what is wrong
/// (at most 16 faults), nothing if it holds. Cost: linear in the rows' entries.
std::vector<std::string> verify_cascade(const Cascade& cascade, const Dfa& dfa);

/// The depth of the textbook holonomy decomposition, empty if its family exceeds `max_family`.
std::optional<std::size_t> holonomy_depth(const Dfa& dfa, std::size_t max_family);

/// Mode R without any table: the cascade's state as an ordering of all states, the last of which is the automaton's.
/// A step costs O(|Q|) and generates the actions of its contexts on the way, whatever |Q| is.
class PointCascade {
 public:
  explicit PointCascade(const Dfa& dfa);
  std::size_t depth() const noexcept { return num_states_ - 1; }
  /// The ordering that removes the other states in ascending order.
  std::vector<State> encode(State state) const;
  State decode(const std::vector<State>& order) const { return order.back(); }
  /// Replaces the ordering by the one after `symbol`.
  void step(std::vector<State>& order, Symbol symbol) const;

 private:
  std::size_t num_states_;
  std::vector<std::vector<State>> letters_;
};

}  // namespace krohn
