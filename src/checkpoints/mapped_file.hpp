// A file's bytes as the system maps them into memory: read when they are looked at, and given back.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace krohn {

class MappedFile {
 public:
  /// Throws InputError where the file cannot be read. It must not shrink while it is mapped.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const noexcept { return {data_, size_}; }
  bool holds(std::span<const std::byte> part) const noexcept;
  /// The part takes no memory until it is looked at again.
  void release(std::span<const std::byte> part) const noexcept;

 private:
  MappedFile(const char* data, std::size_t size) : data_(data), size_(size) {}
  const char* data_;
  std::size_t size_;
};

}  // namespace krohn
