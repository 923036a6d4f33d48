// Shapes, segments and host memory of the chunked forms; the kernels are in chunked.cuh.
//
// A few long sequences do not fill the device. They are cut into segments: the state after a segment is an affine map
// of the state before it. A first launch runs every segment from zero (and, for delta, from the unit states without
// values, which gives the map's matrix), a small kernel chains the maps, a last launch runs every segment from its true
// state, in bf16 and with more than 32 keys with the inverses that the first has kept. Three launches instead of one,
// over as many blocks as the device holds.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "chunked.cuh"
#include "chunked_elementwise_plan.hpp"
#include "chunked_keywise_delta_plan.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using chunked::Arguments;

constexpr unsigned chain_threads = 256;
constexpr int chain_columns = 4;

/// Segments' maps on their way to a block: a float4 of a row for each of the `quads` of a thread, and a float.
template <int K>
struct ChainStage {
  static constexpr int quads = K / 16;
  static constexpr int threads = 4 * K;
  float4 factors[quads][threads];
  float constants[threads];
};
template <int K>
constexpr int chain_stages = K == 64 ? 8 : 3;

/// A float from global to shared memory without registers; 0 where `there` is false.
__device__ __forceinline__ void copy_float_async(float* to, const float* from, bool there) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(chunked::shared_address(to)), "l"(from),
               "r"(there ? 4 : 0)
               : "memory");
}

/// before[s + 1] = transfer[s] before[s] + own[s], from `initial` (or zero); chain_columns value columns a block. Four
/// threads share a key's row and end with a column each. What does not depend on the state is copied ahead, by every
/// thread for itself.
template <int K>
__global__ void __launch_bounds__(4 * K) chain_transfers(const float* transfer, const float* own, const float* initial,
                                                         float* before, int segments, int key_size, int value_size) {
  static_assert(chain_columns == 4);
  using Stage = ChainStage<K>;
  constexpr int stages = chain_stages<K>;
  extern __shared__ __align__(16) unsigned char chain_memory[];
  Stage* ring = reinterpret_cast<Stage*>(chain_memory);
  __shared__ float4 states[2][K + K / 4];  // rows; one more after four, for the four threads' banks
  const auto place = [](int row) { return row + row / 4; };
  const int thread = static_cast<int>(threadIdx.x);
  const int key = thread / 4;
  const int part = thread % 4;
  const int column = static_cast<int>(blockIdx.y) * chain_columns + part;
  const std::size_t sequence = blockIdx.x;
  const std::size_t size = static_cast<std::size_t>(key_size) * value_size;
  const bool there = key < key_size && column < value_size;
  const std::size_t at = static_cast<std::size_t>(key) * value_size + column;
  const auto copy = [&](int s) {
    if (s + 1 < segments) {
      const std::size_t index = sequence * segments + s;
      const float* row = transfer + (index * key_size + key) * key_size;
      Stage& to = ring[s % stages];
#pragma unroll
      for (int q = 0; q < Stage::quads; ++q) {
        const int first = 4 * (4 * q + part);
        chunked::copy_async(chunked::shared_address(&to.factors[q][thread]), row + first,
                            key < key_size && first < key_size);
      }
      copy_float_async(&to.constants[thread], own + index * size + at, there);
    }
    chunked::commit_copies();
  };
#pragma unroll 1
  for (int s = 0; s < stages - 1; ++s) copy(s);
  float state = initial != nullptr && there ? initial[sequence * size + at] : 0.0F;
  for (int s = 0; s < segments; ++s) {
    if (there) before[(sequence * segments + s) * size + at] = state;
    if (s + 1 == segments) break;
    copy(s + stages - 1);
    float4(&rows)[K + K / 4] = states[s & 1];
    reinterpret_cast<float*>(rows + place(key))[part] = state;
    chunked::wait_for_copies<stages - 1>();
    __syncthreads();
    const Stage& from = ring[s % stages];
    float sums[4] = {};
#pragma unroll
    for (int q = 0; q < Stage::quads; ++q) {
      const float4 quad = from.factors[q][thread];
      const float x[4] = {quad.x, quad.y, quad.z, quad.w};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float4 row = rows[place(16 * q + 4 * part + j)];
        sums[0] = fmaf(x[j], row.x, sums[0]);
        sums[1] = fmaf(x[j], row.y, sums[1]);
        sums[2] = fmaf(x[j], row.z, sums[2]);
        sums[3] = fmaf(x[j], row.w, sums[3]);
      }
    }
    // Thread `part` gets column `part`.
    const bool upper = (part & 2) != 0;
    float pair[2];
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const float other = __shfl_xor_sync(0xFFFFFFFFU, upper ? sums[e] : sums[2 + e], 2);
      pair[e] = (upper ? sums[2 + e] : sums[e]) + other;
    }
    const bool odd = (part & 1) != 0;
    const float other = __shfl_xor_sync(0xFFFFFFFFU, odd ? pair[0] : pair[1], 1);
    state = from.constants[thread] + ((odd ? pair[1] : pair[0]) + other);
  }
}

/// The same for decays, in base 2, one a segment or one a segment and key.
__global__ void __launch_bounds__(chain_threads)
    chain_decays(const float* decay, bool by_key, const float* own, const float* initial, float* before, int segments,
                 int key_size, int value_size) {
  const std::size_t sequence = blockIdx.x;
  const std::size_t size = static_cast<std::size_t>(key_size) * value_size;
  const std::size_t i = static_cast<std::size_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  if (i >= size) return;
  float state = initial == nullptr ? 0.0F : initial[sequence * size + i];
#pragma unroll 8
  for (int s = 0; s < segments; ++s) {
    const std::size_t index = sequence * segments + s;
    before[index * size + i] = state;
    const float power = by_key ? decay[index * key_size + i / value_size] : decay[index];
    state = fmaf(chunked::power_of_two(power), state, own[index * size + i]);
  }
}

void require(bool holds, const std::string& what) {
  if (!holds) throw InputError("chunked form: expected " + what);
}

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Queries, keys, values and decays between host floats and the device's padded arrays.
class Carried {
 public:
  Carried(ChunkedFormat format, std::span<const float> values, std::size_t columns, std::size_t padded) {
    if (values.empty()) return;
    const std::size_t rows = values.size() / columns;
    if (format == ChunkedFormat::fp32) {
      std::vector<float> host(rows * padded, 0.0F);
      for (std::size_t r = 0; r < rows; ++r)
        std::copy_n(values.data() + r * columns, columns, host.data() + r * padded);
      single_ = DeviceArray<float>(std::span<const float>(host));
    } else {
      std::vector<__nv_bfloat16> host(rows * padded, __float2bfloat16_rn(0.0F));
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t i = 0; i < columns; ++i) host[r * padded + i] = __float2bfloat16_rn(values[r * columns + i]);
      }
      half_ = DeviceArray<__nv_bfloat16>(std::span<const __nv_bfloat16>(host));
    }
  }
  const void* data() const {
    return single_.data() != nullptr ? static_cast<const void*>(single_.data()) : half_.data();
  }

 private:
  DeviceArray<float> single_;
  DeviceArray<__nv_bfloat16> half_;
};

/// Rows and columns of a state between sizes; pads with zeros or cuts.
std::vector<float> resized(std::span<const float> states, std::size_t keys, std::size_t values, std::size_t to_keys,
                           std::size_t to_values) {
  const std::size_t count = states.size() / (keys * values);
  std::vector<float> out(count * to_keys * to_values, 0.0F);
  for (std::size_t s = 0; s < count; ++s) {
    for (std::size_t k = 0; k < std::min(keys, to_keys); ++k) {
      for (std::size_t v = 0; v < std::min(values, to_values); ++v) {
        out[(s * to_keys + k) * to_values + v] = states[(s * keys + k) * values + v];
      }
    }
  }
  return out;
}

}  // namespace

void chunked::chain(const float* transfer, const float* own, const float* initial, float* before, std::size_t sequences,
                    int segments, int key_size, int value_size) {
  const dim3 blocks(static_cast<unsigned>(sequences),
                    static_cast<unsigned>(divide_up(static_cast<std::size_t>(value_size), chain_columns)));
  const auto start = [&](auto kernel, unsigned threads, std::size_t bytes) {
    allow_shared_memory(kernel, bytes);
    kernel<<<blocks, threads, bytes>>>(transfer, own, initial, before, segments, key_size, value_size);
  };
  if (key_size <= 64) {
    start(chain_transfers<64>, ChainStage<64>::threads, sizeof(ChainStage<64>) * chain_stages<64>);
  } else {
    start(chain_transfers<128>, ChainStage<128>::threads, sizeof(ChainStage<128>) * chain_stages<128>);
  }
  check_launch("chain_transfers");
}

struct ChunkedRecurrence::Plan {
  ChunkedRule rule;
  ChunkedFormat format;
  ChunkedShape shape;
  Arguments arguments;
  std::size_t sequences = 0;
  DeviceArray<float> own, transfer, decay, before;
  DeviceArray<unsigned char> inverses;
  // All of it, for keywise_delta and rank_one, and for elementwise.
  std::unique_ptr<keywise_delta::Plan> keywise_delta;
  std::unique_ptr<entry_scan::Plan> elementwise;

  void launch(const Arguments& a, unsigned tiles) const {
    const auto blocks = static_cast<unsigned>(sequences * static_cast<std::size_t>(a.segments));
    const bool fp32 = format == ChunkedFormat::fp32;
    switch (rule) {
      case ChunkedRule::delta:
        return fp32 ? chunked::launch_delta_fp32(a, blocks, tiles) : chunked::launch_delta_bf16(a, blocks, tiles);
      case ChunkedRule::linear:
        return fp32 ? chunked::launch_linear_fp32(a, blocks, tiles) : chunked::launch_linear_bf16(a, blocks, tiles);
      case ChunkedRule::keywise_delta:  // have a plan of their own
      case ChunkedRule::rank_one:
      case ChunkedRule::elementwise:
        break;
      case ChunkedRule::keywise:
        return fp32 ? chunked::launch_keywise_fp32(a, blocks, tiles) : chunked::launch_keywise_bf16(a, blocks, tiles);
    }
  }
};

ChunkedRecurrence::ChunkedRecurrence(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale)
    : plan_(std::make_unique<Plan>()) {
  const std::size_t step = rule == ChunkedRule::elementwise ? 1 : 8;
  require(shape.key_size > 0 && shape.key_size <= 128 && shape.key_size % step == 0,
          "key_size a multiple of " + std::to_string(step) + " up to 128, got " + std::to_string(shape.key_size));
  require(shape.value_size > 0 && shape.value_size % step == 0,
          "value_size a positive multiple of " + std::to_string(step) + ", got " + std::to_string(shape.value_size));
  require(shape.heads > 0 && shape.key_heads > 0 && shape.heads % shape.key_heads == 0,
          "key_heads to divide heads, got " + std::to_string(shape.key_heads) + " and " + std::to_string(shape.heads));
  require(shape.householder >= 1 && shape.householder <= 4,
          "householder from 1 to 4, got " + std::to_string(shape.householder));
  require(rule == ChunkedRule::delta || shape.householder == 1, "householder 1 for a rule without it");
  Plan& p = *plan_;
  p.rule = rule;
  p.format = format;
  p.shape = shape;
  p.sequences = shape.batch * shape.heads;
  if (rule == ChunkedRule::keywise_delta || rule == ChunkedRule::rank_one) {
    p.keywise_delta = std::make_unique<keywise_delta::Plan>(rule, format, shape, scale);
    return;
  }
  if (rule == ChunkedRule::elementwise) {
    p.elementwise = std::make_unique<entry_scan::Plan>(format, shape, scale);
    return;
  }
  Arguments& a = p.arguments;
  a.length = shape.length;
  a.heads = static_cast<int>(shape.heads);
  a.key_heads = static_cast<int>(shape.key_heads);
  a.key_size = static_cast<int>(shape.key_size);
  a.value_size = static_cast<int>(shape.value_size);
  a.householder = static_cast<int>(shape.householder);
  a.scale = scale;
  const int most_warps = a.key_size > 64 && format == ChunkedFormat::bf16 ? 8 : 4;
  a.state_warps = std::min(most_warps, static_cast<int>(divide_up(shape.value_size, 16)));
  const bool grouped = a.key_size > 32 && format == ChunkedFormat::bf16;  // warps work in groups of four
  if (grouped) a.state_warps = static_cast<int>(divide_up(a.state_warps, 4)) * 4;
  a.value_tiles = static_cast<int>(divide_up(shape.value_size, 16 * static_cast<std::size_t>(a.state_warps)));
  const std::size_t chunk_tokens = static_cast<std::size_t>(chunked::chunk_steps) / shape.householder;
  const std::size_t chunks = divide_up(shape.length, chunk_tokens);
  // One block a multiprocessor, two where they fit; at least 8 chunks a segment, so that three passes are worth it.
  const std::size_t room =
      static_cast<std::size_t>(multiprocessors()) * (a.key_size <= 64 && format == ChunkedFormat::bf16 ? 2 : 1);
  const std::size_t blocks = p.sequences * static_cast<std::size_t>(a.value_tiles);
  std::size_t segments =
      blocks == 0 ? 1 : std::clamp<std::size_t>(room / blocks, 1, std::max<std::size_t>(chunks / 8, 1));
  if (segments < 4) segments = 1;
  a.segment_chunks = static_cast<int>(divide_up(std::max<std::size_t>(chunks, 1), segments));
  a.segments =
      static_cast<int>(divide_up(std::max<std::size_t>(chunks, 1), static_cast<std::size_t>(a.segment_chunks)));
  if (a.segments > 1) {
    const std::size_t parts = p.sequences * static_cast<std::size_t>(a.segments);
    p.own = DeviceArray<float>(parts * shape.key_size * shape.value_size);
    p.before = DeviceArray<float>(parts * shape.key_size * shape.value_size);
    if (rule == ChunkedRule::delta) {
      p.transfer = DeviceArray<float>(parts * shape.key_size * shape.key_size);
      if (grouped) {
        using L = chunked::Layout<64, ChunkedRule::delta, __nv_bfloat16, chunked::Pass::last>;
        p.inverses = DeviceArray<unsigned char>(parts * static_cast<std::size_t>(a.segment_chunks) * L::inverse_bytes);
      }
    } else {
      p.decay = DeviceArray<float>(parts * (rule == ChunkedRule::keywise ? shape.key_size : 1));
    }
  }
}
ChunkedRecurrence::~ChunkedRecurrence() = default;
ChunkedRecurrence::ChunkedRecurrence(ChunkedRecurrence&&) noexcept = default;
ChunkedRecurrence& ChunkedRecurrence::operator=(ChunkedRecurrence&&) noexcept = default;

std::size_t ChunkedRecurrence::segments() const noexcept {
  if (plan_->keywise_delta) return plan_->keywise_delta->segments();
  if (plan_->elementwise) return plan_->elementwise->segments();
  return static_cast<std::size_t>(plan_->arguments.segments);
}

void ChunkedRecurrence::run(const ChunkedArrays& arrays) {
  Plan& p = *plan_;
  if (p.sequences == 0) return;
  if (p.keywise_delta) return p.keywise_delta->run(arrays);
  if (p.elementwise) return p.elementwise->run(arrays);
  Arguments a = p.arguments;
  a.arrays = arrays;
  a.inverses = p.inverses.data();
  const auto tiles = static_cast<unsigned>(a.value_tiles);
  if (a.segments == 1) return p.launch(a, tiles);

  Arguments first = a;
  first.pass = chunked::Pass::first;
  first.arrays.initial_state = nullptr;
  first.arrays.final_state = p.own.data();
  first.final_by_segment = true;
  first.transfer = p.transfer.data();
  first.segment_decay = p.decay.data();
  const bool delta = p.rule == ChunkedRule::delta;
  const unsigned unit_tiles =
      delta ? static_cast<unsigned>(divide_up(p.shape.key_size, 16 * static_cast<std::size_t>(a.state_warps))) : 0;
  p.launch(first, tiles + unit_tiles);
  if (delta) {
    chunked::chain(p.transfer.data(), p.own.data(), arrays.initial_state, p.before.data(), p.sequences, a.segments,
                   a.key_size, a.value_size);
  } else {
    const auto blocks = static_cast<unsigned>(divide_up(p.shape.key_size * p.shape.value_size, chain_threads));
    chain_decays<<<dim3(static_cast<unsigned>(p.sequences), blocks), chain_threads>>>(
        p.decay.data(), p.rule == ChunkedRule::keywise, p.own.data(), arrays.initial_state, p.before.data(), a.segments,
        a.key_size, a.value_size);
    check_launch("chain_decays");
  }
  a.arrays.initial_state = p.before.data();
  a.initial_by_segment = true;
  a.pass = chunked::Pass::last;
  p.launch(a, tiles);
}

double run_chunked(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale,
                   const ChunkedHostArrays& arrays) {
  const bool as_it_is = rule == ChunkedRule::elementwise;
  const std::size_t keys = as_it_is ? shape.key_size : divide_up(shape.key_size, 8) * 8;
  const std::size_t values = as_it_is ? shape.value_size : divide_up(shape.value_size, 8) * 8;
  ChunkedShape padded = shape;
  padded.key_size = keys;
  padded.value_size = values;
  const Carried query(format, arrays.query, shape.key_size, keys);
  const Carried key(format, arrays.key, shape.key_size, keys);
  const Carried value(format, arrays.value, shape.value_size, values);
  const bool keywise =
      rule == ChunkedRule::keywise || rule == ChunkedRule::keywise_delta || rule == ChunkedRule::rank_one;
  const Carried decay(keywise ? format : ChunkedFormat::fp32, arrays.decay, keywise ? shape.key_size : 1,
                      keywise ? keys : 1);
  const Carried read(format, arrays.read, shape.key_size, keys);
  const Carried write(format, arrays.write, shape.key_size, keys);
  const DeviceArray<float> beta(arrays.beta);
  const DeviceArray<float> rates(arrays.rates);
  const DeviceArray<float> initial(
      std::span<const float>(resized(arrays.initial_state, shape.key_size, shape.value_size, keys, values)));
  const std::size_t sequences = shape.batch * shape.heads;
  const DeviceArray<float> final_state(arrays.final_state.empty() ? 0 : sequences * keys * values);
  const std::size_t numbers = shape.batch * shape.length * shape.heads * values;
  const bool fp32 = format == ChunkedFormat::fp32;
  const DeviceArray<float> single(fp32 ? numbers : 0);
  const DeviceArray<__nv_bfloat16> half(fp32 ? 0 : numbers);
  ChunkedArrays device;
  device.query = query.data();
  device.key = key.data();
  device.value = value.data();
  device.beta = beta.data();
  device.decay = decay.data();
  device.initial_state = initial.data();
  device.output = fp32 ? static_cast<void*>(single.data()) : half.data();
  device.final_state = final_state.data();
  device.read = read.data();
  device.write = write.data();
  device.rates = rates.data();
  device.signed_rates = arrays.signed_rates;
  ChunkedRecurrence recurrence(rule, format, padded, scale);
  EventTimer timer;
  recurrence.run(device);
  const double milliseconds = timer.milliseconds();
  std::vector<float> outputs(numbers);
  if (fp32) {
    single.download(outputs);
  } else {
    std::vector<__nv_bfloat16> rounded(numbers);
    half.download(std::span<__nv_bfloat16>(rounded));
    std::transform(rounded.begin(), rounded.end(), outputs.begin(),
                   [](__nv_bfloat16 x) { return __bfloat162float(x); });
  }
  for (std::size_t r = 0; r < numbers / values; ++r) {
    std::copy_n(outputs.data() + r * values, shape.value_size, arrays.output.data() + r * shape.value_size);
  }
  if (!arrays.final_state.empty()) {
    std::vector<float> states(final_state.size());
    final_state.download(states);
    const std::vector<float> cut = resized(states, keys, values, shape.key_size, shape.value_size);
    std::copy(cut.begin(), cut.end(), arrays.final_state.begin());
  }
  return milliseconds;
}

}  // namespace krohn
