// krohn inspect MODEL|LANG: what is in a model directory, or the automaton of a language.
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>

#include "command.hpp"
#include "inspect_checkpoint.hpp"
#include "inspect_forms.hpp"
#include "krohn/automata/fingerprint.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/error.hpp"
#include "krohn/model/fingerprint.hpp"
#include "krohn/results/cascade_picture.hpp"
#include "krohn/text/counted.hpp"

namespace krohn::cli {
namespace {

// A transition table larger than this is not printed.
constexpr std::size_t max_printed_states = 40;
constexpr std::size_t max_printed_symbols = 20;

struct Options {
  std::string target;
  std::optional<std::string> alphabet;
  bool json = false;
  std::optional<double> time_limit;
  bool tables = false;
  bool levels = false;
  bool dot = false;
  InspectCheckpoint checkpoint;
  InspectForms forms;
  bool compare_forms = false;
};

std::string joined(const std::vector<std::string>& items, std::size_t most = 40) {
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < most; ++i) text += (i == 0 ? "" : " ") + items[i];
  return items.size() > most ? text + " .. (" + std::to_string(items.size()) + ")" : text;
}

void inspect_language(const Options& options) {
  const Dfa dfa = language_argument(options.target, options.alphabet);
  const Dfa minimal = minimize(dfa);
  const std::string& empty_word = dfa.label_name(dfa.label(dfa.start()));
  if (options.json) {
    Json labels = Json::array();
    Json transitions = Json::array();
    for (State state = 0; state < dfa.num_states(); ++state) {
      const LabelId label = dfa.label(state);
      labels.push_back(label == null_label ? Json() : Json(dfa.label_name(label)));
      transitions.push_back(
          std::vector<State>(dfa.delta().begin() + static_cast<std::ptrdiff_t>(state * dfa.num_symbols()),
                             dfa.delta().begin() + static_cast<std::ptrdiff_t>((state + 1) * dfa.num_symbols())));
    }
    print_json({{"kind", "language"},
                {"language", options.target},
                {"alphabet", dfa.alphabet().names()},
                {"label_names", dfa.label_names()},
                {"states", dfa.num_states()},
                {"min_states", minimal.num_states()},
                {"start", dfa.start()},
                {"transitions", transitions},
                {"labels", labels},
                {"fingerprint", fingerprint(minimal)}});
    return;
  }
  print_table(
      {{"language", options.target},
       {"symbols", std::to_string(dfa.num_symbols()) + ": " + joined(dfa.alphabet().names())},
       {"labels", std::to_string(dfa.label_names().size()) + ": " + on_one_line(joined(dfa.label_names()))},
       {"states", std::to_string(dfa.num_states()) + " (minimal: " + std::to_string(minimal.num_states()) + ")"},
       {"start", std::to_string(dfa.start())},
       {"empty word", on_one_line(empty_word)},
       {"fingerprint", fingerprint(minimal) + " (of the minimal automaton)"}});
  if (dfa.num_states() > max_printed_states || dfa.num_symbols() > max_printed_symbols) return;
  std::vector<std::pair<std::string, std::string>> rows;
  std::string header;
  for (const std::string& name : dfa.alphabet().names()) header += "\t" + name;
  rows.emplace_back("state  label", header);
  for (State state = 0; state < dfa.num_states(); ++state) {
    std::string row;
    for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) row += "\t" + std::to_string(dfa.next(state, symbol));
    rows.emplace_back(std::to_string(state) + std::string(7 - std::to_string(state).size(), ' ') +
                          on_one_line(dfa.label_name(dfa.label(state))),
                      row);
  }
  std::cout << '\n';
  print_table(rows);
}

std::string entries_text(const std::vector<Entry>& entries) {
  std::ostringstream text;
  text.precision(std::numeric_limits<float>::max_digits10);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    text << (i == 0 ? "" : " ") << entries[i].index << ':' << entries[i].value;
  }
  return text.str();
}

// Every row of a layer's table: gate, factors in order of application, additive write.
void print_rows(const TableLayer& layer) {
  std::cout.precision(std::numeric_limits<float>::max_digits10);
  for (std::size_t r = 0; r < layer.table.num_rows(); ++r) {
    const TokenRow row = layer.table.row(r);
    std::cout << "  row " << r << ':' << (row == TokenRow{} ? " identity" : "");
    for (const float gate : row.gate) {
      if (row.gate.size() > 1 || gate != 1.0F) std::cout << " gate " << gate;
    }
    for (const GeneralizedHouseholder& factor : row.factors) {
      std::cout << " [beta " << factor.beta << " key " << entries_text(factor.key);
      if (!factor.read.empty()) std::cout << " read " << entries_text(factor.read);
      if (!factor.value.empty()) std::cout << " value " << entries_text(factor.value);
      std::cout << ']';
    }
    if (!row.write.empty()) std::cout << " write " << entries_text(row.write);
    std::cout << '\n';
  }
}

void inspect_model(const Options& options) {
  const ModelDirectory directory = read_model(options.target);
  const LrnnModel& model = directory.model;
  if ((options.dot || options.levels) && !directory.hint) {
    throw InputError(options.target + ": expected a model with a hint (hint.safetensors) for --dot and --levels");
  }
  if (options.dot) {
    std::cout << cascade_dot(model, *directory.hint);
    return;
  }
  const std::string claim = !directory.exact    ? "not stated"
                            : *directory.exact  ? "yes, every length"
                            : directory.horizon ? "no; right up to length " + std::to_string(*directory.horizon)
                                                : "no";
  if (options.json) {
    Json layers = Json::array();
    for (const TableLayer& layer : model.layers()) {
      layers.push_back({{"key_size", layer.table.key_size()},
                        {"value_size", layer.table.value_size()},
                        {"hidden", layer.hidden_size()},
                        {"num_householder", layer.table.num_householder()},
                        {"input_rows", layer.num_rows()},
                        {"table_rows", layer.table.num_rows()},
                        {"factors", layer.table.num_factors()},
                        {"gated", layer.table.gated()},
                        {"reads_before", layer.reads_before},
                        {"codes", layer.num_codes()}});
    }
    print_json({{"kind", "model"},
                {"model_type", "krohn-lrnn"},
                {"alphabet", model.alphabet().names()},
                {"label_names", model.label_names()},
                {"initial_label",
                 model.initial_label() == undefined_label ? Json() : Json(model.label_name(model.initial_label()))},
                {"layers", layers},
                {"hidden_size", model.hidden_size()},
                {"semantics", semantics_id(directory.semantics)},
                {"exact", directory.exact ? Json(*directory.exact) : Json()},
                {"horizon", directory.horizon ? Json(*directory.horizon) : Json()},
                {"hint", directory.hint.has_value()},
                {"automaton_states", directory.automaton ? Json(directory.automaton->num_states()) : Json()},
                {"fingerprint", fingerprint(model)}});
    return;
  }
  print_table(
      {{"model", options.target},
       {"symbols", std::to_string(model.alphabet().size()) + ": " + joined(model.alphabet().names())},
       {"labels", std::to_string(model.label_names().size()) + ": " + on_one_line(joined(model.label_names()))},
       {"empty word", on_one_line(model.label_name(model.initial_label()))},
       {"layers", std::to_string(model.layers().size())},
       {"hidden size", std::to_string(model.hidden_size())},
       {"semantics", std::string(semantics_id(directory.semantics))},
       {"exact", claim + " (the compiler's claim; krohn check decides)"},
       {"hint", directory.hint ? "yes" : "no"},
       {"automaton", directory.automaton ? std::to_string(directory.automaton->num_states()) + " states" : "none"},
       {"fingerprint", fingerprint(model)}});
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    const TableLayer& layer = model.layers()[i];
    std::cout << "\nlayer " << i << ": hidden " << layer.table.key_size() << " x " << layer.table.value_size()
              << ", n_h " << layer.table.num_householder() << ", " << counted(layer.num_rows(), "input row") << ", "
              << counted(layer.table.num_rows(), "table row") << ", " << counted(layer.table.num_factors(), "factor")
              << (layer.table.gated() ? ", gated" : "") << (layer.reads_before ? ", read before the update" : "")
              << (layer.codes.empty() ? "" : ", snapped to " + counted(layer.num_codes(), "code")) << '\n';
    if (options.tables) print_rows(layer);
  }
  if (options.levels) std::cout << '\n' << cascade_text(model, *directory.hint);
}

void inspect(const Command& command, Options& options) {
  const std::string& target = options.target;
  if (!is_model_argument(target)) {
    refuse_options(
        command,
        {"--tables", "--levels", "--dot", "--svg", "--words", "--length", "--task", "--compare-forms", "--reference",
         "--form", "--device", "--devices", "--seed", "--fla-version", "--inputs", "--stability"},
        "for a language");
    inspect_language(options);
    return;
  }
  if (read_model_type(target) == "krohn-lrnn") {
    refuse_options(command,
                   {"--alphabet", "--svg", "--words", "--length", "--task", "--compare-forms", "--reference", "--form",
                    "--device", "--devices", "--seed", "--fla-version", "--inputs", "--stability"},
                   "for a compiled model");
    inspect_model(options);
    return;
  }
  refuse_options(command, {"--alphabet", "--tables", "--levels", "--dot"}, "for a checkpoint");
  options.checkpoint.model = target;
  options.checkpoint.json = options.json;
  options.checkpoint.time_limit = options.forms.time_limit = options.time_limit;
  if (!options.compare_forms && options.forms.reference.empty()) {
    refuse_options(command, {"--form", "--device", "--devices", "--seed"}, "without --compare-forms");
    inspect_checkpoint(options.checkpoint);
    return;
  }
  refuse_options(command, {"--svg", "--inputs", "--stability"}, "beside --compare-forms and --reference");
  if (!options.forms.reference.empty()) {
    refuse_options(command, {"--words", "--length", "--form", "--device", "--devices", "--seed"}, "beside --reference");
  }
  options.forms.model = target;
  options.forms.task = options.checkpoint.task;
  options.forms.hints = options.checkpoint.hints;
  options.forms.json = options.json;
  options.forms.words = options.checkpoint.words;
  options.forms.length = options.checkpoint.length;
  inspect_forms(options.forms);
}

}  // namespace

void add_inspect(const Command& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  const Command command = app.add_subcommand("inspect", "Show what is in a model directory, or a language's automaton");
  command.add_option("TARGET", options->target, "a model directory, a checkpoint, or " + language_help).required();
  add_json_option(command, options->json);
  add_time_limit_option(command, options->time_limit);
  command.add_flag("--tables", options->tables, "print every row of every layer (of a model)");
  command.add_flag("--levels", options->levels, "print the cascade level by level: sets, tiles, contexts (of a model)");
  command.add_flag("--dot", options->dot, "print the cascade as a Graphviz digraph (of a model)").excludes("--json");
  command
      .add_option("--svg", options->checkpoint.svg,
                  "of a checkpoint: draw its eigenvalues into this file, the JSON beside it")
      .type_name("FILE");
  command.add_option("--words", options->checkpoint.words, "of a checkpoint: random words to take eigenvalues along")
      .check(natural_number(0, 1'000'000))
      .capture_default_str();
  command.add_option("--length", options->checkpoint.length, "of a checkpoint: the length of those words")
      .check(natural_number(1, 1'000'000))
      .capture_default_str();
  command.add_flag("--stability", options->checkpoint.stability,
                   "of a checkpoint: the largest radius and norm of A(x) over symbols and words, of products along "
                   "words, and what the architecture's form says for all inputs");
  command
      .add_option("--inputs", options->checkpoint.inputs,
                  "of a model with attention layers, whose linear layers are shown: what they read, a safetensors file "
                  "with inputs [N, size], or inputs.I of layer I; without one, random directions")
      .type_name("FILE");
  add_task_option(command, options->checkpoint.task);
  add_reading_options(command, options->checkpoint.hints);
  command.add_flag("--compare-forms", options->compare_forms,
                   "of a checkpoint: how far its chunked form (tensor-core arithmetic) and its canonical form part, by "
                   "length, and a word on which their labels differ; --words, --length, --seed, --form, --device");
  command
      .add_option("--reference", options->forms.reference,
                  "of a checkpoint: the same against another program's logits, a safetensors file with input_ids "
                  "[B, T] and logits [B, T, V]")
      .type_name("FILE");
  command
      .add_option("--form", options->forms.format, "what --compare-forms rounds operands to: bf16, or fp32 (16 bits)")
      .check(one_of({"bf16", "fp32"}))
      .capture_default_str();
  add_device_options(command, options->forms.device, "where --compare-forms runs");
  command.add_option("--seed", options->forms.seed, "of the words of --compare-forms")
      .check(natural_number())
      .capture_default_str();
  add_alphabet_option(command, options->alphabet);
  command.callback([options, command, &exit_code] {
    inspect(command, *options);
    exit_code = exit_ok;
  });
}

}  // namespace krohn::cli
