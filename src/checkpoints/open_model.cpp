// Which kind of directory it is, said by the model_type of its config.json.
#include "krohn/checkpoints/open_model.hpp"

#include <algorithm>
#include <utility>

#include "krohn/automata/domain.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {

std::string OpenModel::identity() const { return task ? fingerprint(*learned, task->answers) : machine->fingerprint(); }

std::optional<Dfa> OpenModel::own_language() const {
  if (task && task->automaton) return within_domain(*task->automaton);
  return automaton;
}

Dfa OpenModel::within_domain(const Dfa& language) const {
  if (!task) return language;
  std::vector<std::string> problems;
  std::vector<bool> used(language.label_names().size(), false);
  for (const LabelId label : language.labels()) {
    if (label != null_label) used[static_cast<std::size_t>(label)] = true;
  }
  const std::vector<std::string>& known = machine->label_names();
  std::string names;
  for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
  for (std::size_t i = 0; i < used.size(); ++i) {
    const std::string& name = language.label_names()[i];
    if (used[i] && std::find(known.begin(), known.end(), name) == known.end()) {
      problems.push_back("labels: expected those of the model (" + names + "), got " + shown(name));
    }
  }
  if (!problems.empty()) throw InputError(problems);
  return without_short_words(language, task->min_length);
}

std::string OpenModel::domain(const Dfa& language) const {
  // A null label of a longer word is the language's own.
  return domain_in_words(language, task ? task->min_length : 0);
}

OpenModel open_learned(std::shared_ptr<const Program> model, Task task, std::vector<std::string> notes) {
  OpenModel open;
  open.machine = make_machine(model, task.answers);
  open.task = std::move(task);
  open.learned = std::move(model);
  open.notes = std::move(notes);
  return open;
}

OpenModel open_model(const std::filesystem::path& path, std::optional<Semantics> semantics,
                     const std::optional<std::filesystem::path>& task, const ReadingHints& hints) {
  if (read_model_type(path) != "krohn-lrnn") {
    if (semantics && *semantics != Semantics::fp32_fma_v1) {
      throw InputError(path.string() + ": semantics: expected " + std::string(learned_semantics) +
                       ", the only one of a learned model, got " + std::string(semantics_id(*semantics)));
    }
    Checkpoint checkpoint = read_checkpoint(path, hints);
    auto learned = std::make_shared<const Program>(std::move(checkpoint.model));
    const std::filesystem::path task_path = task.value_or(path / "task.json");
    if (!std::filesystem::exists(task_path)) {
      throw InputError(
          task_path.string() +
          ": expected a task, which says what symbols and labels the checkpoint's tokens and logits are, got no file. "
          "Write one (or name one with --task FILE), such as\n"
          "  {\"symbols\": {\"0\": 0, \"1\": 1}, \"bos\": null, \"outputs\": {\"0\": \"0\", \"1\": \"1\"}, "
          "\"automaton\": \"parity\"}\n"
          "where symbols go to token ids, logits to labels, and automaton is the language it was made for: any LANG "
          "(a catalogue name, re:REGEX, a file), or left out");
    }
    Task its_task = read_task(task_path, *learned);
    return open_learned(std::move(learned), std::move(its_task), std::move(checkpoint.notes));
  }
  if (task) throw InputError(path.string() + ": expected a checkpoint with the task, got a compiled model");
  if (hints.fla_version) {
    throw InputError(path.string() + ": expected a checkpoint with --fla-version, got a compiled model");
  }
  ModelDirectory directory = read_model(path);
  OpenModel open;
  open.machine = make_machine(std::move(directory.model), semantics.value_or(directory.semantics));
  open.hint = std::move(directory.hint);
  open.exact = directory.exact;
  open.horizon = directory.horizon;
  open.automaton = std::move(directory.automaton);
  return open;
}

}  // namespace krohn
