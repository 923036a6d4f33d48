// krohn run MODEL: a label for every word.
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>
#include <span>

#include "command.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/results/token_run.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/source_text.hpp"
#include "sequence_run.hpp"
#include "work.hpp"

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
  /// "last", "every", or none.
  std::optional<std::string> states;
  std::string output;
  std::optional<std::string> task;
  std::optional<double> time_limit;
  bool json = false;
};

/// Standard input as it comes: of a file all of it, from a program at the other end of a pipe the lines that are there,
/// so that it is answered line by line when it asks line by line.
class InputLines {
 public:
  InputLines() {
    struct stat status {};
    whole_ = fstat(STDIN_FILENO, &status) == 0 && S_ISREG(status.st_mode);
  }

  /// The next lines, each with its line feed (the last one perhaps without); nothing at the end.
  std::optional<std::string> next(const std::atomic<bool>& stop) {
    constexpr std::size_t most = std::size_t{1} << 26U;
    while (!ended_ && !stop) {
      pollfd ready{STDIN_FILENO, POLLIN, 0};
      // What is there already is read too, for the sake of batches; an interrupt is looked at now and then.
      const int polled = poll(&ready, 1, whole_ ? -1 : lines_ ? 0 : 100);
      if (polled == 0 && lines_) break;
      if (polled <= 0) continue;
      char block[1 << 16];
      const ssize_t count = read(STDIN_FILENO, block, sizeof block);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw InputError("standard input: expected words, got a read error");
      ended_ = count == 0;
      rest_.append(block, static_cast<std::size_t>(count));
      lines_ = lines_ || std::memchr(block, '\n', static_cast<std::size_t>(count)) != nullptr;
      if (!whole_ && rest_.size() >= most && lines_) break;
    }
    if (rest_.empty() || stop) return std::nullopt;
    const std::size_t end = ended_ ? rest_.size() : rest_.rfind('\n') + 1;
    std::string text = rest_.substr(0, end);
    rest_.erase(0, end);
    lines_ = false;
    return text;
  }

 private:
  bool whole_ = false;
  bool ended_ = false;
  bool lines_ = false;
  std::string rest_;
};

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
  Work work("run", Work::Early::with_nothing, options.time_limit);
  work.method("tokens");
  const Checkpoint checkpoint = read_checkpoint(options.model, options.hints);
  for (const std::string& note : checkpoint.notes) std::cerr << "krohn: " << note << '\n';
  const InputIds ids = read_input_ids(Safetensors::read(options.tokens), checkpoint.model);
  std::string device;
  const TokenStates states = !options.states             ? TokenStates::none
                             : options.states == "every" ? TokenStates::every
                                                         : TokenStates::last;
  const std::vector<Tensor> tensors =
      run_tokens(checkpoint.model, ids, states, {options.threads, device_of(options.device), options.memory}, &device);
  work.finish();
  say_device(options.device, device);
  write_file(options.logits, format_safetensors(tensors, {{"semantics", std::string(learned_semantics)}}));
}

using LabelNames = std::vector<std::string>;

/// Many enough for a device to be busy with, and few enough to look up between.
constexpr std::size_t block_of_words = std::size_t{1} << 16U;

/// The labels of a word, of which the empty prefix's is not printed where all positions are.
std::span<const std::int32_t> answers_of(const Trace& trace, std::size_t word, bool all_positions) {
  return trace.labels_of(word).subspan(all_positions ? 1 : 0);
}

void print_labels(const Trace& trace, bool all_positions, const LabelNames& names) {
  std::string output;
  for (std::size_t i = 0; i < trace.num_words(); ++i) {
    const char* between = "";
    for (const std::int32_t label : answers_of(trace, i, all_positions)) {
      output += between + names[static_cast<std::size_t>(label + 1)];
      between = " ";
    }
    output += '\n';
  }
  std::cout << output << std::flush;
}

void add_labels(Json& labels, const Trace& trace, bool all_positions, const LabelNames& names) {
  for (std::size_t i = 0; i < trace.num_words(); ++i) {
    Json of_word = Json::array();
    for (const std::int32_t label : answers_of(trace, i, all_positions)) {
      of_word.push_back(names[static_cast<std::size_t>(label + 1)]);
    }
    labels.push_back(all_positions ? of_word : of_word.back());
  }
}

int run_words(const Options& options) {
  Work work("run", options.sequence.empty() ? Work::Early::with_result : Work::Early::with_nothing, options.time_limit);
  const OpenModel open = open_model(options.model, options.semantics, options.task, options.hints);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  const Machine& machine = *open.machine;
  LabelNames names = {"?"};
  for (const std::string& name : machine.label_names()) names.push_back(options.json ? name : on_one_line(name));
  const Device device = device_of(options.device);
  if (!options.sequence.empty()) {
    const ScanResult result = scan_file(machine, options.sequence, {device, options.threads, options.memory});
    work.finish();
    const std::string& label = names[static_cast<std::size_t>(result.observation.label + 1)];
    if (options.json) {
      print_json({{"semantics", std::string(machine.semantics())},
                  {"device", result.device},
                  {"all_positions", false},
                  {"labels", Json::array({label})},
                  {"stopped", false}});
    } else {
      say_device(options.device, result.device);
      std::cout << label << '\n';
    }
    return exit_ok;
  }
  Json labels = Json::array();
  std::string device_name;
  std::size_t answered = 0;
  const auto answer = [&](const std::string& text, const std::string& source) {
    const std::vector<Word> words = parse_words(text, source, machine.alphabet(), answered);
    std::size_t done = 0;
    // In blocks, so that the part done shows and an interrupt keeps the words before it. Without words once, for the
    // device's name.
    do {
      const std::size_t count = std::min(words.size() - done, block_of_words);
      const Trace trace = machine.run(std::span(words).subspan(done, count), {.device = device,
                                                                              .all_positions = options.all_positions,
                                                                              .threads = options.threads,
                                                                              .device_memory = options.memory,
                                                                              .stop = &work.stop()});
      if (answered == 0) {
        work.clear();
        if (!options.json) say_device(options.device, trace.device);
      }
      device_name = trace.device;
      answered += count;
      done += count;
      if (options.json) {
        add_labels(labels, trace, options.all_positions, names);
      } else {
        work.clear();
        print_labels(trace, options.all_positions, names);
      }
      work.part(static_cast<double>(done), static_cast<double>(words.size()));
    } while (done < words.size());
  };
  try {
    if (!options.words.empty()) {
      answer(read_file(options.words), options.words);
    } else {
      InputLines input;
      while (const std::optional<std::string> text = input.next(work.stop())) answer(*text, "standard input");
      if (answered == 0 && !work.stop()) answer("", "standard input");
    }
  } catch (const StoppedError&) {
    // The words of the last batch have no answer; those before have.
  }
  const bool stopped = work.finish("the words that were answered are " + std::to_string(answered));
  if (options.json) {
    print_json({{"semantics", std::string(machine.semantics())},
                {"device", device_name},
                {"all_positions", options.all_positions},
                {"labels", labels},
                {"stopped", stopped}});
  }
  return stopped ? exit_unknown : exit_ok;
}

/// What is carried at every position of the words, to a file.
int run_states(const Options& options) {
  if (options.output.empty()) throw InputError("--states every: expected a file after -o, for the words' states");
  if (device_of(options.device).is_cuda()) {
    throw InputError("--states every: expected --device cpu or auto, for it runs on the CPU, got cuda");
  }
  require_writable(options.output);
  Work work("run", Work::Early::with_nothing, options.time_limit);
  const OpenModel open = open_model(options.model, options.semantics, options.task, options.hints);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  std::string text;
  if (!options.words.empty()) {
    text = read_file(options.words);
  } else {
    InputLines input;
    while (const std::optional<std::string> lines = input.next(work.stop())) text += *lines;
  }
  const std::string source = options.words.empty() ? "standard input" : options.words;
  const std::vector<Word> words = parse_words(text, source, open.machine->alphabet());
  const std::vector<Tensor> tensors = run_word_states(open, words, work.stop());
  work.finish();
  write_file(options.output, format_safetensors(tensors, {{"semantics", std::string(open.machine->semantics())},
                                                          {"labels", Json(open.machine->label_names()).dump()}}));
  return exit_ok;
}

int run_model(const Command& command, const Options& options) {
  const bool of_words = options.states == "every" && options.tokens.empty() && options.logits.empty();
  if (!of_words) refuse_options(command, {"--output"}, "without --states every and words");
  if (of_words) {
    refuse_options(command, {"--sequence", "--all-positions", "--json", "--threads", "--memory"},
                   "beside --states every");
    if (read_model_type(options.model) == "krohn-lrnn") {
      refuse_options(command, {"--task", "--fla-version"}, "for a compiled model");
    } else {
      require_semantics(options);
    }
    return run_states(options);
  }
  const bool tokens = !options.tokens.empty() || !options.logits.empty() || options.states;
  if (!options.sequence.empty()) {
    refuse_options(command, {"--words", "--all-positions", "--tokens", "--logits", "--states"}, "beside --sequence");
  }
  if (tokens) {
    refuse_options(command, {"--words", "--all-positions", "--task", "--json"}, "beside --tokens");
    run_checkpoint_tokens(options);
    return exit_ok;
  }
  if (read_model_type(options.model) == "krohn-lrnn") {
    refuse_options(command, {"--task", "--fla-version"}, "for a compiled model");
  } else {
    refuse_options(command, {"--sequence"}, "for a checkpoint");
    require_semantics(options);
  }
  return run_words(options);
}

}  // namespace

void add_run(const Command& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  const Command command = app.add_subcommand("run", "Run a model on words, one a line; print one label a line");
  command.add_option("MODEL", options->model, "a model directory, or a checkpoint (with a task.json, to run words)")
      .required();
  command.add_option("--words", options->words, "read the words from this file instead of standard input")
      .type_name("FILE");
  command.add_flag("--all-positions", options->all_positions,
                   "print the labels after every symbol, separated by spaces");
  add_semantics_option(command, options->semantics);
  add_device_options(command, options->device, "where to run");
  command
      .add_option("--sequence", options->sequence,
                  "instead of words: the bytes of this file, of any length, as one word (a compiled model that "
                  "reaches few hidden states)")
      .type_name("FILE");
  command
      .add_option("--memory", options->memory,
                  "bytes of memory to use on each device, with K, M or G (default: what is free)")
      .transform(byte_size());
  command.add_option("--threads", options->threads, "CPU threads; 0 takes one a core")
      .check(natural_number(0, 4096))
      .capture_default_str();
  command.add_option("--tokens", options->tokens, "of a checkpoint: read input_ids [B, T] from this safetensors file")
      .type_name("FILE");
  command.add_option("--logits", options->logits, "with --tokens: write logits [B, T, V] to this safetensors file")
      .type_name("FILE");
  const Option states =
      command
          .add_option("--states", options->states,
                      "with --tokens: write the states after the last token too, or those of every position; of words: "
                      "write those of every position to the file after -o")
          .type_name("[last|every]")
          .expected(0, 1)
          .check({one_of({"last", "every", ""}).problem, ""});
  command.add_option("-o,--output", options->output, "with --states every and words: the safetensors file to write")
      .type_name("FILE");
  add_task_option(command, options->task);
  add_reading_options(command, options->hints);
  add_time_limit_option(command, options->time_limit);
  add_json_option(command, options->json);
  command.footer(
      "A program at the other end of a pipe is answered line by line, as it asks.\n"
      "Exit codes: 0 every word was answered, 20 ended early.");
  command.callback([options, command, states, &exit_code] {
    if (states.count() > 0 && options->states.value_or("").empty()) options->states = "last";
    exit_code = run_model(command, *options);
  });
}

}  // namespace krohn::cli
