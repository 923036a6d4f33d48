// label: gpu
// The prefix scan on the device ends where the CPU's does, whatever the cut into pieces.
#include "krohn/engine/scan.hpp"

#include <doctest/doctest.h>

#include "engine/random_model.hpp"
#include "kernels/require_gpu.hpp"

namespace krohn {
namespace {

using testing::gpu_or_skip;
using testing::RandomModel;
using testing::swaps;

TEST_CASE("labels and margins of long sequences equal the CPU's: sizes 1 to 5, resets, lengths about the cuts") {
  const std::string gpu = gpu_or_skip();
  if (gpu.empty()) return;
  int scanned = 0;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const std::size_t size = 1 + seed % 5;
    const std::size_t symbols = 3 + seed % 4;
    const LrnnModel model = swaps(size, symbols, seed, seed % 4 == 1 && size <= 2);
    const Semantics semantics = seed % 3 == 0   ? Semantics::fp32_fma_v1
                                : seed % 3 == 1 ? Semantics::fp16_state_v1
                                                : Semantics::bf16_state_v1;
    if (scan_refusal(model, semantics)) continue;
    ++scanned;
    RandomModel draw(seed);
    for (const std::size_t length : {0, 1, 2, 15, 16, 17, 63, 64, 65, 66, 4095, 4096, 4097, 1'000'003}) {
      const Word word = draw.word(symbols, length);
      const std::vector<std::uint8_t> bytes(word.begin(), word.end());
      const ScanResult expected = scan(model, source_of(bytes), {semantics, Device::cpu, 0, 0});
      for (const std::size_t memory : {std::size_t{0}, std::size_t{20'000}}) {
        const ScanResult seen = scan(model, source_of(bytes), {semantics, Device::cuda, 0, memory});
        if (length > 0) CHECK(seen.device == gpu);
        CHECK(seen.length == length);
        REQUIRE(seen.observation.label == expected.observation.label);
        REQUIRE(seen.observation.margin == expected.observation.margin);
      }
    }
  }
  CHECK(scanned >= 12);
}

}  // namespace
}  // namespace krohn
