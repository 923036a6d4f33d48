// Evidence for CERTIFIED: reference states, from which the horizon is computed anew.
#pragma once

#include <string_view>

#include "krohn/model/horizon.hpp"
#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/fields.hpp"

namespace krohn {

struct HorizonEvidence {
  static constexpr std::string_view kind = "horizon";
  static constexpr bool shows(VerdictKind verdict) { return verdict == VerdictKind::certified; }

  ReferenceStates reference;

  void list(EvidenceFields& fields);
  void check(const Assertion& assertion) const;
  friend bool operator==(const HorizonEvidence& a, const HorizonEvidence& b) {
    return a.reference.centre == b.reference.centre && a.reference.successor == b.reference.successor &&
           a.reference.start == b.reference.start;
  }
};

}  // namespace krohn
