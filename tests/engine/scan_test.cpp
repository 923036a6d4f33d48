// label: slow
// A scan of one sequence ends with the label and margin of the run; models for which that is not certain are refused.
#include "krohn/engine/scan.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "../../src/engine/cpu_features.hpp"
#include "../../src/engine/points_walk.hpp"
#include "../../src/engine/scan_plan.hpp"
#include "engine/random_model.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"

namespace krohn {
namespace {

using testing::RandomModel;
using testing::swaps;

void check_equal_to_run(const LrnnModel& model, Semantics semantics, const Word& word, unsigned threads) {
  const Trace trace = make_machine(model, semantics)->run(std::vector<Word>{word}, {Device::cpu, false, true, 1, 0});
  const std::vector<std::uint8_t> bytes(word.begin(), word.end());
  const ScanResult result = scan(*make_machine(model, semantics), source_of(bytes), {Device::cpu, threads, 0});
  CHECK(result.length == word.size());
  CHECK(result.observation.label == trace.label(0));
  CHECK(result.observation.margin == trace.margins[0]);
}

TEST_CASE("permutations and resets of integer vectors: every length about the cuts, every semantics") {
  int scanned = 0;
  for (std::uint32_t seed = 0; seed < 16; ++seed) {
    const std::size_t size = 1 + seed % 5;
    // Writes of 1 and 1/2 are exact, those of 1/3 are not.
    const LrnnModel model = swaps(size, 3 + seed % 4, seed, seed % 4 == 1 && size <= 2);
    const Semantics semantics = seed % 3 == 0   ? Semantics::fp32_fma_v1
                                : seed % 3 == 1 ? Semantics::fp16_state_v1
                                                : Semantics::bf16_state_v1;
    if (scan_refusal(*make_machine(model, semantics))) continue;
    ++scanned;
    RandomModel draw(seed);
    for (const std::size_t length : {0, 1, 2, 63, 64, 65, 128, 2048, 65535, 65536, 65537, 65538}) {
      check_equal_to_run(model, semantics, draw.word(model.alphabet().size(), length), 1);
    }
    check_equal_to_run(model, semantics, draw.word(model.alphabet().size(), 1'200'000), 1 + seed % 2);
  }
  CHECK(scanned >= 12);
}

TEST_CASE("sizes above 8, cascades of several layers, rounded steps that repeat: all that reaches few states") {
  for (const std::size_t size : {9, 12}) {
    // Two neighbouring swaps and a cycle of three: few states, any size.
    TokenRow swap;
    swap.factors.push_back({{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}});
    TokenRow other;
    const auto last = static_cast<std::uint32_t>(size - 1);
    other.factors.push_back({{{last - 1, 1.0F}, {last, -1.0F}}, 1.0F, {}});
    std::vector<float> initial(size);
    for (std::size_t j = 0; j < size; ++j) initial[j] = static_cast<float>(j + 1);
    const SlotReadout readout{{{{0, 1.0F}, {last, 2.0F}}, {{1, 1.0F}, {last - 1, 2.0F}}}, {0.0F, 0.25F}};
    TableLayer layer{TokenTable(size, 1, {swap, other}), initial, {readout}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
    const LrnnModel model(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
    RandomModel draw(static_cast<std::uint32_t>(size));
    for (const Semantics semantics : {Semantics::fp32_fma_v1, Semantics::bf16_state_v1}) {
      REQUIRE(!scan_refusal(*make_machine(model, semantics)));
      for (const std::size_t length : {1, 65'537, 300'000}) {
        check_equal_to_run(model, semantics, draw.word(2, length), 2);
      }
    }
  }
  std::size_t deepest = 0;
  for (const char* name : {"modarith:3", "tomita:5", "dyck:2,3", "modarith-answer:5"}) {
    const LrnnModel model = compile(read_language(name).dfa, {}).model;
    deepest = std::max(deepest, model.layers().size());
    REQUIRE(!scan_refusal(*make_machine(model, Semantics::fp32_fma_v1)));
    RandomModel draw(5);
    check_equal_to_run(model, Semantics::fp32_fma_v1, draw.word(model.alphabet().size(), 150'000), 2);
  }
  CHECK(deepest >= 3);
  // h <- h / 2 + a third, rounded at every step, comes to rest.
  TokenRow halve;
  halve.gate = {0.5F};
  halve.write = {{0, 1.0F / 3.0F}};
  TokenRow clear;
  clear.gate = {0.0F};
  const SlotReadout sign{{{{0, 1.0F}}, {}}, {0.0F, 0.4F}};
  TableLayer layer{TokenTable(1, 1, {halve, clear}), {0.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
  const LrnnModel model(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
  RandomModel draw(6);
  for (const Semantics semantics : {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1}) {
    REQUIRE(!scan_refusal(*make_machine(model, semantics)));
    check_equal_to_run(model, semantics, Word(70'000, 0), 1);
    check_equal_to_run(model, semantics, draw.word(2, 140'000), 2);
  }
}

TEST_CASE("an undefined label stays undefined through a scan") {
  TokenRow swap;
  swap.factors.push_back({{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}});
  const SlotReadout first{{{{0, 1.0F}}, {{1, 1.0F}}}, {0.0F, 0.125F}};
  TableLayer layer{TokenTable(2, 1, {swap, {}}), {1.0F, 0.875F}, {first}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
  const LrnnModel model(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
  check_equal_to_run(model, Semantics::fp32_fma_v1, Word(100'000, 0), 2);
  check_equal_to_run(model, Semantics::fp32_fma_v1, Word(100'000, 1), 2);
}

TEST_CASE("a machine whose monoid is too large is walked state by state") {
  // The symmetric group on 9 points has 362,880 elements, its action on 9 points 9 states: the monoid is not listed.
  std::vector<std::uint32_t> next;
  for (std::uint32_t q = 0; q < 9; ++q) {
    next.push_back((q + 1) % 9);
    next.push_back(q < 2 ? 1 - q : q);
  }
  CHECK(!transformation_monoid(next, 2, 1'000'000));
  const auto monoid = transformation_monoid({1, 0, 2, 1, 2, 0}, 2, 1000);
  REQUIRE(monoid);  // states 0, 1, 2: a = (1 2 2), b = (0 1 0)
  for (std::uint32_t e = 1; e < monoid->first.size(); ++e) {
    // first[e] followed by rest[e] is e, multiplied out by symbols.
    std::uint32_t product = monoid->right[monoid->first[e]];
    for (std::uint32_t rest = monoid->rest[e]; rest != 0; rest = monoid->rest[rest]) {
      product = monoid->right[2 * product + monoid->first[rest]];
    }
    CHECK(product == e);
  }
}

TEST_CASE("models that reach too many states, or overflow, are refused with the reason") {
  const auto reason = [](const LrnnModel& model) {
    return scan_refusal(*make_machine(model, Semantics::fp32_fma_v1)).value_or("nothing");
  };
  const SlotReadout first{{{{0, 1.0F}}, {}}, {0.0F, 0.125F}};
  const auto model = [&](float gate, float write) {
    TokenRow row;
    row.gate = {gate};
    if (write != 0.0F) row.write = {{0, write}};
    TableLayer layer{TokenTable(1, 1, {row, {}}), {1.0F}, {first}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
    return LrnnModel(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 1}, {layer});
  };
  const std::string expected =
      "its runs reach too many hidden states to list (more than 1048576 steps), or one that is not a finite number";
  CHECK(reason(model(1.0F, 1.0F)) == expected);      // counts
  CHECK(reason(model(65536.0F, 0.0F)) == expected);  // overflows
  CHECK(reason(model(1.0F, 0.0F)) == "nothing");
  CHECK_THROWS_AS(scan(*make_machine(model(65536.0F, 0.0F), Semantics::fp32_fma_v1), source_of({})), InputError);
}

TEST_CASE("a symbol outside the alphabet is refused with its position") {
  const std::vector<std::uint8_t> symbols = {0, 1, 2, 0};
  CHECK_THROWS_WITH_AS(scan(*make_machine(swaps(3, 2, 3, false), Semantics::fp32_fma_v1), source_of(symbols)),
                       "position 3: expected a symbol below 2, got 2", InputError);
}

// What a word does to points, one symbol after the other.
PointImages moved_by(const PointsView& points, std::span<const Symbol> word) {
  PointImages at{};
  for (std::size_t p = 0; p < most_points; ++p) {
    at[p] = static_cast<std::uint8_t>(p);
    for (const Symbol a : word) at[p] = points.image[a * most_points + at[p]];
  }
  return at;
}

TEST_CASE("points tell where every state goes: few states, groups whose blocks are few, and nothing else") {
  struct Case {
    const char* language;
    bool found;
  };
  // S_n and A_n act on n points however many states they have; a counter modulo 12 on 3 + 4; one modulo 11 on no fewer
  // than 11, one modulo 65536 is not even looked for so far, and resets of more than 8 states are no permutations.
  for (const Case& c : {Case{"parity", true}, Case{"S:5", true}, Case{"word:S4", true}, Case{"word:A5", true},
                        Case{"S:7", true}, Case{"tomita:5", true}, Case{"cycle:12", true}, Case{"cycle:11", false},
                        Case{"cycle:65536", false}, Case{"dyck:2,5", false}}) {
    CAPTURE(c.language);
    const Dfa dfa = read_language(c.language).dfa;
    const auto symbols = static_cast<std::uint32_t>(dfa.num_symbols());
    const std::vector<std::uint32_t> next(dfa.delta().begin(), dfa.delta().end());
    REQUIRE(dfa.start() == 0);
    const std::optional<PointAction> points = find_points(next, symbols);
    REQUIRE(points.has_value() == c.found);
    if (!points) continue;
    RandomModel draw(3);
    for (const std::size_t length : {0, 1, 2, 17, 500}) {
      const Word word = draw.word(symbols, length);
      const auto moved = moved_by(points->view(), word);
      if (has_avx2_fma()) {
        const std::vector<std::uint8_t> bytes(word.begin(), word.end());
        CHECK(PointsWalk(points->view()).moved(bytes) == moved);
      }
      for (State q = 0; q < std::min<std::size_t>(dfa.num_states(), 200); ++q) {
        CHECK(points->after(q, moved) == dfa.next(q, word));
      }
    }
  }
}

TEST_CASE("points are moved by groups of 4, 2 and 1 symbols as symbol by symbol, whatever the length") {
  if (!has_avx2_fma()) return;
  for (const std::uint32_t symbols : {1U, 2U, 3U, 4U, 5U, 16U, 17U, 256U}) {
    RandomModel draw(symbols);
    std::vector<std::uint8_t> image(std::size_t{symbols} * most_points);
    // Seldom constant, so that long words do not move all points to one.
    for (std::size_t i = 0; i < image.size(); ++i) {
      image[i] = static_cast<std::uint8_t>(draw.below(20) == 0 ? draw.below(8) : (i + i / most_points) % most_points);
    }
    const PointsView view{symbols, image.data()};
    const PointsWalk walk(view);
    for (std::size_t length = 0; length < 70; ++length) {
      const Word word = draw.word(symbols, length);
      CHECK(walk.moved(std::vector<std::uint8_t>(word.begin(), word.end())) == moved_by(view, word));
    }
  }
}

TEST_CASE("points that do not move states' colours as the table does are refused") {
  // Two states, one symbol that swaps them.
  const std::vector<std::uint32_t> next = {1, 0};
  const std::vector<PointAction::Colours> colours = {{1}, {0, 1}};
  CHECK(PointAction::make(next, 1, {1, 0, 2, 3, 4, 5, 6, 7}, colours).has_value());
  CHECK(!PointAction::make(next, 1, {0, 1, 2, 3, 4, 5, 6, 7}, colours).has_value());
  CHECK(!PointAction::make(next, 1, {1, 0, 2, 3, 4, 5, 6, 7}, {{1}, {1}}).has_value());
}

}  // namespace
}  // namespace krohn
