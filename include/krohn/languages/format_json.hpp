// krohn-automaton-v1: deterministic automata and Moore machines in JSON.
//
//     {"format": "krohn-automaton-v1", "alphabet": ["a", "b"], "start": 0,
//      "transitions": [[1, 0], [0, null]], "accepting": [1]}
//
//  1. One JSON object (text/json_document.hpp) with the members below and no others.
//  2. "format" is the string "krohn-automaton-v1".
//  3. "alphabet": at least one string, all different, each without white space and control characters.
//  4. "transitions": one row a state, at least one; a row has one entry a symbol: the next state (rows count from 0),
//     or null for a missing transition.
//  5. "start": a state.
//  6. Either "accepting": a list of different states, which have the label "1", all others "0";
//     or "labels": one entry a state, a string, or null for "don't care".
//  7. "label_names", only with "labels": the labels in order, those that no state has included. Without it the labels
//     are: "0", "1" if the strings of "labels" are among these two; else the strings that occur, ascending as numbers
//     if all are decimal numbers without leading zeros, else in the order of their first states.
//  8. If transitions are missing, one state is added last, a sink: every missing transition and every transition of
//     the sink leads to it. Its label is "0" if the labels are "0" and "1", else null (outside the domain).
//  9. krohn writes "accepting" if the labels are "0", "1" and none is null, else "labels", and "label_names" only
//     where rule 7 would give others; one row of transitions a line.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line and pointer.
LanguageSource parse_format_json(std::string_view text, const std::string& source);
LanguageSource read_format_json(const std::filesystem::path& path);

/// The text of rule 9. Every Dfa can be written, if its label names are UTF-8 (else InputError).
std::string format_json(const Dfa& dfa);

}  // namespace krohn
