// A recursive-descent parser of the DOT language (graphviz.org/doc/info/lang.html): a tokenizer over the bytes, and one
// function a rule of the grammar. Recursion only into subgraphs, whose depth is capped. Boost.Graph's reader of the
// same language knows neither lines nor a cap on recursion, and takes 20 times as long.
// Tested by tests/languages/format_dot_test.cpp.
#include "dot_graph.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_depth = 100;
constexpr std::size_t max_edges = std::size_t{1} << 26U;

struct Token {
  enum class Kind { identifier, keyword, mark, arrow, line, end } kind = Kind::end;
  DotText text;       // keyword: in lower case; mark: one of { } [ ] ; , : = +
  bool bare = false;  // an identifier without quotation marks
};

enum : std::uint8_t { letter_byte = 1, digit_byte = 2, space_byte = 4, mark_byte = 8 };

constexpr std::array<std::uint8_t, 256> byte_kinds = [] {
  std::array<std::uint8_t, 256> kinds{};
  for (std::size_t c = 0; c < kinds.size(); ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
    if (letter) kinds[c] = letter_byte;
    if (c >= '0' && c <= '9') kinds[c] = digit_byte;
  }
  for (const char c : {' ', '\t', '\r'}) kinds[static_cast<std::size_t>(c)] = space_byte;
  for (const char c : {'{', '}', '[', ']', ';', ',', ':', '=', '+'}) kinds[static_cast<std::size_t>(c)] = mark_byte;
  return kinds;
}();

std::uint8_t kind_of(char c) { return byte_kinds[static_cast<unsigned char>(c)]; }
bool is_digit(char c) { return kind_of(c) == digit_byte; }

std::string_view keyword_of(std::string_view text) {
  constexpr std::string_view keywords[] = {"strict", "graph", "digraph", "node", "edge", "subgraph"};
  if (text.size() < 4 || text.size() > 8 || is_digit(text[1])) return {};
  for (const std::string_view keyword : keywords) {
    if (keyword.size() == text.size() && std::equal(keyword.begin(), keyword.end(), text.begin(), [](char k, char c) {
          return k == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
        })) {
      return keyword;
    }
  }
  return {};
}

class Tokens {
 public:
  Tokens(std::string_view text, const std::string& source, std::deque<std::string>& storage)
      : text_(text), source_(source), storage_(storage) {
    advance();
  }

  const Token& current() const { return current_; }
  Token take() {
    Token token = current_;
    advance();
    return token;
  }
  bool is(Token::Kind kind) const { return current_.kind == kind; }
  bool is_mark(char c) const { return is(Token::Kind::mark) && current_.text.text[0] == c; }
  bool is_keyword(std::string_view keyword) const { return is(Token::Kind::keyword) && current_.text.text == keyword; }
  bool take_mark(char c) {
    if (!is_mark(c)) return false;
    advance();
    return true;
  }
  bool take_keyword(std::string_view keyword) {
    if (!is_keyword(keyword)) return false;
    advance();
    return true;
  }
  void require_mark(char c) {
    if (!take_mark(c)) fail(std::string("'") + c + "'");
  }

  // An identifier; quoted ones may be joined by +.
  DotText require_identifier(const char* what) {
    if (!is(Token::Kind::identifier)) fail(what);
    const Token first = take();
    if (first.bare || !is_mark('+')) return first.text;
    std::string joined(first.text.text);
    while (take_mark('+')) {
      if (!is(Token::Kind::identifier) || current_.bare) fail("a quoted text after '+'");
      joined += take().text.text;
    }
    DotText result = first.text;
    result.text = storage_.emplace_back(std::move(joined));
    return result;
  }

  [[noreturn]] void fail(const std::string& expected) const {
    fail(expected, is(Token::Kind::end) ? "the end of the file" : shown(current_.text.text));
  }
  [[noreturn]] void fail(const std::string& expected, const std::string& got) const {
    throw InputError(source_ + ":" + std::to_string(current_.text.line) + ": column " +
                     std::to_string(current_.text.column) + ": expected " + expected + ", got " + got);
  }

 private:
  char at(std::size_t i) const { return i < text_.size() ? text_[i] : '\0'; }

  void new_line() {
    ++at_;
    ++line_;
    line_start_ = at_;
  }

  void skip_space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (kind_of(c) == space_byte) {
        ++at_;
      } else if (c == '\n') {
        new_line();
      } else if ((c == '/' && at(at_ + 1) == '/') || (c == '#' && at_ == line_start_)) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '/' && at(at_ + 1) == '*') {
        skip_comment();
      } else {
        return;
      }
    }
  }

  // An end at this place, until it is known what is there.
  void begin_token() {
    current_.kind = Token::Kind::end;
    current_.bare = false;
    current_.text.text = {};
    current_.text.html = false;
    current_.text.line = static_cast<std::uint32_t>(line_);
    current_.text.column = static_cast<std::uint32_t>(at_ - line_start_ + 1);
  }

  void skip_comment() {
    begin_token();
    const std::size_t end = text_.find("*/", at_ + 2);
    if (end == std::string_view::npos) fail("a comment that ends");
    while (at_ < end) {
      if (text_[at_] == '\n') {
        new_line();
      } else {
        ++at_;
      }
    }
    at_ = end + 2;
  }

  void advance() {
    skip_space();
    begin_token();
    if (at_ >= text_.size()) return;
    const char c = text_[at_];
    const std::size_t start = at_;
    if (kind_of(c) == letter_byte) {
      std::size_t end = start + 1;
      while (end < text_.size() && (kind_of(text_[end]) & (letter_byte | digit_byte)) != 0) ++end;
      at_ = end;
      current_.text.text = text_.substr(start, end - start);
      const std::string_view keyword = keyword_of(current_.text.text);
      current_.kind = keyword.empty() ? Token::Kind::identifier : Token::Kind::keyword;
      if (!keyword.empty()) current_.text.text = keyword;
      current_.bare = true;
    } else if (kind_of(c) == mark_byte) {
      current_.kind = Token::Kind::mark;
      current_.text.text = text_.substr(at_++, 1);
    } else if (c == '-' && (at(at_ + 1) == '>' || at(at_ + 1) == '-')) {
      current_.kind = at(at_ + 1) == '>' ? Token::Kind::arrow : Token::Kind::line;
      current_.text.text = text_.substr(start, 2);
      at_ += 2;
    } else if (is_digit(c) || c == '.' || c == '-') {
      read_number();
    } else if (c == '"') {
      read_quoted();
    } else if (c == '<') {
      read_html();
    } else {
      current_.text.text = text_.substr(at_, 1);
      fail("a token of DOT", shown(text_.substr(at_, 20)));
    }
  }

  // -? (. digits | digits (. digits*)?)
  void read_number() {
    const std::size_t start = at_;
    if (text_[at_] == '-') ++at_;
    std::size_t digits = 0;
    for (; is_digit(at(at_)); ++at_) ++digits;
    if (at(at_) == '.') {
      ++at_;
      for (; is_digit(at(at_)); ++at_) ++digits;
    }
    current_.text.text = text_.substr(start, at_ - start);
    if (digits == 0) fail("a token of DOT", shown(text_.substr(start, 20)));
    current_.kind = Token::Kind::identifier;
    current_.bare = true;
  }

  void read_quoted() {
    const std::size_t start = ++at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' && text_[at_] != '\n') ++at_;
    std::string resolved;
    bool changed = false;
    std::size_t kept = start;  // what lies before is in `resolved`
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\n') {
        new_line();
      } else if (text_[at_] == '\\' && at(at_ + 1) == '"') {
        resolved.append(text_.substr(kept, at_ - kept)).push_back('"');
        changed = true;
        at_ += 2;
        kept = at_;
      } else if (text_[at_] == '\\' && (at(at_ + 1) == '\n' || (at(at_ + 1) == '\r' && at(at_ + 2) == '\n'))) {
        resolved.append(text_.substr(kept, at_ - kept));
        changed = true;
        at_ += at(at_ + 1) == '\r' ? 2 : 1;
        new_line();
        kept = at_;
      } else if (text_[at_] == '\\' && at(at_ + 1) == '\\') {
        at_ += 2;  // so that the second one does not begin an escape
      } else {
        ++at_;
      }
    }
    if (at_ >= text_.size()) fail("a text that ends", "the end of the file");
    current_.text.text = text_.substr(start, at_ - start);
    if (changed) {
      resolved.append(text_.substr(kept, at_ - kept));
      current_.text.text = storage_.emplace_back(std::move(resolved));
    }
    ++at_;
    current_.kind = Token::Kind::identifier;
  }

  void read_html() {
    const std::size_t start = at_ + 1;
    std::size_t depth = 0;
    do {
      if (at_ >= text_.size()) fail("a text in angle brackets that ends", "the end of the file");
      if (text_[at_] == '<') ++depth;
      if (text_[at_] == '>') --depth;
      if (text_[at_] == '\n') {
        new_line();
      } else {
        ++at_;
      }
    } while (depth > 0);
    current_.text.text = text_.substr(start, at_ - start - 1);
    current_.text.html = true;
    current_.kind = Token::Kind::identifier;
  }

  std::string_view text_;
  const std::string& source_;
  std::deque<std::string>& storage_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t line_start_ = 0;
  Token current_;
};

class Parser {
 public:
  Parser(std::string_view text, const std::string& source) : source_(source), tokens_(text, source, graph_.storage) {
    // Space that is not used costs nothing.
    graph_.edges.reserve(text.size() / 32);
  }

  DotGraph parse() {
    graph_.strict = tokens_.take_keyword("strict");
    if (!tokens_.take_keyword("digraph")) tokens_.fail("digraph");
    if (tokens_.is(Token::Kind::identifier)) graph_.name = tokens_.require_identifier("a name").text;
    tokens_.require_mark('{');
    std::vector<std::uint32_t> members;
    read_statements({}, members, 0);
    if (!tokens_.is(Token::Kind::end)) tokens_.fail("one graph");
    return std::move(graph_);
  }

 private:
  struct Defaults {
    DotAttributes node;
    std::uint32_t edge = DotEdge::no_label;  // its label
  };

  // Up to and with the closing brace. The nodes of the statements are added to `members`.
  void read_statements(Defaults defaults, std::vector<std::uint32_t>& members, std::size_t depth) {
    if (depth > max_depth) tokens_.fail("subgraphs nested at most " + std::to_string(max_depth) + " deep", "more");
    while (!tokens_.take_mark('}')) {
      if (tokens_.is_keyword("node")) {
        tokens_.take();
        read_attributes([&](const DotText& name, const DotText& value) { set(defaults.node, name.text, value); });
      } else if (tokens_.is_keyword("edge")) {
        tokens_.take();
        read_attributes([&](const DotText& name, const DotText& value) { set_label(defaults.edge, name.text, value); });
      } else if (tokens_.is_keyword("graph")) {
        tokens_.take();
        read_attributes([&](const DotText& name, const DotText& value) {
          if (depth == 0) graph_.attributes[std::string(name.text)] = value;
        });
      } else {
        read_chain(defaults, members, depth);
      }
      tokens_.take_mark(';');
    }
  }

  // One end of an edge: a node, or those of a subgraph.
  struct End {
    std::uint32_t node = 0;
    bool single = true;
    std::vector<std::uint32_t> several = {};
    std::span<const std::uint32_t> nodes() const {
      return single ? std::span<const std::uint32_t>(&node, 1) : std::span<const std::uint32_t>(several);
    }
  };

  // A node, an edge, a subgraph, or name = value.
  void read_chain(const Defaults& defaults, std::vector<std::uint32_t>& members, std::size_t depth) {
    const std::uint32_t line = tokens_.current().text.line;
    End from;
    const bool single = tokens_.is(Token::Kind::identifier);
    if (single) {
      const DotText name = tokens_.require_identifier("a name");
      if (tokens_.take_mark('=')) {
        const DotText value = tokens_.require_identifier("a value");
        if (depth == 0) graph_.attributes[std::string(name.text)] = value;
        return;
      }
      skip_port();
      from.node = node(name, defaults);
    } else {
      from = read_end(defaults, depth);
    }
    add_members(members, from, depth);
    if (tokens_.is(Token::Kind::line)) tokens_.fail("'->' (the graph is directed)");
    if (!tokens_.is(Token::Kind::arrow)) {
      if (!single) return;
      DotAttributes& node = graph_.nodes[from.node];
      read_attributes([&](const DotText& name, const DotText& value) { set(node, name.text, value); }, false);
      return;
    }
    const std::size_t first = graph_.edges.size();
    while (tokens_.is(Token::Kind::arrow)) {
      tokens_.take();
      End to = read_end(defaults, depth);
      add_members(members, to, depth);
      if (from.nodes().size() > (max_edges - graph_.edges.size()) / std::max<std::size_t>(1, to.nodes().size())) {
        throw ResourceError(source_ + ":" + std::to_string(line) + ": expected at most " + std::to_string(max_edges) +
                            " edges, got more");
      }
      for (const std::uint32_t p : from.nodes()) {
        for (const std::uint32_t q : to.nodes()) graph_.edges.push_back({p, q, defaults.edge, line});
      }
      from = std::move(to);
    }
    std::uint32_t label = defaults.edge;
    const auto set_this = [&](const DotText& name, const DotText& value) { set_label(label, name.text, value); };
    if (!read_attributes(set_this, false)) return;
    for (std::size_t i = first; i < graph_.edges.size(); ++i) graph_.edges[i].label = label;
  }

  // Only subgraphs are ends of edges.
  static void add_members(std::vector<std::uint32_t>& members, const End& end, std::size_t depth) {
    if (depth > 0) members.insert(members.end(), end.nodes().begin(), end.nodes().end());
  }

  End read_end(const Defaults& defaults, std::size_t depth) {
    End end;
    if (tokens_.is(Token::Kind::identifier)) {
      const DotText name = tokens_.require_identifier("a node");
      skip_port();
      end.node = node(name, defaults);
      return end;
    }
    end.single = false;
    if (tokens_.take_keyword("subgraph") && tokens_.is(Token::Kind::identifier)) tokens_.take();
    tokens_.require_mark('{');
    read_statements(defaults, end.several, depth + 1);
    std::sort(end.several.begin(), end.several.end());
    end.several.erase(std::unique(end.several.begin(), end.several.end()), end.several.end());
    return end;
  }

  void skip_port() {
    for (int i = 0; i < 2 && tokens_.take_mark(':'); ++i) tokens_.require_identifier("a port");
  }

  std::uint32_t node(const DotText& name, const Defaults& defaults) {
    const NameTable::Found found = graph_.names.find_or_add(name.text);
    if (found.added) graph_.nodes.push_back(defaults.node);
    return found.index;
  }

  // [name = value, ..]..: `each` is called with both; false if there are none.
  template <typename Each>
  bool read_attributes(Each&& each, bool required = true) {
    if (required && !tokens_.is_mark('[')) tokens_.fail("'['");
    bool any = false;
    while (tokens_.take_mark('[')) {
      any = true;
      while (!tokens_.take_mark(']')) {
        const DotText name = tokens_.require_identifier("an attribute or ']'");
        tokens_.require_mark('=');
        each(name, tokens_.require_identifier("a value"));
        if (!tokens_.take_mark(',')) tokens_.take_mark(';');
      }
    }
    return any;
  }

  void set_label(std::uint32_t& label, std::string_view name, const DotText& value) {
    if (name != "label") return;
    if (!value.html) {
      const NameTable::Found found = label_names_.find_or_add(value.text);
      if (found.added) numbers_of_labels_.push_back(static_cast<std::uint32_t>(graph_.labels.size()));
      label = numbers_of_labels_[found.index];
      if (!found.added) return;
    } else {
      label = static_cast<std::uint32_t>(graph_.labels.size());
    }
    graph_.labels.push_back(value);
  }

  static void set(DotAttributes& attributes, std::string_view name, const DotText& value) {
    if (name.size() < 5) return;
    if (name == "label") attributes.label = value;
    if (name == "shape") attributes.shape = value;
    if (name == "peripheries") attributes.peripheries = value;
    if (name == "style") attributes.style = value;
    if (name == "output") attributes.output = value;
  }

  const std::string& source_;
  DotGraph graph_;
  Tokens tokens_;
  NameTable label_names_;
  std::vector<std::uint32_t> numbers_of_labels_;
};

}  // namespace

DotGraph parse_dot_graph(std::string_view text, const std::string& source) { return Parser(text, source).parse(); }

}  // namespace krohn
