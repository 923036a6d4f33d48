// krohn export: a language, or a compiled model, in a form that other programs run.
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "command.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/export/dense.hpp"
#include "krohn/export/fla.hpp"
#include "krohn/results/export_report.hpp"
#include "krohn/text/atomic_file.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Options {
  std::string subject;
  std::string to;
  std::string output;
  std::optional<std::string> alphabet;
  std::string architecture = "auto";
  std::string keys = "dyadic";
  std::uint64_t max_parameters = FlaOptions{}.max_parameters;
  bool force = false;
  bool json = false;
  std::optional<double> time_limit;
};

std::map<std::string, std::optional<FlaArchitecture>> architectures() {
  std::map<std::string, std::optional<FlaArchitecture>> result = {{"auto", std::nullopt}};
  for (const FlaArchitecture each : fla_architectures) result.emplace(model_type_of(each), each);
  return result;
}

/// The compiled model of a MODEL argument. Throws InputError for a checkpoint.
ModelDirectory compiled_model(const std::string& path) {
  const std::string type = read_model_type(path);
  if (type != "krohn-lrnn") {
    throw InputError(path + ": expected a language or a model that krohn compiled, got a checkpoint of model_type " +
                     type);
  }
  return read_model(path);
}

int export_fla(const Options& options) {
  FlaOptions fla;
  fla.architecture = architectures().at(options.architecture);
  fla.max_parameters = options.max_parameters;
  std::optional<Dfa> language;
  if (is_model_argument(options.subject)) {
    language = compiled_model(options.subject).automaton;
    if (!language) {
      throw InputError(options.subject + ": expected automaton.json in the model's directory, got none");
    }
    std::cerr << "note: " << options.subject << " is compiled again from its automaton, in the library's form\n";
  } else {
    language = language_argument(options.subject, options.alphabet);
  }
  Work work("export", Work::Early::with_nothing, options.time_limit);
  work.method("weights");
  const FlaExport model = export_to_fla(*language, options.subject, fla);
  work.finish();
  write_fla_export(options.output, model, options.force);
  if (options.json) {
    std::cout << export_report_json(model, options.output);
    return exit_ok;
  }
  print_table({{"architecture", std::string(model_type_of(model.architecture)) + (model.gated ? ", gated" : "")},
               {"parameters", std::to_string(model.parameters)},
               {"layers", std::to_string(model.layers.size()) + ", hidden size " + std::to_string(model.hidden_size) +
                              ", intermediate size " + std::to_string(model.intermediate_size)},
               {"heads", std::to_string(model.heads) + ", keys " + std::to_string(model.key_size) + ", columns " +
                             std::to_string(model.value_size)},
               {"factors", std::to_string(model.num_householder) + " a token and head"}});
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const FlaLayer& layer = model.layers[i];
    std::cout << "  layer " << i << ": " << layer.name << ", rows " << layer.rows << ", heads " << layer.heads
              << ", factors " << layer.num_householder << ", table units " << layer.units << '\n';
  }
  print_table({{"arithmetic", "hidden states exact in fp32 and bf16 at every length, in every order of operations"},
               {"written to", options.output}});
  return exit_ok;
}

int export_arrays(const Options& options) {
  const bool torch = options.to == "torch";
  if (!torch) require_writable(options.output);
  Work work("export", Work::Early::with_nothing, options.time_limit);
  std::optional<LrnnModel> model;
  if (is_model_argument(options.subject)) {
    ModelDirectory directory = compiled_model(options.subject);
    if (integer_format(directory.semantics)) {
      throw InputError(options.subject + ": expected a model in floating point, got one in " +
                       std::string(semantics_id(directory.semantics)));
    }
    model = std::move(directory.model);
  } else {
    CompileOptions compile_options;
    compile_options.begins = [&work](const std::string& stage) { work.method(stage); };
    compile_options.keys = options.keys == "dyadic" ? KeyForm::dyadic : KeyForm::integer;
    model = compile(language_argument(options.subject, options.alphabet), compile_options).model;
  }
  work.method("arrays");
  const DenseExport dense = export_to_dense(*model, options.max_parameters);
  work.finish();
  for (const std::string& note : dense.notes) std::cerr << "note: " << note << '\n';
  if (torch) {
    write_torch_export(options.output, dense, options.force);
  } else {
    write_file(options.output, dense.bytes);
  }
  if (options.json) {
    std::cout << export_report_json(dense, *model, options.to, options.output);
    return exit_ok;
  }
  const std::vector<TableLayer>& layers = model->layers();
  print_table({{"numbers", std::to_string(dense.parameters)}, {"layers", std::to_string(layers.size())}});
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const TokenTable& table = layers[l].table;
    std::cout << "  layer " << l << ": keys " << table.key_size() << ", columns " << table.value_size() << ", factors "
              << table.num_householder() << ", rows " << layers[l].num_rows() << ", readout network "
              << dense.network_units[l].first << " and " << dense.network_units[l].second << " units\n";
  }
  print_table({{"written to", options.output}});
  return exit_ok;
}

}  // namespace

void add_export(const Command& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  const Command command = app.add_subcommand("export", "Write a language as weights that other programs run");
  command.footer(
      "fla: a folder that flash-linear-attention and transformers load, a language model that tells the label after\n"
      "every symbol; exact in fp32 and bf16 (docs/fla.md). dense: a safetensors file of dense arrays (docs/dense.md).\n"
      "torch: a folder with a PyTorch module in one file and these arrays.");
  command.add_option("MODEL|LANG", options->subject, "a model that krohn compiled, or " + language_help).required();
  command.add_option("--to", options->to, "fla, dense or torch").required().check(one_of({"fla", "dense", "torch"}));
  command.add_option("-o,--output", options->output, "The folder to write, with --to dense the file")
      .required()
      .type_name("PATH");
  std::vector<std::string> names;
  for (const auto& [name, architecture] : architectures()) names.push_back(name);
  command
      .add_option("--architecture", options->architecture,
                  "With --to fla: the model, or auto: the first of delta_net, gated_deltanet and gated_deltaproduct "
                  "that runs the language a level a layer")
      .check(one_of(names))
      .capture_default_str();
  command.add_option("--keys", options->keys, "With --to dense and torch, of a LANG: dyadic unit keys, or integer")
      .check(one_of({"dyadic", "integer"}))
      .capture_default_str();
  command.add_option("--max-parameters", options->max_parameters, "The largest export, in numbers")
      .check(natural_number(1))
      .capture_default_str();
  command.add_flag("--force", options->force, "Replace an existing folder that holds an export");
  add_alphabet_option(command, options->alphabet);
  add_time_limit_option(command, options->time_limit);
  add_json_option(command, options->json);
  command.callback([options, command, &exit_code] {
    const bool fla = options->to == "fla";
    if (fla) refuse_options(command, {"--keys"}, "with --to fla");
    if (!fla) refuse_options(command, {"--architecture"}, "with --to " + options->to);
    if (options->to == "dense") refuse_options(command, {"--force"}, "with --to dense");
    if (is_model_argument(options->subject)) refuse_options(command, {"--alphabet", "--keys"}, "beside a MODEL");
    exit_code = fla ? export_fla(*options) : export_arrays(*options);
  });
}

}  // namespace krohn::cli
