// The compiler pipeline: minimise -> cascade -> a table layer a level -> model and hint. The cascade has proved itself
// by the walk over its contexts (verify_cascade); a layer's table gives every slot's code exactly the code that the
// level's action gives the slot, and its readout separates the codes; by induction over layers and time the model
// gives every word its label, in every format that holds small dyadic numbers.
//
// What a row's readout selects: the old slot, decoded before the update, or (with a previous block) after it: from the
// current block where the action can be undone, from the previous block where it is a reset. Where what follows does
// not depend on the slot, a readout of a single slot selects it, so slots without meaning are never looked at.
#include "krohn/compile/compile.hpp"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <map>
#include <unordered_map>
#include <utility>

#include "krohn/automata/minimize.hpp"
#include "krohn/compile/slot_layout.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

struct SequenceHash {
  std::size_t operator()(const std::vector<std::int32_t>& sequence) const {
    std::uint64_t h = sequence.size();
    for (const std::int32_t item : sequence) {
      h = (h ^ static_cast<std::uint32_t>(item)) * 0x9E3779B97F4A7C15U;
      h ^= h >> 29;
    }
    return static_cast<std::size_t>(h);
  }
};

// Collects a layer's rows; readouts and stretches of `next` that are equal are stored once.
class LayerRows {
 public:
  explicit LayerRows(TableLayer& layer) : layer_(layer) {}

  std::uint32_t readout(const SlotLayout& layout, std::uint32_t num_slots, bool of_previous) {
    const auto [place, added] =
        readouts_.emplace(std::pair{num_slots, of_previous}, static_cast<std::uint32_t>(layer_.readouts.size()));
    if (added)
      layer_.readouts.push_back(num_slots <= 1 ? SlotReadout{{{}}, {0.0F}} : layout.readout(num_slots, of_previous));
    return place->second;
  }

  void push(std::uint32_t action, std::uint32_t readout, const std::vector<std::int32_t>& next) {
    const auto [place, added] = stretches_.emplace(next, static_cast<std::uint32_t>(layer_.next.size()));
    if (added) layer_.next.insert(layer_.next.end(), next.begin(), next.end());
    layer_.row_action.push_back(action);
    layer_.row_readout.push_back(readout);
    layer_.row_next.push_back(place->second);
  }

 private:
  TableLayer& layer_;
  std::map<std::pair<std::uint32_t, bool>, std::uint32_t> readouts_;
  std::unordered_map<std::vector<std::int32_t>, std::uint32_t, SequenceHash> stretches_;
};

class Compiler {
 public:
  Compiler(const Cascade& cascade, const Dfa& dfa, const CompileOptions& options)
      : cascade_(cascade), dfa_(dfa), options_(options) {}

  std::vector<TableLayer> layers() const {
    std::vector<TableLayer> result;
    for (std::uint32_t l = 0; l < cascade_.depth(); ++l) result.push_back(layer(l));
    return result;
  }

  std::int32_t label(State state) const {
    // A state whose label does not matter still needs one: an undefined label would stay for ever.
    if (dfa_.label(state) != null_label) return dfa_.label(state);
    return dfa_.label_names().empty() ? undefined_label : 0;
  }

  InvariantHint hint() const {
    InvariantHint hint;
    hint.slot_readout.assign(cascade_.depth(), 0);
    for (const std::uint32_t level : cascade_.node_level) {
      hint.node_layer.push_back(level == cascade_.depth() ? InvariantHint::leaf : level);
    }
    hint.child_offset = cascade_.child_offset;
    for (const std::uint32_t child : cascade_.child) {
      hint.child_node.push_back(child == Cascade::no_node ? -1 : static_cast<std::int32_t>(child));
    }
    hint.node_state = cascade_.node_state;
    hint.root = cascade_.root;
    for (const CascadeLevel& level : cascade_.levels) {
      std::vector<RowContext>& contexts = hint.row_context.emplace_back();
      for (const CascadeRow& row : level.rows) contexts.push_back({row.letter, row.old_node, row.new_node});
    }
    return hint;
  }

 private:
  struct Form {
    SlotEncoding encoding;
    bool gate;
  };

  Form form_of(const CascadeLevel& level) const {
    const auto has = [&](SlotAction::Kind kind) {
      return std::any_of(level.actions.begin(), level.actions.end(),
                         [&](const SlotAction& action) { return action.kind == kind; });
    };
    const bool permutes = has(SlotAction::Kind::permutation);
    const bool resets = has(SlotAction::Kind::reset);
    switch (options_.resets) {
      case Resets::householder:
        return {SlotEncoding::key_onehot, false};
      case Resets::hybrid:
        return {SlotEncoding::key_onehot, resets};
      case Resets::registers:
      case Resets::automatic:
        break;
    }
    if (!permutes) return {level.width <= max_scalar_slots ? SlotEncoding::scalar : SlotEncoding::value_onehot, false};
    if (level.width == 2) return {SlotEncoding::sign, false};
    return {SlotEncoding::key_onehot, resets};
  }

  TableLayer layer(std::uint32_t l) const {
    const CascadeLevel& level = cascade_.levels[l];
    const bool last = l + 1 == cascade_.depth();
    const auto target = [&](std::uint32_t next) {
      return next == Cascade::no_row ? undefined_row : last ? label(next) : static_cast<std::int32_t>(next);
    };
    // What each row selects from its old slot; equal everywhere: nothing to select.
    struct Selection {
      std::vector<std::int32_t> by_old_slot;
      bool constant = true;
    };
    std::vector<Selection> selections(level.rows.size());
    bool reads_reset = false;
    for (std::size_t r = 0; r < level.rows.size(); ++r) {
      const std::size_t end = r + 1 < level.rows.size() ? level.rows[r + 1].next : level.next.size();
      Selection& selection = selections[r];
      std::int32_t only = undefined_row;
      for (std::size_t i = level.rows[r].next; i < end; ++i) {
        const std::int32_t next = target(level.next[i]);
        selection.by_old_slot.push_back(next);
        if (next == undefined_row) continue;
        if (only != undefined_row && next != only) selection.constant = false;
        only = next;
      }
      if (selection.constant) {
        selection.by_old_slot = {only};
      } else if (level.actions[level.rows[r].action].kind == SlotAction::Kind::reset) {
        reads_reset = true;
      }
    }

    const Form form = form_of(level);
    const bool block = options_.delay == Delay::block;
    const bool previous = block && reads_reset;
    const SlotLayout layout(form.encoding, level.width, previous, options_.spectrum == Spectrum::nonnegative,
                            options_.keys == KeyForm::dyadic);
    std::vector<TokenRow> table;
    for (const SlotAction& action : level.actions) table.push_back(layout.row(action, form.gate));
    TableLayer result{TokenTable(layout.key_size(), layout.value_size(), table),
                      layout.initial(cascade_.start[l]),
                      {},
                      !block,
                      {},
                      {},
                      {},
                      {}};
    LayerRows rows(result);
    rows.readout(layout, level.width, false);  // number 0, the hint's slot readout
    for (std::size_t r = 0; r < level.rows.size(); ++r) {
      const std::uint32_t number = level.rows[r].action;
      const SlotAction& action = level.actions[number];
      const Selection& selection = selections[r];
      const auto old_slots = static_cast<std::uint32_t>(selection.by_old_slot.size());
      if (selection.constant) {
        rows.push(number, rows.readout(layout, 1, false), selection.by_old_slot);
      } else if (!block || action.kind == SlotAction::Kind::reset) {
        rows.push(number, rows.readout(layout, old_slots, block), selection.by_old_slot);
      } else {
        std::vector<std::int32_t> by_new_slot;
        for (std::uint32_t slot = 0; slot < old_slots; ++slot) {
          if (selection.by_old_slot[slot] == undefined_row) continue;
          const std::uint32_t new_slot = action.apply(slot);
          if (by_new_slot.size() <= new_slot) by_new_slot.resize(new_slot + 1, undefined_row);
          by_new_slot[new_slot] = selection.by_old_slot[slot];
        }
        rows.push(number, rows.readout(layout, static_cast<std::uint32_t>(by_new_slot.size()), false), by_new_slot);
      }
    }
    return result;
  }

  const Cascade& cascade_;
  const Dfa& dfa_;
  const CompileOptions& options_;
};

bool is_permutation(const std::vector<State>& images) {
  std::vector<bool> seen(images.size(), false);
  for (const State q : images) {
    if (seen[q]) return false;
    seen[q] = true;
  }
  return true;
}

CompileResult compile_cascade(const Dfa& minimal, const CompileOptions& options) {
  CascadeOptions cascade_options = options.cascade;
  cascade_options.resets_only = options.spectrum == Spectrum::nonnegative;
  const Cascade cascade = make_cascade(minimal, cascade_options);
  const Compiler compiler(cascade, minimal, options);
  std::vector<std::int32_t> symbol_row;
  for (const std::uint32_t row : cascade.symbol_row) {
    symbol_row.push_back(cascade.depth() == 0 ? compiler.label(row) : static_cast<std::int32_t>(row));
  }
  CompileResult result{LrnnModel(minimal.alphabet(), minimal.label_names(), compiler.label(minimal.start()),
                                 std::move(symbol_row), compiler.layers()),
                       compiler.hint(), minimal};
  result.mode = mode_name(cascade.mode);
  result.widths = cascade.widths();
  result.family = cascade.family;
  return result;
}

CompileResult compile_permutations(const Dfa& minimal, const CompileOptions& options) {
  CompiledGroup group = compile_group(minimal, {options.keys, options.representation});
  CompileResult result{std::move(group.model), std::move(group.hint), minimal};
  result.mode = "group";
  if (!result.model.layers().empty()) result.widths = {minimal.num_states()};
  result.exact = group.exact;
  result.horizon = group.horizon;
  return result;
}

}  // namespace

CompileResult compile(const Dfa& dfa, const CompileOptions& options) {
  const Dfa minimal = minimize(dfa);
  const DistinctLetters letters = distinct_letters(minimal);
  const bool permutes = std::all_of(letters.images.begin(), letters.images.end(), is_permutation);
  if (!permutes && options.representation != GroupRepresentation::permutation) {
    throw InputError(
        "representation: expected a language all of whose letters are permutations for rotation and "
        "scalar, got one with a letter that is none");
  }
  const bool as_group = permutes && !options.cascade.mode && options.spectrum == Spectrum::any;
  CompileResult result = as_group ? compile_permutations(minimal, options) : compile_cascade(minimal, options);
  result.states = dfa.num_states();
  result.distinct_letters = letters.images.size();
  for (const TableLayer& layer : result.model.layers()) {
    result.hidden.push_back(layer.hidden_size());
    result.num_householder.push_back(layer.table.num_householder());
    result.rows += layer.num_rows();
    result.table_rows += layer.table.num_rows();
    result.factors += layer.table.num_factors();
  }
  result.linear_bound = minimal.num_states() - 1;
  result.paper_bound = boost::multiprecision::cpp_int(boost::multiprecision::cpp_int(1) << minimal.num_states()).str();
  result.holonomy_depth = holonomy_depth(minimal, options.max_holonomy_family);
  return result;
}

}  // namespace krohn
