// The forward pass of learned models: each operation is a launch over all rows of the batch, on the default stream.
//
// Products are the work: tiles of 128 rows by up to 128 outputs, 16 inputs at a time through shared memory by
// asynchronous copies (both operands lie as the tiles want them), 8 by 8 sums a thread, each a single chain over the
// inputs in ascending order, so that the bits are those of one output at a time. Everything else is memory traffic with
// one thread a number or a group, neighbouring threads on neighbouring rows. Branches of a prefix tree go through the
// whole program in one launch where it fits (learned_tile.cu); where it does not, steps of one token a word read and
// write the words' states with neighbouring threads on neighbouring numbers of a state.
#include <cuda_pipeline.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "cuda.cuh"
#include "krohn/kernels/learned.hpp"
#include "krohn/kernels/learned_elements.hpp"
#include "learned_chunked.cuh"
#include "learned_tile.cuh"

namespace krohn {
namespace {

using Op = LearnedOperation;
namespace elements = learned_elements;

constexpr unsigned row_threads = 128;
constexpr unsigned most_grid_y = 65535;

// ---- products -------------------------------------------------------------------------------------------------------

constexpr int product_threads = 256;
constexpr int tile_rows = 128;
constexpr int tile_inputs = 16;

/// Outputs tile_outputs by tile_rows; a thread has TM by TN of them, in groups of four.
template <int tile_outputs, int TM, int TN>
__global__ void __launch_bounds__(product_threads)
    multiply_kernel(const __grid_constant__ Op op, const __grid_constant__ LearnedRows x) {
  constexpr int columns = tile_rows / TN;  // of threads
  static_assert(tile_outputs / TM * columns == product_threads);
  __shared__ float4 weight_tile[2][tile_inputs][tile_outputs / 4];
  __shared__ float4 input_tile[2][tile_inputs][tile_rows / 4];
  const std::uint32_t first_row = blockIdx.x * tile_rows;
  const std::uint32_t first_output = blockIdx.y * tile_outputs;
  const std::uint32_t block = blockIdx.z;
  const float* weights = x.weights + op.w0 + static_cast<std::size_t>(block) * op.size * op.pitch + first_output;
  const float* inputs = x.at(op.a + block * op.size, first_row);
  const auto load = [&](int buffer, std::uint32_t first) {
    for (int i = threadIdx.x; i < tile_inputs * tile_outputs / 4; i += product_threads) {
      const std::uint32_t k = first + i / (tile_outputs / 4);
      const std::uint32_t o = i % (tile_outputs / 4) * 4;
      const bool valid = k < op.size && first_output + o < op.pitch;
      __pipeline_memcpy_async(&weight_tile[buffer][k - first][o / 4],
                              valid ? weights + static_cast<std::size_t>(k) * op.pitch + o : x.weights, 16,
                              valid ? 0 : 16);
    }
    for (int i = threadIdx.x; i < tile_inputs * tile_rows / 4; i += product_threads) {
      const std::uint32_t k = first + i / (tile_rows / 4);
      const std::uint32_t r = i % (tile_rows / 4) * 4;
      const bool valid = k < op.size && first_row + r < x.pitch;
      __pipeline_memcpy_async(&input_tile[buffer][k - first][r / 4], valid ? inputs + k * x.pitch + r : x.features, 16,
                              valid ? 0 : 16);
    }
    __pipeline_commit();
  };
  const int thread_output = static_cast<int>(threadIdx.x) / columns;
  const int thread_row = static_cast<int>(threadIdx.x) % columns;
  float sum[TM][TN];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN; ++j) sum[i][j] = 0.0F;
  }
  const auto add = [&](int buffer, int k) {
    float w[TM];
    float v[TN];
#pragma unroll
    for (int i = 0; i < TM; i += 4) {
      const float4 q = weight_tile[buffer][k][i / 4 * (tile_outputs / TM) + thread_output];
      w[i] = q.x, w[i + 1] = q.y, w[i + 2] = q.z, w[i + 3] = q.w;
    }
#pragma unroll
    for (int j = 0; j < TN; j += 4) {
      const float4 q = input_tile[buffer][k][j / 4 * columns + thread_row];
      v[j] = q.x, v[j + 1] = q.y, v[j + 2] = q.z, v[j + 3] = q.w;
    }
#pragma unroll
    for (int i = 0; i < TM; ++i) {
#pragma unroll
      for (int j = 0; j < TN; ++j) sum[i][j] = __fmaf_rn(w[i], v[j], sum[i][j]);
    }
  };
  load(0, 0);
  int buffer = 0;
  for (std::uint32_t first = 0; first < op.size; first += tile_inputs, buffer ^= 1) {
    if (first + tile_inputs < op.size) {
      load(buffer ^ 1, first + tile_inputs);
      __pipeline_wait_prior(1);
    } else {
      __pipeline_wait_prior(0);
    }
    __syncthreads();
    if (first + tile_inputs <= op.size) {
#pragma unroll
      for (int k = 0; k < tile_inputs; ++k) add(buffer, k);
    } else {
      // Not beyond the last input: a product with zero would change the sign of a zero sum.
      for (int k = 0; k < static_cast<int>(op.size - first); ++k) add(buffer, k);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < TM; ++i) {
    const std::uint32_t o = first_output + 4 * (i / 4 * (tile_outputs / TM) + thread_output) + i % 4;
    if (o >= op.count) continue;
#pragma unroll
    for (int j = 0; j < TN; j += 4) {
      const std::uint32_t row = first_row + 4 * (j / 4 * columns + thread_row);
      if (row >= x.rows) continue;
      float value[4] = {sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]};
      if (op.w1 != Op::none) {
        const float bias = x.weights[op.w1 + o];
#pragma unroll
        for (float& v : value) v = v + bias;
      }
      // The pitch is a multiple of four: a quad that begins below it ends below it.
      float4* out = reinterpret_cast<float4*>(x.at(op.out + block * op.count + o, row));
      if (op.accumulate) {
        const float4 before = *out;
        value[0] = before.x + value[0];
        value[1] = before.y + value[1];
        value[2] = before.z + value[2];
        value[3] = before.w + value[3];
      }
      *out = make_float4(value[0], value[1], value[2], value[3]);
    }
  }
}

void multiply(const Op& op, const LearnedRows& x) {
  const auto grid = [&](unsigned outputs) {
    return dim3((x.rows + tile_rows - 1) / tile_rows, (op.count + outputs - 1) / outputs, op.groups);
  };
  if (op.count > 64) {
    multiply_kernel<128, 8, 8><<<grid(128), product_threads>>>(op, x);
  } else if (op.count > 32) {
    multiply_kernel<64, 4, 8><<<grid(64), product_threads>>>(op, x);
  } else {
    multiply_kernel<32, 4, 4><<<grid(32), product_threads>>>(op, x);
  }
}

// ---- one number, group or column a thread ---------------------------------------------------------------------------

enum class Each { gather, map, group, convolution, shift, constants };

/// A row a thread, along x; numbers or groups along y.
template <Each E>
__global__ void __launch_bounds__(row_threads)
    row_kernel(const __grid_constant__ Op op, const __grid_constant__ LearnedRows x) {
  const std::uint32_t row = blockIdx.x * row_threads + threadIdx.x;
  if (row >= x.rows) return;
  for (std::uint32_t i = blockIdx.y; i < op.count; i += gridDim.y) {
    if constexpr (E == Each::gather) elements::gather(op, x, i, row);
    if constexpr (E == Each::map) elements::map(op, x, i, row);
    if constexpr (E == Each::group) elements::group(op, x, i, row);
    if constexpr (E == Each::convolution) elements::convolution(op, x, i, row);
    if constexpr (E == Each::shift) elements::shift(op, x, i, row);
    if constexpr (E == Each::constants) elements::constants(op, x, i, row);
  }
}

template <Each E>
void each_row(const Op& op, const LearnedRows& x) {
  const dim3 grid((x.rows + row_threads - 1) / row_threads, std::min(op.count, most_grid_y));
  row_kernel<E><<<grid, row_threads>>>(op, x);
}

/// A number of a word's state a thread, along x; words along y.
template <Each E>
__global__ void keep_kernel(const __grid_constant__ Op op, const __grid_constant__ LearnedRows x) {
  const std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= op.count) return;
  for (std::uint32_t w = blockIdx.y; w < x.words; w += gridDim.y) {
    if constexpr (E == Each::convolution) elements::keep_tail(op, x, i, w);
    if constexpr (E == Each::shift) elements::keep_shift(op, x, i, w);
  }
}

template <Each E>
void keep(const Op& op, const LearnedRows& x) {
  if (x.state_out == nullptr) return;
  const dim3 grid((op.count + row_threads - 1) / row_threads, std::min(x.words, most_grid_y));
  keep_kernel<E><<<grid, row_threads>>>(op, x);
}

constexpr unsigned tile = 32;
constexpr unsigned tile_height = 8;

/// A convolution where every word has one row, its tails kept: tiles turned in shared memory, since the rows of a
/// feature lie side by side, but the numbers of a state do.
__global__ void single_convolution_kernel(const __grid_constant__ Op op, const __grid_constant__ LearnedRows x) {
  __shared__ float turned[tile][tile + 1];
  const std::uint32_t first_row = blockIdx.x * tile;
  const std::uint32_t tail = op.size - 1;
  for (std::uint32_t first = blockIdx.y * tile; first < op.count; first += gridDim.y * tile) {
    for (unsigned i = threadIdx.y; i < tile; i += tile_height) {
      if (first + i < op.count && first_row + threadIdx.x < x.rows) {
        turned[i][threadIdx.x] = *x.at(op.a + first + i, first_row + threadIdx.x);
      }
    }
    __syncthreads();
    for (unsigned i = threadIdx.y; i < tile; i += tile_height) {
      const std::uint32_t w = first_row + i;
      const std::uint32_t channel = first + threadIdx.x;
      if (w < x.rows && channel < op.count) {
        const float newest = turned[threadIdx.x][i];
        const float* carried = x.carried(w) + op.state + channel;
        turned[threadIdx.x][i] = elements::convolved(op, x.weights, channel, newest, [&](std::uint32_t j) {
          return carried[static_cast<std::size_t>(j) * op.count];
        });
        if (x.state_out != nullptr) {
          float* kept = x.state_out + w * x.state_size + op.state + channel;
          for (std::uint32_t j = 0; j < tail; ++j) {
            kept[static_cast<std::size_t>(j) * op.count] =
                j + 1 < tail ? carried[static_cast<std::size_t>(j + 1) * op.count] : newest;
          }
        }
      }
    }
    __syncthreads();
    for (unsigned i = threadIdx.y; i < tile; i += tile_height) {
      if (first + i < op.count && first_row + threadIdx.x < x.rows) {
        *x.at(op.out + first + i, first_row + threadIdx.x) = turned[i][threadIdx.x];
      }
    }
    __syncthreads();
  }
}

__global__ void stabilizer_kernel(const __grid_constant__ Op op, const __grid_constant__ LearnedRows x) {
  const std::uint32_t w = blockIdx.x * blockDim.x + threadIdx.x;
  if (w < x.words) elements::stabilizer(op, x, blockIdx.y, w);
}

/// One head of a word a block, an entry a thread (or several).
__global__ void cell_kernel(const __grid_constant__ Op op, const __grid_constant__ LearnedRows x) {
  extern __shared__ float shared[];
  const std::uint32_t size = op.size;
  float* const outputs[2] = {shared, shared + size};
  float* cell = shared + 2 * size;
  float* normalizer = shared + 3 * size;
  float* stabilizer = shared + 4 * size;
  const std::uint32_t w = blockIdx.x;
  const std::uint32_t head = blockIdx.y;
  const float* carried = x.carried(w) + op.state + head * size;
  for (std::uint32_t e = threadIdx.x; e < size; e += blockDim.x) {
    outputs[0][e] = carried[e];
    cell[e] = carried[op.count + e];
    normalizer[e] = carried[2 * static_cast<std::size_t>(op.count) + e];
    stabilizer[e] = carried[3 * static_cast<std::size_t>(op.count) + e];
  }
  const std::uint32_t length = x.length[w];
  for (std::uint32_t t = 0; t < length; ++t) {
    __syncthreads();
    const std::uint32_t row = x.first_row[w] + t;
    const float* before = outputs[t % 2];
    for (std::uint32_t e = threadIdx.x; e < size; e += blockDim.x) {
      float raw[4];
      for (std::uint32_t slot = 0; slot < 4; ++slot) {
        raw[slot] = elements::complete_slot(op, x, slot, head, e, row, before);
      }
      elements::Cell s{before[e], cell[e], normalizer[e], stabilizer[e]};
      elements::advance(s, raw);
      outputs[(t + 1) % 2][e] = s.output;
      cell[e] = s.cell;
      normalizer[e] = s.normalizer;
      stabilizer[e] = s.stabilizer;
      *x.at(op.out + head * size + e, row) = s.output;
    }
  }
  if (x.state_out == nullptr) return;
  float* kept = x.state_out + w * x.state_size + op.state + head * size;
  for (std::uint32_t e = threadIdx.x; e < size; e += blockDim.x) {  // a thread's own entries
    kept[e] = outputs[length % 2][e];
    kept[op.count + e] = cell[e];
    kept[2 * static_cast<std::size_t>(op.count) + e] = normalizer[e];
    kept[3 * static_cast<std::size_t>(op.count) + e] = stabilizer[e];
  }
}

// ---- batches --------------------------------------------------------------------------------------------------------

__global__ void restart_kernel(const float* initial, std::size_t state_size, std::size_t count, float* states) {
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count;
       i += static_cast<std::size_t>(gridDim.x) * blockDim.x) {
    states[i] = initial[i % state_size];
  }
}

struct BranchRows {
  std::uint32_t* token;
  std::uint32_t* word;
  std::uint32_t* first_row;
  std::uint32_t* length;
  std::uint32_t* source;
};

__global__ void branch_kernel(BranchRows out, LearnedBranches branches, std::uint32_t begin, std::uint32_t rows) {
  const std::uint32_t row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  out.token[row] = (branches.first_token + row) % branches.tokens;
  out.word[row] = row;
  out.first_row[row] = row;
  out.length[row] = 1;
  out.source[row] = begin + row / branches.symbols;
}

__global__ void label_kernel(const __grid_constant__ LearnedRows x, std::uint32_t logits, std::uint32_t num_logits,
                             const LearnedAnswer* answers, std::uint32_t num_answers, std::int32_t* out) {
  const std::uint32_t row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row < x.rows) out[row] = elements::label(x, logits, num_logits, answers, num_answers, row);
}

struct CheckArgs {
  const std::uint32_t* delta;
  const std::int32_t* expected;
  const std::uint32_t* from;  // of the first parent
  std::uint32_t* to;          // null where nothing lies below
  LearnedBranches branches;
  std::uint32_t compared;
  LearnedDevice::Checked* checked;
};

__global__ void check_kernel(const __grid_constant__ LearnedRows x, std::uint32_t logits, std::uint32_t num_logits,
                             const LearnedAnswer* answers, std::uint32_t num_answers, CheckArgs args) {
  const std::uint32_t row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= x.rows) return;
  const std::uint32_t symbols = args.branches.symbols;
  const std::uint32_t family = args.branches.family();
  const std::uint32_t parent = row / family;
  const std::uint32_t member = row % family;
  const std::uint32_t level = member < symbols ? 0 : 1;
  const std::uint32_t child = level == 0 ? member : member / symbols - 1;
  const auto next = [&](std::uint32_t state, std::uint32_t symbol) {
    return args.delta[static_cast<std::size_t>(state) * symbols + symbol];
  };
  std::uint32_t number = parent * symbols + child;
  std::uint32_t state = next(args.from[parent], child);
  if (level == 1) {
    number = number * symbols + member % symbols;
    state = next(state, member % symbols);
  }
  if (args.to != nullptr && level + 1 == args.branches.levels) args.to[number] = state;
  const std::int32_t label = elements::label(x, logits, num_logits, answers, num_answers, row);
  const std::int32_t expected = args.expected[state];
  const bool differs = level >= args.compared && expected != LearnedAutomatonView::any_label && expected != label;
  if (differs || label == not_finite_label) atomicMin(&args.checked->first_wrong[level], number);
  const bool last = row + 1 == x.rows || (level == 0 && row + family - symbols + 1 == x.rows);
  if (last) args.checked->last_label[level] = label;
}

/// [features, pitch] to [rows, features].
__global__ void turn_kernel(const float* in, std::size_t pitch, std::uint32_t features, std::uint32_t rows,
                            float* out) {
  __shared__ float turned[tile][tile + 1];
  const std::uint32_t row = blockIdx.x * tile;
  for (std::uint32_t first = blockIdx.y * tile; first < features; first += gridDim.y * tile) {
    for (unsigned i = threadIdx.y; i < tile; i += tile_height) {
      if (first + i < features && row + threadIdx.x < rows) {
        turned[i][threadIdx.x] = in[(first + i) * pitch + row + threadIdx.x];
      }
    }
    __syncthreads();
    for (unsigned i = threadIdx.y; i < tile; i += tile_height) {
      if (row + i < rows && first + threadIdx.x < features) {
        out[static_cast<std::size_t>(row + i) * features + first + threadIdx.x] = turned[threadIdx.x][i];
      }
    }
    __syncthreads();
  }
}

dim3 tiles(std::uint32_t rows, std::uint32_t features) {
  return dim3((rows + tile - 1) / tile, std::min((features + tile - 1) / tile, most_grid_y));
}

void require(bool condition, const char* what) {
  if (!condition) throw InternalError(std::string("learned model on the device: expected ") + what);
}

template <class T>
void copy_to(const DeviceArray<T>& array, std::span<const T> values, std::size_t first = 0) {
  require(first + values.size() <= array.size(), "values that fit an array");
  if (values.empty()) return;
  KROHN_CUDA_CHECK(cudaMemcpy(array.data() + first, values.data(), values.size_bytes(), cudaMemcpyHostToDevice));
}
template <class T>
void copy_from(const DeviceArray<T>& array, std::span<T> values, std::size_t first = 0) {
  require(first + values.size() <= array.size(), "values that lie in an array");
  if (values.empty()) return;
  KROHN_CUDA_CHECK(cudaMemcpy(values.data(), array.data() + first, values.size_bytes(), cudaMemcpyDeviceToHost));
}

}  // namespace

struct LearnedStates::Memory {
  DeviceArray<float> numbers;
  DeviceArray<std::uint32_t> automaton;
  std::size_t capacity = 0;
};

LearnedStates::LearnedStates(std::size_t capacity, std::size_t state_size)
    : memory_(std::make_unique<Memory>(Memory{DeviceArray<float>(capacity * std::max<std::size_t>(state_size, 1)),
                                              DeviceArray<std::uint32_t>(capacity), capacity})) {}
LearnedStates::~LearnedStates() = default;
LearnedStates::LearnedStates(LearnedStates&&) noexcept = default;
LearnedStates& LearnedStates::operator=(LearnedStates&&) noexcept = default;
std::size_t LearnedStates::capacity() const noexcept { return memory_->capacity; }

struct LearnedDevice::Memory {
  std::vector<LearnedOperation> operations;
  std::vector<LearnedRecurrence> recurrences;
  DeviceArray<float> weights;
  DeviceArray<float> initial;
  DeviceArray<LearnedAnswer> answers;
  std::size_t max_rows = 0;
  std::uint32_t num_features = 0;
  std::uint32_t logits = 0;
  std::uint32_t num_logits = 0;
  /// The program's, or the logits alone, which are all that tiles leave.
  DeviceArray<float> features;
  DeviceArray<std::uint32_t> token, word, first_row, length, source;
  mutable DeviceArray<std::int32_t> labels;
  DeviceArray<std::uint32_t> delta;
  DeviceArray<std::int32_t> expected;
  DeviceArray<Checked> checked{1};
  mutable DeviceArray<float> turned;
  /// What branches run by, where the program fits.
  std::optional<LearnedTiles> tile_form;
  /// Of the last batch.
  LearnedRows rows;
  LearnedBranches branches;
  /// Where its logits begin among its features.
  std::uint32_t first_logit = 0;

  LearnedRows batch(std::size_t num_rows, std::size_t words, const LearnedStates& from, LearnedStates* to,
                    bool in_tiles = false) {
    const std::size_t numbers = (in_tiles ? num_logits : num_features) * ((max_rows + 3) / 4 * 4);
    if (features.size() < numbers) {
      features = DeviceArray<float>(numbers);
      // Rows between a batch's last and its pitch are computed with and never looked at; they begin as zeros.
      KROHN_CUDA_CHECK(cudaMemset(features.data(), 0, features.size() * sizeof(float)));
    }
    first_logit = in_tiles ? 0 : logits;
    LearnedRows x;
    x.features = features.data();
    x.pitch = (num_rows + 3) / 4 * 4;
    x.rows = static_cast<std::uint32_t>(num_rows);
    x.words = static_cast<std::uint32_t>(words);
    x.weights = weights.data();
    x.token = token.data();
    x.word = word.data();
    x.first_row = first_row.data();
    x.length = length.data();
    x.state_size = initial.size();
    x.state_in = from.memory().numbers.data();
    x.state_out = to == nullptr ? nullptr : to->memory().numbers.data();
    return x;
  }

  /// `single`: every word has one row, its own index. With a format recurrences run in chunks.
  void run(const LearnedRows& x, bool single, std::optional<ChunkedFormat> chunks = std::nullopt) {
    rows = x;
    if (x.words == 0) return;
    for (const Op& op : operations) {
      switch (op.kind) {
        case Op::Kind::gather:
          if (x.rows > 0) each_row<Each::gather>(op, x);
          break;
        case Op::Kind::multiply:
          if (x.rows > 0) multiply(op, x);
          break;
        case Op::Kind::map:
          if (x.rows > 0) each_row<Each::map>(op, x);
          break;
        case Op::Kind::group:
          if (x.rows > 0) each_row<Each::group>(op, x);
          break;
        case Op::Kind::constants:
          if (x.rows > 0) each_row<Each::constants>(op, x);
          break;
        case Op::Kind::convolution:
          if (single) {
            single_convolution_kernel<<<tiles(x.rows, op.count), dim3(tile, tile_height)>>>(op, x);
          } else {
            if (x.rows > 0) each_row<Each::convolution>(op, x);
            keep<Each::convolution>(op, x);
          }
          break;
        case Op::Kind::shift:
          if (x.rows > 0) each_row<Each::shift>(op, x);
          keep<Each::shift>(op, x);
          break;
        case Op::Kind::stabilizer:
          stabilizer_kernel<<<dim3((x.words + row_threads - 1) / row_threads, op.count), row_threads>>>(op, x);
          break;
        case Op::Kind::recurrence: {
          if (chunks) {
            run_recurrence_chunked(recurrences[op.w0], x, *chunks);
            break;
          }
          Recurrence recurrence = elements::recurrence(recurrences[op.w0], x);
          recurrence.single = single;
          run_recurrence_cuda(recurrence);
          break;
        }
        case Op::Kind::cell: {
          const std::size_t bytes = 5 * sizeof(float) * op.size;
          allow_shared_memory(cell_kernel, bytes);
          const unsigned threads = std::min(512U, (op.size + 31) / 32 * 32);
          cell_kernel<<<dim3(x.words, op.count / op.size), threads, bytes>>>(op, x);
          break;
        }
      }
      check_launch("learned operation");
    }
  }
};

LearnedDevice::LearnedDevice(const LearnedProgramView& program, std::span<const LearnedAnswer> answers,
                             std::size_t max_rows)
    : memory_(std::make_unique<Memory>()) {
  require(max_rows > 0 && max_rows < (std::size_t{1} << 31U), "a number of rows below 2^31");
  Memory& m = *memory_;
  m.operations.assign(program.operations.begin(), program.operations.end());
  m.recurrences.assign(program.recurrences.begin(), program.recurrences.end());
  m.weights = DeviceArray<float>(program.weights);
  m.initial = DeviceArray<float>(program.initial_state);
  m.answers = DeviceArray<LearnedAnswer>(answers);
  m.max_rows = max_rows;
  m.num_features = program.num_features;
  m.logits = program.logits;
  m.num_logits = program.num_logits;
  for (DeviceArray<std::uint32_t>* array : {&m.token, &m.word, &m.first_row, &m.length, &m.source}) {
    *array = DeviceArray<std::uint32_t>(max_rows);
  }
  m.labels = DeviceArray<std::int32_t>(max_rows);
  m.tile_form = LearnedTiles::of(program);
}
LearnedDevice::~LearnedDevice() = default;

void LearnedDevice::restart(LearnedStates& states, std::size_t words) const {
  require(words <= states.capacity(), "room for the states");
  const std::size_t count = words * memory_->initial.size();
  if (count == 0) return;
  restart_kernel<<<1024, 256>>>(memory_->initial.data(), memory_->initial.size(), count,
                                states.memory().numbers.data());
  check_launch("restart_kernel");
}
void LearnedDevice::upload(LearnedStates& states, std::size_t first, std::span<const float> values) const {
  copy_to(states.memory().numbers, values, first * memory_->initial.size());
}
void LearnedDevice::download(const LearnedStates& states, std::size_t first, std::span<float> values) const {
  copy_from(states.memory().numbers, values, first * memory_->initial.size());
}

void LearnedDevice::read_chunked(std::span<const std::uint32_t> tokens, std::size_t length, const LearnedStates& from,
                                 ChunkedFormat format) {
  Memory& m = *memory_;
  require(length > 0 && tokens.size() % length == 0 && tokens.size() <= m.max_rows, "words of one length that fit");
  const std::size_t words = tokens.size() / length;
  require(words <= from.capacity(), "room for the states");
  std::vector<std::uint32_t> word(tokens.size());
  std::vector<std::uint32_t> first_row(words);
  for (std::uint32_t w = 0; w < words; ++w) {
    first_row[w] = static_cast<std::uint32_t>(w * length);
    std::fill_n(word.begin() + first_row[w], length, w);
  }
  copy_to(m.token, tokens);
  copy_to(m.first_row, std::span<const std::uint32_t>(first_row));
  copy_to(m.length,
          std::span<const std::uint32_t>(std::vector<std::uint32_t>(words, static_cast<std::uint32_t>(length))));
  copy_to(m.word, std::span<const std::uint32_t>(word));
  LearnedRows x = m.batch(tokens.size(), words, from, nullptr);
  x.longest = static_cast<std::uint32_t>(length);
  m.run(x, false, format);
}

void LearnedDevice::read(std::span<const std::uint32_t> tokens, std::span<const std::uint32_t> first_row,
                         std::span<const std::uint32_t> length, const LearnedStates& from, LearnedStates& to) {
  Memory& m = *memory_;
  require(tokens.size() <= m.max_rows && length.size() <= m.max_rows && first_row.size() == length.size(),
          "a batch that fits");
  require(length.size() <= from.capacity() && length.size() <= to.capacity(), "room for the states");
  std::vector<std::uint32_t> word(tokens.size());
  std::uint32_t longest = 0;
  for (std::uint32_t w = 0; w < length.size(); ++w) {
    require(first_row[w] + std::size_t{length[w]} <= tokens.size(), "words that lie in the batch");
    std::fill_n(word.begin() + first_row[w], length[w], w);
    longest = std::max(longest, length[w]);
  }
  copy_to(m.token, tokens);
  copy_to(m.first_row, first_row);
  copy_to(m.length, length);
  copy_to(m.word, std::span<const std::uint32_t>(word));
  LearnedRows x = m.batch(tokens.size(), length.size(), from, &to);
  x.longest = longest;
  m.run(x, false);
}

void LearnedDevice::branch(const LearnedStates& from, std::size_t begin, std::size_t count,
                           const LearnedBranches& branches, LearnedStates* to) {
  Memory& m = *memory_;
  const std::size_t rows = count * branches.family();
  require(rows <= m.max_rows && begin + count <= from.capacity() &&
              (to == nullptr || count * branches.words_of_last() <= to->capacity()),
          "branches that fit");
  require(branches.levels == 1 || branches_twice(branches.symbols), "a form of two levels");
  m.branches = branches;
  if (rows == 0) {
    m.rows = LearnedRows{};
    return;
  }
  LearnedRows x = m.batch(rows, rows, from, to, m.tile_form.has_value());
  x.longest = 1;
  if (m.tile_form) {
    m.tile_form->run(x, branches, static_cast<std::uint32_t>(begin));
    m.rows = x;
    return;
  }
  branch_kernel<<<static_cast<unsigned>((rows + 255) / 256), 256>>>(
      {m.token.data(), m.word.data(), m.first_row.data(), m.length.data(), m.source.data()}, branches,
      static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(rows));
  check_launch("branch_kernel");
  x.source = m.source.data();
  m.run(x, true);
}

bool LearnedDevice::branches_twice(std::uint32_t symbols) const {
  return memory_->tile_form && memory_->tile_form->twice(symbols);
}

void LearnedDevice::set_automaton(const LearnedAutomatonView& automaton, LearnedStates& states,
                                  std::span<const std::uint32_t> automaton_states) {
  memory_->delta = DeviceArray<std::uint32_t>(automaton.delta);
  memory_->expected = DeviceArray<std::int32_t>(automaton.expected);
  copy_to(states.memory().automaton, automaton_states);
}

LearnedDevice::Checked LearnedDevice::check(const LearnedStates& from, std::size_t begin, LearnedStates* to,
                                            std::uint32_t compared) {
  Memory& m = *memory_;
  Checked checked;
  if (m.rows.rows == 0) return checked;
  require(m.answers.size() > 0 && m.expected.size() > 0, "answers, and an automaton");
  require(m.delta.size() / m.expected.size() == m.branches.symbols &&
              begin + m.rows.rows / m.branches.family() <= from.capacity() &&
              (to == nullptr || m.rows.rows / m.branches.family() * m.branches.words_of_last() <= to->capacity()),
          "branches, and room for the automaton's states");
  copy_to(m.checked, std::span<const Checked>(&checked, 1));
  check_kernel<<<(m.rows.rows + row_threads - 1) / row_threads, row_threads>>>(
      m.rows, m.first_logit, m.num_logits, m.answers.data(), static_cast<std::uint32_t>(m.answers.size()),
      {m.delta.data(), m.expected.data(), from.memory().automaton.data() + begin,
       to == nullptr ? nullptr : to->memory().automaton.data(), m.branches, compared, m.checked.data()});
  check_launch("check_kernel");
  copy_from(m.checked, std::span<Checked>(&checked, 1));
  return checked;
}

void LearnedDevice::labels(std::span<std::int32_t> out) const {
  const Memory& m = *memory_;
  require(out.size() == m.rows.rows && m.answers.size() > 0, "a label for each row of a model with answers");
  if (out.empty()) return;
  label_kernel<<<(m.rows.rows + row_threads - 1) / row_threads, row_threads>>>(
      m.rows, m.first_logit, m.num_logits, m.answers.data(), static_cast<std::uint32_t>(m.answers.size()),
      m.labels.data());
  check_launch("label_kernel");
  copy_from(m.labels, out);
}

void LearnedDevice::logits(std::span<float> out) const {
  const Memory& m = *memory_;
  require(out.size() == static_cast<std::size_t>(m.rows.rows) * m.num_logits, "logits for each row");
  if (out.empty()) return;
  if (m.turned.size() < out.size()) m.turned = DeviceArray<float>(out.size());
  turn_kernel<<<tiles(m.rows.rows, m.num_logits), dim3(tile, tile_height)>>>(
      m.features.data() + m.first_logit * m.rows.pitch, m.rows.pitch, m.num_logits, m.rows.rows, m.turned.data());
  check_launch("turn_kernel");
  copy_from(m.turned, out);
}

}  // namespace krohn
