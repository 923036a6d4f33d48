// The elementwise rule (Mamba's selective scan, HGRN): every entry of a state is a recurrence h = a h + k v of its own,
// so that nothing is a matrix product. Tested by tests/kernels/chunked_test.cpp.
//
// A thread keeps up to 16 keys of a value column in registers; with more keys, up to eight neighbouring threads share a
// column and add their parts of an output. A block walks through a segment of time with 128 threads' columns, eight
// tokens at a time: what its columns share (keys and queries) goes through shared memory, what is a column's own (steps
// and values) is read ahead into registers. Decays are made where they are used, so that of an input a token
// only steps are read, not a number an entry.
//
// Where sequences and columns alone do not fill the device, time is cut into segments, on two levels: a first launch
// runs every segment from zero and leaves the product of its decays and its state, h -> product h + own; a small kernel
// chains these maps; a last launch runs every segment from its true state. Decays may have any sign, since products are
// taken, not sums of logarithms; a product below the normal numbers is one of a state that is forgotten.
//
// What limits is e^x: one a token and entry, twice with segments.
#include <cuda_bf16.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "chunked_elementwise_plan.hpp"
#include "cuda.cuh"

namespace krohn::entry_scan {
namespace {

constexpr int block_threads = 128;
constexpr int stage_tokens = 8;
constexpr int most_keys = 16;  // of a thread
constexpr int most_parts = 8;  // threads that share a column
constexpr unsigned chain_threads = 256;
constexpr std::size_t blocks_a_multiprocessor = 8;
/// Tokens of a segment at least.
constexpr std::size_t least_segment = 32;

struct Arguments {
  ChunkedArrays arrays;
  std::size_t length = 0;
  std::uint32_t heads = 1;
  std::uint32_t key_heads = 1;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  float scale = 1.0F;
  std::uint32_t parts = 1;  // a power of two
  std::uint32_t tiles = 1;  // blocks that share a sequence's columns
  std::uint32_t segments = 1;
  std::size_t segment_tokens = 0;
  bool output = true;
  /// initial_state is [sequences, segments, key_size, value_size].
  bool initial_by_segment = false;
  /// Where they are there, of every segment: [sequences, segments, key_size, value_size].
  float* own = nullptr;
  float* product = nullptr;
};

template <class Input>
__device__ __forceinline__ Input rounded(float x) {
  if constexpr (sizeof(Input) == sizeof(float)) {
    return x;
  } else {
    return __float2bfloat16_rn(x);
  }
}

/// `keys` of a thread; `rated`: decays are made of steps and rates.
template <int keys, bool rated, class Input>
__global__ void __launch_bounds__(block_threads) scan_entries(const __grid_constant__ Arguments a) {
  // The threads of a column read different places at once: four more numbers a part put them into different banks.
  constexpr int pitch = keys == 1 ? 1 : keys + 4;
  constexpr int row = pitch * (keys == most_keys ? most_parts : 1);
  __shared__ __align__(16) float shared_keys[stage_tokens][row];
  __shared__ __align__(16) float shared_queries[stage_tokens][row];
  const std::uint32_t tile = blockIdx.x % a.tiles;
  const std::size_t index = blockIdx.x / a.tiles;  // of a segment
  const std::size_t segment = index % a.segments;
  const std::size_t sequence = index / a.segments;
  const std::size_t first_row = sequence / a.heads * a.length;
  const std::size_t head = sequence % a.heads;
  const std::size_t key_head = head / (a.heads / a.key_heads);
  const std::uint32_t part = threadIdx.x % a.parts;
  const std::uint32_t column = tile * (block_threads / a.parts) + threadIdx.x / a.parts;
  const std::uint32_t first_key = part * keys;
  const std::size_t state_size = static_cast<std::size_t>(a.key_size) * a.value_size;
  const auto there = [&](int n) { return column < a.value_size && first_key + n < a.key_size; };
  const auto at = [&](int n) { return static_cast<std::size_t>(first_key + n) * a.value_size + column; };

  float state[keys];
  float product[keys];
  float rate[keys];
  // A = gain 2^(x rate) + offset.
  const float gain = a.arrays.signed_rates ? 2.0F : 1.0F;
  const float offset = a.arrays.signed_rates ? -1.0F : 0.0F;
  constexpr float log2_e = 1.44269504088896340736F;
  const float* initial = a.arrays.initial_state;
#pragma unroll
  for (int n = 0; n < keys; ++n) {
    const std::size_t from = (a.initial_by_segment ? index : sequence) * state_size;
    state[n] = initial != nullptr && there(n) ? initial[from + at(n)] : 0.0F;
    product[n] = 1.0F;
    rate[n] = rated && there(n) ? a.arrays.rates[at(n)] * log2_e : 0.0F;
  }
  // Keys beyond the last one stay zero.
  for (int i = static_cast<int>(threadIdx.x); i < stage_tokens * row; i += block_threads) {
    (&shared_keys[0][0])[i] = 0.0F;
    (&shared_queries[0][0])[i] = 0.0F;
  }

  const Input* const all_keys = static_cast<const Input*>(a.arrays.key);
  const Input* const all_queries = static_cast<const Input*>(a.arrays.query);
  const Input* const all_values = static_cast<const Input*>(a.arrays.value);
  const float* const decays = static_cast<const float*>(a.arrays.decay);
  Input* const out = static_cast<Input*>(a.arrays.output);
  const std::size_t begin = segment * a.segment_tokens;
  const std::size_t end = min(a.length, begin + a.segment_tokens);
  for (std::size_t first = begin; first < end; first += stage_tokens) {
    const int count = static_cast<int>(min(static_cast<std::size_t>(stage_tokens), end - first));
    // Of this column at every token of the stage; `step` is x, or the decay itself of a thread with one key.
    float value[stage_tokens];
    float step[stage_tokens];
#pragma unroll
    for (int t = 0; t < stage_tokens; ++t) {
      const std::size_t by_head = (first_row + first + t) * a.heads + head;
      const bool read = t < count && column < a.value_size;
      value[t] = read ? static_cast<float>(all_values[by_head * a.value_size + column]) : 0.0F;
      step[t] = 0.0F;
      if constexpr (rated) {
        if (read) step[t] = decays[by_head * a.value_size + column];
      } else if constexpr (keys == 1) {
        if (t < count && there(0)) step[t] = decays[by_head * state_size + at(0)];
      }
    }
    __syncthreads();  // the stage before has been read
    for (std::uint32_t i = threadIdx.x; i < static_cast<std::uint32_t>(count) * a.key_size; i += block_threads) {
      const std::uint32_t t = i / a.key_size;
      const std::uint32_t key = i % a.key_size;
      const std::size_t from = ((first_row + first + t) * a.key_heads + key_head) * a.key_size + key;
      const std::uint32_t to = key / keys * pitch + key % keys;
      shared_keys[t][to] = static_cast<float>(all_keys[from]);
      shared_queries[t][to] = static_cast<float>(all_queries[from]);
    }
    __syncthreads();
#pragma unroll
    for (int t = 0; t < stage_tokens; ++t) {
      if (t >= count) break;
      const std::size_t by_head = (first_row + first + t) * a.heads + head;
      float key[keys];
      float query[keys];
      if constexpr (keys == 1) {
        key[0] = shared_keys[t][0];
        query[0] = shared_queries[t][0];
      } else {
#pragma unroll
        for (int n = 0; n < keys; n += 4) {
          const float4 k = *reinterpret_cast<const float4*>(&shared_keys[t][part * pitch + n]);
          key[n] = k.x, key[n + 1] = k.y, key[n + 2] = k.z, key[n + 3] = k.w;
          const float4 q = *reinterpret_cast<const float4*>(&shared_queries[t][part * pitch + n]);
          query[n] = q.x, query[n + 1] = q.y, query[n + 2] = q.z, query[n + 3] = q.w;
        }
      }
      float decay[keys];
#pragma unroll
      for (int n = 0; n < keys; ++n) {
        if constexpr (rated) {
          decay[n] = fmaf(gain, power_of_two(step[t] * rate[n]), offset);
        } else if constexpr (keys == 1) {
          decay[n] = step[t];
        } else {
          decay[n] = there(n) ? decays[by_head * state_size + at(n)] : 0.0F;
        }
        state[n] = fmaf(decay[n], state[n], key[n] * value[t]);
      }
      if (a.product != nullptr) {
#pragma unroll
        for (int n = 0; n < keys; ++n) product[n] *= decay[n];
      }
      if (a.output) {
        float sum = 0.0F;
#pragma unroll
        for (int n = 0; n < keys; ++n) sum = fmaf(query[n], state[n], sum);
        for (std::uint32_t other = a.parts / 2; other > 0; other /= 2) sum += __shfl_xor_sync(0xFFFFFFFFU, sum, other);
        if (part == 0 && column < a.value_size) out[by_head * a.value_size + column] = rounded<Input>(sum * a.scale);
      }
    }
  }
  const bool last = segment + 1 == a.segments && a.arrays.final_state != nullptr;
#pragma unroll
  for (int n = 0; n < keys; ++n) {
    if (!there(n)) continue;
    if (a.own != nullptr) a.own[index * state_size + at(n)] = state[n];
    if (a.product != nullptr) a.product[index * state_size + at(n)] = product[n];
    if (last) a.arrays.final_state[sequence * state_size + at(n)] = state[n];
  }
}

/// before[s + 1] = product[s] before[s] + own[s], from `initial` (or zero).
__global__ void __launch_bounds__(chain_threads)
    chain_entries(const float* product, const float* own, const float* initial, float* before, std::uint32_t segments,
                  std::size_t state_size) {
  const std::size_t sequence = blockIdx.x;
  const std::size_t i = static_cast<std::size_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  if (i >= state_size) return;
  float state = initial == nullptr ? 0.0F : initial[sequence * state_size + i];
#pragma unroll 8
  for (std::uint32_t s = 0; s < segments; ++s) {
    const std::size_t at = (sequence * segments + s) * state_size + i;
    before[at] = state;
    state = fmaf(product[at], state, own[at]);
  }
}

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

using Kernel = void (*)(Arguments);

template <int keys, class Input>
Kernel kernel_of(bool rated) {
  return rated ? scan_entries<keys, true, Input> : scan_entries<keys, false, Input>;
}

template <class Input>
Kernel kernel_of(std::size_t key_size, bool rated) {
  if (key_size == 1) return kernel_of<1, Input>(rated);
  return key_size <= 8 ? kernel_of<8, Input>(rated) : kernel_of<most_keys, Input>(rated);
}

}  // namespace

struct Plan::Parts {
  ChunkedFormat format;
  Arguments arguments;
  std::size_t sequences = 0;
  std::size_t state_size = 0;
  DeviceArray<float> own, product, before;

  void launch(const Arguments& a) const {
    const bool rated = a.arrays.rates != nullptr;
    const Kernel kernel = format == ChunkedFormat::fp32 ? kernel_of<float>(a.key_size, rated)
                                                        : kernel_of<__nv_bfloat16>(a.key_size, rated);
    kernel<<<static_cast<unsigned>(sequences * a.segments * a.tiles), block_threads>>>(a);
    check_launch("scan_entries");
  }
};

Plan::Plan(ChunkedFormat format, const ChunkedShape& shape, float scale) : parts_(std::make_unique<Parts>()) {
  Parts& p = *parts_;
  p.format = format;
  p.sequences = shape.batch * shape.heads;
  p.state_size = shape.key_size * shape.value_size;
  Arguments& a = p.arguments;
  a.length = shape.length;
  a.heads = static_cast<std::uint32_t>(shape.heads);
  a.key_heads = static_cast<std::uint32_t>(shape.key_heads);
  a.key_size = static_cast<std::uint32_t>(shape.key_size);
  a.value_size = static_cast<std::uint32_t>(shape.value_size);
  a.scale = scale;
  while (a.parts * most_keys < a.key_size) a.parts *= 2;
  a.tiles = static_cast<std::uint32_t>(divide_up(shape.value_size, block_threads / a.parts));
  const std::size_t room = static_cast<std::size_t>(multiprocessors()) * blocks_a_multiprocessor;
  const std::size_t blocks = std::max<std::size_t>(p.sequences * a.tiles, 1);
  std::size_t segments =
      std::clamp<std::size_t>(room / blocks, 1, std::max<std::size_t>(shape.length / least_segment, 1));
  if (segments < 4) segments = 1;  // three launches do twice the work
  a.segment_tokens =
      divide_up(divide_up(std::max<std::size_t>(shape.length, 1), segments), stage_tokens) * stage_tokens;
  a.segments = static_cast<std::uint32_t>(divide_up(std::max<std::size_t>(shape.length, 1), a.segment_tokens));
  if (a.segments > 1) {
    const std::size_t numbers = p.sequences * a.segments * p.state_size;
    p.own = DeviceArray<float>(numbers);
    p.product = DeviceArray<float>(numbers);
    p.before = DeviceArray<float>(numbers);
  }
}
Plan::~Plan() = default;

std::size_t Plan::segments() const noexcept { return parts_->arguments.segments; }

void Plan::run(const ChunkedArrays& arrays) {
  const Parts& p = *parts_;
  Arguments a = p.arguments;
  a.arrays = arrays;
  if (a.segments > 1) {
    Arguments first = a;
    first.output = false;
    first.arrays.initial_state = nullptr;
    first.arrays.final_state = nullptr;
    first.own = p.own.data();
    first.product = p.product.data();
    p.launch(first);
    const dim3 blocks(static_cast<unsigned>(p.sequences),
                      static_cast<unsigned>(divide_up(p.state_size, std::size_t{chain_threads})));
    chain_entries<<<blocks, chain_threads>>>(p.product.data(), p.own.data(), arrays.initial_state, p.before.data(),
                                             a.segments, p.state_size);
    check_launch("chain_entries");
    a.arrays.initial_state = p.before.data();
    a.initial_by_segment = true;
  }
  p.launch(a);
}

}  // namespace krohn::entry_scan
