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

/// Steps whose maps are on their way to a thread's registers.
template <int K>
constexpr int chain_ahead = K == 64 ? 2 : 1;
/// Blocks of chain_transfers that a multiprocessor holds.
constexpr int chain_blocks(int key_size) { return key_size <= 64 ? 3 : 1; }

/// A chain of the maps of segments first .. first + group_segments - 1 of a sequence a block, first = group_segments
/// times the number of the group.
struct ChainArguments {
  const float* transfer = nullptr;  // [sequences, segments, key_size, key_size]
  const float* own = nullptr;       // [sequences, segments, key_size, value_size]
  const float* initial = nullptr;   // [sequences, groups, key_size, value_size], or nullptr: zeros
  float* before = nullptr;     // [sequences, segments, key_size, value_size], the states before segments, or nullptr
  float* group_own = nullptr;  // the groups' own maps, [sequences, groups, ..], or nullptr
  float* group_transfer = nullptr;
  int segments = 1;
  int groups = 1;
  int group_segments = 1;
  int key_size = 0;
  int value_size = 0;
  int value_tiles = 0;  // of chain_columns; those behind them start from unit states
};

/// before[s + 1] = transfer[s] before[s] + own[s], from `initial`; chain_columns value columns a block. Four threads
/// share two keys' rows, a quarter of the sums' terms each, and end with a column each. Rows of maps are a thread's
/// own, and loaded ahead; states go by way of shared memory.
template <int K>
__global__ void __launch_bounds__(2 * K) chain_transfers(const __grid_constant__ ChainArguments a) {
  static_assert(chain_columns == 4);
  constexpr int quads = K / 16;
  constexpr int buffers = chain_ahead<K> + 1;
  struct Map {
    float4 factors[2][quads];
    float constants[2];
  };
  __shared__ float4 states[2][K + K / 4];  // rows; one more after four, for the four threads' banks
  const auto place = [](int row) { return row + row / 4; };
  const int thread = static_cast<int>(threadIdx.x);
  const int key = thread / 4 * 2;
  const int part = thread % 4;
  const int group = static_cast<int>(blockIdx.x) % a.groups;
  const int tile = static_cast<int>(blockIdx.y);
  const bool unit = tile >= a.value_tiles;
  const int columns = unit ? a.key_size : a.value_size;
  const int column = (unit ? tile - a.value_tiles : tile) * chain_columns + part;
  const int count = min(a.group_segments, a.segments - group * a.group_segments);
  const int steps = a.group_own != nullptr ? count : count - 1;
  const std::size_t first =
      static_cast<std::size_t>(blockIdx.x) / a.groups * a.segments + static_cast<std::size_t>(group) * a.group_segments;
  const std::size_t size = static_cast<std::size_t>(a.key_size) * columns;
  const bool there = key < a.key_size && column < columns;  // key sizes are even
  const std::size_t at = static_cast<std::size_t>(key) * columns + column;
  const auto load = [&](Map& map, int s) {
    const std::size_t index = first + s;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float4* row = reinterpret_cast<const float4*>(a.transfer + (index * a.key_size + key + r) * a.key_size);
#pragma unroll
      for (int q = 0; q < quads; ++q) {
        const int quad = 4 * q + part;
        const bool inside = s < steps && key < a.key_size && 4 * quad < a.key_size;
        map.factors[r][q] = inside ? __ldg(row + quad) : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
      }
      map.constants[r] = s < steps && there && !unit ? __ldg(a.own + index * size + at + r * columns) : 0.0F;
    }
  };
  float state[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    state[r] = unit && key + r == column ? 1.0F : 0.0F;
    if (!unit && there && a.initial != nullptr) state[r] = a.initial[blockIdx.x * size + at + r * columns];
  }
  Map maps[buffers];
#pragma unroll
  for (int b = 0; b < chain_ahead<K>; ++b) load(maps[b], b);
  for (int begin = 0; begin < count; begin += buffers) {
#pragma unroll
    for (int b = 0; b < buffers; ++b) {
      const int s = begin + b;
      if (s >= count) break;
      if (there && a.before != nullptr) {
        a.before[(first + s) * size + at] = state[0];
        a.before[(first + s) * size + at + columns] = state[1];
      }
      if (s == steps) break;
      load(maps[(b + chain_ahead<K>) % buffers], s + chain_ahead<K>);
      float4(&rows)[K + K / 4] = states[s & 1];
      reinterpret_cast<float*>(rows + place(key))[part] = state[0];
      reinterpret_cast<float*>(rows + place(key + 1))[part] = state[1];
      __syncthreads();
      const Map& map = maps[b];
      float sums[2][4] = {};
#pragma unroll
      for (int q = 0; q < quads; ++q) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const float4 row = rows[place(16 * q + 4 * part + j)];
#pragma unroll
          for (int r = 0; r < 2; ++r) {
            const float4& quad = map.factors[r][q];
            const float x = j == 0 ? quad.x : j == 1 ? quad.y : j == 2 ? quad.z : quad.w;
            sums[r][0] = fmaf(x, row.x, sums[r][0]);
            sums[r][1] = fmaf(x, row.y, sums[r][1]);
            sums[r][2] = fmaf(x, row.z, sums[r][2]);
            sums[r][3] = fmaf(x, row.w, sums[r][3]);
          }
        }
      }
      // Thread `part` gets column `part`.
      const bool upper = (part & 2) != 0;
      const bool odd = (part & 1) != 0;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float pair[2];
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const float other = __shfl_xor_sync(0xFFFFFFFFU, upper ? sums[r][e] : sums[r][2 + e], 2);
          pair[e] = (upper ? sums[r][2 + e] : sums[r][e]) + other;
        }
        const float other = __shfl_xor_sync(0xFFFFFFFFU, odd ? pair[0] : pair[1], 1);
        state[r] = map.constants[r] + ((odd ? pair[1] : pair[0]) + other);
      }
    }
  }
  if (!there || a.group_own == nullptr) return;
  float* to = (unit ? a.group_transfer : a.group_own) + blockIdx.x * size + at;
  to[0] = state[0];
  to[columns] = state[1];
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
    state = fmaf(power_of_two(power), state, own[index * size + i]);
  }
}

void require(bool holds, const std::string& what) {
  if (!holds) throw InputError("chunked form: expected " + what);
}

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Of value columns.
std::size_t chain_tiles(int columns) { return divide_up(static_cast<std::size_t>(columns), chain_columns); }

/// Steps of chain_transfers that follow each other when segments are chained in groups of `group`, blocks that wait for
/// others included: within groups, over groups, within groups again.
std::size_t chain_steps(std::size_t sequences, std::size_t segments, std::size_t group, int key_size, int value_size) {
  const std::size_t groups = divide_up(segments, group);
  const std::size_t at_once = static_cast<std::size_t>(multiprocessors()) * chain_blocks(key_size);
  const auto waves = [&](std::size_t blocks) { return divide_up(sequences * blocks, at_once); };
  const std::size_t values = chain_tiles(value_size);
  return group * waves(groups * (values + chain_tiles(key_size))) + groups * waves(values) +
         group * waves(groups * values);
}

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

chunked::Chain::Chain(std::size_t sequences, int segments, int key_size, int value_size)
    : sequences_(sequences), key_size_(key_size), value_size_(value_size) {
  const auto most = static_cast<std::size_t>(segments);
  std::size_t best = most;
  for (std::size_t group = 2; group < most; ++group) {
    const std::size_t steps = chain_steps(sequences, most, group, key_size, value_size);
    if (steps >= best) continue;
    best = steps;
    group_segments_ = static_cast<int>(group);
  }
  if (group_segments_ == 0) return;
  const std::size_t groups = sequences * divide_up(most, static_cast<std::size_t>(group_segments_));
  const auto keys = static_cast<std::size_t>(key_size);
  own_ = DeviceArray<float>(groups * keys * static_cast<std::size_t>(value_size));
  before_ = DeviceArray<float>(groups * keys * static_cast<std::size_t>(value_size));
  transfer_ = DeviceArray<float>(groups * keys * keys);
}

void chunked::Chain::run(const float* transfer, const float* own, const float* initial, float* before,
                         int segments) const {
  const auto start = [&](const ChainArguments& a) {
    const std::size_t tiles = chain_tiles(value_size_) + (a.group_own != nullptr ? chain_tiles(key_size_) : 0);
    const dim3 blocks(static_cast<unsigned>(sequences_ * static_cast<std::size_t>(a.groups)),
                      static_cast<unsigned>(tiles));
    if (key_size_ > 64) {
      chain_transfers<128><<<blocks, 256>>>(a);
    } else {
      chain_transfers<64><<<blocks, 128>>>(a);
    }
    check_launch("chain_transfers");
  };
  ChainArguments a;
  a.key_size = key_size_;
  a.value_size = value_size_;
  a.value_tiles = static_cast<int>(chain_tiles(value_size_));
  ChainArguments groups = a;
  a.transfer = transfer;
  a.own = own;
  a.segments = segments;
  a.group_segments = group_segments_ == 0 ? segments : group_segments_;
  a.groups = (segments + a.group_segments - 1) / a.group_segments;
  a.initial = initial;
  a.before = before;
  if (a.groups == 1) return start(a);
  a.initial = nullptr;
  a.before = nullptr;
  a.group_own = own_.data();
  a.group_transfer = transfer_.data();
  start(a);
  groups.transfer = transfer_.data();
  groups.own = own_.data();
  groups.segments = groups.group_segments = a.groups;
  groups.initial = initial;
  groups.before = before_.data();
  start(groups);
  a.initial = before_.data();
  a.before = before;
  a.group_own = nullptr;
  start(a);
}

struct ChunkedRecurrence::Plan {
  ChunkedRule rule;
  ChunkedFormat format;
  ChunkedShape shape;
  Arguments arguments;
  std::size_t sequences = 0;
  DeviceArray<float> own, transfer, decay, before;
  DeviceArray<unsigned char> inverses;
  chunked::Chain chain;
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
      p.chain = chunked::Chain(p.sequences, a.segments, a.key_size, a.value_size);
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
    p.chain.run(p.transfer.data(), p.own.data(), arrays.initial_state, p.before.data(), a.segments);
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
