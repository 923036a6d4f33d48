// Every token's matrix as its updates make it (transition.hpp), its eigenvalues, and what is counted of them.
#include "krohn/engine/spectrum.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <utility>

#include "krohn/engine/interpreter.hpp"
#include "krohn/engine/threads.hpp"
#include "krohn/error.hpp"
#include "krohn/model/eigenvalues.hpp"
#include "krohn/model/program_form.hpp"
#include "krohn/model/symmetric.hpp"
#include "layer_walk.hpp"
#include "stability.hpp"
#include "transition.hpp"

namespace krohn {
namespace {

using forward::Decay;
using forward::Update;

/// Every 3^k-th eigenvalue of a head is kept, with its number; whenever there are more than 600, two of three go and k
/// grows. A matrix has as many eigenvalues as any other of its head, mostly a power of two, so a stride of powers of
/// two would meet one place of every matrix and miss the rest.
struct Sample {
  std::uint64_t stride = 1;
  std::vector<std::pair<std::uint64_t, std::complex<double>>> kept;

  void add(std::uint64_t number, std::complex<double> value) {
    if (number % stride != 0) return;
    kept.emplace_back(number, value);
    if (kept.size() > most) thin(3 * stride);
  }
  /// What one sample of all would have kept.
  void join(const Sample& other) {
    kept.insert(kept.end(), other.kept.begin(), other.kept.end());
    std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    thin(std::max(stride, other.stride));
  }

 private:
  static constexpr std::size_t most = 600;

  void thin(std::uint64_t to) {
    for (;; to *= 3) {
      std::erase_if(kept, [to](const auto& entry) { return entry.first % to != 0; });
      stride = to;
      if (kept.size() <= most) return;
    }
  }
};

class Collector final : public TokenProbe {
 public:
  Collector(std::size_t num_tokens, bool stability) : num_tokens_(num_tokens) {
    if (stability) stability_ = std::make_unique<StabilityCollector>();
  }

  void token(const ReadToken& token) override {
    token_ = token.place;
    number_ = token.number;
    if (stability_) stability_->token(token);
  }

  /// All that others have seen as well.
  void join(Collector& other) {
    for (HeadSpectrum& theirs : other.heads_) {
      HeadSpectrum& ours = find(theirs.block, theirs.head, theirs.key_size);
      samples_[{ours.block, ours.head}].join(other.samples_[{ours.block, ours.head}]);
      merge(ours, theirs);
    }
    if (stability_) stability_->join(*other.stability_);
  }

  std::vector<HeadSpectrum> heads() {
    std::sort(heads_.begin(), heads_.end(), [](const HeadSpectrum& a, const HeadSpectrum& b) {
      return a.block != b.block ? a.block < b.block : a.head < b.head;
    });
    for (HeadSpectrum& head : heads_) {
      for (const auto& [number, value] : samples_[{head.block, head.head}].kept) head.sample.push_back(value);
    }
    return std::move(heads_);
  }
  std::vector<LayerStability> stability() const {
    return stability_ ? stability_->layers() : std::vector<LayerStability>();
  }

  void recurrence(std::size_t block, std::size_t head, std::size_t key_size, std::size_t value_size,
                  const Decay<double>& decay, std::span<const Update<double>> updates) override {
    HeadSpectrum& spectrum = find(block, head, key_size);
    spectrum.matrices += 1;
    place_ = 0;
    radius_ = 0.0;
    per_matrix_ = decay.kind == Decay<double>::Kind::element ? key_size * value_size : key_size;
    look(spectrum, key_size, value_size, decay, updates);
    if (stability_) stability_->matrix(block, head, key_size, value_size, decay, updates, radius_);
  }

 private:
  void look(HeadSpectrum& spectrum, std::size_t key_size, std::size_t value_size, const Decay<double>& decay,
            std::span<const Update<double>> updates) {
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
      for (const double value : symmetric_eigenvalues(entries(transition.symmetric), key_size)) {
        add(spectrum, {value, 0.0});
      }
      return;
    }
    const ReducedProduct product = reduced_product(std::span(&transition, 1));
    for (std::size_t i = 0; i < product.ones; ++i) add(spectrum, {product.scale, 0.0});
    solve(spectrum, product.matrix, product.scale);
  }

  /// Counts add up; of ranges the wider ends stay.
  static void merge(HeadSpectrum& ours, const HeadSpectrum& theirs) {
    if (theirs.eigenvalues == 0) return;
    const bool first = ours.eigenvalues == 0;
    const auto least = [first](double& kept, double x) { kept = first ? x : std::min(kept, x); };
    const auto most = [first](double& kept, double x) { kept = first ? x : std::max(kept, x); };
    least(ours.least_real, theirs.least_real);
    most(ours.most_real, theirs.most_real);
    least(ours.least_modulus, theirs.least_modulus);
    most(ours.most_modulus, theirs.most_modulus);
    most(ours.most_imaginary, theirs.most_imaginary);
    least(ours.from_minus_one, theirs.from_minus_one);
    least(ours.from_zero, theirs.from_zero);
    least(ours.from_one, theirs.from_one);
    ours.matrices += theirs.matrices;
    ours.eigenvalues += theirs.eigenvalues;
    ours.negative += theirs.negative;
    ours.complex += theirs.complex;
    for (std::size_t i = 0; i < ours.least_real_by_token.size(); ++i) {
      ours.least_real_by_token[i] = std::min(ours.least_real_by_token[i], theirs.least_real_by_token[i]);
    }
    for (std::size_t i = 0; i < HeadSpectrum::num_bins; ++i) ours.histogram[i] += theirs.histogram[i];
  }

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

  void solve(HeadSpectrum& spectrum, const Eigen::MatrixXd& matrix, double scale) {
    require_finite(matrix);
    if (matrix.rows() == 0) return;
    if (matrix.rows() == 1) return add(spectrum, {scale * matrix(0, 0), 0.0});
    for (const std::complex<double>& value : eigenvalues(entries(matrix), static_cast<std::size_t>(matrix.rows()))) {
      add(spectrum, scale * value);
    }
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
    // All matrices of a head have as many eigenvalues, so a token's number says which of all these are.
    samples_[{s.block, s.head}].add(number_ * per_matrix_ + place_++, value);
    radius_ = std::max(radius_, modulus);
    s.eigenvalues += 1;
  }

  std::vector<HeadSpectrum> heads_;
  std::size_t num_tokens_;
  std::size_t token_ = 0;
  std::uint64_t number_ = 0;
  /// Of the next eigenvalue in its matrix, and the largest modulus so far.
  std::uint64_t place_ = 0;
  std::uint64_t per_matrix_ = 1;
  double radius_ = 0.0;
  std::size_t next_ = 0;
  std::map<std::pair<std::size_t, std::size_t>, Sample> samples_;
  std::unique_ptr<StabilityCollector> stability_;
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
  const std::size_t cores = threads_to_use(0);
  const std::size_t threads = options.threads == 0 ? cores : std::min(options.threads, cores);
  std::vector<std::unique_ptr<Collector>> collectors;
  std::vector<TokenProbe*> probes;
  for (std::size_t i = 0; i < threads; ++i) {
    collectors.push_back(std::make_unique<Collector>(options.tokens.size(), options.stability));
    probes.push_back(collectors.back().get());
  }
  walk_layers(model, options, probes, options.progress);
  for (std::size_t i = 1; i < threads; ++i) collectors.front()->join(*collectors[i]);
  spectrum.heads = collectors.front()->heads();
  spectrum.stability = collectors.front()->stability();
  return spectrum;
}

}  // namespace krohn
