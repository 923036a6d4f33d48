// .dot (and .gv): automata drawn by Graphviz: what krohn writes, before and after Graphviz laid it out, and the
// drawings of AALpy, LearnLib, automata-lib, LTLf2DFA, MONA and people.
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
//  1. UTF-8 text, a byte order mark skipped, of one directed graph in the DOT language
//  (graphviz.org/doc/info/lang.html).
//     Positions, colours and other attributes that these rules do not name are not read.
//  2. A graph with the attribute krohn="krohn-automaton-v1" is krohn's own: `alphabet` has the symbols separated by
//     single spaces, `start` the start; the states are the nodes 0, 1, ..., n-1, and the node `start` is none. A
//     state's `output` is its label's name; without one its label is null ("don't care", drawn dashed). If the label
//     names are not "0", "1", the graph lists them in order as output0, output1, ..., or outputs="none" if there are
//     none. An edge carries the symbols that lead from p to q, separated by single spaces; every state has exactly one
//     for every symbol. In these values a backslash stands before every backslash of the text.
//  3. In other graphs the arrow to the initial state comes from a node without incoming edges, whose outgoing edges
//     have no label: one that is named __start.., invisible, or of the shape none, point, plaintext or plain; if there
//     is none of these, any such node, which a note says. A graph without such an arrow is refused. Nodes of these
//     shapes without edges are not read, which a note says. All other nodes are states, numbered in the order of their
//     first occurrence.
//  4. A state is accepting if it is a double circle (shape doublecircle, or peripheries of 2 and more). If none is, and
//     the drawn label of every state is a record "name|output" or has the form "name/output", the graph is a Moore
//     machine: the outputs are the labels, in the order of rule 7 of format_json.hpp.
//  5. The label of an edge is a symbol, or several, separated by commas outside of brackets or by line breaks; a note
//     says so where there are commas. U+03B5, U+03BB, "epsilon" and "lambda", alone or as HTML entities, read nothing,
//     which a note says. A given alphabet may name any label a symbol. Refused by name are edges without a label,
//     labels of the form x/y (a Mealy machine's, or those of pushdown automata), labels that all end in ":" and a
//     probability, white space within a symbol, and HTML.
//  6. In a graph of the name MONA_DFA the label of an edge is a formula of propositions (| or || loosest, then & or &&,
//     then ~ or !, with brackets, true and false), or rows of 0, 1 and X, one a variable, in columns of which each
//     stands for the valuations that agree with it. Letters are valuations, as in rule 7 of format_mata.hpp; rows have
//     no names and are bits 0, 1, ... A state of the shape box has the label null where the labels are rows.
//  7. A deterministic automaton keeps its states; missing transitions lead to a sink, added as the last state. A
//     nondeterministic one is made deterministic and minimal. A note says so. A nondeterministic Moore machine is
//     refused.
//  8. Without a given alphabet it is the symbols that occur, in ascending order of their bytes (rule 2 apart).
//  9. krohn writes the lines of the example: the header, the arrow to the start, the states and the edges in ascending
//     order, symbols in the order of the alphabet. The drawn label is the state's number, followed in automata that are
//     no acceptors by "/" and the output. Accepting states of acceptors are double circles.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// `alphabet` names the symbols of rule 5. Throws InputError with line and column of broken DOT, or with every other
/// problem; ResourceError where caps are passed.
LanguageSource parse_format_dot(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_dot(const std::filesystem::path& path,
                               const std::optional<Alphabet>& alphabet = std::nullopt);

/// Every Dfa can be written, if its label names are UTF-8 without zero bytes and line breaks (else InputError).
/// States that are `marked` ([states], where given) are drawn bold in orange, which readers pass over.
std::string format_dot(const Dfa& dfa, const std::vector<bool>& marked = {});

}  // namespace krohn
