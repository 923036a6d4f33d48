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
  for (const char* name : {"modarith:3", "dyck:2,3", "modarith-answer:5", "S:5", "word:S4", "word:A5"}) {
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
}

TEST_CASE("random machines by points, by their monoid and from every state: alphabets of each size of group") {
  if (gpu_or_skip().empty()) return;
  const std::uint32_t symbol_counts[] = {1, 2, 3, 4, 5, 16, 17, 100, 256};
  int by_points = 0;
  int by_monoid = 0;
  for (std::uint32_t seed = 0; seed < 45; seed += seed_step()) {
    RandomModel draw(seed);
    const std::uint32_t states = seed % 5 == 2 ? 700 : 1 + static_cast<std::uint32_t>(draw.below(8));
    const std::uint32_t symbols = symbol_counts[seed % 9];
    std::vector<std::uint32_t> next;
    for (std::uint32_t i = 0; i < states * symbols; ++i) next.push_back(static_cast<std::uint32_t>(draw.below(states)));
    // Lengths about a line of 128 symbols, pieces of 256 and whole blocks.
    const std::size_t lengths[] = {1, 127, 128, 129, 255, 256, 257, 64 * 129, 100'003, 3'000'001};
    const std::size_t length = lengths[small_cases() ? seed % 8 : seed % 10];
    std::vector<std::uint8_t> sequence(length);
    for (std::uint8_t& a : sequence) a = static_cast<std::uint8_t>(draw.below(symbols));
    const std::uint32_t start = states - 1;
    std::uint32_t expected = start;
    for (const std::uint8_t a : sequence) expected = next[expected * symbols + a];
    const MachineView machine{states, symbols, next.data()};
    CHECK_THROWS_AS(PieceScan(machine, 64).effect(std::vector<std::uint8_t>(129)), DeviceError);
    ScanPlan plan;
    plan.num_symbols = symbols;
    plan.machine.count = states;
    plan.machine.next = next;
    const auto check = [&] {
      const std::unique_ptr<PieceScan> scan = plan.open(sequence.size());
      CHECK(plan.after(start, scan->effect(sequence)) == expected);
      CHECK(plan.after(start, scan->effect({})) == start);
    };
    check();
    plan.monoid = transformation_monoid(next, symbols, 100'000);
    if (plan.monoid) ++by_monoid, check();
    plan.points = find_points(next, symbols);
    CHECK(plan.points.has_value() == (states <= most_points));
    if (plan.points) ++by_points, check();
  }
  CHECK(by_points > 0);
  CHECK(by_monoid > 0);
}

}  // namespace
}  // namespace krohn
