// Many words at once, compared with the language at every position.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

struct LabelledWords {
  /// The first word, in the order given, that has a wrong label behind some symbol, and the length of its shortest such
  /// prefix. The empty prefix is not looked at.
  struct Wrong {
    std::size_t word = 0;
    std::size_t length = 0;
  };
  std::optional<Wrong> wrong;
  /// The words that were tried and are right: those before a wrong one, or before the budget's end.
  std::size_t right = 0;
  /// What ran, as Trace::device.
  std::string device;
};

/// Whether a run that is not finite ends the comparison, with its NumericError, or is passed over.
enum class NotFinite { raise, pass_over };

/// Runs all words together; where the run of one is not finite, one after the other, because a word before it, or its
/// own beginning, may be wrong.
LabelledWords label_and_compare(const Machine& machine, const Specification& specification, std::span<const Word> words,
                                Device device, const Budget& budget, NotFinite not_finite);

/// A batch's size that grows while batches are quick, so that a wrong model is found early, a right one soon fills a
/// device, and limits of time are kept.
class GrowingBatch {
 public:
  GrowingBatch(std::size_t first, std::size_t most) : size_(first < most ? first : most), most_(most) {}
  std::size_t size() const noexcept { return size_; }
  /// Tells how long a batch of this size took.
  void took(std::chrono::duration<double> time) noexcept {
    if (time < std::chrono::milliseconds(100)) size_ = size_ < most_ / 8 ? 8 * size_ : most_;
  }

 private:
  std::size_t size_;
  std::size_t most_;
};

}  // namespace krohn
