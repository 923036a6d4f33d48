// krohn extract MODEL: the automaton that a model implements.
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_dot.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/results/extraction_report.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/verify/extract.hpp"
#include "model_argument.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string model;
  std::string output;
  std::string compare;
  std::string hypothesis;
  std::optional<std::string> alphabet;
  std::optional<std::string> task;
  ReadingHints hints;
  std::optional<Semantics> semantics;
  double time_limit = 60.0;
  std::uint64_t memory = default_memory;
  std::string device = "auto";
  unsigned threads = 0;
  bool json = false;
  ExtractOptions options;
};

std::string suffix_of(const std::string& path) { return std::filesystem::path(path).extension().string(); }

void write(const Arguments& arguments, const Extraction& extraction,
           const std::optional<ExtractionComparison>& comparison) {
  const std::string suffix = suffix_of(arguments.output);
  if (suffix == ".svg") {
    const Figure figure = draw_extraction(extraction, comparison);
    if (figure.svg.empty()) throw InputError(arguments.output + ": " + figure.caption + " (.json and .dot take it)");
    write_file(arguments.output, figure.svg);
  } else if (suffix == ".dot" || suffix == ".gv") {
    write_file(arguments.output,
               format_dot(extraction.automaton, comparison ? comparison->comparison.differing : std::vector<bool>{}));
  } else {
    write_language(arguments.output, extraction.automaton);
  }
}

int run_extract(Arguments arguments) {
  if (!arguments.output.empty()) {
    const std::string suffix = suffix_of(arguments.output);
    // Refused before the work, not after.
    if (suffix != ".svg") {
      static_cast<void>(format_language(suffix, Dfa::acceptor(Alphabet({"a"}), 0, {0}, {true}), arguments.output));
    }
    require_writable(arguments.output);
  }
  Work work("extract", Work::Early::with_result, arguments.time_limit);
  ExtractOptions& options = arguments.options;
  options.budget.stop = &work.stop();
  options.budget.deadline = work.deadline();
  options.budget.memory = arguments.memory;
  options.device = device_of(arguments.device);
  require_device(options.device);
  options.threads = arguments.threads;
  options.begins = [&work](const std::string& method) { work.method(method, Work::Time::goes_on); };
  options.progress = [&work](const EnumerateProgress& progress) { show_search(work, progress); };
  const OpenModel open = open_model(arguments.model, arguments.semantics, arguments.task, arguments.hints);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  std::optional<Dfa> language;
  std::optional<Dfa> hypothesis;
  if (!arguments.compare.empty()) language = language_of(open, arguments.compare, arguments.alphabet);
  if (!arguments.hypothesis.empty()) hypothesis = language_of(open, arguments.hypothesis, arguments.alphabet);
  ExtractionAnswer answer = extract_from(open, language, arguments.compare, hypothesis, options);
  Extraction& extraction = answer.extraction;
  const std::optional<ExtractionComparison>& comparison = answer.comparison;
  // The time limit sets the same flag.
  extraction.interrupted = work.interrupted();
  work.finish("the automaton is the best that was found");
  if (!arguments.output.empty()) write(arguments, extraction, comparison);

  const Alphabet& alphabet = open.machine->alphabet();
  if (arguments.json) {
    std::cout << extraction_json(extraction, answer.domain, comparison);
  } else {
    constexpr std::size_t most_rungs = 16;
    const std::size_t rungs = extraction.rungs.size();
    for (std::size_t i = 0; i < rungs; ++i) {
      if (rungs > most_rungs && i == most_rungs / 2) {
        i = rungs - most_rungs / 2;
        std::printf("..\n");
      }
      const Rung& rung = extraction.rungs[i];
      std::printf("%-16s %8.3f s  %s\n", rung.method.c_str(), rung.seconds, rung.outcome.c_str());
    }
    std::printf("semantics: %s; domain: %s; %llu words asked, %llu steps\n", extraction.semantics.c_str(),
                answer.domain.c_str(), static_cast<unsigned long long>(extraction.queries),
                static_cast<unsigned long long>(extraction.symbols));
    const std::string growth = growth_text(extraction);
    if (!growth.empty()) std::printf("%s\n", growth.c_str());
    std::printf("%zu states, %zu symbols: %s\n", extraction.automaton.num_states(), extraction.automaton.num_symbols(),
                status_text(extraction).c_str());
    if (comparison) std::printf("%s\n", on_one_line(comparison_text(*comparison, alphabet)).c_str());
    if (!arguments.output.empty()) std::printf("wrote %s\n", arguments.output.c_str());
    if (std::holds_alternative<Exactly>(extraction.status)) {
      std::printf("s EXACT %zu\n", extraction.automaton.num_states());
    } else if (const auto* up_to = std::get_if<RightUpTo>(&extraction.status)) {
      std::printf("s AGREES %llu %zu\n", static_cast<unsigned long long>(up_to->cover.length),
                  extraction.automaton.num_states());
    } else {
      std::printf("s HYPOTHESIS %zu\n", extraction.automaton.num_states());
    }
  }
  if (comparison) {
    if (comparison->equal == false) return exit_refuted;
    // Equal up to a length is what was asked for only where a length was.
    return comparison->equal == true && (!comparison->up_to || options.up_to == comparison->up_to) ? exit_ok
                                                                                                   : exit_unknown;
  }
  return std::holds_alternative<Exactly>(extraction.status) ? exit_ok : exit_unknown;
}

}  // namespace

void add_extract(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("extract", "Find the automaton that a model implements");
  command.footer(
      "The last line is 's EXACT k' (the model's minimal automaton at every length, proved, of k states), 's AGREES N "
      "k'\n"
      "(a smallest automaton that is right on all words up to N) or 's HYPOTHESIS k' (no difference was found).\n"
      "Exit codes: 0 proved or, with --compare, equal to LANG (up to --up-to, where that is given), 10 it differs "
      "from\n"
      "LANG, 20 otherwise, 1 bad input, 2 usage, 3 resource or device.");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("MODEL", arguments->model, "a model directory, or a checkpoint with a task.json").required();
  command
      .add_option(
          "-o,--output", arguments->output,
          "write the automaton (.json, .dot and other automaton files) or a picture of it (.svg; with --compare "
          "both, differing states marked; .dot marks them too)")
      .type_name("FILE");
  command
      .add_option("--up-to", arguments->options.up_to,
                  "where nothing is proved for all lengths: be right on all words up to this length")
      .check(natural_number(0, 1'000'000));
  command.add_option("--compare", arguments->compare, language_help).type_name("LANG");
  command
      .add_option("--hypothesis", arguments->hypothesis,
                  "an automaton to try first, such as that of the model's hardened form; it is checked, not believed")
      .type_name("LANG");
  command.add_option("--max-states", arguments->options.max_states, "states of a hypothesis at most (default 256)")
      .check(natural_number(1, 1'000'000));
  command
      .add_option("--extra-states", arguments->options.extra_states,
                  "the W-method covers models of so many states more than the hypothesis (default 1)")
      .check(natural_number(0, 16));
  add_alphabet_option(command, arguments->alphabet);
  add_task_option(command, arguments->task);
  add_reading_options(command, arguments->hints);
  add_semantics_option(command, arguments->semantics);
  command.add_option("--time-limit", arguments->time_limit, "seconds, then the best so far (default 60)")
      .check(seconds_number());
  add_memory_option(command, arguments->memory);
  add_device_options(command, arguments->device, "where words run that are asked many at once");
  command.add_option("--threads", arguments->threads, "CPU threads; 0 takes one a core").check(natural_number(0, 4096));
  add_json_option(command, arguments->json);
  command.callback([arguments, command, &exit_code] {
    if (arguments->compare.empty() && arguments->hypothesis.empty()) {
      refuse_options(command, {"--alphabet"}, "without --compare or --hypothesis");
    }
    exit_code = run_extract(*arguments);
  });
}

}  // namespace krohn::cli
