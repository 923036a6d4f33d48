// The section `model` of an experiment's configuration, whose keys are another program's: renamed, and nested ones
// lifted; values keep their lines, so that a problem with one still points into the file.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "krohn/text/json_document.hpp"

namespace krohn::architectures {

/// The section's `name`; empty where there is none.
std::string experiment_name(const JsonField& model);

/// Whether a key says something of training, or of the experiment itself.
bool says_nothing(std::string_view key);

/// Appends the members of `from`, renamed; one that has no name of its own there is called prefix + key.
void lift(const JsonField& from, std::initializer_list<std::pair<std::string_view, std::string_view>> names,
          const std::string& prefix, JsonValue::Object& to);

}  // namespace krohn::architectures
