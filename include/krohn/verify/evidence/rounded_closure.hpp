// Evidence for PROVED of a hardened model, in every order of operations: its closure, all of whose transitions are
// decided by more than any order's rounding (krohn/verify/every_order.hpp).
#pragma once

#include <string_view>

#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/closure.hpp"
#include "krohn/verify/evidence/fields.hpp"

namespace krohn {

struct RoundedClosureEvidence {
  static constexpr std::string_view kind = "rounded-closure";
  static constexpr bool shows(VerdictKind verdict) { return verdict == VerdictKind::proved; }
  /// Shows the claim in every order of operations.
  static constexpr bool every_order = true;

  /// Its lists.
  ClosureEvidence closure;

  void list(EvidenceFields& fields) { closure.list(fields); }
  void check(const Assertion& assertion) const;
  friend bool operator==(const RoundedClosureEvidence&, const RoundedClosureEvidence&) = default;
};

}  // namespace krohn
