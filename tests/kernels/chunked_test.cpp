// label: gpu
// The chunked kernels agree with the recurrence step by step in double within their roundings, on edge lengths and
// sizes, and are exact where every order of operations is.
#include "krohn/kernels/chunked.hpp"

#include <doctest/doctest.h>

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
  const Sizes all[] = {{0, 16, 16, 1, 1},     {1, 16, 16, 1, 1},    {63, 32, 48, 2, 2},
                       {64, 64, 64, 2, 1},    {65, 64, 96, 2, 2},   {130, 128, 64, 2, 2},
                       {257, 128, 128, 2, 1}, {97, 20, 33, 16, 16}, {4097, 16, 16, 1, 1}};
  unsigned seed = 1;
  for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
    for (const ChunkedRule rule : {ChunkedRule::delta, ChunkedRule::linear, ChunkedRule::keywise}) {
      for (const Sizes& s : all) {
        if (small_cases() && s.length > 130) continue;
        for (std::uint32_t n = 1; n <= (rule == ChunkedRule::delta ? 4U : 1U); ++n, ++seed) {
          const bool decays = rule == ChunkedRule::keywise || seed % 2 == 0;
          const ChunkedShape shape{2, s.length, s.heads, s.key_heads, s.key_size, s.value_size, n};
          CAPTURE(s.length);
          CAPTURE(s.key_size);
          CAPTURE(n);
          CAPTURE(static_cast<int>(rule));
          CAPTURE(static_cast<int>(format));
          const RecurrenceCase c = random_case(rule, shape, decays, seed);
          const RecurrenceResult expected = run_reference(c);
          std::vector<float> output;
          std::vector<float> state;
          run_chunked(rule, format, shape, c.scale, c.arrays(output, state));
          CHECK(relative_error(output, expected.output) <= rounding_bound(shape, roundoff(format)));
          CHECK(relative_error(state, expected.final_state) <= rounding_bound(shape, roundoff(format)));
        }
      }
    }
  }
}

TEST_CASE("strong keywise decays do not overflow") {
  if (gpu_or_skip().empty()) return;
  const ChunkedShape shape{1, 200, 2, 2, 64, 64, 1};
  RecurrenceCase c = random_case(ChunkedRule::keywise, shape, true, 5);
  for (std::size_t i = 0; i < c.decay.size(); i += 3) c.decay[i] *= 64.0F;
  const RecurrenceResult expected = run_reference(c);
  for (const ChunkedFormat format : {ChunkedFormat::bf16, ChunkedFormat::fp32}) {
    std::vector<float> output;
    std::vector<float> state;
    run_chunked(c.rule, format, shape, c.scale, c.arrays(output, state));
    CHECK(relative_error(output, expected.output) <= rounding_bound(shape, roundoff(format)));
  }
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
