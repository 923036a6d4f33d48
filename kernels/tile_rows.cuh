// What the operations on a tile of rows share (learned_tile.cu says how a tile goes through a program): the program as
// a kernel's parameter, who a thread is, the rows and how their features are read and written.
//
// A feature's rows lie side by side, and features 36 numbers apart: quads of rows of eight features in a row are then
// in different banks, whichever way a warp goes through them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda.cuh"
#include "krohn/kernels/learned_elements.hpp"

namespace krohn::tiles {

using Op = LearnedOperation;
namespace elements = learned_elements;
using Decay = Recurrence::Decay;

constexpr std::uint32_t tile_rows = 32;
constexpr std::uint32_t tile_pitch = tile_rows + 4;
constexpr std::uint32_t most_threads = 512;
/// What a block declares beside its features: tokens, sources and the like.
constexpr std::size_t declared_bytes = 1024;

constexpr std::uint32_t most_operations = 128;
constexpr std::uint32_t most_recurrences = 16;

struct TileOperation {
  Op op;
  /// It reads or overwrites what operations since the last one that waited made, or read.
  bool waits = true;
  /// A product times the silu of another.
  bool gated = false;
  /// Of a product: where its weights begin among the packed ones, and how many strips came since the last wait.
  std::uint32_t packed = 0;
  std::uint32_t given = 0;
};

/// A kernel's parameter, so that operations are read as constants are.
struct TileArgs {
  LearnedRows x;
  LearnedBranches branches;
  std::uint32_t begin = 0;
  std::uint32_t num_operations = 0;
  /// Rows that a tile has work for: all of them, or whole families; and how many of them leave states.
  std::uint32_t rows_used = tile_rows;
  std::uint32_t states_left = tile_rows;
  const float* packed = nullptr;
  std::uint32_t num_features = 0;
  std::uint32_t logits = 0;
  std::uint32_t num_logits = 0;
  LearnedRecurrence recurrences[most_recurrences];
  TileOperation operations[most_operations];
};
static_assert(sizeof(TileArgs) < 32'000);

/// Who a thread is in its block.
struct Place {
  std::uint32_t warp, warps, lane;
};

/// Asked for anew by each operation: what lives through all of them would be kept in local memory.
__device__ __forceinline__ Place place() {
  std::uint32_t thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return {thread / 32, blockDim.x / 32, thread % 32};
}

/// What the rows of a block are.
struct alignas(16) Rows {
  std::uint32_t token[tile_rows], source[tile_rows], own[tile_rows], one[tile_rows];
};

/// How the rows of a tile continue words: each by itself, two after two one word, or six after six: a word's two
/// branches and the two of either, the only ones that leave states.
enum class Order { single, pairs, families };

/// Rows of a tile, as the operations see them; `rows` of them exist, and no state of others is written.
using Tile = LearnedRows;
__device__ __forceinline__ Tile tile(const TileArgs& args, const Rows& rows) {
  extern __shared__ float4 shared_quads[];
  const LearnedRows& x = args.x;
  std::uint32_t block;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(block));
  const std::uint32_t first = block * args.rows_used;
  Tile t;
  t.features = reinterpret_cast<float*>(shared_quads);
  t.pitch = tile_pitch;
  t.rows = t.words = min(args.rows_used, x.rows - first);
  t.longest = 1;
  t.weights = x.weights;
  t.token = rows.token;
  t.word = t.first_row = rows.own;
  t.length = rows.one;
  t.source = rows.source;
  t.state_in = x.state_in;
  t.state_out = x.state_out == nullptr ? nullptr : x.state_out + block * args.states_left * x.state_size;
  t.state_size = x.state_size;
  return t;
}

/// A number of a word's state, which is read once: it does not stay in the first level cache, where weights do.
__device__ __forceinline__ float state_number(const float* p) {
  float x;
  asm("ld.global.nc.L1::no_allocate.f32 %0, [%1];" : "=f"(x) : "l"(p));
  return x;
}

__device__ __forceinline__ void keep_number(float* p, float x) {
  asm volatile("st.global.L1::no_allocate.f32 [%0], %1;" ::"l"(p), "f"(x) : "memory");
}

template <int N>
struct Numbers {
  float v[N];
};
/// The same feature of neighbouring rows, the first a multiple of N.
template <int N>
__device__ __forceinline__ Numbers<N> load_rows(const float* p) {
  Numbers<N> x;
  if constexpr (N == 4) {
    const float4 q = *reinterpret_cast<const float4*>(p);
    x.v[0] = q.x, x.v[1] = q.y, x.v[2] = q.z, x.v[3] = q.w;
  } else if constexpr (N == 2) {
    const float2 q = *reinterpret_cast<const float2*>(p);
    x.v[0] = q.x, x.v[1] = q.y;
  } else {
    x.v[0] = *p;
  }
  return x;
}

template <int N>
__device__ __forceinline__ void store_rows(float* p, const Numbers<N>& x) {
  if constexpr (N == 4) {
    *reinterpret_cast<float4*>(p) = make_float4(x.v[0], x.v[1], x.v[2], x.v[3]);
  } else if constexpr (N == 2) {
    *reinterpret_cast<float2*>(p) = make_float2(x.v[0], x.v[1]);
  } else {
    *p = x.v[0];
  }
}

}  // namespace krohn::tiles
