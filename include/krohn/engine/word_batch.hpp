// Words that lie elsewhere, to be read where they are.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "krohn/automata/alphabet.hpp"

namespace krohn {

/// A view of many words: of a list of them, or of the rows of an array. What it views must outlive it, unchanged.
class WordBatch {
 public:
  WordBatch() = default;
  /// A vector, an array or a span of words.
  template <class Words>
  requires std::convertible_to<const Words&, std::span<const Word>> WordBatch(const Words& words)
      : WordBatch(std::span<const Word>(words).data(), std::span<const Word>(words).size()) {}
  /// `count` words from `words` on.
  WordBatch(const Word* words, std::size_t count) : words_(words), count_(count) {}
  /// `count` words of `length` symbols, one `stride` symbols behind the other.
  WordBatch(const Symbol* first, std::size_t count, std::size_t length, std::ptrdiff_t stride)
      : first_(first), count_(count), length_(length), stride_(stride) {}

  std::size_t size() const noexcept { return count_; }
  std::span<const Symbol> operator[](std::size_t index) const {
    if (words_ != nullptr) return words_[index];
    return {first_ + static_cast<std::ptrdiff_t>(index) * stride_, length_};
  }

 private:
  const Word* words_ = nullptr;
  const Symbol* first_ = nullptr;
  std::size_t count_ = 0;
  std::size_t length_ = 0;
  std::ptrdiff_t stride_ = 0;
};

}  // namespace krohn
