// label: gpu
// The prefix scan on the device ends where the CPU's does, whatever the cut into pieces.
#include "krohn/engine/scan.hpp"

#include <doctest/doctest.h>

#include "../../src/engine/scan_plan.hpp"
#include "engine/random_model.hpp"
#include "kernels/require_gpu.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"

namespace krohn {
namespace {

using testing::gpu_or_skip;
using testing::RandomModel;
using testing::seed_step;
using testing::small_cases;
using testing::swaps;

TEST_CASE("labels and margins of long sequences equal the CPU's: sizes 1 to 5, resets, lengths about the cuts") {
  const std::string gpu = gpu_or_skip();
  if (gpu.empty()) return;
  int scanned = 0;
  for (std::uint32_t seed = 0; seed < 20; seed += seed_step()) {
    const std::size_t size = 1 + seed % 5;
    const std::size_t symbols = 3 + seed % 4;
    const LrnnModel model = swaps(size, symbols, seed, seed % 4 == 1 && size <= 2);
    const Semantics semantics = seed % 3 == 0   ? Semantics::fp32_fma_v1
                                : seed % 3 == 1 ? Semantics::fp16_state_v1
                                                : Semantics::bf16_state_v1;
    if (scan_refusal(*make_machine(model, semantics))) continue;
    ++scanned;
    RandomModel draw(seed);
    for (const std::size_t length : {0, 1, 2, 15, 16, 17, 63, 64, 65, 66, 4095, 4096, 4097, 1'000'003}) {
      if (small_cases() && length > 4097) continue;
      const Word word = draw.word(symbols, length);
      const std::vector<std::uint8_t> bytes(word.begin(), word.end());
      const ScanResult expected = scan(*make_machine(model, semantics), source_of(bytes), {Device::cpu, 0, 0});
      for (const std::size_t memory : {std::size_t{0}, std::size_t{20'000}}) {
        const ScanResult seen = scan(*make_machine(model, semantics), source_of(bytes), {Device::cuda, 0, memory});
        if (length > 0) CHECK(seen.device == gpu);
        CHECK(seen.length == length);
        REQUIRE(seen.observation.label == expected.observation.label);
        REQUIRE(seen.observation.margin == expected.observation.margin);
      }
    }
  }
  CHECK(scanned >= (small_cases() ? 1 : 12));
}

TEST_CASE("cascades of several layers, and a machine walked from every state") {
  const std::string gpu = gpu_or_skip();
  if (gpu.empty()) return;
  for (const char* name : {"modarith:3", "dyck:2,3", "modarith-answer:5", "S:5"}) {
    const LrnnModel model = compile(read_language(name).dfa, {}).model;
    RandomModel draw(5);
    for (const std::size_t length : {1, 33, 200'001}) {
      if (small_cases() && length > 33) continue;
      const Word word = draw.word(model.alphabet().size(), length);
      const std::vector<std::uint8_t> bytes(word.begin(), word.end());
      const ScanResult expected =
          scan(*make_machine(model, Semantics::fp32_fma_v1), source_of(bytes), {Device::cpu, 0, 0});
      const ScanResult seen =
          scan(*make_machine(model, Semantics::fp32_fma_v1), source_of(bytes), {Device::cuda, 0, 50'000});
      CHECK(seen.device == gpu);
      REQUIRE(seen.observation.label == expected.observation.label);
      REQUIRE(seen.observation.margin == expected.observation.margin);
    }
  }
  // Random machines, the smallest of which fit in 16-bit entries: the walk from every state, and by the monoid.
  for (std::uint32_t seed = 0; seed < 12; seed += seed_step()) {
    RandomModel draw(seed);
    const std::uint32_t states = seed % 3 == 2 ? 700 : 2 + static_cast<std::uint32_t>(draw.below(6));
    const std::uint32_t symbols = seed % 3 == 2 ? 100 : 2;
    std::vector<std::uint32_t> next;
    for (std::uint32_t i = 0; i < states * symbols; ++i) next.push_back(static_cast<std::uint32_t>(draw.below(states)));
    const MachineView machine{states, symbols, next.data()};
    const auto monoid = transformation_monoid(next, symbols, 100'000);
    std::vector<std::uint8_t> sequence(seed % 2 == 0 ? 100'003 : 64 * 33);
    for (std::uint8_t& a : sequence) a = static_cast<std::uint8_t>(draw.below(symbols));
    std::uint32_t expected = 1;
    for (const std::uint8_t a : sequence) expected = next[expected * symbols + a];
    PieceScan by_states(machine, nullptr, sequence.size());
    const PieceEffect image = by_states.effect(sequence);
    REQUIRE(image.image.size() == states);
    CHECK(image.image[1] == expected);
    CHECK(by_states.effect({}).image[1] == 1);
    CHECK_THROWS_AS(PieceScan(machine, nullptr, 64).effect(std::span(sequence).first(65)), DeviceError);
    if (!monoid) continue;
    const MonoidView view = monoid->view();
    PieceScan by_monoid(machine, &view, sequence.size());
    std::uint32_t state = 1;
    for (std::uint32_t element = by_monoid.effect(sequence).element; element != 0; element = monoid->rest[element]) {
      state = next[state * symbols + monoid->first[element]];
    }
    CHECK(state == expected);
    CHECK(by_monoid.effect({}).element == 0);
  }
}

}  // namespace
}  // namespace krohn
