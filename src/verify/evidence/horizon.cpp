// Horizons as evidence: the ladder's method, the reference states of a certificate, and their check, which computes the
// bound from them anew. Tested by tests/results/certificate_file_test.cpp and tests/verify/check_test.cpp.
#include "krohn/verify/evidence/horizon.hpp"

#include <cmath>
#include <cstdint>
#include <utility>

#include "krohn/verify/horizon_check.hpp"
#include "method.hpp"

namespace krohn {

Finding look_at_horizon(const Question& question) {
  const Machine::Tables tables = question.machine.tables().value();
  HorizonCheck check = check_horizon(tables.model, tables.semantics, question.specification, question.budget);
  Finding finding;
  if (check.disagreement) {
    finding.disagreement = Disagreement{.word = *check.disagreement, .shortest = true, .certain = true};
  }
  if (!check.length) {
    finding.outcome = check.disagreement ? "a disagreement within the horizon" : "nothing certified: " + check.reason;
    return finding;
  }
  finding.outcome = "all words up to length " + std::to_string(*check.length) +
                    (check.disagreement ? ", and not all of the next" : "");
  finding.agreed = CertifiedUpTo{*check.length, HorizonEvidence{std::move(check.reference)}, *check.length};
  finding.certified = true;
  return finding;
}

void HorizonEvidence::list(EvidenceFields& fields) {
  fields.number("start", reference.start);
  const std::uint64_t centres = fields.size("centres", reference.centre.size());
  const std::uint64_t successors = fields.size("successors", reference.successor.size());
  fields.words(reference.centre, centres);
  for (const double coordinate : reference.centre) fields.require(std::isfinite(coordinate));
  fields.words(reference.successor, successors);
}

void HorizonEvidence::check(const Assertion& assertion) const {
  const std::optional<std::uint64_t>& length = assertion.claim.length;
  expect(length && *length > 0, "a horizon shows lengths of 1 or more");
  const std::optional<Machine::Tables> tables = assertion.machine.tables();
  expect(tables.has_value(), "a horizon is about a model of tables");
  const HorizonCheck check = check_horizon(tables->model, tables->semantics, assertion.specification, reference);
  expect(check.length && *check.length >= *length, "the reference states do not give that horizon");
}

}  // namespace krohn
