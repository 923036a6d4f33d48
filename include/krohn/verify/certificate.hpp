// Certificates: what a verdict rests on, in a form that can be checked without searching. docs/certificates.md is the
// specification of the file; krohn/results/certificate_file.hpp reads and writes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/refute.hpp"
#include "krohn/verify/verdict.hpp"

namespace krohn {

/// Evidence for PROVED and, with depths, for CERTIFIED: the pairs that words reach, and where every symbol leads.
struct ClosureEvidence {
  static constexpr std::uint32_t none = 0xFFFFFFFFU;
  /// 32-bit words of a carried state (docs/semantics.md, 5).
  std::size_t state_words = 0;
  /// [pairs * state_words]; pair 0 is the initial one.
  std::vector<std::uint32_t> states;
  /// [pairs] states of the automaton.
  std::vector<State> automaton_states;
  /// [pairs] the length of a word that reaches the pair, at most.
  std::vector<std::uint32_t> depths;
  /// [pairs * symbols] in the model's symbol order. `none` where the successor was compared and is not listed, allowed
  /// for a pair of depth N - 1 of a certificate up to length N.
  std::vector<std::uint32_t> successors;
  std::size_t pairs() const noexcept { return automaton_states.size(); }
  friend bool operator==(const ClosureEvidence&, const ClosureEvidence&) = default;
};

/// Evidence for PROVED: an invariant of layers (verify/invariant.cpp has the proof). Rows that do not occur are left
/// out of `rows` and their contexts.
struct InvariantEvidence {
  struct Layer {
    /// 32-bit words of a hidden state, and the states: [count * hidden_words], the first is the initial one.
    std::size_t hidden_words = 0;
    std::vector<std::uint32_t> hidden;
    /// Input rows, ascending, and what each is annotated with.
    std::vector<std::uint32_t> rows;
    std::vector<RowContext> contexts;
    friend bool operator==(const Layer&, const Layer&) = default;
  };
  std::vector<std::uint32_t> slot_readout;
  std::vector<std::uint32_t> node_layer;
  std::vector<std::uint32_t> child_offset;
  std::vector<std::int32_t> child_node;
  std::vector<std::uint32_t> node_state;
  std::uint32_t root = 0;
  std::vector<Layer> layers;
  friend bool operator==(const InvariantEvidence&, const InvariantEvidence&) = default;
};

/// Evidence for REFUTED: a word at whose end, and at no position before, the labels differ.
struct WordEvidence {
  Word word;
  std::string expected;
  std::string observed;
  /// The bits of the margin (binary32), and the words of the carried state after the word.
  std::uint32_t margin_bits = 0;
  std::vector<std::uint32_t> state;
  friend bool operator==(const WordEvidence&, const WordEvidence&) = default;
};

/// Evidence for REFUTED: two words behind which the model carries the same bits, and a suffix that makes the automaton
/// ask for different labels. No readout is right on both.
struct LassoEvidence {
  Word prefix_a;
  Word prefix_b;
  /// The words are prefix loop^exponent.
  Word loop;
  std::uint64_t exponent_a = 0;
  std::uint64_t exponent_b = 0;
  Word suffix;
  /// The automaton's labels behind the suffix, and the model's, which is the same for both.
  std::string expected_a;
  std::string expected_b;
  std::string observed;
  /// The words of the carried state before the suffix.
  std::vector<std::uint32_t> state;
  friend bool operator==(const LassoEvidence&, const LassoEvidence&) = default;
};

/// Evidence for CERTIFIED: reference states, from which the horizon is computed anew.
struct HorizonEvidence {
  ReferenceStates reference;
  friend bool operator==(const HorizonEvidence& a, const HorizonEvidence& b) {
    return a.reference.centre == b.reference.centre && a.reference.successor == b.reference.successor &&
           a.reference.start == b.reference.start;
  }
};

/// No evidence: the file is a report of what was found, which can be run again but not checked.
struct NoEvidence {
  /// What was established and how, in words.
  std::string statement;
  friend bool operator==(const NoEvidence&, const NoEvidence&) = default;
};

using Evidence =
    std::variant<NoEvidence, ClosureEvidence, InvariantEvidence, WordEvidence, LassoEvidence, HorizonEvidence>;

struct Certificate {
  /// Name and version of the program that wrote it; the model and the language as they were named to it. Informative.
  std::string tool;
  std::string model_name;
  std::string language_name;
  /// "PROVED", "CERTIFIED", "REFUTED" or "UNKNOWN" and the length as in the report (results/check_report.hpp, 2); for a
  /// lasso the length of the longer word with the suffix.
  std::string verdict;
  std::optional<std::uint64_t> length;
  /// Of PROVED: the significant bits that suffice for every intermediate value, where all are exact in every order of
  /// operations (verify/exactness.hpp).
  std::optional<unsigned> exact_bits;
  /// As Machine::semantics() names it.
  std::string semantics;
  std::string model_fingerprint;
  /// Minimal and in canonical numbering, in the language's order of symbols.
  Dfa automaton;
  /// Per symbol of the model, the automaton's symbol of that name.
  std::vector<Symbol> symbol_map;
  Evidence evidence;
};

/// The claim in words, as it stands in the file: a function of verdict, length, semantics, whether there are
/// exact_bits, and whether the evidence is a lasso.
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

/// The certificate of a report of check() on this model and language, with the hint that the check used. Where the
/// evidence would take more than 2 GiB, or the verdict is UNKNOWN, it has NoEvidence. A certificate by a horizon claims
/// the horizon's length even where a search came further.
Certificate make_certificate(const CheckReport& report, const Machine& machine, const Dfa& language,
                             const CertificateSubject& subject, const InvariantHint* hint = nullptr);

/// The certificate of a theorem's refutation on this model, whose language is `language`: a lasso, a word, or a closure
/// where the model recognises the language all the same (it is taken out of the report).
Certificate make_certificate(TheoremReport& report, const Machine& machine, const Dfa& language,
                             const CertificateSubject& subject);

/// Why a certificate was not accepted.
struct Rejection {
  /// True if nothing is wrong with it, but nothing could be checked: a report without evidence, or a lasso of words of
  /// more than 2^32 symbols.
  bool unchecked = false;
  std::string reason;
};

/// Checks the certificate against the model, in its semantics, and the language, trusting nothing in
/// it; nothing if it is accepted. No search: every pair, hidden state, row and symbol is looked at once.
std::optional<Rejection> reject(const Certificate& certificate, const Machine& machine, const Dfa& language);

}  // namespace krohn
