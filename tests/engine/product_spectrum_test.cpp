// label: slow
// Eigenvalues of products of consecutive tokens' matrices: two reflections whose product is a rotation by a known
// angle, and trained models against products of measured matrices.
#include "krohn/engine/product_spectrum.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/error.hpp"
#include "krohn/model/program_builder.hpp"
#include "krohn/verify/refute.hpp"
#include "measured_matrix.hpp"

namespace krohn {
namespace {

using krohn::testing::hidden_part;
using krohn::testing::measured_matrices;

Program load(const std::string& name) { return read_checkpoint(std::filesystem::path(KROHN_TEST_DATA) / name).model; }

/// `blocks` blocks of one head; token t has the key (cos angle_t, sin angle_t) in all of them, and beta is 2. Nothing
/// is written into the stream, so that deeper blocks read the token as well.
Program reflections(const std::vector<double>& angles, std::size_t blocks) {
  const std::size_t size = 2;
  std::vector<float> table(angles.size() * size);
  for (std::size_t t = 0; t < angles.size(); ++t) {
    table[t] = static_cast<float>(std::cos(angles[t]));
    table[angles.size() + t] = static_cast<float>(std::sin(angles[t]));
  }
  ProgramBuilder net("delta_net");
  const std::uint32_t embedding = net.add({"embedding", {angles.size(), size}, true, std::move(table)});
  const std::uint32_t identity = net.add({"identity", {size, size}, true, {1.0F, 0.0F, 0.0F, 1.0F}});
  const std::uint32_t nothing = net.add({"nothing", {size, size}, true, std::vector<float>(4, 0.0F)});
  Slice x = net.embedding(embedding);
  for (std::size_t i = 0; i < blocks; ++i) {
    net.begin_layer("delta");
    const Slice h = net.rms_norm(x, no_index, 1e-6);
    const Slice key = net.l2_norm(net.product(identity, h), 1);
    LinearRecurrence r = ProgramBuilder::recurrence(1, size, size);
    RankOneUpdate update;
    update.read = update.write = ProgramBuilder::heads(key, size);
    update.value = ProgramBuilder::heads(net.product(identity, h), size);
    update.beta = ProgramBuilder::heads(net.constant(2.0, 1), 1);
    r.updates = {update};
    r.query = ProgramBuilder::heads(key, size);
    x = net.product(nothing, net.recur(std::move(r)), no_index, x);
  }
  net.end_layers();
  net.product(embedding, x);
  return net.finish();
}

SpectrumOptions options_of(std::size_t tokens) {
  SpectrumOptions options;
  for (std::uint32_t t = 0; t < tokens; ++t) options.tokens.push_back(t);
  return options;
}

// A key is x / sqrt(|x|^2 + 1e-6) with |x|^2 = 2 after the norm, so |k|^2 = 1 - 5e-7, and x comes from floats of the
// angle's cosine and sine: a reflection's eigenvalue is -1 + 1e-6 and the rotation's is off by less than 2e-6 (simple,
// of a normal matrix up to that size).
constexpr double reflection_error = 4e-6;

TEST_CASE("two reflections make a rotation, met in the second layer along words of both") {
  for (const double angle : {0.3, 1.0, 1.3}) {
    CAPTURE(angle);
    const Program model = reflections({0.2, 0.2 + angle}, 2);
    const std::uint64_t lengths[] = {1, 2};
    const std::vector<ProductSpectrum> spectra = product_spectra(model, lengths, false, options_of(2));
    // One matrix: an eigenvalue -1, surely; powers of a token and random words of 64 were read.
    CHECK(!spectra[0].not_real);
    REQUIRE(spectra[0].negative);
    CHECK(std::abs(spectra[0].negative->value + 1.0) < reflection_error);
    CHECK(spectra[0].all_real);
    CHECK(!spectra[0].all_positive);
    CHECK(spectra[0].products == (2 + 16) * 64);
    CHECK(spectra[1].products == (2 + 16) * 63);
    REQUIRE(spectra[1].not_real);
    const std::complex<double> value = spectra[1].not_real->value;
    CHECK(std::abs(value - std::polar(1.0, 2.0 * angle)) < reflection_error);
    // The last two symbols of its word differ.
    const std::vector<std::size_t>& word = spectra[1].not_real->word;
    REQUIRE(word.size() >= 2);
    CHECK(word[word.size() - 1] != word[word.size() - 2]);
    // So the model is outside Theorem 2's hypothesis, by layer 2; one layer of it is not.
    const Hypothesis hypothesis = check_hypothesis(model, Theorem::modular(3), {{0, 1}, {"a", "b"}});
    CHECK(!hypothesis.holds);
    REQUIRE(hypothesis.violation);
    CHECK(hypothesis.violation->layer == 1);
    REQUIRE(hypothesis.violation->symbols.size() == 2);
    CHECK(hypothesis.violation->symbols[0] != hypothesis.violation->symbols[1]);
    CHECK(hypothesis.violation->eigenvalue == value);
    CHECK(hypothesis.statement.find("layer 1, head 0, the product of the last 2 matrices of the word") == 0);
    CHECK(check_hypothesis(reflections({0.2, 0.2 + angle}, 1), Theorem::modular(3), {{0, 1}, {"a", "b"}}).holds);
  }
}

TEST_CASE("what rounding errors could make of real eigenvalues is not called complex") {
  // Equal reflections: the identity up to 1e-6, whose eigenvalues come out as a pair off the axis or as two reals. An
  // angle of 1e-7 is below what keys are known to.
  for (const double angle : {0.0, 1e-7}) {
    const Program model = reflections({0.7, 0.7 + angle}, 2);
    const std::uint64_t lengths[] = {0, 2};
    const std::vector<ProductSpectrum> spectra = product_spectra(model, lengths, false, options_of(2));
    CHECK(spectra[0].products == 0);
    CHECK(spectra[1].products == (2 + 16) * 63);
    CHECK(!spectra[1].not_real);
    CHECK(!spectra[1].negative);
    const Hypothesis hypothesis = check_hypothesis(model, Theorem::modular(3), {{0, 1}, {"a", "b"}});
    CHECK(!hypothesis.violation);
    CHECK(!hypothesis.holds);
  }
}

TEST_CASE("products of trained models are those of measured matrices") {
  struct Case {
    const char* name;
    std::size_t block;
    std::uint64_t length;
  };
  // From low-rank updates with and without gates to full matrices, with more updates than keys as well.
  for (const Case& c : {Case{"golden/delta_net_neg", 1, 2}, Case{"golden/gated_deltanet_neg", 1, 4},
                        Case{"golden/gated_deltaproduct_n2", 1, 2}, Case{"golden/deltaproduct_n2", 0, 8},
                        Case{"golden/rwkv7_default", 1, 2}, Case{"golden/mamba2_default", 1, 2},
                        Case{"golden/comba_default", 1, 3}, Case{"golden/mamba3_default", 1, 3},
                        Case{"golden/retnet_default", 0, 4}, Case{"golden/precond_gated_deltanet_default", 1, 2}}) {
    CAPTURE(std::string(c.name));
    const Program model = load(c.name);
    const std::size_t heads = hidden_part(model, c.block).shape[0];
    SpectrumOptions options;
    options.tokens = {3};
    options.words = 0;
    options.length = 16;
    std::vector<std::uint64_t> lengths(model.layers().size(), 0);
    lengths[c.block] = c.length;
    const ProductSpectrum ours = product_spectra(model, lengths, false, options)[c.block];
    CHECK(ours.products == heads * (16 - c.length + 1));
    double least = std::numeric_limits<double>::infinity();
    double most = -least;
    double most_imaginary = 0.0;
    for (std::size_t head = 0; head < heads; ++head) {
      const std::vector<Eigen::MatrixXd> matrices =
          measured_matrices(model, c.block, head, std::vector<std::uint32_t>(16, 3));
      for (std::size_t t = c.length; t <= matrices.size(); ++t) {
        Eigen::MatrixXd product = matrices[t - c.length];
        for (std::size_t i = t - c.length + 1; i < t; ++i) product = matrices[i] * product;
        const Eigen::VectorXcd values = Eigen::EigenSolver<Eigen::MatrixXd>(product, false).eigenvalues();
        for (const std::complex<double>& value : values) {
          least = std::min(least, value.real());
          most = std::max(most, value.real());
          most_imaginary = std::max(most_imaginary, std::fabs(value.imag()));
        }
        // The one named is an eigenvalue of the product that is named.
        if (ours.not_real && ours.not_real->head == head && ours.not_real->word.size() == t) {
          double distance = 1.0;
          for (const std::complex<double>& value : values) {
            distance = std::min(distance, std::abs(value - ours.not_real->value));
          }
          CHECK(distance < 1e-6);
        }
      }
    }
    // Differences of numbers of size 1 in double, and eigenvalues that may be as ill-conditioned as the square root of
    // that: 1e-6 leaves a hundredfold.
    CHECK(std::fabs(ours.least_real - least) < 1e-6);
    CHECK(std::fabs(ours.most_real - most) < 1e-6);
    CHECK(std::fabs(ours.most_imaginary - most_imaginary) < 1e-6);
  }
}

TEST_CASE("trained models and Theorem 2 above the first layer") {
  const LearnedSymbols symbols{{1, 2}, {"0", "1"}};
  const auto check = [&](const std::string& name, const Theorem& theorem) {
    return check_hypothesis(load(name), theorem, symbols);
  };
  for (const char* name : {"golden/delta_net_neg", "golden/gated_deltanet_neg"}) {
    const Hypothesis hypothesis = check(name, Theorem::modular(3));
    REQUIRE(hypothesis.violation);
    CHECK(hypothesis.violation->layer == 1);
    CHECK(hypothesis.violation->symbols.size() == 2);
    CHECK(hypothesis.violation->eigenvalue.imag() > 0.0);
  }
  // Commuting diagonal matrices: real by their form, at any depth.
  for (const char* name : {"golden/mamba_posneg_paper", "golden/gla_default", "golden/mamba2_default",
                           "golden/xlstm10_mlstm", "golden/mambaLM_posneg"}) {
    const Hypothesis hypothesis = check(name, Theorem::modular(3));
    CHECK(hypothesis.holds);
    for (const LayerHypothesis& layer : hypothesis.layers) CHECK(layer.checked == 0);
  }
  for (const char* name : {"golden/hgrn_default", "golden/hgrn2_default", "golden/rwkv6_default",
                           "golden/mesa_net_default", "golden/linear_attn_default"}) {
    CAPTURE(std::string(name));
    CHECK(check(name, Theorem::modular(3)).holds);
    CHECK(check(name, Theorem::parity()).holds);
  }
  // Keys that turn, and vectors erased that are not the ones written: no form of theirs settles anything.
  for (const char* name : {"golden/retnet_default", "golden/mamba3_default", "golden/mamba3_mimo"}) {
    for (const Theorem& theorem : {Theorem::modular(3), Theorem::parity()}) {
      CAPTURE(std::string(name));
      const Hypothesis turning = check(name, theorem);
      CHECK(!turning.holds);
      REQUIRE(turning.violation);
      CHECK(turning.violation->eigenvalue.imag() > 0.0);
    }
  }
  for (const char* name : {"golden/comba_default", "golden/precond_gated_deltanet_default"}) {
    CHECK(!check(name, Theorem::parity()).holds);
  }
  // Gates that are negative for some token: outside the hypothesis of Theorem 1.
  const Hypothesis parity = check("golden/mamba_posneg_paper", Theorem::parity());
  REQUIRE(parity.violation);
  CHECK(parity.violation->eigenvalue.real() < 0.0);
  CHECK(parity.violation->eigenvalue.imag() == 0.0);
  // No theorem covers a nonlinear network.
  const Hypothesis nonlinear = check("golden/xlstm01_slstm", Theorem::modular(3));
  CHECK(!nonlinear.holds);
  CHECK(!nonlinear.violation);
}

TEST_CASE("lengths beyond the words' are refused") {
  const Program model = reflections({0.0, 1.0}, 1);
  const std::uint64_t too_long[] = {65};
  CHECK_THROWS_AS(product_spectra(model, too_long, false, options_of(2)), InputError);
  const std::uint64_t one[] = {1};
  CHECK_THROWS_AS(product_spectra(model, one, false, options_of(3)), InputError);
}

}  // namespace
}  // namespace krohn
