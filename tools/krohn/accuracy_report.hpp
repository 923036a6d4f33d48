// The accuracy of a model by length, as a table or as JSON: {"semantics", "words", "seed", "chance", "positions",
// "lengths": [{"length", "position", "last", "sequence"}], "empty_lengths"}, each of the three {"value", "low", "high",
// "scaled"}; scaled is (value - chance) / (1 - chance).
#pragma once

#include "krohn/io/open_model.hpp"
#include "krohn/verify/accuracy.hpp"

namespace krohn::cli {

/// Measures and prints. A task that answers at the last position only is measured there.
void report_accuracy(const OpenModel& open, const Dfa& language, AccuracyOptions options, bool json);

}  // namespace krohn::cli
