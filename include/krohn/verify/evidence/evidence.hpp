// What a verdict rests on. A kind of evidence is one struct, in a header and a source of its name beside this one, with
//
//     static constexpr std::string_view kind;         // its name in a certificate
//     static constexpr bool shows(VerdictKind);       // which verdicts it can show
//     void list(EvidenceFields&);                     // its fields, once for writing and reading
//     void check(const Assertion&) const;             // throws Refusal, trusts nothing, searches nothing
//     static std::string claim(const Claim&, ..);     // only where the claim in words is one of its own
//     static constexpr bool every_order = true;       // only where PROVED is shown in every order of operations
//     std::optional<Kind> listed(..) const;           // only where listing it is dear
//
// and its name in the list below. All else (files, certificates, checks, the command line) follows from these.
// docs/certificates.md is the specification.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "krohn/verify/evidence/closure.hpp"
#include "krohn/verify/evidence/horizon.hpp"
#include "krohn/verify/evidence/inductive_sets.hpp"
#include "krohn/verify/evidence/invariant.hpp"
#include "krohn/verify/evidence/lasso.hpp"
#include "krohn/verify/evidence/none.hpp"
#include "krohn/verify/evidence/rounded_closure.hpp"
#include "krohn/verify/evidence/word.hpp"

namespace krohn {

using Evidence = std::variant<NoEvidence, ClosureEvidence, InvariantEvidence, WordEvidence, LassoEvidence,
                              HorizonEvidence, InductiveSetsEvidence, RoundedClosureEvidence>;

std::string_view evidence_kind(const Evidence& evidence);
/// Empty evidence of the kind, to read fields into; nothing for a name that is no kind.
std::optional<Evidence> evidence_of_kind(std::string_view kind);
/// All kinds, as a message lists them.
std::string evidence_kinds();

/// Whether PROVED by this evidence holds in every order of operations, whatever is exact.
bool shows_every_order(const Evidence& evidence);

/// Lists the fields of the evidence, whatever its kind.
void list_fields(Evidence& evidence, EvidenceFields& fields);

/// Throws Refusal if the evidence does not show the claim. Every pair, hidden state, row and symbol is looked at once.
/// The carried states' and lists' sizes are part of what is checked.
void check_evidence(const Evidence& evidence, const Assertion& assertion);

/// The evidence with everything in its lists; NoEvidence, which says so, where they would take more than 2 GiB.
Evidence listed(Evidence evidence, const Machine& machine, const Specification& specification);

/// The claim in words, as it stands in a certificate: a function of the claim, the semantics and the kind of evidence.
std::string claim_text(const Claim& claim, const std::string& semantics, const Evidence& evidence);

}  // namespace krohn
