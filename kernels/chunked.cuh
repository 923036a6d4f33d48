// The chunked forms on tensor cores: one block a (sequence, slice of value columns), two kinds of warps.
//
// A chunk has 64 steps (updates). With b_i the decay summed up to step i, c_i = e^{b_i}, and S the state before it:
//     delta:   (1 + A) U = diag(beta) (V - diag(c) K S),   A_ij = beta_i e^{b_i - b_j} k_i . k_j  (j < i)
//     o_i = c_i S^T q_i + sum_{j <= i} P_ij u_j,           P_ij = e^{b_i - b_j} q_i . k_j
//     S = c_64 S + sum_j e^{b_64 - b_j} k_j u_j^T
// (the UT form of a product of Householder factors; linear and keywise rules have U = V). No exponent above is
// positive.
//
// Four *preparing* warps copy keys, queries and values to shared memory, and make P and T = (1 + A)^-1 diag(beta): A by
// tensor cores, its diagonal 16 x 16 blocks inverted by substitution, the blocks below by halves: the lower left one of
// the inverse is -T_11 A_10 T_00. They run up to two chunks ahead of the *state* warps, each of which owns 16 value
// columns of S^T as sums in registers: all its products are (16 value columns) x (steps or keys), so that the sums of
// one product are the left operand of the next. In bf16 and with 64 or 128 keys four warps make such products together
// (warp_group.cuh). What takes longest is the preparing warps' chain from one barrier of theirs to the next, of which
// the slowest warp counts: work is given out by that, and P to the state warps where they would wait. With 64 keys and
// one update a token (Layout::by_block) the preparing warps differ: each makes its own diagonal block of A, then two
// invert two such blocks each, while the two others make most of what is below, scan the next chunk's decays and start
// its copies; and each state warp makes a quarter of P. In the first pass of long sequences two groups of
// preparing warps take turns. Shared-memory barriers say that a chunk is prepared and that it is used up, one each for
// every place of such a chunk.
//
// Entries of T are at most 2 in magnitude for contractions (|T_ij| <= beta_i |k_i| |k_j|), so that its one rounding is
// harmless; A and the blocks inside the inversion have 16 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "cuda.cuh"
#include "krohn/kernels/chunked.hpp"
#include "warp_group.cuh"

namespace krohn::chunked {

using namespace tensor_core;

inline constexpr int chunk_steps = 64;
inline constexpr int preparing_warps = 4;
inline constexpr int preparing_threads = 32 * preparing_warps;
/// This thread's number in its group.
__device__ __forceinline__ int preparing_thread() { return static_cast<int>(threadIdx.x) % preparing_threads; }
inline constexpr float log2_e = 1.4426950408889634F;

/// Of sequences in segments, run side by side: the first pass makes the segments' maps, the last the outputs, which
/// `whole` makes at once.
enum class Pass { whole, first, last };

/// What a launch reads. One sequence is one (batch, head, segment).
struct Arguments {
  ChunkedArrays arrays;
  std::size_t length = 0;  // tokens
  int heads = 1;
  int key_heads = 1;
  int key_size = 0;
  int value_size = 0;
  int householder = 1;
  float scale = 1.0F;
  int segments = 1;
  int segment_chunks = 0;
  int state_warps = 1;
  int value_tiles = 1;
  Pass pass = Pass::whole;
  /// initial_state and final_state are [batch, heads, segments, key_size, value_size].
  bool initial_by_segment = false;
  bool final_by_segment = false;
  /// Tiles from value_tiles on run the recurrence without values from unit states: [.., segments, key_size, key_size].
  float* transfer = nullptr;
  /// The sums of the segments' log decays in base 2: [.., segments], keywise [.., segments, key_size].
  float* segment_decay = nullptr;
  /// The blocks of T of every chunk, [.., segments, segment_chunks], from the first pass to the last; nullptr: the last
  /// makes them again.
  unsigned char* inverses = nullptr;
};

__device__ __forceinline__ void clear(float (&sums)[8][4]) {
#pragma unroll
  for (int t = 0; t < 8; ++t) {
#pragma unroll
    for (int e = 0; e < 4; ++e) sums[t][e] = 0.0F;
  }
}

template <int K, ChunkedRule rule, class Input, Pass pass>
struct Layout {
  static constexpr int planes = std::is_same_v<Input, float> ? 2 : 1;
  static constexpr int max_state_warps = K == 128 ? (planes == 2 ? 4 : 8) : 4;
  /// fp32 inputs come by way of a buffer where each thread finds again what it copied; where there is no room,
  /// directly.
  static constexpr bool buffered = planes == 2 && K <= 64;
  /// Copies of a chunk are under way while the one before is prepared.
  static constexpr bool ahead = planes == 1 || buffered;
  /// State warps work in groups of four; where there are such instructions, on products together.
  static constexpr bool grouped = planes == 1 && K >= 64;
  static constexpr bool group_products = grouped && warp_groups;
  static constexpr bool delta = rule == ChunkedRule::delta;
  static constexpr bool keywise = rule == ChunkedRule::keywise;
  /// More state warps, with unit states: the first pass then needs no tiles of its own for them.
  static constexpr int unit_warps = grouped && delta && pass == Pass::first && K == 64 ? 4 : 0;
  /// Groups of preparing warps, for a chunk each in turn.
  static constexpr int groups = unit_warps != 0 ? 2 : 1;
  /// Of chunks that are being prepared, or are prepared and not used up: each group can begin its next one while the
  /// state warps have one of either group before them.
  static constexpr int places = 2 * groups;
  static constexpr int stages = planes == 2 ? 2 : places + groups;
  /// Here preparing T takes longer than what follows, so that the state warps make P, where there are products of
  /// groups.
  static constexpr bool long_preparation = grouped && delta && pass == Pass::whole && K == 64;
  static constexpr bool state_scores = group_products && long_preparation;
  static_assert(!state_scores || max_state_warps == 4);
  /// T comes from the first pass.
  static constexpr bool given = grouped && delta && pass == Pass::last;
  static constexpr int resident_blocks = planes == 1 && K <= 64 && unit_warps == 0 ? 2 : 1;
  static constexpr int threads = groups * preparing_threads + 32 * (max_state_warps + unit_warps);
  // Of a thread, where `grouped`; the launch gives 128 (two blocks of 8 warps, one of 16) or 168 (one of 12) to all.
  static constexpr int preparing_registers = threads == 384 ? 120 : state_scores ? 96 : 112;
  static constexpr int state_registers = threads == 384 ? 192 : state_scores ? 160 : 144;

  using Keys =
      std::conditional_t<(K > 64), Panels<chunk_steps, (K > 64 ? K : 64), planes>, Tile<chunk_steps, K, planes>>;
  /// 64 columns of Keys, where `grouped`.
  using Panel = Tile<chunk_steps, 64, 1>;
  /// 16 value columns, those of one warp.
  using Values = Tile<chunk_steps, 16, planes>;
  using Block = Tile<16, 16, planes>;
  using FineBlock = Tile<16, 16, 2>;

  /// The first pass of groups answers no queries.
  static constexpr bool answers = !grouped || pass != Pass::first;
  static constexpr std::uint32_t key_at = 0;
  static constexpr std::uint32_t query_at = Keys::bytes;
  static constexpr std::uint32_t value_at = (answers ? 2 : 1) * Keys::bytes;
  static constexpr std::uint32_t stage_bytes = value_at + max_state_warps * Values::bytes;

  // Per prepared chunk: blocks of T and P.
  static constexpr int blocks = 12;
  static constexpr std::uint32_t inverse_at = 0;
  static constexpr std::uint32_t score_at = delta ? blocks * Block::bytes : 0;
  static constexpr std::uint32_t prepared_bytes = score_at + (answers ? blocks * Block::bytes : 0);

  static constexpr std::uint32_t prepared_base = stages * stage_bytes;
  static constexpr std::uint32_t scratch_base = prepared_base + places * prepared_bytes;
  // delta: blocks of A below the diagonal; the diagonal blocks in fp32, then inverted.
  static constexpr std::uint32_t below_at = 0;
  static constexpr std::uint32_t diagonal_at = 6 * FineBlock::bytes;
  static constexpr int raw_pitch = 24;
  static constexpr std::uint32_t diagonal_bytes = 16 * raw_pitch * 4;
  static_assert(diagonal_bytes >= FineBlock::bytes);
  // keywise: b by step and key; the raw decays.
  static constexpr int sum_pitch = K + 8;
  static constexpr std::uint32_t part_at = chunk_steps * sum_pitch * 4;
  static constexpr std::uint32_t decay_at = part_at + preparing_threads * 4;
  static constexpr std::uint32_t scratch_bytes =
      delta ? diagonal_at + 4 * diagonal_bytes
            : (keywise ? decay_at + (ahead ? chunk_steps * K * static_cast<std::uint32_t>(sizeof(Input)) : 0) : 0);
  // Floats of a chunk; each group makes its next one's while those of all places are read.
  static constexpr std::uint32_t scalar_base = scratch_base + groups * scratch_bytes;
  static constexpr int scalar_places = places + groups;
  static constexpr int decayed_at = 0;              // c_i
  static constexpr int remaining_at = chunk_steps;  // e^{b_64 - b_i}
  static constexpr int sum_at = 2 * chunk_steps;    // b_i in base 2
  static constexpr int beta_at = 3 * chunk_steps;
  // by_block: powers within blocks of 16 steps, e^{b_i - b} with b before the block, and e^{b - b_i} with b at its end.
  // What lies between two blocks' steps is a product of such, none above 1.
  static constexpr int since_at = 4 * chunk_steps;
  static constexpr int until_at = 5 * chunk_steps;
  static constexpr int scalars = keywise ? K : (long_preparation ? 6 : 4) * chunk_steps;  // keywise: e^{b_64} per key
  /// Products between blocks of 16 steps are scaled by powers of one multiplication each, the preparing warps have work
  /// of different kinds, and the state warps equal parts of P. With other numbers of updates a token, and where the
  /// state warps do not make P, the further powers cost more than they save.
  static constexpr bool by_block(int query_blocks) { return state_scores && query_blocks == 4; }
  static constexpr std::uint32_t buffer_base = scalar_base + scalar_places * scalars * 4;
  static constexpr int buffer_pieces = Keys::pieces + max_state_warps;  // of 32 bytes, a thread
  // Barriers: chunks prepared, chunks used up, by place.
  static constexpr std::uint32_t barrier_base = buffer_base + (buffered ? buffer_pieces * preparing_threads * 32 : 0);
  static constexpr std::uint32_t bytes = barrier_base + 2 * places * 8;
  static constexpr std::uint32_t inverse_bytes = blocks * Block::bytes;
  static_assert(!given || scratch_bytes >= inverse_at + inverse_bytes);
  /// Where what is prepared of chunk c begins.
  static __device__ __forceinline__ std::uint32_t prepared_of(int c) {
    return prepared_base + c % places * prepared_bytes;
  }
  /// Where chunk c's T is. Those of the first pass are copied ahead, to one place more, in the unused scratch memory.
  static __device__ __forceinline__ std::uint32_t inverse_of(int c) {
    return prepared_base + inverse_at + c % (given ? places + 1 : places) * prepared_bytes;
  }
  static_assert(barrier_base % 8 == 0);
  static_assert(!grouped || (stage_bytes % 1024 == 0 && prepared_bytes % 512 == 0));
};

/// The place of a block of T, 16 rows and columns, row block >= column block or 1 less: 16 columns of the upper or
/// lower half of T lie one below the other. Blocks (0, 1) and (2, 3) are zero.
__host__ __device__ constexpr int triangle_block(int row_block, int column_block) {
  return row_block / 2 * 4 + column_block * 2 + row_block % 2;
}
/// The place of a block of P by its queries and updates; with fewer than 4 blocks of queries a chunk all are kept.
template <int query_blocks>
__host__ __device__ constexpr int score_block(int query_block, int update_block) {
  return query_blocks == 4 ? triangle_block(query_block, update_block) : update_block * query_blocks + query_block;
}

/// Chunk c is handed over by one phase of a barrier: phase c / places of that of its place. by_warps: one thread
/// arrives for its warp.
template <class L, bool by_warps>
struct Handover {
  std::uint32_t base;  // of the block's memory

  __device__ __forceinline__ void start(int state_warps) const {
    constexpr int arrivals = by_warps ? 1 : 32;  // of a warp
    for (int i = 0; i < L::places; ++i) {
      barrier_start(prepared(i), arrivals * preparing_warps);
      barrier_start(used(i), arrivals * state_warps);
    }
  }
  /// By every thread: what it did before is before what others do after their wait.
  __device__ __forceinline__ void say_prepared(int c) const { arrive(prepared(c)); }
  __device__ __forceinline__ void say_used(int c) const { arrive(used(c)); }
  __device__ __forceinline__ void wait_prepared(int c) const { barrier_wait(prepared(c), c / L::places & 1); }
  __device__ __forceinline__ void wait_used(int c) const { barrier_wait(used(c), c / L::places & 1); }

 private:
  __device__ __forceinline__ std::uint32_t prepared(int c) const { return base + L::barrier_base + c % L::places * 8; }
  __device__ __forceinline__ std::uint32_t used(int c) const { return prepared(c) + L::places * 8; }
  static __device__ __forceinline__ void arrive(std::uint32_t barrier) {
    if constexpr (by_warps) {
      __syncwarp();
      if ((threadIdx.x & 31U) == 0) barrier_arrive(barrier);
    } else {
      barrier_arrive(barrier);
    }
  }
};

/// Where a block's sequence lies.
struct Place {
  int sequence = 0;  // (batch, head)
  int head = 0;
  int segment = 0;
  int first_value = 0;
  bool unit = false;          // a transfer tile
  std::size_t first_row = 0;  // its first token among those of all batch rows
  std::size_t tokens = 0;
  int chunks = 0;
  int chunk_tokens = 0;
  int chunk_updates = 0;

  /// The first token of chunk c among those of all batch rows.
  __device__ __forceinline__ std::size_t row_of(int c) const {
    return first_row + static_cast<std::size_t>(c) * chunk_tokens;
  }
  __device__ __forceinline__ int tokens_of(int c) const {
    const std::size_t left = tokens - static_cast<std::size_t>(c) * chunk_tokens;
    return static_cast<int>(min(left, static_cast<std::size_t>(chunk_tokens)));
  }
};

/// Updates a token; known when the code is made where a chunk has 1 or 4 blocks of queries.
template <int query_blocks>
__device__ __forceinline__ int householder_of(const Arguments& a) {
  return query_blocks == 2 ? a.householder : 4 / query_blocks;
}

template <int query_blocks>
__device__ __forceinline__ Place place_of(const Arguments& a) {
  Place p;
  p.sequence = static_cast<int>(blockIdx.x) / a.segments;
  p.segment = static_cast<int>(blockIdx.x) % a.segments;
  p.head = p.sequence % a.heads;
  const int tile = static_cast<int>(blockIdx.y);
  p.unit = tile >= a.value_tiles;
  p.first_value = (p.unit ? tile - a.value_tiles : tile) * a.state_warps * 16;
  const int n = householder_of<query_blocks>(a);
  p.chunk_tokens = chunk_steps / n;
  p.chunk_updates = p.chunk_tokens * n;
  const std::size_t span = static_cast<std::size_t>(a.segment_chunks) * p.chunk_tokens;
  const std::size_t first_token = span * p.segment;
  p.first_row = static_cast<std::size_t>(p.sequence / a.heads) * a.length + first_token;
  p.tokens = first_token < a.length ? min(a.length - first_token, span) : 0;
  p.chunks = static_cast<int>((p.tokens + p.chunk_tokens - 1) / p.chunk_tokens);
  return p;
}

__device__ __forceinline__ void store_quad(std::uint32_t at, const std::uint32_t (&x)[4]) {
  asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(at), "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]));
}
/// Eight floats in two planes.
template <class TileType>
__device__ __forceinline__ void store_piece(std::uint32_t at, const float4& x, const float4& y) {
  Operand<2> o;
  set(o, 0, x.x, x.y);
  set(o, 1, x.z, x.w);
  set(o, 2, y.x, y.y);
  set(o, 3, y.z, y.w);
  store_quad(at, o.r[0]);
  store_quad(at + TileType::plane_bytes, o.r[1]);
}

/// The pieces of a tile of 64 rows that one preparing thread copies: rows that are permuted alike.
template <class TileType>
struct Pieces {
  static constexpr int step = preparing_threads / TileType::pieces;  // rows between two of them, a multiple of 8
  static constexpr std::uint32_t step_bytes = step * TileType::row_bytes;
  static constexpr int count = chunk_steps / step;
  static __device__ __forceinline__ int piece() { return preparing_thread() % TileType::pieces; }
  static __device__ __forceinline__ int row() { return preparing_thread() / TileType::pieces; }
  static __device__ __forceinline__ std::uint32_t offset() { return TileType::offset(row(), piece()); }
};

/// Copies rows into a tile, zeros from row `rows` on and where `column_there` is not; by the preparing warps. `from` is
/// this thread's first piece, `step_stride` numbers before its second. fp32 inputs go to the thread's pieces of
/// `buffer`, if it is not 0, for convert_rows.
template <class TileType, class Input>
__device__ __forceinline__ void copy_rows(std::uint32_t to, std::uint32_t buffer, const Input* from,
                                          std::size_t step_stride, int rows, bool column_there) {
  using P = Pieces<TileType>;
  const int rows_there = column_there ? rows : 0;
#pragma unroll
  for (int i = 0; i < P::count; ++i, from += step_stride) {
    const bool there = P::row() + i * P::step < rows_there;
    if constexpr (!std::is_same_v<Input, float>) {
      copy_async(to + P::offset() + i * P::step_bytes, from, there);
    } else if (buffer != 0) {
      const std::uint32_t at = buffer + (2 * i * preparing_threads + preparing_thread()) * 16;
      copy_async(at, from, there);
      copy_async(at + preparing_threads * 16, from + 4, there);
    } else {
      float4 x = {0.0F, 0.0F, 0.0F, 0.0F};
      float4 y = x;
      if (there) {
        x = __ldg(reinterpret_cast<const float4*>(from));
        y = __ldg(reinterpret_cast<const float4*>(from) + 1);
      }
      store_piece<TileType>(to + P::offset() + i * P::step_bytes, x, y);
    }
  }
}
template <class TileType>
__device__ __forceinline__ void convert_rows(std::uint32_t to, const unsigned char* buffer) {
  using P = Pieces<TileType>;
#pragma unroll
  for (int i = 0; i < P::count; ++i) {
    const float4* at = reinterpret_cast<const float4*>(buffer) + 2 * i * preparing_threads + preparing_thread();
    store_piece<TileType>(to + P::offset() + i * P::step_bytes, at[0], at[preparing_threads]);
  }
}

// ---- what either kind of warps makes --------------------------------------------------------------------------------

template <class L>
__device__ __forceinline__ float* scalars_of(unsigned char* memory, int c) {
  return reinterpret_cast<float*>(memory + L::scalar_base) + (c % L::scalar_places) * L::scalars;
}

/// Whether queries are answered. Products of groups of warps must not depend on what only the launch knows.
template <class L>
__device__ __forceinline__ bool has_output(const Arguments& a) {
  return L::answers && (L::grouped || a.pass != Pass::first);
}

/// Of block `block` of 16 steps, e to the decays of all of it.
template <class L>
__device__ __forceinline__ float block_power(const float* s, int block) {
  return s[L::since_at + 16 * block + 15];
}

/// P for the rules with one decay a step, by four warps: each has 16 updates, for all queries that see them. by_block:
/// eight updates of the first half and eight of the last, those that make every warp's part of P as large.
template <int K, ChunkedRule rule, class Input, int query_blocks, Pass pass>
struct Scores {
  using L = Layout<K, rule, Input, pass>;
  static constexpr bool by_block = L::by_block(query_blocks);
  static constexpr int planes = L::planes;
  using Keys = typename L::Keys;
  using Block = typename L::Block;
  using Panel = typename L::Panel;

  const Arguments& a;
  unsigned char* memory;
  std::uint32_t base;
  int warp;  // of the four
  int lane;

  using Product = float[2 * query_blocks][4];

  /// Groups of warps leave the products to run.
  __device__ __forceinline__ void start(int c, Product& product) const {
    const int first = query_blocks == 4 ? warp : 0;
    const std::uint32_t stage = base + (c % L::stages) * L::stage_bytes;
    if constexpr (by_block) {
      Operand<1> left[K / 16];
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        left[k] =
            Panel::load_left_halves(stage + L::key_at + k / 4 * Panel::bytes, 8 * warp, 56 - 8 * warp, 2 * (k % 4));
      }
      settle(left);
      group_begin();
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        group_multiply<64, Panel, false>(product, left[k], stage + L::query_at + k / 4 * Panel::bytes, 0, 2 * (k % 4),
                                         k > 0);
      }
      group_commit();
    } else if constexpr (L::group_products) {
      group_begin();
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        const std::uint32_t panel = stage + k / 4 * Panel::bytes;
        group_multiply<16 * query_blocks, Panel>(product, panel + L::key_at, panel + L::query_at, 2 * (k % 4), k > 0);
      }
      group_commit();
    } else {
#pragma unroll
      for (int t = 0; t < 2 * query_blocks; ++t) {
#pragma unroll
        for (int e = 0; e < 4; ++e) product[t][e] = 0.0F;
      }
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        const Operand<planes> left = Keys::load_left(stage + L::key_at, 16 * warp, 2 * k);
#pragma unroll
        for (int i = 0; i < query_blocks; ++i) {
          if (i < first) continue;
          const Operand<planes> right = Keys::load_right(stage + L::query_at, 16 * i, 2 * k);
          multiply_add<planes>(product[2 * i], product[2 * i + 1], left, right);
        }
      }
    }
  }
  /// Once the products are there.
  __device__ __forceinline__ void finish(int c, Product& product) const {
    if constexpr (by_block) {
      finish_halves(c, product);
    } else {
      finish_columns(c, product);
    }
  }

 private:
  __device__ __forceinline__ void finish_columns(int c, Product& product) const {
    const int n = householder_of<query_blocks>(a);
    const int first = query_blocks == 4 ? warp : 0;
    const float* s = scalars_of<L>(memory, c);
    const bool decays = a.arrays.decay != nullptr;
    const int update = 16 * warp + (lane >> 2);
    const float b[2] = {s[L::sum_at + update], s[L::sum_at + update + 8]};
    const std::uint32_t scores = base + L::prepared_of(c) + L::score_at;
#pragma unroll
    for (int i = 0; i < query_blocks; ++i) {
      if (i < first) continue;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float(&x)[4] = product[2 * i + h];
        const int query = 16 * i + 8 * h + 2 * (lane & 3);
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          // The last update before the query. Queries beyond the chunk are zero; any update stands for theirs.
          const int last = query_blocks == 4 ? query + e : min((query + e + 1) * n, chunk_steps) - 1;
          const float at = decays ? s[L::sum_at + last] : 0.0F;
#pragma unroll
          for (int r = 0; r < 2; ++r) {
            if (decays) x[2 * r + e] *= power_of_two(at - b[r]);
            if (update + 8 * r > last) x[2 * r + e] = 0.0F;
          }
        }
      }
      Block::store_transposed(scores + score_block<query_blocks>(i, warp) * Block::bytes, 0,
                              left_operand<planes>(product[2 * i], product[2 * i + 1]));
    }
  }

  /// by_block: of the sums' rows, the upper eight are updates 8 warp .. + 7, the lower 56 - 8 warp .. + 7. Of the 40
  /// tiles of 8 queries and 8 updates that the blocks on and below the diagonal have, each warp has ten.
  __device__ __forceinline__ void finish_halves(int c, Product& x) const {
    static_assert(planes == 1 && K == 64);
    const float* s = scalars_of<L>(memory, c);
    const bool decays = a.arrays.decay != nullptr;
    const bool late = warp >= 2;
    const int odd = warp & 1;
    const int column = 2 * (lane & 3);
    const int update[2] = {8 * warp + (lane >> 2), 56 - 8 * warp + (lane >> 2)};
    const int own_block[2] = {warp >> 1, 3 - (warp >> 1)};  // of 16 updates
    const std::uint32_t scores = base + L::prepared_of(c) + L::score_at;
    // A lane gives the place of one row, of 16 bytes, of two tiles or of four, which are in blocks that follow each
    // other: its block's row, of 32 bytes, and the half of that.
    const std::uint32_t lane_row = lane * Block::row_bytes;
    const auto lane_piece = [&](int piece) { return static_cast<std::uint32_t>((piece ^ (lane >> 2)) & 1) * 16; };
    const auto pair = [&](int at) { return *reinterpret_cast<const float2*>(s + at + column); };

    // The blocks on the diagonal.
    float own[2][2][2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        own[0][h][e] = late ? x[2 + h][e] : x[h][e];
        own[1][h][e] = late ? x[4 + h][2 + e] : x[6 + h][2 + e];
      }
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      if (decays) {
        const float b = s[L::sum_at + update[r]];
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          // Above the diagonal a power may be infinite; what it is a part of is cleared.
          const float2 at = pair(L::sum_at + 16 * own_block[r] + 8 * h);
          own[r][h][0] *= power_of_two(at.x - b);
          own[r][h][1] *= power_of_two(at.y - b);
        }
      }
      const int before = 8 * (odd ^ r) + (lane >> 2) - column;  // queries of the block that do not see the update
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          if (before > 8 * h + e) own[r][h][e] = 0.0F;
        }
      }
    }
    {
      const int r = lane >> 4;
      const int block = r == 0 ? own_block[0] : own_block[1];
      store_tiles_transposed(
          scores + triangle_block(block, block) * Block::bytes + (lane & 15) * Block::row_bytes + lane_piece(odd ^ r),
          pack(own[0][0][0], own[0][0][1]), pack(own[0][1][0], own[0][1][1]), pack(own[1][0][0], own[1][0][1]),
          pack(own[1][1][0], own[1][1][1]));
    }
    // The blocks below it: in one half of the chunk, then of queries of the last half and updates of the first.
    float next[2][2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int e = 0; e < 2; ++e) next[h][e] = late ? x[6 + h][2 + e] : x[2 + h][e];
    }
    if (decays) {
      const float until[2] = {s[L::until_at + update[0]], s[L::until_at + update[1]]};
      const float until_next = late ? until[1] : until[0];
      float until_half = until[0];
      if (!late) until_half *= block_power<L>(s, 1);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float2 since = pair(L::since_at + (late ? 48 : 16) + 8 * h);
        next[h][0] *= until_next * since.x;
        next[h][1] *= until_next * since.y;
      }
#pragma unroll
      for (int t = 4; t < 8; ++t) {
        if (t == 6) until_half *= block_power<L>(s, 2);
        const float2 since = pair(L::since_at + 8 * t);
        x[t][0] *= until_half * since.x;
        x[t][1] *= until_half * since.y;
      }
    }
    store_tiles_transposed(scores + (late ? triangle_block(3, 2) : triangle_block(1, 0)) * Block::bytes +
                               (lane & 15) * Block::row_bytes + lane_piece(late ? odd ^ 1 : odd),
                           pack(next[0][0], next[0][1]), pack(next[1][0], next[1][1]));
    store_tiles_transposed(scores + triangle_block(2, own_block[0]) * Block::bytes + lane_row + lane_piece(odd),
                           pack(x[4][0], x[4][1]), pack(x[5][0], x[5][1]), pack(x[6][0], x[6][1]),
                           pack(x[7][0], x[7][1]));
  }
};

// ---- the preparing warps --------------------------------------------------------------------------------------------

template <int K, ChunkedRule rule, class Input, int query_blocks, Pass pass>
struct Preparing {
  using L = Layout<K, rule, Input, pass>;
  static constexpr bool by_block = L::by_block(query_blocks);
  static constexpr int planes = L::planes;
  using Keys = typename L::Keys;
  using Block = typename L::Block;
  using FineBlock = typename L::FineBlock;
  using Values = typename L::Values;
  using Panel = typename L::Panel;
  static constexpr int key_pieces = Pieces<Keys>::count;
  /// What a thread copies of the values: pieces of Panel's rows where a group of warps reads 64 columns.
  using ValuePieces = Pieces<std::conditional_t<L::grouped, Panel, Values>>;

  const Arguments& a;
  const Place place;
  unsigned char* memory;
  std::uint32_t base;
  int group;
  int warp;  // of the group
  int lane;
  // This thread's first piece of the next chunk to copy.
  const Input* next_key = nullptr;
  const Input* next_query = nullptr;
  const Input* next_value = nullptr;
  /// Scans decays: a warp with little to do while A is made.
  static constexpr int scanning_warp = by_block ? 2 : 0;
  // Of that warp: decays and betas, of a chunk to come, of updates 2 lane, + 1.
  float next_decay[2] = {0.0F, 0.0F};
  float next_beta[2] = {0.0F, 0.0F};
  float decayed = 0.0F;  // sum of the segment's decays (keywise: of this thread's key)

  __device__ __forceinline__ int householder() const { return householder_of<query_blocks>(a); }
  __device__ __forceinline__ bool output() const { return has_output<L>(a); }
  __device__ __forceinline__ std::uint32_t scratch_base() const { return L::scratch_base + group * L::scratch_bytes; }
  __device__ __forceinline__ std::size_t key_stride() const {
    return static_cast<std::size_t>(a.key_heads) * a.key_size;
  }
  __device__ __forceinline__ std::size_t value_stride() const {
    return static_cast<std::size_t>(a.heads) * a.value_size;
  }
  __device__ __forceinline__ std::size_t key_column() const {
    return static_cast<std::size_t>(place.head / (a.heads / a.key_heads)) * a.key_size;
  }
  __device__ __forceinline__ void start() {
    const std::size_t row = place.row_of(group);
    const int n = householder();
    const std::size_t key_from = key_column() + Pieces<Keys>::piece() * 8;
    next_key = static_cast<const Input*>(a.arrays.key) + (row * n + Pieces<Keys>::row()) * key_stride() + key_from;
    next_query = static_cast<const Input*>(a.arrays.query) + (row + Pieces<Keys>::row()) * key_stride() + key_from;
    next_value = static_cast<const Input*>(a.arrays.value) + (row * n + ValuePieces::row()) * value_stride() +
                 static_cast<std::size_t>(place.head) * a.value_size + place.first_value + ValuePieces::piece() * 8;
  }

  /// Zeros to the blocks of T and P right above the diagonal.
  __device__ __forceinline__ void clear_blocks() const {
    constexpr std::uint32_t zero[4] = {};
    for (std::uint32_t i = preparing_thread() * 16; i < Block::bytes; i += preparing_threads * 16) {
#pragma unroll
      for (int chunk = group; chunk < L::places; chunk += L::groups) {
#pragma unroll
        for (int block = 0; block < 4; block += 2) {
          const std::uint32_t at = base + L::prepared_of(chunk) + triangle_block(block, block + 1) * Block::bytes + i;
          if constexpr (L::delta && !L::given) store_quad(at + L::inverse_at, zero);
          if constexpr (query_blocks == 4 && L::answers) store_quad(at + L::score_at, zero);
        }
      }
    }
  }

  /// Starts the copies of chunk c; by order of the group's chunks.
  __device__ __forceinline__ void issue(int c) {
    const int tokens = place.tokens_of(c);
    const int updates = tokens * householder();
    const std::uint32_t stage = base + (c % L::stages) * L::stage_bytes;
    const std::uint32_t buffer = L::buffered ? base + L::buffer_base : 0;
    const auto part = [&](int first) { return L::buffered ? buffer + first * preparing_threads * 32 : 0; };
    const std::size_t step = Pieces<Keys>::step * key_stride();
    const bool key_there = Pieces<Keys>::piece() * 8 < a.key_size;
    copy_rows<Keys>(stage + L::key_at, part(0), next_key, step, updates, key_there);
    if (output()) copy_rows<Keys>(stage + L::query_at, part(key_pieces), next_query, step, tokens, key_there);
    next_key += L::groups * place.chunk_updates * key_stride();
    next_query += L::groups * place.chunk_tokens * key_stride();
    if (!place.unit) {
      const int columns = a.value_size - place.first_value - ValuePieces::piece() * 8;
      if constexpr (L::grouped) {
        const std::size_t value_step = ValuePieces::step * value_stride();
        const std::uint32_t to = stage + L::value_at + ValuePieces::piece() / 2 * Values::bytes +
                                 Values::offset(ValuePieces::row(), ValuePieces::piece() % 2);
#pragma unroll
        for (int group = 0; group < L::max_state_warps / 4; ++group) {
          if (4 * group >= a.state_warps) continue;
          const Input* from = next_value + 64 * group;
          const int rows = 64 * group < columns ? updates : 0;
#pragma unroll
          for (int i = 0; i < ValuePieces::count; ++i, from += value_step) {
            copy_async(to + group * 4 * Values::bytes + i * ValuePieces::step * Values::row_bytes, from,
                       ValuePieces::row() + i * ValuePieces::step < rows);
          }
        }
      } else {
#pragma unroll
        for (int w = 0; w < L::max_state_warps; ++w) {
          if (w >= a.state_warps) continue;
          copy_rows<Values>(stage + L::value_at + w * Values::bytes, part(2 * key_pieces + w), next_value + 16 * w,
                            std::size_t{0}, updates, 16 * w < columns);
        }
      }
      next_value += L::groups * place.chunk_updates * value_stride();
    }
    if constexpr (L::given) {
      const unsigned char* from =
          a.inverses + (static_cast<std::size_t>(blockIdx.x) * a.segment_chunks + c) * L::inverse_bytes;
#pragma unroll
      for (std::uint32_t i = preparing_thread() * 16; i < L::inverse_bytes; i += preparing_threads * 16) {
        copy_async(base + L::inverse_of(c) + i, from + i, true);
      }
    }
    if constexpr (L::keywise && L::ahead) {
      // Rows of raw decays.
      constexpr int numbers = 16 / static_cast<int>(sizeof(Input));  // a piece
      constexpr int pieces = K / numbers;
      const std::size_t stride = key_stride();
      const Input* decay = static_cast<const Input*>(a.arrays.decay) + place.row_of(c) * stride + key_column();
#pragma unroll
      for (int i = preparing_thread(); i < chunk_steps * pieces; i += preparing_threads) {
        const int r = i / pieces;
        const int piece = i % pieces;
        copy_async(base + scratch_base() + L::decay_at + i * 16, decay + r * stride + piece * numbers,
                   r < tokens && piece * numbers < a.key_size);
      }
    }
    if constexpr (L::ahead) commit_copies();
  }

  /// by_block: warps 2 and 3 copy, eight rows at a time; keys, queries and values have rows of as many pieces.
  __device__ __forceinline__ bool copies() const { return warp >= 2; }
  static constexpr int copied_rows = 8;
  __device__ __forceinline__ int copied_row() const { return 4 * (warp - 2) + lane / Panel::pieces; }
  __device__ __forceinline__ int copied_piece() const { return lane % Panel::pieces; }
  __device__ __forceinline__ void start_rows() {
    const std::size_t row = place.row_of(0) + copied_row();
    const std::size_t key_from = row * key_stride() + key_column() + copied_piece() * 8;
    next_key = static_cast<const Input*>(a.arrays.key) + key_from;
    next_query = static_cast<const Input*>(a.arrays.query) + key_from;
    next_value = static_cast<const Input*>(a.arrays.value) + row * value_stride() +
                 static_cast<std::size_t>(place.head) * a.value_size + place.first_value + copied_piece() * 8;
  }
  /// Starts the copies of chunk c; by order of chunks.
  __device__ __forceinline__ void issue_rows(int c) {
    static_assert(K == 64 && L::max_state_warps == 4 && L::groups == 1);
    const int tokens = place.tokens_of(c);
    const std::uint32_t stage = base + (c % L::stages) * L::stage_bytes;
    const int row = copied_row();
    const int piece = copied_piece();
    const std::size_t step = copied_rows * key_stride();
    const std::size_t value_step = copied_rows * value_stride();
    const std::uint32_t to = stage + Panel::offset(row, piece);
    const std::uint32_t value_to = stage + L::value_at + piece / 2 * Values::bytes + Values::offset(row, piece % 2);
    const int left = piece * 8 < a.key_size ? tokens - row : 0;
    const int values_left = piece * 8 < a.value_size - place.first_value ? tokens - row : 0;
    constexpr int count = chunk_steps / copied_rows;
#pragma unroll
    for (int i = 0; i < count; ++i) {
      copy_async(to + L::key_at + i * copied_rows * Panel::row_bytes, next_key, i * copied_rows < left);
      next_key += step;
    }
#pragma unroll
    for (int i = 0; i < count; ++i) {
      copy_async(to + L::query_at + i * copied_rows * Panel::row_bytes, next_query, i * copied_rows < left);
      next_query += step;
    }
#pragma unroll
    for (int i = 0; i < count; ++i) {
      copy_async(value_to + i * copied_rows * Values::row_bytes, next_value, i * copied_rows < values_left);
      next_value += value_step;
    }
    commit_copies();
  }

  /// What this thread copied of chunk c, from the buffer to the tiles.
  __device__ __forceinline__ void convert(int c) {
    const std::uint32_t stage = base + (c % L::stages) * L::stage_bytes;
    const auto part = [&](int first) { return memory + L::buffer_base + first * preparing_threads * 32; };
    convert_rows<Keys>(stage + L::key_at, part(0));
    if (output()) convert_rows<Keys>(stage + L::query_at, part(key_pieces));
    if (place.unit) return;
#pragma unroll
    for (int w = 0; w < L::max_state_warps; ++w) {
      if (w < a.state_warps) convert_rows<Values>(stage + L::value_at + w * Values::bytes, part(2 * key_pieces + w));
    }
  }

  __device__ __forceinline__ float* scalars(int c) const { return scalars_of<L>(memory, c); }

  __device__ __forceinline__ void load_scalars(int c) {
    const std::size_t row = place.row_of(c);
    const int n = householder();
    const int updates = place.tokens_of(c) * n;
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int u = 2 * lane + e;
      next_decay[e] = 0.0F;
      next_beta[e] = 0.0F;
      if (u >= updates) continue;
      if (a.arrays.decay != nullptr && u % n == 0) {
        next_decay[e] = __ldg(static_cast<const float*>(a.arrays.decay) + (row + u / n) * a.heads + place.head);
      }
      if constexpr (L::delta) next_beta[e] = __ldg(a.arrays.beta + (row * n + u) * a.heads + place.head);
    }
  }

  __device__ __forceinline__ void scan_decays(int c) {
    float* s = scalars(c);
    next_decay[0] *= log2_e;
    const float pair = fmaf(next_decay[1], log2_e, next_decay[0]);
    float sum = pair;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      const float below = __shfl_up_sync(0xFFFFFFFFU, sum, distance);
      if (lane >= distance) sum += below;
    }
    const float total = __shfl_sync(0xFFFFFFFFU, sum, 31);
    const float first = sum - pair + next_decay[0];
    decayed += total;
    const int u = 2 * lane;
    const auto store = [&](int at, float x, float y) { *reinterpret_cast<float2*>(s + at + u) = make_float2(x, y); };
    store(L::decayed_at, power_of_two(first), power_of_two(sum));
    store(L::remaining_at, power_of_two(total - first), power_of_two(total - sum));
    store(L::sum_at, first, sum);
    store(L::beta_at, next_beta[0], next_beta[1]);
  }

  /// by_block: decays and betas of chunk c, by loads that do not depend on branches.
  __device__ __forceinline__ void load_pairs(int c) {
    const bool decays = a.arrays.decay != nullptr;
    const int left = place.tokens_of(c) - 2 * lane;
    const std::size_t at = (place.row_of(c) + 2 * lane) * a.heads + place.head;
    const float* beta = a.arrays.beta + at;
    const float* decay = static_cast<const float*>(a.arrays.decay) + at;
    float x[2][2] = {};
    if (left > 0) x[0][0] = __ldg(beta);
    if (left > 1) x[0][1] = __ldg(beta + a.heads);
    if (left > 0 && decays) x[1][0] = __ldg(decay);
    if (left > 1 && decays) x[1][1] = __ldg(decay + a.heads);
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      next_beta[e] = x[0][e];
      next_decay[e] = x[1][e];
    }
  }
  /// by_block: scans them, in each block of 16 steps from its beginning. Without decays only betas are written (see
  /// no_decays). there: whether there is a chunk c; if not, what is written is not read.
  template <bool decays>
  __device__ __forceinline__ void scan_blocks(int c, bool there) {
    float* s = scalars(c);
    const auto store = [&](int at, float x, float y) {
      *reinterpret_cast<float2*>(s + at + 2 * lane) = make_float2(x, y);
    };
    store(L::beta_at, next_beta[0], next_beta[1]);
    if constexpr (decays) {
      next_decay[0] *= log2_e;
      const float pair = fmaf(next_decay[1], log2_e, next_decay[0]);
      float sum = pair;
#pragma unroll
      for (int distance = 1; distance < 8; distance *= 2) {
        const float below = __shfl_up_sync(0xFFFFFFFFU, sum, distance, 8);
        if ((lane & 7) >= distance) sum += below;
      }
      float of[4];  // each block
#pragma unroll
      for (int i = 0; i < 4; ++i) of[i] = __shfl_sync(0xFFFFFFFFU, sum, 8 * i + 7);
      const float first = sum - pair + next_decay[0];
      store(L::sum_at, first, sum);
      store(L::since_at, power_of_two(first), power_of_two(sum));
      const bool late = lane >= 16;
      const bool odd = (lane & 8) != 0;
      const float upper = of[0] + of[1];
      const float lower = of[2] + of[3];
      const float end = late ? (odd ? of[3] : of[2]) : (odd ? of[1] : of[0]);
      const float before = (late ? upper : 0.0F) + (odd ? (late ? of[2] : of[0]) : 0.0F);
      const float after = (late ? 0.0F : lower) + (odd ? 0.0F : (late ? of[3] : of[1]));
      if (there) decayed += upper + lower;
      store(L::until_at, power_of_two(end - first), power_of_two(end - sum));
      store(L::decayed_at, power_of_two(before + first), power_of_two(before + sum));
      store(L::remaining_at, power_of_two(after + (end - first)), power_of_two(after + (end - sum)));
    }
  }
  /// by_block, where there are no decays: c_i of all chunks.
  __device__ __forceinline__ void no_decays() const {
    for (int i = 0; i < L::scalar_places; ++i) {
      *reinterpret_cast<float2*>(scalars(i) + L::decayed_at + 2 * lane) = make_float2(1.0F, 1.0F);
    }
  }

  /// Where block (i, j) of A, j < i, is.
  __device__ __forceinline__ std::uint32_t below_block(int i, int j) const {
    return base + scratch_base() + L::below_at + (i * (i - 1) / 2 + j) * FineBlock::bytes;
  }

  /// K K^T, 16 rows a warp.
  __device__ __forceinline__ void multiply_keys(int c, float (&product)[8][4]) const {
    const std::uint32_t keys = base + (c % L::stages) * L::stage_bytes + L::key_at;
    if constexpr (L::group_products) {
      group_begin();
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        const std::uint32_t panel = keys + k / 4 * Panel::bytes;
        group_multiply<64, Panel>(product, panel, panel, 2 * (k % 4), k > 0);
      }
      group_commit();
      group_wait<0>();
      settle(product);
    } else {
      clear(product);
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        const Operand<planes> left = Keys::load_left(keys, 16 * warp, 2 * k);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (j > warp) continue;
          multiply_add<planes>(product[2 * j], product[2 * j + 1], left, Keys::load_right(keys, 16 * j, 2 * k));
        }
      }
    }
  }

  /// From t, a row of the unit matrix, that row of the inverse of a unit triangular block, whose entries are `raw`.
  static __device__ __forceinline__ void substitute(const float* raw, float (&t)[16]) {
#pragma unroll
    for (int k = 15; k > 0; --k) {
      float below[16];
#pragma unroll
      for (int q = 0; q < (k + 3) / 4; ++q) {
        *reinterpret_cast<float4*>(below + 4 * q) = *reinterpret_cast<const float4*>(raw + k * L::raw_pitch + 4 * q);
      }
#pragma unroll
      for (int j = 0; j < k; ++j) t[j] = fmaf(-below[j], t[k], t[j]);
    }
  }

  /// A of this warp's 16 rows: blocks below the diagonal to scratch, the diagonal block inverted.
  __device__ __forceinline__ void make_system(int c) {
    const float* s = scalars(c);
    float product[8][4];
    multiply_keys(c, product);
    const int i0 = 16 * warp + (lane >> 2);
    const bool decays = a.arrays.decay != nullptr;
    const float beta[2] = {s[L::beta_at + i0], s[L::beta_at + i0 + 8]};
    const float b[2] = {s[L::sum_at + i0], s[L::sum_at + i0 + 8]};
    const std::uint32_t diagonal_at = scratch_base() + L::diagonal_at + warp * L::diagonal_bytes;
    float* raw = reinterpret_cast<float*>(memory + diagonal_at);
#pragma unroll
    for (int j = 3; j >= 0; --j) {
      if (j > warp) continue;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float(&x)[4] = product[2 * j + h];
        const int column = 16 * j + 8 * h + 2 * (lane & 3);
#pragma unroll
        for (int e = 0; e < 4; ++e) x[e] *= beta[e >> 1];
        if (decays) {
          const float2 at = *reinterpret_cast<const float2*>(s + L::sum_at + column);
          // Above the diagonal a power may be infinite; nothing reads there.
#pragma unroll
          for (int e = 0; e < 4; ++e) x[e] *= power_of_two(b[e >> 1] - ((e & 1) == 0 ? at.x : at.y));
        }
        if (j == warp) {
          float* to = raw + (lane >> 2) * L::raw_pitch + 8 * h + 2 * (lane & 3);
          *reinterpret_cast<float2*>(to) = make_float2(x[0], x[1]);
          *reinterpret_cast<float2*>(to + 8 * L::raw_pitch) = make_float2(x[2], x[3]);
        }
      }
      if (j < warp) {
        FineBlock::store(below_block(warp, j), 0, left_operand<2>(product[2 * j], product[2 * j + 1]));
      }
    }
    __syncwarp();
    // Row `row` of the inverse of a unit triangular block, by substitution; both halves of the warp alike.
    const int row = lane & 15;
    float t[16];
#pragma unroll
    for (int j = 0; j < 16; ++j) t[j] = j == row ? 1.0F : 0.0F;
    substitute(raw, t);
    __syncwarp();
    // One half of the warp writes it for the blocks below, the other times diag(beta) as T's.
    const bool scaled = lane >= 16;
    if (scaled) {
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        const float4 column_beta = *reinterpret_cast<const float4*>(s + L::beta_at + 16 * warp + 4 * q);
        t[4 * q] *= column_beta.x;
        t[4 * q + 1] *= column_beta.y;
        t[4 * q + 2] *= column_beta.z;
        t[4 * q + 3] *= column_beta.w;
      }
    }
    const std::uint32_t to =
        scaled ? base + L::inverse_of(c) + triangle_block(warp, warp) * Block::bytes : base + diagonal_at;
#pragma unroll
    for (int piece = 0; piece < 2; ++piece) {
      Operand<2> o;
#pragma unroll
      for (int i = 0; i < 4; ++i) set(o, i, t[8 * piece + 2 * i], t[8 * piece + 2 * i + 1]);
      const std::uint32_t at = to + FineBlock::offset(row, piece);
      store_quad(at, o.r[0]);
      if (planes == 2 || !scaled) store_quad(at + FineBlock::plane_bytes, o.r[1]);
    }
  }

  /// by_block: the diagonal block of A of warp `own` to `raw`.
  template <int own, bool decays>
  __device__ __forceinline__ void make_diagonal_of(const float* s, float (&product)[8][4], float* raw) const {
    const float* rows = s + 16 * own + (lane >> 2);  // of this lane
    const int column = 2 * (lane & 3);
    const float beta[2] = {rows[L::beta_at], rows[L::beta_at + 8]};
    float(*x)[4] = product + 2 * own;
    float b[2] = {};
    if constexpr (decays) {
      b[0] = rows[L::sum_at];
      b[1] = rows[L::sum_at + 8];
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      // The upper right quarter is not read.
#pragma unroll
      for (int e = 2 * h; e < 4; ++e) x[h][e] *= beta[e >> 1];
      if constexpr (decays) {
        const float2 at = *reinterpret_cast<const float2*>(s + L::sum_at + 16 * own + 8 * h + column);
        // Above the diagonal a power may be infinite; nothing reads there.
#pragma unroll
        for (int e = 2 * h; e < 4; ++e) x[h][e] *= power_of_two(b[e >> 1] - ((e & 1) == 0 ? at.x : at.y));
      }
      float* to = raw + (lane >> 2) * L::raw_pitch + 8 * h + column;
      if (h == 0) *reinterpret_cast<float2*>(to) = make_float2(x[h][0], x[h][1]);
      *reinterpret_cast<float2*>(to + 8 * L::raw_pitch) = make_float2(x[h][2], x[h][3]);
    }
  }
  /// by_block: the blocks left of it to scratch.
  template <int own, bool decays>
  __device__ __forceinline__ void make_blocks_of(const float* s, float (&product)[8][4]) const {
    const float* rows = s + 16 * own + (lane >> 2);  // of this lane
    const int column = 2 * (lane & 3);
    // Of a row, beta and the decays since the end of block j.
    float since[2] = {rows[L::beta_at], rows[L::beta_at + 8]};
    if constexpr (decays) {
      since[0] *= rows[L::since_at];
      since[1] *= rows[L::since_at + 8];
    }
#pragma unroll
    for (int j = own - 1; j >= 0; --j) {
      float(*x)[4] = product + 2 * j;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float2 until = make_float2(1.0F, 1.0F);
        if constexpr (decays) until = *reinterpret_cast<const float2*>(s + L::until_at + 16 * j + 8 * h + column);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          x[h][e] *= decays ? since[e >> 1] * ((e & 1) == 0 ? until.x : until.y) : since[e >> 1];
        }
      }
      FineBlock::store(below_block(own, j), 0, left_operand<2>(x[0], x[1]));
      if constexpr (decays) {
        if (j > 0) {
          const float power = block_power<L>(s, j);
          since[0] *= power;
          since[1] *= power;
        }
      }
    }
  }
  /// by_block: the inverses of the unit triangular diagonal blocks `warp` and warp + 2, by substitution, a row a lane.
  __device__ __forceinline__ void invert_diagonal(int c, const float* s) const {
    const int block = warp + 2 * (lane >> 4);
    const int row = lane & 15;
    const std::uint32_t diagonal_at = scratch_base() + L::diagonal_at + block * L::diagonal_bytes;
    const float* raw = reinterpret_cast<const float*>(memory + diagonal_at);
    float t[16];
#pragma unroll
    for (int j = 0; j < 16; ++j) {
      // Of floats this is one instruction.
      asm("set.eq.f32.f32 %0, %1, %2;" : "=f"(t[j]) : "f"(static_cast<float>(row)), "f"(static_cast<float>(j)));
    }
    substitute(raw, t);
    __syncwarp();
    // For the blocks below, and times diag(beta) as T's.
    const std::uint32_t inverse = base + L::inverse_of(c) + triangle_block(block, block) * Block::bytes;
#pragma unroll
    for (int piece = 0; piece < 2; ++piece) {
      float* x = t + 8 * piece;
      Operand<2> o;
#pragma unroll
      for (int i = 0; i < 4; ++i) set(o, i, x[2 * i], x[2 * i + 1]);
      const std::uint32_t at = FineBlock::offset(row, piece);
      store_quad(base + diagonal_at + at, o.r[0]);
      store_quad(base + diagonal_at + at + FineBlock::plane_bytes, o.r[1]);
      Operand<1> scaled;
#pragma unroll
      for (int q = 0; q < 2; ++q) {
        const float4 beta = *reinterpret_cast<const float4*>(s + L::beta_at + 16 * block + 8 * piece + 4 * q);
        set(scaled, 2 * q, x[4 * q] * beta.x, x[4 * q + 1] * beta.y);
        set(scaled, 2 * q + 1, x[4 * q + 2] * beta.z, x[4 * q + 3] * beta.w);
      }
      store_quad(inverse + at, scaled.r[0]);
    }
  }
  /// by_block: the part of share_system before diagonal blocks are inverted. Warps 2 and 3 say that theirs are there.
  template <bool decays>
  __device__ __forceinline__ void divide_system(int c, const float* s, float (&product)[8][4]) {
    const int next = c + 1;
    float* raw = reinterpret_cast<float*>(memory + scratch_base() + L::diagonal_at + warp * L::diagonal_bytes);
    constexpr int pair_barrier = 2 + L::groups;  // of warps 0 and 2; the next of 1 and 3
    if (warp == 0) {
      make_diagonal_of<0, decays>(s, product, raw);
      synchronize(pair_barrier, 64);
    } else if (warp == 1) {
      make_diagonal_of<1, decays>(s, product, raw);
      make_blocks_of<1, decays>(s, product);
      synchronize(pair_barrier + 1, 64);
    } else if (warp == 2) {
      make_diagonal_of<2, decays>(s, product, raw);
      arrive(pair_barrier, 64);
      scan_blocks<decays>(next, next < place.chunks);
      make_blocks_of<2, decays>(s, product);
    } else {
      make_diagonal_of<3, decays>(s, product, raw);
      arrive(pair_barrier + 1, 64);
      make_blocks_of<3, decays>(s, product);
    }
  }

  /// by_block: A, its diagonal blocks inverted. Every warp makes its diagonal block; then warps 0 and 1 invert two
  /// each, while warps 2 and 3 make their blocks left of it and start the next chunk's copies. Warp 1 has made its one
  /// such block before; warp 2 scans the next chunk's decays.
  __device__ __forceinline__ void share_system(int c) {
    float product[8][4];
    multiply_keys(c, product);
    const float* s = scalars(c);
    if (a.arrays.decay != nullptr) {
      divide_system<true>(c, s, product);
    } else {
      divide_system<false>(c, s, product);
    }
    if (warp == scanning_warp && c + 2 < place.chunks) load_pairs(c + 2);
    if (!copies()) {
      invert_diagonal(c, s);
    } else if (c + 1 < place.chunks) {
      issue_rows(c + 1);
    }
  }

  /// A product of 16 x 16 blocks.
  static __device__ __forceinline__ void multiply_fine(float (&x)[2][4], const Operand<2>& left,
                                                       const Operand<2>& right) {
    multiply_add<2>(x[0], x[1], left, right);
  }
  static __device__ __forceinline__ Operand<2> negative(float (&x)[2][4]) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int e = 0; e < 4; ++e) x[h][e] = -x[h][e];
    }
    return left_operand<2>(x[0], x[1]);
  }

  /// The blocks of T below the diagonal. With T and A in halves of 32 updates, T_10 = -T_11 A_10 T_00; the same holds
  /// of the halves' own blocks, which two warps make while the two others begin. Each warp has a block of the lower
  /// left half.
  __device__ __forceinline__ void solve(int c) {
    const std::uint32_t scratch = base + scratch_base();
    const std::uint32_t inverse = base + L::inverse_of(c);
    const float* s = scalars(c);
    // by_block: the other two warps make the halves' own blocks, which is slightly faster.
    const int own = by_block ? warp ^ 2 : warp;
    const int row = 2 + (own >> 1);
    const int column = 1 - (own & 1);
    const auto below = [&](int i, int j) { return scratch + L::below_at + (i * (i - 1) / 2 + j) * FineBlock::bytes; };
    const auto diagonal = [&](int i) { return scratch + L::diagonal_at + i * L::diagonal_bytes; };
    const auto store = [&](int i, int j, float(&x)[2][4]) {  // of the transposed block
      const float beta[2] = {s[L::beta_at + 16 * j + (lane >> 2)], s[L::beta_at + 16 * j + (lane >> 2) + 8]};
      float y[2][4];
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int e = 0; e < 4; ++e) y[h][e] = x[h][e] * beta[e >> 1];
      }
      Block::store_transposed(inverse + triangle_block(i, j) * Block::bytes, 0, left_operand<planes>(y[0], y[1]));
    };
    // Left operands are transposed blocks; sums are of A T_00, transposed, in blocks 2 and 3.
    const Operand<2> top = FineBlock::load_left_transposed(diagonal(column), 0, 0);
    float sums[2][2][4] = {};
    const auto add_top = [&](int k) { multiply_fine(sums[k - 2], top, FineBlock::load_right(below(k, column), 0, 0)); };
    // The halves' own blocks take the places of A's.
    if (row == 3) {
      add_top(2);
      add_top(3);
    } else if (column == 1) {
      float x[2][4] = {};
      multiply_fine(x, FineBlock::load_left_transposed(diagonal(0), 0, 0), FineBlock::load_right(below(1, 0), 0, 0));
      const Operand<2> left = left_operand<2>(x[0], x[1]);
      float y[2][4] = {};
      multiply_fine(y, left, FineBlock::load_right(diagonal(1), 0, 0));
      FineBlock::store(below(1, 0), 0, negative(y));
      store(1, 0, y);
    } else {
      float x[2][4] = {};
      multiply_fine(x, FineBlock::load_left(diagonal(3), 0, 0), FineBlock::load_right_transposed(below(3, 2), 0, 0));
      const Operand<2> left = left_operand<2>(x[0], x[1]);
      float y[2][4] = {};
      multiply_fine(y, left, FineBlock::load_right_transposed(diagonal(2), 0, 0));
      FineBlock::store(below(3, 2), 0, negative(y));
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float2 beta = *reinterpret_cast<const float2*>(s + L::beta_at + 32 + 8 * h + 2 * (lane & 3));
#pragma unroll
        for (int e = 0; e < 4; ++e) y[h][e] *= (e & 1) == 0 ? beta.x : beta.y;
      }
      Block::store(inverse + triangle_block(3, 2) * Block::bytes, 0, left_operand<planes>(y[0], y[1]));
    }
    synchronize(L::groups == 1 ? 1 : 1 + group, preparing_threads);
    if (row == 2) add_top(2);
    const Operand<2> top_below = FineBlock::load_left(below(1, 0), 0, 0);
    float z[2][4] = {};
    if constexpr (by_block) {
      // Of row 3 two products of each kind, side by side: neither waits for the other.
      float more[2][4] = {};
      if (row == 2) {
        if (column == 0) multiply_fine(sums[0], top_below, FineBlock::load_right(below(2, 1), 0, 0));
        multiply_fine(z, left_operand<2>(sums[0][0], sums[0][1]), FineBlock::load_right(diagonal(2), 0, 0));
      } else {
        if (column == 0) {
          multiply_fine(sums[0], top_below, FineBlock::load_right(below(2, 1), 0, 0));
          multiply_fine(sums[1], top_below, FineBlock::load_right(below(3, 1), 0, 0));
        }
        multiply_fine(z, left_operand<2>(sums[0][0], sums[0][1]), FineBlock::load_right(below(3, 2), 0, 0));
        multiply_fine(more, left_operand<2>(sums[1][0], sums[1][1]), FineBlock::load_right(diagonal(3), 0, 0));
#pragma unroll
        for (int h = 0; h < 2; ++h) {
#pragma unroll
          for (int e = 0; e < 4; ++e) z[h][e] += more[h][e];
        }
      }
    } else {
#pragma unroll
      for (int k = 2; k < 4; ++k) {
        if (k > row) continue;
        if (column == 0) multiply_fine(sums[k - 2], top_below, FineBlock::load_right(below(k, 1), 0, 0));
        const Operand<2> left = left_operand<2>(sums[k - 2][0], sums[k - 2][1]);
        multiply_fine(z, left, FineBlock::load_right(k == row ? diagonal(k) : below(3, 2), 0, 0));
      }
    }
    negative(z);
    store(row, column, z);
  }

  // ---- keywise decays -----------------------------------------------------------------------------------------------

  __device__ __forceinline__ float* sums() const { return reinterpret_cast<float*>(memory + scratch_base()); }

  /// b by step and key, every thread a key and a part of the steps.
  __device__ __forceinline__ void scan_keywise(int c) {
    constexpr int parts = preparing_threads / K;
    constexpr int rows = chunk_steps / parts;
    const int key = preparing_thread() % K;
    const int part = preparing_thread() / K;
    float sum[rows];
    if constexpr (L::ahead) {
      const Input* raw = reinterpret_cast<const Input*>(memory + scratch_base() + L::decay_at);
#pragma unroll
      for (int r = 0; r < rows; ++r) sum[r] = static_cast<float>(raw[(part * rows + r) * K + key]);
    } else {
      const int left = place.tokens_of(c);
      const std::size_t stride = key_stride();
      const float* decay = static_cast<const float*>(a.arrays.decay) + place.row_of(c) * stride + key_column() + key;
#pragma unroll
      for (int r = 0; r < rows; ++r) {
        const int step = part * rows + r;
        sum[r] = step < left && key < a.key_size ? __ldg(decay + step * stride) : 0.0F;
      }
    }
    sum[0] *= log2_e;
#pragma unroll
    for (int r = 1; r < rows; ++r) sum[r] = fmaf(sum[r], log2_e, sum[r - 1]);
    float before = 0.0F;
    if constexpr (parts > 1) {
      float* totals = reinterpret_cast<float*>(memory + scratch_base() + L::part_at);
      totals[preparing_thread()] = sum[rows - 1];
      synchronize(L::groups == 1 ? 1 : 1 + group, preparing_threads);
      for (int p = 0; p < part; ++p) before += totals[p * K + key];
    }
    float* to = sums() + part * rows * L::sum_pitch + key;
#pragma unroll
    for (int r = 0; r < rows; ++r) to[r * L::sum_pitch] = before + sum[r];
    if (part == parts - 1) {
      const float total = before + sum[rows - 1];
      decayed += total;
      scalars(c)[key] = power_of_two(total);
    }
  }

  /// A pair of keys of an operand's register, scaled.
  template <int out_planes>
  static __device__ __forceinline__ void scale(Operand<out_planes>& to, const Operand<planes>& from, int i, float f0,
                                               float f1) {
    set(to, i, first(from, i) * f0, second(from, i) * f1);
  }

  /// P in blocks of 16 x 16: decays are counted from the last step before the query's block.
  __device__ __forceinline__ void make_keywise_scores(int c) {
    const std::uint32_t stage = base + (c % L::stages) * L::stage_bytes;
    const float* b = sums();
    const float* before = b + (16 * warp - 1) * L::sum_pitch;
    const int row = lane >> 2;
    float product[8][4];
    clear(product);
    // Inside the diagonal block the key's factor is above 1; beyond 2^100 pairs are summed one by one.
    bool strong = false;
    for (int key = lane; key < K; key += 32) {
      const float from = warp == 0 ? 0.0F : before[key];
      strong = strong || from - b[(16 * warp + 15) * L::sum_pitch + key] > 100.0F;
    }
    strong = __any_sync(0xFFFFFFFFU, strong);
#pragma unroll
    for (int k = 0; k < K / 16; ++k) {
      const int key = 16 * k + 2 * (lane & 3);
      float2 from[2] = {make_float2(0.0F, 0.0F), make_float2(0.0F, 0.0F)};
      if (warp != 0) {
        from[0] = *reinterpret_cast<const float2*>(before + key);
        from[1] = *reinterpret_cast<const float2*>(before + key + 8);
      }
      // Two planes, or the roundings of both operands would be the largest of all.
      Operand<2> left;
      const Operand<planes> query = Keys::load_left(stage + L::query_at, 16 * warp, 2 * k);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float2 at =
            *reinterpret_cast<const float2*>(b + (16 * warp + row + (i & 1) * 8) * L::sum_pitch + key + (i >> 1) * 8);
        scale(left, query, i, power_of_two(at.x - from[i >> 1].x), power_of_two(at.y - from[i >> 1].y));
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j > warp || (j == warp && strong)) continue;
        Operand<2> right;
        const Operand<planes> own = Keys::load_right(stage + L::key_at, 16 * j, 2 * k);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float2 at =
              *reinterpret_cast<const float2*>(b + (16 * j + row + (i >> 1) * 8) * L::sum_pitch + key + (i & 1) * 8);
          scale(right, own, i, power_of_two(from[i & 1].x - at.x), power_of_two(from[i & 1].y - at.y));
        }
        multiply_add<2>(product[2 * j], product[2 * j + 1], left, right);
      }
    }
    const std::uint32_t scores = base + L::prepared_of(c) + L::score_at;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (j > warp) continue;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int update = 16 * j + 8 * h + 2 * (lane & 3) + (e & 1);
          if (update > 16 * warp + row + (e >> 1) * 8) product[2 * j + h][e] = 0.0F;
        }
      }
      Block::store(scores + triangle_block(warp, j) * Block::bytes, 0,
                   left_operand<planes>(product[2 * j], product[2 * j + 1]));
    }
    if (!strong) return;
    __syncwarp();
    unsigned char* block = memory + (scores - base) + triangle_block(warp, warp) * Block::bytes;
#pragma unroll 1
    for (int e = lane; e < 256; e += 32) {
      const int i = e / 16;
      const int j = e % 16;
      float rest = sum_pair(memory + (c % L::stages) * L::stage_bytes, b, 16 * warp + i, 16 * warp + j);
#pragma unroll
      for (int p = 0; p < planes; ++p) {
        const __nv_bfloat16 rounded = __float2bfloat16_rn(rest);
        *reinterpret_cast<__nv_bfloat16*>(block + p * Block::plane_bytes + Block::offset(i, j / 8) + j % 8 * 2) =
            rounded;
        rest -= __bfloat162float(rounded);
      }
    }
  }

  static __device__ __forceinline__ float number(const unsigned char* tile, int row, int column) {
    const unsigned char* at = tile + Keys::offset(row, column >> 3) + (column & 7) * 2;
    float x = __bfloat162float(*reinterpret_cast<const __nv_bfloat16*>(at));
    if constexpr (planes == 2) {
      x += __bfloat162float(*reinterpret_cast<const __nv_bfloat16*>(at + Keys::plane_bytes));
    }
    return x;
  }
  /// P_ij by itself, 0 for j > i.
  static __device__ __forceinline__ float sum_pair(const unsigned char* stage, const float* b, int i, int j) {
    float sum = 0.0F;
#pragma unroll 1
    for (int key = 0; key < K && j <= i; ++key) {
      sum = fmaf(number(stage + L::query_at, i, key) * number(stage + L::key_at, j, key),
                 power_of_two(b[i * L::sum_pitch + key] - b[j * L::sum_pitch + key]), sum);
    }
    return sum;
  }

  /// Queries times e^{b_i}, keys times e^{b_64 - b_i}, in place.
  __device__ __forceinline__ void scale_rows(int c) {
    const std::uint32_t stage = (c % L::stages) * L::stage_bytes;
    const float* b = sums();
    for (int i = preparing_thread(); i < chunk_steps * Keys::pieces; i += preparing_threads) {
      const int row = i / Keys::pieces;
      const int piece = i % Keys::pieces;
      const float* at = b + row * L::sum_pitch + piece * 8;
      const float* end = b + (chunk_steps - 1) * L::sum_pitch + piece * 8;
#pragma unroll
      for (int which = 0; which < 2; ++which) {
        if (which == 1 && !output()) continue;
        unsigned char* data = memory + stage + (which == 0 ? L::key_at : L::query_at) + Keys::offset(row, piece);
        Operand<planes> o;
#pragma unroll
        for (int p = 0; p < planes; ++p) {
          const uint4 raw = *reinterpret_cast<const uint4*>(data + p * Keys::plane_bytes);
          o.r[p][0] = raw.x;
          o.r[p][1] = raw.y;
          o.r[p][2] = raw.z;
          o.r[p][3] = raw.w;
        }
#pragma unroll
        for (int q = 0; q < 4; ++q) {
          const float2 sum = *reinterpret_cast<const float2*>(at + 2 * q);
          float2 power = sum;
          if (which == 0) {
            const float2 last = *reinterpret_cast<const float2*>(end + 2 * q);
            power = make_float2(last.x - sum.x, last.y - sum.y);
          }
          scale(o, o, q, power_of_two(power.x), power_of_two(power.y));
        }
#pragma unroll
        for (int p = 0; p < planes; ++p) {
          *reinterpret_cast<uint4*>(data + p * Keys::plane_bytes) =
              make_uint4(o.r[p][0], o.r[p][1], o.r[p][2], o.r[p][3]);
        }
      }
    }
  }

  __device__ __forceinline__ void run() {
    const Handover<L, by_block> handover{base};
    const int chunks = place.chunks;
    const bool scans = !L::keywise && warp == scanning_warp;
    if (group < chunks) {
      if constexpr (by_block) {
        clear_blocks();
        if (copies()) {
          start_rows();
          issue_rows(group);
        }
        if (scans) {
          load_pairs(group);
          if (a.arrays.decay != nullptr) {
            scan_blocks<true>(group, true);
          } else {
            no_decays();
            scan_blocks<false>(group, true);
          }
          if (group + L::groups < chunks) load_pairs(group + L::groups);
        }
      } else {
        start();
        clear_blocks();
        issue(group);
        if (scans) {
          load_scalars(group);
          scan_decays(group);
          if (group + L::groups < chunks) load_scalars(group + L::groups);
        }
      }
    }
    for (int c = group; c < chunks; c += L::groups) {
      const int next = c + L::groups;
      if (L::ahead && c >= L::places) handover.wait_used(c - L::places);
      if constexpr (L::ahead) wait_for_copies();
      if constexpr (L::buffered) convert(c);
      if constexpr (L::grouped) publish_to_groups();
      synchronize(L::groups == 1 ? 1 : 1 + group, preparing_threads);
      if constexpr (L::keywise) {
        scan_keywise(c);
        synchronize(L::groups == 1 ? 1 : 1 + group, preparing_threads);
      }
      constexpr bool makes_system = L::delta && !L::given;
      if (L::ahead && !by_block && next < chunks) issue(next);
      if constexpr (by_block) {
        share_system(c);
      } else if constexpr (makes_system) {
        make_system(c);
      }
      const auto scan_next = [&] {
        if (!scans || next >= chunks) return;
        scan_decays(next);
        if (next + L::groups < chunks) load_scalars(next + L::groups);
      };
      // Warp 0 has the fewest blocks of A, and of T. by_block: decays are scanned in share_system.
      constexpr bool scans_late = !L::delta || query_blocks != 4;
      if constexpr (!scans_late && !by_block) scan_next();
      if constexpr (L::keywise) {
        if (output()) make_keywise_scores(c);
        synchronize(L::groups == 1 ? 1 : 1 + group, preparing_threads);
        scale_rows(c);
      } else {
        if constexpr (makes_system) synchronize(L::groups == 1 ? 1 : 1 + group, preparing_threads);
        const Scores<K, rule, Input, query_blocks, pass> scores{a, memory, base, warp, lane};
        typename decltype(scores)::Product product;
        const bool own_scores = output() && !L::state_scores;
        // Groups of warps leave it to run beside what follows.
        if (L::grouped && own_scores) scores.start(c, product);
        if constexpr (makes_system) solve(c);
        if constexpr (scans_late) scan_next();
        if (own_scores) {
          if constexpr (!L::grouped) scores.start(c, product);
          if constexpr (L::group_products) {
            group_wait<0>();
            settle(product);
          }
          scores.finish(c, product);
        }
      }
      if constexpr (L::grouped) publish_to_groups();
      handover.say_prepared(c);
      if (!L::ahead && next < chunks) {
        if (c >= 1) handover.wait_used(c - 1);
        issue(next);
      }
    }
    if (a.segment_decay != nullptr && blockIdx.y == 0) {
      if constexpr (L::keywise) {
        const int key = preparing_thread() % K;
        if (preparing_thread() / K == preparing_threads / K - 1 && key < a.key_size) {
          a.segment_decay[static_cast<std::size_t>(blockIdx.x) * a.key_size + key] = decayed;
        }
      } else {
        if (preparing_thread() == 32 * scanning_warp) a.segment_decay[blockIdx.x] = decayed;
      }
    }
  }
};

// ---- the state warps ------------------------------------------------------------------------------------------------

/// Reads 16 values of 16 steps transposed, as a left operand.
template <class L>
__device__ __forceinline__ Operand<L::planes> load_values(std::uint32_t values, int block) {
  return L::Values::load_left_transposed(values, 16 * block, 0);
}

template <int K, ChunkedRule rule, class Input, int query_blocks, Pass pass>
struct StateColumns {
  using L = Layout<K, rule, Input, pass>;
  static constexpr bool by_block = L::by_block(query_blocks);
  static constexpr int planes = L::planes;
  using Keys = typename L::Keys;
  using Block = typename L::Block;
  using Panel = typename L::Panel;

  const Arguments& a;
  const Place place;
  unsigned char* memory;
  std::uint32_t base;
  int warp;  // among the state warps
  int lane;
  /// S^T: row lane / 4 (+ 8) is a value column, tile t the keys 8 t + 2 (lane % 4), + 1.
  float state[K / 8][4];

  __device__ __forceinline__ int value_of(int e) const {
    return place.first_value + 16 * warp + (lane >> 2) + (e >> 1) * 8;
  }
  static __device__ __forceinline__ int key_of(int lane, int tile, int e) {
    return 8 * tile + 2 * (lane & 3) + (e & 1);
  }

  __device__ __forceinline__ void start() {
    const int columns = place.unit ? a.key_size : a.value_size;
    const std::size_t index = a.initial_by_segment ? blockIdx.x : place.sequence;
    const bool given = a.arrays.initial_state != nullptr && !place.unit && (a.initial_by_segment || place.segment == 0);
    const float* from = a.arrays.initial_state + index * a.key_size * columns;
#pragma unroll
    for (int t = 0; t < K / 8; ++t) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int key = key_of(lane, t, e);
        const int value = value_of(e);
        state[t][e] = place.unit && key == value ? 1.0F : 0.0F;
        if (given && key < a.key_size && value < columns)
          state[t][e] = from[static_cast<std::size_t>(key) * columns + value];
      }
    }
  }

  __device__ __forceinline__ void finish() {
    const int columns = place.unit ? a.key_size : a.value_size;
    float* to = place.unit ? a.transfer : a.arrays.final_state;
    if (to == nullptr) return;
    const bool by_segment = place.unit || a.final_by_segment;
    if (!by_segment && place.segment != a.segments - 1) return;
    to += (by_segment ? static_cast<std::size_t>(blockIdx.x) : static_cast<std::size_t>(place.sequence)) * a.key_size *
          columns;
#pragma unroll
    for (int t = 0; t < K / 8; ++t) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int key = key_of(lane, t, e);
        const int value = value_of(e);
        if (key < a.key_size && value < columns) to[static_cast<std::size_t>(key) * columns + value] = state[t][e];
      }
    }
  }

  /// Writes 16 tokens of 16 value columns; the warp's values of the chunk are no longer needed.
  __device__ __forceinline__ void write(int c, std::uint32_t values, const Sums<2 * query_blocks>& o) {
    const int tokens = place.tokens_of(c);
    const std::size_t stride = static_cast<std::size_t>(a.heads) * a.value_size;
    const int column = place.first_value + 16 * warp;
    Input* out = static_cast<Input*>(a.arrays.output) + place.row_of(c) * stride +
                 static_cast<std::size_t>(place.head) * a.value_size + column;
    if constexpr (planes == 2) {
#pragma unroll
      for (int t = 0; t < 2 * query_blocks; ++t) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int row = 8 * t + 2 * (lane & 3) + (e & 1);
          const int v = (lane >> 2) + (e >> 1) * 8;
          if (row < tokens && column + v < a.value_size) out[row * stride + v] = o[t][e];
        }
      }
    } else {
      using Values = typename L::Values;
      __syncwarp();
#pragma unroll
      for (int i = 0; i < query_blocks; ++i) {
        Values::store_transposed(values, 16 * i, left_operand<1>(o[2 * i], o[2 * i + 1]));
      }
      __syncwarp();
      if constexpr (by_block) {
        // All rows are read before one is written, whose addresses follow from the first.
        const int row = lane >> 1;
        const int piece = lane & 1;
        uint4 x[query_blocks];
#pragma unroll
        for (int i = 0; i < query_blocks; ++i) {
          asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
                       : "=r"(x[i].x), "=r"(x[i].y), "=r"(x[i].z), "=r"(x[i].w)
                       : "r"(values + Values::offset(row, piece) + i * 16 * Values::row_bytes)
                       : "memory");
        }
        const int rows = column + 8 * piece < a.value_size ? tokens : 0;
        Input* to = out + row * stride + 8 * piece;
#pragma unroll
        for (int i = 0; i < query_blocks; ++i, to += 16 * stride) {
          if (row + 16 * i < rows) __stcs(reinterpret_cast<uint4*>(to), x[i]);
        }
      } else {
#pragma unroll
        for (int i = 0; i < query_blocks; ++i) {
          const int row = 16 * i + (lane >> 1);
          const int piece = lane & 1;
          if (row < tokens && column + 8 * piece < a.value_size) {
            uint4 x;
            asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
                         : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
                         : "r"(values + Values::offset(row, piece))
                         : "memory");
            __stcs(reinterpret_cast<uint4*>(out + row * stride + 8 * piece), x);
          }
        }
      }
    }
  }

  __device__ __forceinline__ int householder() const { return householder_of<query_blocks>(a); }
  __device__ __forceinline__ bool output() const { return has_output<L>(a); }
  __device__ __forceinline__ const float* scalars(int c) const { return scalars_of<L>(memory, c); }
  /// A pair of one of the floats of the updates of sums[t]'s columns.
  __device__ __forceinline__ float2 update_pair(const float* of, int t) const {
    return *reinterpret_cast<const float2*>(of + 8 * t + 2 * (lane & 3));
  }

  /// V^T - (K S)^T from (K S)^T. by_block: c_i is 1 where there are no decays (no_decays), and no state is a unit one.
  template <class Products>
  __device__ __forceinline__ void residuals(Operand<planes> (&u)[4], const Products& sums, std::uint32_t values,
                                            const float* s, bool decays) const {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      Operand<planes> v = {};
      if (by_block || !place.unit) v = load_values<L>(values, j);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int t = 2 * j + (i >> 1);
        const int e = 2 * (i & 1);
        const float2 c0 = by_block || decays ? update_pair(s + L::decayed_at, t) : make_float2(1.0F, 1.0F);
        set(u[j], i, fmaf(-c0.x, sums[t][e], first(v, i)), fmaf(-c0.y, sums[t][e + 1], second(v, i)));
      }
    }
  }
  /// u times what remains of it at the chunk's end; sums are u before it was rounded (delta).
  __device__ __forceinline__ void remaining(Operand<planes> (&rest)[4], const Operand<planes> (&u)[4],
                                            const Sums<8>& sums, const float* s, bool decays) const {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      rest[j] = u[j];
      if constexpr (!L::keywise) {
        if (!decays) continue;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int t = 2 * j + (i >> 1);
          const int e = 2 * (i & 1);
          const float2 r = update_pair(s + L::remaining_at, t);
          if constexpr (L::delta) {
            set(rest[j], i, sums[t][e] * r.x, sums[t][e + 1] * r.y);
          } else {
            set(rest[j], i, first(u[j], i) * r.x, second(u[j], i) * r.y);
          }
        }
      }
    }
  }
  __device__ __forceinline__ void decay_outputs(Sums<2 * query_blocks>& o, const float* s, bool decays) const {
    if constexpr (!L::keywise) {
      if (!decays) return;
      const int n = householder();
#pragma unroll
      for (int t = 0; t < 2 * query_blocks; ++t) {
        const int token = 8 * t + 2 * (lane & 3);
        float2 at;
        if constexpr (query_blocks == 4) {
          at = update_pair(s + L::decayed_at, t);
        } else {
          at.x = s[L::decayed_at + min((token + 1) * n, chunk_steps) - 1];
          at.y = s[L::decayed_at + min((token + 2) * n, chunk_steps) - 1];
        }
        o[t][0] *= at.x;
        o[t][1] *= at.y;
        o[t][2] *= at.x;
        o[t][3] *= at.y;
      }
    }
  }
  __device__ __forceinline__ void scale_outputs(Sums<2 * query_blocks>& o) const {
#pragma unroll
    for (int t = 0; t < 2 * query_blocks; ++t) {
#pragma unroll
      for (int e = 0; e < 4; ++e) o[t][e] *= a.scale;
    }
  }
  __device__ __forceinline__ void decay_state(const float* s, bool decays) {
    if constexpr (L::keywise) {
#pragma unroll
      for (int t = 0; t < K / 8; ++t) {
        const float2 decay = update_pair(s, t);
        state[t][0] *= decay.x;
        state[t][1] *= decay.y;
        state[t][2] *= decay.x;
        state[t][3] *= decay.y;
      }
    } else if (decays) {
      const float decay = s[L::decayed_at + chunk_steps - 1];
#pragma unroll
      for (int t = 0; t < K / 8; ++t) {
#pragma unroll
        for (int e = 0; e < 4; ++e) state[t][e] *= decay;
      }
    }
  }

  /// A chunk's products by every warp for itself.
  __device__ __forceinline__ void step(int c, std::uint32_t stage, std::uint32_t prepared) {
    const std::uint32_t keys = stage + L::key_at;
    const std::uint32_t queries = stage + L::query_at;
    const std::uint32_t values = stage + L::value_at + warp * L::Values::bytes;
    const float* s = scalars(c);
    const bool decays = a.arrays.decay != nullptr;
    Operand<planes> u[4];
    Sums<8> sums = {};
    if constexpr (L::delta) {
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        const Operand<planes> left = left_operand<planes>(state[2 * k], state[2 * k + 1]);
        Operand<planes> right[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) right[j] = Keys::load_right(keys, 16 * j, 2 * k);
#pragma unroll
        for (int j = 0; j < 4; ++j) multiply_add<planes>(sums[2 * j], sums[2 * j + 1], left, right[j]);
      }
      residuals(u, sums, values, s, decays);
      // U^T = (V^T - (K S)^T) T^T, block column by block column.
      sums = {};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
#pragma unroll
        for (int i = j; i < 4; ++i) {
          multiply_add<planes>(sums[2 * i], sums[2 * i + 1], u[j],
                               Block::load_right(base + L::inverse_of(c) + triangle_block(i, j) * Block::bytes, 0, 0));
        }
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) u[j] = left_operand<planes>(sums[2 * j], sums[2 * j + 1]);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) u[j] = load_values<L>(values, j);
    }
    Operand<planes> rest[4];
    remaining(rest, u, sums, s, decays);

    if (output() && !place.unit) {
      Sums<2 * query_blocks> o = {};
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        const Operand<planes> left = left_operand<planes>(state[2 * k], state[2 * k + 1]);
#pragma unroll
        for (int i = 0; i < query_blocks; ++i) {
          multiply_add<planes>(o[2 * i], o[2 * i + 1], left, Keys::load_right(queries, 16 * i, 2 * k));
        }
      }
      decay_outputs(o, s, decays);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
#pragma unroll
        for (int i = query_blocks == 4 ? j : 0; i < query_blocks; ++i) {
          multiply_add<planes>(
              o[2 * i], o[2 * i + 1], u[j],
              Block::load_right(prepared + L::score_at + score_block<query_blocks>(i, j) * Block::bytes, 0, 0));
        }
      }
      scale_outputs(o);
      write(c, values, o);
    }

    decay_state(s, decays);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        multiply_add<planes>(state[2 * k], state[2 * k + 1], rest[j], Keys::load_right_transposed(keys, 16 * j, 2 * k));
      }
    }
  }

  /// sums += or = operands times T^T (query_rows = 4) or P^T.
  template <int query_rows, bool add>
  static __device__ __forceinline__ void multiply_blocks(Sums<2 * query_rows>& sums, const Operand<1> (&operands)[4],
                                                         std::uint32_t blocks) {
    constexpr int rows = query_rows == 4 ? 2 : query_rows;  // of blocks, a part
#pragma unroll
    for (int part = 0; part < query_rows / rows; ++part) {
#pragma unroll
      for (int j = 0; j < (query_rows == 4 ? 2 * part + 2 : 4); ++j) {
        group_multiply<16 * rows, Block, false>(sums.parts[part], operands[j],
                                                blocks + score_block<query_rows>(rows * part, j) * Block::bytes, 0, 0,
                                                add || j > 0);
      }
    }
  }

  /// A chunk's products by groups of four warps.
  __device__ __forceinline__ void group_step(int c, std::uint32_t stage, std::uint32_t prepared) {
    const std::uint32_t keys = stage + L::key_at;
    const std::uint32_t queries = stage + L::query_at;
    const std::uint32_t values = stage + L::value_at + warp * L::Values::bytes;
    const float* s = scalars(c);
    const bool decays = a.arrays.decay != nullptr;
    Operand<1> left[K / 16];
#pragma unroll
    for (int k = 0; k < K / 16; ++k) left[k] = left_operand<1>(state[2 * k], state[2 * k + 1]);
    settle(left);
    Operand<1> u[4];
    float products[8][4];
    Sums<8> sums;
    if constexpr (L::delta) {
      group_begin();
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
        group_multiply<64, Panel, false>(products, left[k], keys + k / 4 * Panel::bytes, 0, 2 * (k % 4), k > 0);
      }
      group_commit();
      const Scores<K, rule, Input, query_blocks, pass> scores{a, memory, base, warp, lane};
      typename decltype(scores)::Product score_products;
      if constexpr (L::state_scores) scores.start(c, score_products);
      group_wait<L::state_scores ? 1 : 0>();
      settle(products);
      residuals(u, products, values, s, decays);
      if constexpr (L::state_scores) {
        group_wait<0>();
        settle(score_products);
        scores.finish(c, score_products);
        publish_to_groups();
        synchronize(1 + L::groups, 32 * L::max_state_warps);
      }
      settle(u);
      group_begin();
      // U^T = (V^T - (K S)^T) T^T
      multiply_blocks<4, false>(sums, u, base + L::inverse_of(c));
      group_commit();
      group_wait<0>();
      settle(sums);
#pragma unroll
      for (int j = 0; j < 4; ++j) u[j] = left_operand<1>(sums[2 * j], sums[2 * j + 1]);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) u[j] = load_values<L>(values, j);
    }
    Operand<1> rest[4];
    remaining(rest, u, sums, s, decays);
    decay_state(s, decays);
    settle(rest);
    settle(state);
    group_begin();
#pragma unroll
    for (int j = 0; j < 4; ++j) {
#pragma unroll
      for (int p = 0; p < K / 64; ++p) {
        group_multiply<64, Panel, true>(state + 8 * p, rest[j], keys + p * Panel::bytes, 16 * j, 0, true);
      }
    }
    group_commit();
    if (output()) {
      Sums<2 * query_blocks> o;
      group_begin();
#pragma unroll
      for (int k = 0; k < K / 16; ++k) {
#pragma unroll
        for (int p = 0; p < (query_blocks + 1) / 2; ++p) {
          group_multiply<query_blocks == 1 ? 16 : 32, Panel, false>(o.parts[p], left[k], queries + k / 4 * Panel::bytes,
                                                                    32 * p, 2 * (k % 4), k > 0);
        }
      }
      group_commit();
      group_wait<0>();
      settle(o);
      decay_outputs(o, s, decays);
      settle(o);
      settle(u);
      group_begin();
      multiply_blocks<query_blocks, true>(o, u, prepared + L::score_at);
      group_commit();
      group_wait<0>();
      settle(o);
      scale_outputs(o);
      write(c, values, o);
    } else {
      group_wait<0>();
    }
    settle(state);
  }

  /// by_block: a chunk's products by the group of four warps. P first, which does not need the state; while products
  /// run, what needs only sums that are there.
  __device__ __forceinline__ void score_step(int c, std::uint32_t stage, std::uint32_t prepared) {
    const std::uint32_t keys = stage + L::key_at;
    const std::uint32_t queries = stage + L::query_at;
    const std::uint32_t values = stage + L::value_at + warp * L::Values::bytes;
    const float* s = scalars(c);
    const bool decays = a.arrays.decay != nullptr;
    Operand<1> left[K / 16];
#pragma unroll
    for (int k = 0; k < K / 16; ++k) left[k] = left_operand<1>(state[2 * k], state[2 * k + 1]);
    settle(left);
    const Scores<K, rule, Input, query_blocks, pass> scores{a, memory, base, warp, lane};
    typename decltype(scores)::Product score_products;
    scores.start(c, score_products);
    float products[8][4];
    group_begin();
#pragma unroll
    for (int k = 0; k < K / 16; ++k) group_multiply<64, Panel, false>(products, left[k], keys, 0, 2 * k, k > 0);
    group_commit();
    group_wait<1>();
    settle(score_products);
    scores.finish(c, score_products);
    publish_to_groups();
    Sums<8> o;
    group_begin();
#pragma unroll
    for (int k = 0; k < K / 16; ++k) {
#pragma unroll
      for (int p = 0; p < 2; ++p) group_multiply<32, Panel, false>(o.parts[p], left[k], queries, 32 * p, 2 * k, k > 0);
    }
    group_commit();
    group_wait<1>();
    settle(products);
    Operand<1> u[4];
    residuals(u, products, values, s, decays);
    group_wait<0>();
    settle(o);
    settle(u);
    Sums<8> sums;
    group_begin();
    // U^T = (V^T - (K S)^T) T^T
    multiply_blocks<4, false>(sums, u, base + L::inverse_of(c));
    group_commit();
    decay_outputs(o, s, decays);
    settle(o);
    group_wait<0>();
    settle(sums);
#pragma unroll
    for (int j = 0; j < 4; ++j) u[j] = left_operand<1>(sums[2 * j], sums[2 * j + 1]);
    // rest and the state's decay are behind a branch, so they come before P u is issued: across a branch the assembler
    // does not keep the left operand of a running product, and gives u's registers to other numbers. What branches
    // while products run (decay_outputs, write) has few, which has to be looked at in the assembly.
    Operand<1> rest[4];
    if (decays) {
      remaining(rest, u, sums, s, true);
      decay_state(s, true);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) rest[j] = u[j];
    }
    settle(rest);
    settle(state);
    settle(u);
    // Every warp's part of P is there.
    synchronize(1 + L::groups, 32 * L::max_state_warps);
    group_begin();
    multiply_blocks<4, true>(o, u, prepared + L::score_at);
    group_commit();
    group_begin();
#pragma unroll
    for (int j = 0; j < 4; ++j) group_multiply<64, Panel, true>(state, rest[j], keys, 16 * j, 0, true);
    group_commit();
    group_wait<1>();
    settle(o);
    scale_outputs(o);
    write(c, values, o);
    group_wait<0>();
    settle(state);
  }

  /// T to memory, for the last pass.
  __device__ __forceinline__ void keep_inverse(int c) const {
    unsigned char* to = a.inverses + (static_cast<std::size_t>(blockIdx.x) * a.segment_chunks + c) * L::inverse_bytes;
    const unsigned char* from = memory + L::inverse_of(c);
    const std::uint32_t first = L::groups * preparing_threads;
    for (std::uint32_t i = (threadIdx.x - first) * 16; i < L::inverse_bytes; i += (blockDim.x - first) * 16) {
      *reinterpret_cast<uint4*>(to + i) = *reinterpret_cast<const uint4*>(from + i);
    }
  }

  __device__ __forceinline__ void run() {
    const Handover<L, by_block> handover{base};
    const int chunks = place.chunks;
    start();
    for (int c = 0; c < chunks; ++c) {
      handover.wait_prepared(c);
      const std::uint32_t stage = base + (c % L::stages) * L::stage_bytes;
      const std::uint32_t prepared = base + L::prepared_of(c);
      if constexpr (L::grouped && L::delta && pass == Pass::first) {
        if (blockIdx.y == 0) keep_inverse(c);
      }
      if constexpr (by_block) {
        score_step(c, stage, prepared);
      } else if constexpr (L::group_products) {
        group_step(c, stage, prepared);
      } else {
        step(c, stage, prepared);
      }
      handover.say_used(c);
    }
    finish();
  }
};

template <int K, ChunkedRule rule, class Input, int query_blocks, Pass pass>
__global__ void __launch_bounds__(Layout<K, rule, Input, pass>::threads, Layout<K, rule, Input, pass>::resident_blocks)
    chunked_kernel(const __grid_constant__ Arguments a) {
  using L = Layout<K, rule, Input, pass>;
  extern __shared__ __align__(1024) unsigned char memory[];
  Place place = place_of<query_blocks>(a);
  const int warp = __shfl_sync(0xFFFFFFFFU, static_cast<int>(threadIdx.x >> 5U), 0);  // known to be one of a warp
  const int lane = static_cast<int>(threadIdx.x & 31U);
  const std::uint32_t base = shared_address(memory);
  const int state_warps = a.state_warps + (blockIdx.y == 0 ? L::unit_warps : 0);
  if (threadIdx.x == 0) Handover<L, L::by_block(query_blocks)>{base}.start(state_warps);
  __syncthreads();
  if (warp < L::groups * preparing_warps) {
    if constexpr (L::grouped) give_registers<L::preparing_registers>();
    Preparing<K, rule, Input, query_blocks, pass>{
        a, place, memory, base, warp / preparing_warps, warp % preparing_warps, lane}
        .run();
  } else {
    if constexpr (L::grouped) take_registers<L::state_registers>();
    int own = warp - L::groups * preparing_warps;
    if (own >= state_warps) return;
    if (own >= a.state_warps) {
      own -= a.state_warps;
      place.unit = true;
    }
    StateColumns<K, rule, Input, query_blocks, pass>{a, place, memory, base, own, lane}.run();
  }
}

template <int K, ChunkedRule rule, class Input, Pass pass>
void launch_pass(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  using L = Layout<K, rule, Input, pass>;
  if (L::bytes > shared_memory_limit()) {
    throw DeviceError("CUDA: chunked form: expected a device with " + std::to_string(L::bytes) +
                      " bytes of shared memory a block, got " + std::to_string(shared_memory_limit()));
  }
  const auto threads =
      static_cast<unsigned>(L::groups * preparing_threads + 32 * (arguments.state_warps + L::unit_warps));
  const auto start = [&](auto kernel) {
    allow_shared_memory(kernel, L::bytes);
    kernel<<<dim3(sequences, tiles), threads, L::bytes>>>(arguments);
  };
  if constexpr (rule == ChunkedRule::delta) {
    if (arguments.householder == 4) {
      start(chunked_kernel<K, rule, Input, 1, pass>);
    } else if (arguments.householder > 1) {
      start(chunked_kernel<K, rule, Input, 2, pass>);
    } else {
      start(chunked_kernel<K, rule, Input, 4, pass>);
    }
  } else {
    start(chunked_kernel<K, rule, Input, 4, pass>);
  }
  check_launch("chunked_kernel");
}

template <int K, ChunkedRule rule, class Input>
void launch(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  if constexpr (Layout<K, rule, Input, Pass::whole>::grouped) {
    if (arguments.pass == Pass::first) {
      // The unit states' tiles, where the first tile's blocks do not have them.
      constexpr bool with_units = Layout<K, rule, Input, Pass::first>::unit_warps != 0;
      return launch_pass<K, rule, Input, Pass::first>(
          arguments, sequences, with_units ? static_cast<unsigned>(arguments.value_tiles) : tiles);
    }
    if (rule == ChunkedRule::delta && arguments.pass == Pass::last) {
      return launch_pass<K, rule, Input, Pass::last>(arguments, sequences, tiles);
    }
  }
  launch_pass<K, rule, Input, Pass::whole>(arguments, sequences, tiles);
}

template <ChunkedRule rule, class Input>
void launch(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  if (arguments.key_size <= 16) return launch<16, rule, Input>(arguments, sequences, tiles);
  if (arguments.key_size <= 32) return launch<32, rule, Input>(arguments, sequences, tiles);
  if (arguments.key_size <= 64) return launch<64, rule, Input>(arguments, sequences, tiles);
  launch<128, rule, Input>(arguments, sequences, tiles);
}

/// before[s + 1] = transfer[s] before[s] + own[s] for the segments of every sequence. Many segments are chained in
/// groups side by side, each into one map, then the groups' maps, then each group from its true state. Owns the groups'
/// maps.
class Chain {
 public:
  Chain() = default;
  /// segments: the most that run is called with.
  Chain(std::size_t sequences, int segments, int key_size, int value_size);
  /// before[0] = `initial` [sequences, key_size, value_size], or zero. transfer [sequences, segments, key_size,
  /// key_size]; own, before [sequences, segments, key_size, value_size].
  void run(const float* transfer, const float* own, const float* initial, float* before, int segments) const;

 private:
  std::size_t sequences_ = 0;
  int key_size_ = 0;
  int value_size_ = 0;
  int group_segments_ = 0;  // 0: one chain
  DeviceArray<float> own_, transfer_, before_;
};

/// A rule and a format; for the smallest K that holds key_size. One source file each.
void launch_delta_bf16(const Arguments& arguments, unsigned sequences, unsigned tiles);
void launch_delta_fp32(const Arguments& arguments, unsigned sequences, unsigned tiles);
void launch_linear_bf16(const Arguments& arguments, unsigned sequences, unsigned tiles);
void launch_linear_fp32(const Arguments& arguments, unsigned sequences, unsigned tiles);
void launch_keywise_bf16(const Arguments& arguments, unsigned sequences, unsigned tiles);
void launch_keywise_fp32(const Arguments& arguments, unsigned sequences, unsigned tiles);

}  // namespace krohn::chunked
