// Tested by tests/tools/compile_command_test.cpp.
#include "krohn/results/compile_report.hpp"

#include "krohn/compile/option_names.hpp"
#include "krohn/text/json_document.hpp"
#include "result_json.hpp"

namespace krohn {

std::string compile_report_json(const CompileResult& result, const CompileOptions& options,
                                const std::string& language) {
  Json report;
  report["language"] = language;
  report["states"] = result.states;
  report["minimal_states"] = result.minimal.num_states();
  report["symbols"] = result.minimal.num_symbols();
  report["distinct_letters"] = result.distinct_letters;
  report["mode"] = result.mode;
  report["parts"] = Json::array();
  for (const CascadePart& part : result.parts) {
    report["parts"].push_back({{"mode", mode_name(part.mode)}, {"levels", part.levels}});
  }
  report["levels"] = result.widths.size();
  report["widths"] = result.widths;
  report["layers"] = result.model.layers().size();
  report["hidden"] = result.hidden;
  report["num_householder"] = result.num_householder;
  report["family"] = result.family;
  report["rows"] = result.rows;
  report["table_rows"] = result.table_rows;
  report["factors"] = result.factors;
  report["delay"] = name_of(delay_names, options.delay);
  report["resets"] = name_of(reset_names, options.resets);
  report["spectrum"] = name_of(spectrum_names, options.spectrum);
  report["keys"] = name_of(key_names, options.keys);
  report["recurrence"] = name_of(recurrence_names, options.recurrence);
  report["semantics"] = semantics_id(options.semantics);
  report["square_levels"] = result.square_levels;
  report["polygon_levels"] = result.polygon_levels;
  report["with_reflections"] = nullptr;
  if (const auto& size = result.with_reflections) {
    report["with_reflections"] = {{"layers", size->layers},
                                  {"hidden", size->hidden},
                                  {"num_householder", size->householder},
                                  {"factors", size->factors}};
  }
  report["exact"] = result.exact;
  report["horizon"] = nullptr;
  if (result.horizon) report["horizon"] = *result.horizon;
  report["linear_bound"] = result.linear_bound;
  // As a string where a reader that keeps numbers as doubles would round it.
  if (result.minimal.num_states() <= 53) {
    report["paper_bound"] = std::uint64_t{1} << result.minimal.num_states();
  } else {
    report["paper_bound"] = result.paper_bound;
  }
  report["holonomy_depth"] = nullptr;
  if (result.holonomy_depth) report["holonomy_depth"] = *result.holonomy_depth;
  return json_lines(report);
}

ModelDirectory model_directory(const CompileResult& result, const std::string& report) {
  ModelDirectory directory{result.model};
  directory.hint = result.hint;
  directory.exact = result.exact;
  directory.horizon = result.horizon;
  directory.report = json_text(parse_json(report, "report").root);
  directory.automaton = result.minimal;
  return directory;
}

}  // namespace krohn
