// The carried states of a machine of several layers by numbers: each layer's part of a state is kept once, and a state
// is the numbers of its parts (Holzmann's collapse compression, 1997).
//
//     const std::shared_ptr<CollapsedStates> states = machine.collapsed();
//     states->step(state, symbol);           // as machine.step(carried, symbol), label and margin bit for bit
#pragma once

#include <cstddef>
#include <span>

#include "krohn/engine/machine.hpp"

namespace krohn {

/// Two collapsed states of one object are equal exactly if the carried states are. What a layer makes of an input and a
/// part is computed once and looked up afterwards: the layer's operations are a function of the bits of both. For one
/// thread at a time; the machine must outlive it.
class CollapsedStates {
 public:
  virtual ~CollapsedStates() = default;

  /// Bytes of a collapsed state, a multiple of 4.
  virtual std::size_t size() const = 0;
  /// As the machine's, on a collapsed state.
  virtual Observation initial(std::span<std::byte> state) = 0;
  virtual Observation step(std::span<std::byte> state, Symbol symbol) = 0;
  /// Writes the carried state, Machine::state_size() bytes.
  virtual void expand(std::span<const std::byte> state, std::span<std::byte> carried) const = 0;

  /// Bytes held.
  virtual std::size_t memory() const = 0;
  /// How many steps of the machine all that was computed so far amounts to.
  virtual double computed() const = 0;
};

}  // namespace krohn
