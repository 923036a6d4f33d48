// Proves a chain of table layers layer by layer from a hint that is trusted in nothing: all that is used of it is
// either checked below on the bits or defines a function, whatever its values.
//
// Notation. x_l(t) is the hidden state of layer l after t symbols, bit for bit; slot_l a fixed function of its bits
// (the decode named by the hint, undefined on ties). A *walk* over hidden states x_0 .. x_{L-1} starts at the root and
// passes the layers in order: where its node sits on layer l it moves to child(node, slot_l(x_l)), which must exist,
// else it stays. Let old_l (new_l) be the node of the walk over the x(t) (over the x(t+1)) before layer l, and a the
// symbol read in between, in a class of symbols s; any partition of the symbols into classes will do.
// The check computes, layer by layer, sets R_l of input rows and X_l of hidden states with:
//   (1) symbol_row[a] is in R_0 and annotated (symbol of a class c(a), root, root), for every symbol a;
//   (2) x_l(0) is in X_l; the walk over the x(0) ends in a leaf, h_0;
//   (3) for every r in R_l, annotated (s, u, v), and every x in X_l for which u does not sit on l or child(u,
//   slot_l(x))
//       exists: the engine's step of r from x gives an x' in X_l and hands on a defined slot; if v sits on l, then
//       child(v, slot_l(x')) exists; with u', v' = where the walks stand after the layer: if l is not last, the row r'
//       that the slot selects is in R_{l+1} and annotated (a symbol of the class of s, u', v'); if l is last, u' and v'
//       are leaves h and h', the label handed on is not `?`, and T(class of s, h) = h' as one function T.
// Claim: after every word, every x_l is in X_l, the walk is defined and ends in the leaf that T computes from h_0.
// Proof by induction on the word: (2) starts it. For a further symbol a, by induction on l: the row of layer l is in
// R_l and annotated (a symbol of the class c(a), old_l, new_l). For l = 0 that is (1). If it holds at l, then x_l(t) is
// in X_l, and if old_l sits on l its child exists because the walk over the x(t) is defined: so (3) applies, x_l(t+1)
// is in X_l, the walk over the x(t+1) is defined through layer l, and the next row is annotated as claimed, or after
// the last layer the walks stand in leaves h and h' = T(c(a), h). No decode on the way ties, so the run never becomes
// undefined, and its label after the symbol is one of those that (3) saw for (c(a), h). QED.
// So the model is the automaton with states h, start h_0 and transitions T(c(a), h), and it recognises the language if
// this automaton does: a product search over pairs (h, q) settles it, whatever the numbering of the leaves, and its
// first disagreement is a shortest one (the argument of closure.cpp) wherever one label only was seen for an edge.
// A failing hint says nothing about the model. R_l and X_l are least with these properties, or nearly: no row or state
// that cannot occur next to its context is asked about. Engine steps are taken by one-layer machines, through the
// interface that runs the model itself. Cost: a step for each (table row and readout, hidden state).
#include "krohn/verify/invariant.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/verify/closure.hpp"
#include "krohn/verify/exactness.hpp"
#include "krohn/verify/layer_steps.hpp"

namespace krohn {
namespace {

constexpr std::int64_t no_child = -1;
constexpr std::uint32_t unknown = 0xFFFFFFFFU;

// Thrown inside this file only: the hint does not prove the model, and why.
struct NotProved {
  std::string reason;
};

[[noreturn]] void fail(std::string reason) { throw NotProved{std::move(reason)}; }

std::string at_layer(std::size_t layer) { return "layer " + std::to_string(layer) + ": "; }

// The hint's tree, with every index checked.
class Tree {
 public:
  Tree(const InvariantHint& hint, const LrnnModel& model) : hint_(hint) {
    const std::size_t nodes = hint.num_nodes();
    const std::size_t layers = model.layers().size();
    if (nodes == 0 || hint.root >= nodes) fail("the hint has no root");
    if (hint.child_offset.size() != nodes + 1 || hint.child_offset.front() != 0 ||
        hint.child_offset.back() != hint.child_node.size() ||
        !std::is_sorted(hint.child_offset.begin(), hint.child_offset.end()) || hint.node_state.size() != nodes) {
      fail("the hint's arrays of nodes do not fit together");
    }
    for (const std::uint32_t layer : hint.node_layer) {
      if (layer != InvariantHint::leaf && layer >= layers) fail("the hint places a node on a layer that is not there");
    }
    for (const std::int32_t child : hint.child_node) {
      if (child < -1 || child >= static_cast<std::int64_t>(nodes)) fail("the hint has a child that is no node");
    }
    if (hint.slot_readout.size() != layers || hint.row_context.size() != layers) {
      fail("the hint is for another number of layers");
    }
    for (std::size_t l = 0; l < layers; ++l) {
      if (hint.slot_readout[l] >= model.layers()[l].readouts.size()) {
        fail(at_layer(l) + "the hint decodes by a readout that is not there");
      }
      if (hint.row_context[l].size() != model.layers()[l].num_rows()) {
        fail(at_layer(l) + "the hint annotates another number of rows");
      }
      for (const RowContext& context : hint.row_context[l]) {
        if (context.symbol >= model.alphabet().size() || context.old_node >= nodes || context.new_node >= nodes) {
          fail(at_layer(l) + "the hint annotates a row with a symbol or node that is not there");
        }
      }
    }
  }

  bool sits(std::uint32_t node, std::size_t layer) const { return hint_.node_layer[node] == layer; }
  bool is_leaf(std::uint32_t node) const { return hint_.node_layer[node] == InvariantHint::leaf; }
  std::uint32_t leaf_state(std::uint32_t node) const { return hint_.node_state[node]; }
  // The child behind a slot, or no_child. `slot` is negative where the decode ties.
  std::int64_t child(std::uint32_t node, std::int32_t slot) const {
    const std::uint32_t first = hint_.child_offset[node];
    if (slot < 0 || static_cast<std::uint32_t>(slot) >= hint_.child_offset[node + 1] - first) return no_child;
    return hint_.child_node[first + static_cast<std::uint32_t>(slot)];
  }
  // Where a walk stands after the layer, or no_child.
  std::int64_t after(std::uint32_t node, std::size_t layer, std::int32_t slot) const {
    return sits(node, layer) ? child(node, slot) : std::int64_t{node};
  }

 private:
  const InvariantHint& hint_;
};

// One layer while its set X is closed: hidden states numbered in the order met, their current slots, and for every
// (hidden state, move) that was asked for the successor and the slot handed on.
class LayerStates {
 public:
  LayerStates(const TableLayer& layer, std::uint32_t slot_readout, const std::vector<Move>& moves, Semantics semantics,
              std::size_t number)
      : number_(number),
        moves_(moves),
        num_moves_(moves.size()),
        engine_(layer, slot_readout, moves, semantics),
        exact_(layer, semantics),
        values_(layer.hidden_size()),
        scratch_(engine_.hidden_size() + sizeof(State)),
        states_(engine_.hidden_size()) {
    engine_.initial(hidden_scratch());
    intern();
  }

  std::uint32_t size() const { return states_.size(); }
  std::int32_t slot(std::uint32_t x) const { return slot_[x]; }
  std::uint32_t successor(std::uint32_t x, std::size_t move) const { return edge_[x * num_moves_ + move].state; }
  std::int32_t handed_on(std::uint32_t x, std::size_t move) const { return edge_[x * num_moves_ + move].slot; }
  std::span<const std::byte> hidden(std::uint32_t x) const { return states_.state(x); }
  std::size_t memory() const {
    return states_.memory() + slot_.capacity() * sizeof(std::int32_t) + edge_.capacity() * sizeof(Edge);
  }
  std::uint64_t steps() const { return steps_; }
  // Of all steps taken.
  std::optional<unsigned> exact_bits() const { return exact_.bits(); }

  void step(std::uint32_t x, std::size_t move) {
    if (edge_[x * num_moves_ + move].state != unknown) return;
    std::memcpy(scratch_.data(), states_.state(x).data(), engine_.hidden_size());
    std::memcpy(values_.data(), scratch_.data(), engine_.hidden_size());
    exact_.add(moves_[move], values_);
    const std::int32_t slot = engine_.step(hidden_scratch(), move);
    ++steps_;
    if (slot < 0) fail(at_layer(number_) + "a decode ties");
    const std::uint32_t successor = intern();
    edge_[x * num_moves_ + move] = {successor, slot};
  }

 private:
  struct Edge {
    std::uint32_t state = unknown;
    std::int32_t slot = -1;
  };

  std::span<std::byte> hidden_scratch() { return {scratch_.data(), engine_.hidden_size()}; }

  // The number of the state in scratch_; the automaton's part of the pair stays 0.
  std::uint32_t intern() {
    const std::uint32_t before = states_.size();
    const std::uint32_t x = states_.insert(scratch_.data(), 0, 0);
    if (x == before) {
      slot_.push_back(engine_.current_slot(hidden_scratch()));
      edge_.resize(edge_.size() + num_moves_);
    }
    return x;
  }

  std::size_t number_;
  std::vector<Move> moves_;
  std::size_t num_moves_;
  LayerSteps engine_;
  ExactLayer exact_;
  std::vector<float> values_;
  std::vector<std::byte> scratch_;
  PairSet states_;
  std::vector<std::int32_t> slot_;
  std::vector<Edge> edge_;
  std::uint64_t steps_ = 0;
};

// The automaton that the invariant shows the model to be: states are the leaves' states, renumbered.
struct Transition {
  std::uint32_t target = unknown;
  std::vector<std::int32_t> labels;  // all that were seen; one, if the label is a function of the edge
};

class Induction {
 public:
  Induction(const LrnnModel& model, Semantics semantics, const InvariantHint& hint, const Specification& specification,
            const Budget& budget, InvariantCheck& check)
      : model_(model),
        semantics_(semantics),
        hint_(hint),
        specification_(specification),
        budget_(budget),
        check_(check),
        tree_(hint, model) {
    classify_symbols();
  }

  void run() {
    const std::vector<TableLayer>& layers = model_.layers();
    if (layers.empty()) fail("the model has no layers: its closure is immediate");
    std::vector<std::uint32_t> rows;
    for (Symbol a = 0; a < model_.alphabet().size(); ++a) {
      const std::int32_t row = model_.symbol_row()[a];
      if (row < 0) fail("symbol_row[" + std::to_string(a) + "] leads to `?`");
      const RowContext& context = hint_.row_context[0][static_cast<std::size_t>(row)];
      if (context.old_node != hint_.root || context.new_node != hint_.root) {
        fail(at_layer(0) + "row " + std::to_string(row) + " is not annotated with the root");
      }
      symbol_class_.push_back(class_of_[context.symbol]);
      rows.push_back(static_cast<std::uint32_t>(row));
    }
    start_node_ = hint_.root;
    check_.exact_bits = 0;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      std::sort(rows.begin(), rows.end());
      rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
      rows = close_layer(l, std::move(rows));
    }
    if (!tree_.is_leaf(start_node_)) fail("the walk over the initial hidden states ends in no leaf");
    compare();
  }

 private:
  // Symbols with equal columns in the automaton are one class; any partition is sound.
  void classify_symbols() {
    const Dfa& automaton = specification_.automaton();
    std::map<std::vector<State>, std::uint32_t> classes;
    for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
      class_of_.push_back(
          classes.emplace(automaton.letter(a), static_cast<std::uint32_t>(classes.size())).first->second);
    }
    num_classes_ = classes.size();
  }

  void look_at_budget(const LayerStates& states) const {
    if (budget_.interrupted()) fail("interrupted");
    if (budget_.out_of_time()) fail("the time limit was reached");
    if (states.memory() + held_ > budget_.memory) fail("the memory limit was reached while a layer was closed");
  }

  // Closes X_l under the rows, checks (3) and returns R_{l+1}.
  std::vector<std::uint32_t> close_layer(std::size_t l, std::vector<std::uint32_t> rows) {
    const TableLayer& layer = model_.layers()[l];
    const std::vector<RowContext>& contexts = hint_.row_context[l];

    // The moves in use and, for each, the nodes whose walk must be able to pass for it to happen.
    std::map<Move, std::uint32_t> move_number;
    std::vector<std::uint32_t> move_of_row(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Move move{layer.row_action[rows[i]], layer.row_readout[rows[i]]};
      move_of_row[i] = move_number.emplace(move, static_cast<std::uint32_t>(move_number.size())).first->second;
    }
    std::vector<Move> moves(move_number.size());
    for (const auto& [move, number] : move_number) moves[number] = move;
    std::vector<bool> always(moves.size(), false);
    std::vector<std::vector<std::uint32_t>> guards(moves.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint32_t old_node = contexts[rows[i]].old_node;
      if (tree_.sits(old_node, l)) {
        guards[move_of_row[i]].push_back(old_node);
      } else {
        always[move_of_row[i]] = true;
      }
    }
    for (std::vector<std::uint32_t>& nodes : guards) {
      std::sort(nodes.begin(), nodes.end());
      nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    }
    // Per move and slot, once asked: whether some guard lets the slot pass.
    std::vector<std::unordered_map<std::int32_t, bool>> passes(moves.size());
    const auto occurs = [&](std::size_t move, std::int32_t slot) {
      if (always[move]) return true;
      const auto [entry, fresh] = passes[move].try_emplace(slot, false);
      if (fresh) {
        entry->second = std::any_of(guards[move].begin(), guards[move].end(),
                                    [&](std::uint32_t node) { return tree_.child(node, slot) != no_child; });
      }
      return entry->second;
    };

    LayerStates states(layer, hint_.slot_readout[l], moves, semantics_, l);
    const std::size_t num_moves = guards.size();
    for (std::uint32_t x = 0; x < states.size(); ++x) {
      look_at_budget(states);
      for (std::size_t move = 0; move < num_moves; ++move) {
        if (occurs(move, states.slot(x))) states.step(x, move);
      }
    }
    check_.steps += states.steps();
    const std::optional<unsigned> bits = states.exact_bits();
    check_.exact_bits = check_.exact_bits && bits ? std::optional(std::max(*check_.exact_bits, *bits)) : std::nullopt;

    const std::int64_t start = tree_.after(start_node_, l, states.slot(0));
    if (start == no_child) fail(at_layer(l) + "the walk over the initial hidden states is not defined");
    start_node_ = static_cast<std::uint32_t>(start);

    const bool last = l + 1 == model_.layers().size();
    std::vector<bool> next_seen(last ? 0 : model_.layers()[l + 1].num_rows(), false);
    std::vector<std::uint32_t> next_rows;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i % 64 == 0) look_at_budget(states);
      const std::uint32_t row = rows[i];
      const RowContext& context = contexts[row];
      const std::string where = at_layer(l) + "row " + std::to_string(row) + ": ";
      for (std::uint32_t x = 0; x < states.size(); ++x) {
        const std::int64_t old_after = tree_.after(context.old_node, l, states.slot(x));
        if (old_after == no_child) continue;
        const std::uint32_t successor = states.successor(x, move_of_row[i]);
        const std::int64_t new_after = tree_.after(context.new_node, l, states.slot(successor));
        if (new_after == no_child) fail(where + "the walk over the new hidden states is not defined");
        const std::int32_t next =
            layer.next[layer.row_next[row] + static_cast<std::uint32_t>(states.handed_on(x, move_of_row[i]))];
        if (next < 0) fail(where + "leads to `?`");
        const auto u = static_cast<std::uint32_t>(old_after);
        const auto v = static_cast<std::uint32_t>(new_after);
        if (last) {
          record(context.symbol, u, v, next, where);
          continue;
        }
        const auto next_row = static_cast<std::uint32_t>(next);
        const RowContext& after = hint_.row_context[l + 1][next_row];
        if (class_of_[after.symbol] != class_of_[context.symbol] || after.old_node != u || after.new_node != v) {
          fail(where + "the next row's annotation does not continue the walks");
        }
        if (!next_seen[next_row]) {
          next_seen[next_row] = true;
          next_rows.push_back(next_row);
        }
      }
    }

    LayerInvariant established;
    established.hidden_size = layer.hidden_size() * sizeof(float);
    established.rows = std::move(rows);
    for (std::uint32_t x = 0; x < states.size(); ++x) {
      const std::span<const std::byte> hidden = states.hidden(x);
      established.hidden.insert(established.hidden.end(), hidden.begin(), hidden.end());
    }
    held_ += established.hidden.capacity() + established.rows.capacity() * sizeof(std::uint32_t);
    check_.layers.push_back(std::move(established));
    return next_rows;
  }

  std::uint32_t number_of_leaf_state(std::uint32_t state) {
    return leaf_number_.emplace(state, static_cast<std::uint32_t>(leaf_number_.size())).first->second;
  }

  // T(class of symbol, state of u) = state of v with this label.
  void record(std::uint32_t symbol, std::uint32_t u, std::uint32_t v, std::int32_t label, const std::string& where) {
    if (!tree_.is_leaf(u) || !tree_.is_leaf(v)) fail(where + "a walk ends in no leaf");
    const std::uint32_t from = number_of_leaf_state(tree_.leaf_state(u));
    const std::uint32_t to = number_of_leaf_state(tree_.leaf_state(v));
    const std::size_t index = from * num_classes_ + class_of_[symbol];
    if (index >= transitions_.size()) transitions_.resize((from + 1) * num_classes_);
    Transition& transition = transitions_[index];
    if (transition.target != unknown && transition.target != to) {
      fail(where + "the leaf reached is not a function of leaf and symbol");
    }
    transition.target = to;
    if (std::find(transition.labels.begin(), transition.labels.end(), label) == transition.labels.end()) {
      transition.labels.push_back(label);
    }
  }

  // The automaton T against the language, breadth first over pairs (leaf state, state) in shortlex order.
  void compare() {
    const Dfa& automaton = specification_.automaton();
    struct Visit {
      std::uint32_t leaf;
      State q;
      std::size_t parent;
      Symbol symbol;
    };
    if (!specification_.agrees(model_.initial_label(), automaton.start())) {
      check_.disagreement = Word{};
      fail("the label of the empty word differs");
    }
    std::vector<Visit> queue = {{number_of_leaf_state(tree_.leaf_state(start_node_)), automaton.start(), 0, 0}};
    std::vector<bool> seen(leaf_number_.size() * automaton.num_states(), false);
    seen[queue[0].leaf * automaton.num_states() + queue[0].q] = true;
    bool determined = true;
    for (std::size_t current = 0; current < queue.size(); ++current) {
      const Visit visit = queue[current];
      for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
        const std::size_t index = visit.leaf * num_classes_ + symbol_class_[a];
        if (index >= transitions_.size() || transitions_[index].target == unknown) {
          fail("a leaf has no transition for symbol " + model_.alphabet().name(a));
        }
        const Transition& transition = transitions_[index];
        const State successor = automaton.next(visit.q, a);
        const auto right = std::count_if(transition.labels.begin(), transition.labels.end(),
                                         [&](std::int32_t label) { return specification_.agrees(label, successor); });
        if (right != std::ssize(transition.labels)) {
          if (right == 0 && determined) {
            Word word = {a};
            for (std::size_t i = current; i != 0; i = queue[i].parent) word.push_back(queue[i].symbol);
            std::reverse(word.begin(), word.end());
            check_.disagreement = std::move(word);
            fail("the invariant shows that the model differs from the language");
          }
          determined = false;
        }
        const std::size_t pair = transition.target * automaton.num_states() + successor;
        if (!seen[pair]) {
          seen[pair] = true;
          queue.push_back({transition.target, successor, current, a});
        }
      }
    }
    if (!determined) fail("the label is not a function of leaf and symbol");
  }

  const LrnnModel& model_;
  Semantics semantics_;
  const InvariantHint& hint_;
  const Specification& specification_;
  const Budget& budget_;
  InvariantCheck& check_;
  Tree tree_;
  std::vector<std::uint32_t> class_of_;      // per symbol of the alphabet
  std::vector<std::uint32_t> symbol_class_;  // per symbol, the class that its first row is annotated with
  std::size_t num_classes_ = 0;
  std::uint32_t start_node_ = 0;
  std::size_t held_ = 0;
  std::unordered_map<std::uint32_t, std::uint32_t> leaf_number_;
  std::vector<Transition> transitions_;  // [leaf states, classes], as far as seen
};

}  // namespace

InvariantCheck check_invariant(const LrnnModel& model, Semantics semantics, const InvariantHint& hint,
                               const Specification& specification, const Budget& budget) {
  InvariantCheck check;
  try {
    Induction(model, semantics, hint, specification, budget, check).run();
    check.proved = true;
  } catch (const NotProved& failure) {
    check.reason = failure.reason;
  } catch (const NumericError& error) {
    check.reason = error.what();
  }
  return check;
}

}  // namespace krohn
