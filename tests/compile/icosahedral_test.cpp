// label: slow
// A_5 in four dimensions, one reflection a letter after a sign gate: right on words as long as the horizon that is
// certified, by running them; the certificate's bound is found again by the checker from the weights alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/compile/group.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/verify/check.hpp"

namespace krohn {
namespace {

CompileResult compile_least(const Dfa& language) {
  CompileOptions options;
  options.recurrence = Recurrence::kda;
  options.representation = GroupRepresentation::least_dimension;
  return compile(language, options);
}

TEST_CASE("one factor a letter in four dimensions, and every word up to the horizon right") {
  std::mt19937 random(5);
  for (const char* name : {"A:5", "perm:A5"}) {
    CAPTURE(std::string(name));
    const CompileResult result = compile_least(catalog_language(name));
    CHECK(result.model.layers().size() == 1);
    CHECK(result.model.hidden_size() == 4);
    CHECK(result.num_householder == std::vector<std::size_t>{1});
    CHECK_FALSE(result.exact);
    REQUIRE(result.horizon);
    CHECK(*result.horizon >= 1000);
    const TokenTable::Arrays& arrays = result.model.layers()[0].table.arrays();
    CHECK(std::all_of(arrays.gate.begin(), arrays.gate.end(), [](float a) { return a == 1.0F || a == -1.0F; }));
    std::vector<Word> words;
    for (int i = 0; i < 40; ++i) {
      Word& word = words.emplace_back(std::min<std::uint64_t>(*result.horizon, 2000));
      for (Symbol& a : word) a = static_cast<Symbol>(random() % result.model.alphabet().size());
    }
    const auto machine = make_machine(result.model, Semantics::fp32_fma_v1);
    RunOptions all;
    all.all_positions = true;
    const Trace trace = machine->run(words, all);
    for (std::size_t i = 0; i < words.size(); ++i) {
      State q = result.minimal.start();
      for (std::size_t t = 0; t <= words[i].size(); ++t) {
        REQUIRE(trace.labels_of(i)[t] == result.minimal.label(q));
        if (t < words[i].size()) q = result.minimal.next(q, words[i][t]);
      }
    }
  }
}

TEST_CASE("the checker certifies it from the weights alone") {
  const CompileResult result = compile_least(catalog_language("A:5"));
  CheckOptions options;
  options.up_to = 1000;
  options.budget.memory = std::size_t{1} << 20U;
  const CheckReport report = check(*make_machine(result.model, Semantics::fp32_fma_v1), result.minimal, options);
  CHECK(report.method == "horizon");
  CHECK(std::holds_alternative<CertifiedUpTo>(report.verdict));
}

TEST_CASE("other groups are none of it") {
  for (const char* name : {"mod:60", "word:S4", "word:S5", "parity"}) {
    CAPTURE(std::string(name));
    CHECK_FALSE(compile_icosahedral(minimize(catalog_language(name))));
  }
}

}  // namespace
}  // namespace krohn
