// Of M = I - w r^T with p = r . w, the singular values other than 1 are those of a plane with product |1 - p| and
// squares that sum to 2 - 2 p + |r|^2 |w|^2. Other norms come from power iteration on A^T A, whose estimates grow
// towards the square of the norm from below. Tested by tests/engine/spectrum_test.cpp.
#include "stability.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

using forward::Decay;
using forward::Update;

constexpr int iterations = 32;

/// |A| where `square` takes a column x to A^T A x. Two columns, so that a start that lies badly is no matter.
template <class Square>
double power_norm(Eigen::Index size, const Square& square) {
  Eigen::MatrixXd x(size, 2);
  SplitMix64 random(1);
  for (Eigen::Index j = 0; j < 2; ++j) {
    for (Eigen::Index i = 0; i < size; ++i) x(i, j) = static_cast<double>(random.next() >> 11U) * 0x1p-52 - 1.0;
  }
  double largest = 0.0;
  for (int i = 0; i < iterations; ++i) {
    for (Eigen::Index j = 0; j < 2; ++j) {
      const double length = x.col(j).norm();
      if (!(length > 0.0)) continue;
      x.col(j) /= length;
    }
    const Eigen::MatrixXd before = x;
    square(x);
    for (Eigen::Index j = 0; j < 2; ++j) largest = std::max(largest, before.col(j).dot(x.col(j)));
  }
  if (!std::isfinite(largest)) throw NumericError("the norm of a state-transition matrix is not finite");
  return std::sqrt(largest);
}

double norm_of(const Eigen::MatrixXd& matrix) {
  if (matrix.cols() == 1) return matrix.cwiseAbs().maxCoeff();
  return power_norm(matrix.cols(), [&](Eigen::MatrixXd& x) { x = matrix.transpose() * (matrix * x).eval(); });
}

void widen(LayerStability::Largest& largest, double radius, double norm) {
  largest.radius = std::max(largest.radius, radius);
  largest.norm = std::max(largest.norm, norm);
}

}  // namespace

StepMap::StepMap(std::size_t key_size, std::size_t value_size, const Decay<double>& decay,
                 std::span<const Update<double>> updates)
    : size_(static_cast<Eigen::Index>(key_size)) {
  const auto vector = [&](const double* values) { return Eigen::Map<const Eigen::VectorXd>(values, size_); };
  for (const Update<double>& update : updates) {
    if (update.read == nullptr) continue;
    const double beta = update.beta == nullptr ? 1.0 : *update.beta;
    factors_.push_back({vector(update.read), beta * vector(update.write), update.reads_undecayed});
  }
  switch (decay.kind) {
    case Decay<double>::Kind::none:
      decays_ = Eigen::ArrayXd::Ones(1);
      break;
    case Decay<double>::Kind::scalar:
      decays_ = Eigen::ArrayXd::Constant(1, *decay.values);
      break;
    case Decay<double>::Kind::key:
      decays_ = Eigen::Map<const Eigen::ArrayXd>(decay.values, size_);
      break;
    case Decay<double>::Kind::rotation:
      decays_ = Eigen::Map<const Eigen::ArrayXd>(decay.values, size_);
      rotates_ = true;
      break;
    case Decay<double>::Kind::element:
      decays_ = Eigen::Map<const Eigen::ArrayXd>(decay.values, static_cast<Eigen::Index>(key_size * value_size));
      if (!factors_.empty()) throw InternalError("stability: expected one decay a key beside factors");
      break;
  }
}

void StepMap::decay(Eigen::MatrixXd& x, bool transposed) const {
  if (rotates_) {
    // Keys 2j and 2j + 1 are a complex number that is multiplied by another.
    for (Eigen::Index j = 0; j + 1 < size_; j += 2) {
      const double real = decays_(j);
      const double imaginary = transposed ? -decays_(j + 1) : decays_(j + 1);
      const Eigen::RowVectorXd first = x.row(j);
      x.row(j) = real * first - imaginary * x.row(j + 1);
      x.row(j + 1) = imaginary * first + real * x.row(j + 1);
    }
  } else if (decays_.size() == 1) {
    x *= decays_(0);
  } else {
    x.array().colwise() *= decays_;
  }
}

void StepMap::apply(Eigen::MatrixXd& x) const {
  std::size_t first = 0;
  if (!factors_.empty() && factors_.front().undecayed) {
    const Eigen::RowVectorXd seen = factors_.front().read.transpose() * x;
    decay(x, false);
    x.noalias() -= factors_.front().write * seen;
    first = 1;
  } else {
    decay(x, false);
  }
  for (std::size_t i = first; i < factors_.size(); ++i) {
    const Eigen::RowVectorXd seen = factors_[i].read.transpose() * x;
    x.noalias() -= factors_[i].write * seen;
  }
}

void StepMap::apply_transposed(Eigen::MatrixXd& x) const {
  for (std::size_t i = factors_.size(); i-- > 0;) {
    const Eigen::RowVectorXd seen = factors_[i].write.transpose() * x;
    if (factors_[i].undecayed) {
      decay(x, true);
      x.noalias() -= factors_[i].read * seen;
      return;
    }
    x.noalias() -= factors_[i].read * seen;
  }
  decay(x, true);
}

double StepMap::norm() const {
  if (diagonal()) return decays_.abs().maxCoeff();
  if (factors_.size() == 1 && decays_.size() == 1 && !factors_.front().undecayed && !rotates_) {
    const Factor& factor = factors_.front();
    const double p = factor.read.dot(factor.write);
    const double q = factor.read.squaredNorm() * factor.write.squaredNorm();
    const double scale = std::fabs(decays_(0));
    const double moved = std::fabs(1.0 - p);
    if (size_ == 1) return scale * moved;
    // Parallel vectors: the plane is a line, and the root would magnify what was rounded.
    if (q - p * p <= 0x1p-40 * q) return scale * std::max(1.0, moved);
    const double sum = 2.0 - 2.0 * p + q;
    return scale * std::sqrt((sum + std::sqrt(std::max(0.0, sum * sum - 4.0 * moved * moved))) / 2.0);
  }
  return power_norm(size_, [this](Eigen::MatrixXd& x) {
    apply(x);
    apply_transposed(x);
  });
}

void StabilityCollector::matrix(std::size_t block, std::size_t head, std::size_t key_size, std::size_t value_size,
                                const Decay<double>& decay, std::span<const Update<double>> updates, double radius) {
  LayerStability& layer = layers_[block];
  layer.block = block;
  const StepMap map(key_size, value_size, decay, updates);
  widen(token_.random ? layer.words : layer.symbols, radius, map.norm());
  if (!token_.random) return;
  Eigen::MatrixXd& product = products_[{block, head}];
  if (map.diagonal()) {
    const Eigen::Index size = std::max<Eigen::Index>(map.decays().size(), static_cast<Eigen::Index>(1));
    if (token_.index == 0) product = Eigen::MatrixXd::Ones(size, 1);
    product.array() *= map.decays();
  } else {
    if (token_.index == 0) {
      product = Eigen::MatrixXd::Identity(static_cast<Eigen::Index>(key_size), static_cast<Eigen::Index>(key_size));
    }
    map.apply(product);
  }
  const std::uint64_t length = token_.index + 1;
  if (!std::has_single_bit(length) && !token_.last) return;
  const double norm = norm_of(product);
  if (norm < layer.product_norm || (norm == layer.product_norm && length >= layer.product_length)) return;
  layer.product_norm = norm;
  layer.product_length = length;
}

void StabilityCollector::join(const StabilityCollector& other) {
  for (const auto& [block, theirs] : other.layers_) {
    LayerStability& ours = layers_[block];
    ours.block = block;
    widen(ours.symbols, theirs.symbols.radius, theirs.symbols.norm);
    widen(ours.words, theirs.words.radius, theirs.words.norm);
    // Of equal norms the shorter product, whatever thread met it.
    const bool larger = theirs.product_norm > ours.product_norm;
    const bool shorter = theirs.product_norm == ours.product_norm && theirs.product_length < ours.product_length;
    if (larger || shorter) {
      ours.product_norm = theirs.product_norm;
      ours.product_length = theirs.product_length;
    }
  }
}

std::vector<LayerStability> StabilityCollector::layers() const {
  std::vector<LayerStability> list;
  for (const auto& [block, layer] : layers_) list.push_back(layer);
  return list;
}

}  // namespace krohn
