// label: gpu
// Several workers give what one gives, bit for bit, also where one of them fails; the workers share device 0, so that
// one device is enough. Where every worker fails there is an error, and the CPU is not asked.
#include "krohn/engine/device_team.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "engine/random_model.hpp"
#include "engine/random_program.hpp"
#include "kernels/require_gpu.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/engine/scan.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/accuracy.hpp"
#include "krohn/verify/sample.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

using testing::Beta;
using testing::gpu_or_skip;
using testing::RandomModel;
using testing::RandomProgram;
using testing::RandomShape;
using testing::small_cases;
using testing::swaps;

Device workers(std::size_t count) {
  std::string text = "cuda:0";
  for (std::size_t i = 1; i < count; ++i) text += ",0";
  return *parse_device(text);
}

// While it lives, the first `failures` parts that are taken anywhere fail.
class Fault {
 public:
  explicit Fault(int failures) : left_(failures) {
    DeviceTeam::set_probe([this](std::size_t, std::size_t) {
      if (left_-- > 0) throw DeviceError("planted fault");
    });
  }
  ~Fault() { DeviceTeam::set_probe({}); }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;

 private:
  std::atomic<int> left_;
};

// Calls same(device) with one worker, three, and three of which one or two fail; what it returns is where it ran. With
// as many failures as workers it throws.
template <class Same>
void on_any_team(const Same& same) {
  CHECK(!DeviceTeam::tells_of_failure(same(workers(1))));
  CHECK(!DeviceTeam::tells_of_failure(same(workers(3))));
  for (const int failures : {1, 2}) {
    const Fault fault(failures);
    const std::string device = same(workers(3));
    CHECK(DeviceTeam::tells_of_failure(device));
    CHECK(device.find("planted fault") != std::string::npos);
  }
  const Fault fault(3);
  CHECK_THROWS_AS(same(workers(3)), DeviceError);
}

// Asks for any label, but for none that there is behind words that end in `run` of the first symbol.
LabelledAutomaton run_of_the_first(std::size_t symbols, std::uint64_t run, bool wrong) {
  LabelledAutomaton automaton{static_cast<std::uint32_t>(symbols), 0, {}, {}};
  for (std::uint32_t q = 0; q <= run; ++q) {
    automaton.expected.push_back(wrong && q == run ? LabelledAutomaton::no_label : LabelledAutomaton::any_label);
    for (std::uint32_t a = 0; a < symbols; ++a) automaton.delta.push_back(a == 0 && q < run ? q + 1 : 0);
  }
  return automaton;
}

/// Checks that every team finds what the CPU does, and returns that.
EnumerateResult search_everywhere(const Machine& machine, const LabelledAutomaton& automaton,
                                  std::uint64_t max_length) {
  EnumerateOptions options;
  options.max_length = max_length;
  options.device = Device::cpu;
  const EnumerateResult expected = enumerate(machine, automaton, options);
  on_any_team([&](const Device& device) {
    options.device = device;
    const EnumerateResult seen = enumerate(machine, automaton, options);
    CHECK(seen.disagreement == expected.disagreement);
    CHECK(seen.agreed == expected.agreed);
    CHECK(seen.lengths == expected.lengths);
    return seen.device;
  });
  return expected;
}

void search_on_any_team(const Machine& machine, std::uint64_t max_length, bool wrong) {
  // Deeper than the beginning that the CPU makes.
  const LabelledAutomaton automaton = run_of_the_first(machine.alphabet().size(), max_length - 1, wrong);
  CHECK(search_everywhere(machine, automaton, max_length).disagreement ==
        (wrong ? std::optional(Word(max_length - 1, 0)) : std::nullopt));
}

TEST_CASE("every word of compiled models: the canonical walk and the flat one") {
  if (gpu_or_skip().empty()) return;
  for (std::uint32_t seed = 0; seed < 6; seed += testing::seed_step()) {
    const LrnnModel model = swaps(1 + seed % 5, 2 + seed % 3, seed, false);
    const auto machine = make_machine(model, Semantics::fp32_fma_v1);
    search_on_any_team(*machine, model.alphabet().size() == 2 ? 18 : 11, seed % 2 != 0);
  }
  RandomShape shape;
  shape.symbols = 3;
  shape.layers = 2;
  for (const bool wrong : {false, true}) {
    search_on_any_team(*make_machine(RandomModel(3).draw(shape), Semantics::fp32_fma_v1), 9, wrong);
  }
}

TEST_CASE("batches of compiled models: the dense form and the flat one, in parts") {
  if (gpu_or_skip().empty()) return;
  for (const bool all_positions : {false, true}) {
    const LrnnModel model = swaps(5, 4, 7, false);
    const auto machine = make_machine(model, Semantics::fp32_fma_v1);
    RandomModel draw(9);
    std::vector<Word> words;
    for (int i = 0; i < (small_cases() ? 40 : 700); ++i) words.push_back(draw.word(4, draw.below(90)));
    const Trace expected = machine->run(words, {Device::cpu, all_positions, true, 0, 0});
    on_any_team([&](const Device& device) {
      const Trace seen = machine->run(words, {device, all_positions, true, 0, 8'000});
      CHECK(seen.labels == expected.labels);
      CHECK(std::memcmp(seen.margins.data(), expected.margins.data(), 4 * seen.margins.size()) == 0);
      return seen.device;
    });
  }
}

TEST_CASE("one sequence, a block a worker") {
  if (gpu_or_skip().empty()) return;
  const LrnnModel model = swaps(5, 4, 7, false);
  const auto machine = make_machine(model, Semantics::fp32_fma_v1);
  RandomModel draw(9);
  const Word word = draw.word(4, small_cases() ? 30'000 : 500'001);
  const std::vector<std::uint8_t> bytes(word.begin(), word.end());
  const ScanResult expected = scan(*machine, source_of(bytes), {Device::cpu, 0, 0});
  on_any_team([&](const Device& device) {
    const ScanResult seen = scan(*machine, source_of(bytes), {device, 0, 20'000});
    CHECK(seen.length == word.size());
    CHECK(seen.observation.label == expected.observation.label);
    CHECK(seen.observation.margin == expected.observation.margin);
    return seen.device;
  });
}

struct Learned {
  std::shared_ptr<const Program> model;
  LearnedTask task;
  std::unique_ptr<Machine> machine;
};
Learned learned_model() {
  RandomProgram random(11);
  auto model = std::make_shared<const Program>(random.make("delta", {2, 16, 2, Beta::doubled}));
  LearnedTask task{
      Alphabet({"a", "b"}), {1, 2 % static_cast<std::uint32_t>(model->vocabulary_size())}, 0, {"l0", "l1", "l2"}, {}};
  for (std::uint32_t i = 0; i < model->num_logits(); ++i) task.outputs.push_back({i, static_cast<std::int32_t>(i % 3)});
  std::unique_ptr<Machine> machine = make_machine(model, task);
  return {std::move(model), std::move(task), std::move(machine)};
}

TEST_CASE("learned models: logits and states, labels, accuracy, samples") {
  if (gpu_or_skip().empty()) return;
  const Learned learned = learned_model();
  RandomModel draw(4);
  std::vector<Tokens> runs;
  for (int i = 0; i < 50; ++i) {
    Tokens& run = runs.emplace_back();
    for (std::size_t t = draw.below(70); t > 0; --t) {
      run.push_back(static_cast<std::uint32_t>(draw.below(learned.model->vocabulary_size())));
    }
  }
  // Per word its logits, position by position, then its last state; a word that comes again must bring the same.
  const auto numbers_of = [&](const Device& device, std::string& name) {
    std::vector<std::vector<float>> numbers(runs.size());
    std::mutex mutex;
    const std::size_t logits = learned.model->num_logits();
    name = run_learned(*learned.model, runs, {0, device, 0}, [&](std::size_t w, std::size_t t, auto row, auto state) {
      const std::lock_guard lock(mutex);
      numbers[w].resize(t * logits);
      numbers[w].insert(numbers[w].end(), row.begin(), row.end());
      numbers[w].insert(numbers[w].end(), state.begin(), state.end());
    });
    return numbers;
  };
  std::string name;
  const auto expected_numbers = numbers_of(Device::cpu, name);
  on_any_team([&](const Device& device) {
    std::string where;
    const auto numbers = numbers_of(device, where);
    CHECK(numbers == expected_numbers);
    return where;
  });

  std::vector<Word> words;
  for (int i = 0; i < 60; ++i) words.push_back(draw.word(2, draw.below(50)));
  for (const bool all_positions : {false, true}) {
    const Trace expected = learned.machine->run(words, {.device = Device::cpu, .all_positions = all_positions});
    on_any_team([&](const Device& device) {
      const Trace seen = learned.machine->run(words, {.device = device, .all_positions = all_positions});
      CHECK(seen.labels == expected.labels);
      return seen.device;
    });
  }

  const Dfa language(learned.task.alphabet, 0, {0, 0}, {0}, {"l0", "l1", "l2"});
  AccuracyOptions options;
  options.lengths = {3, 40};
  options.words = 64;
  options.device = Device::cpu;
  const Accuracy expected = measure_accuracy(*learned.machine, language, options);
  on_any_team([&](const Device& device) {
    options.device = device;
    options.lengths = {40};
    const Accuracy seen = measure_accuracy(*learned.machine, language, options);
    CHECK(seen.lengths.size() == 1);
    return seen.device;
  });
  options.lengths = {3, 40};
  options.device = workers(2);
  const Accuracy seen = measure_accuracy(*learned.machine, language, options);
  REQUIRE(seen.lengths.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(seen.lengths[i].position.value == expected.lengths[i].position.value);
    CHECK(seen.lengths[i].last.value == expected.lengths[i].last.value);
    CHECK(seen.lengths[i].sequence.value == expected.lengths[i].sequence.value);
  }

  const Specification specification(*learned.machine, language);
  const SampleDesign design{200, 40, 3, 0.99};
  const Sample on_cpu = sample(*learned.machine, specification, design, {}, Device::cpu);
  const Sample on_two = sample(*learned.machine, specification, design, {}, workers(2));
  CHECK(on_two.disagreement == on_cpu.disagreement);
  CHECK(on_two.drawn == on_cpu.drawn);
  CHECK(on_two.steps == on_cpu.steps);
}

TEST_CASE("learned models: every word, the first of several planted errors") {
  if (gpu_or_skip().empty()) return;
  const Learned learned = learned_model();
  const Machine& machine = *learned.machine;
  const std::uint64_t length = small_cases() ? 9 : 13;
  for (std::uint32_t plants = 0; plants < 4; ++plants) {
    // A tree of the words up to the length, which asks for any label but at the planted words.
    LabelledAutomaton tree{2, 0, {}, {}};
    const std::size_t nodes = (std::size_t{1} << (length + 1)) - 1;
    for (std::size_t i = 0; i < nodes; ++i) {
      for (std::size_t a = 1; a <= 2; ++a) {
        tree.delta.push_back(static_cast<std::uint32_t>(2 * i + a < nodes ? 2 * i + a : i));
      }
    }
    tree.expected.assign(nodes, LabelledAutomaton::any_label);
    RandomModel draw(plants + 5);
    for (std::uint32_t i = 0; i < plants; ++i) {
      tree.expected[nodes / 2 + draw.below(nodes / 2)] = LabelledAutomaton::no_label;
    }
    CHECK(search_everywhere(machine, tree, length).disagreement.has_value() == (plants > 0));
  }
}

TEST_CASE("the first word that is not finite is named, whoever met it") {
  if (gpu_or_skip().empty()) return;
  TokenRow grow;
  grow.gate = {65536.0F};
  const SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  const TableLayer layer{TokenTable(1, 1, {TokenRow{}, grow}), {1.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 0}};
  const auto machine =
      make_machine(LrnnModel(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer}), Semantics::fp32_fma_v1);
  std::vector<Word> words(200, Word(20, 0));
  words[77] = words[140] = Word(20, 1);
  for (const std::size_t count : {1U, 3U}) {
    CHECK_THROWS_WITH_AS(machine->run(words, {workers(count), true, false, 0, 4'000}),
                         doctest::Contains("word 78, position"), NumericError);
  }
}

TEST_CASE("a device that is not there is an error") {
  if (gpu_or_skip().empty()) return;
  const auto machine = make_machine(swaps(2, 2, 1, false), Semantics::fp32_fma_v1);
  CHECK_THROWS_WITH_AS(machine->run(std::vector<Word>{{0, 1}}, {*parse_device("cuda:0,63")}),
                       doctest::Contains("got 63"), DeviceError);
}

}  // namespace
}  // namespace krohn
