// An experiment's model section becomes the options of the architecture that knows it; values keep their lines, so that
// a problem with one still points into the YAML file.
#include "checkpoint_config.hpp"

#include <optional>
#include <string>
#include <utility>

#include "krohn/architectures/architecture.hpp"
#include "yaml_document.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

JsonDocument from_experiment(const JsonDocument& experiment) {
  JsonProblems problems(experiment);
  const JsonField root = problems.root();
  const JsonField model = root.at("model");
  const std::optional<std::string> name = model.at("name").string();
  problems.raise_if_any();
  const auto line = model.value()->line;
  std::optional<JsonValue::Object> options;
  for (const Architecture* architecture : all_architectures()) {
    if (architecture->of_experiment == nullptr || options) continue;
    options = architecture->of_experiment(model);
    if (options) options->push_back({"model_type", {std::string(architecture->name), line}});
  }
  if (!options) {
    model.at("name").report("'delta_net', 'mamba', or the name of an xLSTM with num_blocks");
    problems.raise_if_any();
  }
  const JsonField dataset = root.find("dataset");
  const JsonField arguments = dataset.exists() ? dataset.find("kwargs") : dataset;
  const JsonField vocabulary = arguments.exists() ? arguments.find("vocab_size") : arguments;
  if (vocabulary.exists()) {
    options->push_back({"vocab_size", *vocabulary.value()});
  } else if (const JsonField own = model.at("vocab_size"); own.exists()) {
    options->push_back({"vocab_size", *own.value()});
  }
  problems.raise_if_any();
  return {experiment.source, {*std::move(options), line}};
}

/// A configuration as it is, or where it has no model_type that of the architecture which knows it.
JsonDocument named(JsonDocument document) {
  if (document.root.object() == nullptr || document.root.find("model_type") != nullptr) return document;
  JsonProblems problems(document);
  for (const Architecture* architecture : all_architectures()) {
    if (architecture->of_unnamed == nullptr) continue;
    std::optional<JsonValue::Object> options = architecture->of_unnamed(problems.root());
    if (!options) continue;
    problems.raise_if_any();
    const auto line = document.root.line;
    options->push_back({"model_type", {std::string(architecture->name), line}});
    return {document.source, {*std::move(options), line}};
  }
  problems.root().report(
      "the member 'model_type', or the configuration of a program that krohn knows by its keys "
      "(mamba_ssm's d_model and n_layer, with ssm_cfg.layer 'Mamba1' or 'Mamba2')",
      "none");
  problems.raise_if_any();
  return document;
}

}  // namespace

JsonDocument parse_checkpoint_config(std::string_view text, std::string source) {
  return named(parse_json(text, std::move(source), {.non_finite = true}));
}

JsonDocument read_checkpoint_config(const fs::path& directory) {
  if (fs::exists(directory / "config.json") || !fs::exists(directory / "config.yaml")) {
    return named(read_json(directory / "config.json", {.non_finite = true}));
  }
  JsonDocument document = read_yaml(directory / "config.yaml");
  return document.root.find("model_type") != nullptr ? std::move(document) : from_experiment(document);
}

}  // namespace krohn
