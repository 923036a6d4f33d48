// Opening whatever a user calls MODEL: a directory that krohn compiled, or a checkpoint with a task.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "krohn/engine/recognizer.hpp"
#include "krohn/io/checkpoint.hpp"
#include "krohn/io/model_directory.hpp"
#include "krohn/io/task.hpp"

namespace krohn {

/// A model that can be asked about words. Exactly one of `compiled` and `learned` is present.
struct OpenModel {
  std::unique_ptr<Recognizer> recognizer;
  std::optional<ModelDirectory> compiled = std::nullopt;
  std::shared_ptr<const Program> learned = nullptr;
  std::optional<Task> task = std::nullopt;
  /// For stderr.
  std::vector<std::string> notes = {};

  /// The language that comes with the model, words outside the model's domain labelled null; nothing where none does.
  std::optional<Dfa> own_language() const;
  /// `language` as this model can be checked against it: words outside the model's domain labelled null. Throws
  /// InputError where a label of the language is none of the model's (symbols are Specification's to match).
  Dfa within_domain(const Dfa& language) const;
  /// The words that a verdict against `language`, as within_domain gave it, ranges over.
  std::string domain(const Dfa& language) const;
};

/// Opens a model directory. `semantics` asks for another arithmetic than the model's own; a checkpoint has only
/// learned-fp32-v1, and anything else is refused. `task` stands in for the checkpoint's task.json. Throws InputError.
OpenModel open_recognizer(const std::filesystem::path& path, std::optional<Semantics> semantics = std::nullopt,
                          const std::optional<std::filesystem::path>& task = std::nullopt);

}  // namespace krohn
