#include "inspect_checkpoint.hpp"

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>

#include "command.hpp"
#include "krohn/engine/spectrum.hpp"
#include "krohn/error.hpp"
#include "krohn/io/atomic_file.hpp"
#include "krohn/io/checkpoint.hpp"
#include "krohn/io/spectrum_svg.hpp"
#include "krohn/io/task.hpp"
#include "model_argument.hpp"

namespace krohn::cli {
namespace {

// The vocabulary of a language model is cut: eigenvalues are computed for this many tokens.
constexpr std::size_t most_tokens = 4096;

std::string mixer_name(const Mixer& mixer) {
  constexpr const char* names[] = {"delta", "gla", "mamba", "mamba2", "rwkv7", "mlstm", "slstm"};
  return names[mixer.index()];
}

/// Sizes and options that decide what the layer can do.
Json mixer_facts(const Mixer& mixer) {
  struct Facts {
    Json operator()(const DeltaMixer& m) const {
      return {{"heads", m.num_value_heads},
              {"key_size", m.key_size},
              {"value_size", m.value_size},
              {"num_householder", m.num_householder},
              {"decay", m.decay.has_value()},
              {"short_convolution", m.inputs.query_convolution.has_value()},
              {"output_gate", m.output.gate.has_value()},
              {"beta_range", {m.beta ? m.beta_shift : m.beta_scale, m.beta_scale + (m.beta ? m.beta_shift : 0.0)}}};
    }
    Json operator()(const GlaMixer& m) const {
      return {{"heads", m.num_heads},
              {"key_heads", m.num_key_heads},
              {"key_size", m.key_size},
              {"value_size", m.value_size},
              {"short_convolution", m.inputs.query_convolution.has_value()}};
    }
    Json operator()(const MambaMixer& m) const {
      return {{"channels", m.channels},
              {"state_size", m.state_size},
              {"convolution_width", m.convolution.width},
              {"negative_eigenvalues", m.negative_eigenvalues}};
    }
    Json operator()(const Mamba2Mixer& m) const {
      return {{"heads", m.num_heads},
              {"head_size", m.head_size},
              {"state_size", m.state_size},
              {"groups", m.num_groups},
              {"convolution_width", m.convolution.width}};
    }
    Json operator()(const Rwkv7Mixer& m) const {
      return {{"heads", m.num_heads}, {"key_size", m.key_size}, {"value_size", m.value_size}};
    }
    Json operator()(const MlstmMixer& m) const { return {{"heads", m.num_heads}, {"head_size", m.head_size}}; }
    Json operator()(const SlstmMixer& m) const {
      return {{"heads", m.num_heads}, {"head_size", m.head_size}, {"linear", false}};
    }
  };
  return std::visit(Facts{}, mixer);
}

Json head_json(const HeadSpectrum& head, const std::vector<std::string>& names) {
  Json by_token = Json::object();
  for (std::size_t i = 0; i < names.size() && names.size() <= 256; ++i) {
    const double least = head.least_real_by_token[i];
    by_token[names[i]] = least == std::numeric_limits<double>::infinity() ? Json() : Json(least);
  }
  return {{"layer", head.block},
          {"head", head.head},
          {"key_size", head.key_size},
          {"matrices", head.matrices},
          {"eigenvalues", head.eigenvalues},
          {"real", {head.least_real, head.most_real}},
          {"modulus", {head.least_modulus, head.most_modulus}},
          {"largest_imaginary", head.most_imaginary},
          {"distance_from", {{"-1", head.from_minus_one}, {"0", head.from_zero}, {"1", head.from_one}}},
          {"negative", head.negative},
          {"complex", head.complex},
          {"least_real_by_symbol", by_token},
          {"histogram", {{"from", -1.2}, {"bin", 0.05}, {"counts", head.histogram}}}};
}

}  // namespace

void inspect_checkpoint(const InspectCheckpoint& options) {
  const std::filesystem::path svg = options.svg;
  std::filesystem::path beside = svg;
  if (!svg.empty()) {
    if (svg.extension() != ".svg") throw InputError(options.svg + ": expected a name that ends in .svg");
    beside.replace_extension(".json");
    require_writable(svg);
    require_writable(beside);
  }
  const Checkpoint checkpoint = read_checkpoint(options.model);
  const LearnedModel& model = checkpoint.model;
  const std::optional<Task> task = task_beside(options.model, options.task, model);
  SpectrumOptions spectrum_options;
  spectrum_options.words = options.words;
  spectrum_options.length = options.length;
  std::vector<std::string> names;
  if (task) {
    spectrum_options.tokens = task->answers.tokens;
    spectrum_options.first_token = task->answers.first_token;
    names = task->answers.alphabet.names();
  } else {
    for (std::uint32_t t = 0; t < std::min(model.vocabulary_size(), most_tokens); ++t) {
      spectrum_options.tokens.push_back(t);
      names.push_back(std::to_string(t));
    }
  }
  const LearnedSpectrum spectrum = compute_spectrum(model, spectrum_options);

  Json layers = Json::array();
  for (const LearnedBlock& block : model.blocks()) {
    Json layer = {{"mixer", mixer_name(block.mixer)}};
    const Json facts = mixer_facts(block.mixer);
    for (const auto& [key, value] : facts.items()) layer[key] = value;
    layers.push_back(std::move(layer));
  }
  Json heads = Json::array();
  for (const HeadSpectrum& head : spectrum.heads) heads.push_back(head_json(head, names));
  const Json object = {{"kind", "checkpoint"},
                       {"architecture", model.architecture()},
                       {"parameters", model.num_parameters()},
                       {"vocabulary", model.vocabulary_size()},
                       {"model_size", model.model_size()},
                       {"carried_numbers", model.state_size()},
                       {"tied_head", model.tied()},
                       {"semantics", learned_semantics},
                       {"fingerprint", model.fingerprint()},
                       {"layers", layers},
                       {"task", task ? Json({{"symbols", names},
                                             {"labels", task->answers.label_names},
                                             {"min_length", task->min_length},
                                             {"description", task->description}})
                                     : Json()},
                       {"spectrum",
                        {{"symbols", spectrum_options.tokens.size()},
                         {"words", spectrum.words},
                         {"length", spectrum.length},
                         {"nonlinear_layers", spectrum.nonlinear_blocks},
                         {"stabilized_layers", spectrum.stabilized_blocks},
                         {"heads", heads}}},
                       {"notes", checkpoint.notes}};
  if (!svg.empty()) {
    write_file(svg, spectrum_svg(spectrum, options.model + " (" + model.architecture() + ")"));
    write_file(beside, object.dump(2) + "\n");
  }
  if (options.json) {
    print_json(object);
    return;
  }
  for (const std::string& note : checkpoint.notes) std::cerr << "krohn: " << note << '\n';
  print_table(
      {{"checkpoint", options.model},
       {"architecture", model.architecture()},
       {"parameters", std::to_string(model.num_parameters())},
       {"vocabulary", std::to_string(model.vocabulary_size())},
       {"model size", std::to_string(model.model_size()) + (model.tied() ? ", head tied to the embedding" : "")},
       {"carried", std::to_string(model.state_size()) + " numbers"},
       {"task", task ? std::to_string(names.size()) + " symbols, " + std::to_string(task->answers.label_names.size()) +
                           " labels" + (task->description.empty() ? "" : ": " + task->description)
                     : "none"},
       {"semantics", std::string(learned_semantics)},
       {"fingerprint", model.fingerprint()}});
  for (std::size_t i = 0; i < model.blocks().size(); ++i) {
    std::cout << "\nlayer " << i << ": " << mixer_name(model.blocks()[i].mixer);
    const Json facts = mixer_facts(model.blocks()[i].mixer);
    for (const auto& [key, value] : facts.items()) {
      std::cout << ", " << key << ' ' << value.dump();
    }
    std::cout << '\n';
    if (std::holds_alternative<SlstmMixer>(model.blocks()[i].mixer)) {
      std::cout << "  a nonlinear recurrence: its state moves by no matrix\n";
    } else if (std::holds_alternative<MlstmMixer>(model.blocks()[i].mixer)) {
      std::cout << "  decays of the stabilised state, e^(f + m - m')\n";
    }
    for (const HeadSpectrum& head : spectrum.heads) {
      if (head.block != i) continue;
      std::printf("  head %zu: real parts %.4f to %.4f, moduli %.4f to %.4f; %.4f from -1, %.4f from 0, %.4f from 1; ",
                  head.head, head.least_real, head.most_real, head.least_modulus, head.most_modulus,
                  head.from_minus_one, head.from_zero, head.from_one);
      std::printf("negative in %.2f %%, complex in %.2f %%\n",
                  100.0 * static_cast<double>(head.negative) / static_cast<double>(head.eigenvalues),
                  100.0 * static_cast<double>(head.complex) / static_cast<double>(head.eigenvalues));
      std::fflush(stdout);
    }
  }
  std::cout << "\neigenvalues of A(x_t) over " << spectrum_options.tokens.size() << " symbols alone and "
            << spectrum.words << " random words of length " << spectrum.length << '\n';
}

}  // namespace krohn::cli
