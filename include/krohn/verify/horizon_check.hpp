// The certified horizons of the layers of a compiled model that are not exact, turned into a verdict about a language.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/model/horizon.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

/// A layer that drifts, and where its hidden states should be.
struct LayerReference {
  std::uint32_t layer = 0;
  ReferenceStates states;
  friend bool operator==(const LayerReference&, const LayerReference&) = default;
};

struct HorizonCheck {
  /// Every word of the domain up to this length agrees, if anything was established; one less than the length of the
  /// disagreement, if there is one.
  std::optional<std::uint64_t> length;
  /// A shortest word within the horizon on which the labels differ, not yet confirmed.
  std::optional<Word> disagreement;
  /// The layers that drift, ascending, and a bound for each.
  std::vector<LayerReference> references;
  std::vector<Horizon> horizons;
  /// Why nothing was established; empty otherwise.
  std::string reason;
};

/// Reference states are read off the readouts (their rows as centres, and where the exact step of a centre decodes to),
/// which suits nearest-centre readouts and gives short horizons for others. A layer that certify_horizon refuses,
/// that does not drift by its bound, or whose reference states step onto each other bit for bit, is taken to be exact,
/// and walked in its own bits. Refuses, in `reason`, models no layer of which drifts, and what cannot be read or walked
/// within the budget (slots^2 * rows * key_size operations a layer; the bounds then take less again; a step for every
/// configuration of slots and hidden states; memory for the states of exact layers).
HorizonCheck check_horizon(const LrnnModel& model, Semantics semantics, const Specification& specification,
                           const Budget& budget = {});

/// For words of every length.
inline constexpr std::uint64_t no_limit = ~std::uint64_t{0};

/// The same with layers and reference states from elsewhere, which are trusted no more. Words longer than `up_to` are
/// not looked at.
HorizonCheck check_horizon(const LrnnModel& model, Semantics semantics, const Specification& specification,
                           std::vector<LayerReference> references, const Budget& budget = {},
                           std::uint64_t up_to = no_limit);

}  // namespace krohn
