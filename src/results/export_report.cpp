// Tested by tests/tools/export_command_test.cpp.
#include "krohn/results/export_report.hpp"

#include "result_json.hpp"

namespace krohn {

std::string export_report_json(const FlaExport& model, const std::string& output) {
  Json layers = Json::array();
  for (const FlaLayer& layer : model.layers) {
    layers.push_back({{"stage", layer.name},
                      {"rows", layer.rows},
                      {"heads", layer.heads},
                      {"num_householder", layer.num_householder},
                      {"units", layer.units},
                      {"magnitude", layer.magnitude},
                      {"table_tolerance", layer.tolerance}});
  }
  return json_lines({{"to", "fla"},
                     {"output", output},
                     {"parameters", model.parameters},
                     {"architecture", model_type_of(model.architecture)},
                     {"hidden_size", model.hidden_size},
                     {"intermediate_size", model.intermediate_size},
                     {"heads", model.heads},
                     {"key_size", model.key_size},
                     {"value_size", model.value_size},
                     {"num_householder", model.num_householder},
                     {"gated", model.gated},
                     {"layers", layers}});
}

std::string export_report_json(const DenseExport& arrays, const LrnnModel& model, const std::string& to,
                               const std::string& output) {
  Json layers = Json::array();
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TableLayer& layer = model.layers()[l];
    layers.push_back({{"key_size", layer.table.key_size()},
                      {"value_size", layer.table.value_size()},
                      {"num_householder", layer.table.num_householder()},
                      {"rows", layer.num_rows()},
                      {"network_units", {arrays.network_units[l].first, arrays.network_units[l].second}}});
  }
  return json_lines({{"to", to}, {"output", output}, {"parameters", arrays.parameters}, {"layers", layers}});
}

}  // namespace krohn
