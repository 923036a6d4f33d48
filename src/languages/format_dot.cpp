// Drawing automata through Boost.Graph, and reading drawings by the rules of the header: the graph is parsed whole
// (dot_graph.hpp), then read as krohn's own or as another tool's. Linear, but for the sorting of the symbols.
#include "krohn/languages/format_dot.hpp"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/graphviz.hpp>
#include <charconv>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "dot_graph.hpp"
#include "krohn/error.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"
#include "named_arcs.hpp"
#include "sink.hpp"
#include "state_labels.hpp"
#include "symbol_check.hpp"
#include "text_lines.hpp"
#include "valuation_letters.hpp"

namespace krohn {
namespace {

constexpr std::string_view format_name = "krohn-automaton-v1";

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

struct Drawn {
  std::string label;
};
using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, boost::no_property, Drawn>;

// A text of krohn's own: a backslash stands before what it is.
std::string plain(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    result += text[i];
  }
  return result;
}

// A drawn label: line breaks, the node's name, and the entities of HTML resolved.
std::string drawn(std::string_view text, std::string_view node_name) {
  static constexpr std::pair<std::string_view, std::string_view> entities[] = {{"&amp;", "&"},
                                                                               {"&lt;", "<"},
                                                                               {"&gt;", ">"},
                                                                               {"&quot;", "\""},
                                                                               {"&epsilon;", "\xCE\xB5"},
                                                                               {"&#949;", "\xCE\xB5"},
                                                                               {"&lambda;", "\xCE\xBB"},
                                                                               {"&#955;", "\xCE\xBB"}};
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      const char c = text[++i];
      if (c == 'n' || c == 'l' || c == 'r') {
        result += '\n';
      } else if (c == 'N') {
        result += node_name;
      } else {
        result += c;
      }
      continue;
    }
    if (text[i] == '&') {
      const auto* entity = std::find_if(std::begin(entities), std::end(entities),
                                        [&](const auto& e) { return text.substr(i).starts_with(e.first); });
      if (entity != std::end(entities)) {
        result += entity->second;
        i += entity->first.size() - 1;
        continue;
      }
    }
    result += text[i];
  }
  return result;
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    names.push_back(text.substr(at, end - at));
    if (end == text.size()) return names;
    at = end + 1;
  }
}

std::optional<std::uint32_t> state_number(std::string_view text) {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end || text.empty() || (text[0] == '0' && text.size() > 1))
    return std::nullopt;
  return value;
}

// Rule 2.
class OwnReader {
 public:
  OwnReader(const DotGraph& graph, const std::string& source) : graph_(graph), source_(source), problems_(source) {}

  LanguageSource read() {
    read_header();
    problems_.raise_if_any();
    read_states();
    problems_.raise_if_any();
    const std::size_t k = alphabet_->size();
    std::vector<State> delta(labels_.size() * k, missing_state);
    const std::optional<std::uint32_t> mark = graph_.names.find("start");
    for (const DotEdge& edge : graph_.edges) {
      if (edge.from == mark) continue;
      if (edge.to == mark) {
        problem(edge.line, "an edge between states", "one to the node start");
        continue;
      }
      if (graph_.label(edge) == nullptr) {
        problem(edge.line, "an edge with a label", "none");
        continue;
      }
      const bool escapes = graph_.label(edge)->text.find('\\') != std::string_view::npos;
      const std::string unescaped = escapes ? plain(graph_.label(edge)->text) : std::string();
      std::string_view rest = escapes ? unescaped : graph_.label(edge)->text;
      for (bool more = true; more;) {
        const std::size_t end = rest.find(' ');
        more = end != std::string_view::npos;
        const std::string_view name = rest.substr(0, end);
        if (more) rest.remove_prefix(end + 1);
        const std::optional<Symbol> symbol = alphabet_->find(name);
        if (!symbol) {
          problem(edge.line, "symbols of the alphabet", shown(name));
          continue;
        }
        State& next = delta[number_[edge.from] * k + *symbol];
        if (next != missing_state) problem(edge.line, "one edge a state and symbol", "a second one for " + shown(name));
        next = number_[edge.to];
      }
    }
    const auto missing = std::find(delta.begin(), delta.end(), missing_state);
    if (problems_.empty() && missing != delta.end()) {
      const auto place = static_cast<std::size_t>(missing - delta.begin());
      problems_.add(
          "", "an edge for every state and symbol",
          "none for " + std::to_string(place / k) + " and " + shown(alphabet_->name(static_cast<Symbol>(place % k))));
    }
    problems_.raise_if_any();
    return complete_with_sink(source_, *alphabet_, start_, std::move(delta), std::move(labels_),
                              std::move(label_names_));
  }

 private:
  void problem(std::size_t line, const std::string& expected, const std::string& got) {
    problems_.add(line, expected, got);
  }

  const DotText* attribute(std::string_view name) const {
    const auto found = graph_.attributes.find(name);
    return found == graph_.attributes.end() ? nullptr : &found->second;
  }

  void read_header() {
    const DotText& format = *attribute("krohn");
    if (plain(format.text) != format_name) {
      return problem(format.line, "krohn=" + quoted(format_name), shown(format.text));
    }
    const DotText* alphabet = attribute("alphabet");
    const DotText* start = attribute("start");
    if (alphabet == nullptr) return problem(format.line, "the graph's attribute alphabet", "none");
    try {
      alphabet_ = Alphabet(split_names(plain(alphabet->text)));
    } catch (const InputError& error) {
      return problem(alphabet->line, "an alphabet", error.problems().front());
    }
    const std::optional<std::uint32_t> number = start == nullptr ? std::nullopt : state_number(start->text);
    if (!number)
      return problem(format.line, "the graph's attribute start, a state",
                     start == nullptr ? "none" : shown(start->text));
    start_ = *number;
    while (const DotText* output = attribute("output" + std::to_string(label_names_.size()))) {
      label_names_.push_back(plain(output->text));
    }
    if (label_names_.empty() && attribute("outputs") == nullptr) label_names_ = {"0", "1"};
  }

  void read_states() {
    std::map<std::string, LabelId> label_of;
    for (std::size_t i = 0; i < label_names_.size(); ++i) {
      label_of.emplace(label_names_[i], static_cast<LabelId>(i));
    }
    const std::size_t count = graph_.nodes.size() - (graph_.names.find("start") ? 1 : 0);
    labels_.assign(count, null_label);
    number_.assign(graph_.nodes.size(), missing_state);
    for (std::uint32_t v = 0; v < graph_.nodes.size(); ++v) {
      const std::string_view name = graph_.names[v];
      if (name == "start") continue;
      const std::optional<std::uint32_t> state = state_number(name);
      if (!state || *state >= count) {
        problems_.add("", "the states 0 to " + std::to_string(count - 1) + " and the node start", shown(name));
        continue;
      }
      number_[v] = *state;
      const std::optional<DotText>& style = graph_.nodes[v].style;
      if (!graph_.nodes[v].output) {
        if (!style || style->text != "dashed") {
          problems_.add("", "a state with an output, or dashed", shown(name) + " with neither");
        }
        continue;
      }
      const DotText& output = *graph_.nodes[v].output;
      const auto found = label_of.find(plain(output.text));
      if (found == label_of.end()) {
        problem(output.line, "a label of the graph's attributes", shown(output.text));
      } else {
        labels_[*state] = found->second;
      }
    }
    if (start_ >= count) problems_.add("", "a start below " + std::to_string(count), std::to_string(start_));
  }

  const DotGraph& graph_;
  const std::string& source_;
  ProblemList problems_;
  std::optional<Alphabet> alphabet_;
  State start_ = 0;
  std::vector<std::string> label_names_;
  std::vector<LabelId> labels_;
  std::vector<State> number_;  // of the nodes
};

// Rules 3 to 8.
class DrawingReader {
 public:
  DrawingReader(const DotGraph& graph, const std::string& source, const std::optional<Alphabet>& given)
      : graph_(graph), source_(source), given_(given), problems_(source) {}

  LanguageSource read() {
    find_markers();
    const bool mona = graph_.name == "MONA_DFA";
    for (const DotEdge& edge : graph_.edges) {
      if (marker_[edge.from]) {
        arcs_.starts.push_back(number_[edge.to]);
      } else if (graph_.label(edge) == nullptr) {
        problem(edge.line, "an edge with a label (epsilon is written as U+03B5)", "none");
      } else if (graph_.label(edge)->html) {
        problem(edge.line, "a label without HTML", shown(graph_.label(edge)->text));
      }
    }
    std::sort(arcs_.starts.begin(), arcs_.starts.end());
    arcs_.starts.erase(std::unique(arcs_.starts.begin(), arcs_.starts.end()), arcs_.starts.end());
    if (arcs_.starts.empty()) {
      problems_.add("", "an arrow without a label to the initial state, from a node of the shape none or point",
                    "none");
    }
    check_strict();
    problems_.raise_if_any();
    read_labels();
    if (mona) {
      read_valuations();
    } else {
      read_symbols();
    }
    problems_.raise_if_any();
    arcs_.notes.insert(arcs_.notes.begin(), notes_.begin(), notes_.end());
    const Alphabet alphabet = alphabet_of(source_, arcs_, given_);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  void problem(std::size_t line, const std::string& expected, const std::string& got) {
    problems_.add(line, expected, got);
  }

  static std::string lower(const std::optional<DotText>& text) {
    std::string result(text ? text->text : std::string_view());
    for (char& c : result) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    return result;
  }

  // Rule 3: which nodes are no states, and the numbers of those that are.
  void find_markers() {
    const std::size_t n = graph_.nodes.size();
    std::vector<bool> entered(n, false);
    std::vector<bool> leaves(n, false);
    std::vector<bool> labelled(n, false);
    std::vector<bool> blank;  // of the labels
    for (const DotText& label : graph_.labels) blank.push_back(trimmed(label.text).empty());
    for (const DotEdge& edge : graph_.edges) {
      entered[edge.to] = true;
      leaves[edge.from] = true;
      if (edge.label != DotEdge::no_label && !blank[edge.label]) labelled[edge.from] = true;
    }
    marker_.assign(n, false);
    number_.assign(n, missing_state);
    bool any = false;
    for (std::uint32_t v = 0; v < n; ++v) {
      const std::string shape = lower(graph_.nodes[v].shape);
      const bool hidden = shape == "none" || shape == "point" || shape == "plaintext" || shape == "plain" ||
                          lower(graph_.nodes[v].style).find("invis") != std::string::npos ||
                          graph_.names[v].starts_with("__start");
      if (!hidden || entered[v] || labelled[v]) continue;
      marker_[v] = true;
      any = any || leaves[v];
      if (!leaves[v]) {
        notes_.push_back(source_ + ": the node " + shown(graph_.names[v]) +
                         " has no edges and no outline: it is no state");
      }
    }
    for (std::uint32_t v = 0; v < n && !any; ++v) {
      if (entered[v] || labelled[v] || !leaves[v]) continue;
      marker_[v] = true;
      notes_.push_back(source_ + ": the node " + shown(graph_.names[v]) +
                       " is no state: its arrows, which have no label, lead to the initial ones");
    }
    State count = 0;
    for (std::uint32_t v = 0; v < n; ++v) {
      if (!marker_[v]) number_[v] = count++;
    }
    for (const DotEdge& edge : graph_.edges) {
      if (marker_[edge.from] && marker_[edge.to]) problem(edge.line, "an arrow to a state", "one to another mark");
    }
    if (count == 0) problems_.add("", "at least one state", "none");
  }

  void check_strict() {
    if (!graph_.strict) return;
    std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
    for (const DotEdge& edge : graph_.edges) {
      if (!seen.insert({edge.from, edge.to}).second) {
        problem(edge.line, "one edge between two nodes, as the graph is strict", "a second one");
      }
    }
  }

  // Rule 4.
  void read_labels() {
    std::vector<std::optional<std::string>> outputs;
    std::optional<std::string> without;  // a state that has no output
    bool any_double = false;
    bool any_output = false;
    for (std::uint32_t v = 0; v < graph_.nodes.size(); ++v) {
      if (marker_[v]) continue;
      const DotAttributes& node = graph_.nodes[v];
      double peripheries = 0;
      if (node.peripheries) {
        const std::string_view text = node.peripheries->text;
        std::from_chars(text.data(), text.data() + text.size(), peripheries);
      }
      const bool twice = lower(node.shape) == "doublecircle" || peripheries >= 2;
      any_double = any_double || twice;
      arcs_.labels.push_back(twice ? 1 : 0);
      outputs.push_back(output_of(v));
      any_output = any_output || outputs.back();
      if (!outputs.back() && !without) without = std::string(graph_.names[v]);
    }
    if (any_output && !any_double && !without) {
      StateLabels labels = state_labels(outputs);
      arcs_.labels = std::move(labels.of_state);
      arcs_.label_names = std::move(labels.names);
      arcs_.must_be_deterministic = true;
    } else if (any_output) {
      notes_.push_back(source_ + ": outputs in the labels of states are not read, because " +
                       (any_double ? "there are double circles" : shown(*without) + " has none"));
    }
    if (!any_double && (!any_output || without)) {
      notes_.push_back(source_ + ": no state is a double circle: the language is empty");
    }
  }

  std::optional<std::string> output_of(std::uint32_t v) const {
    const DotAttributes& node = graph_.nodes[v];
    if (!node.label || node.label->html) return std::nullopt;
    const std::string text = drawn(node.label->text, graph_.names[v]);
    const std::string shape = lower(node.shape);
    std::string_view label = trimmed(text);
    const bool record = shape == "record" || shape == "mrecord";
    if (record && label.starts_with('{') && label.ends_with('}')) label = label.substr(1, label.size() - 2);
    const std::size_t at = label.find(record ? '|' : '/');
    if (at == std::string_view::npos) return std::nullopt;
    return std::string(trimmed(label.substr(at + 1)));
  }

  // Rule 5.
  void read_symbols() {
    bool probabilities = !graph_.edges.empty();
    for (const DotEdge& edge : graph_.edges) {
      if (marker_[edge.from]) continue;
      probabilities = probabilities && ends_in_probability(graph_.label(edge)->text);
    }
    NameTable checked;
    std::vector<std::uint32_t> symbols(graph_.labels.size(), epsilon);  // of the labels that are one symbol
    for (const DotEdge& edge : graph_.edges) {
      if (marker_[edge.from]) continue;
      if (symbols[edge.label] != epsilon) {
        arcs_.arcs.push_back({number_[edge.from], symbols[edge.label], number_[edge.to]});
        continue;
      }
      const std::string text = drawn(graph_.label(edge)->text, "");
      const std::string_view label = trimmed(text);
      if (probabilities && !(given_ && given_->find(label))) {
        problem(edge.line, "labels of symbols", shown(label) + ", one of labels that all end in ':' and a probability");
        continue;
      }
      add_label(edge, label, checked);
      if (checked.find(label) || (given_ && given_->find(label)))
        symbols[edge.label] = arcs_.symbols.find_or_add(label).index;
    }
    if (lists_) notes_.push_back(source_ + ": labels with commas are lists of symbols");
    if (epsilons_) notes_.push_back(source_ + ": edges with the label epsilon (or lambda) read nothing");
  }

  static bool ends_in_probability(std::string_view label) {
    const std::size_t colon = label.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const std::string_view text = trimmed(label.substr(colon + 1));
    double value = -1;
    const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && stopped == text.data() + text.size() && value >= 0 && value <= 1;
  }

  void add_label(const DotEdge& edge, std::string_view label, NameTable& checked) {
    const State from = number_[edge.from];
    const State to = number_[edge.to];
    if (checked.find(label) || (given_ && given_->find(label))) return arcs_.add_arc(from, label, to);
    if (label.empty()) return problem(edge.line, "a label (epsilon is written as U+03B5)", "an empty one");
    const std::size_t slash = label.find('/');
    if (slash != std::string_view::npos && slash > 0 && slash + 1 < label.size()) {
      // A Mealy machine has one on every edge: once is enough.
      if (std::exchange(outputs_on_edges_, true)) return;
      return problem(edge.line, "a symbol, or symbols and commas (--alphabet can name it a symbol)",
                     shown(label) + ", an output or a stack's action as in Mealy machines and pushdown automata");
    }
    // Pieces between commas outside of brackets, and between line breaks.
    std::size_t depth = 0;
    std::size_t start = 0;
    for (std::size_t i = 0; i <= label.size(); ++i) {
      const char c = i < label.size() ? label[i] : '\n';
      if (c == '(' || c == '[' || c == '{') ++depth;
      if ((c == ')' || c == ']' || c == '}') && depth > 0) --depth;
      const bool comma = c == ',' && depth == 0 && label != ",";
      if (!comma && c != '\n') continue;
      lists_ = lists_ || comma;
      add_symbol(edge, trimmed(label.substr(start, i - start)), checked);
      start = i + 1;
    }
  }

  void add_symbol(const DotEdge& edge, std::string_view name, NameTable& checked) {
    const State from = number_[edge.from];
    const State to = number_[edge.to];
    const bool known = checked.find(name) || (given_ && given_->find(name));
    if (!known && (name == "\xCE\xB5" || name == "\xCE\xBB" || name == "epsilon" || name == "lambda")) {
      epsilons_ = true;
      return arcs_.add_silent_arc(from, to);
    }
    if (!known) {
      if (given_) return problem(edge.line, "a symbol of the given alphabet", shown(name));
      try {
        static_cast<void>(Alphabet({std::string(name)}));
      } catch (const InputError&) {
        return problem(edge.line, "a symbol in UTF-8 without white space, or symbols and commas",
                       name.empty() ? "nothing between two commas" : shown(name));
      }
      checked.find_or_add(name);
    }
    arcs_.add_arc(from, name, to);
  }

  // Rule 6.
  void read_valuations() {
    std::vector<std::string> labels;
    bool rows = true;
    for (const DotEdge& edge : graph_.edges) {
      labels.push_back(marker_[edge.from] ? "" : drawn(graph_.label(edge)->text, ""));
      rows = rows && labels.back().find_first_not_of("01X ,\n") == std::string::npos;
    }
    NameTable bits;
    std::vector<ValuationArc> transitions;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const DotEdge& edge = graph_.edges[i];
      if (marker_[edge.from]) continue;
      std::optional<Formula> formula =
          rows ? formula_of_rows(labels[i], edge.line, bits) : formula_of(labels[i], edge.line, bits);
      if (formula) transitions.push_back({number_[edge.from], number_[edge.to], std::move(*formula), edge.line});
    }
    problems_.raise_if_any();
    if (rows) {
      notes_.push_back(source_ +
                       ": rows are the variables in MONA's order; in automata of WS1S the first letter is the " +
                       "values of the Boolean variables");
      bool any_box = false;
      for (std::uint32_t v = 0; v < graph_.nodes.size(); ++v) {
        if (marker_[v] || lower(graph_.nodes[v].shape) != "box") continue;
        arcs_.labels[number_[v]] = null_label;
        any_box = true;
      }
      if (any_box) notes_.push_back(source_ + ": states drawn as boxes are MONA's don't-care states (label null)");
    }
    std::vector<std::uint32_t> order(bits.size());
    for (std::uint32_t bit = 0; bit < order.size(); ++bit) order[bit] = bit;
    add_valuation_arcs(source_, bits, rows ? order : natural_order(bits), std::move(transitions), arcs_);
  }

  std::optional<Formula> formula_of_rows(const std::string& label, std::size_t line, NameTable& bits) {
    using Kind = FormulaToken::Kind;
    std::vector<std::string> rows(1);
    for (const char c : label) {
      if (c == '\n') {
        rows.emplace_back();
      } else if (c != ' ' && c != ',') {
        rows.back() += c;
      }
    }
    if (rows.size() == 1 && rows[0].empty()) return Formula{{Kind::truth}};
    if (bits.size() == 0) {
      for (std::size_t bit = 0; bit < rows.size(); ++bit) bits.find_or_add(std::to_string(bit));
    }
    const bool even =
        std::all_of(rows.begin(), rows.end(), [&](const std::string& row) { return row.size() == rows[0].size(); });
    if (!even || rows.size() != bits.size()) {
      problem(line, std::to_string(bits.size()) + " rows of equally many 0, 1 and X", shown(label));
      return std::nullopt;
    }
    Formula formula{{Kind::falsehood}};
    for (std::size_t column = 0; column < rows[0].size(); ++column) {
      formula.push_back({Kind::truth});
      for (std::uint32_t bit = 0; bit < rows.size(); ++bit) {
        if (rows[bit][column] == 'X') continue;
        formula.push_back({Kind::atom, bit});
        if (rows[bit][column] == '0') formula.push_back({Kind::negation});
        formula.push_back({Kind::conjunction});
      }
      formula.push_back({Kind::disjunction});
    }
    return formula;
  }

  std::optional<Formula> formula_of(const std::string& label, std::size_t line, NameTable& bits) {
    using Kind = FormulaToken::Kind;
    const auto is_name = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
             static_cast<unsigned char>(c) >= 0x80;
    };
    std::vector<FormulaToken> tokens;
    for (std::size_t i = 0; i < label.size();) {
      const char c = label[i];
      if (c == ' ' || c == '\t' || c == '\n') {
        ++i;
        continue;
      }
      if (is_name(c)) {
        const std::size_t start = i;
        while (i < label.size() && is_name(label[i])) ++i;
        const std::string_view name = std::string_view(label).substr(start, i - start);
        if (name == "true" || name == "True") {
          tokens.push_back({Kind::truth});
        } else if (name == "false" || name == "False") {
          tokens.push_back({Kind::falsehood});
        } else {
          tokens.push_back({Kind::atom, bits.find_or_add(name).index});
        }
        continue;
      }
      const std::size_t kind = std::string_view("~!&|()").find(c);
      if (kind == std::string_view::npos) {
        problem(line, "a formula of propositions", shown(label));
        return std::nullopt;
      }
      constexpr Kind kinds[] = {Kind::negation,    Kind::negation, Kind::conjunction,
                                Kind::disjunction, Kind::open,     Kind::close};
      tokens.push_back({kinds[kind]});
      i += (c == '&' || c == '|') && i + 1 < label.size() && label[i + 1] == c ? 2U : 1U;
    }
    ParsedFormula parsed = parse_formula(tokens);
    if (!parsed.broken) return std::move(parsed.formula);
    problem(line, "a formula of propositions", shown(label));
    return std::nullopt;
  }

  const DotGraph& graph_;
  const std::string& source_;
  const std::optional<Alphabet>& given_;
  ProblemList problems_;
  std::vector<bool> marker_;   // nodes that are no states
  std::vector<State> number_;  // of the others
  std::vector<std::string> notes_;
  bool lists_ = false;
  bool epsilons_ = false;
  bool outputs_on_edges_ = false;
  NamedArcs arcs_;
};

}  // namespace

LanguageSource parse_format_dot(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet) {
  const DotGraph graph = parse_dot_graph(without_byte_order_mark(text), source);
  if (graph.attributes.contains("krohn")) return OwnReader(graph, source).read();
  return DrawingReader(graph, source, alphabet).read();
}

LanguageSource read_format_dot(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_dot(read_file(path), path.string(), alphabet);
}

std::string format_dot(const Dfa& dfa, const std::vector<bool>& marked) {
  for (const std::string& name : dfa.label_names()) {
    static_cast<void>(utf8_scalars(name));
    if (name.find('\0') != std::string::npos || name.find('\n') != std::string::npos) {
      throw InputError(".dot: expected labels without zero bytes and line breaks, got " + shown(name));
    }
  }
  const bool plain = dfa.label_names() == std::vector<std::string>{"0", "1"};
  Graph graph(dfa.num_states());
  for (State q = 0; q < dfa.num_states(); ++q) {
    std::map<State, std::string> arrows;
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      std::string& label = arrows[dfa.next(q, a)];
      if (!label.empty()) label += ' ';
      label += dfa.alphabet().name(a);
    }
    for (auto& [to, label] : arrows) boost::add_edge(q, to, Drawn{std::move(label)}, graph);
  }
  const auto write_header = [&](std::ostream& out) {
    std::string names;
    for (const std::string& name : dfa.alphabet().names()) names += (names.empty() ? "" : " ") + name;
    out << "graph [krohn=" << quoted(format_name) << ", alphabet=" << quoted(names) << ", start=\"" << dfa.start()
        << '"';
    if (!plain) {
      for (std::size_t i = 0; i < dfa.label_names().size(); ++i) {
        out << ", output" << i << '=' << quoted(dfa.label_names()[i]);
      }
    }
    out << ", rankdir=\"LR\"";
    if (dfa.label_names().empty()) out << ", outputs=\"none\"";
    out << "];\nstart [shape=\"point\"];\nstart->" << dfa.start() << ";\n";
  };
  const auto write_state = [&](std::ostream& out, std::size_t vertex) {
    const auto q = static_cast<State>(vertex);
    const LabelId label = dfa.label(q);
    const bool named = label != null_label;
    out << " [label=" << quoted(std::to_string(q) + (named && !plain ? "/" + dfa.label_name(label) : ""))
        << ", shape=" << (plain && dfa.accepts_at(q) ? "\"doublecircle\"" : "\"circle\"");
    if (named) {
      out << ", output=" << quoted(dfa.label_name(label));
    } else {
      out << ", style=\"dashed\"";
    }
    if (!marked.empty() && marked[q]) out << ", color=\"#D55E00\", penwidth=\"3\"";
    out << ']';
  };
  const auto write_arrow = [&](std::ostream& out, const Graph::edge_descriptor& edge) {
    out << " [label=" << quoted(graph[edge].label) << ']';
  };
  std::ostringstream out;
  boost::write_graphviz(out, graph, write_state, write_arrow, write_header);
  return out.str();
}

}  // namespace krohn
