// Tested by tests/checkpoints/safetensors_test.cpp.
#include "mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "krohn/error.hpp"

namespace krohn {

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const auto refuse = [&] {
    throw InputError(path.string() + ": expected a readable file, got: " + std::strerror(errno));
  };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) refuse();
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    ::close(descriptor);
    throw InputError(path.string() + ": expected a file with something in it");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  ::close(descriptor);
  if (data == MAP_FAILED) refuse();
  return std::shared_ptr<const MappedFile>(new MappedFile(static_cast<const char*>(data), size));
}

MappedFile::~MappedFile() { ::munmap(const_cast<char*>(data_), size_); }

bool MappedFile::holds(std::span<const std::byte> part) const noexcept {
  const auto* first = reinterpret_cast<const std::byte*>(data_);
  return !part.empty() && part.data() >= first && part.data() + part.size() <= first + size_;
}

void MappedFile::release(std::span<const std::byte> part) const noexcept {
  if (!holds(part)) return;
#if !defined(__wasi__)  // whose mmap reads a file into memory of its own, which has nowhere to come back from
  // Whole pages: those that the part shares with others go too, and come back when they are looked at.
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data()) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size());
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#endif
}

}  // namespace krohn
