// The main journey's own time, without process start and file system: a language compiled, and proved on the bits.
#include <benchmark/benchmark.h>

#include <string>
#include <variant>

#include "krohn/compile/compile.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/verify/check.hpp"

namespace {

void compile_language(benchmark::State& state, const std::string& language) {
  const krohn::Dfa dfa = krohn::read_language(language, {}).dfa;
  for (auto _ : state) {
    benchmark::DoNotOptimize(krohn::compile(dfa));
  }
}

void check_language(benchmark::State& state, const std::string& language) {
  const krohn::Dfa dfa = krohn::read_language(language, {}).dfa;
  const krohn::CompileResult compiled = krohn::compile(dfa);
  for (auto _ : state) {
    const krohn::CheckReport report =
        krohn::check(*krohn::make_machine(compiled.model, krohn::Semantics::fp32_fma_v1), dfa, {}, &compiled.hint);
    if (!std::holds_alternative<krohn::Proved>(report.verdict)) state.SkipWithError("expected PROVED");
  }
}

BENCHMARK_CAPTURE(compile_language, word_S5, std::string("word:S5"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check_language, word_S5, std::string("word:S5"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(compile_language, modarith_answer_5, std::string("modarith-answer:5"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(check_language, modarith_answer_5, std::string("modarith-answer:5"))->Unit(benchmark::kMillisecond);

}  // namespace
