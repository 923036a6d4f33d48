// An open-addressing index over keys in chunks that never move. The hash decides only the cost: keys are compared byte
// by byte before two are taken for one. Tested by tests/verify/closure_test.cpp.
#include "krohn/engine/key_set.hpp"

#include <cstring>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{1} << 17U;
constexpr std::uint32_t first_index_bits = 10;
constexpr std::uint64_t tag_mask = 0xFFFFFFFF00000000U;

__extension__ using Wide = unsigned __int128;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

}  // namespace

KeySet::KeySet(std::size_t key_size, std::size_t payload_size)
    : key_size_(key_size),
      stride_(key_size + payload_size),
      index_(std::size_t{1} << first_index_bits, 0),
      index_shift_(64 - first_index_bits) {
  while ((stride_ << (chunk_shift_ + 1)) <= chunk_bytes) {
    if (++chunk_shift_ == 16) break;
  }
  chunk_mask_ = (std::uint32_t{1} << chunk_shift_) - 1;
}

std::size_t KeySet::memory() const noexcept {
  return chunks_.size() * (stride_ << chunk_shift_) + index_.size() * sizeof(std::uint64_t);
}

std::size_t KeySet::memory_of_next() const noexcept {
  std::size_t bytes = memory();
  if ((size_ & chunk_mask_) == 0) bytes += stride_ << chunk_shift_;
  if (2 * (std::size_t{size_} + 1) > index_.size()) bytes += 2 * index_.size() * sizeof(std::uint64_t);
  return bytes;
}

std::uint64_t KeySet::hash(const std::byte* key) const noexcept {
  // Multiply and fold over 8-byte words.
  std::uint64_t state = 0x9E3779B97F4A7C15U ^ key_size_;
  std::size_t at = 0;
  for (; at + 8 <= key_size_; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, key + at, 8);
    state = mix(state ^ word, 0xD6E8FEB86659FD93U);
  }
  if (at < key_size_) {
    std::uint64_t word = 0;
    std::memcpy(&word, key + at, key_size_ - at);
    state = mix(state ^ word, 0xD6E8FEB86659FD93U);
  }
  return mix(state ^ 0xA0761D6478BD642FU, 0xE7037ED1A0B428DBU);
}

void KeySet::prefetch_place(std::uint64_t hashed) const noexcept {
  __builtin_prefetch(index_.data() + (hashed >> index_shift_));
}

void KeySet::prefetch_key(std::uint64_t hashed) const noexcept {
  const std::uint64_t entry = index_[hashed >> index_shift_];
  if (entry != 0) __builtin_prefetch(key(static_cast<std::uint32_t>(entry) - 1));
}

std::uint32_t KeySet::find(const std::byte* key, std::uint64_t hashed) const {
  const std::size_t mask = index_.size() - 1;
  for (std::size_t slot = hashed >> index_shift_;; slot = (slot + 1) & mask) {
    const std::uint64_t entry = index_[slot];
    if (entry == 0) return absent;
    if (((entry ^ hashed) & tag_mask) != 0) continue;
    const auto number = static_cast<std::uint32_t>(entry) - 1;
    if (std::memcmp(this->key(number), key, key_size_) == 0) return number;
  }
}

std::uint32_t KeySet::insert(const std::byte* key, std::uint64_t hashed) {
  if (2 * (std::size_t{size_} + 1) > index_.size()) grow();
  const std::size_t mask = index_.size() - 1;
  std::size_t slot = hashed >> index_shift_;
  for (;; slot = (slot + 1) & mask) {
    const std::uint64_t entry = index_[slot];
    if (entry == 0) break;
    if (((entry ^ hashed) & tag_mask) != 0) continue;
    const auto number = static_cast<std::uint32_t>(entry) - 1;
    if (std::memcmp(this->key(number), key, key_size_) == 0) return number;
  }
  // Above 2^31 keys the index would need more bits than the tags have.
  if (size_ >= max_size) throw ResourceError("more than 2^31 states to keep apart");
  if ((size_ & chunk_mask_) == 0) chunks_.push_back(std::make_unique<std::byte[]>(stride_ << chunk_shift_));
  index_[slot] = (hashed & tag_mask) | (size_ + 1);
  std::memcpy(chunks_[size_ >> chunk_shift_].get() + (size_ & chunk_mask_) * stride_, key, key_size_);
  return size_++;
}

void KeySet::grow() {
  std::vector<std::uint64_t> larger(2 * index_.size(), 0);
  --index_shift_;
  const std::size_t mask = larger.size() - 1;
  for (const std::uint64_t entry : index_) {
    if (entry == 0) continue;
    std::size_t slot = entry >> index_shift_;
    while (larger[slot] != 0) slot = (slot + 1) & mask;
    larger[slot] = entry;
  }
  index_ = std::move(larger);
}

}  // namespace krohn
