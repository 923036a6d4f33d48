// label: slow
// Subgroups of S_4 by signs and one reflection a letter, whatever element it is: proved by the checker, which knows
// nothing of how they were made, in every format; which elements one factor does in three dimensions, by trying all.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

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

CompileResult compile_kda(const Dfa& dfa, Semantics semantics = Semantics::fp32_fma_v1) {
  CompileOptions options;
  options.recurrence = Recurrence::kda;
  options.semantics = semantics;
  return compile(dfa, options);
}

/// Gates are signs (of a reset zero), and no letter takes two factors: signed KDA's own form.
void require_form(const LrnnModel& model) {
  const TokenTable& table = model.layers().at(0).table;
  CHECK(table.num_householder() <= 1);
  for (std::uint32_t row = 0; row < table.num_rows(); ++row) {
    for (const float a : table.row(row).gate) CHECK((a == 1.0F || a == -1.0F || a == 0.0F));
    for (const GeneralizedHouseholder& factor : table.row(row).factors) {
      float length = 0.0F;
      for (const Entry& entry : factor.key) length += entry.value * entry.value;
      CHECK(factor.beta * length == 2.0F);  // a reflection, as beta = 2 and a key of norm 1
    }
  }
}

TEST_CASE("every element a letter: S_4, A_4, S_3 and Z_3 in four dimensions, exactly") {
  struct Expected {
    const char* language;
    std::size_t hidden;
    std::size_t most_slots;
  };
  // Of the natural actions fewer points tell the states apart; D_6 and Z_6 are S_3 and Z_3 with a sign.
  for (const Expected& e :
       {Expected{"word:S4", 4, 576}, Expected{"word:A4", 4, 288}, Expected{"word:S3", 4, 36},
        Expected{"word:Z:3", 4, 3}, Expected{"perm:S4", 4, 96}, Expected{"perm:A4", 4, 96}, Expected{"perm:S3", 4, 18},
        Expected{"mod:3", 4, 3}, Expected{"word:D:6", 5, 72}, Expected{"word:Z:6", 5, 6}}) {
    CAPTURE(std::string(e.language));
    const CompileResult result = compile_kda(catalog_language(e.language));
    CHECK(result.mode == "cubes");
    CHECK(result.exact);
    REQUIRE(result.model.layers().size() == 1);
    CHECK(result.model.hidden_size() == e.hidden);
    CHECK(result.model.layers()[0].readouts[0].num_slots() <= e.most_slots);
    require_form(result.model);
    REQUIRE(result.with_reflections);
    CHECK(result.with_reflections->householder > 1);
    for (const Semantics semantics : {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1}) {
      CHECK(proved(result, semantics, false));
      CHECK(proved(result, semantics, true));
    }
  }
}

TEST_CASE("letters that turn no three coordinates: S_4 in three dimensions") {
  // Swaps and four-cycles of four points; they generate S_4, whose elements of order 3 are no letters here.
  const Dfa language(Alphabet({"a", "b", "r"}), 0, {1, 1, 2, 0, 2, 2, 2, 3, 2, 3, 0, 2}, {0, 1, 2, 3},
                     {"0", "1", "2", "3"});
  const CompileResult result = compile_kda(language);
  CHECK(result.mode == "cubes");
  CHECK(result.model.hidden_size() == 3);
  CHECK(result.model.layers()[0].readouts[0].num_slots() == 4);  // the corners of a tetrahedron
  require_form(result.model);
  for (const Semantics semantics : every_semantics) {
    if (semantics == Semantics::fp32_snap_v1) continue;
    CAPTURE(std::string(semantics_id(semantics)));
    CHECK(proved(compile_kda(language, semantics), semantics, false));
  }
}

// A signed permutation m of three coordinates is (I - beta k k^T) diag(signs) iff for some signs m diag(signs) is the
// identity or symmetric with trace 1, an orthogonal matrix with one eigenvalue -1.
TEST_CASE("one factor does the signed permutations that do not turn all three coordinates, and no others") {
  std::size_t within = 0;
  std::array<std::size_t, 3> to{0, 1, 2};
  do {
    const bool turns = to[0] != 0 && to[1] != 1 && to[2] != 2;
    for (unsigned own = 0; own < 8; ++own) {
      bool one = false;
      for (unsigned signs = 0; signs < 8; ++signs) {
        int m[3][3] = {};
        for (std::size_t j = 0; j < 3; ++j) m[to[j]][j] = ((own ^ signs) >> j & 1U) != 0 ? -1 : 1;
        bool symmetric = true;
        for (std::size_t i = 0; i < 3; ++i) {
          for (std::size_t j = 0; j < 3; ++j) symmetric = symmetric && m[i][j] == m[j][i];
        }
        const int trace = m[0][0] + m[1][1] + m[2][2];
        one = one || (symmetric && (trace == 3 || trace == 1));
      }
      CHECK(one == !turns);
      within += one ? 1U : 0U;
    }
  } while (std::next_permutation(to.begin(), to.end()));
  CHECK(within == 32);
}

TEST_CASE("with resets, and in integers where every number is one") {
  // S_4 on four points, generated by a three-cycle and a swap, with resets to two of them.
  const Dfa language(Alphabet({"a", "b", "p", "q"}), 3, {1, 0, 0, 2, 2, 1, 0, 2, 0, 3, 0, 2, 3, 2, 0, 2}, {0, 1, 2, 3},
                     {"0", "1", "2", "3"});
  const CompileResult result = compile_kda(language);
  CHECK(result.mode == "cubes");
  CHECK(result.model.hidden_size() == 4);
  CHECK(proved(result, Semantics::bf16_state_v1, false));
  CHECK(proved(result, Semantics::fp32_fma_v1, true));
  // A half is no integer: there products of swaps stay.
  const CompileResult integers = compile_kda(language, Semantics::int8_wrap_state_v1);
  CHECK(integers.mode != "cubes");
  CHECK(proved(integers, Semantics::int8_wrap_state_v1, true));
}

TEST_CASE("random letters of S_4 and signs") {
  std::mt19937_64 random(9);
  std::size_t taken = 0;
  for (int trial = 0; trial < 60; ++trial) {
    // Points 0 .. 3, with or without a bit beside them.
    const std::size_t copies = 1 + random() % 2;
    const std::size_t n = 4 * copies;
    const std::size_t k = 1 + random() % 4;
    std::vector<State> delta(n * k);
    for (std::size_t a = 0; a < k; ++a) {
      std::array<State, 4> images{0, 1, 2, 3};
      std::shuffle(images.begin(), images.end(), random);
      const std::size_t flips = random() % copies;
      const bool resets = random() % 5 == 0;
      for (State q = 0; q < n; ++q) {
        const auto to = static_cast<State>(images[q % 4] + 4 * ((q / 4) ^ flips));
        delta[q * k + a] = resets ? images[0] : to;
      }
    }
    const Dfa dfa = testing::labelled_by_state(n, k, std::move(delta));
    const std::optional<CompiledGroup> found = compile_octahedral(dfa);
    if (!found) continue;
    ++taken;
    require_form(found->model);
    const auto machine = make_machine(found->model, Semantics::bf16_state_v1);
    CHECK(std::holds_alternative<Proved>(check(*machine, dfa, {}, nullptr).verdict));
    CHECK(std::holds_alternative<Proved>(check(*machine, dfa, {}, &found->hint).verdict));
  }
  CHECK(taken > 30);
}

TEST_CASE("other groups are none of it") {
  for (const char* language : {"mod:5", "word:Z:8", "word:D:5", "word:A5", "word:Q8", "word:Z:3xZ:3", "flipflop"}) {
    CAPTURE(std::string(language));
    CHECK_FALSE(compile_octahedral(minimize(catalog_language(language))));
  }
}

}  // namespace
}  // namespace krohn
