// AT&T text (as OpenFst, foma and the MLRegTest benchmark write it): finite automata, an arc a line.
//
//  1. UTF-8 text, fields separated by tabs or spaces, lines ended by \n or \r\n; blank lines are skipped.
//  2. A line of three or four fields is an arc: source, target, symbol, and the symbol again (the output side of a
//     transducer, which must equal the input side).
//  3. A line of one field is a final state. Weights (a second field there, a fifth on an arc, or an output side that
//     differs) are refused.
//  4. States are decimal numbers below 2^63, not necessarily consecutive; the state named first in the file is the
//     start. krohn numbers them in ascending order.
//  5. Symbols are any text without white space. Without a given alphabet they are those that occur, in ascending order
//     of their bytes; a given alphabet must hold every symbol that occurs.
//  6. "0" is epsilon in this format, as are <eps>, <epsilon>, @0@ and @_EPSILON_SYMBOL_@: refused, unless a given
//     alphabet names it as a symbol.
//  7. Two arcs from one state under one symbol to different states make the automaton nondeterministic: it is
//     determinised (automata/nfa.hpp; its states are then sets, numbered breadth first), and a note says so.
//  8. Missing transitions lead to a sink with the label "0"; of a deterministic automaton it is added as the last
//     state, and a note says so.
//  9. krohn writes every arc of the start first, then of the other states in ascending order, symbols in the order of
//     the alphabet, fields separated by tabs, then the final states. Labels other than "0" and "1", null labels and the
//     symbols of rule 6 are refused. The order of the alphabet and unused symbols are not part of the format.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/io/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line; ResourceError where determinisation passes its cap.
LanguageSource parse_format_att(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_att(const std::filesystem::path& path,
                               const std::optional<Alphabet>& alphabet = std::nullopt);

/// The text of rule 9. Throws InputError for what the format cannot express.
std::string format_att(const Dfa& dfa);

}  // namespace krohn
