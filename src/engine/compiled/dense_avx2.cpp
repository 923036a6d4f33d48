// Lane i of a register belongs to word i; the operations on a lane are those of docs/semantics.md, section 2, on dense
// rows. Symbols arrive as eight columns of an 8 x 8 transpose; a row's parameters come from one register permutation
// each where there are at most eight rows, else from transposed loads of the eight rows. Words that end early go on
// with the identity row. NaN and infinity stay in the hidden state (section 6: multiplying by a gate of 0 keeps them
// too), so that the caller checks the end. Tested by tests/engine/machine_test.cpp.
#include "compiled/dense_avx2.hpp"

#include <algorithm>

#include "cpu_features.hpp"
#include "krohn/error.hpp"

#if defined(KROHN_HAVE_AVX2_TARGET)
#include <immintrin.h>
#endif

namespace krohn {

#if defined(KROHN_HAVE_AVX2_TARGET)
namespace {

constexpr std::uint32_t permuted_rows = 8;
constexpr std::uint32_t max_permuted_parameters = 256;

#define KROHN_AVX2_INLINE KROHN_TARGET_AVX2 [[gnu::always_inline]] inline

template <StateFormat F>
KROHN_AVX2_INLINE __m256 store_format(__m256 x) {
  if constexpr (F == StateFormat::fp16) {
    return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  } else if constexpr (F == StateFormat::bf16) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i lsb = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_and_si256(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), lsb),
                                             _mm256_set1_epi32(static_cast<int>(0xFFFF0000U)));
    // A NaN is kept: the addition above could carry it to a number.
    return _mm256_blendv_ps(_mm256_castsi256_ps(rounded), x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  } else {
    return x;
  }
}

KROHN_AVX2_INLINE void transpose8(__m256 r[8]) {
  __m256 t[8];
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  __m256 u[8];
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
    u[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}

/// The parameters of the rows in use, in order, eight rows at a time: next() is the next parameter of each lane's row.
struct PermutedRows {
  const float* table;  // [stride][8]

  struct Cursor {
    const float* at;
    __m256i row;
    KROHN_AVX2_INLINE __m256 next() {
      const __m256 value = _mm256_permutevar8x32_ps(_mm256_load_ps(at), row);
      at += permuted_rows;
      return value;
    }
  };
  KROHN_AVX2_INLINE Cursor cursor(__m256i row) const { return {table, row}; }
};

struct LoadedRows {
  const float* table;  // [rows][stride], stride a multiple of 8
  std::uint32_t stride;

  struct Cursor {
    const float* table;
    alignas(32) std::int32_t offset[8];
    __m256 block[8];
    std::uint32_t position;
    KROHN_AVX2_INLINE __m256 next() {
      if (position % 8 == 0) {
        for (int i = 0; i < 8; ++i) block[i] = _mm256_loadu_ps(table + offset[i] + position);
        transpose8(block);
      }
      return block[position++ % 8];
    }
  };
  KROHN_AVX2_INLINE Cursor cursor(__m256i row) const {
    Cursor cursor;
    cursor.table = table;
    cursor.position = 0;
    const __m256i offset = _mm256_mullo_epi32(row, _mm256_set1_epi32(static_cast<int>(stride)));
    _mm256_store_si256(reinterpret_cast<__m256i*>(cursor.offset), offset);
    return cursor;
  }
};

template <int D, StateFormat F, class Rows>
KROHN_AVX2_INLINE void step8(const DenseRows& dense, const Rows& rows, __m256i row, __m256* h) {
  auto parameter = rows.cursor(row);
  if (dense.gate) {
    for (int j = 0; j < D; ++j) h[j] = _mm256_mul_ps(parameter.next(), h[j]);
  }
  for (std::uint32_t f = 0; f < dense.factors; ++f) {
    __m256 key[D];
    key[0] = parameter.next();
    __m256 acc = _mm256_mul_ps(key[0], h[0]);  // fma(k, h, +0) up to the sign of a zero
    for (int j = 1; j < D; ++j) {
      key[j] = parameter.next();
      acc = _mm256_fmadd_ps(key[j], h[j], acc);
    }
    const __m256 beta = parameter.next();
    if (dense.value) acc = _mm256_sub_ps(parameter.next(), acc);
    const __m256 c = _mm256_mul_ps(beta, acc);
    for (int j = 0; j < D; ++j) h[j] = _mm256_fmadd_ps(c, key[j], h[j]);
  }
  if (dense.write) {
    for (int j = 0; j < D; ++j) h[j] = _mm256_add_ps(h[j], parameter.next());
  }
  for (int j = 0; j < D; ++j) h[j] = store_format<F>(h[j]);
}

/// G groups of eight words, interleaved to hide the latency of the recurrence.
template <int D, int G, StateFormat F, class Rows>
KROHN_TARGET_AVX2 void walk(const DenseRows& dense, const Rows& rows, const float* initial,
                            std::span<const std::span<const Symbol>> words, float* hidden) {
  const auto identity = static_cast<std::int32_t>(dense.rows - 1);
  const Symbol* symbols[8 * G];
  std::size_t length[8 * G];
  std::size_t shortest = words.empty() ? 0 : words.front().size();
  std::size_t longest = 0;
  for (std::size_t i = 0; i < 8 * G; ++i) {
    symbols[i] = i < words.size() ? words[i].data() : nullptr;
    length[i] = i < words.size() ? words[i].size() : 0;
    shortest = std::min(shortest, length[i]);
    longest = std::max(longest, length[i]);
  }
  __m256 h[G][D];
  for (int g = 0; g < G; ++g) {
    for (int j = 0; j < D; ++j) h[g][j] = _mm256_set1_ps(initial[j]);
  }
  for (std::size_t t = 0; t < longest; t += 8) {
    __m256 column[G][8];
    for (int g = 0; g < G; ++g) {
      if (t + 8 <= shortest) {
        for (int i = 0; i < 8; ++i) {
          column[g][i] = _mm256_loadu_ps(reinterpret_cast<const float*>(symbols[8 * g + i] + t));
        }
      } else {
        alignas(32) std::int32_t part[8][8];
        for (int i = 0; i < 8; ++i) {
          for (std::size_t s = 0; s < 8; ++s) {
            const bool inside = t + s < length[8 * g + i];
            part[i][s] = inside ? static_cast<std::int32_t>(symbols[8 * g + i][t + s]) : identity;
          }
          column[g][i] = _mm256_load_ps(reinterpret_cast<const float*>(part[i]));
        }
      }
      transpose8(column[g]);
    }
    for (int s = 0; s < 8; ++s) {
      for (int g = 0; g < G; ++g) step8<D, F>(dense, rows, _mm256_castps_si256(column[g][s]), h[g]);
    }
  }
  for (int g = 0; g < G; ++g) {
    for (int j = 0; j < D; ++j) {
      alignas(32) float lane[8];
      _mm256_store_ps(lane, h[g][j]);
      for (std::size_t i = 0; i < 8; ++i) {
        const std::size_t word = 8 * static_cast<std::size_t>(g) + i;
        if (word < words.size()) hidden[word * D + static_cast<std::size_t>(j)] = lane[i];
      }
    }
  }
}

/// Splits the words into calls of at most 8 * G.
template <int D, StateFormat F, class Rows>
void walk_all(const DenseRows& dense, const Rows& rows, const float* initial,
              std::span<const std::span<const Symbol>> words, float* hidden) {
  constexpr int groups = D <= 2 ? 4 : D <= 4 ? 2 : 1;
  for (std::size_t begin = 0; begin < words.size(); begin += 8 * groups) {
    const std::size_t count = std::min<std::size_t>(8 * groups, words.size() - begin);
    walk<D, groups, F>(dense, rows, initial, words.subspan(begin, count), hidden + begin * D);
  }
}

template <int D, StateFormat F>
void choose_rows(const DenseRows& dense, const float* initial, std::span<const std::span<const Symbol>> words,
                 float* hidden) {
  if (dense.rows <= permuted_rows && dense.used <= max_permuted_parameters) {
    alignas(32) float table[max_permuted_parameters * permuted_rows];
    for (std::uint32_t p = 0; p < dense.used; ++p) {
      for (std::uint32_t r = 0; r < permuted_rows; ++r) {
        table[p * permuted_rows + r] = r < dense.rows ? dense.values[r * dense.stride + p] : 0.0F;
      }
    }
    walk_all<D, F>(dense, PermutedRows{table}, initial, words, hidden);
    return;
  }
  walk_all<D, F>(dense, LoadedRows{dense.values.data(), dense.stride}, initial, words, hidden);
}

template <int D>
void choose_format(const DenseRows& dense, StateFormat format, const float* initial,
                   std::span<const std::span<const Symbol>> words, float* hidden) {
  if (format == StateFormat::fp32) return choose_rows<D, StateFormat::fp32>(dense, initial, words, hidden);
  if (format == StateFormat::fp16) return choose_rows<D, StateFormat::fp16>(dense, initial, words, hidden);
  if (format == StateFormat::bf16) return choose_rows<D, StateFormat::bf16>(dense, initial, words, hidden);
  throw InternalError("dense rows: expected a floating-point format");
}

}  // namespace

void run_dense_avx2(const DenseRows& rows, StateFormat format, const float* initial,
                    std::span<const std::span<const Symbol>> words, float* hidden) {
  switch (rows.size) {
    case 1:
      return choose_format<1>(rows, format, initial, words, hidden);
    case 2:
      return choose_format<2>(rows, format, initial, words, hidden);
    case 3:
      return choose_format<3>(rows, format, initial, words, hidden);
    case 4:
      return choose_format<4>(rows, format, initial, words, hidden);
    case 5:
      return choose_format<5>(rows, format, initial, words, hidden);
    case 6:
      return choose_format<6>(rows, format, initial, words, hidden);
    case 7:
      return choose_format<7>(rows, format, initial, words, hidden);
    default:
      return choose_format<8>(rows, format, initial, words, hidden);
  }
}

#else

void run_dense_avx2(const DenseRows&, StateFormat, const float*, std::span<const Word* const>, float*) {}

#endif

}  // namespace krohn
