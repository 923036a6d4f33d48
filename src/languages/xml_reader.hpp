// The elements of an XML text, one after the other, without a tree.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace krohn {

/// Walks over the elements of a well-formed text in UTF-8: enter() goes to the next child of the element at hand, or
/// leaves it. Comments and processing instructions are passed over. Throws InputError "source:line: expected .., got
/// .." for what is not well formed, document types, other encodings, references that XML does not define, and elements
/// nested more than `max_depth` deep. Linear in the text, which must outlive the reader.
class XmlReader {
 public:
  XmlReader(std::string_view text, const std::string& source, std::size_t max_depth);

  /// Goes on to the next element that begins within the one at hand (at first: to the root): true, and it is the one at
  /// hand; or, where none is left, past the end of the one at hand: false, and its parent is.
  bool enter();
  /// Passes over the element at hand.
  void leave();
  /// The text directly within the element at hand, character sections among it, with references resolved; passes over
  /// the element. Valid as long as the reader.
  std::string_view text_within();
  /// After the root: nothing but comments, instructions and white space may follow.
  void finish();

  /// Of the element at hand, until another is entered.
  std::string_view name() const noexcept { return name_; }
  std::optional<std::string_view> attribute(std::string_view name);

  /// The line of a place of text, for messages; where() is the place of the element that was entered last.
  std::size_t line_of(std::size_t place);
  std::size_t where() const noexcept { return where_; }

 private:
  struct Attribute {
    std::string_view name;
    std::string_view value;
  };

  [[noreturn]] void fail(const std::string& expected, const std::string& got);
  void check_bytes();
  void skip_past(std::string_view end, const std::string& expected);
  void read_instruction();
  void read_start();
  void read_end();
  void append_resolved(std::string& sink, std::string_view raw);

  std::string_view text_;
  const std::string& source_;
  std::size_t max_depth_;
  std::size_t at_ = 0;
  std::size_t where_ = 0;
  bool seen_root_ = false;
  bool empty_ = false;  // the element at hand has ended with its start tag
  std::string* sink_ = nullptr;
  std::string_view name_;
  std::vector<Attribute> attributes_;
  std::vector<std::string_view> open_;
  std::deque<std::string> storage_;
  std::size_t counted_to_ = 0;
  std::size_t counted_lines_ = 1;
};

}  // namespace krohn
