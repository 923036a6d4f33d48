// The function that is extracted: from words to the model's labels, null outside the domain.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/machine.hpp"

namespace krohn {

class Target {
 public:
  /// Throws InputError where the domain's symbols are not the model's.
  Target(const Machine& model, const std::optional<Dfa>& domain);

  const Machine& model() const noexcept { return model_; }
  std::size_t num_symbols() const noexcept { return model_.alphabet().size(); }
  /// Of two labels: every word that leads here, with or without what follows.
  const Dfa& domain() const noexcept { return domain_; }

  /// The label of a word on which the model has `label` and which leads the domain's automaton to `state`. The tie `?`
  /// is the label after the model's own.
  LabelId label(std::int32_t label, State state) const noexcept {
    if (domain_.label(state) == null_label) return null_label;
    return label == undefined_label ? tie() : label;
  }
  LabelId tie() const noexcept { return static_cast<LabelId>(model_.label_names().size()); }

  /// An automaton with these labels; the tie's is added to the names where it occurs.
  Dfa automaton(std::vector<State> delta, std::vector<LabelId> labels, State start = 0) const;

 private:
  const Machine& model_;
  Dfa domain_;
};

/// The model with its ties as a label: what hypotheses that have that label are compared with.
class TiesNamed final : public Machine {
 public:
  explicit TiesNamed(const Machine& model);
  const Alphabet& alphabet() const override { return model_.alphabet(); }
  const std::vector<std::string>& label_names() const override { return names_; }
  std::string_view semantics() const override { return model_.semantics(); }
  std::size_t state_size() const override { return model_.state_size(); }
  Observation initial(std::span<std::byte> state) const override { return named(model_.initial(state)); }
  Observation step(std::span<std::byte> state, Symbol symbol) const override {
    return named(model_.step(state, symbol));
  }

 private:
  Observation named(Observation observation) const {
    if (observation.label == undefined_label) observation.label = static_cast<std::int32_t>(names_.size() - 1);
    return observation;
  }
  const Machine& model_;
  std::vector<std::string> names_;
};

/// "?", or more of them where the model has such a label.
std::string name_of_ties(const std::vector<std::string>& names);

}  // namespace krohn
