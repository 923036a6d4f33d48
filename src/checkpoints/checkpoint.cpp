// The configuration names the architecture; the architecture does the rest.
// Tested by tests/checkpoints/checkpoint_golden_test.cpp.
#include "krohn/checkpoints/checkpoint.hpp"

#include <functional>
#include <utility>

#include "checkpoint_config.hpp"
#include "codes_file.hpp"
#include "krohn/architectures/architecture.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/checkpoints/weights.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/text/json_document.hpp"

namespace krohn {

namespace fs = std::filesystem;

namespace {

using Build = std::function<Program(const Architecture&, Draft&)>;

const Architecture& architecture_of(JsonProblems& problems) {
  const std::optional<std::string> type = problems.root().at("model_type").string();
  problems.raise_if_any();
  const Architecture* architecture = find_architecture(*type);
  if (architecture == nullptr) {
    std::string known;
    const std::string_view why = why_not_linear(*type);
    if (!why.empty()) {
      problems.root().at("model_type").report("a linear recurrence on a state of a fixed size; " + std::string(why));
      problems.raise_if_any();
    }
    for (const Architecture* each : all_architectures()) known += (known.empty() ? "" : ", ") + std::string(each->name);
    problems.root().at("model_type").report("one of " + known);
    problems.raise_if_any();
  }
  return *architecture;
}

/// The weights are asked for once the configuration is known to name an architecture.
Checkpoint read(const JsonDocument& document, const std::function<Weights()>& read_weights, const ReadingHints& hints,
                const Build& build) {
  JsonProblems problems(document);
  const Architecture& architecture = architecture_of(problems);
  std::vector<std::string> all;
  try {
    const Weights weights = read_weights();
    Draft draft(architecture.name, problems.root(), weights, hints);
    if (!weights.note().empty()) draft.notes.push_back(weights.note());
    Program model = build(architecture, draft);
    problems.raise_if_any();
    return {std::move(model), std::move(draft.notes), std::move(draft.layer_numbers)};
  } catch (const InputError& error) {
    all = error.problems();
  }
  // The configuration's problems explain those of the weights: first.
  try {
    problems.raise_if_any();
  } catch (const InputError& error) {
    if (error.problems() != all) all.insert(all.begin(), error.problems().begin(), error.problems().end());
  }
  throw InputError(all);
}

Checkpoint read(const fs::path& directory, const ReadingHints& hints, bool mapped, const Build& build) {
  return read(
      read_checkpoint_config(directory), [&] { return Weights::read_directory(directory, mapped); }, hints, build);
}

/// Sums of twelve uniform numbers, less their mean.
std::vector<float> random_rows(std::size_t count, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<float> rows(count);
  for (float& x : rows) {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random.next() >> 11U) * 0x1p-53;
    x = static_cast<float>(sum);
  }
  return rows;
}

}  // namespace

namespace {

Checkpoint read_whole(const fs::path& directory, const ReadingHints& hints, bool mapped) {
  Checkpoint checkpoint = read(directory, hints, mapped, [](const Architecture& architecture, Draft& draft) {
    return architecture.build(draft);
  });
  const fs::path codes = directory / "codes.safetensors";
  if (fs::exists(codes)) checkpoint.model = with_codes(checkpoint.model, codes);
  return checkpoint;
}

}  // namespace

Checkpoint read_checkpoint(const fs::path& directory, const ReadingHints& hints) {
  return read_whole(directory, hints, false);
}

Checkpoint map_checkpoint(const fs::path& directory, const ReadingHints& hints) {
  return read_whole(directory, hints, true);
}

Checkpoint read_checkpoint(std::string_view config, const std::string& source, const Weights& weights,
                           const ReadingHints& hints) {
  return read(
      parse_checkpoint_config(config, source), [&] { return weights; }, hints,
      [](const Architecture& architecture, Draft& draft) { return architecture.build(draft); });
}

bool is_hybrid(const fs::path& directory) {
  const JsonDocument document = read_checkpoint_config(directory);
  JsonProblems problems(document);
  return architecture_of(problems).linear_layers != nullptr;
}

Checkpoint read_linear_layers(const fs::path& directory, const LayerSamples& samples, const ReadingHints& hints) {
  LayerInputs inputs;
  inputs.count = samples.count;
  inputs.only = samples.only;
  inputs.rows = [&](std::size_t layer, std::size_t size) {
    return random_rows(samples.count * size, samples.seed + layer);
  };
  std::optional<Safetensors> file;
  if (!samples.file.empty()) {
    file = Safetensors::read(samples.file);
    const auto of_layer = [&](std::size_t layer) {
      const TensorView* own = file->find("inputs." + std::to_string(layer));
      return own != nullptr ? own : file->find("inputs");
    };
    for (const TensorView& tensor : file->tensors()) {
      if (tensor.name.starts_with("inputs") && tensor.shape.size() == 2) inputs.count = tensor.shape[0];
    }
    inputs.rows = [&, of_layer](std::size_t layer, std::size_t size) {
      const TensorView* tensor = of_layer(layer);
      const std::string name = samples.file.string() + ": inputs." + std::to_string(layer);
      if (tensor == nullptr) throw InputError(name + ": expected a tensor of this name, or inputs, got none");
      if (tensor->shape != std::vector<std::uint64_t>{inputs.count, size} || tensor->dtype != DType::f32) {
        throw InputError(name + ": expected F32 [" + std::to_string(inputs.count) + ", " + std::to_string(size) +
                         "], got " + tensor->type());
      }
      return to_float(*tensor);
    };
  }
  Checkpoint checkpoint = read(directory, hints, samples.mapped, [&](const Architecture& architecture, Draft& draft) {
    if (architecture.linear_layers == nullptr) {
      throw InputError(directory.string() + ": expected a model with attention between its linear layers, got " +
                       std::string(architecture.name));
    }
    return architecture.linear_layers(draft, inputs);
  });
  checkpoint.notes.push_back(
      "the linear layers alone, each by itself: attention layers, feed-forward parts, embedding and "
      "head are left out; the layers read " +
      (file ? std::to_string(inputs.count) + " inputs of " + samples.file.string()
            : std::to_string(inputs.count) + " random directions, not what they read in the model"));
  return checkpoint;
}

}  // namespace krohn
