// The sums of 16 outputs for 8 tokens lie in registers while the inputs go by; blocks of 256 inputs of both operands,
// converted and side by side, lie in the nearest cache. Every sum takes its terms in ascending order, whatever the
// blocks: partial sums are stored and loaded exactly. Cost: rows * columns * count fused multiply-adds.
// Tested by tests/engine/product_spectrum_test.cpp.
#include "product_in_double.hpp"

#include <algorithm>

#include "cpu_features.hpp"
#include "krohn/numeric/fused.hpp"

#if defined(KROHN_HAVE_AVX2_TARGET)
#include <immintrin.h>
#endif

namespace krohn {
namespace {

constexpr std::size_t outputs = 16;
constexpr std::size_t tokens = 8;
constexpr std::size_t depth = 256;

/// tile[t * outputs + r] += the terms of `size` inputs; w [size, outputs], x [size, tokens].
using Kernel = void (*)(std::size_t size, const double* w, const double* x, double* tile);

void plain_kernel(std::size_t size, const double* w, const double* x, double* tile) {
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t r = 0; r < outputs; ++r) {
        tile[t * outputs + r] = numeric::fused(w[i * outputs + r], x[i * tokens + t], tile[t * outputs + r]);
      }
    }
  }
}

#if defined(KROHN_HAVE_AVX2_TARGET)

[[gnu::target("avx2,fma")]] void avx2_kernel(std::size_t size, const double* w, const double* x, double* tile) {
  for (std::size_t first = 0; first < tokens; first += 4) {
    for (std::size_t left = 0; left < outputs; left += 8) {
      __m256d sum[4][2];
      for (std::size_t t = 0; t < 4; ++t) {
        for (std::size_t k = 0; k < 2; ++k) {
          sum[t][k] = _mm256_loadu_pd(tile + (first + t) * outputs + left + 4 * k);
        }
      }
      for (std::size_t i = 0; i < size; ++i) {
        const __m256d w0 = _mm256_loadu_pd(w + i * outputs + left);
        const __m256d w1 = _mm256_loadu_pd(w + i * outputs + left + 4);
#pragma GCC unroll 4
        for (std::size_t t = 0; t < 4; ++t) {
          const __m256d input = _mm256_broadcast_sd(x + i * tokens + first + t);
          sum[t][0] = _mm256_fmadd_pd(w0, input, sum[t][0]);
          sum[t][1] = _mm256_fmadd_pd(w1, input, sum[t][1]);
        }
      }
      for (std::size_t t = 0; t < 4; ++t) {
        for (std::size_t k = 0; k < 2; ++k) {
          _mm256_storeu_pd(tile + (first + t) * outputs + left + 4 * k, sum[t][k]);
        }
      }
    }
  }
}

[[gnu::target("avx512f")]] void avx512_kernel(std::size_t size, const double* w, const double* x, double* tile) {
  __m512d sum[tokens][2];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < tokens; ++t) {
    sum[t][0] = _mm512_loadu_pd(tile + t * outputs);
    sum[t][1] = _mm512_loadu_pd(tile + t * outputs + 8);
  }
  for (std::size_t i = 0; i < size; ++i) {
    const __m512d w0 = _mm512_loadu_pd(w + i * outputs);
    const __m512d w1 = _mm512_loadu_pd(w + i * outputs + 8);
#pragma GCC unroll 8
    for (std::size_t t = 0; t < tokens; ++t) {
      const __m512d input = _mm512_set1_pd(x[i * tokens + t]);
      sum[t][0] = _mm512_fmadd_pd(w0, input, sum[t][0]);
      sum[t][1] = _mm512_fmadd_pd(w1, input, sum[t][1]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t t = 0; t < tokens; ++t) {
    _mm512_storeu_pd(tile + t * outputs, sum[t][0]);
    _mm512_storeu_pd(tile + t * outputs + 8, sum[t][1]);
  }
}

Kernel best_kernel() { return has_avx512() ? avx512_kernel : has_avx2_fma() ? avx2_kernel : plain_kernel; }

#else

Kernel best_kernel() { return plain_kernel; }

#endif

}  // namespace

const std::vector<double>& ProductInDouble::multiply(const float* weight, std::size_t rows, std::size_t columns,
                                                     const double* x, std::size_t stride, std::size_t count) {
  const Kernel kernel = best_kernel();
  const std::size_t row_panels = (rows + outputs - 1) / outputs;
  const std::size_t token_panels = (count + tokens - 1) / tokens;
  // Tiles [row_panels][token_panels][tokens][outputs].
  tiles_.assign(row_panels * token_panels * tokens * outputs, 0.0);
  inputs_.resize(token_panels * depth * tokens);
  panel_.resize(depth * outputs);
  for (std::size_t first = 0; first < columns; first += depth) {
    const std::size_t size = std::min(depth, columns - first);
    for (std::size_t p = 0; p < token_panels; ++p) {
      double* to = inputs_.data() + p * depth * tokens;
      for (std::size_t t = 0; t < tokens; ++t) {
        const std::size_t token = p * tokens + t;
        const double* from = x + std::min(token, count - 1) * stride + first;
        for (std::size_t i = 0; i < size; ++i) to[i * tokens + t] = from[i];
      }
    }
    for (std::size_t p = 0; p < row_panels; ++p) {
      const std::size_t left = p * outputs;
      const std::size_t width = std::min(outputs, rows - left);
      for (std::size_t i = 0; i < size; ++i) {
        const float* from = weight + (first + i) * rows + left;
        double* to = panel_.data() + i * outputs;
        for (std::size_t r = 0; r < width; ++r) to[r] = static_cast<double>(from[r]);
        for (std::size_t r = width; r < outputs; ++r) to[r] = 0.0;
      }
      double* tile = tiles_.data() + p * token_panels * tokens * outputs;
      for (std::size_t t = 0; t < token_panels; ++t, tile += tokens * outputs) {
        kernel(size, panel_.data(), inputs_.data() + t * depth * tokens, tile);
      }
    }
  }
  sums_.resize(count * rows);
  for (std::size_t p = 0; p < row_panels; ++p) {
    const std::size_t left = p * outputs;
    const std::size_t width = std::min(outputs, rows - left);
    const double* tile = tiles_.data() + p * token_panels * tokens * outputs;
    for (std::size_t t = 0; t < count; ++t) std::copy_n(tile + t * outputs, width, sums_.data() + t * rows + left);
  }
  return sums_;
}

}  // namespace krohn
