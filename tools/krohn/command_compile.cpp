// krohn compile: a language into a model directory, and a report of what was built beside the bounds that theory gives.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/compile/option_names.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/results/compile_report.hpp"
#include "krohn/text/counted.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct CompileArguments {
  std::string language;
  std::string directory;
  std::optional<std::string> alphabet;
  bool force = false;
  bool json = false;
  std::optional<double> time_limit;
  std::string cascade = "auto";
  std::string delay = "read-before";
  std::string resets = "auto";
  std::string spectrum = "any";
  std::string keys = "integer";
  std::string representation = "auto";
  std::string family = "any";
  std::optional<Semantics> semantics;
  std::size_t max_rows = CascadeOptions{}.max_rows;
  std::size_t max_family = CascadeOptions{}.max_family;
};

template <typename Value, std::size_t count>
std::vector<std::string> names_of(const OptionNames<Value, count>& options) {
  std::vector<std::string> names;
  for (const auto& [name, value] : options) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

CompileOptions options_of(const CompileArguments& arguments) {
  CompileOptions options;
  options.cascade.mode = *option_named(cascade_names, arguments.cascade);
  options.cascade.max_rows = arguments.max_rows;
  options.cascade.max_family = arguments.max_family;
  options.delay = *option_named(delay_names, arguments.delay);
  options.resets = *option_named(reset_names, arguments.resets);
  options.spectrum = *option_named(spectrum_names, arguments.spectrum);
  options.keys = *option_named(key_names, arguments.keys);
  options.representation = *option_named(representation_names, arguments.representation);
  options.recurrence = *option_named(recurrence_names, arguments.family);
  options.semantics = arguments.semantics.value_or(Semantics::fp32_fma_v1);
  return options;
}

void print_report(const CompileResult& result, Semantics semantics, const std::string& directory) {
  const std::string cascade =
      result.widths.empty()      ? " (one state: the label of every word)"
      : result.mode == "group"   ? " (a group: one layer)"
      : result.mode == "squares" ? " (symmetries of squares: one layer of signs and swaps)"
      : result.mode == "cubes"   ? " (symmetries of cubes: one layer of signs and one reflection a letter)"
      : result.mode == "moves"
          ? " (moves and swaps of states: one layer)"
          : " (cascade " + result.mode + (result.parts.size() > 1 ? ", split by congruences" : "") +
                (result.square_levels > 0 ? ", " + std::to_string(result.square_levels) + " as symmetries of squares"
                                          : "") +
                (result.polygon_levels > 0 ? ", " + std::to_string(result.polygon_levels) + " as turns of a polygon"
                                           : "") +
                ")";
  print_table(
      {{"states", std::to_string(result.states) + ", minimal " + std::to_string(result.minimal.num_states())},
       {"letters", std::to_string(result.minimal.num_symbols()) + ", acting differently " +
                       std::to_string(result.distinct_letters)},
       {"levels", std::to_string(result.widths.size()) + cascade},
       {"  bound |Q|-1", std::to_string(result.linear_bound)},
       {"  paper, 2^|Q|",
        result.paper_bound.size() <= 20 ? result.paper_bound : "2^" + std::to_string(result.minimal.num_states())},
       {"  holonomy",
        result.holonomy_depth ? std::to_string(*result.holonomy_depth) : "not computed (family too large)"},
       {"layers",
        std::to_string(result.model.layers().size()) + ", hidden size " + std::to_string(result.model.hidden_size())},
       {"rows", std::to_string(result.rows) + ", " + counted(result.table_rows, "table row") + ", " +
                    counted(result.factors, "Householder factor")},
       {"arithmetic", integer_format(semantics)
                          ? std::string(semantics_id(semantics)) + ", integers throughout: krohn check decides"
                      : result.exact   ? "exact in fp32, fp16 and bf16 at every length"
                      : result.horizon ? "inexact, right up to length " + std::to_string(*result.horizon) + " in fp32"
                                       : "inexact"}});
  if (!result.hidden.empty()) {
    constexpr std::size_t max_layers = 40;
    std::cout << "\n  layer  hidden   n_h    rows\n";
    for (std::size_t l = 0; l < std::min(result.hidden.size(), max_layers); ++l) {
      std::cout << "  " << std::right << std::setw(5) << l << std::setw(8) << result.hidden[l] << std::setw(6)
                << result.num_householder[l] << std::setw(8) << result.model.layers()[l].num_rows() << '\n';
    }
    if (result.hidden.size() > max_layers) {
      std::cout << "  ... " << result.hidden.size() - max_layers << " more layers (--json has all)\n";
    }
    std::cout << '\n';
  }
  if (result.with_reflections) {
    const ModelSize now = size_of(result.model);
    const auto change = [](const char* name, std::size_t here, std::size_t there) {
      return std::string(name) + " " + std::to_string(here) + " for " + std::to_string(there);
    };
    const ModelSize& before = *result.with_reflections;
    print_table({{"for products of reflections", change("layers", now.layers, before.layers) + ", " +
                                                     change("hidden size", now.hidden, before.hidden) + ", " +
                                                     change("factors of a row", now.householder, before.householder) +
                                                     ", " + change("factors", now.factors, before.factors)}});
  }
  print_table({{"written to", directory}});
}

}  // namespace

void add_compile(const Command& app, int& exit_code) {
  const auto arguments = std::make_shared<CompileArguments>();
  const Command command = app.add_subcommand("compile", "Compile a regular language into an exact linear RNN");
  command.footer(
      "Every language compiles, in at most |Q|-1 layers, |Q| its minimal automaton's states, as far as --max-rows,\n"
      "--max-family and 1 GiB of sets of states let it.");
  command.add_option("LANG", arguments->language, language_help).required();
  command.add_option("-o,--output", arguments->directory, "The model directory to write").required().type_name("DIR");
  command.add_flag("--force", arguments->force, "Replace an existing model directory");
  add_json_option(command, arguments->json);
  add_time_limit_option(command, arguments->time_limit);
  add_alphabet_option(command, arguments->alphabet);
  command.add_option("--cascade", arguments->cascade, "The cascade: auto (the shallowest), R, Z or G")
      .check(one_of(names_of(cascade_names)))
      .capture_default_str();
  command
      .add_option("--delay", arguments->delay,
                  "How a layer tells the slot before the step: read-before its update, or a block that keeps it")
      .check(one_of(names_of(delay_names)))
      .capture_default_str();
  command
      .add_option("--resets", arguments->resets,
                  "householder projections, a value register, hybrid (a zero gate), or auto: the smallest state")
      .check(one_of(names_of(reset_names)))
      .capture_default_str();
  command.add_option("--spectrum", arguments->spectrum, "Eigenvalues: any in [-1, 1], or nonnegative")
      .check(one_of(names_of(spectrum_names)))
      .capture_default_str();
  command.add_option("--keys", arguments->keys, "integer, or dyadic unit keys on doubled coordinates")
      .check(one_of(names_of(key_names)))
      .capture_default_str();
  command
      .add_option(
          "--representation", arguments->representation,
          "Of group languages: permutation, rotation (cyclic and dihedral groups), scalar (two states), dimension or "
          "reflections (the least of either, inexact), or auto: the smallest exact one. Of other languages rotation: "
          "levels of the cascade that turn a polygon are kept as two numbers, inexact, with a certified horizon")
      .check(one_of(names_of(representation_names)))
      .capture_default_str();
  command
      .add_option(
          "--family", arguments->family,
          "What a token's matrix may be: gated_deltaproduct (zero gates as resets), kda (signed gates: groups and "
          "levels as symmetries of squares, groups as symmetries of cubes), rwkv7-widened (a letter moves one state or "
          "swaps two: one layer), or pd "
          "(column one-hot matrices: one layer); each where that is smaller, and exact; says what products of "
          "reflections take")
      .check(one_of(names_of(recurrence_names)))
      .capture_default_str();
  add_semantics_option(command, arguments->semantics, "fp32");
  command.add_option("--max-rows", arguments->max_rows, "Rows of all layers together")
      .check(natural_number())
      .capture_default_str();
  command.add_option("--max-family", arguments->max_family, "Sets that a cascade may enumerate")
      .check(natural_number())
      .capture_default_str();
  command.callback([arguments, &exit_code] {
    require_writable_model(arguments->directory, arguments->force);
    Work work("compile", Work::Early::with_nothing, arguments->time_limit);
    CompileOptions options = options_of(*arguments);
    options.begins = [&work](const std::string& stage) { work.method(stage, Work::Time::goes_on); };
    work.method("reading");
    const Dfa dfa = language_argument(arguments->language, arguments->alphabet);
    work.method("minimal automaton");
    const CompileResult result = compile(dfa, options);
    const std::string report = compile_report_json(result, options, arguments->language);
    work.finish();
    ModelDirectory directory = model_directory(result, report);
    directory.semantics = options.semantics;
    write_model(arguments->directory, directory, arguments->force);
    if (arguments->json) {
      std::cout << report;
    } else {
      print_report(result, options.semantics, arguments->directory);
    }
    exit_code = exit_ok;
  });
}

}  // namespace krohn::cli
