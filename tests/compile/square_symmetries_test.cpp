// label: slow
// Models whose letters are symmetries of squares recognise their language: proved by the checker, which knows nothing
// of how they were made; they are smaller than products of reflections, and no larger where they are not used.
#include <doctest/doctest.h>

#include <random>
#include <utility>

#include "corpus.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/compile/group.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/verify/check.hpp"
#include "labelled_by_state.hpp"

namespace krohn {
namespace {

bool proved(const CompileResult& result, Semantics semantics, bool with_hint) {
  const auto machine = make_machine(result.model, semantics);
  const CheckReport report = check(*machine, result.minimal, {}, with_hint ? &result.hint : nullptr);
  return std::holds_alternative<Proved>(report.verdict);
}

CompileResult compile_kda(const Dfa& dfa) {
  CompileOptions options;
  options.recurrence = Recurrence::kda;
  return compile(dfa, options);
}

TEST_CASE("groups of squares: sizes and proofs") {
  struct Expected {
    const char* language;
    std::size_t hidden;
    std::size_t householder;
  };
  // Z_4 and D_4 in a plane; signs for Z_2 x Z_2 and Z_2^3; Q_8 in two planes; Z_2 x Z_4 in a plane and a sign.
  for (const Expected& e :
       {Expected{"mod:4", 2, 1}, Expected{"word:Z:4", 2, 1}, Expected{"word:D:4", 2, 1}, Expected{"word:Z:2xZ:2", 2, 0},
        Expected{"word:Q8", 4, 2}, Expected{"word:Z:2xZ:2xZ:2", 3, 0}, Expected{"word:Z:2xZ:4", 3, 1},
        Expected{"word:Z:4xZ:4", 4, 2}}) {
    CAPTURE(std::string(e.language));
    const CompileResult result = compile_kda(catalog_language(e.language));
    CHECK(result.mode == "squares");
    CHECK(result.model.layers().size() == 1);
    CHECK(result.model.hidden_size() == e.hidden);
    CHECK(result.num_householder == std::vector<std::size_t>{e.householder});
    CHECK(result.exact);
    REQUIRE(result.with_reflections);
    CHECK(result.with_reflections->hidden > e.hidden);
    for (const Semantics semantics : {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1}) {
      CHECK(proved(result, semantics, false));
      CHECK(proved(result, semantics, true));
    }
  }
}

TEST_CASE("with resets: a zero gate and a write, one layer") {
  // Z_4 with a reset to state 2, and the Klein group with resets to every state.
  const Dfa turn(Alphabet({"a", "r"}), 0, {1, 2, 2, 2, 3, 2, 0, 2}, {0, 1, 2, 3}, {"0", "1", "2", "3"});
  const Dfa klein(Alphabet({"x", "y", "p", "q", "r", "s"}), 0,
                  {1, 2, 0, 1, 2, 3, 0, 3, 0, 1, 2, 3, 3, 0, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3}, {0, 1, 2, 3},
                  {"0", "1", "2", "3"});
  for (const Dfa* dfa : {&turn, &klein}) {
    const CompileResult result = compile_kda(*dfa);
    CHECK(result.mode == "squares");
    CHECK(result.model.hidden_size() == 2);
    CHECK(proved(result, Semantics::bf16_state_v1, false));
    CHECK(proved(result, Semantics::fp32_fma_v1, true));
  }
}

TEST_CASE("a level of a cascade as symmetries of squares, where no layer of its own does the language") {
  // Cerny's automaton of four states: a turn, and a letter that merges two states.
  const CompileResult result = compile_kda(corpus::language("cerny4").dfa);
  CHECK(result.mode != "squares");
  CHECK(result.square_levels == 1);
  REQUIRE(result.with_reflections);
  CHECK(result.model.layers().size() == result.with_reflections->layers);
  CHECK(result.model.hidden_size() < result.with_reflections->hidden);
  for (const Semantics semantics : every_semantics) {
    if (semantics == Semantics::fp32_snap_v1) continue;
    CHECK(proved(result, semantics, false));
    CHECK(proved(result, semantics, true));
  }
}

TEST_CASE("what is no group of squares is left as it was") {
  for (const char* language : {"mod:3", "word:S3", "word:Z:8", "word:S4", "word:A5"}) {
    CAPTURE(std::string(language));
    CHECK_FALSE(compile_square_symmetries(minimize(catalog_language(language))));
  }
  // A letter that merges two states of three is neither.
  const Dfa merges(Alphabet({"a", "b"}), 2, {1, 0, 0, 1, 2, 1}, {0, 1, 2}, {"0", "1", "2"});
  CHECK_FALSE(compile_square_symmetries(minimize(merges)));
}

TEST_CASE(
    "over the corpus: never more factors a token, nor larger with as many, than products of reflections, and right") {
  std::size_t squares = 0;
  for (const corpus::Language& language : corpus::languages()) {
    CAPTURE(language.id);
    const CompileResult result = compile_kda(language.dfa);
    REQUIRE(result.with_reflections);
    const ModelSize size = size_of(result.model);
    CHECK(size.layers <= result.with_reflections->layers);
    // A token takes one factor or none of them, or fewer than two.
    const std::size_t factors = std::max<std::size_t>(size.householder, 1);
    const std::size_t before = std::max<std::size_t>(result.with_reflections->householder, 1);
    CHECK(factors <= before);
    if (factors == before) CHECK(size.hidden <= result.with_reflections->hidden);
    CHECK(size.factors <= result.with_reflections->factors);
    squares += result.mode == "squares" ? 1U : 0U;
    if (result.mode == "squares" || result.mode == "cubes") CHECK(proved(result, Semantics::bf16_state_v1, false));
  }
  CHECK(squares >= 5);
}

TEST_CASE("random automata of signed planes") {
  // Letters are random symmetries of one or two squares acting on the points they reach; the compiled model must be
  // proved wherever the compiler takes it for squares.
  std::mt19937_64 random(3);
  std::size_t taken = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const std::size_t n = 2 + random() % 7;
    const std::size_t k = 1 + random() % 3;
    std::vector<State> delta(n * k);
    for (std::size_t a = 0; a < k; ++a) {
      // Products of disjoint swaps and four-cycles: exponent 4 often enough.
      std::vector<State> images(n);
      for (State q = 0; q < n; ++q) images[q] = q;
      std::shuffle(images.begin(), images.end(), random);
      if (random() % 4 == 0) std::fill(images.begin(), images.end(), static_cast<State>(random() % n));
      for (State q = 0; q < n; ++q) delta[q * k + a] = images[q];
    }
    const Dfa dfa = testing::labelled_by_state(n, k, std::move(delta));
    const std::optional<CompiledGroup> found = compile_square_symmetries(dfa);
    if (!found) continue;
    ++taken;
    const auto machine = make_machine(found->model, Semantics::bf16_state_v1);
    CHECK(std::holds_alternative<Proved>(check(*machine, dfa, {}, nullptr).verdict));
    CHECK(std::holds_alternative<Proved>(check(*machine, dfa, {}, &found->hint).verdict));
  }
  CHECK(taken > 5);
}

}  // namespace
}  // namespace krohn
