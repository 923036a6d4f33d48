// A learned model as the list of operations that the CUDA device runs (krohn/kernels/learned.hpp): the forward pass of
// krohn/engine/interpreter.hpp, operation by operation, with the same bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/kernels/learned.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

struct LearnedProgram {
  std::vector<LearnedOperation> operations;
  std::vector<LearnedRecurrence> recurrences;
  std::vector<float> weights;
  /// The state before the first token.
  std::vector<float> initial_state;
  std::uint32_t num_features = 0;
  std::uint32_t logits = 0;
  std::uint32_t num_logits = 0;

  LearnedProgramView view() const noexcept {
    return {operations, recurrences, weights, initial_state, num_features, logits, num_logits};
  }
};

/// What the device's operations do not cover of a model, as "at most .., got .."; nothing where they cover it.
std::optional<std::string> missing_on_device(const Program& model);
bool runs_on_device(const Program& model);

/// Cost: a copy of the weights. Throws ResourceError for a model that
/// does not run on a device, or needs 2^31 features or more.
LearnedProgram make_learned_program(const Program& model);

}  // namespace krohn
