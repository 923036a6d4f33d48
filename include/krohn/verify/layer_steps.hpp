// One layer of a compiled model on its own: the engine's step of any (table row, readout) from any hidden state.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "krohn/engine/machine.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

/// What a layer does on an input row, apart from where it leads.
struct Move {
  std::uint32_t action = 0;   // row of the layer's table
  std::uint32_t readout = 0;  // index into the layer's readouts
  auto operator<=>(const Move&) const = default;
};

/// Steps of one layer, taken by one-layer models through the interface that runs whole models. A hidden state is its
/// stored words (docs/semantics.md, 5). Const members may be called from several threads.
class LayerSteps {
 public:
  /// `moves` must not be empty and index the layer's table and readouts.
  LayerSteps(const TableLayer& layer, std::uint32_t slot_readout, const std::vector<Move>& moves, Semantics semantics);

  /// Bytes of a hidden state.
  std::size_t hidden_size() const noexcept { return hidden_size_; }
  void initial(std::span<std::byte> hidden) const;
  /// Replaces the hidden state by its successor and returns the slot that is handed on; -1 where the decode ties (the
  /// hidden state is then of no meaning). Throws NumericError as the run does.
  std::int32_t step(std::span<std::byte> hidden, std::size_t move) const;
  /// The slot that `slot_readout` decodes from the hidden state as it is, -1 for a tie. Throws NumericError too where
  /// the layer's table row 0 would overflow on it.
  std::int32_t current_slot(std::span<const std::byte> hidden) const;

 private:
  std::size_t hidden_size_;
  std::unique_ptr<Machine> steps_;
  std::unique_ptr<Machine> current_;
};

}  // namespace krohn
