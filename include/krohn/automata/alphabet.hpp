// Alphabets: finite ordered sets of named symbols, and words over them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace krohn {

/// The index of a symbol in its alphabet.
using Symbol = std::uint32_t;

/// A finite sequence of symbols, read left to right.
using Word = std::vector<Symbol>;

/// An ordered, non-empty set of distinct symbol names.
///
/// A name is a non-empty UTF-8 string without white space or control characters. The order is part of the value: it
/// is the order of shortlex comparison and of every table.
class Alphabet {
 public:
  /// Throws InputError for no symbols, an empty or doubled name, white space, or bytes that are not UTF-8.
  explicit Alphabet(std::vector<std::string> names);

  /// One symbol for each Unicode scalar of `characters`, in the order given. Throws InputError as above.
  static Alphabet of_characters(std::string_view characters);

  std::size_t size() const noexcept { return names_.size(); }
  const std::string& name(Symbol symbol) const { return names_.at(symbol); }
  const std::vector<std::string>& names() const noexcept { return names_; }
  std::optional<Symbol> find(std::string_view name) const;

  /// True if every name is one Unicode scalar: words are then written without separators.
  bool single_characters() const noexcept { return single_characters_; }

  /// Reads one line of text: symbols joined when single_characters(), else separated by white space. In the joined
  /// form white space between symbols is refused. The empty line, and in both forms the two characters "" , is the
  /// empty word. Throws InputError naming the 1-based column (in Unicode scalars) of the first unknown symbol.
  Word parse_word(std::string_view line) const;

  /// The text that parse_word reads back; the empty word is "" (two quotation marks).
  std::string format_word(std::span<const Symbol> word) const;

  friend bool operator==(const Alphabet& a, const Alphabet& b) { return a.names_ == b.names_; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, Symbol> index_;
  bool single_characters_ = false;
};

/// The Unicode scalars of a UTF-8 text, each as its bytes. Throws InputError with the byte offset where the text is
/// not UTF-8 (overlong forms and surrogates included).
std::vector<std::string> utf8_scalars(std::string_view text);

}  // namespace krohn
