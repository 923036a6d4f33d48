// Makes certificates from verdicts, and checks them without searching. What is checked of every certificate is here,
// what is checked of its evidence lies with the kind (evidence/), in the order of docs/certificates.md. Cost: linear in
// the certificate. Tested by tests/results/certificate_file_test.cpp.
#include "krohn/verify/certificate.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/verify/exactness.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::vector<Symbol> symbols_by_name(const Alphabet& model, const Alphabet& automaton) {
  std::vector<Symbol> map;
  for (const std::string& name : model.names()) map.push_back(automaton.find(name).value());
  return map;
}

// Every word has the same label in both automata, or refuses. Breadth first over the pairs of states.
void expect_same_language(const Dfa& claimed, const Dfa& language) {
  expect(claimed.alphabet().size() == language.alphabet().size(), "the automaton has another alphabet");
  std::vector<Symbol> symbol;
  for (const std::string& name : claimed.alphabet().names()) {
    const auto found = language.alphabet().find(name);
    expect(found.has_value(), "the automaton has another alphabet");
    symbol.push_back(*found);
  }
  std::set<std::pair<State, State>> seen = {{claimed.start(), language.start()}};
  std::vector<std::pair<State, State>> stack(seen.begin(), seen.end());
  while (!stack.empty()) {
    const auto [p, q] = stack.back();
    stack.pop_back();
    const bool same = (claimed.label(p) == null_label) == (language.label(q) == null_label) &&
                      (claimed.label(p) == null_label ||
                       claimed.label_name(claimed.label(p)) == language.label_name(language.label(q)));
    expect(same, "the automaton is of another language");
    for (Symbol a = 0; a < symbol.size(); ++a) {
      const std::pair<State, State> next = {claimed.next(p, a), language.next(q, symbol[a])};
      if (seen.insert(next).second) stack.push_back(next);
    }
  }
}

struct Concluded {
  Claim claim;
  Evidence evidence;
};

Concluded concluded(const Proved& proved) {
  return {{VerdictKind::proved, std::nullopt, proved.exact_bits}, proved.evidence};
}

Concluded concluded(const CertifiedUpTo& certified) {
  return {{VerdictKind::certified, certified.evidence_length}, certified.evidence};
}

Concluded concluded(const Unknown& unknown) {
  return {{VerdictKind::unknown, unknown.length}, NoEvidence{unknown.reason}};
}

// What any of the conclusions is a certificate of.
template <typename Conclusions>
Certificate certificate_of(const Conclusions& conclusions, const Machine& machine, const Language& language,
                           const CertificateSubject& subject) {
  const Specification specification(machine, language.minimal());
  Concluded what =
      std::visit(Overloaded{[](const auto& one) { return concluded(one); },
                            [&](const Refuted& refuted) -> Concluded {
                              return {{VerdictKind::refuted, refuted.counterexample.word.size()},
                                      word_evidence(refuted.counterexample, machine)};
                            },
                            [&](const IndistinguishablePair& pair) -> Concluded {
                              return {{VerdictKind::refuted,
                                       std::max(pair.word_a.length(), pair.word_b.length()) + pair.suffix.size()},
                                      lasso_evidence(pair, machine)};
                            }},
                 conclusions);
  const Dfa& automaton = specification.automaton();
  return {.tool = subject.tool,
          .model_name = subject.model_name,
          .language_name = subject.language_name,
          .claim = what.claim,
          .semantics = std::string(machine.semantics()),
          .model_fingerprint = machine.fingerprint(),
          .automaton = automaton,
          .symbol_map = symbols_by_name(machine.alphabet(), automaton.alphabet()),
          .evidence = listed(std::move(what.evidence), machine, specification)};
}

}  // namespace

std::string certificate_claim(const Certificate& certificate) {
  return claim_text(certificate.claim, certificate.semantics, certificate.evidence);
}

Certificate make_certificate(const CheckReport& report, const Machine& machine, const Language& language,
                             const CertificateSubject& subject) {
  return certificate_of(report.verdict, machine, language, subject);
}

Certificate make_certificate(const TheoremReport& report, const Machine& machine, const Language& language,
                             const CertificateSubject& subject) {
  return certificate_of(report.conclusion, machine, language, subject);
}

std::optional<Rejection> reject(const Certificate& certificate, const Machine& machine, const Dfa& language) {
  try {
    expect(certificate.semantics == machine.semantics(), "the certificate is about another semantics");
    expect(certificate.model_fingerprint == machine.fingerprint(), "the certificate is of another model");
    expect_same_language(certificate.automaton, language);
    const Alphabet& symbols = machine.alphabet();
    const Alphabet& alphabet = certificate.automaton.alphabet();
    expect(certificate.symbol_map.size() == symbols.size() && alphabet.size() == symbols.size(),
           "the symbol map is of another size");
    for (Symbol a = 0; a < certificate.symbol_map.size(); ++a) {
      expect(certificate.symbol_map[a] < alphabet.size() && alphabet.name(certificate.symbol_map[a]) == symbols.name(a),
             "the symbol map does not follow the names");
    }
    const Specification specification(machine, certificate.automaton);
    Assertion assertion{certificate.claim, machine, specification};
    const std::optional<Machine::Tables> tables = machine.tables();
    std::optional<ExactModel> exact;
    if (certificate.claim.exact_bits) {
      expect(tables.has_value(), "exactness is claimed of a model without tables");
      exact.emplace(tables->model, tables->semantics);
      assertion.exact = &*exact;
    }
    check_evidence(certificate.evidence, assertion);
    if (exact) {
      expect(certificate.claim.verdict == VerdictKind::proved, "exactness is claimed of another verdict than PROVED");
      const std::optional<unsigned> bits = exact->bits();
      expect(bits && *bits <= *certificate.claim.exact_bits, "an intermediate value is not exact in so many bits");
    }
  } catch (const Refusal& refusal) {
    return refusal.rejection;
  } catch (const NumericError& error) {
    return Rejection{false, error.what()};
  }
  return std::nullopt;
}

}  // namespace krohn
