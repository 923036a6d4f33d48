// The whole program of a learned model on branches of a prefix tree, in one launch.
#pragma once

#include <optional>

#include "cuda.cuh"
#include "krohn/kernels/learned_elements.hpp"

namespace krohn {

/// A program whose features of a tile of rows fit in a multiprocessor's shared memory.
class LearnedTiles {
 public:
  /// Nothing where they do not fit, or an operation has no form here.
  static std::optional<LearnedTiles> of(const LearnedProgramView& program);

  /// Branches of the states from `begin` on, on the default stream. Of x: rows, weights, states; of its features only
  /// the logits are written.
  void run(const LearnedRows& x, const LearnedBranches& branches, std::uint32_t begin) const;

  struct Operation {
    LearnedOperation op;
    /// It reads or overwrites what operations since the last one that waited made, or read.
    bool waits = true;
    /// Where the weights of a product begin among the packed ones.
    std::size_t packed = 0;
  };

 private:
  DeviceArray<Operation> operations_;
  DeviceArray<LearnedRecurrence> recurrences_;
  DeviceArray<float> packed_;
  std::uint32_t num_features_ = 0;
  std::uint32_t logits_ = 0;
  std::uint32_t num_logits_ = 0;
};

}  // namespace krohn
