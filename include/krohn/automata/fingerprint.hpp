// The fingerprint of an automaton: a hash of its value, never of a file.
#pragma once

#include <string>

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// The canonical bytes of an automaton as it stands (minimise first for the fingerprint of a language). They are the
/// line "krohn-automaton-v1\n" followed by ASCII text without white space,
///
///     {"alphabet":["a","b"],"start":0,"transitions":[[1,0],[1,1]],"labels":["0","1"]}
///
/// where `transitions` has one list per state, with one state per symbol, and `labels` one entry per state: the label's
/// name, or null. Strings are JSON with `"` and `\` escaped by `\`; backspace, tab, line feed, form feed and carriage
/// return as \b \t \n \f \r; everything else outside ' '..'~' as \uxxxx in lower case, as a surrogate pair above
/// U+FFFF. Python's json.dumps(value, separators=(",", ":")) writes exactly this for a dict in the order above. Throws
/// InputError if a label's name is not UTF-8.
std::string canonical_text(const Dfa& dfa);

/// SHA-256 of canonical_text(dfa), 64 lower-case hexadecimal digits.
std::string fingerprint(const Dfa& dfa);

}  // namespace krohn
