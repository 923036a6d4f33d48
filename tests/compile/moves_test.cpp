// label: slow
// Letters as moves and swaps of a one-hot state: their product is the letter's column one-hot matrix (multiplied out in
// plain loops), with the least number of factors, and the one layer is proved to be the language by a checker that
// knows nothing of how it was made. What needs more than one factor a letter is no layer of RWKV-7.
#include <doctest/doctest.h>

#include <random>

#include "corpus.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/compile/group.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/model/spectrum.hpp"
#include "krohn/verify/check.hpp"

namespace krohn {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix product(const TokenRow& row, std::size_t size) {
  Matrix a(size, std::vector<double>(size, 0.0));
  for (std::size_t i = 0; i < size; ++i) a[i][i] = row.gate.size() == 1 ? row.gate[0] : row.gate[i];
  for (const GeneralizedHouseholder& factor : row.factors) {
    for (std::size_t column = 0; column < size; ++column) {
      double dot = 0.0;
      for (const Entry& entry : factor.reads_by()) dot += static_cast<double>(entry.value) * a[entry.index][column];
      for (const Entry& entry : factor.key) {
        a[entry.index][column] -= static_cast<double>(factor.beta) * dot * static_cast<double>(entry.value);
      }
    }
  }
  return a;
}

std::size_t cycles_of(const std::vector<State>& f) {
  std::size_t count = 0;
  for (State q = 0; q < f.size(); ++q) {
    // q is the least of its cycle.
    State at = f[q];
    std::size_t steps = 1;
    while (at != q && steps <= f.size() && at > q) at = f[at], ++steps;
    count += at == q ? 1 : 0;
  }
  return count;
}

/// A letter f, and letters that turn the states round and tell them apart.
Dfa with_letter(const std::vector<State>& f) {
  const auto states = static_cast<State>(f.size());
  std::vector<State> delta;
  std::vector<LabelId> labels;
  std::vector<std::string> names;
  for (State q = 0; q < states; ++q) {
    delta.push_back(f[q]);
    delta.push_back((q + 1) % states);
    labels.push_back(static_cast<LabelId>(q));
    names.push_back(std::to_string(q));
  }
  return Dfa(Alphabet({"f", "t"}), 0, delta, labels, names);
}

bool proved(const CompiledGroup& made, const Dfa& language, Semantics semantics, bool hint) {
  const auto machine = make_machine(made.model, semantics);
  return std::holds_alternative<Proved>(check(*machine, language, {}, hint ? &made.hint : nullptr).verdict);
}

TEST_CASE("every map of up to 4 states, and random ones of more: the letter's matrix in n - c factors") {
  std::mt19937 random(3);
  std::vector<std::vector<State>> maps;
  for (State n = 2; n <= 4; ++n) {
    std::size_t count = 1;
    for (State i = 0; i < n; ++i) count *= n;
    for (std::size_t code = 0; code < count; ++code) {
      std::vector<State> f;
      for (std::size_t rest = code; f.size() < n; rest /= n) f.push_back(static_cast<State>(rest % n));
      maps.push_back(std::move(f));
    }
  }
  for (int i = 0; i < 300; ++i) {
    std::vector<State> f(5 + random() % 12);
    for (State& q : f) q = static_cast<State>(random() % f.size());
    maps.push_back(std::move(f));
  }
  for (const std::vector<State>& f : maps) {
    MoveOptions no_gates;
    no_gates.zero_gates = false;
    const Dfa language = with_letter(f);
    const std::optional<CompiledGroup> made = compile_moves(language, no_gates);
    REQUIRE(made);
    const TableLayer& layer = made->model.layers().front();
    const TokenRow row = layer.table.row(layer.row_action[static_cast<std::size_t>(made->model.symbol_row()[0])]);
    REQUIRE(row.factors.size() == f.size() - cycles_of(f));
    const Matrix a = product(row, f.size());
    for (std::size_t q = 0; q < f.size(); ++q) {
      for (std::size_t p = 0; p < f.size(); ++p) REQUIRE(a[p][q] == (p == f[q] ? 1.0 : 0.0));
    }
  }
}

TEST_CASE("the layer is the language in every arithmetic, with and without its hint") {
  std::mt19937 random(4);
  for (int i = 0; i < 12; ++i) {
    std::vector<State> f(3 + random() % 6);
    for (State& q : f) q = static_cast<State>(random() % f.size());
    const Dfa language = with_letter(f);
    const std::optional<CompiledGroup> made = compile_moves(language);
    REQUIRE(made);
    for (const Semantics semantics : every_semantics) {
      if (semantics == Semantics::fp32_snap_v1) continue;
      CHECK(proved(*made, language, semantics, false));
      CHECK(proved(*made, language, semantics, true));
    }
  }
}

TEST_CASE("pd: one layer for every language of the corpus, never more layers than reflections take") {
  CompileOptions pd;
  pd.recurrence = Recurrence::pd;
  std::size_t moves = 0;
  for (const corpus::Language& language : corpus::languages()) {
    CAPTURE(language.id);
    const CompileResult result = compile(language.dfa, pd);
    REQUIRE(result.with_reflections);
    CHECK(result.model.layers().size() <= std::min<std::size_t>(1, result.with_reflections->layers));
    moves += result.mode == "moves" ? 1 : 0;
    const auto machine = make_machine(result.model, Semantics::bf16_state_v1);
    CHECK(std::holds_alternative<Proved>(check(*machine, result.minimal, {}, &result.hint).verdict));
  }
  CHECK(moves > 0);
}

TEST_CASE("rwkv7-widened: a layer where every letter moves one state or swaps two, else products of reflections") {
  CompileOptions widened;
  widened.recurrence = Recurrence::rwkv7_widened;
  // a moves 0 to 1, b swaps 1 and 2, c moves 2 to 0.
  const Dfa one_factor(Alphabet({"a", "b", "c"}), 0, {1, 0, 0, 1, 2, 1, 2, 1, 0}, {0, 1, 2}, {"0", "1", "2"});
  const CompileResult made = compile(one_factor, widened);
  CHECK(made.mode == "moves");
  CHECK(made.model.layers().size() == 1);
  CHECK(made.num_householder == std::vector<std::size_t>{1});
  CHECK_FALSE(made.model.layers().front().table.gated());
  REQUIRE(made.with_reflections);
  CHECK(made.with_reflections->layers > 1);
  const auto machine = make_machine(made.model, Semantics::fp32_fma_v1);
  CHECK(std::holds_alternative<Proved>(check(*machine, made.minimal, {}, &made.hint).verdict));
  // Two swaps, and a reset of three states: two moves.
  const Dfa reset(Alphabet({"a", "b", "r"}), 0, {1, 0, 0, 0, 2, 0, 2, 1, 0}, {0, 1, 2}, {"0", "1", "2"});
  CHECK_FALSE(compile_moves(reset, {1, false}));
  CHECK(compile(reset, widened).mode != "moves");
}

TEST_CASE("the spectrum of a move is 0 and 1, of two moves what their matrices multiply to") {
  // e_0 to e_1 and then e_1 to e_0: the product is a projection; the shift of three states has complex eigenvalues.
  const Dfa shift(Alphabet({"a"}), 0, {1, 2, 0}, {0, 1, 2}, {"0", "1", "2"});
  const std::optional<CompiledGroup> turned = compile_moves(shift);
  REQUIRE(turned);
  CHECK(row_spectrum(turned->model.layers().front().table, 0).kind == SpectrumKind::not_all_real);
  GeneralizedHouseholder there{{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}, {{0, 1.0F}}};
  GeneralizedHouseholder back{{{0, -1.0F}, {1, 1.0F}}, 1.0F, {}, {{1, 1.0F}}};
  const TokenTable table(2, 1, std::vector<TokenRow>{{{1.0F}, {there}, {}}, {{1.0F}, {there, back}, {}}});
  for (std::size_t row : {0, 1}) {
    const MatrixSpectrum spectrum = row_spectrum(table, row);
    CHECK(spectrum.kind == SpectrumKind::nonnegative_real);
    REQUIRE(spectrum.eigenvalues.size() == 2);
    CHECK(std::abs(spectrum.eigenvalues[0]) < 1e-12);
    CHECK(std::abs(spectrum.eigenvalues[1] - 1.0) < 1e-12);
  }
  // Read by -3 e_1 + e_0 the factor has 1 - r.k = -3 where 1 - |k|^2 would be -1.
  GeneralizedHouseholder far{{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}, {{0, 1.0F}, {1, -3.0F}}};
  const TokenTable beyond(2, 1, std::vector<TokenRow>{{{1.0F}, {far}, {}}});
  CHECK(row_spectrum(beyond, 0).worst.real() == doctest::Approx(-3.0));
}

}  // namespace
}  // namespace krohn
