// A run of a machine beside the automaton that it is checked against.
#pragma once

#include <cstddef>
#include <vector>

#include "krohn/engine/machine.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

/// Copies go on independently. Machine and specification must outlive it.
struct JointRun {
  JointRun(const Machine& model, const Specification& language)
      : machine(&model), specification(&language), state(model.state_size()), q(language.automaton().start()) {
    observation = machine->initial(state);
  }

  /// Reads a symbol. True if the label behind it is wrong. Throws as Machine::step.
  bool read(Symbol a) {
    observation = machine->step(state, a);
    q = specification->automaton().next(q, a);
    return wrong();
  }
  bool wrong() const { return !specification->agrees(observation.label, q); }

  const Machine* machine;
  const Specification* specification;
  std::vector<std::byte> state;
  State q;
  Observation observation;
};

}  // namespace krohn
