#include "accuracy_report.hpp"

#include <cstdio>
#include <iostream>

#include "command.hpp"

namespace krohn::cli {
namespace {

Json proportion(const Proportion& p) {
  return {{"value", p.value}, {"low", p.low}, {"high", p.high}, {"scaled", p.scaled}};
}

void print_proportion(const Proportion& p) {
  std::printf("  %6.4f [%6.4f, %6.4f] %7.4f", p.value, p.low, p.high, p.scaled);
}

}  // namespace

void report_accuracy(const OpenModel& open, const Dfa& language, AccuracyOptions options, bool json) {
  options.last_only = open.task && open.task->positions == Task::Positions::last;
  const Accuracy accuracy = measure_accuracy(*open.machine, language, options);
  if (json) {
    Json lengths = Json::array();
    for (const LengthAccuracy& each : accuracy.lengths) {
      lengths.push_back({{"length", each.length},
                         {"position", proportion(each.position)},
                         {"last", proportion(each.last)},
                         {"sequence", proportion(each.sequence)}});
    }
    print_json({{"semantics", open.machine->semantics()},
                {"words", options.words},
                {"seed", options.seed},
                {"device", accuracy.device},
                {"chance", accuracy.chance},
                {"positions", options.last_only ? "last" : "all"},
                {"lengths", lengths},
                {"empty_lengths", accuracy.empty_lengths}});
    return;
  }
  std::printf("%llu random words of each length (seed %llu), %s; value [95 %% interval] scaled by chance %.4f\n",
              static_cast<unsigned long long>(options.words), static_cast<unsigned long long>(options.seed),
              std::string(open.machine->semantics()).c_str(), accuracy.chance);
  if (options.device == Device::automatic && !accuracy.device.empty()) {
    std::fprintf(stderr, "krohn: ran on %s\n", accuracy.device.c_str());
  }
  std::printf("%8s  %-32s  %-32s  %-32s\n", "length", "positions", "last token", "sequences");
  for (const LengthAccuracy& each : accuracy.lengths) {
    std::printf("%8llu", static_cast<unsigned long long>(each.length));
    print_proportion(each.position);
    print_proportion(each.last);
    print_proportion(each.sequence);
    std::printf("\n");
  }
  for (const std::uint64_t length : accuracy.empty_lengths) {
    std::printf("%8llu  no word of this length has a label\n", static_cast<unsigned long long>(length));
  }
}

}  // namespace krohn::cli
