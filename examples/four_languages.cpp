// Compiles four languages into linear RNNs, runs each on a word, and proves that it is right on all words: what
// tools/demo shows first. It needs the part of the library that compiles and proves, and nothing else.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <krohn/automata/catalog.hpp>
#include <krohn/automata/language.hpp>
#include <krohn/automata/regex.hpp>
#include <krohn/compile/compile.hpp>
#include <krohn/engine/machine.hpp>
#include <krohn/verify/check.hpp>
#include <krohn/verify/evidence/assertion.hpp>
#include <string>
#include <string_view>
#include <variant>

namespace {

/// A row of the table; true if the model is proved.
bool show(const std::string& name, const std::string& meaning, const std::string& input, const krohn::Dfa& automaton) {
  const krohn::Language language(automaton);
  const krohn::CompileResult compiled = krohn::compile(language);
  std::string hidden;
  std::size_t factors = 0;
  for (const std::size_t size : compiled.hidden) hidden += (hidden.empty() ? "" : "+") + std::to_string(size);
  for (const std::size_t n_h : compiled.num_householder) factors = n_h > factors ? n_h : factors;

  const auto machine = krohn::make_machine(compiled.model, krohn::Semantics::fp32_fma_v1);
  const krohn::Word word = machine->alphabet().parse_word(input);
  const krohn::Trace trace = machine->run({&word, 1});
  const std::string& label = machine->label_names()[static_cast<std::size_t>(trace.label(0))];

  const krohn::CheckReport report = krohn::check(*machine, language, {}, &compiled.hint);
  std::printf("%-14s %-34s %6zu %6zu %7s %4zu  %-22s %s\n", name.c_str(), meaning.c_str(),
              compiled.minimal.num_states(), compiled.model.layers().size(), hidden.empty() ? "0" : hidden.c_str(),
              factors, (input + " -> " + label).c_str(),
              krohn::verdict_name(krohn::verdict_kind(report.verdict)).c_str());
  return std::holds_alternative<krohn::Proved>(report.verdict);
}

}  // namespace

int main() try {
  std::printf("%-14s %-34s %6s %6s %7s %4s  %-22s %s\n", "language", "in words", "states", "layers", "hidden", "n_h",
              "run", "check");
  bool proved = show("parity", "an odd number of 1s", "1011", krohn::catalog_language("parity"));
  proved &= show("Z:3", "a three times, or six, ..", "aaa", krohn::catalog_language("Z:3"));
  proved &= show("word:S5", "products of permutations of 5", "17 4 99", krohn::catalog_language("word:S5"));
  proved &= show("re:(a|b)*abb", "ends in abb", "ababb", krohn::parse_regex("(a|b)*abb"));
  return proved ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return EXIT_FAILURE;
}
