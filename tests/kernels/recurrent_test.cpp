// label: gpu
// The kernels of a batch give the bits of the CPU: hidden states, labels, margins and errors.
#include "krohn/kernels/recurrent.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/random_model.hpp"
#include "engine/reference.hpp"
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

StateFormat format_of(Semantics semantics) {
  return semantics == Semantics::fp32_fma_v1     ? StateFormat::fp32
         : semantics == Semantics::fp16_state_v1 ? StateFormat::fp16
                                                 : StateFormat::bf16;
}

// Dense rows of a one-layer model, laid out as dense_rows.hpp of the kernels says, every part present or as asked.
struct Rows {
  DenseRowsView view;
  std::vector<float> values;
};

Rows rows_of(const LrnnModel& model, bool gate, bool value, bool write) {
  const TableLayer& layer = model.layers().front();
  Rows rows;
  std::size_t factors = 0;
  const std::size_t size = layer.table.key_size();
  std::vector<TokenRow> list;
  for (const std::int32_t r : model.symbol_row()) {
    list.push_back(layer.table.row(layer.row_action[static_cast<std::size_t>(r)]));
    factors = std::max(factors, list.back().factors.size());
  }
  list.emplace_back();
  for (const TokenRow& row : list) {
    if (gate) {
      for (std::size_t j = 0; j < size; ++j) rows.values.push_back(row.gate.size() == 1 ? row.gate[0] : row.gate[j]);
    }
    for (std::size_t f = 0; f < factors; ++f) {
      std::vector<float> key(size, 0.0F);
      float beta = 0.0F;
      float v = 0.0F;
      if (f < row.factors.size() && !row.factors[f].key.empty()) {
        for (const Entry& entry : row.factors[f].key) key[entry.index] = entry.value;
        beta = row.factors[f].beta;
        if (!row.factors[f].value.empty()) v = row.factors[f].value[0].value;
      }
      rows.values.insert(rows.values.end(), key.begin(), key.end());
      rows.values.push_back(value ? beta : -beta);
      if (value) rows.values.push_back(v);
    }
    if (write) {
      std::vector<float> b(size, 0.0F);
      for (const Entry& entry : row.write) b[entry.index] = entry.value;
      rows.values.insert(rows.values.end(), b.begin(), b.end());
    }
  }
  const auto stride = static_cast<std::uint32_t>(rows.values.size() / list.size());
  rows.view = {static_cast<std::uint32_t>(size),
               static_cast<std::uint32_t>(factors),
               gate,
               value,
               write,
               stride,
               stride,
               static_cast<std::uint32_t>(list.size()),
               nullptr};
  return rows;
}

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

TEST_CASE("hidden states of the dense kernels are the reference's, bit by bit: sizes 1 to 16, every part and format") {
  if (gpu_or_skip().empty()) return;
  for (std::uint32_t seed = 0; seed < 96; seed += seed_step()) {
    RandomModel draw(seed);
    RandomShape shape;
    shape.key_size = 1 + seed % 16;
    shape.symbols = seed % 3 == 0 ? 2 : 3 + seed % 30;
    shape.factors = 1 + seed / 16 * (shape.key_size - 1) / 5;  // 1 to key_size
    const bool plain = seed % 2 == 0;
    shape.gates = shape.values = shape.writes = !plain;
    const LrnnModel model = draw.draw(shape);
    Rows rows = rows_of(model, !plain, !plain, !plain);
    rows.view.values = rows.values.data();
    std::vector<Word> words;
    const std::size_t lengths[] = {0, 1, 15, 16, 17, 31, 32, 33, 48, 200};
    const std::size_t count = seed % 4 == 0 ? 1 : seed % 4 == 1 ? 31 : seed % 4 == 2 ? 33 : 700;
    for (std::size_t i = 0; i < count; ++i) words.push_back(draw.word(shape.symbols, lengths[i % 10]));
    const DeviceWords batch = device_words(words);
    CHECK(batch.num_words() == count);
    for (const Semantics semantics : all_semantics) {
      std::vector<float> initial = model.layers().front().initial_hidden;
      for (float& x : initial) x = reference::store(x, semantics);
      std::vector<float> hidden(count * shape.key_size, std::nanf(""));
      run_dense_cuda(rows.view, format_of(semantics), initial.data(), batch, hidden);
      for (std::size_t w = 0; w < count; ++w) {
        // The reference without decodes: a model whose readout has one slot never ties.
        TableLayer layer = model.layers().front();
        layer.readouts = {SlotReadout{{{}}, {0.0F}}};
        std::fill(layer.row_readout.begin(), layer.row_readout.end(), 0U);
        std::fill(layer.row_next.begin(), layer.row_next.end(), 0U);
        layer.next = {0};
        const LrnnModel bare(model.alphabet(), {"0"}, 0, model.symbol_row(), {layer});
        reference::Run run(bare, semantics);
        for (const Symbol a : words[w]) run.step(a);
        REQUIRE(!run.error());
        const std::vector<float> expected = run.hidden();
        for (std::size_t j = 0; j < expected.size(); ++j) {
          REQUIRE(std::bit_cast<std::uint32_t>(hidden[w * expected.size() + j] + 0.0F) ==
                  std::bit_cast<std::uint32_t>(expected[j]));
        }
        if (w == 40) break;
      }
    }
    CHECK(std::vector<std::uint8_t>(words[0].begin(), words[0].end()) == batch.word(0));
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
