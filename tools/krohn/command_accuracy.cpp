// krohn accuracy MODEL LANG: the shares of right answers on random words, by length, as a table or as JSON:
// {"semantics", "words", "seed", "device", "chance", "positions", "lengths": [{"length", "position", "last",
// "sequence", "words", "sequence_chance"}], "empty_lengths", "stopped"}, each of the three {"value", "low", "high",
// "scaled"}; scaled is (value - chance) / (1 - chance), where a sequence's chance is that of guessing all of its
// labels. "semantics" is, of a chunked form, its name: "chunked, bf16".
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/results/accuracy_report.hpp"
#include "krohn/verify/accuracy.hpp"
#include "model_argument.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string model;
  std::string language;
  std::optional<std::string> alphabet;
  std::optional<std::string> task;
  std::optional<Semantics> semantics;
  std::string lengths = "16..512";
  AccuracyOptions measurement;
  std::string device = "auto";
  std::optional<std::string> form;
  std::optional<double> time_limit;
  bool json = false;
};

void print_proportion(const Proportion& p) {
  std::printf("  %6.4f [%6.4f, %6.4f] %7.4f", p.value, p.low, p.high, p.scaled);
}

void print_text(const Accuracy& accuracy, const AccuracyOptions& options, const std::string& semantics) {
  std::printf(
      "%llu random words of each length (seed %llu), %s; value [95 %% interval] scaled by chance: %.4f a label,\n"
      "of a whole sequence that of guessing all of its labels\n",
      static_cast<unsigned long long>(options.words), static_cast<unsigned long long>(options.seed), semantics.c_str(),
      accuracy.chance);
  std::printf("%8s  %-32s  %-32s  %-32s\n", "length", "positions", "last token", "sequences");
  for (const LengthAccuracy& each : accuracy.lengths) {
    std::printf("%8llu", static_cast<unsigned long long>(each.length));
    print_proportion(each.position);
    print_proportion(each.last);
    print_proportion(each.sequence);
    if (each.words != options.words) std::printf("  (%llu words)", static_cast<unsigned long long>(each.words));
    std::printf("\n");
  }
  for (const std::uint64_t length : accuracy.empty_lengths) {
    std::printf("%8llu  no word of this length has a label\n", static_cast<unsigned long long>(length));
  }
}

int run_accuracy(const Arguments& arguments) {
  AccuracyOptions options = arguments.measurement;
  options.lengths = parse_lengths(arguments.lengths);
  options.device = device_of(arguments.device);
  require_device(options.device);
  if (arguments.form) {
    options.form = arguments.form == "bf16" ? AnsweringForm::chunked_bf16 : AnsweringForm::chunked_fp32;
  }
  Work work("accuracy", Work::Early::with_result, arguments.time_limit);
  const OpenModel open = open_model(arguments.model, arguments.semantics, arguments.task);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  const Dfa language = language_of(open, arguments.language, arguments.alphabet);
  options.last_only = open.task && open.task->positions == Task::Positions::last;
  options.stop = &work.stop();
  options.progress = [&work](std::uint64_t length, double done, double total) {
    work.method("words of length " + std::to_string(length), Work::Time::goes_on);
    work.part(done, total);
  };
  const Accuracy accuracy = measure_accuracy(*open.machine, language, options);
  work.finish("the table has the words that were run");
  const std::string semantics = form_name(options.form, *open.machine);
  if (arguments.json) {
    std::cout << accuracy_json(accuracy, options, semantics);
  } else {
    say_device(arguments.device, accuracy.device);
    print_text(accuracy, options, semantics);
  }
  return accuracy.stopped ? exit_unknown : exit_ok;
}

}  // namespace

void add_accuracy(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("accuracy", "Measure a model's shares of right answers by length");
  command.footer(
      "Accuracy on random words is no verdict: a model that answers a million of them right may be wrong on a word of\n"
      "one repeated symbol (krohn check).\n"
      "Exit codes: 0 measured, 20 ended early, with the words that were run.");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("MODEL", arguments->model, "a model directory, or a checkpoint with a task.json").required();
  command.add_option("LANG", arguments->language, language_help + "; default: the one that comes with the model");
  add_alphabet_option(command, arguments->alphabet);
  add_task_option(command, arguments->task);
  add_semantics_option(command, arguments->semantics);
  command
      .add_option("--lengths", arguments->lengths, "A..B: both ends and the powers of two between; A..B:STEP; N,N,..")
      .type_name("LENGTHS")
      .capture_default_str();
  command.add_option("--words", arguments->measurement.words, "random words of each length (default 512)")
      .check(natural_number(1, 10'000'000));
  command.add_option("--seed", arguments->measurement.seed, "their seed (default 0)").check(natural_number());
  command
      .add_option("--weights", arguments->measurement.symbol_weights,
                  "how often each symbol is drawn, relative to the others, in the model's order")
      .delimiter(',');
  command
      .add_option(
          "--form", arguments->form,
          "of a checkpoint: the chunked form in bf16 or fp32 answers, as fast kernels run the weights, in place "
          "of the semantics that verdicts are about; the result says so")
      .check(one_of({"bf16", "fp32"}));
  add_device_options(command, arguments->device, "where the words run");
  add_time_limit_option(command, arguments->time_limit);
  add_json_option(command, arguments->json);
  command.callback([arguments, command, &exit_code] {
    if (arguments->language.empty()) refuse_options(command, {"--alphabet"}, "without LANG");
    exit_code = run_accuracy(*arguments);
  });
}

}  // namespace krohn::cli
