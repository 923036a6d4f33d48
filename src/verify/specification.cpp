// Lines a language up with a model by the names of symbols and labels. The automaton is rewritten once in the model's
// symbol order, so that every later comparison is by index; states keep their numbers. Refuses alphabets that differ
// as sets. Cost: states times symbols. Tested by tests/checkpoints/open_model_test.cpp.
#include "krohn/verify/specification.hpp"

#include <algorithm>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr LabelId no_such_label = -2;

std::string listed(const Alphabet& alphabet) {
  std::string text = "{";
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    if (i == 32) {
      text += ", .. (" + std::to_string(alphabet.size()) + " symbols)";
      break;
    }
    if (i > 0) text += ", ";
    text += alphabet.names()[i];
  }
  return text + "}";
}

Dfa in_order_of(const Alphabet& order, const Dfa& language) {
  const Alphabet& own = language.alphabet();
  std::vector<Symbol> own_symbol;
  for (const std::string& name : order.names()) {
    if (const auto symbol = own.find(name)) own_symbol.push_back(*symbol);
  }
  if (own_symbol.size() != order.size() || order.size() != own.size()) {
    throw InputError("alphabet: expected the same symbols in model and language, got " + listed(order) +
                     " in the model and " + listed(own) + " in the language");
  }
  std::vector<State> delta;
  delta.reserve(language.delta().size());
  for (State q = 0; q < language.num_states(); ++q) {
    for (const Symbol symbol : own_symbol) delta.push_back(language.next(q, symbol));
  }
  return Dfa(order, language.start(), std::move(delta), {language.labels().begin(), language.labels().end()},
             language.label_names());
}

}  // namespace

Specification::Specification(const Alphabet& model_alphabet, const std::vector<std::string>& model_labels,
                             const Dfa& language)
    : automaton_(in_order_of(model_alphabet, language)),
      model_labels_(model_labels),
      language_label_(model_labels.size() + 1, no_such_label) {
  const std::vector<std::string>& names = automaton_.label_names();
  for (std::size_t label = 0; label < model_labels_.size(); ++label) {
    const auto found = std::find(names.begin(), names.end(), model_labels_[label]);
    if (found != names.end()) language_label_[label + 1] = static_cast<LabelId>(found - names.begin());
  }
}

std::string Specification::observed(std::int32_t label) const {
  return label < 0 ? "?" : model_labels_.at(static_cast<std::size_t>(label));
}

LabelledAutomaton Specification::labelled_automaton() const {
  std::vector<std::int32_t> model_label(automaton_.label_names().size(), LabelledAutomaton::no_label);
  for (std::size_t label = model_labels_.size(); label-- > 0;) {
    const LabelId own = language_label_[label + 1];
    if (own != no_such_label) model_label[static_cast<std::size_t>(own)] = static_cast<std::int32_t>(label);
  }
  LabelledAutomaton automaton;
  automaton.num_symbols = static_cast<std::uint32_t>(automaton_.num_symbols());
  automaton.start = automaton_.start();
  automaton.delta.assign(automaton_.delta().begin(), automaton_.delta().end());
  for (const LabelId label : automaton_.labels()) {
    automaton.expected.push_back(label == null_label ? LabelledAutomaton::any_label
                                                     : model_label[static_cast<std::size_t>(label)]);
  }
  return automaton;
}

}  // namespace krohn
