// krohn convert LANG -o FILE: a language from any form into a file.
#include <iostream>
#include <memory>

#include "command.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Options {
  std::string language;
  std::string output;
  std::string to = "json";
  std::optional<std::string> alphabet;
  bool minimal = false;
  bool json = false;
  std::optional<double> time_limit;
};

int convert(const Options& options) {
  const bool to_output = options.output == "-";
  if (to_output && options.json)
    throw InputError("--json: expected none beside -o -, which writes the automaton there");
  Work work("convert", Work::Early::with_nothing, options.time_limit);
  work.method("reading");
  Dfa dfa = language_argument(options.language, options.alphabet);
  if (options.minimal) {
    work.method("minimal automaton");
    dfa = minimize(dfa);
  }
  work.finish();
  if (to_output) {
    std::cout << format_language("." + options.to, dfa);
    return exit_ok;
  }
  write_language(options.output, dfa);
  if (options.json) {
    print_json({{"output", options.output}, {"states", dfa.num_states()}, {"symbols", dfa.num_symbols()}});
  } else {
    std::cout << "wrote " << options.output << ": " << dfa.num_states() << " states, " << dfa.num_symbols()
              << " symbols\n";
  }
  return exit_ok;
}

}  // namespace

void add_convert(const Command& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  const Command command = app.add_subcommand("convert", "Write a language as an automaton file");
  command.add_option("LANG", options->language, language_help).required();
  command
      .add_option("-o,--output", options->output,
                  "the file to write: .json, .att, .mata, .jff, .hoa or .dot; - for standard output")
      .type_name("FILE")
      .required();
  command.add_option("--to", options->to, "with -o -: the format")
      .check(one_of({"json", "att", "mata", "jff", "hoa", "dot"}))
      .capture_default_str();
  command.add_flag("--minimize", options->minimal, "write the minimal automaton");
  add_alphabet_option(command, options->alphabet);
  add_time_limit_option(command, options->time_limit);
  add_json_option(command, options->json);
  command.callback([options, command, &exit_code] {
    if (options->output != "-") refuse_options(command, {"--to"}, "without -o -");
    exit_code = convert(*options);
  });
}

}  // namespace krohn::cli
