// label: slow
// The spectra that are reported are those of the matrices that act on the state: compared with the eigenvalues of the
// full matrix, measured by moving the state's basis vectors through a step, and with what theory says of each family.
#include "krohn/engine/spectrum.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <filesystem>
#include <limits>

#include "krohn/io/checkpoint.hpp"
#include "measured_matrix.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;
using krohn::testing::hidden_part;
using krohn::testing::measured_matrices;

Program load(const std::string& name) { return read_checkpoint(fs::path(KROHN_TEST_DATA) / name).model; }

TEST_CASE("spectra are those of the matrices that act on the state") {
  for (const char* name :
       {"golden/delta_net_neg", "golden/gated_deltanet_neg", "golden/gated_deltaproduct_n2", "golden/deltaproduct_n2",
        "golden/gla_default", "golden/rwkv7_default", "golden/mamba2_default", "variants/gated_deltaproduct_12",
        "golden/kda_neg_lower_bound", "golden/comba_default", "golden/precond_gated_deltanet_default",
        "golden/mamba3_default", "golden/mamba3_mimo", "golden/retnet_default", "golden/rwkv6_default",
        "golden/hgrn2_default", "golden/mesa_net_default", "golden/linear_attn_elu_normed"}) {
    CAPTURE(std::string(name));
    const Program model = load(name);
    const std::size_t heads = hidden_part(model, 0).shape[0];
    for (std::uint32_t token = 0; token < 5; ++token) {
      SpectrumOptions options;
      options.tokens = {token};
      options.words = 0;
      const LearnedSpectrum spectrum = compute_spectrum(model, options);
      for (std::size_t head = 0; head < heads; ++head) {
        const HeadSpectrum& ours = spectrum.heads.at(head);
        REQUIRE(ours.block == 0);
        REQUIRE(ours.head == head);
        const Eigen::MatrixXd matrix = measured_matrices(model, 0, head, {token})[0];
        const Eigen::VectorXcd values = Eigen::EigenSolver<Eigen::MatrixXd>(matrix, false).eigenvalues();
        CHECK(ours.matrices == 1);
        CHECK(ours.eigenvalues == static_cast<std::uint64_t>(matrix.rows()));
        double least = std::numeric_limits<double>::infinity();
        double most_imaginary = 0;
        double from_one = least;
        double least_modulus = least;
        for (const std::complex<double>& value : values) {
          least = std::min(least, value.real());
          most_imaginary = std::max(most_imaginary, std::fabs(value.imag()));
          from_one = std::min(from_one, std::abs(value - 1.0));
          least_modulus = std::min(least_modulus, std::abs(value));
        }
        // Differences of numbers of size 1 in double, and eigenvalues that may be as ill-conditioned as the square root
        // of that: 1e-6 leaves a hundredfold.
        CHECK(std::fabs(ours.least_real - least) < 1e-6);
        CHECK(std::fabs(ours.most_imaginary - most_imaginary) < 1e-6);
        CHECK(std::fabs(ours.from_one - from_one) < 1e-6);
        CHECK(std::fabs(ours.least_modulus - least_modulus) < 1e-6);
      }
    }
  }
}

TEST_CASE("what theory says of each family holds") {
  const auto spectrum_of = [](const std::string& name) {
    const Program model = load(name);
    SpectrumOptions options;
    for (std::uint32_t t = 0; t < model.vocabulary_size(); ++t) options.tokens.push_back(t);
    return compute_spectrum(model, options);
  };
  for (const HeadSpectrum& head : spectrum_of("models/parity_delta_net_pos").heads) {
    CHECK(head.least_real >= 0);
    CHECK(head.most_modulus <= 1);
    CHECK(head.complex == 0);
    CHECK(head.negative == 0);
  }
  const LearnedSpectrum negative = spectrum_of("models/parity_delta_net_neg_noconv_1layer");
  CHECK(std::min(negative.heads[0].least_real, negative.heads[1].least_real) < -0.9);
  CHECK(negative.heads[0].least_real > -1);
  for (const HeadSpectrum& head : spectrum_of("golden/rwkv7_default").heads) {
    CHECK(head.least_real > std::exp(-std::exp(-0.5)) - 1);
    CHECK(head.most_modulus < 1);
  }
  for (const HeadSpectrum& head : spectrum_of("golden/mamba_posneg_paper").heads) {
    CHECK(head.negative > 0);
    CHECK(head.least_real >= -1);
    CHECK(head.complex == 0);
  }
  for (const HeadSpectrum& head : spectrum_of("golden/mamba_default").heads) CHECK(head.least_real >= 0);
  const LearnedSpectrum permutations = spectrum_of("models/s3_gated_deltaproduct_n2_neg");
  CHECK(permutations.heads[0].complex > 0);
  CHECK(permutations.heads[0].most_modulus <= 1);
  CHECK(spectrum_of("golden/xlstm01_slstm").heads.empty());
  CHECK(spectrum_of("golden/xlstm01_slstm").nonlinear_blocks == std::vector<std::size_t>{0, 1});
}

}  // namespace
}  // namespace krohn
