// The configuration names the architecture; the architecture does the rest.
#include "krohn/io/checkpoint.hpp"

#include "checkpoint_config.hpp"
#include "krohn/architectures/architecture.hpp"
#include "krohn/error.hpp"
#include "krohn/io/weights.hpp"
#include "krohn/text/json_document.hpp"

namespace krohn {

namespace fs = std::filesystem;

Checkpoint read_checkpoint(const fs::path& directory, const ReadingHints& hints) {
  const JsonDocument document = read_checkpoint_config(directory);
  JsonProblems problems(document);
  const std::optional<std::string> type = problems.root().at("model_type").string();
  problems.raise_if_any();
  const Architecture* architecture = find_architecture(*type);
  if (architecture == nullptr) {
    std::string known;
    for (const Architecture* each : all_architectures()) known += (known.empty() ? "" : ", ") + std::string(each->name);
    problems.root().at("model_type").report("one of " + known);
    problems.raise_if_any();
  }
  std::vector<std::string> all;
  try {
    const Weights weights = Weights::read_directory(directory);
    Draft draft(architecture->name, problems.root(), weights, hints);
    if (!weights.note().empty()) draft.notes.push_back(weights.note());
    Program model = architecture->build(draft);
    problems.raise_if_any();
    return {std::move(model), std::move(draft.notes)};
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

}  // namespace krohn
