// The certified horizon of a compiled layer that is not exact, turned into a verdict about a language.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "krohn/model/horizon.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

struct HorizonCheck {
  /// Every word of the domain up to this length agrees, if anything was established; one less than the length of the
  /// disagreement, if there is one.
  std::optional<std::uint64_t> length;
  /// A shortest word within the horizon on which the labels differ, not yet confirmed.
  std::optional<Word> disagreement;
  /// The bound and the reference states behind it.
  Horizon horizon;
  ReferenceStates reference;
  /// Why nothing was established; empty otherwise.
  std::string reason;
};

/// Reference states are read off the readout (its rows as centres, and where the exact step of a centre decodes to),
/// which suits nearest-centre readouts and gives short horizons for others. Refuses, in `reason`, models of other than
/// one layer, what certify_horizon refuses, and states that cannot be read within the budget (slots^2 * rows * key_size
/// operations; the bound then takes less again).
HorizonCheck check_horizon(const LrnnModel& model, Semantics semantics, const Specification& specification,
                           const Budget& budget = {});

/// The same with reference states from elsewhere, which are trusted no more.
HorizonCheck check_horizon(const LrnnModel& model, Semantics semantics, const Specification& specification,
                           ReferenceStates reference);

}  // namespace krohn
