// krohn check MODEL LANG: does the model recognise the language?
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "accuracy_report.hpp"
#include "command.hpp"
#include "interrupt.hpp"
#include "krohn/error.hpp"
#include "krohn/io/atomic_file.hpp"
#include "krohn/io/certificate_file.hpp"
#include "krohn/io/check_report.hpp"
#include "krohn/io/open_model.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/check.hpp"
#include "model_argument.hpp"
#include "opposite_order.hpp"
#include "search_part_run.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string model;
  std::string language;
  std::optional<std::string> alphabet;
  std::optional<std::string> task;
  ReadingHints hints;
  std::optional<Semantics> semantics;
  std::optional<std::uint64_t> up_to;
  double time_limit = 60.0;
  std::uint64_t memory = std::uint64_t{4} << 30U;
  bool json = false;
  std::string accuracy;
  std::uint64_t words = 512;
  std::uint64_t seed = 0;
  std::vector<double> weights;
  std::string certificate;
  std::optional<std::uint64_t> exhaustive;
  std::string device = "auto";
  std::string shard;
  std::string report;
  std::uint64_t samples = 1000;
  std::uint64_t sample_length = 256;
};

void print(const CheckReport& report, const Alphabet& alphabet) {
  for (const Rung& rung : report.rungs) {
    std::printf("%-16s %8.3f s  %s\n", rung.method.c_str(), rung.seconds, rung.outcome.c_str());
  }
  std::printf("semantics: %s; domain: %s\n", report.semantics.c_str(), report.domain.c_str());
  if (const auto* refuted = std::get_if<Refuted>(&report.verdict)) {
    const Counterexample& found = refuted->counterexample;
    std::printf(
        "on a word of length %zu (%s) the language says %s, the model %s (margin %g); they part at position %llu\n",
        found.word.size(), found.shortest ? "a shortest one" : "shortened, not proved shortest",
        on_one_line(found.expected).c_str(), on_one_line(found.observed).c_str(), static_cast<double>(found.margin),
        static_cast<unsigned long long>(found.position));
  }
  if (report.sample && report.sample->bound) {
    const SampleDesign& design = report.sample->design;
    std::printf(
        "of the words of uniform length 1 to %llu and uniform symbols at most %.3g %% are answered wrongly, with "
        "confidence %g %% (%llu words drawn, %llu with a label, seed %llu)\n",
        static_cast<unsigned long long>(design.max_length), 100.0 * *report.sample->bound, 100.0 * design.confidence,
        static_cast<unsigned long long>(design.words), static_cast<unsigned long long>(report.sample->labelled),
        static_cast<unsigned long long>(design.seed));
  }
  if (const auto* unknown = std::get_if<Unknown>(&report.verdict)) {
    const std::string bound = unknown->length
                                  ? "every word up to length " + std::to_string(*unknown->length) + " agrees"
                                  : std::string("no length was established");
    std::printf("%s; %s\n", unknown->reason.c_str(), bound.c_str());
  }
  std::printf("%s\n", final_line(report.verdict, alphabet).c_str());
}

int exit_code_of(const CheckReport& report, std::optional<std::uint64_t> up_to) {
  if (claim_holds(report.verdict, up_to)) return exit_ok;
  return std::holds_alternative<Refuted>(report.verdict) ? exit_refuted : exit_unknown;
}

/// Of the three things that krohn check does (a verdict, a part of a search, a measurement) each has options of its
/// own.
void require_fitting_options(const CLI::App& command, const Arguments& arguments) {
  if (arguments.language.empty()) refuse_options(command, {"--alphabet"}, "without LANG");
  if (arguments.accuracy.empty()) {
    refuse_options(command, {"--words", "--weights"}, "without --accuracy");
  } else {
    refuse_options(command,
                   {"--up-to", "--exhaustive", "--shard", "--report", "--samples", "--sample-length", "--certificate"},
                   "beside --accuracy");
  }
  if (arguments.shard.empty() && arguments.report.empty()) return;
  if (!arguments.exhaustive || arguments.report.empty()) {
    throw InputError("--shard, --report: expected --exhaustive N and --report FILE with them");
  }
  refuse_options(command, {"--up-to", "--samples", "--sample-length", "--seed", "--certificate"}, "beside --report");
}

int run_check(const Arguments& arguments) {
  for (const std::string& file : {arguments.certificate, arguments.report}) {
    if (!file.empty()) require_writable(file);
  }
  CheckOptions options;
  options.budget.stop = &interrupt_flag();
  options.budget.memory = arguments.memory;
  options.budget.deadline = std::chrono::steady_clock::now() +
                            std::chrono::milliseconds(static_cast<std::int64_t>(arguments.time_limit * 1000.0));
  options.up_to = arguments.up_to;
  options.exhaustive = arguments.exhaustive;
  bool shown = false;
  if (isatty(STDERR_FILENO) != 0) {
    options.progress = [&shown](const EnumerateProgress& progress) {
      shown = true;
      show_progress(progress);
    };
  }
  options.device = device_of(arguments.device);
  // Also where no rung comes to need it.
  require_device(options.device);
  options.sample.words = arguments.samples;
  options.sample.max_length = arguments.sample_length;
  options.sample.seed = arguments.seed;
  const OpenModel open = open_model(arguments.model, arguments.semantics, arguments.task, arguments.hints);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  const Dfa language = language_of(open, arguments.language, arguments.alphabet);
  if (!arguments.report.empty()) {
    return run_search_part(open, language,
                           {arguments.shard.empty() ? "1/1" : arguments.shard, arguments.report, *arguments.exhaustive,
                            options.device, arguments.memory, options.budget.deadline, arguments.json});
  }
  if (!arguments.accuracy.empty()) {
    AccuracyOptions measurement;
    measurement.lengths = parse_lengths(arguments.accuracy);
    measurement.words = arguments.words;
    measurement.seed = arguments.seed;
    measurement.symbol_weights = arguments.weights;
    measurement.device = options.device;
    report_accuracy(open, language, measurement, arguments.json);
    return exit_ok;
  }
  const InvariantHint* const hint = open.hint ? &*open.hint : nullptr;
  CheckReport report = check(*open.machine, language, options, hint);
  if (shown) std::fprintf(stderr, "\n");
  if (open.task && open.task->min_length > 0) report.domain = open.domain(language);
  if (!arguments.certificate.empty()) {
    write_certificate(arguments.certificate,
                      make_certificate(report, *open.machine, language,
                                       {"krohn " KROHN_VERSION, arguments.model, arguments.language}, hint));
  }
  if (std::holds_alternative<Refuted>(report.verdict)) {
    if (const auto opposite = opposite_order_hint(*open.machine, arguments.language)) {
      std::cerr << "krohn: " << *opposite << '\n';
    }
  }
  if (arguments.json) {
    std::cout << check_report_json(report, open.machine->alphabet(), arguments.up_to);
  } else {
    print(report, open.machine->alphabet());
  }
  return exit_code_of(report, arguments.up_to);
}

}  // namespace

void add_check(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("check", "Decide whether a model recognises a language");
  command->footer(
      "The last line is 's PROVED' (all lengths), 's CERTIFIED N' (all words up to N), 's REFUTED word' or 's "
      "UNKNOWN'.\n"
      "Exit codes: 0 the claim asked for holds, 10 refuted, 20 unknown, or certified below what was asked for, 1 bad\n"
      "input, 2 usage, 3 resource or device.");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("MODEL", arguments->model, "a model directory, or a checkpoint with a task.json")->required();
  command->add_option("LANG", arguments->language,
                      std::string(language_help) + "; default: the one that comes with the model");
  add_alphabet_option(*command, arguments->alphabet);
  add_task_option(*command, arguments->task);
  add_reading_options(*command, arguments->hints);
  add_semantics_option(*command, arguments->semantics);
  command->add_option("--up-to", arguments->up_to, "ask only for the words up to this length")->check(natural_number());
  command->add_option("--time-limit", arguments->time_limit, "seconds, then the best verdict so far (default 60)")
      ->check(seconds_number());
  command->add_option("--memory", arguments->memory, "bytes a search may hold, with K, M or G (default 4G)")
      ->transform(byte_size());
  command
      ->add_option("--exhaustive", arguments->exhaustive,
                   "if nothing cheaper settles it, try every word up to this length")
      ->check(natural_number());
  add_device_option(*command, arguments->device, "where words run that are tried or drawn many at once");
  command
      ->add_option("--shard", arguments->shard,
                   "of --exhaustive: only part i of n, written to --report for krohn merge")
      ->type_name("i/n");
  command
      ->add_option("--report", arguments->report,
                   "of --exhaustive: no verdict but a search, and what it found in this file, for krohn merge; goes on "
                   "from what an interrupted run left there")
      ->type_name("FILE");
  command
      ->add_option("--samples", arguments->samples,
                   "if nothing settles it, draw so many random words (default 1000; 0: none)")
      ->check(natural_number());
  command
      ->add_option("--sample-length", arguments->sample_length, "their lengths: uniform from 1 to this (default 256)")
      ->check(natural_number(1, 1'000'000));
  command->add_option("--certificate", arguments->certificate, "write what the verdict rests on to this file")
      ->type_name("FILE")
      ->check([](const std::string& path) { return path.empty() ? "expected a file's name, got none" : ""; });
  command->add_flag("--json", arguments->json, "print one JSON object instead");
  command
      ->add_option("--accuracy", arguments->accuracy,
                   "instead of a verdict: the shares of right answers on random words of these lengths, with 95 % "
                   "intervals (A..B: both ends and the powers of two between; A..B:STEP; N,N,..)")
      ->type_name("LENGTHS");
  command->add_option("--words", arguments->words, "with --accuracy: random words of each length (default 512)")
      ->check(natural_number(1, 10'000'000));
  command->add_option("--seed", arguments->seed, "the seed of random words (default 0)")->check(natural_number());
  command
      ->add_option("--weights", arguments->weights,
                   "with --accuracy: how often each symbol is drawn, relative to the others, in the model's order")
      ->delimiter(',');
  command->callback([arguments, command, &exit_code] {
    require_fitting_options(*command, *arguments);
    exit_code = run_check(*arguments);
  });
}

}  // namespace krohn::cli
