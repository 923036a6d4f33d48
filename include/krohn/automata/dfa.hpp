// Complete deterministic automata with a label per state (Moore machines; acceptors are the case of labels 0 and 1).
//
// Words act left to right: next(next(q, u), v) is the state after the word uv. Matrices, by contrast, multiply right
// to left: A(x_T)..A(x_1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "krohn/automata/alphabet.hpp"

namespace krohn {

using State = std::uint32_t;

/// An index into Dfa::label_names(), or null_label.
using LabelId = std::int32_t;

/// "Don't care": the word is outside the domain over which verdicts range.
inline constexpr LabelId null_label = -1;

/// A complete, immutable deterministic automaton with a label for each state. Cost of every accessor: constant.
class Dfa {
 public:
  /// `delta[q * alphabet.size() + a]` is the state after symbol a in state q; `labels[q]` indexes label_names or is
  /// null_label. Throws InputError for no states, a start, transition or label out of range, sizes that do not
  /// agree, or doubled label names.
  Dfa(Alphabet alphabet, State start, std::vector<State> delta, std::vector<LabelId> labels,
      std::vector<std::string> label_names);

  /// An acceptor: label "1" where `accepting`, else "0".
  static Dfa acceptor(Alphabet alphabet, State start, std::vector<State> delta, const std::vector<bool>& accepting);

  std::size_t num_states() const noexcept { return labels_.size(); }
  std::size_t num_symbols() const noexcept { return alphabet_.size(); }
  const Alphabet& alphabet() const noexcept { return alphabet_; }
  State start() const noexcept { return start_; }

  State next(State state, Symbol symbol) const noexcept { return delta_[state * alphabet_.size() + symbol]; }
  State next(State state, std::span<const Symbol> word) const noexcept {
    for (const Symbol symbol : word) state = next(state, symbol);
    return state;
  }
  /// Row-major [num_states, num_symbols].
  std::span<const State> delta() const noexcept { return delta_; }
  /// The transformation q -> next(q, symbol) as a list of images.
  std::vector<State> letter(Symbol symbol) const;

  LabelId label(State state) const noexcept { return labels_[state]; }
  std::span<const LabelId> labels() const noexcept { return labels_; }
  const std::vector<std::string>& label_names() const noexcept { return label_names_; }
  /// The label's name, "null" for null_label.
  const std::string& label_name(LabelId label) const;

  /// True if label_names() is {"0", "1"} and no label is null.
  bool is_acceptor() const noexcept;
  /// Label "1" at `state`; false in automata that have no such label.
  bool accepts_at(State state) const noexcept;

  friend bool operator==(const Dfa& a, const Dfa& b) = default;

 private:
  Alphabet alphabet_;
  State start_ = 0;
  std::vector<State> delta_;
  std::vector<LabelId> labels_;
  std::vector<std::string> label_names_;
};

}  // namespace krohn
