// Languages as the command line names them, and lists of words.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/languages/language_source.hpp"

namespace krohn {

/// The suffixes of the files that read_language reads, as messages and the command line's help list them.
inline constexpr const char* language_suffixes = ".json, .att, .mata, .jff, .hoa, .dot, .gv, .dfa, .mona, .aut or .ba";

/// Symbols as written after --alphabet: separated by commas or white space if there is a comma or white space in the
/// text, else one a character. Throws InputError as Alphabet does.
Alphabet parse_alphabet(std::string_view text);

/// The automaton that `spec` names, as it stands there (minimal for expressions and the catalogue):
///   re:REGEX       a regular expression (automata/regex.hpp);
///   FILE.json, .att, .mata, .jff, .hoa, .dot (or .gv), .mona (or .dfa), .aut, .ba   format_json.hpp and so on, the
///                  suffix in lower or upper case;
///   else           a catalogue name (automata/catalog.hpp).
/// `alphabet` (as for parse_alphabet) gives the symbols of an expression or of a file, as its format says; of .json
/// files and the catalogue it may give another order of the same symbols. Throws InputError with every problem, each
/// naming the spec or the file.
LanguageSource read_language(const std::string& spec, const std::optional<std::string>& alphabet = std::nullopt);

/// The text of a file with this suffix, such as ".json". Throws InputError for another suffix or an automaton that the
/// format cannot express; `name` is the file's, for the message.
std::string format_language(const std::string& suffix, const Dfa& dfa, const std::string& name = "");

/// Writes by the suffix, one of those above up to .gv. Throws as write_file, and InputError for another suffix or an
/// automaton that the format cannot express.
void write_language(const std::filesystem::path& path, const Dfa& dfa);

/// One word a line (Alphabet::parse_word); an empty line is the empty word, the last newline ends the last word. Throws
/// InputError naming line and column of what is no symbol in each line, lines counted on from `lines_before`.
std::vector<Word> parse_words(std::string_view text, const std::string& source, const Alphabet& alphabet,
                              std::size_t lines_before = 0);

}  // namespace krohn
