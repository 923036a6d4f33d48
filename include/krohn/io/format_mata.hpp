// .mata text (as the automata libraries Mata and VATA2 write it): nondeterministic automata over explicit symbols.
//
//     @NFA-explicit
//     %Alphabet-enum a b
//     %Initial q0
//     %Final q1
//     q0 a q1
//
//  1. UTF-8 text, lines ended by \n or \r\n; a line that ends in \ continues on the next one. A line is a sequence of
//     tokens separated by spaces or tabs; blank lines are skipped, and from a # that begins a token to the end of the
//     line all is comment.
//  2. A token is text without white space and without quotation marks, or a text in quotation marks, in which a
//     backslash stands before every " and \ of the text. A quoted token has no special meaning.
//  3. The first line is @NFA-explicit or @DFA-explicit. There is one section; other kinds (bits, intervals, alternating
//     automata, transducers) are refused.
//  4. A line that begins with % is a key and its values; a key may be repeated, which adds values:
//     %Initial and %Final: states; %Alphabet-enum: the symbols in order; %States-enum: the states in order;
//     %Epsilon: symbols that read nothing. %Alphabet-auto, -marked, -numbers, -utf, -utf-8 and -chars, %States-auto and
//     %States-marked have no values and say nothing. Other keys are refused.
//  5. Any other line is a transition: state, symbol, state. Formulas (the unquoted tokens & | ! ( ) and longer lines)
//  are
//     refused.
//  6. The states are those of %States-enum, if it is there (others are then refused). Else they are those that occur:
//     in ascending order of n if all are named q<n> with a decimal number n below 2^63, otherwise in the order of their
//     first occurrence.
//  7. Symbols have no white space. Without %Alphabet-enum the alphabet is the given one, else the symbols that occur,
//     in ascending order of their bytes. A symbol outside the alphabet is refused.
//  8. A deterministic automaton keeps its states; missing transitions lead to a sink, added as the last state. A
//     nondeterministic one, also one with no or several initial states, is made deterministic and minimal. A note says
//     so.
//     @DFA-explicit refuses nondeterminism.
//  9. krohn writes @NFA-explicit, %Alphabet-enum, %Initial, %Final, and every transition in ascending order of states,
//     then symbols; the states are q0, q1, ... Symbols that hold a quotation mark, # % @ \ & | ! ( ) are quoted. Labels
//     other than 0 and 1 are refused.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/io/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line and column; ResourceError where the caps of determinize are passed.
LanguageSource parse_format_mata(std::string_view text, const std::string& source,
                                 const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_mata(const std::filesystem::path& path,
                                const std::optional<Alphabet>& alphabet = std::nullopt);

/// The text of rule 9. Throws InputError for what the format cannot express.
std::string format_mata(const Dfa& dfa);

}  // namespace krohn
