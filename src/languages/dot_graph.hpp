// The graphs of Graphviz's DOT language, as far as automata are drawn in it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "name_table.hpp"

namespace krohn {

/// An identifier or value. In `text` only \" and line continuations have been resolved: escapes such as \n and \N are
/// the attribute's business.
struct DotText {
  std::string_view text;
  bool html = false;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

/// The attributes that draw automata; the others are parsed and passed over.
struct DotAttributes {
  std::optional<DotText> label;
  std::optional<DotText> shape;
  std::optional<DotText> peripheries;
  std::optional<DotText> style;
  std::optional<DotText> output;  ///< krohn's own
};

/// Of an edge only the label counts, a number in DotGraph::labels.
struct DotEdge {
  static constexpr std::uint32_t no_label = UINT32_MAX;
  std::uint32_t from;
  std::uint32_t to;
  std::uint32_t label;
  std::uint32_t line;
};

/// Nodes are numbered in the order of their first occurrence. Texts are views of the parsed text or of `storage`.
struct DotGraph {
  std::string_view name;
  bool strict = false;
  std::map<std::string, DotText, std::less<>> attributes;  ///< of the outermost graph
  NameTable names;
  std::vector<DotAttributes> nodes;
  std::vector<DotEdge> edges;
  std::vector<DotText> labels;  ///< of edges; equal ones may be one
  std::deque<std::string> storage;

  /// Null where the edge has none.
  const DotText* label(const DotEdge& edge) const {
    return edge.label == DotEdge::no_label ? nullptr : &labels[edge.label];
  }
};

/// The one directed graph of a text. Defaults of nodes and edges hold for those that are made after them, in their
/// subgraph. Throws InputError "source:line: column C: expected .., got .." at the first token that does not fit, for
/// undirected graphs and for subgraphs nested more than 100 deep; ResourceError for more than 2^26 edges. `text` must
/// outlive the result. Linear.
DotGraph parse_dot_graph(std::string_view text, const std::string& source);

}  // namespace krohn
