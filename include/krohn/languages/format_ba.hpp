// .ba: automata in the format of RABIT and of GOAL's and Mata's benchmarks. krohn reads it and does not write it.
//
//     [p]
//     a,[p]->[q]
//     b,[q]->[p]
//     [q]
//
//  1. UTF-8 text, a byte order mark skipped, lines ended by \n or \r\n; blank lines are skipped, white space around
//  names
//     has no meaning.
//  2. A line without a comma before the transitions is the initial state (without one it is the source of the first
//     transition), a line symbol,source->target a transition, and a line behind the transitions an accepting state.
//     Without accepting states all states accept, which a note says. A state is a name with or without brackets around
//     it.
//  3. The automaton is read over finite words: a word is accepted if a run on it ends in an accepting state. A note
//  says
//     so, because most files of this format are meant over infinite words.
//  4. Symbols have no white space. The alphabet is the given one, which must hold every symbol, else the symbols that
//     occur, in ascending order of their bytes. States are numbered in the order of their first occurrence.
//  5. A deterministic automaton keeps its states, and missing transitions lead to a sink, the last state; a
//     nondeterministic one is made deterministic and minimal. A note says so.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line; ResourceError where caps are passed.
LanguageSource parse_format_ba(std::string_view text, const std::string& source,
                               const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_ba(const std::filesystem::path& path,
                              const std::optional<Alphabet>& alphabet = std::nullopt);

}  // namespace krohn
