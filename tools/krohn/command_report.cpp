// krohn report LANG|MODEL -o FILE: one self-contained page of tables and pictures.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include "command.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/error.hpp"
#include "krohn/results/report.hpp"
#include "krohn/text/atomic_file.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string subject;
  std::string output;
  std::optional<std::string> alphabet;
  std::optional<std::string> task;
  std::optional<Semantics> semantics;
  ReadingHints hints;
  std::optional<double> time_limit;
  bool json = false;
  ReportOptions options;
};

int run_report(const Command& command, const Arguments& arguments) {
  const bool to_output = arguments.output == "-";
  if (to_output && arguments.json) throw InputError("--json: expected none beside -o -, which writes the page there");
  if (!to_output) {
    const std::string suffix = std::filesystem::path(arguments.output).extension().string();
    if (!suffix.empty() && suffix != ".html" && suffix != ".xhtml" && suffix != ".htm") {
      throw InputError(arguments.output +
                       ": expected a file that ends in .html or .xhtml (the page is XHTML), or -, got '" + suffix +
                       "'");
    }
    require_writable(arguments.output);
  }
  const bool of_model = is_model_argument(arguments.subject);
  // Once there is something to look into, the parts that were looked into make a page.
  Work work("report", of_model ? Work::Early::with_result : Work::Early::with_nothing, arguments.time_limit);
  ReportOptions options = arguments.options;
  options.stop = &work.stop();
  options.begins = [&work](const std::string& part) { work.method(part, Work::Time::goes_on); };
  std::string page;
  if (of_model) {
    refuse_options(command, {"--alphabet"}, "for a model");
    const OpenModel model = open_model(arguments.subject, arguments.semantics, arguments.task, arguments.hints);
    for (const std::string& note : model.notes) std::cerr << "krohn: " << note << '\n';
    page = model_report(model, arguments.subject, options);
  } else {
    refuse_options(command, {"--format", "--task", "--fla-version"}, "for a language");
    const Language language = language_argument(arguments.subject, arguments.alphabet);
    work.has_result();
    page = language_report(language, arguments.subject, options);
  }
  const bool stopped = work.finish("the page has what was found until then");
  const int exit_code = stopped ? exit_unknown : exit_ok;
  if (to_output) {
    std::cout << page;
    return exit_code;
  }
  write_file(arguments.output, page);
  if (arguments.json) {
    print_json({{"output", arguments.output}, {"bytes", page.size()}});
  } else {
    std::cerr << "krohn: " << arguments.output << " written (" << page.size() << " bytes)\n";
  }
  return exit_code;
}

}  // namespace

void add_report(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("report", "Write a page of tables and pictures of a language or a model");
  command.footer("The page is one XHTML file without scripts; it opens from disk and prints.");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("LANG|MODEL", arguments->subject, language_help + ", or a model directory").required();
  add_reading_options(command, arguments->hints);
  command.add_option("-o,--output", arguments->output, "the file to write (.html); - for standard output")
      .type_name("FILE")
      .required();
  command
      .add_option("--words", arguments->options.words,
                  "random words for margins and accuracies (default 100, of a large checkpoint fewer)")
      .check(natural_number(1, 1'000'000));
  command.add_option("--length", arguments->options.length, "their length (default 512)")
      .check(natural_number(2, 1'000'000));
  command
      .add_option("--max-monoid", arguments->options.max_monoid,
                  "image sets and classes beyond which a part is left out (10^6)")
      .check(natural_number());
  add_alphabet_option(command, arguments->alphabet);
  add_task_option(command, arguments->task);
  add_semantics_option(command, arguments->semantics);
  add_time_limit_option(command, arguments->time_limit);
  add_json_option(command, arguments->json);
  command.callback([arguments, command, &exit_code] { exit_code = run_report(command, *arguments); });
}

}  // namespace krohn::cli
