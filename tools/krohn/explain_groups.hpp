// The affirmative side of the theorems: how a group is done in one layer, and that fewer reflections cannot.
#pragma once

#include <string>

namespace krohn::cli {

/// Prints how the word problem of the group G (catalogue syntax: S5, A:5, Z:6, ..) runs in one layer, with the
/// representations that trade dimensions against reflections. Throws InputError for an unknown group.
int explain_groups(const std::string& group, bool json);

}  // namespace krohn::cli
