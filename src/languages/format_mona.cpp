// Reading automata that MONA prints by the rules of the header: lines by how they begin, then the transitions as cubes.
// Linear, but for the expansion of the cubes.
#include "krohn/languages/format_mona.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"
#include "named_arcs.hpp"
#include "text_lines.hpp"
#include "valuation_letters.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t max_states = 10'000'000;
constexpr std::string_view first_line = "DFA for formula with free variables:";

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = text.find_first_not_of(" \t"); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(" \t", end);
  }
  return words;
}

class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source), problems_(source) {}

  LanguageSource read(std::string_view text, const std::optional<Alphabet>& given) {
    for_each_line(text, [&](std::string_view line, std::size_t number) { read_line(trimmed(line), number); });
    if (!opened_) problems_.add("", "a line '" + std::string(first_line) + "'", "none (formulas are not read)");
    problems_.raise_if_any();
    if (!start_) problems_.add("", "a line 'Initial state:'", "none");
    for (const ValuationArc& arc : transitions_) {
      for (const State q : {arc.from, arc.to}) {
        if (label(q) == unlisted) problems_.add(arc.line, "a state of one of the lists", std::to_string(q));
      }
    }
    if (start_ && label(*start_) == unlisted) {
      problems_.add("", "an initial state of one of the lists", std::to_string(*start_));
    }
    for (std::size_t q = 0; q < labels_.size(); ++q) {
      if (labels_[q] == unlisted)
        problems_.add("", "the states 0, 1, .. in the lists", "none for " + std::to_string(q));
    }
    problems_.raise_if_any();
    arcs_.starts = {*start_};
    arcs_.labels = labels_;
    arcs_.notes.push_back(source_ + ": in automata of WS1S, MONA's default, the first letter is the values of the " +
                          "Boolean variables");
    std::vector<std::uint32_t> order(bits_.size());
    for (std::uint32_t bit = 0; bit < order.size(); ++bit) order[bit] = bit;
    add_valuation_arcs(source_, bits_, order, std::move(transitions_), arcs_);
    const Alphabet alphabet = alphabet_of(source_, arcs_, given);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  static constexpr LabelId unlisted = -2;

  LabelId label(State q) const { return q < labels_.size() ? labels_[q] : unlisted; }

  void read_line(std::string_view line, std::size_t number) {
    if (line.starts_with(first_line)) {
      if (opened_) problems_.add(number, "one automaton", "a second one");
      opened_ = true;
      for (const std::string_view name : words_of(line.substr(first_line.size()))) {
        if (!bits_.find_or_add(name).added) problems_.add(number, "different variables", shown(name) + " twice");
      }
      return;
    }
    if (!opened_) return;
    constexpr std::pair<std::string_view, LabelId> lists[] = {
        {"Accepting states:", 1}, {"Rejecting states:", 0}, {"Don't-care states:", null_label}};
    for (const auto& [key, value] : lists) {
      if (line.starts_with(key)) return read_list(line.substr(key.size()), value, number);
    }
    constexpr std::string_view initial = "Initial state:";
    if (line.starts_with(initial)) {
      const std::optional<State> q = state(trimmed(line.substr(initial.size())), number);
      if (q) start_ = *q;
    } else if (line.starts_with("State ")) {
      read_transition(line, number);
    } else if (!line.empty() && !line.starts_with("Automaton has") && line != "Transitions:" && !transitions_begun_) {
      problems_.add(number, "a list of states, or 'State ..: .. -> state ..'", shown(line));
    }
  }

  std::optional<State> state(std::string_view text, std::size_t number) {
    const std::optional<std::uint64_t> value = decimal_number(text);
    if (value && *value < max_states) return static_cast<State>(*value);
    problems_.add(number, "a state below " + std::to_string(max_states), shown(text));
    return std::nullopt;
  }

  void read_list(std::string_view text, LabelId value, std::size_t number) {
    for (const std::string_view word : words_of(text)) {
      const std::optional<State> q = state(word, number);
      if (!q) continue;
      if (labels_.size() <= *q) labels_.resize(*q + std::size_t{1}, unlisted);
      if (labels_[*q] != unlisted) problems_.add(number, "every state once", std::to_string(*q) + " twice");
      labels_[*q] = value;
    }
  }

  void read_transition(std::string_view line, std::size_t number) {
    transitions_begun_ = true;
    using Kind = FormulaToken::Kind;
    constexpr std::string_view before = "State ";
    constexpr std::string_view middle = "-> state ";
    const std::size_t colon = line.find(':');
    const std::size_t arrow = line.rfind(middle);
    if (colon == std::string_view::npos || arrow == std::string_view::npos || arrow < colon) {
      return problems_.add(number, "'State ..: .. -> state ..'", shown(line));
    }
    const std::optional<State> from = state(trimmed(line.substr(before.size(), colon - before.size())), number);
    const std::optional<State> to = state(trimmed(line.substr(arrow + middle.size())), number);
    const std::string_view cube = trimmed(line.substr(colon + 1, arrow - colon - 1));
    if (cube.size() != bits_.size() || cube.find_first_not_of("01X") != std::string_view::npos) {
      return problems_.add(number, "0, 1 or X for each of " + std::to_string(bits_.size()) + " variables", shown(cube));
    }
    if (!from || !to) return;
    Formula formula{{Kind::truth}};
    for (std::uint32_t bit = 0; bit < cube.size(); ++bit) {
      if (cube[bit] == 'X') continue;
      formula.push_back({Kind::atom, bit});
      if (cube[bit] == '0') formula.push_back({Kind::negation});
      formula.push_back({Kind::conjunction});
    }
    transitions_.push_back({*from, *to, std::move(formula), number});
  }

  const std::string& source_;
  ProblemList problems_;
  bool opened_ = false;
  bool transitions_begun_ = false;
  NameTable bits_;
  std::optional<State> start_;
  std::vector<LabelId> labels_;
  std::vector<ValuationArc> transitions_;
  NamedArcs arcs_;
};

}  // namespace

LanguageSource parse_format_mona(std::string_view text, const std::string& source,
                                 const std::optional<Alphabet>& alphabet) {
  return Reader(source).read(without_byte_order_mark(text), alphabet);
}

LanguageSource read_format_mona(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_mona(read_file(path), path.string(), alphabet);
}

}  // namespace krohn
