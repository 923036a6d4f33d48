// An automaton as the engine's searches take it.
#pragma once

#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/enumerate.hpp"

namespace krohn {

/// The arrays of `dfa`, its labels translated by name to indices into `model_labels`: a null label becomes any_label,
/// a label that the model does not have no_label. The alphabets are the caller's to compare.
LabelledAutomaton labelled_automaton(const Dfa& dfa, const std::vector<std::string>& model_labels);

}  // namespace krohn
