// label: slow
// Theorems 1 and 2 on random models: every refutation is replayed by plain loops written here; layered lassos equal
// those of the whole model; the limit-cycle examples behave as they must, bit for bit.
#include "krohn/verify/refute.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>

#include "krohn/error.hpp"
#include "krohn/model/model_family.hpp"
#include "krohn/numeric/rounding.hpp"
#include "krohn/verify/layered_lasso.hpp"

namespace {

using namespace krohn;

float store(float x, NumberFormat format) {
  if (format == NumberFormat::fp16) x = round_to_fp16(x);
  if (format == NumberFormat::bf16) x = round_to_bf16(x);
  return x == 0.0F ? 0.0F : x;
}

/// A run of a table model or a triangular one by nested loops over dense arrays, docs/semantics.md read off the page.
class PlainRun {
 public:
  PlainRun(const LrnnModel& model, const TriangularModel* triangular, NumberFormat format)
      : model_(model), triangular_(triangular), format_(format) {
    for (const TableLayer& layer : model.layers()) {
      std::vector<float> h;
      for (const float x : layer.initial_hidden) h.push_back(store(x, format));
      hidden.push_back(h);
      std::vector<TokenRow> rows;
      for (std::size_t r = 0; r < layer.table.num_rows(); ++r) rows.push_back(layer.table.row(r));
      rows_.push_back(rows);
    }
  }
  void step(Symbol symbol) {
    std::int32_t row = model_.symbol_row()[symbol];
    if (undefined) return;
    for (std::size_t l = 0; l < hidden.size(); ++l) {
      const TableLayer& layer = model_.layers()[l];
      const auto r = static_cast<std::size_t>(row);
      const TokenRow& action = rows_[l][layer.row_action[r]];
      std::vector<float>& h = hidden[l];
      const std::size_t columns = layer.table.value_size();
      const auto gate = [&](std::size_t i) {
        return action.gate.size() == 1 ? action.gate[0] : action.gate[i / columns];
      };
      if (triangular_ != nullptr) {
        const std::vector<float> old = h;
        for (std::size_t i = 0; i < h.size(); ++i) {
          float acc = 0.0F;
          for (std::size_t j = 0; j < i; ++j) {
            const float a = triangular_->lower(l, layer.row_action[r])[i * h.size() + j];
            if (a != 0.0F) acc = std::fma(a, old[j], acc);
          }
          h[i] = std::fma(gate(i), old[i], acc);
        }
      } else {
        for (std::size_t i = 0; i < h.size(); ++i) {
          if (gate(i) != 1.0F) h[i] = gate(i) == 0.0F ? 0.0F : gate(i) * h[i];
        }
        for (const GeneralizedHouseholder& f : action.factors) {
          for (std::size_t m = 0; m < columns && f.beta != 0.0F; ++m) {
            float v = 0.0F;
            for (const Entry& e : f.value) v = e.index == m ? e.value : v;
            float acc = 0.0F;
            for (const Entry& e : f.key) acc = std::fma(e.value, h[e.index * columns + m], acc);
            const float c = f.beta * (v - acc);
            for (const Entry& e : f.key) h[e.index * columns + m] = std::fma(c, e.value, h[e.index * columns + m]);
          }
        }
      }
      for (const Entry& e : action.write) h[e.index] = h[e.index] + e.value;
      for (float& x : h) x = store(x, format_);
      // Two slots: 0 scores 0, 1 scores w h + bias.
      float score[2];
      for (std::size_t s = 0; s < 2; ++s) {
        score[s] = layer.readouts[0].bias[s];
        for (const Entry& e : layer.readouts[0].weight[s]) score[s] = std::fma(e.value, h[e.index], score[s]);
      }
      if (score[0] == score[1]) {
        undefined = true;
        label = -1;
        for (auto& all : hidden) std::fill(all.begin(), all.end(), 0.0F);
        return;
      }
      row = layer.next[layer.row_next[r] + (score[1] > score[0] ? 1U : 0U)];
    }
    label = row;
  }
  std::vector<std::vector<float>> hidden;
  bool undefined = false;
  std::int32_t label = 0;

 private:
  const LrnnModel& model_;
  const TriangularModel* triangular_;
  NumberFormat format_;
  std::vector<std::vector<TokenRow>> rows_;
};

bool same_bits(const PlainRun& a, const PlainRun& b) {
  if (a.undefined != b.undefined) return false;
  for (std::size_t l = 0; l < a.hidden.size(); ++l) {
    if (std::memcmp(a.hidden[l].data(), b.hidden[l].data(), 4 * a.hidden[l].size()) != 0) return false;
  }
  return true;
}

/// Replays the pair; the labels that the language asks for are counted by hand.
void check_pair(const FamilyModel& made, NumberFormat format, const Theorem& theorem,
                const IndistinguishablePair& pair) {
  const auto* triangular = std::get_if<TriangularModel>(&made);
  const LrnnModel& model = triangular != nullptr ? triangular->chain() : std::get<LrnnModel>(made);
  std::vector<PlainRun> runs;
  std::uint64_t ones[] = {0, 0};
  const auto feed = [&](std::size_t w, const Word& word) {
    for (const Symbol s : word) {
      runs[w].step(s);
      ones[w] += s;
    }
  };
  runs.emplace_back(model, triangular, format);
  feed(0, pair.word_a.prefix);
  for (std::uint64_t k = 0; k < pair.word_a.exponent; ++k) feed(0, pair.word_a.loop);
  REQUIRE(pair.word_a.suffix.empty());
  REQUIRE(pair.word_b.suffix.empty());
  // Where word_b is word_a and more of its loop, as a lasso gives them, its run goes on from there.
  const bool longer = pair.word_a.prefix == pair.word_b.prefix && pair.word_a.loop == pair.word_b.loop &&
                      pair.word_a.exponent <= pair.word_b.exponent;
  if (longer) {
    runs.push_back(runs[0]);
    ones[1] = ones[0];
  } else {
    runs.emplace_back(model, triangular, format);
    feed(1, pair.word_b.prefix);
  }
  for (std::uint64_t k = longer ? pair.word_a.exponent : 0; k < pair.word_b.exponent; ++k) feed(1, pair.word_b.loop);
  CHECK(same_bits(runs[0], runs[1]));
  for (const int w : {0, 1}) {
    for (const Symbol s : pair.suffix) {
      runs[w].step(s);
      ones[w] += s;
    }
  }
  CHECK(runs[0].label == runs[1].label);
  const auto wanted = [&](std::uint64_t count) {
    return (theorem.is_parity() ? count % 2 == 1 : count % theorem.modulus() == 0) ? "1" : "0";
  };
  CHECK(std::string(wanted(ones[0])) != wanted(ones[1]));
  CHECK(pair.expected_a == wanted(ones[0]));
  CHECK(pair.expected_b == wanted(ones[1]));
}

ParameterFormat parameters(NumberFormat format) {
  return format == NumberFormat::fp16   ? ParameterFormat::fp16
         : format == NumberFormat::bf16 ? ParameterFormat::bf16
                                        : ParameterFormat::fp32;
}

struct Count {
  int models = 0;
  int refuted = 0;
  int open = 0;
  int violated = 0;
  std::uint64_t longest = 0;
};

/// 100 models when KROHN_TEST_ALL is set, else every tenth of them from one whose number is printed.
Count refute_many(Family family, bool negative, std::size_t layers, NumberFormat format, const Theorem& theorem) {
  static const int first = std::getenv("KROHN_TEST_ALL") != nullptr ? 0 : static_cast<int>(std::random_device()() % 10);
  const int step = std::getenv("KROHN_TEST_ALL") != nullptr ? 1 : 10;
  Count count;
  for (int i = first; i < 100; i += step) {
    ++count.models;
    FamilyOptions options;
    options.family = family;
    options.negative = negative;
    options.layers = layers;
    options.format = parameters(format);
    options.seed = 1000 + static_cast<std::uint64_t>(i);
    const FamilyModel made = make_family_model(options);
    const auto* triangular = std::get_if<TriangularModel>(&made);
    const TheoremReport report = triangular != nullptr
                                     ? refute_theorem(*triangular, format, theorem)
                                     : refute_theorem(std::get<LrnnModel>(made), Arithmetic{format}, theorem);
    if (!report.hypothesis.holds) ++count.violated;
    if (const auto* pair = std::get_if<IndistinguishablePair>(&report.conclusion)) {
      ++count.refuted;
      check_pair(made, format, theorem, *pair);
      if (report.lasso) count.longest = std::max(count.longest, report.lasso->transient);
    } else {
      CHECK(std::holds_alternative<Unknown>(report.conclusion));
      ++count.open;
    }
  }
  std::cout << theorem.name() << ' ' << family_name(family) << (negative ? " [-1,1] " : " [0,1] ") << layers
            << " layers " << number_format_name(format) << ": " << count.refuted << " of " << count.models
            << " refuted (from number " << first << "), " << count.open << " not settled, longest transient "
            << count.longest << '\n';
  return count;
}

TEST_CASE("Theorem 1: diagonal families of 1 to 3 layers are refuted") {
  for (const Family family : {Family::mamba, Family::gla, Family::mlstm}) {
    for (const std::size_t layers : {1U, 2U, 3U}) {
      for (const NumberFormat format : {NumberFormat::bf16, NumberFormat::fp16, NumberFormat::fp32}) {
        const Count count = refute_many(family, false, layers, format, Theorem::parity());
        CHECK(count.violated == 0);
        CHECK(count.refuted == count.models);
      }
    }
  }
}

TEST_CASE("Theorem 2: real triangular families are refuted for every modulus that is no power of two") {
  for (const unsigned modulus : {3U, 5U, 6U, 7U}) {
    for (const std::size_t layers : {1U, 2U, 3U}) {
      for (const NumberFormat format : {NumberFormat::bf16, NumberFormat::fp16, NumberFormat::fp32}) {
        const Count count = refute_many(Family::triangular, true, layers, format, Theorem::modular(modulus));
        CHECK(count.violated == 0);
        CHECK(count.refuted == count.models);
      }
    }
  }
}

/// h <- store(a h + b) on one element, from 0; the readout never ties on the orbits below.
LrnnModel scalar_model(float a, float b) {
  TableLayer layer{TokenTable(1, 1, std::vector<TokenRow>{{}, {{a}, {}, {{0, b}}}}),
                   {0.0F},
                   {},
                   false,
                   {0, 1},
                   {0, 0},
                   {0, 0},
                   {0, 1}};
  layer.readouts.push_back({{{}, {{0, 1.0F}}}, {1.5F, 0.0F}});
  return LrnnModel(Alphabet({"0", "1"}), {"0", "1"}, 0, {0, 1}, {layer});
}

TEST_CASE("one gate: the words that no readout separates") {
  struct Case {
    float a, b;
    Semantics semantics;
    std::uint64_t transient;
  };
  for (const Case& c :
       {Case{0.9F, 0.1F, Semantics::fp32_fma_v1, 142}, Case{0.999F, 1.0F, Semantics::fp32_fma_v1, 10277},
        Case{1.0F, 1.0F, Semantics::bf16_state_v1, 256}, Case{1.0F, 1.0F, Semantics::fp16_state_v1, 2048},
        Case{1.0F, 1.0F, Semantics::fp32_fma_v1, std::uint64_t{1} << 24U}}) {
    const LrnnModel model = scalar_model(c.a, c.b);
    const TheoremReport report = refute_theorem(model, arithmetic_of(c.semantics), Theorem::parity());
    CHECK(report.hypothesis.holds);
    const auto* pair = std::get_if<IndistinguishablePair>(&report.conclusion);
    REQUIRE(pair != nullptr);
    CHECK(*report.lasso == Lasso{c.transient, 1});
    CHECK(pair->word_a.exponent == c.transient);
    CHECK(pair->word_b.exponent == c.transient + 1);
    CHECK(pair->word_a.loop == Word{1});
    // The same in two lines.
    float h = 0.0F;
    std::uint64_t k = 0;
    for (float before = -1.0F; h != before; ++k) {
      before = h;
      h = c.a * h;
      h = h + c.b;
      if (c.semantics == Semantics::bf16_state_v1) h = round_to_bf16(h);
      if (c.semantics == Semantics::fp16_state_v1) h = round_to_fp16(h);
    }
    CHECK(k - 1 == c.transient);
  }
}

TEST_CASE("layered lassos are those of the whole model") {
  int checked = 0;
  for (const Family family : {Family::mamba, Family::gla, Family::mlstm, Family::deltanet, Family::deltaproduct}) {
    for (const bool negative : {false, true}) {
      for (std::uint64_t seed = 0; seed < 12; ++seed) {
        for (const Arithmetic arithmetic :
             {Arithmetic{NumberFormat::bf16}, Arithmetic{NumberFormat::fp16}, Arithmetic{NumberFormat::fp32},
              Arithmetic{NumberFormat::bf16, true}, Arithmetic{NumberFormat::fp32, true}}) {
          FamilyOptions options;
          options.family = family;
          options.negative = negative;
          options.layers = 1 + seed % 3;
          options.size = 2 + seed % 3;
          options.seed = 77 + seed;
          const LrnnModel model = std::get<LrnnModel>(make_family_model(options));
          for (const Word& prefix : {Word{}, Word{0, 1}}) {
            for (const Word& loop : {Word{1}, Word{0, 1, 1}}) {
              const LassoBudget budget{200000, nullptr};
              const LayeredLasso layered = find_layered_lasso(model, arithmetic, prefix, loop, {2000000, nullptr});
              const LassoSearch whole = find_lasso(*make_machine(model, arithmetic), prefix, loop, budget);
              if (!whole.lasso) continue;
              REQUIRE(layered.lasso);
              CHECK(*layered.lasso == *whole.lasso);
              ++checked;
            }
          }
        }
      }
    }
  }
  CHECK(checked > 1000);
}

TEST_CASE("the limit-cycle examples recognise their language in one arithmetic and in no other") {
  for (const BoundaryExample& example : boundary_examples()) {
    const Theorem theorem = example.modulus == 2 ? Theorem::parity() : Theorem::modular(example.modulus);
    const Hypothesis hypothesis = check_hypothesis(example.model, Theorem::parity());
    CHECK(hypothesis.holds);
    CHECK(check_hypothesis(example.model, theorem).holds);
    const auto separate = make_separate_machine(example.model, NumberFormat::fp32);
    CHECK(separate->semantics() == example.semantics);
    const TheoremReport report = refute_theorem(*separate, hypothesis, theorem);
    CHECK(std::holds_alternative<Proved>(report.conclusion));
    CHECK(report.lasso == Lasso{0, example.modulus});
    // Bit for bit as two lines of plain arithmetic say.
    const TokenRow row = example.model.layers()[0].table.row(1);
    const float k0 = row.factors[0].key[0].value;
    const float k1 = row.factors[0].key[1].value;
    const float beta = row.factors[0].beta;
    float h[2] = {example.model.layers()[0].initial_hidden[0], example.model.layers()[0].initial_hidden[1]};
    std::vector<std::byte> state(separate->state_size());
    separate->initial(state);
    for (unsigned k = 1; k <= 100; ++k) {
      const float first = k0 * h[0];
      const float second = k1 * h[1];
      const float s = first + second;
      const float c = beta * s;
      const float change0 = k0 * c;
      const float change1 = k1 * c;
      h[0] -= change0;
      h[1] -= change1;
      h[0] += row.write[0].value;
      h[1] += row.write[1].value;
      const Observation observation = separate->step(state, 1);
      CHECK(std::memcmp(state.data(), h, 8) == 0);
      const bool in_language = example.modulus == 2 ? k % 2 == 1 : k % example.modulus == 0;
      CHECK(observation.label == static_cast<std::int32_t>(in_language));
    }
    // With fused operations the cycle vanishes.
    for (const NumberFormat format : {NumberFormat::fp32, NumberFormat::fp16, NumberFormat::bf16}) {
      const TheoremReport fused = refute_theorem(example.model, Arithmetic{format}, theorem);
      CHECK(std::holds_alternative<IndistinguishablePair>(fused.conclusion));
      REQUIRE(fused.lasso);
      CHECK(fused.lasso->period == 1);
    }
  }
}

TEST_CASE("a violation too small for double precision is not shown as an eigenvalue that would be allowed") {
  // (I - k k^T) diag(1, 1/2) with |k|^2 = 1 + 2^-120 has determinant -2^-121: its lesser eigenvalue is -2^-120, nearly.
  TokenRow row;
  row.gate = {1.0F, 0.5F};
  row.factors = {{{{0, 1.0F}, {1, 0x1p-60F}}, 1.0F, {}}};
  const TableLayer layer{TokenTable(2, 1, {row}), {1.0F, 1.0F}, {{{{}}, {0.0F}}}, false, {0}, {0}, {0}, {0}};
  const LrnnModel model(Alphabet::of_characters("1"), {"0"}, 0, {0}, {layer});
  const Hypothesis hypothesis = check_hypothesis(model, Theorem::parity());
  REQUIRE(hypothesis.violation);
  CHECK((hypothesis.violation->eigenvalue.real() < 0.0 ||
         hypothesis.statement.find("by less than double precision shows") != std::string::npos));
  CHECK(check_hypothesis(model, Theorem::modular(3)).holds);
}

TEST_CASE("a model outside the hypothesis is named by eigenvalue, layer and symbol") {
  const LrnnModel parity = scalar_model(-1.0F, 1.0F);
  Hypothesis hypothesis = check_hypothesis(parity, Theorem::parity());
  CHECK_FALSE(hypothesis.holds);
  REQUIRE(hypothesis.violation);
  CHECK(hypothesis.violation->layer == 0);
  CHECK(hypothesis.violation->symbols == std::vector<std::string>{"1"});
  CHECK(hypothesis.violation->eigenvalue == -1.0);
  CHECK(hypothesis.statement ==
        "layer 0, symbol '1': expected only eigenvalues that are real and not negative, got -1");
  CHECK(check_hypothesis(parity, Theorem::modular(3)).holds);
  // Two reflections a row: a rotation, in layer 1 forbidden for Theorem 2 as well.
  TokenRow three_cycle{{1.0F}, {{{{0, 1.0F}, {1, -1.0F}}, 1.0F, {}}, {{{1, 1.0F}, {2, -1.0F}}, 1.0F, {}}}, {}};
  TableLayer layer{TokenTable(3, 1, std::vector<TokenRow>{{}, three_cycle}),
                   {1.0F, 0.0F, 0.0F},
                   {},
                   false,
                   {0, 1},
                   {0, 0},
                   {0, 0},
                   {0, 1}};
  layer.readouts.push_back({{{}, {{0, 1.0F}}}, {0.5F, 0.0F}});
  const LrnnModel mod3(Alphabet({"0", "1"}), {"0", "1"}, 1, {0, 1}, {layer});
  hypothesis = check_hypothesis(mod3, Theorem::modular(3));
  REQUIRE(hypothesis.violation);
  CHECK(std::abs(hypothesis.violation->eigenvalue - std::polar(1.0, 2.0943951023931953)) < 1e-9);
  CHECK(std::holds_alternative<Proved>(refute_theorem(mod3, Arithmetic{}, Theorem::modular(3)).conclusion));
  // Swaps alone: real in layer 1; products of two of them are what layer 2 must not have.
  layer.table = TokenTable(
      3, 1, std::vector<TokenRow>{{{1.0F}, {three_cycle.factors[0]}, {}}, {{1.0F}, {three_cycle.factors[1]}, {}}});
  const LrnnModel swaps(Alphabet({"0", "1"}), {"0", "1"}, 1, {0, 1}, {layer});
  CHECK(check_hypothesis(swaps, Theorem::modular(3)).holds);
  TableLayer first = layer;
  first.next = {0, 1};
  const LrnnModel two(Alphabet({"0", "1"}), {"0", "1"}, 1, {0, 1}, {first, layer});
  hypothesis = check_hypothesis(two, Theorem::modular(3));
  REQUIRE(hypothesis.violation);
  CHECK(hypothesis.violation->layer == 1);
  CHECK(hypothesis.violation->symbols.size() == 2);
}

TEST_CASE("more products than can be gone through: a violation is found, or nothing is decided") {
  // Layer 4 of a deltanet reads 16 rows: 16^8 products of 8.
  int violated = 0;
  int undecided = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    FamilyOptions options;
    options.family = Family::deltanet;
    options.layers = 4;
    options.size = 2;
    options.format = ParameterFormat::bf16;
    options.seed = seed;
    const LrnnModel model = std::get<LrnnModel>(make_family_model(options));
    const Hypothesis hypothesis = check_hypothesis(model, Theorem::modular(3));
    CHECK(!hypothesis.holds);
    if (!hypothesis.violation) {
      CHECK(hypothesis.layers[3].kind == SpectrumKind::undecided);
      CHECK(hypothesis.layers[3].method.find("16^8 products") == 0);
      ++undecided;
      continue;
    }
    ++violated;
    const SpectrumViolation& violation = *hypothesis.violation;
    // One and two positive semidefinite factors have real products.
    CHECK(violation.layer >= 2);
    CHECK(violation.symbols.size() == std::size_t{1} << violation.layer);
    CHECK(violation.eigenvalue.imag() > 0.0);
    // In layer 3 some rows of these symbols, multiplied out in plain doubles, have that eigenvalue: of 8 rows the first
    // four are read for symbol 0.
    if (violation.layer != 2) continue;
    const TableLayer& layer = model.layers()[2];
    const std::size_t of_symbol = 4;
    double distance = 1.0;
    std::vector<std::size_t> choice(violation.symbols.size(), 0);
    for (std::size_t at = 0; at < choice.size() && distance > 1e-9;) {
      double product[2][2] = {{1, 0}, {0, 1}};
      for (std::size_t t = 0; t < choice.size(); ++t) {
        const TokenRow row = layer.table.row((violation.symbols[t] == "1" ? of_symbol : 0) + choice[t]);
        double key[2] = {0, 0};
        for (const Entry& entry : row.factors[0].key) key[entry.index] = double{entry.value};
        for (int j = 0; j < 2; ++j) {
          const double dot = double{row.factors[0].beta} * (key[0] * product[0][j] + key[1] * product[1][j]);
          product[0][j] -= key[0] * dot;
          product[1][j] -= key[1] * dot;
        }
      }
      const double half = (product[0][0] + product[1][1]) / 2;
      const double determinant = product[0][0] * product[1][1] - product[0][1] * product[1][0];
      const std::complex<double> root = half + std::sqrt(std::complex<double>(half * half - determinant));
      distance = std::min(distance, std::abs(root - violation.eigenvalue));
      for (at = 0; at < choice.size() && ++choice[at] == of_symbol; ++at) choice[at] = 0;
    }
    CHECK(distance < 1e-9);
  }
  CHECK(violated > 0);
  CHECK(undecided > 0);
}

TEST_CASE("budgets that run out make no claim") {
  RefuteOptions options;
  options.budget.max_steps = 1000;
  options.closure_memory = 1U << 16U;
  const TheoremReport report = refute_theorem(scalar_model(1.0F, 1.0F), Arithmetic{}, Theorem::parity(), options);
  CHECK(!std::holds_alternative<IndistinguishablePair>(report.conclusion));
  CHECK(!std::holds_alternative<Proved>(report.conclusion));
  CHECK(report.reason == "the budget of 1000 steps ran out");
}

TEST_CASE("a language counts modulo the least period of its labels along the symbol, behind any beginning") {
  const Alphabet alphabet({"a", "b"});
  const std::vector<std::string> names = {"0", "1", "2"};
  // a adds 1 modulo 6, b does nothing.
  const auto wheel = [&](std::vector<LabelId> labels) {
    return Dfa(alphabet, 0, {1, 0, 2, 1, 3, 2, 4, 3, 5, 4, 0, 5}, std::move(labels), names);
  };
  for (const unsigned modulus : {1U, 2U, 3U, 6U}) {
    std::vector<LabelId> labels;
    for (unsigned state = 0; state < 6; ++state) labels.push_back(modulus == 6 ? state / 2 : state % modulus);
    for (const unsigned asked : {1U, 2U, 3U, 6U}) {
      CHECK(counts_modulo(wheel(labels), 0, asked) == (asked == modulus));
    }
    CHECK(counts_modulo(wheel(labels), 1, 1));
  }
  CHECK(!counts_modulo(wheel({0, 1, null_label, 0, 1, null_label}), 0, 3));
  // The beginning, whose label is null, is not on the cycle.
  CHECK(counts_modulo(Theorem::modular(5).language(alphabet, 0, 1), 0, 5));
  RefuteOptions options;
  options.counted = "a";
  CHECK(language_asked(Theorem::modular(5), alphabet, options) == Theorem::modular(5).language(alphabet, 0, 0));
  options.language = wheel({0, 1, 2, 0, 1, 2});
  CHECK(language_asked(Theorem::modular(3), alphabet, options) == *options.language);
}

TEST_CASE("theorems and their names") {
  CHECK(Theorem::parse("parity").is_parity());
  CHECK(Theorem::parse("modular").modulus() == 3);
  CHECK(Theorem::parse("modular:12").name() == "modular:12");
  for (const char* text :
       {"modular:4", "modular:2", "modular:1", "modular:0", "modular:x", "modular:3x", "groups", ""}) {
    CHECK_THROWS_AS(Theorem::parse(text), InputError);
  }
  RefuteOptions options;
  CHECK_THROWS_AS(counted_symbol(Alphabet({"a", "b"}), options), InputError);
  options.counted = "b";
  CHECK(counted_symbol(Alphabet({"a", "b"}), options) == 1);
}

}  // namespace
