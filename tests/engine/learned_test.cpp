// label: quick
// The canonical form is one function: number by number in plain C++, with eight columns or eight words to a register,
// on any number of threads, its bits are the same. What is not finite ends a run, and models that do not fit are not
// made.
#include "krohn/engine/learned.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <mutex>

#include "engine/bare_program.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/engine/interpreter.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

template <class T>
void compare_with_one_by_one(const Program& model) {
  forward::Interpreter<forward::OneByOne<T>> plain(model);
  std::vector<T> state(model.state_size());
  plain.initial(state.data());
  LearnedStream<T> stream(model);
  REQUIRE(stream.state().size() == state.size());
  CHECK(std::memcmp(state.data(), stream.state().data(), state.size() * sizeof(T)) == 0);
  std::vector<T> expected(model.num_logits());
  std::vector<T> logits(model.num_logits());
  for (std::uint32_t t = 0; t < 8; ++t) {
    const std::uint32_t token = (t * t + 1) % static_cast<std::uint32_t>(model.vocabulary_size());
    plain.step(state.data(), &token, expected.data());
    stream.step(token, logits);
    CHECK(std::memcmp(expected.data(), logits.data(), logits.size() * sizeof(T)) == 0);
    CHECK(std::memcmp(state.data(), stream.state().data(), state.size() * sizeof(T)) == 0);
  }
}

TEST_CASE("one number at a time gives the bits of the vector forms, in every architecture") {
  for (const char* folder : {"golden", "variants"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(KROHN_TEST_DATA) / folder)) {
      CAPTURE(entry.path());
      const Program model = read_checkpoint(entry.path()).model;
      compare_with_one_by_one<float>(model);
      compare_with_one_by_one<double>(model);
    }
  }
}

TEST_CASE("threads and the company of other words change nothing") {
  const Program model = read_checkpoint(fs::path(KROHN_TEST_DATA) / "golden/deltaproduct_n2").model;
  std::vector<Tokens> words;
  for (std::uint32_t i = 0; i < 150; ++i) {
    Tokens word;
    for (std::uint32_t t = 0; t < 1 + i % 13; ++t) word.push_back((i * 7 + t * t * (i % 5)) % 8);
    words.push_back(std::move(word));
  }
  const auto run = [&](unsigned threads) {
    std::vector<std::vector<float>> all(words.size());
    std::mutex mutex;
    run_learned(model, words, {threads}, [&](std::size_t w, std::size_t, auto logits, auto) {
      const std::lock_guard lock(mutex);
      all[w].insert(all[w].end(), logits.begin(), logits.end());
    });
    return all;
  };
  const auto alone = run(1);
  CHECK(run(2) == alone);
  CHECK(run(7) == alone);
  for (std::size_t w = 0; w < words.size(); ++w) CHECK(alone[w].size() == words[w].size() * model.num_logits());
}

// 2, 9 and 20 words of one thread fill vectors of 8, 16 and 32 lanes where the processor has them.
TEST_CASE("vectors of words have the logits and final states of one word at a time") {
  for (const char* folder : {"golden", "models"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(KROHN_TEST_DATA) / folder)) {
      CAPTURE(entry.path());
      const Program model = read_checkpoint(entry.path()).model;
      const auto vocabulary = static_cast<std::uint32_t>(model.vocabulary_size());
      for (const std::uint32_t count : {2U, 9U, 20U}) {
        std::vector<Tokens> words;
        for (std::uint32_t i = 0; i < count; ++i) {
          Tokens word;
          for (std::uint32_t t = 0; t < 1 + i % 7; ++t) word.push_back((i * i + t * (i % 5) + t * t) % vocabulary);
          words.push_back(std::move(word));
        }
        std::size_t ended = 0;
        std::vector<LearnedStream<float>> streams;
        for (std::uint32_t i = 0; i < count; ++i) streams.emplace_back(model);
        std::vector<float> expected(model.num_logits());
        run_learned(model, words, {1, Device::cpu}, [&](std::size_t w, std::size_t t, auto logits, auto final_state) {
          streams[w].step(words[w][t], expected);
          CHECK(std::memcmp(expected.data(), logits.data(), expected.size() * sizeof(float)) == 0);
          if (t + 1 < words[w].size()) return;
          ++ended;
          REQUIRE(final_state.size() == model.state_size());
          CHECK(std::memcmp(streams[w].state().data(), final_state.data(), final_state.size() * sizeof(float)) == 0);
        });
        CHECK(ended == count);
      }
    }
  }
}

TEST_CASE("restart forgets, and a model without blocks is a table") {
  // Stored input by input: embedding row t is {e[t], e[2 + t]}.
  const Program model = testing::bare_program({1, 2, 3, 4}, {1, 0, 0, 1});
  CHECK(model.state_size() == 0);
  LearnedStream<double> stream(model);
  std::vector<double> logits(2);
  stream.step(0, logits);
  CHECK(logits == std::vector<double>{1, 3});
  stream.step(1, logits);
  CHECK(logits == std::vector<double>{2, 4});
  const Program recurrent = read_checkpoint(fs::path(KROHN_TEST_DATA) / "golden/gla_default").model;
  LearnedStream<float> first(recurrent);
  std::vector<float> once(8);
  std::vector<float> again(8);
  first.step(3, once);
  first.step(3, again);
  CHECK(once != again);
  first.restart();
  first.step(3, again);
  CHECK(once == again);
}

TEST_CASE("a logit that is not finite ends the run with an error that says where") {
  const float large = std::numeric_limits<float>::max();
  const Program model = testing::bare_program({1, 2, 0, 0}, {large, 0, 0, 1});
  LearnedStream<float> stream(model);
  std::vector<float> logits(2);
  CHECK_NOTHROW(stream.step(0, logits));
  CHECK_THROWS_AS(stream.step(1, logits), NumericError);
  const auto ignore = [](auto, auto, auto, auto) {};
  try {
    run_learned(model, std::vector<Tokens>{{0, 0}, {0, 1}}, {}, ignore);
    CHECK(false);
  } catch (const NumericError& error) {
    CHECK(std::string(error.what()).starts_with("word 1, position 1: logit 0 is infinite"));
  }
  CHECK_THROWS_AS(stream.step(2, logits), InputError);
  CHECK_THROWS_AS(run_learned(model, std::vector<Tokens>{{2}}, {}, ignore), InputError);
}

TEST_CASE("a model whose parts do not fit is not made, and every part is named") {
  CHECK_THROWS_AS(testing::bare_program({1, 2, 3}, {1, 0, 0, 1}), InputError);
  CHECK_THROWS_AS(testing::bare_program({1, 2, 3, std::numeric_limits<float>::quiet_NaN()}, {1, 0, 0, 1}), InputError);
  const Program good = read_checkpoint(fs::path(KROHN_TEST_DATA) / "golden/gated_deltaproduct_n2").model;
  const auto tensor = [](ProgramParts& parts, const std::string& name) -> ProgramTensor& {
    for (ProgramTensor& each : parts.tensors) {
      if (each.name == name) return each;
    }
    throw std::logic_error("no tensor " + name);
  };
  ProgramParts parts = good.parts();
  tensor(parts, "model.layers.1.attn.A_log").values.pop_back();
  tensor(parts, "model.layers.1.attn.q_conv1d.weight").values.clear();
  tensor(parts, "model.layers.0.attn_norm.weight").shape[0] += 1;
  tensor(parts, "model.layers.0.attn_norm.weight").values.push_back(1);
  try {
    const Program bad(parts);
    CHECK(false);
  } catch (const InputError& error) {
    CHECK(error.problems().size() == 3);
    CHECK(std::string(error.what()).find("model.layers.1.attn.A_log: expected shape [2], got [1]") !=
          std::string::npos);
  }
  CHECK(good.num_parameters() == 29000);
  CHECK(good.fingerprint().size() == 64);
  // Another constant, another name, another weight, another state: another program.
  std::vector<ProgramParts> others(4, good.parts());
  for (Operation& operation : others[0].operations) {
    if (auto* op = std::get_if<Elementwise>(&operation.kind); op != nullptr && op->function == Function::strength) {
      op->l = 1;
    }
  }
  others[1].tensors[3].name += "'";
  others[2].tensors[3].values[0] += 1;
  others[3].state_parts[0].initial = 1;
  for (const ProgramParts& other : others) CHECK(Program(other).fingerprint() != good.fingerprint());
  CHECK(Program(others[0]).weights_fingerprint() == good.weights_fingerprint());
  CHECK(Program(others[2]).weights_fingerprint() != good.weights_fingerprint());
}

}  // namespace
}  // namespace krohn
