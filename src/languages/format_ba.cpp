// Reading .ba by the rules of the header, line by line. Linear. Tested by tests/languages/read_only_formats_test.cpp.
#include "krohn/languages/format_ba.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"
#include "named_arcs.hpp"
#include "symbol_check.hpp"
#include "text_lines.hpp"

namespace krohn {
namespace {

class Reader {
 public:
  Reader(const std::string& source, const std::optional<Alphabet>& given)
      : source_(source), given_(given), problems_(source), check_(given) {}

  LanguageSource read(std::string_view text) {
    for_each_line(text, [&](std::string_view line, std::size_t number) { read_line(trimmed(line), number); });
    if (states_.size() == 0) problems_.add("", "at least one state", "none");
    problems_.raise_if_any();
    arcs_.notes.push_back(source_ + ": read over finite words: accepted are those with a run that ends in an " +
                          "accepting state");
    if (finals_.empty()) arcs_.notes.push_back(source_ + ": no state is marked as accepting: all are");
    arcs_.labels.assign(states_.size(), finals_.empty() ? 1 : 0);
    for (const State q : finals_) arcs_.labels[q] = 1;
    const Alphabet alphabet = alphabet_of(source_, arcs_, given_);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  void read_line(std::string_view line, std::size_t number) {
    if (line.empty()) return;
    const std::size_t arrow = line.rfind("->");
    if (arrow == std::string_view::npos) {
      const bool initial = !transitions_ && !initial_;
      const std::optional<State> q = state(line, number);
      if (!q) return;
      if (initial) {
        initial_ = true;
        arcs_.starts = {*q};
      } else if (!transitions_) {
        problems_.add(number, "one initial state before the transitions", "a second one, " + shown(line));
      } else {
        finals_.push_back(*q);
      }
      return;
    }
    transitions_ = true;
    if (!finals_.empty()) return problems_.add(number, "accepting states behind the transitions", shown(line));
    // The symbol ends at the comma before the source's bracket, else at the last comma.
    const std::string_view head = line.substr(0, arrow);
    const std::size_t bracket = head.rfind(",[");
    const std::size_t comma = bracket == std::string_view::npos ? head.rfind(',') : bracket;
    if (comma == std::string_view::npos) return problems_.add(number, "symbol,state->state", shown(line));
    const std::string_view symbol = trimmed(head.substr(0, comma));
    const std::optional<State> from = state(head.substr(comma + 1), number);
    const std::optional<State> to = state(line.substr(arrow + 2), number);
    if (!from || !to) return;
    if (!check_.is_good(symbol)) return problems_.add(number, check_.expected(), shown(symbol));
    if (arcs_.starts.empty()) arcs_.starts = {*from};
    arcs_.add_arc(*from, symbol, *to);
  }

  std::optional<State> state(std::string_view text, std::size_t number) {
    text = trimmed(text);
    const bool brackets = text.size() > 2 && text.front() == '[' && text.back() == ']';
    const std::string_view name = brackets ? text.substr(1, text.size() - 2) : text;
    if (name.empty() || name.find_first_of("[],") != std::string_view::npos) {
      problems_.add(number, "a state, with or without brackets around it", shown(text));
      return std::nullopt;
    }
    return states_.find_or_add(name).index;
  }

  const std::string& source_;
  const std::optional<Alphabet>& given_;
  ProblemList problems_;
  SymbolCheck check_;
  NameTable states_;
  bool initial_ = false;
  bool transitions_ = false;  // lines of them, also such with a problem
  std::vector<State> finals_;
  NamedArcs arcs_;
};

}  // namespace

LanguageSource parse_format_ba(std::string_view text, const std::string& source,
                               const std::optional<Alphabet>& alphabet) {
  return Reader(source, alphabet).read(without_byte_order_mark(text));
}

LanguageSource read_format_ba(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_ba(read_file(path), path.string(), alphabet);
}

}  // namespace krohn
