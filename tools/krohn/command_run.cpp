// krohn run MODEL: a label for every word.
#include <iostream>
#include <iterator>
#include <memory>

#include "command.hpp"
#include "krohn/error.hpp"
#include "krohn/io/atomic_file.hpp"
#include "krohn/io/checkpoint.hpp"
#include "krohn/io/language.hpp"
#include "krohn/io/model_directory.hpp"
#include "krohn/io/open_model.hpp"
#include "krohn/io/token_run.hpp"
#include "krohn/text/source_text.hpp"
#include "sequence_run.hpp"

namespace krohn::cli {
namespace {

struct Options {
  std::string model;
  ReadingHints hints;
  std::string words;
  std::string device = "auto";
  std::optional<Semantics> semantics;
  unsigned threads = 0;
  bool all_positions = false;
  std::string sequence;
  std::uint64_t memory = 0;
  std::string tokens;
  std::string logits;
  bool states = false;
  std::optional<std::string> task;
};

std::string read_standard_input() {
  std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  if (std::cin.bad()) throw InputError("standard input: expected words, got a read error");
  return text;
}

std::vector<Word> read_words(const Options& options, const Alphabet& alphabet) {
  const std::string source = options.words.empty() ? "standard input" : options.words;
  const std::string text = options.words.empty() ? read_standard_input() : read_file(options.words);
  return parse_words(text, source, alphabet);
}

void say_device(const Options& options, const std::string& device) {
  if (options.device == "auto") std::cerr << "krohn: ran on " << device << '\n';
}

// A checkpoint runs in its one semantics.
void require_semantics(const Options& options) {
  if (options.semantics && *options.semantics != Semantics::fp32_fma_v1) {
    throw InputError("--semantics: expected " + std::string(learned_semantics) + " for a checkpoint, got " +
                     std::string(semantics_id(*options.semantics)));
  }
}

void run_checkpoint_tokens(const Options& options) {
  if (options.tokens.empty() || options.logits.empty()) {
    throw InputError("--tokens, --logits, --states: expected a file after both --tokens and --logits");
  }
  if (read_model_type(options.model) == "krohn-lrnn") {
    throw InputError(options.model + ": expected a checkpoint with --tokens, got a compiled model");
  }
  require_semantics(options);
  require_writable(options.logits);
  const Checkpoint checkpoint = read_checkpoint(options.model, options.hints);
  for (const std::string& note : checkpoint.notes) std::cerr << "krohn: " << note << '\n';
  const InputIds ids = read_input_ids(Safetensors::read(options.tokens), checkpoint.model);
  std::string device;
  const std::vector<Tensor> tensors = run_tokens(checkpoint.model, ids, options.states,
                                                 {options.threads, device_of(options.device), options.memory}, &device);
  say_device(options, device);
  write_file(options.logits, format_safetensors(tensors, {{"semantics", std::string(learned_semantics)}}));
}

void run_words(const Options& options) {
  const OpenModel open = open_model(options.model, options.semantics, options.task, options.hints);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  const Machine& machine = *open.machine;
  std::vector<std::string> names = {"?"};
  for (const std::string& name : machine.label_names()) names.push_back(on_one_line(name));
  const auto name_of = [&](std::int32_t label) { return names[static_cast<std::size_t>(label + 1)]; };
  const Device device = device_of(options.device);
  if (!options.sequence.empty()) {
    const ScanResult result = scan_file(machine, options.sequence, {device, options.threads, options.memory});
    say_device(options, result.device);
    std::cout << name_of(result.observation.label) << '\n';
    return;
  }
  const std::vector<Word> words = read_words(options, machine.alphabet());
  const Trace trace = machine.run(words, {.device = device,
                                          .all_positions = options.all_positions,
                                          .threads = options.threads,
                                          .device_memory = options.memory});
  say_device(options, trace.device);
  std::string output;
  for (std::size_t i = 0; i < words.size(); ++i) {
    // Of all positions the first is the empty word's, which is not printed.
    const auto labels = trace.labels_of(i).subspan(options.all_positions ? 1 : 0);
    for (std::size_t t = 0; t < labels.size(); ++t) {
      if (t > 0) output += ' ';
      output += name_of(labels[t]);
    }
    output += '\n';
    if (output.size() > (std::size_t{1} << 20U)) {
      std::cout << output;
      output.clear();
    }
  }
  std::cout << output;
}

void run_model(const CLI::App& command, const Options& options) {
  const bool tokens = !options.tokens.empty() || !options.logits.empty() || options.states;
  if (!options.sequence.empty()) {
    refuse_options(command, {"--words", "--all-positions", "--tokens", "--logits", "--states"}, "beside --sequence");
  }
  if (tokens) {
    refuse_options(command, {"--words", "--all-positions", "--task"}, "beside --tokens");
    return run_checkpoint_tokens(options);
  }
  if (read_model_type(options.model) == "krohn-lrnn") {
    refuse_options(command, {"--task", "--fla-version"}, "for a compiled model");
  } else {
    refuse_options(command, {"--sequence"}, "for a checkpoint");
    require_semantics(options);
  }
  run_words(options);
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Run a model on words, one a line; print one label a line");
  command->add_option("MODEL", options->model, "a model directory, or a checkpoint (with a task.json, to run words)")
      ->required();
  command->add_option("--words", options->words, "read the words from this file instead of standard input")
      ->type_name("FILE");
  command->add_flag("--all-positions", options->all_positions,
                    "print the labels after every symbol, separated by spaces");
  add_semantics_option(*command, options->semantics);
  add_device_option(*command, options->device, "where to run");
  command
      ->add_option("--sequence", options->sequence,
                   "instead of words: the bytes of this file, of any length, as one word (a compiled model that "
                   "reaches few hidden states)")
      ->type_name("FILE");
  command
      ->add_option("--memory", options->memory, "bytes of device memory to use, with K, M or G (default: what is free)")
      ->transform(byte_size());
  command->add_option("--threads", options->threads, "CPU threads; 0 takes one a core")
      ->check(natural_number(0, 4096))
      ->capture_default_str();
  command->add_option("--tokens", options->tokens, "of a checkpoint: read input_ids [B, T] from this safetensors file")
      ->type_name("FILE");
  command->add_option("--logits", options->logits, "with --tokens: write logits [B, T, V] to this safetensors file")
      ->type_name("FILE");
  command->add_flag("--states", options->states, "with --tokens: write the final states too");
  add_task_option(*command, options->task);
  add_reading_options(*command, options->hints);
  command->callback([options, command, &exit_code] {
    run_model(*command, *options);
    exit_code = exit_ok;
  });
}

}  // namespace krohn::cli
