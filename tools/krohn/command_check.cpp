// krohn check MODEL LANG: does the model recognise the language?
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "interrupt.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/error.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/opposite_order.hpp"
#include "model_argument.hpp"
#include "work.hpp"

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
  std::uint64_t memory = default_memory;
  bool json = false;
  std::uint64_t seed = 0;
  std::string certificate;
  std::optional<std::uint64_t> exhaustive;
  std::string device = "auto";
  std::uint64_t samples = 1000;
  std::uint64_t sample_length = 256;
  bool failing = true;
  std::string method;
};

void print(const CheckReport& report, const std::optional<FailureReport>& failures, const Alphabet& alphabet) {
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
  if (failures) {
    for (const auto& [name, text] : failure_lines(*failures, alphabet)) {
      std::printf("%s: %s\n", name.c_str(), on_one_line(text).c_str());
    }
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

int run_check(const Arguments& arguments) {
  if (!arguments.certificate.empty()) require_writable(arguments.certificate);
  Work work("check", Work::Early::with_result, arguments.time_limit);
  CheckOptions options;
  options.budget.stop = &interrupt_flag();
  options.budget.memory = arguments.memory;
  options.budget.deadline = work.deadline();
  options.up_to = arguments.up_to;
  options.method = arguments.method;
  options.exhaustive = arguments.exhaustive;
  options.begins = [&work](const std::string& method) { work.method(method); };
  options.progress = [&work](const EnumerateProgress& progress) { show_search(work, progress); };
  options.device = device_of(arguments.device);
  // Also where no rung comes to need it.
  require_device(options.device);
  options.sample.words = arguments.samples;
  options.sample.max_length = arguments.sample_length;
  options.sample.seed = arguments.seed;
  const OpenModel open = open_model(arguments.model, arguments.semantics, arguments.task, arguments.hints);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  const Language language = language_of(open, arguments.language, arguments.alphabet);
  const InvariantHint* const hint = open.hint ? &*open.hint : nullptr;
  CheckReport report = check(*open.machine, language, options, hint);
  std::optional<FailureReport> failures;
  if (arguments.failing) {
    work.method("failing words");
    failures = failures_of(report, open, language, options.budget);
  }
  if (report.interrupted) work.finish("the verdict is the best that was established");
  work.finish();
  if (open.task && open.task->min_length > 0) report.domain = open.domain(language.minimal());
  if (!arguments.certificate.empty()) {
    write_certificate(arguments.certificate,
                      make_certificate(report, *open.machine, language,
                                       {"krohn " KROHN_VERSION, arguments.model, arguments.language}));
  }
  if (std::holds_alternative<Refuted>(report.verdict)) {
    if (const auto opposite = opposite_order_hint(*open.machine, arguments.language)) {
      std::cerr << "krohn: " << *opposite << '\n';
    }
  }
  if (arguments.json) {
    std::cout << check_report_json(report, open.machine->alphabet(), arguments.up_to, failures);
  } else {
    print(report, failures, open.machine->alphabet());
  }
  return exit_code_of(report, arguments.up_to);
}

}  // namespace

void add_check(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("check", "Decide whether a model recognises a language");
  command.footer(
      "The last line is 's PROVED' (all lengths), 's CERTIFIED N' (all words up to N), 's REFUTED word' or 's "
      "UNKNOWN'.\n"
      "Exit codes: 0 the claim asked for holds, 10 refuted, 20 unknown, or certified below what was asked for, 1 bad\n"
      "input, 2 usage, 3 resource or device.");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("MODEL", arguments->model, "a model directory, or a checkpoint with a task.json").required();
  command.add_option("LANG", arguments->language, language_help + "; default: the one that comes with the model");
  add_alphabet_option(command, arguments->alphabet);
  add_task_option(command, arguments->task);
  add_reading_options(command, arguments->hints);
  add_semantics_option(command, arguments->semantics);
  command.add_option("--up-to", arguments->up_to, "ask only for the words up to this length").check(natural_number());
  command.add_option("--time-limit", arguments->time_limit, "seconds, then the best verdict so far (default 60)")
      .check(seconds_number());
  add_memory_option(command, arguments->memory);
  command
      .add_option("--exhaustive", arguments->exhaustive,
                  "if nothing cheaper settles it, try every word up to this length")
      .check(natural_number());
  command.add_option("--method", arguments->method, "only this method of the ladder, such as sets (default: all)");
  add_device_options(command, arguments->device, "where words run that are tried or drawn many at once");
  command
      .add_option("--samples", arguments->samples,
                  "if nothing settles it, draw so many random words (default 1000; 0: none)")
      .check(natural_number());
  command.add_option("--sample-length", arguments->sample_length, "their lengths: uniform from 1 to this (default 256)")
      .check(natural_number(1, 1'000'000));
  command.add_flag("!--no-families", arguments->failing,
                   "of a refuted model, the verdict and the word alone: no families of failing words");
  add_certificate_option(command, arguments->certificate, "write what the verdict rests on to this file");
  add_json_option(command, arguments->json);
  command.add_option("--seed", arguments->seed, "the seed of random words (default 0)").check(natural_number());
  command.callback([arguments, command, &exit_code] {
    if (arguments->language.empty()) refuse_options(command, {"--alphabet"}, "without LANG");
    exit_code = run_check(*arguments);
  });
}

}  // namespace krohn::cli
