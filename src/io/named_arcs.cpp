// See the header. Linear in states times symbols, plus the subset construction where it is needed.
#include "named_arcs.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "krohn/automata/minimize.hpp"
#include "krohn/automata/nfa.hpp"
#include "krohn/error.hpp"
#include "sink.hpp"

namespace krohn {
namespace {

// States times symbols, as 4-byte entries: 1 GiB.
constexpr std::size_t max_transitions = std::size_t{1} << 28U;

}  // namespace

LanguageSource automaton_of(const std::string& source, const NamedArcs& arcs, const Alphabet& alphabet) {
  const std::size_t states = arcs.accepting.size();
  const std::size_t symbols = alphabet.size();
  std::vector<NfaTransition> transitions;
  transitions.reserve(arcs.arcs.size());
  bool deterministic = arcs.starts.size() == 1;
  for (const NamedArc& arc : arcs.arcs) {
    deterministic = deterministic && !arc.reads_nothing;
    transitions.push_back({arc.from, arc.reads_nothing ? epsilon : alphabet.find(arc.symbol).value(), arc.to});
  }
  if (deterministic) {
    if (states >= max_transitions / symbols) {
      throw ResourceError(source + ": expected fewer than " + std::to_string(max_transitions) + " transitions, got " +
                          std::to_string(states) + " states times " + std::to_string(symbols) + " symbols");
    }
    std::vector<std::optional<State>> delta(states * symbols);
    for (const NfaTransition& t : transitions) {
      std::optional<State>& next = delta[t.from * symbols + t.symbol];
      if (next && *next != t.to) {
        deterministic = false;
        break;
      }
      next = t.to;
    }
    if (deterministic) {
      std::vector<LabelId> labels(states);
      for (std::size_t q = 0; q < states; ++q) labels[q] = arcs.accepting[q] ? 1 : 0;
      return complete_with_sink(source, alphabet, arcs.starts.front(), delta, std::move(labels), {"0", "1"});
    }
  }
  if (arcs.must_be_deterministic) {
    throw InputError(source + ": expected a deterministic automaton, as the file says, got a nondeterministic one");
  }
  const Dfa subsets = determinize(Nfa(alphabet, arcs.starts, std::move(transitions), arcs.accepting));
  Dfa minimal = minimize(subsets);
  std::vector<std::string> notes{source + ": nondeterministic (" + std::to_string(states) + " states), made " +
                                 "deterministic (" + std::to_string(subsets.num_states()) + ") and minimal (" +
                                 std::to_string(minimal.num_states()) + ")"};
  return {std::move(minimal), std::move(notes)};
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
  std::set<std::string> names;
  for (const NamedArc& arc : arcs.arcs) {
    if (!arc.reads_nothing) names.insert(arc.symbol);
  }
  if (names.empty()) {
    throw InputError(source + ": expected at least one symbol or a given alphabet, got an automaton without symbols");
  }
  return Alphabet({names.begin(), names.end()});
}

}  // namespace krohn
