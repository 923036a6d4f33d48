// AT&T text (as OpenFst, foma, HFST and the MLRegTest benchmark write it): finite automata, an arc a line.
//
//  1. UTF-8 text, a byte order mark skipped, fields separated by tabs or spaces, lines ended by \n or \r\n; blank lines
//     are skipped. A line -- separates automata: one that has text on both sides is refused.
//  2. A line of three to five fields is an arc: source, target, symbol; the symbol again (the output side of a
//     transducer, which must equal the input side); a weight. Of four fields the last is a weight where it differs from
//     the symbol on some line, is a number on all lines of four fields, there are none of five, and nowhere two
//     different whole numbers are symbol and last field. A note says so.
//  3. A line of one or two fields is a final state and a weight.
//  4. Weights say nothing where all are 0 (the neutral weight of costs), or all are 1 (of probabilities) and none is
//     left out; a note says so. Others are refused.
//  5. States are decimal numbers below 2^63, not necessarily consecutive; the state named first in the file is the
//     start. krohn numbers them in ascending order.
//  6. Symbols are any text without white space. Without a given alphabet they are those that occur, in ascending order
//     of their bytes; a given alphabet must hold every symbol that occurs.
//  7. <eps>, <epsilon>, @0@ and @_EPSILON_SYMBOL_@ read nothing. Flag diacritics (@P.F.V@, ..) and HFST's other symbols
//     between @_ and _@ are refused by name; @_IDENTITY_SYMBOL_@ stands for the symbols of a given alphabet that the
//     file does not name, which a note says. "0" is refused without a symbol table, because it is epsilon where symbols
//     are numbers. A given alphabet may name any of these a symbol.
//  8. A symbol table lies beside FILE.att as FILE.syms, FILE.att.syms, FILE.isyms or FILE.att.isyms, the first of these
//     that is there: a name and a decimal number a line, separated by white space, names and numbers all different. The
//     symbols of the arcs are then all names, or else all numbers, of the table; the name of number 0 reads nothing. A
//     note says so. A table under which both readings are possible and differ is refused.
//  9. A deterministic automaton keeps its states; missing transitions lead to a sink with the label "0", added as the
//     last state. A nondeterministic one (with epsilon, or two arcs from one state under one symbol) is made
//     deterministic and minimal. A note says so.
// 10. krohn writes every arc of the start first, then of the other states in ascending order, symbols in the order of
//     the alphabet, fields separated by tabs, then the final states. Labels other than "0" and "1", null labels and the
//     symbols of rule 7 are refused. The order of the alphabet and unused symbols are not part of the format.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// The text of a symbol table (rule 8), and what to call it in messages.
struct AttSymbolTable {
  std::string source;
  std::string text;
};

/// Throws InputError with every problem, by line; ResourceError where determinisation passes its cap.
LanguageSource parse_format_att(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet = std::nullopt,
                                const std::optional<AttSymbolTable>& table = std::nullopt);
/// With the symbol table beside the file, if there is one.
LanguageSource read_format_att(const std::filesystem::path& path,
                               const std::optional<Alphabet>& alphabet = std::nullopt);

/// The text of rule 9. Throws InputError for what the format cannot express.
std::string format_att(const Dfa& dfa);

}  // namespace krohn
