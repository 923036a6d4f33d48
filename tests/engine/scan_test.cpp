// label: quick
// A scan of one sequence ends with the label and margin of the run; models for which that is not certain are refused.
#include "krohn/engine/scan.hpp"

#include <doctest/doctest.h>

#include "engine/random_model.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using testing::RandomModel;
using testing::RandomShape;
using testing::swaps;

void check_equal_to_run(const LrnnModel& model, Semantics semantics, const Word& word, unsigned threads) {
  const Trace trace = run(model, std::vector<Word>{word}, {semantics, Device::cpu, false, true, 1, 0});
  const std::vector<std::uint8_t> bytes(word.begin(), word.end());
  const ScanResult result = scan(model, source_of(bytes), {semantics, Device::cpu, threads, 0});
  CHECK(result.length == word.size());
  CHECK(result.observation.label == trace.label(0));
  CHECK(result.observation.margin == trace.margins[0]);
}

TEST_CASE("permutations and resets of integer vectors: every length about the cuts, every semantics") {
  int scanned = 0;
  for (std::uint32_t seed = 0; seed < 16; ++seed) {
    const std::size_t size = 1 + seed % 5;
    // Writes of 1 and 1/2 are exact, those of 1/3 are not.
    const LrnnModel model = swaps(size, 3 + seed % 4, seed, seed % 4 == 1 && size <= 2);
    const Semantics semantics = seed % 3 == 0   ? Semantics::fp32_fma_v1
                                : seed % 3 == 1 ? Semantics::fp16_state_v1
                                                : Semantics::bf16_state_v1;
    if (scan_refusal(model, semantics)) continue;
    ++scanned;
    RandomModel draw(seed);
    for (const std::size_t length : {0, 1, 2, 63, 64, 65, 128, 2048, 65535, 65536, 65537, 65538}) {
      check_equal_to_run(model, semantics, draw.word(model.alphabet().size(), length), 1);
    }
    check_equal_to_run(model, semantics, draw.word(model.alphabet().size(), 600'000), 1 + seed % 2);
  }
  CHECK(scanned >= 12);
}

TEST_CASE("models that round, tie, are too large or have several layers are refused with the reason") {
  RandomModel draw(1);
  RandomShape shape;
  const auto reason = [](const LrnnModel& model) {
    return scan_refusal(model, Semantics::fp32_fma_v1).value_or("nothing");
  };
  shape.layers = 2;
  CHECK(reason(draw.draw(shape)) == "it has 2 layers; expected one");
  shape.layers = 1;
  shape.key_size = 9;
  CHECK(reason(draw.draw(shape)) == "its hidden size is 9; expected at most 8");
  TokenRow third;
  third.gate = {0.0F};
  third.write = {{0, 1.0F}, {1, 1.0F / 3.0F}};
  TokenRow swap;
  swap.factors.push_back({{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}});
  TokenRow rotate;  // 3/5, 4/5 in binary is no rotation
  rotate.factors.push_back({{{0, 0.6F}, {1, 0.8F}}, 2.0F, {}});
  TokenRow count;
  count.write = {{0, 1.0F}};
  const SlotReadout first{{{{0, 1.0F}}, {{1, 1.0F}}}, {0.0F, 0.125F}};
  const auto model = [&](const TokenRow& a, const TokenRow& b, std::vector<float> initial) {
    TableLayer layer{TokenTable(2, 1, {a, b}), std::move(initial), {first}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
    return LrnnModel(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
  };
  CHECK(reason(model(swap, TokenRow{}, {1.0F, 2.0F})) == "nothing");
  CHECK(reason(model(swap, third, {1.0F, 2.0F})) == "a step from a reachable hidden state is rounded in fp32-fma-v1");
  third.write[1].value = 4097.0F / 4096.0F;
  CHECK(reason(model(swap, third, {1.0F, 2.0F})) == "products of its maps need more than 24 bits");
  CHECK(reason(model(swap, rotate, {1.0F, 2.0F})) != "nothing");
  CHECK(reason(model(swap, count, {1.0F, 2.0F})) ==
        "its reachable hidden states are too many to list, or not finite numbers");
  CHECK(reason(model(swap, TokenRow{}, {1.0F, 0.875F})) == "a decode can tie or lead nowhere");
  CHECK_THROWS_AS(scan(model(swap, third, {1.0F, 2.0F}), source_of({})), InputError);
}

TEST_CASE("a symbol outside the alphabet is refused with its position") {
  const std::vector<std::uint8_t> symbols = {0, 1, 2, 0};
  CHECK_THROWS_WITH_AS(scan(swaps(3, 2, 3, false), source_of(symbols)), "position 3: expected a symbol below 2, got 2",
                       InputError);
}

}  // namespace
}  // namespace krohn
