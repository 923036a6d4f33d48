// Drawing automata through Boost.Graph, and reading the drawing back by the rules of the header. Both are linear in the
// transitions, but for the sorting of a state's arrows.
#include "krohn/io/format_dot.hpp"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/graphviz.hpp>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/io/source_text.hpp"
#include "sink.hpp"

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

// One line at a time, by what must stand there.
class LineReader {
 public:
  LineReader(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  void next_line(const char* what) {
    if (position_ >= text_.size()) {
      ++line_;
      at_ = 0;
      current_ = {};
      fail(what, "the end of the file");
    }
    const std::size_t end = std::min(text_.find('\n', position_), text_.size());
    current_ = text_.substr(position_, end - position_);
    position_ = end + 1;
    at_ = 0;
    ++line_;
  }
  bool at_end() const { return position_ >= text_.size(); }

  bool take(std::string_view literal) {
    if (!current_.substr(at_).starts_with(literal)) return false;
    at_ += literal.size();
    return true;
  }
  void require(std::string_view literal) {
    if (!take(literal)) fail(shown(literal), rest());
  }
  void require_end_of_line() {
    if (at_ != current_.size()) fail("the end of the line", rest());
  }
  std::uint32_t number() {
    std::uint32_t value = 0;
    const char* begin = current_.data() + at_;
    const char* end = current_.data() + current_.size();
    const auto [stopped, error] = std::from_chars(begin, end, value);
    if (error != std::errc{} || (*begin == '0' && stopped - begin > 1)) fail("a state's number", rest());
    at_ += static_cast<std::size_t>(stopped - begin);
    return value;
  }
  std::string value() {
    require("\"");
    std::string result;
    while (at_ < current_.size() && current_[at_] != '"') {
      if (current_[at_] == '\\') ++at_;
      if (at_ == current_.size()) break;
      result += current_[at_++];
    }
    require("\"");
    return result;
  }
  std::string rest() const { return at_ >= current_.size() ? "the end of the line" : shown(current_.substr(at_)); }

  [[noreturn]] void fail(const std::string& expected, const std::string& got) const {
    throw InputError(source_ + ":" + std::to_string(line_) + ": column " + std::to_string(at_ + 1) + ": expected " +
                     expected + ", got " + got + " (only .dot files that krohn wrote can be read)");
  }

 private:
  std::string_view text_;
  const std::string& source_;
  std::size_t position_ = 0;  // of the next line
  std::string_view current_;
  std::size_t at_ = 0;
  std::size_t line_ = 0;
};

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    names.push_back(text.substr(at, end - at));
    if (end == text.size()) return names;
    at = end + 1;
  }
}

}  // namespace

LanguageSource parse_format_dot(std::string_view text, const std::string& source) {
  LineReader in(text, source);
  in.next_line("digraph G {");
  in.require("digraph G {");
  in.require_end_of_line();
  in.next_line("the header");
  in.require("graph [krohn=");
  if (in.value() != format_name) in.fail(quoted(format_name), "another format");
  in.require(", alphabet=");
  std::optional<Alphabet> alphabet;
  try {
    alphabet = Alphabet(split_names(in.value()));
  } catch (const InputError& error) {
    in.fail("an alphabet", error.problems().front());
  }
  in.require(", start=\"");
  const State start = in.number();
  in.require("\"");
  std::vector<std::string> label_names;
  while (in.take(", output" + std::to_string(label_names.size()) + "=")) label_names.push_back(in.value());
  in.require(", rankdir=\"LR\"");
  const bool stated = !label_names.empty() || in.take(", outputs=\"none\"");
  if (!stated) label_names = {"0", "1"};
  in.require("];");
  in.require_end_of_line();
  in.next_line("the start's point");
  in.require("start [shape=\"point\"];");
  in.require_end_of_line();
  in.next_line("the start's arrow");
  in.require("start->" + std::to_string(start) + ";");
  in.require_end_of_line();

  std::map<std::string, LabelId> label_of;
  for (std::size_t i = 0; i < label_names.size(); ++i) label_of.emplace(label_names[i], static_cast<LabelId>(i));
  const std::size_t k = alphabet->size();
  std::vector<LabelId> labels;
  std::vector<State> delta;
  std::uint64_t last_arrow = 0;
  bool any_arrow = false;
  for (;;) {
    in.next_line("a state, an arrow or }");
    if (in.take("}")) break;
    const std::uint32_t from = in.number();
    if (in.take("->")) {
      const std::uint32_t to = in.number();
      if (from >= labels.size() || to >= labels.size()) {
        in.fail("states below " + std::to_string(labels.size()), "a larger one");
      }
      const std::uint64_t arrow = (std::uint64_t{from} << 32U) | to;
      if (any_arrow && arrow <= last_arrow) in.fail("arrows in ascending order", "an earlier one");
      any_arrow = true;
      last_arrow = arrow;
      delta.resize(labels.size() * k, missing_state);
      in.require("  [label=");
      std::optional<Symbol> previous;
      for (const std::string& name : split_names(in.value())) {
        const std::optional<Symbol> symbol = alphabet->find(name);
        if (!symbol) in.fail("symbols of the alphabet", shown(name));
        if (previous && *symbol <= *previous) in.fail("symbols in the order of the alphabet", shown(name));
        previous = symbol;
        if (delta[from * k + *symbol] != missing_state) in.fail("one arrow a state and symbol", "a second one for " + shown(name));
        delta[from * k + *symbol] = to;
      }
      in.require("];");
    } else {
      if (any_arrow || from != labels.size()) in.fail("the states 0, 1, .. before the arrows", "another order");
      in.require(" [label=");
      static_cast<void>(in.value());
      in.require(", shape=");
      static_cast<void>(in.value());
      if (in.take(", output=")) {
        const std::string name = in.value();
        const auto found = label_of.find(name);
        if (found == label_of.end()) in.fail("a label of the header", shown(name));
        labels.push_back(found->second);
      } else {
        in.require(", style=\"dashed\"");
        labels.push_back(null_label);
      }
      in.require("];");
    }
    in.require_end_of_line();
  }
  in.require_end_of_line();
  if (!in.at_end()) in.fail("the end of the file", "more lines");
  if (delta.size() != labels.size() * k || std::find(delta.begin(), delta.end(), missing_state) != delta.end()) {
    in.fail("an arrow for every state and symbol", "fewer");
  }
  return complete_with_sink(source, *alphabet, start, std::move(delta), std::move(labels), std::move(label_names));
}

LanguageSource read_format_dot(const std::filesystem::path& path) {
  return parse_format_dot(read_file(path), path.string());
}

std::string format_dot(const Dfa& dfa) {
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
