// What evidence is held against: a claim about one machine and one language.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/engine/machine.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

class ExactModel;

/// The four answers, without what they rest on (krohn/verify/verdict.hpp has them with it).
enum class VerdictKind { proved, certified, refuted, unknown };

/// "PROVED", "CERTIFIED", "REFUTED" or "UNKNOWN".
std::string verdict_name(VerdictKind kind);
std::optional<VerdictKind> parse_verdict_kind(std::string_view name);

/// What is said of a model and a language.
struct Claim {
  VerdictKind verdict = VerdictKind::unknown;
  /// None for PROVED; N for CERTIFIED; the word's length for REFUTED, of a lasso that of the longer word with the
  /// suffix; a bound, if any, for UNKNOWN.
  std::optional<std::uint64_t> length = std::nullopt;
  /// Of PROVED: the significant bits that suffice for every intermediate value, where all are exact in every order of
  /// operations (verify/exactness.hpp).
  std::optional<unsigned> exact_bits = std::nullopt;
  friend bool operator==(const Claim&, const Claim&) = default;
};

struct Assertion {
  Claim claim;
  const Machine& machine;
  const Specification& specification;
  /// Where exactness is claimed: sees every step that the check takes. Null elsewhere.
  ExactModel* exact = nullptr;
};

/// Why evidence was not accepted.
struct Rejection {
  /// True if nothing is wrong with it, but nothing could be checked: a report without evidence, or a lasso of words of
  /// more than 2^32 symbols.
  bool unchecked = false;
  std::string reason;
};

/// Thrown by the checks of evidence and caught by reject() (krohn/verify/certificate.hpp).
struct Refusal {
  Rejection rejection;
};

inline void expect(bool holds, const char* reason) {
  if (!holds) throw Refusal{{false, reason}};
}

}  // namespace krohn
