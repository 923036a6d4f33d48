// The readout of a model of one recurrence, enclosed: the program's own interpreter over affine forms, from the answer
// of the recurrence to the logits, behind one context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sets/enclosing.hpp"
#include "sets/system.hpp"

namespace krohn::sets {

/// t of every reader and generator, as the sum of `center`, of `coefficients` times symbols in [-1, 1], and of what is
/// in the radius; by reader, [generators]; coefficients [generators * symbols of a reader].
struct Box {
  std::vector<double> centers;
  std::vector<double> coefficients;
  std::vector<double> radii;
  /// Of every reader's numbers, one after the other: how far the canonical form's can be from the exact recurrence's.
  std::vector<double> roundings;
};

class Readout {
 public:
  virtual ~Readout() = default;
  struct Outcome {
    /// The right label wins on the whole box.
    bool right = false;
    /// Whether it does in the middle, as far as that can be told.
    bool middle = false;
    /// What has no enclosure.
    const char* lost = nullptr;
    /// Where not right: of every symbol of the box, by reader, the end at which the margin is least as far as it is
    /// linear. Empty where that is not known.
    std::vector<double> worst = {};
  };
  /// `state` is the automaton's behind the token.
  virtual Outcome evaluate(std::uint32_t context, State state, const Box& box) = 0;
};

std::unique_ptr<Readout> make_readout(const System& system, const Enclosing& enclosing);

}  // namespace krohn::sets
