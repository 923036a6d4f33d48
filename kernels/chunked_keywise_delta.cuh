// The delta rule after a decay of every key (Kimi Delta Attention) in chunks of 16 tokens, by two kernels.
//
// With b_i the log decays summed up to token i of a chunk (a vector over the keys), S the state before it and * entry
// by entry over the keys:
//     (1 + A) U = diag(beta) (V - R S),   R_i = e^{b_i} * k_i,   A_ij = beta_i sum e^{b_i - b_j} * k_i * k_j  (j < i)
//     O = Q S + P U,                      Q_i = e^{b_i} * q_i,   P_ij = sum e^{b_i - b_j} * q_i * k_j         (j <= i)
//     S = diag(e^{b_16}) S + W^T U,       W_j = e^{b_16 - b_j} * k_j
//
// With what is erased apart from what is written (`apart`, RWKV-7), where r_i and w_i read and write to erase:
//     (1 + A) U = -(R S + B V),           R_i = e^{b_{i-1}} * r_i,
//                                         A_ij = sum e^{b_{i-1} - b_j} * r_i * w_j,  B with k_j for w_j       (j < i)
//     O = Q S + P U + P' V,               P_ij = sum e^{b_i - b_j} * q_i * w_j,  P' with k_j                  (j <= i)
//     S = diag(e^{b_16}) S + W^T U + K^T V,      W_j = e^{b_16 - b_j} * w_j,  K with k_j
//
// *Prepare*: one warp a chunk, all chunks of all sequences at once, makes R, Q, W, P, T = (1 + A)^-1 diag(beta) and
// e^{b_16}. *Advance*: one block a sequence and slice of value columns walks through the chunks; a warp owns 16 value
// columns of S^T as sums in registers and needs nothing from its neighbours. What lies between the two is written in
// the order in which a lane needs it (16 bytes a lane, 512 a fragment), so that advancing warps load operands as they
// are. A separate warp copies chunks ahead into a ring in shared memory.
//
// e^{b_i - b_j} is a product of e^{b_i - m} and e^{m - b_j} with m = b_8, the middle of the chunk: neither overflows
// while eight tokens decay by less than 2^100. Chunks that decay by more have their pairs summed one by one. Both
// factors go into the products as tf32 numbers (11 bits); of fp32 inputs as two bf16 planes (16 bits).
//
// The keys of a sequence are permuted so that a lane's keys of two steps of a product are eight consecutive ones
// (key_of): rows are read and written in pieces of 16 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "cuda.cuh"
#include "krohn/kernels/chunked.hpp"
#include "tensor_core.cuh"

namespace krohn::keywise_delta {

using namespace tensor_core;

inline constexpr int chunk_tokens = 16;
inline constexpr int preparing_warps = 4;
inline constexpr int most_columns = 128;  // value columns a block

/// What a launch reads: a slab of tokens of every sequence (batch, head).
struct Arguments {
  ChunkedArrays arrays;
  std::size_t length = 0;       // tokens of a sequence
  std::size_t first_token = 0;  // of the slab
  std::size_t tokens = 0;       // of the slab
  int chunks = 0;               // of the slab
  int batch = 1;
  int heads = 1;
  int key_heads = 1;
  int key_size = 0;
  int value_size = 0;
  float scale = 1.0F;
  /// [sequences, chunks, Image::bytes]
  unsigned char* prepared = nullptr;
  int segments = 1;
  int segment_chunks = 0;
  int warps = 1;  // that advance, a block; 16 value columns each
  int value_tiles = 1;
  bool output = true;
  /// initial_state and final_state are [sequences, segments, key_size, value_size].
  bool initial_by_segment = false;
  bool final_by_segment = false;
  /// Tiles from value_tiles on run the recurrence without values from unit states: [sequences, segments, key_size,
  /// key_size].
  float* transfer = nullptr;
};

/// What is prepared of one chunk: fragments of 32 lanes by 16 bytes, then e^{b_16} by key.
template <int K, class Input, bool apart>
struct Image {
  static constexpr int planes = std::is_same_v<Input, float> ? 2 : 1;
  static constexpr int steps = K / 16;  // of a product over the keys
  static constexpr std::uint32_t fragment_bytes = 512 * planes;
  static constexpr std::uint32_t read_at = 0;
  static constexpr std::uint32_t query_at = steps * fragment_bytes;
  static constexpr std::uint32_t write_at = 2 * steps * fragment_bytes;
  static constexpr std::uint32_t key_at = 3 * steps * fragment_bytes;
  static constexpr std::uint32_t inverse_at = (apart ? 4 : 3) * steps * fragment_bytes;
  static constexpr std::uint32_t score_at = inverse_at + fragment_bytes;
  static constexpr std::uint32_t value_system_at = score_at + fragment_bytes;
  static constexpr std::uint32_t value_score_at = value_system_at + fragment_bytes;
  static constexpr std::uint32_t decay_at = inverse_at + (apart ? 4 : 2) * fragment_bytes;
  static constexpr std::uint32_t bytes = decay_at + K * 4;
};

/// The first of the four consecutive keys that lanes 4 i + `quarter` have in step `step` of a product over the keys:
/// the operands' columns 2 quarter, + 1, + 8, + 9.
__device__ __forceinline__ int key_of(int step, int quarter) {
  return 8 * (quarter + 4 * (step >> 1)) + 4 * (step & 1);
}

// ---- prepare --------------------------------------------------------------------------------------------------------

/// The transpose of an 8 x 8 tile.
__device__ __forceinline__ std::uint32_t transposed(std::uint32_t tile) {
  std::uint32_t out;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(out) : "r"(tile));
  return out;
}

/// Eight consecutive numbers of a row.
template <class Input>
struct Piece {
  float4 x[2];
  __device__ __forceinline__ void load(const float* from, bool there) {
    x[0] = x[1] = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    if (there) {
      x[0] = __ldg(reinterpret_cast<const float4*>(from));
      x[1] = __ldg(reinterpret_cast<const float4*>(from) + 1);
    }
  }
  /// Numbers 4 half .. + 3.
  __device__ __forceinline__ float4 four(int half) const { return x[half]; }
};
template <>
struct Piece<__nv_bfloat16> {
  uint4 x;
  __device__ __forceinline__ void load(const __nv_bfloat16* from, bool there) {
    x = make_uint4(0U, 0U, 0U, 0U);
    if (there) x = __ldg(reinterpret_cast<const uint4*>(from));
  }
  __device__ __forceinline__ float4 four(int half) const {
    const std::uint32_t a = half == 0 ? x.x : x.z;
    const std::uint32_t b = half == 0 ? x.y : x.w;
    return make_float4(low_half(a), high_half(a), low_half(b), high_half(b));
  }
};

/// A left operand as the right operand whose column n is its row n.
template <int planes>
__device__ __forceinline__ Operand<planes> as_right(const Operand<planes>& o) {
  Operand<planes> to;
#pragma unroll
  for (int p = 0; p < planes; ++p) {
    to.r[p][0] = o.r[p][0];
    to.r[p][1] = o.r[p][2];
    to.r[p][2] = o.r[p][1];
    to.r[p][3] = o.r[p][3];
  }
  return to;
}
/// A left operand as the right operand whose rows are its rows.
template <int planes>
__device__ __forceinline__ Operand<planes> as_right_transposed(const Operand<planes>& o) {
  Operand<planes> to;
#pragma unroll
  for (int p = 0; p < planes; ++p) {
#pragma unroll
    for (int i = 0; i < 4; ++i) to.r[p][i] = transposed(o.r[p][i]);
  }
  return to;
}

template <int planes>
__device__ __forceinline__ void store_fragment(unsigned char* to, const Operand<planes>& o) {
#pragma unroll
  for (int p = 0; p < planes; ++p) {
    reinterpret_cast<uint4*>(to + p * 512)[threadIdx.x & 31U] = make_uint4(o.r[p][0], o.r[p][1], o.r[p][2], o.r[p][3]);
  }
}

/// Rows 0 to 15 of a chunk: two of a lane, row = lane / 4 and + 8; four keys of each.
struct Rows {
  float x[2][4];
};
template <int planes>
__device__ __forceinline__ Operand<planes> operand(const Rows& a, const Rows& factor) {
  Operand<planes> o;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int r = i & 1;
    const int e = (i >> 1) * 2;
    set(o, i, a.x[r][e] * factor.x[r][e], a.x[r][e + 1] * factor.x[r][e + 1]);
  }
  return o;
}

/// scores += left right^T, rows by rows, of bf16 inputs: tf32 numbers (11 bits, in fp32's range).
__device__ __forceinline__ std::uint32_t rounded_to_tf32(float x) {
  std::uint32_t y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
}
struct FineRows {
  std::uint32_t x[2][4];
};
__device__ __forceinline__ FineRows fine(const Rows& a, const Rows& factor) {
  FineRows out;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
#pragma unroll
    for (int e = 0; e < 4; ++e) out.x[r][e] = rounded_to_tf32(a.x[r][e] * factor.x[r][e]);
  }
  return out;
}
__device__ __forceinline__ void add_products(float (&sums)[2][4], const FineRows& left, const FineRows& right) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
#pragma unroll
    for (int e = 0; e < 4; e += 2) {
      asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
          : "+f"(sums[h][0]), "+f"(sums[h][1]), "+f"(sums[h][2]), "+f"(sums[h][3])
          : "r"(left.x[0][e]), "r"(left.x[1][e]), "r"(left.x[0][e + 1]), "r"(left.x[1][e + 1]), "r"(right.x[h][e]),
            "r"(right.x[h][e + 1]));
    }
  }
}

/// Sums of the rows up to and with each row: the product with a triangle of ones, exact but for fp32 sums, since three
/// bf16 numbers hold an fp32 number.
template <class Input>
__device__ __forceinline__ Rows running_sums(const Rows& g) {
  const int row = static_cast<int>(threadIdx.x & 31U) >> 2;
  const int column = 2 * static_cast<int>(threadIdx.x & 3U);
  const std::uint32_t diagonal = (column <= row ? 0x3F80U : 0U) | (column + 1 <= row ? 0x3F800000U : 0U);
  const std::uint32_t ones[4] = {diagonal, 0x3F803F80U, 0U, diagonal};
  float sums[2][4] = {};
  constexpr int parts = std::is_same_v<Input, float> ? 3 : 1;
  float rest[2][4];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
#pragma unroll
    for (int e = 0; e < 4; ++e) rest[r][e] = g.x[r][e];
  }
#pragma unroll
  for (int part = 0; part < parts; ++part) {
    std::uint32_t b[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int r = i & 1;
      const int e = (i >> 1) * 2;
      const std::uint32_t pair = pack(rest[r][e], rest[r][e + 1]);
      if (part + 1 < parts) {
        rest[r][e] -= low_half(pair);
        rest[r][e + 1] -= high_half(pair);
      }
      b[i] = transposed(pair);
    }
    multiply_add(sums[0], ones, b[0], b[1]);
    multiply_add(sums[1], ones, b[2], b[3]);
  }
  Rows out;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
#pragma unroll
    for (int e = 0; e < 4; ++e) out.x[r][e] = sums[e >> 1][2 * r + (e & 1)];
  }
  return out;
}

__device__ __forceinline__ float number(float x) { return x; }
__device__ __forceinline__ float number(__nv_bfloat16 x) { return __bfloat162float(x); }

/// One warp's memory: two matrices of 16 x 16 and b by token and key.
template <int K>
struct Scratch {
  float first[chunk_tokens * chunk_tokens];
  float second[chunk_tokens * chunk_tokens];
  float sums[chunk_tokens][K + 4];
};

/// sum e^{b_i - b_j} x_i z_j to scratch.first (`before`: e^{b_{i-1} - b_j}) and sum e^{b_i - b_j} y_i z_j to
/// scratch.second for j <= i, pair by pair. Rare, and a function of its own so that nothing of its caller goes to
/// memory for its sake.
template <int K, bool before, class Input>
__device__ __noinline__ void sum_pairs(Scratch<K>& scratch, const Input* x, const Input* y, const Input* z,
                                       const Input* decay, std::size_t key_stride, std::size_t decay_stride, int rows,
                                       int key_size) {
  constexpr float log2_e = 1.4426950408889634F;
  const int lane = static_cast<int>(threadIdx.x & 31U);
  for (int k = lane; k < key_size; k += 32) {
    float sum = 0.0F;
    for (int i = 0; i < rows; ++i) {
      sum += number(decay[i * decay_stride + k]);
      scratch.sums[i][k] = sum;
    }
  }
  __syncwarp();
  for (int pair = lane; pair < chunk_tokens * (chunk_tokens + 1) / 2; pair += 32) {
    int i = 0;
    while ((i + 1) * (i + 2) / 2 <= pair) ++i;
    const int j = pair - i * (i + 1) / 2;
    float first = 0.0F;
    float second = 0.0F;
    for (int k = 0; k < key_size && i < rows; ++k) {
      const float from = scratch.sums[j][k];
      const float other = number(z[j * key_stride + k]);
      const float power = power_of_two((scratch.sums[i][k] - from) * log2_e);
      float earlier = power;
      if constexpr (before) earlier = j < i ? power_of_two((scratch.sums[i - 1][k] - from) * log2_e) : 0.0F;
      first = fmaf(earlier * other, number(x[i * key_stride + k]), first);
      second = fmaf(power * other, number(y[i * key_stride + k]), second);
    }
    scratch.first[i * chunk_tokens + j] = first;
    scratch.second[i * chunk_tokens + j] = second;
  }
  __syncwarp();
}

/// The sums of a chunk's pairs of tokens: of reads (first) and of queries (second) with one kind of keys.
struct Pairs {
  float first[2][4] = {};
  float second[2][4] = {};

  /// Entries of the matrix in scratch: those of sums of 16 rows and 16 columns.
  static __device__ __forceinline__ void load(float (&to)[2][4], const float* matrix) {
    const int row = static_cast<int>(threadIdx.x & 31U) >> 2;
    const int quarter = static_cast<int>(threadIdx.x & 3U);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float2 pair =
            *reinterpret_cast<const float2*>(matrix + (row + 8 * r) * chunk_tokens + 8 * h + 2 * quarter);
        to[h][2 * r] = pair.x;
        to[h][2 * r + 1] = pair.y;
      }
    }
  }
  /// Zeros where the column is above the row (first: not below it).
  __device__ __forceinline__ void mask() {
    const int row = static_cast<int>(threadIdx.x & 31U) >> 2;
    const int quarter = static_cast<int>(threadIdx.x & 3U);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int i = row + (e >> 1) * 8;
        const int j = 8 * h + 2 * quarter + (e & 1);
        if (j >= i) first[h][e] = 0.0F;
        if (j > i) second[h][e] = 0.0F;
      }
    }
  }
};

template <int K, class Input, bool apart>
__global__ void __launch_bounds__(32 * preparing_warps, apart || std::is_same_v<Input, float> ? 2 : 3)
    prepare(const __grid_constant__ Arguments a) {
  using I = Image<K, Input, apart>;
  constexpr int planes = I::planes;
  constexpr float log2_e = 1.4426950408889634F;
  __shared__ Scratch<K> all[preparing_warps];
  const int warp = static_cast<int>(threadIdx.x >> 5U);
  const int lane = static_cast<int>(threadIdx.x & 31U);
  const int row = lane >> 2;
  const int quarter = lane & 3;
  const int sequences = a.batch * a.heads;
  const int sequence = static_cast<int>(blockIdx.x) % sequences;
  const int chunk = static_cast<int>(blockIdx.x) / sequences * preparing_warps + warp;
  if (chunk >= a.chunks) return;
  Scratch<K>& scratch = all[warp];
  const int head = sequence % a.heads;
  const int key_head = head / (a.heads / a.key_heads);
  const std::size_t within = static_cast<std::size_t>(chunk) * chunk_tokens;
  const int rows = static_cast<int>(min(a.tokens - within, static_cast<std::size_t>(chunk_tokens)));
  const std::size_t token = static_cast<std::size_t>(sequence / a.heads) * a.length + a.first_token + within;
  const std::size_t key_stride = static_cast<std::size_t>(a.key_heads) * a.key_size;
  const std::size_t decay_stride = static_cast<std::size_t>(a.heads) * a.key_size;
  const std::size_t key_start = token * key_stride + static_cast<std::size_t>(key_head) * a.key_size;
  const Input* const query = static_cast<const Input*>(a.arrays.query) + key_start;
  const Input* const key = static_cast<const Input*>(a.arrays.key) + key_start;
  const Input* const read = apart ? static_cast<const Input*>(a.arrays.read) + key_start : key;
  const Input* const write = apart ? static_cast<const Input*>(a.arrays.write) + key_start : key;
  const Input* const decay =
      static_cast<const Input*>(a.arrays.decay) + token * decay_stride + static_cast<std::size_t>(head) * a.key_size;
  unsigned char* const image = a.prepared + (static_cast<std::size_t>(sequence) * a.chunks + chunk) * I::bytes;

  Piece<Input> raw[apart ? 5 : 3][K / 32][2];
#pragma unroll
  for (int p = 0; p < K / 32; ++p) {
    const int column = 8 * (quarter + 4 * p);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int i = row + 8 * r;
      const bool there = i < rows && column < a.key_size;
      raw[0][p][r].load(query + i * key_stride + column, there);
      raw[1][p][r].load(key + i * key_stride + column, there);
      raw[2][p][r].load(decay + i * decay_stride + column, there);
      if constexpr (apart) {
        raw[3][p][r].load(read + i * key_stride + column, there);
        raw[4][p][r].load(write + i * key_stride + column, there);
      }
    }
  }
  const float* const betas = a.arrays.beta + token * a.heads + head;
  const auto beta = [&](int i) {
    if constexpr (apart) return 1.0F;
    return i < rows ? __ldg(betas + static_cast<std::size_t>(i) * a.heads) : 0.0F;
  };
  const float row_beta[2] = {beta(row), beta(row + 8)};
  const float column_beta = beta(lane & 15);

  Pairs pairs;   // with the keys of what is erased
  Pairs values;  // apart: with the keys of what is written
  bool strong = false;
#pragma unroll
  for (int step = 0; step < I::steps; ++step) {
    const auto rows_of = [&](int which) {
      Rows out;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        *reinterpret_cast<float4*>(out.x[r]) = raw[which][step >> 1][r].four(step & 1);
      }
      return out;
    };
    Rows q = rows_of(0);
    const Rows k = rows_of(1);
    const Rows g = rows_of(2);
    const Rows x = apart ? rows_of(apart ? 3 : 1) : k;  // that reads
    const Rows w = apart ? rows_of(apart ? 4 : 1) : k;  // that erases
#pragma unroll
    for (int r = 0; r < 2; ++r) {
#pragma unroll
      for (int e = 0; e < 4; ++e) q.x[r][e] *= a.scale;
    }
    const Rows b = running_sums<Input>(g);
    Rows from_middle;
    Rows to_middle;
    Rows from_start;
    Rows to_end;
    Rows read_from_middle;
    Rows read_from_start;
    float4 all_of_it;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float middle = __shfl_sync(0xFFFFFFFFU, b.x[0][e], 28 + quarter) * log2_e;
      const float end = __shfl_sync(0xFFFFFFFFU, b.x[1][e], 28 + quarter) * log2_e;
      strong = strong || middle < -100.0F || end - middle < -100.0F;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float sum = b.x[r][e] * log2_e;
        from_middle.x[r][e] = power_of_two(sum - middle);
        to_middle.x[r][e] = power_of_two(middle - sum);
        from_start.x[r][e] = power_of_two(sum);
        to_end.x[r][e] = power_of_two(end - sum);
        if constexpr (apart) {
          const float before = (b.x[r][e] - g.x[r][e]) * log2_e;
          read_from_middle.x[r][e] = power_of_two(before - middle);
          read_from_start.x[r][e] = power_of_two(before);
        } else {
          read_from_middle.x[r][e] = from_middle.x[r][e];
          read_from_start.x[r][e] = from_start.x[r][e];
        }
      }
      (&all_of_it.x)[e] = power_of_two(end);
    }
    if constexpr (planes == 2) {
      const Operand<2> queries = operand<2>(q, from_middle);
      const Operand<2> reads = operand<2>(x, read_from_middle);
      const Operand<2> erased = as_right(operand<2>(w, to_middle));
      multiply_add<2>(pairs.first[0], pairs.first[1], reads, erased);
      multiply_add<2>(pairs.second[0], pairs.second[1], queries, erased);
      if constexpr (apart) {
        const Operand<2> written = as_right(operand<2>(k, to_middle));
        multiply_add<2>(values.first[0], values.first[1], reads, written);
        multiply_add<2>(values.second[0], values.second[1], queries, written);
      }
    } else {
      const FineRows queries = fine(q, from_middle);
      const FineRows reads = fine(x, read_from_middle);
      const FineRows erased = fine(w, to_middle);
      add_products(pairs.first, reads, erased);
      add_products(pairs.second, queries, erased);
      if constexpr (apart) {
        const FineRows written = fine(k, to_middle);
        add_products(values.first, reads, written);
        add_products(values.second, queries, written);
      }
    }
    store_fragment(image + I::read_at + step * I::fragment_bytes, as_right(operand<planes>(x, read_from_start)));
    store_fragment(image + I::query_at + step * I::fragment_bytes, as_right(operand<planes>(q, from_start)));
    store_fragment(image + I::write_at + step * I::fragment_bytes, as_right_transposed(operand<planes>(w, to_end)));
    if constexpr (apart) {
      store_fragment(image + I::key_at + step * I::fragment_bytes, as_right_transposed(operand<planes>(k, to_end)));
    }
    if (row == 0) *reinterpret_cast<float4*>(image + I::decay_at + key_of(step, quarter) * 4) = all_of_it;
  }

  if (__any_sync(0xFFFFFFFFU, strong)) {
    const auto sum = [&](Pairs& to, const Input* keys) {
      sum_pairs<K, apart>(scratch, read, query, keys, decay, key_stride, decay_stride, rows, a.key_size);
      Pairs::load(to.first, scratch.first);
      Pairs::load(to.second, scratch.second);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int e = 0; e < 4; ++e) to.second[h][e] *= a.scale;
      }
      __syncwarp();
    };
    sum(pairs, write);
    if constexpr (apart) sum(values, key);
  }
  pairs.mask();
  store_fragment(image + I::score_at, as_right(left_operand<planes>(pairs.second[0], pairs.second[1])));
  if constexpr (apart) {
    values.mask();
    store_fragment(image + I::value_system_at, as_right(left_operand<planes>(values.first[0], values.first[1])));
    store_fragment(image + I::value_score_at, as_right(left_operand<planes>(values.second[0], values.second[1])));
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      scratch.first[(row + (e >> 1) * 8) * chunk_tokens + 8 * h + 2 * quarter + (e & 1)] =
          pairs.first[h][e] * row_beta[e >> 1];
    }
  }
  __syncwarp();
  // Column `lane` % 16 of (1 + A)^-1 by substitution; both halves of the warp alike.
  const int column = lane & 15;
  float x[chunk_tokens];
#pragma unroll
  for (int i = 0; i < chunk_tokens; ++i) {
    float sum[2] = {0.0F, 0.0F};
    float entries[chunk_tokens];
#pragma unroll
    for (int q = 0; q < (i + 3) / 4; ++q) {
      *reinterpret_cast<float4*>(entries + 4 * q) =
          *reinterpret_cast<const float4*>(scratch.first + i * chunk_tokens + 4 * q);
    }
#pragma unroll
    for (int j = 0; j < i; ++j) sum[(i - j) & 1] = fmaf(entries[j], x[j], sum[(i - j) & 1]);
    x[i] = (i == column ? 1.0F : 0.0F) - (sum[0] + sum[1]);
  }
  if (lane < 16) {
#pragma unroll
    for (int i = 0; i < chunk_tokens; ++i) scratch.second[i * chunk_tokens + column] = x[i] * column_beta;
  }
  __syncwarp();
  Pairs::load(pairs.first, scratch.second);
  store_fragment(image + I::inverse_at, as_right(left_operand<planes>(pairs.first[0], pairs.first[1])));
}

// ---- advance --------------------------------------------------------------------------------------------------------

/// Copies `bytes` (a multiple of 16); the barrier's phase ends when they are there. By all lanes of a warp: by one
/// instruction of the copy engine where there is one, else 16 bytes at a time.
#if __CUDA_ARCH__ >= 900
inline constexpr int copying_lanes = 1;
__device__ __forceinline__ void copy_and_arrive(std::uint32_t to, const unsigned char* from, std::uint32_t bytes,
                                                std::uint32_t barrier) {
  if ((threadIdx.x & 31U) != 0) return;
  asm volatile("{\n .reg .b64 state;\n mbarrier.arrive.expect_tx.shared.b64 state, [%0], %1;\n}" ::"r"(barrier),
               "r"(bytes)
               : "memory");
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
               "l"(from), "r"(bytes), "r"(barrier)
               : "memory");
}
#else
inline constexpr int copying_lanes = 32;
__device__ __forceinline__ void copy_and_arrive(std::uint32_t to, const unsigned char* from, std::uint32_t bytes,
                                                std::uint32_t barrier) {
  for (std::uint32_t i = (threadIdx.x & 31U) * 16; i < bytes; i += 512) copy_async(to + i, from + i, true);
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
}
#endif

/// A block's shared memory: images of the chunks to come, then for every 16 value columns their values of the chunks to
/// come and (bf16) their outputs on the way to memory, then barriers.
template <int K, class Input, bool apart>
struct Ring {
  using I = Image<K, Input, apart>;
  static constexpr bool single = std::is_same_v<Input, float>;
  static constexpr int slots = single ? 4 : 6;
  static constexpr int value_slots = 4;
  using Values = Tile<chunk_tokens, 16, 1>;
  /// fp32: rows so that four rows of eight columns lie in different banks.
  static constexpr std::uint32_t value_pitch = 80;
  static constexpr std::uint32_t value_bytes = single ? chunk_tokens * value_pitch : Values::bytes;
  static constexpr std::uint32_t values_at = slots * I::bytes;
  static constexpr std::uint32_t column_bytes = value_slots * value_bytes + (single ? 0 : Values::bytes);

  /// Full and empty of each slot.
  static __host__ __device__ constexpr std::uint32_t barriers_at(int columns) {
    return values_at + static_cast<std::uint32_t>(columns / 16) * column_bytes;
  }
  static __host__ __device__ constexpr std::uint32_t bytes(int columns) { return barriers_at(columns) + 2 * slots * 8; }
};

template <int planes>
__device__ __forceinline__ Operand<planes> load_fragment(std::uint32_t at) {
  Operand<planes> o;
#pragma unroll
  for (int p = 0; p < planes; ++p) {
    asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(o.r[p][0]), "=r"(o.r[p][1]), "=r"(o.r[p][2]), "=r"(o.r[p][3])
                 : "r"(at + p * 512 + (threadIdx.x & 31U) * 16));
  }
  return o;
}

/// Copies image after image into the ring; one warp.
template <int K, class Input, bool apart>
__device__ __forceinline__ void copy_images(const Arguments& a, std::uint32_t base, std::uint32_t barriers,
                                            int first_chunk, int chunks) {
  using I = Image<K, Input, apart>;
  using R = Ring<K, Input, apart>;
  const int sequence = static_cast<int>(blockIdx.x) / a.segments;
  const unsigned char* image = a.prepared + (static_cast<std::size_t>(sequence) * a.chunks + first_chunk) * I::bytes;
  for (int c = 0; c < chunks; ++c, image += I::bytes) {
    const int slot = c % R::slots;
    if (c >= R::slots) barrier_wait(barriers + (R::slots + slot) * 8, (c / R::slots - 1) & 1);
    copy_and_arrive(base + slot * I::bytes, image, I::bytes, barriers + slot * 8);
  }
  wait_for_copies();
}

/// 16 value columns of a sequence (`unit`: of its transfer matrix); one warp.
template <int K, class Input, bool apart>
struct Columns {
  using I = Image<K, Input, apart>;
  using R = Ring<K, Input, apart>;
  static constexpr int planes = I::planes;

  const Arguments& a;
  std::uint32_t base;
  std::uint32_t barriers;
  int first_column;  // of the block
  int warp;
  int first_chunk;
  int chunks;
  bool unit;
  /// S^T: row lane / 4 (+ 8) is a value column; tiles 2 s and 2 s + 1 the keys key_of(s, lane % 4) + 0, 1 and + 2, 3.
  float state[K / 8][4];

  __device__ __forceinline__ int lane() const { return static_cast<int>(threadIdx.x & 31U); }
  __device__ __forceinline__ int column() const { return first_column + 16 * warp; }

  /// f(entry of the state, key, value column) for all that exist.
  template <class F>
  __device__ __forceinline__ void each(F f) {
    const int all = unit ? a.key_size : a.value_size;
#pragma unroll
    for (int t = 0; t < K / 8; ++t) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int key = key_of(t >> 1, lane() & 3) + 2 * (t & 1) + (e & 1);
        const int value = column() + (lane() >> 2) + (e >> 1) * 8;
        if (key < a.key_size && value < all) f(state[t][e], key, value);
      }
    }
  }

  __device__ __forceinline__ void start() {
    const int sequence = static_cast<int>(blockIdx.x) / a.segments;
    const int segment = static_cast<int>(blockIdx.x) % a.segments;
#pragma unroll
    for (int t = 0; t < K / 8; ++t) {
#pragma unroll
      for (int e = 0; e < 4; ++e) state[t][e] = 0.0F;
    }
    if (unit) return each([](float& x, int key, int value) { x = key == value ? 1.0F : 0.0F; });
    if (a.arrays.initial_state == nullptr || (segment != 0 && !a.initial_by_segment)) return;
    const std::size_t index = a.initial_by_segment ? blockIdx.x : static_cast<std::size_t>(sequence);
    const float* from = a.arrays.initial_state + index * a.key_size * a.value_size;
    each([&](float& x, int key, int value) { x = from[static_cast<std::size_t>(key) * a.value_size + value]; });
  }

  __device__ __forceinline__ void finish() {
    const int sequence = static_cast<int>(blockIdx.x) / a.segments;
    const bool by_segment = unit || a.final_by_segment;
    float* to = unit ? a.transfer : a.arrays.final_state;
    if (to == nullptr || (!by_segment && static_cast<int>(blockIdx.x) % a.segments != a.segments - 1)) return;
    const int all = unit ? a.key_size : a.value_size;
    to += (by_segment ? blockIdx.x : static_cast<std::size_t>(sequence)) * a.key_size * all;
    each([&](float& x, int key, int value) { to[static_cast<std::size_t>(key) * all + value] = x; });
  }

  __device__ __forceinline__ std::uint32_t columns_at() const { return base + R::values_at + warp * R::column_bytes; }
  /// Where the block's first chunk begins in a [batch, length, heads, value_size] array, at the warp's first column.
  __device__ __forceinline__ std::size_t first_entry() const {
    const int sequence = static_cast<int>(blockIdx.x) / a.segments;
    const std::size_t token = static_cast<std::size_t>(sequence / a.heads) * a.length + a.first_token +
                              static_cast<std::size_t>(first_chunk) * chunk_tokens;
    return (token * a.heads + static_cast<std::size_t>(sequence % a.heads)) * a.value_size + column();
  }

  /// Begins to copy a chunk's values, zeros where there are none. `from`: its first entry; a row of lane / 2.
  __device__ __forceinline__ void copy_values(const Input* from, int rows, std::uint32_t slot) const {
    if (rows > 0) {
      const int r = lane() >> 1;
      const std::uint32_t to = columns_at() + slot * R::value_bytes;
      constexpr int numbers = 16 / static_cast<int>(sizeof(Input));  // a piece
#pragma unroll
      for (int i = 0; i < 8 / numbers; ++i) {
        const int piece = (lane() & 1) * (8 / numbers) + i;
        const bool there = r < rows && column() + piece * numbers < a.value_size;
        copy_async(to + (R::single ? r * R::value_pitch + piece * 16 : R::Values::offset(r, piece)),
                   there ? from + r * row_stride() + piece * numbers : static_cast<const Input*>(a.arrays.value),
                   there);
      }
    }
    commit_copies();
  }
  __device__ __forceinline__ std::size_t row_stride() const { return static_cast<std::size_t>(a.heads) * a.value_size; }

  /// A chunk's values, transposed, as a left operand.
  __device__ __forceinline__ Operand<planes> load_values(std::uint32_t values) const {
    Operand<planes> out;
    if constexpr (R::single) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float v[2];
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int r = (i >> 1) * 8 + 2 * (lane() & 3) + e;
          const int c = (lane() >> 2) + (i & 1) * 8;
          asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v[e]) : "r"(values + r * R::value_pitch + c * 4));
        }
        set(out, i, v[0], v[1]);
      }
    } else {
      out = R::Values::load_left_transposed(values, 0, 0);
    }
    if (unit) {
#pragma unroll
      for (int p = 0; p < planes; ++p) {
#pragma unroll
        for (int i = 0; i < 4; ++i) out.r[p][i] = 0U;
      }
    }
    return out;
  }

  /// Writes a chunk's outputs; bf16 by way of shared memory, for rows of 32 bytes.
  __device__ __forceinline__ void write(Input* out, int rows, const float (&o)[2][4]) const {
    const std::size_t stride = row_stride();
    if constexpr (R::single) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int r = 8 * h + 2 * (lane() & 3) + (e & 1);
          const int v = (lane() >> 2) + (e >> 1) * 8;
          if (r < rows && column() + v < a.value_size) out[r * stride + v] = o[h][e];
        }
      }
    } else {
      const std::uint32_t at = columns_at() + R::value_slots * R::value_bytes;
      __syncwarp();
      R::Values::store_transposed(at, 0, left_operand<1>(o[0], o[1]));
      __syncwarp();
      const int r = lane() >> 1;
      const int piece = lane() & 1;
      if (r < rows && column() + 8 * piece < a.value_size) {
        uint4 x;
        asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
                     : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
                     : "r"(at + R::Values::offset(r, piece))
                     : "memory");
        __stcs(reinterpret_cast<uint4*>(out + r * stride + 8 * piece), x);
      }
    }
  }

  /// One chunk of `rows` tokens: from these slots of the image and of the values to `to`.
  template <bool outputs>
  __device__ __forceinline__ void advance_chunk(std::uint32_t image, std::uint32_t value_slot, Input* to, int rows) {
    // Steps by turns to two sums, which are shorter chains.
    float old[2][2][4] = {};
    float out[2][2][4] = {};
#pragma unroll
    for (int s = 0; s < I::steps; ++s) {
      const Operand<planes> left = left_operand<planes>(state[2 * s], state[2 * s + 1]);
      multiply_add<planes>(old[s & 1][0], old[s & 1][1], left,
                           load_fragment<planes>(image + I::read_at + s * I::fragment_bytes));
      if constexpr (outputs) {
        multiply_add<planes>(out[s & 1][0], out[s & 1][1], left,
                             load_fragment<planes>(image + I::query_at + s * I::fragment_bytes));
      }
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        old[0][h][e] += old[1][h][e];
        out[0][h][e] += out[1][h][e];
      }
    }
    const Operand<planes> values = load_values(columns_at() + value_slot * R::value_bytes);
    if constexpr (apart) {
      multiply_add<planes>(old[0][0], old[0][1], values, load_fragment<planes>(image + I::value_system_at));
    }
    Operand<planes> rest;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float x = apart ? 0.0F : first(values, i);
      const float y = apart ? 0.0F : second(values, i);
      set(rest, i, x - old[0][i >> 1][2 * (i & 1)], y - old[0][i >> 1][2 * (i & 1) + 1]);
    }
    float sums[2][4] = {};
    multiply_add<planes>(sums[0], sums[1], rest, load_fragment<planes>(image + I::inverse_at));
    const Operand<planes> u = left_operand<planes>(sums[0], sums[1]);
#pragma unroll
    for (int s = 0; s < I::steps; ++s) {
      float4 decay;
      asm volatile("ld.shared.v4.f32 {%0,%1,%2,%3}, [%4];"
                   : "=f"(decay.x), "=f"(decay.y), "=f"(decay.z), "=f"(decay.w)
                   : "r"(image + I::decay_at + key_of(s, lane() & 3) * 4));
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        state[2 * s][e] *= (e & 1) == 0 ? decay.x : decay.y;
        state[2 * s + 1][e] *= (e & 1) == 0 ? decay.z : decay.w;
      }
      multiply_add<planes>(state[2 * s], state[2 * s + 1], u,
                           load_fragment<planes>(image + I::write_at + s * I::fragment_bytes));
      if constexpr (apart) {
        multiply_add<planes>(state[2 * s], state[2 * s + 1], values,
                             load_fragment<planes>(image + I::key_at + s * I::fragment_bytes));
      }
    }
    if constexpr (outputs) {
      multiply_add<planes>(out[0][0], out[0][1], u, load_fragment<planes>(image + I::score_at));
      if constexpr (apart) {
        multiply_add<planes>(out[0][0], out[0][1], values, load_fragment<planes>(image + I::value_score_at));
      }
      write(to, rows, out[0]);
    }
  }

  template <bool outputs>
  __device__ __forceinline__ void advance_chunks() {
    const std::size_t chunk_stride = chunk_tokens * row_stride();
    const std::size_t first = first_entry();
    const Input* from = static_cast<const Input*>(a.arrays.value) + first;
    Input* to = static_cast<Input*>(a.arrays.output) + first;
    int tokens = static_cast<int>(min(a.tokens - static_cast<std::size_t>(first_chunk) * chunk_tokens,
                                      static_cast<std::size_t>(chunks) * chunk_tokens));
    int to_copy = unit ? 0 : tokens;
    const auto copy_next = [&](int c) {
      copy_values(from, to_copy, static_cast<std::uint32_t>(c % R::value_slots));
      from += chunk_stride;
      to_copy -= chunk_tokens;
    };
#pragma unroll
    for (int c = 0; c < R::value_slots - 1; ++c) copy_next(c);
    int slot = 0;
    int phase = 0;
    for (int c = 0; c < chunks; ++c, to += chunk_stride, tokens -= chunk_tokens) {
      copy_next(c + R::value_slots - 1);
      wait_for_copies<R::value_slots - 1>();
      __syncwarp();
      barrier_wait(barriers + slot * 8, phase);
      advance_chunk<outputs>(base + slot * I::bytes, static_cast<std::uint32_t>(c % R::value_slots), to, tokens);
      __syncwarp();
      barrier_arrive(barriers + (R::slots + slot) * 8);
      if (++slot == R::slots) {
        slot = 0;
        phase ^= 1;
      }
    }
  }

  __device__ __forceinline__ void run() {
    start();
    if (a.output && !unit) {
      advance_chunks<true>();
    } else {
      advance_chunks<false>();
    }
    finish();
  }
};

template <int K, class Input, bool apart>
__global__ void __launch_bounds__(most_columns * 2 + 32, 1) advance(const __grid_constant__ Arguments a) {
  extern __shared__ __align__(128) unsigned char memory[];
  using R = Ring<K, Input, apart>;
  const std::uint32_t base = shared_address(memory);
  const int columns = 16 * a.warps;
  const std::uint32_t barriers = base + R::barriers_at(columns);
  const int warp = static_cast<int>(threadIdx.x >> 5U);
  if (threadIdx.x == 0) {
    for (int i = 0; i < R::slots; ++i) {
      barrier_start(barriers + i * 8, copying_lanes);
      barrier_start(barriers + (R::slots + i) * 8, 32 * a.warps);
    }
  }
  __syncthreads();
  const int tile = static_cast<int>(blockIdx.y);
  const bool unit = tile >= a.value_tiles;
  const int first_column = (unit ? tile - a.value_tiles : tile) * columns;
  const int first_chunk = static_cast<int>(blockIdx.x) % a.segments * a.segment_chunks;
  const int chunks = max(0, min(a.segment_chunks, a.chunks - first_chunk));
  if (warp == a.warps) {
    copy_images<K, Input, apart>(a, base, barriers, first_chunk, chunks);
  } else {
    Columns<K, Input, apart>{a, base, barriers, first_column, warp, first_chunk, chunks, unit}.run();
  }
}

template <int K, class Input, bool apart>
void launch_prepare(const Arguments& a) {
  const std::size_t groups = (static_cast<std::size_t>(a.chunks) + preparing_warps - 1) / preparing_warps;
  const auto blocks = static_cast<unsigned>(groups * static_cast<std::size_t>(a.batch) * a.heads);
  prepare<K, Input, apart><<<blocks, 32 * preparing_warps>>>(a);
  check_launch("keywise_delta::prepare");
}

template <int K, class Input, bool apart>
void launch_advance(const Arguments& a, unsigned tiles) {
  const std::uint32_t bytes = Ring<K, Input, apart>::bytes(16 * a.warps);
  if (bytes > shared_memory_limit()) {
    throw DeviceError("CUDA: chunked form: expected a device with " + std::to_string(bytes) +
                      " bytes of shared memory a block, got " + std::to_string(shared_memory_limit()));
  }
  allow_shared_memory(advance<K, Input, apart>, bytes);
  const auto blocks = static_cast<unsigned>(static_cast<std::size_t>(a.batch) * a.heads * a.segments);
  advance<K, Input, apart><<<dim3(blocks, tiles), static_cast<unsigned>(32 * (a.warps + 1)), bytes>>>(a);
  check_launch("keywise_delta::advance");
}

/// The launches for one format, one rule and the smallest K that holds the keys.
struct Launches {
  std::size_t image_bytes;
  void (*prepare)(const Arguments&);
  void (*advance)(const Arguments&, unsigned tiles);
};

template <int K, class Input, bool apart>
Launches launches() {
  return {Image<K, Input, apart>::bytes, launch_prepare<K, Input, apart>, launch_advance<K, Input, apart>};
}
template <class Input, bool apart>
Launches launches(std::size_t key_size) {
  if (key_size <= 32) return launches<32, Input, apart>();
  if (key_size <= 64) return launches<64, Input, apart>();
  return launches<128, Input, apart>();
}

/// One source file each.
Launches launches_bf16(std::size_t key_size);
Launches launches_fp32(std::size_t key_size);
Launches launches_apart_bf16(std::size_t key_size);
Launches launches_apart_fp32(std::size_t key_size);

}  // namespace krohn::keywise_delta
