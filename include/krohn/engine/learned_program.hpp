// A learned model as the list of operations that the CUDA device runs (krohn/kernels/learned.hpp): the forward pass of
// krohn/engine/interpreter.hpp, operation by operation, with the same bits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
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
  /// A row's token is a number: of the last so many tokens of its word.
  std::uint32_t window = 1;

  LearnedProgramView view() const noexcept {
    return {operations, recurrences, weights, initial_state, num_features, logits, num_logits};
  }
};

/// What the device's operations do not cover of a model, as "at most .., got .."; nothing where they cover it.
std::optional<std::string> missing_on_device(const Program& model);
bool runs_on_device(const Program& model);

/// What depends on a row's token alone is a table, unless tables took longer than some hundredths of a second to make.
/// Cost: that, and a copy of the weights. Throws ResourceError for a model that does not run on a device, or needs 2^31
/// features or more.
LearnedProgram make_learned_program(const Program& model);

/// The same for words of `tokens` alone and rows at positions of at least `length` tokens, 1 or more (of a prefix tree,
/// whose beginning is done elsewhere). What depends on the last tokens alone (convolutions in a first layer) is a table
/// too: with n `tokens` a row's token is the number, with the oldest's index first, of the last `window` tokens
/// to the base n. The tails of such convolutions are not kept in states. For branches alone: every word has one row.
LearnedProgram make_tree_program(const Program& model, std::span<const std::uint32_t> tokens, std::size_t length);

}  // namespace krohn
