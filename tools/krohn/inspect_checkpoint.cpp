#include "inspect_checkpoint.hpp"

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>

#include "command.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/task.hpp"
#include "krohn/engine/spectrum.hpp"
#include "krohn/error.hpp"
#include "krohn/model/program_form.hpp"
#include "krohn/results/spectrum_svg.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/counted.hpp"
#include "model_argument.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

// The vocabulary of a language model is cut: eigenvalues are computed for this many tokens.
constexpr std::size_t most_tokens = 4096;

/// Sizes and options that decide what the layer can do, from its form.
Json layer_facts(const Program& model, std::size_t layer) {
  const LayerForm form = form_of(model, layer);
  Json facts = {{"linear", form.linear}};
  for (const StatePart& part : model.state_parts()) {
    if (part.layer == layer && part.kind == StatePart::Kind::cell) facts["cell_size"] = part.size;
  }
  facts["convolution_width"] = form.convolution_width;
  if (!form.linear) return facts;
  constexpr const char* decays[] = {"none", "scalar", "key", "element", "element", "rotation"};
  const LinearRecurrence& r = *form.recurrence;
  facts["heads"] = r.states * r.queries;
  if (r.queries > 1) facts["key_heads"] = r.states;
  facts["key_size"] = r.key_size;
  facts["value_size"] = r.value_size;
  facts["num_householder"] = form.factors;
  facts["decay"] = decays[static_cast<std::size_t>(r.decay)];
  if (r.decay != LinearRecurrence::Decay::none && !form.rotates)
    facts["decay_range"] = {form.decay.least, form.decay.most};
  if (form.factors > 0) facts["beta_range"] = {form.beta.least, form.beta.most};
  return facts;
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

/// What the form of a layer says of its norms, in words.
std::string bound_text(const NormBound& bound) {
  if (!bound.most) return "not bounded by the form: " + bound.why;
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", *bound.most);
  return std::string("at most ") + text + " over all inputs, by the form (" + bound.why + ")";
}

Json stability_json(const LearnedSpectrum& spectrum, const Program& model) {
  Json layers = Json::array();
  for (const LayerStability& layer : spectrum.stability) {
    const NormBound bound = norm_bound(form_of(model, layer.block));
    layers.push_back({{"layer", layer.block},
                      {"symbols", {{"radius", layer.symbols.radius}, {"norm", layer.symbols.norm}}},
                      {"words", {{"radius", layer.words.radius}, {"norm", layer.words.norm}}},
                      {"products", {{"norm", layer.product_norm}, {"length", layer.product_length}}},
                      {"all_inputs", {{"norm_at_most", bound.most ? Json(*bound.most) : Json()}, {"why", bound.why}}}});
  }
  return layers;
}

void print_stability(const LayerStability& layer, const NormBound& bound) {
  std::printf("  stability: radius and norm of A(x) at most %.6f, %.6f over symbols, %.6f, %.6f along words;\n",
              layer.symbols.radius, layer.symbols.norm, layer.words.radius, layer.words.norm);
  std::printf("    norm of products along words at most %.6g, at length %llu; %s\n", layer.product_norm,
              static_cast<unsigned long long>(layer.product_length), bound_text(bound).c_str());
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
  Work work("inspect", Work::Early::with_nothing, options.time_limit);
  const bool hybrid = is_hybrid(options.model);
  if (!hybrid && !options.inputs.empty()) {
    throw InputError(options.model + ": expected a model with attention layers with --inputs, got one without");
  }
  const Checkpoint checkpoint =
      hybrid ? read_linear_layers(options.model, {.file = options.inputs, .mapped = true}, options.hints)
             : map_checkpoint(options.model, options.hints);
  const Program& model = checkpoint.model;
  // A task is about tokens, which the layers of a hybrid do not read.
  const std::optional<Task> task = hybrid ? std::nullopt : task_beside(options.model, options.task, model);
  const auto number = [&](std::size_t layer) { return hybrid ? checkpoint.layer_numbers[layer] : layer; };
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
  spectrum_options.stability = options.stability;
  spectrum_options.progress = [&](double part) { work.part(part, 1.0); };
  work.method("eigenvalues");
  const LearnedSpectrum spectrum = compute_spectrum(model, spectrum_options);
  work.finish();

  Json layers = Json::array();
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    Json layer = {{"mixer", model.layers()[i]}};
    if (hybrid) layer["layer"] = number(i);
    const Json facts = layer_facts(model, i);
    for (const auto& [key, value] : facts.items()) layer[key] = value;
    layers.push_back(std::move(layer));
  }
  Json heads = Json::array();
  for (const HeadSpectrum& head : spectrum.heads) heads.push_back(head_json(head, names));
  const Json object = {{"kind", hybrid ? "linear layers" : "checkpoint"},
                       {"architecture", model.architecture()},
                       {"parameters", model.num_parameters()},
                       {"vocabulary", model.vocabulary_size()},
                       {"model_size", model.model_size()},
                       {"carried_numbers", model.state_size()},
                       {"tied_head", model.tied()},
                       {"semantics", semantics_of(model)},
                       {"fingerprint", model.fingerprint()},
                       {"weights_fingerprint", model.weights_fingerprint()},
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
                       {"stability", options.stability ? stability_json(spectrum, model) : Json()},
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
  if (hybrid) {
    print_table(
        {{"checkpoint", options.model},
         {"architecture", model.architecture() + ", of which " + counted(model.layers().size(), "linear layer")},
         {"carried", std::to_string(model.state_size()) + " numbers"},
         {"semantics", std::string(semantics_of(model))}});
  } else {
    print_table(
        {{"checkpoint", options.model},
         {"architecture", model.architecture()},
         {"parameters", std::to_string(model.num_parameters())},
         {"vocabulary", std::to_string(model.vocabulary_size())},
         {"model size", std::to_string(model.model_size()) + (model.tied() ? ", head tied to the embedding" : "")},
         {"carried", std::to_string(model.state_size()) + " numbers"},
         {"task", task
                      ? std::to_string(names.size()) + " symbols, " + std::to_string(task->answers.label_names.size()) +
                            " labels" + (task->description.empty() ? "" : ": " + task->description)
                      : "none"},
         {"semantics", std::string(semantics_of(model))},
         {"fingerprint", model.fingerprint()}});
  }
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    std::cout << "\nlayer " << number(i) << ": " << model.layers()[i];
    const Json facts = layer_facts(model, i);
    for (const auto& [key, value] : facts.items()) std::cout << "  " << key << ' ' << value.dump();
    std::cout << '\n';
    const LayerForm form = form_of(model, i);
    if (!form.linear) std::cout << "  a nonlinear recurrence: its state moves by no matrix\n";
    if (form.stabilized) std::cout << "  decays of the stabilised state, e^(f + m - m')\n";
    for (const LayerStability& layer : spectrum.stability) {
      if (layer.block == i) print_stability(layer, norm_bound(form));
    }
    std::fflush(stdout);
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
  std::cout << "\neigenvalues of A(x_t) over " << spectrum_options.tokens.size()
            << (hybrid ? " inputs alone and " : " symbols alone and ") << spectrum.words << " random words of length "
            << spectrum.length << '\n';
}

}  // namespace krohn::cli
