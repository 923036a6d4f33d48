// Times the algebra of the automata module: transition monoids, Green's relations, orders of permutation groups, flags
// of the corpus' languages, and the search for low-degree actions. `peak_MB` is the process' peak so far: run one case
// a process (--benchmark_filter) to read it. tools/bench_monoid_peers.sh runs libsemigroups on the same inputs.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "corpus.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/green.hpp"
#include "krohn/automata/group_action.hpp"
#include "krohn/automata/monoid_flags.hpp"
#include "krohn/automata/permutation_group.hpp"
#include "krohn/automata/transition_monoid.hpp"

namespace krohn {
namespace {

/// The n-cycle and a swap, and for T_n a transformation of rank n - 1.
std::vector<Transformation> generators(std::size_t n, bool full) {
  Transformation cycle(n);
  Transformation swap = identity_transformation(n);
  Transformation merge = identity_transformation(n);
  for (std::size_t q = 0; q < n; ++q) cycle[q] = static_cast<std::uint32_t>((q + 1) % n);
  std::swap(swap[0], swap[1]);
  merge[1] = 0;
  std::vector<Transformation> letters = {cycle, swap};
  if (full) letters.push_back(merge);
  return letters;
}

void report_peak(benchmark::State& state) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_MB"] = static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void monoid(benchmark::State& state, bool full) {
  const auto n = static_cast<std::size_t>(state.range(0));
  MonoidOptions options;
  options.max_elements = 20'000'000;
  for (auto _ : state) {
    const TransitionMonoid elements(n, generators(n, full), options);
    state.counters["elements"] = static_cast<double>(elements.size());
  }
  report_peak(state);
}

void symmetric_monoid(benchmark::State& state) { monoid(state, false); }
void full_monoid(benchmark::State& state) { monoid(state, true); }
BENCHMARK(symmetric_monoid)->Arg(8)->Arg(9)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK(full_monoid)->Arg(6)->Arg(7)->Arg(8)->Unit(benchmark::kMillisecond);

void green_full_monoid(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    const ImageOrbit orbit(n, generators(n, true), 1'000'000);
    benchmark::DoNotOptimize(find_green(orbit)->d_classes.size());
  }
  report_peak(state);
}
BENCHMARK(green_full_monoid)->Arg(7)->Arg(8)->Unit(benchmark::kMillisecond);

void symmetric_order(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(PermutationGroup(n, generators(n, false)).chain().size());
}
BENCHMARK(symmetric_order)->Arg(20)->Arg(30)->Arg(50)->Unit(benchmark::kMillisecond);

/// Z_2 wr S_n on 2 n points: the chain has to be verified, no shortcut applies.
void wreath_order(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  std::vector<Permutation> doubled;
  for (const Transformation& f : generators(n, false)) {
    Permutation p(2 * n);
    for (std::size_t q = 0; q < n; ++q) p[2 * q] = 2 * f[q], p[2 * q + 1] = 2 * f[q] + 1;
    doubled.push_back(std::move(p));
  }
  Permutation flip = identity_transformation(2 * n);
  std::swap(flip[0], flip[1]);
  doubled.push_back(flip);
  for (auto _ : state) benchmark::DoNotOptimize(PermutationGroup(2 * n, doubled).chain().size());
}
BENCHMARK(wreath_order)->Arg(10)->Arg(25)->Unit(benchmark::kMillisecond);

/// Flags of each of the corpus' 108 languages; reports the median and the slowest.
void corpus_flags(benchmark::State& state) {
  const std::vector<corpus::Language>& languages = corpus::languages();
  std::vector<double> seconds(languages.size());
  for (auto _ : state) {
    for (std::size_t i = 0; i < languages.size(); ++i) {
      const std::clock_t begin = std::clock();
      benchmark::DoNotOptimize(find_flags(languages[i].dfa).flags.is_aperiodic);
      seconds[i] = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    }
  }
  std::sort(seconds.begin(), seconds.end());
  state.counters["median_us"] = 1e6 * seconds[seconds.size() / 2];
  state.counters["slowest_us"] = 1e6 * seconds.back();
}
BENCHMARK(corpus_flags)->Unit(benchmark::kMillisecond);

void action_of_word_problem(benchmark::State& state) {
  const Dfa dfa = catalog_language("word:S" + std::to_string(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(find_action(dfa).degree);
}
BENCHMARK(action_of_word_problem)->Arg(4)->Arg(5)->Arg(6)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace krohn
