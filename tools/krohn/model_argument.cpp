#include "model_argument.hpp"

#include <filesystem>
#include <utility>

#include "command.hpp"
#include "krohn/error.hpp"

namespace krohn::cli {

Dfa language_of(const OpenModel& open, const std::string& spec, const std::optional<std::string>& alphabet) {
  if (!spec.empty()) return open.within_domain(language_argument(spec, alphabet));
  std::optional<Dfa> own = open.own_language();
  if (!own) throw InputError("LANG: expected a language, got none, and none comes with the model");
  return *std::move(own);
}

std::optional<Task> task_beside(const std::string& model_directory, const std::optional<std::string>& file,
                                const Program& model) {
  const std::filesystem::path path =
      file ? std::filesystem::path(*file) : std::filesystem::path(model_directory) / "task.json";
  if (!file && !std::filesystem::exists(path)) return std::nullopt;
  return read_task(path, model);
}

}  // namespace krohn::cli
