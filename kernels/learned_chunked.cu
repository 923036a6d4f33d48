// Features lie with rows side by side, what the chunked kernels read with the elements of a head side by side: inputs
// are turned and rounded to the format by tiles through shared memory, outputs are turned back. Sizes of keys and
// values are filled up with zeros to multiples of 8, which change no product, but for the rule that has none.
#include <cuda_bf16.h>

#include <cmath>
#include <span>

#include "cuda.cuh"
#include "learned_chunked.cuh"

namespace krohn {
namespace {

constexpr int tile = 32;
constexpr int tile_height = 8;

template <class T>
__device__ T as(float x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return x;
  } else {
    return __float2bfloat16_rn(x);
  }
}

/// An input [rows, updates, heads, padded] of which an update is filled; what is absent has one value everywhere.
struct Turn {
  LearnedFeatures features;
  std::uint32_t heads;
  std::uint32_t size;
  std::uint32_t padded;
  std::uint32_t row_size;  // of all updates
  std::uint32_t offset;    // of the update
  float absent;
  bool log;
};

__device__ std::uint32_t feature_of(const LearnedFeatures& f, std::uint32_t head, std::uint32_t element) {
  return f.first + head / f.group * f.head + element;
}

template <class T>
__global__ void turn_in(const __grid_constant__ Turn turn, const __grid_constant__ LearnedRows x, T* out) {
  __shared__ float values[tile][tile + 1];
  const std::uint32_t first_row = blockIdx.x * tile;
  const std::uint32_t first = blockIdx.y * tile;
  const std::uint32_t count = turn.heads * turn.padded;
  for (std::uint32_t i = threadIdx.y; i < tile; i += tile_height) {
    const std::uint32_t entry = first + i;
    const std::uint32_t row = first_row + threadIdx.x;
    if (entry >= count || row >= x.rows) continue;
    const std::uint32_t element = entry % turn.padded;
    float value = 0.0F;
    if (element < turn.size) {
      value = turn.features.first == LearnedFeatures::none
                  ? turn.absent
                  : *x.at(feature_of(turn.features, entry / turn.padded, element), row);
      // A decay below 0, or NaN, becomes NaN, and the run is refused: a maximum would leave that out. What is filled up
      // does not decay: its log is 0.
      if (turn.log) value = value >= 0.0F ? fmaxf(logf(value), least_log_decay) : nanf("");
    }
    values[i][threadIdx.x] = value;
  }
  __syncthreads();
  for (std::uint32_t i = threadIdx.y; i < tile; i += tile_height) {
    const std::uint32_t entry = first + threadIdx.x;
    const std::uint32_t row = first_row + i;
    if (entry >= count || row >= x.rows) continue;
    out[static_cast<std::size_t>(row) * turn.row_size + turn.offset + entry] = as<T>(values[threadIdx.x][i]);
  }
}

template <class T>
__global__ void turn_out(const __grid_constant__ Turn turn, const __grid_constant__ LearnedRows x, const T* from) {
  __shared__ float values[tile][tile + 1];
  const std::uint32_t first_row = blockIdx.x * tile;
  const std::uint32_t first = blockIdx.y * tile;
  const std::uint32_t count = turn.heads * turn.padded;
  for (std::uint32_t i = threadIdx.y; i < tile; i += tile_height) {
    const std::uint32_t entry = first + threadIdx.x;
    const std::uint32_t row = first_row + i;
    if (entry >= count || row >= x.rows) continue;
    values[i][threadIdx.x] = static_cast<float>(from[static_cast<std::size_t>(row) * turn.row_size + entry]);
  }
  __syncthreads();
  for (std::uint32_t i = threadIdx.y; i < tile; i += tile_height) {
    const std::uint32_t entry = first + i;
    const std::uint32_t row = first_row + threadIdx.x;
    if (entry >= count || row >= x.rows || entry % turn.padded >= turn.size) continue;
    *x.at(feature_of(turn.features, entry / turn.padded, entry % turn.padded), row) = values[threadIdx.x][i];
  }
}

dim3 grid_of(const Turn& turn, const LearnedRows& x) {
  return {(x.rows + tile - 1) / tile, (turn.heads * turn.padded + tile - 1) / tile};
}

template <class T>
void fill(const Turn& turn, const LearnedRows& x, const DeviceArray<T>& out) {
  turn_in<<<grid_of(turn, x), dim3(tile, tile_height)>>>(turn, x, out.data());
  check_launch("turn_in");
}

ChunkedRule rule_of(const LearnedRecurrence& r) {
  const Recurrence::Decay kind = r.decay_kind;
  if (kind == Recurrence::Decay::rate || kind == Recurrence::Decay::element) return ChunkedRule::elementwise;
  const bool by_key = kind == Recurrence::Decay::key;
  const LearnedRecurrence::Update& first = r.updates[0];
  if (first.read.first == LearnedFeatures::none) return by_key ? ChunkedRule::keywise : ChunkedRule::linear;
  if (first.reads_undecayed) return ChunkedRule::rank_one;
  return by_key ? ChunkedRule::keywise_delta : ChunkedRule::delta;
}

template <class T>
void run(const LearnedRecurrence& r, const LearnedRows& x, ChunkedFormat format) {
  const ChunkedRule rule = rule_of(r);
  const bool apart = rule == ChunkedRule::rank_one;
  const bool delta = rule == ChunkedRule::delta || rule == ChunkedRule::keywise_delta;
  const Recurrence::Decay kind = r.decay_kind;
  const bool keywise = kind == Recurrence::Decay::key;
  const bool elementwise = rule == ChunkedRule::elementwise;
  // What erases apart has arrays of its own: of r.updates the second is the one that writes values.
  const std::span<const LearnedRecurrence::Update> updates = std::span(r.updates, r.num_updates).subspan(apart ? 1 : 0);
  const auto n = static_cast<std::uint32_t>(updates.size());
  const std::uint32_t keys = elementwise ? r.key_size : chunked_size(r.key_size);
  const std::uint32_t values = elementwise ? r.value_size : chunked_size(r.value_size);
  // fp32 decays of a head, where they are not by key.
  const std::uint32_t decays = kind == Recurrence::Decay::none || keywise ? 0
                               : kind == Recurrence::Decay::rate          ? values
                               : kind == Recurrence::Decay::element       ? keys * values
                                                                          : 1;
  const std::uint32_t row_keys = r.heads * keys;
  const std::uint32_t row_values = r.heads * values;
  const std::size_t rows = x.rows;
  const DeviceArray<T> query(rows * row_keys);
  const DeviceArray<T> key(rows * n * row_keys);
  const DeviceArray<T> value(rows * n * row_values);
  const DeviceArray<T> read(apart ? rows * row_keys : 0);
  const DeviceArray<T> write(apart ? rows * row_keys : 0);
  const DeviceArray<float> beta(delta ? rows * n * r.heads : 0);
  const DeviceArray<float> decay(rows * r.heads * decays);
  const DeviceArray<T> key_decay(keywise ? rows * row_keys : 0);
  const DeviceArray<T> output(rows * row_values);
  const auto fill_keys = [&](const LearnedFeatures& features, const DeviceArray<T>& out, bool log) {
    fill({features, r.heads, r.key_size, keys, row_keys, 0, 1.0F, log}, x, out);
  };
  fill_keys(r.query, query, false);
  for (std::uint32_t u = 0; u < n; ++u) {
    const LearnedRecurrence::Update& update = updates[u];
    fill({update.write, r.heads, r.key_size, keys, n * row_keys, u * row_keys, 0.0F, false}, x, key);
    fill({update.value, r.heads, r.value_size, values, n * row_values, u * row_values, 0.0F, false}, x, value);
    if (delta) fill({update.beta, r.heads, 1, 1, n * r.heads, u * r.heads, 1.0F, false}, x, beta);
  }
  if (apart) {
    fill_keys(r.updates[0].read, read, false);
    fill_keys(r.updates[0].write, write, false);
  }
  if (keywise) fill_keys(r.decay, key_decay, true);
  if (decays != 0) fill({r.decay, r.heads, decays, decays, r.heads * decays, 0, 1.0F, !elementwise}, x, decay);

  ChunkedArrays arrays;
  arrays.query = query.data();
  arrays.key = key.data();
  arrays.value = value.data();
  arrays.beta = beta.data();
  arrays.decay = keywise ? static_cast<const void*>(key_decay.data()) : decay.data();
  arrays.output = output.data();
  arrays.read = read.data();
  arrays.write = write.data();
  if (kind == Recurrence::Decay::rate) arrays.rates = x.weights + r.rates;
  arrays.signed_rates = r.negative;
  ChunkedRecurrence recurrence(rule, format, {x.words, x.longest, r.heads, r.heads, keys, values, n}, 1.0F);
  recurrence.run(arrays);

  const Turn back{r.output, r.heads, r.value_size, values, row_values, 0, 0.0F, false};
  turn_out<<<grid_of(back, x), dim3(tile, tile_height)>>>(back, x, output.data());
  check_launch("turn_out");
}

}  // namespace

void run_recurrence_chunked(const LearnedRecurrence& recurrence, const LearnedRows& x, ChunkedFormat format) {
  if (format == ChunkedFormat::bf16) {
    run<__nv_bfloat16>(recurrence, x, format);
  } else {
    run<float>(recurrence, x, format);
  }
}

}  // namespace krohn
