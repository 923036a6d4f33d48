// label: quick
// The batched forms give the labels, margins and errors of the reference, word by word, for every number of threads.
#include <doctest/doctest.h>

#include <bit>
#include <limits>

#include "engine/random_model.hpp"
#include "engine/reference.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using testing::RandomModel;
using testing::RandomShape;
using testing::swaps;

constexpr Semantics all_semantics[] = {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1};

std::string check_against_reference(const LrnnModel& model, Semantics semantics, const std::vector<Word>& words,
                                    const RunOptions& options) {
  const Trace trace = make_machine(model, semantics)->run(words, options);
  CHECK(trace.semantics == semantics_id(semantics));
  REQUIRE(trace.num_words() == words.size());
  REQUIRE(trace.margins.size() == (options.margins ? trace.labels.size() : 0));
  for (std::size_t i = 0; i < words.size(); ++i) {
    reference::Run expected(model, semantics);
    std::vector<reference::Position> positions = {expected.start()};
    for (const Symbol a : words[i]) positions.push_back(expected.step(a));
    REQUIRE(!expected.error());
    if (!options.all_positions) positions = {positions.back()};
    REQUIRE(trace.labels_of(i).size() == positions.size());
    for (std::size_t t = 0; t < positions.size(); ++t) {
      REQUIRE(trace.labels_of(i)[t] == positions[t].label);
      if (options.margins) REQUIRE(trace.margins[trace.offset[i] + t] == positions[t].margin);
    }
  }
  return trace.device;
}

std::vector<Word> ragged_words(RandomModel& draw, std::size_t symbols, std::size_t count, std::size_t longest) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < count; ++i) words.push_back(draw.word(symbols, draw.below(longest + 1)));
  return words;
}

TEST_CASE("labels and margins at the end and at all positions, several layers, ragged words") {
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    RandomModel draw(seed);
    RandomShape shape;
    shape.layers = seed % 4;
    shape.key_size = 1 + seed % 7;
    shape.value_size = seed % 5 == 0 ? 2 : 1;
    shape.undefined_rows = seed % 3 == 0;
    shape.reads_before = seed % 4 == 2;
    shape.reads_apart = seed % 8 > 4;
    const LrnnModel model = draw.draw(shape);
    const std::vector<Word> words = ragged_words(draw, shape.symbols, 1 + seed * 7 % 80, shape.reads_apart ? 12 : 40);
    for (const Semantics semantics : all_semantics) {
      check_against_reference(model, semantics, words, {Device::cpu, seed % 2 == 0, seed % 3 != 1, 1 + seed % 3, 0});
    }
  }
}

TEST_CASE("large batches of models of few states: few and many rows, 1 to 8 dimensions, gates, lengths 0 to 9000") {
  int fast = 0;
  for (std::uint32_t seed = 0; seed < 24; ++seed) {
    const std::size_t size = 1 + seed % 8;
    const std::size_t symbols = seed % 3 == 0 ? 19 : 2 + seed % 6;
    const bool every = seed % 5 == 2;
    const LrnnModel model = swaps(size, symbols, seed, seed % 4 == 1);
    RandomModel draw(seed);
    std::vector<Word> words = ragged_words(draw, symbols, 37, 200);
    for (int i = 0; i < 26; ++i) words.push_back(draw.word(symbols, 9000 + draw.below(3)));
    const std::string device =
        check_against_reference(model, all_semantics[seed % 3], words, {Device::cpu, every, !every, 1 + seed % 2, 0});
    fast += static_cast<int>(device == "cpu (states)");
  }
  CHECK(fast >= 12);
}

TEST_CASE("neighbours that share their beginnings, are beginnings of each other, or equal") {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    RandomModel draw(seed);
    RandomShape shape;
    shape.layers = 1 + seed % 3;
    shape.undefined_rows = seed % 3 == 0;
    const LrnnModel model = draw.draw(shape);
    std::vector<Word> words = {{}};
    for (int i = 0; i < 200; ++i) {
      Word word = words.back();
      word.resize(draw.below(word.size() + 1));
      const Word tail = draw.word(shape.symbols, draw.below(4));
      word.insert(word.end(), tail.begin(), tail.end());
      words.push_back(std::move(word));
    }
    check_against_reference(model, all_semantics[seed % 3], words, {Device::cpu, seed % 2 == 0, true, 1 + seed % 3, 0});
  }
}

TEST_CASE("the first word that overflows is named, for every number of threads") {
  TokenRow grow;
  grow.gate = {2.0F};
  const SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  TableLayer layer{TokenTable(1, 1, {grow, TokenRow{}}), {1.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
  const LrnnModel model(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
  std::vector<Word> words(300, Word(400, 1));
  words[170] = Word(500, 0);
  words[250] = Word(128, 0);
  const auto machine = make_machine(model, Semantics::fp32_fma_v1);
  for (const unsigned threads : {1U, 4U}) {
    CHECK_THROWS_WITH_AS(machine->run(words, {Device::cpu, false, false, threads, 0}),
                         doctest::Contains("word 171, position 128"), NumericError);
  }
}

TEST_CASE("symbols outside the alphabet are refused; no words and empty words are not") {
  const LrnnModel model = swaps(3, 4, 1, false);
  const auto machine = make_machine(model, Semantics::fp32_fma_v1);
  CHECK_THROWS_AS(machine->run(std::vector<Word>{{0, 4}}), InputError);
  CHECK(machine->run({}).num_words() == 0);
  const Trace trace = machine->run(std::vector<Word>{{}, {}});
  CHECK(trace.label(0) == model.initial_label());
  CHECK(trace.label(1) == model.initial_label());
}

}  // namespace
}  // namespace krohn
