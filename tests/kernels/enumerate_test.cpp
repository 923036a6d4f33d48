// label: gpu
// The device's walks find the first word in shortlex order on which model and automaton differ, as the CPU does.
#include "krohn/engine/enumerate.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "engine/random_model.hpp"
#include "kernels/require_gpu.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"

namespace krohn {
namespace {

using testing::gpu_or_skip;
using testing::RandomModel;
using testing::RandomShape;
using testing::seed_step;
using testing::swaps;

// The automaton that a model with few reachable states is.
LabelledAutomaton closure_of(const LrnnModel& model, Semantics semantics) {
  const auto recognizer = make_machine(model, semantics);
  LabelledAutomaton automaton;
  automaton.num_symbols = static_cast<std::uint32_t>(model.alphabet().size());
  const auto key = [](const std::pair<std::vector<std::byte>, std::int32_t>& entry) {
    return std::string(reinterpret_cast<const char*>(entry.first.data()), entry.first.size()) + '/' +
           std::to_string(entry.second);
  };
  std::map<std::string, std::uint32_t> index;
  std::vector<std::pair<std::vector<std::byte>, std::int32_t>> list;
  std::vector<std::byte> start(recognizer->state_size());
  const std::int32_t label = recognizer->initial(start).label;
  list.emplace_back(start, label);
  index[key(list[0])] = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    automaton.expected.push_back(list[i].second);
    for (Symbol a = 0; a < automaton.num_symbols; ++a) {
      std::vector<std::byte> next = list[i].first;
      const std::int32_t seen = recognizer->step(next, a).label;
      const auto [at, added] = index.emplace(key({next, seen}), static_cast<std::uint32_t>(list.size()));
      if (added) list.emplace_back(next, seen);
      automaton.delta.push_back(at->second);
    }
    REQUIRE(list.size() < 5000);
  }
  return automaton;
}

// `automaton` with another label on one word alone: a chain of copies along the word.
LabelledAutomaton planted(LabelledAutomaton automaton, const Word& word) {
  std::uint32_t q = automaton.start;
  const auto base = static_cast<std::uint32_t>(automaton.num_states());
  automaton.start = base;
  for (std::size_t i = 0; i <= word.size(); ++i) {
    const bool last = i == word.size();
    automaton.expected.push_back(last ? LabelledAutomaton::no_label : automaton.expected[q]);
    for (Symbol a = 0; a < automaton.num_symbols; ++a) {
      const std::uint32_t plain = automaton.delta[q * automaton.num_symbols + a];
      automaton.delta.push_back(!last && word[i] == a ? base + static_cast<std::uint32_t>(i) + 1 : plain);
    }
    if (!last) q = automaton.delta[q * automaton.num_symbols + word[i]];
  }
  return automaton;
}

TEST_CASE("models of a few hidden states: every size, symbol count, format and form; planted errors anywhere") {
  const std::string gpu = gpu_or_skip();
  if (gpu.empty()) return;
  for (std::uint32_t seed = 0; seed < 30; seed += seed_step()) {
    const std::size_t size = 1 + seed % 5;
    const std::size_t symbols = 2 + seed % 4;
    const LrnnModel model = swaps(size, symbols, seed, seed % 6 == 5);
    const Semantics semantics = seed % 5 == 3   ? Semantics::fp16_state_v1
                                : seed % 5 == 4 ? Semantics::bf16_state_v1
                                                : Semantics::fp32_fma_v1;
    const LabelledAutomaton automaton = closure_of(model, semantics);
    EnumerateOptions options;
    options.device = Device::cuda;
    options.max_length = symbols == 2 ? 22 : symbols == 3 ? 14 : symbols == 4 ? 11 : 9;
    const EnumerateResult right = enumerate(*make_machine(model, semantics), automaton, options);
    CHECK(right.device == gpu);
    CHECK(!right.disagreement);
    CHECK(right.agreed == options.max_length);
    RandomModel draw(seed);
    for (int i = 0; i < 6; ++i) {
      const Word word = draw.word(symbols, i == 0 ? options.max_length : draw.below(options.max_length + 1));
      const LabelledAutomaton wrong = planted(automaton, word);
      const EnumerateResult result = enumerate(*make_machine(model, semantics), wrong, options);
      REQUIRE(result.disagreement == word);
      const Word other = draw.word(symbols, options.max_length - 1);
      const LabelledAutomaton twice = planted(wrong, other);
      options.device = Device::cpu;
      const EnumerateResult expected = enumerate(*make_machine(model, semantics), twice, options);
      options.device = Device::cuda;
      REQUIRE(enumerate(*make_machine(model, semantics), twice, options).disagreement == expected.disagreement);
      options.agreed = word.size();
      CHECK(!enumerate(*make_machine(model, semantics), wrong, options).disagreement);
      options.agreed.reset();
    }
    std::vector<EnumerateResult> parts;
    const Word word = draw.word(symbols, options.max_length);
    for (std::uint32_t i = 0; i < 3; ++i) {
      options.shard = {i, 3};
      parts.push_back(enumerate(*make_machine(model, semantics), planted(automaton, word), options));
    }
    CHECK(merge(parts).disagreement == word);
    CHECK(merge(parts).first);
  }
}

TEST_CASE("models of many symbols, several factors a symbol; planted errors anywhere") {
  if (gpu_or_skip().empty()) return;
  struct Case {
    const char* language;
    std::uint64_t max_length;
  };
  for (const Case& c : {Case{"word:S3", 8}, Case{"word:S4", 5}, Case{"word:A5", 4}, Case{"word:S5", 3}}) {
    CAPTURE(c.language);
    const LrnnModel model = compile(read_language(c.language).dfa, {}).model;
    const std::size_t symbols = model.alphabet().size();
    const LabelledAutomaton automaton = closure_of(model, Semantics::fp32_fma_v1);
    EnumerateOptions options;
    options.device = Device::cuda;
    options.max_length = c.max_length;
    const auto machine = make_machine(model, Semantics::fp32_fma_v1);
    CHECK(!enumerate(*machine, automaton, options).disagreement);
    RandomModel draw(static_cast<std::uint32_t>(symbols));
    for (int i = 0; i < 8; ++i) {
      const Word word = draw.word(symbols, i < 4 ? c.max_length : 1 + draw.below(c.max_length));
      REQUIRE(enumerate(*machine, planted(automaton, word), options).disagreement == word);
    }
  }
}

TEST_CASE(
    "any model: several layers, undefined labels, integers, codes, read vectors, overflow; the first event is the "
    "CPU's") {
  if (gpu_or_skip().empty()) return;
  int found = 0;
  for (std::uint32_t seed = 0; seed < 40; seed += seed_step()) {
    RandomModel draw(seed);
    RandomShape shape;
    shape.symbols = 2 + seed % 3;
    shape.layers = 1 + seed % 3;
    shape.key_size = 1 + seed % 9;
    shape.undefined_rows = seed % 3 == 0;
    shape.reads_apart = seed % 8 == 5;
    LrnnModel model = draw.draw(shape);
    Semantics semantics = Semantics::fp32_fma_v1;
    if (seed % 8 == 1) {
      model = testing::with_integers(model);
      semantics = seed % 16 == 1 ? Semantics::int8_wrap_state_v1 : Semantics::int16_saturate_state_v1;
    } else if (seed % 8 == 3) {
      model = testing::with_codes(model, 5, seed);
      semantics = Semantics::fp32_snap_v1;
    }
    // Right on all words up to length 5 but one; anything after.
    const auto recognizer = make_machine(model, semantics);
    LabelledAutomaton automaton;
    automaton.num_symbols = static_cast<std::uint32_t>(shape.symbols);
    std::vector<std::vector<std::byte>> states(1, std::vector<std::byte>(recognizer->state_size()));
    automaton.expected.push_back(recognizer->initial(states[0]).label);
    std::size_t level_end = 1;
    std::size_t i = 0;
    for (int level = 0; level < 5; ++level) {
      for (; i < level_end; ++i) {
        for (Symbol a = 0; a < automaton.num_symbols; ++a) {
          std::vector<std::byte> next = states[i];
          const std::int32_t label = recognizer->step(next, a).label;
          automaton.expected.push_back(label == undefined_label ? LabelledAutomaton::any_label : label);
          automaton.delta.push_back(static_cast<std::uint32_t>(states.size()));
          states.push_back(std::move(next));
        }
      }
      level_end = states.size();
    }
    const auto sink = static_cast<std::uint32_t>(states.size());
    for (; i <= states.size(); ++i) {
      for (Symbol a = 0; a < automaton.num_symbols; ++a) automaton.delta.push_back(sink);
    }
    automaton.expected.push_back(seed % 4 == 0 ? 3 : LabelledAutomaton::any_label);
    if (seed % 2 == 0) automaton.expected[states.size() - 1 - draw.below(level_end / 2)] = LabelledAutomaton::no_label;
    EnumerateOptions options;
    options.max_length = 8;
    options.device = Device::cpu;
    const EnumerateResult expected = enumerate(*make_machine(model, semantics), automaton, options);
    options.device = Device::cuda;
    const EnumerateResult seen = enumerate(*make_machine(model, semantics), automaton, options);
    REQUIRE(seen.disagreement == expected.disagreement);
    CHECK(seen.agreed == expected.agreed);
    CHECK(seen.lengths == expected.lengths);
    found += static_cast<int>(expected.disagreement.has_value());
  }
  CHECK(found > (seed_step() > 1 ? 0 : 10));

  TokenRow grow;
  grow.gate = {65536.0F};
  const SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  TableLayer layer{TokenTable(1, 1, {TokenRow{}, grow}), {1.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 0}};
  const LrnnModel model(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
  EnumerateOptions options;
  options.max_length = 14;
  options.device = Device::cuda;
  CHECK_THROWS_WITH_AS(
      enumerate(*make_machine(model, Semantics::fp32_fma_v1), LabelledAutomaton{2, 0, {0, 0}, {0}}, options),
      doctest::Contains("word bbbbbbbb:"), NumericError);
}

}  // namespace
}  // namespace krohn
