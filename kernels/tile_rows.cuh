// What the operations on a tile of rows share (learned_tile.cu says how a tile goes through a program): the program as
// a kernel's parameter, who a thread is, the rows and how their features are read and written.
//
// A feature's rows lie side by side, and features four numbers further apart than that: quads of rows of eight features
// in a row are then in different banks, whichever way a warp goes through them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda.cuh"
#include "krohn/kernels/learned_elements.hpp"

namespace krohn::tiles {

using Op = LearnedOperation;
namespace elements = learned_elements;
using Decay = Recurrence::Decay;

/// How the rows of a tile continue words: each by itself, two after two one word, or six of a family: a word's two
/// branches and the two of either, the only ones that leave states.
enum class Order { single, pairs, families };

/// The rows of a tile. Of families there are eight: first the branches' branches, four a family, then the branches.
template <Order order>
struct Layout {
  static constexpr bool families = order == Order::families;
  static constexpr std::uint32_t rows = families ? 48 : 32;
  static constexpr std::uint32_t pitch = rows + 4;
  /// Of families: where the branches begin.
  static constexpr std::uint32_t first_branch = 32;
  /// Threads of a multiprocessor, at most: fewer have more registers.
  static constexpr unsigned most_threads = families ? 384 : 512;
};
constexpr std::uint32_t most_rows = Layout<Order::families>::rows;
constexpr std::uint32_t most_warps = 16;
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
  std::uint32_t token[most_rows], source[most_rows], own[most_rows], one[most_rows];
};

/// Rows of a tile, as the operations see them; `rows` of them exist, of families six each, and no state of others is
/// written.
template <Order order>
struct Tile : LearnedRows {
  __device__ __forceinline__ std::uint32_t families() const { return rows / 6; }
};
template <Order order>
__device__ __forceinline__ Tile<order> tile(const TileArgs& args, const Rows& rows) {
  extern __shared__ float4 shared_quads[];
  const LearnedRows& x = args.x;
  std::uint32_t block;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(block));
  constexpr std::uint32_t all = Layout<order>::rows;
  Tile<order> t;
  t.features = reinterpret_cast<float*>(shared_quads);
  t.pitch = Layout<order>::pitch;
  t.rows = t.words = min(all, x.rows - block * all);
  t.longest = 1;
  t.weights = x.weights;
  t.token = rows.token;
  t.word = t.first_row = rows.own;
  t.length = rows.one;
  t.source = rows.source;
  t.state_in = x.state_in;
  constexpr std::uint32_t states = Layout<order>::families ? Layout<order>::first_branch : all;
  t.state_out = x.state_out == nullptr ? nullptr : x.state_out + block * states * x.state_size;
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

/// The rows of a feature that a thread takes where an operation works number by number, an eighth of all: four that lie
/// together, or a family, the branches' branches first.
template <Order order>
class Share {
 public:
  static constexpr int rows = static_cast<int>(Layout<order>::rows) / 8;
  using Values = Numbers<rows>;

  __device__ __forceinline__ Share(float* feature, std::uint32_t number)
      : quad_(feature + number * 4), pair_(feature + Layout<order>::first_branch + number * 2) {}
  /// Of the feature whose rows lie `by` numbers further on.
  __device__ __forceinline__ Values load(std::uint32_t by = 0) const {
    const Numbers<4> quad = load_rows<4>(quad_ + by);
    Values x;
#pragma unroll
    for (int r = 0; r < 4; ++r) x.v[r] = quad.v[r];
    if constexpr (rows == 6) {
      const Numbers<2> pair = load_rows<2>(pair_ + by);
      x.v[4] = pair.v[0], x.v[5] = pair.v[1];
    }
    return x;
  }
  __device__ __forceinline__ void store(const Values& x, std::uint32_t by = 0) const {
    store_rows<4>(quad_ + by, {{x.v[0], x.v[1], x.v[2], x.v[3]}});
    if constexpr (rows == 6) store_rows<2>(pair_ + by, {{x.v[4], x.v[5]}});
  }
  __device__ __forceinline__ void advance(std::uint32_t by) {
    quad_ += by;
    pair_ += by;
  }

 private:
  float* quad_;
  float* pair_;
};

/// For every i < count and every row, a row a lane.
template <Order order, class Element>
__device__ __forceinline__ void each_row(std::uint32_t count, const Place& at, const Element& element) {
  constexpr std::uint32_t rows = Layout<order>::rows;
  for (std::uint32_t n = at.warp * 32 + at.lane; n < count * rows; n += at.warps * 32) element(n / rows, n % rows);
}

}  // namespace krohn::tiles
