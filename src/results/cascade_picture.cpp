// Draws a hint's decode tree. A node's set is the states of the leaves below it; in models compiled from cascades it
// is the set P of the cascade itself, or (P, g) between the two layers of a split level. Nothing of the hint is
// trusted: it is checked for shape before it is followed, and a picture is no proof. Cost: O(nodes * states).
#include "krohn/results/cascade_picture.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {
namespace {

[[noreturn]] void refuse(const std::string& problem) { throw InputError("hint: expected " + problem); }

void check_shape(const LrnnModel& model, const InvariantHint& hint) {
  const std::size_t nodes = hint.num_nodes();
  const std::size_t layers = model.layers().size();
  if (hint.child_offset.size() != nodes + 1 || hint.node_state.size() != nodes || hint.root >= nodes) {
    refuse("arrays of one length for all nodes and a root among them");
  }
  if (hint.row_context.size() != layers || hint.slot_readout.size() != layers) {
    refuse(std::to_string(layers) + " layers, got " + std::to_string(hint.row_context.size()));
  }
  if (hint.child_offset.front() != 0 || hint.child_offset.back() != hint.child_node.size() ||
      !std::is_sorted(hint.child_offset.begin(), hint.child_offset.end())) {
    refuse("ascending child offsets");
  }
  for (std::size_t n = 0; n < nodes; ++n) {
    if (hint.node_layer[n] != InvariantHint::leaf && hint.node_layer[n] >= layers) refuse("layers of the model");
    for (std::size_t i = hint.child_offset[n]; i < hint.child_offset[n + 1]; ++i) {
      const std::int32_t child = hint.child_node[i];
      if (child < -1 || child >= static_cast<std::int64_t>(nodes)) refuse("children among the nodes");
      if (child >= 0 && hint.node_layer[static_cast<std::size_t>(child)] <= hint.node_layer[n]) {
        refuse("children on deeper layers");
      }
    }
  }
  for (std::size_t l = 0; l < layers; ++l) {
    if (hint.row_context[l].size() != model.layers()[l].num_rows()) refuse("a context for each row");
    for (const RowContext& context : hint.row_context[l]) {
      if (context.symbol >= model.alphabet().size() || context.old_node >= nodes || context.new_node >= nodes) {
        refuse("contexts of symbols and nodes that exist");
      }
    }
  }
}

// Per node the states of the leaves below it, ascending.
std::vector<std::vector<std::uint32_t>> sets_of(const InvariantHint& hint) {
  std::vector<std::uint32_t> order(hint.num_nodes());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return hint.node_layer[a] > hint.node_layer[b]; });
  std::vector<std::vector<std::uint32_t>> sets(hint.num_nodes());
  for (const std::uint32_t n : order) {
    std::vector<std::uint32_t>& set = sets[n];
    if (hint.node_layer[n] == InvariantHint::leaf) set = {hint.node_state[n]};
    for (std::size_t i = hint.child_offset[n]; i < hint.child_offset[n + 1]; ++i) {
      if (hint.child_node[i] < 0) continue;
      const std::vector<std::uint32_t>& child = sets[static_cast<std::size_t>(hint.child_node[i])];
      set.insert(set.end(), child.begin(), child.end());
    }
    std::sort(set.begin(), set.end());
    set.erase(std::unique(set.begin(), set.end()), set.end());
  }
  return sets;
}

// {0-3,7}: long sets are of more use as ranges.
std::string set_text(const std::vector<std::uint32_t>& set) {
  std::string text = "{";
  for (std::size_t i = 0; i < set.size();) {
    std::size_t end = i;
    while (end + 1 < set.size() && set[end + 1] == set[end] + 1) ++end;
    if (i > 0) text += ',';
    text += std::to_string(set[i]);
    if (end > i) text += (end == i + 1 ? "," : "-") + std::to_string(set[end]);
    i = end + 1;
  }
  return text + "}";
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

}  // namespace

std::string cascade_text(const LrnnModel& model, const InvariantHint& hint, std::size_t max_lines) {
  check_shape(model, hint);
  const std::vector<std::vector<std::uint32_t>> sets = sets_of(hint);
  std::string text;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TableLayer& layer = model.layers()[l];
    std::vector<std::uint32_t> nodes;
    for (std::uint32_t n = 0; n < hint.num_nodes(); ++n) {
      if (hint.node_layer[n] == l) nodes.push_back(n);
    }
    text += "layer " + std::to_string(l) + ": hidden " + std::to_string(layer.hidden_size()) + ", " +
            std::to_string(layer.table.num_rows()) + " table rows, " + std::to_string(nodes.size()) + " sets, " +
            std::to_string(layer.num_rows()) + " contexts\n";
    for (std::size_t i = 0; i < std::min(nodes.size(), max_lines); ++i) {
      const std::uint32_t n = nodes[i];
      text += "  " + set_text(sets[n]) + ":";
      for (std::size_t c = hint.child_offset[n]; c < hint.child_offset[n + 1]; ++c) {
        if (hint.child_node[c] < 0) continue;
        text += "  " + std::to_string(c - hint.child_offset[n]) + " " +
                set_text(sets[static_cast<std::size_t>(hint.child_node[c])]);
      }
      text += '\n';
    }
    if (nodes.size() > max_lines) text += "  .. " + std::to_string(nodes.size() - max_lines) + " more sets\n";
    for (std::size_t r = 0; r < std::min(layer.num_rows(), max_lines); ++r) {
      const RowContext& context = hint.row_context[l][r];
      text += "  on " + model.alphabet().name(context.symbol) + "  " + set_text(sets[context.old_node]) + " -> " +
              set_text(sets[context.new_node]) + "  row " + std::to_string(layer.row_action[r]) + '\n';
    }
    if (layer.num_rows() > max_lines) {
      text += "  .. " + std::to_string(layer.num_rows() - max_lines) + " more contexts\n";
    }
  }
  return text;
}

std::string cascade_dot(const LrnnModel& model, const InvariantHint& hint) {
  check_shape(model, hint);
  const std::vector<std::vector<std::uint32_t>> sets = sets_of(hint);
  std::string text = "digraph cascade {\n  rankdir=TB;\n  node [shape=box];\n";
  std::vector<std::string> ranks(model.layers().size() + 1);
  for (std::size_t n = 0; n < hint.num_nodes(); ++n) {
    const bool leaf = hint.node_layer[n] == InvariantHint::leaf;
    text += "  n" + std::to_string(n) +
            " [label=" + quoted(leaf ? std::to_string(hint.node_state[n]) : set_text(sets[n])) +
            (leaf ? ", shape=circle" : "") + "];\n";
    ranks[leaf ? model.layers().size() : hint.node_layer[n]] += " n" + std::to_string(n) + ";";
  }
  for (const std::string& rank : ranks) {
    if (!rank.empty()) text += "  { rank=same;" + rank + " }\n";
  }
  for (std::size_t n = 0; n < hint.num_nodes(); ++n) {
    for (std::size_t c = hint.child_offset[n]; c < hint.child_offset[n + 1]; ++c) {
      if (hint.child_node[c] < 0) continue;
      text += "  n" + std::to_string(n) + " -> n" + std::to_string(hint.child_node[c]) + " [label=\"" +
              std::to_string(c - hint.child_offset[n]) + "\"];\n";
    }
  }
  return text + "}\n";
}

}  // namespace krohn
