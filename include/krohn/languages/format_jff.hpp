// .jff: finite automata and Moore machines of JFLAP (versions 4 to 8), in XML.
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
//  2. The root is <structure>; its <type> is "fa" or "moore" (other machines are refused). States and transitions lie
//  in
//     the one <automaton>, or directly in <structure> (version 4). An <automaton> within another, and a <block>, are
//     building blocks, and refused. Elements that these rules do not name are not read, which a note says.
//  3. <state id="n">: n is a decimal number below 2^63, different for every state; an empty <initial/> and <final/>
//  mark
//     it. Names, coordinates, labels and notes are ignored. krohn numbers the states in ascending order of n.
//  4. <transition>: one <from> and one <to>, ids of states, and at most one <read>. It holds the symbols to be read one
//     after the other, a character each; several go through new states. An empty or missing <read> is epsilon. So are
//     the characters U+03B5 and U+03BB (epsilon, lambda) and the words "epsilon" and "lambda" where they stand alone
//     and no given alphabet holds their characters; a note says so.
//  5. A <read> with brackets: [x-y], five characters, is one transition for every symbol from x to y (of the given
//     alphabet, where there is one), as JFLAP 7.0 has it; [u,v,x..y], with a comma or two points, is one for u, one for
//     v and one for every symbol from x to y, as JFLAP 7.1 has it. A note says so. Other texts of several characters
//     with a bracket are refused.
//  6. In a Moore machine the label of a state is the text of its <output> (none is the empty text); labels are in the
//     order of rule 7 of format_json.hpp. The <transout> of a transition must be the output of its target; <final/> has
//     no meaning, which a note says.
//  7. The alphabet is the given one, else the characters that occur, in ascending order. Characters outside it, white
//     space and control characters are refused. Symbols of several characters cannot occur.
//  8. A deterministic automaton keeps its states; missing transitions lead to a sink, added as the last state. A
//     nondeterministic one, also one with no or several initial states, is made deterministic and minimal. A note says
//     so. A nondeterministic Moore machine is refused.
//  9. krohn writes states 0, 1, ..., named q0, q1, ..., on a square grid, and a transition for every state and symbol.
//     Labels other than 0 and 1, and symbols of more than one character, are refused.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line for broken XML and by element for the rest; ResourceError where the
/// caps of determinize are passed.
LanguageSource parse_format_jff(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_jff(const std::filesystem::path& path,
                               const std::optional<Alphabet>& alphabet = std::nullopt);

/// The text of rule 9. Throws InputError for what the format cannot express.
std::string format_jff(const Dfa& dfa);

}  // namespace krohn
