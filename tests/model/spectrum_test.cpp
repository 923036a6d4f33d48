// label: quick
// Exact spectra against matrices whose eigenvalues are known in closed form, and against floating-point eigenvalues.
#include "krohn/model/spectrum.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

namespace {

using namespace krohn;

TokenTable table_of(std::size_t size, TokenRow row) {
  return TokenTable(size, 1, std::vector<TokenRow>{std::move(row)});
}

TEST_CASE("gates are their own eigenvalues") {
  CHECK(row_spectrum(table_of(3, {{0.5F, 0.0F, 1.0F}, {}, {}}), 0).kind == SpectrumKind::nonnegative_real);
  const MatrixSpectrum negative = row_spectrum(table_of(3, {{0.5F, -0.25F, 1.0F}, {}, {}}), 0);
  CHECK(negative.kind == SpectrumKind::real_with_negative);
  CHECK(negative.worst == std::complex<double>(-0.25));
  CHECK(row_spectrum(table_of(3, {{-1.0F}, {}, {}}), 0).eigenvalues == std::vector<std::complex<double>>(3, -1.0));
}

TEST_CASE("one factor is decided by 1 - beta |k|^2 to the last bit") {
  // beta = 1 and a rounded unit key: the float nearest to 1/sqrt 2 squared twice is below or above 1.
  const float below = 0x1.6a09e6p-1F;
  const float above = 0x1.6a09e8p-1F;
  REQUIRE(2.0 * double(below) * double(below) < 1.0);
  REQUIRE(2.0 * double(above) * double(above) > 1.0);
  const auto row = [](float k) { return TokenRow{{1.0F}, {{{{0, k}, {1, k}}, 1.0F, {}}}, {}}; };
  CHECK(row_spectrum(table_of(2, row(below)), 0).kind == SpectrumKind::nonnegative_real);
  const MatrixSpectrum spectrum = row_spectrum(table_of(2, row(above)), 0);
  CHECK(spectrum.kind == SpectrumKind::real_with_negative);
  CHECK(spectrum.worst.real() == 1.0 - 2.0 * double(above) * double(above));
}

TEST_CASE("three projections at 0, 60 and 120 degrees have eigenvalue -1/8") {
  // Keys (1,0), (1,s)/2, (-1,s)/2 with s^2 = 3 are irrational; a scaled copy has a rational square: k = (1, s) with
  // beta = 1/4 and s rounded to float, so the eigenvalue is -1/8 up to 2^-23.
  const float s = std::sqrt(3.0F);
  TokenRow row{
      {1.0F}, {{{{0, 1.0F}}, 1.0F, {}}, {{{0, 1.0F}, {1, s}}, 0.25F, {}}, {{{0, -1.0F}, {1, s}}, 0.25F, {}}}, {}};
  const MatrixSpectrum spectrum = row_spectrum(table_of(2, row), 0);
  CHECK(spectrum.kind == SpectrumKind::real_with_negative);
  CHECK(std::abs(spectrum.worst.real() + 0.125) < 0x1p-21);
  // Any two of them have a real spectrum that is not negative.
  row.factors.pop_back();
  CHECK(row_spectrum(table_of(2, row), 0).kind == SpectrumKind::nonnegative_real);
}

TEST_CASE("a product of two reflections is a rotation, of two equal ones the identity") {
  const GeneralizedHouseholder a{{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}};
  const GeneralizedHouseholder b{{{1, 1.0F}, {2, -1.0F}}, 1.0F, {}};
  const MatrixSpectrum three_cycle = row_spectrum(table_of(3, {{1.0F}, {a, b}, {}}), 0);
  CHECK(three_cycle.kind == SpectrumKind::not_all_real);
  CHECK(std::abs(three_cycle.worst - std::polar(1.0, 2.0 * std::numbers::pi / 3.0)) < 1e-12);
  CHECK(row_spectrum(table_of(3, {{1.0F}, {a, a}, {}}), 0).kind == SpectrumKind::nonnegative_real);
  CHECK(row_spectrum(table_of(3, {{1.0F}, {a}, {}}), 0).kind == SpectrumKind::real_with_negative);
  // (12)(34): two commuting swaps, real.
  const GeneralizedHouseholder c{{{2, 1.0F}, {3, -1.0F}}, 1.0F, {}};
  CHECK(row_spectrum(table_of(4, {{1.0F}, {a, c}, {}}), 0).kind == SpectrumKind::real_with_negative);
  // As a product of rows.
  const TokenTable two(3, 1, std::vector<TokenRow>{{{1.0F}, {a}, {}}, {{1.0F}, {b}, {}}});
  const std::vector<std::uint32_t> rows{0, 1};
  CHECK(product_spectrum(two, rows).kind == SpectrumKind::not_all_real);
}

TEST_CASE("few factors are decided in any size") {
  // A rotation by twice the angle between (4, 3) and (1, 0), spread over 200 dimensions: cos = 4/5, so 2 cos^2 - 1 =
  // 7/25 and 2 cos sin = 24/25. |(4, 3)|^2 = 25 is no power of two: beta = 2/25 is rounded by less than 2^-28, so that
  // the factor is within 25 * 2^-28 of a reflection and the eigenvalue, which is simple, within twice that.
  const GeneralizedHouseholder a{{{7, 4.0F}, {150, 3.0F}}, 0.08F, {}};
  const GeneralizedHouseholder b{{{7, 1.0F}}, 2.0F, {}};
  const MatrixSpectrum rotation = row_spectrum(table_of(200, {{1.0F}, {a, b}, {}}), 0);
  CHECK(rotation.kind == SpectrumKind::not_all_real);
  CHECK(std::abs(rotation.worst - std::complex(7.0 / 25.0, 24.0 / 25.0)) < 50 * 0x1p-28);
  CHECK(rotation.eigenvalues.size() == 200);
  // The same with a third factor that commutes with both, under a gate of -1/2.
  const GeneralizedHouseholder c{{{8, 1.0F}}, 0.5F, {}};
  const MatrixSpectrum three = row_spectrum(table_of(200, {{-0.5F}, {a, c, b}, {}}), 0);
  CHECK(three.kind == SpectrumKind::not_all_real);
  CHECK(std::abs(three.worst - std::complex(-3.5 / 25.0, 12.0 / 25.0)) < 50 * 0x1p-28);
  CHECK(std::count_if(three.eigenvalues.begin(), three.eigenvalues.end(), [](auto v) { return v == -0.25; }) == 1);
  CHECK(std::count_if(three.eigenvalues.begin(), three.eigenvalues.end(), [](auto v) { return v == -0.5; }) == 197);
  // b twice is the identity; a conjugate of a reflection is one.
  CHECK(row_spectrum(table_of(200, {{1.0F}, {b, c, b}, {}}), 0).kind == SpectrumKind::nonnegative_real);
  const GeneralizedHouseholder swap{{{7, 1.0F}, {150, -1.0F}}, 1.0F, {}};
  CHECK(row_spectrum(table_of(200, {{1.0F}, {b, swap, b}, {}}), 0).kind == SpectrumKind::real_with_negative);
}

TEST_CASE("distinct products of any length") {
  // Two swaps generate S_3: products of an even number are the three even permutations, of an odd number the others.
  const GeneralizedHouseholder a{{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}};
  const GeneralizedHouseholder b{{{1, 1.0F}, {2, -1.0F}}, 1.0F, {}};
  const TokenTable swaps(3, 1, std::vector<TokenRow>{{{1.0F}, {a}, {}}, {{1.0F}, {b}, {}}});
  const std::vector<std::uint32_t> both{0, 1};
  CHECK(distinct_products(swaps, both, 1)->size() == 2);
  for (const std::uint64_t length : {std::uint64_t{2}, std::uint64_t{64}, std::uint64_t{1} << 40U}) {
    const auto products = distinct_products(swaps, both, length);
    REQUIRE(products);
    CHECK(products->size() == 3);
    std::size_t not_real = 0;
    for (const DistinctProduct& product : *products) {
      CHECK(product.rows.size() == std::min<std::uint64_t>(length, 64));
      not_real += product.spectrum.kind == SpectrumKind::not_all_real ? 1U : 0U;
      // The rows named give it, as long as all are there.
      if (length <= 64) CHECK(product_spectrum(swaps, product.rows).kind == product.spectrum.kind);
    }
    CHECK(not_real == 2);
  }
  // One of them alone: a reflection's even powers.
  const std::vector<std::uint32_t> one{0};
  const auto power = distinct_products(swaps, one, std::uint64_t{1} << 62U);
  REQUIRE(power);
  REQUIRE(power->size() == 1);
  CHECK((*power)[0].spectrum.kind == SpectrumKind::nonnegative_real);
  // Gates of 1/2 and 1/4: the product of L of them is 2^-j for any j from L to 2 L, and no two of these are equal.
  const TokenTable gates(2, 1, std::vector<TokenRow>{{{0.5F}, {}, {}}, {{0.25F}, {}, {}}});
  for (const std::uint64_t length : {1U, 2U, 4U, 64U})
    CHECK(distinct_products(gates, both, length)->size() == length + 1);
  CHECK_FALSE(distinct_products(gates, both, 256).has_value());
  CHECK_FALSE(distinct_products(gates, both, 64, 60).has_value());
}

TEST_CASE("cycles of every length: roots of unity") {
  for (std::size_t n = 1; n <= 12; ++n) {
    ExactMatrix cycle{n, std::vector<double>(n * n, 0.0)};
    for (std::size_t i = 0; i < n; ++i) cycle.entries[((i + 1) % n) * n + i] = 1.0;
    const SpectrumKind kind = product_spectrum(std::span(&cycle, 1)).kind;
    CHECK(kind == (n == 1   ? SpectrumKind::nonnegative_real
                   : n == 2 ? SpectrumKind::real_with_negative
                            : SpectrumKind::not_all_real));
    const std::vector<ExactMatrix> all(n, cycle);
    CHECK(product_spectrum(all).kind == SpectrumKind::nonnegative_real);
  }
  ExactMatrix large{13, std::vector<double>(169, 0.0)};
  for (std::size_t i = 0; i < 13; ++i) large.entries[((i + 1) % 13) * 13 + i] = 1.0;
  CHECK(product_spectrum(std::span(&large, 1)).kind == SpectrumKind::undecided);
}

TEST_CASE("repeated and nearly repeated eigenvalues, where floating point cannot decide") {
  // [[1, e], [-f, 1]]: eigenvalues 1 +- sqrt(-e f).
  for (const double e : {0x1p-40, 0x1p-200}) {
    ExactMatrix m{2, {1.0, e, -e, 1.0}};
    CHECK(product_spectrum(std::span(&m, 1)).kind == SpectrumKind::not_all_real);
    m.entries = {1.0, e, e, 1.0};
    CHECK(product_spectrum(std::span(&m, 1)).kind == SpectrumKind::nonnegative_real);
  }
  ExactMatrix jordan{3, {2.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0}};  // (x - 1)^3, not diagonalisable
  CHECK(product_spectrum(std::span(&jordan, 1)).kind == SpectrumKind::nonnegative_real);
}

TEST_CASE("random products agree with floating-point eigenvalues where those are clear") {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  int clear = 0;
  int not_real = 0;
  for (int trial = 0; trial < 150; ++trial) {
    const std::size_t d = 2 + random() % 4;
    TokenRow row;
    // Every third under a scalar gate.
    row.gate.assign(d, uniform(random));
    for (float& g : row.gate) {
      if (trial % 3 != 0) g = uniform(random);
    }
    for (std::size_t f = 0; f < 1 + random() % 3; ++f) {
      GeneralizedHouseholder factor;
      for (std::uint32_t i = 0; i < d; ++i) factor.key.push_back({i, uniform(random)});
      factor.beta = 1.0F + uniform(random);
      row.factors.push_back(factor);
    }
    Eigen::MatrixXd a = Eigen::MatrixXd::Identity(Eigen::Index(d), Eigen::Index(d));
    for (std::size_t i = 0; i < d; ++i) a.row(Eigen::Index(i)) *= double(row.gate[i]);
    for (const auto& factor : row.factors) {
      Eigen::VectorXd k(static_cast<Eigen::Index>(d));
      for (const Entry& e : factor.key) k(e.index) = double(e.value);
      a = (Eigen::MatrixXd::Identity(Eigen::Index(d), Eigen::Index(d)) - double(factor.beta) * k * k.transpose()) * a;
    }
    const Eigen::VectorXcd values = Eigen::EigenSolver<Eigen::MatrixXd>(a).eigenvalues();
    double imaginary = 0.0;
    double least = 1e9;
    double gap = 1e9;  // between real eigenvalues, which floating point may merge into a pair
    for (Eigen::Index i = 0; i < values.size(); ++i) {
      imaginary = std::max(imaginary, std::abs(values(i).imag()));
      least = std::min(least, values(i).real());
      for (Eigen::Index j = 0; j < i; ++j) gap = std::min(gap, std::abs(values(i) - values(j)));
    }
    // Entries below 8 and size at most 5: eigenvalues are right to far better than 1e-6 unless nearly repeated.
    if (gap < 1e-3 || std::abs(least) < 1e-3) continue;
    ++clear;
    const SpectrumKind kind = row_spectrum(table_of(d, row), 0).kind;
    if (imaginary > 1e-6) {
      ++not_real;
      CHECK(kind == SpectrumKind::not_all_real);
    } else {
      CHECK(kind == (least < 0.0 ? SpectrumKind::real_with_negative : SpectrumKind::nonnegative_real));
    }
  }
  CHECK(clear > 80);
  CHECK(not_real > 10);
}

}  // namespace
