// label: quick
// What the newer architectures' configurations say and nothing reads is passed over with a note, what leaks or fails in
// the library is refused with the reason, and so are model types that are no linear recurrences. A model is its file:
// forms with a tied feature map, and RetNet's state, are those of the definition.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "../temporary_directory.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/engine/spectrum.hpp"
#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

const fs::path golden = fs::path(KROHN_TEST_DATA) / "golden";

// A recorded checkpoint under another configuration.
class Reworded {
 public:
  Reworded(const std::string& name, const std::string& from, const std::string& to) {
    fs::copy_file(golden / name / "model.safetensors", directory_ / "model.safetensors");
    std::string text = read_file(golden / name / "config.json");
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    std::ofstream(directory_ / "config.json") << text.replace(at, from.size(), to);
  }
  Checkpoint read() const { return read_checkpoint(directory_ / ""); }
  std::string problems() const {
    try {
      read();
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }

 private:
  TemporaryDirectory directory_;
};

bool noted(const Checkpoint& checkpoint, const std::string& beginning) {
  return std::any_of(checkpoint.notes.begin(), checkpoint.notes.end(),
                     [&](const std::string& note) { return note.starts_with(beginning); });
}

TEST_CASE("an option that no layer reads changes nothing, and a note says so where it says something else") {
  struct Row {
    const char *name, *key, *from, *to;
  };
  const Row rows[] = {
      {"comba_default", "use_inner_decay", "\"use_inner_decay\": true", "\"use_inner_decay\": false"},
      {"comba_default", "use_output_correction", "\"use_output_correction\": true", "\"use_output_correction\": false"},
      {"comba_default", "correction_factor", "\"correction_factor\": 1.0", "\"correction_factor\": 0.02"},
      {"retnet_default", "use_short_conv", "\"use_short_conv\": false", "\"use_short_conv\": true"},
      {"mesa_net_default", "use_short_conv", "\"use_short_conv\": true", "\"use_short_conv\": false"},
      {"hgrn2_default", "num_heads", "\"num_heads\": 2", "\"num_heads\": 4"},
      {"kda_default", "safe_gate", "\"safe_gate\": false", "\"safe_gate\": true"},
      {"mamba3_default", "hidden_act", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\""},
      {"linear_attn_elu_normed", "tie_feature_map_qk", "\"tie_feature_map_qk\": false", "\"tie_feature_map_qk\": true"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CAPTURE(row.key);
    const Checkpoint plain = read_checkpoint(golden / row.name);
    const Checkpoint said = Reworded(row.name, row.from, row.to).read();
    CHECK(said.model == plain.model);
    CHECK(said.model.fingerprint() == plain.model.fingerprint());
    CHECK(noted(said, std::string(row.key) + " changes nothing"));
    CHECK(!noted(plain, std::string(row.key) + " changes nothing"));
  }
}

TEST_CASE("what leaks, fails or is no linear recurrence is refused with the reason") {
  struct Row {
    const char *name, *from, *to, *reason;
  };
  const Row rows[] = {
      {"comba_default", "\"num_v_heads\": null", "\"num_v_heads\": 4", "reads vectors of later tokens"},
      {"kda_default", "\"num_v_heads\": null", "\"num_v_heads\": 1", "a multiple of num_heads"},
      {"precond_gated_deltanet_default", "\"num_v_heads\": null", "\"num_v_heads\": 1", "a multiple of num_heads"},
      {"precond_gated_deltanet_default", "\"squash_x\": 1.5", "\"squash_x\": 0", "a number above 0"},
      {"hgrn_default", "\"expand_ratio\": 1", "\"expand_ratio\": 2", "1 with use_lower_bound"},
      {"retnet_default", "\"hidden_act\": \"swish\"", "\"hidden_act\": \"powlu\"", "'swish' or 'silu'"},
      {"retnet_default", "\"feature_map\": null", "\"feature_map\": \"elu\"", "'relu' or 'silu'"},
      {"linear_attn_default", "elementwise_product", "taylor", "'elementwise_product' or 'hedgehog'"},
      {"gated_deltanet_attnres2", "\"attnres_block_size\": 2", "\"attnres_block_size\": 3",
       "null, 1 or an even number"},
      {"hgrn_default", "\"attn\": null", "\"attn\": {\"layers\": [0]}", "null"},
      {"mamba3_default", "\"num_heads\": 4", "\"num_heads\": 8", "expand * hidden_size / head_dim = 4"},
      {"mamba3_default", "\"rope_fraction\": 0.5", "\"rope_fraction\": 1.5", "a share of the state's keys"},
      {"comba_default", "\"comba\"", "\"log_linear_mamba2\"", "sums over dyadic blocks of the past"},
      {"comba_default", "\"comba\"", "\"path_attn\"", "keeps all earlier tokens"},
      {"comba_default", "\"comba\"", "\"deltaformer\"", "a linear recurrence on a state of a fixed size"},
      {"comba_default", "\"comba\"", "\"transformer\"", "softmax attention keeps all earlier tokens"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CAPTURE(row.to);
    const std::string problems = Reworded(row.name, row.from, row.to).problems();
    CAPTURE(problems);
    CHECK(problems.find(row.reason) != std::string::npos);
  }
}

// The eigenvalues that the architectures' definitions give: RetNet's are gamma e^(+-i 10000^(-2j/d)) whatever is read,
// linear attention's 1, Mamba-3's come in conjugate pairs of modulus at most 1, HGRN's lie in (0, 1).
TEST_CASE("the spectra are those of the definitions") {
  const auto spectrum = [](const char* name) {
    const Program model = read_checkpoint(golden / name).model;
    SpectrumOptions options;
    for (std::uint32_t token = 0; token < model.vocabulary_size(); ++token) options.tokens.push_back(token);
    options.words = 2;
    options.length = 12;
    return compute_spectrum(model, options);
  };
  for (const HeadSpectrum& head : spectrum("retnet_default").heads) {
    const double gamma = 1.0 - std::pow(2.0, -5.0 - static_cast<double>(head.head));
    CHECK(head.key_size == 16);
    CHECK(head.least_modulus == doctest::Approx(gamma).epsilon(1e-12));
    CHECK(head.most_modulus == doctest::Approx(gamma).epsilon(1e-12));
    CHECK(head.most_imaginary == doctest::Approx(gamma * std::sin(1.0)).epsilon(1e-12));
    CHECK(head.least_real == doctest::Approx(gamma * std::cos(1.0)).epsilon(1e-12));
  }
  for (const HeadSpectrum& head : spectrum("linear_attn_default").heads) {
    CHECK(head.least_real == 1.0);
    CHECK(head.most_real == 1.0);
    CHECK(head.complex == 0);
  }
  for (const char* name : {"mamba3_default", "mamba3_mimo"}) {
    for (const HeadSpectrum& head : spectrum(name).heads) {
      CHECK(head.complex > 0);
      CHECK(head.most_modulus <= 1.0 + 1e-12);
      // Half of the pairs turn.
      CHECK(2 * head.complex <= head.eigenvalues);
    }
  }
  for (const char* name : {"hgrn_default", "hgrn2_default", "rwkv6_default", "mesa_net_default"}) {
    for (const HeadSpectrum& head : spectrum(name).heads) {
      CHECK(head.least_real > 0.0);
      CHECK(head.most_real < 1.0);
      CHECK(head.complex == 0);
    }
  }
  for (const HeadSpectrum& head : spectrum("comba_default").heads) {
    CHECK(head.least_real > -1.0);
    CHECK(head.most_real < 1.0);
    CHECK(head.complex == 0);
  }
}

}  // namespace
}  // namespace krohn
