// The dispatch from what a user types to the reader that knows it.
#include "krohn/languages/language.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_att.hpp"
#include "krohn/languages/format_aut.hpp"
#include "krohn/languages/format_ba.hpp"
#include "krohn/languages/format_dot.hpp"
#include "krohn/languages/format_hoa.hpp"
#include "krohn/languages/format_jff.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/languages/format_mata.hpp"
#include "krohn/languages/format_mona.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"
#include "sink.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_problems = 50;
constexpr std::string_view separators = ", \t\r\n";
const std::string written = ".json, .att, .mata, .jff, .hoa or .dot";

std::string quoted_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return shown(text, 200);
}

// In lower case: users of other systems write .ATT.
std::string suffix_of(const fs::path& path) {
  std::string suffix = path.extension().string();
  for (char& c : suffix) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  return suffix;
}

// The automaton with its symbols in another order.
Dfa reordered(const Dfa& dfa, const Alphabet& alphabet, const std::string& spec) {
  std::vector<std::string> have = dfa.alphabet().names();
  std::vector<std::string> want = alphabet.names();
  std::sort(have.begin(), have.end());
  std::sort(want.begin(), want.end());
  if (have != want) {
    throw InputError("--alphabet: expected the symbols of " + shown(spec) + ", " +
                     quoted_names(dfa.alphabet().names()) + ", in some order, got " + quoted_names(alphabet.names()));
  }
  std::vector<State> delta;
  delta.reserve(dfa.delta().size());
  for (State state = 0; state < dfa.num_states(); ++state) {
    for (const std::string& name : alphabet.names()) {
      delta.push_back(dfa.next(state, dfa.alphabet().find(name).value()));
    }
  }
  return Dfa(alphabet, dfa.start(), std::move(delta), {dfa.labels().begin(), dfa.labels().end()}, dfa.label_names());
}

LanguageSource in_order(LanguageSource language, const std::optional<Alphabet>& alphabet, const std::string& spec) {
  if (alphabet && !(*alphabet == language.dfa.alphabet())) language.dfa = reordered(language.dfa, *alphabet, spec);
  return language;
}

/// True if `re:` before the text would make it a language.
bool reads_as_expression(const std::string& text, const std::optional<Alphabet>& alphabet) {
  if (text.find(':') != std::string::npos) return false;
  try {
    parse_regex(text, alphabet);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

Alphabet parse_alphabet(std::string_view text) {
  try {
    if (text.find_first_of(separators) == std::string_view::npos) return Alphabet::of_characters(text);
    std::vector<std::string> names;
    for (std::size_t at = text.find_first_not_of(separators); at != std::string_view::npos;) {
      const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
      names.emplace_back(text.substr(at, end - at));
      at = text.find_first_not_of(separators, end);
    }
    return Alphabet(std::move(names));
  } catch (const InputError& error) {
    throw InputError(with_prefix("--alphabet: ", error.problems()));
  }
}

LanguageSource read_language(const std::string& spec, const std::optional<std::string>& alphabet_text) {
  std::optional<Alphabet> alphabet;
  if (alphabet_text) alphabet = parse_alphabet(*alphabet_text);
  constexpr std::string_view regex_prefix = "re:";
  if (spec.compare(0, regex_prefix.size(), regex_prefix) == 0) {
    try {
      return {parse_regex(std::string_view(spec).substr(regex_prefix.size()), alphabet), {}};
    } catch (const InputError& error) {
      throw InputError(with_prefix(shown(spec) + ": ", error.problems()));
    }
  }
  const fs::path path(spec);
  const std::string suffix = suffix_of(path);
  if (suffix == ".att") return read_format_att(path, alphabet);
  if (suffix == ".mata") return read_format_mata(path, alphabet);
  if (suffix == ".jff") return read_format_jff(path, alphabet);
  if (suffix == ".hoa") return read_format_hoa(path, alphabet);
  if (suffix == ".mona" || suffix == ".dfa") return read_format_mona(path, alphabet);
  if (suffix == ".aut") return read_format_aut(path, alphabet);
  if (suffix == ".ba") return read_format_ba(path, alphabet);
  if (suffix == ".json") return in_order(read_format_json(path), alphabet, spec);
  if (suffix == ".dot" || suffix == ".gv") return in_order(read_format_dot(path, alphabet), alphabet, spec);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    throw InputError(spec + ": expected a language (a catalogue name, re:REGEX or a file), got a directory");
  }
  if (fs::exists(path, ignored)) {
    throw InputError(spec + ": expected a language file that ends in " + language_suffixes + ", got " +
                     (path.has_extension() ? shown(path.extension().string()) : "no suffix"));
  }
  if (spec.find('/') != std::string::npos) throw InputError(spec + ": expected a file, got nothing of that name");
  try {
    return in_order({catalog_language(spec), {}}, alphabet, spec);
  } catch (const InputError& error) {
    if (!reads_as_expression(spec, alphabet)) throw;
    const std::string written = shown("re:" + spec);
    // With an operator it was meant as one; a plain word may as well be a name that is misspelt.
    if (spec.find_first_of("()|*+?[]{}~&.") != std::string::npos) {
      throw InputError(shown(spec) + ": expected a catalogue name, re:REGEX or a file; did you mean " + written + "?");
    }
    throw InputError(error.problems().front() + "; as an expression it is " + written);
  }
}

std::string format_language(const std::string& suffix, const Dfa& dfa, const std::string& name) {
  if (suffix == ".json") return format_json(dfa);
  if (suffix == ".att") return format_att(dfa);
  if (suffix == ".mata") return format_mata(dfa);
  if (suffix == ".jff") return format_jff(dfa);
  if (suffix == ".hoa") return format_hoa(dfa);
  if (suffix == ".dot" || suffix == ".gv") return format_dot(dfa);
  throw InputError(name + ": expected a file that ends in " + written + ", got " +
                   (suffix.empty() ? "no suffix" : shown(suffix)));
}

void write_language(const fs::path& path, const Dfa& dfa) {
  write_file(path, format_language(suffix_of(path), dfa, path.string()));
}

std::vector<Word> parse_words(std::string_view text, const std::string& source, const Alphabet& alphabet,
                              std::size_t lines_before) {
  std::vector<Word> words;
  std::vector<std::string> problems;
  std::size_t more = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    try {
      words.push_back(alphabet.parse_word(line));
    } catch (const InputError& error) {
      words.emplace_back();
      if (problems.size() < max_problems) {
        problems.push_back(source + ":" + std::to_string(lines_before + words.size()) + ": " +
                           error.problems().front());
      } else {
        ++more;
      }
    }
    at = end + 1;
  }
  if (more > 0) problems.push_back(source + ": and " + std::to_string(more) + " more problems");
  if (!problems.empty()) throw InputError(std::move(problems));
  return words;
}

}  // namespace krohn
