// Reading and writing .jff by the rules of the header. The XML parser below Boost.PropertyTree (RapidXML, which works
// within the text) recurses and takes any closing tag for any other, so a scan without recursion checks nesting, depth
// and tags first. Linear in the text, but for the sorting of the states.
#include "krohn/languages/format_jff.hpp"

#include <algorithm>
#include <array>
#include <boost/property_tree/detail/rapidxml.hpp>
#include <cstdint>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"
#include "named_arcs.hpp"
#include "state_labels.hpp"
#include "symbol_check.hpp"
#include "text_lines.hpp"

namespace krohn {
namespace {

namespace rapidxml = boost::property_tree::detail::rapidxml;
using Node = rapidxml::xml_node<char>;

constexpr std::size_t max_bytes = std::size_t{256} << 20U;
constexpr std::size_t max_depth = 16;

// Refuses what rule 1 refuses: broken nesting, depth, document types, bytes that are not UTF-8.
class XmlScan {
 public:
  XmlScan(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  void run() {
    if (text_.size() > max_bytes) {
      throw InputError(source_ + ": expected at most " + std::to_string(max_bytes) + " bytes, got more");
    }
    if (text_.find('\0') != std::string_view::npos) {
      at_ = text_.find('\0');
      fail("text", "a zero byte");
    }
    check_utf8();
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    while (at_ < text_.size()) {
      if (text_[at_] != '<') {
        at_ = std::min(text_.find('<', at_), text_.size());
      } else if (starts("<!--")) {
        skip_past("-->", "a comment that ends");
      } else if (starts("<![CDATA[")) {
        skip_past("]]>", "a character section that ends");
      } else if (starts("<?")) {
        read_instruction();
      } else if (starts("<!")) {
        fail("no document type", shown(text_.substr(at_, 20)));
      } else {
        read_tag();
      }
    }
    if (!open_.empty()) fail("a closing tag of <" + std::string(open_.back()) + ">", "the end");
    if (!seen_root_) fail("an XML element", "none");
  }

 private:
  // Scalar by scalar where there are other bytes than ASCII: files are large, and mostly ASCII.
  void check_utf8() const {
    for (std::size_t at = 0; at < text_.size();) {
      std::size_t length = static_cast<unsigned char>(text_[at]) < 0x80 ? 1 : 0;
      for (std::size_t tried = 2; tried <= 4 && length == 0 && at + tried <= text_.size(); ++tried) {
        try {
          if (utf8_scalars(text_.substr(at, tried)).size() == 1) length = tried;
        } catch (const InputError&) {
          continue;
        }
      }
      if (length == 0) {
        throw InputError(source_ + ": byte " + std::to_string(at) + ": expected UTF-8 text, got other bytes");
      }
      at += length;
    }
  }

  bool starts(std::string_view prefix) const { return text_.substr(at_).starts_with(prefix); }

  [[noreturn]] void fail(const std::string& expected, const std::string& got) const {
    const auto line = std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n') + 1;
    throw InputError(source_ + ":" + std::to_string(line) + ": expected " + expected + ", got " + got);
  }

  void skip_past(std::string_view end, const std::string& expected) {
    const std::size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) fail(expected, "the end of the file");
    at_ = found + end.size();
  }

  void read_instruction() {
    const std::size_t start = at_;
    skip_past("?>", "an instruction that ends");
    const std::string_view instruction = text_.substr(start, at_ - start);
    const std::size_t encoding = instruction.find("encoding=");
    if (!instruction.starts_with("<?xml ") || encoding == std::string_view::npos) return;
    std::string name;
    for (std::size_t i = encoding + 10; i < instruction.size() && instruction[i] != '"' && instruction[i] != '\'';
         ++i) {
      name += static_cast<char>(instruction[i] >= 'A' && instruction[i] <= 'Z' ? instruction[i] + 32 : instruction[i]);
    }
    if (name != "utf-8" && name != "us-ascii") fail("the encoding UTF-8", shown(name));
  }

  void read_tag() {
    const bool closing = starts("</");
    const std::size_t start = at_ + (closing ? 2 : 1);
    std::size_t end = start;
    while (end < text_.size() && is_name(text_[end])) ++end;
    const std::string_view name = text_.substr(start, end - start);
    if (name.empty()) fail("an element's name after '<'", shown(text_.substr(at_, 20)));
    // To the '>' outside of quotation marks.
    char quote = 0;
    std::size_t close = end;
    for (; close < text_.size(); ++close) {
      const char c = text_[close];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '>' || c == '<') {
        break;
      }
    }
    if (close == text_.size() || text_[close] == '<') fail("a '>' that ends <" + std::string(name) + "..", "none");
    if (closing) {
      if (open_.empty() || open_.back() != name) {
        fail(open_.empty() ? "no closing tag" : "</" + std::string(open_.back()) + ">", "</" + std::string(name) + ">");
      }
      open_.pop_back();
    } else {
      if (open_.empty() && seen_root_) fail("one root element", "<" + std::string(name) + ">");
      seen_root_ = true;
      if (text_[close - 1] != '/' || close == end) {
        open_.push_back(name);
        if (open_.size() > max_depth) fail("elements nested at most " + std::to_string(max_depth) + " deep", "more");
      }
    }
    at_ = close + 1;
  }

  static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
  }

  std::string_view text_;
  const std::string& source_;
  std::size_t at_ = 0;
  bool seen_root_ = false;
  std::vector<std::string_view> open_;
};

std::string_view name_of(const Node& node) { return {node.name(), node.name_size()}; }

// The text directly in an element; character sections count as text.
std::string text_in(const Node& element) {
  std::string text;
  for (const Node* child = element.first_node(); child != nullptr; child = child->next_sibling()) {
    if (child->type() == rapidxml::node_data || child->type() == rapidxml::node_cdata) {
      text.append(child->value(), child->value_size());
    }
  }
  return text;
}

struct JflapState {
  std::uint64_t id;
  bool initial;
  bool final;
  std::string output;
};

class Document {
 public:
  Document(const Node& structure, const std::string& source, const std::optional<Alphabet>& given)
      : structure_(structure), source_(source), given_(given), problems_(source), check_(given) {}

  LanguageSource automaton() {
    const Node* type = structure_.first_node("type");
    const std::string machine = type == nullptr ? "" : std::string(trimmed(text_in(*type)));
    moore_ = machine == "moore";
    if (!moore_ && machine != "fa") {
      problems_.add("structure/type", "'fa', a finite automaton, or 'moore', a Moore machine",
                    type == nullptr ? "no <type>" : shown(machine));
      problems_.raise_if_any();
    }
    std::vector<std::pair<std::string, const Node*>> folders{{"structure", &structure_}};
    for (const Node* child = structure_.first_node(); child != nullptr; child = child->next_sibling()) {
      if (name_of(*child) == "automaton") folders.emplace_back("structure/automaton", child);
    }
    if (folders.size() > 2) problems_.add("structure", "one <automaton>", std::to_string(folders.size() - 1));
    for (const auto& [path, folder] : folders) read_states(path, *folder);
    number_states();
    for (const auto& [path, folder] : folders) read_transitions(path, *folder);
    if (states_.empty()) problems_.add("structure/automaton", "at least one state", "none");
    problems_.raise_if_any();
    add_notes();
    const Alphabet alphabet = alphabet_of(source_, arcs_, given_);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  // The children of one name; more than one is refused.
  const Node* only_child(const Node& element, const char* name, const std::string& where) {
    const Node* child = element.first_node(name);
    if (child == nullptr || child->next_sibling(name) == nullptr) return child;
    std::size_t count = 0;
    for (const Node* next = child; next != nullptr; next = next->next_sibling(name)) ++count;
    problems_.add(where, std::string("at most one <") + name + ">", std::to_string(count));
    return child;
  }

  void pass_over(const Node& element, const std::string& parent) {
    if (element.type() == rapidxml::node_element) {
      passed_over_.insert("<" + std::string(name_of(element)) + "> in <" + parent + ">");
    }
  }

  void read_states(const std::string& path, const Node& folder) {
    const bool outermost = &folder == &structure_;
    std::size_t count = 0;
    for (const Node* child = folder.first_node(); child != nullptr; child = child->next_sibling()) {
      const std::string_view name = name_of(*child);
      if (name == "automaton" && !outermost) {
        problems_.add(path + "/automaton", "states and transitions",
                      "an <automaton> within another (a building block)");
        continue;
      }
      if (name == "block") {
        problems_.add(path + "/block", "states and transitions", "a <block> (a building block)");
        continue;
      }
      if (name != "state") {
        const bool known =
            name == "transition" || name == "note" || (outermost && (name == "type" || name == "automaton"));
        if (!known) pass_over(*child, outermost ? "structure" : "automaton");
        continue;
      }
      read_state(*child, path + "/state[" + std::to_string(++count) + "]");
    }
  }

  void read_state(const Node& element, const std::string& where) {
    const auto* attribute = element.first_attribute("id");
    const std::string_view text =
        attribute == nullptr ? std::string_view() : std::string_view(attribute->value(), attribute->value_size());
    const std::optional<std::uint64_t> id = decimal_number(text);
    if (!id) {
      problems_.add(where + "/@id", "a decimal number below 2^63", attribute == nullptr ? "none" : shown(text));
      return;
    }
    if (!ids_.insert(*id).second) {
      problems_.add(where + "/@id", "different ids", std::to_string(*id) + " twice");
    }
    JflapState state{*id, false, false, ""};
    for (const Node* child = element.first_node(); child != nullptr; child = child->next_sibling()) {
      const std::string_view name = name_of(*child);
      if (name == "initial") {
        state.initial = true;
      } else if (name == "final") {
        state.final = true;
      } else if (name == "automaton" || name == "tag") {
        problems_.add(where + "/" + std::string(name), "a state", "a building block");
      } else if (name != "x" && name != "y" && name != "label" && name != "name" && name != "output") {
        pass_over(*child, "state");
      }
    }
    if (moore_) {
      const Node* output = only_child(element, "output", where);
      if (output != nullptr) state.output = trimmed(text_in(*output));
      any_final_ = any_final_ || state.final;
    }
    states_.push_back(std::move(state));
  }

  void number_states() {
    std::sort(states_.begin(), states_.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    std::vector<std::optional<std::string>> outputs;
    for (std::size_t q = 0; q < states_.size(); ++q) {
      if (states_[q].initial) arcs_.starts.push_back(static_cast<State>(q));
      if (moore_) outputs.emplace_back(states_[q].output);
      arcs_.labels.push_back(states_[q].final ? 1 : 0);
    }
    if (!moore_) return;
    StateLabels labels = state_labels(outputs);
    arcs_.must_be_deterministic = true;
    arcs_.label_names = std::move(labels.names);
    arcs_.labels = std::move(labels.of_state);
  }

  std::optional<State> state(const Node* child, const char* name, const std::string& where) {
    const std::string text = child == nullptr ? "" : text_in(*child);
    const std::optional<std::uint64_t> id = decimal_number(trimmed(text));
    if (id) {
      // Mostly the ids are 0, 1, ..
      std::size_t q = *id;
      if (q >= states_.size() || states_[q].id != *id) {
        const auto found =
            std::lower_bound(states_.begin(), states_.end(), *id,
                             [](const JflapState& state, std::uint64_t value) { return state.id < value; });
        q = static_cast<std::size_t>(found - states_.begin());
      }
      if (q < states_.size() && states_[q].id == *id) return static_cast<State>(q);
    }
    problems_.add(where + "/" + name, "the id of a state", child == nullptr ? "none" : shown(text));
    return std::nullopt;
  }

  void read_transitions(const std::string& path, const Node& folder) {
    std::size_t count = 0;
    std::string where;
    for (const Node* child = folder.first_node("transition"); child != nullptr;
         child = child->next_sibling("transition")) {
      where.assign(path).append("/transition[").append(std::to_string(++count)).append("]");
      read_transition(*child, where);
    }
  }

  void read_transition(const Node& element, const std::string& where) {
    constexpr std::array<const char*, 4> names = {"from", "to", "read", "transout"};
    std::array<const Node*, 4> children{};
    std::array<std::size_t, 4> counts{};
    for (const Node* child = element.first_node(); child != nullptr; child = child->next_sibling()) {
      const std::string_view name = name_of(*child);
      const auto place = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
      if (place < names.size()) {
        if (counts[place]++ == 0) children[place] = child;
      } else if (name != "controlx" && name != "controly") {
        pass_over(*child, "transition");
      }
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (counts[i] <= 1) continue;
      problems_.add(where, std::string("at most one <") + names[i] + ">", std::to_string(counts[i]));
    }
    const std::optional<State> from = state(children[0], "from", where);
    const std::optional<State> to = state(children[1], "to", where);
    const Node* read = children[2];
    const Node* output = children[3];
    if (output != nullptr && !moore_) {
      problems_.add(where + "/transout", "a finite automaton, as <type> says", "an output");
    } else if (output != nullptr && to && trimmed(text_in(*output)) != states_[*to].output) {
      problems_.add(where + "/transout", "the output of the transition's target, " + shown(states_[*to].output),
                    shown(text_in(*output)));
    }
    const std::string symbols = read == nullptr ? std::string() : text_in(*read);
    if (symbols.size() == 1 && static_cast<unsigned char>(symbols[0]) < 0x80) {
      if (from && to && check_symbol(where, symbols)) arcs_.add_arc(*from, symbols, *to);
      return;
    }
    const std::vector<std::string> word = scalars_of(symbols, where);
    if (!from || !to) return;
    const bool brackets = word.size() > 1 && std::any_of(word.begin(), word.end(), [](const std::string& scalar) {
                            return scalar == "[" || scalar == "]";
                          });
    if (word.empty()) {
      arcs_.add_silent_arc(*from, *to);
    } else if (is_written_epsilon(word)) {
      arcs_.add_silent_arc(*from, *to);
      epsilons_.insert(symbols);
    } else if (brackets) {
      read_brackets(where, word, *from, *to);
    } else {
      read_word(where, word, *from, *to);
    }
  }

  // Character references can make text that is not UTF-8.
  std::vector<std::string> scalars_of(const std::string& text, const std::string& where) {
    try {
      return utf8_scalars(text);
    } catch (const InputError&) {
      problems_.add(where + "/read", "characters", shown(text));
      return {};
    }
  }

  // Rule 4.
  bool is_written_epsilon(const std::vector<std::string>& word) const {
    const std::string& first = word.front();
    if (first.size() == 1 && first != "e" && first != "l") return false;
    std::string text;
    for (const std::string& scalar : word) text += scalar;
    if (text != "\xCE\xB5" && text != "\xCE\xBB" && text != "epsilon" && text != "lambda") return false;
    return !given_ || !std::all_of(word.begin(), word.end(),
                                   [&](const std::string& scalar) { return given_->find(scalar).has_value(); });
  }

  bool check_symbol(const std::string& where, const std::string& symbol) {
    if (check_.is_good(symbol)) return true;
    problems_.add(where + "/read",
                  given_ ? "symbols of the alphabet" : "symbols without white space and control characters",
                  shown(symbol));
    return false;
  }

  void read_word(const std::string& where, const std::vector<std::string>& word, State from, State to) {
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (!check_symbol(where, word[i])) return;
      State next = to;
      if (i + 1 < word.size()) {
        next = static_cast<State>(arcs_.labels.size());
        arcs_.labels.push_back(moore_ ? null_label : 0);
      }
      arcs_.add_arc(from, word[i], next);
      from = next;
    }
  }

  // Rule 5.
  void read_brackets(const std::string& where, const std::vector<std::string>& word, State from, State to) {
    const std::vector<std::string> inside(word.begin() + 1, word.end() - 1);
    const auto is_bracket = [](const std::string& scalar) { return scalar == "[" || scalar == "]"; };
    const bool closed = word.front() == "[" && word.back() == "]" && !inside.empty() &&
                        std::none_of(inside.begin(), inside.end(), is_bracket);
    if (closed && inside.size() == 3 && inside[1] == "-") {
      ranges_ = true;
      return read_range(where, inside[0], inside[2], from, to);
    }
    std::vector<std::vector<std::string>> elements(1);
    bool listed = false;
    for (std::size_t i = 0; i < inside.size(); ++i) {
      listed = listed || inside[i] == "," || (inside[i] == "." && i + 1 < inside.size() && inside[i + 1] == ".");
      if (inside[i] == ",") {
        elements.emplace_back();
      } else {
        elements.back().push_back(inside[i]);
      }
    }
    if (!closed || !listed) {
      std::string text;
      for (const std::string& scalar : word) text += scalar;
      problems_.add(where + "/read", "[x-y], or [u,v,x..y], or no brackets in a text of several characters",
                    shown(text));
      return;
    }
    lists_ = true;
    for (const std::vector<std::string>& element : elements) {
      const auto point = std::find(element.begin(), element.end(), ".");
      const bool range = point != element.end() && point + 1 != element.end() && *(point + 1) == ".";
      if (element.size() == 1 && !range) {
        read_word(where, element, from, to);
      } else if (range && element.size() == 4 && element[1] == ".") {
        read_range(where, element[0], element[3], from, to);
      } else {
        std::string text;
        for (const std::string& scalar : element) text += scalar;
        problems_.add(where + "/read", "characters, or ranges x..y, between the commas", shown(text));
      }
    }
  }

  void read_range(const std::string& where, const std::string& first, const std::string& last, State from, State to) {
    const std::string range = "[" + first + "-" + last + "]";
    if (given_) {
      bool any = false;
      for (const std::string& symbol : given_->names()) {
        if (symbol < first || last < symbol || utf8_scalars(symbol).size() != 1) continue;
        arcs_.add_arc(from, symbol, to);
        any = true;
      }
      if (!any) problems_.add(where + "/read", "a range that meets the alphabet", shown(range));
      return;
    }
    if (first.size() != 1 || last.size() != 1 || last < first) {
      problems_.add(where + "/read", "an ascending range of ASCII characters", shown(range));
      return;
    }
    for (char c = first[0];; ++c) {
      if (!check_symbol(where, std::string(1, c))) return;
      arcs_.add_arc(from, std::string(1, c), to);
      if (c == last[0]) return;
    }
  }

  void add_notes() {
    for (const std::string& element : passed_over_) arcs_.notes.push_back(source_ + ": " + element + " is not read");
    for (const std::string& text : epsilons_) {
      arcs_.notes.push_back(source_ + ": " + shown(text) + " is epsilon, it reads nothing (--alphabet can name its " +
                            "characters symbols)");
    }
    if (ranges_) arcs_.notes.push_back(source_ + ": [x-y] is one transition for every symbol from x to y");
    if (lists_) arcs_.notes.push_back(source_ + ": [u,v,x..y] is one transition for u, v and every symbol from x to y");
    if (any_final_)
      arcs_.notes.push_back(source_ + ": <final/> has no meaning in a Moore machine, whose outputs are labels");
  }

  const Node& structure_;
  const std::string& source_;
  const std::optional<Alphabet>& given_;
  ProblemList problems_;
  bool moore_ = false;
  bool any_final_ = false;
  bool ranges_ = false;
  bool lists_ = false;
  std::set<std::string> passed_over_;
  std::set<std::string> epsilons_;
  SymbolCheck check_;
  std::vector<JflapState> states_;
  std::unordered_set<std::uint64_t> ids_;
  NamedArcs arcs_;
};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace

LanguageSource parse_format_jff(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& alphabet) {
  XmlScan(text, source).run();
  std::string bytes(without_byte_order_mark(text));
  rapidxml::xml_document<char> document;
  try {
    document.parse<rapidxml::parse_default>(bytes.data());
  } catch (const rapidxml::parse_error& error) {
    // The parser works within `bytes`, which keep their line breaks up to the place of the error.
    const auto line = std::count(bytes.data(), error.where<char>(), '\n') + 1;
    throw InputError(source + ":" + std::to_string(line) + ": expected XML, got: " + error.what());
  }
  const Node* root = document.first_node();
  if (root == nullptr || name_of(*root) != "structure") {
    throw InputError(source + ": expected the root element <structure>, got " +
                     (root == nullptr ? "none" : shown(name_of(*root))));
  }
  return Document(*root, source, alphabet).automaton();
}

LanguageSource read_format_jff(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_jff(read_file(path, max_bytes), path.string(), alphabet);
}

std::string format_jff(const Dfa& dfa) {
  std::vector<std::string> problems;
  if (!dfa.is_acceptor()) {
    problems.emplace_back(".jff: expected the labels 0 and 1 at every state, got an automaton with other labels");
  }
  if (!dfa.alphabet().single_characters()) {
    problems.emplace_back(".jff: expected symbols of one character each, got longer ones");
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  std::size_t side = 1;
  while (side * side < dfa.num_states()) ++side;
  std::string text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<structure>\n  <type>fa</type>\n  <automaton>\n";
  for (State q = 0; q < dfa.num_states(); ++q) {
    const std::string number = std::to_string(q);
    text += "    <state id=\"" + number + "\" name=\"q" + number + "\"><x>" + std::to_string(60 + 120 * (q % side)) +
            ".0</x><y>" + std::to_string(60 + 120 * (q / side)) + ".0</y>";
    if (q == dfa.start()) text += "<initial/>";
    if (dfa.accepts_at(q)) text += "<final/>";
    text += "</state>\n";
  }
  for (State q = 0; q < dfa.num_states(); ++q) {
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      text += "    <transition><from>" + std::to_string(q) + "</from><to>" + std::to_string(dfa.next(q, a)) +
              "</to><read>" + escaped(dfa.alphabet().name(a)) + "</read></transition>\n";
    }
  }
  return text + "  </automaton>\n</structure>\n";
}

}  // namespace krohn
