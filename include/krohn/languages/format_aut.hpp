// .aut: labelled transition systems in the Aldebaran format (CADP, mCRL2, ltsmin, ..). krohn reads it and does not
// write it.
//
//     des (0, 2, 3)
//     (0, "a", 1)
//     (1, b, 2)
//
//  1. UTF-8 text, a byte order mark skipped, lines ended by \n or \r\n; blank lines are skipped, white space around
//     names, commas and brackets has no meaning. The first line has the initial state, the number of transitions and
//     the number of states; every other line is a transition of state, label and state. States are decimal numbers
//     below their number, transitions as many as stated. Other .aut files (tree automata of Timbuk) are refused.
//  2. A label is a text in quotation marks, or one without commas and quotation marks.
//  3. Every state is accepting, so that the language is that of all traces; a note says so.
//  4. The labels i and tau are hidden: they read nothing, which a note says, unless a given alphabet names them.
//  5. Labels with white space are refused. The alphabet is the given one, which must hold every label, else the labels
//     that occur, in ascending order of their bytes.
//  6. States keep their numbers if the automaton is deterministic, and missing transitions lead to a sink, the last
//     state; else it is made deterministic and minimal. A note says so.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// Throws InputError with every problem, by line; ResourceError where caps are passed.
LanguageSource parse_format_aut(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_aut(const std::filesystem::path& path,
                               const std::optional<Alphabet>& alphabet = std::nullopt);

}  // namespace krohn
