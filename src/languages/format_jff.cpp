// Reading and writing .jff by the rules of the header, in one walk over the elements: a transition whose states are
// known and which reads one character becomes an arc at once, the others wait for the states. Linear in the text, but
// for the sorting of states that are not in the order of their ids.
#include "krohn/languages/format_jff.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"
#include "named_arcs.hpp"
#include "state_labels.hpp"
#include "symbol_check.hpp"
#include "text_lines.hpp"
#include "xml_reader.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_bytes = std::size_t{256} << 20U;
constexpr std::size_t max_depth = 16;

// Where an element lies: the outer <structure> or its <automaton>, its number there among its like, and in the text.
struct Place {
  bool outermost;
  std::uint32_t number;
  std::size_t at;
};

struct JflapState {
  std::uint64_t id;
  Place place;
  bool initial;
  bool final;
  std::string_view output;
};

// The texts of <from>, <to>, <read> and <transout>.
struct JflapTransition {
  Place place;
  std::array<std::optional<std::string_view>, 4> texts;
};

class Document {
 public:
  Document(std::string_view text, const std::string& source, const std::optional<Alphabet>& given)
      : xml_(text, source, max_depth), source_(source), given_(given), problems_(source), check_(given) {
    character_.fill(no_symbol);
  }

  LanguageSource automaton() {
    xml_.enter();
    if (xml_.name() != "structure") {
      throw InputError(source_ + ":" + std::to_string(xml_.line_of(xml_.where())) +
                       ": expected the root element <structure>, got " + shown(xml_.name()));
    }
    read_type();
    read_folder(true);
    xml_.finish();
    if (automata_ > 1) problems_.add("structure", "one <automaton>", std::to_string(automata_));
    number_states();
    for (const JflapTransition& transition : waiting_) add_transition(transition);
    if (states_.empty()) problems_.add("structure/automaton", "at least one state", "none");
    problems_.raise_if_any();
    add_notes();
    const Alphabet alphabet = alphabet_of(source_, arcs_, given_);
    return automaton_of(source_, std::move(arcs_), alphabet);
  }

 private:
  static constexpr std::uint32_t no_symbol = UINT32_MAX;

  void problem(const Place& place, const std::string& element, const std::string& expected, const std::string& got) {
    const char* folder = place.outermost ? "structure" : "structure/automaton";
    problems_.add(xml_.line_of(place.at), folder + ("/" + element), expected, got);
  }
  static std::string state_at(const Place& place, const char* part = "") {
    return "state[" + std::to_string(place.number) + "]" + part;
  }
  static std::string transition_at(const Place& place, const std::string& part = "") {
    return "transition[" + std::to_string(place.number) + "]" + part;
  }

  void pass_over(const char* parent) {
    passed_over_.insert("<" + std::string(xml_.name()) + "> in <" + parent + ">");
    xml_.leave();
  }

  // It may come last, but says how the others are read.
  void read_type() {
    XmlReader ahead(xml_);
    std::optional<std::string> machine;
    while (!machine && ahead.enter()) {
      if (ahead.name() == "type") {
        machine = trimmed(ahead.text_within());
      } else {
        ahead.leave();
      }
    }
    moore_ = machine == "moore";
    if (moore_ || machine == "fa") return;
    const std::size_t line = machine ? ahead.line_of(ahead.where()) : xml_.line_of(xml_.where());
    xml_.leave();  // what is not well formed comes first
    xml_.finish();
    problems_.add(line, "structure/type", "'fa', a finite automaton, or 'moore', a Moore machine",
                  machine ? shown(*machine) : "no <type>");
    problems_.raise_if_any();
  }

  void read_folder(bool outermost) {
    std::uint32_t states = 0;
    std::uint32_t transitions = 0;
    std::uint32_t types = 0;
    while (xml_.enter()) {
      const std::string_view name = xml_.name();
      const Place place{outermost, 0, xml_.where()};
      if (name == "transition") {
        read_transition({outermost, ++transitions, xml_.where()});
      } else if (name == "state") {
        read_state({outermost, ++states, xml_.where()});
      } else if (name == "automaton" && outermost) {
        ++automata_;
        read_folder(false);
      } else if (name == "automaton") {
        problem(place, "automaton", "states and transitions", "an <automaton> within another (a building block)");
        xml_.leave();
      } else if (name == "block") {
        problem(place, "block", "states and transitions", "a <block> (a building block)");
        xml_.leave();
      } else if (name == "type" && outermost) {
        if (++types == 2) problem(place, "type", "one <type>", "a second one");
        xml_.leave();
      } else if (name == "note") {
        xml_.leave();
      } else {
        pass_over(outermost ? "structure" : "automaton");
      }
    }
  }

  void read_state(const Place& place) {
    const std::optional<std::string_view> text = xml_.attribute("id");
    const std::optional<std::uint64_t> id = decimal_number(text.value_or(""));
    if (!id) {
      problem(place, state_at(place, "/@id"), "a decimal number below 2^63", text ? shown(*text) : "none");
    }
    JflapState state{id.value_or(0), place, false, false, {}};
    std::size_t outputs = 0;
    while (xml_.enter()) {
      const std::string_view name = xml_.name();
      if (name == "output" && moore_) {
        const std::string_view output = xml_.text_within();
        if (outputs++ == 0) state.output = trimmed(output);
        continue;
      }
      if (name == "initial") {
        state.initial = true;
      } else if (name == "final") {
        state.final = true;
      } else if (name == "automaton" || name == "tag") {
        problem(place, state_at(place) + "/" + std::string(name), "a state", "a building block");
      } else if (name != "x" && name != "y" && name != "label" && name != "name" && name != "output") {
        pass_over("state");
        continue;
      }
      xml_.leave();
    }
    if (outputs > 1) problem(place, state_at(place), "at most one <output>", std::to_string(outputs));
    any_final_ = any_final_ || (moore_ && state.final);
    if (!id) return;
    ascending_ = ascending_ && *id == states_.size();
    if (ascending_) ++known_;
    states_.push_back(state);
  }

  void number_states() {
    if (!ascending_) {
      std::stable_sort(states_.begin(), states_.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
      for (std::size_t q = 1; q < states_.size(); ++q) {
        if (states_[q].id != states_[q - 1].id) continue;
        problem(states_[q].place, state_at(states_[q].place, "/@id"), "different ids",
                std::to_string(states_[q].id) + " twice");
      }
    }
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

  void read_transition(const Place& place) {
    constexpr std::array<std::string_view, 4> names = {"from", "to", "read", "transout"};
    JflapTransition transition{place, {}};
    std::array<std::size_t, 4> counts{};
    while (xml_.enter()) {
      const std::string_view name = xml_.name();
      const auto part = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
      if (part < names.size()) {
        const std::string_view text = xml_.text_within();
        if (counts[part]++ == 0) transition.texts[part] = text;
      } else if (name == "controlx" || name == "controly") {
        xml_.leave();
      } else {
        pass_over("transition");
      }
    }
    bool plain = counts[0] == 1 && counts[1] == 1 && counts[2] == 1 && counts[3] == 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (counts[i] <= 1) continue;
      problem(place, transition_at(place), "at most one <" + std::string(names[i]) + ">", std::to_string(counts[i]));
    }
    if (plain) {
      const std::optional<std::uint64_t> from = decimal_number(*transition.texts[0]);
      const std::optional<std::uint64_t> to = decimal_number(*transition.texts[1]);
      const std::string_view symbol = *transition.texts[2];
      if (from && to && *from < known_ && *to < known_ && is_character(symbol)) {
        add_character(place, static_cast<State>(*from), symbol, static_cast<State>(*to));
        return;
      }
    }
    waiting_.push_back(transition);
  }

  static bool is_character(std::string_view symbol) {
    return symbol.size() == 1 && static_cast<unsigned char>(symbol[0]) < 0x80;
  }

  void add_character(const Place& place, State from, std::string_view symbol, State to) {
    std::uint32_t& known = character_[static_cast<unsigned char>(symbol[0])];
    if (known == no_symbol && check_symbol(place, std::string(symbol))) known = arcs_.symbols.find_or_add(symbol).index;
    if (known != no_symbol) arcs_.arcs.push_back({from, known, to});
  }

  std::optional<State> state(const JflapTransition& transition, std::size_t part, const char* name) {
    const std::optional<std::string_view>& text = transition.texts[part];
    if (const std::optional<std::uint64_t> id = decimal_number(trimmed(text.value_or("")))) {
      const auto found =
          std::lower_bound(states_.begin(), states_.end(), *id,
                           [](const JflapState& state, std::uint64_t value) { return state.id < value; });
      if (found != states_.end() && found->id == *id) return static_cast<State>(found - states_.begin());
    }
    problem(transition.place, transition_at(transition.place, name), "the id of a state", text ? shown(*text) : "none");
    return std::nullopt;
  }

  void add_transition(const JflapTransition& transition) {
    const Place& place = transition.place;
    const std::optional<State> from = state(transition, 0, "/from");
    const std::optional<State> to = state(transition, 1, "/to");
    const std::optional<std::string_view>& output = transition.texts[3];
    if (output && !moore_) {
      problem(place, transition_at(place, "/transout"), "a finite automaton, as <type> says", "an output");
    } else if (output && to && trimmed(*output) != states_[*to].output) {
      problem(place, transition_at(place, "/transout"),
              "the output of the transition's target, " + shown(states_[*to].output), shown(*output));
    }
    const std::string_view symbols = transition.texts[2].value_or("");
    if (!from || !to) return;
    if (is_character(symbols)) return add_character(place, *from, symbols, *to);
    const std::vector<std::string> word = utf8_scalars(symbols);
    const bool brackets = word.size() > 1 && std::any_of(word.begin(), word.end(), [](const std::string& scalar) {
                            return scalar == "[" || scalar == "]";
                          });
    if (word.empty()) {
      arcs_.add_silent_arc(*from, *to);
    } else if (is_written_epsilon(word)) {
      arcs_.add_silent_arc(*from, *to);
      epsilons_.emplace(symbols);
    } else if (brackets) {
      read_brackets(place, word, *from, *to);
    } else {
      read_word(place, word, *from, *to);
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

  bool check_symbol(const Place& place, const std::string& symbol) {
    if (check_.is_good(symbol)) return true;
    problem(place, transition_at(place, "/read"),
            given_ ? "symbols of the alphabet" : "symbols without white space and control characters", shown(symbol));
    return false;
  }

  void read_word(const Place& place, const std::vector<std::string>& word, State from, State to) {
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (!check_symbol(place, word[i])) return;
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
  void read_brackets(const Place& place, const std::vector<std::string>& word, State from, State to) {
    const std::vector<std::string> inside(word.begin() + 1, word.end() - 1);
    const auto is_bracket = [](const std::string& scalar) { return scalar == "[" || scalar == "]"; };
    const bool closed = word.front() == "[" && word.back() == "]" && !inside.empty() &&
                        std::none_of(inside.begin(), inside.end(), is_bracket);
    if (closed && inside.size() == 3 && inside[1] == "-") {
      ranges_ = true;
      return read_range(place, inside[0], inside[2], from, to);
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
      problem(place, transition_at(place, "/read"),
              "[x-y], or [u,v,x..y], or no brackets in a text of several characters", shown(text));
      return;
    }
    lists_ = true;
    for (const std::vector<std::string>& element : elements) {
      const auto point = std::find(element.begin(), element.end(), ".");
      const bool range = point != element.end() && point + 1 != element.end() && *(point + 1) == ".";
      if (element.size() == 1 && !range) {
        read_word(place, element, from, to);
      } else if (range && element.size() == 4 && element[1] == ".") {
        read_range(place, element[0], element[3], from, to);
      } else {
        std::string text;
        for (const std::string& scalar : element) text += scalar;
        problem(place, transition_at(place, "/read"), "characters, or ranges x..y, between the commas", shown(text));
      }
    }
  }

  void read_range(const Place& place, const std::string& first, const std::string& last, State from, State to) {
    const std::string range = "[" + first + "-" + last + "]";
    if (given_) {
      bool any = false;
      for (const std::string& symbol : given_->names()) {
        if (symbol < first || last < symbol || utf8_scalars(symbol).size() != 1) continue;
        arcs_.add_arc(from, symbol, to);
        any = true;
      }
      if (!any) problem(place, transition_at(place, "/read"), "a range that meets the alphabet", shown(range));
      return;
    }
    if (first.size() != 1 || last.size() != 1 || last < first) {
      problem(place, transition_at(place, "/read"), "an ascending range of ASCII characters", shown(range));
      return;
    }
    for (char c = first[0];; ++c) {
      if (!check_symbol(place, std::string(1, c))) return;
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

  XmlReader xml_;
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
  std::size_t automata_ = 0;
  std::vector<JflapState> states_;
  bool ascending_ = true;  // the ids so far are 0, 1, ..
  std::size_t known_ = 0;  // below it the ids are the states' numbers
  std::vector<JflapTransition> waiting_;
  std::array<std::uint32_t, 256> character_;  // the symbol of an ASCII character
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
  if (text.size() > max_bytes) {
    throw InputError(source + ": expected at most " + std::to_string(max_bytes) + " bytes, got more");
  }
  return Document(text, source, alphabet).automaton();
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
