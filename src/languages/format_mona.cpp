// Reading automata that MONA prints and exports by the rules of the header: lines by how they begin, then the
// transitions as cubes, or as decision diagrams that every letter walks through. Linear, but for the letters.
// Tested by tests/languages/read_only_formats_test.cpp.
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

constexpr std::string_view export_line = "MONA DFA";

std::string first_letter_note(const std::string& source) {
  return source + ": in automata of WS1S, MONA's default, the first letter is the values of the Boolean variables";
}

// Rules 1 to 3.
class PrintedReader {
 public:
  explicit PrintedReader(const std::string& source) : source_(source), problems_(source) {}

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
    arcs_.notes.push_back(first_letter_note(source_));
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

// Rules 6 and 7.
class ExportReader {
 public:
  ExportReader(std::string_view text, const std::string& source) : rest_(text), source_(source), problems_(source) {}

  LanguageSource read(const std::optional<Alphabet>& given) {
    read_header();
    problems_.raise_if_any();
    read_states();
    read_nodes();
    problems_.raise_if_any();
    check_order();
    problems_.raise_if_any();
    add_arcs();
    const Alphabet alphabet = alphabet_of(source_, arcs_, given);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  // A decision by a variable, or a leaf whose `low` is a state.
  struct Node {
    std::uint32_t variable;
    std::uint32_t low;
    std::uint32_t high;
    std::size_t line;
  };
  static constexpr std::uint32_t leaf = UINT32_MAX;

  std::string_view next_line() {
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = trimmed(rest_.substr(0, end));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++line_;
    return line;
  }

  // What follows the key on the next line.
  std::vector<std::string_view> values(std::string_view key, std::optional<std::size_t> count) {
    const std::string_view line = next_line();
    if (!line.starts_with(key)) {
      problems_.add(line_, "'" + std::string(key) + "'", line.empty() ? "no such line" : shown(line));
      problems_.raise_if_any();
    }
    std::vector<std::string_view> words = words_of(line.substr(key.size()));
    if (count && words.size() != *count) {
      problems_.add(line_, std::to_string(*count) + " after '" + std::string(key) + "'", std::to_string(words.size()));
      problems_.raise_if_any();
    }
    return words;
  }

  std::uint32_t number(std::string_view text, const char* what, std::uint64_t below) {
    const std::optional<std::uint64_t> value = decimal_number(text);
    if (value && *value < below) return static_cast<std::uint32_t>(*value);
    problems_.add(line_, std::string(what) + " below " + std::to_string(below), shown(text));
    return 0;
  }

  void read_header() {
    next_line();
    const std::uint32_t count = number(values("number of variables:", 1)[0], "a number", max_states);
    for (const std::string_view name : values("variables:", count)) {
      if (!bits_.find_or_add(name).added) problems_.add(line_, "different variables", shown(name) + " twice");
    }
    for (const std::string_view order : values("orders:", count)) number(order, "an order", 3);
    num_states_ = number(values("states:", 1)[0], "a number", max_states);
    if (num_states_ == 0) problems_.add(line_, "at least one state", "none");
    problems_.raise_if_any();
    arcs_.starts = {number(values("initial:", 1)[0], "a state", num_states_)};
    num_nodes_ = number(values("bdd nodes:", 1)[0], "a number", std::uint64_t{1} << 31U);
  }

  void read_states() {
    for (const std::string_view value : values("final:", num_states_)) {
      const bool good = value == "1" || value == "-1" || value == "0";
      if (!good) problems_.add(line_, "1 (accepting), -1 (rejecting) or 0 (don't care)", shown(value));
      arcs_.labels.push_back(value == "1" ? 1 : value == "0" ? null_label : 0);
    }
    for (const std::string_view value : values("behaviour:", num_states_)) {
      behaviour_.push_back(number(value, "a node", num_nodes_));
    }
  }

  void read_nodes() {
    values("bdd:", 0);
    while (!rest_.empty() && problems_.empty()) {
      const std::string_view line = next_line();
      if (line == "end") break;
      const std::vector<std::string_view> words = words_of(line);
      if (words.size() != 3) {
        problems_.add(line_, "a variable and two nodes, '-1', a state and 0, or 'end'", shown(line));
      } else if (words[0] == "-1") {
        nodes_.push_back({leaf, number(words[1], "a state", num_states_), 0, line_});
      } else {
        nodes_.push_back({number(words[0], "a variable", bits_.size()), number(words[1], "a node", num_nodes_),
                          number(words[2], "a node", num_nodes_), line_});
      }
    }
    if (problems_.empty() && nodes_.size() != num_nodes_) {
      problems_.add(line_, std::to_string(num_nodes_) + " nodes before 'end'", std::to_string(nodes_.size()));
    }
    while (!rest_.empty() && problems_.empty()) {
      if (const std::string_view line = next_line(); !line.empty())
        problems_.add(line_, "nothing after 'end'", shown(line));
    }
  }

  // So no walk is longer than there are variables.
  void check_order() {
    for (const Node& node : nodes_) {
      if (node.variable == leaf) continue;
      for (const std::uint32_t child : {node.low, node.high}) {
        if (nodes_[child].variable <= node.variable) {
          problems_.add(node.line, "nodes that test later variables than " + std::to_string(node.variable),
                        "node " + std::to_string(child) + ", which tests " + std::to_string(nodes_[child].variable));
        }
      }
    }
  }

  void add_arcs() {
    const std::size_t bits = bits_.size();
    if (bits > 12 || (num_states_ << bits) > max_arcs) {
      throw ResourceError(source_ + ": expected at most 12 variables and " + std::to_string(max_arcs) +
                          " transitions, got " + std::to_string(bits) + " variables and " +
                          std::to_string(num_states_) + " states");
    }
    static_assert(std::size_t{1} << 12U == max_valuation_letters);
    std::vector<std::string> names;
    for (std::uint32_t letter = 0; letter < (std::uint32_t{1} << bits); ++letter) {
      std::string name(std::max<std::size_t>(1, bits), 't');
      for (std::size_t bit = 0; bit < bits; ++bit) name[bit] = (letter >> (bits - 1 - bit) & 1U) != 0 ? '1' : '0';
      arcs_.symbols.find_or_add(name);
      names.push_back(std::move(name));
    }
    arcs_.arcs.reserve(num_states_ << bits);
    for (State q = 0; q < num_states_; ++q) {
      for (std::uint32_t letter = 0; letter < names.size(); ++letter) {
        const Node* node = &nodes_[behaviour_[q]];
        while (node->variable != leaf) {
          node = &nodes_[(letter >> (bits - 1 - node->variable) & 1U) != 0 ? node->high : node->low];
        }
        arcs_.arcs.push_back({q, letter, node->low});
      }
    }
    std::string listed;
    for (std::uint32_t bit = 0; bit < bits; ++bit) listed += (bit == 0 ? "" : " ") + std::string(bits_[bit]);
    arcs_.notes.push_back(first_letter_note(source_));
    arcs_.notes.push_back(source_ + ": letters are valuations of the bits " + shown(listed, 200) + " in this order");
    arcs_.alphabet = Alphabet(std::move(names));
  }

  static constexpr std::size_t max_arcs = std::size_t{1} << 26U;

  std::string_view rest_;
  const std::string& source_;
  ProblemList problems_;
  std::size_t line_ = 0;
  NameTable bits_;
  std::size_t num_states_ = 0;
  std::size_t num_nodes_ = 0;
  std::vector<std::uint32_t> behaviour_;
  std::vector<Node> nodes_;
  NamedArcs arcs_;
};

}  // namespace

LanguageSource parse_format_mona(std::string_view text, const std::string& source,
                                 const std::optional<Alphabet>& alphabet) {
  text = without_byte_order_mark(text);
  const std::string_view first = trimmed(text.substr(0, text.find('\n')));
  if (first == export_line) return ExportReader(text, source).read(alphabet);
  if (first.starts_with("MONA ")) {
    throw InputError(source + ":1: expected '" + std::string(export_line) + "', got " + shown(first) +
                     (first == "MONA GTA" ? ", a tree automaton" : ""));
  }
  return PrintedReader(source).read(text, alphabet);
}

LanguageSource read_format_mona(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_mona(read_file(path), path.string(), alphabet);
}

}  // namespace krohn
