// Measures the engine: batches, scans and prefix trees on the CPU and, where there is one, on the CUDA device; each
// against its ceilings, measured in the same run, and the CPU against a plain table-driven walk of the automaton.
//
//     bench_engine [--quick] [--json FILE] [--no-cpu] [--no-device] [--only TEXT]
//
// A rate is the median of five runs after one to warm up; device times are kernel times. Every device result is
// compared with the CPU's on a part of the work, and a difference ends the program with exit code 1.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <string>
#include <thread>

#include "krohn/compile/compile.hpp"
#include "krohn/engine/compiled/flat_model.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/engine/scan.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/device.hpp"
#include "krohn/kernels/recurrent.hpp"
#include "krohn/kernels/scan.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/verify/specification.hpp"
#include "scan_plan.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr int repetitions = 5;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Seconds of `work`, the median.
template <class Work>
double seconds_of(const Work& work) {
  work();
  std::vector<double> times;
  for (int i = 0; i < repetitions; ++i) {
    const auto begin = Clock::now();
    work();
    times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return median(times);
}

[[noreturn]] void differ(const std::string& what) { throw InternalError(what + ": device and CPU differ"); }

struct Subject {
  std::string name;
  Dfa language;
  LrnnModel model;
};

Subject subject(const std::string& name, const Dfa& dfa, const CompileOptions& options = {}) {
  const CompileResult compiled = compile(dfa, options);
  return {name, compiled.minimal, compiled.model};
}

/// The symmetric group on n points with the adjacent transpositions as letters: hidden size n, one factor a letter.
Dfa adjacent_swaps(std::size_t n) {
  std::vector<std::vector<int>> elements;
  std::vector<int> p(n);
  std::iota(p.begin(), p.end(), 0);
  do elements.push_back(p);
  while (std::next_permutation(p.begin(), p.end()));
  std::vector<std::string> symbols;
  for (std::size_t a = 0; a + 1 < n; ++a) symbols.push_back(std::string(1, static_cast<char>('a' + a)));
  std::vector<State> delta;
  std::vector<LabelId> labels;
  std::vector<std::string> names;
  for (std::size_t q = 0; q < elements.size(); ++q) {
    for (std::size_t a = 0; a + 1 < n; ++a) {
      std::vector<int> image = elements[q];
      for (int& x : image) {
        if (x == static_cast<int>(a)) {
          x = static_cast<int>(a) + 1;
        } else if (x == static_cast<int>(a) + 1) {
          x = static_cast<int>(a);
        }
      }
      delta.push_back(static_cast<State>(std::lower_bound(elements.begin(), elements.end(), image) - elements.begin()));
    }
    labels.push_back(static_cast<LabelId>(q));
    names.push_back(std::to_string(q));
  }
  return Dfa(Alphabet(symbols), 0, delta, labels, names);
}

std::vector<Word> random_words(std::size_t count, std::size_t length, std::size_t symbols) {
  std::mt19937 random(1);
  std::vector<Word> words(count, Word(length));
  for (Word& word : words) {
    for (Symbol& a : word) a = static_cast<Symbol>(random() % symbols);
  }
  return words;
}

class Bench {
 public:
  Bench(bool quick, bool cpu, bool device, std::string only) : quick_(quick), cpu_(cpu), only_(std::move(only)) {
    if (device) {
      std::string reason;
      const std::vector<CudaDevice> found = find_cuda_devices(&reason);
      if (!found.empty()) {
        const DeviceCeilings ceilings = measure_device_ceilings();
        bytes_ = ceilings.bytes_a_second;
        fmas_ = ceilings.fmas_a_second;
        result_["device"] = {{"name", found[0].name}, {"read_bytes_per_second", bytes_}, {"fmas_per_second", fmas_}};
        std::printf("device: %s, reads %.3g bytes/s, %.3g fma/s\n", found[0].name.c_str(), bytes_, fmas_);
        device_ = true;
      } else {
        std::printf("device: none (%s)\n", reason.c_str());
      }
    }
    result_["cpu_threads"] = std::thread::hardware_concurrency();
  }

  void run() {
    const Subject parity = subject("parity", read_language("parity").dfa);
    const Subject s5_word = subject("word:S5", read_language("word:S5").dfa);
    CompileOptions permutation;
    permutation.representation = GroupRepresentation::permutation;
    const Subject swap2 = subject("parity, hidden size 2", read_language("parity").dfa, permutation);
    const Subject s5_swaps = subject("S5, 4 adjacent swaps", adjacent_swaps(5));
    const Subject s4_swaps = subject("S4, 3 adjacent swaps", adjacent_swaps(4));
    const Subject s5 = subject("S:5, 2 generators", read_language("S:5").dfa);
    if (cpu_) {
      for (const Subject* s : {&parity, &s5_word}) row("cpu batch", *s, [&] { cpu_batch(*s); });
      for (const Subject* s : {&parity, &s5_word}) row("cpu scan", *s, [&] { cpu_scan(*s); });
      for (const Subject* s : {&parity, &s5_swaps}) row("cpu enumerate", *s, [&] { cpu_tree(*s); });
    }
    if (device_) {
      for (const Subject* s : {&parity, &swap2, &s5_swaps, &s5, &s5_word}) row("batch", *s, [&] { device_batch(*s); });
      for (const Subject* s : {&parity, &s5_swaps, &s5, &s5_word}) {
        row("scan", *s, [&] { device_scan(*s, Form::points); });
      }
      for (const Subject* s : {&s5_swaps, &s5_word}) row("scan", *s, [&] { device_scan(*s, Form::monoid); });
      row("scan", s5_word, [&] { device_scan(s5_word, Form::states); });
      const std::pair<const Subject*, std::uint64_t> trees[] = {
          {&parity, quick_ ? 34 : 42},   {&swap2, quick_ ? 34 : 41}, {&s4_swaps, quick_ ? 21 : 25},
          {&s5_swaps, quick_ ? 17 : 20}, {&s5, quick_ ? 32 : 38},    {&s5_word, 5}};
      for (const auto& [s, length] : trees)
        row("enumerate", *s, [&, s = s, length = length] { device_tree(*s, length); });
    }
  }
  const json& result() const { return result_; }

 private:
  /// Runs a measurement unless other rows are asked for.
  template <class Measure>
  void row(const std::string& what, const Subject& s, const Measure& measure) {
    if ((what + " " + s.name).find(only_) != std::string::npos) measure();
  }

  void put(const std::string& what, const Subject& s, json row) {
    row["what"] = what;
    row["model"] = s.name;
    const TableLayer& layer = s.model.layers().front();
    row["symbols"] = s.model.alphabet().size();
    row["hidden"] = layer.hidden_size();
    row["num_householder"] = layer.table.num_householder();
    std::printf("%-14s %-24s", what.c_str(), s.name.c_str());
    for (const char* key : {"rate", "walk_rate", "of_read_ceiling", "of_fma_ceiling", "seconds"}) {
      if (row.contains(key)) std::printf("  %s %.4g", key, row[key].get<double>());
    }
    if (row.contains("form")) std::printf("  (%s)", row["form"].get<std::string>().c_str());
    std::printf("\n");
    std::fflush(stdout);
    result_["rows"].push_back(std::move(row));
  }

  /// Fused and plain multiplications and additions of one step, each counted once.
  static double operations(const Subject& s) {
    const TableLayer& layer = s.model.layers().front();
    const auto d = static_cast<double>(layer.hidden_size());
    return (2.0 * d + 1.0) * static_cast<double>(layer.table.num_householder());
  }

  void cpu_batch(const Subject& s) {
    const std::size_t symbols = s.model.alphabet().size();
    const std::vector<Word> words = random_words(quick_ ? 128 : 1024, 50'000, symbols);
    const double total = 50'000.0 * static_cast<double>(words.size());
    std::vector<State> ends(words.size());
    const double walk = seconds_of([&] {
      for (std::size_t i = 0; i < words.size(); ++i) ends[i] = s.language.next(s.language.start(), words[i]);
    });
    const auto machine = make_machine(s.model, Semantics::fp32_fma_v1);
    for (const unsigned threads : {1U, 0U}) {
      Trace trace;
      const double time = seconds_of([&] { trace = machine->run(words, {Device::cpu, false, false, threads, 0}); });
      for (std::size_t i = 0; i < words.size(); ++i) {
        if (s.model.label_name(trace.label(i)) != s.language.label_name(s.language.label(ends[i]))) differ(s.name);
      }
      put(threads == 1 ? "cpu batch x1" : "cpu batch", s,
          {{"rate", total / time}, {"walk_rate", total / walk}, {"form", trace.device}, {"threads", threads}});
    }
  }

  void cpu_scan(const Subject& s) {
    std::vector<std::uint8_t> symbols(quick_ ? 4'000'000 : 64'000'000);
    std::mt19937 random(2);
    for (std::uint8_t& a : symbols) a = static_cast<std::uint8_t>(random() % s.model.alphabet().size());
    const double time = seconds_of([&] {
      scan(*make_machine(s.model, Semantics::fp32_fma_v1), source_of(symbols), {Device::cpu, 0, 0});
    });
    put("cpu scan", s, {{"rate", static_cast<double>(symbols.size()) / time}});
  }

  void cpu_tree(const Subject& s) {
    const LabelledAutomaton automaton =
        Specification(s.model.alphabet(), s.model.label_names(), s.language).labelled_automaton();
    EnumerateOptions options;
    options.max_length = s.model.alphabet().size() == 2 ? 24 : 12;
    options.device = Device::cpu;
    EnumerateResult result;
    const double time =
        seconds_of([&] { result = enumerate(*make_machine(s.model, Semantics::fp32_fma_v1), automaton, options); });
    if (result.disagreement) differ(s.name);
    put("cpu enumerate", s, {{"rate", static_cast<double>(result.nodes) / time}, {"length", options.max_length}});
  }

  /// A walk through the table of the states that words reach; "arithmetic" is what the recurrence itself would take.
  void device_batch(const Subject& s) {
    const auto reference = make_machine(s.model, Semantics::fp32_fma_v1);
    const ScanPlan plan = std::get<ScanPlan>(plan_scan(*reference));
    const MachineView machine{static_cast<std::uint32_t>(plan.machine.count), plan.num_symbols,
                              plan.machine.next.data()};
    constexpr std::size_t count = 132 * 2048 * 2;
    const std::size_t length = quick_ ? 512 : 4096;
    const DeviceWords words = DeviceWords::random(count, length, plan.num_symbols, 7);
    std::vector<std::uint32_t> end(count);
    std::vector<double> times;
    for (int i = 0; i <= repetitions; ++i) {
      const double ms = run_states_cuda(machine, 0, words, end);
      if (i > 0) times.push_back(ms / 1000.0);
    }
    const double rate = static_cast<double>(count) * static_cast<double>(length) / median(times);
    for (std::size_t w = 0; w < count; w += count / 13) {
      check_state(s, *reference, plan, words.word(w), end[w]);
    }
    put("batch", s,
        {{"rate", rate},
         {"of_read_ceiling", rate / bytes_},
         {"of_fma_ceiling", rate * operations(s) / fmas_},
         {"machine_states", machine.num_states}});
  }

  /// That the reference's steps lead to state `end`, in its bits.
  void check_state(const Subject& s, const Machine& reference, const ScanPlan& plan,
                   std::span<const std::uint8_t> symbols, std::uint32_t end) {
    std::vector<std::byte> state(reference.state_size());
    reference.initial(state);
    for (const std::uint8_t a : symbols) reference.step(state, a);
    if (std::memcmp(state.data(), plan.machine.states.data() + end * state.size(), state.size()) != 0) differ(s.name);
  }

  /// The whole sequence on the device, without its transfer, by the plan's own form or that which is left without
  /// points, or without a monoid too.
  enum class Form { points, monoid, states };
  void device_scan(const Subject& s, Form form) {
    const auto reference = make_machine(s.model, Semantics::fp32_fma_v1);
    ScanPlan plan = std::get<ScanPlan>(plan_scan(*reference));
    if (form == Form::points) plan.points = find_points(plan.machine.next, plan.num_symbols);
    if (form == Form::states) plan.monoid.reset();
    const std::size_t length = quick_ ? std::size_t{1} << 26U : std::size_t{1} << 30U;
    const std::unique_ptr<PieceScan> scan = plan.open(length);
    std::vector<double> times;
    for (int i = 0; i <= repetitions; ++i) {
      double milliseconds = 0.0;
      scan->effect_of_random(length, 11, milliseconds);
      if (i > 0) times.push_back(milliseconds / 1000.0);
    }
    std::vector<std::uint8_t> symbols(std::size_t{1} << 22U);
    double milliseconds = 0.0;
    const std::uint32_t end = plan.after(0, scan->effect_of_random(symbols.size(), 13, milliseconds));
    scan->symbols(symbols);
    check_state(s, *reference, plan, symbols, end);
    const double rate = static_cast<double>(length) / median(times);
    put("scan", s,
        {{"rate", rate},
         {"length", length},
         {"of_read_ceiling", rate / bytes_},
         {"machine_states", plan.machine.count},
         {"form", form == Form::points   ? "points"
                  : form == Form::monoid ? "monoid"
                                         : "states"}});
  }

  void device_tree(const Subject& s, std::uint64_t max_length) {
    const LabelledAutomaton automaton =
        Specification(s.model.alphabet(), s.model.label_names(), s.language).labelled_automaton();
    EnumerateOptions options;
    options.max_length = max_length;
    options.device = Device::cuda;
    const EnumerateResult result = enumerate(*make_machine(s.model, Semantics::fp32_fma_v1), automaton, options);
    if (result.disagreement) differ(s.name);
    std::uint64_t words = 0;
    for (const LengthStatistics& line : result.lengths) words += line.words;
    // Words, not nodes visited: rounds walk some nodes again.
    const double rate = static_cast<double>(words) / result.device_seconds;
    put("enumerate", s,
        {{"rate", rate},
         {"words", words},
         {"length", max_length},
         {"of_fma_ceiling", rate * operations(s) / fmas_},
         {"kernel_seconds", result.device_seconds},
         {"seconds", result.seconds}});
  }

  bool quick_;
  bool cpu_;
  std::string only_;
  bool device_ = false;
  double bytes_ = 0.0;
  double fmas_ = 0.0;
  json result_;
};

}  // namespace
}  // namespace krohn

int main(int argc, char** argv) {
  bool quick = false;
  bool cpu = true;
  bool device = true;
  std::string path;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") {
      quick = true;
    } else if (argument == "--no-device") {
      device = false;
    } else if (argument == "--no-cpu") {
      cpu = false;
    } else if (argument == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else if (argument == "--json" && i + 1 < argc) {
      path = argv[++i];
    } else {
      std::cerr << "usage: bench_engine [--quick] [--json FILE] [--no-cpu] [--no-device] [--only TEXT]\n";
      return 2;
    }
  }
  try {
    krohn::Bench bench(quick, cpu, device, only);
    bench.run();
    if (!path.empty()) std::ofstream(path) << bench.result().dump(2) << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench_engine: " << error.what() << '\n';
    return 1;
  }
}
