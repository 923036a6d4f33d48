// krohn kit: an exactness kit for kernels.
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "command.hpp"
#include "krohn/export/kit.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Options {
  std::string op;
  std::string output;
  std::uint64_t longest = 1'000'000;
  std::uint64_t seed = 0;
  bool force = false;
  bool json = false;
  std::optional<double> time_limit;
};

std::map<std::string, KitOperator> operators() {
  std::map<std::string, KitOperator> result;
  for (const KitOperator each : kit_operators) result.emplace(operator_name(each), each);
  return result;
}

}  // namespace

void add_kit(const Command& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  const Command command =
      app.add_subcommand("kit", "Write exact inputs and outputs that show what a kernel rounds or drops");
  command.footer("docs/kernel-testing.md says how to run one.");
  std::vector<std::string> names;
  for (const auto& [name, op] : operators()) names.push_back(name);
  command.add_option("OP", options->op, "the operator").required().check(one_of(names));
  command.add_option("-o,--output", options->output, "The folder to write").required().type_name("DIR");
  command.add_option("--longest", options->longest, "Tokens of the longest case")
      .check(natural_number(300, 100'000'000))
      .capture_default_str();
  command.add_option("--seed", options->seed, "Of the random words").check(natural_number()).capture_default_str();
  command.add_flag("--force", options->force, "Replace an existing folder that holds a kit");
  add_time_limit_option(command, options->time_limit);
  add_json_option(command, options->json);
  command.callback([options, &exit_code] {
    Work work("kit", Work::Early::with_nothing, options->time_limit);
    work.method("cases");
    const Kit kit = make_kit(operators().at(options->op), options->longest, options->seed);
    work.finish();
    write_kit(options->output, kit, options->force);
    if (options->json) {
      print_json(
          {{"operator", options->op}, {"output", options->output}, {"cases", kit.cases}, {"tokens", kit.tokens}});
    } else {
      print_table({{"cases", std::to_string(kit.cases)},
                   {"tokens", std::to_string(kit.tokens)},
                   {"written to", options->output}});
    }
    exit_code = exit_ok;
  });
}

}  // namespace krohn::cli
