// Reading .aut by the rules of the header, line by line. Linear. Tested by tests/languages/read_only_formats_test.cpp.
#include "krohn/languages/format_aut.hpp"

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

constexpr std::uint64_t max_states = 100'000'000;

class Reader {
 public:
  Reader(const std::string& source, const std::optional<Alphabet>& given)
      : source_(source), given_(given), problems_(source), check_(given) {}

  LanguageSource read(std::string_view text) {
    for_each_line(text, [&](std::string_view line, std::size_t number) {
      line = trimmed(line);
      if (line.empty()) return;
      if (!header_) return read_header(line, number);
      read_transition(line, number);
    });
    if (!header_) problems_.add("", "des (initial state, number of transitions, number of states)", "an empty file");
    problems_.raise_if_any();
    if (arcs_.arcs.size() != transitions_) {
      problems_.add("", std::to_string(transitions_) + " transitions, as the first line says",
                    std::to_string(arcs_.arcs.size()));
      problems_.raise_if_any();
    }
    arcs_.labels.assign(states_, 1);
    arcs_.notes.push_back(source_ + ": every state is accepting: the language is that of all traces");
    if (hidden_) arcs_.notes.push_back(source_ + ": the hidden labels i and tau read nothing");
    const Alphabet alphabet = alphabet_of(source_, arcs_, given_);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  // The text between the outermost brackets.
  static std::optional<std::string_view> inside(std::string_view text) {
    if (text.size() < 2 || text.front() != '(' || text.back() != ')') return std::nullopt;
    return text.substr(1, text.size() - 2);
  }

  void read_header(std::string_view line, std::size_t number) {
    header_ = true;
    std::optional<std::string_view> numbers;
    if (line.starts_with("des")) numbers = inside(trimmed(line.substr(3)));
    std::vector<std::optional<std::uint64_t>> values;
    for (std::size_t at = 0; numbers && at <= numbers->size();) {
      const std::size_t comma = std::min(numbers->find(',', at), numbers->size());
      values.push_back(decimal_number(trimmed(numbers->substr(at, comma - at))));
      at = comma + 1;
    }
    if (values.size() != 3 || !values[0] || !values[1] || !values[2]) {
      problems_.add(number, "des (initial state, number of transitions, number of states)", shown(line));
      problems_.raise_if_any();
    }
    if (*values[2] == 0 || *values[2] > max_states || *values[0] >= *values[2]) {
      problems_.add(number, "from 1 to " + std::to_string(max_states) + " states, the initial one among them",
                    shown(line));
      problems_.raise_if_any();
    }
    arcs_.starts = {static_cast<State>(*values[0])};
    transitions_ = *values[1];
    states_ = *values[2];
  }

  void read_transition(std::string_view line, std::size_t number) {
    const std::optional<std::string_view> text = inside(line);
    const std::size_t first = text ? text->find(',') : std::string_view::npos;
    const std::size_t last = text ? text->rfind(',') : std::string_view::npos;
    if (first == last) return problems_.add(number, "(state, label, state)", shown(line));
    const std::optional<std::uint64_t> from = state(text->substr(0, first), number);
    std::string_view label = trimmed(text->substr(first + 1, last - first - 1));
    const std::optional<std::uint64_t> to = state(text->substr(last + 1), number);
    const bool quoted = label.size() >= 2 && label.front() == '"' && label.back() == '"';
    if (quoted) label = label.substr(1, label.size() - 2);
    if (label.find('"') != std::string_view::npos || (!quoted && label.find(',') != std::string_view::npos)) {
      return problems_.add(number, "a label in quotation marks, or one without commas and quotation marks",
                           shown(label));
    }
    if (!from || !to) return;
    if ((label == "i" || label == "tau") && !(given_ && given_->find(label))) {
      hidden_ = true;
      return arcs_.add_silent_arc(static_cast<State>(*from), static_cast<State>(*to));
    }
    if (!check_.is_good(label)) return problems_.add(number, check_.expected(), shown(label));
    arcs_.add_arc(static_cast<State>(*from), label, static_cast<State>(*to));
  }

  std::optional<std::uint64_t> state(std::string_view text, std::size_t number) {
    const std::optional<std::uint64_t> value = decimal_number(trimmed(text));
    if (value && *value < states_) return value;
    problems_.add(number, "a state below " + std::to_string(states_), shown(trimmed(text)));
    return std::nullopt;
  }

  const std::string& source_;
  const std::optional<Alphabet>& given_;
  ProblemList problems_;
  SymbolCheck check_;
  bool header_ = false;
  bool hidden_ = false;
  std::uint64_t transitions_ = 0;
  std::uint64_t states_ = 0;
  NamedArcs arcs_;
};

}  // namespace

LanguageSource parse_format_aut(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet) {
  return Reader(source, alphabet).read(without_byte_order_mark(text));
}

LanguageSource read_format_aut(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_aut(read_file(path), path.string(), alphabet);
}

}  // namespace krohn
