// label: quick
// A checkpoint with the configuration of an experiment (config.yaml) is the model that the same weights are with
// config.json; what YAML could hide in a file that nobody has checked is refused with its line.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "../temporary_directory.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

// A directory with the weights of a recorded case and this config.yaml.
class Experiment {
 public:
  Experiment(const std::string& golden, const std::string& yaml) {
    const fs::path from = fs::path(KROHN_TEST_DATA) / "golden" / golden;
    fs::copy_file(from / "model.safetensors", directory_ / "model.safetensors");
    std::ofstream(directory_ / "config.yaml") << yaml;
  }
  fs::path path() const { return directory_ / ""; }
  std::string problems() const {
    try {
      read_checkpoint(path());
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }

 private:
  TemporaryDirectory directory_;
};

const std::string training = "training:\n  lr: 0.001\n  grad_clip_norm: None\n  device: cuda\n";
std::string dataset(int vocabulary) {
  return "dataset:\n  name: form_language\n  kwargs:\n    vocab_size: " + std::to_string(vocabulary) +
         "\n    count: {train: 5120000, test: 8192}\n";
}
const std::string mamba_section =
    "model:\n  n_layers: 2\n  name: mamba\n  add_embedding_dropout: false\n  dropout: 0.0\n"
    "  weight_decay_on_embedding: false\n  d_model: 32\n  layer_type: mamba\n  positive_and_negative: true\n"
    "  tie_weights: false\n  context_length: ${dataset.kwargs.context_length}\n";

void check_same_model(const std::string& golden, const std::string& yaml) {
  CAPTURE(golden);
  const Experiment experiment(golden, yaml);
  REQUIRE(experiment.problems() == "accepted");
  CHECK(read_checkpoint(experiment.path()).model ==
        read_checkpoint(fs::path(KROHN_TEST_DATA) / "golden" / golden).model);
}

bool mentions(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  const bool found = text.find(part) != std::string::npos;
  CHECK(found);
  return found;
}

TEST_CASE("an experiment's configuration means the same model as config.json") {
  check_same_model("mambaLM_posneg", training + mamba_section + dataset(5));
  check_same_model("delta_net_neg_fmt_paper",
                   training +
                       "model:\n  n_layers: 2\n  name: delta_net\n  d_model: 32\n  layer_type: delta_net\n"
                       "  sigmoid_scale: 2.0\n  use_short_conv: true\n  n_heads: 2\n  tie_weights: false\n"
                       "  intermediate_size: 64\n" +
                       dataset(8));
  const std::string xlstm =
      "model:\n  num_blocks: 2\n  embedding_dim: 32\n  mlstm_block:\n    mlstm:\n      num_heads: 4\n"
      "  slstm_block:\n    slstm:\n      num_heads: 4\n      conv1d_kernel_size: 0\n  name: xlstm\n";
  check_same_model("xlstm10_mlstm", training + xlstm + "  slstm_at: []\n" + dataset(6));
  check_same_model("xlstm01_slstm", training + xlstm + "  slstm_at: [0, 1]\n" + dataset(6));
}

TEST_CASE("a configuration in YAML with a model_type is read as config.json is") {
  check_same_model("mambaLM_posneg",
                   "model_type: paper_mamba_lm\nd_model: 32\nn_layers: 2\nd_state: 16\nd_conv: 1\ndt_rank: auto\n"
                   "positive_and_negative: true\nrms_norm_eps: 1.0e-05\n");
}

TEST_CASE("problems of an experiment's configuration name the file and the line") {
  const auto problems = [](const std::string& yaml) { return Experiment("mambaLM_posneg", yaml).problems(); };
  mentions(problems(mamba_section + "  window: 3\n" + dataset(5)), "config.yaml:12: /window: expected only options");
  mentions(problems(mamba_section + "  d_state: none\n" + dataset(5)), "config.yaml:12: /d_state");
  mentions(problems(training + dataset(5)), "expected the member 'model'");
  mentions(problems("model:\n  name: full_matrix\n" + dataset(5)), "config.yaml:2: /model/name");
  mentions(problems("model:\n  name: delta_net\n  d_model: 32\n" + dataset(5)), "sigmoid_scale");
  mentions(problems(mamba_section), "vocab_size");
  // What the syntax itself could do.
  mentions(problems("model: &m\n  name: mamba\n  other: *m\n"), ":3: expected a value, got an alias");
  mentions(problems("model:\n  name: mamba\n  name: delta_net\n"), ":3: expected every key once, got 'name' again");
  mentions(problems("model: !!python/object:os.system\n  name: mamba\n"), ":1: expected a value without a tag");
  mentions(problems("model: {name: [mamba\n"), ": expected YAML");
  mentions(problems("---\nmodel: {}\n---\nmodel: {}\n"), "expected one YAML document");
  mentions(problems("? [a]\n: b\n"), ":1: expected a scalar as a key");
  mentions(problems(""), "config.yaml");
  mentions(problems("model: " + std::string(100, '[') + std::string(100, ']')), "nested containers");
}

}  // namespace
}  // namespace krohn
