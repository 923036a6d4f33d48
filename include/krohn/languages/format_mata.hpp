// .mata text (as the automata libraries Mata and VATA2 write it): nondeterministic automata over explicit symbols or
// bit vectors.
//
//     @NFA-explicit
//     %Alphabet-enum a b
//     %Initial q0
//     %Final q1
//     q0 a q1
//
//  1. UTF-8 text, a byte order mark skipped, lines ended by \n or \r\n; a line that ends in \ continues on the next
//  one.
//     A line is a sequence of tokens separated by spaces or tabs; blank lines are skipped, and from a # that begins a
//     token to the end of the line all is comment (a # within an unquoted token is refused).
//  2. A token is one of & | ! ( ), or other text without white space and quotation marks, or a text in quotation marks,
//     in which a backslash stands before every " and \ of the text. A quoted token is a name and nothing else. The
//     unquoted tokens \true and \false are words of formulas; others that begin with a backslash are refused.
//  3. The first line is @NFA-explicit, @DFA-explicit, @NFA-bits, or the older @NFA, whose symbols are explicit and
//  whose
//     keys %Alphabet and %States mean %Alphabet-enum and %States-enum. There is one section; other kinds (intervals,
//     alternating automata, transducers) are refused.
//  4. A line that begins with % is a key and its values; a key may be repeated, which adds values:
//     %Alphabet-enum: the symbols in order; %States-enum: the states in order; %Epsilon: symbols that read nothing.
//     %Alphabet-auto, -marked, -numbers, -utf, -utf-8 and -chars, %States-auto and %States-marked have no values and
//     say nothing. Other keys are refused.
//  5. %Initial and %Final have states, or a formula over states, | loosest, then &, then !, with brackets, \true and
//     \false. A state is final if the formula holds where it is the one state: \true is every state, !q0 & !q2 every
//     state but these. A conjunction that no one state satisfies is refused, and in %Initial all but names, | and
//     \false (an alternating automaton would mean something else by them).
//  6. Any other line is a transition: state, symbol, state; @ may not begin it. In place of the symbol there may be a
//     formula over symbols, which stands for every symbol of the alphabet for which it holds (where the alphabet is
//     not stated: for the symbols that occur, which a note says if it matters), and & may stand before the last state.
//  7. In @NFA-bits the names in formulas are bits. A letter is a valuation of all bits, named by their values 0 and 1
//     in the order of %Alphabet-enum, else ascending by n where all are named <text><n> with one text, else ascending
//     by their bytes ("t" if there are none). The alphabet is the letters under which a transition is possible, at most
//     4096, ascending; a note gives the order of the bits and the number of letters.
//  8. The states are those of %States-enum, if it is there (others are then refused). Else they are those that occur:
//     in ascending order of n if all are named q<n> with a decimal number n below 2^63, otherwise in the order of their
//     first occurrence.
//  9. Symbols have no white space. Without %Alphabet-enum the alphabet is the given one, else the symbols that occur,
//     in ascending order of their bytes. A symbol outside the alphabet is refused. 4294967295, by which Mata prints
//     epsilon, reads nothing, which a note says, unless the stated or given alphabet holds it.
// 10. A deterministic automaton keeps its states; missing transitions lead to a sink, added as the last state. A
//     nondeterministic one, also one with no or several initial states, is made deterministic and minimal. A note says
//     so. @DFA-explicit refuses nondeterminism.
// 11. krohn writes @NFA-explicit, %Alphabet-enum, %Initial, %Final, and every transition in ascending order of states,
//     then symbols; the states are q0, q1, ... Symbols that hold a quotation mark, # % @ \ & | ! ( ) are quoted. Labels
//     other than 0 and 1 are refused.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line and column; ResourceError where the caps of determinize are passed.
LanguageSource parse_format_mata(std::string_view text, const std::string& source,
                                 const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_mata(const std::filesystem::path& path,
                                const std::optional<Alphabet>& alphabet = std::nullopt);

/// The text of rule 9. Throws InputError for what the format cannot express.
std::string format_mata(const Dfa& dfa);

}  // namespace krohn
