// Reading and writing .mata text by the rules of the header. Reading costs a look-up of every name in a hash table.
#include "krohn/io/format_mata.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"
#include "named_arcs.hpp"
#include "problem_list.hpp"

namespace krohn {
namespace {

struct Token {
  std::string text;
  bool quoted = false;
  std::size_t line = 1;
  std::size_t column = 1;  // in bytes
};

constexpr std::string_view special = "\"#%@\\&|!()";

bool is_operator(const Token& token) {
  return !token.quoted && !token.text.empty() && token.text.find_first_of("&|!()") != std::string::npos;
}

// Splits the text into lines of tokens (rules 1 and 2).
class Lines {
 public:
  Lines(std::string_view text, ProblemList& problems) : text_(text), problems_(problems) {}

  // False at the end of the text. A line with a broken token is reported and comes back empty.
  bool next(std::vector<Token>& tokens) {
    tokens.clear();
    if (at_ >= text_.size()) return false;
    bool broken = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        new_line();
        break;
      }
      if (c == ' ' || c == '\t' || (c == '\r' && follows_newline(at_ + 1))) {
        ++at_;
      } else if (c == '\\' && follows_newline(at_ + 1)) {
        while (text_[at_] != '\n') ++at_;
        new_line();
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"') {
        broken = !read_quoted(tokens) || broken;
      } else {
        read_plain(tokens);
      }
    }
    if (broken) tokens.clear();
    return true;
  }

 private:
  bool follows_newline(std::size_t at) const {
    if (at < text_.size() && text_[at] == '\r') ++at;
    return at < text_.size() && text_[at] == '\n';
  }

  void new_line() {
    ++at_;
    ++line_;
    line_start_ = at_;
  }

  void read_plain(std::vector<Token>& tokens) {
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != ' ' && text_[at_] != '\t' && text_[at_] != '\n' && text_[at_] != '"' &&
           !(text_[at_] == '\r' && follows_newline(at_ + 1)) && !(text_[at_] == '\\' && follows_newline(at_ + 1))) {
      ++at_;
    }
    tokens.push_back({std::string(text_.substr(start, at_ - start)), false, line_, start - line_start_ + 1});
  }

  bool read_quoted(std::vector<Token>& tokens) {
    Token token{"", true, line_, at_ - line_start_ + 1};
    ++at_;
    while (at_ < text_.size() && text_[at_] != '\n') {
      if (text_[at_] == '"') {
        ++at_;
        tokens.push_back(std::move(token));
        return true;
      }
      if (text_[at_] == '\\') {
        if (at_ + 1 == text_.size() || (text_[at_ + 1] != '"' && text_[at_ + 1] != '\\')) {
          problems_.add(line_, at_ - line_start_ + 1, "\\\" or \\\\ within quotation marks", "another escape");
          at_ = std::min(text_.find('\n', at_), text_.size());
          return false;
        }
        ++at_;
      }
      token.text += text_[at_++];
    }
    problems_.add(token.line, token.column, "a closing quotation mark on the same line", "none");
    return false;
  }

  std::string_view text_;
  ProblemList& problems_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t line_start_ = 0;
};

struct Transition {
  std::size_t from;
  Token symbol;
  std::size_t to;
};

// The section, states numbered by first occurrence.
class Section {
 public:
  explicit Section(ProblemList& problems) : problems_(problems) {}

  void read_line(const std::vector<Token>& tokens) {
    const Token& first = tokens.front();
    if (!opened_) {
      opened_ = true;
      deterministic_ = !first.quoted && first.text == "@DFA-explicit";
      if (!deterministic_ && (first.quoted || first.text != "@NFA-explicit")) {
        problem(first, "@NFA-explicit or @DFA-explicit");
      } else if (tokens.size() > 1) {
        problem(tokens[1], "nothing after the kind of the section");
      }
      return;
    }
    if (!first.quoted && first.text.front() == '@') return problem(first, "one section");
    if (!first.quoted && first.text.front() == '%') return read_key(tokens);
    for (const Token& token : tokens) {
      if (is_operator(token)) return problem(token, "an explicit symbol or state (formulas are not supported)");
    }
    if (tokens.size() != 3) {
      return problem(tokens[std::min<std::size_t>(tokens.size() - 1, 3)], "a transition of state, symbol and state",
                     std::to_string(tokens.size()) + (tokens.size() == 1 ? " token" : " tokens"));
    }
    const std::size_t from = state(tokens[0]);
    transitions_.push_back({from, tokens[1], state(tokens[2])});
  }

  LanguageSource automaton(const std::string& source, const std::optional<Alphabet>& given) {
    if (!opened_) problems_.add("", "@NFA-explicit or @DFA-explicit", "an empty file");
    problems_.raise_if_any();
    NamedArcs arcs;
    if (!symbols_.empty()) {
      std::vector<std::string> names;
      for (const Token& token : symbols_) {
        if (!is_epsilon(token)) names.push_back(token.text);
      }
      try {
        arcs.alphabet = Alphabet(std::move(names));
      } catch (const InputError& error) {
        for (const std::string& what : error.problems()) {
          problems_.add("%Alphabet-enum", "an alphabet", what);
        }
        problems_.raise_if_any();
      }
    }
    // The order of rule 6.
    const std::vector<State> number = numbers();
    arcs.accepting.assign(names_.size(), false);
    for (const std::size_t q : finals_) arcs.accepting[number[q]] = true;
    for (const std::size_t q : starts_) arcs.starts.push_back(number[q]);
    std::sort(arcs.starts.begin(), arcs.starts.end());
    arcs.starts.erase(std::unique(arcs.starts.begin(), arcs.starts.end()), arcs.starts.end());
    const std::optional<Alphabet> fixed = arcs.alphabet ? arcs.alphabet : given;
    std::unordered_set<std::string> good;
    for (Transition& t : transitions_) {
      const bool silent = is_epsilon(t.symbol);
      if (!silent && good.count(t.symbol.text) == 0) {
        if (!check_symbol(t.symbol, fixed)) continue;
        good.insert(t.symbol.text);
      }
      arcs.arcs.push_back({number[t.from], std::move(t.symbol.text), number[t.to], silent});
    }
    problems_.raise_if_any();
    arcs.must_be_deterministic = deterministic_;
    return automaton_of(source, arcs, alphabet_of(source, arcs, given));
  }

 private:
  void problem(const Token& token, const std::string& expected) { problem(token, expected, shown(token.text)); }
  void problem(const Token& token, const std::string& expected, const std::string& got) {
    problems_.add(token.line, token.column, expected, got);
  }

  bool is_epsilon(const Token& symbol) const { return epsilons_.count(symbol.text) != 0; }

  bool check_symbol(const Token& symbol, const std::optional<Alphabet>& fixed) {
    if (fixed) {
      if (fixed->find(symbol.text)) return true;
      problem(symbol, "a symbol of the alphabet");
      return false;
    }
    try {
      static_cast<void>(Alphabet({symbol.text}));
      return true;
    } catch (const InputError&) {
      problem(symbol, "a symbol in UTF-8 without white space or control characters");
      return false;
    }
  }

  std::size_t state(const Token& token) {
    const auto [entry, added] = index_.emplace(token.text, names_.size());
    if (added) {
      names_.push_back(token.text);
      if (enumerated_) problem(token, "a state of %States-enum");
    }
    return entry->second;
  }

  void read_key(const std::vector<Token>& tokens) {
    const std::string_view key = std::string_view(tokens[0].text).substr(1);
    const std::vector<Token> values(tokens.begin() + 1, tokens.end());
    for (const Token& value : values) {
      if (is_operator(value)) return problem(value, "names (formulas are not supported)");
    }
    if (key == "Initial" || key == "Final") {
      for (const Token& value : values) (key == "Initial" ? starts_ : finals_).push_back(state(value));
    } else if (key == "Alphabet-enum") {
      symbols_.insert(symbols_.end(), values.begin(), values.end());
    } else if (key == "Epsilon") {
      for (const Token& value : values) epsilons_.insert(value.text);
    } else if (key == "States-enum") {
      if (!enumerated_ && !names_.empty()) return problem(tokens[0], "%States-enum before the first state");
      enumerated_ = false;
      for (const Token& value : values) {
        if (index_.count(value.text) != 0) problem(value, "different states", shown(value.text) + " twice");
        state(value);
      }
      enumerated_ = true;
    } else if (key == "Alphabet-auto" || key == "Alphabet-marked" || key == "Alphabet-numbers" ||
               key == "Alphabet-utf" || key == "Alphabet-utf-8" || key == "Alphabet-chars" || key == "States-auto" ||
               key == "States-marked") {
      if (!values.empty()) problem(values[0], "no values after %" + std::string(key));
    } else {
      problem(tokens[0], "%Initial, %Final, %Alphabet-.., %States-.. or %Epsilon");
    }
  }

  // q<n> with a decimal number without leading zeros.
  static std::optional<std::uint64_t> marked_number(const std::string& name) {
    if (name.size() < 2 || name[0] != 'q' || (name[1] == '0' && name.size() > 2)) return std::nullopt;
    std::uint64_t value = 0;
    const char* end = name.data() + name.size();
    const auto [stopped, error] = std::from_chars(name.data() + 1, end, value);
    if (error != std::errc{} || stopped != end || value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      return std::nullopt;
    }
    return value;
  }

  std::vector<State> numbers() const {
    std::vector<State> number(names_.size());
    for (std::size_t q = 0; q < names_.size(); ++q) number[q] = static_cast<State>(q);
    if (enumerated_) return number;
    std::vector<std::pair<std::uint64_t, std::size_t>> marked;
    for (std::size_t q = 0; q < names_.size(); ++q) {
      const std::optional<std::uint64_t> n = marked_number(names_[q]);
      if (!n) return number;
      marked.emplace_back(*n, q);
    }
    std::sort(marked.begin(), marked.end());
    for (std::size_t i = 0; i < marked.size(); ++i) number[marked[i].second] = static_cast<State>(i);
    return number;
  }

  ProblemList& problems_;
  bool opened_ = false;
  bool deterministic_ = false;
  bool enumerated_ = false;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::size_t> starts_;
  std::vector<std::size_t> finals_;
  std::vector<Token> symbols_;
  std::unordered_set<std::string> epsilons_;
  std::vector<Transition> transitions_;
};

std::string token_of(const std::string& name) {
  if (name.find_first_of(special) == std::string::npos) return name;
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

}  // namespace

LanguageSource parse_format_mata(std::string_view text, const std::string& source,
                                 const std::optional<Alphabet>& alphabet) {
  ProblemList problems(source);
  Lines lines(text, problems);
  Section section(problems);
  std::vector<Token> tokens;
  while (lines.next(tokens)) {
    if (!tokens.empty()) section.read_line(tokens);
  }
  return section.automaton(source, alphabet);
}

LanguageSource read_format_mata(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_mata(read_file(path), path.string(), alphabet);
}

std::string format_mata(const Dfa& dfa) {
  if (!dfa.is_acceptor()) {
    throw InputError(".mata: expected the labels 0 and 1 at every state, got an automaton with other labels");
  }
  const auto name = [](State q) { return "q" + std::to_string(q); };
  std::vector<std::string> symbols;
  std::string text = "@NFA-explicit\n%Alphabet-enum";
  for (const std::string& symbol : dfa.alphabet().names()) {
    symbols.push_back(token_of(symbol));
    text += ' ' + symbols.back();
  }
  text += "\n%Initial " + name(dfa.start()) + "\n%Final";
  for (State q = 0; q < dfa.num_states(); ++q) {
    if (dfa.accepts_at(q)) text += ' ' + name(q);
  }
  text += '\n';
  for (State q = 0; q < dfa.num_states(); ++q) {
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      text += name(q) + ' ' + symbols[a] + ' ' + name(dfa.next(q, a)) + '\n';
    }
  }
  return text;
}

}  // namespace krohn
