// An extracted automaton in words, as JSON and as pictures.
//
// The JSON object has these members, in this order:
//
//  1. "status": "exact" (proved, at every length), "up_to" (a smallest automaton that is right on all words up to
//     "length") or "hypothesis" (no difference was found; every word up to "length", if that is not null, agrees).
//  2. "length": null for "exact". "states": of the automaton. "method": what proved it or established the length, null
//     for a hypothesis. "semantics", "domain": what the labels are about.
//  3. "automaton": the object of a krohn-automaton-v1 file (format_json.hpp). "words": for every state a shortest word
//     that leads to it.
//  4. "certificate": null, or, of "up_to", the suffixes [i, j, z] that show that no automaton is smaller: words[i] z
//     and words[j] z have at most "length" symbols and different labels.
//  5. "series": the states of the hypotheses that were made, in order; "growing": whether a difference was found to
//     every one of them. "queries", "steps": words asked, and steps of the model for them
//     and for the closure.
//  6. "comparison": null, or {"language", "equal", "up_to", "word", "expected", "observed", "differing"}: equal is true
//     or false where that is established (for words up to "up_to", null for all), else null; "word" a shortest word on
//     which they part; "differing": the states of the automaton that words on which they part lead to.
//  7. "rungs": what was tried, in order: {"method", "outcome", "seconds"}. "ended_early": whether a
//     limit or an interrupt ended it; "interrupted": an interrupt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "krohn/checkpoints/open_model.hpp"
#include "krohn/results/figures.hpp"
#include "krohn/verify/extract.hpp"

namespace krohn {

/// What the comparison of an extraction with a language came to.
struct ExtractionComparison {
  std::string language;
  /// The language over the model's symbols in their order.
  Dfa automaton;
  Comparison comparison;
  /// Nothing: not established.
  std::optional<bool> equal;
  /// The words that `equal` is about; nothing: all.
  std::optional<std::uint64_t> up_to;
};

/// Compares what was extracted with a language within the model's domain; a difference is a word that the model itself
/// was run on. `known`: a word on which they are known to differ, which counts where nothing shorter is found and no
/// length was asked for. Throws InputError where symbols or labels do not fit, naming them.
ExtractionComparison compare_extraction(const Extraction& extraction, const Machine& model, const Language& language,
                                        const std::string& name, const std::optional<Word>& known = std::nullopt);

/// What a model implements, beside a language where one is given.
struct ExtractionAnswer {
  Extraction extraction;
  std::optional<ExtractionComparison> comparison;
  /// The words that it is about.
  std::string domain;
};

/// extract(), on the model's domain; `hypothesis`, `language` and the language that comes with the model are tried
/// first, in this order, behind the options' own guesses. Both as OpenModel::within_domain gives them; `name` is
/// `language`'s.
ExtractionAnswer extract_from(const OpenModel& open, const std::optional<Dfa>& language, const std::string& name,
                              const std::optional<Dfa>& hypothesis, ExtractOptions options);

/// "exactly this automaton, at every length (closure)", "a smallest automaton that agrees on all words up to 12
/// (exhaustive)", "a hypothesis: no difference was found (every word up to 9 agrees)".
std::string status_text(const Extraction& extraction);
/// "equal to parity at every length", "differs from parity on 11: the language says 0, the model 1", ..
std::string comparison_text(const ExtractionComparison& comparison, const Alphabet& alphabet);
/// "the hypotheses grew: 2, 27, 54, .. states", or nothing.
std::string growth_text(const Extraction& extraction);

std::string extraction_json(const Extraction& extraction, const std::string& domain,
                            const std::optional<ExtractionComparison>& comparison);

/// The automaton and, where there is one, the language beside it, states on which they part marked.
Figure draw_extraction(const Extraction& extraction, const std::optional<ExtractionComparison>& comparison);

}  // namespace krohn
