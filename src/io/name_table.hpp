// Names numbered in the order of their first occurrence. A table of open addressing over one run of bytes: reading a
// large file asks it a few times a line, so that a look-up costs one hash of the name and mostly one comparison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace krohn {

class NameTable {
 public:
  NameTable() : slots_(64, none) {}

  struct Found {
    std::uint32_t index;
    bool added;
  };

  Found find_or_add(std::string_view name) {
    const std::uint64_t hash = hash_of(name);
    std::size_t slot = slot_of(name, hash);
    if (slots_[slot] != none) return {slots_[slot], false};
    if (2 * (hashes_.size() + 1) > slots_.size()) {
      grow();
      slot = slot_of(name, hash);
    }
    const auto index = static_cast<std::uint32_t>(hashes_.size());
    slots_[slot] = index;
    hashes_.push_back(hash);
    bytes_.append(name);
    ends_.push_back(bytes_.size());
    return {index, true};
  }

  std::optional<std::uint32_t> find(std::string_view name) const {
    const std::uint32_t index = slots_[slot_of(name, hash_of(name))];
    if (index == none) return std::nullopt;
    return index;
  }

  std::size_t size() const noexcept { return hashes_.size(); }

  /// Valid until the next name is added.
  std::string_view operator[](std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(begin, ends_[index] - begin);
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  static std::uint64_t hash_of(std::string_view name) {
    std::uint64_t hash = name.size() * 0x9E3779B97F4A7C15ULL;
    while (!name.empty()) {
      std::uint64_t piece = 0;
      const std::size_t length = name.size() < sizeof piece ? name.size() : sizeof piece;
      std::memcpy(&piece, name.data(), length);
      name.remove_prefix(length);
      hash = (hash ^ piece) * 0xD6E8FEB86659FD93ULL;
      hash ^= hash >> 32U;
    }
    return hash;
  }

  std::size_t slot_of(std::string_view name, std::uint64_t hash) const {
    std::size_t slot = hash & (slots_.size() - 1);
    while (slots_[slot] != none && (hashes_[slots_[slot]] != hash || (*this)[slots_[slot]] != name)) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
  }

  void grow() {
    slots_.assign(slots_.size() * 2, none);
    for (std::uint32_t i = 0; i < hashes_.size(); ++i) {
      std::size_t slot = hashes_[i] & (slots_.size() - 1);
      while (slots_[slot] != none) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = i;
    }
  }

  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace krohn
