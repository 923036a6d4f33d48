// label: quick
// The ladder: each rung reaches its verdict on a model made for it, claims no more than it established, and sampling's
// bound is the closed form.
#include "krohn/verify/check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/closure.hpp"
#include "krohn/verify/counterexample.hpp"
#include "krohn/verify/fast_refutation.hpp"
#include "krohn/verify/horizon_check.hpp"

namespace {

using namespace krohn;

constexpr Semantics fp32 = Semantics::fp32_fma_v1;

// h <- h + 1 on every symbol; label 1 while h < length - 1/2, so that the words of `length` symbols and more get 0.
LrnnModel counter(float length, const char* symbols) {
  TokenRow row;
  row.write = {{0, 1.0F}};
  TableLayer layer{TokenTable(1, 1, {row}), {0.0F}, {}, false, {0}, {0}, {0}, {1, 0}};
  layer.readouts.push_back({{{}, {{0, 1.0F}}}, {0.0F, -(length - 0.5F)}});
  const Alphabet alphabet = Alphabet::of_characters(symbols);
  return LrnnModel(alphabet, {"0", "1"}, 1, std::vector<std::int32_t>(alphabet.size(), 0), {layer});
}

Dfa everything(const char* symbols) {
  const Alphabet alphabet = Alphabet::of_characters(symbols);
  return Dfa::acceptor(alphabet, 0, std::vector<State>(alphabet.size(), 0), {true});
}

// Two planar rotations by angles that are no rational part of a turn: too many hidden states to close.
LrnnModel two_rotations() {
  std::vector<TokenRow> rows(2);
  for (std::size_t s = 0; s < 2; ++s) {
    const double angle = 0.3 + 0.77 * static_cast<double>(s);
    const auto x = static_cast<float>(std::cos(angle));
    const auto y = static_cast<float>(std::sin(angle));
    rows[s].factors = {{{{0, 1.0F}}, 2.0F, {}}, {{{0, x}, {1, y}}, 2.0F, {}}};
  }
  TableLayer layer{TokenTable(2, 1, rows), {1.0F, 0.0F}, {}, false, {0, 1}, {0, 0}, {0, 0}, {0}};
  layer.readouts.push_back({{{}}, {0.0F}});
  return LrnnModel(Alphabet::of_characters("ab"), {"1"}, 0, {0, 1}, {layer});
}

TEST_CASE("a model that counts is refuted by the first word too long for it, thousands of symbols away") {
  const CheckReport report = check(*make_machine(counter(7000.0F, "ab"), fp32), everything("ab"), {});
  const auto* refuted = std::get_if<Refuted>(&report.verdict);
  REQUIRE(refuted != nullptr);
  CHECK(refuted->counterexample.word == Word(7000, 0));
  CHECK(refuted->counterexample.shortest);
  CHECK(refuted->counterexample.position == 7000);
  CHECK(refuted->counterexample.expected == "1");
  CHECK(refuted->counterexample.observed == "0");
  // 7000 - 6999.5 against 0.
  CHECK(refuted->counterexample.margin == 0.5F);
}

TEST_CASE("in bfloat16 the same count stops at 256 and the model is right for ever") {
  const CheckReport report =
      check(*make_machine(counter(7000.0F, "ab"), Semantics::bf16_state_v1), everything("ab"), {});
  CHECK(std::holds_alternative<Proved>(report.verdict));
  CHECK(report.pairs == 257);
}

TEST_CASE("a claim up to a length is not refuted by longer words") {
  CheckOptions options;
  options.up_to = 6999;
  CheckReport report = check(*make_machine(counter(7000.0F, "a"), fp32), everything("a"), options);
  const auto* certified = std::get_if<CertifiedUpTo>(&report.verdict);
  REQUIRE(certified != nullptr);
  CHECK(certified->length == 6999);
  options.up_to = 7000;
  report = check(*make_machine(counter(7000.0F, "a"), fp32), everything("a"), options);
  CHECK(std::holds_alternative<Refuted>(report.verdict));
}

TEST_CASE("where nothing ends, the answer is unknown, with a bound that holds and a sample that was fixed beforehand") {
  CheckOptions options;
  options.budget.memory = std::size_t{16} << 20U;
  options.sample.words = 50;
  options.sample.max_length = 20;
  const CheckReport report = check(*make_machine(two_rotations(), fp32), everything("ab"), options);
  const auto* unknown = std::get_if<Unknown>(&report.verdict);
  REQUIRE(unknown != nullptr);
  CHECK(unknown->length.has_value());
  REQUIRE(report.sample.has_value());
  CHECK(report.sample->drawn == 50);
  // No failure among n words: the bound p solves (1 - p)^n = 1 - confidence.
  REQUIRE(report.sample->bound.has_value());
  CHECK(*report.sample->bound == doctest::Approx(1.0 - std::pow(0.01, 1.0 / 50.0)).epsilon(1e-12));
}

TEST_CASE("Clopper and Pearson's upper bound has the binomial tail that defines it") {
  // P(X <= k) = 1 - confidence for X binomial with n trials of the bound's probability.
  for (const auto& [failures, trials] : {std::pair<unsigned, unsigned>{0, 10}, {1, 10}, {3, 20}, {19, 20}}) {
    const double p = clopper_pearson_upper(failures, trials, 0.95);
    double tail = 0.0;
    double term = std::pow(1.0 - p, trials);
    for (unsigned k = 0; k <= failures; ++k) {
      tail += term;
      term *= static_cast<double>(trials - k) / static_cast<double>(k + 1) * p / (1.0 - p);
    }
    // Some tens of operations in double and the inverse's own accuracy, far below 1e-9.
    CHECK(tail == doctest::Approx(0.05).epsilon(1e-9));
  }
  CHECK(clopper_pearson_upper(10, 10, 0.95) == 1.0);
}

TEST_CASE("a sample of words without labels bounds nothing, and the domain is said to be empty") {
  CheckOptions options;
  options.budget.memory = std::size_t{1} << 20U;
  options.sample.words = 50;
  const Dfa nothing(Alphabet::of_characters("ab"), 0, {0, 0}, {null_label}, {"1"});
  const CheckReport report = check(*make_machine(two_rotations(), fp32), nothing, options);
  CHECK(report.domain == "no words: the language's labels are all null");
  REQUIRE(report.sample.has_value());
  CHECK(report.sample->drawn == 50);
  CHECK(report.sample->labelled == 0);
  CHECK(!report.sample->bound);
}

TEST_CASE("an exhaustive search certifies its length, and an interrupt ends a check with what there is") {
  CheckOptions options;
  options.budget.memory = std::size_t{1} << 20U;
  options.sample.words = 0;
  options.exhaustive = 14;
  options.device = Device::cpu;
  const LrnnModel model = two_rotations();
  const CheckReport report = check(*make_machine(model, fp32), everything("ab"), options);
  const auto* certified = std::get_if<CertifiedUpTo>(&report.verdict);
  REQUIRE(certified != nullptr);
  CHECK(certified->length >= 14);

  const std::atomic<bool> stop = true;
  CheckOptions interrupted;
  interrupted.budget.stop = &stop;
  const CheckReport early = check(*make_machine(model, fp32), everything("ab"), interrupted);
  CHECK(early.interrupted);
  CHECK(std::holds_alternative<Unknown>(early.verdict));
}

TEST_CASE("a horizon agrees with a longer closure, and is not claimed for another language") {
  CompileOptions rotation;
  rotation.representation = GroupRepresentation::rotation;
  const Dfa wheel = catalog_language("mod:11");
  const CompileResult compiled = compile(wheel, rotation);
  const HorizonCheck right = check_horizon(
      compiled.model, fp32, Specification(compiled.model.alphabet(), compiled.model.label_names(), wheel));
  REQUIRE_MESSAGE(right.length.has_value(), right.reason);
  CHECK(*right.length > 1000);
  const auto machine = make_machine(compiled.model, fp32);
  ClosureOptions options;
  options.up_to = *right.length;
  const Closure closure = joint_closure(*machine, Specification(*machine, wheel), options);
  CHECK(!closure.disagreement);
  const Dfa other = catalog_language("mod:12");
  const HorizonCheck wrong = check_horizon(
      compiled.model, fp32, Specification(compiled.model.alphabet(), compiled.model.label_names(), other));
  CHECK(wrong.length == 10);
  CHECK(wrong.disagreement == Word(11, 1));
  // Of the other language too the words up to length 10 are right, and that is all that is asked for.
  CheckOptions short_words;
  short_words.up_to = 10;
  short_words.budget.memory = 0;  // no closure
  short_words.sample.words = 0;
  const CheckReport report = check(*make_machine(compiled.model, fp32), other, short_words);
  CHECK(report.method == "horizon");
  const auto* certified = std::get_if<CertifiedUpTo>(&report.verdict);
  REQUIRE(certified != nullptr);
  CHECK(certified->length == 10);
  short_words.up_to = 11;
  CHECK(std::holds_alternative<Refuted>(check(*make_machine(compiled.model, fp32), other, short_words).verdict));
}

TEST_CASE("a horizon that cannot be had within the time certifies nothing and says so") {
  const Dfa wheel = catalog_language("mod:12");
  CompileOptions rotation;
  rotation.representation = GroupRepresentation::rotation;
  const LrnnModel model = compile(wheel, rotation).model;
  const Specification specification(model.alphabet(), model.label_names(), wheel);
  CHECK(check_horizon(model, fp32, specification).length);
  Budget spent;
  spent.deadline = std::chrono::steady_clock::now();
  const HorizonCheck horizon = check_horizon(model, fp32, specification, spent);
  CHECK_FALSE(horizon.length);
  CHECK_FALSE(horizon.disagreement);
  CHECK(horizon.reason == "the time limit was reached");
}

TEST_CASE("a horizon of no step certifies nothing") {
  // Scores times 2 decide alike, but what is read off the readout as centres is twice too far away.
  CompileOptions rotation;
  rotation.representation = GroupRepresentation::rotation;
  const Dfa wheel = catalog_language("mod:11");
  const LrnnModel model = compile(wheel, rotation).model;
  TableLayer layer = model.layers()[0];
  for (float& bias : layer.readouts[0].bias) bias *= 2.0F;
  for (std::vector<Entry>& weight : layer.readouts[0].weight) {
    for (Entry& entry : weight) entry.value *= 2.0F;
  }
  const LrnnModel doubled(model.alphabet(), model.label_names(), model.initial_label(), model.symbol_row(), {layer});
  const HorizonCheck horizon =
      check_horizon(doubled, fp32, Specification(doubled.alphabet(), doubled.label_names(), wheel));
  REQUIRE(horizon.horizons.size() == 1);
  CHECK(horizon.horizons[0].length == 0);
  CHECK_FALSE(horizon.length);
  CheckOptions options;
  options.budget.memory = 0;  // no closure
  options.sample.words = 0;
  CHECK(std::holds_alternative<Unknown>(check(*make_machine(doubled, fp32), wheel, options).verdict));
}

TEST_CASE("the fast searches find a wrong transition, a wrong loop and a wrong label, and never cry wolf") {
  const Dfa abb = minimize(parse_regex("(a|b)*abb", Alphabet::of_characters("ab")));
  const CompileResult right = compile(abb);
  const auto machine = make_machine(right.model, fp32);
  CHECK(!fast_refutation(*machine, Specification(*machine, abb), {}));
  for (const char* other : {"(a|b)*aba", "(a|b)*abb|a{9}", "(a|b)*abb|b{40}", "~((a|b)*abb)"}) {
    const Dfa language = minimize(parse_regex(other, Alphabet::of_characters("ab")));
    const Specification specification(*machine, language);
    const auto found = fast_refutation(*machine, specification, {});
    REQUIRE_MESSAGE(found.has_value(), other);
    const auto counterexample = confirm(*machine, specification, found->word);
    REQUIRE(counterexample.has_value());
    const Counterexample shorter = minimise(*machine, specification, *counterexample, 100000, {});
    CHECK(shorter.word.size() <= counterexample->word.size());
    // No single symbol can be left out.
    for (std::size_t i = 0; i < shorter.word.size(); ++i) {
      Word word = shorter.word;
      word.erase(word.begin() + static_cast<std::ptrdiff_t>(i));
      const auto without = confirm(*machine, specification, word);
      CHECK((!without || without->word.size() >= shorter.word.size()));
    }
  }
}

// Right labels (all "1") but behind the words of a list, where the answer is "0". The state is the number of symbols
// read and the automaton of the list's words, so that no state comes twice; margins fall as the end of a listed word
// comes nearer.
class WrongOn final : public Machine {
 public:
  explicit WrongOn(std::vector<std::string> words) : words_(std::move(words)) {}
  const Alphabet& alphabet() const override { return alphabet_; }
  const std::vector<std::string>& label_names() const override { return label_names_; }
  std::string_view semantics() const override { return "test"; }
  std::size_t state_size() const override { return 256; }
  Observation initial(std::span<std::byte> state) const override {
    std::fill(state.begin(), state.end(), std::byte{0});
    return observe("");
  }
  Observation step(std::span<std::byte> state, Symbol symbol) const override {
    std::string word(reinterpret_cast<const char*>(state.data()));
    word.push_back(symbol == 0 ? 'a' : 'b');
    REQUIRE(word.size() < state.size());
    std::copy(word.begin(), word.end(), reinterpret_cast<char*>(state.data()));
    return observe(word);
  }

 private:
  Observation observe(const std::string& word) const {
    std::size_t left = 1000;
    for (const std::string& wrong : words_) {
      if (wrong.starts_with(word)) left = std::min(left, wrong.size() - word.size());
    }
    return {left == 0 ? 0 : 1, static_cast<float>(left)};
  }

  Alphabet alphabet_ = Alphabet::of_characters("ab");
  std::vector<std::string> label_names_ = {"0", "1"};
  std::vector<std::string> words_;
};

Word word_of(const std::string& text) {
  Word word;
  for (const char c : text) word.push_back(c == 'a' ? 0 : 1);
  return word;
}

TEST_CASE("a long power does not hide a shorter word of another kind") {
  const std::string power(130, 'a');
  const std::string loop = "aababaababaababaababaababaabab";
  const Dfa language = everything("ab");
  for (const auto& [words, shortest] : {std::pair<std::vector<std::string>, std::string>{{power}, power},
                                        {{power, loop}, loop},
                                        {{power, loop, "bbabbb"}, "bbabbb"}}) {
    const WrongOn model(words);
    const auto found = fast_refutation(model, Specification(model, language), {});
    REQUIRE(found.has_value());
    CHECK(found->word == word_of(shortest));
  }
}

TEST_CASE("a word that no deletion shortens is left by leaving out one symbol and replacing another") {
  const Dfa language = everything("ab");
  const std::string longest(40, 'a');
  // Each word but the last has one symbol less than the one before and another elsewhere.
  std::vector<std::string> words = {longest};
  for (const std::size_t at : {30U, 3U, 20U}) {
    words.push_back(words.back());
    words.back().erase(10, 1);
    words.back()[at] = 'b';
  }
  const WrongOn model(words);
  const Specification specification(model, language);
  const auto start = confirm(model, specification, word_of(longest));
  REQUIRE(start.has_value());
  CHECK(minimise(model, specification, *start, 1'000'000, {}).word == word_of(words.back()));
  // Steps that do not suffice leave the word as it is.
  CHECK(minimise(model, specification, *start, 100, {}).word == word_of(longest));
}

TEST_CASE("a word that refutes is known to be a shortest one where all shorter words can be tried") {
  CheckOptions options;
  options.budget.memory = std::size_t{1} << 16U;
  const std::string twelve = "abbabbbabbab";
  const std::string fourteen(14, 'b');
  const WrongOn model({fourteen, twelve});
  const CheckReport report = check(model, everything("ab"), options);
  const auto* refuted = std::get_if<Refuted>(&report.verdict);
  REQUIRE(refuted != nullptr);
  CHECK(refuted->counterexample.word == word_of(twelve));
  CHECK(refuted->counterexample.shortest);
  CHECK(report.rungs.front().outcome.starts_with("not closed"));
  CHECK(report.rungs.back().method == "exhaustive");
  // 2^39 words are not tried.
  const WrongOn rarely({std::string(40, 'b')});
  const CheckReport other = check(rarely, everything("ab"), options);
  REQUIRE(std::holds_alternative<Refuted>(other.verdict));
  CHECK(std::get<Refuted>(other.verdict).counterexample.word == Word(40, 1));
  CHECK(!std::get<Refuted>(other.verdict).counterexample.shortest);
}

TEST_CASE("every row of the ladder names what it may conclude, and rows without evidence of a proof prove nothing") {
  const std::vector<LadderRow> table = ladder();
  for (const LadderRow& row : table) {
    CAPTURE(row.method);
    CHECK((row.may_prove || row.may_certify || row.may_refute));
    if (row.method == "fast refutation" || row.method == "sample" || row.method == "exhaustive") CHECK(!row.may_prove);
    if (row.method == "fast refutation" || row.method == "sample") CHECK(!row.may_certify);
  }
  // Every rung that was tried is a row, in the table's order.
  CheckOptions options;
  options.budget.memory = 0;
  options.exhaustive = 3;
  const CheckReport report = check(*make_machine(two_rotations(), fp32), everything("ab"), options);
  std::size_t at = 0;
  for (const Rung& rung : report.rungs) {
    while (at < table.size() && table[at].method != rung.method) ++at;
    REQUIRE_MESSAGE(at < table.size(), rung.method);
    ++at;
  }
  CHECK(report.rungs.back().method == "sample");
}

}  // namespace
