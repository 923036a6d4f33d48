// label: quick
// The machine computes the function of docs/semantics.md, bit by bit, on random models with every feature.
#include "krohn/engine/machine.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/random_model.hpp"
#include "engine/reference.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using testing::RandomModel;
using testing::RandomShape;

constexpr Semantics all_semantics[] = {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1};

std::vector<std::uint32_t> words_of(const std::vector<std::byte>& state) {
  std::vector<std::uint32_t> words(state.size() / 4);
  std::memcpy(words.data(), state.data(), state.size());
  return words;
}

std::vector<std::uint32_t> expected_words(const reference::Run& run) {
  std::vector<std::uint32_t> words;
  for (const float x : run.hidden()) words.push_back(std::bit_cast<std::uint32_t>(x));
  words.push_back(run.undefined() ? 1U : 0U);
  return words;
}

// Runs one word in both; returns how often the label was `?`.
int compare(const LrnnModel& model, Semantics semantics, const Word& word) {
  const auto machine = make_machine(model, semantics);
  reference::Run run(model, semantics);
  std::vector<std::byte> state(machine->state_size());
  Observation seen = machine->initial(state);
  reference::Position expected = run.start();
  int undefined = 0;
  for (std::size_t t = 0;; ++t) {
    REQUIRE(seen.label == expected.label);
    REQUIRE(std::bit_cast<std::uint32_t>(seen.margin) == std::bit_cast<std::uint32_t>(expected.margin));
    REQUIRE(words_of(state) == expected_words(run));
    undefined += static_cast<int>(seen.label == undefined_label);
    if (t == word.size()) return undefined;
    expected = run.step(word[t]);
    if (run.error()) {
      CHECK_THROWS_AS(machine->step(state, word[t]), NumericError);
      return undefined;
    }
    seen = machine->step(state, word[t]);
  }
}

TEST_CASE("carried bytes, labels and margins equal the reference on random models") {
  int undefined = 0;
  for (std::uint32_t seed = 0; seed < 120; ++seed) {
    RandomModel draw(seed);
    RandomShape shape;
    shape.layers = seed % 4;
    shape.key_size = 1 + seed % 9;
    shape.value_size = seed % 5 == 0 ? 3 : 1;
    shape.factors = 1 + seed % 4;
    shape.slots = seed % 7 == 0 ? 1 : 2 + seed % 11;
    shape.sparse = seed % 3 == 0;
    shape.gates = seed % 2 == 0;
    shape.reads_before = seed % 4 == 1;
    shape.undefined_rows = seed % 6 == 0;
    const LrnnModel model = draw.draw(shape);
    for (const Semantics semantics : all_semantics)
      undefined += compare(model, semantics, draw.word(shape.symbols, 60));
  }
  CHECK(undefined > 0);
}

LrnnModel one_dimension(const TokenRow& row, float initial, float weight = 1.0F) {
  const SlotReadout sign{{{{0, weight}}, {{0, -weight}}}, {0.0F, 0.0F}};
  TableLayer layer{TokenTable(1, 1, {row}), {initial}, {sign}, false, {0}, {0}, {0}, {0, 1}};
  return LrnnModel(Alphabet::of_characters("a"), {"0", "1"}, 0, {0}, {layer});
}

TEST_CASE("a tie makes this label and every later one undefined, in one state") {
  TokenRow clear;
  clear.gate = {0.0F};
  const auto machine = make_machine(one_dimension(clear, 1.0F), Semantics::fp32_fma_v1);
  std::vector<std::byte> state(machine->state_size());
  CHECK(machine->initial(state).label == 0);
  for (int t = 0; t < 3; ++t) {
    const Observation seen = machine->step(state, 0);
    CHECK(seen.label == undefined_label);
    CHECK(seen.margin == 0.0F);
    CHECK(words_of(state) == std::vector<std::uint32_t>{0U, 1U});
  }
}

TEST_CASE("overflow ends the run with an error in the format in which it happens") {
  TokenRow grow;
  grow.gate = {256.0F};
  const LrnnModel model = one_dimension(grow, 1.0F);
  const auto steps = [&](Semantics semantics) {
    const auto machine = make_machine(model, semantics);
    std::vector<std::byte> state(machine->state_size());
    machine->initial(state);
    int count = 0;
    try {
      for (;; ++count) machine->step(state, 0);
    } catch (const NumericError&) {
    }
    return count;
  };
  CHECK(steps(Semantics::fp16_state_v1) == 1);  // 2^8, then 2^16
  CHECK(steps(Semantics::fp32_fma_v1) == 15);   // 2^120, then 2^128
  CHECK(steps(Semantics::bf16_state_v1) == 15);
  CHECK_THROWS_AS(make_machine(one_dimension(grow, 65520.0F), Semantics::fp16_state_v1), NumericError);
  CHECK_NOTHROW(make_machine(one_dimension(grow, 65519.0F), Semantics::fp16_state_v1));
  // A score may overflow where the state does not.
  const auto scores = make_machine(one_dimension(TokenRow{}, 4.0F, 2e38F), Semantics::fp32_fma_v1);
  std::vector<std::byte> state(scores->state_size());
  scores->initial(state);
  CHECK_THROWS_AS(scores->step(state, 0), NumericError);
}

TEST_CASE("a negative zero is carried as +0") {
  TokenRow negate;
  negate.gate = {-1.0F};
  negate.write = {};
  const SlotReadout one{{{}}, {0.0F}};
  TableLayer layer{TokenTable(1, 1, {negate}), {-0.0F}, {one}, false, {0}, {0}, {0}, {0}};
  const LrnnModel model(Alphabet::of_characters("a"), {"0"}, 0, {0}, {layer});
  for (const Semantics semantics : all_semantics) {
    const auto machine = make_machine(model, semantics);
    std::vector<std::byte> state(machine->state_size());
    CHECK(machine->initial(state).label == 0);
    CHECK(words_of(state) == std::vector<std::uint32_t>{0U, 0U});
    CHECK(machine->step(state, 0).margin == std::numeric_limits<float>::infinity());
    CHECK(words_of(state) == std::vector<std::uint32_t>{0U, 0U});
  }
}

}  // namespace
}  // namespace krohn
