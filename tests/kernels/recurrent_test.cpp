// label: gpu
// The kernels of a batch give the bits of the CPU: states, labels, margins and errors.
#include "krohn/kernels/recurrent.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/random_model.hpp"
#include "kernels/require_gpu.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using testing::gpu_or_skip;
using testing::RandomModel;
using testing::RandomShape;
using testing::seed_step;
using testing::small_cases;
using testing::swaps;

constexpr Semantics all_semantics[] = {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1};

DeviceWords device_words(const std::vector<Word>& words) {
  std::size_t longest = 0;
  for (const Word& word : words) longest = std::max(longest, word.size());
  const std::size_t padded = (words.size() + 31) / 32 * 32;
  std::vector<std::uint8_t> symbols((longest + 15) / 16 * 16 * padded, 0xFF);
  std::vector<std::uint32_t> length;
  for (std::size_t w = 0; w < words.size(); ++w) {
    length.push_back(static_cast<std::uint32_t>(words[w].size()));
    for (std::size_t t = 0; t < words[w].size(); ++t) {
      symbols[(t / 16 * padded + w) * 16 + t % 16] = static_cast<std::uint8_t>(words[w][t]);
    }
  }
  return DeviceWords(symbols, length);
}

TEST_CASE(
    "words end where their machines' tables lead, in groups of 4, 2 and 1 symbols, in shared and in device memory") {
  if (gpu_or_skip().empty()) return;
  // Tables of 2^16 - 1 entries and fewer are walked in shared memory; 254 states of 4 symbols in groups, 255 not.
  const std::uint32_t symbol_counts[] = {1, 2, 3, 4, 5, 16, 17, 120, 256};
  const std::uint32_t state_counts[] = {1, 2, 7, 120, 252, 253, 700, 20'000};
  std::uint32_t seed = 0;
  for (const std::uint32_t symbols : symbol_counts) {
    for (const std::uint32_t states : state_counts) {
      RandomModel draw(++seed);
      if (small_cases() && seed % 9 != 0) continue;
      std::vector<std::uint32_t> next;
      for (std::uint32_t i = 0; i < states * symbols; ++i) {
        next.push_back(static_cast<std::uint32_t>(draw.below(states)));
      }
      std::vector<Word> words;
      const std::size_t lengths[] = {0, 1, 15, 16, 17, 31, 32, 33, 48, 200};
      const std::size_t count = seed % 4 == 0 ? 1 : seed % 4 == 1 ? 31 : seed % 4 == 2 ? 33 : 1500;
      for (std::size_t i = 0; i < count; ++i) words.push_back(draw.word(symbols, lengths[(i + seed) % 10]));
      const DeviceWords batch = device_words(words);
      CHECK(batch.num_words() == count);
      const std::uint32_t start = states - 1;
      std::vector<std::uint32_t> end(count, states);
      run_states_cuda({states, symbols, next.data()}, start, batch, end);
      for (std::size_t w = 0; w < count; ++w) {
        std::uint32_t expected = start;
        for (const Symbol a : words[w]) expected = next[expected * symbols + a];
        REQUIRE(end[w] == expected);
      }
      CHECK(std::vector<std::uint8_t>(words[0].begin(), words[0].end()) == batch.word(0));
    }
  }
}

void check_equal(const LrnnModel& model, Semantics semantics, const std::vector<Word>& words, RunOptions options,
                 const std::string& gpu) {
  const auto machine = make_machine(model, semantics);
  options.device = Device::cpu;
  const Trace expected = machine->run(words, options);
  options.device = Device::cuda;
  const Trace seen = machine->run(words, options);
  CHECK(seen.device == gpu);
  REQUIRE(seen.labels == expected.labels);
  REQUIRE(seen.margins.size() == expected.margins.size());
  for (std::size_t i = 0; i < seen.margins.size(); ++i) {
    REQUIRE(std::bit_cast<std::uint32_t>(seen.margins[i]) == std::bit_cast<std::uint32_t>(expected.margins[i]));
  }
}

TEST_CASE("any model: several layers, sizes to 256, value columns, undefined labels, all positions") {
  const std::string gpu = gpu_or_skip();
  if (gpu.empty()) return;
  const std::size_t sizes[] = {1, 2, 3, 5, 8, 13, 16, 31, 64, 128, 256};
  for (std::uint32_t seed = 0; seed < 44; seed += seed_step()) {
    RandomModel draw(seed);
    RandomShape shape;
    shape.layers = seed % 4;
    shape.key_size = sizes[seed % 11];
    shape.value_size = seed % 5 == 0 ? 3 : 1;
    shape.factors = 1 + seed % 5;
    shape.sparse = seed % 3 == 0;
    shape.reads_before = seed % 4 == 3;
    shape.undefined_rows = seed % 3 == 1;
    const LrnnModel model = draw.draw(shape);
    std::vector<Word> words;
    const std::size_t count = seed % 4 == 0 ? 1 : seed % 4 == 1 ? 31 : seed % 4 == 2 ? 33 : 300;
    for (std::size_t i = 0; i < count; ++i) words.push_back(draw.word(shape.symbols, draw.below(70)));
    check_equal(model, all_semantics[seed % 3], words, {Device::cpu, seed % 2 == 0, true, 0, 0}, gpu);
  }
}

TEST_CASE("integers that wrap and saturate, codes, and factors that read by vectors of their own") {
  const std::string gpu = gpu_or_skip();
  if (gpu.empty()) return;
  constexpr Semantics integers[] = {Semantics::int8_wrap_state_v1, Semantics::int8_saturate_state_v1,
                                    Semantics::int16_wrap_state_v1, Semantics::int16_saturate_state_v1};
  const std::size_t sizes[] = {1, 2, 3, 5, 8, 16, 40};
  for (std::uint32_t seed = 0; seed < 42; seed += seed_step()) {
    RandomModel draw(seed);
    RandomShape shape;
    shape.layers = 1 + seed % 3;
    shape.key_size = sizes[seed % 7];
    shape.value_size = seed % 5 == 0 ? 3 : 1;
    shape.factors = 1 + seed % 3;
    shape.reads_before = seed % 4 == 3;
    shape.reads_apart = seed % 2 == 0;
    shape.undefined_rows = seed % 6 == 1;
    const LrnnModel model = draw.draw(shape);
    std::vector<Word> words;
    for (std::size_t i = 0; i < 200; ++i) words.push_back(draw.word(shape.symbols, draw.below(70)));
    const RunOptions options{Device::cpu, seed % 2 == 0, true, 0, 0};
    check_equal(testing::with_integers(model), integers[seed % 4], words, options, gpu);
    check_equal(testing::with_codes(model, 1 + seed % 20, seed), Semantics::fp32_snap_v1, words, options, gpu);
    if (!shape.reads_apart) continue;
    // A factor is at most 1 + 2 |k| |r| times as long as its state, and three of a row 125 times: 16 of them stay
    // finite.
    for (Word& word : words) word.resize(std::min<std::size_t>(word.size(), 16));
    check_equal(model, seed % 4 == 0 ? Semantics::fp32_fma_v1 : Semantics::bf16_state_v1, words, options, gpu);
  }
}

TEST_CASE("licensed batches: swaps and resets, ragged and long words, few and many") {
  const std::string gpu = gpu_or_skip();
  if (gpu.empty()) return;
  for (std::uint32_t seed = 0; seed < 24; seed += seed_step()) {
    const std::size_t size = 1 + seed % 6;
    const std::size_t symbols = seed % 4 == 0 ? 2 : 2 + seed;
    const LrnnModel model = swaps(size, symbols, seed, seed % 4 == 1);
    RandomModel draw(seed);
    std::vector<Word> words;
    for (std::size_t i = 0; i < 500; ++i) words.push_back(draw.word(symbols, draw.below(300)));
    check_equal(model, all_semantics[seed % 3], words, {Device::cpu, false, true, 0, 0}, gpu);
    if (seed % 8 == 0 && !small_cases()) {
      words = {draw.word(symbols, 1'000'000), draw.word(symbols, 999'999), {}};
      check_equal(model, all_semantics[seed % 3], words, {Device::cpu, false, true, 0, 0}, gpu);
      words.assign(100'000, {});
      for (Word& word : words) word = draw.word(symbols, draw.below(20));
      check_equal(model, all_semantics[seed % 3], words, {Device::cpu, false, true, 0, 1U << 20U}, gpu);
    }
  }
}

TEST_CASE("a word that overflows is the same error as on the CPU") {
  if (gpu_or_skip().empty()) return;
  TokenRow grow;
  grow.gate = {2.0F};
  const SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  TableLayer layer{TokenTable(1, 1, {grow, TokenRow{}}), {1.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
  const LrnnModel model(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
  std::vector<Word> words(300, Word(400, 1));
  words[170] = Word(500, 0);
  words[250] = Word(128, 0);
  CHECK_THROWS_WITH_AS(make_machine(model, Semantics::fp32_fma_v1)->run(words, {Device::cuda}),
                       doctest::Contains("word 171, position 128"), NumericError);
}

}  // namespace
}  // namespace krohn
