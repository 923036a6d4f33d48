// label: gpu
// Learned models on the device give the bits of the CPU: logits and final states of every recorded case and of random
// models of every architecture and size, in batches of ragged words, whole or cut into chunks of time, and in the
// branches of a tree; and prefix trees find the first word in shortlex order whose label differs.
#include "krohn/engine/learned.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <numeric>

#include "engine/bare_program.hpp"
#include "engine/random_program.hpp"
#include "kernels/require_gpu.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/engine/learned_program.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/recurrence.hpp"
#include "krohn/verify/accuracy.hpp"
#include "krohn/verify/harden.hpp"
#include "krohn/verify/sample.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;
using testing::Beta;
using testing::gpu_or_skip;
using testing::ProgramSizes;
using testing::RandomProgram;
using testing::small_cases;

// The long matrices run a random tenth unless KROHN_TEST_ALL=1; small cases a random hundredth.
bool drawn(std::uint64_t index) {
  static const bool all = std::getenv("KROHN_TEST_ALL") != nullptr;
  SplitMix64 random(index);
  return all || random.next() % (small_cases() ? 100 : 10) == 0;
}

using Lengths = std::vector<std::size_t>;

struct Ran {
  std::vector<std::vector<float>> logits;
  std::vector<std::vector<float>> states;
};

Ran run(const Program& model, const std::vector<Tokens>& words, Device device, std::size_t memory = 0) {
  Ran ran{std::vector<std::vector<float>>(words.size()), std::vector<std::vector<float>>(words.size())};
  std::mutex mutex;
  run_learned(model, words, {0, device, memory}, [&](std::size_t w, std::size_t t, auto logits, auto state) {
    const std::lock_guard lock(mutex);
    CHECK(ran.logits[w].size() == t * model.num_logits());
    ran.logits[w].insert(ran.logits[w].end(), logits.begin(), logits.end());
    if (!state.empty()) ran.states[w].assign(state.begin(), state.end());
  });
  return ran;
}

// The first word whose bits differ, or nothing.
std::optional<std::size_t> first_difference(const std::vector<std::vector<float>>& a,
                                            const std::vector<std::vector<float>>& b) {
  for (std::size_t w = 0; w < a.size(); ++w) {
    if (a[w].size() != b[w].size() || std::memcmp(a[w].data(), b[w].data(), a[w].size() * sizeof(float)) != 0) return w;
  }
  return std::nullopt;
}

void compare(const Program& model, const std::vector<Tokens>& words) {
  const Ran expected = run(model, words, Device::cpu);
  const std::size_t least = 2 * (4 * (2 * model.state_size() + model.num_parameters()) + (std::size_t{1} << 18U));
  for (const std::size_t memory : {std::size_t{0}, 2 * least}) {
    CAPTURE(memory);
    const Ran seen = run(model, words, Device::cuda, memory);
    CHECK(first_difference(expected.logits, seen.logits) == std::nullopt);
    CHECK(first_difference(expected.states, seen.states) == std::nullopt);
  }
}

std::vector<Tokens> random_words(std::uint64_t seed, std::size_t vocabulary, const std::vector<std::size_t>& lengths) {
  SplitMix64 random(seed);
  std::vector<Tokens> words;
  for (const std::size_t length : lengths) {
    Tokens& word = words.emplace_back();
    for (std::size_t t = 0; t < length; ++t) word.push_back(static_cast<std::uint32_t>(random.next() % vocabulary));
  }
  return words;
}

TEST_CASE("every recorded case") {
  if (gpu_or_skip().empty()) return;
  for (const char* folder : {"golden", "variants", "models"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(KROHN_TEST_DATA) / folder)) {
      CAPTURE(entry.path());
      const Program model = read_checkpoint(entry.path()).model;
      if (!runs_on_device(model)) continue;
      const Lengths lengths = small_cases() ? Lengths{0, 1, 9} : Lengths{0, 1, 20, 63, 64, 65, 3, 9, 9};
      compare(model, random_words(1, model.vocabulary_size(), lengths));
    }
  }
}

TEST_CASE("random models with codes, and hardened ones") {
  if (gpu_or_skip().empty()) return;
  std::uint64_t seed = 0;
  for (const std::string& architecture : testing::random_architectures()) {
    for (const std::size_t size : {7U, 16U, 64U}) {
      CAPTURE(architecture);
      CAPTURE(size);
      RandomProgram random(++seed);
      const Program model = testing::with_random_codes(
          random.make(architecture, {1 + seed % 3, size, 1 + seed % 4, static_cast<Beta>(seed % 5)}), seed);
      compare(model, random_words(seed, model.vocabulary_size(), {0, 1, 63, 64, 65, 17, 8, 9}));
    }
  }
  for (const char* name : {"dn01_1lc__flipnop", "gdn_2l__tomita4", "mamba_1l__flipnop", "gla_1l__flipnop"}) {
    CAPTURE(name);
    const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / "zoo" / name);
    const Hardening hardening = harden(*open.learned, open.task->answers, *open.own_language(), {});
    REQUIRE(hardening.program);
    compare(*hardening.program, random_words(3, hardening.program->vocabulary_size(), {0, 1, 100, 333, 1000}));
  }
}

TEST_CASE("random models: heads 1 to 16, sizes 16 to 128 and odd ones, 1 to 4 factors, exact betas") {
  if (gpu_or_skip().empty()) return;
  std::uint64_t index = 0;
  for (const std::string& architecture : testing::random_architectures()) {
    for (const std::size_t heads : {1U, 2U, 3U, 5U, 16U}) {
      for (const std::size_t size : {16U, 32U, 64U, 128U, 7U, 20U, 33U, 48U, 100U, 130U}) {
        if (heads * size > 1024 || ++index == 0 || !drawn(index)) continue;
        CAPTURE(architecture);
        CAPTURE(heads);
        CAPTURE(size);
        RandomProgram random(index);
        const Program model = random.make(architecture, {heads, size, 1 + index % 4, static_cast<Beta>(index % 5)});
        compare(model, random_words(index, model.vocabulary_size(), {0, 1, 63, 64, 65, 17, 8, 9}));
      }
    }
  }
}

TEST_CASE("long words") {
  if (gpu_or_skip().empty()) return;
  for (const std::string& architecture : testing::random_architectures()) {
    CAPTURE(architecture);
    RandomProgram random(7);
    const Program model = random.make(architecture, {2, 16, 2, Beta::doubled});
    const Lengths lengths = small_cases() ? Lengths{65, 1, 64} : Lengths{4097, 1, 4096, 2000};
    compare(model, random_words(3, model.vocabulary_size(), lengths));
  }
}

// Some levels of a tree below a word, branch by branch: every row's logits and state are the stream's. The program of
// trees does not keep tails of what it has tables of.
void compare_branches(const Program& model, const LearnedProgram& program, std::vector<std::uint32_t> tokens,
                      std::size_t length, bool tails) {
  const std::size_t size = program.initial_state.size();
  const auto symbols = static_cast<std::uint32_t>(tokens.size());
  std::uint32_t runs = 1;
  for (std::uint32_t i = 0; i < program.window; ++i) runs *= symbols;
  const auto wrong_states = [&](const std::vector<float>& kept, const std::vector<std::vector<float>>& expected) {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      for (const StatePart& part : model.state_parts()) {
        if (!tails && !part.recurrent()) continue;
        const float* part_kept = kept.data() + i * size + part.offset;
        wrong += std::memcmp(part_kept, expected[i].data() + part.offset, part.size * sizeof(float)) != 0 ? 1U : 0U;
      }
    }
    return wrong;
  };
  LearnedStream<float> stream(model);
  std::vector<float> logits(model.num_logits());
  std::uint64_t number = 0;
  for (std::size_t t = 0; t < length; ++t) {
    const auto digit = static_cast<std::uint32_t>((t + 1) % symbols);
    number = number * symbols + digit;
    stream.step(tokens[digit], logits);
  }
  std::vector<std::vector<float>> parents = {{stream.state().begin(), stream.state().end()}};
  LearnedDevice device(program.view(), {}, 243);
  LearnedStates from(1, size);
  device.upload(from, 0, parents[0]);
  for (int level = 0; level < (small_cases() ? 4 : 5); ++level) {
    // Not always from the first one on.
    const std::size_t begin = parents.size() > 1 ? 1 : 0;
    const std::size_t count = parents.size() - begin;
    const std::size_t rows = count * symbols;
    number = (number + begin) * symbols;
    const LearnedBranches branches{symbols, runs, static_cast<std::uint32_t>(number % runs)};
    LearnedStates to(rows, size);
    std::vector<float> seen(rows * model.num_logits());
    std::vector<float> last(seen.size());
    std::vector<float> states(rows * size);
    device.branch(from, begin, count, branches, nullptr);
    device.logits(last);
    device.branch(from, begin, count, branches, &to);
    device.logits(seen);
    device.download(to, 0, states);
    std::vector<float> expected;
    std::vector<float> below;
    std::vector<std::vector<float>> children;
    for (std::size_t row = 0; row < rows; ++row) {
      const std::vector<float>& parent = parents[begin + row / symbols];
      std::copy(parent.begin(), parent.end(), stream.state().begin());
      stream.step(tokens[row % symbols], logits);
      expected.insert(expected.end(), logits.begin(), logits.end());
      children.emplace_back(stream.state().begin(), stream.state().end());
    }
    CAPTURE(level);
    CHECK(first_difference({expected}, {seen}) == std::nullopt);
    CHECK(first_difference({expected}, {last}) == std::nullopt);
    CHECK(wrong_states(states, children) == 0);
    LearnedBranches both = branches;
    both.levels = 2;
    if (device.branches_twice(symbols) && count * both.family() <= 243) {
      // A family: a state's branches, then theirs.
      std::vector<float> families;
      std::vector<std::vector<float>> grandchildren;
      for (std::size_t row = 0; row < rows; ++row) {
        for (const std::uint32_t token : tokens) {
          std::copy(children[row].begin(), children[row].end(), stream.state().begin());
          stream.step(token, logits);
          below.insert(below.end(), logits.begin(), logits.end());
          grandchildren.emplace_back(stream.state().begin(), stream.state().end());
        }
        if ((row + 1) % symbols != 0) continue;
        const auto branch = static_cast<std::ptrdiff_t>(symbols * model.num_logits());
        const auto first = expected.begin() + static_cast<std::ptrdiff_t>((row + 1) / symbols - 1) * branch;
        families.insert(families.end(), first, first + branch);
        families.insert(families.end(), below.begin(), below.end());
        below.clear();
      }
      std::vector<float> seen_both(families.size());
      device.branch(from, begin, count, both, nullptr);
      device.logits(seen_both);
      CHECK(first_difference({families}, {seen_both}) == std::nullopt);
      LearnedStates last_states(rows * symbols, size);
      std::vector<float> left(rows * symbols * size);
      device.branch(from, begin, count, both, &last_states);
      device.logits(seen_both);
      device.download(last_states, 0, left);
      CHECK(wrong_states(left, grandchildren) == 0);
      CHECK(first_difference({families}, {seen_both}) == std::nullopt);
    }
    parents = std::move(children);
    from = std::move(to);
  }
}

void compare_branches(const Program& model) {
  std::vector<std::uint32_t> tokens(model.vocabulary_size());
  std::iota(tokens.begin(), tokens.end(), 0U);
  if (tokens.size() <= 3) compare_branches(model, make_learned_program(model), tokens, 0, true);
  for (const std::size_t symbols : {3U, 2U}) {
    if (tokens.size() < symbols) continue;
    tokens.resize(symbols);
    std::reverse(tokens.begin(), tokens.end());
    for (const std::size_t length : {0U, 2U, 5U}) {
      if (small_cases() && length != 2) continue;
      CAPTURE(length);
      const LearnedProgram program = make_tree_program(model, tokens, length + 1);
      compare_branches(model, program, tokens, length, program.window == 1);
    }
  }
}

TEST_CASE("branches leave the logits and states of the forward pass") {
  if (gpu_or_skip().empty()) return;
  std::vector<fs::path> paths;
  for (const char* folder : {"golden", "variants", "models"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(KROHN_TEST_DATA) / folder)) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  for (std::size_t i = 0; i < paths.size(); i += small_cases() ? 12 : 1) {
    CAPTURE(paths[i]);
    const Program model = read_checkpoint(paths[i]).model;
    if (runs_on_device(model)) compare_branches(model);
  }
  std::uint64_t index = 0;
  for (const std::string& architecture : testing::random_architectures()) {
    for (const std::uint32_t heads : {1U, 2U, 3U}) {
      for (const std::size_t size : {7U, 16U, 20U, 32U, 33U, 64U, 130U}) {
        if (!drawn(++index)) continue;
        CAPTURE(architecture);
        CAPTURE(heads);
        CAPTURE(size);
        RandomProgram random(index);
        compare_branches(random.make(architecture, {heads, size, 1 + index % 4, static_cast<Beta>(index % 5)}));
      }
    }
  }
}

// Host arrays [B, T, H, e] of a recurrence, copied to the device.
class Arrays {
 public:
  explicit Arrays(std::uint64_t seed) : random_(seed) {}
  /// Uniform in [low, high).
  std::size_t add(std::size_t size, double low, double high) {
    std::vector<float>& values = host_.emplace_back(std::max<std::size_t>(size, 1));
    for (float& x : values) {
      x = static_cast<float>(low + (high - low) * static_cast<double>(random_.next() >> 11U) * 0x1p-53);
    }
    device_.push_back(std::make_unique<DeviceNumbers>(values));
    return host_.size() - 1;
  }
  RecurrenceInput input(std::size_t index, bool device, std::size_t length, std::size_t heads, std::size_t elements) {
    const auto at = [](std::size_t n) { return static_cast<std::int64_t>(n); };
    return {device ? device_[index]->data() : host_[index].data(),
            at(length * heads * elements),
            at(heads * elements),
            at(elements),
            1,
            1};
  }
  std::vector<float>& host(std::size_t index) { return host_[index]; }
  DeviceNumbers& device(std::size_t index) { return *device_[index]; }

 private:
  SplitMix64 random_;
  std::vector<std::vector<float>> host_;
  std::vector<std::unique_ptr<DeviceNumbers>> device_;
};

TEST_CASE("the recurrence on arrays [B, T, H, d]: every decay and form of update") {
  if (gpu_or_skip().empty()) return;
  using Decay = Recurrence::Decay;
  std::uint64_t index = 0;
  for (const char* form : {"delta", "write", "removal", "general"}) {
    for (const Decay decay : {Decay::none, Decay::scalar, Decay::key, Decay::element, Decay::rate}) {
      for (const std::uint32_t d : {16U, 32U, 64U, 128U, 5U, 24U, 65U, 129U}) {
        for (const std::uint32_t columns : {d, d + 1, 3U, 200U}) {
          for (const std::uint32_t length : {0U, 1U, 8U, 9U, 16U, 33U, 67U}) {
            if (!drawn(++index)) continue;
            CAPTURE(std::string(form));
            CAPTURE(static_cast<int>(decay));
            CAPTURE(d);
            CAPTURE(columns);
            CAPTURE(length);
            const std::uint32_t words = 3;
            const auto heads = static_cast<std::uint32_t>(1 + index % 3);
            const std::size_t tokens = std::size_t{words} * length * heads;
            const double small = 1.0 / d;
            Arrays arrays(index);
            const auto updates = static_cast<std::uint32_t>(std::strcmp(form, "delta") == 0     ? 1 + index % 4
                                                            : std::strcmp(form, "removal") == 0 ? 2
                                                                                                : 1);
            struct Numbers {
              std::size_t read, write, value, beta;
            };
            std::vector<Numbers> numbers;
            for (std::uint32_t u = 0; u < updates; ++u) {
              numbers.push_back({arrays.add(tokens * d, -small, small), arrays.add(tokens * d, -small, small),
                                 arrays.add(tokens * columns, -1, 1), arrays.add(tokens, 0, 2)});
            }
            const std::size_t query = arrays.add(tokens * d, -1, 1);
            const std::size_t decay_size = decay == Decay::scalar    ? 1
                                           : decay == Decay::key     ? d
                                           : decay == Decay::element ? std::size_t{d} * columns
                                                                     : columns;
            const std::size_t decays = arrays.add(tokens * decay_size, 0, 1);
            const std::size_t rates = arrays.add(std::size_t{d} * columns, -2, 0);
            const std::size_t states = std::size_t{words} * heads * d * columns;
            const std::size_t start = arrays.add(states, -1, 1);
            DeviceNumbers state_out(states);
            DeviceNumbers output(std::vector<float>(tokens * columns + 1));
            std::vector<float> expected_output(tokens * columns + 1);
            const auto make = [&](bool device) {
              Recurrence r;
              r.words = words;
              r.heads = heads;
              r.length = length;
              r.key_size = d;
              r.value_size = columns;
              r.decay_kind = decay;
              if (decay != Decay::none) r.decay = arrays.input(decays, device, length, heads, decay_size);
              r.rates = device ? arrays.device(rates).data() : arrays.host(rates).data();
              r.negative = index % 2 == 0;
              r.num_updates = updates;
              for (std::uint32_t u = 0; u < updates; ++u) {
                RecurrenceUpdate& update = r.updates[u];
                update.write = arrays.input(numbers[u].write, device, length, heads, d);
                const RecurrenceInput read = arrays.input(numbers[u].read, device, length, heads, d);
                const RecurrenceInput value = arrays.input(numbers[u].value, device, length, heads, columns);
                const RecurrenceInput beta = arrays.input(numbers[u].beta, device, length, heads, 1);
                if (std::strcmp(form, "delta") == 0) update = {update.write, update.write, value, beta, false};
                if (std::strcmp(form, "write") == 0) update = {{}, update.write, value, {}, false};
                if (std::strcmp(form, "removal") == 0 && u == 0) update = {read, update.write, {}, {}, true};
                if (std::strcmp(form, "removal") == 0 && u == 1) update = {{}, update.write, value, {}, false};
                if (std::strcmp(form, "general") == 0) update = {read, update.write, value, beta, index % 2 == 0};
              }
              r.query = arrays.input(query, device, length, heads, d);
              const RecurrenceInput like = arrays.input(numbers[0].value, device, length, heads, columns);
              r.output = {device ? output.data() : expected_output.data(), like.word, like.time, like.head, 1, 1};
              r.state_in = device ? arrays.device(start).data() : arrays.host(start).data();
              r.state_out = device ? state_out.data() : nullptr;
              return r;
            };
            run_recurrence_cuda(make(true));
            const Recurrence reference = make(false);
            std::vector<float> expected_state = arrays.host(start);
            for (std::uint32_t w = 0; w < words; ++w) {
              for (std::uint32_t h = 0; h < heads; ++h) {
                for (std::uint32_t c = 0; c < columns; ++c) {
                  recurrence_column(reference, w, h, c,
                                    expected_state.data() + recurrence_detail::state_offset(reference, w, h) + c,
                                    columns);
                }
              }
            }
            std::vector<float> seen_state(states);
            std::vector<float> seen_output(tokens * columns + 1);
            state_out.download(seen_state);
            output.download(seen_output);
            CHECK(std::memcmp(expected_state.data(), seen_state.data(), states * sizeof(float)) == 0);
            CHECK(std::memcmp(expected_output.data(), seen_output.data(), tokens * columns * sizeof(float)) == 0);
          }
        }
      }
    }
  }
}

LearnedTask task_of(const Program& model, std::uint32_t symbols, bool first_token) {
  std::vector<std::string> names;
  for (std::uint32_t a = 0; a < symbols; ++a) names.push_back("t" + std::to_string(a));
  LearnedTask task{Alphabet(names), {}, std::nullopt, {}, {}};
  for (std::uint32_t a = 0; a < symbols; ++a) {
    task.tokens.push_back((a + 1) % static_cast<std::uint32_t>(model.vocabulary_size()));
  }
  if (first_token) task.first_token = 0;
  for (std::uint32_t i = 0; i < model.num_logits(); ++i) {
    task.outputs.push_back({i, static_cast<std::int32_t>(i % 3)});
    if (i < 3) task.label_names.push_back("l" + std::to_string(i));
  }
  return task;
}

// The words up to a length as a tree that asks for the labels that the model gives, every longer word for any.
LabelledAutomaton tree_of(const Machine& model, std::uint64_t length) {
  LabelledAutomaton tree;
  tree.num_symbols = static_cast<std::uint32_t>(model.alphabet().size());
  std::vector<std::byte> state(model.state_size());
  const auto ask = [](std::int32_t label) { return label == undefined_label ? LabelledAutomaton::any_label : label; };
  std::vector<std::vector<std::byte>> states;
  tree.expected.push_back(ask(model.initial(state).label));
  states.push_back(state);
  std::size_t level = 0;
  for (std::uint64_t l = 0; l < length; ++l) {
    const std::size_t end = states.size();
    for (; level < end; ++level) {
      for (Symbol a = 0; a < tree.num_symbols; ++a) {
        std::vector<std::byte> next = states[level];
        tree.expected.push_back(ask(model.step(next, a).label));
        tree.delta.push_back(static_cast<std::uint32_t>(states.size()));
        states.push_back(std::move(next));
      }
    }
  }
  const auto sink = static_cast<std::uint32_t>(states.size());
  tree.expected.push_back(LabelledAutomaton::any_label);
  tree.delta.resize((std::size_t{sink} + 1) * tree.num_symbols, sink);
  return tree;
}

TEST_CASE("prefix trees: nothing is found where nothing is wrong, and the first of several planted errors is") {
  if (gpu_or_skip().empty()) return;
  std::uint64_t seed = 0;
  for (const std::string& architecture : testing::random_architectures()) {
    CAPTURE(architecture);
    ++seed;
    RandomProgram random(seed);
    const std::size_t size = seed / 2 % 2 == 0 ? 16 : 32;
    const auto model = std::make_shared<const Program>(random.make(architecture, {2, size, 2, Beta::doubled}));
    const std::uint32_t symbols = 2 + seed % 2;
    // Longer than what the CPU makes by itself.
    const std::uint64_t length = small_cases() ? (symbols == 2 ? 10 : 7) : symbols == 2 ? 13 : 8;
    const auto recognizer = make_machine(model, task_of(*model, symbols, seed % 2 == 0));
    const LabelledAutomaton tree = tree_of(*recognizer, length);
    EnumerateOptions options;
    options.max_length = length;
    options.device = Device::cuda;
    CHECK(enumerate(*recognizer, tree, options).agreed == length);
    // So little memory that the tree is walked in many pieces.
    EnumerateOptions pieces = options;
    pieces.device_memory = 4 * (model->num_parameters() + 2000 * model->state_size()) + (std::size_t{8} << 20U);
    CHECK(enumerate(*recognizer, tree, pieces).agreed == length);
    SplitMix64 draw(seed);
    for (int plant = 0; plant < (small_cases() ? 1 : 6); ++plant) {
      LabelledAutomaton wrong = tree;
      for (int i = 0; i <= plant % 3; ++i) {
        wrong.expected[draw.next() % (wrong.expected.size() - 1)] = LabelledAutomaton::no_label;
      }
      EnumerateOptions on_cpu = options;
      on_cpu.device = Device::cpu;
      const EnumerateResult expected = enumerate(*recognizer, wrong, on_cpu);
      REQUIRE(expected.disagreement);
      for (const EnumerateOptions& each : {options, pieces}) {
        const EnumerateResult seen = enumerate(*recognizer, wrong, each);
        CHECK(seen.disagreement == expected.disagreement);
        CHECK(seen.agreed == expected.agreed);
        CHECK(seen.lengths == expected.lengths);
      }
      // In parts too.
      std::vector<EnumerateResult> parts;
      for (std::uint32_t i = 0; i < 3; ++i) {
        EnumerateOptions part = options;
        part.shard = {i, 3};
        parts.push_back(enumerate(*recognizer, wrong, part));
      }
      CHECK(merge(parts).disagreement == expected.disagreement);
    }
  }
}

TEST_CASE("accuracies and samples are the same on both") {
  if (gpu_or_skip().empty()) return;
  RandomProgram random(11);
  const auto model = std::make_shared<const Program>(random.make("delta", {2, 16, 2, Beta::doubled}));
  const LearnedTask task = task_of(*model, 2, true);
  const auto recognizer = make_machine(model, task);
  // Every word's label is l0: sometimes right.
  const Dfa language(task.alphabet, 0, {0, 0}, {0}, {"l0", "l1", "l2"});
  AccuracyOptions options;
  options.lengths = {1, 17, 70};
  options.words = small_cases() ? 20 : 200;
  options.device = Device::cuda;
  const Accuracy seen = measure_accuracy(*recognizer, language, options);
  options.device = Device::cpu;
  const Accuracy expected = measure_accuracy(*recognizer, language, options);
  REQUIRE(seen.lengths.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(seen.lengths[i].position.value == expected.lengths[i].position.value);
    CHECK(seen.lengths[i].last.value == expected.lengths[i].last.value);
    CHECK(seen.lengths[i].sequence.value == expected.lengths[i].sequence.value);
  }
  const Specification specification(*recognizer, language);
  const SampleDesign design{small_cases() ? 50U : 500U, 40, 3, 0.99};
  const Sample on_device = sample(*recognizer, specification, design, {}, Device::cuda);
  const Sample on_cpu = sample(*recognizer, specification, design, {}, Device::cpu);
  CHECK(on_device.disagreement == on_cpu.disagreement);
  CHECK(on_device.drawn == on_cpu.drawn);
  CHECK(on_device.steps == on_cpu.steps);
}

TEST_CASE("what is not finite is said with the reference's words") {
  if (gpu_or_skip().empty()) return;
  const float large = std::numeric_limits<float>::max();
  const Program model = testing::bare_program({1, 2, 0, 0}, {large, 0, 0, 1});
  const auto ignore = [](auto, auto, auto, auto) {};
  CHECK_THROWS_WITH_AS(run_learned(model, std::vector<Tokens>{{0, 0}, {0, 1}}, {0, Device::cuda, 0}, ignore),
                       "word 1, position 1: logit 0 is infinite: the run has no labels from here on", NumericError);
  CHECK_THROWS_AS(run_learned(model, std::vector<Tokens>{{2}}, {0, Device::cuda, 0}, ignore), InputError);
  CHECK_THROWS_AS(run_learned(model, std::vector<Tokens>{{0}}, {0, Device::cuda, 8}, ignore), ResourceError);
}

}  // namespace
}  // namespace krohn
