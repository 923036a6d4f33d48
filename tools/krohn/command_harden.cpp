// krohn harden: a checkpoint whose state is snapped to codes after every token, and the verdict on it.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "interrupt.hpp"
#include "krohn/error.hpp"
#include "krohn/io/atomic_file.hpp"
#include "krohn/io/certificate_file.hpp"
#include "krohn/io/check_report.hpp"
#include "krohn/io/checkpoint.hpp"
#include "krohn/io/open_model.hpp"
#include "krohn/text/source_text.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/harden.hpp"
#include "model_argument.hpp"

namespace krohn::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string model;
  std::string language;
  std::string directory;
  std::string certificate;
  std::optional<std::string> alphabet;
  std::optional<std::string> task;
  std::string method = "codes";
  double time_limit = 60.0;
  std::size_t max_codes = HardenOptions{}.max_codes;
  bool force = false;
  bool json = false;
};

/// The files of a checkpoint, unchanged, and the codes.
void write_hardened(const Arguments& arguments, const Program& program) {
  PendingDirectory directory(arguments.directory, arguments.force);
  for (const fs::directory_entry& entry : fs::directory_iterator(arguments.model)) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file() && name != "codes.safetensors") {
      directory.write(name, read_file(entry.path(), std::size_t{1} << 40U));
    }
  }
  directory.write("codes.safetensors", format_codes(program));
  directory.commit();
}

/// JSON has no infinity.
Json number_or_null(double x) { return std::isfinite(x) ? Json(x) : Json(); }

const char* origin_name(CodeOrigin origin) {
  switch (origin) {
    case CodeOrigin::own_run:
      return "own run";
    case CodeOrigin::mean:
      return "mean of own runs";
    case CodeOrigin::before_snapping:
      return "before snapping";
    case CodeOrigin::grid:
      return "grid";
  }
  throw InternalError("unknown origin of a code");
}

Json codes_json(const Hardening& hardening, const Program& program, const Alphabet& alphabet) {
  Json list = Json::array();
  for (const UnitCodes& unit : hardening.codes) {
    Json words = Json::array();
    for (std::size_t i = 0; i < unit.words.size(); ++i) {
      words.push_back({{"word", word_json(unit.words[i], alphabet)}, {"origin", origin_name(unit.origins[i])}});
    }
    list.push_back({{"unit", codes_name(program.state_parts()[unit.part], unit.unit).substr(6)},
                    {"codes", unit.codes.size()},
                    {"reached_by", words}});
  }
  return list;
}

int run_harden(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  const OpenModel open = open_model(arguments.model, std::nullopt, arguments.task);
  if (open.learned == nullptr || !open.task) {
    throw InputError(arguments.model + ": expected a checkpoint with a task, got a compiled model");
  }
  if (open.learned->snapped())
    throw InputError(arguments.model + ": expected a model without codes, got a hardened one");
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  if (!arguments.certificate.empty()) require_writable(arguments.certificate);
  const Dfa language = language_of(open, arguments.language, arguments.alphabet);
  Budget budget;
  budget.stop = &interrupt_flag();
  budget.deadline = start + std::chrono::milliseconds(static_cast<std::int64_t>(arguments.time_limit * 1000.0));

  // What the model is without codes: its shortest known wrong word stands beside whatever becomes of it.
  CheckOptions original_options;
  original_options.budget = budget.share(0.1);
  original_options.sample.words = 0;
  const CheckReport original = check(*open.machine, language, original_options);

  HardenOptions options;
  options.budget = budget.share(0.8);
  options.max_codes = arguments.max_codes;
  if (arguments.method == "grid") options.method = HardenOptions::Method::grid;
  const Hardening hardening = harden(*open.learned, open.task->answers, language, options);

  CheckReport report;
  report.semantics = std::string(snapped_semantics);
  report.domain = open.domain(language);
  report.verdict = Unknown{hardening.length, hardening.reason};
  std::unique_ptr<Machine> machine;
  if (hardening.program) {
    machine = make_machine(std::make_shared<const Program>(*hardening.program), open.task->answers);
    CheckOptions check_options;
    check_options.budget = budget;
    check_options.sample.words = 0;
    report = check(*machine, language, check_options);
    report.domain = open.domain(language);
    write_hardened(arguments, *hardening.program);
    if (!arguments.certificate.empty()) {
      write_certificate(arguments.certificate,
                        make_certificate(report, *machine, language,
                                         {"krohn " KROHN_VERSION, arguments.directory, arguments.language}, nullptr));
    }
  }
  const Alphabet& alphabet = open.machine->alphabet();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::size_t codes = 0;
  for (const UnitCodes& unit : hardening.codes) codes += unit.codes.size();
  if (arguments.json) {
    Json distances = Json::array();
    for (const CodeDistance& d : hardening.distances) {
      distances.push_back({{"from", d.from}, {"to", d.to}, {"mean", d.mean}, {"most", d.most}});
    }
    Json object = Json::parse(check_report_json(report, alphabet, std::nullopt));
    object["original"] = Json::parse(check_report_json(original, alphabet, std::nullopt));
    object["hardening"] = {
        {"closed", hardening.closed},
        {"reason", hardening.reason},
        {"rounds", hardening.rounds},
        {"steps", hardening.steps},
        {"configurations", hardening.configurations},
        {"codes", codes},
        {"gap", number_or_null(hardening.gap)},
        {"margin", number_or_null(hardening.margin)},
        {"code_distance", number_or_null(hardening.code_distance)},
        {"own_states_from_codes", distances},
        {"units", hardening.program ? codes_json(hardening, *hardening.program, alphabet) : Json::array()},
        {"seconds", seconds}};
    print_json(object);
  } else {
    std::printf("the model itself: %s\n", final_line(original.verdict, alphabet).substr(2).c_str());
    if (hardening.program) {
      std::printf("%zu codes of %zu units, closed with %zu configurations after %zu rounds\n", codes,
                  hardening.codes.size(), hardening.configurations, hardening.rounds);
      std::printf(
          "least difference between the distances to the nearest and to the second code %.3g (codes of a unit are at "
          "least %.3g apart), least margin of the logits %.3g\n",
          hardening.gap, hardening.code_distance, hardening.margin);
      for (const CodeDistance& d : hardening.distances) {
        std::printf("  states of the model's own runs, symbols %zu to %zu: %.3g from a code on average, at most %.3g\n",
                    d.from, d.to, d.mean, d.most);
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

void add_harden(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("harden", "Snap a trained model's state to a few codes, and prove what comes of it");
  command->footer(
      "Codes are states that the model itself reaches. The hardened model is another function than the model: its\n"
      "verdict is about semantics learned-fp32-snap-v1, and the model's own stands above it.\n"
      "Exit codes: 0 PROVED, 10 refuted, 20 unknown, 1 bad input, 2 usage, 3 resource.");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("MODEL", arguments->model, "a checkpoint with a task.json")->required();
  command->add_option("LANG", arguments->language,
                      std::string(language_help) + "; default: the one that comes with the model");
  command
      ->add_option("-o,--output", arguments->directory, "the directory to write: the checkpoint's files and its codes")
      ->type_name("DIR")
      ->required();
  add_alphabet_option(*command, arguments->alphabet);
  add_task_option(*command, arguments->task);
  command->add_option("--certificate", arguments->certificate, "write the verdict's certificate to this file")
      ->type_name("FILE");
  command->add_option("--time-limit", arguments->time_limit, "seconds (default 60)")->check(seconds_number());
  command
      ->add_option(
          "--method", arguments->method,
          "codes: states of the model, found by refinement; grid: the points of a uniform grid (default codes)")
      ->check(CLI::IsMember({"codes", "grid"}));
  command->add_option("--max-codes", arguments->max_codes, "codes of a unit at most (default 256)")
      ->check(natural_number(1, 65536));
  command->add_flag("--force", arguments->force, "replace an existing directory");
  command->add_flag("--json", arguments->json, "print one JSON object instead");
  command->callback([arguments, &exit_code] { exit_code = run_harden(*arguments); });
}

}  // namespace krohn::cli
