// Reading and writing .jff by the rules of the header. The XML reader of Boost.PropertyTree recurses and takes any
// closing tag for any other, so a scan without recursion checks nesting, depth and tags first. Linear in the text, but
// for the sorting of the states.
#include "krohn/io/format_jff.hpp"

#include <algorithm>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <charconv>
#include <cstdint>
#include <limits>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/io/source_text.hpp"
#include "named_arcs.hpp"
#include "problem_list.hpp"

namespace krohn {
namespace {

using boost::property_tree::ptree;

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
    try {
      static_cast<void>(utf8_scalars(text_));
    } catch (const InputError& error) {
      throw InputError(source_ + ": " + error.what());
    }
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

std::string trimmed(const std::string& text) {
  constexpr const char* space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::optional<std::uint64_t> parse_id(const std::string& text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end || value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return std::nullopt;
  }
  return value;
}

struct JflapState {
  std::uint64_t id;
  bool initial;
  bool final;
};

class Document {
 public:
  Document(const ptree& structure, const std::string& source, const std::optional<Alphabet>& given)
      : structure_(structure), source_(source), given_(given), problems_(source) {}

  LanguageSource automaton() {
    const std::optional<std::string> type = text_of(structure_, "type");
    if (!type || *type != "fa") {
      problems_.add("structure/type", "'fa', a finite automaton", type ? shown(*type) : "no <type>");
      problems_.raise_if_any();
    }
    std::vector<std::pair<std::string, const ptree*>> folders{{"structure", &structure_}};
    for (const auto& [name, element] : structure_) {
      if (name == "automaton") folders.emplace_back("structure/automaton", &element);
    }
    for (const auto& [path, folder] : folders) read_states(path, *folder);
    number_states();
    for (const auto& [path, folder] : folders) read_transitions(path, *folder);
    if (states_.empty()) problems_.add("structure/automaton", "at least one state", "none");
    problems_.raise_if_any();
    const Alphabet alphabet = alphabet_of(source_, arcs_, given_);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  // The text of the first child of that name.
  static std::optional<std::string> text_of(const ptree& element, const char* name) {
    const auto child = element.find(name);
    if (child == element.not_found()) return std::nullopt;
    return trimmed(child->second.data());
  }

  void read_states(const std::string& path, const ptree& folder) {
    std::size_t count = 0;
    for (const auto& [name, element] : folder) {
      if (name != "state" && name != "block") continue;
      const std::string where = path + "/" + name + "[" + std::to_string(++count) + "]";
      const auto attribute = element.get_optional<std::string>("<xmlattr>.id");
      const std::optional<std::uint64_t> id = attribute ? parse_id(*attribute) : std::nullopt;
      if (!id) {
        problems_.add(where + "/@id", "a decimal number below 2^63", attribute ? shown(*attribute) : "none");
        continue;
      }
      if (!index_.emplace(*id, 0).second)
        problems_.add(where + "/@id", "different ids", std::to_string(*id) + " twice");
      states_.push_back(
          {*id, element.find("initial") != element.not_found(), element.find("final") != element.not_found()});
    }
  }

  void number_states() {
    std::sort(states_.begin(), states_.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    for (std::size_t q = 0; q < states_.size(); ++q) {
      index_[states_[q].id] = static_cast<State>(q);
      if (states_[q].initial) arcs_.starts.push_back(static_cast<State>(q));
      arcs_.labels.push_back(states_[q].final ? 1 : 0);
    }
  }

  std::optional<State> state(const ptree& transition, const char* name, const std::string& where) {
    const std::optional<std::string> text = text_of(transition, name);
    const std::optional<std::uint64_t> id = text ? parse_id(*text) : std::nullopt;
    const auto found = id ? index_.find(*id) : index_.end();
    if (found != index_.end()) return found->second;
    problems_.add(where + "/" + name, "the id of a state", text ? shown(*text) : "none");
    return std::nullopt;
  }

  void read_transitions(const std::string& path, const ptree& folder) {
    std::size_t count = 0;
    for (const auto& [name, element] : folder) {
      if (name != "transition") continue;
      const std::string where = path + "/transition[" + std::to_string(++count) + "]";
      const std::optional<State> from = state(element, "from", where);
      const std::optional<State> to = state(element, "to", where);
      const auto read = element.find("read");
      const std::vector<std::string> word =
          read == element.not_found() ? std::vector<std::string>{} : utf8_scalars_of(read->second.data(), where);
      if (!from || !to) continue;
      if (word.size() == 5 && word[0] == "[" && word[2] == "-" && word[4] == "]") {
        read_range(where, word[1], word[3], *from, *to);
      } else {
        read_word(where, word, *from, *to);
      }
    }
  }

  // Character references can make text that is not UTF-8.
  std::vector<std::string> utf8_scalars_of(const std::string& text, const std::string& where) {
    try {
      return utf8_scalars(text);
    } catch (const InputError&) {
      problems_.add(where + "/read", "characters", shown(text));
      return {};
    }
  }

  bool check_symbol(const std::string& where, const std::string& symbol) {
    if (given_) {
      if (given_->find(symbol)) return true;
      problems_.add(where + "/read", "symbols of the alphabet", shown(symbol));
      return false;
    }
    try {
      static_cast<void>(Alphabet({symbol}));
      return true;
    } catch (const InputError&) {
      problems_.add(where + "/read", "symbols without white space and control characters", shown(symbol));
      return false;
    }
  }

  void read_word(const std::string& where, const std::vector<std::string>& word, State from, State to) {
    if (word.empty()) {
      arcs_.add_silent_arc(from, to);
      return;
    }
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (!check_symbol(where, word[i])) return;
      State next = to;
      if (i + 1 < word.size()) {
        next = static_cast<State>(arcs_.labels.size());
        arcs_.labels.push_back(0);
      }
      arcs_.add_arc(from, word[i], next);
      from = next;
    }
  }

  void read_range(const std::string& where, const std::string& first, const std::string& last, State from, State to) {
    if (given_) {
      bool any = false;
      for (const std::string& symbol : given_->names()) {
        if (symbol < first || last < symbol || utf8_scalars(symbol).size() != 1) continue;
        arcs_.add_arc(from, symbol, to);
        any = true;
      }
      if (!any)
        problems_.add(where + "/read", "a range that meets the alphabet", shown("[" + first + "-" + last + "]"));
      return;
    }
    if (first.size() != 1 || last.size() != 1 || last < first) {
      problems_.add(where + "/read", "an ascending range of ASCII characters", shown("[" + first + "-" + last + "]"));
      return;
    }
    for (char c = first[0];; ++c) {
      if (!check_symbol(where, std::string(1, c))) return;
      arcs_.add_arc(from, std::string(1, c), to);
      if (c == last[0]) return;
    }
  }

  const ptree& structure_;
  const std::string& source_;
  const std::optional<Alphabet>& given_;
  ProblemList problems_;
  std::vector<JflapState> states_;
  std::unordered_map<std::uint64_t, State> index_;
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
  ptree document;
  try {
    std::istringstream stream{std::string(text)};
    boost::property_tree::read_xml(stream, document, boost::property_tree::xml_parser::no_comments);
  } catch (const boost::property_tree::xml_parser_error& error) {
    throw InputError(source + ":" + std::to_string(error.line()) + ": expected XML, got: " + error.message());
  }
  const auto root =
      std::find_if(document.begin(), document.end(), [](const auto& child) { return child.first != "<xmlcomment>"; });
  if (root == document.end() || root->first != "structure") {
    throw InputError(source + ": expected the root element <structure>, got " +
                     (root == document.end() ? "none" : shown(root->first)));
  }
  return Document(root->second, source, alphabet).automaton();
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
