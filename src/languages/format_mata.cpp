// Reading and writing .mata text by the rules of the header. Tokens are views of the text; names are numbered as they
// come, and formulas wait until all states and symbols are known. Reading costs a look-up of every name in a hash
// table, and for formulas their size times the names over 64.
#include "krohn/languages/format_mata.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "formula.hpp"
#include "krohn/error.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"
#include "name_table.hpp"
#include "named_arcs.hpp"
#include "valuation_letters.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t max_formula_work = std::uint64_t{1} << 32U;
constexpr std::size_t max_arcs = std::size_t{1} << 26U;
constexpr std::string_view mata_epsilon = "4294967295";
constexpr std::string_view kinds = "@NFA-explicit, @DFA-explicit, @NFA-bits or @NFA";

struct Token {
  std::string_view text;
  bool quoted = false;
  std::size_t line = 1;
  std::size_t column = 1;  // in bytes

  bool is(std::string_view plain) const { return !quoted && text == plain; }
};

constexpr std::string_view special = "\"#%@\\&|!()";
constexpr std::string_view operators = "&|!()";

bool is_constant(const Token& token) { return token.is("\\true") || token.is("\\false"); }

bool is_operator(const Token& token) {
  return !token.quoted && token.text.size() == 1 && operators.find(token.text[0]) != std::string_view::npos;
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
      } else if (operators.find(c) != std::string_view::npos) {
        tokens.push_back({text_.substr(at_, 1), false, line_, at_ - line_start_ + 1});
        ++at_;
      } else {
        broken = !read_plain(tokens) || broken;
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

  bool ends_plain(char c) const {
    switch (c) {
      case ' ':
      case '\t':
      case '\n':
      case '"':
      case '&':
      case '|':
      case '!':
      case '(':
      case ')':
      case '#':
        return true;
      case '\r':
      case '\\':
        return follows_newline(at_ + 1);
      default:
        return false;
    }
  }

  bool read_plain(std::vector<Token>& tokens) {
    const std::size_t start = at_++;
    while (at_ < text_.size() && !ends_plain(text_[at_])) ++at_;
    const Token token{text_.substr(start, at_ - start), false, line_, start - line_start_ + 1};
    if (at_ < text_.size() && text_[at_] == '#') {
      problems_.add(line_, at_ - line_start_ + 1, "a space before a comment, or quotation marks around a name with #",
                    shown(token.text) + " and #");
      return false;
    }
    if (token.text[0] == '\\' && !is_constant(token)) {
      problems_.add(line_, token.column, "\\true, \\false, or quotation marks around a name that begins with \\",
                    shown(token.text));
      return false;
    }
    tokens.push_back(token);
    return true;
  }

  bool read_quoted(std::vector<Token>& tokens) {
    Token token{"", true, line_, at_ - line_start_ + 1};
    const std::size_t start = ++at_;
    std::string unescaped;
    bool escapes = false;
    while (at_ < text_.size() && text_[at_] != '\n') {
      if (text_[at_] == '"') {
        token.text = text_.substr(start, at_ - start);
        if (escapes) token.text = unescaped_.emplace_back(std::move(unescaped));
        ++at_;
        tokens.push_back(token);
        return true;
      }
      if (text_[at_] == '\\') {
        if (at_ + 1 == text_.size() || (text_[at_ + 1] != '"' && text_[at_ + 1] != '\\')) {
          problems_.add(line_, at_ - line_start_ + 1, "\\\" or \\\\ within quotation marks", "another escape");
          at_ = std::min(text_.find('\n', at_), text_.size());
          return false;
        }
        if (!escapes) unescaped = std::string(text_.substr(start, at_ - start));
        escapes = true;
        ++at_;
      }
      if (escapes) unescaped += text_[at_];
      ++at_;
    }
    problems_.add(token.line, token.column, "a closing quotation mark on the same line", "none");
    return false;
  }

  std::string_view text_;
  ProblemList& problems_;
  std::deque<std::string> unescaped_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t line_start_ = 0;
};

struct FormulaArc {
  std::uint32_t from;
  std::uint32_t to;
  Formula formula;
  Token first;
};

// The section, states numbered by first occurrence.
class Section {
 public:
  explicit Section(const std::string& source, const std::optional<Alphabet>& given, ProblemList& problems)
      : source_(source), given_(given), problems_(problems) {}

  void read_line(const std::vector<Token>& tokens) {
    const Token& first = tokens.front();
    if (!opened_) return read_kind(tokens);
    if (!first.quoted && first.text.front() == '@') return problem(first, "one section");
    if (!first.quoted && first.text.front() == '%') return read_key(tokens);
    read_transition(tokens);
  }

  LanguageSource automaton() {
    if (!opened_) problems_.add("", std::string(kinds), "an empty file");
    problems_.raise_if_any();
    if (!stated_symbols_.empty()) state_alphabet();
    if (bits_) {
      name_letters();
    } else {
      resolve_symbols();
    }
    problems_.raise_if_any();
    // The order of rule 8.
    const std::vector<State> number = numbers();
    const auto states = static_cast<std::uint32_t>(states_.size());
    std::vector<bool> initial = chosen(starts_, start_formulas_);
    std::vector<bool> final = chosen(finals_, final_formulas_);
    problems_.raise_if_any();
    arcs_.labels.assign(states, 0);
    for (std::uint32_t q = 0; q < states; ++q) {
      if (final[q]) arcs_.labels[number[q]] = 1;
      if (initial[q]) arcs_.starts.push_back(number[q]);
    }
    std::sort(arcs_.starts.begin(), arcs_.starts.end());
    for (NfaTransition& arc : arcs_.arcs) {
      arc.from = number[arc.from];
      arc.to = number[arc.to];
    }
    arcs_.must_be_deterministic = deterministic_;
    const Alphabet alphabet = alphabet_of(source_, arcs_, given_);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  void problem(const Token& token, const std::string& expected) { problem(token, expected, shown(token.text)); }
  void problem(const Token& token, const std::string& expected, const std::string& got) {
    problems_.add(token.line, token.column, expected, got);
  }

  void read_kind(const std::vector<Token>& tokens) {
    const Token& first = tokens.front();
    opened_ = true;
    deterministic_ = first.is("@DFA-explicit");
    bits_ = first.is("@NFA-bits");
    older_ = first.is("@NFA");
    if (!deterministic_ && !bits_ && !older_ && !first.is("@NFA-explicit")) {
      problem(first, std::string(kinds));
    } else if (tokens.size() > 1) {
      problem(tokens[1], "nothing after the kind of the section");
    }
  }

  std::uint32_t state(const Token& token) {
    const auto [index, added] = states_.find_or_add(token.text);
    if (added && enumerated_) problem(token, "a state of %States-enum");
    return index;
  }

  // Numbers a symbol or bit; where it stands first is kept for messages.
  std::uint32_t symbol(const Token& token) {
    const auto [index, added] = arcs_.symbols.find_or_add(token.text);
    if (added) first_places_.push_back(token);
    return index;
  }

  void read_transition(const std::vector<Token>& tokens) {
    const Token& first = tokens.front();
    if (is_operator(first) || is_constant(first)) return problem(first, "a state");
    const Token& last = tokens.back();
    if (tokens.size() >= 3 && (is_operator(last) || is_constant(last))) return problem(last, "a state");
    const auto names = std::count_if(tokens.begin(), tokens.end(), [](const Token& t) { return !is_operator(t); });
    if (tokens.size() < 3 || (names == static_cast<std::ptrdiff_t>(tokens.size()) && names != 3)) {
      return problem(tokens[std::min<std::size_t>(tokens.size() - 1, 3)], "a transition of state, symbol and state",
                     std::to_string(tokens.size()) + (tokens.size() == 1 ? " token" : " tokens"));
    }
    const std::uint32_t from = state(first);
    if (tokens.size() == 3 && !bits_ && !is_constant(tokens[1]) && !is_operator(tokens[1])) {
      const std::uint32_t a = symbol(tokens[1]);
      arcs_.arcs.push_back({from, a, state(last)});
      return;
    }
    std::span<const Token> formula = std::span(tokens).subspan(1, tokens.size() - 2);
    if (formula.size() > 1 && formula.back().is("&")) formula = formula.first(formula.size() - 1);
    std::optional<Formula> parsed = read_formula(formula, last, [&](const Token& token) { return symbol(token); });
    if (!parsed) return;
    formula_arcs_.push_back({from, state(last), std::move(*parsed), formula.front()});
  }

  template <typename Number>
  std::optional<Formula> read_formula(std::span<const Token> tokens, const Token& end, Number&& number) {
    using Kind = FormulaToken::Kind;
    std::vector<FormulaToken> items;
    for (const Token& token : tokens) {
      if (token.is("\\true")) {
        items.push_back({Kind::truth});
      } else if (token.is("\\false")) {
        items.push_back({Kind::falsehood});
      } else if (is_operator(token)) {
        const char c = token.text[0];
        items.push_back({c == '&'   ? Kind::conjunction
                         : c == '|' ? Kind::disjunction
                         : c == '!' ? Kind::negation
                         : c == '(' ? Kind::open
                                    : Kind::close});
      } else {
        items.push_back({Kind::atom, number(token)});
      }
    }
    ParsedFormula parsed = parse_formula(items);
    if (!parsed.broken) return std::move(parsed.formula);
    const Token& broken = *parsed.broken < tokens.size() ? tokens[*parsed.broken] : end;
    problem(broken, "a formula of names, & | ! ( ), \\true and \\false",
            *parsed.broken < tokens.size() ? shown(broken.text) : "an end too early");
    return std::nullopt;
  }

  void read_key(const std::vector<Token>& tokens) {
    std::string key(tokens[0].text.substr(1));
    if (older_ && (key == "Alphabet" || key == "States")) key += "-enum";
    const std::span<const Token> values = std::span(tokens).subspan(1);
    if (key == "Initial" || key == "Final") return read_states(values, key == "Initial");
    if (key == "Epsilon") {
      if (bits_) return problem(tokens[0], "no %Epsilon in @NFA-bits");
      for (const Token& value : values) {
        if (value.is("|")) continue;
        if (is_operator(value) || is_constant(value)) return problem(value, "symbols, or symbols joined by |");
        epsilons_.insert(std::string(value.text));
      }
      return;
    }
    for (const Token& value : values) {
      if (is_operator(value) || is_constant(value)) return problem(value, "names (formulas have no meaning here)");
    }
    if (key == "Alphabet-enum") {
      stated_symbols_.insert(stated_symbols_.end(), values.begin(), values.end());
    } else if (key == "States-enum") {
      if (!enumerated_ && states_.size() > 0) return problem(tokens[0], "%States-enum before the first state");
      enumerated_ = false;
      for (const Token& value : values) {
        if (states_.find(value.text)) problem(value, "different states", shown(value.text) + " twice");
        state(value);
      }
      enumerated_ = true;
    } else if (key == "Alphabet-auto" || key == "Alphabet-marked" || key == "Alphabet-numbers" ||
               key == "Alphabet-utf" || key == "Alphabet-utf-8" || key == "Alphabet-chars" || key == "States-auto" ||
               key == "States-marked") {
      if (!values.empty()) problem(values[0], "no values after %" + key);
    } else {
      problem(tokens[0], "%Initial, %Final, %Alphabet-.., %States-.. or %Epsilon");
    }
  }

  // Rule 5. A formula waits until all states are known.
  void read_states(std::span<const Token> values, bool initial) {
    const bool names =
        std::none_of(values.begin(), values.end(), [](const Token& t) { return is_operator(t) || is_constant(t); });
    if (names) {
      for (const Token& value : values) (initial ? starts_ : finals_).push_back(state(value));
      return;
    }
    if (initial) {
      for (const Token& value : values) {
        if (!value.is("|") && !value.is("\\false") && (is_operator(value) || is_constant(value))) {
          return problem(value, "initial states as names, or names joined by | (no other formula)");
        }
      }
    }
    std::optional<Formula> formula =
        read_formula(values, values.back(), [&](const Token& token) { return state(token); });
    if (formula) (initial ? start_formulas_ : final_formulas_).push_back({0, 0, std::move(*formula), values.front()});
  }

  // The values of a formula for every atom and for none of the named ones.
  SingletonValues values_of(const FormulaArc& arc, std::size_t num_atoms, const char* what) {
    const std::size_t size = arc.formula.size();
    work_ += size * (num_atoms / 64 + 1);
    if (work_ > max_formula_work) {
      throw ResourceError(source_ + ": expected formulas of less than 2^32 operators times names over 64, got more");
    }
    SingletonValues values = singleton_values(arc.formula, num_atoms);
    const bool any =
        values.of_others || std::find(values.of_atom.begin(), values.of_atom.end(), true) != values.of_atom.end();
    const bool falsehood = std::any_of(arc.formula.begin(), arc.formula.end(), [](const FormulaToken& item) {
      return item.kind == FormulaToken::Kind::falsehood;
    });
    if (!any && !falsehood) {
      problem(arc.first, std::string("a formula that holds for one ") + what + " alone", "one that none satisfies");
    }
    return values;
  }

  std::vector<bool> chosen(const std::vector<std::uint32_t>& named, const std::vector<FormulaArc>& formulas) {
    std::vector<bool> result(states_.size(), false);
    for (const std::uint32_t q : named) result[q] = true;
    for (const FormulaArc& formula : formulas) {
      const SingletonValues values = values_of(formula, states_.size(), "state");
      for (std::size_t q = 0; q < result.size(); ++q) result[q] = result[q] || values.of_atom[q];
    }
    return result;
  }

  void state_alphabet() {
    std::vector<std::string> names;
    for (const Token& token : stated_symbols_) {
      std::string name(token.text);
      if (epsilons_.count(name) == 0) names.push_back(std::move(name));
    }
    try {
      arcs_.alphabet = Alphabet(std::move(names));
    } catch (const InputError& error) {
      for (const std::string& what : error.problems()) problems_.add("%Alphabet-enum", "an alphabet", what);
      problems_.raise_if_any();
    }
  }

  bool check_symbol(std::uint32_t index, const std::optional<Alphabet>& fixed) {
    const std::string name(arcs_.symbols[index]);
    if (fixed) {
      if (fixed->find(name)) return true;
      problem(first_places_[index], "a symbol of the alphabet");
      return false;
    }
    try {
      static_cast<void>(Alphabet({name}));
      return true;
    } catch (const InputError&) {
      problem(first_places_[index], "a symbol in UTF-8 without white space or control characters");
      return false;
    }
  }

  // Explicit symbols: epsilons, the alphabet, and formulas expanded over it.
  void resolve_symbols() {
    const std::optional<Alphabet> fixed = arcs_.alphabet ? arcs_.alphabet : given_;
    const std::size_t occurring = arcs_.symbols.size();
    std::vector<bool> silent(occurring, false);
    for (std::uint32_t a = 0; a < occurring; ++a) {
      const std::string name(arcs_.symbols[a]);
      silent[a] = epsilons_.count(name) != 0;
      if (!silent[a] && name == mata_epsilon && !(fixed && fixed->find(name))) {
        silent[a] = true;
        arcs_.notes.push_back(source_ + ": 4294967295, Mata's number of epsilon, reads nothing");
      }
      if (!silent[a]) check_symbol(a, fixed);
    }
    for (NfaTransition& arc : arcs_.arcs) {
      if (silent[arc.symbol]) arc.symbol = epsilon;
    }
    if (formula_arcs_.empty()) return;
    if (fixed) {
      for (const std::string& name : fixed->names()) arcs_.symbols.find_or_add(name);
    }
    const std::size_t all = arcs_.symbols.size();
    silent.resize(all, false);
    bool relative = false;
    for (const FormulaArc& arc : formula_arcs_) {
      for (const FormulaToken& item : arc.formula) {
        if (item.kind == FormulaToken::Kind::atom && silent[item.atom]) {
          problem(arc.first, "a formula over symbols that read something", shown(arcs_.symbols[item.atom]));
        }
      }
      const SingletonValues values = values_of(arc, all, "symbol");
      relative = relative || values.of_others;
      for (std::uint32_t a = 0; a < all; ++a) {
        if (values.of_atom[a] && !silent[a]) add_arc(arc, a);
      }
    }
    if (relative && !fixed) {
      arcs_.notes.push_back(source_ + ": \\true and ! stand for the symbols that occur, for no alphabet is stated");
    }
  }

  void add_arc(const FormulaArc& arc, std::uint32_t symbol) {
    if (arcs_.arcs.size() >= max_arcs) {
      throw ResourceError(source_ + ": expected formulas that stand for at most " + std::to_string(max_arcs) +
                          " transitions of one symbol, got more");
    }
    arcs_.arcs.push_back({arc.from, symbol, arc.to});
  }

  // Rule 7.
  void name_letters() {
    const std::vector<std::uint32_t> order = order_of_bits();
    if (!problems_.empty()) return;
    std::vector<ValuationArc> transitions;
    for (FormulaArc& arc : formula_arcs_) {
      transitions.push_back({arc.from, arc.to, std::move(arc.formula), arc.first.line});
    }
    const NameTable bits = std::exchange(arcs_.symbols, NameTable());
    arcs_.alphabet.reset();
    add_valuation_arcs(source_, bits, order, std::move(transitions), arcs_);
  }

  std::vector<std::uint32_t> order_of_bits() {
    std::vector<std::uint32_t> order;
    if (!stated_symbols_.empty()) {
      const std::size_t named = arcs_.symbols.size();
      std::unordered_set<std::uint32_t> seen;
      for (const Token& token : stated_symbols_) {
        const std::uint32_t bit = symbol(token);
        if (seen.insert(bit).second) order.push_back(bit);
      }
      for (std::uint32_t bit = 0; bit < named; ++bit) {
        if (seen.count(bit) == 0) problem(first_places_[bit], "a bit of %Alphabet-enum");
      }
      return order;
    }
    return natural_order(arcs_.symbols);
  }

  std::vector<State> numbers() const {
    std::vector<State> number(states_.size());
    for (std::size_t q = 0; q < number.size(); ++q) number[q] = static_cast<State>(q);
    if (enumerated_) return number;
    std::vector<std::pair<std::uint64_t, std::size_t>> marked;
    marked.reserve(number.size());
    for (std::size_t q = 0; q < number.size(); ++q) {
      const std::string_view name = states_[q];
      const std::optional<std::uint64_t> n =
          name.starts_with('q') ? canonical_number(name.substr(1)) : std::optional<std::uint64_t>();
      if (!n) return number;
      marked.emplace_back(*n, q);
    }
    std::sort(marked.begin(), marked.end());
    for (std::size_t i = 0; i < marked.size(); ++i) number[marked[i].second] = static_cast<State>(i);
    return number;
  }

  const std::string& source_;
  const std::optional<Alphabet>& given_;
  ProblemList& problems_;
  bool opened_ = false;
  bool deterministic_ = false;
  bool bits_ = false;
  bool older_ = false;
  bool enumerated_ = false;
  NameTable states_;
  std::vector<std::uint32_t> starts_;
  std::vector<std::uint32_t> finals_;
  std::vector<FormulaArc> start_formulas_;  // `from` and `to` are not used
  std::vector<FormulaArc> final_formulas_;
  std::vector<Token> stated_symbols_;
  std::vector<Token> first_places_;  // of the symbols
  std::set<std::string> epsilons_;
  std::vector<FormulaArc> formula_arcs_;
  std::uint64_t work_ = 0;
  NamedArcs arcs_;
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
  Lines lines(without_byte_order_mark(text), problems);
  Section section(source, alphabet, problems);
  std::vector<Token> tokens;
  while (lines.next(tokens)) {
    if (!tokens.empty()) section.read_line(tokens);
  }
  return section.automaton();
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
