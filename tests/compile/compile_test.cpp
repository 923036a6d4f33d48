// label: slow
// Compiled models give every word the label that the automaton gives it, in every form of layer and every format of
// the hidden state; spectra and keys are what was asked for.
#include "krohn/compile/compile.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "corpus.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_att.hpp"
#include "krohn/verify/invariant.hpp"

namespace krohn {
namespace {

constexpr Semantics all_semantics[] = {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1};

// The labels after every prefix of the word; a null label of the automaton matches any answer.
bool agrees(const Machine& machine, const Dfa& dfa, const Word& word) {
  std::vector<std::byte> state(machine.state_size());
  State q = dfa.start();
  const auto right = [&](const Observation& observation) {
    if (dfa.label(q) == null_label) return true;
    return observation.label != undefined_label &&
           machine.label_names()[static_cast<std::size_t>(observation.label)] == dfa.label_name(dfa.label(q));
  };
  if (!right(machine.initial(state))) return false;
  for (const Symbol symbol : word) {
    const Observation observation = machine.step(state, symbol);
    q = dfa.next(q, symbol);
    if (!right(observation)) return false;
  }
  return true;
}

Word random_word(std::mt19937_64& random, std::size_t symbols, std::size_t length) {
  Word word(length);
  for (Symbol& symbol : word) symbol = static_cast<Symbol>(random() % symbols);
  return word;
}

Dfa random_automaton(std::mt19937_64& random) {
  const std::size_t n = 2 + random() % 6;
  const std::size_t k = 1 + random() % 3;
  std::vector<State> delta(n * k);
  const bool few_collapses = random() % 2 == 0;
  for (std::size_t a = 0; a < k; ++a) {
    std::vector<State> images(n);
    for (State q = 0; q < n; ++q) images[q] = few_collapses ? q : static_cast<State>(random() % n);
    if (few_collapses) {
      std::shuffle(images.begin(), images.end(), random);
      if (a > 0) images[random() % n] = static_cast<State>(random() % n);
    }
    for (std::size_t q = 0; q < n; ++q) delta[q * k + a] = images[q];
  }
  std::vector<LabelId> labels(n);
  for (LabelId& label : labels) label = static_cast<LabelId>(random() % 4) - 1;
  std::vector<std::string> names;
  for (std::size_t a = 0; a < k; ++a) names.emplace_back(1, static_cast<char>('a' + a));
  return Dfa(Alphabet(names), 0, delta, labels, {"x", "y", "z"});
}

struct Named {
  std::string name;
  CompileOptions options;
};

std::vector<Named> all_forms() {
  std::vector<Named> forms;
  for (const Delay delay : {Delay::read_before, Delay::block}) {
    for (const Resets resets : {Resets::automatic, Resets::householder, Resets::registers, Resets::hybrid}) {
      for (const KeyForm keys : {KeyForm::integer, KeyForm::dyadic}) {
        CompileOptions options;
        options.delay = delay;
        options.resets = resets;
        options.keys = keys;
        forms.push_back({std::string(delay == Delay::block ? "block" : "read-before") + ", resets " +
                             std::to_string(static_cast<int>(resets)) +
                             (keys == KeyForm::dyadic ? ", dyadic" : ", integer"),
                         options});
      }
    }
  }
  return forms;
}

// Every factor's 1 - beta |k|^2 and every gate, computed in double from floats that are small dyadic numbers.
template <typename Visit>
void for_each_eigenvalue(const LrnnModel& model, Visit visit) {
  for (const TableLayer& layer : model.layers()) {
    for (std::size_t r = 0; r < layer.table.num_rows(); ++r) {
      const TokenRow row = layer.table.row(r);
      for (const float gate : row.gate) visit(static_cast<double>(gate), 1.0);
      for (const GeneralizedHouseholder& factor : row.factors) {
        double norm = 0;
        for (const Entry& entry : factor.key)
          norm += static_cast<double>(entry.value) * static_cast<double>(entry.value);
        visit(1.0 - static_cast<double>(factor.beta) * norm, norm);
      }
    }
  }
}

TEST_CASE("every corpus language compiles and gives every listed word its label") {
  std::size_t number = 0;
  for (const corpus::Language& language : corpus::languages()) {
    INFO(language.id);
    const CompileResult result = compile(language.dfa);
    CHECK(result.widths.size() <= result.linear_bound);
    CHECK(result.exact);
    const Semantics semantics = all_semantics[number++ % 3];
    CAPTURE(semantics_id(semantics));
    const auto machine = make_machine(result.model, semantics);
    for (const std::vector<Word>* words : {&language.accepted, &language.rejected}) {
      CHECK(std::all_of(words->begin(), words->end(),
                        [&](const Word& word) { return agrees(*machine, language.dfa, word); }));
    }
  }
}

TEST_CASE("every MLRegTest automaton compiles and labels random words of its own") {
  std::mt19937_64 random(5);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus::folder() / "mlregtest")) {
    if (entry.path().extension() != ".att") continue;
    ++files;
    INFO(entry.path().filename().string());
    const Dfa dfa = read_format_att(entry.path()).dfa;
    const CompileResult result = compile(dfa);
    CHECK(result.widths.size() <= result.linear_bound);
    const auto machine = make_machine(result.model, Semantics::bf16_state_v1);
    for (int i = 0; i < 4; ++i) CHECK(agrees(*machine, dfa, random_word(random, dfa.num_symbols(), 120)));
  }
  CHECK(files == 64);
}

TEST_CASE("all forms of delay, reset and key agree with the automaton in all formats, and their hints prove it") {
  std::mt19937_64 random(7);
  std::vector<std::size_t> layers_of_splits;
  const std::vector<Named> forms = all_forms();
  for (int trial = 0; trial < 120; ++trial) {
    const Dfa dfa = random_automaton(random);
    CAPTURE(trial);
    for (std::size_t f = static_cast<std::size_t>(trial) % 2; f < forms.size(); f += 2) {
      CAPTURE(forms[f].name);
      CompileOptions options = forms[f].options;
      // Group languages in one layer have tests of their own: here they are cascades too.
      if (trial % 4 != 0) options.cascade.mode = trial % 4 == 1 ? CascadeMode::points : CascadeMode::images;
      const CompileResult result = [&] {
        try {
          return compile(dfa, options);
        } catch (const ResourceError&) {  // a group too large for registers
          REQUIRE(options.resets == Resets::registers);
          options.resets = Resets::automatic;
          return compile(dfa, options);
        }
      }();
      for (const Semantics semantics : all_semantics) {
        const auto machine = make_machine(result.model, semantics);
        for (int i = 0; i < 3; ++i) CHECK(agrees(*machine, dfa, random_word(random, dfa.num_symbols(), 60)));
        if (result.model.layers().empty()) continue;
        CHECK(check_invariant(result.model, semantics, result.hint, Specification(*machine, dfa), Budget{}).proved);
      }
      if (result.model.layers().size() > result.widths.size()) layers_of_splits.push_back(result.widths.size());
      if (options.keys == KeyForm::dyadic) {
        for_each_eigenvalue(result.model, [](double, double norm) { CHECK(norm == 1.0); });
      }
    }
  }
  CHECK(layers_of_splits.size() > 20);
}

TEST_CASE("aperiodic languages compile with eigenvalues in [0, 1] in every form, others are refused") {
  std::size_t aperiodic = 0;
  std::mt19937_64 random(3);
  for (const corpus::Language& language : corpus::languages()) {
    INFO(language.id);
    for (Named& form : all_forms()) {
      CAPTURE(form.name);
      form.options.spectrum = Spectrum::nonnegative;
      if (!language.is_aperiodic) {
        CHECK_THROWS_WITH_AS(compile(language.dfa, form.options), doctest::Contains("aperiodic"), InputError);
        break;
      }
      const CompileResult result = compile(language.dfa, form.options);
      ++aperiodic;
      for_each_eigenvalue(result.model, [](double eigenvalue, double) {
        CHECK(eigenvalue >= 0.0);
        CHECK(eigenvalue <= 1.0);
      });
      const auto machine = make_machine(result.model, Semantics::bf16_state_v1);
      CHECK(agrees(*machine, language.dfa, random_word(random, language.dfa.num_symbols(), 100)));
      if (form.options.delay == Delay::read_before && form.options.resets == Resets::automatic) {
        for (std::size_t i = 0; i < result.hidden.size(); ++i) {
          CHECK(result.hidden[i] == 1);
          CHECK(result.num_householder[i] <= 1);
        }
      }
    }
  }
  CHECK(aperiodic > 300);
}

TEST_CASE("a gate resets without factors, projections take one a slot, a level of two slots one scalar") {
  // Mixed: a rotates three states, b resets to the first.
  const Dfa three = Dfa::acceptor(Alphabet::of_characters("ab"), 0, {1, 0, 2, 0, 0, 0}, {true, false, false});
  CompileOptions options;
  const CompileResult hybrid = compile(three, options);
  CHECK(hybrid.hidden == std::vector<std::size_t>{3});
  CHECK(hybrid.num_householder == std::vector<std::size_t>{2});
  CHECK(hybrid.model.layers()[0].table.gated());
  options.resets = Resets::householder;
  const CompileResult projections = compile(three, options);
  CHECK(projections.num_householder == std::vector<std::size_t>{3});
  CHECK_FALSE(projections.model.layers()[0].table.gated());
  options.resets = Resets::registers;
  const CompileResult registers = compile(three, options);
  CHECK(registers.hidden == std::vector<std::size_t>{3, 1});
  CHECK(registers.num_householder == std::vector<std::size_t>{2, 1});
  const Dfa two = Dfa::acceptor(Alphabet::of_characters("ab"), 0, {1, 0, 0, 0}, {true, false});
  const CompileResult sign = compile(two);
  CHECK(sign.hidden == std::vector<std::size_t>{1});
  CHECK(sign.num_householder == std::vector<std::size_t>{1});
}

// One level of w slots with resets between all of them: `w` letters, letter i resets to i.
Dfa last_symbol(std::size_t w) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < w; ++i) names.push_back("s" + std::to_string(i));
  std::vector<State> delta(w * w);
  std::vector<LabelId> labels(w);
  for (State q = 0; q < w; ++q) {
    labels[q] = static_cast<LabelId>(q);
    for (Symbol a = 0; a < w; ++a) delta[q * w + a] = a;
  }
  return Dfa(Alphabet(names), 0, delta, labels, names);
}

TEST_CASE("integer registers are exact in bf16 up to 256 slots, wider ones are one-hot") {
  std::mt19937_64 random(9);
  for (const std::size_t w : {std::size_t{256}, std::size_t{257}}) {
    const Dfa dfa = last_symbol(w);
    const CompileResult result = compile(dfa);
    CHECK(result.hidden == std::vector<std::size_t>{w == 256 ? std::size_t{1} : w});
    const auto machine = make_machine(result.model, Semantics::bf16_state_v1);
    CHECK(agrees(*machine, dfa, random_word(random, w, 2000)));
  }
}

TEST_CASE("the report names the bounds") {
  const corpus::Language& language = corpus::language("mixed4");
  const CompileResult result = compile(language.dfa);
  CHECK(result.linear_bound == 3);
  CHECK(result.paper_bound == "16");
  CHECK(result.holonomy_depth == 3);
  CHECK(result.hint.row_context.size() == result.model.layers().size());
  CHECK(compile(last_symbol(257)).paper_bound ==
        "231584178474632390847141970017375815706539969331281128078915168015826259279872");
  const CompileResult constant = compile(Dfa::acceptor(Alphabet::of_characters("ab"), 1, {0, 1, 1, 0}, {true, true}));
  CHECK(constant.model.layers().empty());
  CHECK(constant.minimal.num_states() == 1);
  CHECK(constant.linear_bound == 0);
}

}  // namespace
}  // namespace krohn
