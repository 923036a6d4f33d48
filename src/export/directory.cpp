// Tested by tests/tools/export_command_test.cpp.
#include "directory.hpp"

#include <algorithm>

#include "krohn/error.hpp"
#include "krohn/text/atomic_file.hpp"

namespace krohn {

void write_export(const std::filesystem::path& path, const std::vector<std::pair<std::string, std::string>>& files,
                  bool force) {
  if (force && std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      const std::string name = entry.path().filename().string();
      const bool ours = std::any_of(files.begin(), files.end(), [&](const auto& file) { return file.first == name; });
      if (!ours) {
        throw InputError(path.string() + ": expected an empty directory or an export, found " + name +
                         ", which is not replaced");
      }
    }
  }
  PendingDirectory directory(path, force);
  for (const auto& [name, bytes] : files) directory.write(name, bytes);
  directory.commit();
}

}  // namespace krohn
