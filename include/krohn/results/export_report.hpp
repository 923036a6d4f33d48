// What an export wrote, as JSON: docs/schemas/v1/export.json.
#pragma once

#include <string>

#include "krohn/export/dense.hpp"
#include "krohn/export/fla.hpp"
#include "krohn/model/lrnn_model.hpp"

namespace krohn {

/// One object over several lines, with a final line feed; `output` is the path as it was given.
std::string export_report_json(const FlaExport& model, const std::string& output);
/// `to` is "dense" or "torch".
std::string export_report_json(const DenseExport& arrays, const LrnnModel& model, const std::string& to,
                               const std::string& output);

}  // namespace krohn
