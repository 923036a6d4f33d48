// krohn run MODEL: a label for every word.
#include <iostream>
#include <iterator>
#include <memory>

#include "command.hpp"
#include "krohn/engine/run.hpp"
#include "krohn/error.hpp"
#include "krohn/io/language.hpp"
#include "krohn/io/model_directory.hpp"
#include "krohn/io/source_text.hpp"

namespace krohn::cli {
namespace {

struct Options {
  std::string model;
  std::string words;
  std::string device = "auto";
  std::optional<Semantics> semantics;
  unsigned threads = 0;
  bool all_positions = false;
};

std::string read_standard_input() {
  std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  if (std::cin.bad()) throw InputError("standard input: expected words, got a read error");
  return text;
}

void run_words(const Options& options) {
  const ModelDirectory directory = read_model(options.model);
  const LrnnModel& model = directory.model;
  const std::string source = options.words.empty() ? "standard input" : options.words;
  const std::string text = options.words.empty() ? read_standard_input() : read_file(options.words);
  const std::vector<Word> words = parse_words(text, source, model.alphabet());
  RunOptions run_options;
  run_options.semantics = options.semantics.value_or(directory.semantics);
  run_options.device = options.device == "cpu"    ? Device::cpu
                       : options.device == "cuda" ? Device::cuda
                                                  : Device::automatic;
  run_options.all_positions = options.all_positions;
  run_options.threads = options.threads;
  const Trace trace = run(model, words, run_options);
  if (options.device == "auto") std::cerr << "krohn: ran on " << trace.device << '\n';
  std::string output;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!options.all_positions) {
      output += model.label_name(trace.label(i));
    } else {
      const auto labels = trace.labels_of(i).subspan(1);
      for (std::size_t t = 0; t < labels.size(); ++t) {
        if (t > 0) output += ' ';
        output += model.label_name(labels[t]);
      }
    }
    output += '\n';
    if (output.size() > (std::size_t{1} << 20U)) {
      std::cout << output;
      output.clear();
    }
  }
  std::cout << output;
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Run a model on words, one a line; print one label a line");
  command->add_option("MODEL", options->model, "a model directory")->required();
  command->add_option("--words", options->words, "read the words from this file instead of standard input");
  command->add_flag("--all-positions", options->all_positions,
                    "print the labels after every symbol, separated by spaces");
  add_semantics_option(*command, options->semantics);
  command->add_option("--device", options->device, "where to run: auto (and say where), cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "CPU threads; 0 takes one a core")->capture_default_str();
  command->callback([options, &exit_code] {
    run_words(*options);
    exit_code = exit_ok;
  });
}

}  // namespace krohn::cli
