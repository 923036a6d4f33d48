// Learned models on the CUDA device: the recurrence alone, the accuracy of a model on many words, every word up to a
// length. One line a measurement; the last two check themselves against the CPU on a part.
//
//     bench_learned_device [CHECKPOINT..]              (checkpoints with a task.json)
//     bench_learned_device --nodes CHECKPOINT LENGTH   every word up to this length alone, for a profiler
//     bench_learned_device --devices CHECKPOINT        a batch and an accuracy, on the first device and on all
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/random_program.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/kernels/device.hpp"
#include "krohn/kernels/recurrence.hpp"
#include "krohn/verify/accuracy.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<float> uniform(std::size_t size, double low, double high) {
  SplitMix64 random(size);
  std::vector<float> values(size);
  for (float& x : values) {
    x = static_cast<float>(low + (high - low) * static_cast<double>(random.next() >> 11U) * 0x1p-53);
  }
  return values;
}

// n delta updates a token on arrays [B, T, H, d], gated or not.
void bench_recurrence(std::uint32_t words, std::uint32_t heads, std::uint32_t length, std::uint32_t d,
                      std::uint32_t updates, bool gated) {
  const std::size_t tokens = std::size_t{words} * length * heads;
  const DeviceNumbers keys(uniform(tokens * d, -1.0 / d, 1.0 / d));
  const DeviceNumbers values(uniform(tokens * d, -1, 1));
  const DeviceNumbers betas(uniform(tokens, 0, 2));
  const DeviceNumbers decays(uniform(tokens, 0.9, 1));
  const DeviceNumbers output(tokens * d);
  const DeviceNumbers state(std::size_t{words} * heads * d * d);
  const auto wide = [&](const DeviceNumbers& x) {
    return RecurrenceInput{x.data(), std::int64_t{length} * heads * d, std::int64_t{heads} * d, d, 1, 1};
  };
  const auto one = [&](const DeviceNumbers& x) {
    return RecurrenceInput{x.data(), std::int64_t{length} * heads, heads, 1, 0, 1};
  };
  Recurrence r;
  r.words = words;
  r.heads = heads;
  r.length = length;
  r.key_size = r.value_size = d;
  if (gated) {
    r.decay_kind = Recurrence::Decay::scalar;
    r.decay = one(decays);
  }
  r.num_updates = updates;
  for (std::uint32_t u = 0; u < updates; ++u) r.updates[u] = {wide(keys), wide(keys), wide(values), one(betas), false};
  r.query = wide(keys);
  r.output = {output.data(), wide(keys).word, wide(keys).time, wide(keys).head, 1, 1};
  r.state_out = state.data();
  double best = 1e30;
  for (int i = 0; i < 5; ++i) best = std::min(best, device_milliseconds([&] { run_recurrence_cuda(r); }));
  std::printf("recurrence B=%u H=%u T=%u d=%u updates=%u %s: %.3f ms, %.1f million tokens/s, %.2e fma/s\n", words,
              heads, length, d, updates, gated ? "gated" : "plain", best,
              static_cast<double>(words) * length / best / 1000.0,
              static_cast<double>(tokens) * d * d * (2 * updates + 1) / best * 1000.0);
}

// A 2-layer model of size 128 on 8,192 words of length 256: labels at every position.
void bench_labels() {
  testing::RandomProgram random(1);
  const auto model = std::make_shared<const Program>(random.make("delta", {2, 64, 1, testing::Beta::doubled, 128}));
  LearnedTask task{Alphabet::of_characters("01"), {0, 1}, std::nullopt, {"0", "1"}, {{0, 0}, {1, 1}}};
  const auto machine = make_machine(model, std::move(task));
  SplitMix64 draw(2);
  std::vector<Word> words(8192);
  for (Word& word : words) {
    for (int t = 0; t < 256; ++t) word.push_back(static_cast<Symbol>(draw.next() % 2));
  }
  for (int i = 0; i < 2; ++i) {
    const auto start = Clock::now();
    const Trace seen = machine->run(words, {.device = Device::cuda, .all_positions = true});
    std::printf("labels of %zu words of 256, two delta layers of size 128, %zu parameters: %.3f s\n", words.size(),
                model->num_parameters(), seconds_since(start));
    const Trace some = machine->run(std::span(words).first(16), {.device = Device::cpu, .all_positions = true});
    if (!std::equal(some.labels.begin(), some.labels.end(), seen.labels.begin())) std::printf("DIFFERENT LABELS\n");
  }
}

/// Every word up to a length (0: one that takes some tenths of a second), whatever the labels: of an automaton that
/// asks for none.
void bench_nodes(const std::string& path, std::uint64_t length) {
  const OpenModel open = open_model(path);
  const auto symbols = static_cast<std::uint32_t>(open.machine->alphabet().size());
  const LabelledAutomaton any{symbols, 0, std::vector<std::uint32_t>(symbols, 0), {LabelledAutomaton::any_label}};
  EnumerateOptions search;
  search.device = Device::cuda;
  search.max_length = length != 0 ? length : symbols == 2 ? 24 : symbols == 3 ? 15 : 10;
  // The device's own start, some tenths of a second once a process, is apart.
  EnumerateOptions first = search;
  first.max_length = std::min<std::uint64_t>(search.max_length, symbols == 2 ? 12 : 7);
  const EnumerateResult start = enumerate(*open.machine, any, first);
  std::printf("%s: up to length %llu, the device's start included: %.2f s\n", path.c_str(),
              static_cast<unsigned long long>(first.max_length), start.seconds);
  const EnumerateResult result = enumerate(*open.machine, any, search);
  std::printf("%s: %llu nodes up to length %llu in %.3f s (device %.3f s): %.3g nodes/s\n", path.c_str(),
              static_cast<unsigned long long>(result.nodes), static_cast<unsigned long long>(search.max_length),
              result.seconds, result.device_seconds, static_cast<double>(result.nodes) / result.seconds);
}

void bench_checkpoint(const std::string& path) {
  const OpenModel open = open_model(path);
  const Dfa language = *open.own_language();
  AccuracyOptions options;
  options.lengths = {256};
  options.words = 8192;
  options.device = Device::cuda;
  const auto start = Clock::now();
  const Accuracy accuracy = measure_accuracy(*open.machine, language, options);
  std::printf("%s: accuracy on 8192 words of 256: last %.4f in %.3f s\n", path.c_str(),
              accuracy.lengths.empty() ? 0.0 : accuracy.lengths[0].last.value, seconds_since(start));
  bench_nodes(path, 0);
}

/// The same work on the first device and on all: what more devices gain, with everything that the host does.
void bench_devices(const std::string& path, std::size_t count) {
  const OpenModel open = open_model(path);
  SplitMix64 draw(2);
  std::vector<Word> words(131072);
  for (Word& word : words) {
    for (int t = 0; t < 256; ++t) word.push_back(static_cast<Symbol>(draw.next() % open.machine->alphabet().size()));
  }
  std::vector<std::int32_t> first;
  for (const char* name : {"cuda:0", "cuda"}) {
    const auto start = Clock::now();
    const Trace seen = open.machine->run(words, {.device = *parse_device(name)});
    std::printf("%s (of %zu): batch of %zu words of 256 on %s: %.3f s\n", name, count, words.size(),
                seen.device.c_str(), seconds_since(start));
    if (first.empty()) first = seen.labels;
    if (first != seen.labels) std::printf("DIFFERENT LABELS\n");
    AccuracyOptions options;
    options.lengths = {256};
    options.words = 400'000;
    options.device = *parse_device(name);
    const auto begin = Clock::now();
    const Accuracy accuracy = measure_accuracy(*open.machine, *open.own_language(), options);
    std::printf("%s: accuracy on 400,000 words of 256: last %.6f in %.2f s\n", name, accuracy.lengths[0].last.value,
                seconds_since(begin));
  }
}

}  // namespace
}  // namespace krohn

int main(int argc, char** argv) {
  using namespace krohn;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::vector<CudaDevice> devices = find_cuda_devices();
  if (devices.empty()) {
    std::fprintf(stderr, "no CUDA device\n");
    return 3;
  }
  std::printf("%s\n", devices[0].name.c_str());
  if (argc == 4 && std::string(argv[1]) == "--nodes") {
    bench_nodes(argv[2], std::stoul(argv[3]));
    return 0;
  }
  if (argc == 3 && std::string(argv[1]) == "--devices") {
    bench_devices(argv[2], devices.size());
    return 0;
  }
  bench_recurrence(64, 4, 4096, 64, 1, false);
  bench_recurrence(64, 4, 4096, 64, 1, true);
  bench_recurrence(64, 4, 4096, 64, 2, true);
  bench_recurrence(8, 16, 8192, 128, 1, false);
  bench_recurrence(8, 16, 8192, 128, 1, true);
  bench_recurrence(1024, 1, 1024, 16, 1, false);
  bench_recurrence(1024, 4, 512, 64, 1, false);
  bench_labels();
  for (int i = 1; i < argc; ++i) bench_checkpoint(argv[i]);
  return 0;
}
