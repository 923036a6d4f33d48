// Certificates: a claim about a model and a language with the evidence that it rests on, in a form that can be checked
// without searching. docs/certificates.md is the specification of the file; krohn/results/certificate_file.hpp reads
// and writes it; krohn/verify/evidence/ has the kinds of evidence.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/language.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/evidence/evidence.hpp"
#include "krohn/verify/refute.hpp"

namespace krohn {

struct Certificate {
  /// Name and version of the program that wrote it; the model and the language as they were named to it. Informative.
  std::string tool;
  std::string model_name;
  std::string language_name;
  Claim claim;
  /// As Machine::semantics() names it.
  std::string semantics;
  std::string model_fingerprint;
  /// Minimal and in canonical numbering, in the language's order of symbols.
  Dfa automaton;
  /// Per symbol of the model, the automaton's symbol of that name.
  std::vector<Symbol> symbol_map;
  Evidence evidence;
};

/// The claim in words, as it stands in the file.
std::string certificate_claim(const Certificate& certificate);

/// How labels are compared, as it stands in the file.
inline constexpr const char* certificate_label_rule =
    "labels are equal if their names are; a null label of the automaton asks for nothing; ? equals no label";

/// Names by which a certificate says what it is about.
struct CertificateSubject {
  std::string tool;
  std::string model_name;
  std::string language_name;
};

/// The certificate of a verdict of check() on this model and language. Where the evidence would take more than 2 GiB,
/// or the verdict is UNKNOWN, it has NoEvidence. Of CERTIFIED it claims the length that the evidence shows.
Certificate make_certificate(const CheckReport& report, const Machine& machine, const Language& language,
                             const CertificateSubject& subject);

/// The certificate of a theorem's conclusion on this model, whose language is `language`.
Certificate make_certificate(const TheoremReport& report, const Machine& machine, const Language& language,
                             const CertificateSubject& subject);

/// Checks the certificate against the model, in its semantics, and the language, trusting nothing in
/// it; nothing if it is accepted. No search: every pair, hidden state, row and symbol is looked at once.
std::optional<Rejection> reject(const Certificate& certificate, const Machine& machine, const Dfa& language);

}  // namespace krohn
