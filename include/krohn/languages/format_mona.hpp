// .mona and .dfa: automata as MONA (option -w) and LTLf2DFA (mona_dfa_out) print them, and as MONA exports them (export
// in a formula's file, dfaExport in a program). krohn does not read MONA's formulas and tree automata, and does not
// write the format.
//
//     DFA for formula with free variables: P Q
//     Initial state: 0
//     Accepting states: 2
//     Rejecting states: 0 1
//
//     Automaton has 3 states and 5 BDD-nodes
//     Transitions:
//     State 0: XX -> state 1
//     State 1: 1X -> state 2
//     State 1: 0X -> state 1
//     State 2: XX -> state 2
//
//  1. UTF-8 text, a byte order mark skipped. Lines before "DFA for formula with free variables:" and those behind the
//  last
//     transition (a counter-example, a satisfying example) are skipped; a text without that line is refused.
//  2. The line "Initial state:" has one state; "Accepting states:", "Rejecting states:" and "Don't-care states:" have
//     states separated by white space; a state in none of them is refused, as is one in two. The line with the numbers
//     of states and nodes is skipped.
//  3. A transition leads from a state to a state under every valuation of the variables that agrees with its text of 0,
//  1
//     and X, one character a variable in the order of the first line. Letters are valuations, as in rule 7 of
//     format_mata.hpp, their bits in the order of the first line.
//  4. In automata of WS1S, MONA's default, the first letter is the values of the Boolean variables; a note says so.
//  5. Don't-care states have the label null. States keep their numbers; missing transitions lead to a sink, the last
//     state, which a note says.
//
//     MONA DFA
//     number of variables: 2
//     variables: P x
//     orders: 2 1
//     states: 4
//     initial: 0
//     bdd nodes: 7
//     final: 0 0 -1 1
//     behaviour: 0 4 3 6
//     bdd:
//      -1 1 0
//      ..
//     end
//
//  6. A text whose first line is "MONA DFA" has these lines in this order. "orders" has 0 (Boolean), 1 or 2 for each
//     variable and is information. "final" has 1 (accepting), -1 (rejecting) or 0 (don't care, rule 5) for each state,
//     "behaviour" the node where it begins to decide.
//  7. Behind "bdd:" stand the nodes 0, 1, ..: "-1 q 0" leads to state q; "v l h" goes on at node l if the variable
//     numbered v (from 0, in the order of "variables") is 0, else at node h, which must test later variables. Letters
//     are all 2^n valuations, named as in rule 3; at most 12 variables, and 2^26 states times letters.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line; ResourceError where caps are passed.
LanguageSource parse_format_mona(std::string_view text, const std::string& source,
                                 const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_mona(const std::filesystem::path& path,
                                const std::optional<Alphabet>& alphabet = std::nullopt);

}  // namespace krohn
