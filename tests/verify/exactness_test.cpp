// label: quick
// Exactness in every order of operations: the bits that a step needs by hand, steps that are exact in one order only,
// and agreement with a computation of all orders of small sums.
#include "krohn/verify/exactness.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "krohn/automata/catalog.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/verify/check.hpp"

namespace {

using namespace krohn;

constexpr Semantics fp32 = Semantics::fp32_fma_v1;

// A layer of one row and a readout of one slot that scores 0.
TableLayer layer_of(const TokenRow& row, std::size_t keys) {
  TableLayer layer{TokenTable(keys, 1, {row}), std::vector<float>(keys, 0.0F), {}, false, {0}, {0}, {0}, {0}};
  layer.readouts.push_back({{{}}, {0.0F}});
  return layer;
}

std::optional<unsigned> bits_of(const TableLayer& layer, const std::vector<float>& hidden, Semantics semantics = fp32) {
  ExactLayer exact(layer, semantics);
  exact.add({0, 0}, hidden);
  return exact.bits();
}

TEST_CASE("the bits of a step are those of the widest sum") {
  TokenRow swap;
  swap.factors = {{{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}}};
  // |h_1| + |h_1| + |h_2| = 1 + 1 + 5 = 7 and 5 + 1 + 5 = 11 units of 1: four bits.
  CHECK(bits_of(layer_of(swap, 2), {1.0F, 5.0F}) == 4U);
  // Only ratios count.
  CHECK(bits_of(layer_of(swap, 2), {0x1p-10F, 5.0F * 0x1p-10F}) == 4U);
  TokenRow write;
  write.write = {{0, 1.0F}};
  // All sums up to 2^24 units of 1 have at most 24 bits; 2^24 + 1 has 25.
  CHECK(bits_of(layer_of(write, 1), {0x1p24F - 1.0F}) == 24U);
  CHECK(!bits_of(layer_of(write, 1), {0x1p24F}));
  TokenRow gate;
  gate.gate = {0.75F};
  CHECK(bits_of(layer_of(gate, 1), {3.0F}) == 4U);  // 2.25 = 9/4
  CHECK(!bits_of(layer_of(gate, 1), {0x1.fffffep0F}));
}

TEST_CASE("a sum that is exact in one order only is not exact") {
  TokenRow row;
  // 2^23 + 2^-2 rounds: only the order that cancels the large terms first is exact.
  row.factors = {{{{0, 1.0F}, {1, 1.0F}, {2, 1.0F}}, 0.5F, {}}};
  CHECK(bits_of(layer_of(row, 3), {1.0F, 0x1p20F, -0x1p20F}));
  CHECK(!bits_of(layer_of(row, 3), {0x1p-2F, 0x1p23F, -0x1p23F}));
  TableLayer scores = layer_of(TokenRow{}, 3);
  scores.readouts = {{{{{0, 1.0F}, {1, 1.0F}, {2, 1.0F}}}, {0.0F}}};
  CHECK(bits_of(scores, {1.0F, 0x1p20F, -0x1p20F}) == 22U);
  CHECK(!bits_of(scores, {0x1p-2F, 0x1p23F, -0x1p23F}));
}

TEST_CASE("numbers out of range, keys that are inexact as a matrix and NaN are not exact") {
  TokenRow row;
  row.factors = {{{{0, 0x1p-30F}}, 1.0F, {}}};
  CHECK(!bits_of(layer_of(row, 1), {1.0F}));
  row.factors = {{{{0, 1.0F}, {1, 0x1.000002p0F}}, 0x1.8p0F, {}}};
  CHECK(!bits_of(layer_of(row, 2), {1.0F, 0.0F}));  // beta k_0 k_1 takes 25 bits, though h_1 = 0
  CHECK(!bits_of(layer_of(TokenRow{}, 1), {std::numeric_limits<float>::quiet_NaN()}));
}

TEST_CASE("what is called exact gives one result in all orders of a factor's sums, and 24 bits suffice for it") {
  std::mt19937 random(5);
  int exact = 0;
  int inexact = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::size_t size = 2 + random() % 3;
    TokenRow row;
    GeneralizedHouseholder factor;
    std::vector<float> hidden;
    for (std::size_t i = 0; i < size; ++i) {
      const auto number = [&] {
        const int bits = 1 + static_cast<int>(random() % 12);
        return std::ldexp(static_cast<float>(1U + random() % (1U << static_cast<unsigned>(bits))),
                          static_cast<int>(random() % 7) - 3) *
               (random() % 2 == 0 ? 1.0F : -1.0F);
      };
      factor.key.push_back({static_cast<std::uint32_t>(i), number()});
      hidden.push_back(number());
    }
    factor.beta = std::ldexp(1.0F, -static_cast<int>(random() % 3));
    row.factors = {factor};
    if (!bits_of(layer_of(row, size), hidden)) {
      ++inexact;
      continue;
    }
    ++exact;
    // h_0 - sum beta k_0 k_j h_j with every product and sum rounded, in every order of the terms.
    std::vector<std::size_t> order(size + 1);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::optional<float> first;
    do {
      float sum = 0.0F;
      for (const std::size_t j : order) {
        if (j == size) {
          sum += hidden[0];
        } else {
          sum -= factor.beta * factor.key[0].value * factor.key[j].value * hidden[j];
        }
      }
      if (!first) first = sum;
      REQUIRE(sum == *first);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  CHECK(exact > 100);
  CHECK(inexact > 100);
}

TEST_CASE("compiled models are proved for every order of operations, rounded rotations are not") {
  for (const char* name : {"word:S3", "dyck:2,3", "modarith:3", "tomita:5"}) {
    for (const Semantics semantics : {fp32, Semantics::fp16_state_v1, Semantics::bf16_state_v1}) {
      const Dfa language = catalog_language(name);
      const CompileResult compiled = compile(language);
      const CheckReport report = check(*make_machine(compiled.model, semantics), language, {}, &compiled.hint);
      const auto* proved = std::get_if<Proved>(&report.verdict);
      REQUIRE(proved != nullptr);
      REQUIRE(proved->exact_bits.has_value());
      CHECK(*proved->exact_bits <= 8);
    }
  }
  CompileOptions rotation;
  rotation.representation = GroupRepresentation::rotation;
  const Dfa wheel = catalog_language("mod:5");
  const CompileResult compiled = compile(wheel, rotation);
  const CheckReport report = check(*make_machine(compiled.model, Semantics::bf16_state_v1), wheel, {}, &compiled.hint);
  if (const auto* proved = std::get_if<Proved>(&report.verdict)) CHECK(!proved->exact_bits);
}

}  // namespace
