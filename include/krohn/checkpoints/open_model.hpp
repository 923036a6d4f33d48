// Opening whatever a user calls MODEL: a directory that krohn compiled, or a checkpoint with a task.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "krohn/architectures/draft.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/checkpoints/task.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

/// A machine, and what lies beside it.
struct OpenModel {
  std::unique_ptr<Machine> machine;
  /// Of a compiled model, as ModelDirectory's.
  std::optional<InvariantHint> hint = std::nullopt;
  std::optional<bool> exact = std::nullopt;
  std::optional<std::uint64_t> horizon = std::nullopt;
  std::optional<Dfa> automaton = std::nullopt;
  /// Of a checkpoint: its task, and the model that the machine runs, for those who look into its weights.
  std::optional<Task> task = std::nullopt;
  std::shared_ptr<const Program> learned = nullptr;
  /// For stderr.
  std::vector<std::string> notes = {};

  /// The identity of the machine as a function from words to labels (but for its semantics): the model's fingerprint
  /// or, of a checkpoint, that of the model on its task.
  std::string identity() const;
  /// The language that comes with the model, words outside the model's domain labelled null; nothing where none does.
  std::optional<Dfa> own_language() const;
  /// `language` as this model can be checked against it: words outside the model's domain labelled null. Throws
  /// InputError where a label of the language is none of the model's (symbols are Specification's to match).
  Dfa within_domain(const Dfa& language) const;
  /// The words that a verdict against `language`, as within_domain gave it, ranges over.
  std::string domain(const Dfa& language) const;
};

/// A learned model on a task.
OpenModel open_learned(std::shared_ptr<const Program> model, Task task, std::vector<std::string> notes = {});

/// Opens a model directory or a checkpoint. `semantics` asks for another arithmetic than the model's own; a checkpoint
/// has only learned-fp32-v1, and anything else is refused. `task` stands in for the checkpoint's task.json; `hints` say
/// what its files do not. Throws InputError.
OpenModel open_model(const std::filesystem::path& path, std::optional<Semantics> semantics = std::nullopt,
                     const std::optional<std::filesystem::path>& task = std::nullopt, const ReadingHints& hints = {});

}  // namespace krohn
