// The one JSON reader: RFC 8259, with every line known, for files that nobody has checked.
//
//     const JsonDocument document = read_json("automaton.json");
//     JsonProblems problems(document);
//     const JsonField root = problems.root();
//     const std::optional<std::int64_t> start = root.at("start").integer(0, 10);
//     for (const JsonField& row : root.at("transitions").elements()) ...
//     problems.raise_if_any();  // every wrong or missing field in one InputError
//
// Refused, with the line: bytes that are not UTF-8, a key twice in one object, nesting beyond a cap, anything after
// the value, numbers beyond double. A problem reads "file:line: /json/pointer: expected ..., got ...".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {

struct JsonMember;

/// A value and the line that it stands on (1-based; of an array or object its opening bracket). Integers that fit are
/// kept exact; other numbers are doubles.
struct JsonValue {
  using Array = std::vector<JsonValue>;
  /// In the order of the file.
  using Object = std::vector<JsonMember>;
  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> data;
  std::uint32_t line = 1;

  bool is_null() const noexcept { return std::holds_alternative<std::nullptr_t>(data); }
  const Array* array() const noexcept { return std::get_if<Array>(&data); }
  const Object* object() const noexcept { return std::get_if<Object>(&data); }
  const std::string* string() const noexcept { return std::get_if<std::string>(&data); }
  /// The member of that name; nullptr where there is none or the value is no object. Linear in the members.
  const JsonValue* find(std::string_view key) const noexcept;
  /// The value as it may stand in a message: "null", "5", "'text'", "an array of 3", ...
  std::string shown() const;
};

struct JsonMember {
  std::string key;
  JsonValue value;
};

struct JsonOptions {
  /// Accept the tokens Infinity, -Infinity and NaN as numbers, as Python's json module writes them.
  bool non_finite = false;
  std::size_t max_depth = 64;
  /// Values in the whole document, containers included (48 bytes of memory each).
  std::size_t max_values = 50'000'000;
};

/// A parsed text and where it came from.
struct JsonDocument {
  std::string source;
  JsonValue root;

  /// The JSON pointer (RFC 6901) of a value of this document; "/" stands for the root. Linear in the document.
  std::string pointer(const JsonValue& value) const;
};

/// Parses a text; `source` names it in messages. Throws InputError with every duplicate key, or the first error of
/// syntax.
JsonDocument parse_json(std::string_view text, std::string source, const JsonOptions& options = {});

/// read_file, then parse_json.
JsonDocument read_json(const std::filesystem::path& path, const JsonOptions& options = {});

/// The value as JSON text without white space, members in their order, every number exact.
std::string json_text(const JsonValue& value);

/// `text`, which must be UTF-8, as a JSON string with its quotation marks.
std::string json_quoted(std::string_view text);

class JsonProblems;

/// A place in a document, perhaps an empty one: what is missing has been reported once by whoever asked for it, and
/// every question to an empty place is answered by nothing, without a second report.
class JsonField {
 public:
  bool exists() const noexcept { return value_ != nullptr; }
  bool is_null() const noexcept { return value_ != nullptr && value_->is_null(); }
  const JsonValue* value() const noexcept { return value_; }

  /// A member that must exist; reported if this is no object or has no such key.
  JsonField at(std::string_view key) const;
  /// A member that may be absent; reported if this is no object.
  JsonField find(std::string_view key) const;
  /// Reports every member whose key is not among `known`.
  void only(std::initializer_list<std::string_view> known) const;

  /// These report a value of another type or out of range and then return nothing.
  std::optional<bool> boolean() const;
  std::optional<std::int64_t> integer(std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                                      std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;
  std::optional<std::uint64_t> natural() const;
  /// Any number; integers are rounded to the nearest double.
  std::optional<double> number() const;
  std::optional<std::string> string() const;
  /// The elements of an array, or nothing after a report.
  std::vector<JsonField> elements() const;
  std::vector<std::string> strings() const;
  /// The members of an object in the order of the file, or nothing after a report.
  std::vector<std::pair<std::string, JsonField>> members() const;

  /// Adds the problem "source:line: pointer: expected `expected`, got `got`" (by default the value itself).
  void report(const std::string& expected) const;
  void report(const std::string& expected, const std::string& got) const;
  /// Adds "source:line: pointer: `problem`".
  void report_problem(const std::string& problem) const;

 private:
  friend class JsonProblems;
  JsonField(JsonProblems* problems, const JsonValue* value) : problems_(problems), value_(value) {}
  JsonProblems* problems_;
  const JsonValue* value_;
};

/// Collects the problems of one document. The document must outlive it, and it its fields.
class JsonProblems {
 public:
  explicit JsonProblems(const JsonDocument& document) : document_(&document) {}
  JsonProblems(const JsonProblems&) = delete;
  JsonProblems& operator=(const JsonProblems&) = delete;

  JsonField root() { return {this, &document_->root}; }
  const JsonDocument& document() const noexcept { return *document_; }
  bool empty() const noexcept { return count_ == 0; }
  /// Adds a problem as it stands, once; beyond 50 problems only their number is kept.
  void add(std::string problem);
  /// Throws InputError with all problems, if there are any.
  void raise_if_any();

 private:
  friend class JsonField;
  const JsonDocument* document_;
  std::vector<std::string> problems_;
  std::size_t count_ = 0;
};

}  // namespace krohn
