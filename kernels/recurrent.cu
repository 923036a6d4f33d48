// Batches of words, one thread a word.
//
// Two forms. A machine of finitely many states is walked in its table (table_walk.cuh): a look-up a group of symbols,
// which are read once, 16 to a load, coalesced; the limit is that reading where the alphabet is small, else the shared
// memory's banks. And the flat form, any model: the formulas of flat_model.hpp on hidden states in shared (or else
// global) memory.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "cuda.cuh"
#include "krohn/kernels/recurrent.hpp"
#include "table_walk.cuh"

namespace krohn {

struct DeviceWords::Memory {
  DeviceArray<uint4> symbols;
  DeviceArray<std::uint32_t> length;
  std::size_t words = 0;
  std::size_t padded = 0;
};

namespace {

constexpr int word_threads = 512;

struct BatchView {
  const uint4* symbols;
  const std::uint32_t* length;
  std::uint32_t padded;
};

/// Walks the table over every word and writes where it ends.
template <class Walk>
__global__ void __launch_bounds__(word_threads)
    walk_words_kernel(const __grid_constant__ Walk walk, std::uint32_t start, const __grid_constant__ BatchView batch,
                      std::uint32_t* end) {
  extern __shared__ uint4 table_quads[];
  const auto table = walk.load(table_quads);
  for (std::uint32_t w = blockIdx.x * blockDim.x + threadIdx.x; w < batch.padded; w += gridDim.x * blockDim.x) {
    const std::uint32_t length = batch.length[w];
    const uint4* from = batch.symbols + w;
    const std::uint32_t full = length / 16;
    typename Walk::Place at = walk.start(start);
    uint4 next = length > 0 ? __ldcs(from) : uint4{};
    for (std::uint32_t chunk = 0; chunk < full; ++chunk) {
      const uint4 now = next;
      from += batch.padded;
      if (16 * (chunk + 1) < length) next = __ldcs(from);
      walk.four(table, now.x, at);
      walk.four(table, now.y, at);
      walk.four(table, now.z, at);
      walk.four(table, now.w, at);
    }
    const std::uint32_t parts[4] = {next.x, next.y, next.z, next.w};
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      if (16 * full + i < length) walk.one(table, __byte_perm(parts[i / 4], 0U, 0x4440U + i % 4), at);
    }
    end[w] = walk.end(at);
  }
}

/// Hidden states of neighbouring threads next to each other.
struct Strided {
  float* at;
  std::uint32_t stride;
  __device__ __forceinline__ float& operator[](std::uint32_t i) const {
    return at[static_cast<std::size_t>(i) * stride];
  }
};

struct FlatArgs {
  FlatModelView model;
  std::uint32_t shared_words;   // of the arena, 0: read it from global memory
  std::uint32_t shared_hidden;  // 1: hidden states in shared memory
  float* scratch;
  const std::uint32_t* symbols;
  const std::uint64_t* offset;
  std::uint64_t words;
  bool all_positions;
  std::int32_t* labels;
  float* margins;
  unsigned long long* first_bad;
};

template <bool Every>
__global__ void flat_kernel(FlatArgs args) {
  extern __shared__ std::uint32_t shared[];
  FlatModelView model = args.model;
  for (std::uint32_t i = threadIdx.x; i < args.shared_words; i += blockDim.x) shared[i] = model.words[i];
  __syncthreads();
  if (args.shared_words != 0) model.words = shared;
  const std::size_t thread = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
  const Strided hidden = args.shared_hidden != 0
                             ? Strided{reinterpret_cast<float*>(shared + args.shared_words) + threadIdx.x, blockDim.x}
                             : Strided{args.scratch + thread, gridDim.x * blockDim.x};
  for (std::uint64_t w = thread; w < args.words; w += static_cast<std::uint64_t>(gridDim.x) * blockDim.x) {
    for (std::uint32_t i = 0; i < model.hidden_size; ++i) hidden[i] = float_at(model.words, model.initial_hidden + i);
    const std::uint64_t begin = args.offset[w];
    const std::uint64_t length = args.offset[w + 1] - begin;
    const std::uint64_t out = args.all_positions ? begin + w : w;
    FlatStep seen{model.initial_label, model.initial_label < 0 ? 0.0F : __uint_as_float(0x7F800000U), FlatStep::finite};
    bool undefined = false;
    for (std::uint64_t t = 0; t <= length; ++t) {
      if (t > 0) {
        if (undefined) {
          seen = FlatStep{};
        } else {
          seen = flat_step<Every>(model, args.symbols[begin + t - 1], hidden, SparseDecoder{});
          if (seen.bad_layer != FlatStep::finite) {
            atomicMin(args.first_bad, static_cast<unsigned long long>(w));
            break;
          }
          undefined = seen.label < 0;
        }
      }
      if (args.all_positions || t == length) {
        const std::uint64_t at = args.all_positions ? out + t : out;
        args.labels[at] = seen.label;
        if (args.margins != nullptr) args.margins[at] = seen.margin;
      }
    }
  }
}

}  // namespace

DeviceWords::DeviceWords() : memory_(std::make_unique<Memory>()) {}

DeviceWords::DeviceWords(std::span<const std::uint8_t> interleaved, std::span<const std::uint32_t> length)
    : DeviceWords() {
  Memory& memory = *memory_;
  memory.words = length.size();
  memory.padded = (length.size() + 31) / 32 * 32;
  memory.symbols = DeviceArray<uint4>(interleaved.size() / 16);
  if (!interleaved.empty()) {
    KROHN_CUDA_CHECK(cudaMemcpy(memory.symbols.data(), interleaved.data(), interleaved.size(), cudaMemcpyHostToDevice));
  }
  std::vector<std::uint32_t> padded(length.begin(), length.end());
  padded.resize(memory.padded, 0);
  memory.length = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(padded));
}

DeviceWords DeviceWords::random(std::size_t words, std::size_t length, std::uint32_t symbols, std::uint64_t seed) {
  DeviceWords result;
  Memory& memory = *result.memory_;
  memory.words = words;
  memory.padded = (words + 31) / 32 * 32;
  memory.symbols = DeviceArray<uint4>(memory.padded * (length / 16));
  fill_random_symbols(reinterpret_cast<std::uint32_t*>(memory.symbols.data()), 4 * memory.symbols.size(), symbols,
                      seed);
  std::vector<std::uint32_t> lengths(words, static_cast<std::uint32_t>(length));
  lengths.resize(memory.padded, 0);
  memory.length = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(lengths));
  return result;
}

DeviceWords::~DeviceWords() = default;
DeviceWords::DeviceWords(DeviceWords&&) noexcept = default;
DeviceWords& DeviceWords::operator=(DeviceWords&&) noexcept = default;
std::size_t DeviceWords::num_words() const noexcept { return memory_->words; }
std::size_t DeviceWords::padded_words() const noexcept { return memory_->padded; }

std::vector<std::uint8_t> DeviceWords::word(std::size_t index) const {
  std::uint32_t length = 0;
  KROHN_CUDA_CHECK(cudaMemcpy(&length, memory_->length.data() + index, sizeof length, cudaMemcpyDeviceToHost));
  std::vector<std::uint8_t> symbols((length + 15) / 16 * 16);
  if (!symbols.empty()) {
    KROHN_CUDA_CHECK(cudaMemcpy2D(symbols.data(), 16, memory_->symbols.data() + index, 16 * memory_->padded, 16,
                                  symbols.size() / 16, cudaMemcpyDeviceToHost));
  }
  symbols.resize(length);
  return symbols;
}

double run_states_cuda(const MachineView& machine, std::uint32_t start, const DeviceWords& words,
                       std::span<std::uint32_t> end) {
  const DeviceWords::Memory& memory = words.memory();
  if (memory.words == 0) return 0.0;
  const TransitionTable table(machine.next, machine.num_states, machine.num_symbols, shared_memory_limit());
  const DeviceArray<std::uint32_t> out(memory.padded);
  const BatchView batch{memory.symbols.data(), memory.length.data(), static_cast<std::uint32_t>(memory.padded)};
  double milliseconds = 0.0;
  table.visit([&](const auto& walk) {
    const auto kernel = walk_words_kernel<std::remove_cvref_t<decltype(walk)>>;
    const std::size_t bytes = table.shared_bytes();
    allow_shared_memory(kernel, bytes);
    const auto needed = static_cast<unsigned>((memory.padded + word_threads - 1) / word_threads);
    const unsigned blocks = std::min(needed, resident_blocks(kernel, word_threads, bytes));
    EventTimer timer;
    kernel<<<blocks, word_threads, bytes>>>(walk, start, batch, out.data());
    check_launch("walk_words_kernel");
    milliseconds = timer.milliseconds();
  });
  out.download(end.first(memory.words));
  return milliseconds;
}

FlatBatchResult run_flat_cuda(const FlatModelView& model, std::size_t arena_words,
                              std::span<const std::uint32_t> symbols, std::span<const std::uint64_t> offset,
                              bool all_positions, std::span<std::int32_t> labels, std::span<float> margins) {
  FlatBatchResult result;
  const std::uint64_t words = offset.size() - 1;
  if (words == 0) return result;
  const DeviceArray<std::uint32_t> arena{std::span<const std::uint32_t>(model.words, arena_words)};
  const DeviceArray<FlatLayer> layers{std::span<const FlatLayer>(model.layers, model.num_layers)};
  const DeviceArray<std::uint32_t> device_symbols{symbols};
  const DeviceArray<std::uint64_t> device_offset{offset};
  const DeviceArray<std::int32_t> device_labels(labels.size());
  const DeviceArray<float> device_margins(margins.size());
  const unsigned long long none = FlatBatchResult::none;
  const DeviceArray<unsigned long long> first_bad{std::span<const unsigned long long>(&none, 1)};

  FlatArgs args{};
  args.model = model;
  args.model.words = arena.data();
  args.model.layers = layers.data();
  args.symbols = device_symbols.data();
  args.offset = device_offset.data();
  args.words = words;
  args.all_positions = all_positions;
  args.labels = device_labels.data();
  args.margins = margins.empty() ? nullptr : device_margins.data();
  args.first_bad = first_bad.data();

  const std::size_t limit = shared_memory_limit();
  unsigned threads = 128;
  const auto hidden_bytes = [&] { return std::size_t{4} * model.hidden_size * threads; };
  while (threads > 32 && hidden_bytes() > limit / 2) threads /= 2;
  std::size_t bytes = 0;
  if (hidden_bytes() <= limit) {
    args.shared_hidden = 1;
    bytes = hidden_bytes();
  }
  if (bytes + 4 * arena_words <= limit / 2) {
    args.shared_words = static_cast<std::uint32_t>(arena_words);
    bytes += 4 * arena_words;
  }
  constexpr std::uint64_t most_blocks = 132 * 16;
  const auto blocks = static_cast<unsigned>(std::min<std::uint64_t>((words + threads - 1) / threads, most_blocks));
  const DeviceArray<float> scratch(args.shared_hidden != 0 ? 0 : std::size_t{model.hidden_size} * blocks * threads);
  args.scratch = scratch.data();
  const auto kernel = model.every_form ? flat_kernel<true> : flat_kernel<false>;
  allow_shared_memory(kernel, bytes);
  // Words that end in an error leave no labels.
  KROHN_CUDA_CHECK(cudaMemset(device_labels.data(), 0, labels.size_bytes()));
  if (!margins.empty()) KROHN_CUDA_CHECK(cudaMemset(device_margins.data(), 0, margins.size_bytes()));
  EventTimer timer;
  kernel<<<blocks, threads, bytes>>>(args);
  check_launch("flat_kernel");
  result.milliseconds = timer.milliseconds();
  device_labels.download(labels);
  device_margins.download(margins);
  unsigned long long bad = none;
  first_bad.download(std::span<unsigned long long>(&bad, 1));
  result.first_bad_word = bad;
  return result;
}

}  // namespace krohn
