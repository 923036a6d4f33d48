// Without a gate for each coordinate the product of factors maps the span of the keys into itself and is the identity
// on its complement: with an orthonormal basis Q of the span (Householder QR), the eigenvalues are those of the product
// with the keys Q^T k, and 1 for the rest, times the gate. One key: 1 - beta |k|^2. With a non-negative gate for each
// coordinate, one factor is similar to the symmetric D^(1/2) (I - beta k k^T) D^(1/2).
// Tested by python/tests/test_spectrum.py.
#include "krohn/engine/captured_spectrum.hpp"

#include <Eigen/Core>
#include <cmath>
#include <string>

#include "krohn/error.hpp"
#include "krohn/model/eigenvalues.hpp"
#include "krohn/model/symmetric.hpp"

namespace krohn {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::span<const double> entries(const MatrixXd& matrix) {
  return {matrix.data(), static_cast<std::size_t>(matrix.size())};
}

/// The product of I - beta_i k_i k_i^T over the columns k_i, the first acting first.
MatrixXd product_of(const MatrixXd& keys, const VectorXd& betas) {
  MatrixXd product = MatrixXd::Identity(keys.rows(), keys.rows());
  for (Eigen::Index i = 0; i < keys.cols(); ++i) {
    product -= betas[i] * keys.col(i) * (keys.col(i).transpose() * product);
  }
  return product;
}

template <class T>
void require_finite(std::span<const T> values, const char* name) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw NumericError(std::string(name) + ": element " + std::to_string(i) + " is not finite");
    }
  }
}

void require_size(std::size_t got, std::size_t expected, const char* name) {
  if (got == expected) return;
  throw InputError(std::string(name) + ": expected " + std::to_string(expected) + " numbers, got " +
                   std::to_string(got));
}

}  // namespace

template <class T>
std::vector<std::complex<double>> captured_spectrum(const CapturedUpdates<T>& updates) {
  const std::size_t size = updates.key_size;
  const std::size_t factors = updates.factors;
  if (size == 0 || factors == 0) throw InputError("keys: expected at least one factor and one coordinate, got none");
  require_size(updates.keys.size(), updates.matrices * factors * size, "keys");
  require_size(updates.betas.size(), updates.matrices * factors, "beta");
  const bool diagonal = !updates.gates.empty() && updates.gates.size() == updates.matrices * size && size > 1;
  if (!updates.gates.empty() && !diagonal) require_size(updates.gates.size(), updates.matrices, "gate");
  require_finite(updates.keys, "keys");
  require_finite(updates.betas, "beta");
  require_finite(updates.gates, "gate");

  std::vector<std::complex<double>> values;
  values.reserve(updates.matrices * size);
  const auto rows = static_cast<Eigen::Index>(size);
  const auto columns = static_cast<Eigen::Index>(factors);
  MatrixXd keys(rows, columns);
  VectorXd betas(columns);
  for (std::size_t m = 0; m < updates.matrices; ++m) {
    for (std::size_t i = 0; i < factors; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        keys(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i)) =
            static_cast<double>(updates.keys[(m * factors + i) * size + j]);
      }
      betas[static_cast<Eigen::Index>(i)] = static_cast<double>(updates.betas[m * factors + i]);
    }
    if (diagonal) {
      VectorXd gate(rows);
      for (std::size_t j = 0; j < size; ++j) {
        gate[static_cast<Eigen::Index>(j)] = static_cast<double>(updates.gates[m * size + j]);
      }
      if (factors == 1 && gate.minCoeff() >= 0.0) {
        const VectorXd root = gate.cwiseSqrt();
        const VectorXd scaled = root.cwiseProduct(keys.col(0));
        MatrixXd symmetric = gate.asDiagonal();
        symmetric -= betas[0] * scaled * scaled.transpose();
        for (const double value : symmetric_eigenvalues(entries(symmetric), size)) values.emplace_back(value, 0.0);
      } else {
        const MatrixXd gated = product_of(keys, betas) * gate.asDiagonal();
        for (const std::complex<double>& value : eigenvalues(entries(gated), size)) values.push_back(value);
      }
      continue;
    }
    const double gate = updates.gates.empty() ? 1.0 : static_cast<double>(updates.gates[m]);
    const Eigen::Index span = std::min(rows, columns);
    for (Eigen::Index i = span; i < rows; ++i) values.emplace_back(gate, 0.0);
    if (factors == 1) {
      values.emplace_back(gate * (1.0 - betas[0] * keys.col(0).squaredNorm()), 0.0);
      continue;
    }
    const std::vector<double> triangle = qr_triangle(entries(keys), size, factors);
    const MatrixXd inside = product_of(Eigen::Map<const MatrixXd>(triangle.data(), span, columns), betas);
    for (const std::complex<double>& value : eigenvalues(entries(inside), static_cast<std::size_t>(span))) {
      values.push_back(gate * value);
    }
  }
  return values;
}

template std::vector<std::complex<double>> captured_spectrum(const CapturedUpdates<float>&);
template std::vector<std::complex<double>> captured_spectrum(const CapturedUpdates<double>&);

}  // namespace krohn
