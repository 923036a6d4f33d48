// Transition tables that are walked a group of symbols at a time (krohn/kernels/symbol_groups.hpp): groups come out of
// a word of four symbols by one multiplication each, and a walk costs a look-up a group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "cuda.cuh"
#include "krohn/kernels/symbol_groups.hpp"

namespace krohn {

/// A transition table on a device. An entry is the offset of the next state's row, in entries. Tables of less than 2^16
/// entries that fit are walked in shared memory, in the largest groups that leave them there, others in device memory,
/// symbol by symbol.
class TransitionTable {
 public:
  TransitionTable() = default;
  /// `shared_bytes`: what the table may take of a block's shared memory.
  TransitionTable(const std::uint32_t* next, std::uint32_t states, std::uint32_t num_symbols,
                  std::size_t shared_bytes) {
    group_ = largest_group(num_symbols, [&](std::uint32_t row) { return fits(states, row, shared_bytes); });
    row_ = group_rows(group_, num_symbols);
    entries_ = states * row_;
    if (fits(states, row_, shared_bytes)) {
      const std::vector<std::uint16_t> values = grouped_table<std::uint16_t>(next, states, num_symbols, group_);
      narrow_ = DeviceArray<std::uint16_t>(std::span<const std::uint16_t>(values));
    } else {
      const std::vector<std::uint32_t> values = grouped_table<std::uint32_t>(next, states, num_symbols, group_);
      wide_ = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(values));
    }
  }

  /// Calls body with a walk of this table: a TableWalk<Entry, G>.
  template <class Body>
  void visit(const Body& body) const;

  /// Of shared memory, a multiple of 16.
  std::size_t shared_bytes() const noexcept { return narrow_.size() == 0 ? 0 : (2 * narrow_.size() + 15) / 16 * 16; }

 private:
  static bool fits(std::uint32_t states, std::uint32_t row, std::size_t shared_bytes) {
    const std::uint64_t entries = std::uint64_t{states} * row;
    return entries <= std::numeric_limits<std::uint16_t>::max() && 2 * entries <= shared_bytes;
  }

  int group_ = 1;
  std::uint32_t row_ = 0;
  std::uint32_t entries_ = 0;
  DeviceArray<std::uint16_t> narrow_;
  DeviceArray<std::uint32_t> wide_;
};

/// A walk of a TransitionTable by one thread. With 16-bit entries the table is in the block's shared memory, whose
/// first bytes are given to load().
template <class Entry, int G>
struct TableWalk {
  static constexpr bool backward = false;
  static constexpr bool folds = false;
  static constexpr bool in_shared = sizeof(Entry) == 2;
  using Place = std::uint32_t;
  using End = std::uint32_t;

  const Entry* global;
  std::uint32_t entries;
  std::uint32_t row;

  struct Loaded {
    const Entry* rows;
  };

  /// By all threads of the block.
  __device__ __forceinline__ Loaded load(void* shared) const {
    if constexpr (in_shared) {
      Entry* to = static_cast<Entry*>(shared);
      for (std::uint32_t i = threadIdx.x; i < entries; i += blockDim.x) to[i] = global[i];
      __syncthreads();
      return {to};
    } else {
      return {global};
    }
  }
  __device__ __forceinline__ Place start(std::uint32_t state) const { return state * row; }
  __device__ __forceinline__ End end(Place at) const { return at / row; }
  /// Four symbols, the first in the lowest byte.
  __device__ __forceinline__ void four(const Loaded& table, std::uint32_t word, Place& at) const {
#pragma unroll
    for (int i = 0; i < 4 / G; ++i) {
      at = table.rows[at + __byte_perm(grouped<G>(word, i), 0U, 0x4440U + group_byte<G>(i))];
    }
  }
  __device__ __forceinline__ void one(const Loaded& table, std::uint32_t symbol, Place& at) const {
    at = table.rows[at + first_symbol_row(G) + symbol];
  }
};

template <class Body>
void TransitionTable::visit(const Body& body) const {
  if (narrow_.size() == 0) {
    body(TableWalk<std::uint32_t, 1>{wide_.data(), entries_, row_});
  } else if (group_ == 4) {
    body(TableWalk<std::uint16_t, 4>{narrow_.data(), entries_, row_});
  } else if (group_ == 2) {
    body(TableWalk<std::uint16_t, 2>{narrow_.data(), entries_, row_});
  } else {
    body(TableWalk<std::uint16_t, 1>{narrow_.data(), entries_, row_});
  }
}

static __global__ void random_symbols_kernel(std::uint32_t* out, std::size_t count, std::uint32_t symbols,
                                             std::uint64_t seed) {
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count;
       i += static_cast<std::size_t>(gridDim.x) * blockDim.x) {
    std::uint32_t packed = 0;
    for (std::uint32_t k = 0; k < 4; ++k) {
      packed |= static_cast<std::uint32_t>(mixed(seed + 4 * i + k) % symbols) << (8 * k);
    }
    out[i] = packed;
  }
}

/// Four random symbols a number, for measurements.
inline void fill_random_symbols(std::uint32_t* out, std::size_t count, std::uint32_t symbols, std::uint64_t seed) {
  random_symbols_kernel<<<4096, 256>>>(out, count, symbols, seed);
  check_launch("random_symbols_kernel");
  KROHN_CUDA_CHECK(cudaDeviceSynchronize());
}

}  // namespace krohn
