// MODEL and LANG arguments that belong together.
#pragma once

#include <optional>
#include <string>

#include "krohn/automata/dfa.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/checkpoints/task.hpp"

namespace krohn::cli {

/// The language that `spec` names, within the model's domain; the one that comes with the model if `spec` is empty.
/// Throws InputError where there is none.
Dfa language_of(const OpenModel& open, const std::string& spec, const std::optional<std::string>& alphabet);

/// A checkpoint's task: from `file` if one is named, else from its task.json if there is one.
std::optional<Task> task_beside(const std::string& model_directory, const std::optional<std::string>& file,
                                const Program& model);

}  // namespace krohn::cli
