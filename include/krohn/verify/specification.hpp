// What a model is checked against: an automaton over the model's own symbols, and which of the model's labels is the
// label that a state asks for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/engine/machine.hpp"

namespace krohn {

/// A language lined up with a model: symbols and labels are matched by name, never by position.
class Specification {
 public:
  /// The two alphabets must be equal as sets (their orders may differ); throws InputError naming both otherwise. A
  /// label of the language that the model does not have is no error: no observation agrees with it.
  Specification(const Alphabet& model_alphabet, const std::vector<std::string>& model_labels, const Dfa& language);
  Specification(const Machine& model, const Dfa& language)
      : Specification(model.alphabet(), model.label_names(), language) {}

  /// The language's automaton with its symbols in the model's order: the order of shortlex comparison.
  const Dfa& automaton() const noexcept { return automaton_; }

  /// True if `label`, the model's label on a word that leads the automaton to `state`, is as the language asks: its
  /// name is the state's label, or the state's label is null. `?` equals no label.
  bool agrees(std::int32_t label, State state) const noexcept {
    const LabelId wanted = automaton_.label(state);
    return wanted == null_label || wanted == language_label_[static_cast<std::size_t>(label + 1)];
  }

  /// The names of the labels on either side; the model's undefined label is "?".
  const std::string& expected(State state) const { return automaton_.label_name(automaton_.label(state)); }
  std::string observed(std::int32_t label) const;

  /// The automaton with the model's labels, for a search of every word.
  LabelledAutomaton labelled_automaton() const;

 private:
  Dfa automaton_;
  std::vector<std::string> model_labels_;
  // [model labels + 1] entry label + 1: the language's label of the same name, -2 where there is none.
  std::vector<LabelId> language_label_;
};

}  // namespace krohn
