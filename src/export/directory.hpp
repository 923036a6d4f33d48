// What all exports that are directories share: the writing.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace krohn {

/// Writes the files aside and renames the directory. An existing path is refused unless `force` is true and it is an
/// empty directory or one that has nothing but files of these names. Throws InputError or ResourceError.
void write_export(const std::filesystem::path& path, const std::vector<std::pair<std::string, std::string>>& files,
                  bool force);

}  // namespace krohn
