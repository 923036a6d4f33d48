// Alphabets and the text form of words. Everything is decided on Unicode scalars, so that a symbol such as U+03B1
// counts as one character. Tested by tests/languages/language_test.cpp.
#include "krohn/automata/alphabet.hpp"

#include <utility>

#include "krohn/automata/utf8.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

bool is_space_or_control(std::string_view scalar) {
  if (scalar.size() == 1) {
    const auto c = static_cast<unsigned char>(scalar[0]);
    return c <= 0x20 || c == 0x7F;
  }
  // U+0080..U+00A0, U+1680, U+2000..U+200A, U+2028, U+2029, U+202F, U+205F, U+3000.
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(scalar[i]); };
  if (scalar.size() == 2) return at(0) == 0xC2 && at(1) <= 0xA0;
  if (scalar.size() == 3) {
    const std::uint32_t value = ((at(0) & 0x0FU) << 12U) | ((at(1) & 0x3FU) << 6U) | (at(2) & 0x3FU);
    return value == 0x1680 || (value >= 0x2000 && value <= 0x200A) || value == 0x2028 || value == 0x2029 ||
           value == 0x202F || value == 0x205F || value == 0x3000;
  }
  return false;
}

}  // namespace

std::vector<std::string> utf8_scalars(std::string_view text) {
  std::vector<std::string> scalars;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) throw InputError("byte " + std::to_string(at) + ": expected UTF-8 text, got other bytes");
    scalars.emplace_back(text.substr(at, length));
    at += length;
  }
  return scalars;
}

Alphabet::Alphabet(std::vector<std::string> names) : names_(std::move(names)) {
  if (names_.empty()) throw InputError("alphabet: expected at least one symbol, got none");
  std::vector<std::string> problems;
  single_characters_ = true;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const std::string where = "alphabet[" + std::to_string(i) + "]: ";
    if (names_[i].empty()) {
      problems.push_back(where + "expected a symbol's name, got the empty string");
      continue;
    }
    try {
      const std::vector<std::string> scalars = utf8_scalars(names_[i]);
      if (scalars.size() != 1) single_characters_ = false;
      for (const std::string& scalar : scalars) {
        if (is_space_or_control(scalar)) {
          problems.push_back(where + "expected a name without white space or control characters, got '" + names_[i] +
                             "'");
          break;
        }
      }
    } catch (const InputError& error) {
      problems.push_back(where + error.what());
      continue;
    }
    if (names_[i] == "\"\"") {
      problems.push_back(where +
                         "expected a symbol's name, got \"\" (two quotation marks), which writes the empty word");
    }
    if (!index_.emplace(names_[i], static_cast<Symbol>(i)).second) {
      problems.push_back(where + "expected distinct symbols, got '" + names_[i] + "' twice");
    }
  }
  if (!problems.empty()) throw InputError(std::move(problems));
}

Alphabet Alphabet::of_characters(std::string_view characters) { return Alphabet(utf8_scalars(characters)); }

std::optional<Symbol> Alphabet::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

Word Alphabet::parse_word(std::string_view line) const {
  Word word;
  if (line == "\"\"" && !(single_characters_ && find("\""))) return word;
  const std::vector<std::string> scalars = utf8_scalars(line);
  const auto unknown = [&](std::size_t column, const std::string& text) {
    throw InputError("column " + std::to_string(column) + ": expected a symbol of the alphabet, got '" + text + "'");
  };
  if (single_characters_) {
    for (std::size_t i = 0; i < scalars.size(); ++i) {
      const std::optional<Symbol> symbol = find(scalars[i]);
      if (!symbol) unknown(i + 1, scalars[i]);
      word.push_back(*symbol);
    }
    return word;
  }
  for (std::size_t i = 0; i < scalars.size();) {
    if (is_space_or_control(scalars[i])) {
      ++i;
      continue;
    }
    const std::size_t start = i;
    std::string name;
    while (i < scalars.size() && !is_space_or_control(scalars[i])) name += scalars[i++];
    const std::optional<Symbol> symbol = find(name);
    if (!symbol) unknown(start + 1, name);
    word.push_back(*symbol);
  }
  return word;
}

std::string Alphabet::format_word(std::span<const Symbol> word) const {
  if (word.empty()) return "\"\"";
  std::string text;
  for (const Symbol symbol : word) {
    if (!single_characters_ && !text.empty()) text += ' ';
    text += name(symbol);
  }
  return text;
}

}  // namespace krohn
