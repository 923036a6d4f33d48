// .jff: finite automata of JFLAP (versions 4 to 8), in XML.
//
//     <structure><type>fa</type><automaton>
//       <state id="0" name="q0"><x>0.0</x><y>0.0</y><initial/></state>
//       <state id="1" name="q1"><x>100.0</x><y>0.0</y><final/></state>
//       <transition><from>0</from><to>1</to><read>a</read></transition>
//     </automaton></structure>
//
//  1. XML in UTF-8 of at most 256 MiB, elements nested at most 16 deep, without a document type. Comments and
//  processing
//     instructions are skipped.
//  2. The root is <structure>; its <type> is "fa" (other machines are refused). States and transitions lie in
//     <automaton>, or directly in <structure> (version 4).
//  3. <state id="n">: n is a decimal number below 2^63, different for every state; an empty <initial/> and <final/>
//  mark
//     it. Names, coordinates, labels and notes are ignored. krohn numbers the states in ascending order of n.
//  4. <transition>: <from> and <to> are ids of states. <read> holds the symbols to be read one after the other, a
//     character each; several go through new states. An empty or missing <read> is epsilon. Of the form [x-y], five
//     characters, it is one transition for every symbol from x to y (of the given alphabet, where there is one).
//  5. The alphabet is the given one, else the characters that occur, in ascending order. Characters outside it, white
//     space and control characters are refused. Symbols of several characters cannot occur.
//  6. A deterministic automaton keeps its states; missing transitions lead to a sink, added as the last state. A
//     nondeterministic one, also one with no or several initial states, is made deterministic and minimal. A note says
//     so.
//  7. krohn writes states 0, 1, ..., named q0, q1, ..., on a square grid, and a transition for every state and symbol.
//     Labels other than 0 and 1, and symbols of more than one character, are refused.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/io/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line for broken XML and by element for the rest; ResourceError where the
/// caps of determinize are passed.
LanguageSource parse_format_jff(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_jff(const std::filesystem::path& path,
                               const std::optional<Alphabet>& alphabet = std::nullopt);

/// The text of rule 7. Throws InputError for what the format cannot express.
std::string format_jff(const Dfa& dfa);

}  // namespace krohn
