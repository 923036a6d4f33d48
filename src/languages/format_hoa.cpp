// Reading and writing .hoa by the rules of the header: a tokenizer, a reader of header and body that stops at the first
// token that does not fit, and formulas evaluated on all valuations at once, one bit each. Linear in the text times the
// letters of an edge. Tested by tests/languages/more_formats_test.cpp.
#include "krohn/languages/format_hoa.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"
#include "named_arcs.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_propositions = 10;
constexpr std::size_t max_letters = std::size_t{1} << max_propositions;
constexpr std::uint64_t max_states = 10'000'000;
constexpr std::size_t max_arcs = std::size_t{1} << 24U;
constexpr std::size_t max_formula_depth = 200;

using Letters = std::bitset<max_letters>;

struct Token {
  enum class Kind { item, word, alias, number, text, mark, section, end } kind;
  std::string_view text;  // item: without its colon; mark: one of [ ] ( ) { } ! & |
  std::uint64_t number = 0;
  std::size_t line = 1;
};

class Tokens {
 public:
  Tokens(std::string_view text, const std::string& source) : text_(text), source_(source) { advance(); }

  const Token& current() const { return current_; }

  Token take() {
    const Token token = current_;
    advance();
    return token;
  }
  bool is(Token::Kind kind) const { return current_.kind == kind; }
  bool is_mark(char c) const { return is(Token::Kind::mark) && current_.text[0] == c; }
  bool take_mark(char c) {
    if (!is_mark(c)) return false;
    advance();
    return true;
  }
  void require_mark(char c) {
    if (!take_mark(c)) fail(std::string("'") + c + "'");
  }
  std::uint64_t require_number(const char* what, std::uint64_t below) {
    if (!is(Token::Kind::number) || current_.number >= below) {
      fail(std::string(what) + " below " + std::to_string(below));
    }
    return take().number;
  }

  [[noreturn]] void fail(const std::string& expected) const {
    fail(expected, is(Token::Kind::end) ? "the end of the file" : shown(current_.text));
  }
  [[noreturn]] void fail(const std::string& expected, const std::string& got) const {
    throw InputError(source_ + ":" + std::to_string(current_.line) + ": expected " + expected + ", got " + got);
  }

 private:
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  char at(std::size_t i) const { return i < text_.size() ? text_[i] : '\0'; }

  void skip_space() {
    while (at_ < text_.size()) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n') {
        ++at_;
      } else if (at(at_) == '/' && at(at_ + 1) == '*') {
        skip_comment();
      } else {
        return;
      }
    }
  }

  void skip_comment() {  // they nest
    std::size_t depth = 0;
    do {
      if (at_ >= text_.size()) {
        current_ = {Token::Kind::end, "", 0, line_};
        fail("a comment that ends");
      }
      if (at(at_) == '/' && at(at_ + 1) == '*') {
        ++depth;
        at_ += 2;
      } else if (at(at_) == '*' && at(at_ + 1) == '/') {
        --depth;
        at_ += 2;
      } else {
        if (text_[at_] == '\n') ++line_;
        ++at_;
      }
    } while (depth > 0);
  }

  void advance() {
    skip_space();
    current_ = {Token::Kind::end, "", 0, line_};
    if (at_ >= text_.size()) return;
    const char c = text_[at_];
    const std::size_t start = at_;
    if (is_letter(c) || c == '@') {
      ++at_;
      while (is_letter(at(at_)) || is_digit(at(at_)) || at(at_) == '-' || at(at_) == '.') ++at_;
      current_.text = text_.substr(start, at_ - start);
      current_.kind = c == '@' ? Token::Kind::alias : Token::Kind::word;
      if (c != '@' && at(at_) == ':') {
        current_.kind = Token::Kind::item;
        ++at_;
      }
    } else if (is_digit(c)) {
      while (is_digit(at(at_))) {
        current_.number =
            std::min<std::uint64_t>(current_.number * 10 + static_cast<std::uint64_t>(text_[at_] - '0'), UINT32_MAX);
        ++at_;
      }
      current_.text = text_.substr(start, at_ - start);
      current_.kind = Token::Kind::number;
    } else if (c == '"') {
      read_text();
    } else if (c == '-') {
      for (const std::string_view section : {"--BODY--", "--END--", "--ABORT--"}) {
        if (!text_.substr(at_).starts_with(section)) continue;
        current_.text = section;
        current_.kind = Token::Kind::section;
        at_ += section.size();
        return;
      }
      current_.text = text_.substr(at_, 1);
      fail("--BODY-- or --END--");
    } else if (std::string_view("[](){}!&|").find(c) != std::string_view::npos) {
      current_.text = text_.substr(at_++, 1);
      current_.kind = Token::Kind::mark;
    } else {
      current_.text = text_.substr(at_, 20);
      fail("a token of HOA", shown(current_.text));
    }
  }

  void read_text() {
    ++at_;
    std::string value;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\') ++at_;
      if (at_ >= text_.size()) break;
      if (text_[at_] == '\n') ++line_;
      value += text_[at_++];
    }
    if (at_ >= text_.size()) fail("a text that ends", "the end of the file");
    ++at_;
    current_.text = texts_.emplace_back(std::move(value));
    current_.kind = Token::Kind::text;
  }

  std::string_view text_;
  const std::string& source_;
  std::deque<std::string> texts_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  Token current_{Token::Kind::end, "", 0, 1};
};

class HoaReader {
 public:
  HoaReader(std::string_view text, const std::string& source) : tokens_(text, source), source_(source) {
    for (std::size_t i = 0; i < max_propositions; ++i) {
      for (std::size_t letter = 0; letter < max_letters; ++letter) holds_[i][letter] = (letter >> i) & 1U;
    }
  }

  LanguageSource read(const std::optional<Alphabet>& given) {
    read_header();
    name_letters();
    for (const std::string& name : names_) arcs_.symbols.find_or_add(name);
    read_body();
    if (!tokens_.is(Token::Kind::end)) tokens_.fail("one automaton");
    const std::size_t states = stated_ ? *stated_ : seen_;
    if (states == 0) throw InputError(source_ + ": expected at least one state, got none");
    if (seen_ > states) {
      throw InputError(source_ + ": expected states below " + std::to_string(states) + ", got " +
                       std::to_string(seen_ - 1));
    }
    accepting_.resize(states, all_accept_);
    arcs_.labels.assign(accepting_.begin(), accepting_.end());
    if (edge_marks_) split_states();
    const Alphabet alphabet = alphabet_of(source_, arcs_, given);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  void read_header() {
    if (!tokens_.is(Token::Kind::item) || tokens_.current().text != "HOA") tokens_.fail("HOA:");
    tokens_.take();
    if (!tokens_.is(Token::Kind::word) || (tokens_.current().text != "v1" && tokens_.current().text != "v1.1")) {
      tokens_.fail("v1 or v1.1");
    }
    tokens_.take();
    bool acceptance = false;
    while (!tokens_.is(Token::Kind::section)) {
      if (!tokens_.is(Token::Kind::item)) tokens_.fail("a header item or --BODY--");
      const std::string_view item = tokens_.current().text;
      if (item == "States") {
        if (stated_) tokens_.fail("one item States");
        tokens_.take();
        stated_ = tokens_.require_number("a number of states", max_states);
      } else if (item == "Start") {
        tokens_.take();
        arcs_.starts.push_back(static_cast<State>(read_state()));
      } else if (item == "AP") {
        if (have_propositions_) tokens_.fail("one item AP");
        have_propositions_ = true;
        tokens_.take();
        propositions_ = tokens_.require_number("a number of propositions", max_propositions + 1);
        for (std::size_t i = 0; i < propositions_; ++i) {
          if (!tokens_.is(Token::Kind::text)) tokens_.fail("the name of a proposition");
          tokens_.take();
        }
      } else if (item == "Alias") {
        tokens_.take();
        if (!tokens_.is(Token::Kind::alias)) tokens_.fail("@ and the alias's name");
        const std::string name(tokens_.take().text);
        aliases_[name] = read_formula();
      } else if (item == "Acceptance") {
        if (acceptance) tokens_.fail("one item Acceptance");
        acceptance = true;
        tokens_.take();
        read_acceptance();
      } else if (item == "krohn-symbols") {
        if (!names_.empty()) tokens_.fail("one item krohn-symbols");
        tokens_.take();
        while (tokens_.is(Token::Kind::text)) names_.emplace_back(tokens_.take().text);
      } else if (item[0] >= 'A' && item[0] <= 'Z') {
        tokens_.fail("a header item of HOA version 1");
      } else {
        tokens_.take();
        while (!tokens_.is(Token::Kind::item) && !tokens_.is(Token::Kind::section)) {
          if (tokens_.is(Token::Kind::end)) tokens_.fail("--BODY--");
          tokens_.take();
        }
      }
    }
    if (tokens_.current().text != "--BODY--") tokens_.fail("--BODY--");
    if (!acceptance) tokens_.fail("an item Acceptance before --BODY--", "none");
    tokens_.take();
  }

  void read_acceptance() {
    const std::uint64_t sets = tokens_.require_number("a number of acceptance sets (0 or 1)", 2);
    const auto require_word = [&](const char* word) {
      if (!tokens_.is(Token::Kind::word) || tokens_.current().text != word) {
        tokens_.fail("the acceptance '1 Inf(0)', '0 t' or '0 f', which finite words can be given");
      }
      tokens_.take();
    };
    no_sets_ = sets == 0;
    if (no_sets_) {
      all_accept_ = !tokens_.is(Token::Kind::word) || tokens_.current().text != "f";
      return require_word(all_accept_ ? "t" : "f");
    }
    require_word("Inf");
    tokens_.require_mark('(');
    tokens_.require_number("the acceptance set 0:", 1);
    tokens_.require_mark(')');
  }

  void name_letters() {
    const std::size_t letters = std::size_t{1} << propositions_;
    if (!names_.empty()) {
      if (names_.size() > letters) {
        throw InputError(source_ + ": krohn-symbols: expected at most " + std::to_string(letters) + " names, got " +
                         std::to_string(names_.size()));
      }
      try {
        arcs_.alphabet = Alphabet(names_);
      } catch (const InputError& error) {
        throw InputError(source_ + ": krohn-symbols: " + error.what());
      }
      return;
    }
    for (std::size_t letter = 0; letter < letters; ++letter) {
      std::string name = propositions_ == 0 ? "t" : "";
      for (std::size_t i = 0; i < propositions_; ++i) name += (letter >> i) & 1U ? '1' : '0';
      names_.push_back(name);
    }
    std::vector<std::string> ascending = names_;
    std::sort(ascending.begin(), ascending.end());
    arcs_.alphabet = Alphabet(std::move(ascending));
  }

  std::uint64_t read_state() {
    const std::uint64_t state = tokens_.require_number("a state", stated_ ? *stated_ : max_states);
    if (tokens_.is_mark('&')) tokens_.fail("no alternation");
    seen_ = std::max<std::size_t>(seen_, state + 1);
    return state;
  }

  // f ::= t | f | number | alias | !f | (f) | f & f | f | f; | binds loosest.
  Letters read_formula(std::size_t depth = 0) {
    Letters result = read_conjunction(depth);
    while (tokens_.take_mark('|')) result |= read_conjunction(depth);
    return result;
  }

  Letters read_conjunction(std::size_t depth) {
    Letters result = read_atom(depth);
    while (tokens_.take_mark('&')) result &= read_atom(depth);
    return result;
  }

  Letters read_atom(std::size_t depth) {
    bool negated = false;
    while (tokens_.take_mark('!')) negated = !negated;
    Letters result;
    if (tokens_.take_mark('(')) {
      if (depth == max_formula_depth) {
        tokens_.fail("formulas nested at most " + std::to_string(max_formula_depth) + " deep", "more");
      }
      result = read_formula(depth + 1);
      tokens_.require_mark(')');
    } else if (tokens_.is(Token::Kind::word) && (tokens_.current().text == "t" || tokens_.current().text == "f")) {
      if (tokens_.take().text == "t") result.set();
    } else if (tokens_.is(Token::Kind::alias)) {
      const auto found = aliases_.find(tokens_.current().text);
      if (found == aliases_.end()) tokens_.fail("an alias defined above");
      result = found->second;
      tokens_.take();
    } else if (tokens_.is(Token::Kind::number)) {
      const std::uint64_t proposition =
          tokens_.require_number("a proposition", have_propositions_ ? propositions_ : max_propositions);
      result = holds_[proposition];
    } else {
      tokens_.fail("a formula");
    }
    return negated ? ~result : result;
  }

  std::optional<Letters> optional_formula() {
    if (!tokens_.take_mark('[')) return std::nullopt;
    const Letters letters = read_formula();
    tokens_.require_mark(']');
    return letters;
  }

  void read_body() {
    std::vector<bool> defined;
    while (tokens_.is(Token::Kind::item)) {
      if (tokens_.current().text != "State") tokens_.fail("State: or --END--");
      tokens_.take();
      const std::optional<Letters> of_state = optional_formula();
      const auto from = static_cast<State>(read_state());
      if (defined.size() <= from) defined.resize(from + std::size_t{1}, false);
      if (defined[from]) tokens_.fail("every state once", std::to_string(from) + " twice");
      defined[from] = true;
      if (tokens_.is(Token::Kind::text)) tokens_.take();
      if (accepting_.size() <= from) accepting_.resize(from + std::size_t{1}, all_accept_);
      if (tokens_.take_mark('{') && read_sets()) {
        accepting_[from] = true;
        state_marks_ = true;
      }
      read_edges(from, of_state);
    }
    if (!tokens_.is(Token::Kind::section) || tokens_.current().text != "--END--") tokens_.fail("State: or --END--");
    tokens_.take();
  }

  void read_edges(State from, const std::optional<Letters>& of_state) {
    const std::size_t letters = std::size_t{1} << propositions_;
    std::size_t place = 0;
    bool explicit_edges = false;
    while (tokens_.is_mark('[') || tokens_.is(Token::Kind::number)) {
      const std::optional<Letters> of_edge = optional_formula();
      const auto to = static_cast<State>(read_state());
      const bool marked = tokens_.take_mark('{') && read_sets();
      edge_marks_ = edge_marks_ || marked;
      if (edge_marks_ && state_marks_) tokens_.fail("acceptance sets of states, or of edges", "both");
      Letters of_arc;
      if (of_edge || of_state) {
        explicit_edges = true;
        of_arc = of_edge ? *of_edge : *of_state;
      } else {
        if (place == letters) tokens_.fail("one edge for each of " + std::to_string(letters) + " valuations", "more");
        of_arc[place++] = true;
      }
      if (explicit_edges && place > 0) tokens_.fail("formulas on all edges of a state or on none", "both");
      add_arcs(from, of_arc, to);
      if (marked) marked_.resize(arcs_.arcs.size(), true);
      marked_.resize(arcs_.arcs.size(), false);
    }
    if (place > 0 && place < letters) {
      tokens_.fail("one edge for each of " + std::to_string(letters) + " valuations", std::to_string(place));
    }
  }

  // Behind the opening brace; true if there is any set.
  bool read_sets() {
    bool any = false;
    for (; !tokens_.take_mark('}'); any = true) tokens_.require_number("an acceptance set", no_sets_ ? 0 : 1);
    return any;
  }

  // Rule 2: a state that a marked edge enters becomes two, of which the second is accepting and follows the others.
  void split_states() {
    const std::size_t states = arcs_.labels.size();
    std::vector<State> copy(states, 0);
    auto count = static_cast<State>(states);
    for (std::size_t i = 0; i < arcs_.arcs.size(); ++i) {
      NfaTransition& arc = arcs_.arcs[i];
      if (!marked_[i]) continue;
      if (copy[arc.to] == 0) copy[arc.to] = count++;
    }
    const std::size_t originals = arcs_.arcs.size();
    for (std::size_t i = 0; i < originals; ++i) {
      if (marked_[i]) arcs_.arcs[i].to = copy[arcs_.arcs[i].to];
    }
    for (std::size_t i = 0; i < originals; ++i) {
      const NfaTransition arc = arcs_.arcs[i];
      if (copy[arc.from] != 0) arcs_.arcs.push_back({copy[arc.from], arc.symbol, arc.to});
    }
    arcs_.labels.resize(count, 1);
    arcs_.notes.push_back(source_ +
                          ": edges have acceptance sets: a word is accepted if its last edge is in set 0, and " +
                          "the empty word is not");
  }

  void add_arcs(State from, const Letters& letters, State to) {
    const std::size_t named = names_.size();
    const std::size_t all = std::size_t{1} << propositions_;
    bool any = false;
    for (std::size_t letter = 0; letter < named; ++letter) {
      if (!letters[letter]) continue;
      any = true;
      if (arcs_.arcs.size() == max_arcs) {
        throw ResourceError(source_ + ": expected at most " + std::to_string(max_arcs) +
                            " edges of one letter, got more");
      }
      arcs_.arcs.push_back({from, static_cast<Symbol>(letter), to});
    }
    for (std::size_t letter = named; letter < all && !any; ++letter) {
      if (letters[letter]) tokens_.fail("edges under letters that krohn-symbols names", "one under another letter");
    }
  }

  Tokens tokens_;
  const std::string& source_;
  std::optional<std::size_t> stated_;  // number of states
  std::size_t seen_ = 0;               // one more than the largest state seen
  bool have_propositions_ = false;
  std::size_t propositions_ = 0;
  bool no_sets_ = false;
  bool all_accept_ = false;
  bool state_marks_ = false;
  bool edge_marks_ = false;
  std::vector<bool> marked_;                     // of the arcs
  std::array<Letters, max_propositions> holds_;  // the valuations in which a proposition is true
  std::map<std::string, Letters, std::less<>> aliases_;
  std::vector<std::string> names_;  // of the letters
  std::vector<bool> accepting_;
  NamedArcs arcs_;
};

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

}  // namespace

LanguageSource parse_format_hoa(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet) {
  return HoaReader(without_byte_order_mark(text), source).read(alphabet);
}

LanguageSource read_format_hoa(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_hoa(read_file(path), path.string(), alphabet);
}

std::string format_hoa(const Dfa& dfa) {
  std::vector<std::string> problems;
  if (!dfa.is_acceptor()) {
    problems.emplace_back(".hoa: expected the labels 0 and 1 at every state, got an automaton with other labels");
  }
  if (dfa.num_symbols() > max_letters) {
    problems.push_back(".hoa: expected at most " + std::to_string(max_letters) + " symbols, got " +
                       std::to_string(dfa.num_symbols()));
  }
  if (dfa.num_states() >= max_states) {
    problems.push_back(".hoa: expected fewer than " + std::to_string(max_states) + " states, got " +
                       std::to_string(dfa.num_states()));
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  std::size_t propositions = 0;
  while ((std::size_t{1} << propositions) < dfa.num_symbols()) ++propositions;
  std::string text = "HOA: v1\ntool: \"krohn\"\nStates: " + std::to_string(dfa.num_states()) +
                     "\nStart: " + std::to_string(dfa.start()) + "\nAP: " + std::to_string(propositions);
  for (std::size_t i = 0; i < propositions; ++i) text += " \"b" + std::to_string(i) + "\"";
  text += "\nacc-name: Buchi\nAcceptance: 1 Inf(0)\nproperties: trans-labels explicit-labels state-acc deterministic";
  if ((std::size_t{1} << propositions) == dfa.num_symbols()) text += " complete";
  text += "\nkrohn-symbols:";
  for (const std::string& name : dfa.alphabet().names()) text += ' ' + quoted(name);
  text += "\n--BODY--\n";
  std::vector<std::string> formulas;
  for (std::size_t letter = 0; letter < dfa.num_symbols(); ++letter) {
    std::string formula = propositions == 0 ? "t" : "";
    for (std::size_t i = 0; i < propositions; ++i) {
      formula += std::string(i > 0 ? "&" : "") + ((letter >> i) & 1U ? "" : "!") + std::to_string(i);
    }
    formulas.push_back(std::move(formula));
  }
  for (State q = 0; q < dfa.num_states(); ++q) {
    text += "State: " + std::to_string(q) + (dfa.accepts_at(q) ? " {0}\n" : "\n");
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      text += '[' + formulas[a] + "] " + std::to_string(dfa.next(q, a)) + '\n';
    }
  }
  return text + "--END--\n";
}

}  // namespace krohn
