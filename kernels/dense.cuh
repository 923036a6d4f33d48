// One dense row on a hidden state in registers: docs/semantics.md, section 2, in the forms that section 6 allows
// (absent entries as zeros, signs of zeros free). Two layouts of a row in float4s:
//   packed: key[D], -beta for each of a fixed number of factors; no gates, values or writes
//   general: gate (D floats, padded to 4), per factor key, beta, value (D + 2 floats, padded), write (D, padded)
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <vector>

#include "krohn/kernels/dense_rows.hpp"
#include "krohn/kernels/flat_model.hpp"

namespace krohn {

constexpr int quads(int floats) { return (floats + 3) / 4; }

template <StateFormat F>
__device__ __forceinline__ float stored_device(float x) {
  if constexpr (F == StateFormat::fp16) {
    return __half2float(__float2half_rn(x));
  } else if constexpr (F == StateFormat::bf16) {
    return __bfloat162float(__float2bfloat16_rn(x));
  } else {
    return x;
  }
}

/// acc = k . h; c = -beta acc; h += c k, for each factor and column; `p(i)` is parameter i of the packed row. UnitBeta:
/// every beta is 1, whose product is the negation, which costs nothing as an operand's sign. Columns take turns at each
/// element: instructions that follow each other then have an operand in common, and a register file that reads two new
/// ones a clock does not hold them up.
template <int D, int NH, bool UnitBeta, int C, class Parameter>
__device__ __forceinline__ void packed_step(const Parameter& p, float (&h)[C][D]) {
#pragma unroll
  for (int f = 0; f < NH; ++f) {
    float acc[C];
#pragma unroll
    for (int j = 0; j < D; ++j) {
      const float k = p(f * (D + 1) + j);
#pragma unroll
      for (int n = 0; n < C; ++n) {
        acc[n] = j == 0 ? __fmul_rn(k, h[n][0]) : __fmaf_rn(k, h[n][j], acc[n]);  // fma(k, h, +0) first
      }
    }
#pragma unroll
    for (int n = 0; n < C; ++n) acc[n] = UnitBeta ? -acc[n] : __fmul_rn(p(f * (D + 1) + D), acc[n]);
#pragma unroll
    for (int j = 0; j < D; ++j) {
      const float k = p(f * (D + 1) + j);
#pragma unroll
      for (int n = 0; n < C; ++n) h[n][j] = __fmaf_rn(acc[n], k, h[n][j]);
    }
  }
}

/// Which parts the rows of a table have, and how long they are.
struct GeneralLayout {
  std::uint32_t factors = 0;
  bool gate = false;
  bool value = false;
  bool write = false;
  std::uint32_t quads_a_row = 0;
};

/// Loads the first N floats of consecutive float4s.
template <int N, int M>
__device__ __forceinline__ void load_quads(const float4* at, float (&out)[M]) {
  static_assert(N <= M);
#pragma unroll
  for (int i = 0; i < quads(N); ++i) {
    const float4 x = at[i];
    out[4 * i] = x.x;
    if (4 * i + 1 < N) out[4 * i + 1] = x.y;
    if (4 * i + 2 < N) out[4 * i + 2] = x.z;
    if (4 * i + 3 < N) out[4 * i + 3] = x.w;
  }
}

/// Applies a row to C columns of D elements.
template <int D, int C>
__device__ __forceinline__ void general_step(const GeneralLayout& layout, const float4* row, float (&h)[C][D]) {
  if (layout.gate) {
    float a[D];
    load_quads<D>(row, a);
    row += quads(D);
#pragma unroll
    for (int c = 0; c < C; ++c) {
#pragma unroll
      for (int j = 0; j < D; ++j) h[c][j] = __fmul_rn(a[j], h[c][j]);
    }
  }
  for (std::uint32_t f = 0; f < layout.factors; ++f) {
    float k[D + 2];
    load_quads<D + 2>(row, k);
    row += quads(D + 2);
#pragma unroll
    for (int column = 0; column < C; ++column) {
      float acc = __fmul_rn(k[0], h[column][0]);
#pragma unroll
      for (int j = 1; j < D; ++j) acc = __fmaf_rn(k[j], h[column][j], acc);
      if (layout.value) acc = __fsub_rn(k[D + 1], acc);
      const float c = __fmul_rn(k[D], acc);
#pragma unroll
      for (int j = 0; j < D; ++j) h[column][j] = __fmaf_rn(c, k[j], h[column][j]);
    }
  }
  if (layout.write) {
    float b[D];
    load_quads<D>(row, b);
#pragma unroll
    for (int c = 0; c < C; ++c) {
#pragma unroll
      for (int j = 0; j < D; ++j) h[c][j] = __fadd_rn(h[c][j], b[j]);
    }
  }
}

/// The rows in the packed layout, [rows][quads * 4].
inline std::vector<float> packed_rows(const DenseRowsView& view) {
  const std::size_t row = 4 * static_cast<std::size_t>(quads(static_cast<int>(view.factors * (view.size + 1))));
  std::vector<float> out(row * view.rows, 0.0F);
  for (std::size_t r = 0; r < view.rows; ++r) {
    for (std::size_t i = 0; i < view.stride; ++i) out[r * row + i] = view.values[r * view.stride + i];
  }
  return out;
}

/// The rows in the general layout.
inline std::vector<float> general_rows(const DenseRowsView& view, GeneralLayout& layout) {
  const std::size_t vector_floats = 4 * static_cast<std::size_t>(quads(static_cast<int>(view.size)));
  const std::size_t factor_floats = 4 * static_cast<std::size_t>(quads(static_cast<int>(view.size) + 2));
  const std::size_t row =
      (view.gate ? vector_floats : 0) + view.factors * factor_floats + (view.write ? vector_floats : 0);
  layout = {view.factors, view.gate, view.value, view.write, static_cast<std::uint32_t>(row / 4)};
  std::vector<float> out(row * view.rows, 0.0F);
  for (std::size_t r = 0; r < view.rows; ++r) {
    const float* in = view.values + r * view.stride;
    float* to = out.data() + r * row;
    if (view.gate) {
      for (std::size_t j = 0; j < view.size; ++j) to[j] = *in++;
      to += vector_floats;
    }
    for (std::size_t f = 0; f < view.factors; ++f) {
      for (std::size_t j = 0; j < view.size; ++j) to[j] = *in++;
      to[view.size] = *in++;
      if (view.value) to[view.size + 1] = *in++;
      to += factor_floats;
    }
    if (view.write) {
      for (std::size_t j = 0; j < view.size; ++j) to[j] = *in++;
    }
  }
  return out;
}

/// Copies float4s into shared memory.
__device__ __forceinline__ void load_shared(float4* shared, const float4* global, std::uint32_t count) {
  for (std::uint32_t i = threadIdx.x; i < count; i += blockDim.x) shared[i] = global[i];
}

}  // namespace krohn
