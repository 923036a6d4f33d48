// label: quick
// Every recorded case: the canonical fp32 form's logits lie within 1e-4 of the float64 reference's and give the same
// labels, the double form reproduces logits and states to 1e-9, eight words at once give the bits of one at a time,
// and a run resumed from its state goes on as if it had not stopped.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>

#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/results/token_run.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

// Recorded cases: `golden` from trained architectures' own programs, `variants` from a float64 reference with every
// option at work (each also in bf16 or fp16 weights).
const fs::path golden = fs::path(KROHN_TEST_DATA) / "golden";
const fs::path variants = fs::path(KROHN_TEST_DATA) / "variants";

struct Case {
  std::string name;
  Program model;
  Safetensors expected;
  std::size_t words;
  std::size_t length;
  std::vector<std::int64_t> ids;
  std::vector<double> logits;
  // Half a unit in the last place of the largest logit, where they were recorded in single precision.
  double recorded_error;
};

// Or those of another folder (tests/project/random_options.py makes one).
std::vector<fs::path> cases() {
  std::vector<fs::path> paths;
  std::vector<fs::path> folders{golden, variants};
  if (const char* other = std::getenv("KROHN_RECORDED_CASES")) folders = {other};
  for (const fs::path& folder : folders) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Case load(const fs::path& path) {
  Safetensors expected = Safetensors::read(path / "golden.safetensors");
  const TensorView* ids = expected.find("input_ids");
  // Where another program's logits are recorded too, these are the float64 reference's.
  const TensorView* logits = expected.find("logits_ref");
  if (logits == nullptr) logits = expected.find("logits");
  REQUIRE(ids != nullptr);
  REQUIRE(logits != nullptr);
  const std::vector<double> values = to_double(*logits);
  double largest = 0;
  for (const double x : values) largest = std::max(largest, std::fabs(x));
  return {path.filename(), read_checkpoint(path).model,
          expected,        ids->shape[0],
          ids->shape[1],   to_int64(*ids),
          values,          logits->dtype == DType::f32 ? largest * 0x1p-24 : 0.0};
}

Tokens word(const Case& c, std::size_t b) {
  Tokens tokens;
  for (std::size_t t = 0; t < c.length; ++t) tokens.push_back(static_cast<std::uint32_t>(c.ids[b * c.length + t]));
  return tokens;
}

std::size_t largest(const double* row, std::size_t size) {
  return static_cast<std::size_t>(std::max_element(row, row + size) - row);
}

// An entry of the state as the recorded files have it, from the engine's layout: in them, heads that share a state
// repeat it `repeat` times, and Mamba's key index is the last.
double recorded_order(const std::vector<double>& state, const StatePart& part, bool transposed, std::size_t repeat,
                      std::size_t index) {
  const std::size_t head_size = part.shape[1] * part.shape[2];
  index = index / head_size / repeat * head_size + index % head_size;
  if (!transposed) return state[part.offset + index];
  const std::size_t rows = part.shape[1];
  const std::size_t columns = part.shape[2];
  const std::size_t head = index / (rows * columns);
  const std::size_t column = index / rows % columns;
  const std::size_t row = index % rows;
  return state[part.offset + (head * rows + row) * columns + column];
}

TEST_CASE("the double form reproduces the reference's logits and states") {
  for (const fs::path& path : cases()) {
    const Case c = load(path);
    const std::string& name = c.name;
    CAPTURE(name);
    const std::size_t v = c.model.num_logits();
    REQUIRE(c.logits.size() == c.words * c.length * v);
    double worst = 0;
    double worst_state = 0;
    for (std::size_t b = 0; b < c.words; ++b) {
      LearnedStream<double> stream(c.model);
      std::vector<double> logits(v);
      const Tokens tokens = word(c, b);
      for (std::size_t t = 0; t < c.length; ++t) {
        stream.step(tokens[t], logits);
        for (std::size_t i = 0; i < v; ++i) {
          worst = std::max(worst, std::fabs(logits[i] - c.logits[(b * c.length + t) * v + i]));
        }
      }
      const std::vector<double> state(stream.state().begin(), stream.state().end());
      for (const StatePart& part : c.model.state_parts()) {
        const TensorView* recorded = c.expected.find("S." + std::to_string(part.layer));
        if (part.kind != StatePart::Kind::hidden || recorded == nullptr) continue;
        const std::vector<double> expected = to_double(*recorded);
        REQUIRE(expected.size() % (c.words * part.size) == 0);
        const std::size_t repeat = expected.size() / (c.words * part.size);
        CHECK((repeat == 1 || c.model.architecture() == "gla"));
        const bool transposed = c.model.architecture().starts_with("mamba");
        for (std::size_t i = 0; i < part.size * repeat; ++i) {
          worst_state = std::max(worst_state, std::fabs(recorded_order(state, part, transposed, repeat, i) -
                                                        expected[b * part.size * repeat + i]));
        }
      }
    }
    MESSAGE(name, ": double logits within ", worst, ", states within ", worst_state);
    CHECK(worst < 1e-9 + c.recorded_error);
    CHECK(worst_state < 1e-9);
  }
}

TEST_CASE("the canonical form stays within 1e-4 and gives the same labels") {
  for (const fs::path& path : cases()) {
    const Case c = load(path);
    const std::string& name = c.name;
    CAPTURE(name);
    const std::size_t v = c.model.num_logits();
    std::vector<Tokens> words;
    for (std::size_t b = 0; b < c.words; ++b) words.push_back(word(c, b));
    std::vector<double> logits(c.words * c.length * v);
    run_learned(c.model, words, {}, [&](std::size_t b, std::size_t t, std::span<const float> row, auto) {
      std::copy(row.begin(), row.end(), logits.begin() + static_cast<std::ptrdiff_t>((b * c.length + t) * v));
    });
    double worst = 0;
    std::size_t differing = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) worst = std::max(worst, std::fabs(logits[i] - c.logits[i]));
    for (std::size_t i = 0; i < c.words * c.length; ++i) {
      differing += largest(&logits[i * v], v) == largest(&c.logits[i * v], v) ? 0U : 1U;
    }
    MESSAGE(name, ": fp32 logits within ", worst);
    CHECK(worst < 1e-4);
    CHECK(differing == 0);
  }
}

TEST_CASE("words run together give the bits of words run alone, and a resumed run those of an unbroken one") {
  for (const fs::path& path : cases()) {
    const Case c = load(path);
    const std::string& name = c.name;
    CAPTURE(name);
    const std::size_t v = c.model.num_logits();
    // Prefixes of all lengths of a word, a word twice, and words that share beginnings.
    std::vector<Tokens> words;
    const Tokens first = word(c, 0);
    for (const std::size_t length : {1U, 2U, 3U, 4U, 5U, 9U, 17U, 20U}) {
      words.emplace_back(first.begin(), first.begin() + length);
      words.push_back(words.back());
      words.back().back() = (words.back().back() + 1) % static_cast<std::uint32_t>(c.model.vocabulary_size());
    }
    words.push_back(words.front());
    words.emplace_back();
    std::vector<std::vector<float>> last(words.size());
    std::vector<std::vector<float>> states(words.size());
    std::mutex mutex;
    run_learned(c.model, words, {}, [&](std::size_t w, std::size_t t, std::span<const float> row, auto state) {
      const std::lock_guard lock(mutex);
      CHECK((t + 1 == words[w].size()) == !state.empty());
      last[w].assign(row.begin(), row.end());
      if (!state.empty()) states[w].assign(state.begin(), state.end());
    });
    for (std::size_t w = 0; w < words.size(); ++w) {
      std::vector<float> logits(v);
      LearnedStream<float> stream(c.model);
      for (std::size_t t = 0; t < words[w].size(); ++t) {
        if (t == words[w].size() / 2) {
          LearnedStream<float> resumed(c.model);
          std::copy(stream.state().begin(), stream.state().end(), resumed.state().begin());
          stream = std::move(resumed);
        }
        stream.step(words[w][t], logits);
      }
      if (words[w].empty()) {
        CHECK(last[w].empty());
        continue;
      }
      REQUIRE(last[w].size() == v);
      CHECK(std::memcmp(last[w].data(), logits.data(), v * sizeof(float)) == 0);
      REQUIRE(states[w].size() == stream.state().size());
      CHECK(std::memcmp(states[w].data(), stream.state().data(), states[w].size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("final states are written as the recorded files have them") {
  for (const fs::path& path : cases()) {
    const Case c = load(path);
    CAPTURE(c.name);
    std::vector<Tokens> words;
    for (std::size_t b = 0; b < c.words; ++b) words.push_back(word(c, b));
    std::size_t compared = 0;
    for (const Tensor& tensor : run_tokens(c.model, {words, c.length}, TokenStates::last)) {
      const TensorView* recorded = c.expected.find(tensor.name);
      if (recorded == nullptr) continue;
      CAPTURE(tensor.name);
      CHECK(tensor.shape == recorded->shape);
      const std::vector<double> ours = to_double(tensor.view());
      const std::vector<double> expected = to_double(*recorded);
      REQUIRE(ours.size() == expected.size());
      double worst = 0;
      double largest_entry = 0;
      for (std::size_t i = 0; i < ours.size(); ++i) {
        worst = std::max(worst, std::fabs(ours[i] - expected[i]));
        largest_entry = std::max(largest_entry, std::fabs(expected[i]));
      }
      // A hundred roundings of the largest entry a token: generous, and far below any mistake of order or shape.
      CHECK(worst <= largest_entry * 0x1p-24 * 100 * static_cast<double>(c.length));
      compared += 1;
    }
    CHECK(compared >= 1);
  }
}

TEST_CASE("older file forms of the same weights are the same model") {
  CHECK(read_checkpoint(golden / "delta_net_neg_fmt_paper").model == read_checkpoint(golden / "delta_net_neg").model);
  for (const char* name : {"mamba2_default", "rwkv7_default"}) {
    CHECK(read_checkpoint(golden / name / "hf").model == read_checkpoint(golden / name).model);
    CHECK(read_checkpoint(golden / name / "hf").model.fingerprint() ==
          read_checkpoint(golden / name).model.fingerprint());
  }
}

}  // namespace
}  // namespace krohn
