// label: quick
// The measured drift of a rotation stays below the certified bound; exact layers have no
// horizon; layers outside the theorem are refused.
#include "krohn/model/horizon.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "krohn/error.hpp"

namespace krohn {
namespace {

struct Rotation {
  TableLayer layer;
  ReferenceStates reference;
};

/// Rotation by 2 pi / m as two reflections, unit keys rounded to float.
Rotation rotation(std::size_t m) {
  const double half = std::numbers::pi / static_cast<double>(m);
  TokenRow row;
  row.factors = {{{{1, 1.0F}}, 2.0F, {}},
                 {{{0, static_cast<float>(-std::sin(half))}, {1, static_cast<float>(std::cos(half))}}, 2.0F, {}}};
  SlotReadout readout;
  ReferenceStates reference;
  for (std::size_t q = 0; q < m; ++q) {
    const double angle = 2.0 * half * static_cast<double>(q);
    reference.centre.insert(reference.centre.end(), {std::cos(angle), std::sin(angle)});
    reference.successor.push_back(static_cast<std::uint32_t>((q + 1) % m));
    readout.weight.push_back({{0, static_cast<float>(std::cos(angle))}});
    if (std::sin(angle) != 0.0) readout.weight.back().push_back({1, static_cast<float>(std::sin(angle))});
    readout.bias.push_back(0.0F);
  }
  return {TableLayer{
              TokenTable(2, 1, {row}), {1.0F, 0.0F}, {readout}, false, {0}, {0}, {0}, std::vector<std::int32_t>(m, 0)},
          reference};
}

TEST_CASE("the drift bound holds at every step and grows by no more than the roundings it counts") {
  for (const std::size_t m : {3U, 5U, 7U, 17U}) {
    CAPTURE(m);
    const Rotation r = rotation(m);
    const Horizon horizon = certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1);
    REQUIRE(horizon.length.has_value());
    CHECK(horizon.initial_error == 0.0);
    CHECK(horizon.margin <= std::sin(std::numbers::pi / static_cast<double>(m)));
    float x = 1.0F;
    float y = 0.0F;
    const TokenRow row = r.layer.table.row(0);
    const float kx = row.factors[1].key[0].value;
    const float ky = row.factors[1].key[1].value;
    double bound = 0.0;
    std::size_t violations = 0;
    double drift = 0.0;
    const std::uint64_t steps = 20000;
    for (std::uint64_t t = 1; t <= steps; ++t) {
      y = -y;
      const float dot = std::fma(ky, y, std::fma(kx, x, 0.0F));
      const float c = 2.0F * (0.0F - dot);
      x = std::fma(c, kx, x);
      y = std::fma(c, ky, y);
      bound = (1.0 + horizon.growth) * bound + horizon.step_error;
      const double angle = 2.0 * std::numbers::pi * static_cast<double>(t % m) / static_cast<double>(m);
      drift = std::hypot(static_cast<double>(x) - std::cos(angle), static_cast<double>(y) - std::sin(angle));
      violations += drift > bound ? 1 : 0;
    }
    CHECK(violations == 0);
    // The keys are wrong by a fixed part of 2^-24, so the drift is linear; the bound counts 13 roundings a token.
    CHECK(bound < 0x1p-24 * 26 * static_cast<double>(steps));
    // The length is where the recurrence reaches the margin.
    const double steps_to_margin = std::log1p(horizon.margin * horizon.growth / horizon.step_error) / horizon.growth;
    CHECK(static_cast<double>(*horizon.length) <= steps_to_margin);
    CHECK(static_cast<double>(*horizon.length) >= 0.999 * steps_to_margin - 1.0);
  }
}

TEST_CASE("the margin is half the way to the nearest slot, of however many") {
  for (const std::size_t m : {17U, 256U, 257U, 1000U}) {
    CAPTURE(m);
    const Rotation r = rotation(m);
    const double half_way = std::sin(std::numbers::pi / static_cast<double>(m));
    const double margin = certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1).margin;
    CHECK(margin <= half_way);
    // Of the gap 2 half_way^2 the roundings of both scores (2 gamma_4 < 2^-20.9) and of the weights (2 * 2^-24) are
    // lost, less than 2^-20 in all, and as much is added to the slope 2 half_way.
    CHECK(margin >= half_way - 0x1p-20 / half_way);
  }
}

TEST_CASE("coarser state formats have shorter horizons") {
  const Rotation r = rotation(3);
  const auto length = [&](Semantics semantics) { return *certify_horizon(r.layer, r.reference, semantics).length; };
  CHECK(length(Semantics::bf16_state_v1) < length(Semantics::fp16_state_v1));
  CHECK(length(Semantics::fp16_state_v1) < length(Semantics::fp32_fma_v1));
  CHECK(length(Semantics::fp32_fma_v1) > 100000);
}

TEST_CASE("sign changes are exact: no horizon") {
  TokenRow row;
  row.factors = {{{{0, 1.0F}}, 2.0F, {}}};
  const SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  const TableLayer layer{TokenTable(1, 1, {row}), {1.0F}, {sign}, false, {0}, {0}, {0}, {0, 1}};
  const Horizon horizon = certify_horizon(layer, {{1.0, -1.0}, {1, 0}, 0}, Semantics::fp32_fma_v1);
  CHECK_FALSE(horizon.length.has_value());
  CHECK(horizon.step_error == 0.0);
  CHECK_FALSE(drifts(layer, {{1.0, -1.0}, {1, 0}, 0}, Semantics::fp32_fma_v1));
  // From another centre, or with a successor that is not the right one, there is an error.
  CHECK(drifts(layer, {{0.5, -0.5}, {1, 0}, 0}, Semantics::fp32_fma_v1));
  CHECK(drifts(layer, {{1.0, -1.0}, {0, 0}, 0}, Semantics::fp32_fma_v1));
  const Rotation r = rotation(3);
  CHECK(drifts(r.layer, r.reference, Semantics::fp32_fma_v1));
}

TEST_CASE("a state that a format rounds or cannot hold is accounted for") {
  Rotation r = rotation(3);
  // The same rotation at radius 0.7: the start is rounded before the first token in the 16-bit formats.
  for (double& x : r.reference.centre) x *= static_cast<double>(0.7F);
  r.layer.initial_hidden = {0.7F, 0.0F};
  CHECK(certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1).initial_error == 0.0);
  const Horizon bf16 = certify_horizon(r.layer, r.reference, Semantics::bf16_state_v1);
  CHECK(bf16.initial_error >= std::fabs(static_cast<double>(0.7F) - 0.69921875));  // 0.7 to 8 bits
  // Twice a radius of 42,000 passes 65,504.
  for (double& x : r.reference.centre) x *= 60000.0;
  r.layer.initial_hidden = {42000.0F, 0.0F};
  CHECK(*certify_horizon(r.layer, r.reference, Semantics::fp16_state_v1).length == 0);
}

TEST_CASE("scores that underflow or overflow end the margin: on the real run every label within the horizon is right") {
  // Scaling weights and hidden state alike changes no angle, but a score is the product of both scales: near 2^-140 its
  // grid of 2^-149 is too coarse to tell neighbours apart, near 2^128 it is infinite before long.
  const std::size_t m = 101;
  const double exponents[] = {0.0, -60.0, -69.6, -69.7, -70.0, -74.0, 63.99995, 63.9999999};
  std::size_t kept = 0;
  for (const double exponent : exponents) {
    CAPTURE(exponent);
    Rotation r = rotation(m);
    const auto scale = static_cast<float>(std::exp2(exponent));
    for (float& h : r.layer.initial_hidden) h *= scale;
    for (std::vector<Entry>& weight : r.layer.readouts[0].weight) {
      for (Entry& entry : weight) entry.value *= scale;
    }
    // The centres are the weights: what nobody can know is the scale, not the drift.
    for (std::size_t q = 0; q < m; ++q) {
      for (std::size_t i = 0; i < 2; ++i) r.reference.centre[2 * q + i] *= static_cast<double>(scale);
    }
    const Horizon horizon = certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1);
    REQUIRE(horizon.length.has_value());
    kept += *horizon.length > 10000 ? 1 : 0;
    const TokenRow row = r.layer.table.row(0);
    const float kx = row.factors[1].key[0].value;
    const float ky = row.factors[1].key[1].value;
    float x = r.layer.initial_hidden[0];
    float y = r.layer.initial_hidden[1];
    const SlotReadout& readout = r.layer.readouts[0];
    std::uint64_t right = 0;
    const std::uint64_t asked = std::min<std::uint64_t>(*horizon.length, 8000);
    for (std::uint64_t t = 1; t <= asked; ++t) {
      y = -y;
      const float dot = std::fma(ky, y, std::fma(kx, x, 0.0F));
      const float c = 2.0F * (0.0F - dot);
      x = std::fma(c, kx, x);
      y = std::fma(c, ky, y);
      float best = -std::numeric_limits<float>::infinity();
      std::size_t winner = m;
      bool tie = false;
      bool is_finite = true;
      for (std::size_t q = 0; q < m; ++q) {
        float score = readout.bias[q];
        for (const Entry& entry : readout.weight[q]) score = std::fma(entry.value, entry.index == 0 ? x : y, score);
        is_finite = is_finite && std::isfinite(score);
        tie = score == best || (tie && score < best);
        if (score > best) {
          best = score;
          winner = q;
        }
      }
      right += is_finite && !tie && winner == t % m ? 1 : 0;
    }
    CHECK(right == asked);
  }
  CHECK(kept == 2);  // the two scales that come near neither end
}

TEST_CASE(
    "a wrong reference gives no length, and layers with gates other than resets, writes or two readouts are refused") {
  Rotation r = rotation(5);
  for (std::uint32_t& slot : r.reference.successor) slot = (slot + 1) % 5;
  CHECK(*certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1).length == 0);
  r = rotation(5);
  TokenRow row = r.layer.table.row(0);
  row.gate = {0.5F};
  r.layer.table = TokenTable(2, 1, {row});
  CHECK_THROWS_AS(certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1), InputError);
  // A sign moves the centres: one that the reference does not know is no horizon, and no refusal.
  row.gate = {1.0F, -1.0F};
  r.layer.table = TokenTable(2, 1, {row});
  CHECK(*certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1).length == 0);
  row.gate = {1.0F};
  r.layer.table = TokenTable(2, 1, {row});
  CHECK_THROWS_AS(certify_horizon(r.layer, r.reference, Semantics::int16_wrap_state_v1), InputError);
  row.factors[0].read = {{0, 1.0F}};
  r.layer.table = TokenTable(2, 1, {row});
  CHECK_THROWS_AS(certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1), InputError);
  row.factors[0].read.clear();
  row.write = {{0, 1.0F}};
  r.layer.table = TokenTable(2, 1, {row});
  CHECK_THROWS_AS(certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1), InputError);
  // Behind a zero gate it is a reset, but not with factors, nor to a state that is no slot's.
  row.gate = {0.0F};
  r.layer.table = TokenTable(2, 1, {row});
  CHECK_THROWS_AS(certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1), InputError);
  row.factors.clear();
  r.layer.table = TokenTable(2, 1, {row});
  r.reference.successor.assign(5, 0);
  CHECK_FALSE(certify_horizon(r.layer, r.reference, Semantics::bf16_state_v1).length.has_value());
  r.reference.successor.assign(5, 1);
  CHECK(*certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1).length == 0);
  r = rotation(5);
  r.layer.readouts.push_back(r.layer.readouts[0]);
  CHECK_THROWS_AS(certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1), InputError);
  r = rotation(5);
  r.reference.successor.pop_back();
  CHECK_THROWS_AS(certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1), InputError);
  r = rotation(1);
  CHECK_THROWS_AS(certify_horizon(r.layer, r.reference, Semantics::fp32_fma_v1), InputError);
}

}  // namespace
}  // namespace krohn
