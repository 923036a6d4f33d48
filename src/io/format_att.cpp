// Reading and writing AT&T text by the rules of the header. Reading costs a sort of the arcs.
#include "krohn/io/format_att.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "krohn/automata/nfa.hpp"
#include "krohn/error.hpp"
#include "krohn/io/source_text.hpp"
#include "sink.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_problems = 50;
// States times symbols, as 4-byte entries: 1 GiB.
constexpr std::size_t max_transitions = std::size_t{1} << 28U;
constexpr std::array<std::string_view, 5> epsilons = {"0", "<eps>", "<epsilon>", "@0@", "@_EPSILON_SYMBOL_@"};

bool is_epsilon(std::string_view symbol) {
  return std::find(epsilons.begin(), epsilons.end(), symbol) != epsilons.end();
}

struct Field {
  std::string_view text;
  /// 1-based, in bytes.
  std::size_t column;
};

std::vector<Field> fields_of(std::string_view line) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] == ' ' || line[at] == '\t') {
      ++at;
      continue;
    }
    const std::size_t start = at;
    while (at < line.size() && line[at] != ' ' && line[at] != '\t') ++at;
    fields.push_back({line.substr(start, at - start), start + 1});
  }
  return fields;
}

struct Arc {
  std::uint64_t source;
  std::uint64_t target;
  std::string symbol;
  std::size_t line;
};

// The lines of the text, before symbols and states have numbers.
class ArcReader {
 public:
  explicit ArcReader(const std::string& source, const std::optional<Alphabet>& alphabet)
      : source_(source), alphabet_(alphabet) {}

  void read_line(std::string_view line, std::size_t number) {
    line_ = number;
    const std::vector<Field> fields = fields_of(line);
    if (fields.empty()) return;
    if (fields.size() > 5) {
      return problem(fields[5], "at most five fields", shown(fields[5].text));
    }
    if (fields.size() == 2) {
      return problem(fields[1], "a final state without a weight", shown(fields[1].text));
    }
    if (fields.size() == 5) return problem(fields[4], "an arc without a weight", shown(fields[4].text));
    const std::optional<std::uint64_t> source = state(fields[0]);
    if (fields.size() == 1) {
      if (source) finals_.push_back(*source);
      return;
    }
    const std::optional<std::uint64_t> target = state(fields[1]);
    const Field& symbol = fields[2];
    if (fields.size() == 4 && fields[3].text != symbol.text) {
      return problem(fields[3], "the same symbol on both sides (an acceptor without weights)",
                     shown(symbol.text) + " and " + shown(fields[3].text));
    }
    if (alphabet_) {
      if (!alphabet_->find(symbol.text)) return problem(symbol, "a symbol of the given alphabet", shown(symbol.text));
    } else if (is_epsilon(symbol.text)) {
      return problem(symbol, "a symbol (epsilon is not supported; --alphabet can name it a symbol)",
                     shown(symbol.text));
    } else if (!known_good_.count(symbol.text)) {
      try {
        static_cast<void>(Alphabet({std::string(symbol.text)}));
        known_good_.insert(std::string(symbol.text));
      } catch (const InputError&) {
        return problem(symbol, "a symbol in UTF-8 without control characters", shown(symbol.text));
      }
    }
    if (source && target) arcs_.push_back({*source, *target, std::string(symbol.text), number});
  }

  const std::vector<Arc>& arcs() const { return arcs_; }
  const std::vector<std::uint64_t>& finals() const { return finals_; }
  std::optional<std::uint64_t> start() const { return start_; }
  std::size_t num_problems() const { return count_; }

  void raise_if_any() {
    if (count_ == 0) return;
    if (count_ > problems_.size()) {
      problems_.push_back(source_ + ": and " + std::to_string(count_ - problems_.size()) + " more problems");
    }
    throw InputError(std::move(problems_));
  }

 private:
  std::optional<std::uint64_t> state(const Field& field) {
    std::uint64_t value = 0;
    const char* end = field.text.data() + field.text.size();
    const auto [stopped, error] = std::from_chars(field.text.data(), end, value);
    if (error != std::errc{} || stopped != end || value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      problem(field, "a state (a decimal number below 2^63)", shown(field.text));
      return std::nullopt;
    }
    if (!start_) start_ = value;
    return value;
  }
  void problem(const Field& field, const std::string& expected, const std::string& got) {
    if (++count_ > max_problems) return;
    problems_.push_back(source_ + ":" + std::to_string(line_) + ": column " + std::to_string(field.column) +
                        ": expected " + expected + ", got " + got);
  }

  std::string source_;
  const std::optional<Alphabet>& alphabet_;
  std::size_t line_ = 0;
  std::vector<Arc> arcs_;
  std::vector<std::uint64_t> finals_;
  std::optional<std::uint64_t> start_;
  std::set<std::string, std::less<>> known_good_;
  std::vector<std::string> problems_;
  std::size_t count_ = 0;
};

Alphabet occurring_symbols(const std::vector<Arc>& arcs, const std::string& source) {
  std::set<std::string> names;
  for (const Arc& arc : arcs) names.insert(arc.symbol);
  if (names.empty()) {
    throw InputError(source + ": expected at least one arc or a given alphabet, got an automaton without symbols");
  }
  return Alphabet({names.begin(), names.end()});
}

}  // namespace

LanguageSource parse_format_att(std::string_view text, const std::string& source,
                                const std::optional<Alphabet>& given) {
  ArcReader reader(source, given);
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, newline - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    reader.read_line(line, ++number);
    at = newline + 1;
  }
  reader.raise_if_any();
  if (!reader.start()) throw InputError(source + ": expected at least one state, got none");
  const Alphabet alphabet = given ? *given : occurring_symbols(reader.arcs(), source);

  std::map<std::uint64_t, State> states;
  states.emplace(*reader.start(), 0);
  for (const Arc& arc : reader.arcs()) {
    states.emplace(arc.source, 0);
    states.emplace(arc.target, 0);
  }
  for (const std::uint64_t name : reader.finals()) states.emplace(name, 0);
  if (states.size() >= max_transitions / alphabet.size()) {
    throw ResourceError(source + ": expected fewer than " + std::to_string(max_transitions) + " transitions, got " +
                        std::to_string(states.size()) + " states times " + std::to_string(alphabet.size()) +
                        " symbols");
  }
  State count = 0;
  for (auto& [name, index] : states) index = count++;

  std::vector<State> delta(states.size() * alphabet.size(), missing_state);
  std::vector<NfaTransition> transitions;
  const Arc* second = nullptr;
  for (const Arc& arc : reader.arcs()) {
    const State from = states.at(arc.source);
    const State to = states.at(arc.target);
    const Symbol symbol = alphabet.find(arc.symbol).value();
    transitions.push_back({from, symbol, to});
    State& next = delta[from * alphabet.size() + symbol];
    if (next != missing_state && next != to && second == nullptr) second = &arc;
    next = to;
  }
  const State start = states.at(*reader.start());
  if (second != nullptr) {
    std::vector<bool> accepting(states.size());
    for (const std::uint64_t name : reader.finals()) accepting[states.at(name)] = true;
    Dfa dfa = determinize(Nfa(alphabet, {start}, std::move(transitions), std::move(accepting)));
    std::string note = source + ":" + std::to_string(second->line) + ": a second arc from state " +
                       std::to_string(second->source) + " under " + shown(second->symbol) + ": determinised, " +
                       std::to_string(states.size()) + " states became " + std::to_string(dfa.num_states());
    return {std::move(dfa), {std::move(note)}};
  }
  std::vector<LabelId> labels(states.size(), 0);
  for (const std::uint64_t name : reader.finals()) labels[states.at(name)] = 1;
  return complete_with_sink(source, alphabet, start, std::move(delta), std::move(labels), {"0", "1"});
}

LanguageSource read_format_att(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  return parse_format_att(read_file(path), path.string(), alphabet);
}

std::string format_att(const Dfa& dfa) {
  std::vector<std::string> problems;
  if (!dfa.is_acceptor()) {
    problems.emplace_back("AT&T text: expected the labels 0 and 1 at every state, got an automaton with other labels");
  }
  for (const std::string& name : dfa.alphabet().names()) {
    if (is_epsilon(name)) {
      problems.push_back("AT&T text: expected symbols other than epsilon, got " + shown(name) +
                         ", which means epsilon there");
    }
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  std::string text;
  const auto write_arcs = [&](State state) {
    for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) {
      const std::string& name = dfa.alphabet().name(symbol);
      text += std::to_string(state) + '\t' + std::to_string(dfa.next(state, symbol)) + '\t' + name + '\t' + name + '\n';
    }
  };
  write_arcs(dfa.start());
  for (State state = 0; state < dfa.num_states(); ++state) {
    if (state != dfa.start()) write_arcs(state);
  }
  for (State state = 0; state < dfa.num_states(); ++state) {
    if (dfa.accepts_at(state)) text += std::to_string(state) + '\n';
  }
  return text;
}

}  // namespace krohn
