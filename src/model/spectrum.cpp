// Exact decisions about eigenvalues (what they are for: Grazzi et al., arXiv:2411.12537, Theorems 1 and 2).
//
// The matrix of a product is formed over the rationals, then cut into the connected components of its non-zero
// pattern; the spectrum is the union of the blocks' spectra. A block is decided by the first of: triangular
// (the diagonal), symmetric (real; the sign by Sturm), characteristic polynomial by Faddeev and LeVerrier and Sturm's
// theorem: with V(x) the sign changes of the Sturm sequence at x, V(-inf) - V(+inf) is the number of distinct real
// roots, and all roots are real iff that is deg p - deg gcd(p, p'). Products of two positive semidefinite factors
// need none of this: A B has the spectrum of A^{1/2} B A^{1/2}, which is positive semidefinite. m factors under scalar
// gates, m less than the size, are first reduced to an m by m matrix with the same eigenvalues but for copies of the
// gate. Cost of a block of size b: b^4 operations on rationals of some b^2 * 48 bits. Refuses nothing; blocks above the
// cap are answered `undecided`.
#include "krohn/model/spectrum.hpp"

#include <algorithm>
#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <functional>
#include <numeric>
#include <unordered_map>

#include "krohn/error.hpp"
#include "krohn/model/eigenvalues.hpp"

namespace krohn {
namespace {

using Rational = boost::multiprecision::cpp_rational;
using Integer = boost::multiprecision::cpp_int;

/// Row-major.
struct RationalMatrix {
  std::size_t size = 0;
  std::vector<Rational> entries;
  Rational& at(std::size_t i, std::size_t j) { return entries[i * size + j]; }
  const Rational& at(std::size_t i, std::size_t j) const { return entries[i * size + j]; }
};

RationalMatrix identity(std::size_t size) {
  RationalMatrix matrix{size, std::vector<Rational>(size * size)};
  const Rational one(1);
  for (std::size_t i = 0; i < size; ++i) matrix.at(i, i) = one;
  return matrix;
}

/// Coefficients by ascending degree; the leading one is not zero.
using Polynomial = std::vector<Integer>;

void trim(Polynomial& p) {
  while (!p.empty() && p.back() == 0) p.pop_back();
}

/// Divides by the positive content, which changes no sign.
void make_primitive(Polynomial& p) {
  Integer content = 0;
  for (const Integer& c : p) content = gcd(content, c);
  if (content > 1) {
    for (Integer& c : p) c /= content;
  }
}

Polynomial derivative(const Polynomial& p) {
  Polynomial d;
  for (std::size_t i = 1; i < p.size(); ++i) d.push_back(p[i] * i);
  return d;
}

/// A positive multiple of the remainder of a by b.
Polynomial pseudo_remainder(Polynomial a, const Polynomial& b) {
  const Integer lead = b.back();
  while (a.size() >= b.size()) {
    const Integer factor = a.back();
    const std::size_t shift = a.size() - b.size();
    // |lead| a - sign(lead) factor x^shift b: the multiplier of a is positive.
    for (Integer& c : a) c *= abs(lead);
    for (std::size_t i = 0; i < b.size(); ++i) a[i + shift] -= (lead > 0 ? factor : Integer(-factor)) * b[i];
    trim(a);
    make_primitive(a);
  }
  return a;
}

std::size_t sign_changes(const std::vector<int>& signs) {
  std::size_t changes = 0;
  int last = 0;
  for (const int sign : signs) {
    if (sign == 0) continue;
    if (last != 0 && sign != last) ++changes;
    last = sign;
  }
  return changes;
}

SpectrumKind kind_of_roots(Polynomial p) {
  // Roots at 0 are real and not negative.
  while (!p.empty() && p.front() == 0) p.erase(p.begin());
  if (p.size() <= 1) return SpectrumKind::nonnegative_real;
  std::vector<Polynomial> sequence{p, derivative(p)};
  make_primitive(sequence[1]);
  for (;;) {
    Polynomial next = pseudo_remainder(sequence[sequence.size() - 2], sequence.back());
    if (next.empty()) break;
    for (Integer& c : next) c = -c;
    sequence.push_back(std::move(next));
  }
  const auto changes_at = [&](int where) {  // -1: minus infinity, 0: zero, 1: plus infinity
    std::vector<int> signs;
    for (const Polynomial& q : sequence) {
      if (where == 0) {
        signs.push_back(q.front().sign());
      } else {
        signs.push_back(q.back().sign() * (where < 0 && q.size() % 2 == 0 ? -1 : 1));
      }
    }
    return sign_changes(signs);
  };
  const std::size_t distinct = p.size() - sequence.back().size();
  const std::size_t real = changes_at(-1) - changes_at(1);
  if (real != distinct) return SpectrumKind::not_all_real;
  return changes_at(-1) == changes_at(0) ? SpectrumKind::nonnegative_real : SpectrumKind::real_with_negative;
}

/// det(x I - A), scaled to integers, by the recursion of Faddeev and LeVerrier.
Polynomial characteristic_polynomial(const RationalMatrix& a) {
  const std::size_t n = a.size;
  std::vector<Rational> coefficient(n + 1);
  coefficient[n] = 1;
  RationalMatrix m{n, std::vector<Rational>(n * n)};
  for (std::size_t k = 1; k <= n; ++k) {
    RationalMatrix next{n, std::vector<Rational>(n * n)};
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t l = 0; l < n; ++l) {
          if (a.at(i, l) != 0 && m.at(l, j) != 0) next.at(i, j) += a.at(i, l) * m.at(l, j);
        }
      }
      next.at(i, i) += coefficient[n - k + 1];
    }
    m = std::move(next);
    Rational trace = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t l = 0; l < n; ++l) trace += a.at(i, l) * m.at(l, i);
    }
    coefficient[n - k] = -trace / static_cast<long>(k);
  }
  Integer denominator = 1;
  for (const Rational& c : coefficient) denominator = lcm(denominator, Integer(boost::multiprecision::denominator(c)));
  Polynomial p;
  for (const Rational& c : coefficient) p.push_back(Integer(numerator(Rational(c * denominator))));
  make_primitive(p);
  return p;
}

bool lower_triangular(const RationalMatrix& a) {
  for (std::size_t i = 0; i < a.size; ++i) {
    for (std::size_t j = i + 1; j < a.size; ++j) {
      if (a.at(i, j) != 0) return false;
    }
  }
  return true;
}

bool upper_triangular(const RationalMatrix& a) {
  for (std::size_t i = 0; i < a.size; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (a.at(i, j) != 0) return false;
    }
  }
  return true;
}

/// A square matrix in double, column after column.
struct Square {
  explicit Square(std::size_t of_size, double diagonal = 0.0) : size(of_size), values(of_size * of_size, 0.0) {
    for (std::size_t i = 0; i < size; ++i) at(i, i) = diagonal;
  }
  double& at(std::size_t i, std::size_t j) { return values[j * size + i]; }
  double at(std::size_t i, std::size_t j) const { return values[j * size + i]; }

  std::size_t size;
  std::vector<double> values;
};

std::vector<std::complex<double>> numeric_eigenvalues(const RationalMatrix& a) {
  Square matrix(a.size);
  for (std::size_t i = 0; i < a.size; ++i) {
    for (std::size_t j = 0; j < a.size; ++j) matrix.at(i, j) = a.at(i, j).convert_to<double>();
  }
  return eigenvalues(matrix.values, a.size);
}

/// The components of the pattern, each with ascending indices.
std::vector<std::vector<std::size_t>> blocks_of(const RationalMatrix& a) {
  std::vector<std::size_t> root(a.size);
  std::iota(root.begin(), root.end(), std::size_t{0});
  const auto find = [&](std::size_t i) {
    while (root[i] != i) i = root[i] = root[root[i]];
    return i;
  };
  for (std::size_t i = 0; i < a.size; ++i) {
    for (std::size_t j = 0; j < a.size; ++j) {
      if (i != j && a.at(i, j) != 0) root[std::max(find(i), find(j))] = std::min(find(i), find(j));
    }
  }
  std::vector<std::vector<std::size_t>> blocks(a.size);
  for (std::size_t i = 0; i < a.size; ++i) blocks[find(i)].push_back(i);
  std::erase_if(blocks, [](const auto& block) { return block.empty(); });
  return blocks;
}

void add_method(MatrixSpectrum& spectrum, const std::string& method) {
  if (spectrum.method.find(method) != std::string::npos) return;
  if (!spectrum.method.empty()) spectrum.method += "; ";
  spectrum.method += method;
}

/// Joins a block into the whole: a non-real eigenvalue wins over an undecided block, which wins over a negative one
/// only because the rest might be non-real.
void join(MatrixSpectrum& whole, const MatrixSpectrum& block) {
  const auto rank = [](SpectrumKind kind) {
    switch (kind) {
      case SpectrumKind::nonnegative_real:
        return 0;
      case SpectrumKind::real_with_negative:
        return 1;
      case SpectrumKind::undecided:
        return 2;
      case SpectrumKind::not_all_real:
        break;
    }
    return 3;
  };
  if (rank(block.kind) > rank(whole.kind)) whole.kind = block.kind;
  whole.eigenvalues.insert(whole.eigenvalues.end(), block.eigenvalues.begin(), block.eigenvalues.end());
  add_method(whole, block.method);
}

void finish(MatrixSpectrum& spectrum) {
  std::sort(spectrum.eigenvalues.begin(), spectrum.eigenvalues.end(), [](const auto& a, const auto& b) {
    return a.real() != b.real() ? a.real() < b.real() : a.imag() < b.imag();
  });
  if (spectrum.eigenvalues.empty()) return;
  if (spectrum.kind == SpectrumKind::not_all_real) {
    spectrum.worst = *std::max_element(spectrum.eigenvalues.begin(), spectrum.eigenvalues.end(),
                                       [](const auto& a, const auto& b) { return a.imag() < b.imag(); });
  } else {
    spectrum.worst = spectrum.eigenvalues.front();
  }
}

MatrixSpectrum diagonal_spectrum(const std::vector<Rational>& diagonal, const std::string& method) {
  MatrixSpectrum spectrum;
  spectrum.kind = SpectrumKind::nonnegative_real;
  for (const Rational& value : diagonal) {
    if (value < 0) spectrum.kind = SpectrumKind::real_with_negative;
    spectrum.eigenvalues.emplace_back(value.convert_to<double>());
  }
  spectrum.method = method;
  finish(spectrum);
  return spectrum;
}

MatrixSpectrum matrix_spectrum(const RationalMatrix& a, std::size_t max_block) {
  MatrixSpectrum whole;
  whole.kind = SpectrumKind::nonnegative_real;
  for (const std::vector<std::size_t>& indices : blocks_of(a)) {
    RationalMatrix block{indices.size(), std::vector<Rational>(indices.size() * indices.size())};
    for (std::size_t i = 0; i < indices.size(); ++i) {
      for (std::size_t j = 0; j < indices.size(); ++j) block.at(i, j) = a.at(indices[i], indices[j]);
    }
    if (lower_triangular(block) || upper_triangular(block)) {
      std::vector<Rational> diagonal;
      for (std::size_t i = 0; i < block.size; ++i) diagonal.push_back(block.at(i, i));
      join(whole, diagonal_spectrum(diagonal, block.size == 1 ? "diagonal, exact" : "triangular, exact"));
      continue;
    }
    MatrixSpectrum part;
    part.eigenvalues = numeric_eigenvalues(block);
    if (block.size <= max_block) {
      part.kind = kind_of_roots(characteristic_polynomial(block));
      part.method = "characteristic polynomial over the rationals and Sturm's theorem, exact";
    } else {
      part.kind = SpectrumKind::undecided;
      part.method = "a block of size " + std::to_string(block.size) + ": floating-point eigenvalues only";
    }
    join(whole, part);
  }
  finish(whole);
  return whole;
}

Rational key_norm(const GeneralizedHouseholder& factor) {
  Rational sum = 0;
  for (const Entry& entry : factor.key) {
    const Rational value(static_cast<double>(entry.value));
    sum += value * value;
  }
  return sum;
}

/// The eigenvalue 1 - beta |k|^2 of a factor, exactly.
Rational factor_eigenvalue(const GeneralizedHouseholder& factor) {
  return 1 - Rational(static_cast<double>(factor.beta)) * key_norm(factor);
}

Rational dot(const GeneralizedHouseholder& a, const GeneralizedHouseholder& b) {
  Rational sum = 0;
  auto j = b.key.begin();
  for (const Entry& entry : a.key) {
    while (j != b.key.end() && j->index < entry.index) ++j;
    if (j == b.key.end()) break;
    if (j->index == entry.index) {
      sum += Rational(static_cast<double>(entry.value)) * Rational(static_cast<double>(j->value));
    }
  }
  return sum;
}

/// For m factors, the first acting first: an m by m matrix whose eigenvalues, beside copies of `gate`, are those of the
/// product times `gate`. With K the keys, the product is I + K C^T, whose eigenvalues other than 1 are those of
/// I + C^T K; C^T = T K^T with T lower triangular, row j of which is -beta_j (e_j + sum_{i<j} (k_i . k_j) row i).
RationalMatrix reduced_matrix(const std::vector<GeneralizedHouseholder>& factors, const Rational& gate) {
  const std::size_t m = factors.size();
  RationalMatrix gram{m, std::vector<Rational>(m * m)};
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j <= i; ++j) gram.at(i, j) = gram.at(j, i) = dot(factors[i], factors[j]);
  }
  RationalMatrix rows{m, std::vector<Rational>(m * m)};
  for (std::size_t j = 0; j < m; ++j) {
    const Rational beta(static_cast<double>(factors[j].beta));
    rows.at(j, j) = -beta;
    for (std::size_t i = 0; i < j; ++i) {
      for (std::size_t l = 0; l <= i; ++l) rows.at(j, l) -= beta * gram.at(i, j) * rows.at(i, l);
    }
  }
  RationalMatrix reduced = identity(m);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < m; ++j) {
      for (std::size_t l = 0; l <= i; ++l) reduced.at(i, j) += rows.at(i, l) * gram.at(l, j);
      reduced.at(i, j) *= gate;
    }
  }
  return reduced;
}

bool trivial(const GeneralizedHouseholder& factor) { return factor.beta == 0.0F || factor.key.empty(); }

/// Multiplies `a` by A(row) from the left.
void apply_row(RationalMatrix& a, const TokenRow& row) {
  for (std::size_t i = 0; i < a.size; ++i) {
    const float gate = row.gate.size() == 1 ? row.gate[0] : row.gate[i];
    if (gate == 1.0F) continue;
    for (std::size_t j = 0; j < a.size; ++j) a.at(i, j) *= Rational(static_cast<double>(gate));
  }
  for (const GeneralizedHouseholder& factor : row.factors) {
    if (trivial(factor)) continue;
    const Rational beta(static_cast<double>(factor.beta));
    for (std::size_t j = 0; j < a.size; ++j) {
      Rational dot = 0;
      for (const Entry& entry : factor.reads_by()) {
        dot += Rational(static_cast<double>(entry.value)) * a.at(entry.index, j);
      }
      if (dot == 0) continue;
      dot *= beta;
      for (const Entry& entry : factor.key) a.at(entry.index, j) -= Rational(static_cast<double>(entry.value)) * dot;
    }
  }
}

/// a b.
RationalMatrix product_of(const RationalMatrix& a, const RationalMatrix& b) {
  RationalMatrix product{a.size, std::vector<Rational>(a.size * a.size)};
  for (std::size_t i = 0; i < a.size; ++i) {
    for (std::size_t l = 0; l < a.size; ++l) {
      if (a.at(i, l) == 0) continue;
      for (std::size_t j = 0; j < a.size; ++j) {
        if (b.at(l, j) != 0) product.at(i, j) += a.at(i, l) * b.at(l, j);
      }
    }
  }
  return product;
}

/// Of the rows behind a product so many are kept.
constexpr std::ptrdiff_t longest_named = 64;

/// Distinct matrices, each with the rows behind it.
class ProductSet {
 public:
  void insert(RationalMatrix matrix, std::vector<std::uint32_t> rows) {
    const std::size_t hash = hash_of(matrix);
    const auto [first, last] = places_.equal_range(hash);
    for (auto place = first; place != last; ++place) {
      if (matrices_[place->second].entries == matrix.entries) return;
    }
    places_.emplace(hash, matrices_.size());
    matrices_.push_back(std::move(matrix));
    rows_.push_back(std::move(rows));
  }
  std::size_t size() const { return matrices_.size(); }
  /// Of one matrix, its entries that are not 0.
  std::size_t most_nonzero() const {
    std::ptrdiff_t most = 0;
    for (const RationalMatrix& matrix : matrices_) {
      most = std::max(most, std::count_if(matrix.entries.begin(), matrix.entries.end(),
                                          [](const Rational& entry) { return entry != 0; }));
    }
    return static_cast<std::size_t>(most);
  }
  const RationalMatrix& matrix(std::size_t i) const { return matrices_[i]; }
  const std::vector<std::uint32_t>& rows(std::size_t i) const { return rows_[i]; }

 private:
  static std::size_t hash_of(const RationalMatrix& matrix) {
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < matrix.entries.size(); ++i) {
      if (matrix.entries[i] == 0) continue;
      hash = hash * 31 + std::hash<double>()(matrix.entries[i].convert_to<double>()) + i;
    }
    return static_cast<std::size_t>(hash ^ (hash >> 32U));
  }
  std::vector<RationalMatrix> matrices_;
  std::vector<std::vector<std::uint32_t>> rows_;
  std::unordered_multimap<std::size_t, std::size_t> places_;
};

/// As reduced_matrix: the eigenvalues of a product of fewer factors than dimensions under scalar gates.
std::vector<std::complex<double>> reduced_eigenvalues(const std::vector<GeneralizedHouseholder>& factors,
                                                      std::size_t size, double gate) {
  const std::size_t m = factors.size();
  std::vector<std::vector<double>> keys;
  for (const GeneralizedHouseholder& factor : factors) {
    std::vector<double>& key = keys.emplace_back(size, 0.0);
    for (const Entry& entry : factor.key) key[entry.index] = static_cast<double>(entry.value);
  }
  Square gram(m);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < m; ++j) {
      gram.at(i, j) = std::inner_product(keys[i].begin(), keys[i].end(), keys[j].begin(), 0.0);
    }
  }
  Square rows(m);
  for (std::size_t j = 0; j < m; ++j) {
    const auto beta = static_cast<double>(factors[j].beta);
    rows.at(j, j) = -beta;
    for (std::size_t i = 0; i < j; ++i) {
      for (std::size_t c = 0; c <= i; ++c) rows.at(j, c) -= beta * gram.at(i, j) * rows.at(i, c);
    }
  }
  Square product(m, gate);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < m; ++j) {
      for (std::size_t c = 0; c < m; ++c) product.at(i, j) += gate * rows.at(i, c) * gram.at(c, j);
    }
  }
  std::vector<std::complex<double>> values = eigenvalues(product.values, m);
  values.insert(values.end(), size - factors.size(), gate);
  return values;
}

/// I - beta k r^T with r other than k has no form of its own: the matrix itself is looked at.
bool reads_apart(std::span<const TokenRow> rows) {
  return std::any_of(rows.begin(), rows.end(), [](const TokenRow& row) {
    return std::any_of(row.factors.begin(), row.factors.end(), [](const auto& factor) { return !factor.read.empty(); });
  });
}

std::vector<std::complex<double>> spectrum_for_display(std::span<const TokenRow> rows, std::size_t size) {
  double gate = 1.0;
  bool scalar_gates = true;
  std::vector<GeneralizedHouseholder> factors;
  for (const TokenRow& row : rows) {
    scalar_gates = scalar_gates && row.gate.size() == 1;
    gate *= static_cast<double>(row.gate[0]);
    for (const GeneralizedHouseholder& factor : row.factors) {
      if (!trivial(factor)) factors.push_back(factor);
    }
  }
  if (scalar_gates && !factors.empty() && factors.size() < size && !reads_apart(rows))
    return reduced_eigenvalues(factors, size, gate);
  Square a(size, 1.0);
  for (const TokenRow& row : rows) {
    for (std::size_t i = 0; i < size; ++i) {
      const auto decay = static_cast<double>(row.gate.size() == 1 ? row.gate[0] : row.gate[i]);
      for (std::size_t j = 0; j < size; ++j) a.at(i, j) *= decay;
    }
    for (const GeneralizedHouseholder& factor : row.factors) {
      for (std::size_t j = 0; j < size; ++j) {
        double read = 0.0;
        for (const Entry& entry : factor.reads_by()) read += static_cast<double>(entry.value) * a.at(entry.index, j);
        for (const Entry& entry : factor.key) {
          a.at(entry.index, j) -= static_cast<double>(factor.beta) * static_cast<double>(entry.value) * read;
        }
      }
    }
  }
  return eigenvalues(a.values, size);
}

MatrixSpectrum rows_spectrum(std::span<const TokenRow> rows, std::size_t size, std::size_t max_block) {
  // All diagonal: the products of the gates.
  const auto diagonal_only = [](const TokenRow& row) {
    return std::all_of(row.factors.begin(), row.factors.end(), trivial);
  };
  if (std::all_of(rows.begin(), rows.end(), diagonal_only)) {
    std::vector<Rational> diagonal(size, Rational(1));
    for (const TokenRow& row : rows) {
      for (std::size_t i = 0; i < size; ++i) {
        diagonal[i] *= Rational(static_cast<double>(row.gate.size() == 1 ? row.gate[0] : row.gate[i]));
      }
    }
    return diagonal_spectrum(diagonal, "diagonal, exact");
  }
  const auto multiplied_out = [&] {
    if (size > 96) {
      MatrixSpectrum spectrum;
      spectrum.method = "size " + std::to_string(size) + ": floating-point eigenvalues only";
      spectrum.eigenvalues = spectrum_for_display(rows, size);
      finish(spectrum);
      return spectrum;
    }
    RationalMatrix a = identity(size);
    for (const TokenRow& row : rows) apply_row(a, row);
    return matrix_spectrum(a, max_block);
  };
  if (reads_apart(rows)) return multiplied_out();
  // Gates of scalar form and GH factors in all, in the order of action.
  Rational gate = 1;
  bool scalar_gates = true;
  std::vector<GeneralizedHouseholder> factors;
  for (const TokenRow& row : rows) {
    const bool scalar = std::all_of(row.gate.begin(), row.gate.end(), [&](float g) { return g == row.gate[0]; });
    scalar_gates = scalar_gates && scalar;
    gate *= Rational(static_cast<double>(row.gate[0]));
    for (const GeneralizedHouseholder& factor : row.factors) {
      if (!trivial(factor)) factors.push_back(factor);
    }
  }
  if (scalar_gates && factors.size() == 1) {
    std::vector<Rational> values(size, gate);
    values[0] = gate * factor_eigenvalue(factors[0]);
    return diagonal_spectrum(values, "one generalized Householder factor: 1 - beta |k|^2, exact");
  }
  if (scalar_gates && factors.size() == 2 && gate >= 0 && factor_eigenvalue(factors[0]) >= 0 &&
      factor_eigenvalue(factors[1]) >= 0) {
    MatrixSpectrum spectrum;
    spectrum.kind = SpectrumKind::nonnegative_real;
    spectrum.method = "two positive semidefinite factors: similar to a positive semidefinite matrix, exact";
    spectrum.eigenvalues = spectrum_for_display(rows, size);
    finish(spectrum);
    return spectrum;
  }
  if (rows.size() == 1 && factors.size() == 1 && factor_eigenvalue(factors[0]) >= 0 &&
      std::all_of(rows[0].gate.begin(), rows[0].gate.end(), [](float g) { return g >= 0.0F; })) {
    MatrixSpectrum spectrum;
    spectrum.kind = SpectrumKind::nonnegative_real;
    spectrum.method = "a positive semidefinite factor times a gate that is not negative, exact";
    spectrum.eigenvalues = spectrum_for_display(rows, size);
    finish(spectrum);
    return spectrum;
  }
  if (scalar_gates && factors.size() < size && factors.size() <= max_block) {
    MatrixSpectrum spectrum = matrix_spectrum(reduced_matrix(factors, gate), max_block);
    join(spectrum, diagonal_spectrum(std::vector<Rational>(size - factors.size(), gate), "a scaled identity"));
    spectrum.method = std::to_string(factors.size()) + " factors, " + spectrum.method;
    finish(spectrum);
    return spectrum;
  }
  return multiplied_out();
}

}  // namespace

std::string_view spectrum_kind_name(SpectrumKind kind) {
  switch (kind) {
    case SpectrumKind::nonnegative_real:
      return "real and not negative";
    case SpectrumKind::real_with_negative:
      return "real, some negative";
    case SpectrumKind::not_all_real:
      return "not all real";
    case SpectrumKind::undecided:
      break;
  }
  return "not decided exactly";
}

MatrixSpectrum row_spectrum(const TokenTable& table, std::size_t row, std::size_t max_block) {
  const TokenRow rows[] = {table.row(row)};
  return rows_spectrum(rows, table.key_size(), max_block);
}

MatrixSpectrum product_spectrum(const TokenTable& table, std::span<const std::uint32_t> rows, std::size_t max_block) {
  if (rows.empty()) throw InternalError("spectrum: expected at least one row");
  std::vector<TokenRow> taken;
  taken.reserve(rows.size());
  for (const std::uint32_t row : rows) taken.push_back(table.row(row));
  return rows_spectrum(taken, table.key_size(), max_block);
}

std::optional<std::vector<DistinctProduct>> distinct_products(const TokenTable& table,
                                                              std::span<const std::uint32_t> rows, std::uint64_t length,
                                                              std::size_t most, std::size_t max_block) {
  if (rows.empty() || !std::has_single_bit(length)) {
    throw InternalError("spectrum: expected rows and a power of two");
  }
  constexpr std::size_t most_entries = std::size_t{1} << 24U;
  constexpr std::size_t most_terms = std::size_t{1} << 22U;
  const std::size_t entries = table.key_size() * table.key_size();
  if (entries > most_entries / rows.size()) return std::nullopt;
  ProductSet products;
  for (const std::uint32_t row : rows) {
    RationalMatrix matrix = identity(table.key_size());
    apply_row(matrix, table.row(row));
    products.insert(std::move(matrix), {row});
  }
  for (std::uint64_t half = 1; half < length; half *= 2) {
    const std::size_t pairs = products.size() * products.size();
    const std::size_t terms = products.most_nonzero() * products.most_nonzero() / table.key_size() + 1;
    if (products.size() > most || pairs > most_entries / entries || pairs > most_terms / terms) return std::nullopt;
    ProductSet squared;
    for (std::size_t first = 0; first < products.size(); ++first) {
      for (std::size_t second = 0; second < products.size(); ++second) {
        std::vector<std::uint32_t> word = products.rows(first);
        word.insert(word.end(), products.rows(second).begin(), products.rows(second).end());
        if (word.size() > longest_named) word.erase(word.begin(), word.end() - longest_named);
        squared.insert(product_of(products.matrix(second), products.matrix(first)), std::move(word));
        if (squared.size() > most) return std::nullopt;
      }
    }
    products = std::move(squared);
  }
  std::vector<DistinctProduct> result;
  for (std::size_t i = 0; i < products.size(); ++i) {
    DistinctProduct& one = result.emplace_back();
    one.rows = products.rows(i);
    // The form of the factors decides more than the matrix, where all of them are there.
    one.spectrum = length <= longest_named ? product_spectrum(table, one.rows, max_block)
                                           : matrix_spectrum(products.matrix(i), max_block);
  }
  return result;
}

std::vector<std::complex<double>> product_eigenvalues(const TokenTable& table, std::span<const std::uint32_t> rows) {
  std::vector<TokenRow> taken;
  taken.reserve(rows.size());
  for (const std::uint32_t row : rows) taken.push_back(table.row(row));
  return spectrum_for_display(taken, table.key_size());
}

MatrixSpectrum product_spectrum(std::span<const ExactMatrix> matrices, std::size_t max_block) {
  if (matrices.empty()) throw InternalError("spectrum: expected at least one matrix");
  const std::size_t size = matrices[0].size;
  RationalMatrix product = identity(size);
  for (const ExactMatrix& matrix : matrices) {
    if (matrix.size != size || matrix.entries.size() != size * size) {
      throw InternalError("spectrum: expected square matrices of equal size");
    }
    RationalMatrix exact{size, {}};
    for (const double entry : matrix.entries) exact.entries.emplace_back(entry);
    product = product_of(exact, product);
  }
  return matrix_spectrum(product, max_block);
}

}  // namespace krohn
