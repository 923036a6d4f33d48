// (p under a word a w) = (p under a) under w: with bytes t[p] = p under w, those of a w are t permuted by what a's row
// selects, one instruction. Sequences are therefore walked from their ends, in several pieces side by side, which hide
// each other's latency, and the pieces' images are composed in order. Tested by tests/engine/scan_test.cpp.
#include "points_walk.hpp"

#include <cstddef>
#include <cstring>

#include "cpu_features.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/symbol_groups.hpp"

#if defined(KROHN_HAVE_AVX2_TARGET)
#include <immintrin.h>
#endif

namespace krohn {

PointsWalk::PointsWalk(const PointsView& points)
    : group_(largest_group(points.num_symbols)), rows_(group_rows(group_, points.num_symbols)) {
  each_group_row(group_, points.num_symbols, [&](std::uint32_t row, std::span<const std::uint32_t> symbols) {
    for (std::uint32_t p = 0; p < rows_[row].image.size(); ++p) {
      rows_[row].image[p] = static_cast<std::uint8_t>(p < most_points ? points.moved(p, symbols) : p);
    }
  });
}

#if defined(KROHN_HAVE_AVX2_TARGET)

template <int G>
KROHN_TARGET_AVX2 PointImages PointsWalk::moved_in_groups(std::span<const std::uint8_t> symbols) const {
  constexpr std::size_t pieces = 4;
  const auto* rows = reinterpret_cast<const __m128i*>(rows_.data());
  const __m128i identity = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const std::size_t words = symbols.size() / (4 * pieces);
  __m128i image[pieces] = {identity, identity, identity, identity};
  const std::uint8_t* end = symbols.data() + 4 * words;
  for (std::size_t w = 0; w < words; ++w) {
    end -= 4;
    for (std::size_t i = 0; i < pieces; ++i) {
      std::uint32_t word = 0;
      std::memcpy(&word, end + i * (4 * words), sizeof word);
      for (int g = 4 / G; g-- > 0;) {
        const std::uint32_t row = (grouped<G>(word, g) >> (8 * group_byte<G>(g))) & 0xFFU;
        image[i] = _mm_shuffle_epi8(image[i], _mm_load_si128(rows + row));
      }
    }
  }
  // The rest, one symbol at a time, then the pieces before it.
  __m128i all = identity;
  for (std::size_t t = symbols.size(); t-- > 4 * pieces * words;) {
    all = _mm_shuffle_epi8(all, _mm_load_si128(rows + first_symbol_row(G) + symbols[t]));
  }
  for (std::size_t i = pieces; i-- > 0;) all = _mm_shuffle_epi8(all, image[i]);
  PointImages out;
  std::memcpy(out.data(), &all, out.size());
  return out;
}

PointImages PointsWalk::moved(std::span<const std::uint8_t> symbols) const {
  if (group_ == 4) return moved_in_groups<4>(symbols);
  if (group_ == 2) return moved_in_groups<2>(symbols);
  return moved_in_groups<1>(symbols);
}

#else

PointImages PointsWalk::moved(std::span<const std::uint8_t>) const {
  throw InternalError("this build has no AVX2 code");
}

#endif

}  // namespace krohn
