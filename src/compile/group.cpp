// Theorem 3 as a table. The layer carries h, the colouring of the points of a low-degree action (find_action); a
// letter permutes the entries by degree - cycles transpositions, each one generalized Householder factor. The vectors
// h_q are permutations of one another, hence of equal norm, so the score h_q . h alone is nearest-centre decoding:
// by Cauchy-Schwarz it is largest exactly at h = h_q.
//
// Exactness. Integer keys: h_i and h_j are small integers; the dot product h_i - h_j, its negation and the sums
// h_i - (h_i - h_j), h_j + (h_i - h_j) are integers below 2^24. Dyadic keys: the same numbers, halves included, in
// doubled coordinates. The scores are integers of at most degree * colours^2. All of them are refused above 2^24.
//
// Rotations and reflections of the plane, of cyclic and dihedral groups whose states are the corners of a polygon:
// polygon.cpp.
#include "krohn/compile/group.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/group_action.hpp"
#include "krohn/automata/transformation.hpp"
#include "krohn/error.hpp"
#include "krohn/model/horizon.hpp"
#include "krohn/model/householder.hpp"
#include "polygon.hpp"

namespace krohn {
namespace {

constexpr double exact_integers = 0x1p24;
// Rotations: the margin is computed over all pairs of states.
constexpr std::size_t max_rotation_states = 4096;

/// Slot q is automaton state q.
InvariantHint one_layer_hint(std::size_t states, const std::vector<std::uint32_t>& row_symbol) {
  std::vector<State> state_of_slot(states);
  std::iota(state_of_slot.begin(), state_of_slot.end(), State{0});
  return krohn::one_layer_hint(state_of_slot, row_symbol);
}

InvariantHint constant_hint() {
  InvariantHint hint;
  hint.node_layer = {InvariantHint::leaf};
  hint.child_offset = {0, 0};
  hint.node_state = {0};
  return hint;
}

// A state whose label does not matter gets label 0: undefined_label would stay for ever, not for one position.
std::vector<std::int32_t> state_labels(const Dfa& dfa) {
  std::vector<std::int32_t> labels(dfa.labels().begin(), dfa.labels().end());
  if (!dfa.label_names().empty()) std::replace(labels.begin(), labels.end(), null_label, LabelId{0});
  return labels;
}

struct LetterRows {
  std::vector<std::int32_t> row_of_symbol;
  std::vector<std::uint32_t> symbol_of_row;
};

LetterRows rows_of(const std::vector<std::uint32_t>& letter_of_symbol) {
  LetterRows rows;
  for (std::size_t a = 0; a < letter_of_symbol.size(); ++a) {
    rows.row_of_symbol.push_back(static_cast<std::int32_t>(letter_of_symbol[a]));
    // Letters are numbered by first occurrence.
    if (letter_of_symbol[a] == rows.symbol_of_row.size()) rows.symbol_of_row.push_back(static_cast<std::uint32_t>(a));
  }
  return rows;
}

TableLayer make_layer(TokenTable table, std::vector<float> initial, SlotReadout readout, const Dfa& dfa) {
  const std::size_t rows = table.num_rows();
  TableLayer layer{std::move(table), std::move(initial), {std::move(readout)}, false, {}, {}, {}, state_labels(dfa)};
  for (std::uint32_t row = 0; row < rows; ++row) layer.row_action.push_back(row);
  layer.row_readout.assign(rows, 0);
  layer.row_next.assign(rows, 0);
  return layer;
}

LrnnModel make_model(const Dfa& dfa, std::vector<std::int32_t> symbol_row, std::vector<TableLayer> layers) {
  return LrnnModel(dfa.alphabet(), dfa.label_names(), dfa.label(dfa.start()), std::move(symbol_row), std::move(layers));
}

GeneralizedHouseholder swap_factor(std::uint32_t i, std::uint32_t j, KeyForm keys) {
  if (j < i) std::swap(i, j);
  if (keys == KeyForm::integer) return {{{i, 1.0F}, {j, -1.0F}}, 1.0F, {}};
  return {{{2 * i, 0.5F}, {2 * i + 1, 0.5F}, {2 * j, -0.5F}, {2 * j + 1, -0.5F}}, 2.0F, {}};
}

/// The cycle x_0 -> x_1 -> .. -> x_0 moves entries along it: the swaps of x_0 with x_1, x_2, .. in this order.
TokenRow permutation_row(const std::vector<std::uint32_t>& points, KeyForm keys) {
  TokenRow row;
  std::vector<bool> seen(points.size(), false);
  for (std::uint32_t first = 0; first < points.size(); ++first) {
    seen[first] = true;
    for (std::uint32_t x = points[first]; !seen[x]; x = points[x]) {
      seen[x] = true;
      row.factors.push_back(swap_factor(first, x, keys));
    }
  }
  return row;
}

CompiledGroup compile_permutation(const Dfa& dfa, KeyForm keys) {
  const GroupAction action = find_action(dfa);
  const std::size_t copies = keys == KeyForm::dyadic ? 2 : 1;
  const auto colouring = [&](State state) {
    std::vector<Entry> entries;
    for (std::uint32_t p = 0; p < action.degree; ++p) {
      const auto colour = static_cast<float>(action.state_colour(state)[p]);
      if (colour == 0.0F) continue;
      for (std::uint32_t copy = 0; copy < copies; ++copy) {
        entries.push_back({static_cast<std::uint32_t>(copies) * p + copy, colour});
      }
    }
    return entries;
  };
  const double most_colours = *std::max_element(action.colour.begin(), action.colour.end());
  if (static_cast<double>(copies * action.degree) * most_colours * most_colours > exact_integers) {
    throw ResourceError("group: expected scores below 2^24, got " + std::to_string(action.degree) + " points in " +
                        std::to_string(static_cast<std::size_t>(most_colours)) + " colours");
  }
  std::vector<TokenRow> rows;
  for (const std::vector<std::uint32_t>& letter : action.letters) rows.push_back(permutation_row(letter, keys));
  SlotReadout readout;
  for (State q = 0; q < dfa.num_states(); ++q) {
    readout.weight.push_back(colouring(q));
    readout.bias.push_back(0.0F);
  }
  std::vector<float> initial(copies * action.degree, 0.0F);
  for (const Entry& entry : readout.weight[dfa.start()]) initial[entry.index] = entry.value;
  LetterRows letters = rows_of(action.letter_of_symbol);
  TableLayer layer =
      make_layer(TokenTable(copies * action.degree, 1, rows), std::move(initial), std::move(readout), dfa);
  return {make_model(dfa, std::move(letters.row_of_symbol), {std::move(layer)}),
          one_layer_hint(dfa.num_states(), letters.symbol_of_row), true, std::nullopt};
}

CompiledGroup compile_scalar(const Dfa& dfa) {
  if (dfa.num_states() != 2) {
    throw InputError("scalar: expected a language of two states (A = -1), got " + std::to_string(dfa.num_states()));
  }
  const DistinctLetters distinct = distinct_letters(dfa);
  const std::vector<Transformation>& letters = distinct.images;
  LetterRows rows = rows_of(distinct.of_symbol);
  std::vector<TokenRow> table;
  for (const std::vector<State>& letter : letters) {
    TokenRow row;
    if (letter[0] == 1) row.factors.push_back({{{0, 1.0F}}, 2.0F, {}});
    table.push_back(std::move(row));
  }
  const auto sign = [&](State q) { return q == dfa.start() ? 1.0F : -1.0F; };
  SlotReadout readout{{{{0, sign(0)}}, {{0, sign(1)}}}, {0.0F, 0.0F}};
  TableLayer layer = make_layer(TokenTable(1, 1, table), {1.0F}, std::move(readout), dfa);
  return {make_model(dfa, std::move(rows.row_of_symbol), {std::move(layer)}), one_layer_hint(2, rows.symbol_of_row),
          true, std::nullopt};
}

CompiledGroup compile_rotation(const Dfa& dfa, bool signed_gates) {
  const std::size_t order = dfa.num_states();
  if (order > max_rotation_states) {
    throw ResourceError("rotation: expected at most " + std::to_string(max_rotation_states) + " states, got " +
                        std::to_string(order));
  }
  const DistinctLetters distinct = distinct_letters(dfa);
  const std::vector<Transformation>& letters = distinct.images;
  LetterRows rows = rows_of(distinct.of_symbol);
  const std::optional<Polygon> polygon = find_polygon(letters, order, dfa.start());
  if (!polygon) {
    throw InputError("rotation: expected a cyclic or dihedral group that turns a polygon of the states, got another");
  }
  std::vector<TokenRow> table;
  for (const Turn& turn : polygon->turns) table.push_back(turn_row(turn, order, signed_gates));

  auto [centre, readout] = corners_of(*polygon);
  ReferenceStates reference{std::move(centre), {}, dfa.start()};
  for (State q = 0; q < order; ++q) {
    for (const std::vector<State>& letter : letters) reference.successor.push_back(letter[q]);
  }
  TableLayer layer = make_layer(TokenTable(2, 1, table), {1.0F, 0.0F}, std::move(readout), dfa);
  const bool exact = turns_exactly(order);
  std::optional<std::uint64_t> horizon;
  if (!exact) horizon = certify_horizon(layer, reference, Semantics::fp32_fma_v1).length;
  return {make_model(dfa, std::move(rows.row_of_symbol), {std::move(layer)}), one_layer_hint(order, rows.symbol_of_row),
          exact, horizon};
}

}  // namespace

InvariantHint one_layer_hint(const std::vector<State>& state_of_slot, const std::vector<std::uint32_t>& row_symbol) {
  InvariantHint hint;
  const auto slots = static_cast<std::uint32_t>(state_of_slot.size());
  hint.slot_readout = {0};
  hint.node_layer.assign(slots + 1, InvariantHint::leaf);
  hint.node_layer[0] = 0;
  hint.child_offset.assign(slots + 2, slots);
  hint.child_offset[0] = 0;
  hint.node_state.assign(slots + 1, 0);
  for (std::uint32_t slot = 0; slot < slots; ++slot) {
    hint.child_node.push_back(static_cast<std::int32_t>(slot + 1));
    hint.node_state[slot + 1] = state_of_slot[slot];
  }
  hint.row_context.emplace_back();
  for (const std::uint32_t symbol : row_symbol) hint.row_context[0].push_back({symbol, 0, 0});
  return hint;
}

CompiledGroup compile_representation(const Dfa& minimal, const OrthogonalRepresentation& representation) {
  const std::size_t d = representation.dimension;
  LetterRows rows = rows_of(representation.letter_of_symbol);
  std::vector<TokenRow> table;
  for (const std::vector<double>& letter : representation.letters) {
    TokenRow row;
    row.factors = HouseholderProduct::from_orthogonal(d, letter).factors();
    table.push_back(std::move(row));
  }
  ReferenceStates reference;
  reference.centre = representation.state_vectors;
  reference.start = minimal.start();
  SlotReadout readout;
  std::vector<float> initial(d);
  for (State q = 0; q < minimal.num_states(); ++q) {
    std::vector<Entry> weight;
    for (std::uint32_t i = 0; i < d; ++i) {
      const auto x = static_cast<float>(representation.state_vectors[q * d + i]);
      if (x != 0.0F) weight.push_back({i, x});
      if (q == minimal.start()) initial[i] = x;
    }
    readout.weight.push_back(std::move(weight));
    readout.bias.push_back(0.0F);
    for (const std::uint32_t symbol : rows.symbol_of_row) reference.successor.push_back(minimal.next(q, symbol));
  }
  TableLayer layer = make_layer(TokenTable(d, 1, table), std::move(initial), std::move(readout), minimal);
  const std::optional<std::uint64_t> horizon = certify_horizon(layer, reference, Semantics::fp32_fma_v1).length;
  return {make_model(minimal, std::move(rows.row_of_symbol), {std::move(layer)}),
          one_layer_hint(minimal.num_states(), rows.symbol_of_row), !horizon.has_value(), horizon};
}

CompiledGroup compile_group(const Dfa& minimal, const GroupOptions& options) {
  if (!distinct_letters(minimal).permute) {
    throw InputError("group: expected letters that permute the states, got one that merges two states");
  }
  if (minimal.num_states() == 1) {
    return {make_model(minimal, std::vector<std::int32_t>(minimal.num_symbols(), minimal.label(0)), {}),
            constant_hint(), true, std::nullopt};
  }
  switch (options.representation) {
    case GroupRepresentation::rotation:
      return compile_rotation(minimal, options.signed_gates);
    case GroupRepresentation::scalar:
      return compile_scalar(minimal);
    case GroupRepresentation::least_dimension:
    case GroupRepresentation::least_reflections: {
      if (options.signed_gates && options.representation == GroupRepresentation::least_dimension) {
        if (std::optional<CompiledGroup> found = compile_icosahedral(minimal)) return *std::move(found);
      }
      const std::vector<OrthogonalRepresentation> found = find_representations(minimal);
      if (found.empty()) throw InputError("representation: expected one that tells the states apart, found none");
      return compile_representation(
          minimal, options.representation == GroupRepresentation::least_dimension ? found.front() : found.back());
    }
    case GroupRepresentation::permutation:
      break;
  }
  return compile_permutation(minimal, options.keys);
}

}  // namespace krohn
