// Horizons as evidence: the ladder's method, the reference states of a certificate, and their check, which computes the
// bound from them anew. Tested by tests/results/certificate_file_test.cpp and tests/verify/check_test.cpp.
#include "krohn/verify/evidence/horizon.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "krohn/verify/horizon_check.hpp"
#include "method.hpp"

namespace krohn {
namespace {

// Tuples of slots and hidden states; a layer that drifts and is not listed would go on for long.
constexpr std::uint64_t most_memory = std::uint64_t{1} << 30U;

}  // namespace

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
  finding.agreed = CertifiedUpTo{*check.length, HorizonEvidence{std::move(check.references)}, *check.length};
  finding.certified = true;
  return finding;
}

void HorizonEvidence::list(EvidenceFields& fields) {
  struct Sizes {
    std::uint64_t centres = 0;
    std::uint64_t successors = 0;
  };
  std::vector<Sizes> sizes;
  fields.objects("layers", references.size(), [&](std::size_t i, EvidenceFields& object) {
    if (i == references.size()) references.emplace_back();
    ReferenceStates& states = references[i].states;
    object.number("layer", references[i].layer);
    object.number("start", states.start);
    const std::uint64_t centres = object.size("centres", states.centre.size());
    sizes.push_back({centres, object.size("successors", states.successor.size())});
  });
  for (std::size_t i = 0; i < references.size(); ++i) {
    ReferenceStates& states = references[i].states;
    fields.words(states.centre, sizes[i].centres);
    for (const double coordinate : states.centre) fields.require(std::isfinite(coordinate));
    fields.words(states.successor, sizes[i].successors);
  }
}

void HorizonEvidence::check(const Assertion& assertion) const {
  const std::optional<std::uint64_t>& length = assertion.claim.length;
  expect(length && *length > 0, "a horizon shows lengths of 1 or more");
  const std::optional<Machine::Tables> tables = assertion.machine.tables();
  expect(tables.has_value(), "a horizon is about a compiled model without codes");
  Budget budget;
  budget.memory = most_memory;
  const HorizonCheck check =
      check_horizon(tables->model, tables->semantics, assertion.specification, references, budget, *length);
  if (check.length && *check.length >= *length) return;
  const std::string reason = check.disagreement     ? "a label within it is wrong"
                             : check.reason.empty() ? "the reference states give another, of " +
                                                          std::to_string(check.length.value_or(0)) + " symbols"
                                                    : check.reason;
  throw Refusal{{false, "no such horizon: " + reason}};
}

}  // namespace krohn
