// Write aside, fsync, rename. A name that is taken is found out by O_EXCL and mkdir, not by asking first, so that two
// processes that write the same path leave one whole file of either.
#include "krohn/text/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "krohn/error.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void raise(const fs::path& path, const std::string& expected, int error) {
  const std::string text = path.string() + ": expected " + expected + ", got: " + std::strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      throw ResourceError(text + " (nothing was left behind)");
    default:
      throw InputError(text);
  }
}

// A name for something beside `path` that no other write of this machine uses.
fs::path name_aside(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  return path.parent_path() / (".krohn-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".partial");
}

// The path without a trailing slash.
fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() || !path.has_relative_path() ? path : path.parent_path();
}

fs::path parent_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

// Writes everything and closes; returns 0 or the error.
int write_all(int descriptor, std::string_view bytes, bool synchronise) {
  int error = 0;
  while (!bytes.empty() && error == 0) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0 && synchronise && ::fsync(descriptor) != 0) error = errno;
  if (::close(descriptor) != 0 && error == 0) error = errno;
  return error;
}

// A new file with these bytes, on the disk; nothing is left after an error.
void create_file(const fs::path& path, const fs::path& named, std::string_view bytes) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) raise(named, "a path that can be written", errno);
  const int error = write_all(descriptor, bytes, true);
  if (error != 0) {
    ::unlink(path.c_str());
    raise(named, "room for " + std::to_string(bytes.size()) + " bytes", error);
  }
}

// Puts renames in a directory on the disk; file systems that cannot are left as they are.
void synchronise_directory(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

// Swaps what two paths name, in one step; false with errno, which is ENOSYS where the system has no such step.
bool exchange(const fs::path& one, const fs::path& other) {
#if defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0;
#else
  static_cast<void>(one);
  static_cast<void>(other);
  errno = ENOSYS;
  return false;
#endif
}

// Where the bytes for `path` go.
struct Target {
  fs::path path;
  // A device or pipe, which is written directly.
  bool special = false;
};

Target target_of(const fs::path& path) {
  std::error_code ignored;
  fs::path target = path;
  if (fs::is_symlink(fs::symlink_status(path, ignored))) {
    const fs::path resolved = fs::weakly_canonical(path, ignored);
    if (!ignored) target = resolved;
  }
  const fs::file_status status = fs::status(target, ignored);
  if (fs::is_directory(status) || !target.has_filename()) {
    throw InputError(path.string() + ": expected a path for a file, got a directory");
  }
  return {target, fs::exists(status) && !fs::is_regular_file(status)};
}

}  // namespace

void write_file(const fs::path& path, std::string_view bytes) {
  const Target target = target_of(path);
  if (target.special) {
    const int descriptor = ::open(target.path.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) raise(path, "a path that can be written", errno);
    const int error = write_all(descriptor, bytes, false);
    if (error != 0) raise(path, "room for " + std::to_string(bytes.size()) + " bytes", error);
    return;
  }
  const fs::path aside = name_aside(target.path);
  create_file(aside, path, bytes);
  if (std::rename(aside.c_str(), target.path.c_str()) != 0) {
    const int error = errno;
    ::unlink(aside.c_str());
    raise(path, "a path that can be written", error);
  }
  synchronise_directory(parent_of(target.path));
}

void require_writable(const fs::path& path) {
  const Target target = target_of(path);
  // A device or pipe is not opened: its reader would take that for the writer.
  if (target.special) return;
  const fs::path aside = name_aside(target.path);
  create_file(aside, path, "");
  ::unlink(aside.c_str());
}

PendingDirectory::PendingDirectory(const fs::path& path, bool replace)
    : path_(without_trailing_slash(path)), replace_(replace) {
  std::error_code ignored;
  if (path_.empty() || path_.filename() == "." || path_.filename() == ".." || !path_.has_filename()) {
    throw InputError("'" + path.string() + "': expected the name of a new directory");
  }
  if (fs::is_symlink(fs::symlink_status(path_, ignored)) && replace_) {
    const fs::path resolved = fs::canonical(path_, ignored);
    if (!ignored) path_ = resolved;
  }
  const fs::file_status status = fs::symlink_status(path_, ignored);
  if (fs::exists(status) && !fs::is_directory(status)) {
    throw InputError(path_.string() + ": expected a path for a directory, got a file of that name");
  }
  if (fs::exists(status) && !replace_) {
    throw InputError(path_.string() +
                     ": expected a path that does not exist, got an existing directory (--force replaces a model)");
  }
  const fs::path aside = name_aside(path_);
  if (::mkdir(aside.c_str(), 0777) != 0) raise(path_, "a path that can be written", errno);
  aside_ = aside;
}

PendingDirectory::~PendingDirectory() {
  std::error_code ignored;
  if (!aside_.empty()) fs::remove_all(aside_, ignored);
}

void PendingDirectory::write(const std::string& name, std::string_view bytes) {
  create_file(aside_ / name, path_ / name, bytes);
}

void PendingDirectory::commit() {
  synchronise_directory(aside_);
  std::error_code ignored;
  if (!replace_ || !fs::exists(fs::symlink_status(path_, ignored))) {
    // RENAME_NOREPLACE would refuse an empty directory that appeared meanwhile; plain rename replaces only that.
    if (std::rename(aside_.c_str(), path_.c_str()) != 0) raise(path_, "a path that can be written", errno);
    aside_.clear();
  } else if (exchange(aside_, path_)) {
    // aside_ is the old directory now.
    fs::remove_all(aside_, ignored);
    aside_.clear();
  } else if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
    raise(path_, "a path that can be written", errno);
  } else {
    const fs::path old = name_aside(path_);
    if (std::rename(path_.c_str(), old.c_str()) != 0) raise(path_, "a path that can be written", errno);
    if (std::rename(aside_.c_str(), path_.c_str()) != 0) {
      const int error = errno;
      std::rename(old.c_str(), path_.c_str());
      raise(path_, "a path that can be written", error);
    }
    aside_.clear();
    fs::remove_all(old, ignored);
  }
  synchronise_directory(parent_of(path_));
}

}  // namespace krohn
