// The result of a check as JSON and as the final line.
//
// The JSON object has these members, in this order:
//
//  1. "verdict": "PROVED", "CERTIFIED", "REFUTED" or "UNKNOWN".
//  2. "length": null for PROVED, N for CERTIFIED (every word up to N agrees), the word's length for REFUTED, the best
//     bound for UNKNOWN (null if there is none).
//  3. "word": the counterexample, an array of symbols, else null. "shortest": whether it is proved to be a shortest
//     one (null without a word). "expected", "observed": the labels of language and model on it; "margin": the model's
//     margin there (null if infinite); "position": the first position at which the labels part, 0 for the empty word.
//  4. "semantics": the arithmetic that the verdict is about. "every_order_of_operations": true only where exactness
//     was shown, so that the verdict holds for every order of operations (null unless PROVED); "exact_bits": the
//     significant bits that suffice for every intermediate value then, else null.
//  5. "method": what settled it. "pairs": pairs of the closure or hidden states of the invariant; "steps": recurrence
//     steps computed. "domain": the words that the verdict ranges over, in words.
//  6. "up_to": the length asked for, null for all lengths. "holds": whether the claim asked for is established (exit
//     code 0).
//  7. "reason": why the answer is UNKNOWN, else null. "interrupted": whether an interrupt ended the check.
//  8. "sample": null, or what was drawn where nothing settled the claim: {"words", "labelled", "max_length", "seed",
//     "confidence", "bound"}; "labelled" of the words have a label in the language; with that confidence a word of that
//     distribution (verify/sample.hpp) is answered wrongly with at most the probability "bound" (null if the sample was
//     cut short).
//  9. "failing": null, or, of a model that was refuted, what was found of the words on which it fails
//  (verify/failing.hpp):
//     "families": {"before", "loop", "after", "text", "failing": "every even k from 26 on (..)", "run_up_to": every k
//     up to it was run, "first": the least failing k, "count": of the k run, "from", "period", "residues": the pattern
//     or null, "every_k": whether it holds beyond run_up_to}; "from_states": {"state" (of the minimal automaton),
//     "access", "suffix" (null: none found), "shortest"}; "worst_direction": null or {"before", "loop", "right":
//     [length, share] ..}; "leaves_cluster": null or {"layer", "head", "position", "state", "nearer"}; "cut_short".
// 10. "rungs": the methods tried, in order: {"method", "outcome", "seconds"}.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/clusters.hpp"
#include "krohn/verify/failing.hpp"

namespace krohn {

/// What was found of the words on which a refuted model fails.
struct FailureReport {
  Failing failing;
  std::optional<Departure> departure;
};

/// Looks for it, within the options' steps, around the word that refutes.
FailureReport report_failures(const Machine& machine, const Specification& specification, const Word& word,
                              const std::vector<StateUnit>& units, const FailingOptions& options);

/// The same around the word of a report that refutes, in a fifth of the time that the budget leaves and five seconds at
/// most; nothing of other reports, and after an interrupt. `language` is the one that the model was checked against.
std::optional<FailureReport> failures_of(const CheckReport& report, const OpenModel& open, const Language& language,
                                         const Budget& budget);

/// Lines of a name and a text each, for people: "fails on" 1^k: every even k from 26 on .., and so on.
std::vector<std::pair<std::string, std::string>> failure_lines(const FailureReport& report, const Alphabet& alphabet);

/// The object above, over several lines, with a final line feed. `alphabet` is the model's.
std::string check_report_json(const CheckReport& report, const Alphabet& alphabet, std::optional<std::uint64_t> up_to,
                              const std::optional<FailureReport>& failures = std::nullopt);

/// "s PROVED", "s CERTIFIED N", "s REFUTED word" or "s UNKNOWN", without a line feed.
std::string final_line(const Verdict& verdict, const Alphabet& alphabet);

/// True if the claim that all words up to `up_to` (all words at all, if absent) agree is established.
bool claim_holds(const Verdict& verdict, std::optional<std::uint64_t> up_to);

}  // namespace krohn
