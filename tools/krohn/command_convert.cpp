// krohn convert LANG -o FILE: a language from any form into a file.
#include <iostream>
#include <memory>

#include "command.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/io/language.hpp"

namespace krohn::cli {
namespace {

struct Options {
  std::string language;
  std::string output;
  std::optional<std::string> alphabet;
  bool minimal = false;
};

}  // namespace

void add_convert(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("convert", "Write a language as an automaton file");
  command->add_option("LANG", options->language, language_help)->required();
  command->add_option("-o,--output", options->output, "the file to write: .json, .att, .mata, .jff, .hoa or .dot")
      ->type_name("FILE")
      ->required();
  command->add_flag("--minimize", options->minimal, "write the minimal automaton");
  add_alphabet_option(*command, options->alphabet);
  command->callback([options, &exit_code] {
    Dfa dfa = language_argument(options->language, options->alphabet);
    if (options->minimal) dfa = minimize(dfa);
    write_language(options->output, dfa);
    std::cout << "wrote " << options->output << ": " << dfa.num_states() << " states, " << dfa.num_symbols()
              << " symbols\n";
    exit_code = exit_ok;
  });
}

}  // namespace krohn::cli
