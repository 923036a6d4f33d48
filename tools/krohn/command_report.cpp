// krohn report LANG|MODEL -o FILE: one self-contained page of tables and pictures.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include "command.hpp"
#include "krohn/io/atomic_file.hpp"
#include "krohn/io/open_model.hpp"
#include "krohn/io/report.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string subject;
  std::string output;
  std::optional<std::string> alphabet;
  std::optional<Semantics> semantics;
  ReadingHints hints;
  ReportOptions options;
};

int run_report(const CLI::App& command, const Arguments& arguments) {
  std::string page;
  require_writable(arguments.output);
  if (is_model_argument(arguments.subject)) {
    refuse_options(command, {"--alphabet"}, "for a model");
    const OpenModel model = open_model(arguments.subject, arguments.semantics, std::nullopt, arguments.hints);
    for (const std::string& note : model.notes) std::cerr << "krohn: " << note << '\n';
    page = model_report(model, arguments.subject, arguments.options);
  } else {
    refuse_options(command, {"--format", "--fla-version"}, "for a language");
    const Dfa dfa = language_argument(arguments.subject, arguments.alphabet);
    page = language_report(dfa, arguments.subject, arguments.options);
  }
  write_file(arguments.output, page);
  std::cerr << "krohn: " << arguments.output << " written (" << page.size() << " bytes)\n";
  return exit_ok;
}

}  // namespace

void add_report(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("report", "Write a page of tables and pictures of a language or a model");
  command->footer("The page is one XHTML file without scripts; it opens from disk and prints.");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("LANG|MODEL", arguments->subject, language_help + std::string(", or a model directory"))
      ->required();
  add_reading_options(*command, arguments->hints);
  command->add_option("-o,--output", arguments->output, "the file to write")->type_name("FILE")->required();
  command
      ->add_option("--words", arguments->options.words,
                   "random words for margins and accuracies (default 100, of a large checkpoint fewer)")
      ->check(natural_number(1, 1'000'000));
  command->add_option("--length", arguments->options.length, "their length (default 512)")
      ->check(natural_number(2, 1'000'000));
  command
      ->add_option("--max-monoid", arguments->options.max_monoid,
                   "image sets and classes beyond which a part is left out (default 20000)")
      ->check(natural_number());
  add_alphabet_option(*command, arguments->alphabet);
  add_semantics_option(*command, arguments->semantics);
  command->callback([arguments, command, &exit_code] { exit_code = run_report(*command, *arguments); });
}

}  // namespace krohn::cli
