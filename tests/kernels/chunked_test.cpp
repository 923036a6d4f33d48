// label: gpu
// The chunked kernels agree with the recurrence step by step in double within their roundings, on edge lengths and
// sizes, and are exact where every order of operations is.
#include "krohn/kernels/chunked.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "engine/recurrence_reference.hpp"
#include "kernels/require_gpu.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using namespace testing;

/// bf16: 8 bits and the two planes of fp32 inputs: 16.
double roundoff(ChunkedFormat format) { return format == ChunkedFormat::bf16 ? 0x1p-8 : 0x1p-16; }

TEST_CASE("chunked kernels agree with the recurrence step by step") {
  if (gpu_or_skip().empty()) return;
  struct Sizes {
    std::size_t length, key_size, value_size, heads, key_heads;
  };
  const Sizes all[] = {{0, 16, 16, 1, 1},
                       {1, 16, 16, 1, 1},
                       {63, 32, 48, 2, 2},
                       {64, 64, 64, 2, 1},
                       {65, 64, 96, 2, 2},
                       {130, 128, 64, 2, 2},
                       {257, 128, 128, 2, 1},
                       {97, 20, 33, 16, 16},
                       {4097, 16, 16, 1, 1},
                       {2100, 64, 80, 1, 1},
                       {2100, 56, 24, 1, 1},
                       {2100, 128, 144, 1, 1},
                       // More segments than are chained one by one.
                       {12345, 16, 16, 1, 1},
                       {12345, 72, 16, 1, 1}};
  unsigned seed = 1;
  for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
    for (const ChunkedRule rule : {ChunkedRule::delta, ChunkedRule::linear, ChunkedRule::keywise,
                                   ChunkedRule::keywise_delta, ChunkedRule::rank_one}) {
      for (const Sizes& s : all) {
        if (small_cases() && s.length > 130) continue;
        for (std::uint32_t n = 1; n <= (rule == ChunkedRule::delta ? 4U : 1U); ++n) {
          for (const bool decays : {false, true}) {
            if (!decays && (rule == ChunkedRule::keywise || short_chunks(rule))) continue;
            const ChunkedShape shape{2, s.length, s.heads, s.key_heads, s.key_size, s.value_size, n};
            CAPTURE(s.length);
            CAPTURE(s.key_size);
            CAPTURE(n);
            CAPTURE(decays);
            CAPTURE(static_cast<int>(rule));
            CAPTURE(static_cast<int>(format));
            const RecurrenceCase c = random_case(rule, shape, decays, seed++);
            const RecurrenceResult expected = run_reference(c);
            std::vector<float> output;
            std::vector<float> state;
            run_chunked(rule, format, shape, c.scale, c.arrays(output, state));
            CHECK(relative_error(output, expected.output) <= rounding_bound(shape, roundoff(format), rule));
            CHECK(relative_error(state, expected.final_state) <= rounding_bound(shape, roundoff(format), rule));
          }
        }
      }
    }
  }
}

TEST_CASE("entries that decay by themselves lie within their rounding") {
  if (gpu_or_skip().empty()) return;
  struct Sizes {
    std::size_t length, key_size, value_size, heads, key_heads;
  };
  // One key, several a thread, several threads a column; columns of one block and of two; from 128 tokens on one
  // sequence is cut into segments.
  const Sizes all[] = {{0, 16, 16, 1, 1},   {1, 1, 5, 1, 1},      {7, 8, 130, 2, 2},   {8, 16, 33, 2, 1},
                       {9, 5, 16, 4, 2},    {130, 16, 150, 1, 1}, {130, 20, 40, 2, 1}, {129, 128, 17, 2, 2},
                       {257, 64, 24, 2, 1}, {130, 1, 300, 1, 1},  {4097, 16, 8, 2, 1}, {2100, 33, 20, 1, 1}};
  unsigned seed = 1;
  for (const Entries entries : {Entries::rates, Entries::signed_rates, Entries::decays}) {
    for (const Sizes& s : all) {
      if (small_cases() && s.length > 130) continue;
      const ChunkedShape shape{2, s.length, s.heads, s.key_heads, s.key_size, s.value_size, 1};
      CAPTURE(s.length);
      CAPTURE(s.key_size);
      CAPTURE(static_cast<int>(entries));
      const RecurrenceCase c = elementwise_case(shape, entries, seed++);
      for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
        const ElementwiseReference expected = run_elementwise_reference(c, output_roundoff(format));
        std::vector<float> output;
        std::vector<float> state;
        run_chunked(c.rule, format, shape, c.scale, c.arrays(output, state));
        CHECK(outside(output, expected.result.output, expected.bound.output) == 0);
        CHECK(outside(state, expected.result.final_state, expected.bound.final_state) == 0);
      }
    }
  }
}

TEST_CASE("a long sequence of entries is cut into segments, many are not") {
  if (gpu_or_skip().empty()) return;
  const auto segments = [](const ChunkedShape& shape) {
    return ChunkedRecurrence(ChunkedRule::elementwise, ChunkedFormat::fp32, shape, 1.0F).segments();
  };
  CHECK(segments({1, 130, 1, 1, 16, 16, 1}) == 4);
  CHECK(segments({1, 100, 1, 1, 16, 16, 1}) == 1);
  CHECK(segments({100000, 130, 1, 1, 16, 16, 1}) == 1);
}

TEST_CASE("strong decays by key do not overflow") {
  if (gpu_or_skip().empty()) return;
  // Up to e^-64 a token, and such that eight tokens stay just below 2^-100 or pass it.
  for (const float factor : {64.0F, 10.0F}) {
    for (const ChunkedRule rule : {ChunkedRule::keywise, ChunkedRule::keywise_delta, ChunkedRule::rank_one}) {
      const ChunkedShape shape{1, 200, 2, 2, 64, 64, 1};
      RecurrenceCase c = random_case(rule, shape, true, 5);
      for (std::size_t i = 0; i < c.decay.size(); i += 3) c.decay[i] = round_to_bf16(c.decay[i] * factor);
      const RecurrenceResult expected = run_reference(c);
      for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
        CAPTURE(factor);
        CAPTURE(static_cast<int>(rule));
        std::vector<float> output;
        std::vector<float> state;
        run_chunked(c.rule, format, shape, c.scale, c.arrays(output, state));
        CHECK(relative_error(output, expected.output) <= rounding_bound(shape, roundoff(format), rule));
      }
    }
  }
}

TEST_CASE("long inputs go slab by slab") {
  if (gpu_or_skip().empty() || small_cases()) return;
  // 2^17 chunks take more than 2^29 bytes prepared. After a token without decay comes one that forgets all, so that
  // every pair of tokens has the outputs of the first pair.
  const std::size_t length = (std::size_t{1} << 21U) + 5;
  const ChunkedShape shape{1, length, 1, 1, 8, 8, 1};
  RecurrenceCase c;
  c.rule = ChunkedRule::keywise_delta;
  c.shape = shape;
  c.query.assign(length * 8, 1.0F);
  c.key.assign(length * 8, 0.0F);
  c.value.assign(length * 8, 0.0F);
  c.decay.assign(length * 8, 0.0F);
  c.beta.assign(length, 1.0F);
  c.initial_state.assign(64, 3.0F);
  for (std::size_t t = 0; t < length; ++t) {
    c.key[8 * t + t % 2] = 1.0F;
    c.value[8 * t + t % 2] = 2.0F;
    if (t % 2 == 0) std::fill_n(c.decay.begin() + static_cast<std::ptrdiff_t>(8 * t), 8, -200.0F);
  }
  std::vector<float> output;
  std::vector<float> state;
  run_chunked(c.rule, ChunkedFormat::bf16, shape, c.scale, c.arrays(output, state));
  std::size_t wrong = 0;
  for (std::size_t t = 0; t < length; ++t) {
    for (std::size_t v = 0; v < 8; ++v) {
      const float expected = v == 0 || (v == 1 && t % 2 == 1) ? 2.0F : 0.0F;
      if (output[8 * t + v] != expected) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("dyadic reflections are exact") {
  if (gpu_or_skip().empty()) return;
  for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
    for (const std::uint32_t n : {1U, 2U, 3U, 4U}) {
      const RecurrenceCase c = dyadic_reflections(2048 / n, n, n);
      const RecurrenceResult expected = run_reference(c);
      std::vector<float> output;
      std::vector<float> state;
      run_chunked(c.rule, format, c.shape, c.scale, c.arrays(output, state));
      CHECK(relative_error(output, expected.output) == 0.0);
      CHECK(relative_error(state, expected.final_state) == 0.0);
    }
  }
}

TEST_CASE("dyadic reflections and keys that are forgotten are exact") {
  if (gpu_or_skip().empty()) return;
  RecurrenceCase c = dyadic_reflections(2048, 1, 7);
  c.rule = ChunkedRule::keywise_delta;
  c.decay.assign(c.key.size(), 0.0F);
  for (std::size_t t = 5; t < 2048; t += 37) {
    for (std::size_t k = 0; k < 2; ++k) c.decay[t * 16 + 2 * (t % 5) + k] = -200.0F;
    // What is forgotten comes back as a value.
    c.value[t * 16 + t % 16] = 4.0F;
  }
  const RecurrenceResult expected = run_reference(c);
  for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
    std::vector<float> output;
    std::vector<float> state;
    run_chunked(c.rule, format, c.shape, c.scale, c.arrays(output, state));
    // The reference keeps e^-200, which is below 2^-288.
    CHECK(relative_error(output, expected.output) <= 0x1p-200);
    CHECK(relative_error(state, expected.final_state) <= 0x1p-200);
  }
}

TEST_CASE("shapes outside the limits are refused") {
  if (gpu_or_skip().empty()) return;
  const auto make = [](const ChunkedShape& shape) {
    ChunkedRecurrence(ChunkedRule::delta, ChunkedFormat::bf16, shape, 1.0F);
  };
  CHECK_THROWS_AS(make({1, 1, 1, 1, 136, 16, 1}), InputError);
  CHECK_THROWS_AS(make({1, 1, 1, 1, 20, 16, 1}), InputError);
  CHECK_THROWS_AS(make({1, 1, 3, 2, 16, 16, 1}), InputError);
  CHECK_THROWS_AS(make({1, 1, 1, 1, 16, 16, 5}), InputError);
}

}  // namespace
}  // namespace krohn
