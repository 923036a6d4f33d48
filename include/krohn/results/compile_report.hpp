// What compile built beside the bounds that theory gives, as JSON: docs/schemas/v1/compile.json.
#pragma once

#include <string>

#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/compile/compile.hpp"

namespace krohn {

/// One object over several lines, with a final line feed; `language` is its name as typed, `options` those of the
/// result.
std::string compile_report_json(const CompileResult& result, const CompileOptions& options,
                                const std::string& language);

/// What write_model writes of a result; `report` as above.
ModelDirectory model_directory(const CompileResult& result, const std::string& report);

}  // namespace krohn
