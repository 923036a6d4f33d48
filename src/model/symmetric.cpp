// Householder reflections to tridiagonal form, then implicit QR steps with Wilkinson's shift (Golub and Van Loan,
// Matrix Computations, 4th edition, algorithms 8.3.1 to 8.3.3). Only additions, multiplications, divisions and square
// roots, which are correctly rounded everywhere, in an order that the text below fixes; loops without sums of their own
// may be vectorised, since that changes no bit. The matrix is first scaled by a power of two to a largest entry of 1 to
// 2, so that no square overflows, and what underflows is far below a rounding error.
#include "krohn/model/symmetric.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "krohn/error.hpp"

namespace krohn {
namespace {

/// The diagonal and what stands beside it, of a symmetric tridiagonal matrix T.
struct Tridiagonal {
  std::vector<double> diagonal;
  std::vector<double> beside;
};

/// Reduces `a` (symmetric, column after column) to T = Q^T a Q; with `vectors`, returns Q, row after row.
class Reduction {
 public:
  Reduction(std::vector<double> a, std::size_t size) : size_(size), a_(std::move(a)), scale_(size, 0.0) {
    for (std::size_t k = 0; k + 2 < size_; ++k) reflect(k);
    for (std::size_t k = 0; k < size_; ++k) tridiagonal_.diagonal.push_back(a_[k * size_ + k]);
    if (size_ > 1) tridiagonal_.beside.push_back(a_[(size_ - 2) * size_ + size_ - 1]);
  }

  Tridiagonal tridiagonal() const { return tridiagonal_; }

  std::vector<double> q() const {
    std::vector<double> q(size_ * size_, 0.0);
    for (std::size_t i = 0; i < size_; ++i) q[i * size_ + i] = 1.0;
    std::vector<double> sums(size_);
    // Q = H_0 H_1 ..: the last reflection first, each on the rows and columns behind its own.
    for (std::size_t k = size_ < 3 ? 0 : size_ - 2; k-- > 0;) {
      if (scale_[k] == 0.0) continue;
      const double* v = &a_[k * size_];
      std::fill(sums.begin(), sums.end(), 0.0);
      for (std::size_t i = k + 1; i < size_; ++i) {
        for (std::size_t j = k + 1; j < size_; ++j) sums[j] += v[i] * q[i * size_ + j];
      }
      for (std::size_t i = k + 1; i < size_; ++i) {
        const double factor = scale_[k] * v[i];
        for (std::size_t j = k + 1; j < size_; ++j) q[i * size_ + j] -= factor * sums[j];
      }
    }
    return q;
  }

 private:
  /// Column k below the diagonal becomes (beside, 0, 0, ..) by H = I - scale v v^T, and what is right of it and below
  /// becomes H a H = a - v w^T - w v^T with w = p - (scale/2) (p.v) v, p = scale a v. v takes the column's place.
  void reflect(std::size_t k) {
    double* v = &a_[k * size_];
    double squares = 0.0;
    for (std::size_t i = k + 2; i < size_; ++i) squares += v[i] * v[i];
    const double first = v[k + 1];
    // Entries of at most 2^-200 are left out: what remains of a matrix of low rank shrinks from column to column.
    if (squares <= 0x1p-400) {
      tridiagonal_.beside.push_back(first);
      return;
    }
    const double length = std::sqrt(first * first + squares);
    // Of two signs the one without cancellation.
    const double beside = first > 0.0 ? -length : length;
    v[k + 1] = first - beside;
    const double scale = 2.0 / (v[k + 1] * v[k + 1] + squares);
    tridiagonal_.beside.push_back(beside);
    scale_[k] = scale;
    std::vector<double> w(size_, 0.0);
    for (std::size_t j = k + 1; j < size_; ++j) {
      const double factor = scale * v[j];
      for (std::size_t i = k + 1; i < size_; ++i) w[i] += factor * a_[j * size_ + i];
    }
    double product = 0.0;
    for (std::size_t i = k + 1; i < size_; ++i) product += w[i] * v[i];
    const double along = 0.5 * scale * product;
    for (std::size_t i = k + 1; i < size_; ++i) w[i] -= along * v[i];
    for (std::size_t j = k + 1; j < size_; ++j) {
      const double vj = v[j];
      const double wj = w[j];
      // The same operations at (i, j) and (j, i): the matrix stays symmetric to the bit.
      for (std::size_t i = k + 1; i < size_; ++i) a_[j * size_ + i] -= v[i] * wj + w[i] * vj;
    }
  }

  std::size_t size_;
  std::vector<double> a_;
  /// 0 where there was nothing to reflect.
  std::vector<double> scale_;
  Tridiagonal tridiagonal_;
};

/// Turns T into its eigenvalues on the diagonal; every rotation of two neighbours is told to `rotated(k, c, s)`.
template <class Rotated>
void diagonalise(Tridiagonal& t, Rotated rotated) {
  std::vector<double>& d = t.diagonal;
  std::vector<double>& e = t.beside;
  // Against the norm, not against the neighbours on the diagonal: where these are rounding errors themselves, as in a
  // matrix of low rank, every step makes new ones of that size.
  double norm = 0.0;
  for (std::size_t k = 0; k < d.size(); ++k) {
    norm = std::max(norm, std::fabs(d[k]) + (k < e.size() ? std::fabs(e[k]) : 0.0));
  }
  const double least = std::numeric_limits<double>::epsilon() * norm;
  const auto negligible = [&](std::size_t k) { return std::fabs(e[k]) <= least; };
  // Three steps an eigenvalue are usual; the shift's convergence is proved (Wilkinson 1968), its speed is not.
  std::size_t left = 60 * d.size();
  std::size_t end = d.empty() ? 0 : d.size() - 1;
  while (end > 0) {
    if (negligible(end - 1)) {
      e[--end] = 0.0;
      continue;
    }
    if (left-- == 0) throw NumericError("the eigenvalues of a matrix were not found");
    std::size_t begin = end - 1;
    while (begin > 0 && !negligible(begin - 1)) --begin;
    // The eigenvalue of the last two rows and columns that is nearer to the last entry.
    const double half = (d[end - 1] - d[end]) / 2.0;
    const double last = e[end - 1];
    const double root = std::sqrt(half * half + last * last);
    const double shift = d[end] - last * last / (half + (half < 0.0 ? -root : root));
    double x = d[begin] - shift;
    double z = e[begin];
    for (std::size_t k = begin; k < end; ++k) {
      const double r = std::sqrt(x * x + z * z);
      const double c = r > 0.0 ? x / r : 1.0;
      const double s = r > 0.0 ? z / r : 0.0;
      if (k > begin) e[k - 1] = r;
      const double a = d[k];
      const double b = e[k];
      const double q = d[k + 1];
      const double cross = 2.0 * c * s * b;
      d[k] = c * c * a + cross + s * s * q;
      d[k + 1] = s * s * a - cross + c * c * q;
      e[k] = (c * c - s * s) * b + c * s * (q - a);
      if (k + 1 < end) {
        x = e[k];
        z = s * e[k + 1];
        e[k + 1] *= c;
      }
      rotated(k, c, s);
    }
  }
}

/// The power of two by which the matrix is divided, and the matrix whole: its lower triangle on both sides.
struct Scaled {
  double power = 1.0;
  std::vector<double> matrix;
};

Scaled scaled(std::span<const double> matrix, std::size_t size) {
  if (matrix.size() != size * size) {
    throw InputError("matrix: expected " + std::to_string(size * size) + " entries, got " +
                     std::to_string(matrix.size()));
  }
  double largest = 0.0;
  for (std::size_t j = 0; j < size; ++j) {
    for (std::size_t i = j; i < size; ++i) {
      const double entry = std::fabs(matrix[j * size + i]);
      if (!std::isfinite(entry)) throw NumericError("the eigenvalues of a matrix were not found");
      largest = std::max(largest, entry);
    }
  }
  Scaled result{1.0, std::vector<double>(size * size)};
  if (largest > 0.0) result.power = std::ldexp(1.0, std::clamp(std::ilogb(largest), -1000, 1000));
  for (std::size_t j = 0; j < size; ++j) {
    for (std::size_t i = j; i < size; ++i) {
      result.matrix[j * size + i] = result.matrix[i * size + j] = matrix[j * size + i] / result.power;
    }
  }
  return result;
}

}  // namespace

SymmetricDecomposition symmetric_decomposition(std::span<const double> matrix, std::size_t size) {
  Scaled start = scaled(matrix, size);
  const Reduction reduction(std::move(start.matrix), size);
  Tridiagonal t = reduction.tridiagonal();
  const std::vector<double> q = reduction.q();
  std::vector<double> columns(size * size);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) columns[j * size + i] = q[i * size + j];
  }
  diagonalise(t, [&](std::size_t k, double c, double s) {
    double* one = &columns[k * size];
    double* other = one + size;
    for (std::size_t i = 0; i < size; ++i) {
      const double x = one[i];
      const double y = other[i];
      one[i] = c * x + s * y;
      other[i] = c * y - s * x;
    }
  });
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return t.diagonal[a] < t.diagonal[b]; });
  SymmetricDecomposition result;
  for (const std::size_t column : order) {
    result.values.push_back(t.diagonal[column] * start.power);
    result.vectors.insert(result.vectors.end(), &columns[column * size], &columns[column * size] + size);
  }
  return result;
}

std::vector<double> symmetric_eigenvalues(std::span<const double> matrix, std::size_t size) {
  Scaled start = scaled(matrix, size);
  Tridiagonal t = Reduction(std::move(start.matrix), size).tridiagonal();
  diagonalise(t, [](std::size_t, double, double) {});
  std::sort(t.diagonal.begin(), t.diagonal.end());
  for (double& value : t.diagonal) value *= start.power;
  return t.diagonal;
}

}  // namespace krohn
