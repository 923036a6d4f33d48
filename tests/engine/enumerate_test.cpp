// label: quick
// enumerate finds the first word in shortlex order on which model and automaton differ, for every number of threads and
// parts, and counts what it tried.
#include "krohn/engine/enumerate.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/random_model.hpp"
#include "engine/reference.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using testing::RandomModel;
using testing::RandomShape;

struct BruteForce {
  std::optional<Word> disagreement;
  bool numeric = false;
  std::vector<std::uint64_t> in_domain;
};

// Every word in shortlex order, each run from its beginning by the reference.
BruteForce brute_force(const LrnnModel& model, Semantics semantics, const LabelledAutomaton& automaton,
                       std::uint64_t max_length) {
  BruteForce result;
  for (std::uint64_t length = 0; length <= max_length; ++length) {
    Word word(length, 0);
    std::uint64_t in_domain = 0;
    for (;;) {
      reference::Run run(model, semantics);
      reference::Position seen = run.start();
      std::uint32_t q = automaton.start;
      for (const Symbol a : word) {
        seen = run.step(a);
        q = automaton.delta[q * automaton.num_symbols + a];
      }
      if (automaton.expected[q] != LabelledAutomaton::any_label) ++in_domain;
      const bool differs = automaton.expected[q] != LabelledAutomaton::any_label && automaton.expected[q] != seen.label;
      if (run.error() || differs) {
        result.disagreement = word;
        result.numeric = run.error();
        return result;
      }
      std::size_t i = word.size();
      while (i > 0 && word[i - 1] + 1 == automaton.num_symbols) word[--i] = 0;
      if (i == 0) break;
      ++word[i - 1];
    }
    result.in_domain.push_back(in_domain);
  }
  return result;
}

// The automaton that a model is, as far as its states are few, with a few labels made wrong.
LabelledAutomaton automaton_of(const LrnnModel& model, Semantics semantics, std::size_t states, std::uint32_t seed,
                               bool plant) {
  RandomModel draw(seed);
  const auto machine = make_machine(model, semantics);
  LabelledAutomaton automaton;
  automaton.num_symbols = static_cast<std::uint32_t>(model.alphabet().size());
  // States are words up to a length, as a tree whose leaves loop: right near the root, arbitrary further down.
  std::vector<std::vector<std::byte>> state(1, std::vector<std::byte>(machine->state_size()));
  automaton.expected.push_back(machine->initial(state[0]).label);
  for (std::size_t i = 0; i < states; ++i) {
    for (Symbol a = 0; a < automaton.num_symbols; ++a) {
      std::vector<std::byte> next = state[i];
      const std::int32_t label = machine->step(next, a).label;
      state.push_back(next);
      automaton.expected.push_back(draw.below(10) == 0 ? LabelledAutomaton::any_label : label);
      automaton.delta.push_back(static_cast<std::uint32_t>(state.size() - 1));
    }
  }
  for (std::size_t i = states; i < state.size(); ++i) {
    for (Symbol a = 0; a < automaton.num_symbols; ++a) automaton.delta.push_back(static_cast<std::uint32_t>(i));
  }
  if (plant) automaton.expected[draw.below(automaton.expected.size())] = 4;
  return automaton;
}

TEST_CASE("the first disagreement is brute force's, for all threads, and in every split into parts") {
  int found = 0;
  for (std::uint32_t seed = 0; seed < 30; ++seed) {
    RandomModel draw(seed);
    RandomShape shape;
    shape.symbols = 1 + seed % 4;
    shape.layers = 1 + seed % 2;
    shape.undefined_rows = seed % 5 == 0;
    const LrnnModel model = draw.draw(shape);
    const Semantics semantics = seed % 3 == 0   ? Semantics::fp32_fma_v1
                                : seed % 3 == 1 ? Semantics::fp16_state_v1
                                                : Semantics::bf16_state_v1;
    const LabelledAutomaton automaton = automaton_of(model, semantics, 20 + seed, seed, seed % 2 == 0);
    const std::uint64_t max_length = shape.symbols == 1 ? 60 : 6;
    const BruteForce expected = brute_force(model, semantics, automaton, max_length);
    REQUIRE(!expected.numeric);
    found += static_cast<int>(expected.disagreement.has_value());
    for (const unsigned threads : {1U, 3U}) {
      EnumerateOptions options;
      options.max_length = max_length;
      options.threads = threads;
      options.device = Device::cpu;
      const EnumerateResult result = enumerate(*make_machine(model, semantics), automaton, options);
      CHECK(result.disagreement == expected.disagreement);
      CHECK(!result.stopped);
      if (!expected.disagreement) {
        REQUIRE(result.agreed == max_length);
        for (std::uint64_t length = 0; length <= max_length; ++length) {
          CHECK(result.lengths[length].words == static_cast<std::uint64_t>(std::pow(shape.symbols, length)));
          CHECK(result.lengths[length].in_domain == expected.in_domain[length]);
        }
      }
      for (const std::uint32_t count : {2U, 5U}) {
        std::vector<EnumerateResult> parts;
        for (std::uint32_t i = 0; i < count; ++i) {
          options.shard = {i, count};
          parts.push_back(enumerate(*make_machine(model, semantics), automaton, options));
        }
        const MergedEnumeration merged = merge(parts);
        CHECK(merged.disagreement == expected.disagreement);
        CHECK(merged.first == expected.disagreement.has_value());
        if (!expected.disagreement) CHECK(merged.agreed == max_length);
        for (std::size_t length = 0; length < merged.lengths.size(); ++length) {
          CHECK(merged.lengths[length].in_domain == expected.in_domain[length]);
          CHECK(merged.lengths[length].words == static_cast<std::uint64_t>(std::pow(shape.symbols, length)));
        }
      }
      options.shard = {};
    }
  }
  CHECK(found > 5);
}

LrnnModel parity() {
  TokenRow flip;
  flip.factors.push_back({{{0, 1.0F}}, 2.0F, {}});
  const SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  TableLayer layer{TokenTable(1, 1, {TokenRow{}, flip}), {1.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
  return LrnnModel(Alphabet::of_characters("01"), {"0", "1"}, 0, {0, 1}, {layer});
}

// Parity, except on the one word planted.
LabelledAutomaton parity_but(const Word& word) {
  LabelledAutomaton automaton;
  automaton.num_symbols = 2;
  automaton.delta = {0, 1, 1, 0};
  automaton.expected = {0, 1};
  std::uint32_t parity = 0;
  // A chain of states along the word, leaving to the two parity states.
  const std::size_t chain = word.size() + 1;
  automaton.start = 2;
  for (std::size_t i = 0; i < chain; ++i) {
    automaton.expected.push_back(static_cast<std::int32_t>(i + 1 == chain ? 1 - parity : parity));
    for (Symbol a = 0; a < 2; ++a) {
      const bool along = i < word.size() && word[i] == a;
      automaton.delta.push_back(along ? static_cast<std::uint32_t>(3 + i) : parity ^ a);
    }
    if (i < word.size()) parity ^= word[i];
  }
  return automaton;
}

TEST_CASE("a single planted error is found, and nothing before it") {
  for (const Word& word : {Word{}, Word{1}, Word(17, 0), Word{1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0}, Word(15, 1)}) {
    EnumerateOptions options;
    options.max_length = 17;
    options.device = Device::cpu;
    const EnumerateResult result =
        enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), parity_but(word), options);
    REQUIRE(result.disagreement == word);
    CHECK(result.agreed == (word.empty() ? std::nullopt : std::optional<std::uint64_t>(word.size() - 1)));
    options.agreed = word.size();
    CHECK(enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), parity_but(word), options).agreed == 17);
  }
}

TEST_CASE("a stop flag ends the search with a bound that holds; the search goes on from there") {
  const Word word(16, 1);
  std::atomic<bool> stop{true};
  EnumerateOptions options;
  options.max_length = 18;
  options.stop = &stop;
  const EnumerateResult early = enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), parity_but(word), options);
  CHECK(early.stopped);
  REQUIRE(early.agreed.has_value());
  CHECK(*early.agreed < 16);
  CHECK(!early.disagreement);
  stop = false;
  options.agreed = early.agreed;
  std::uint64_t calls = 0;
  options.progress = [&](const EnumerateProgress& progress) {
    ++calls;
    CHECK(progress.total == (std::uint64_t{1} << 19U) - 1);
  };
  CHECK(enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), parity_but(word), options).disagreement == word);
}

TEST_CASE("the first word that overflows ends the search with an error that names it, unless a disagreement precedes") {
  TokenRow grow;
  grow.gate = {65536.0F};
  const SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  TableLayer layer{TokenTable(1, 1, {TokenRow{}, grow}), {1.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 0}};
  const LrnnModel model(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
  LabelledAutomaton automaton{2, 0, {0, 0}, {0}};
  EnumerateOptions options;
  options.max_length = 14;
  options.device = Device::cpu;
  CHECK_THROWS_WITH_AS(enumerate(*make_machine(model, Semantics::fp32_fma_v1), automaton, options),
                       doctest::Contains("word bbbbbbbb:"), NumericError);
  options.max_length = 7;
  CHECK(enumerate(*make_machine(model, Semantics::fp32_fma_v1), automaton, options).agreed == 7);
  automaton = {2, 0, {0, 1, 1, 1}, {0, 1}};
  CHECK(enumerate(*make_machine(model, Semantics::fp32_fma_v1), automaton, options).disagreement == Word{1});
}

TEST_CASE("in a search of the empty word alone one part has it") {
  for (const Word& wrong : {Word{}, Word{1}}) {
    std::vector<EnumerateResult> parts;
    for (std::uint32_t i = 0; i < 3; ++i) {
      EnumerateOptions options;
      options.max_length = 0;
      options.shard = {i, 3};
      options.device = Device::cpu;
      parts.push_back(enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), parity_but(wrong), options));
    }
    const MergedEnumeration merged = merge(parts);
    if (wrong.empty()) {
      CHECK(merged.disagreement == wrong);
      CHECK(merged.first);
    } else {
      CHECK(merged.agreed == 0);
      CHECK(merged.lengths == std::vector<LengthStatistics>{{0, 1, 1}});
    }
  }
}

TEST_CASE("arguments that do not fit are refused") {
  const LabelledAutomaton automaton{2, 0, {0, 0}, {0}};
  EnumerateOptions options;
  options.max_length = 63;
  CHECK_THROWS_AS(enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), automaton, options), ResourceError);
  options.max_length = 3;
  options.shard = {2, 2};
  CHECK_THROWS_AS(enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), automaton, options), InputError);
  options.shard = {};
  CHECK_THROWS_AS(enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), {2, 0, {0, 1}, {0}}, options), InputError);
  CHECK_THROWS_AS(enumerate(*make_machine(parity(), Semantics::fp32_fma_v1), {3, 0, {0, 0, 0}, {0}}, options),
                  InputError);
}

}  // namespace
}  // namespace krohn
