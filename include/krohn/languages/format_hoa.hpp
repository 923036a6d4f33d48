// .hoa: the Hanoi format for omega-automata (version 1), read as automata on finite words where that makes sense.
//
//     HOA: v1
//     States: 2
//     Start: 0
//     AP: 1 "b0"
//     acc-name: Buchi
//     Acceptance: 1 Inf(0)
//     krohn-symbols: "a" "b"
//     --BODY--
//     State: 0
//     [!0] 0
//     [0] 1
//     State: 1 {0}
//     [t] 1
//     --END--
//
//  1. The tokens, comments and grammar are those of HOA version 1 and 1.1 (adl.github.io/hoaf), a byte order mark
//  skipped;
//     one automaton a file.
//  2. A finite word is accepted if a run on it ends in a state of acceptance set 0. The acceptance must be "1 Inf(0)",
//     "0 t" (every state accepts) or "0 f" (none does). If edges have acceptance sets instead of states, a word is
//     accepted if a run ends with an edge of set 0, so that the empty word is not: a state that such an edge enters
//     becomes two, the second of which is accepting, is numbered behind all others, and is entered by the edges of set
//     0. A note says so. Sets of states and of edges in one file are refused, and so is alternation (a start or target
//     p&q).
//  3. Of the header, HOA, States, Start, AP, Alias and Acceptance count; other items are skipped if they begin with a
//     lower-case letter, else refused.
//  4. There are at most 10 propositions. A letter is a valuation, numbered by its bits: bit i is proposition i. The
//  item
//     krohn-symbols names the letters 0, 1, ... in order; letters beyond its names must not occur on an edge (except in
//     formulas that also allow named ones). Without it a letter is named by the values 0 and 1 of the propositions in
//     order ("t" if there are none), and the alphabet is in ascending order of these names.
//  5. An edge carries its formula, its state's formula, or, if neither is there, the letter of its place (then the
//  state
//     has one edge for each valuation).
//  6. A deterministic automaton keeps its states; missing transitions lead to a sink, added as the last state. A
//     nondeterministic one, also one with no or several starts, is made deterministic and minimal. A note says so.
//  7. krohn writes the items of the example and "tool", "properties", with the least number of propositions b0, b1, ..
//  for
//     the symbols, an edge for every state and symbol with a formula of all propositions. Labels other than 0 and 1,
//     and more than 1024 symbols, are refused.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// `alphabet` may give another order of the symbols. Throws InputError with the line of the first broken token, or with
/// every other problem; ResourceError where caps are passed.
LanguageSource parse_format_hoa(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet = std::nullopt);
LanguageSource read_format_hoa(const std::filesystem::path& path,
                               const std::optional<Alphabet>& alphabet = std::nullopt);

/// The text of rule 7. Throws InputError for what the format cannot express.
std::string format_hoa(const Dfa& dfa);

}  // namespace krohn
