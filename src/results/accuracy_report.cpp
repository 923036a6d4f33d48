// Tested by tests/project/json_schemas.py.
#include "krohn/results/accuracy_report.hpp"

#include "result_json.hpp"

namespace krohn {
namespace {

Json proportion(const Proportion& p) {
  return {{"value", p.value}, {"low", p.low}, {"high", p.high}, {"scaled", p.scaled}};
}

}  // namespace

std::string accuracy_json(const Accuracy& accuracy, const AccuracyOptions& options, const std::string& semantics) {
  Json lengths = Json::array();
  for (const LengthAccuracy& each : accuracy.lengths) {
    lengths.push_back({{"length", each.length},
                       {"position", proportion(each.position)},
                       {"last", proportion(each.last)},
                       {"sequence", proportion(each.sequence)},
                       {"words", each.words},
                       {"sequence_chance", each.sequence_chance}});
  }
  return json_lines({{"semantics", semantics},
                     {"words", options.words},
                     {"seed", options.seed},
                     {"device", accuracy.device},
                     {"chance", accuracy.chance},
                     {"positions", options.last_only ? "last" : "all"},
                     {"lengths", lengths},
                     {"empty_lengths", accuracy.empty_lengths},
                     {"stopped", accuracy.stopped}});
}

}  // namespace krohn
