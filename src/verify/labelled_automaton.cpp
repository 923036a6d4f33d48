// Labels are matched by name, once per label; linear in the automaton.
#include "krohn/verify/labelled_automaton.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace krohn {

LabelledAutomaton labelled_automaton(const Dfa& dfa, const std::vector<std::string>& model_labels) {
  std::vector<std::int32_t> translated;
  for (const std::string& name : dfa.label_names()) {
    const auto at = std::find(model_labels.begin(), model_labels.end(), name);
    translated.push_back(at == model_labels.end() ? LabelledAutomaton::no_label
                                                  : static_cast<std::int32_t>(at - model_labels.begin()));
  }
  LabelledAutomaton automaton;
  automaton.num_symbols = static_cast<std::uint32_t>(dfa.num_symbols());
  automaton.start = dfa.start();
  automaton.delta.assign(dfa.delta().begin(), dfa.delta().end());
  for (const LabelId label : dfa.labels()) {
    automaton.expected.push_back(label == null_label ? LabelledAutomaton::any_label
                                                     : translated[static_cast<std::size_t>(label)]);
  }
  return automaton;
}

}  // namespace krohn
