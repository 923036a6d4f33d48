// Prefix-tree walks on the CUDA device: every word below a frontier, one recurrence step a node. Every function throws
// DeviceError where there is no device, or a call to it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "krohn/kernels/dense_rows.hpp"
#include "krohn/kernels/flat_model.hpp"

namespace krohn {

/// A word out of order, as a number that orders as words do: length * 2^58 + the word as a base-`symbols` number.
inline constexpr std::uint32_t tree_word_bits = 58;
inline constexpr std::uint64_t tree_max_length = 63;
inline constexpr std::uint64_t tree_none = ~std::uint64_t{0};
/// The largest hidden size of DenseTree.
inline constexpr std::uint32_t dense_tree_max_size = 8;

/// The canonical hidden states: the machine that the model is believed to be.
struct CanonicalStates {
  std::uint32_t num_states = 0;
  std::uint32_t num_symbols = 0;
  /// [states * symbols]
  const std::uint32_t* next = nullptr;
  /// [states * symbols * size]: the hidden state after the edge; NaN where no hidden state is right.
  const float* hidden = nullptr;
};

/// Frontier nodes: words of one length with their hidden states.
struct TreeFrontier {
  std::uint64_t length = 0;
  std::size_t count = 0;
  const std::uint64_t* word = nullptr;
  /// [count * hidden size]
  const float* hidden = nullptr;
  /// The canonical state (DenseTree) or the automaton's state (FlatTree).
  const std::uint32_t* state = nullptr;
};

/// One dense layer; nodes are compared with the canonical hidden states, bit for bit but for signs of zeros.
class DenseTree {
 public:
  DenseTree(const DenseRowsView& rows, StateFormat format, const CanonicalStates& canonical,
            const TreeFrontier& frontier);
  ~DenseTree();
  DenseTree(const DenseTree&) = delete;
  DenseTree& operator=(const DenseTree&) = delete;

  /// Into how many equal steps a walk to `target` is divided; each visits count * (symbols + .. ) nodes.
  std::uint64_t steps(std::uint64_t target) const;
  /// Walks steps first .. last - 1 and returns the least word of length above `done` and at most `target` whose hidden
  /// state differs, or tree_none. Adds the kernel's time.
  std::uint64_t walk(std::uint64_t done, std::uint64_t target, std::uint64_t first, std::uint64_t last,
                     double& milliseconds);
  /// The form chosen, for reports.
  const std::string& form() const noexcept;

  struct Memory;

 private:
  std::unique_ptr<Memory> memory_;
};

/// Any model: every node is decoded and its label compared with the automaton's.
class FlatTree {
 public:
  /// `delta` is [states * symbols]; `expected` as LabelledAutomaton's: -2 for any label, -3 for none. `memory`: the
  /// most bytes for the stacks of hidden states, but for one block's; 0 for 4 GiB.
  FlatTree(const FlatModelView& model, std::size_t arena_words, std::span<const std::uint32_t> delta,
           std::span<const std::int32_t> expected, const TreeFrontier& frontier, const std::uint8_t* undefined,
           std::size_t memory);
  ~FlatTree();
  FlatTree(const FlatTree&) = delete;
  FlatTree& operator=(const FlatTree&) = delete;

  /// Walks the subtrees of frontier nodes first .. last - 1; returns the least word of length above `done` and at most
  /// `target` whose label differs or whose run is not finite, or tree_none.
  std::uint64_t walk(std::uint64_t done, std::uint64_t target, std::size_t first, std::size_t last,
                     double& milliseconds);

  struct Memory;

 private:
  std::unique_ptr<Memory> memory_;
};

}  // namespace krohn
