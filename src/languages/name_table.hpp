// Names numbered in the order of their first occurrence. A table of open addressing over one run of bytes: reading a
// large file asks it a few times a line, so that a look-up costs one hash of the name and mostly one comparison. Most
// states are called 0, 1, .. or q0, q1, ..: numbers behind the same letter (or none) as the first such name's are
// looked up in a list by the number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace krohn {

class NameTable {
 public:
  NameTable() : slots_(64) {}

  struct Found {
    std::uint32_t index;
    bool added;
  };

  Found find_or_add(std::string_view name) {
    const std::uint32_t number = number_in(name, true);
    if (number != none) {
      if (number >= by_number_.size()) by_number_.resize(std::size_t{number} * 3 / 2 + 64, none);
      if (by_number_[number] != none) return {by_number_[number], false};
      by_number_[number] = append(name);
      return {by_number_[number], true};
    }
    const std::uint64_t hash = hash_of(name);
    std::size_t slot = slot_of(name, hash);
    if (slots_[slot].index != none) return {slots_[slot].index, false};
    if (2 * (hashed_.size() + 1) > slots_.size()) {
      grow();
      slot = slot_of(name, hash);
    }
    const std::uint32_t index = append(name);
    hashed_.push_back(index);
    slots_[slot] = {index, static_cast<std::uint32_t>(hash >> 32U)};
    return {index, true};
  }

  std::optional<std::uint32_t> find(std::string_view name) const {
    const std::uint32_t number = number_in(name, false);
    if (number != none) {
      if (number >= by_number_.size() || by_number_[number] == none) return std::nullopt;
      return by_number_[number];
    }
    const std::uint32_t index = slots_[slot_of(name, hash_of(name))].index;
    if (index == none) return std::nullopt;
    return index;
  }

  std::size_t size() const noexcept { return ends_.size(); }

  /// Valid until the next name is added.
  std::string_view operator[](std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(begin, ends_[index] - begin);
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  // Beside the index a part of the hash, so that mostly one name is compared.
  struct Slot {
    std::uint32_t index = none;
    std::uint32_t tag = 0;
  };

  std::uint32_t append(std::string_view name) {
    bytes_.append(name);
    ends_.push_back(bytes_.size());
    return static_cast<std::uint32_t>(ends_.size() - 1);
  }

  // The number of at most 7 digits (a list of 40 MB), without leading zeros, behind the letter of such names; none for
  // other names.
  std::uint32_t number_in(std::string_view name, bool may_settle) {
    const std::uint32_t number = std::as_const(*this).number_in(name, may_settle);
    if (number != none && !settled_) {
      settled_ = true;
      letter_ = letter_of(name);
    }
    return number;
  }
  std::uint32_t number_in(std::string_view name, bool may_settle) const {
    const char letter = letter_of(name);
    if (settled_ ? letter != letter_ : !may_settle) return none;
    const std::string_view digits = letter == '\0' ? name : name.substr(1);
    if (digits.empty() || digits.size() > 7 || (digits[0] == '0' && digits.size() > 1)) return none;
    std::uint32_t number = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9') return none;
      number = number * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return number;
  }
  static char letter_of(std::string_view name) {
    return name.empty() || (name[0] >= '0' && name[0] <= '9') ? '\0' : name[0];
  }

  static std::uint64_t mixed(std::uint64_t x) {
    x *= 0xD6E8FEB86659FD93ULL;
    x ^= x >> 32U;
    return x * 0xD6E8FEB86659FD93ULL;
  }

  static std::uint64_t hash_of(std::string_view name) {
    std::uint64_t hash = name.size() * 0x9E3779B97F4A7C15ULL;
    while (!name.empty()) {
      std::uint64_t piece = 0;
      const std::size_t length = name.size() < sizeof piece ? name.size() : sizeof piece;
      std::memcpy(&piece, name.data(), length);
      name.remove_prefix(length);
      hash = mixed(hash ^ piece);
      hash ^= hash >> 29U;
    }
    return hash;
  }

  std::size_t slot_of(std::string_view name, std::uint64_t hash) const {
    const auto tag = static_cast<std::uint32_t>(hash >> 32U);
    std::size_t slot = hash & (slots_.size() - 1);
    while (slots_[slot].index != none && (slots_[slot].tag != tag || (*this)[slots_[slot].index] != name)) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
  }

  void grow() {
    slots_.assign(slots_.size() * 2, Slot{});
    for (const std::uint32_t i : hashed_) {
      const std::uint64_t hash = hash_of((*this)[i]);
      std::size_t slot = hash & (slots_.size() - 1);
      while (slots_[slot].index != none) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = {i, static_cast<std::uint32_t>(hash >> 32U)};
    }
  }

  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<std::uint32_t> hashed_;  // the names in `slots_`, the others are in `by_number_`
  std::vector<Slot> slots_;
  bool settled_ = false;
  char letter_ = '\0';  // before the numbers; 0 for none
  std::vector<std::uint32_t> by_number_;
};

}  // namespace krohn
