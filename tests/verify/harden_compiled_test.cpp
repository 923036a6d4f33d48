// label: slow
// Compiled models with inexact representations, hardened: they end PROVED where the model itself ends at a horizon;
// codes are states of the model's own runs, bit for bit; a snapped step is the model's own followed by the nearest
// code, found here by plain loops; long words bear the verdict out; orders of operations in which every operation is
// off by as much as one rounding end in the same codes and labels where that is claimed; ties, codes that are none, and
// semantics that do not fit are as docs/semantics.md, 12, says.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "corpus.hpp"
#include "error_of.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/export/dense.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/results/harden_report.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/every_order.hpp"
#include "krohn/verify/harden.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

struct Case {
  std::string language;
  GroupRepresentation representation;
};
const std::vector<Case> cases = {
    {"mod:7", GroupRepresentation::rotation},          {"mod:101", GroupRepresentation::rotation},
    {"cycle:5", GroupRepresentation::rotation},        {"A:5", GroupRepresentation::least_dimension},
    {"perm:A5", GroupRepresentation::least_dimension}, {"D:5", GroupRepresentation::least_dimension}};

LrnnModel inexact(const Case& c) {
  CompileOptions options;
  options.representation = c.representation;
  CompileResult result = compile(catalog_language(c.language), options);
  REQUIRE_FALSE(result.exact);
  return std::move(result.model);
}

/// The hidden states of all layers, in order.
std::vector<float> hidden_of(const Machine& machine, std::span<const std::byte> state) {
  std::vector<float> hidden = machine.hidden(state);
  hidden.resize(machine.compiled()->hidden_size());
  return hidden;
}

std::vector<float> hidden_behind(const Machine& machine, const Word& word) {
  std::vector<std::byte> state(machine.state_size());
  machine.initial(state);
  for (const Symbol a : word) machine.step(state, a);
  return hidden_of(machine, state);
}

/// Section 12 by plain loops.
std::vector<float> nearest(const std::vector<std::vector<float>>& codes, std::vector<float> h) {
  float least = std::numeric_limits<float>::infinity();
  std::vector<float> best = h;
  for (const std::vector<float>& code : codes) {
    float d = 0.0F;
    for (std::size_t i = 0; i < h.size(); ++i) {
      const float x = h[i] - code[i];
      d = std::fma(x, x, d);
    }
    if (d < least) {
      least = d;
      best = code;
    }
  }
  return best;
}

TEST_CASE("inexact representations are PROVED once their states are snapped, and the codes are their own states") {
  for (const Case& c : cases) {
    CAPTURE(c.language);
    const LrnnModel model = inexact(c);
    const Language language(catalog_language(c.language));
    const auto own = make_machine(model, Semantics::fp32_fma_v1);
    const Hardening h = harden(model, language, {});
    REQUIRE(h.compiled);
    CHECK(h.closed);
    CHECK(h.gap > 0.0);
    CHECK(h.margin > 0.0);
    REQUIRE(h.codes.size() == 1);
    for (std::size_t k = 0; k < h.codes[0].codes.size(); ++k) {
      CHECK(hidden_behind(*own, h.codes[0].words[k]) == h.codes[0].codes[k]);
    }
    CHECK(h.compiled->layers()[0].num_codes() == h.codes[0].codes.size());
    const auto machine = make_machine(*h.compiled, Semantics::fp32_snap_v1);
    CHECK(machine->semantics() == "fp32-snap-v1");
    CHECK_FALSE(machine->tables());
    const CheckReport report = check(*machine, language, {});
    REQUIRE(std::holds_alternative<Proved>(report.verdict));
    CHECK(report.pairs == h.configurations);
    CheckOptions plain;
    plain.budget.memory = std::size_t{1} << 20U;
    plain.sample.words = 0;
    CHECK_FALSE(std::holds_alternative<Proved>(check(*own, language, plain).verdict));

    // A step is the model's own from the snapped state, then the nearest code; labels stay right.
    const Dfa& automaton = language.minimal();
    const Specification specification(*machine, automaton);
    SplitMix64 random(3);
    std::vector<std::byte> state(machine->state_size());
    machine->initial(state);
    State q = automaton.start();
    for (int t = 0; t < 20000; ++t) {
      const auto a = static_cast<Symbol>(random.next() % automaton.num_symbols());
      std::vector<std::byte> before = state;
      own->step(before, a);
      const Observation seen = machine->step(state, a);
      q = specification.automaton().next(q, a);
      REQUIRE(specification.agrees(seen.label, q));
      REQUIRE(hidden_of(*machine, state) == nearest(h.codes[0].codes, hidden_of(*own, before)));
    }
  }
}

/// Every operation off by up to u, in a random direction, and fused or not.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : random_(seed) {}
  double off(double x) {
    const double part = static_cast<double>(random_.next() >> 11U) * 0x1p-52 - 1.0;
    return x * (1.0 + 0x1p-24 * (random_.next() % 2 == 0 ? part : std::copysign(1.0, part)));
  }
  double sum(std::vector<double> terms) {
    while (terms.size() > 1) {
      const std::size_t i = random_.next() % terms.size();
      std::swap(terms[i], terms.back());
      const double last = terms.back();
      terms.pop_back();
      double& other = terms[random_.next() % terms.size()];
      other = off(other + last);
    }
    return terms.empty() ? 0.0 : terms[0];
  }

 private:
  SplitMix64 random_;
};

TEST_CASE(
    "levels that turn beside others that compute exactly: every order where those do, the order stated where not") {
  for (const char* id : {"cerny5", "rand_uniform_7"}) {
    CAPTURE(std::string(id));
    CompileOptions options;
    options.representation = GroupRepresentation::rotation;
    options.recurrence = Recurrence::kda;
    const Language language(corpus::language(id).dfa);
    const CompileResult compiled = compile(language, options);
    const auto hardened = [&](const LrnnModel& model) {
      const Hardening h = harden(model, language, {});
      REQUIRE_MESSAGE(h.compiled.has_value(), h.reason);
      const auto machine = make_machine(*h.compiled, Semantics::fp32_snap_v1);
      const CheckReport report = check(*machine, language, {});
      REQUIRE(std::holds_alternative<Proved>(report.verdict));
      const Certificate certificate = make_certificate(report, *machine, language, {});
      CHECK_FALSE(reject(certificate, *machine, language.minimal()));
      return std::pair(h.codes.size(), shows_every_order(std::get<Proved>(report.verdict).evidence));
    };
    const auto [with_codes, every_order] = hardened(compiled.model);
    CHECK(with_codes < compiled.model.layers().size());
    CHECK(every_order);
    // A state of 0.7, which has 24 bits, whose sign changes: 0.7 less twice 0.7, in parts, needs more.
    std::vector<TableLayer> layers = compiled.model.layers();
    const auto sign = std::ranges::find_if(layers, [](const TableLayer& layer) {
      return layer.hidden_size() == 1 && layer.table.num_factors() > 0 &&
             std::ranges::count(layer.table.arrays().beta, 2.0F) > 0;
    });
    REQUIRE(sign != layers.end());
    std::vector<TokenRow> rows;
    for (std::size_t r = 0; r < sign->table.num_rows(); ++r) {
      rows.push_back(sign->table.row(r));
      for (GeneralizedHouseholder& factor : rows.back().factors) {
        for (Entry& entry : factor.value) entry.value *= 0.7F;
      }
      for (Entry& entry : rows.back().write) entry.value *= 0.7F;
    }
    sign->table = TokenTable(1, 1, rows);
    sign->initial_hidden[0] *= 0.7F;
    const LrnnModel smaller(compiled.model.alphabet(), compiled.model.label_names(), compiled.model.initial_label(),
                            compiled.model.symbol_row(), layers);
    CHECK_FALSE(hardened(smaller).second);
  }
}

TEST_CASE("where every order of operations is claimed, orders that are off by a rounding everywhere agree") {
  for (const Case& c : cases) {
    CAPTURE(c.language);
    const LrnnModel model = inexact(c);
    const Language language(catalog_language(c.language));
    const Hardening h = harden(model, language, {});
    REQUIRE(h.compiled);
    const auto machine = make_machine(*h.compiled, Semantics::fp32_snap_v1);
    const CheckReport report = check(*machine, language, {});
    const Proved& proved = std::get<Proved>(report.verdict);
    REQUIRE(shows_every_order(proved.evidence));
    const Certificate certificate = make_certificate(report, *machine, language, {});
    CHECK_FALSE(reject(certificate, *machine, language.minimal()));
    CHECK(certificate_claim(certificate).ends_with(", for every order of operations"));
    const TableLayer& layer = h.compiled->layers()[0];
    REQUIRE(layer.table.value_size() == 1);
    Noise noise(11);
    SplitMix64 random(5);
    std::vector<std::byte> state(machine->state_size());
    machine->initial(state);
    for (int t = 0; t < 20000; ++t) {
      const auto a = static_cast<Symbol>(random.next() % model.alphabet().size());
      const std::vector<float> from = hidden_of(*machine, state);
      std::vector<double> x(from.begin(), from.end());
      const auto input = static_cast<std::size_t>(model.symbol_row()[a]);
      const TokenRow row = layer.table.row(layer.row_action[input]);
      for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = noise.off(x[i] * double{row.gate[row.gate.size() == 1 ? 0 : i]});
      for (const GeneralizedHouseholder& factor : row.factors) {
        std::vector<double> terms;
        for (const Entry& k : factor.key) terms.push_back(noise.off(double{k.value} * x[k.index]));
        const double change = noise.off(double{factor.beta} * noise.sum(terms));
        for (const Entry& k : factor.key) x[k.index] = noise.off(x[k.index] - noise.off(change * double{k.value}));
      }
      // Distances by doubles: the claim leaves room for their rounding too.
      double least = std::numeric_limits<double>::infinity();
      std::vector<float> best;
      for (const std::vector<float>& code : h.codes[0].codes) {
        double d = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) d += (x[i] - double{code[i]}) * (x[i] - double{code[i]});
        if (d < least) {
          least = d;
          best = code;
        }
      }
      const Observation seen = machine->step(state, a);
      REQUIRE(hidden_of(*machine, state) == best);
      const SlotReadout& readout = layer.readouts[layer.row_readout[input]];
      double highest = -std::numeric_limits<double>::infinity();
      std::size_t slot = 0;
      for (std::size_t s = 0; s < readout.num_slots(); ++s) {
        std::vector<double> terms = {double{readout.bias[s]}};
        for (const Entry& w : readout.weight[s]) terms.push_back(noise.off(double{w.value} * double{best[w.index]}));
        const double score = noise.sum(terms);
        if (score > highest) {
          highest = score;
          slot = s;
        }
      }
      REQUIRE(layer.next[layer.row_next[input] + slot] == seen.label);
    }
  }
}

TEST_CASE("no order is vouched for where one may lose numbers below the normal ones, or overflow") {
  const auto power = [](int e) { return std::exp2(static_cast<float>(e)); };
  struct Extreme {
    float start;
    float gate;
    float first;   // beta, key and read of the first factor
    float second;  // beta and key of the second
    float reached;
  };
  // In order, 1 and 16 are reached without a rounding. Below normal numbers set to 0: gate times start is 2^-127, and
  // the factors make 2^127 of what is lost. Multiplied out: the factors' coefficient is 2^129.
  for (const Extreme& x : {Extreme{power(-100), power(-27), power(29), power(20), 1.0F},
                           Extreme{power(-125), 1.0F, power(29), power(21), 16.0F}}) {
    TokenRow row;
    row.gate = {x.gate, 1.0F, 0.0F};
    row.factors = {{{{1, x.first}}, x.first, {}, {{0, x.first}}}, {{{2, x.second}}, x.second, {}, {{1, 1.0F}}}};
    TableLayer layer{TokenTable(3, 1, {row}),
                     {x.start, 0.0F, 0.0F},
                     {SlotReadout{{{}, {{2, 1.0F}}}, {0.5F, 0.0F}}},
                     false,
                     {0},
                     {0},
                     {0},
                     {0, 1}};
    layer.codes = {x.start, 0.0F, 0.0F, x.start, 0.0F, x.reached};
    const LrnnModel model(Alphabet({"a"}), {"0", "1"}, 0, {0}, {layer});
    const Language language(Dfa(model.alphabet(), 0, {1, 1}, {0, 1}, model.label_names()));
    const auto machine = make_machine(model, Semantics::fp32_snap_v1);
    CHECK(hidden_behind(*machine, {0}) == std::vector<float>{x.start, 0.0F, x.reached});
    const CheckReport report = check(*machine, language, {});
    REQUIRE(std::holds_alternative<Proved>(report.verdict));
    CHECK_FALSE(shows_every_order(std::get<Proved>(report.verdict).evidence));
  }
}

/// Two rotations by a right angle would be exact; this is one layer with a single key and the codes given.
LrnnModel with_codes(std::vector<float> codes) {
  TableLayer layer{
      TokenTable(2, 1, {TokenRow{{1.0F}, {{{{0, 1.0F}}, 1.0F, {}}}, {}}, TokenRow{{0.5F}, {}, {{1, 1.0F}}}}),
      {1.0F, 0.0F},
      {SlotReadout{{{{0, 1.0F}}, {{1, 1.0F}}}, {0.0F, 0.25F}}},
      false,
      {0, 1},
      {0, 0},
      {0, 0},
      {0, 1}};
  layer.codes = std::move(codes);
  return {Alphabet({"a", "b"}), {"x", "y"}, 0, {0, 1}, {layer}};
}

TEST_CASE("equally near codes go to the first, and the initial state need not be one") {
  // From (1, 0) the letter a leads to (0, 0), which is as far from both codes.
  for (const bool swapped : {false, true}) {
    const std::vector<float> codes =
        swapped ? std::vector<float>{0.0F, -1.0F, 0.0F, 1.0F} : std::vector<float>{0.0F, 1.0F, 0.0F, -1.0F};
    const auto machine = make_machine(with_codes(codes), Semantics::fp32_snap_v1);
    CHECK(hidden_behind(*machine, {}) == std::vector<float>{1.0F, 0.0F});
    CHECK(hidden_behind(*machine, {0}) == std::vector<float>{0.0F, swapped ? -1.0F : 1.0F});
  }
  // From there an order of operations may lead to the other code.
  const auto machine = make_machine(with_codes({0.0F, 1.0F, 0.0F, -1.0F}), Semantics::fp32_snap_v1);
  const Trace labels = machine->run(std::vector<Word>{{0}, {0, 1}, {1, 0}}, {});
  std::string observed;
  for (std::size_t w = 0; w < 3; ++w) observed += machine->label_names()[static_cast<std::size_t>(labels.label(w))];
  CHECK(observed == "yyy");
  const Dfa all(Alphabet({"a", "b"}), 0, {1, 1, 1, 1}, {0, 1}, {"x", "y"});
  const CheckReport report = check(*machine, Language(all), {});
  REQUIRE(std::holds_alternative<Proved>(report.verdict));
  CHECK_FALSE(shows_every_order(std::get<Proved>(report.verdict).evidence));
}

TEST_CASE("codes that are none are refused by name, and so are other semantics, theorems and exports") {
  const float inf = std::numeric_limits<float>::infinity();
  const auto refused = [](std::vector<float> codes) { return error_of([&] { with_codes(std::move(codes)); }); };
  CHECK(refused({0.0F}).find("layers[0].codes: expected rows of 2 values, got 1 values") != std::string::npos);
  CHECK(refused({0.0F, inf}).find("layers[0].codes[0]: expected finite values") != std::string::npos);
  CHECK(refused({0.0F, -0.0F}).find("zeros without a sign") != std::string::npos);
  CHECK(refused({0.0F, 1.0F, 0.0F, 1.0F}).find("layers[0].codes[1]: expected codes that differ") != std::string::npos);

  const LrnnModel model = with_codes({0.0F, 1.0F});
  CHECK(error_of([&] { make_machine(model, Semantics::fp16_state_v1); }).find("expected fp32-snap-v1") !=
        std::string::npos);
  CHECK(error_of([&] { make_machine(with_codes({}), Semantics::fp32_snap_v1); }).find("a model without codes") !=
        std::string::npos);
  CHECK_THROWS_AS(export_to_dense(model, 1000), InputError);
  CHECK_THROWS_AS(harden(model, Language(catalog_language("parity")), {}), InputError);

  const TemporaryDirectory folder;
  ModelDirectory directory{model};
  directory.semantics = Semantics::fp32_snap_v1;
  write_model(folder.path() / "m", directory);
  const ModelDirectory read = read_model(folder.path() / "m");
  CHECK(read.model == model);
  CHECK(read.semantics == Semantics::fp32_snap_v1);
  CHECK(open_model(folder.path() / "m").machine->semantics() == "fp32-snap-v1");
  CHECK_THROWS_AS(open_model(folder.path() / "m", Semantics::bf16_state_v1), InputError);
}

TEST_CASE("exact models have nothing to snap, wrong ones are not mended") {
  CompileOptions options;
  options.representation = GroupRepresentation::permutation;
  const LrnnModel exact = compile(catalog_language("mod:5"), options).model;
  const Hardening nothing = harden(exact, Language(catalog_language("mod:5")), {});
  CHECK_FALSE(nothing.compiled);
  CHECK(nothing.reason.find("nothing is to be snapped") != std::string::npos);
  const Hardening wrong = harden(inexact(cases[0]), Language(catalog_language("mod:3")), {});
  CHECK_FALSE(wrong.compiled);
  REQUIRE(wrong.original_wrong);
  CHECK(wrong.original_wrong->size() == 3);
}

TEST_CASE("planted codes and certificates are not accepted") {
  const LrnnModel model = inexact(cases[0]);
  const Language language(catalog_language("mod:7"));
  const Hardening h = harden(model, language, {});
  REQUIRE(h.compiled);
  const auto machine = make_machine(*h.compiled, Semantics::fp32_snap_v1);
  const CheckReport report = check(*machine, language, {});
  const Certificate certificate = make_certificate(report, *machine, language, {});
  // A code moved to where another state is: two states become one, and the model forgets a turn.
  const TableLayer& layer = h.compiled->layers()[0];
  for (std::size_t k = 0; k < layer.num_codes(); ++k) {
    std::vector<TableLayer> layers = {layer};
    const std::size_t other = (k + 1) % layer.num_codes();
    for (std::size_t i = 0; i < 2; ++i) layers[0].codes[2 * k + i] = layer.codes[2 * other + i] * 1.0001F;
    const LrnnModel planted(model.alphabet(), model.label_names(), model.initial_label(), model.symbol_row(), layers);
    const auto faulty = make_machine(planted, Semantics::fp32_snap_v1);
    CHECK(reject(certificate, *faulty, language.minimal()));
    CHECK_FALSE(std::holds_alternative<Proved>(check(*faulty, language, {}).verdict));
  }
}

}  // namespace
}  // namespace krohn
