// Warp-wide matrix products of bf16 operands with fp32 sums (mma.sync m16n8k16), and the shared-memory layouts that
// feed them without bank conflicts. Lane l of a warp has row l / 4 and columns 2 (l % 4), + 1 of every 8 x 8 tile.
//
// An operand has one plane of bf16 numbers, or two: x = high + low, each rounded to bf16, 16 bits in all. A product of
// two-plane operands takes three products (low high, high low, high high; low low is below the last bit).
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace krohn::tensor_core {

__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

/// Two floats as bf16, `first` in the low half.
__device__ __forceinline__ std::uint32_t pack(float first, float second) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}
__device__ __forceinline__ float low_half(std::uint32_t pair) { return __uint_as_float(pair << 16U); }
__device__ __forceinline__ float high_half(std::uint32_t pair) { return __uint_as_float(pair & 0xFFFF0000U); }

/// Four 8 x 8 tiles from shared memory; each lane gives the address of one row of 16 bytes.
__device__ __forceinline__ void load_tiles(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}
__device__ __forceinline__ void load_tiles_transposed(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}
/// Four tiles to shared memory, transposed; with two, the first 16 lanes give addresses. Not on devices before compute
/// capability 9.
__device__ __forceinline__ void store_tiles_transposed(std::uint32_t address, std::uint32_t x, std::uint32_t y,
                                                       std::uint32_t z, std::uint32_t w) {
#if __CUDA_ARCH__ >= 900
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(x), "r"(y),
               "r"(z), "r"(w)
               : "memory");
#endif
}
__device__ __forceinline__ void store_tiles_transposed(std::uint32_t address, std::uint32_t x, std::uint32_t y) {
#if __CUDA_ARCH__ >= 900
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1,%2};" ::"r"(address), "r"(x), "r"(y)
               : "memory");
#endif
}

__device__ __forceinline__ void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                             std::uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// 16 rows and 16 columns.
template <int planes>
struct Operand {
  std::uint32_t r[planes][4];
};

/// d0 and d1 (columns 0 to 7 and 8 to 15) += a b; b as loaded by load_right or load_right_transposed.
template <int planes>
__device__ __forceinline__ void multiply_add(float (&d0)[4], float (&d1)[4], const Operand<planes>& a,
                                             const Operand<planes>& b) {
  if constexpr (planes == 2) {
    multiply_add(d0, a.r[1], b.r[0][0], b.r[0][1]);
    multiply_add(d1, a.r[1], b.r[0][2], b.r[0][3]);
    multiply_add(d0, a.r[0], b.r[1][0], b.r[1][1]);
    multiply_add(d1, a.r[0], b.r[1][2], b.r[1][3]);
  }
  multiply_add(d0, a.r[0], b.r[0][0], b.r[0][1]);
  multiply_add(d1, a.r[0], b.r[0][2], b.r[0][3]);
}

/// Rounds a pair of numbers into register i of an operand.
template <int planes>
__device__ __forceinline__ void set(Operand<planes>& o, int i, float first, float second) {
  o.r[0][i] = pack(first, second);
  if constexpr (planes == 2) {
    o.r[1][i] = pack(first - low_half(o.r[0][i]), second - high_half(o.r[0][i]));
  }
}
template <int planes>
__device__ __forceinline__ float first(const Operand<planes>& o, int i) {
  float x = low_half(o.r[0][i]);
  if constexpr (planes == 2) x += low_half(o.r[1][i]);
  return x;
}
template <int planes>
__device__ __forceinline__ float second(const Operand<planes>& o, int i) {
  float x = high_half(o.r[0][i]);
  if constexpr (planes == 2) x += high_half(o.r[1][i]);
  return x;
}

/// Two sums side by side (columns 0 to 7 and 8 to 15) as the left operand of the next product.
template <int planes>
__device__ __forceinline__ Operand<planes> left_operand(const float (&x)[4], const float (&y)[4]) {
  Operand<planes> o;
  set(o, 0, x[0], x[1]);
  set(o, 1, x[2], x[3]);
  set(o, 2, y[0], y[1]);
  set(o, 3, y[2], y[3]);
  return o;
}

/// A matrix of `Columns` bf16 numbers a row in shared memory, the 16-byte pieces of its rows permuted so that eight
/// rows of one column of pieces lie in different banks. Planes follow one another, `Rows` rows each.
template <int Rows, int Columns, int planes>
struct Tile {
  static constexpr int pieces = Columns / 8;
  static constexpr std::uint32_t row_bytes = Columns * 2;
  static constexpr std::uint32_t plane_bytes = Rows * row_bytes;
  static constexpr std::uint32_t bytes = plane_bytes * planes;
  static_assert(pieces == 2 || pieces == 4 || pieces >= 8);

  static __device__ __forceinline__ std::uint32_t offset(int row, int piece) {
    int permuted = piece;
    if constexpr (pieces >= 8) permuted = piece ^ (row & 7);
    if constexpr (pieces == 4) permuted = piece ^ ((row >> 1) & 3);
    if constexpr (pieces == 2) permuted = piece ^ ((row >> 2) & 1);
    return static_cast<std::uint32_t>(row * Columns * 2 + permuted * 16);
  }

  // Operands start at rows that are multiples of 16 and at even pieces, so that a lane's part of the address (a row,
  // and the piece by exclusive or) does not depend on where they start.

  /// Left operand: rows row .. + 15, columns 8 piece .. + 15.
  static __device__ __forceinline__ Operand<planes> load_left(std::uint32_t base, int row, int piece) {
    return load<false>(base, row, piece, lane() & 15, lane() >> 4);
  }
  /// Left operand whose upper eight rows are rows upper .. + 7 here, its lower ones rows lower .. + 7 (multiples of 8).
  static __device__ __forceinline__ Operand<planes> load_left_halves(std::uint32_t base, int upper, int lower,
                                                                     int piece) {
    return load<false>(base, 0, piece, ((lane() & 8) == 0 ? upper : lower) + (lane() & 7), lane() >> 4);
  }
  /// Right operand whose column n is row `row` + n here, its rows columns 8 piece .. + 15.
  static __device__ __forceinline__ Operand<planes> load_right(std::uint32_t base, int row, int piece) {
    return load<false>(base, row, piece, ((lane() >> 4) << 3) + (lane() & 7), (lane() >> 3) & 1);
  }
  /// Right operand whose rows are rows `row` .. + 15 here, its columns columns 8 piece .. + 15.
  static __device__ __forceinline__ Operand<planes> load_right_transposed(std::uint32_t base, int row, int piece) {
    return load<true>(base, row, piece, lane() & 15, lane() >> 4);
  }
  /// Left operand that is the transpose of rows row .. + 15, columns 8 piece .. + 15.
  static __device__ __forceinline__ Operand<planes> load_left_transposed(std::uint32_t base, int row, int piece) {
    return load<true>(base, row, piece, ((lane() >> 4) << 3) + (lane() & 7), (lane() >> 3) & 1);
  }
  /// Writes a left operand to rows row .. + 15, columns 0 to 15.
  static __device__ __forceinline__ void store(std::uint32_t base, int row, const Operand<planes>& o) {
#if __CUDA_ARCH__ >= 900
    const std::uint32_t at = base + offset(row + (lane() & 15), lane() >> 4);
#pragma unroll
    for (int p = 0; p < planes; ++p) {
      asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(at + p * plane_bytes),
                   "r"(o.r[p][0]), "r"(o.r[p][1]), "r"(o.r[p][2]), "r"(o.r[p][3])
                   : "memory");
    }
#else
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t at = base + offset(row + (lane() >> 2) + (i & 1) * 8, i >> 1) + (lane() & 3) * 4;
#pragma unroll
      for (int p = 0; p < planes; ++p) {
        asm volatile("st.shared.b32 [%0], %1;" ::"r"(at + p * plane_bytes), "r"(o.r[p][i]) : "memory");
      }
    }
#endif
  }
  /// Writes the transpose of a left operand to rows row .. + 15, columns 0 to 15.
  static __device__ __forceinline__ void store_transposed(std::uint32_t base, int row, const Operand<planes>& o) {
#if __CUDA_ARCH__ >= 900
    const std::uint32_t at = base + offset(row + ((lane() >> 4) << 3) + (lane() & 7), (lane() >> 3) & 1);
#pragma unroll
    for (int p = 0; p < planes; ++p) {
      store_tiles_transposed(at + p * plane_bytes, o.r[p][0], o.r[p][1], o.r[p][2], o.r[p][3]);
    }
#else
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int first_row = row + (i >> 1) * 8 + 2 * (lane() & 3);
      const std::uint32_t within = (lane() >> 2) * 2;
#pragma unroll
      for (int p = 0; p < planes; ++p) {
        const std::uint32_t at = base + p * plane_bytes + within;
        store_half(at + offset(first_row, i & 1), static_cast<unsigned short>(o.r[p][i] & 0xFFFFU));
        store_half(at + offset(first_row + 1, i & 1), static_cast<unsigned short>(o.r[p][i] >> 16U));
      }
    }
#endif
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x & 31U); }
  static __device__ __forceinline__ void store_half(std::uint32_t at, unsigned short bits) {
    asm volatile("st.shared.b16 [%0], %1;" ::"r"(at), "h"(bits) : "memory");
  }
  template <bool transposed>
  static __device__ __forceinline__ Operand<planes> load(std::uint32_t base, int row, int piece, int lane_row,
                                                         int lane_piece) {
    const std::uint32_t lane_part = offset(lane_row, lane_piece);
    const std::uint32_t lane_start = lane_row * Columns * 2;
    const std::uint32_t at =
        base + lane_start + ((lane_part - lane_start) ^ static_cast<std::uint32_t>(piece * 16)) + row * Columns * 2;
    Operand<planes> o;
#pragma unroll
    for (int p = 0; p < planes; ++p) {
      if constexpr (transposed) {
        load_tiles_transposed(o.r[p], at + p * plane_bytes);
      } else {
        load_tiles(o.r[p], at + p * plane_bytes);
      }
    }
    return o;
  }
};

/// Panels of 64 columns side by side, each a Tile; planes follow one another.
template <int Rows, int Columns, int planes>
struct Panels {
  using Panel = Tile<Rows, 64, 1>;
  static constexpr int pieces = Columns / 8;
  static constexpr std::uint32_t row_bytes = Panel::row_bytes;
  static constexpr std::uint32_t plane_bytes = Rows * Columns * 2;
  static constexpr std::uint32_t bytes = plane_bytes * planes;
  static_assert(Columns % 64 == 0);

  static __device__ __forceinline__ std::uint32_t offset(int row, int piece) {
    return panel(piece) + Panel::offset(row, piece % 8);
  }
  static __device__ __forceinline__ std::uint32_t panel(int piece) { return (piece / 8) * Panel::bytes; }

  static __device__ __forceinline__ Operand<planes> load_left(std::uint32_t base, int row, int piece) {
    return each(base, piece, [&](std::uint32_t at) { return Panel::load_left(at, row, piece % 8); });
  }
  static __device__ __forceinline__ Operand<planes> load_right(std::uint32_t base, int row, int piece) {
    return each(base, piece, [&](std::uint32_t at) { return Panel::load_right(at, row, piece % 8); });
  }
  static __device__ __forceinline__ Operand<planes> load_right_transposed(std::uint32_t base, int row, int piece) {
    return each(base, piece, [&](std::uint32_t at) { return Panel::load_right_transposed(at, row, piece % 8); });
  }

 private:
  template <class Load>
  static __device__ __forceinline__ Operand<planes> each(std::uint32_t base, int piece, Load load) {
    Operand<planes> o;
#pragma unroll
    for (int p = 0; p < planes; ++p) {
      const Operand<1> plane = load(base + panel(piece) + p * plane_bytes);
#pragma unroll
      for (int i = 0; i < 4; ++i) o.r[p][i] = plane.r[0][i];
    }
    return o;
  }
};

/// 16 bytes from global to shared memory without registers; zeros where `there` is false.
__device__ __forceinline__ void copy_async(std::uint32_t to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Until at most `left` of this thread's committed sets of copies are under way.
template <int left = 0>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

/// What this thread wrote to shared memory is seen by the products of warp groups that start after a barrier.
__device__ __forceinline__ void publish_to_groups() {
#if __CUDA_ARCH__ >= 900
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

/// All of `threads` threads that name the same barrier wait for each other.
__device__ __forceinline__ void synchronize(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
/// Counts as one of them without waiting: what it did before is seen by those that wait.
__device__ __forceinline__ void arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// Barriers in shared memory, 8 bytes each: a phase ends with the last of `count` arrivals, which do not wait. What an
/// arriving thread did before is seen by a thread that has waited for the phase; phases have parities 0, 1, 0, ..
__device__ __forceinline__ void barrier_start(std::uint32_t barrier, int count) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}
__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier) {
  asm volatile("{\n .reg .b64 state;\n mbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(barrier) : "memory");
}
__device__ __forceinline__ void barrier_wait(std::uint32_t barrier, int parity) {
  std::uint32_t done = 0;
  do {
#if __CUDA_ARCH__ >= 900
    asm volatile("{\n .reg .pred p;\n mbarrier.try_wait.parity.shared.b64 p, [%1], %2;\n selp.u32 %0, 1, 0, p;\n}"
                 : "=r"(done)
                 : "r"(barrier), "r"(parity)
                 : "memory");
#else
    asm volatile("{\n .reg .pred p;\n mbarrier.test_wait.parity.shared.b64 p, [%1], %2;\n selp.u32 %0, 1, 0, p;\n}"
                 : "=r"(done)
                 : "r"(barrier), "r"(parity)
                 : "memory");
#endif
  } while (done == 0);
}

}  // namespace krohn::tensor_core
