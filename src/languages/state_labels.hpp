// The labels of states, from their texts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// The different texts in the order that every format gives them: "0", "1" if all are among these two; else ascending
/// as numbers if all are decimal numbers without leading zeros, else in the order of their first states.
std::vector<std::string> ordered_label_names(const std::vector<std::optional<std::string>>& texts);

struct StateLabels {
  std::vector<std::string> names;
  std::vector<LabelId> of_state;  ///< null_label where there is no text
};

/// `texts` has one entry a state.
StateLabels state_labels(const std::vector<std::optional<std::string>>& texts);

}  // namespace krohn
