// Architectures: each a function from the options and tensors of a checkpoint to a program, in one source file of
// src/architectures that says its options with their defaults and refusals, its tensors by name for every file form,
// and its forward pass. The registry is made from the files of that folder; CONTRIBUTING.md has the recipe.
//
//     JsonProblems problems(document);
//     Draft draft(find_architecture("gla")->name, problems.root(), weights);
//     const Program program = find_architecture("gla")->build(draft);
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "krohn/architectures/draft.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

/// Samples of what the layers of a model read.
struct LayerInputs {
  std::size_t count = 0;
  /// [count, size] of a layer by its number in the model.
  std::function<std::vector<float>(std::size_t layer, std::size_t size)> rows;
  /// One layer alone.
  std::optional<std::size_t> only = std::nullopt;
};

struct Architecture {
  /// The model_type of its configurations.
  std::string_view name;
  /// Throws InputError with every problem of the tensors; those of the options are in the draft's document.
  Program (*build)(Draft& draft);
  /// The options of `build` from the section `model` of an experiment's configuration (docs/checkpoints.md), where that
  /// section is about this architecture. Null: no experiments are known.
  std::optional<JsonValue::Object> (*of_experiment)(const JsonField& model) = nullptr;
  /// The options of `build` from a configuration without a model_type, where it is of a program whose models are this
  /// architecture's. Null: no such program is known.
  std::optional<JsonValue::Object> (*of_unnamed)(const JsonField& root) = nullptr;
  /// Of a model that has other layers too, which `build` refuses: its linear layers side by side, tokens being samples
  /// of their inputs (shared/hybrid.hpp). Null: the model is read whole.
  Program (*linear_layers)(Draft& draft, const LayerInputs& inputs) = nullptr;
};

/// All architectures, by name.
std::span<const Architecture* const> all_architectures();

/// Why a known model type is none: its models are no linear recurrences on a state of a fixed size. Empty for others.
std::string_view why_not_linear(std::string_view model_type);

/// Null where there is none of that name.
const Architecture* find_architecture(std::string_view name);

}  // namespace krohn
