// label: quick
// Levels of a cascade, and groups, as the corners of a polygon that rotations and reflections turn: two numbers instead
// of a slot a key. Their horizons are compared with real runs, and what the checker certifies with what was compiled.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "corpus.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/horizon_check.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

constexpr Semantics fp32 = Semantics::fp32_fma_v1;

CompileOptions turning(Recurrence recurrence) {
  CompileOptions options;
  options.representation = GroupRepresentation::rotation;
  options.recurrence = recurrence;
  return options;
}

HorizonCheck horizon_of(const LrnnModel& model, Semantics semantics, const Dfa& language) {
  return check_horizon(model, semantics, Specification(model.alphabet(), model.label_names(), language));
}

Word random_word(SplitMix64& random, std::size_t length, std::size_t symbols) {
  Word word(length);
  for (Symbol& symbol : word) symbol = static_cast<Symbol>(random.next() % symbols);
  return word;
}

/// n states; t turns them, m mirrors them (p to 1 - p), r resets to state 2.
Dfa clock(std::size_t n, bool mirror, bool reset) {
  std::vector<std::string> symbols = {"t"};
  if (mirror) symbols.push_back("m");
  if (reset) symbols.push_back("r");
  std::vector<State> delta;
  std::vector<LabelId> labels;
  std::vector<std::string> names;
  for (std::size_t q = 0; q < n; ++q) {
    delta.push_back(static_cast<State>((q + 1) % n));
    if (mirror) delta.push_back(static_cast<State>((1 + n - q) % n));
    if (reset) delta.push_back(2);
    labels.push_back(static_cast<LabelId>(q));
    names.push_back(std::to_string(q));
  }
  return {Alphabet(symbols), 0, delta, labels, names};
}

TEST_CASE("a dihedral group acts on a polygon: one reflection for a mirror, two for a turn, one with signed gates") {
  for (const std::size_t n : {3U, 5U, 8U, 12U}) {
    CAPTURE(n);
    const Dfa dfa = clock(n, true, false);
    for (const Recurrence recurrence : {Recurrence::any, Recurrence::kda}) {
      const CompileResult result = compile(dfa, turning(recurrence));
      CHECK(result.mode == "group");
      CHECK(result.hidden == std::vector<std::size_t>{2});
      CHECK(result.num_householder == std::vector<std::size_t>{recurrence == Recurrence::kda ? 1U : 2U});
      CHECK_FALSE(result.exact);
      REQUIRE(result.horizon.has_value());
      CHECK(*result.horizon > 50000);
      const HorizonCheck check = horizon_of(result.model, fp32, dfa);
      REQUIRE_MESSAGE(check.length.has_value(), check.reason);
      CHECK_FALSE(check.disagreement);
    }
  }
  // Four corners: every key is exact.
  const CompileResult square = compile(clock(4, true, false), turning(Recurrence::any));
  CHECK(square.exact);
  CHECK(std::holds_alternative<Proved>(check(*make_machine(square.model, fp32), clock(4, true, false), {}).verdict));
  // A group of five points that is neither.
  const Dfa symmetric(Alphabet::of_characters("ab"), 0, {1, 1, 2, 0, 3, 2, 4, 3, 0, 4}, {0, 1, 2, 3, 4},
                      {"0", "1", "2", "3", "4"});
  CHECK_THROWS_AS(compile(symmetric, turning(Recurrence::any)), InputError);
}

TEST_CASE("a level with resets: a zero gate and a corner written, and what was wrong before is forgotten") {
  for (const bool mirror : {false, true}) {
    for (const Recurrence recurrence : {Recurrence::any, Recurrence::gated_deltaproduct, Recurrence::kda}) {
      const Dfa dfa = clock(7, mirror, true);
      const CompileResult result = compile(dfa, turning(recurrence));
      CHECK(result.polygon_levels == 1);
      CHECK(result.hidden == std::vector<std::size_t>{2});
      CHECK(result.num_householder == std::vector<std::size_t>{recurrence == Recurrence::kda ? 1U : 2U});
      REQUIRE(result.horizon.has_value());
      CHECK(*result.horizon > 100000);
      const HorizonCheck check = horizon_of(result.model, fp32, dfa);
      REQUIRE_MESSAGE(check.length.has_value(), check.reason);
      CHECK(*check.length > 100000);
      if (recurrence == Recurrence::kda) CHECK(result.with_reflections->hidden > 2);
    }
  }
}

TEST_CASE("the bound holds on real runs, resets among the letters, in every floating format") {
  const Dfa dfa = clock(11, true, true);
  const LrnnModel model = compile(dfa, turning(Recurrence::kda)).model;
  SplitMix64 random(7);
  for (const Semantics semantics : {fp32, Semantics::fp16_state_v1, Semantics::bf16_state_v1}) {
    const HorizonCheck check = horizon_of(model, semantics, dfa);
    REQUIRE(check.references.size() == 1);
    const ReferenceStates& reference = check.references[0].states;
    const Horizon& horizon = check.horizons[0];
    const auto machine = make_machine(model, semantics);
    std::size_t beyond = 0;
    for (int run = 0; run < 20; ++run) {
      std::vector<std::byte> state(machine->state_size());
      machine->initial(state);
      std::uint32_t slot = reference.start;
      double bound = horizon.initial_error;
      // Some words without resets, which would keep drifts short.
      const std::size_t symbols = run % 2 == 0 ? 2 : 3;
      for (const Symbol symbol : random_word(random, 5000, symbols)) {
        if (machine->step(state, symbol).label == undefined_label) break;
        const std::size_t action = model.layers()[0].row_action[static_cast<std::size_t>(model.symbol_row()[symbol])];
        slot = reference.successor[slot * model.layers()[0].table.num_rows() + action];
        bound = (1.0 + horizon.growth) * bound + horizon.step_error;
        const std::vector<float> hidden = machine->hidden(state);
        const double drift = std::hypot(static_cast<double>(hidden[0]) - reference.centre[2 * slot],
                                        static_cast<double>(hidden[1]) - reference.centre[2 * slot + 1]);
        beyond += drift > bound ? 1 : 0;
      }
    }
    CHECK(beyond == 0);
  }
}

TEST_CASE("over the corpus: what turns is certified to the length that was compiled, and right on random words") {
  std::size_t turned = 0;
  std::size_t several_layers = 0;
  std::size_t shortest = 2000;
  SplitMix64 random(3);
  for (const corpus::Language& language : corpus::languages()) {
    CAPTURE(language.id);
    std::optional<CompileResult> result;
    try {
      result = compile(language.dfa, turning(Recurrence::kda));
    } catch (const InputError&) {
      continue;  // no level that turns three slots or more
    } catch (const ResourceError&) {
      continue;
    }
    ++turned;
    CHECK((result->mode == "group") == (result->polygon_levels == 0));
    CHECK(result->exact == !result->horizon.has_value());
    if (result->horizon) {
      several_layers += result->model.layers().size() > 1 ? 1 : 0;
      CHECK(*result->horizon > 1000);
      const HorizonCheck check = horizon_of(result->model, fp32, result->minimal);
      REQUIRE_MESSAGE(check.length.has_value(), check.reason);
      CHECK_FALSE(check.disagreement);
      // The centres are read off weights in binary32: a rounding of a coordinate beside the thirteen of a step.
      const auto compiled = static_cast<double>(*result->horizon);
      CHECK(static_cast<double>(*check.length) >= compiled / 1.1);
      CHECK(static_cast<double>(*check.length) <= compiled * 1.1);
    }
    // Up to the horizon of each format: random words, and powers of short ones, whose roundings repeat.
    std::size_t wrong = 0;
    for (const Semantics semantics : {fp32, Semantics::fp16_state_v1, Semantics::bf16_state_v1}) {
      const auto machine = make_machine(result->model, semantics);
      const std::uint64_t certified =
          result->exact ? 2000 : horizon_of(result->model, semantics, result->minimal).length.value_or(0);
      const std::size_t length = std::min<std::uint64_t>(2000, certified);
      shortest = std::min(shortest, length);
      for (int run = 0; run < 8; ++run) {
        Word word = random_word(random, length, result->minimal.num_symbols());
        const std::size_t period = static_cast<std::size_t>(run);
        for (std::size_t t = period; period > 0 && t < length; ++t) word[t] = word[t - period];
        std::vector<std::byte> state(machine->state_size());
        machine->initial(state);
        State q = result->minimal.start();
        for (const Symbol symbol : word) {
          q = result->minimal.next(q, symbol);
          const std::int32_t label = machine->step(state, symbol).label;
          if (result->minimal.label(q) != null_label) wrong += label != result->minimal.label(q) ? 1 : 0;
        }
      }
    }
    CHECK(wrong == 0);
  }
  CHECK(turned >= 10);
  CHECK(several_layers >= 5);
  CHECK(shortest > 0);
  CHECK(shortest < 200);  // bf16 soon leaves the corners
}

TEST_CASE("a horizon over layers is refused where it does not hold") {
  const Dfa language = corpus::language("cerny5").dfa;
  const CompileResult compiled = compile(language, turning(Recurrence::any));
  REQUIRE(compiled.model.layers().size() > 1);
  const Specification specification(compiled.model.alphabet(), compiled.model.label_names(), compiled.minimal);
  const HorizonCheck right = check_horizon(compiled.model, fp32, specification);
  REQUIRE_MESSAGE(right.length.has_value(), right.reason);
  REQUIRE(right.references.size() == 2);  // the third level that turns has four corners
  const auto length_with = [&](auto change) {
    std::vector<LayerReference> references = right.references;
    change(references);
    const HorizonCheck check = check_horizon(compiled.model, fp32, specification, references);
    return check.disagreement ? 0 : check.length.value_or(0);
  };
  CHECK(length_with([](std::vector<LayerReference>&) {}) == *right.length);
  CHECK(length_with([](auto& r) { r[0].states.successor[0] = (r[0].states.successor[0] + 1) % 3; }) == 0);
  CHECK(length_with([](auto& r) { r[0].states.start = (r[0].states.start + 1) % 3; }) == 0);
  CHECK(length_with([](auto& r) { r[0].layer = 3; }) == 0);
  CHECK(length_with([](auto& r) { r.push_back(r[0]); }) == 0);
  CHECK(length_with([](auto& r) { r[0].layer = 1000; }) == 0);
  CHECK(length_with([](auto& r) { r.clear(); }) == 0);
  CHECK(length_with([](auto& r) { r[0].states.centre[0] += 0.5; }) == 0);
  // Of another language the words below the first wrong one are right.
  const HorizonCheck other = check_horizon(
      compiled.model, fp32,
      Specification(compiled.model.alphabet(), compiled.model.label_names(), corpus::language("re:ab:(aa)*").dfa));
  CHECK(other.disagreement.has_value());
}

TEST_CASE("rotations are refused where nothing turns, and beside options that they have no place in") {
  const auto refused = [](const Dfa& dfa, auto change) {
    CompileOptions options = turning(Recurrence::any);
    change(options);
    try {
      compile(dfa, options);
    } catch (const InputError&) {
      return true;
    }
    return false;
  };
  const Dfa turns = clock(5, false, true);
  CHECK_FALSE(refused(turns, [](CompileOptions&) {}));
  CHECK(refused(corpus::language("tomita4").dfa, [](CompileOptions&) {}));
  CHECK(refused(turns, [](CompileOptions& o) { o.representation = GroupRepresentation::scalar; }));
  CHECK(refused(turns, [](CompileOptions& o) { o.delay = Delay::block; }));
  CHECK(refused(turns, [](CompileOptions& o) { o.resets = Resets::registers; }));
  CHECK(refused(turns, [](CompileOptions& o) { o.keys = KeyForm::dyadic; }));
  CHECK(refused(turns, [](CompileOptions& o) { o.recurrence = Recurrence::pd; }));
  CHECK(refused(turns, [](CompileOptions& o) { o.semantics = Semantics::int8_wrap_state_v1; }));
}

}  // namespace
}  // namespace krohn
