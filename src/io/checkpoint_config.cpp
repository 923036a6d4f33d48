// An experiment's model section becomes the options that the loaders read: keys are renamed and nested ones lifted;
// values keep their lines, so that a problem with one still points into the YAML file.
#include "checkpoint_config.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "yaml_document.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

/// What an experiment says of training, or of itself, in its model section.
constexpr std::array<std::string_view, 7> passed_over = {
    "name",           "layer_type", "add_embedding_dropout", "dropout", "weight_decay_on_embedding",
    "context_length", "vocab_size"};

template <std::size_t N>
using Renaming = std::array<std::pair<std::string_view, std::string_view>, N>;

constexpr Renaming<3> delta_net_keys = {
    {{"d_model", "hidden_size"}, {"n_layers", "num_hidden_layers"}, {"n_heads", "num_heads"}}};
constexpr Renaming<5> mlstm_keys = {{{"num_heads", "mlstm_num_heads"},
                                     {"conv1d_kernel_size", "mlstm_conv1d_kernel_size"},
                                     {"qkv_proj_blocksize", "qkv_proj_blocksize"},
                                     {"proj_factor", "mlstm_proj_factor"},
                                     {"round_proj_up_to_multiple_of", "round_proj_up_to_multiple_of"}}};
constexpr Renaming<3> slstm_keys = {{{"num_heads", "slstm_num_heads"},
                                     {"conv1d_kernel_size", "slstm_conv1d_kernel_size"},
                                     {"backend", "slstm_backend"}}};
constexpr Renaming<2> feed_forward_keys = {{{"proj_factor", "ffn_proj_factor"}, {"act_fn", "ffn_act_fn"}}};

/// Appends the members of `from`, renamed; one that has no name of its own there is called prefix + key.
template <std::size_t N>
void lift(const JsonField& from, const Renaming<N>& keys, const std::string& prefix, JsonValue::Object& to) {
  if (!from.exists() || from.is_null()) return;
  for (const auto& [key, field] : from.members()) {
    if (std::find(passed_over.begin(), passed_over.end(), key) != passed_over.end()) continue;
    const auto* renamed =
        std::find_if(keys.begin(), keys.end(), [&, k = key](const auto& pair) { return pair.first == k; });
    to.push_back({renamed == keys.end() ? prefix + key : std::string(renamed->second), *field.value()});
  }
}

bool contains(const JsonValue::Object& object, std::string_view key) {
  return std::any_of(object.begin(), object.end(), [&](const JsonMember& member) { return member.key == key; });
}

void lift_xlstm(const JsonField& model, JsonValue::Object& to) {
  for (const auto& [key, field] : model.members()) {
    if (std::find(passed_over.begin(), passed_over.end(), key) != passed_over.end()) continue;
    if (key == "mlstm_block") {
      if (!field.is_null()) lift(field.find("mlstm"), mlstm_keys, "mlstm_block.mlstm.", to);
    } else if (key == "slstm_block") {
      if (field.is_null()) continue;
      lift(field.find("slstm"), slstm_keys, "slstm_block.slstm.", to);
      lift(field.find("feedforward"), feed_forward_keys, "slstm_block.feedforward.", to);
    } else {
      to.push_back({key, *field.value()});
    }
  }
  if (!contains(to, "slstm_conv1d_kernel_size")) {
    to.push_back({"slstm_conv1d_kernel_size", {std::int64_t{4}, model.value()->line}});
  }
}

JsonDocument from_experiment(const JsonDocument& experiment) {
  JsonProblems problems(experiment);
  const JsonField root = problems.root();
  const JsonField model = root.at("model");
  const std::optional<std::string> name = model.at("name").string();
  problems.raise_if_any();
  JsonValue::Object options;
  const auto line = model.value()->line;
  if (*name == "delta_net") {
    options.push_back({"model_type", {"delta_net", line}});
    lift(model, delta_net_keys, "", options);
    // That code never ties, and takes the range of beta from here.
    std::erase_if(options, [](const JsonMember& member) { return member.key == "tie_weights"; });
    model.at("sigmoid_scale");
  } else if (*name == "mamba") {
    options.push_back({"model_type", {"paper_mamba_lm", line}});
    lift(model, Renaming<0>{}, "", options);
    std::erase_if(options, [](const JsonMember& member) { return member.key == "tie_weights"; });
  } else if (model.find("num_blocks").exists()) {
    options.push_back({"model_type", {"xlstm_lm", line}});
    lift_xlstm(model, options);
  } else {
    model.at("name").report("'delta_net', 'mamba', or the name of an xLSTM with num_blocks");
  }
  const JsonField dataset = root.find("dataset");
  const JsonField arguments = dataset.exists() ? dataset.find("kwargs") : dataset;
  const JsonField vocabulary = arguments.exists() ? arguments.find("vocab_size") : arguments;
  if (vocabulary.exists()) {
    options.push_back({"vocab_size", *vocabulary.value()});
  } else if (const JsonField own = model.at("vocab_size"); own.exists()) {
    options.push_back({"vocab_size", *own.value()});
  }
  problems.raise_if_any();
  return {experiment.source, {std::move(options), line}};
}

}  // namespace

JsonDocument read_checkpoint_config(const fs::path& directory) {
  if (fs::exists(directory / "config.json") || !fs::exists(directory / "config.yaml")) {
    return read_json(directory / "config.json", {.non_finite = true});
  }
  JsonDocument document = read_yaml(directory / "config.yaml");
  return document.root.find("model_type") != nullptr ? std::move(document) : from_experiment(document);
}

}  // namespace krohn
