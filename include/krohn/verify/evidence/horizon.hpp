// Evidence for CERTIFIED: reference states, from which the horizon is computed anew.
#pragma once

#include <string_view>
#include <vector>

#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/fields.hpp"
#include "krohn/verify/horizon_check.hpp"

namespace krohn {

struct HorizonEvidence {
  static constexpr std::string_view kind = "horizon";
  static constexpr bool shows(VerdictKind verdict) { return verdict == VerdictKind::certified; }

  /// Of the layers that drift.
  std::vector<LayerReference> references;

  void list(EvidenceFields& fields);
  void check(const Assertion& assertion) const;
  friend bool operator==(const HorizonEvidence&, const HorizonEvidence&) = default;
};

}  // namespace krohn
