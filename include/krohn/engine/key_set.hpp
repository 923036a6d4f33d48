// Byte strings of one length, each stored once and known by its number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace krohn {

/// A set of keys of `key_size` bytes, numbered in the order of insertion, each with `payload_size` bytes of the
/// caller's, zero at first. Flat storage, 8 to 16 bytes a key in the index; at most 2^31 keys.
class KeySet {
 public:
  static constexpr std::uint32_t absent = 0xFFFFFFFFU;
  static constexpr std::uint32_t max_size = 0x80000000U;

  explicit KeySet(std::size_t key_size, std::size_t payload_size = 0);

  std::uint32_t size() const noexcept { return size_; }
  std::size_t key_size() const noexcept { return key_size_; }
  /// Bytes held, and bytes held at the most while one more key is inserted.
  std::size_t memory() const noexcept;
  std::size_t memory_of_next() const noexcept;

  /// The key's number; inserts it if it is new, which shows in size(). Throws ResourceError for the 2^31st.
  std::uint32_t insert(const std::byte* key) { return insert(key, hash(key)); }
  /// Its number, or absent.
  std::uint32_t find(const std::byte* key) const { return find(key, hash(key)); }

  /// For many insertions at once: hash all keys, ask for their places in the index, then for the keys found there, then
  /// insert; the memory is fetched meanwhile.
  std::uint64_t hash(const std::byte* key) const noexcept;
  void prefetch_place(std::uint64_t hashed) const noexcept;
  void prefetch_key(std::uint64_t hashed) const noexcept;
  std::uint32_t insert(const std::byte* key, std::uint64_t hashed);

  /// The key's bytes, then the payload's; they stay where they are for the set's life.
  const std::byte* key(std::uint32_t number) const noexcept {
    return chunks_[number >> chunk_shift_].get() + (number & chunk_mask_) * stride_;
  }
  std::byte* payload(std::uint32_t number) noexcept {
    return chunks_[number >> chunk_shift_].get() + (number & chunk_mask_) * stride_ + key_size_;
  }

 private:
  std::uint32_t find(const std::byte* key, std::uint64_t hashed) const;
  void grow();

  std::size_t key_size_;
  std::size_t stride_;
  std::uint32_t chunk_shift_ = 0;
  std::uint32_t chunk_mask_ = 0;
  std::uint32_t size_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  // Open addressing, linear probing from the hash's highest bits: the hash's high half above number + 1; 0 is empty.
  std::vector<std::uint64_t> index_;
  std::uint32_t index_shift_ = 0;
};

}  // namespace krohn
