// .dot: automata drawn by Graphviz. krohn reads back what it writes, and nothing else.
//
//     digraph G {
//     graph [krohn="krohn-automaton-v1", alphabet="a b", start="0", rankdir="LR"];
//     start [shape="point"];
//     start->0;
//     0 [label="0", shape="circle", output="0"];
//     1 [label="1", shape="doublecircle", output="1"];
//     0->1  [label="a b"];
//     1->1  [label="a b"];
//     }
//
//  1. UTF-8 text of exactly the lines above, in this order: the header with the alphabet (names separated by single
//     spaces) and the start; the arrow to the start; the states 0, 1, ...; the arrows; the closing brace.
//  2. A value is a text in quotation marks. A backslash stands before every quotation mark and backslash of the text;
//     nothing else is escaped.
//  3. A state's `output` is its label's name; without one its label is null ("don't care", drawn dashed). Its drawn
//     label is its number, followed in automata that are no acceptors by "/" and the output. Accepting states of
//     acceptors are double circles. Drawn labels and shapes are not read back, but must be there.
//  4. If the label names are not "0", "1", the header lists them in order as output0, output1, ... before rankdir; if
//     there are none (every state is null), outputs="none" follows rankdir.
//  5. An arrow p->q carries the symbols that lead from p to q, in the order of the alphabet, separated by single
//  spaces;
//     arrows come in ascending order of p, then q. Every state has exactly one arrow for every symbol.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "krohn/io/language_source.hpp"

namespace krohn {

/// Throws InputError, by line, at the first line that krohn would not have written.
LanguageSource parse_format_dot(std::string_view text, const std::string& source);
LanguageSource read_format_dot(const std::filesystem::path& path);

/// Every Dfa can be written, if its label names are UTF-8 without zero bytes and line breaks (else InputError).
std::string format_dot(const Dfa& dfa);

}  // namespace krohn
