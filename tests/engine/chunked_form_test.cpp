// label: quick
// The chunked form on the CPU: its recurrence agrees with the recurrence step by step in double, is exact where every
// order of operations is, and whole models agree with the float64 reference and with the canonical labels.
#include "krohn/engine/chunked_form.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/error.hpp"
#include "krohn/model/program_builder.hpp"
#include "krohn/results/token_run.hpp"
#include "recurrence_reference.hpp"
#include "strong_gates.hpp"

namespace krohn {
namespace {

using namespace testing;

TEST_CASE("chunks agree with the recurrence step by step") {
  unsigned seed = 1;
  for (const ChunkedRule rule : {ChunkedRule::delta, ChunkedRule::linear, ChunkedRule::keywise,
                                 ChunkedRule::keywise_delta, ChunkedRule::rank_one}) {
    for (const std::size_t length : {0U, 1U, 63U, 64U, 65U, 150U}) {
      const std::uint32_t n = rule == ChunkedRule::delta ? 1 + seed % 4 : 1;
      const ChunkedShape shape{2, length, 4, seed % 2 == 0 ? 4U : 2U, 5 + seed % 12, 3 + seed % 9, n};
      for (const bool decays : {false, true}) {
        if (!decays && (rule == ChunkedRule::keywise || short_chunks(rule))) continue;
        const RecurrenceCase c = random_case(rule, shape, decays, seed);
        const RecurrenceResult expected = run_reference(c);
        std::vector<float> output;
        std::vector<float> state;
        run_chunked_cpu(rule, ChunkedFormat::bf16, shape, c.scale, c.arrays(output, state));
        CHECK(relative_error(output, expected.output) <= rounding_bound(shape, 0x1p-8, rule));
        CHECK(relative_error(state, expected.final_state) <= rounding_bound(shape, 0x1p-8, rule));
        // Nothing but sums of at most 64 + key_size terms rounds in fp32.
        run_chunked_cpu(rule, ChunkedFormat::fp32, shape, c.scale, c.arrays(output, state));
        CHECK(relative_error(output, expected.output) <= rounding_bound(shape, 0x1p-24 * 80, rule));
        CHECK(relative_error(state, expected.final_state) <= rounding_bound(shape, 0x1p-24 * 80, rule));
      }
      ++seed;
    }
  }
}

TEST_CASE("entries that decay by themselves lie within their rounding") {
  unsigned seed = 1;
  for (const Entries entries : {Entries::rates, Entries::signed_rates, Entries::decays}) {
    for (const std::size_t length : {0U, 1U, 9U, 150U}) {
      const ChunkedShape shape{2, length, 4, seed % 2 == 0 ? 4U : 2U, 1 + seed % 12, 3 + seed % 9, 1};
      const RecurrenceCase c = elementwise_case(shape, entries, seed++);
      for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
        const ElementwiseReference expected = run_elementwise_reference(c, output_roundoff(format));
        std::vector<float> output;
        std::vector<float> state;
        run_chunked_cpu(c.rule, format, shape, c.scale, c.arrays(output, state));
        CHECK(outside(output, expected.result.output, expected.bound.output) == 0);
        CHECK(outside(state, expected.result.final_state, expected.bound.final_state) == 0);
      }
    }
  }
}

TEST_CASE("dyadic reflections are exact in bf16 chunks") {
  for (const std::uint32_t n : {1U, 2U, 3U, 4U}) {
    const RecurrenceCase c = dyadic_reflections(2048 / n, n, n);
    const RecurrenceResult expected = run_reference(c);
    std::vector<float> output;
    std::vector<float> state;
    run_chunked_cpu(c.rule, ChunkedFormat::bf16, c.shape, c.scale, c.arrays(output, state));
    CHECK(relative_error(output, expected.output) == 0.0);
    CHECK(relative_error(state, expected.final_state) == 0.0);
  }
}

TEST_CASE("whole models in fp32 chunks lie within 1e-4 of the float64 reference") {
  // The canonical form's own limit: both round only sums, in fp32.
  std::size_t seen = 0;
  std::size_t refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(KROHN_TEST_DATA) / "golden")) {
    CAPTURE(entry.path().string());
    const Program model = read_checkpoint(entry.path()).model;
    const Safetensors golden = Safetensors::read(entry.path() / "golden.safetensors");
    const InputIds ids = read_input_ids(golden, model);
    if (without_chunked_form(model)) {
      CHECK_THROWS_AS(run_chunked_form(model, ids.words, {ChunkedFormat::fp32, Device::cpu}), InputError);
      ++refused;
      continue;
    }
    const TensorView* logits = golden.find("logits_ref");
    if (logits == nullptr) logits = golden.find("logits");
    const std::vector<double> expected = to_double(*logits);
    const ChunkedLogits got = run_chunked_form(model, ids.words, {ChunkedFormat::fp32, Device::cpu});
    REQUIRE(got.logits.size() == expected.size());
    double largest = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      largest = std::max(largest, std::abs(double{got.logits[i]} - expected[i]));
    }
    CHECK(largest <= 1e-4);
    ++seen;
  }
  CHECK(seen >= 23);
  CHECK(refused >= 4);
}

TEST_CASE("mLSTM in chunks keeps what its stabiliser divides away") {
  const Program model = strong_gates();
  const Tokens word = random_word(model);
  const std::vector<double> expected = logits_of<double>(model, word);
  const ChunkedLogits got = run_chunked_form(model, std::span(&word, 1), {ChunkedFormat::fp32, Device::cpu});
  REQUIRE(got.logits.size() == expected.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(double{got.logits[i]} - expected[i]));
  }
  CHECK(largest <= 1e-4);
}

TEST_CASE("the architectures whose recurrences have a chunked form") {
  const auto has_form = [](const char* name) {
    const auto path = std::filesystem::path(KROHN_TEST_DATA) / "golden" / name;
    return !without_chunked_form(read_checkpoint(path).model);
  };
  for (const char* name :
       {"delta_net_neg", "gated_deltanet_neg", "gated_deltaproduct_n2", "deltaproduct_n2", "kda_default",
        "rwkv7_default", "mamba_default", "mamba_posneg_paper", "mambaLM_posneg", "mamba2_default", "gla_default",
        "hgrn_default", "hgrn2_default", "linear_attn_default", "xlstm10_mlstm"}) {
    CAPTURE(std::string(name));
    CHECK(has_form(name));
  }
  for (const char* name : {"mamba3_default", "rwkv6_default", "comba_default", "mesa_net_default", "retnet_default",
                           "precond_gated_deltanet_default", "xlstm01_slstm"}) {
    CAPTURE(std::string(name));
    CHECK(!has_form(name));
  }
}

TEST_CASE("a decay below zero is refused where it occurs") {
  // Token 0 decays both keys by 1/2, token 1 one of them by -1/2.
  ProgramBuilder net("signed");
  const std::vector<float> entries = {1, 1, 0, 0, 1, 1, 0.5F, 0.5F, 0.5F, -0.5F};  // key [2], value [1], decays [2]
  const Slice x = net.embedding(net.add({"embedding", {2, 5}, true, entries}));
  net.begin_layer("mixer");
  LinearRecurrence recurrence = ProgramBuilder::recurrence(1, 2, 1);
  recurrence.decay = LinearRecurrence::Decay::key;
  recurrence.decays = ProgramBuilder::heads(x.part(3, 2), 2);
  RankOneUpdate write;
  write.write = ProgramBuilder::heads(x.part(0, 2), 2);
  write.value = ProgramBuilder::heads(x.part(2, 1), 1);
  recurrence.updates = {write};
  recurrence.query = ProgramBuilder::heads(x.part(0, 2), 2);
  const Slice read = net.recur(std::move(recurrence));
  net.end_layers();
  net.product(net.add({"head", {2, 1}, true, {1, -1}}), read);
  const Program model = net.finish();
  REQUIRE(!without_chunked_form(model));
  CHECK(run_chunked_form(model, std::vector<Tokens>{{0, 0, 0}}, {}).logits.size() == 6);
  CHECK_THROWS_AS(run_chunked_form(model, std::vector<Tokens>{{0, 0, 1}}, {}), InputError);
}

TEST_CASE("words of several lengths and foreign tokens are refused") {
  const Program model = read_checkpoint(std::filesystem::path(KROHN_TEST_DATA) / "golden" / "gla_default").model;
  const std::vector<Tokens> ragged = {{0, 1}, {0}};
  CHECK_THROWS_AS(run_chunked_form(model, ragged, {}), InputError);
  const std::vector<Tokens> foreign = {{static_cast<std::uint32_t>(model.vocabulary_size())}};
  CHECK_THROWS_AS(run_chunked_form(model, foreign, {}), InputError);
  CHECK(run_chunked_form(model, {}, {}).logits.empty());
}

}  // namespace
}  // namespace krohn
