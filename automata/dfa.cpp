// Construction checks of Dfa. An existing value is valid: everything that reads one relies on it.
// Tested by tests/automata/minimize_test.cpp.
#include "krohn/automata/dfa.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {

Dfa::Dfa(Alphabet alphabet, State start, std::vector<State> delta, std::vector<LabelId> labels,
         std::vector<std::string> label_names)
    : alphabet_(std::move(alphabet)),
      start_(start),
      delta_(std::move(delta)),
      labels_(std::move(labels)),
      label_names_(std::move(label_names)) {
  const std::size_t states = labels_.size();
  const std::size_t symbols = alphabet_.size();
  if (states == 0) throw InputError("states: expected at least one, got none");
  if (delta_.size() != states * symbols) {
    throw InputError("transitions: expected " + std::to_string(states * symbols) + " (" + std::to_string(states) +
                     " states times " + std::to_string(symbols) + " symbols), got " + std::to_string(delta_.size()));
  }
  std::vector<std::string> problems;
  if (start_ >= states) {
    problems.push_back("start: expected a state below " + std::to_string(states) + ", got " + std::to_string(start_));
  }
  for (std::size_t i = 0; i < delta_.size(); ++i) {
    if (delta_[i] >= states) {
      problems.push_back("transitions[" + std::to_string(i / symbols) + "][" + std::to_string(i % symbols) +
                         "]: expected a state below " + std::to_string(states) + ", got " + std::to_string(delta_[i]));
    }
  }
  for (std::size_t q = 0; q < states; ++q) {
    if (labels_[q] < null_label || labels_[q] >= static_cast<LabelId>(label_names_.size())) {
      problems.push_back("labels[" + std::to_string(q) + "]: expected an index below " +
                         std::to_string(label_names_.size()) + " or null, got " + std::to_string(labels_[q]));
    }
  }
  if (std::set<std::string>(label_names_.begin(), label_names_.end()).size() != label_names_.size()) {
    problems.emplace_back("label names: expected distinct names, got one twice");
  }
  if (!problems.empty()) throw InputError(std::move(problems));
}

Dfa Dfa::acceptor(Alphabet alphabet, State start, std::vector<State> delta, const std::vector<bool>& accepting) {
  std::vector<LabelId> labels(accepting.size());
  std::transform(accepting.begin(), accepting.end(), labels.begin(), [](bool accepts) { return accepts ? 1 : 0; });
  return Dfa(std::move(alphabet), start, std::move(delta), std::move(labels), {"0", "1"});
}

std::vector<State> Dfa::letter(Symbol symbol) const {
  std::vector<State> images(num_states());
  for (State q = 0; q < images.size(); ++q) images[q] = next(q, symbol);
  return images;
}

const std::string& Dfa::label_name(LabelId label) const {
  static const std::string null_name = "null";
  return label == null_label ? null_name : label_names_.at(static_cast<std::size_t>(label));
}

bool Dfa::is_acceptor() const noexcept {
  return label_names_.size() == 2 && label_names_[0] == "0" && label_names_[1] == "1" &&
         std::find(labels_.begin(), labels_.end(), null_label) == labels_.end();
}

bool Dfa::accepts_at(State state) const noexcept {
  return labels_[state] != null_label && label_names_[static_cast<std::size_t>(labels_[state])] == "1";
}

}  // namespace krohn
