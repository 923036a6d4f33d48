// krohn harden: a model whose state is snapped to codes after every token, and the verdict on it.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/error.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/results/harden_report.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/harden.hpp"
#include "model_argument.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string model;
  std::string language;
  std::string directory;
  std::string certificate;
  std::optional<std::string> alphabet;
  std::optional<std::string> task;
  std::string method = "codes";
  double time_limit = 60.0;
  std::uint64_t memory = default_memory;
  std::size_t max_codes = HardenOptions{}.max_codes;
  bool force = false;
  bool json = false;
};

int run_harden(const Arguments& arguments) {
  const OpenModel open = open_model(arguments.model, std::nullopt, arguments.task);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  if (!arguments.certificate.empty()) require_writable(arguments.certificate);
  const Language language = language_of(open, arguments.language, arguments.alphabet);
  Work work("harden", Work::Early::with_result, arguments.time_limit);
  HardenOptions options;
  options.budget.stop = &work.stop();
  options.budget.deadline = work.deadline();
  options.budget.memory = arguments.memory;
  options.begins = [&work](const std::string& method) { work.method(method); };
  options.progress = [&work](std::size_t round, std::size_t codes, std::size_t configurations) {
    work.detail("closure " + std::to_string(round) + ", " + std::to_string(codes) + " codes, " +
                std::to_string(configurations) + " configurations");
  };
  options.max_codes = arguments.max_codes;
  if (arguments.method == "grid") options.method = HardenOptions::Method::grid;
  const HardenReport result = harden_with_verdict(open, arguments.model, language, options);
  const Hardening& hardening = result.hardening;
  const CheckReport& report = result.report;
  if (hardening.closed) {
    work.finish();
  } else {
    work.finish("the codes are the best that were found");
  }
  if (result.machine) {
    write_hardened(open, hardening, arguments.model, arguments.directory, arguments.force);
    if (!arguments.certificate.empty()) {
      write_certificate(arguments.certificate,
                        make_certificate(report, *result.machine, language,
                                         {"krohn " KROHN_VERSION, arguments.directory, arguments.language}));
    }
  }
  const Alphabet& alphabet = open.machine->alphabet();
  if (arguments.json) {
    std::cout << harden_report_json(result, alphabet);
  } else {
    std::printf("the model itself: %s\n", final_line(result.original.verdict, alphabet).substr(2).c_str());
    if (result.machine) {
      std::printf("%zu codes of %zu units, closed with %zu configurations after %zu rounds\n", result.codes(),
                  hardening.codes.size(), hardening.configurations, hardening.rounds);
      std::printf(
          "least difference between the distances to the nearest and to the second code %.3g (codes of a unit are at "
          "least %.3g apart), least margin of the logits %.3g\n",
          hardening.gap, hardening.code_distance, hardening.margin);
      for (const CodeDistance& d : hardening.distances) {
        std::printf("  states of the model's own runs, symbols %zu to %zu: %.3g from a code on average, at most %.3g\n",
                    d.from, d.to, d.mean, d.most);
      }
      for (const Rung& rung : report.rungs) {
        if (rung.method == "closure") std::printf("%s\n", rung.outcome.c_str());
      }
      std::printf("wrote %s; semantics: %s; domain: %s\n", arguments.directory.c_str(), report.semantics.c_str(),
                  report.domain.c_str());
    } else {
      std::printf("not hardened: %s; every word up to length %llu was right in the best try\n",
                  hardening.reason.c_str(), static_cast<unsigned long long>(hardening.length));
    }
    std::printf("%s\n", final_line(report.verdict, alphabet).c_str());
  }
  if (std::holds_alternative<Proved>(report.verdict)) return exit_ok;
  return std::holds_alternative<Refuted>(report.verdict) ? exit_refuted : exit_unknown;
}

}  // namespace

void add_harden(const Command& app, int& exit_code) {
  const Command command =
      app.add_subcommand("harden", "Snap a model's state to a few codes, and prove what comes of it");
  command.footer(
      "Codes are states that the model itself reaches. The hardened model is another function than the model: its\n"
      "verdict is about semantics learned-fp32-snap-v1 (of a compiled model fp32-snap-v1), and the model's own stands\n"
      "above it.\n"
      "Exit codes: 0 PROVED, 10 refuted, 20 unknown, 1 bad input, 2 usage, 3 resource.");
  const auto arguments = std::make_shared<Arguments>();
  command
      .add_option("MODEL", arguments->model,
                  "a checkpoint with a task.json, or a compiled model, such as rotations that drift")
      .required();
  command.add_option("LANG", arguments->language, language_help + "; default: the one that comes with the model");
  command.add_option("-o,--output", arguments->directory, "the directory to write: the model's files and its codes")
      .type_name("DIR")
      .required();
  add_alphabet_option(command, arguments->alphabet);
  add_task_option(command, arguments->task);
  command.add_option("--certificate", arguments->certificate, "write the verdict's certificate to this file")
      .type_name("FILE");
  command.add_option("--time-limit", arguments->time_limit, "seconds (default 60)").check(seconds_number());
  add_memory_option(command, arguments->memory);
  command
      .add_option(
          "--method", arguments->method,
          "codes: states of the model, found by refinement; grid: the points of a uniform grid, for checkpoints "
          "(default codes)")
      .check(one_of({"codes", "grid"}));
  command.add_option("--max-codes", arguments->max_codes, "codes of a unit at most (default 256)")
      .check(natural_number(1, 65536));
  command.add_flag("--force", arguments->force, "replace an existing directory");
  command.add_flag("--json", arguments->json, "print one JSON object instead");
  command.callback([arguments, &exit_code] { exit_code = run_harden(*arguments); });
}

}  // namespace krohn::cli
