// Minimal automata with a canonical numbering.
#pragma once

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// The reachable part, states numbered breadth first from the start (state 0), symbols ascending. Labels are kept.
/// Time and memory O(states * symbols).
Dfa reachable_part(const Dfa& dfa);

/// The automaton with the fewest states that gives every word the same label (null counts as a label of its own),
/// numbered as by reachable_part. Two automata over one alphabet and one list of label names have equal results if
/// and only if every word has the same label in both. The list of label names is kept, unused names included.
/// Time O(k n log n), memory O(k n), for n states and k symbols. Source: Hopcroft 1971.
Dfa minimize(const Dfa& dfa);

}  // namespace krohn
