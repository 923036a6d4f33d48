// Products of a group of four warps (wgmma, of Hopper's own instruction set): each warp has 16 rows of the left operand
// and of the sums, laid out as in tensor_core.cuh, and all read one right operand of bf16 numbers in shared memory,
// once. Products run on by themselves from group_commit to group_wait. Code for other devices must not call them.
#pragma once

#include "tensor_core.cuh"

namespace krohn::tensor_core {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define KROHN_WARP_GROUPS 1
#else
#define KROHN_WARP_GROUPS 0
#endif
/// Whether this code is for a device that has them.
inline constexpr bool warp_groups = KROHN_WARP_GROUPS;

/// Registers of a product under way stay on their side of this line.
template <int count>
__device__ __forceinline__ void settle(float (&sums)[count][4]) {
#if KROHN_WARP_GROUPS
#pragma unroll
  for (int t = 0; t < count; ++t) {
#pragma unroll
    for (int e = 0; e < 4; ++e) asm volatile("" : "+f"(sums[t][e])::"memory");
  }
#endif
}
template <int count>
__device__ __forceinline__ void settle(Operand<1> (&operands)[count]) {
#if KROHN_WARP_GROUPS
#pragma unroll
  for (int t = 0; t < count; ++t) {
#pragma unroll
    for (int i = 0; i < 4; ++i) asm volatile("" : "+r"(operands[t].r[0][i])::"memory");
  }
#endif
}

/// Sums of 16 rows by 8 columns, side by side, at most four in one product: products into parts of the registers of
/// other products would wait for each other.
template <int tiles>
struct Sums {
  static constexpr int width = tiles < 4 ? tiles : 4;
  float parts[tiles / width][width][4];
  __device__ __forceinline__ float (&operator[](int t))[4] { return parts[t / width][t % width]; }
  __device__ __forceinline__ const float (&operator[](int t) const)[4] { return parts[t / width][t % width]; }
};
template <int tiles>
__device__ __forceinline__ void settle(Sums<tiles>& sums) {
#pragma unroll
  for (int p = 0; p < tiles / Sums<tiles>::width; ++p) settle(sums.parts[p]);
}

/// From here on every thread of this group of warps has so many registers; all groups of a block call one of these.
template <int count>
__device__ __forceinline__ void give_registers() {
#if KROHN_WARP_GROUPS
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
#endif
}
template <int count>
__device__ __forceinline__ void take_registers() {
#if KROHN_WARP_GROUPS
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
#endif
}

/// Before the first of some products.
__device__ __forceinline__ void group_begin() {
#if KROHN_WARP_GROUPS
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void group_commit() {
#if KROHN_WARP_GROUPS
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}
/// Until at most `left` of the committed sets of products are under way.
template <int left>
__device__ __forceinline__ void group_wait() {
#if KROHN_WARP_GROUPS
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory");
#endif
}

#if KROHN_WARP_GROUPS
/// Where an operand of 16 columns (transposed: 16 rows) starts, and how its tile is laid out: tiles of 64 columns at
/// multiples of 1024 bytes, of 16 at multiples of 256.
template <class TileType>
__device__ __forceinline__ std::uint64_t matrix_descriptor(std::uint32_t at) {
  constexpr std::uint64_t pattern = TileType::pieces == 8 ? 1 : 3;
  constexpr std::uint64_t eight_rows = 8 * TileType::row_bytes / 16;
  static_assert(TileType::pieces == 8 || TileType::pieces == 2);
  return ((at & 0x3FFFFU) >> 4U) | (std::uint64_t{1} << 16U) | (eight_rows << 32U) | (pattern << 62U);
}

#define KROHN_SUMS_2 \
  "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3])
#define KROHN_SUMS_4                                                                                      \
  KROHN_SUMS_2, "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), \
      "+f"(d[3][2]), "+f"(d[3][3])
#define KROHN_SUMS_6                                                                                      \
  KROHN_SUMS_4, "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), \
      "+f"(d[5][2]), "+f"(d[5][3])
#define KROHN_SUMS_8                                                                                      \
  KROHN_SUMS_6, "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), \
      "+f"(d[7][2]), "+f"(d[7][3])
#define KROHN_PRODUCT(n, sums, a, b, add, flags)                                                                    \
  "{\n .reg .pred p;\n setp.ne.b32 p, " add ", 0;\n wgmma.mma_async.sync.aligned.m64n" n "k16.f32.bf16.bf16 {" sums \
  "}, " a ", " b ", p, 1, 1" flags ";\n}"
#define KROHN_NAMES_2 "%0,%1,%2,%3,%4,%5,%6,%7"
#define KROHN_NAMES_4 KROHN_NAMES_2 ",%8,%9,%10,%11,%12,%13,%14,%15"
#define KROHN_NAMES_6 KROHN_NAMES_4 ",%16,%17,%18,%19,%20,%21,%22,%23"
#define KROHN_NAMES_8 KROHN_NAMES_6 ",%24,%25,%26,%27,%28,%29,%30,%31"
#endif

/// Sums of 8 t columns += (add) or = left right; `right` is where a right operand of N columns starts: rows of a tile
/// (transposed: columns).
template <int N, class TileType, bool transposed>
__device__ __forceinline__ void group_multiply(float (*d)[4], const Operand<1>& left, std::uint32_t right, int row,
                                               int piece, bool add) {
  static_assert(N == 16 || N == 32 || N == 64);
  static_assert(!transposed || (N == 64 && TileType::pieces == 8));
#if KROHN_WARP_GROUPS
  const std::uint32_t(&a)[4] = left.r[0];
  const std::uint64_t b = matrix_descriptor<TileType>(right + row * TileType::row_bytes + piece * 16);
  const int more = add ? 1 : 0;
  if constexpr (N == 16) {
    asm volatile(KROHN_PRODUCT("16", KROHN_NAMES_2, "{%8,%9,%10,%11}", "%12", "%13", ", 0")
                 : KROHN_SUMS_2
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(more));
  } else if constexpr (N == 32) {
    asm volatile(KROHN_PRODUCT("32", KROHN_NAMES_4, "{%16,%17,%18,%19}", "%20", "%21", ", 0")
                 : KROHN_SUMS_4
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(more));
  } else {
    asm volatile(KROHN_PRODUCT("64", KROHN_NAMES_8, "{%32,%33,%34,%35}", "%36", "%37", ", %38")
                 : KROHN_SUMS_8
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(more), "n"(transposed ? 1 : 0));
  }
#endif
}

/// The same with a left operand in shared memory: rows 0 to 63 of a tile.
template <int N, class TileType>
__device__ __forceinline__ void group_multiply(float (*d)[4], std::uint32_t left, std::uint32_t right, int piece,
                                               bool add) {
  static_assert(N == 16 || N == 32 || N == 64);
#if KROHN_WARP_GROUPS
  const std::uint64_t a = matrix_descriptor<TileType>(left + piece * 16);
  const std::uint64_t b = matrix_descriptor<TileType>(right + piece * 16);
  const int more = add ? 1 : 0;
  if constexpr (N == 16) {
    asm volatile(KROHN_PRODUCT("16", KROHN_NAMES_2, "%8", "%9", "%10", ", 0, 0")
                 : KROHN_SUMS_2
                 : "l"(a), "l"(b), "r"(more));
  } else if constexpr (N == 32) {
    asm volatile(KROHN_PRODUCT("32", KROHN_NAMES_4, "%16", "%17", "%18", ", 0, 0")
                 : KROHN_SUMS_4
                 : "l"(a), "l"(b), "r"(more));
  } else {
    asm volatile(KROHN_PRODUCT("64", KROHN_NAMES_8, "%32", "%33", "%34", ", 0, 0")
                 : KROHN_SUMS_8
                 : "l"(a), "l"(b), "r"(more));
  }
#endif
}

#if KROHN_WARP_GROUPS
#undef KROHN_SUMS_2
#undef KROHN_SUMS_4
#undef KROHN_SUMS_6
#undef KROHN_SUMS_8
#undef KROHN_PRODUCT
#undef KROHN_NAMES_2
#undef KROHN_NAMES_4
#undef KROHN_NAMES_6
#undef KROHN_NAMES_8
#endif

}  // namespace krohn::tensor_core
