// What all kinds of evidence share: each is asked for by the members that evidence.hpp names. Tested with the kinds by
// tests/results/certificate_file_test.cpp.
#include "krohn/verify/evidence/evidence.hpp"

#include <array>
#include <utility>

#include "krohn/verify/verdict.hpp"

namespace krohn {
namespace {

constexpr std::array<const char*, 4> verdict_names = {"PROVED", "CERTIFIED", "REFUTED", "UNKNOWN"};

// Calls `with` for an empty value of every kind, in the variant's order.
template <typename With>
void each_kind(With with) {
  [&]<std::size_t... index>(std::index_sequence<index...>) {
    (with(std::variant_alternative_t<index, Evidence>{}), ...);
  }
  (std::make_index_sequence<std::variant_size_v<Evidence>>());
}

}  // namespace

std::string verdict_name(VerdictKind kind) { return verdict_names.at(static_cast<std::size_t>(kind)); }

std::optional<VerdictKind> parse_verdict_kind(std::string_view name) {
  for (std::size_t i = 0; i < verdict_names.size(); ++i) {
    if (name == verdict_names[i]) return static_cast<VerdictKind>(i);
  }
  return std::nullopt;
}

VerdictKind verdict_kind(const Verdict& verdict) {
  constexpr std::array<VerdictKind, std::variant_size_v<Verdict>> kinds = {VerdictKind::proved, VerdictKind::certified,
                                                                           VerdictKind::refuted, VerdictKind::unknown};
  return kinds.at(verdict.index());
}

std::string_view evidence_kind(const Evidence& evidence) {
  return std::visit([](const auto& one) { return one.kind; }, evidence);
}

std::optional<Evidence> evidence_of_kind(std::string_view kind) {
  std::optional<Evidence> found;
  each_kind([&](auto empty) {
    if (empty.kind == kind) found = std::move(empty);
  });
  return found;
}

std::string evidence_kinds() {
  std::string text;
  each_kind([&](const auto& empty) {
    if (empty.kind != NoEvidence::kind) text += std::string(empty.kind) + ", ";
  });
  return text.substr(0, text.size() - 2) + " or " + std::string(NoEvidence::kind);
}

bool shows_every_order(const Evidence& evidence) {
  return std::visit(
      [](const auto& one) {
        return requires { one.every_order; };
      },
      evidence);
}

void list_fields(Evidence& evidence, EvidenceFields& fields) {
  std::visit([&](auto& one) { one.list(fields); }, evidence);
}

void check_evidence(const Evidence& evidence, const Assertion& assertion) {
  std::visit(
      [&](const auto& one) {
        if (!one.shows(assertion.claim.verdict)) {
          throw Refusal{{false, "evidence of the kind " + std::string(one.kind) + " does not show " +
                                    verdict_name(assertion.claim.verdict)}};
        }
        one.check(assertion);
      },
      evidence);
}

Evidence listed(Evidence evidence, const Machine& machine, const Specification& specification) {
  return std::visit(
      [&]<typename Kind>(Kind&& one) -> Evidence {
        if constexpr (requires { one.listed(machine, specification); }) {
          if (auto lists = one.listed(machine, specification)) return *std::move(lists);
          return NoEvidence{"established by the method \"" + std::string(one.kind) +
                            "\", whose evidence takes more than 2 GiB; the search can be run again"};
        } else {
          return std::forward<Kind>(one);
        }
      },
      std::move(evidence));
}

std::string claim_text(const Claim& claim, const std::string& semantics, const Evidence& evidence) {
  const std::string agree = "the model's label in " + semantics + " is the automaton's";
  const std::string length = claim.length ? std::to_string(*claim.length) : "";
  switch (claim.verdict) {
    case VerdictKind::proved:
      return "on every word " + agree +
             (claim.exact_bits || shows_every_order(evidence) ? ", for every order of operations" : "");
    case VerdictKind::certified:
      return "on every word of length at most " + length + " " + agree;
    case VerdictKind::refuted:
      return std::visit(
          [&](const auto& one) -> std::string {
            if constexpr (requires { one.claim(claim, semantics); }) {
              return one.claim(claim, semantics);
            } else {
              return "on the word of length " + length + " the model's label in " + semantics +
                     " is not the automaton's";
            }
          },
          evidence);
    case VerdictKind::unknown:
      break;
  }
  return length.empty() ? "nothing"
                        : "no certificate: a search says that on every word of length at most " + length + " " + agree;
}

}  // namespace krohn
