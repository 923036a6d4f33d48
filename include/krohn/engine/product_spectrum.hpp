// Eigenvalues of products of consecutive tokens' state transition matrices in a learned model, in double, and which of
// them are not real, or negative, beyond the reach of rounding errors.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "krohn/engine/spectrum.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

/// An eigenvalue of A(x_t) .. A(x_{t-n+1}) in a head, where x_1 .. x_t are the tokens read.
struct ProductEigenvalue {
  std::size_t head = 0;
  /// x_1 .. x_t, as places in SpectrumOptions::tokens; its length is at least n.
  std::vector<std::size_t> word;
  std::complex<double> value;
};

/// The products met in one block. "Surely" means: of every matrix whose entries differ from the computed ones by a
/// 2^-20th of the terms that they are sums of, which rounding errors in double stay far below.
struct ProductSpectrum {
  std::uint64_t products = 0;
  /// Ranges over all eigenvalues.
  double least_real = std::numeric_limits<double>::infinity();
  double most_real = -std::numeric_limits<double>::infinity();
  double most_imaginary = 0.0;
  /// The eigenvalue farthest from the real axis among those that are surely not real; the least among those whose real
  /// part is surely negative.
  std::optional<ProductEigenvalue> not_real;
  std::optional<ProductEigenvalue> negative;
  /// All eigenvalues of all products are surely real; and positive as well.
  bool all_real = true;
  bool all_positive = true;
};

/// For each block, the products of `lengths[block]` matrices of consecutive tokens; 0: the block is not looked at.
/// First along powers of every token of `options`, up to options.length symbols (fewer where there are many tokens, but
/// twice the longest product); then, while no block has met an eigenvalue that is surely not real (with `or_negative`:
/// or negative), along options.words random words. Cost: the forward passes in double, and a product an eigenvalue
/// problem of the size of its number of factors, at most of the key size. Throws InputError for tokens outside the
/// vocabulary or lengths beyond options.length, NumericError where a matrix is not finite.
std::vector<ProductSpectrum> product_spectra(const Program& model, std::span<const std::uint64_t> lengths,
                                             bool or_negative, const SpectrumOptions& options);

}  // namespace krohn
