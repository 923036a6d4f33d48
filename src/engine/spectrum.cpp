// Every token's matrix as its updates make it (transition.hpp), its eigenvalues, and what is counted of them.
#include "krohn/engine/spectrum.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "krohn/engine/interpreter.hpp"
#include "krohn/error.hpp"
#include "krohn/model/program_form.hpp"
#include "transition.hpp"
#include "word_walk.hpp"

namespace krohn {
namespace {

using forward::Decay;
using forward::Update;

class Collector final : public forward::Probe<double> {
 public:
  Collector(std::vector<HeadSpectrum>& heads, std::size_t num_tokens) : heads_(heads), num_tokens_(num_tokens) {}

  void start_word() {}
  /// The place in the list of tokens of the one that is read next.
  void token(std::size_t index) { token_ = index; }

  void recurrence(std::size_t block, std::size_t head, std::size_t key_size, std::size_t value_size,
                  const Decay<double>& decay, std::span<const Update<double>> updates) override {
    HeadSpectrum& spectrum = find(block, head, key_size);
    spectrum.matrices += 1;
    const Transition transition = transition_of(key_size, value_size, decay, updates);
    if (transition.diagonal.size() > 0) {
      for (const double value : transition.diagonal) add(spectrum, {value, 0.0});
      return;
    }
    if (transition.rotations.size() > 0) {
      for (const std::complex<double> value : transition.rotations) {
        add(spectrum, value);
        add(spectrum, std::conj(value));
      }
      return;
    }
    if (transition.scaled_identity) {
      for (std::size_t i = 0; i + 1 < key_size; ++i) add(spectrum, {*transition.scaled_identity, 0.0});
      add(spectrum, {transition.moved, 0.0});
      return;
    }
    if (transition.symmetric.size() > 0) {
      require_finite(transition.symmetric);
      const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(transition.symmetric, Eigen::EigenvaluesOnly);
      require_found(solver.info());
      for (const double value : solver.eigenvalues()) add(spectrum, {value, 0.0});
      return;
    }
    const ReducedProduct product = reduced_product(std::span(&transition, 1));
    for (std::size_t i = 0; i < product.ones; ++i) add(spectrum, {product.scale, 0.0});
    solve(spectrum, product.matrix, product.scale);
  }

 private:
  HeadSpectrum& find(std::size_t block, std::size_t head, std::size_t key_size) {
    // Places in the order in which the forward pass comes by: found at once, but for the first token.
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      HeadSpectrum& candidate = heads_[(next_ + i) % heads_.size()];
      if (candidate.block == block && candidate.head == head) {
        next_ = (next_ + i + 1) % heads_.size();
        return candidate;
      }
    }
    HeadSpectrum fresh;
    fresh.block = block;
    fresh.head = head;
    fresh.key_size = key_size;
    fresh.least_real_by_token.assign(num_tokens_, std::numeric_limits<double>::infinity());
    heads_.push_back(std::move(fresh));
    next_ = 0;
    return heads_.back();
  }

  static void require_found(Eigen::ComputationInfo info) {
    if (info != Eigen::Success) throw NumericError("the eigenvalues of a state-transition matrix were not found");
  }

  void solve(HeadSpectrum& spectrum, const Eigen::MatrixXd& matrix, double scale) {
    require_finite(matrix);
    if (matrix.rows() == 0) return;
    if (matrix.rows() == 1) return add(spectrum, {scale * matrix(0, 0), 0.0});
    const Eigen::EigenSolver<Eigen::MatrixXd> solver(matrix, false);
    require_found(solver.info());
    for (const std::complex<double>& value : solver.eigenvalues()) add(spectrum, scale * value);
  }

  void add(HeadSpectrum& s, std::complex<double> value) {
    if (!std::isfinite(value.real()) || !std::isfinite(value.imag())) {
      throw NumericError("an eigenvalue of a state-transition matrix is not finite");
    }
    const double modulus = std::abs(value);
    const bool first = s.eigenvalues == 0;
    const auto least = [first](double& kept, double x) { kept = first ? x : std::min(kept, x); };
    const auto most = [first](double& kept, double x) { kept = first ? x : std::max(kept, x); };
    least(s.least_real, value.real());
    most(s.most_real, value.real());
    least(s.least_modulus, modulus);
    most(s.most_modulus, modulus);
    most(s.most_imaginary, std::fabs(value.imag()));
    least(s.from_minus_one, std::abs(value + 1.0));
    least(s.from_zero, modulus);
    least(s.from_one, std::abs(value - 1.0));
    s.negative += value.real() < -1e-6 ? 1U : 0U;
    s.complex += std::fabs(value.imag()) > 1e-6 ? 1U : 0U;
    double& by_token = s.least_real_by_token[token_];
    by_token = std::min(by_token, value.real());
    const double bin = std::floor((value.real() + 1.2) / 0.05);
    s.histogram[static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(HeadSpectrum::num_bins - 1)))] += 1;
    // Every 3^k-th is kept; whenever the sample is full, two of three go and k grows. A matrix has key_size
    // eigenvalues, mostly a power of two, so a stride of powers of two would meet one place of every matrix and miss
    // the rest.
    std::uint64_t& stride = strides_.try_emplace({s.block, s.head}, 1U).first->second;
    if (s.eigenvalues % stride == 0) {
      s.sample.push_back(value);
      if (s.sample.size() > 600) {
        for (std::size_t i = 0; 3 * i < s.sample.size(); ++i) s.sample[i] = s.sample[3 * i];
        s.sample.resize((s.sample.size() + 2) / 3);
        stride *= 3;
      }
    }
    s.eigenvalues += 1;
  }
  std::vector<HeadSpectrum>& heads_;
  std::size_t num_tokens_;
  std::size_t token_ = 0;
  std::size_t next_ = 0;
  std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> strides_;
};

}  // namespace

void require_tokens(const Program& model, const SpectrumOptions& options) {
  Tokens tokens = options.tokens;
  if (options.first_token) tokens.push_back(*options.first_token);
  for (const std::uint32_t token : tokens) {
    if (token >= model.vocabulary_size()) {
      throw InputError("token: expected one of the vocabulary, got " + std::to_string(token));
    }
  }
}

LearnedSpectrum compute_spectrum(const Program& model, const SpectrumOptions& options) {
  LearnedSpectrum spectrum;
  spectrum.words = options.words;
  spectrum.length = options.length;
  require_tokens(model, options);
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    const LayerForm form = form_of(model, i);
    if (!form.linear) spectrum.nonlinear_blocks.push_back(i);
    if (form.stabilized) spectrum.stabilized_blocks.push_back(i);
  }
  if (options.tokens.empty()) return spectrum;
  Collector collector(spectrum.heads, options.tokens.size());
  WordWalk walk(model, options, collector);
  for (std::size_t place = 0; place < options.tokens.size(); ++place) {
    walk.start_word();
    walk.read(place);
  }
  walk.read_random_words();
  std::sort(spectrum.heads.begin(), spectrum.heads.end(), [](const HeadSpectrum& a, const HeadSpectrum& b) {
    return a.block != b.block ? a.block < b.block : a.head < b.head;
  });
  return spectrum;
}

}  // namespace krohn
