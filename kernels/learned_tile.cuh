// The whole program of a learned model on branches of a prefix tree, in one launch.
#pragma once

#include <memory>
#include <optional>

#include "krohn/kernels/learned_elements.hpp"

namespace krohn {

/// A program whose features of a tile of rows fit in a multiprocessor's shared memory.
class LearnedTiles {
 public:
  /// Nothing where they do not fit, or an operation has no form here, or there are too many.
  static std::optional<LearnedTiles> of(const LearnedProgramView& program);
  ~LearnedTiles();
  LearnedTiles(LearnedTiles&&) noexcept;
  LearnedTiles& operator=(LearnedTiles&&) noexcept;

  /// Whether it has a form of branches of two levels.
  bool twice(std::uint32_t symbols) const;

  /// Branches of the states from `begin` on, on the default stream. Of x: rows, weights, states; its features are
  /// the logits.
  void run(const LearnedRows& x, const LearnedBranches& branches, std::uint32_t begin) const;

 private:
  struct Program;
  explicit LearnedTiles(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace krohn
