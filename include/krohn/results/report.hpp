// A language or a model as one self-contained page: tables and pictures, no scripts, nothing fetched.
//
//  1. The page is XHTML: well-formed XML with an HTML5 doctype, UTF-8, one style element, inline SVG.
//  2. It refers to no other file. All text is escaped. It prints on A4: figures are not split, colours are never the
//     only difference between series.
//  3. The same input gives the same bytes, but for a verdict that the time for it cut short.
#pragma once

#include <string>

#include "krohn/automata/language.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/results/findings.hpp"

namespace krohn {

/// The report of a language, as typed in `name`: the automaton, its algebra, the decision table of linear-RNN families,
/// the cascade, and the model that the compiler makes of it, where the decision table has one.
std::string language_report(const Language& language, const std::string& name, const ReportOptions& options = {});

/// The report of a model. Where a language comes with it: the verdict first, with the word that refutes it, where along
/// that word the labels part, and families of failing words. Then the automaton that it implements beside the
/// language's, margins signed by the right label (below 0 the answer is wrong), the model, its eigenvalues, hidden
/// trajectories and clusters of hidden states, the pictures of the language and, last, the accuracy by length.
std::string model_report(const OpenModel& model, const std::string& name, const ReportOptions& options = {});

}  // namespace krohn
