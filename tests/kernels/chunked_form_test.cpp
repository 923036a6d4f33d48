// label: gpu
// Whole models with their recurrences in chunks on the device lie as near to the recorded float64 logits as their
// roundings allow.
#include "krohn/engine/chunked_form.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/strong_gates.hpp"
#include "kernels/require_gpu.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/results/token_run.hpp"

namespace krohn {
namespace {

using testing::gpu_or_skip;

double distance(const std::vector<float>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double sum = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) sum += (double{got[i]} - expected[i]) * (double{got[i]} - expected[i]);
  return std::sqrt(sum);
}

// To first order the error of the logits is linear in the roundings made. The canonical form rounds by 2^-24 of each
// result; these kernels round operands to 8 bits (2^-8 at most) or, in two planes, to 16 (of entries that decay by
// themselves inputs and outputs to 8 bits, or decays to 22), and no more often a token than the recurrence. What is as
// large in both forms (everything outside the recurrence) is inside the canonical error too.
double rounding_ratio(ChunkedFormat format) { return format == ChunkedFormat::bf16 ? 0x1p16 : 0x1p8; }

TEST_CASE("recorded cases in chunks on the device") {
  if (gpu_or_skip().empty()) return;
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(KROHN_TEST_DATA) / "golden")) {
    CAPTURE(entry.path().string());
    const Program model = read_checkpoint(entry.path()).model;
    if (without_chunked_form(model)) continue;
    const Safetensors golden = Safetensors::read(entry.path() / "golden.safetensors");
    const InputIds ids = read_input_ids(golden, model);
    const TensorView* logits = golden.find("logits_ref");
    if (logits == nullptr) logits = golden.find("logits");
    const std::vector<double> expected = to_double(*logits);
    std::vector<std::vector<float>> words(ids.words.size());
    run_learned(model, ids.words, {0, Device::cpu}, [&](std::size_t w, std::size_t, auto values, auto) {
      words[w].insert(words[w].end(), values.begin(), values.end());
    });
    std::vector<float> canonical;
    for (const std::vector<float>& word : words) canonical.insert(canonical.end(), word.begin(), word.end());
    const double error = distance(canonical, expected);
    for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
      CAPTURE(static_cast<int>(format));
      const ChunkedLogits got = run_chunked_form(model, ids.words, {format, Device::cuda});
      const double chunked = distance(got.logits, expected);
      MESSAGE(entry.path().filename().string(), ": ", format == ChunkedFormat::bf16 ? "bf16" : "fp32", " error ",
              chunked, ", canonical ", error);
      CHECK(chunked <= rounding_ratio(format) * error);
    }
    ++seen;
  }
  CHECK(seen >= 23);
}

TEST_CASE("mLSTM in chunks on the device keeps what its stabiliser divides away") {
  if (gpu_or_skip().empty()) return;
  const Program model = testing::strong_gates();
  const Tokens word = testing::random_word(model);
  const std::vector<double> expected = testing::logits_of<double>(model, word);
  const double error = distance(testing::logits_of<float>(model, word), expected);
  for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
    const ChunkedLogits got = run_chunked_form(model, std::span(&word, 1), {format, Device::cuda});
    CHECK(distance(got.logits, expected) <= rounding_ratio(format) * error);
  }
}

/// The words' logits; of the first, the middle and the last word they are bit by bit those of the word alone.
std::vector<float> logits_of_each_alone(const Program& model, std::span<const Tokens> words, ChunkedFormat format) {
  ChunkedLogits all = run_chunked_form(model, words, {format, Device::cuda});
  const std::size_t size = all.logits.size() / words.size();
  for (const std::size_t w : {std::size_t{0}, words.size() / 2, words.size() - 1}) {
    const ChunkedLogits one = run_chunked_form(model, words.subspan(w, 1), {format, Device::cuda});
    REQUIRE(one.logits.size() == size);
    CHECK(std::equal(one.logits.begin(), one.logits.end(), all.logits.begin() + static_cast<std::ptrdiff_t>(w * size)));
  }
  return std::move(all.logits);
}

/// More rows than go to a device at once.
std::size_t many_words() { return testing::small_cases() ? 70 : 5000; }

TEST_CASE("many words of every rule: in parts the logits of one word alone") {
  if (gpu_or_skip().empty()) return;
  for (const char* name : {"kda_default", "kda_neg_lower_bound", "rwkv7_default", "gla_default", "mamba2_default",
                           "mamba_default", "mamba_posneg_paper", "hgrn_default", "xlstm10_mlstm"}) {
    CAPTURE(std::string(name));
    const Program model = read_checkpoint(std::filesystem::path(KROHN_TEST_DATA) / "golden" / name).model;
    std::mt19937 random(1);
    std::vector<Tokens> words(many_words());
    for (Tokens& word : words) {
      word.resize(99);
      for (std::uint32_t& token : word) token = static_cast<std::uint32_t>(random() % model.vocabulary_size());
    }
    for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
      logits_of_each_alone(model, words, format);
    }
  }
}

TEST_CASE("many words: in parts the logits of one word alone, and their labels") {
  if (gpu_or_skip().empty()) return;
  for (const char* name : {"models/parity_delta_net_pos", "models/flipflop_delta_net_pos",
                           "models/s3_gated_deltaproduct_n2_neg", "zoo/mamba_1l__aab"}) {
    CAPTURE(std::string(name));
    const OpenModel open = open_model(std::filesystem::path(KROHN_TEST_DATA) / name);
    const LearnedView learned = *learned_of(*open.machine);
    std::mt19937 random(1);
    std::vector<Tokens> words(many_words());
    for (Tokens& word : words) {
      Word symbols(99);
      for (Symbol& a : symbols) a = static_cast<Symbol>(random() % open.machine->alphabet().size());
      word = tokens_of(learned.task, symbols);
    }
    for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
      const std::vector<float> all = logits_of_each_alone(learned.program, words, format);
      const ChunkedLabels labels = label_chunked_form(learned.program, learned.task, words, {format, Device::cuda});
      const std::size_t logits = learned.program.num_logits();
      std::size_t different = 0;
      for (std::size_t i = 0; i < labels.labels.size(); ++i) {
        const auto row = std::span<const float>(all).subspan(i * logits, logits);
        different += labels.labels[i] != learned.task.observe(row).label ? 1 : 0;
      }
      CHECK(labels.labels.size() * logits == all.size());
      CHECK(different == 0);
    }
  }
}

}  // namespace
}  // namespace krohn
