// HouseholderProduct and the two factorisations behind compiled layers.
//
// from_orthogonal, in double: the same step as below on the column of g - I of largest norm, until all norms are below
// 2^-25. QR with its fixed order of columns would use up to `size` reflections for every g but the identity, and as
// many more in the axes where R's diagonal is -1; this one needs rank(g - I) of them, up to rounding. Its sums have the
// order of its loops, so that keys are the same on every machine.
//
// minimal_reflections, over the rationals: while g is not I take a unit vector x that g moves and k = g x - x. The
// reflection R in k takes g x back to x (both have one length) and keeps every vector that g fixes
// (k.y = gx.gy - x.y = 0), so Fix(R g) is larger by one dimension and after rank(g - I) steps g is I. Fewer are
// impossible, since m reflections fix a space of codimension at most m.
#include "krohn/model/householder.hpp"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "krohn/error.hpp"

namespace krohn {
namespace {

using Rational = boost::multiprecision::cpp_rational;
using Integer = boost::multiprecision::cpp_int;

constexpr double orthogonality_tolerance = 0x1p-20;
// Half a unit roundoff of the fp32 keys: a column nearer to its axis is left as it is.
constexpr double negligible_move = 0x1p-25;

Rational exact(float value) {
  int exponent = 0;
  const auto mantissa = static_cast<std::int64_t>(std::ldexp(std::frexp(value, &exponent), 24));
  exponent -= 24;
  Rational result(mantissa);
  if (exponent > 0) result *= Rational(Integer(1) << static_cast<unsigned>(exponent));
  if (exponent < 0) result /= Rational(Integer(1) << static_cast<unsigned>(-exponent));
  return result;
}

Rational eigenvalue(const GeneralizedHouseholder& factor) {
  Rational product = 0;
  for (const Entry& k : factor.key) {
    for (const Entry& r : factor.reads_by()) {
      if (r.index == k.index) product += exact(k.value) * exact(r.value);
    }
  }
  return 1 - exact(factor.beta) * product;
}

GeneralizedHouseholder reflection(const std::vector<double>& unit) {
  GeneralizedHouseholder factor{{}, 2.0F, {}};
  for (std::size_t i = 0; i < unit.size(); ++i) {
    const auto value = static_cast<float>(unit[i]);
    if (value != 0.0F) factor.key.push_back({static_cast<std::uint32_t>(i), value});
  }
  return factor;
}

/// The largest entry of Q^T Q - I; NaN where Q holds one.
double orthogonality_defect(const std::vector<double>& q, std::size_t size) {
  double defect = 0.0;
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = i == j ? -1.0 : 0.0;
      for (std::size_t k = 0; k < size; ++k) sum += q[k * size + i] * q[k * size + j];
      if (std::isnan(sum)) return sum;
      defect = std::max(defect, std::fabs(sum));
    }
  }
  return defect;
}

/// (I - 2 unit unit^T) times a row-major matrix.
void reflect(const std::vector<double>& unit, std::vector<double>& matrix) {
  const std::size_t size = unit.size();
  std::vector<double> sums(size, 0.0);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) sums[j] += unit[i] * matrix[i * size + j];
  }
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) matrix[i * size + j] -= 2.0 * unit[i] * sums[j];
  }
}

}  // namespace

HouseholderProduct::HouseholderProduct(std::size_t size, std::vector<GeneralizedHouseholder> factors)
    : size_(size), factors_(std::move(factors)) {
  // TokenTable makes the same checks on the same data; its arrays are not kept.
  TokenRow row;
  row.factors = factors_;
  for (GeneralizedHouseholder& factor : row.factors) {
    factor.value.clear();
    if (!factor.read.empty()) throw InputError("factors: expected ones that read by their keys, got a read vector");
  }
  TokenTable(size, 1, {row});
}

HouseholderProduct HouseholderProduct::from_orthogonal(std::size_t size, std::span<const double> orthogonal) {
  if (size == 0 || orthogonal.size() != size * size) {
    throw InputError("orthogonal: expected " + std::to_string(size * size) + " entries, got " +
                     std::to_string(orthogonal.size()));
  }
  std::vector<double> rest(orthogonal.begin(), orthogonal.end());
  const double defect = orthogonality_defect(rest, size);
  if (!(defect <= orthogonality_tolerance)) {
    throw InputError("orthogonal: expected Q^T Q = I within 2^-20, got a difference of " + std::to_string(defect));
  }
  std::vector<GeneralizedHouseholder> reversed;
  for (std::size_t step = 0; step < size; ++step) {
    std::vector<double> key;
    double longest = 0.0;
    for (std::size_t column = 0; column < size; ++column) {
      std::vector<double> moved(size);
      double squares = 0.0;
      for (std::size_t i = 0; i < size; ++i) {
        moved[i] = rest[i * size + column] - (i == column ? 1.0 : 0.0);
        squares += moved[i] * moved[i];
      }
      if (squares <= longest) continue;
      longest = squares;
      key = std::move(moved);
    }
    longest = std::sqrt(longest);
    if (longest <= negligible_move) break;
    for (double& x : key) x /= longest;
    reflect(key, rest);
    reversed.push_back(reflection(key));
  }
  // R_m .. R_1 Q = I, so Q = R_1 .. R_m: the last one found acts first.
  std::reverse(reversed.begin(), reversed.end());
  return HouseholderProduct(size, std::move(reversed));
}

HouseholderProduct HouseholderProduct::from_permutation(std::span<const std::uint32_t> images) {
  std::vector<bool> hit(images.size(), false);
  for (const std::uint32_t image : images) {
    if (image >= images.size() || hit[image]) throw InputError("permutation: expected every point once as an image");
    hit[image] = true;
  }
  // The cycle x_0 -> x_1 -> .. moves entries along it: the swaps of x_0 with x_1, x_2, .. in this order.
  std::vector<GeneralizedHouseholder> factors;
  std::vector<bool> seen(images.size(), false);
  for (std::uint32_t first = 0; first < images.size(); ++first) {
    seen[first] = true;
    for (std::uint32_t x = images[first]; !seen[x]; x = images[x]) {
      seen[x] = true;
      factors.push_back({{{first, 1.0F}, {x, -1.0F}}, 1.0F, {}});
    }
  }
  return HouseholderProduct(images.size(), std::move(factors));
}

std::vector<double> HouseholderProduct::apply(std::span<const double> vector) const {
  if (vector.size() != size_) {
    throw InputError("vector: expected " + std::to_string(size_) + " entries, got " + std::to_string(vector.size()));
  }
  std::vector<double> result(vector.begin(), vector.end());
  for (const GeneralizedHouseholder& factor : factors_) {
    double dot = 0.0;
    for (const Entry& entry : factor.key) dot += static_cast<double>(entry.value) * result[entry.index];
    const double scale = static_cast<double>(factor.beta) * dot;
    for (const Entry& entry : factor.key) result[entry.index] -= scale * static_cast<double>(entry.value);
  }
  return result;
}

std::vector<double> HouseholderProduct::to_matrix() const {
  std::vector<double> matrix(size_ * size_);
  std::vector<double> unit(size_, 0.0);
  for (std::size_t column = 0; column < size_; ++column) {
    unit[column] = 1.0;
    const std::vector<double> image = apply(unit);
    for (std::size_t row = 0; row < size_; ++row) matrix[row * size_ + column] = image[row];
    unit[column] = 0.0;
  }
  return matrix;
}

std::strong_ordering compare_eigenvalue(const GeneralizedHouseholder& factor, int value) {
  const int sign = eigenvalue(factor).compare(Rational(value));
  return sign < 0    ? std::strong_ordering::less
         : sign == 0 ? std::strong_ordering::equal
                     : std::strong_ordering::greater;
}

std::string exact_eigenvalue(const GeneralizedHouseholder& factor) { return eigenvalue(factor).str(); }

std::vector<std::vector<std::int64_t>> minimal_reflections(std::size_t size, std::span<const Fraction> orthogonal) {
  if (orthogonal.size() != size * size) {
    throw InputError("orthogonal: expected " + std::to_string(size * size) + " entries, got " +
                     std::to_string(orthogonal.size()));
  }
  // Columns of g: column x is g e_x.
  std::vector<std::vector<Rational>> column(size, std::vector<Rational>(size));
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      const Fraction& entry = orthogonal[i * size + j];
      if (entry.denominator <= 0) throw InputError("orthogonal: expected positive denominators");
      column[j][i] = Rational(Integer(entry.numerator), Integer(entry.denominator));
    }
  }
  const auto dot = [&](const std::vector<Rational>& a, const std::vector<Rational>& b) {
    Rational sum = 0;
    for (std::size_t i = 0; i < size; ++i) sum += a[i] * b[i];
    return sum;
  };
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      if (dot(column[i], column[j]) != Rational(i == j ? 1 : 0)) {
        throw InputError("orthogonal: expected Q^T Q = I exactly, got another entry at " + std::to_string(i) + ", " +
                         std::to_string(j));
      }
    }
  }
  std::vector<std::vector<std::int64_t>> keys;
  for (std::size_t x = 0; x < size; ++x) {
    std::vector<Rational> key = column[x];
    key[x] -= 1;
    const Rational squares = dot(key, key);
    if (squares == 0) continue;
    // g := R g, column by column; column x becomes e_x.
    for (std::vector<Rational>& image : column) {
      const Rational scale = 2 * dot(key, image) / squares;
      for (std::size_t i = 0; i < size; ++i) image[i] -= scale * key[i];
    }
    // The shortest integer vector on the line.
    Integer denominators = 1;
    Integer divisor = 0;
    for (const Rational& entry : key) denominators = boost::multiprecision::lcm(denominators, denominator(entry));
    std::vector<Integer> integers;
    for (const Rational& entry : key) {
      integers.push_back(numerator(entry) * (denominators / denominator(entry)));
      divisor = boost::multiprecision::gcd(divisor, integers.back());
    }
    std::vector<std::int64_t> result;
    for (const Integer& entry : integers) {
      const Integer reduced = entry / divisor;
      if (abs(reduced) > std::numeric_limits<std::int64_t>::max()) {
        throw ResourceError("orthogonal: expected reflection keys of at most 63 bits, got " + reduced.str());
      }
      result.push_back(reduced.convert_to<std::int64_t>());
    }
    keys.push_back(std::move(result));
  }
  // R_m .. R_1 g = I, so g = R_1 .. R_m: the last one found acts first.
  std::reverse(keys.begin(), keys.end());
  return keys;
}

}  // namespace krohn
