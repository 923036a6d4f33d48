// The regex front end. One pass with an explicit stack (no recursion, so nesting cannot overflow it) makes a tree in
// post-order: children stand before their parents. Subexpressions without `&` and `~` become nondeterministic automata
// by Thompson's construction (1968), whose fragments lie between two given states; every `&` and `~` is computed on
// minimal deterministic automata and enters the surrounding fragment as one. Invariant of a fragment between `from` and
// `to`: it adds no move into `from` and none out of `to`, except where the caller passes one state for both. Cost:
// linear in the unfolded size, then that of minimal_dfa at every `&`, `~` and at the end.
#include "krohn/automata/regex.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/minimize.hpp"
#include "krohn/automata/nfa.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::uint32_t unbounded = UINT32_MAX;
constexpr std::uint32_t no_node = UINT32_MAX;
constexpr std::size_t max_range = 4096;
constexpr std::size_t max_pairs = std::size_t{1} << 22;

[[noreturn]] void fail(std::size_t column, const std::string& what) {
  throw InputError("column " + std::to_string(column) + ": " + what);
}

// A name that an alphabet takes: no white space and no control character.
bool is_symbol(const std::string& scalar) {
  if (scalar.size() == 1) return scalar[0] > ' ' && scalar[0] < '\x7F';
  try {
    const Alphabet single({scalar});
    return true;
  } catch (const InputError&) {
    return false;
  }
}

std::uint32_t code_point(const std::string& scalar) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(scalar[i])); };
  if (scalar.size() == 1) return byte(0);
  std::uint32_t code = byte(0) & (0x7FU >> scalar.size());
  for (std::size_t i = 1; i < scalar.size(); ++i) code = (code << 6U) | (byte(i) & 0x3FU);
  return code;
}

std::string encode(std::uint32_t code) {
  std::string text;
  const auto put = [&](std::uint32_t value) { text += static_cast<char>(static_cast<unsigned char>(value)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6U));
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
  return text;
}

constexpr std::string_view escapable = "\\|&~*+?{}()[].^$-";

// The characters of a literal, a class or `.`, before the alphabet is known.
struct Characters {
  struct Range {
    std::string first;
    std::string last;
    std::size_t column;
    bool shorthand = false;  // part of \d or \w: need not meet the alphabet by itself
  };
  std::vector<Range> ranges;
  bool complemented = false;  // `.` is the complement of nothing
  std::size_t column = 1;
};

enum class Kind { characters, empty, concatenation, alternation, conjunction, complement, repetition };

struct Node {
  Kind kind;
  std::size_t column;
  std::uint32_t first = 0;  // characters: index of the set; else: position of the first child in `children`
  std::uint32_t count = 0;  // of children
  std::uint32_t min = 0;    // repetition
  std::uint32_t max = 0;
};

struct Tree {
  std::vector<Node> nodes;  // the last one is the root
  std::vector<std::uint32_t> children;
  std::vector<Characters> sets;

  std::span<const std::uint32_t> children_of(std::uint32_t node) const {
    return std::span(children).subspan(nodes[node].first, nodes[node].count);
  }
};

class Parser {
 public:
  explicit Parser(std::string_view pattern) : text_(utf8_scalars(pattern)) {}

  Tree parse() {
    frames_.emplace_back();
    while (at_ < text_.size()) step();
    if (frames_.size() > 1) fail(frames_.back().column, "expected a ')' that closes this '(', got the end");
    const std::uint32_t root = close(frames_.back());
    // Post-order ends with the root, unless smart constructors handed an earlier node through.
    if (root + 1 != tree_.nodes.size()) add(Kind::concatenation, 1, {root});
    return std::move(tree_);
  }

 private:
  // What has been read since the enclosing '(', operands of `|`, of `&` and of concatenation.
  struct Frame {
    std::vector<std::uint32_t> alternatives;
    std::vector<std::uint32_t> conjuncts;
    std::vector<std::uint32_t> items;
    std::size_t column = 1;
    std::size_t tildes = 0;  // waiting for their operand
    std::size_t tilde_column = 0;
  };

  bool next_is(std::string_view scalar) const { return at_ < text_.size() && text_[at_] == scalar; }
  std::string found() const { return at_ < text_.size() ? "'" + text_[at_] + "'" : std::string("the end"); }

  std::uint32_t add(Kind kind, std::size_t column, const std::vector<std::uint32_t>& children = {}) {
    Node node{kind, column};
    node.first = static_cast<std::uint32_t>(tree_.children.size());
    node.count = static_cast<std::uint32_t>(children.size());
    tree_.children.insert(tree_.children.end(), children.begin(), children.end());
    tree_.nodes.push_back(node);
    return static_cast<std::uint32_t>(tree_.nodes.size() - 1);
  }

  std::uint32_t combine(Kind kind, std::size_t column, std::vector<std::uint32_t>& operands) {
    const std::uint32_t node = operands.size() == 1 ? operands.front() : add(kind, column, operands);
    operands.clear();
    return node;
  }

  void end_concatenation(Frame& frame) {
    if (frame.tildes > 0) fail(at_ + 1, "expected an expression after '~', got " + found());
    const std::uint32_t node =
        frame.items.empty() ? add(Kind::empty, at_ + 1) : combine(Kind::concatenation, frame.column, frame.items);
    frame.conjuncts.push_back(node);
  }

  void end_conjunction(Frame& frame) {
    end_concatenation(frame);
    frame.alternatives.push_back(combine(Kind::conjunction, frame.column, frame.conjuncts));
  }

  std::uint32_t close(Frame& frame) {
    end_conjunction(frame);
    return combine(Kind::alternation, frame.column, frame.alternatives);
  }

  void step() {
    const std::string& c = text_[at_];
    const std::size_t column = at_ + 1;
    if (c == "|") {
      end_conjunction(frames_.back());
      ++at_;
    } else if (c == "&") {
      end_concatenation(frames_.back());
      ++at_;
    } else if (c == "~") {
      Frame& frame = frames_.back();
      if (frame.tildes++ == 0) frame.tilde_column = column;
      ++at_;
    } else if (c == "(") {
      ++at_;
      if (next_is("?")) {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != ":") {
          fail(column,
               "expected a group ( ) or (?: ), got '(?': look-around and group options are not regular "
               "expressions here");
        }
        at_ += 2;
      }
      frames_.emplace_back().column = column;
    } else if (c == ")") {
      if (frames_.size() == 1) fail(column, "expected a '(' before this ')', or '\\)' for the character");
      const std::uint32_t node = close(frames_.back());
      frames_.pop_back();
      ++at_;
      item(node);
    } else {
      item(atom());
    }
  }

  // A finished atom: its postfix operators, then the complements that wait for it.
  void item(std::uint32_t node) {
    std::string quantifier;  // the last one, as written
    for (;;) {
      const std::size_t column = at_ + 1;
      if (!quantifier.empty() && (next_is("?") || next_is("+"))) {
        fail(column, "expected no second quantifier, got '" + quantifier + text_[at_] +
                         "': " + (next_is("?") ? "lazy" : "possessive") +
                         " quantifiers say how to search, which a language does not have (write (x" + quantifier + ")" +
                         text_[at_] + " for the repetition)");
      }
      if (next_is("*")) {
        ++at_;
        node = repeat(node, 0, unbounded, column);
      } else if (next_is("+")) {
        ++at_;
        node = repeat(node, 1, unbounded, column);
      } else if (next_is("?")) {
        ++at_;
        node = repeat(node, 0, 1, column);
      } else if (next_is("{")) {
        ++at_;
        const auto [min, max] = bounds(column);
        node = repeat(node, min, max, column);
      } else {
        break;
      }
      quantifier.clear();
      for (std::size_t i = column - 1; i < at_; ++i) quantifier += text_[i];
    }
    Frame& frame = frames_.back();
    if (frame.tildes % 2 == 1) node = add(Kind::complement, frame.tilde_column, {node});
    frame.tildes = 0;
    frame.items.push_back(node);
  }

  std::uint32_t repeat(std::uint32_t node, std::uint32_t min, std::uint32_t max, std::size_t column) {
    if (min == 1 && max == 1) return node;
    const Node child = tree_.nodes[node];
    const bool child_is_star = child.kind == Kind::repetition && child.min == 0 && child.max == unbounded;
    if (child_is_star && max > 0) return node;
    if (child.kind == Kind::empty) return node;
    std::uint32_t operand = node;
    if (min == 0 && max == unbounded && child.kind == Kind::repetition && child.min <= 1 && child.max >= 1) {
      operand = tree_.children[child.first];  // (x?)* and (x+)* are x*
    }
    const std::uint32_t result = add(Kind::repetition, column, {operand});
    tree_.nodes[result].min = min;
    tree_.nodes[result].max = max;
    return result;
  }

  std::uint32_t number() {
    std::uint64_t value = 0;
    const std::size_t start = at_;
    for (; at_ < text_.size() && text_[at_][0] >= '0' && text_[at_][0] <= '9'; ++at_) {
      value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(text_[at_][0] - '0'), unbounded - 1);
    }
    if (at_ == start) fail(at_ + 1, "expected a number in {m}, {m,}, {,n} or {m,n}, got " + found());
    return static_cast<std::uint32_t>(value);
  }

  std::pair<std::uint32_t, std::uint32_t> bounds(std::size_t column) {
    const bool from_zero = next_is(",") && at_ + 1 < text_.size() && text_[at_ + 1] != "}";
    const std::uint32_t min = from_zero ? 0 : number();
    std::uint32_t max = min;
    if (next_is(",")) {
      ++at_;
      max = next_is("}") ? unbounded : number();
    }
    if (!next_is("}")) fail(at_ + 1, "expected ',' or '}' in {m}, {m,}, {,n} or {m,n}, got " + found());
    ++at_;
    if (min > max) {
      fail(column, "expected {m,n} with m <= n, got {" + std::to_string(min) + "," + std::to_string(max) + "}");
    }
    return {min, max};
  }

  std::uint32_t characters(Characters set, std::size_t column) {
    tree_.sets.push_back(std::move(set));
    const std::uint32_t node = add(Kind::characters, column);
    tree_.nodes[node].first = static_cast<std::uint32_t>(tree_.sets.size() - 1);
    return node;
  }

  std::uint32_t atom() {
    const std::size_t column = at_ + 1;
    const std::string c = text_[at_];
    if (c == ".") {
      ++at_;
      return characters({{}, true, column}, column);
    }
    if (c == "[") return character_class();
    if (c == "*" || c == "+" || c == "?" || c == "{") {
      fail(column, "expected an expression before '" + c + "', or '\\" + c + "' for the character");
    }
    if (c == "]" || c == "}") fail(column, "expected an opening bracket before '" + c + "', or '\\" + c + "'");
    if (c == "^" || c == "$") {
      fail(column, "expected no anchor, got '" + c +
                       "': a pattern always matches the whole word (the character is '\\" + c + "')");
    }
    Characters set;
    set.column = column;
    if (c == "\\") {
      const Escape escaped = escape();
      add(set, escaped, column);
      set.complemented = escaped.complemented;
      if (set.ranges.empty() && !set.complemented) no_white_space(column, escaped.written);
    } else {
      const std::string scalar = plain();
      set.ranges.push_back({scalar, scalar, column});
    }
    return characters(std::move(set), column);
  }

  // One character that stands for itself.
  std::string plain() {
    if (!is_symbol(text_[at_])) {
      fail(at_ + 1, "expected a symbol, got white space or a control character, which no symbol contains");
    }
    return text_[at_++];
  }

  // What follows a backslash: a character, or one of the classes d, w, s and their complements. White space and control
  // characters, which no symbol contains, have no ranges.
  struct Escape {
    std::vector<std::pair<std::string, std::string>> ranges;
    bool complemented = false;
    bool shorthand = false;
    std::string written;
  };

  [[noreturn]] static void no_white_space(std::size_t column, const std::string& written) {
    fail(column,
         "expected a symbol, got '" + written + "': white space or a control character, which no symbol contains");
  }

  static void add(Characters& set, const Escape& escape, std::size_t column) {
    for (const auto& [first, last] : escape.ranges) set.ranges.push_back({first, last, column, escape.shorthand});
  }

  Escape escape() {
    const std::size_t column = at_ + 1;
    ++at_;
    if (at_ == text_.size()) fail(column, "expected a character after '\\', got the end");
    const std::string c = text_[at_];
    Escape result;
    result.written = "\\" + c;
    if (c == "d" || c == "D" || c == "w" || c == "W" || c == "s" || c == "S") {
      ++at_;
      result.shorthand = true;
      result.complemented = c[0] < 'a';
      if (c == "d" || c == "D" || c == "w" || c == "W") result.ranges.emplace_back("0", "9");
      if (c == "w" || c == "W") result.ranges.insert(result.ranges.end(), {{"A", "Z"}, {"_", "_"}, {"a", "z"}});
      return result;
    }
    std::string character = c;
    if (c == "n" || c == "t" || c == "r" || c == "f" || c == "v") {
      character = "\n";
    } else if (c == "x") {
      character = hexadecimal(column);
      --at_;
    } else if (c[0] >= '0' && c[0] <= '9') {
      fail(column, "expected no back-reference, got '\\" + c + "': it has no finite automaton");
    } else if (c.size() > 1 || c[0] <= ' ' || c[0] == '\x7F' || (c[0] >= 'A' && c[0] <= 'Z') ||
               (c[0] >= 'a' && c[0] <= 'z')) {
      fail(column,
           "expected \\d, \\w, \\s, \\D, \\W, \\S, \\n, \\t, \\xNN, or an escape of one of \\ | & ~ * + ? { } ( ) [ ] "
           ". ^ $ - or of other punctuation, got '\\" +
               c + "'");
    }
    ++at_;
    if (is_symbol(character)) result.ranges.emplace_back(character, character);
    return result;
  }

  // The two digits behind \x; the character is the Unicode scalar of that number.
  std::string hexadecimal(std::size_t column) {
    std::uint32_t code = 0;
    ++at_;
    for (int i = 0; i < 2; ++i, ++at_) {
      const char c = at_ < text_.size() && text_[at_].size() == 1 ? text_[at_][0] : '\0';
      const std::size_t digit = std::string_view("0123456789abcdefABCDEF").find(c);
      if (c == '\0' || digit == std::string_view::npos) {
        fail(column, "expected two hexadecimal digits after '\\x', got " + found());
      }
      code = code * 16 + static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
    }
    return encode(code);
  }

  std::uint32_t character_class() {
    const std::size_t opened = at_ + 1;
    Characters set;
    set.column = opened;
    ++at_;
    if (next_is("^")) {
      set.complemented = true;
      ++at_;
    }
    bool any = false;
    std::string white;  // the last escape without symbols
    std::set<std::string> shorthands;
    for (; !next_is("]"); any = true) {
      const std::size_t column = at_ + 1;
      if (at_ == text_.size()) fail(opened, "expected a ']' that closes this '[', got the end");
      if (next_is("[") && at_ + 1 < text_.size() && text_[at_ + 1] == ":") {
        fail(column, "expected characters and ranges, got a named class '[:', which is not supported");
      }
      Escape first;
      if (next_is("\\")) {
        first = escape();
      } else {
        const std::string scalar = plain();
        first.ranges.emplace_back(scalar, scalar);
      }
      if (first.shorthand) shorthands.insert(first.written);
      if (first.ranges.empty()) white = first.written;
      const bool range = next_is("-") && at_ + 1 < text_.size() && text_[at_ + 1] != "]";
      if (!range) {
        if (!first.complemented) add(set, first, column);
        continue;
      }
      ++at_;
      if (at_ == text_.size()) fail(opened, "expected a ']' that closes this '[', got the end");
      Escape last;
      if (next_is("\\")) {
        last = escape();
      } else {
        const std::string scalar = plain();
        last.ranges.emplace_back(scalar, scalar);
      }
      if (first.shorthand || last.shorthand || first.ranges.empty() || last.ranges.empty()) {
        fail(column, "expected a range between two symbols, got one with '" +
                         (first.shorthand || first.ranges.empty() ? first.written : last.written) + "'");
      }
      const std::string& from = first.ranges[0].first;
      const std::string& to = last.ranges[0].first;
      if (to < from) fail(column, "expected an ascending range, got '" + from + "-" + to + "'");
      set.ranges.push_back({from, to, column});
    }
    ++at_;
    if (!any) fail(opened, "expected at least one character in a class, got none");
    for (const char* upper : {"D", "W", "S"}) {
      if (shorthands.count(std::string("\\") + upper) == 0) continue;
      // [\s\S] and the like are everything; a complement beside other members has no form here.
      const std::string lower(1, static_cast<char>(upper[0] + ('a' - 'A')));
      if (set.complemented || shorthands.count("\\" + lower) == 0) {
        fail(opened, "expected \\" + std::string(upper) + " outside of a class, or beside \\" + lower + " in one");
      }
      return characters({{}, true, opened}, opened);
    }
    if (set.ranges.empty() && !set.complemented) no_white_space(opened, white);
    return characters(std::move(set), opened);
  }

  std::vector<std::string> text_;
  std::size_t at_ = 0;
  std::vector<Frame> frames_;
  Tree tree_;
};

Alphabet occurring(const Tree& tree) {
  std::set<std::string> names;  // UTF-8 sorts by code point
  for (const Characters& set : tree.sets) {
    for (const Characters::Range& range : set.ranges) {
      if (range.first == range.last) {
        names.insert(range.first);
        continue;
      }
      const std::uint32_t last = code_point(range.last);
      if (last - code_point(range.first) >= max_range) {
        fail(range.column, "expected a range of at most " + std::to_string(max_range) +
                               " characters where no alphabet is given, got '" + range.first + "-" + range.last + "'");
      }
      for (std::uint32_t code = code_point(range.first); code <= last; ++code) {
        if (code >= 0xD800 && code <= 0xDFFF) continue;
        std::string name = encode(code);
        if (is_symbol(name)) names.insert(std::move(name));
      }
    }
  }
  if (names.empty()) {
    throw InputError(
        "alphabet: expected an alphabet (--alphabet) or at least one character in the expression, got neither");
  }
  return Alphabet({names.begin(), names.end()});
}

std::vector<Symbol> resolve(const Characters& set, const Alphabet& alphabet) {
  if (!set.complemented && set.ranges.size() == 1 && set.ranges[0].first == set.ranges[0].last) {
    if (const std::optional<Symbol> symbol = alphabet.find(set.ranges[0].first)) return {*symbol};
  }
  std::vector<bool> member(alphabet.size(), false);
  for (const Characters::Range& range : set.ranges) {
    if (range.first == range.last) {
      const std::optional<Symbol> symbol = alphabet.find(range.first);
      if (!symbol && !range.shorthand) {
        fail(range.column, "expected a symbol of the alphabet, got '" + range.first + "'");
      }
      if (symbol) member[*symbol] = true;
      continue;
    }
    bool any = false;
    for (Symbol a = 0; a < alphabet.size(); ++a) {
      const std::string& name = alphabet.name(a);
      if (name < range.first || range.last < name || utf8_scalars(name).size() != 1) continue;
      member[a] = true;
      any = true;
    }
    if (!any && !range.shorthand) {
      fail(range.column,
           "expected a range that meets the alphabet, got '" + range.first + "-" + range.last + "', which does not");
    }
  }
  std::vector<Symbol> symbols;
  for (Symbol a = 0; a < alphabet.size(); ++a) {
    if (member[a] != set.complemented) symbols.push_back(a);
  }
  if (symbols.empty() && !set.complemented)
    fail(set.column, "expected a class that meets the alphabet, got one that does not");
  return symbols;
}

// The moves of a minimal acceptor through states from which an accepting state can be reached.
struct Live {
  State start = 0;
  bool start_is_live = false;
  std::size_t num_states = 0;
  std::vector<NfaTransition> transitions;
  std::vector<State> accepting;
};

Live live_part(const Dfa& dfa) {
  // A minimal acceptor has at most one state from which nothing is accepted: the rejecting sink.
  const auto is_sink = [&](State q) {
    if (dfa.accepts_at(q)) return false;
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      if (dfa.next(q, a) != q) return false;
    }
    return true;
  };
  Live live;
  live.num_states = dfa.num_states();
  live.start = dfa.start();
  live.start_is_live = !is_sink(dfa.start());
  std::vector<bool> sink(dfa.num_states());
  for (State q = 0; q < dfa.num_states(); ++q) sink[q] = is_sink(q);
  for (State q = 0; q < dfa.num_states(); ++q) {
    if (dfa.accepts_at(q)) live.accepting.push_back(q);
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      if (!sink[q] && !sink[dfa.next(q, a)]) live.transitions.push_back({q, a, dfa.next(q, a)});
    }
  }
  return live;
}

class Translator {
 public:
  Translator(const Tree& tree, const Alphabet& alphabet)
      : tree_(tree), alphabet_(alphabet), weight_(tree.nodes.size()), computed_(tree.nodes.size(), no_node) {
    for (const Characters& set : tree.sets) sets_.push_back(resolve(set, alphabet));
  }

  Dfa translate() {
    for (std::uint32_t node = 0; node < tree_.nodes.size(); ++node) {
      const Kind kind = tree_.nodes[node].kind;
      if (kind == Kind::complement || kind == Kind::conjunction) {
        Dfa dfa = boolean(node);
        if (node + 1 == tree_.nodes.size()) return dfa;
        computed_[node] = static_cast<std::uint32_t>(live_.size());
        live_.push_back(live_part(dfa));
        dfas_.push_back(std::move(dfa));
      }
      weigh(node);
    }
    return automaton(static_cast<std::uint32_t>(tree_.nodes.size() - 1));
  }

 private:
  // The size of the fragment; refused where it passes the cap.
  void weigh(std::uint32_t index) {
    const Node& node = tree_.nodes[index];
    std::uint64_t weight = 1;
    if (node.kind == Kind::characters) {
      weight = std::max<std::uint64_t>(1, sets_[node.first].size());
    } else if (computed_[index] != no_node) {
      weight = 1 + live_[computed_[index]].transitions.size();
    } else if (node.kind == Kind::repetition) {
      const std::uint64_t copies = node.max == unbounded ? std::max(node.min, 1U) : node.max;
      weight = 1 + weight_[tree_.children[node.first]] * copies;
    } else if (node.kind != Kind::empty) {
      for (const std::uint32_t child : tree_.children_of(index)) weight += weight_[child];
    }
    if (weight > max_regex_positions) {
      fail(node.column, "expected an expression that unfolds to at most " + std::to_string(max_regex_positions) +
                            " positions, got more");
    }
    weight_[index] = weight;
  }

  Dfa boolean(std::uint32_t index) {
    const std::span<const std::uint32_t> operands = tree_.children_of(index);
    Dfa result = automaton(operands[0]);
    if (tree_.nodes[index].kind == Kind::complement) return complement(result);
    for (std::size_t i = 1; i < operands.size(); ++i) {
      result = minimize(product(result, automaton(operands[i]), BooleanOperation::conjunction, max_pairs));
    }
    return result;
  }

  // The minimal acceptor of a node whose `&` and `~` have been computed.
  Dfa automaton(std::uint32_t root) {
    if (computed_[root] != no_node) return dfas_[computed_[root]];
    num_states_ = 2;
    transitions_.clear();
    tasks_.assign(1, {root, 0, 1});
    while (!tasks_.empty()) {
      const Task task = tasks_.back();
      tasks_.pop_back();
      build(task);
    }
    std::vector<bool> accepting(num_states_, false);
    accepting[1] = true;
    return minimal_dfa(Nfa(alphabet_, {0}, transitions_, std::move(accepting))).dfa;
  }

  struct Task {
    std::uint32_t node;
    State from;
    State to;
  };

  State fresh() { return num_states_++; }
  void skip(State from, State to) { transitions_.push_back({from, epsilon, to}); }

  void build(const Task& task) {
    const Node& node = tree_.nodes[task.node];
    if (computed_[task.node] != no_node) return embed(live_[computed_[task.node]], task.from, task.to);
    switch (node.kind) {
      case Kind::characters:
        for (const Symbol symbol : sets_[node.first]) transitions_.push_back({task.from, symbol, task.to});
        return;
      case Kind::empty:
        return skip(task.from, task.to);
      case Kind::alternation:
        for (const std::uint32_t child : tree_.children_of(task.node)) tasks_.push_back({child, task.from, task.to});
        return;
      case Kind::concatenation: {
        State from = task.from;
        const std::span<const std::uint32_t> children = tree_.children_of(task.node);
        for (std::size_t i = 0; i < children.size(); ++i) {
          const State to = i + 1 == children.size() ? task.to : fresh();
          tasks_.push_back({children[i], from, to});
          from = to;
        }
        return;
      }
      case Kind::repetition:
        return build_repetition(tree_.children[node.first], node.min, node.max, task.from, task.to);
      case Kind::conjunction:
      case Kind::complement:
        break;
    }
    throw InternalError("regex: an operator was not computed before its parent");
  }

  void build_repetition(std::uint32_t child, std::uint32_t min, std::uint32_t max, State from, State to) {
    if (max == unbounded) {
      // min - 1 copies, then a loop: entered through its own state, so that it cannot leak into its neighbours.
      for (std::uint32_t i = 1; i < min; ++i) {
        const State middle = fresh();
        tasks_.push_back({child, from, middle});
        from = middle;
      }
      const State loop = fresh();
      skip(from, loop);
      if (min == 0) {
        tasks_.push_back({child, loop, loop});
        skip(loop, to);
      } else {
        const State end = fresh();
        tasks_.push_back({child, loop, end});
        skip(end, loop);
        skip(end, to);
      }
      return;
    }
    for (std::uint32_t i = 0; i < max; ++i) {
      if (i >= min) skip(from, to);
      const State middle = i + 1 == max ? to : fresh();
      tasks_.push_back({child, from, middle});
      from = middle;
    }
    if (max == 0) skip(from, to);
  }

  void embed(const Live& live, State from, State to) {
    if (!live.start_is_live) return;
    const State base = num_states_;
    num_states_ += static_cast<State>(live.num_states);
    skip(from, base + live.start);
    for (const NfaTransition& t : live.transitions) transitions_.push_back({base + t.from, t.symbol, base + t.to});
    for (const State q : live.accepting) skip(base + q, to);
  }

  const Tree& tree_;
  const Alphabet& alphabet_;
  std::vector<std::vector<Symbol>> sets_;
  std::vector<std::uint64_t> weight_;
  std::vector<std::uint32_t> computed_;  // index into live_ and dfas_ of a finished `&` or `~`
  std::vector<Live> live_;
  std::vector<Dfa> dfas_;
  State num_states_ = 0;
  std::vector<NfaTransition> transitions_;
  std::vector<Task> tasks_;
};

}  // namespace

std::string regex_literal(std::string_view character) {
  const bool escaped = character.size() == 1 && escapable.find(character.front()) != std::string_view::npos;
  return (escaped ? "\\" : "") + std::string(character);
}

Dfa parse_regex(std::string_view pattern, const std::optional<Alphabet>& alphabet) {
  const Tree tree = Parser(pattern).parse();
  const Alphabet symbols = alphabet ? *alphabet : occurring(tree);
  return Translator(tree, symbols).translate();
}

}  // namespace krohn
