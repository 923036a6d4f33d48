// The eigenvalues that a learned model really has: of the matrices A(x_t) that it makes from tokens, in double.
//
// A token's matrix is what its updates do to the hidden state, S -> A S: diag(decay) and the factors I - beta w r^T in
// their order (RWKV-7: diag(decay) - w r^T). Whether negative eigenvalues are in force is a matter of the weights and
// of the inputs, not of a flag: so they are computed, for every token read first and along words.
#pragma once

#include <complex>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/engine/learned.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

/// The eigenvalues met in one head (Mamba: in all channels of the block together). Counts are of eigenvalues.
struct HeadSpectrum {
  std::size_t block = 0;
  std::size_t head = 0;
  std::size_t key_size = 0;
  std::uint64_t matrices = 0;
  std::uint64_t eigenvalues = 0;
  /// Ranges over all of them.
  double least_real = 0.0;
  double most_real = 0.0;
  double least_modulus = 0.0;
  double most_modulus = 0.0;
  double most_imaginary = 0.0;
  /// The smallest distances to -1, 0 and 1.
  double from_minus_one = 0.0;
  double from_zero = 0.0;
  double from_one = 0.0;
  /// Eigenvalues whose real part is below -1e-6, or whose imaginary part is beyond 1e-6 on either side.
  std::uint64_t negative = 0;
  std::uint64_t complex = 0;
  /// The least real part met, for each token that was read (in the order of `tokens`) over all places where it was.
  std::vector<double> least_real_by_token;
  /// Real parts in bins of width 0.05 from -1.2 to 1.2, beyond them in the first and last.
  static constexpr std::size_t num_bins = 48;
  std::vector<std::uint64_t> histogram = std::vector<std::uint64_t>(num_bins, 0);
  /// A sample of at most 600, evenly spread over those met, for plots.
  std::vector<std::complex<double>> sample;
};

/// How large a layer's matrices become. Norms are 2-norms, of single matrices with more than one factor and of products
/// found by power iteration: from below, to six digits where the largest two differ.
struct LayerStability {
  std::size_t block = 0;
  struct Largest {
    double radius = 0.0;
    double norm = 0.0;
  };
  /// Of A(x) for every token alone, and along the random words.
  Largest symbols;
  Largest words;
  /// Of A(x_t) .. A(x_1) along the random words, at powers of two and at the end; at which t.
  double product_norm = 0.0;
  std::uint64_t product_length = 0;
};

struct SpectrumOptions {
  /// The tokens that words are made of: those of the task, else of the whole vocabulary (at most the first 4096).
  Tokens tokens;
  /// Read before every word.
  std::optional<std::uint32_t> first_token = std::nullopt;
  /// Random words along which eigenvalues are taken, besides each token alone.
  std::uint64_t words = 16;
  std::uint64_t length = 64;
  std::uint64_t seed = 0;
  /// Norms as well (LearnedSpectrum::stability).
  bool stability = false;
  /// At most; 0: as many as the machine has cores. The result does not depend on it.
  std::size_t threads = 0;
  /// Told what part is done.
  std::function<void(double)> progress = nullptr;
};

/// Throws InputError if a token is outside the vocabulary.
void require_tokens(const Program& model, const SpectrumOptions& options);

struct LearnedSpectrum {
  std::vector<HeadSpectrum> heads;
  /// Blocks whose state moves by no matrix (sLSTM).
  std::vector<std::size_t> nonlinear_blocks;
  /// Blocks whose decay is that of a stabilised state (mLSTM): e^(f + m - m'), at most 1, 0 at the first token.
  std::vector<std::size_t> stabilized_blocks;
  std::uint64_t words = 0;
  std::uint64_t length = 0;
  /// Linear layers in their order, where they were asked for.
  std::vector<LayerStability> stability;
};

/// Cost: the forward passes in double, with each layer's weights read once for 8192 tokens (so that they may be
/// deferred, ProgramTensor), and for each token and head an eigenvalue problem of the size of the number of
/// updates (of the key size in RWKV-7). Throws InputError for tokens outside the vocabulary, NumericError where a
/// matrix is not finite.
LearnedSpectrum compute_spectrum(const Program& model, const SpectrumOptions& options);

}  // namespace krohn
