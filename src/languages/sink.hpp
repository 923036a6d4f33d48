// Partial automata made complete: the one place where every format's missing transitions are filled.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// The entry of a transition that is missing.
inline constexpr State missing_state = UINT32_MAX;

/// `delta` is [states, symbols], missing_state where a transition is missing. If one is, a sink is added as the last
/// state, with the label "0" if the labels are "0" and "1", else null, and a note says so. Throws as Dfa's constructor,
/// each problem behind "source: ".
LanguageSource complete_with_sink(const std::string& source, Alphabet alphabet, State start, std::vector<State> delta,
                                  std::vector<LabelId> labels, std::vector<std::string> label_names);

}  // namespace krohn
