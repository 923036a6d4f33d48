// Whether the closure of a hardened model is the same in every order of operations: each transition's nearest code and
// winning label are those of all computations in which sums and products are bracketed, ordered, multiplied out and
// fused in any way (docs/certificates.md, section 7, says which are meant). Since the state is an exact code after
// every token, no error outlives a token but in the tails of convolutions, which forget in time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/evidence/closure.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

struct EveryOrder {
  bool holds = false;
  /// Over all transitions: the most that a unit's state before snapping can differ from the exact one, as a 2-norm, and
  /// the most that a difference of two logits can; where it holds.
  double state_rounding = 0.0;
  double logit_rounding = 0.0;
  /// Why it does not hold: which operation has no enclosure or is not decided, or what limit was met.
  std::string reason;
};

/// `closure` lists a closure whose check() passed, of a hardened model. Nothing is trusted but that its lists fit.
EveryOrder holds_in_every_order(const ClosureEvidence& closure, const Machine& machine,
                                const Specification& specification, const Budget& budget);

}  // namespace krohn
