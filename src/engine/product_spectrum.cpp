// Products of a head's matrices over a sliding window of tokens, each as a small eigenvalue problem (transition.hpp).
//
// Which computed eigenvalues are facts (Bauer and Fike 1960). Let V, L be the computed eigenvectors and eigenvalues of
// M and R = M V - V L, so that M - R V^-1 = V L V^-1 exactly. Any matrix M' with |M' - M| <= e is then within
// e + |R| |V^-1| of a matrix with eigenvectors V and eigenvalues L; so the eigenvalues of M' lie in the discs of radius
// r = |V| |V^-1| (e + |R| |V^-1|) around those of L, and each connected component of the discs' union holds as many of
// M' as of L, for both move continuously. A component that does not meet the real axis therefore holds eigenvalues of
// M' that are not real; one left of the imaginary axis holds some with a negative real part; a single disc around a
// real number holds one eigenvalue, which is real, for M' is real and the conjugate would be in it too. Norms are
// Frobenius norms, which are larger; a defective M has no V^-1 and decides nothing.
// e is 2^-20 of the terms that M's entries are sums of. Rounding errors of r, of M's entries and of the forward pass
// behind them are a few thousand operations' worth of 2^-53; they are thousands of times smaller.
#include "krohn/engine/product_spectrum.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "krohn/engine/interpreter.hpp"
#include "krohn/error.hpp"
#include "krohn/model/eigenvalues.hpp"
#include "transition.hpp"
#include "word_walk.hpp"

namespace krohn {
namespace {

constexpr double relative_error = 0x1p-20;
/// Steps along powers of tokens, unless twice the longest product for each token are more.
constexpr std::uint64_t most_power_steps = std::uint64_t{1} << 14U;

/// What is known for sure of each eigenvalue of a matrix.
struct Certainty {
  std::vector<std::complex<double>> values;
  std::vector<bool> not_real;
  std::vector<bool> negative;
  bool all_real = false;
  bool all_positive = false;
};

Certainty certainty_of(const Eigen::MatrixXd& matrix, double error) {
  const auto size = static_cast<std::size_t>(matrix.rows());
  EigenDecomposition decomposition = eigen_decomposition(entries(matrix), size);
  const Eigen::Map<const Eigen::VectorXcd> values(decomposition.values.data(), matrix.rows());
  const Eigen::Map<const Eigen::MatrixXcd> vectors(decomposition.vectors.data(), matrix.rows(), matrix.rows());
  const Eigen::Map<const Eigen::MatrixXcd> inverse(decomposition.inverse.data(), matrix.rows(), matrix.rows());
  const double residual = (matrix * vectors - vectors * values.asDiagonal()).norm();
  const double radius = vectors.norm() * inverse.norm() * (error + residual * inverse.norm());
  Certainty certainty{std::move(decomposition.values), std::vector<bool>(size, false), std::vector<bool>(size, false)};
  if (!std::isfinite(radius)) return certainty;
  const auto value = [&](std::size_t i) { return certainty.values[i]; };
  certainty.all_real = true;
  certainty.all_positive = true;
  std::vector<bool> seen(size, false);
  for (std::size_t first = 0; first < size; ++first) {
    if (seen[first]) continue;
    std::vector<std::size_t> component{first};
    seen[first] = true;
    bool off_axis = true;
    bool left = true;
    for (std::size_t i = 0; i < component.size(); ++i) {
      off_axis = off_axis && std::fabs(value(component[i]).imag()) > radius;
      left = left && value(component[i]).real() < -radius;
      for (std::size_t j = 0; j < size; ++j) {
        if (seen[j] || std::abs(value(component[i]) - value(j)) > 2.0 * radius) continue;
        seen[j] = true;
        component.push_back(j);
      }
    }
    for (const std::size_t i : component) {
      certainty.not_real[i] = off_axis;
      certainty.negative[i] = left;
    }
    const bool real = component.size() == 1 && value(first).imag() == 0.0;
    certainty.all_real = certainty.all_real && real;
    certainty.all_positive = certainty.all_positive && real && value(first).real() > radius;
  }
  return certainty;
}

class ProductCollector final : public forward::Probe<double> {
 public:
  ProductCollector(std::span<const std::uint64_t> lengths, std::vector<ProductSpectrum>& spectra)
      : lengths_(lengths), spectra_(spectra) {}

  void start_word() {
    word_.clear();
    windows_.clear();
  }
  /// The place of the token that is read next.
  void token(std::size_t place) { word_.push_back(place); }

  void recurrence(std::size_t block, std::size_t head, std::size_t key_size, std::size_t value_size,
                  const forward::Decay<double>& decay, std::span<const forward::Update<double>> updates) override {
    if (lengths_[block] == 0) return;
    Transition transition = transition_of(key_size, value_size, decay, updates);
    std::vector<Transition>& window = windows_[{block, head}];
    if (window.size() == lengths_[block]) window.erase(window.begin());
    window.push_back(std::move(transition));
    if (window.size() < lengths_[block]) return;
    if (window.front().diagonal.size() > 0) {
      look_at_diagonal(spectra_[block], head, window);
    } else if (window.front().rotations.size() > 0) {
      look_at_rotations(spectra_[block], head, window);
    } else {
      look(spectra_[block], head, reduced_product(window));
    }
  }

 private:
  /// Decays are at most 1, so that each contributes its own error at most.
  void look_at_diagonal(ProductSpectrum& spectrum, std::size_t head, std::span<const Transition> window) {
    Eigen::VectorXd values = window.front().diagonal;
    for (const Transition& transition : window.subspan(1)) values = values.cwiseProduct(transition.diagonal);
    require_finite(values);
    ++spectrum.products;
    const double error = relative_error * static_cast<double>(window.size());
    for (const double value : values) {
      spectrum.least_real = std::min(spectrum.least_real, value);
      spectrum.most_real = std::max(spectrum.most_real, value);
      spectrum.all_positive = spectrum.all_positive && value > error;
      if (value < -error && more_negative(spectrum, value)) spectrum.negative = {head, word_, value};
    }
  }

  /// Turned pairs of keys do not mix, so that their numbers multiply; these are at most 1 in modulus, or nearly.
  void look_at_rotations(ProductSpectrum& spectrum, std::size_t head, std::span<const Transition> window) {
    Eigen::VectorXcd values = window.front().rotations;
    double error = relative_error;
    for (const Transition& transition : window.subspan(1)) {
      values = values.cwiseProduct(transition.rotations);
      error += relative_error;
    }
    ++spectrum.products;
    for (const Transition& transition : window) {
      for (const std::complex<double> value : transition.rotations) error *= std::max(1.0, std::abs(value));
    }
    for (std::complex<double> value : values) {
      if (!std::isfinite(value.real()) || !std::isfinite(value.imag())) throw NumericError("a decay is not finite");
      value.imag(std::fabs(value.imag()));
      spectrum.least_real = std::min(spectrum.least_real, value.real());
      spectrum.most_real = std::max(spectrum.most_real, value.real());
      spectrum.most_imaginary = std::max(spectrum.most_imaginary, value.imag());
      spectrum.all_real = spectrum.all_real && value.imag() == 0.0;
      spectrum.all_positive = spectrum.all_positive && value.imag() == 0.0 && value.real() > error;
      if (value.imag() > error && more_not_real(spectrum, value)) spectrum.not_real = {head, word_, value};
      if (value.real() < -error && more_negative(spectrum, value)) spectrum.negative = {head, word_, value};
    }
  }

  void look(ProductSpectrum& spectrum, std::size_t head, const ReducedProduct& product) {
    const Eigen::MatrixXd& matrix = product.matrix;
    require_finite(matrix);
    if (!std::isfinite(product.scale)) throw NumericError("a decay is not finite");
    ++spectrum.products;
    if (product.ones > 0) {
      spectrum.least_real = std::min(spectrum.least_real, product.scale);
      spectrum.most_real = std::max(spectrum.most_real, product.scale);
    }
    if (matrix.rows() == 0) return;
    // An eigenvector problem only where its answer could change what is kept.
    bool news = spectrum.all_real || spectrum.all_positive;
    for (const std::complex<double>& unscaled : eigenvalues(entries(matrix), static_cast<std::size_t>(matrix.rows()))) {
      const std::complex<double> value = product.scale * unscaled;
      spectrum.least_real = std::min(spectrum.least_real, value.real());
      spectrum.most_real = std::max(spectrum.most_real, value.real());
      spectrum.most_imaginary = std::max(spectrum.most_imaginary, std::fabs(value.imag()));
      news = news || more_not_real(spectrum, value) || more_negative(spectrum, value);
    }
    // Rounding below the least positive number would make a scale of 0.
    if (!news || !(product.scale > 0.0)) return;
    const Certainty certainty = certainty_of(matrix, relative_error * product.magnitude);
    spectrum.all_real = spectrum.all_real && certainty.all_real;
    spectrum.all_positive = spectrum.all_positive && certainty.all_positive;
    for (std::size_t i = 0; i < certainty.not_real.size(); ++i) {
      const std::complex<double> value = product.scale * certainty.values[i];
      if (certainty.not_real[i] && more_not_real(spectrum, value)) spectrum.not_real = {head, word_, value};
      if (certainty.negative[i] && more_negative(spectrum, value)) spectrum.negative = {head, word_, value};
    }
  }

  /// Of a conjugate pair the one above the axis is shown.
  static bool more_not_real(const ProductSpectrum& spectrum, std::complex<double> value) {
    return value.imag() > (spectrum.not_real ? spectrum.not_real->value.imag() : 0.0);
  }
  static bool more_negative(const ProductSpectrum& spectrum, std::complex<double> value) {
    return value.real() < (spectrum.negative ? spectrum.negative->value.real() : 0.0);
  }

  std::span<const std::uint64_t> lengths_;
  std::vector<ProductSpectrum>& spectra_;
  std::vector<std::size_t> word_;
  /// The last matrices of each block and head.
  std::map<std::pair<std::size_t, std::size_t>, std::vector<Transition>> windows_;
};

}  // namespace

std::vector<ProductSpectrum> product_spectra(const Program& model, std::span<const std::uint64_t> lengths,
                                             bool or_negative, const SpectrumOptions& options) {
  require_tokens(model, options);
  if (lengths.size() != model.layers().size()) {
    throw InternalError("product spectra: expected a length for each of " + std::to_string(model.layers().size()) +
                        " blocks, got " + std::to_string(lengths.size()));
  }
  const std::uint64_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  if (longest > options.length) {
    throw InputError("product spectra: expected products of at most " + std::to_string(options.length) +
                     " matrices, got " + std::to_string(longest));
  }
  std::vector<ProductSpectrum> spectra(lengths.size());
  if (options.tokens.empty() || longest == 0) return spectra;
  ProductCollector collector(lengths, spectra);
  WordWalk walk(model, options, collector);
  const std::uint64_t power = std::min(options.length, std::max(2 * longest, most_power_steps / options.tokens.size()));
  for (std::size_t place = 0; place < options.tokens.size(); ++place) {
    walk.start_word();
    for (std::uint64_t t = 0; t < power; ++t) walk.read(place);
  }
  const bool met = std::any_of(spectra.begin(), spectra.end(), [&](const ProductSpectrum& spectrum) {
    return spectrum.not_real || (or_negative && spectrum.negative);
  });
  if (met) return spectra;
  walk.read_random_words();
  return spectra;
}

}  // namespace krohn
