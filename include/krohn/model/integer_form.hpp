// Which models run in the integer semantics of docs/semantics.md: those whose every step maps integers to integers.
#pragma once

#include <string>
#include <vector>

#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

/// What keeps a model out of an integer semantics, a dozen problems at most; none where it runs there. Gates, betas,
/// keys, read vectors, values, writes and initial states must be integers, the initial states in the range of the
/// format, and no number of a row may need more than 32 bits, whatever the state is. Readouts may be any numbers.
/// Linear in the size of the tables. Throws InternalError for a floating-point semantics.
std::vector<std::string> integer_problems(const LrnnModel& model, Semantics semantics);

}  // namespace krohn
