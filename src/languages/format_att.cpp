// Reading and writing AT&T text by the rules of the header. One pass over the bytes numbers the symbols and keeps the
// arcs; states are numbered through a table where they are dense, else by sorting. What a symbol, or a fourth field,
// means is decided when the whole file is known.
#include "krohn/languages/format_att.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"
#include "name_table.hpp"
#include "named_arcs.hpp"
#include "text_lines.hpp"

namespace krohn {
namespace {

constexpr std::string_view identity = "@_IDENTITY_SYMBOL_@";
constexpr std::array<std::string_view, 4> epsilons = {"<eps>", "<epsilon>", "@0@", "@_EPSILON_SYMBOL_@"};

bool is_epsilon(std::string_view symbol) {
  return std::find(epsilons.begin(), epsilons.end(), symbol) != epsilons.end();
}

// @P.FEATURE.VALUE@ and so on, and @_NAME_@ other than epsilon.
bool is_special(std::string_view symbol) {
  if (symbol.size() < 4 || symbol.front() != '@' || symbol.back() != '@' || is_epsilon(symbol)) return false;
  if (symbol[1] == '_') return symbol[symbol.size() - 2] == '_' && symbol.size() > 4;
  return std::string_view("PNRDCU").find(symbol[1]) != std::string_view::npos && symbol[2] == '.';
}

std::string meaning(std::string_view symbol) {
  if (symbol == "0") return "which is epsilon where symbols are numbers";
  if (symbol == "@_UNKNOWN_SYMBOL_@") return "which maps any other symbol to a different one";
  if (symbol[1] == '_') return "one of HFST's special symbols";
  return "a flag diacritic, which reads nothing and constrains the path";
}

struct Field {
  std::string_view text;
  /// 1-based, in bytes.
  std::size_t column;
};

// The first six fields of a line.
struct Fields {
  std::array<Field, 6> field;
  std::size_t count = 0;
};

Fields fields_of(std::string_view line) {
  Fields fields;
  for (std::size_t at = 0; at < line.size() && fields.count < fields.field.size();) {
    if (line[at] == ' ' || line[at] == '\t') {
      ++at;
      continue;
    }
    const std::size_t start = at;
    while (at < line.size() && line[at] != ' ' && line[at] != '\t') ++at;
    fields.field[fields.count++] = {line.substr(start, at - start), start + 1};
  }
  return fields;
}

std::optional<double> number_of(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  double value = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stopped != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Place {
  std::size_t line;
  Field field;
};

struct Arc {
  std::uint64_t from;
  std::uint64_t to;
  std::uint32_t symbol;
};

// The lines of the text, before symbols and states have numbers.
class ArcReader {
 public:
  explicit ArcReader(const std::string& source) : source_(source), problems_(source) {}

  void read(std::string_view text) {
    for_each_line(text, [&](std::string_view line, std::size_t number) { read_line(line, number); });
    // Rule 2: fourth fields that are outputs, or weights.
    if (different_output_ && fourths_are_weights_) {
      notes_.push_back(source_ + ": fourth fields are numbers that differ from the symbol: read as weights");
      for (const auto& first : fourths_) {
        if (first) weigh(*first, *number_of(first->field.text));
      }
    } else {
      if (different_output_) {
        problem(*different_output_, "the same symbol on both sides (an acceptor)", different_sides_);
      }
      left_out_ = left_out_ || any_fourth_;
    }
    check_weights();
  }

  ProblemList& problems() { return problems_; }
  const std::vector<Arc>& arcs() const { return arcs_; }
  const std::vector<std::uint64_t>& finals() const { return finals_; }
  std::optional<std::uint64_t> start() const { return start_; }
  const NameTable& symbols() const { return symbols_; }
  const Place& first_place(std::uint32_t symbol) const { return first_places_[symbol]; }
  std::vector<std::string>& notes() { return notes_; }

  void problem(const Place& place, const std::string& expected, const std::string& got) {
    problems_.add(place.line, place.field.column, expected, got);
  }

 private:
  void read_line(std::string_view line, std::size_t number) {
    const Fields all = fields_of(line);
    if (all.count == 0) return;
    const auto& fields = all.field;
    const auto place = [&](std::size_t i) { return Place{number, fields[i]}; };
    if (all.count == 1 && fields[0].text == "--") {
      if (start_) separator_ = place(0);
      return;
    }
    if (separator_) {
      if (!second_) problem(place(0), "one automaton", "a second one after the line --");
      second_ = true;
      return;
    }
    if (all.count > 5) return problem(place(5), "at most five fields", shown(fields[5].text));
    const std::optional<std::uint64_t> from = state(place(0));
    if (all.count <= 2) {
      if (all.count == 2) {
        weight(place(1));
      } else {
        left_out_ = true;
      }
      if (from) finals_.push_back(*from);
      return;
    }
    const std::optional<std::uint64_t> to = state(place(1));
    if (all.count >= 4 && fields[3].text != fields[2].text && !different_output_) {
      different_output_ = place(3);
      different_sides_ = shown(fields[2].text) + " and " + shown(fields[3].text);
    }
    if (all.count == 5) {
      fourths_are_weights_ = false;
      weight(place(4));
    } else if (all.count == 4) {
      any_fourth_ = true;
      if (fourths_are_weights_) fourth(place(3), fields[2].text);
    } else {
      left_out_ = true;
    }
    const auto [symbol, added] = symbols_.find_or_add(fields[2].text);
    if (added) first_places_.push_back(place(2));
    if (from && to) arcs_.push_back({*from, *to, symbol});
  }

  // A fourth field, as the weight that it may be: the first that is 0, 1 and another one are kept.
  void fourth(const Place& place, std::string_view symbol) {
    const std::optional<double> value = number_of(place.field.text);
    // Two different whole numbers may be the two sides of a transducer with numbers for symbols.
    const bool sides = place.field.text != symbol && decimal_number(place.field.text) && decimal_number(symbol);
    if (!value || sides) {
      fourths_are_weights_ = false;
      return;
    }
    std::optional<Place>& first = fourths_[*value == 0 ? 0 : *value == 1 ? 1 : 2];
    if (!first) first = place;
  }

  void weight(const Place& place) {
    const std::optional<double> value = number_of(place.field.text);
    if (!value) return problem(place, "a weight", shown(place.field.text));
    weigh(place, *value);
  }

  void weigh(const Place& place, double value) {
    if (value != 0 && value != 1) {
      return problem(place, "a neutral weight, 0 or 1 (weights have no meaning in a language)",
                     shown(place.field.text));
    }
    auto& first = value == 0 ? first_zero_ : first_one_;
    if (!first) first = place;
  }

  void check_weights() {
    if (first_one_ && first_zero_) {
      problem(*first_one_, "weights that are all 0 or all 1", "1, and 0 in line " + std::to_string(first_zero_->line));
    } else if (first_one_ && left_out_) {
      problem(*first_one_, "the weight 1 everywhere or nowhere (left out it is neutral, which 1 is not as a cost)",
              "lines without a weight");
    } else if (first_one_ || first_zero_) {
      notes_.push_back(source_ + ": every weight is " + (first_one_ ? "1" : "0") +
                       ", the neutral one: read as an automaton without weights");
    }
  }

  std::optional<std::uint64_t> state(const Place& place) {
    const std::optional<std::uint64_t> value = decimal_number(place.field.text);
    if (!value) problem(place, "a state (a decimal number below 2^63)", shown(place.field.text));
    if (value && !start_) start_ = value;
    return value;
  }

  const std::string& source_;
  ProblemList problems_;
  std::vector<Arc> arcs_;
  std::vector<std::uint64_t> finals_;
  std::optional<std::uint64_t> start_;
  NameTable symbols_;
  std::vector<Place> first_places_;  // of the symbols
  std::vector<std::string> notes_;
  bool fourths_are_weights_ = true;
  bool any_fourth_ = false;
  std::array<std::optional<Place>, 3> fourths_;
  std::optional<Place> different_output_;
  std::string different_sides_;
  bool left_out_ = false;
  std::optional<Place> first_zero_;
  std::optional<Place> first_one_;
  std::optional<Place> separator_;
  bool second_ = false;
};

// Rule 8.
class SymbolTable {
 public:
  explicit SymbolTable(const AttSymbolTable& table) {
    ProblemList problems(table.source);
    for_each_line(without_byte_order_mark(table.text), [&](std::string_view line, std::size_t number) {
      const Fields fields = fields_of(line);
      if (fields.count == 0) return;
      const std::optional<std::uint64_t> value =
          fields.count == 2 ? decimal_number(fields.field[1].text) : std::nullopt;
      if (!value) return problems.add(number, 1, "a name and a decimal number below 2^63", shown(line));
      const bool new_name = names_.find_or_add(fields.field[0].text).added;
      if (!new_name) return problems.add(number, 1, "different names", shown(fields.field[0].text) + " twice");
      numbers_.push_back(*value);
      if (!by_number_.find_or_add(std::to_string(*value)).added) {
        problems.add(number, fields.field[1].column, "different numbers", std::to_string(*value) + " twice");
      }
    });
    problems.raise_if_any();
  }

  std::optional<std::uint64_t> number_of_name(std::string_view name) const {
    const std::optional<std::uint32_t> index = names_.find(name);
    if (!index) return std::nullopt;
    return numbers_[*index];
  }
  std::optional<std::string_view> name_of_number(std::string_view number) const {
    const std::optional<std::uint32_t> index = by_number_.find(number);
    if (!index) return std::nullopt;
    return names_[*index];
  }

 private:
  NameTable names_;
  NameTable by_number_;  // same indices
  std::vector<std::uint64_t> numbers_;
};

// Symbols of the arcs as names, epsilons and expansions.
struct Meaning {
  enum class Kind { symbol, silent, others } kind = Kind::symbol;
  std::string name;
};

std::vector<Meaning> by_table(ArcReader& reader, const std::string& source, const AttSymbolTable& text) {
  const SymbolTable table(text);
  const NameTable& symbols = reader.symbols();
  bool names = true;
  bool numbers = true;
  bool same = true;
  for (std::uint32_t a = 0; a < symbols.size(); ++a) {
    const std::optional<std::uint64_t> number = table.number_of_name(symbols[a]);
    const std::optional<std::string_view> name = table.name_of_number(symbols[a]);
    names = names && number;
    numbers = numbers && name;
    same = same && number && name && symbols[a] == *name;
  }
  if (!names && !numbers) {
    for (std::uint32_t a = 0; a < symbols.size(); ++a) {
      const bool known = table.number_of_name(symbols[a]) || table.name_of_number(symbols[a]);
      if (!known) reader.problem(reader.first_place(a), "a symbol of " + text.source, shown(symbols[a]));
    }
    if (reader.problems().empty()) {
      reader.problems().add("", "symbols that are all names, or all numbers, of " + text.source, "both");
    }
  } else if (names && numbers && !same && symbols.size() > 0) {
    reader.problems().add("", "symbols that are either names or numbers of " + text.source,
                          "ones that are both, with different meanings");
  }
  reader.problems().raise_if_any();
  std::vector<Meaning> meanings;
  for (std::uint32_t a = 0; a < symbols.size(); ++a) {
    const std::string name(names ? symbols[a] : *table.name_of_number(symbols[a]));
    const bool silent = table.number_of_name(name) == 0 || is_epsilon(name);
    meanings.push_back({silent ? Meaning::Kind::silent : Meaning::Kind::symbol, name});
  }
  const std::optional<std::string_view> zero = table.name_of_number("0");
  reader.notes().push_back(source + ": symbols are " + (names ? "names" : "numbers") + " of " + text.source +
                           (zero ? ", where " + shown(*zero) + " is 0 and reads nothing" : ""));
  return meanings;
}

std::vector<Meaning> meanings_of(ArcReader& reader, const std::string& source, const std::optional<Alphabet>& given,
                                 const std::optional<AttSymbolTable>& table) {
  const NameTable& symbols = reader.symbols();
  std::vector<Meaning> meanings;
  if (table) {
    meanings = by_table(reader, source, *table);
  } else {
    for (std::uint32_t a = 0; a < symbols.size(); ++a) {
      const std::string name(symbols[a]);
      const bool silent = is_epsilon(name) && !(given && given->find(name));
      meanings.push_back({silent ? Meaning::Kind::silent : Meaning::Kind::symbol, name});
    }
  }
  for (std::uint32_t a = 0; a < meanings.size(); ++a) {
    Meaning& symbol = meanings[a];
    const Place& place = reader.first_place(a);
    if (symbol.kind == Meaning::Kind::silent || (given && given->find(symbol.name))) continue;
    if ((symbol.name == "0" && !table) || is_special(symbol.name)) {
      if (symbol.name == identity && given) {
        symbol.kind = Meaning::Kind::others;
        continue;
      }
      reader.problem(place, "a symbol (--alphabet can name it one)",
                     shown(symbol.name) + ", " +
                         (symbol.name == identity ? "any symbol that the file does not name (read with --alphabet)"
                                                  : meaning(symbol.name)));
    } else if (given) {
      reader.problem(place, "a symbol of the given alphabet", shown(symbol.name));
    } else {
      try {
        static_cast<void>(Alphabet({symbol.name}));
      } catch (const InputError&) {
        reader.problem(place, "a symbol in UTF-8 without control characters", shown(symbol.name));
      }
    }
  }
  reader.problems().raise_if_any();
  return meanings;
}

// The states in ascending order of their names: a function from names to numbers.
class StateNumbers {
 public:
  explicit StateNumbers(const ArcReader& reader) {
    std::uint64_t largest = *reader.start();
    for (const Arc& arc : reader.arcs()) largest = std::max({largest, arc.from, arc.to});
    for (const std::uint64_t name : reader.finals()) largest = std::max(largest, name);
    const auto each = [&](auto&& visit) {
      visit(*reader.start());
      for (const Arc& arc : reader.arcs()) {
        visit(arc.from);
        visit(arc.to);
      }
      for (const std::uint64_t name : reader.finals()) visit(name);
    };
    if (largest <= 8 * (reader.arcs().size() + reader.finals().size()) + 1024) {
      dense_.assign(largest + 1, 0);
      each([&](std::uint64_t name) { dense_[name] = 1; });
      for (State& entry : dense_) {
        if (entry != 0) entry = count_++;
      }
      return;
    }
    each([&](std::uint64_t name) { sorted_.push_back(name); });
    std::sort(sorted_.begin(), sorted_.end());
    sorted_.erase(std::unique(sorted_.begin(), sorted_.end()), sorted_.end());
    count_ = static_cast<State>(sorted_.size());
  }

  State operator()(std::uint64_t name) const {
    if (!dense_.empty()) return dense_[name];
    return static_cast<State>(std::lower_bound(sorted_.begin(), sorted_.end(), name) - sorted_.begin());
  }
  State count() const { return count_; }

 private:
  std::vector<State> dense_;
  std::vector<std::uint64_t> sorted_;
  State count_ = 0;
};

}  // namespace

LanguageSource parse_format_att(std::string_view text, const std::string& source, const std::optional<Alphabet>& given,
                                const std::optional<AttSymbolTable>& table) {
  ArcReader reader(source);
  reader.read(without_byte_order_mark(text));
  if (reader.problems().empty() && !reader.start()) reader.problems().add("", "at least one state", "none");
  const std::vector<Meaning> meanings = meanings_of(reader, source, given, table);

  NamedArcs arcs;
  arcs.notes = std::move(reader.notes());
  const StateNumbers number(reader);
  std::vector<Symbol> symbol_of;
  bool any_identity = false;
  for (const Meaning& symbol : meanings) {
    symbol_of.push_back(symbol.kind == Meaning::Kind::symbol ? arcs.symbols.find_or_add(symbol.name).index : epsilon);
    any_identity = any_identity || symbol.kind == Meaning::Kind::others;
  }
  std::vector<Symbol> others;
  if (any_identity) {
    for (const std::string& name : given->names()) {
      const NameTable::Found found = arcs.symbols.find_or_add(name);
      if (found.added) others.push_back(found.index);
    }
    arcs.notes.push_back(source + ": " + std::string(identity) + " stands for the " + std::to_string(others.size()) +
                         " symbols of the given alphabet that the file does not name");
  }
  arcs.arcs.reserve(reader.arcs().size());
  for (const Arc& arc : reader.arcs()) {
    const State from = number(arc.from);
    const State to = number(arc.to);
    if (meanings[arc.symbol].kind == Meaning::Kind::others) {
      for (const Symbol other : others) arcs.arcs.push_back({from, other, to});
    } else {
      arcs.arcs.push_back({from, symbol_of[arc.symbol], to});
    }
  }
  arcs.starts = {number(*reader.start())};
  arcs.labels.assign(number.count(), 0);
  for (const std::uint64_t name : reader.finals()) arcs.labels[number(name)] = 1;
  const Alphabet alphabet = alphabet_of(source, arcs, given);
  return automaton_of(source, std::move(arcs), alphabet);
}

LanguageSource read_format_att(const std::filesystem::path& path, const std::optional<Alphabet>& alphabet) {
  std::optional<AttSymbolTable> table;
  for (const char* suffix : {".syms", ".isyms"}) {
    for (std::filesystem::path beside :
         {std::filesystem::path(path).replace_extension(suffix), std::filesystem::path(path.string() + suffix)}) {
      std::error_code ignored;
      if (!table && std::filesystem::exists(beside, ignored)) {
        table = AttSymbolTable{beside.string(), read_file(beside)};
      }
    }
  }
  return parse_format_att(read_file(path), path.string(), alphabet, table);
}

std::string format_att(const Dfa& dfa) {
  std::vector<std::string> problems;
  if (!dfa.is_acceptor()) {
    problems.emplace_back("AT&T text: expected the labels 0 and 1 at every state, got an automaton with other labels");
  }
  for (const std::string& name : dfa.alphabet().names()) {
    if (is_epsilon(name) || name == "0") {
      problems.push_back("AT&T text: expected symbols other than epsilon, got " + shown(name) +
                         ", which means epsilon there");
    } else if (is_special(name)) {
      problems.push_back("AT&T text: expected symbols other than HFST's special ones, got " + shown(name) + ", " +
                         meaning(name));
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
