// Writing files and directories so that nobody ever sees half of one: aside, to the disk, then renamed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace krohn {

/// Writes `bytes` to `path`, replacing a regular file of that name (through a symbolic link: the file it names). The
/// bytes go to a new file in the same directory, which is synchronised and then renamed; on any failure `path` is as
/// it was and nothing is left beside it. Devices and pipes (/dev/stdout) are written directly.
/// Throws InputError where the path cannot be written (missing directory, no permission, a directory), ResourceError
/// where the disk is full or fails.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// For commands that work for long before they write: throws now what write_file would throw of `path` itself, and
/// leaves everything as it was.
void require_writable(const std::filesystem::path& path);

/// A new directory that becomes visible as a whole: files are added to a hidden one beside it, commit() renames it.
///
///     PendingDirectory directory("model", false);
///     directory.write("config.json", text);
///     directory.commit();
class PendingDirectory {
 public:
  /// Throws InputError if `path` exists and `replace` is false, if it exists and is no directory, or if its parent
  /// cannot be written. Whether an existing directory may be replaced at all is the caller's knowledge.
  PendingDirectory(const std::filesystem::path& path, bool replace);
  /// Removes what was not committed.
  ~PendingDirectory();
  PendingDirectory(const PendingDirectory&) = delete;
  PendingDirectory& operator=(const PendingDirectory&) = delete;

  /// Adds a file; `name` has no slash. Throws as write_file.
  void write(const std::string& name, std::string_view bytes);

  /// Makes the directory visible under its name. An existing one is exchanged with it in one step where the file
  /// system can (Linux renameat2), else moved aside first, and removed last: at every moment one of the two is whole
  /// on the disk.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path aside_;
  bool replace_ = false;
};

}  // namespace krohn
