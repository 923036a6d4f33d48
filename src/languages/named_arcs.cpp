// See the header. Linear in states times symbols, plus the subset construction where it is needed.
// Tested by tests/languages/read_only_formats_test.cpp.
#include "named_arcs.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "krohn/error.hpp"
#include "sink.hpp"

namespace krohn {
namespace {

// States times symbols, as 4-byte entries: 1 GiB.
constexpr std::size_t max_transitions = std::size_t{1} << 28U;

}  // namespace

LanguageSource automaton_of(const std::string& source, NamedArcs arcs, const Alphabet& alphabet) {
  const std::size_t states = arcs.labels.size();
  const std::size_t symbols = alphabet.size();
  std::vector<Symbol> symbol_of(arcs.symbols.size(), epsilon);
  std::vector<bool> occurs(arcs.symbols.size(), false);
  for (const NfaTransition& arc : arcs.arcs) {
    if (arc.symbol != epsilon) occurs[arc.symbol] = true;
  }
  for (std::size_t i = 0; i < symbol_of.size(); ++i) {
    if (occurs[i]) symbol_of[i] = alphabet.find(arcs.symbols[i]).value();
  }
  bool deterministic = arcs.starts.size() == 1;
  for (NfaTransition& arc : arcs.arcs) {
    if (arc.symbol == epsilon) {
      deterministic = false;
    } else {
      arc.symbol = symbol_of[arc.symbol];
    }
  }
  if (deterministic) {
    if (states >= max_transitions / symbols) {
      throw ResourceError(source + ": expected fewer than " + std::to_string(max_transitions) + " transitions, got " +
                          std::to_string(states) + " states times " + std::to_string(symbols) + " symbols");
    }
    std::vector<State> delta(states * symbols, missing_state);
    for (const NfaTransition& t : arcs.arcs) {
      State& next = delta[t.from * symbols + t.symbol];
      if (next != missing_state && next != t.to) {
        deterministic = false;
        break;
      }
      next = t.to;
    }
    if (deterministic) {
      LanguageSource language = complete_with_sink(source, alphabet, arcs.starts.front(), std::move(delta),
                                                   std::move(arcs.labels), std::move(arcs.label_names));
      language.notes.insert(language.notes.begin(), arcs.notes.begin(), arcs.notes.end());
      return language;
    }
  }
  const std::string got = arcs.starts.empty() ? "one without an initial state" : "a nondeterministic one";
  if (arcs.label_names != std::vector<std::string>{"0", "1"} ||
      std::find(arcs.labels.begin(), arcs.labels.end(), null_label) != arcs.labels.end()) {
    throw InputError(source + ": expected a deterministic automaton, because its states have labels, got " + got);
  }
  if (arcs.must_be_deterministic) {
    throw InputError(source + ": expected a deterministic automaton, as the file says, got " + got);
  }
  std::vector<bool> accepting(states);
  for (std::size_t q = 0; q < states; ++q) accepting[q] = arcs.labels[q] == 1;
  MinimalDfa minimal = minimal_dfa(Nfa(alphabet, arcs.starts, std::move(arcs.arcs), std::move(accepting)));
  std::vector<std::string> notes = std::move(arcs.notes);
  if (arcs.starts.empty()) {
    notes.push_back(source + ": no state is initial: the language is empty");
  } else {
    notes.push_back(source + ": nondeterministic (" + std::to_string(states) + " states), made deterministic (" +
                    std::to_string(minimal.num_sets) + ") and minimal (" + std::to_string(minimal.dfa.num_states()) +
                    ")");
  }
  return {std::move(minimal.dfa), std::move(notes)};
}

Alphabet alphabet_of(const std::string& source, const NamedArcs& arcs, const std::optional<Alphabet>& given) {
  if (arcs.alphabet && given) {
    std::vector<std::string> stated = arcs.alphabet->names();
    std::vector<std::string> wanted = given->names();
    std::sort(stated.begin(), stated.end());
    std::sort(wanted.begin(), wanted.end());
    if (stated != wanted) {
      throw InputError(source + ": expected an alphabet of the same symbols as the given one, got others");
    }
    return *given;
  }
  if (given) return *given;
  if (arcs.alphabet) return *arcs.alphabet;
  std::vector<bool> occurs(arcs.symbols.size(), false);
  for (const NfaTransition& arc : arcs.arcs) {
    if (arc.symbol != epsilon) occurs[arc.symbol] = true;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < arcs.symbols.size(); ++i) {
    if (occurs[i]) names.emplace_back(arcs.symbols[i]);
  }
  if (names.empty()) {
    throw InputError(source + ": expected at least one symbol or a given alphabet, got an automaton without symbols");
  }
  std::sort(names.begin(), names.end());
  return Alphabet(std::move(names));
}

}  // namespace krohn
