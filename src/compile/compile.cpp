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
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "krohn/compile/slot_layout.hpp"
#include "krohn/error.hpp"
#include "krohn/model/horizon.hpp"
#include "krohn/model/integer_form.hpp"
#include "polygon.hpp"

namespace krohn {
namespace {

// A level is split into a group layer and a register only while its group is small: rows multiply by its order.
constexpr std::size_t max_register_group = 128;

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

// The group that a level's permutations generate, acting on its slots.
class SlotGroup {
 public:
  /// Throws ResourceError past max_register_group elements or max_scalar_slots slots.
  explicit SlotGroup(const CascadeLevel& level) {
    if (level.width > max_scalar_slots) {
      throw ResourceError("resets: a level of more than " + std::to_string(max_scalar_slots) +
                          " slots is too wide for an arrangement exact in bf16; try --resets hybrid or auto");
    }
    std::vector<std::uint32_t> identity(level.width);
    std::iota(identity.begin(), identity.end(), 0U);
    add(identity);
    for (std::size_t head = 0; head < elements_.size(); ++head) {
      for (const SlotAction& action : level.actions) {
        if (action.kind == SlotAction::Kind::permutation) add(composed(elements_[head], action.image));
      }
    }
    for (const std::vector<std::uint32_t>& element : elements_) {
      std::vector<std::uint32_t>& inverse = inverses_.emplace_back(level.width);
      for (std::uint32_t slot = 0; slot < level.width; ++slot) inverse[element[slot]] = slot;
    }
  }

  std::uint32_t size() const { return static_cast<std::uint32_t>(elements_.size()); }
  const std::vector<std::uint32_t>& element(std::uint32_t g) const { return elements_[g]; }
  const std::vector<std::uint32_t>& inverse(std::uint32_t g) const { return inverses_[g]; }
  /// The element "first g, then the action"; g itself for a reset.
  std::uint32_t after(std::uint32_t g, const SlotAction& action) const {
    return action.kind == SlotAction::Kind::permutation ? number_.at(composed(elements_[g], action.image)) : g;
  }

 private:
  static std::vector<std::uint32_t> composed(const std::vector<std::uint32_t>& first,
                                             const std::vector<std::uint32_t>& then) {
    std::vector<std::uint32_t> result(first.size());
    for (std::size_t slot = 0; slot < first.size(); ++slot) result[slot] = then[first[slot]];
    return result;
  }
  void add(std::vector<std::uint32_t> element) {
    if (!number_.emplace(element, size()).second) return;
    if (elements_.size() == max_register_group) {
      throw ResourceError("resets: a level's group has more than " + std::to_string(max_register_group) +
                          " elements, too many to read as a group layer and a register; try --resets hybrid or auto");
    }
    elements_.push_back(std::move(element));
  }

  std::vector<std::vector<std::uint32_t>> elements_;
  std::vector<std::vector<std::uint32_t>> inverses_;
  std::map<std::vector<std::uint32_t>, std::uint32_t> number_;
};

class Compiler {
 public:
  Compiler(const Cascade& cascade, const Dfa& dfa, const CompileOptions& options)
      : cascade_(cascade), dfa_(dfa), options_(options) {
    std::uint32_t layers = 0;
    std::size_t nodes = cascade.node_level.size();
    for (std::uint32_t l = 0; l < cascade.depth(); ++l) {
      Plan plan{form_of(cascade.levels[l]), layers++, std::nullopt, nodes, squares_of(l), false};
      if (!plan.component) {
        plan.component = polygon_of(l);
        plan.polygon = plan.component.has_value();
      }
      if (options.resets == Resets::registers && acts(cascade.levels[l], SlotAction::Kind::permutation) &&
          acts(cascade.levels[l], SlotAction::Kind::reset)) {
        plan.group.emplace(cascade.levels[l]);
        ++layers;
        for (const std::uint32_t level : cascade.node_level) nodes += level == l ? plan.group->size() : 0;
      }
      plans_.push_back(std::move(plan));
    }
    middle_.assign(cascade.node_level.size(), 0);
    std::vector<std::size_t> next;
    for (const Plan& plan : plans_) next.push_back(plan.first_middle);
    for (std::size_t n = 0; n < cascade.node_level.size(); ++n) {
      const std::uint32_t level = cascade.node_level[n];
      if (level == cascade.depth() || !plans_[level].group) continue;
      middle_[n] = static_cast<std::uint32_t>(next[level]);
      next[level] += plans_[level].group->size();
    }
  }

  std::vector<TableLayer> layers() const {
    std::vector<TableLayer> result;
    for (std::uint32_t l = 0; l < cascade_.depth(); ++l) {
      if (plans_[l].component) {
        result.push_back(component_layer(l));
      } else if (plans_[l].group) {
        result.push_back(group_layer(l));
        result.push_back(register_layer(l));
      } else {
        result.push_back(layer(l));
      }
    }
    return result;
  }

  std::int32_t label(State state) const {
    // A state whose label does not matter still needs one: an undefined label would stay for ever.
    if (dfa_.label(state) != null_label) return dfa_.label(state);
    return dfa_.label_names().empty() ? undefined_label : 0;
  }

  std::size_t square_levels() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(plans_, [](const Plan& plan) { return plan.component.has_value() && !plan.polygon; }));
  }
  std::size_t polygon_levels() const {
    return static_cast<std::size_t>(std::ranges::count_if(plans_, [](const Plan& plan) { return plan.polygon; }));
  }
  /// Whether a level rounds, and up to which length the slots of all are right then.
  bool exact() const {
    return std::ranges::all_of(plans_, [](const Plan& plan) { return !plan.polygon || !plan.component->reference; });
  }
  std::optional<std::uint64_t> horizon() const {
    std::optional<std::uint64_t> least;
    for (std::uint32_t l = 0; l < cascade_.depth(); ++l) {
      if (!plans_[l].component || !plans_[l].component->reference) continue;
      const std::optional<std::uint64_t> length =
          certify_horizon(component_layer(l), *plans_[l].component->reference, Semantics::fp32_fma_v1).length;
      if (length) least = std::min(*length, least.value_or(*length));
    }
    return least;
  }

  InvariantHint hint() const {
    InvariantHint hint;
    hint.root = cascade_.root;
    hint.child_offset.push_back(0);
    const auto push_node = [&](std::uint32_t layer, State state) {
      hint.node_layer.push_back(layer);
      hint.node_state.push_back(state);
      hint.child_offset.push_back(static_cast<std::uint32_t>(hint.child_node.size()));
    };
    const auto child = [&](std::uint32_t node) {
      return node == Cascade::no_node ? -1 : static_cast<std::int32_t>(node);
    };
    for (std::uint32_t n = 0; n < cascade_.node_level.size(); ++n) {
      const std::uint32_t level = cascade_.node_level[n];
      if (level == cascade_.depth()) {
        push_node(InvariantHint::leaf, cascade_.node_state[n]);
      } else if (plans_[level].component) {
        for (const std::uint32_t slot : plans_[level].component->slot_of_state) {
          hint.child_node.push_back(child(cascade_.child_at(n, slot)));
        }
        push_node(plans_[level].first_layer, 0);
      } else if (const std::optional<SlotGroup>& group = plans_[level].group) {
        for (std::uint32_t g = 0; g < group->size(); ++g) hint.child_node.push_back(child(middle_[n] + g));
        push_node(plans_[level].first_layer, 0);
      } else {
        for (std::uint32_t i = cascade_.child_offset[n]; i < cascade_.child_offset[n + 1]; ++i) {
          hint.child_node.push_back(child(cascade_.child[i]));
        }
        push_node(plans_[level].first_layer, 0);
      }
    }
    for (std::uint32_t l = 0; l < cascade_.depth(); ++l) {
      const Plan& plan = plans_[l];
      std::vector<RowContext>& contexts = hint.row_context.emplace_back();
      for (const CascadeRow& row : cascade_.levels[l].rows)
        contexts.push_back({row.letter, row.old_node, row.new_node});
      hint.slot_readout.push_back(0);
      if (!plan.group) continue;
      for (std::uint32_t n = 0; n < cascade_.node_level.size(); ++n) {
        if (cascade_.node_level[n] != l) continue;
        for (std::uint32_t g = 0; g < plan.group->size(); ++g) {
          for (const std::uint32_t slot : plan.group->element(g)) {
            hint.child_node.push_back(child(cascade_.child_at(n, slot)));
          }
          push_node(plan.first_layer + 1, 0);
        }
      }
      std::vector<RowContext>& middle_contexts = hint.row_context.emplace_back();
      hint.slot_readout.push_back(0);
      for_each_middle_row(l, [&](const CascadeRow& row, std::uint32_t old_g, std::uint32_t new_g) {
        middle_contexts.push_back({row.letter, on_level(row.old_node, l) ? middle_[row.old_node] + old_g : row.old_node,
                                   on_level(row.new_node, l) ? middle_[row.new_node] + new_g : row.new_node});
      });
    }
    return hint;
  }

 private:
  struct Form {
    SlotEncoding encoding;
    bool gate;
  };
  /// A level's slots as symmetries of squares, or as the corners of a polygon: the layer of an automaton whose states
  /// stand for slots and whose symbols are the level's actions.
  struct Component {
    TableLayer layer;
    std::vector<std::int32_t> row_of_action;
    std::vector<std::uint32_t> slot_of_state;
    /// Where it rounds: the states as they should be.
    std::optional<ReferenceStates> reference{};
  };
  struct Plan {
    Form form;
    std::uint32_t first_layer;
    /// Two layers if present: one holds a group element g, one a slot y; the level's slot is g(y).
    std::optional<SlotGroup> group;
    /// The hint's nodes (node of the level, g), on the second layer, are numbered from here.
    std::size_t first_middle;
    std::optional<Component> component;
    bool polygon;
  };

  static bool acts(const CascadeLevel& level, SlotAction::Kind kind) {
    return std::any_of(level.actions.begin(), level.actions.end(),
                       [&](const SlotAction& action) { return action.kind == kind; });
  }
  bool on_level(std::uint32_t node, std::uint32_t level) const { return cascade_.node_level[node] == level; }

  Form form_of(const CascadeLevel& level) const {
    const bool permutes = acts(level, SlotAction::Kind::permutation);
    const bool resets = acts(level, SlotAction::Kind::reset);
    switch (options_.resets) {
      case Resets::householder:
        return {SlotEncoding::key_onehot, false};
      case Resets::hybrid:
        return {SlotEncoding::key_onehot, resets};
      case Resets::registers:
      case Resets::automatic:
        break;
    }
    if (!permutes) return {register_encoding(level.width), false};
    if (level.width == 2) return {SlotEncoding::sign, false};
    return {SlotEncoding::key_onehot, resets};
  }
  SlotEncoding register_encoding(std::uint32_t width) const {
    const std::optional<IntegerFormat> integers = integer_format(options_.semantics);
    const bool in_range = !integers || width <= static_cast<std::uint32_t>(integers->most()) + 1;
    return width <= max_scalar_slots && in_range ? SlotEncoding::scalar : SlotEncoding::value_onehot;
  }

  // With signed gates, where that has a smaller state than a slot a key.
  std::optional<Component> squares_of(std::uint32_t l) const {
    const CascadeLevel& level = cascade_.levels[l];
    if (options_.recurrence != Recurrence::kda || options_.resets != Resets::automatic || block() ||
        options_.keys != KeyForm::integer || options_.spectrum != Spectrum::any || level.width <= 2 ||
        !acts(level, SlotAction::Kind::permutation)) {
      return std::nullopt;
    }
    std::vector<std::string> symbols;
    std::vector<std::string> slots;
    std::vector<LabelId> labels;
    std::vector<State> delta;
    for (std::uint32_t slot = 0; slot < level.width; ++slot) {
      slots.push_back(std::to_string(slot));
      labels.push_back(static_cast<LabelId>(slot));
      for (const SlotAction& action : level.actions) delta.push_back(action.apply(slot));
    }
    for (std::size_t a = 0; a < level.actions.size(); ++a) symbols.push_back(std::to_string(a));
    const Dfa component(Alphabet(symbols), cascade_.start[l], delta, labels, slots);
    const std::optional<CompiledGroup> found = compile_square_symmetries(component);
    if (!found) return std::nullopt;
    const std::size_t tuples = found->hint.child_node.size();
    const SlotLayout layout = layout_of(SlotEncoding::key_onehot, level.width, false);
    if (found->model.hidden_size() >= layout.key_size() || tuples > std::size_t{4} * level.width) return std::nullopt;
    Component squares{found->model.layers().front(), found->model.symbol_row(), {}};
    for (const std::int32_t node : found->hint.child_node) {
      squares.slot_of_state.push_back(found->hint.node_state[static_cast<std::size_t>(node)]);
    }
    return squares;
  }

  // Where rotations are asked for: a level whose permutations turn a polygon of its slots. A reset is a zero gate and
  // the corner written.
  std::optional<Component> polygon_of(std::uint32_t l) const {
    const CascadeLevel& level = cascade_.levels[l];
    if (options_.representation != GroupRepresentation::rotation || level.width <= 2) return std::nullopt;
    std::vector<std::vector<std::uint32_t>> permutations;
    for (const SlotAction& action : level.actions) {
      if (action.kind == SlotAction::Kind::permutation) permutations.push_back(action.image);
    }
    if (permutations.empty()) return std::nullopt;
    const std::uint32_t start = cascade_.start[l];
    const std::optional<Polygon> polygon = find_polygon(permutations, level.width, start);
    if (!polygon) return std::nullopt;
    auto [centre, readout] = corners_of(*polygon);
    ReferenceStates reference{std::move(centre), {}, start};
    std::vector<TokenRow> table;
    Component component{
        {TokenTable(2, 1, table), {1.0F, 0.0F}, {readout, SlotReadout{{{}}, {0.0F}}}, true, {}, {}, {}, {}}, {}, {}};
    std::size_t turn = 0;
    for (const SlotAction& action : level.actions) {
      TokenRow& row = table.emplace_back();
      component.row_of_action.push_back(static_cast<std::int32_t>(component.row_of_action.size()));
      if (action.kind == SlotAction::Kind::permutation) {
        row = turn_row(polygon->turns[turn++], level.width, options_.recurrence == Recurrence::kda);
      } else if (action.kind == SlotAction::Kind::reset) {
        row.gate = {0.0F};
        row.write = readout.weight[action.image[0]];
      }
    }
    component.layer.table = TokenTable(2, 1, table);
    for (std::uint32_t slot = 0; slot < level.width; ++slot) {
      component.slot_of_state.push_back(slot);
      for (const SlotAction& action : level.actions) reference.successor.push_back(action.apply(slot));
    }
    if (!turns_exactly(level.width)) component.reference = std::move(reference);
    return component;
  }

  TableLayer component_layer(std::uint32_t l) const {
    const CascadeLevel& level = cascade_.levels[l];
    const Component& component = *plans_[l].component;
    TableLayer result{component.layer.table,
                      component.layer.initial_hidden,
                      {component.layer.readouts.front(), SlotReadout{{{}}, {0.0F}}},
                      true,
                      {},
                      {},
                      {},
                      {}};
    LayerRows rows(result);
    for (std::size_t r = 0; r < level.rows.size(); ++r) {
      const auto action = static_cast<std::uint32_t>(component.row_of_action[level.rows[r].action]);
      std::vector<std::int32_t> by_slot = following(l, r);
      merge_equal(by_slot);
      if (by_slot.size() == 1) {
        rows.push(action, 1, by_slot);
        continue;
      }
      std::vector<std::int32_t> by_state;
      for (const std::uint32_t slot : component.slot_of_state) {
        by_state.push_back(slot < by_slot.size() ? by_slot[slot] : undefined_row);
      }
      rows.push(action, 0, by_state);
    }
    return result;
  }

  bool block() const { return options_.delay == Delay::block; }
  SlotLayout layout_of(SlotEncoding encoding, std::uint32_t width, bool previous) const {
    return SlotLayout(encoding, width, previous, options_.spectrum == Spectrum::nonnegative,
                      options_.keys == KeyForm::dyadic);
  }

  // What follows a row of level l, for each old slot: rows of the next level or labels.
  std::vector<std::int32_t> following(std::uint32_t l, std::size_t r) const {
    const CascadeLevel& level = cascade_.levels[l];
    const bool last = l + 1 == cascade_.depth();
    const std::size_t end = r + 1 < level.rows.size() ? level.rows[r + 1].next : level.next.size();
    std::vector<std::int32_t> result;
    for (std::size_t i = level.rows[r].next; i < end; ++i) {
      const std::uint32_t next = level.next[i];
      result.push_back(next == Cascade::no_row ? undefined_row : last ? label(next) : static_cast<std::int32_t>(next));
    }
    return result;
  }

  // A row of a layer before its readout is chosen: an action and what follows for each old slot.
  struct Step {
    std::uint32_t action;
    std::vector<std::int32_t> by_old_slot;
  };

  // Reduces to one entry what is the same for every slot that occurs.
  static void merge_equal(std::vector<std::int32_t>& by_slot) {
    std::int32_t only = undefined_row;
    for (const std::int32_t next : by_slot) {
      if (next == undefined_row) continue;
      if (only != undefined_row && next != only) return;
      only = next;
    }
    by_slot = {only};
  }

  // A layer that keeps a slot, from the level's actions and the steps of its rows.
  TableLayer slot_layer(SlotEncoding encoding, bool gate, std::uint32_t width, std::uint32_t start,
                        const std::vector<SlotAction>& actions, std::vector<Step> steps) const {
    const auto resets = [&](const Step& step) { return actions[step.action].kind == SlotAction::Kind::reset; };
    for (Step& step : steps) merge_equal(step.by_old_slot);
    const bool previous = block() && std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
                            return step.by_old_slot.size() > 1 && resets(step);
                          });
    const SlotLayout layout = layout_of(encoding, width, previous);
    std::vector<TokenRow> table;
    for (const SlotAction& action : actions) table.push_back(layout.row(action, gate));
    TableLayer result{
        TokenTable(layout.key_size(), layout.value_size(), table), layout.initial(start), {}, !block(), {}, {}, {}, {}};
    LayerRows rows(result);
    rows.readout(layout, width, false);  // number 0, the hint's slot readout
    for (const Step& step : steps) {
      const auto old_slots = static_cast<std::uint32_t>(step.by_old_slot.size());
      if (old_slots <= 1) {
        rows.push(step.action, rows.readout(layout, 1, false), step.by_old_slot);
      } else if (!block() || resets(step)) {
        rows.push(step.action, rows.readout(layout, old_slots, block()), step.by_old_slot);
      } else {
        std::vector<std::int32_t> by_new_slot;
        for (std::uint32_t slot = 0; slot < old_slots; ++slot) {
          if (step.by_old_slot[slot] == undefined_row) continue;
          const std::uint32_t new_slot = actions[step.action].apply(slot);
          if (by_new_slot.size() <= new_slot) by_new_slot.resize(new_slot + 1, undefined_row);
          by_new_slot[new_slot] = step.by_old_slot[slot];
        }
        rows.push(step.action, rows.readout(layout, static_cast<std::uint32_t>(by_new_slot.size()), false),
                  by_new_slot);
      }
    }
    return result;
  }

  TableLayer layer(std::uint32_t l) const {
    const CascadeLevel& level = cascade_.levels[l];
    std::vector<Step> steps;
    for (std::size_t r = 0; r < level.rows.size(); ++r) steps.push_back({level.rows[r].action, following(l, r)});
    return slot_layer(plans_[l].form.encoding, plans_[l].form.gate, level.width, cascade_.start[l], level.actions,
                      std::move(steps));
  }

  // The rows of a split level's second layer, in order: one for each row and group element before the step, or a
  // single one where neither chain sits on the level.
  template <typename Visit>
  void for_each_middle_row(std::uint32_t l, Visit visit) const {
    const CascadeLevel& level = cascade_.levels[l];
    const SlotGroup& group = *plans_[l].group;
    for (const CascadeRow& row : level.rows) {
      const bool selects = on_level(row.old_node, l) || on_level(row.new_node, l);
      for (std::uint32_t g = 0; g < (selects ? group.size() : 1U); ++g) {
        visit(row, g, group.after(g, level.actions[row.action]));
      }
    }
  }

  // The group element g as the arrangement (1, .., width) of the slots carried along, h[g(i)] = i + 1; permutations
  // act, resets do not. The scalar product of two arrangements is largest where they are equal.
  TableLayer group_layer(std::uint32_t l) const {
    const CascadeLevel& level = cascade_.levels[l];
    const SlotGroup& group = *plans_[l].group;
    const SlotLayout layout = layout_of(SlotEncoding::key_onehot, level.width, false);
    std::vector<TokenRow> table;
    for (const SlotAction& action : level.actions) {
      table.push_back(action.kind == SlotAction::Kind::reset ? TokenRow{} : layout.row(action, false));
    }
    const std::size_t copies = layout.key_size() / level.width;
    SlotReadout readout;
    for (std::uint32_t g = 0; g < group.size(); ++g) {
      std::vector<Entry>& weight = readout.weight.emplace_back();
      for (std::uint32_t place = 0; place < level.width; ++place) {
        weight.push_back({static_cast<std::uint32_t>(place * copies), static_cast<float>(group.inverse(g)[place] + 1)});
      }
      readout.bias.push_back(0.0F);
    }
    std::vector<float> initial(layout.key_size());
    for (std::size_t j = 0; j < initial.size(); ++j) initial[j] = static_cast<float>(j / copies + 1);
    TableLayer result{TokenTable(layout.key_size(), 1, table),
                      std::move(initial),
                      {std::move(readout), SlotReadout{{{}}, {0.0F}}},
                      !block(),
                      {},
                      {},
                      {},
                      {}};
    std::int32_t middle_row = 0;
    for (const CascadeRow& row : level.rows) {
      const bool selects = on_level(row.old_node, l) || on_level(row.new_node, l);
      result.row_action.push_back(row.action);
      result.row_readout.push_back(selects ? 0 : 1);
      result.row_next.push_back(static_cast<std::uint32_t>(result.next.size()));
      if (!selects) {
        result.next.push_back(middle_row++);
        continue;
      }
      std::vector<std::int32_t> next(group.size());
      for (std::uint32_t g = 0; g < group.size(); ++g) {
        next[block() ? group.after(g, level.actions[row.action]) : g] = middle_row++;
      }
      result.next.insert(result.next.end(), next.begin(), next.end());
    }
    return result;
  }

  TableLayer register_layer(std::uint32_t l) const {
    const CascadeLevel& level = cascade_.levels[l];
    const SlotGroup& group = *plans_[l].group;
    std::vector<SlotAction> actions = {{}};
    for (std::uint32_t slot = 0; slot < level.width; ++slot) {
      actions.push_back({SlotAction::Kind::reset, {slot}});
    }
    std::vector<Step> steps;
    for_each_middle_row(l, [&](const CascadeRow& row, std::uint32_t old_g, std::uint32_t) {
      const SlotAction& action = level.actions[row.action];
      Step step{0, following(l, static_cast<std::size_t>(&row - level.rows.data()))};
      if (action.kind == SlotAction::Kind::reset) step.action = 1 + group.inverse(old_g)[action.image[0]];
      if (on_level(row.old_node, l)) {
        std::vector<std::int32_t> by_register(level.width, undefined_row);
        for (std::uint32_t y = 0; y < level.width; ++y) {
          const std::uint32_t slot = group.element(old_g)[y];
          if (slot < step.by_old_slot.size()) by_register[y] = step.by_old_slot[slot];
        }
        step.by_old_slot = std::move(by_register);
      }
      steps.push_back(std::move(step));
    });
    return slot_layer(register_encoding(level.width), false, level.width, cascade_.start[l], actions, std::move(steps));
  }

  const Cascade& cascade_;
  const Dfa& dfa_;
  const CompileOptions& options_;
  std::vector<Plan> plans_;
  std::vector<std::uint32_t> middle_;  // per node of a split level
};

void begin(const CompileOptions& options, const char* stage) {
  if (options.begins) options.begins(stage);
}

CompileResult compile_cascade(const Dfa& minimal, const CompileOptions& options) {
  CascadeOptions cascade_options = options.cascade;
  cascade_options.resets_only = options.spectrum == Spectrum::nonnegative;
  begin(options, "cascade");
  const Cascade cascade = make_cascade(minimal, cascade_options);
  begin(options, "layers");
  const Compiler compiler(cascade, minimal, options);
  std::vector<std::int32_t> symbol_row;
  for (const std::uint32_t row : cascade.symbol_row) {
    symbol_row.push_back(cascade.depth() == 0 ? compiler.label(row) : static_cast<std::int32_t>(row));
  }
  CompileResult result{LrnnModel(minimal.alphabet(), minimal.label_names(), compiler.label(minimal.start()),
                                 std::move(symbol_row), compiler.layers()),
                       compiler.hint(), minimal};
  result.mode = cascade.modes();
  result.parts = cascade.parts;
  result.widths = cascade.widths();
  result.square_levels = compiler.square_levels();
  result.polygon_levels = compiler.polygon_levels();
  result.exact = compiler.exact();
  result.horizon = compiler.horizon();
  result.family = cascade.family;
  return result;
}

CompileResult compile_permutations(const Dfa& minimal, const CompileOptions& options) {
  const GroupRepresentation smallest =
      minimal.num_states() == 2 ? GroupRepresentation::scalar : GroupRepresentation::permutation;
  begin(options, "group");
  CompiledGroup group = compile_group(
      minimal, {options.keys, options.representation.value_or(smallest), options.recurrence == Recurrence::kda});
  CompileResult result{std::move(group.model), std::move(group.hint), minimal};
  result.mode = "group";
  if (!result.model.layers().empty()) result.widths = {minimal.num_states()};
  result.exact = group.exact;
  result.horizon = group.horizon;
  return result;
}

/// A layer of a family of its own, beside what products of reflections take, where that is known.
CompileResult one_layer(CompiledGroup layer, const char* mode, const Dfa& minimal,
                        const std::optional<ModelSize>& with_reflections) {
  CompileResult result{std::move(layer.model), std::move(layer.hint), minimal};
  result.mode = mode;
  result.widths = {minimal.num_states()};
  result.with_reflections = with_reflections;
  return result;
}

/// The layer of moves and swaps, where the options ask for it and the language has one.
std::optional<CompiledGroup> moves_of(const Dfa& minimal, const CompileOptions& options) {
  const bool pd = options.recurrence == Recurrence::pd;
  if ((!pd && options.recurrence != Recurrence::rwkv7_widened) || options.representation || options.cascade.mode ||
      options.spectrum != Spectrum::any || options.keys != KeyForm::integer) {
    return std::nullopt;
  }
  begin(options, "moves of states");
  return compile_moves(minimal, pd ? MoveOptions{} : MoveOptions{1, false});
}

/// A representation that is asked for has a place in what is made.
void require_fit(const CompileOptions& options, bool as_group) {
  if (!options.representation) return;
  const auto refuse = [](const std::string& problem) { throw InputError("representation: " + problem); };
  if (options.recurrence == Recurrence::pd || options.recurrence == Recurrence::rwkv7_widened) {
    refuse("expected none for a family of moves and swaps, got one");
  }
  if (as_group) return;
  if (options.representation != GroupRepresentation::rotation) {
    refuse(
        "expected rotation for levels of a cascade, got another; the others are of languages all of whose letters are "
        "permutations, compiled without one");
  }
  if (options.delay != Delay::read_before || options.resets != Resets::automatic || options.spectrum != Spectrum::any ||
      options.keys != KeyForm::integer) {
    refuse(
        "expected the delay, resets, spectrum and keys that are taken by themselves for levels that turn, got others");
  }
}

/// In an integer semantics the model has its form, and all that a layer writes is in the format's range.
void require_in_range(const LrnnModel& model, Semantics semantics) {
  const std::optional<IntegerFormat> format = integer_format(semantics);
  if (!format) return;
  std::vector<std::string> problems = integer_problems(model, semantics);
  for (std::size_t l = 0; l < model.layers().size() && problems.empty(); ++l) {
    const TokenTable::Arrays& arrays = model.layers()[l].table.arrays();
    for (const std::vector<float>* values : {&arrays.value_value, &arrays.write_value}) {
      for (const float x : *values) {
        if (x >= static_cast<float>(format->least()) && x <= static_cast<float>(format->most())) continue;
        problems.push_back(std::string(semantics_id(semantics)) + ": layers[" + std::to_string(l) +
                           "]: expected to write numbers from " + std::to_string(format->least()) + " to " +
                           std::to_string(format->most()) + ", got " + std::to_string(x));
        break;
      }
    }
  }
  if (!problems.empty()) throw InputError(std::move(problems));
}

}  // namespace

ModelSize size_of(const LrnnModel& model) {
  ModelSize size;
  for (const TableLayer& layer : model.layers()) {
    ++size.layers;
    size.hidden += layer.hidden_size();
    size.householder = std::max(size.householder, layer.table.num_householder());
    size.factors += layer.table.num_factors();
  }
  return size;
}

CompileResult compile(const Language& language, const CompileOptions& options) {
  if (options.semantics == Semantics::fp32_snap_v1) {
    throw InputError(
        "semantics: expected one of a model without codes, got fp32-snap-v1, in which krohn harden makes them");
  }
  const Dfa& minimal = language.minimal();
  const bool as_group = language.is_group() && !options.cascade.mode && options.spectrum == Spectrum::any;
  require_fit(options, as_group);
  const auto make = [&](const CompileOptions& by) {
    return as_group ? compile_permutations(minimal, by) : compile_cascade(minimal, by);
  };
  std::optional<CompiledGroup> moves = moves_of(minimal, options);
  const auto with_or_without_cascade = [&] {
    try {
      CompileResult made = make(options);
      if (options.recurrence != Recurrence::any) {
        CompileOptions reflections = options;
        reflections.resets = Resets::householder;
        if (!as_group) reflections.representation.reset();
        made.with_reflections = size_of(make(reflections).model);
      }
      return made;
    } catch (const ResourceError&) {
      // A cascade past the caps is no matter where one layer does without.
      if (!moves) throw;
      return one_layer(*moves, "moves", minimal, std::nullopt);
    }
  };
  CompileResult result = with_or_without_cascade();
  if (options.representation && !as_group && result.polygon_levels == 0) {
    throw InputError(
        "representation: expected a level of the cascade that turns a polygon of three slots or more, got none");
  }
  if (options.recurrence == Recurrence::kda && !options.representation && !options.cascade.mode &&
      options.spectrum == Spectrum::any && options.keys == KeyForm::integer) {
    // Fewer layers, then one factor a token, as the family has them, then a smaller state, then fewer factors; of
    // squares either way, one layer without a cascade.
    const auto better = [&](const LrnnModel& model, bool on_a_tie) {
      const auto merit = [](const ModelSize& size) {
        return std::tuple(size.layers, std::max<std::size_t>(size.householder, 1), size.hidden, size.factors);
      };
      if (integer_format(options.semantics) && !integer_problems(model, options.semantics).empty()) return false;
      const auto order = merit(size_of(model)) <=> merit(size_of(result.model));
      return order < 0 || (order == 0 && on_a_tie);
    };
    begin(options, "symmetries of squares");
    std::optional<CompiledGroup> layer = compile_square_symmetries(minimal);
    if (layer && better(layer->model, result.square_levels > 0)) {
      result = one_layer(*std::move(layer), "squares", minimal, result.with_reflections);
    }
    begin(options, "symmetries of cubes");
    layer = compile_octahedral(minimal);
    if (layer && better(layer->model, false)) {
      result = one_layer(*std::move(layer), "cubes", minimal, result.with_reflections);
    }
  }
  // Of a PD layer a letter is one matrix, however many factors write it.
  if (moves && std::tuple(size_of(moves->model).layers, size_of(moves->model).hidden) <
                   std::tuple(size_of(result.model).layers, size_of(result.model).hidden)) {
    result = one_layer(*std::move(moves), "moves", minimal, result.with_reflections);
  }
  require_in_range(result.model, options.semantics);
  result.states = language.given_states();
  result.distinct_letters = language.letters().images.size();
  for (const TableLayer& layer : result.model.layers()) {
    result.hidden.push_back(layer.hidden_size());
    result.num_householder.push_back(layer.table.num_householder());
    result.rows += layer.num_rows();
    result.table_rows += layer.table.num_rows();
    result.factors += layer.table.num_factors();
  }
  result.linear_bound = minimal.num_states() - 1;
  result.paper_bound = boost::multiprecision::cpp_int(boost::multiprecision::cpp_int(1) << minimal.num_states()).str();
  begin(options, "textbook depth");
  result.holonomy_depth = holonomy_depth(minimal, options.max_holonomy_family);
  return result;
}

}  // namespace krohn
