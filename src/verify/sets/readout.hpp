// The readout of a model of one recurrence, enclosed: the program's own interpreter over affine forms, from the answer
// of the recurrence to the logits, behind one context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
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
  /// How far the canonical form's numbers can be from the exact recurrence's: of every reader's numbers, one after the
  /// other, and by reader, [generators], with the word's own part of t: |v_b[m]| (shares[b] (t[b] - own[b]) +
  /// rests[b]).
  std::vector<double> roundings;
  std::vector<double> own;
  std::vector<double> shares;
  std::vector<double> rests;
  /// By reader, at least 1: t and the roundings are what is said here, times one number between 1 and this.
  std::vector<double> scales;
};

class Readout {
 public:
  virtual ~Readout() = default;
  /// Whether boxes may have scales above 1: a norm takes them out again.
  virtual bool forgets_scales() const = 0;
  struct Outcome {
    /// The right label wins on the whole box.
    bool right = false;
    /// Whether it does in the middle, as far as that can be told.
    bool middle = false;
    /// What has no enclosure.
    const char* lost = nullptr;
    /// Of the right label's differences the largest width over its center; infinite where there is none.
    double share = std::numeric_limits<double>::infinity();
    /// A difference of logits, by the box's symbols.
    struct Margin {
      double center = 0.0;
      std::vector<double> coefficients;
      double radius = 0.0;
      /// How far every reader's symbols, and those made of them, move it. Empty if there is no norm of heads.
      std::vector<double> by_reader = {};
    };
    /// Where not right: those that can be negative. Empty where that is not known.
    std::vector<Margin> margins = {};
  };
  /// `state` is the automaton's behind the token.
  virtual Outcome evaluate(std::uint32_t context, State state, const Box& box) = 0;
};

std::unique_ptr<Readout> make_readout(const System& system, const Enclosing& enclosing);
/// One that follows the rounding of every number of the answer through the readout by a symbol of its own, after those
/// of the box: three times the work. Nothing where these are too many.
std::unique_ptr<Readout> make_fine_readout(const System& system, const Enclosing& enclosing);

}  // namespace krohn::sets
