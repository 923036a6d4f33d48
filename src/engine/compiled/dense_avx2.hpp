// The recurrence of one dense layer on eight words at once in each AVX2 register, with the bits of the reference.
#pragma once

#include <cstdint>
#include <span>

#include "krohn/automata/alphabet.hpp"
#include "krohn/engine/compiled/dense_rows.hpp"
#include "krohn/kernels/flat_model.hpp"

namespace krohn {

/// The widest hidden state that run_dense_avx2 takes.
inline constexpr std::uint32_t dense_avx2_max_size = 8;
/// A good number of words for one call of run_dense_avx2.
inline constexpr std::size_t dense_avx2_words = 32;

/// Runs words from `initial` [rows.size] to their ends and writes their hidden states,
/// hidden[word * rows.size + j] (signs of zeros unspecified). A run that met NaN or infinity leaves at least one
/// element that is not finite. Symbols must be below rows.rows. Only where has_avx2_fma() holds.
void run_dense_avx2(const DenseRows& rows, StateFormat format, const float* initial,
                    std::span<const std::span<const Symbol>> words, float* hidden);

}  // namespace krohn
