// Shares of right answers by length, as JSON: docs/schemas/v1/accuracy.json.
#pragma once

#include <string>

#include "krohn/verify/accuracy.hpp"

namespace krohn {

/// One object over several lines, with a final line feed; `semantics` is the machine's.
std::string accuracy_json(const Accuracy& accuracy, const AccuracyOptions& options, const std::string& semantics);

}  // namespace krohn
