#include "inspect_forms.hpp"

#include <cstdio>
#include <iostream>

#include "command.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/checkpoints/task.hpp"
#include "krohn/error.hpp"
#include "krohn/results/token_run.hpp"
#include "krohn/verify/compare_forms.hpp"
#include "model_argument.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

FormComparison with_recorded_logits(const InspectForms& options, const Program& model, const LearnedTask* task) {
  const Safetensors file = Safetensors::read(options.reference);
  const InputIds ids = read_input_ids(file, model);
  const TensorView* logits = file.find("logits");
  if (logits == nullptr) throw InputError(options.reference + ": logits: expected a tensor [B, T, V], got none");
  const std::vector<std::size_t> shape(logits->shape.begin(), logits->shape.end());
  if (shape != std::vector<std::size_t>{ids.words.size(), ids.length, model.num_logits()}) {
    std::string got;
    for (const std::size_t n : shape) got += (got.empty() ? "" : ", ") + std::to_string(n);
    throw InputError(options.reference + ": logits: expected shape [" + std::to_string(ids.words.size()) + ", " +
                     std::to_string(ids.length) + ", " + std::to_string(model.num_logits()) + "], got [" + got + "]");
  }
  return compare_with_logits(model, task, ids.words, to_double(*logits));
}

/// The word's symbols where all its tokens are some; else its token ids.
std::vector<std::string> names_of(const Tokens& word, const LearnedTask* task) {
  std::vector<std::string> names;
  for (const std::uint32_t token : word) {
    names.push_back(std::to_string(token));
    if (task == nullptr) continue;
    for (std::size_t s = 0; s < task->tokens.size(); ++s) {
      if (task->tokens[s] == token) names.back() = task->alphabet.name(static_cast<Symbol>(s));
    }
  }
  return names;
}

}  // namespace

void inspect_forms(const InspectForms& options) {
  Work work("inspect", Work::Early::with_nothing, options.time_limit);
  const Checkpoint checkpoint = read_checkpoint(options.model, options.hints);
  const std::optional<Task> task = task_beside(options.model, options.task, checkpoint.model);
  const LearnedTask* answers = task ? &task->answers : nullptr;
  CompareFormsOptions compare;
  compare.form.format = options.format == "fp32" ? ChunkedFormat::fp32 : ChunkedFormat::bf16;
  compare.form.device = device_of(options.device);
  compare.words = options.words;
  compare.length = options.length;
  compare.seed = options.seed;
  const bool recorded = !options.reference.empty();
  const FormComparison found = recorded ? with_recorded_logits(options, checkpoint.model, answers)
                                        : compare_forms(checkpoint.model, answers, compare);
  work.finish();
  const std::string other = recorded ? options.reference : "chunked, " + options.format;
  if (options.json) {
    Json lengths = Json::array();
    for (const FormDifference& d : found.by_length) {
      lengths.push_back({{"from", d.from},
                         {"to", d.to},
                         {"positions", d.positions},
                         {"largest", d.largest},
                         {"root_mean_square", d.root_mean_square},
                         {"labels_differ", d.labels}});
    }
    Json witness;
    if (found.witness) {
      const FormWitness& w = *found.witness;
      witness = {
          {"word", names_of(w.word, answers)}, {"tokens", w.word},        {"length", w.word.size()},
          {"canonical", w.canonical},          {"other", w.other},        {"canonical_margin", w.canonical_margin},
          {"other_margin", w.other_margin},    {"minimised", w.minimised}};
    }
    print_json({{"kind", "forms"},
                {"model", options.model},
                {"canonical", learned_semantics},
                {"other", other},
                {"device", found.device},
                {"words", found.words},
                {"by_length", lengths},
                {"witness", witness}});
    return;
  }
  for (const std::string& note : checkpoint.notes) std::cerr << "krohn: " << note << '\n';
  print_table({{"model", options.model},
               {"canonical", std::string(learned_semantics)},
               {"other", other + (recorded ? "" : ", on " + found.device)},
               {"words", std::to_string(found.words)}});
  std::printf("\n%15s %12s %12s %12s %14s\n", "length", "positions", "largest", "rms", "labels differ");
  for (const FormDifference& d : found.by_length) {
    const std::string range =
        d.from == d.to ? std::to_string(d.from) : std::to_string(d.from) + ".." + std::to_string(d.to);
    std::printf("%15s %12llu %12.3g %12.3g %14llu\n", range.c_str(), static_cast<unsigned long long>(d.positions),
                d.largest, d.root_mean_square, static_cast<unsigned long long>(d.labels));
  }
  std::fflush(stdout);
  if (!found.witness) {
    std::cout << "\nno label differs on these words\n";
    return;
  }
  const FormWitness& w = *found.witness;
  const std::vector<std::string> names = names_of(w.word, answers);
  bool single = true;
  for (const std::string& name : names) single = single && name.size() == 1;
  std::string text;
  for (const std::string& name : names) text += (single || text.empty() ? "" : " ") + name;
  std::cout << "\nlabels differ on " << text << " (" << w.word.size() << " symbols"
            << (w.minimised ? ", minimised" : ", the shortest beginning seen") << ")\n  canonical: " << w.canonical
            << ", margin " << w.canonical_margin << "\n  other:     " << w.other << ", margin " << w.other_margin
            << '\n';
}

}  // namespace krohn::cli
