// Wraps one layer as models of its own: one whose symbols are the moves and whose labels are the slots that they hand
// on, and one that reads before its update, so that its label is the current slot. The arithmetic is thereby the
// engine's own, and nothing about it is written a second time here. Tested by tests/verify/invariant_test.cpp.
#include "krohn/verify/layer_steps.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

std::unique_ptr<Machine> one_layer(const TableLayer& layer, const std::vector<Move>& moves, bool reads_before,
                                   Semantics semantics) {
  std::vector<std::string> names;
  std::size_t slots = 1;
  TableLayer alone = layer;
  alone.reads_before = reads_before;
  alone.row_action.clear();
  alone.row_readout.clear();
  for (const Move& move : moves) {
    names.push_back(std::to_string(names.size()));
    alone.row_action.push_back(move.action);
    alone.row_readout.push_back(move.readout);
    slots = std::max(slots, layer.readouts[move.readout].num_slots());
  }
  alone.row_next.assign(moves.size(), 0);
  alone.next.resize(slots);
  std::iota(alone.next.begin(), alone.next.end(), 0);
  std::vector<std::string> labels;
  for (std::size_t slot = 0; slot < slots; ++slot) labels.push_back(std::to_string(slot));
  std::vector<std::int32_t> symbol_row(moves.size());
  std::iota(symbol_row.begin(), symbol_row.end(), 0);
  std::vector<TableLayer> layers;
  layers.push_back(std::move(alone));
  return make_machine(LrnnModel(Alphabet(std::move(names)), std::move(labels), undefined_label, std::move(symbol_row),
                                std::move(layers)),
                      semantics);
}

// A carried state of a one-layer model: the hidden state, then the word that says whether the run is undefined.
constexpr std::size_t undefined_size = sizeof(std::uint32_t);

std::vector<std::byte> carried(std::span<const std::byte> hidden) {
  std::vector<std::byte> state(hidden.size() + undefined_size, std::byte{0});
  std::copy(hidden.begin(), hidden.end(), state.begin());
  return state;
}

}  // namespace

LayerSteps::LayerSteps(const TableLayer& layer, std::uint32_t slot_readout, const std::vector<Move>& moves,
                       Semantics semantics)
    : hidden_size_(layer.hidden_size() * sizeof(float)),
      steps_(one_layer(layer, moves, layer.reads_before, semantics)),
      current_(one_layer(layer, {{0, slot_readout}}, true, semantics)) {
  if (steps_->state_size() != hidden_size_ + undefined_size) {
    throw InternalError("layer: a carried state of " + std::to_string(steps_->state_size()) + " bytes");
  }
}

void LayerSteps::initial(std::span<std::byte> hidden) const {
  std::vector<std::byte> state = carried(hidden);
  steps_->initial(state);
  std::memcpy(hidden.data(), state.data(), hidden.size());
}

std::int32_t LayerSteps::step(std::span<std::byte> hidden, std::size_t move) const {
  std::vector<std::byte> state = carried(hidden);
  const Observation observation = steps_->step(state, static_cast<Symbol>(move));
  std::memcpy(hidden.data(), state.data(), hidden.size());
  return observation.label;
}

std::int32_t LayerSteps::current_slot(std::span<const std::byte> hidden) const {
  std::vector<std::byte> state = carried(hidden);
  return current_->step(state, 0).label;
}

}  // namespace krohn
