// Architectures: each a function from the options and tensors of a checkpoint to a program, in one source file of
// src/architectures that says its options with their defaults and refusals, its tensors by name for every file form,
// and its forward pass. The registry is made from the files of that folder; CONTRIBUTING.md has the recipe.
//
//     JsonProblems problems(document);
//     Draft draft(find_architecture("gla")->name, problems.root(), weights);
//     const Program program = find_architecture("gla")->build(draft);
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "krohn/architectures/draft.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

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
};

/// All architectures, by name.
std::span<const Architecture* const> all_architectures();

/// Null where there is none of that name.
const Architecture* find_architecture(std::string_view name);

}  // namespace krohn
