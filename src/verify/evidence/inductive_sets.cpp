// Inductive sets as evidence: the ladder's method, the fields of a certificate, and their check. Tested by
// tests/verify/sets_test.cpp.
#include "krohn/verify/evidence/inductive_sets.hpp"

#include <cmath>
#include <numeric>
#include <utility>

#include "krohn/verify/sets.hpp"
#include "method.hpp"

namespace krohn {

Finding enclose_by_sets(const Question& question) {
  SetsReport report = enclose(question.machine, question.specification, {question.budget, question.options.up_to});
  Finding finding;
  finding.outcome = std::move(report.outcome);
  finding.steps = report.evaluations;
  if (report.wrong) finding.disagreement = Disagreement{.word = *std::move(report.wrong), .certain = true};
  if (!report.sets) return finding;
  const std::optional<std::uint64_t> length = report.sets->length;
  if (length) {
    finding.agreed = CertifiedUpTo{*length, *std::move(report.sets), *length};
    finding.certified = true;
  } else {
    finding.proved = Proved{std::nullopt, *std::move(report.sets)};
  }
  return finding;
}

void InductiveSetsEvidence::list(EvidenceFields& fields) {
  fields.text("family", family);
  // 0 stands for all lengths.
  std::uint64_t bounded = length.value_or(0);
  fields.natural("rounding_length", bounded);
  length = bounded == 0 ? std::nullopt : std::optional(bounded);
  const std::uint64_t num_inputs = fields.size("inputs", inputs.size());
  const std::uint64_t num_grids = fields.size("grids", grids.size());
  const std::uint64_t num_supports = fields.size("supports", supports.size());
  const std::uint64_t num_errors = fields.size("errors", errors.size());
  const std::uint64_t num_rates = fields.size("rates", rates.size());
  const std::uint64_t num_endings = fields.size("endings", endings.size());
  std::vector<std::uint32_t> situations;
  std::vector<std::uint32_t> lengths;
  std::vector<Symbol> symbols;
  for (const Ending& ending : endings) {
    situations.push_back(ending.situation);
    lengths.push_back(static_cast<std::uint32_t>(ending.word.size()));
    symbols.insert(symbols.end(), ending.word.begin(), ending.word.end());
  }
  const std::uint64_t num_symbols = fields.size("symbols", symbols.size());
  fields.words(inputs, num_inputs);
  fields.words(grids, num_grids);
  fields.words(supports, num_supports);
  fields.words(errors, num_errors);
  fields.words(rates, num_rates);
  for (const float x : inputs) fields.require(std::isfinite(x));
  for (const double x : grids) fields.require(std::isfinite(x));
  for (const double x : supports) fields.require(std::isfinite(x));
  for (const double x : errors) fields.require(std::isfinite(x));
  for (const double x : rates) fields.require(std::isfinite(x));
  fields.words(situations, num_endings);
  fields.words(lengths, num_endings);
  fields.words(symbols, num_symbols);
  const std::uint64_t sum = std::accumulate(lengths.begin(), lengths.end(), std::uint64_t{0});
  fields.require(situations.size() == lengths.size() && sum == symbols.size());
  std::vector<Ending> read;
  std::size_t at = 0;
  for (std::size_t i = 0; i < lengths.size() && at + lengths[i] <= symbols.size() && i < situations.size(); ++i) {
    Ending ending{situations[i], {}};
    ending.word.assign(symbols.begin() + static_cast<std::ptrdiff_t>(at),
                       symbols.begin() + static_cast<std::ptrdiff_t>(at + lengths[i]));
    at += lengths[i];
    read.push_back(std::move(ending));
  }
  endings = std::move(read);
}

void InductiveSetsEvidence::check(const Assertion& assertion) const {
  const std::optional<std::uint64_t>& claimed = assertion.claim.length;
  if (assertion.claim.verdict == VerdictKind::proved) {
    expect(!length && !claimed, "the rounding is bounded up to a length only");
  } else {
    expect(claimed && (!length || *claimed <= *length), "the rounding is bounded for fewer symbols than claimed");
  }
  expect(assertion.exact == nullptr, "inductive sets show no exactness");
  if (auto reason = refuse_sets(*this, assertion.machine, assertion.specification)) {
    throw Refusal{{false, *std::move(reason)}};
  }
}

}  // namespace krohn
