// Eigenvalues of a product of m factors on a scaled identity come from an m by m matrix: with M = I + W C^T, where W
// holds the write vectors, the eigenvalues other than 1 are those of I + C^T W. C is built factor by factor: applying
// I - w r^T to M from the left adds the column -M^T r. A diagonal decay with a factor (RWKV-7) is multiplied out.
// Tested by tests/engine/spectrum_test.cpp.
#include "transition.hpp"

#include <cmath>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {

using forward::Decay;
using forward::Update;

Transition transition_of(std::size_t key_size, std::size_t value_size, const Decay<double>& decay,
                         std::span<const Update<double>> updates) {
  Transition transition;
  const auto size = static_cast<Eigen::Index>(key_size);
  std::vector<const Update<double>*> factors;
  for (const Update<double>& update : updates) {
    if (update.read != nullptr) factors.push_back(&update);
  }
  const auto beta_of = [](const Update<double>& update) { return update.beta == nullptr ? 1.0 : *update.beta; };
  using Vector = Eigen::Map<const Eigen::VectorXd>;
  const auto multiply_out = [&] {
    for (const Update<double>* factor : factors) {
      const Vector read(factor->read, size);
      const Vector write(factor->write, size);
      if (factor->reads_undecayed) {
        transition.full -= beta_of(*factor) * write * read.transpose();
      } else {
        transition.full -= beta_of(*factor) * write * (read.transpose() * transition.full).eval();
      }
    }
  };
  if (decay.kind == Decay<double>::Kind::rotation) {
    Eigen::VectorXcd rotations(size / 2);
    for (Eigen::Index j = 0; j < size / 2; ++j) rotations(j) = {decay.values[2 * j], decay.values[2 * j + 1]};
    if (factors.empty()) {
      transition.rotations = rotations;
      return transition;
    }
    transition.full = Eigen::MatrixXd::Zero(size, size);
    for (Eigen::Index j = 0; j < size / 2; ++j) {
      transition.full.diagonal().segment(2 * j, 2).setConstant(rotations(j).real());
      transition.full(2 * j, 2 * j + 1) = -rotations(j).imag();
      transition.full(2 * j + 1, 2 * j) = rotations(j).imag();
    }
    multiply_out();
    return transition;
  }
  if (decay.kind == Decay<double>::Kind::scalar && factors.size() == 1 && factors.front()->reads_undecayed) {
    // a I - beta w r^T: a, and once a - beta r . w.
    const Update<double>& factor = *factors.front();
    const Vector read(factor.read, size);
    const Vector write(factor.write, size);
    transition.full = Eigen::MatrixXd::Identity(size, size) * *decay.values;
    multiply_out();
    transition.scaled_identity = *decay.values;
    transition.moved = *decay.values - beta_of(factor) * read.dot(write);
    return transition;
  }
  if (decay.kind == Decay<double>::Kind::element || decay.kind == Decay<double>::Kind::key) {
    const std::size_t count = decay.kind == Decay<double>::Kind::key ? key_size : key_size * value_size;
    const Vector decays(decay.values, static_cast<Eigen::Index>(count));
    if (factors.empty()) {
      transition.diagonal = decays;
      return transition;
    }
    if (count != key_size) throw InternalError("spectrum: expected one decay a key beside factors");
    transition.full = decays.asDiagonal();
    multiply_out();
    if (factors.size() == 1) {
      const Update<double>& factor = *factors.front();
      Eigen::VectorXd products = beta_of(factor) * Vector(factor.write, size).cwiseProduct(Vector(factor.read, size));
      if (!factor.reads_undecayed) products = products.cwiseProduct(decays);
      if ((products.array() >= 0.0).all()) {
        const Eigen::VectorXd roots = products.cwiseSqrt();
        transition.symmetric = decays.asDiagonal();
        transition.symmetric -= roots * roots.transpose();
      }
    }
    return transition;
  }
  transition.scale = decay.kind == Decay<double>::Kind::none ? 1.0 : *decay.values;
  const auto count = static_cast<Eigen::Index>(factors.size());
  transition.reads.resize(size, count);
  transition.writes.resize(size, count);
  for (Eigen::Index j = 0; j < count; ++j) {
    const Update<double>& factor = *factors[static_cast<std::size_t>(j)];
    transition.reads.col(j) = beta_of(factor) * Vector(factor.read, size);
    transition.writes.col(j) = Vector(factor.write, size);
  }
  return transition;
}

ReducedProduct reduced_product(std::span<const Transition> transitions) {
  ReducedProduct product;
  if (transitions.front().full.size() > 0) {
    product.magnitude = 1.0;
    for (const Transition& transition : transitions) {
      const Eigen::MatrixXd& a = transition.full;
      product.matrix = product.matrix.size() == 0 ? a : (a * product.matrix).eval();
      // |A|_2^2 <= |A|_1 |A|_inf.
      const Eigen::MatrixXd absolute = a.cwiseAbs();
      product.magnitude *= std::sqrt(absolute.colwise().sum().maxCoeff() * absolute.rowwise().sum().maxCoeff());
    }
    return product;
  }
  const Eigen::Index size = transitions.front().reads.rows();
  Eigen::Index count = 0;
  for (const Transition& transition : transitions) {
    product.scale *= transition.scale;
    count += transition.reads.cols();
  }
  Eigen::MatrixXd writes(size, count);
  Eigen::MatrixXd columns(size, count);
  Eigen::Index j = 0;
  for (const Transition& transition : transitions) {
    for (Eigen::Index f = 0; f < transition.reads.cols(); ++f, ++j) {
      // M^T r = r + C W^T r over the factors so far.
      Eigen::VectorXd moved = transition.reads.col(f);
      if (j > 0) moved += columns.leftCols(j) * (writes.leftCols(j).transpose() * transition.reads.col(f));
      columns.col(j) = -moved;
      writes.col(j) = transition.writes.col(f);
    }
  }
  product.magnitude = 1.0 + columns.norm() * writes.norm();
  if (count <= size) {
    product.ones = static_cast<std::size_t>(size - count);
    product.matrix = Eigen::MatrixXd::Identity(count, count) + columns.transpose() * writes;
  } else {
    product.matrix = Eigen::MatrixXd::Identity(size, size) + writes * columns.transpose();
  }
  return product;
}

void require_finite(const Eigen::MatrixXd& matrix) {
  if (!matrix.allFinite()) throw NumericError("a state-transition matrix is not finite");
}

}  // namespace krohn
