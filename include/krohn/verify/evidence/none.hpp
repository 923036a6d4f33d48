// No evidence: what was found can be found again, but not checked.
#pragma once

#include <string>
#include <string_view>

#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/fields.hpp"

namespace krohn {

struct NoEvidence {
  static constexpr std::string_view kind = "none";
  static constexpr bool shows(VerdictKind) { return true; }

  /// What was established and how, in words.
  std::string statement;

  void list(EvidenceFields& fields) { fields.text("statement", statement); }
  [[noreturn]] void check(const Assertion&) const { throw Refusal{{true, "a report without evidence: " + statement}}; }
  friend bool operator==(const NoEvidence&, const NoEvidence&) = default;
};

}  // namespace krohn
