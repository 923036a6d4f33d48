// The cascade inside a compiled model, as text and as a picture: what its hint says, level by level.
#pragma once

#include <cstddef>
#include <string>

#include "krohn/model/hint.hpp"
#include "krohn/model/lrnn_model.hpp"

namespace krohn {

/// A paragraph a layer: the sets of states that sit on it with the set that each slot leads to, and the contexts
/// (letter, old set -> new set) with their table rows. At most `max_lines` sets and contexts a layer; the rest is
/// counted. States are those of the automaton that was compiled. Throws InputError for a hint that is not one of the
/// model: other layers or rows, indices out of range, nodes that are no tree of layers.
std::string cascade_text(const LrnnModel& model, const InvariantHint& hint, std::size_t max_lines = 24);

/// The decode tree as a Graphviz digraph: a node for each set, one rank a layer, an edge for each slot; leaves are
/// states. Throws as cascade_text.
std::string cascade_dot(const LrnnModel& model, const InvariantHint& hint);

}  // namespace krohn
