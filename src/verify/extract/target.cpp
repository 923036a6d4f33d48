// Tested by tests/verify/extract_test.cpp.
#include "extract/target.hpp"

#include <algorithm>
#include <utility>

#include "krohn/automata/minimize.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

/// Which words are inside, and nothing else of the language.
Dfa inside_or_not(const Machine& model, const std::optional<Dfa>& domain) {
  if (!domain) {
    return Dfa(model.alphabet(), 0, std::vector<State>(model.alphabet().size(), 0), {0}, {"inside"});
  }
  const Specification aligned(model, *domain);
  const Dfa& dfa = aligned.automaton();
  std::vector<LabelId> labels;
  for (const LabelId label : dfa.labels()) labels.push_back(label == null_label ? null_label : 0);
  return minimize(
      Dfa(dfa.alphabet(), dfa.start(), {dfa.delta().begin(), dfa.delta().end()}, std::move(labels), {"inside"}));
}

}  // namespace

Target::Target(const Machine& model, const std::optional<Dfa>& domain)
    : model_(model), domain_(inside_or_not(model, domain)) {}

Dfa Target::automaton(std::vector<State> delta, std::vector<LabelId> labels, State start) const {
  std::vector<std::string> names = model_.label_names();
  if (std::find(labels.begin(), labels.end(), tie()) != labels.end()) names.push_back(name_of_ties(names));
  return Dfa(model_.alphabet(), start, std::move(delta), std::move(labels), std::move(names));
}

TiesNamed::TiesNamed(const Machine& model) : model_(model), names_(model.label_names()) {
  names_.push_back(name_of_ties(names_));
}

std::string name_of_ties(const std::vector<std::string>& names) {
  std::string name = "?";
  while (std::find(names.begin(), names.end(), name) != names.end()) name += '?';
  return name;
}

}  // namespace krohn
