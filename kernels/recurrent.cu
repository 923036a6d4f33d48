// Batches of words, one thread a word, hidden states in registers.
//
// Three forms of the dense layer. select: two symbols, parameters in the constant bank, chosen by one predicate.
// packed: a fixed number of factors, rows in shared memory in eight copies (or one, where eight do not fit), so that
// the reads of a warp do not conflict. general: everything else up to 16 elements, factors counted at run time. And the
// flat form, any model: the formulas of flat_model.hpp on hidden states in shared (or else global) memory.
// Ceilings: symbols are read once, 16 to a load, coalesced; arithmetic is (2 D + 1) n_h operations a symbol, and the
// packed form reads (D + 1) n_h words of shared memory a symbol.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cuda.cuh"
#include "dense.cuh"
#include "krohn/kernels/recurrent.hpp"

namespace krohn {

struct DeviceWords::Memory {
  DeviceArray<uint4> symbols;
  DeviceArray<std::uint32_t> length;
  std::size_t words = 0;
  std::size_t padded = 0;
};

namespace {

constexpr int dense_threads = 512;
constexpr std::size_t copies_shared_bytes = 112U * 1024U;  // two blocks a multiprocessor

struct BatchView {
  const uint4* symbols;
  const std::uint32_t* length;
  std::uint32_t words;
  std::uint32_t padded;
};

struct Start {
  float h[dense_max_size];
};

/// Calls step(symbol) for every symbol of word `w`; `symbol` is a byte as an unsigned.
template <class Step>
__device__ __forceinline__ void for_symbols(const BatchView& batch, std::uint32_t w, const Step& step) {
  const std::uint32_t length = batch.length[w];
  const uint4* at = batch.symbols + w;
  const std::uint32_t full = length / 16;
  uint4 next = length > 0 ? __ldcs(at) : uint4{};
  for (std::uint32_t chunk = 0; chunk < full; ++chunk) {
    const uint4 now = next;
    at += batch.padded;
    if (16 * (chunk + 1) < length) next = __ldcs(at);
    const std::uint32_t parts[4] = {now.x, now.y, now.z, now.w};
#pragma unroll
    for (int i = 0; i < 16; ++i) step((parts[i / 4] >> (8 * (i % 4))) & 0xFFU);
  }
  const std::uint32_t parts[4] = {next.x, next.y, next.z, next.w};
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    if (16 * full + i < length) step((parts[i / 4] >> (8 * (i % 4))) & 0xFFU);
  }
}

/// The same in less code, for steps that are large themselves.
template <class Step>
__device__ __forceinline__ void for_symbols_compact(const BatchView& batch, std::uint32_t w, const Step& step) {
  const std::uint32_t length = batch.length[w];
  const uint4* at = batch.symbols + w;
  uint4 next = length > 0 ? __ldcs(at) : uint4{};
  for (std::uint32_t begin = 0; begin < length; begin += 16) {
    uint4 now = next;
    at += batch.padded;
    if (begin + 16 < length) next = __ldcs(at);
    const std::uint32_t count = min(16U, length - begin);
    for (std::uint32_t i = 0; i < count; ++i) {
      step(now.x & 0xFFU);
      now.x >>= 8U;
      if (i % 4 == 3) {
        now.x = now.y;
        now.y = now.z;
        now.z = now.w;
      }
    }
  }
}

template <int D>
__device__ __forceinline__ void write_hidden(const BatchView& batch, std::uint32_t w, const float (&h)[D],
                                             float* hidden) {
#pragma unroll
  for (int j = 0; j < D; ++j) hidden[static_cast<std::size_t>(j) * batch.padded + w] = h[j];
}

template <int N>
struct Two {
  float row[2][N];
};

/// SharedKeys: the rows differ in betas alone (a factor that one of them skips has the other's key and beta 0), so that
/// a symbol selects n_h numbers and no more.
template <int D, int NH, StateFormat F, bool SharedKeys>
__global__ void __launch_bounds__(dense_threads)
    select_kernel(const __grid_constant__ Two<NH*(D + 1)> rows, Start start, BatchView batch, float* hidden) {
  for (std::uint32_t w = blockIdx.x * blockDim.x + threadIdx.x; w < batch.padded; w += gridDim.x * blockDim.x) {
    float h[D];
#pragma unroll
    for (int j = 0; j < D; ++j) h[j] = start.h[j];
    const auto step = [&](bool one) {
      packed_step<D, NH>(
          [&](int i) { return (SharedKeys && i % (D + 1) != D) || one ? rows.row[1][i] : rows.row[0][i]; }, h);
#pragma unroll
      for (int j = 0; j < D; ++j) h[j] = stored_device<F>(h[j]);
    };
    const std::uint32_t length = batch.length[w];
    const uint4* at = batch.symbols + w;
    const std::uint32_t full = length / 16;
    uint4 next = length > 0 ? __ldcs(at) : uint4{};
    for (std::uint32_t chunk = 0; chunk < full; ++chunk) {
      const uint4 now = next;
      at += batch.padded;
      if (16 * (chunk + 1) < length) next = __ldcs(at);
      const std::uint32_t parts[4] = {now.x, now.y, now.z, now.w};
#pragma unroll
      for (int i = 0; i < 16; ++i) step((parts[i / 4] & (1U << (8 * (i % 4)))) != 0U);
    }
    const std::uint32_t parts[4] = {next.x, next.y, next.z, next.w};
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      if (16 * full + i < length) step((parts[i / 4] & (1U << (8 * (i % 4)))) != 0U);
    }
    write_hidden<D>(batch, w, h, hidden);
  }
}

template <int D, int NH, int Copies, StateFormat F>
__global__ void __launch_bounds__(dense_threads)
    packed_kernel(const float4* rows, std::uint32_t num_rows, Start start, BatchView batch, float* hidden) {
  constexpr int N = NH * (D + 1);
  extern __shared__ float4 table[];
  constexpr int row_quads = packed_quads(N, Copies);
  load_table(table, rows, num_rows * row_quads, Copies);
  const float4* mine = table + threadIdx.x % Copies;
  for (std::uint32_t w = blockIdx.x * blockDim.x + threadIdx.x; w < batch.padded; w += gridDim.x * blockDim.x) {
    float h[D];
#pragma unroll
    for (int j = 0; j < D; ++j) h[j] = start.h[j];
    for_symbols(batch, w, [&](std::uint32_t symbol) {
      float p[N];
      load_quads<N>(mine + symbol * (row_quads * Copies), Copies, p);
      packed_step<D, NH>([&](int i) { return p[i]; }, h);
#pragma unroll
      for (int j = 0; j < D; ++j) h[j] = stored_device<F>(h[j]);
    });
    write_hidden<D>(batch, w, h, hidden);
  }
}

template <int D, StateFormat F>
__global__ void __launch_bounds__(dense_threads)
    general_kernel(const float4* rows, std::uint32_t shared_quads, std::uint32_t copies, GeneralLayout layout,
                   Start start, BatchView batch, float* hidden) {
  extern __shared__ float4 table[];
  if (shared_quads != 0) {
    load_table(table, rows, shared_quads, copies);
    rows = table + threadIdx.x % copies;
  }
  for (std::uint32_t w = blockIdx.x * blockDim.x + threadIdx.x; w < batch.padded; w += gridDim.x * blockDim.x) {
    float h[1][D];
#pragma unroll
    for (int j = 0; j < D; ++j) h[0][j] = start.h[j];
    for_symbols_compact(batch, w, [&](std::uint32_t symbol) {
      general_step<D, 1>(layout, rows + symbol * layout.quads_a_row * copies, static_cast<int>(copies), 0, h);
#pragma unroll
      for (int j = 0; j < D; ++j) h[0][j] = stored_device<F>(h[0][j]);
    });
    write_hidden<D>(batch, w, h[0], hidden);
  }
}

int blocks_for(const void* kernel, std::size_t shared_bytes, std::size_t threads_wanted) {
  const std::size_t needed = (threads_wanted + dense_threads - 1) / dense_threads;
  return static_cast<int>(
      std::max<std::size_t>(1, std::min<std::size_t>(needed, resident_blocks(kernel, dense_threads, shared_bytes))));
}

struct DenseRun {
  const DenseRowsView& rows;
  Start start;
  BatchView batch;
  float* hidden;
  std::size_t shared_limit;
  double milliseconds = 0.0;

  template <int D, int NH, StateFormat F>
  void select() {
    constexpr int factor = D + 1;
    Two<NH * factor> two{};
    bool shared_keys = true;
    for (int f = 0; f < NH; ++f) {
      const float* source[2] = {rows.values + f * factor, rows.values + rows.stride + f * factor};
      for (int r = 0; r < 2; ++r) {
        // A factor of beta 0 does nothing with any key.
        const float* key = source[r][D] == 0.0F ? source[1 - r] : source[r];
        std::copy_n(key, D, two.row[r] + f * factor);
        two.row[r][f * factor + D] = source[r][D];
      }
      shared_keys =
          shared_keys && std::equal(two.row[0] + f * factor, two.row[0] + f * factor + D, two.row[1] + f * factor);
    }
    const auto kernel = shared_keys ? select_kernel<D, NH, F, true> : select_kernel<D, NH, F, false>;
    const int blocks = blocks_for(reinterpret_cast<const void*>(kernel), 0, batch.padded);
    EventTimer timer;
    kernel<<<blocks, dense_threads>>>(two, start, batch, hidden);
    check_launch("select_kernel");
    milliseconds = timer.milliseconds();
  }

  template <int D, int NH, int Copies, StateFormat F>
  void packed_copies(std::size_t bytes) {
    const std::vector<float> values = packed_rows(rows, NH, Copies);
    const DeviceArray<float> table{std::span<const float>(values)};
    const auto kernel = packed_kernel<D, NH, Copies, F>;
    allow_shared_memory(kernel, bytes);
    const int blocks = blocks_for(reinterpret_cast<const void*>(kernel), bytes, batch.padded);
    EventTimer timer;
    kernel<<<blocks, dense_threads, bytes>>>(reinterpret_cast<const float4*>(table.data()), rows.rows, start, batch,
                                             hidden);
    check_launch("packed_kernel");
    milliseconds = timer.milliseconds();
  }

  template <int D, int NH>
  bool packed(StateFormat format) {
    const auto bytes = [&](int copies) {
      return std::size_t{16} * packed_quads(NH * (D + 1), copies) * rows.rows * static_cast<std::size_t>(copies);
    };
    if (bytes(8) <= std::min(copies_shared_bytes, shared_limit)) {
      if (format == StateFormat::fp32) packed_copies<D, NH, 8, StateFormat::fp32>(bytes(8));
      if (format == StateFormat::fp16) packed_copies<D, NH, 8, StateFormat::fp16>(bytes(8));
      if (format == StateFormat::bf16) packed_copies<D, NH, 8, StateFormat::bf16>(bytes(8));
      return true;
    }
    if (format != StateFormat::fp32) return false;
    packed_copies<D, NH, 1, StateFormat::fp32>(bytes(1));
    return true;
  }

  template <int D, StateFormat F>
  void general() {
    GeneralLayout layout;
    const std::vector<float> values = general_rows(rows, D, layout);
    const DeviceArray<float> table{std::span<const float>(values)};
    std::size_t bytes = 4 * values.size();
    std::uint32_t shared_quads = layout.quads_a_row * rows.rows;
    std::uint32_t copies = 1;
    if (8 * bytes <= shared_limit) {
      copies = 8;
      bytes *= 8;
    }
    if (bytes > shared_limit) shared_quads = bytes = 0;
    const auto kernel = general_kernel<D, F>;
    allow_shared_memory(kernel, bytes);
    const int blocks = blocks_for(reinterpret_cast<const void*>(kernel), bytes, batch.padded);
    EventTimer timer;
    kernel<<<blocks, dense_threads, bytes>>>(reinterpret_cast<const float4*>(table.data()), shared_quads, copies,
                                             layout, start, batch, hidden);
    check_launch("general_kernel");
    milliseconds = timer.milliseconds();
  }

  template <int D>
  void general(StateFormat format) {
    if (format == StateFormat::fp32) return general<D, StateFormat::fp32>();
    if (format == StateFormat::fp16) return general<D, StateFormat::fp16>();
    return general<D, StateFormat::bf16>();
  }

  template <int D, int NH>
  void select(StateFormat format) {
    if (format == StateFormat::fp32) return select<D, NH, StateFormat::fp32>();
    if (format == StateFormat::fp16) return select<D, NH, StateFormat::fp16>();
    return select<D, NH, StateFormat::bf16>();
  }

  /// The packed forms that exist, or false.
  bool packed(StateFormat format) {
    if (rows.gate || rows.value || rows.write) return false;
    const std::uint32_t code = 10 * rows.size + rows.factors;
    if (rows.rows == 3) {
      switch (code) {
        case 11:
          return select<1, 1>(format), true;
        case 21:
          return select<2, 1>(format), true;
        default:
          break;
      }
    }
    switch (code) {
      case 11:
        return packed<1, 1>(format);
      case 21:
        return packed<2, 1>(format);
      case 22:
        return packed<2, 2>(format);
      case 31:
        return packed<3, 1>(format);
      case 32:
        return packed<3, 2>(format);
      case 33:
        return packed<3, 3>(format);
      case 41:
        return packed<4, 1>(format);
      case 42:
        return packed<4, 2>(format);
      case 43:
        return packed<4, 3>(format);
      case 51:
        return packed<5, 1>(format);
      case 52:
        return packed<5, 2>(format);
      case 53:
        return packed<5, 3>(format);
      case 54:
        return packed<5, 4>(format);
      case 64:
        return packed<6, 4>(format);
      case 65:
        return packed<6, 5>(format);
      default:
        return false;
    }
  }

  void run(StateFormat format) {
    if (packed(format)) return;
    switch (rows.size) {
#define KROHN_SIZE(D) \
  case D:             \
    return general<D>(format)
      KROHN_SIZE(1);
      KROHN_SIZE(2);
      KROHN_SIZE(3);
      KROHN_SIZE(4);
      KROHN_SIZE(5);
      KROHN_SIZE(6);
      KROHN_SIZE(7);
      KROHN_SIZE(8);
      KROHN_SIZE(9);
      KROHN_SIZE(10);
      KROHN_SIZE(11);
      KROHN_SIZE(12);
      KROHN_SIZE(13);
      KROHN_SIZE(14);
      KROHN_SIZE(15);
      KROHN_SIZE(16);
#undef KROHN_SIZE
      default:
        throw DeviceError("recurrent: expected a hidden size of 1 to 16, got " + std::to_string(rows.size));
    }
  }
};

__global__ void random_symbols_kernel(std::uint32_t* out, std::size_t count, std::uint32_t symbols,
                                      std::uint64_t seed) {
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count;
       i += static_cast<std::size_t>(gridDim.x) * blockDim.x) {
    std::uint32_t packed = 0;
    for (std::uint32_t k = 0; k < 4; ++k) {
      packed |= static_cast<std::uint32_t>(mixed(seed + 4 * i + k) % symbols) << (8 * k);
    }
    out[i] = packed;
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
  random_symbols_kernel<<<4096, 256>>>(reinterpret_cast<std::uint32_t*>(memory.symbols.data()),
                                       4 * memory.symbols.size(), symbols, seed);
  check_launch("random_symbols_kernel");
  std::vector<std::uint32_t> lengths(words, static_cast<std::uint32_t>(length));
  lengths.resize(memory.padded, 0);
  memory.length = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(lengths));
  KROHN_CUDA_CHECK(cudaDeviceSynchronize());
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

double run_dense_cuda(const DenseRowsView& rows, StateFormat format, const float* initial, const DeviceWords& words,
                      std::span<float> hidden) {
  const DeviceWords::Memory& memory = words.memory();
  if (memory.words == 0) return 0.0;
  const DeviceArray<float> out(memory.padded * rows.size);
  DenseRun run{rows,
               {},
               {memory.symbols.data(), memory.length.data(), static_cast<std::uint32_t>(memory.words),
                static_cast<std::uint32_t>(memory.padded)},
               out.data(),
               shared_memory_limit()};
  for (std::uint32_t j = 0; j < rows.size; ++j) run.start.h[j] = initial[j];
  run.run(format);
  std::vector<float> columns(out.size());
  out.download(columns);
  for (std::size_t w = 0; w < memory.words; ++w) {
    for (std::size_t j = 0; j < rows.size; ++j) hidden[w * rows.size + j] = columns[j * memory.padded + w];
  }
  return run.milliseconds;
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
