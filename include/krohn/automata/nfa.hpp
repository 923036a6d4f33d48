// Nondeterministic automata and the subset construction.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// The symbol of a transition that reads nothing.
inline constexpr Symbol epsilon = UINT32_MAX;

struct NfaTransition {
  State from;
  Symbol symbol;  ///< a symbol of the alphabet, or `epsilon`
  State to;
  friend bool operator==(const NfaTransition&, const NfaTransition&) = default;
};

/// An acceptor with any number of starts and transitions; it accepts the words that some path from a start to an
/// accepting state reads. No states at all is allowed: the empty language.
class Nfa {
 public:
  /// Throws InputError for a state or symbol out of range. `accepting` has one entry per state.
  Nfa(Alphabet alphabet, std::vector<State> starts, std::vector<NfaTransition> transitions,
      std::vector<bool> accepting);

  const Alphabet& alphabet() const noexcept { return alphabet_; }
  std::size_t num_states() const noexcept { return accepting_.size(); }
  std::span<const State> starts() const noexcept { return starts_; }
  std::span<const NfaTransition> transitions() const noexcept { return transitions_; }
  bool accepting(State state) const { return accepting_[state]; }

 private:
  Alphabet alphabet_;
  std::vector<State> starts_;
  std::vector<NfaTransition> transitions_;
  std::vector<bool> accepting_;
};

inline constexpr std::size_t default_max_subsets = std::size_t{1} << 21;

/// A complete acceptor of the same language on the reachable sets of states (the empty set is the sink), numbered
/// breadth first; not minimised. Where there are more than 4096 sets, states that another state of their set simulates
/// are left out of it, which makes fewer sets. Throws ResourceError past `max_states` sets, or when sets and
/// transitions take more than 2^28 bytes. Source: Rabin and Scott 1959.
Dfa determinize(const Nfa& nfa, std::size_t max_states = default_max_subsets);

struct MinimalDfa {
  Dfa dfa;
  std::size_t num_sets;  ///< from which it was made
};

/// minimize(determinize(nfa)), in less memory where many symbols act alike. Throws as determinize.
MinimalDfa minimal_dfa(const Nfa& nfa, std::size_t max_states = default_max_subsets);

}  // namespace krohn
