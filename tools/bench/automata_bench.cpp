// Times of the automata module on inputs that tools/bench_peers.sh gives to other libraries as well.
#include <benchmark/benchmark.h>

#include <string>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/nfa.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/automata/regex.hpp"

namespace krohn {
namespace {

Dfa random_automaton(const benchmark::State& state) {
  return catalog_language("random:" + std::to_string(state.range(0)) + "," + std::to_string(state.range(1)) + ",1");
}

void minimize_random(benchmark::State& state) {
  const Dfa dfa = random_automaton(state);
  std::size_t states = 0;
  for (auto _ : state) states = minimize(dfa).num_states();
  state.counters["minimal"] = static_cast<double>(states);
}
BENCHMARK(minimize_random)
    ->Args({100'000, 2})
    ->Args({1'000'000, 2})
    ->Args({1'000'000, 4})
    ->Unit(benchmark::kMillisecond);

// The automaton against its minimal one: equal, so that every pair is met.
void equivalence_random(benchmark::State& state) {
  const Dfa dfa = random_automaton(state);
  const Dfa minimal = minimize(dfa);
  for (auto _ : state) benchmark::DoNotOptimize(separating_word(dfa, minimal));
}
BENCHMARK(equivalence_random)
    ->Args({100'000, 2})
    ->Args({1'000'000, 2})
    ->Args({1'000'000, 4})
    ->Unit(benchmark::kMillisecond);

// (a|b)*a(a|b){n} as a nondeterministic automaton of n + 2 states: 2^(n+1) sets.
Nfa letter_from_the_end(std::size_t n) {
  std::vector<NfaTransition> transitions{{0, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  for (State q = 1; q <= n; ++q) {
    transitions.push_back({q, 0, q + 1});
    transitions.push_back({q, 1, q + 1});
  }
  std::vector<bool> accepting(n + 2, false);
  accepting[n + 1] = true;
  return Nfa(Alphabet::of_characters("ab"), {0}, std::move(transitions), std::move(accepting));
}

void determinize_letter_from_the_end(benchmark::State& state) {
  const Nfa nfa = letter_from_the_end(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(determinize(nfa));
}
BENCHMARK(determinize_letter_from_the_end)->Arg(16)->Unit(benchmark::kMillisecond);

void minimize_letter_from_the_end(benchmark::State& state) {
  const Dfa dfa = determinize(letter_from_the_end(static_cast<std::size_t>(state.range(0))));
  for (auto _ : state) benchmark::DoNotOptimize(minimize(dfa));
}
BENCHMARK(minimize_letter_from_the_end)->Arg(16)->Unit(benchmark::kMillisecond);

void equivalence_letter_from_the_end(benchmark::State& state) {
  const Dfa dfa = determinize(letter_from_the_end(static_cast<std::size_t>(state.range(0))));
  const Dfa minimal = minimize(dfa);
  for (auto _ : state) benchmark::DoNotOptimize(separating_word(dfa, minimal));
}
BENCHMARK(equivalence_letter_from_the_end)->Arg(16)->Unit(benchmark::kMillisecond);

// Minimal automata with much structure, whose states only longer words separate.
void minimize_named(benchmark::State& state, const char* name) {
  const Dfa dfa = catalog_language(name);
  for (auto _ : state) benchmark::DoNotOptimize(minimize(dfa));
}
BENCHMARK_CAPTURE(minimize_named, S9, "S:9")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(minimize_named, dyck2_17, "dyck:2,17")->Unit(benchmark::kMillisecond);

void equivalence_named(benchmark::State& state, const char* name) {
  const Dfa dfa = catalog_language(name);
  for (auto _ : state) benchmark::DoNotOptimize(separating_word(dfa, dfa));
}
BENCHMARK_CAPTURE(equivalence_named, S9, "S:9")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(equivalence_named, dyck2_17, "dyck:2,17")->Unit(benchmark::kMillisecond);

// A chain a^n: the slow case of refinements that look at every state in every round.
void minimize_chain(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  std::vector<State> delta(n);
  for (std::size_t q = 0; q < n; ++q) delta[q] = static_cast<State>(q + 1 < n ? q + 1 : q);
  std::vector<bool> accepting(n, false);
  accepting[n - 1] = true;
  const Dfa dfa = Dfa::acceptor(Alphabet::of_characters("a"), 0, std::move(delta), accepting);
  for (auto _ : state) benchmark::DoNotOptimize(minimize(dfa));
}
BENCHMARK(minimize_chain)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void parse_expression(benchmark::State& state, const char* pattern) {
  std::size_t states = 0;
  for (auto _ : state) states = parse_regex(pattern).num_states();
  state.counters["minimal"] = static_cast<double>(states);
}
BENCHMARK_CAPTURE(parse_expression, abb, "(a|b)*abb")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(parse_expression, blocks, "(aab|aba|baa)*")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(parse_expression, last5, "(a|b)*a(a|b){5}")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(parse_expression, counted, "(a{2,9}b{1,7}){3}")->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace krohn
