// YAML as far as configurations need it, into the values of the JSON reader.
//
// One document of block or flow mappings, sequences and scalars. Plain scalars are null (also ~ and nothing), true,
// false, integers, floats (.inf and .nan among them) and otherwise strings; quoted ones are strings. Refused, with the
// line: keys that are no scalars, a key twice, aliases, tags, nesting beyond 64, files beyond 1 MiB.
#pragma once

#include <filesystem>
#include <string>

#include "krohn/text/json_document.hpp"

namespace krohn {

/// Throws InputError with the first problem.
JsonDocument parse_yaml(const std::string& text, std::string source);

JsonDocument read_yaml(const std::filesystem::path& path);

}  // namespace krohn
