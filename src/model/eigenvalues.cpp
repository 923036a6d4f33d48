// The one source that instantiates Eigen's solvers: they are most of the time that a source which uses them compiles.
#include "krohn/model/eigenvalues.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <Eigen/QR>
#include <algorithm>
#include <string>

#include "krohn/error.hpp"

namespace krohn {
namespace {

using Eigen::MatrixXcd;
using Eigen::MatrixXd;

Eigen::Map<const MatrixXd> map_of(std::span<const double> matrix, std::size_t rows, std::size_t columns) {
  if (matrix.size() != rows * columns) {
    throw InputError("matrix: expected " + std::to_string(rows * columns) + " entries, got " +
                     std::to_string(matrix.size()));
  }
  return {matrix.data(), static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns)};
}

void require_found(Eigen::ComputationInfo info) {
  if (info != Eigen::Success) throw NumericError("the eigenvalues of a matrix were not found");
}

template <class Derived>
std::vector<typename Derived::Scalar> entries(const Eigen::PlainObjectBase<Derived>& values) {
  return {values.data(), values.data() + values.size()};
}

}  // namespace

std::vector<std::complex<double>> eigenvalues(std::span<const double> matrix, std::size_t size) {
  if (size == 0) return {};
  const Eigen::EigenSolver<MatrixXd> solver(map_of(matrix, size, size), false);
  require_found(solver.info());
  return entries(solver.eigenvalues());
}

EigenDecomposition eigen_decomposition(std::span<const double> matrix, std::size_t size) {
  if (size == 0) return {};
  const Eigen::EigenSolver<MatrixXd> solver(map_of(matrix, size, size));
  require_found(solver.info());
  const MatrixXcd vectors = solver.eigenvectors();
  const MatrixXcd inverse = vectors.partialPivLu().inverse();
  return {entries(solver.eigenvalues()), entries(vectors), entries(inverse)};
}

std::vector<double> qr_triangle(std::span<const double> matrix, std::size_t rows, std::size_t columns) {
  if (rows == 0 || columns == 0) return {};
  const Eigen::HouseholderQR<MatrixXd> qr(map_of(matrix, rows, columns));
  const MatrixXd triangle =
      qr.matrixQR().topRows(static_cast<Eigen::Index>(std::min(rows, columns))).triangularView<Eigen::Upper>();
  return entries(triangle);
}

}  // namespace krohn
