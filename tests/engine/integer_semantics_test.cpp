// label: quick
// The integer semantics against plain loops in 64-bit integers; and what integers can do that floating point cannot,
// and the other way round: sums that wrap count modulo 2^8, sums that saturate stop, and a model that is right in fp32
// is refuted by a shortest word where its states leave the range.
#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "engine/random_model.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/model/integer_form.hpp"
#include "krohn/verify/check.hpp"

namespace krohn {
namespace {

constexpr Semantics integer_semantics[] = {Semantics::int8_wrap_state_v1, Semantics::int8_saturate_state_v1,
                                           Semantics::int16_wrap_state_v1, Semantics::int16_saturate_state_v1};

struct Range {
  std::int64_t least;
  std::int64_t most;
  bool saturates;
};
Range range_of(Semantics semantics) {
  const bool narrow = semantics == Semantics::int8_wrap_state_v1 || semantics == Semantics::int8_saturate_state_v1;
  const bool saturates =
      semantics == Semantics::int8_saturate_state_v1 || semantics == Semantics::int16_saturate_state_v1;
  return narrow ? Range{-128, 127, saturates} : Range{-32768, 32767, saturates};
}

/// By counting up or down.
std::int64_t brought_back(std::int64_t x, const Range& range) {
  if (range.saturates) return x < range.least ? range.least : x > range.most ? range.most : x;
  const std::int64_t size = range.most - range.least + 1;
  x %= size;
  while (x < range.least) x += size;
  while (x > range.most) x -= size;
  return x;
}

std::int64_t whole(float x) { return static_cast<std::int64_t>(x); }

/// One layer's hidden state after a row, [key_size, value_size]. `every` brings back each number that is written, else
/// the finished state alone.
std::vector<std::int64_t> after(const TokenRow& row, std::vector<std::int64_t> h, std::size_t keys, std::size_t columns,
                                const Range& range, bool every) {
  const auto put = [&](std::int64_t& x, std::int64_t value) { x = every ? brought_back(value, range) : value; };
  for (std::size_t j = 0; j < keys; ++j) {
    for (std::size_t m = 0; m < columns; ++m) {
      put(h[j * columns + m], whole(row.gate.size() == 1 ? row.gate[0] : row.gate[j]) * h[j * columns + m]);
    }
  }
  for (const GeneralizedHouseholder& factor : row.factors) {
    std::vector<std::int64_t> key(keys, 0);
    std::vector<std::int64_t> read(keys, 0);
    std::vector<std::int64_t> value(columns, 0);
    for (const Entry& entry : factor.key) key[entry.index] = whole(entry.value);
    for (const Entry& entry : factor.read) read[entry.index] = whole(entry.value);
    if (factor.read.empty()) read = key;
    for (const Entry& entry : factor.value) value[entry.index] = whole(entry.value);
    for (std::size_t m = 0; m < columns; ++m) {
      std::int64_t c = value[m];
      for (std::size_t j = 0; j < keys; ++j) c -= read[j] * h[j * columns + m];
      c *= whole(factor.beta);
      for (std::size_t j = 0; j < keys; ++j) {
        if (key[j] != 0) put(h[j * columns + m], h[j * columns + m] + c * key[j]);
      }
    }
  }
  for (const Entry& entry : row.write) put(h[entry.index], h[entry.index] + whole(entry.value));
  for (std::int64_t& x : h) x = brought_back(x, range);
  return h;
}

class Draw {
 public:
  explicit Draw(std::uint32_t seed) : random_(seed) {}
  std::int32_t number(std::int32_t low, std::int32_t high) {
    return std::uniform_int_distribution<std::int32_t>(low, high)(random_);
  }
  std::vector<Entry> entries(std::size_t size, std::int32_t most) {
    std::vector<Entry> result;
    for (std::uint32_t i = 0; i < size; ++i) {
      const std::int32_t value = number(-most, most);
      if (value != 0 && number(0, 2) > 0) result.push_back({i, static_cast<float>(value)});
    }
    return result;
  }
  TokenRow row(std::size_t keys, std::size_t columns) {
    TokenRow row;
    if (number(0, 1) == 1) {
      row.gate.resize(number(0, 1) == 1 ? keys : 1);
      for (float& a : row.gate) a = static_cast<float>(number(-2, 2));
    }
    for (std::int32_t f = number(0, 3); f > 0; --f) {
      GeneralizedHouseholder factor{entries(keys, 3), static_cast<float>(number(-2, 2)), entries(columns, 60)};
      if (number(0, 1) == 1) factor.read = entries(keys, 3);
      row.factors.push_back(std::move(factor));
    }
    if (number(0, 1) == 1) row.write = entries(keys * columns, 100);
    return row;
  }

 private:
  std::mt19937 random_;
};

/// One layer over symbols "0", "1", .. with these rows, whose readout tells nothing.
LrnnModel layer_model(std::size_t keys, std::size_t columns, const std::vector<TokenRow>& rows,
                      std::vector<float> initial) {
  std::vector<std::string> names;
  TableLayer layer{
      TokenTable(keys, columns, rows), std::move(initial), {SlotReadout{{{}}, {0.0F}}}, false, {}, {}, {}, {0}};
  std::vector<std::int32_t> symbol_row;
  for (std::uint32_t r = 0; r < rows.size(); ++r) {
    names.push_back(std::to_string(r));
    symbol_row.push_back(static_cast<std::int32_t>(r));
    layer.row_action.push_back(r);
    layer.row_readout.push_back(0);
    layer.row_next.push_back(0);
  }
  return LrnnModel(Alphabet(names), {"0"}, 0, symbol_row, {std::move(layer)});
}

TEST_CASE("random rows: the states of plain loops; with wrapping it is enough to bring back the finished state") {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    Draw draw(seed);
    const std::size_t keys = static_cast<std::size_t>(draw.number(1, 4));
    const std::size_t columns = static_cast<std::size_t>(draw.number(1, 3));
    std::vector<TokenRow> rows;
    for (std::int32_t r = draw.number(1, 4); r > 0; --r) rows.push_back(draw.row(keys, columns));
    std::vector<float> initial(keys * columns);
    for (float& x : initial) x = static_cast<float>(draw.number(-128, 127));
    const LrnnModel model = layer_model(keys, columns, rows, initial);
    for (const Semantics semantics : integer_semantics) {
      const Range range = range_of(semantics);
      const auto machine = make_machine(model, semantics);
      std::vector<std::byte> state(machine->state_size());
      machine->initial(state);
      std::vector<std::int64_t> expected;
      for (const float x : initial) expected.push_back(brought_back(whole(x), range));
      for (int step = 0; step < 40; ++step) {
        const auto symbol = static_cast<Symbol>(draw.number(0, static_cast<std::int32_t>(rows.size()) - 1));
        const std::vector<std::int64_t> late = after(rows[symbol], expected, keys, columns, range, false);
        expected = after(rows[symbol], expected, keys, columns, range, true);
        if (!range.saturates) REQUIRE(expected == late);
        machine->step(state, symbol);
        const std::vector<float> hidden = machine->hidden(state);
        for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(whole(hidden[i]) == expected[i]);
      }
    }
  }
}

/// A number that symbol 1 adds to; slot q of the readout is nearest to q from `least` on. Label of slot: `labels`.
LrnnModel counter(float added, std::int32_t least, std::int32_t most, const std::vector<std::int32_t>& labels,
                  std::vector<std::string> names) {
  SlotReadout readout;
  for (std::int32_t q = least; q <= most; ++q) {
    readout.weight.push_back(q == 0 ? std::vector<Entry>{} : std::vector<Entry>{{0, static_cast<float>(q)}});
    readout.bias.push_back(-0.5F * static_cast<float>(q * q));
  }
  TableLayer layer{TokenTable(1, 1, std::vector<TokenRow>{{}, {{1.0F}, {}, {{0, added}}}}),
                   {0.0F},
                   {std::move(readout)},
                   false,
                   {0, 1},
                   {0, 0},
                   {0, 0},
                   labels};
  return LrnnModel(Alphabet({"0", "1"}), std::move(names), labels[static_cast<std::size_t>(-least)], {0, 1},
                   {std::move(layer)});
}

CheckReport checked(const LrnnModel& model, Semantics semantics, const Dfa& language) {
  return check(*make_machine(model, semantics), language, {});
}

/// The length of a shortest wrong word; nothing where the verdict is another.
std::optional<std::size_t> shortest_wrong(const CheckReport& report) {
  const auto* refuted = std::get_if<Refuted>(&report.verdict);
  if (refuted == nullptr || !refuted->counterexample.shortest) return std::nullopt;
  return refuted->counterexample.word.size();
}

TEST_CASE("a gate of 1 and a write of 128 is parity where sums wrap in 8 bits, and nowhere else") {
  // 0 and -128 by turns. The slots are the numbers -128 .. 127; those that do not occur have either label.
  std::vector<std::int32_t> labels(256, 0);
  labels[0] = 1;
  const LrnnModel model = counter(128.0F, -128, 127, labels, {"0", "1"});
  const Dfa parity = catalog_language("parity");
  CHECK(std::holds_alternative<Proved>(checked(model, Semantics::int8_wrap_state_v1, parity).verdict));
  // 127 from then on, whose label is 0; in 16 bits and in fp32 128 first, which is nearest to 127.
  for (const Semantics semantics : {Semantics::int8_saturate_state_v1, Semantics::int16_wrap_state_v1,
                                    Semantics::int16_saturate_state_v1, Semantics::fp32_fma_v1}) {
    CHECK(shortest_wrong(checked(model, semantics, parity)) == 1);
  }
}

TEST_CASE("a sum that wraps counts modulo 256; fp32 and saturation are wrong from 128 on") {
  std::vector<std::int32_t> labels(256, 0);
  std::vector<std::string> names = {"0", "1"};
  labels[128] = 1;  // the number 0
  const LrnnModel model = counter(1.0F, -128, 127, labels, names);
  const Dfa language = catalog_language("mod:256");
  const CheckReport wraps = checked(model, Semantics::int8_wrap_state_v1, language);
  REQUIRE(std::holds_alternative<Proved>(wraps.verdict));
  // Exactness is a claim about floating point.
  CHECK_FALSE(std::get<Proved>(wraps.verdict).exact_bits);
  CHECK(wraps.pairs == 256);
  // All others forget that 256 ones were read.
  for (const Semantics semantics : {Semantics::int8_saturate_state_v1, Semantics::int16_saturate_state_v1,
                                    Semantics::int16_wrap_state_v1, Semantics::fp32_fma_v1}) {
    CHECK(shortest_wrong(checked(model, semantics, language)) == 256);
  }
}

/// Resets: symbol i leads to state i, the last symbol to where one is, and the label is the state.
Dfa registers(std::size_t states) {
  std::vector<std::string> names;
  std::vector<State> delta;
  std::vector<LabelId> labels;
  for (State q = 0; q < states; ++q) {
    names.push_back("r" + std::to_string(q));
    labels.push_back(static_cast<LabelId>(q));
    for (State a = 0; a < states; ++a) delta.push_back(a);
    delta.push_back(q);
  }
  std::vector<std::string> symbols = names;
  symbols.emplace_back("stay");
  return Dfa(Alphabet(symbols), 0, delta, labels, names);
}

TEST_CASE(
    "a register that is right in fp32 is refuted by a reset and a pause in 8 bits; compiled for them it is proved") {
  const Dfa language = registers(200);
  const CompileResult floating = compile(language);
  CHECK(std::holds_alternative<Proved>(checked(floating.model, Semantics::fp32_fma_v1, language).verdict));
  for (const Semantics semantics : {Semantics::int16_wrap_state_v1, Semantics::int16_saturate_state_v1}) {
    CHECK(std::holds_alternative<Proved>(checked(floating.model, semantics, language).verdict));
  }
  for (const Semantics semantics : {Semantics::int8_wrap_state_v1, Semantics::int8_saturate_state_v1}) {
    CHECK(shortest_wrong(checked(floating.model, semantics, language)) == 2);
    CompileOptions options;
    options.semantics = semantics;
    const CompileResult integers = compile(language, options);
    CHECK(std::holds_alternative<Proved>(checked(integers.model, semantics, language).verdict));
  }
}

TEST_CASE("compiled models are proved in every integer semantics, by the closure and by the hint") {
  for (const char* name : {"parity", "mod:5", "word:S3", "perm:A4", "word:Q8", "dyck:2,3", "flipflop", "tomita:5",
                           "modarith:3", "modarith-answer:2", "even-pairs", "cycle:4"}) {
    CAPTURE(std::string(name));
    const Dfa language = catalog_language(name);
    for (const Semantics semantics : integer_semantics) {
      CompileOptions options;
      options.semantics = semantics;
      const CompileResult result = compile(language, options);
      const auto machine = make_machine(result.model, semantics);
      CHECK(std::holds_alternative<Proved>(check(*machine, result.minimal, {}).verdict));
      CHECK(std::holds_alternative<Proved>(check(*machine, result.minimal, {}, &result.hint).verdict));
    }
  }
}

std::string refusal(const LrnnModel& model, Semantics semantics) {
  try {
    make_machine(model, semantics);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("what is no integer, out of range or too large is refused by name") {
  const auto one = [](TokenRow row, float initial) { return layer_model(2, 1, {std::move(row)}, {initial, 0.0F}); };
  const Semantics narrow = Semantics::int8_wrap_state_v1;
  CHECK(refusal(one({{0.5F}, {}, {}}, 0.0F), narrow).find("rows[0].gate: expected an integer, got 0.5") !=
        std::string::npos);
  CHECK(refusal(one({{1.0F}, {{{{0, 1.0F}}, 0.25F, {}}}, {}}, 0.0F), narrow).find("factors[0].beta") !=
        std::string::npos);
  CHECK(refusal(one({{1.0F}, {{{{1, 0.5F}}, 2.0F, {}}}, {}}, 0.0F), narrow).find("factors[0].key[1]") !=
        std::string::npos);
  CHECK(refusal(one({{1.0F}, {}, {{0, 1.5F}}}, 0.0F), narrow).find("rows[0].write[0]") != std::string::npos);
  CHECK(refusal(one({}, 128.0F), narrow).find("initial_hidden[0]: expected a number from -128 to 127, got 128") !=
        std::string::npos);
  CHECK(refusal(one({}, 128.0F), Semantics::int16_saturate_state_v1).empty());
  // 2^17 times 2^15 is more than an accumulator of 32 bits holds.
  CHECK(refusal(one({{1.0F}, {{{{0, 131072.0F}}, 1.0F, {}}}, {}}, 0.0F), Semantics::int16_wrap_state_v1)
            .find("expected numbers below 2^31") != std::string::npos);
  CompileOptions dyadic;
  dyadic.keys = KeyForm::dyadic;
  dyadic.semantics = narrow;
  CHECK_THROWS_AS(compile(catalog_language("word:S3"), dyadic), InputError);
  // Every reason, up to a dozen.
  const LrnnModel many = one({{0.5F}, {{{{0, 0.5F}}, 0.5F, {}}}, {{0, 0.5F}}}, 0.5F);
  CHECK(integer_problems(many, narrow).size() == 5);
}

TEST_CASE("a batch has the labels of single steps, however long") {
  const LrnnModel model = compile(catalog_language("word:S4")).model;
  const auto machine = make_machine(model, Semantics::int8_saturate_state_v1);
  const auto reference = make_machine(model, Semantics::fp32_fma_v1);
  testing::RandomModel draw(7);
  std::vector<Word> words;
  for (int i = 0; i < 300; ++i) words.push_back(draw.word(model.alphabet().size(), 1000));
  const Trace here = machine->run(words);
  CHECK(here.semantics == "int8-saturate-state-v1");
  CHECK(here.labels == reference->run(words).labels);
}

}  // namespace
}  // namespace krohn
