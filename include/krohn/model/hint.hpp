// The hint that compile leaves beside the weights: an inductive invariant of the model, which verify checks on the
// bits and trusts in nothing.
//
// The hint claims that the automaton's state is a function of the hidden states, computed by a *decode tree walk*:
// every layer l has a current slot (decoded from its hidden state by readout `slot_readout[l]`); every node sits on a
// layer or is a leaf; from the root, a node on layer l is left through `child(node, slot of layer l)`, and a leaf
// names an automaton state. Slots of layers on which the walk does not stop are don't-care. In a cascade the nodes
// are the sets P (contexts) and the children their tiles.
//
// Every row of every layer is annotated with (symbol, old node, new node): how far the walk on the slots *before*
// the step and the walk on the slots *after* it have come when the row is chosen. The invariant is proved by
// induction on time: if the walk before the step ends in state q, the row chain is annotated consistently, and the
// walk after the step ends in delta(q, symbol).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace krohn {

/// The annotation of one input row of a layer.
struct RowContext {
  std::uint32_t symbol = 0;    // a symbol that has this row; letters that act alike share rows
  std::uint32_t old_node = 0;  // the walk on the slots before the step, layers above this one consumed
  std::uint32_t new_node = 0;  // the walk on the slots after the step
  friend bool operator==(const RowContext&, const RowContext&) = default;
};

/// See above. Plain data; nothing in it is trusted, and only verify decides whether it holds.
struct InvariantHint {
  static constexpr std::uint32_t leaf = 0xFFFFFFFFU;

  /// Per layer: the index into TableLayer::readouts of the readout that decodes the layer's current slot.
  std::vector<std::uint32_t> slot_readout;
  /// Per node: the layer it sits on, or `leaf`.
  std::vector<std::uint32_t> node_layer;
  /// [nodes + 1] offsets into child_node; a leaf has no children. Child i belongs to slot i.
  std::vector<std::uint32_t> child_offset;
  /// Nodes; -1 where the slot does not occur at this node.
  std::vector<std::int32_t> child_node;
  /// Per node: the automaton state of a leaf (numbered as in the minimal automaton that was compiled), else 0.
  std::vector<std::uint32_t> node_state;
  std::uint32_t root = 0;
  /// Per layer, per input row.
  std::vector<std::vector<RowContext>> row_context;

  std::size_t num_nodes() const noexcept { return node_layer.size(); }
  friend bool operator==(const InvariantHint&, const InvariantHint&) = default;
};

}  // namespace krohn
