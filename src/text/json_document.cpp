// A SAX handler over nlohmann::json's parser (which keeps no recursion) that builds a tree with lines. The parser reads
// through an iterator that publishes its position; when a callback runs, the last byte consumed that is not white
// space lies on the line of the value (or of its opening bracket), since the lexer looks at most one byte ahead.
//
// Infinity and NaN are no JSON: where they are accepted, each such token is replaced before parsing by the digit 0,
// padded to the same length, and the offset of the digit remembers which number is meant.
#include "krohn/text/json_document.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_problems = 50;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// A forward iterator over bytes that tells how far the parser has read.
class TrackedBytes {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = char;
  using pointer = const char*;
  using reference = const char&;
  using iterator_category = std::input_iterator_tag;

  TrackedBytes(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  TrackedBytes& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  TrackedBytes operator++(int) {
    TrackedBytes before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const TrackedBytes& a, const TrackedBytes& b) { return a.at_ == b.at_; }
  friend bool operator!=(const TrackedBytes& a, const TrackedBytes& b) { return a.at_ != b.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// Offsets of the digits that stand for Infinity, -Infinity and NaN.
using NonFinite = std::unordered_map<std::size_t, double>;

NonFinite replace_non_finite(std::string& text) {
  struct Token {
    std::string_view name;
    double value;
  };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  static constexpr Token tokens[] = {
      {"Infinity", infinity}, {"-Infinity", -infinity}, {"NaN", std::numeric_limits<double>::quiet_NaN()}};
  const auto opens = [](char c) { return is_space(c) || c == ',' || c == ':' || c == '['; };
  const auto closes = [](char c) { return is_space(c) || c == ',' || c == ']' || c == '}'; };
  NonFinite found;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (in_string) {
      if (text[at] == '\\')
        ++at;
      else if (text[at] == '"')
        in_string = false;
      continue;
    }
    if (text[at] == '"') in_string = true;
    if (at > 0 && !opens(text[at - 1])) continue;
    for (const Token& token : tokens) {
      const std::size_t end = at + token.name.size();
      if (text.compare(at, token.name.size(), token.name) != 0) continue;
      if (end < text.size() && !closes(text[end])) continue;
      text.replace(at, token.name.size(), "0" + std::string(token.name.size() - 1, ' '));
      found.emplace(at, token.value);
      at = end - 1;
      break;
    }
  }
  return found;
}

// A key as a token of a JSON pointer, printable.
std::string escaped_token(std::string_view key) {
  std::string token;
  for (const char c : key) {
    if (c == '~')
      token += "~0";
    else if (c == '/')
      token += "~1";
    else
      token += c;
  }
  const std::string safe = shown(token);
  return safe.substr(1, safe.size() - 2);
}

class TreeBuilder {
 public:
  TreeBuilder(std::string_view text, const std::string& source, const JsonOptions& options, const NonFinite& non_finite)
      : begin_(text.data()),
        reached_(text.data()),
        counted_to_(text.data()),
        source_(source),
        options_(options),
        non_finite_(non_finite) {}

  const char** reached() { return &reached_; }
  JsonValue take_root() { return std::move(root_); }
  std::vector<std::string> take_problems() { return std::move(problems_); }

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(std::int64_t value) { return put(value); }
  bool number_unsigned(std::uint64_t value) {
    if (!non_finite_.empty()) {
      const auto found = non_finite_.find(last_token_byte());
      if (found != non_finite_.end()) return put(found->second);
    }
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return put(static_cast<std::int64_t>(value));
    }
    return put(value);
  }
  bool number_float(double value, const std::string&) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(nlohmann::json::binary_t&) { return fail("JSON text", "binary data"); }

  bool start_object(std::size_t) { return open(JsonValue::Object{}); }
  bool start_array(std::size_t) { return open(JsonValue::Array{}); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    Level& level = open_.back();
    level.key = std::move(name);
    if (!level.keys.insert(level.key).second) problem("distinct keys", shown(level.key) + " twice");
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) {
    // What nlohmann says behind its own position: "syntax error while parsing value - unexpected ...; expected ...".
    std::string text = error.what();
    for (const std::string_view lead : {"] ", ": "}) {
      if (lead == ": " && text.rfind("parse error at", 0) != 0) break;
      const std::size_t at = text.find(lead);
      if (at != std::string::npos) text.erase(0, at + lead.size());
    }
    const std::string quoted = shown(text, 240);
    const char* line_start = reached_;
    while (line_start > begin_ && line_start[-1] != '\n') --line_start;
    problems_.push_back(source_ + ":" + std::to_string(line()) + ": column " +
                        std::to_string(std::max<std::ptrdiff_t>(1, reached_ - line_start)) + ": expected JSON, got a " +
                        quoted.substr(1, quoted.size() - 2));
    return false;
  }

 private:
  struct Level {
    JsonValue* container;
    std::string key;
    std::unordered_set<std::string> keys;
  };

  // The offset of the last byte consumed that is no white space. Of a number that stands for a longer token this is
  // its digit: the byte of look-ahead is padding.
  std::size_t last_token_byte() const {
    const char* at = reached_;
    while (at > begin_ && is_space(at[-1])) --at;
    return static_cast<std::size_t>(at - begin_) - (at > begin_ ? 1 : 0);
  }

  // The line of the last byte consumed that is no white space; counted from where the last call stopped.
  std::uint32_t line() {
    const char* at = reached_;
    while (at > begin_ && is_space(at[-1])) --at;
    if (at > counted_to_) {
      lines_ += static_cast<std::uint32_t>(std::count(counted_to_, at, '\n'));
      counted_to_ = at;
    }
    return lines_;
  }

  void problem(const std::string& expected, const std::string& got) {
    if (problems_.size() >= max_problems) return;
    problems_.push_back(source_ + ":" + std::to_string(line()) + ": " + path() + ": expected " + expected + ", got " +
                        got);
  }
  bool fail(const std::string& expected, const std::string& got) {
    problem(expected, got);
    return false;
  }

  // The pointer of the value that is being read.
  std::string path() const {
    std::string text;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (const auto* array = open_[i].container->array()) {
        // A container that is open has been added already.
        text += "/" + std::to_string(array->size() - (i + 1 < open_.size() ? 1 : 0));
      } else {
        text += "/" + escaped_token(open_[i].key);
      }
    }
    return text.empty() ? "/" : text;
  }

  template <typename T>
  JsonValue* add(T&& data) {
    if (++values_ > options_.max_values) {
      fail("at most " + std::to_string(options_.max_values) + " values in one document", "more");
      return nullptr;
    }
    JsonValue value;
    value.data = std::forward<T>(data);
    value.line = line();
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = open_.back();
    if (auto* array = std::get_if<JsonValue::Array>(&level.container->data)) {
      array->push_back(std::move(value));
      return &array->back();
    }
    auto& object = std::get<JsonValue::Object>(level.container->data);
    object.push_back({level.key, std::move(value)});
    return &object.back().value;
  }

  template <typename T>
  bool put(T&& data) {
    return add(std::forward<T>(data)) != nullptr;
  }

  template <typename T>
  bool open(T&& container) {
    if (open_.size() >= options_.max_depth) {
      return fail("at most " + std::to_string(options_.max_depth) + " levels of nesting", "more");
    }
    // The pointer stays valid while the container is open: siblings are added only after it closes.
    JsonValue* value = add(std::forward<T>(container));
    if (value == nullptr) return false;
    open_.push_back({value, {}, {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const char* begin_;
  const char* reached_;
  const char* counted_to_;
  std::uint32_t lines_ = 1;
  std::string source_;
  JsonOptions options_;
  const NonFinite& non_finite_;
  JsonValue root_;
  std::vector<Level> open_;
  std::size_t values_ = 0;
  std::vector<std::string> problems_;
};

// Depth-first search for the value; the depth of a document is capped.
bool find_path(const JsonValue& at, const JsonValue& wanted, std::string& path) {
  if (&at == &wanted) return true;
  const std::size_t length = path.size();
  if (const auto* array = at.array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      path += "/" + std::to_string(i);
      if (find_path((*array)[i], wanted, path)) return true;
      path.resize(length);
    }
  }
  if (const auto* object = at.object()) {
    for (const JsonMember& member : *object) {
      if (&member.value != &wanted && !member.value.array() && !member.value.object()) continue;
      path += "/" + escaped_token(member.key);
      if (find_path(member.value, wanted, path)) return true;
      path.resize(length);
    }
  }
  return false;
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const noexcept {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  for (const JsonMember& member : *members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::string JsonValue::shown() const {
  struct Shower {
    std::string operator()(std::nullptr_t) const { return "null"; }
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(std::int64_t value) const { return std::to_string(value); }
    std::string operator()(std::uint64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const {
      if (std::isnan(value)) return "NaN";
      if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
      return nlohmann::json(value).dump();
    }
    std::string operator()(const std::string& value) const { return krohn::shown(value); }
    std::string operator()(const Array& value) const { return "an array of " + std::to_string(value.size()); }
    std::string operator()(const Object&) const { return "an object"; }
  };
  return std::visit(Shower{}, data);
}

std::string JsonDocument::pointer(const JsonValue& value) const {
  std::string path;
  find_path(root, value, path);
  return path.empty() ? "/" : path;
}

JsonDocument parse_json(std::string_view text, std::string source, const JsonOptions& options) {
  std::string rewritten;
  NonFinite non_finite;
  if (options.non_finite) {
    rewritten = text;
    non_finite = replace_non_finite(rewritten);
    text = rewritten;
  }
  TreeBuilder builder(text, source, options, non_finite);
  const bool parsed = nlohmann::json::sax_parse(TrackedBytes(text.data(), builder.reached()),
                                                TrackedBytes(text.data() + text.size(), builder.reached()), &builder);
  std::vector<std::string> problems = builder.take_problems();
  if (!problems.empty()) throw InputError(std::move(problems));
  if (!parsed) throw InternalError(source + ": the JSON parser stopped without a reason");
  return {std::move(source), builder.take_root()};
}

JsonDocument read_json(const std::filesystem::path& path, const JsonOptions& options) {
  return parse_json(read_file(path), path.string(), options);
}

std::string json_text(const JsonValue& value) {
  if (const auto* array = value.array()) {
    std::string text = "[";
    for (const JsonValue& element : *array) text += (text.size() > 1 ? "," : "") + json_text(element);
    return text + "]";
  }
  if (const auto* object = value.object()) {
    std::string text = "{";
    for (const JsonMember& member : *object) {
      text += (text.size() > 1 ? "," : "") + json_quoted(member.key) + ":" + json_text(member.value);
    }
    return text + "}";
  }
  return value.string() != nullptr ? json_quoted(*value.string()) : value.shown();
}

std::string json_quoted(std::string_view text) { return nlohmann::json(text).dump(); }

JsonField JsonField::at(std::string_view key) const {
  const JsonField field = find(key);
  if (!field.exists() && value_ != nullptr && value_->object() != nullptr) {
    report("the member " + shown(key), "none");
  }
  return field;
}

JsonField JsonField::find(std::string_view key) const {
  if (value_ == nullptr) return *this;
  if (value_->object() == nullptr) {
    report("an object");
    return {problems_, nullptr};
  }
  return {problems_, value_->find(key)};
}

void JsonField::only(std::initializer_list<std::string_view> known) const {
  if (value_ == nullptr || value_->object() == nullptr) return;
  std::string names;
  for (const std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
  for (const JsonMember& member : *value_->object()) {
    if (std::find(known.begin(), known.end(), member.key) == known.end()) {
      JsonField(problems_, &member.value).report("only the members " + names, shown(member.key));
    }
  }
}

std::optional<bool> JsonField::boolean() const {
  if (value_ == nullptr) return std::nullopt;
  if (const bool* value = std::get_if<bool>(&value_->data)) return *value;
  report("true or false");
  return std::nullopt;
}

std::optional<std::int64_t> JsonField::integer(std::int64_t least, std::int64_t most) const {
  if (value_ == nullptr) return std::nullopt;
  const std::int64_t* value = std::get_if<std::int64_t>(&value_->data);
  if (value != nullptr && *value >= least && *value <= most) return *value;
  const bool bounded_below = least != std::numeric_limits<std::int64_t>::min();
  const bool bounded_above = most != std::numeric_limits<std::int64_t>::max();
  std::string expected = "an integer";
  if (bounded_below && bounded_above)
    expected += " from " + std::to_string(least) + " to " + std::to_string(most);
  else if (bounded_below)
    expected += " of at least " + std::to_string(least);
  else if (bounded_above)
    expected += " of at most " + std::to_string(most);
  report(expected);
  return std::nullopt;
}

std::optional<std::uint64_t> JsonField::natural() const {
  if (value_ == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<std::uint64_t>(&value_->data)) return *value;
  const auto* value = std::get_if<std::int64_t>(&value_->data);
  if (value != nullptr && *value >= 0) return static_cast<std::uint64_t>(*value);
  report("an integer from 0 to 2^64 - 1");
  return std::nullopt;
}

std::optional<double> JsonField::number() const {
  if (value_ == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<double>(&value_->data)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_->data)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&value_->data)) return static_cast<double>(*value);
  report("a number");
  return std::nullopt;
}

std::optional<std::string> JsonField::string() const {
  if (value_ == nullptr) return std::nullopt;
  if (const std::string* value = value_->string()) return *value;
  report("a string");
  return std::nullopt;
}

std::vector<JsonField> JsonField::elements() const {
  std::vector<JsonField> fields;
  if (value_ == nullptr) return fields;
  if (const auto* array = value_->array()) {
    fields.reserve(array->size());
    for (const JsonValue& element : *array) fields.push_back({problems_, &element});
  } else {
    report("an array");
  }
  return fields;
}

std::vector<std::string> JsonField::strings() const {
  std::vector<std::string> texts;
  for (const JsonField& element : elements()) {
    if (std::optional<std::string> text = element.string()) texts.push_back(std::move(*text));
  }
  return texts;
}

std::vector<std::pair<std::string, JsonField>> JsonField::members() const {
  std::vector<std::pair<std::string, JsonField>> fields;
  if (value_ == nullptr) return fields;
  if (const auto* object = value_->object()) {
    fields.reserve(object->size());
    for (const JsonMember& member : *object) fields.emplace_back(member.key, JsonField(problems_, &member.value));
  } else {
    report("an object");
  }
  return fields;
}

void JsonField::report(const std::string& expected) const {
  if (value_ != nullptr) report(expected, value_->shown());
}

void JsonField::report(const std::string& expected, const std::string& got) const {
  report_problem("expected " + expected + ", got " + got);
}

void JsonField::report_problem(const std::string& problem) const {
  if (value_ == nullptr) return;
  const JsonDocument& document = problems_->document();
  // The pointer is found by a search of the document; past the cap nobody reads it.
  const std::string pointer = problems_->count_ < max_problems ? document.pointer(*value_) : "";
  problems_->add(document.source + ":" + std::to_string(value_->line) + ": " + pointer + ": " + problem);
}

void JsonProblems::add(std::string problem) {
  // A field that is asked for twice is wrong once.
  if (std::find(problems_.begin(), problems_.end(), problem) != problems_.end()) return;
  if (++count_ <= max_problems) problems_.push_back(std::move(problem));
}

void JsonProblems::raise_if_any() {
  if (count_ == 0) return;
  std::vector<std::string> problems = std::move(problems_);
  if (count_ > max_problems) {
    problems.push_back(document_->source + ": and " + std::to_string(count_ - max_problems) + " more problems");
  }
  throw InputError(std::move(problems));
}

}  // namespace krohn
