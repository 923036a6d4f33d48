// A block takes a tile of 32 rows through the whole program: features lie in shared memory from the first operation to
// the logits, so that nothing but weights, which the caches hold, and the words' states move. Blocks of a
// multiprocessor are at different operations, so that one's waiting for states is another's products.
//
// A feature's rows lie side by side, and features 36 numbers apart: quads of rows of eight features in a row are then
// in different banks, whichever way a warp goes through them. Warps take rows by features where an operation works
// number by number or group by group; products as quads of outputs by quads of rows, each sum a single chain; rows'
// states, in recurrences, convolutions and shifts, with neighbouring threads on neighbouring numbers of a state.
#include <algorithm>
#include <utility>
#include <vector>

#include "cuda.cuh"
#include "learned_tile.cuh"

namespace krohn {
namespace {

using Op = LearnedOperation;
namespace elements = learned_elements;
using Decay = Recurrence::Decay;

constexpr std::uint32_t tile_rows = 32;
constexpr std::uint32_t tile_pitch = tile_rows + 4;
constexpr std::uint32_t most_threads = 512;
/// What a block declares beside its features: tokens, sources and the like.
constexpr std::size_t declared_bytes = 1024;

constexpr std::uint32_t most_operations = 128;
constexpr std::uint32_t most_recurrences = 16;

struct TileOperation {
  Op op;
  /// It reads or overwrites what operations since the last one that waited made, or read.
  bool waits = true;
  /// Of a product: where its weights begin among the packed ones, and how many strips came since the last wait.
  std::uint32_t packed = 0;
  std::uint32_t given = 0;
};

/// A kernel's parameter, so that operations are read as constants are.
struct TileArgs {
  LearnedRows x;
  LearnedBranches branches;
  std::uint32_t begin = 0;
  std::uint32_t num_operations = 0;
  const float* packed = nullptr;
  std::uint32_t num_features = 0;
  std::uint32_t logits = 0;
  std::uint32_t num_logits = 0;
  LearnedRecurrence recurrences[most_recurrences];
  TileOperation operations[most_operations];
};
static_assert(sizeof(TileArgs) < 32'000);

/// Who a thread is in its block.
struct Place {
  std::uint32_t warp, warps, lane;
};

/// Asked for anew by each operation: what lives through all of them would be kept in local memory.
__device__ __forceinline__ Place place() {
  std::uint32_t thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return {thread / 32, blockDim.x / 32, thread % 32};
}

/// Rows of a tile, as the operations see them; `rows` of them exist, and no state of others is written.
using Tile = LearnedRows;
__device__ __forceinline__ Tile tile(const TileArgs& args, const std::uint32_t* token, const std::uint32_t* source,
                                     const std::uint32_t* own, const std::uint32_t* one) {
  extern __shared__ float4 shared_quads[];
  const LearnedRows& x = args.x;
  std::uint32_t block;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(block));
  const std::uint32_t first = block * tile_rows;
  Tile t;
  t.features = reinterpret_cast<float*>(shared_quads);
  t.pitch = tile_pitch;
  t.rows = t.words = min(tile_rows, x.rows - first);
  t.longest = 1;
  t.weights = x.weights;
  t.token = token;
  t.word = t.first_row = own;
  t.length = one;
  t.source = source;
  t.state_in = x.state_in;
  t.state_out = x.state_out == nullptr ? nullptr : x.state_out + first * x.state_size;
  t.state_size = x.state_size;
  return t;
}

template <int N>
struct Numbers {
  float v[N];
};
/// The same feature of neighbouring rows, the first a multiple of N.
template <int N>
__device__ __forceinline__ Numbers<N> load_rows(const float* p) {
  Numbers<N> x;
  if constexpr (N == 4) {
    const float4 q = *reinterpret_cast<const float4*>(p);
    x.v[0] = q.x, x.v[1] = q.y, x.v[2] = q.z, x.v[3] = q.w;
  } else if constexpr (N == 2) {
    const float2 q = *reinterpret_cast<const float2*>(p);
    x.v[0] = q.x, x.v[1] = q.y;
  } else {
    x.v[0] = *p;
  }
  return x;
}

// ---- products -------------------------------------------------------------------------------------------------------

/// Outputs of a warp's strip, a thread's four for each quad, of four rows. A strip's weights lie input by input.
constexpr std::uint32_t quad_outputs = 16;
/// Products of fewer outputs go one output a thread.
constexpr std::uint32_t least_outputs = 4;
/// From so many outputs on strips have two quads: a thread's inputs then serve twice as many sums.
constexpr std::uint32_t wide_outputs = 128;
/// Weights a thread asks for before it needs them, in quads; so many are read behind the last strip's.
constexpr int quads_ahead = 8;

__device__ __host__ constexpr bool is_wide(const Op& op) {
  return op.count >= wide_outputs && op.count % (2 * quad_outputs) == 0;
}

template <int quads>
__device__ __forceinline__ void multiply_strip(const Op& op, const Tile& t, const float* strip, std::uint32_t block,
                                               std::uint32_t first, std::uint32_t lane) {
  constexpr int inputs_ahead = quads_ahead / quads;
  constexpr int width = quads * static_cast<int>(quad_outputs);
  struct Ahead {
    float4 w[inputs_ahead][quads];
  };
  const std::uint32_t row = lane % 8 * 4;
  const std::uint32_t o = first + lane / 8 * 4;
  const std::uint32_t size = op.size;
  const float* weights = strip + lane / 8 * 4;
  const float* inputs = t.at(op.a + block * size, row);
  float sum[4 * quads][4];
#pragma unroll
  for (int i = 0; i < 4 * quads; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) sum[i][j] = 0.0F;
  }
  const auto load = [&](int k) {
    Ahead x;
#pragma unroll
    for (int i = 0; i < inputs_ahead; ++i) {
#pragma unroll
      for (int q = 0; q < quads; ++q) {
        x.w[i][q] =
            __ldg(reinterpret_cast<const float4*>(weights + (k + i) * width + q * static_cast<int>(quad_outputs)));
      }
    }
    return x;
  };
  const auto add = [&](const float4(&w)[quads], int k) {
    const Numbers<4> v = load_rows<4>(inputs + k * static_cast<int>(tile_pitch));
#pragma unroll
    for (int q = 0; q < quads; ++q) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sum[4 * q][j] = __fmaf_rn(w[q].x, v.v[j], sum[4 * q][j]);
        sum[4 * q + 1][j] = __fmaf_rn(w[q].y, v.v[j], sum[4 * q + 1][j]);
        sum[4 * q + 2][j] = __fmaf_rn(w[q].z, v.v[j], sum[4 * q + 2][j]);
        sum[4 * q + 3][j] = __fmaf_rn(w[q].w, v.v[j], sum[4 * q + 3][j]);
      }
    }
  };
  const auto add_all = [&](const Ahead& x, int k) {
#pragma unroll
    for (int i = 0; i < inputs_ahead; ++i) add(x.w[i], k + i);
  };
  std::uint32_t k = 0;
  Ahead even = load(0);
#pragma unroll 1
  for (; k + 2 * inputs_ahead <= size; k += 2 * inputs_ahead) {
    const Ahead odd = load(inputs_ahead);
    add_all(even, 0);
    even = load(2 * inputs_ahead);
    add_all(odd, inputs_ahead);
    weights += 2 * inputs_ahead * width;
    inputs += 2 * inputs_ahead * tile_pitch;
  }
#pragma unroll 1
  for (; k < size; ++k, weights += width, inputs += tile_pitch) {
    float4 w[quads];
#pragma unroll
    for (int q = 0; q < quads; ++q) w[q] = __ldg(reinterpret_cast<const float4*>(weights + q * quad_outputs));
    add(w, 0);
  }
#pragma unroll
  for (int i = 0; i < 4 * quads; ++i) {
    const std::uint32_t at = o + i / 4 * quad_outputs + i % 4;
    if (at >= op.count) break;
    float* out = t.at(op.out + block * op.count + at, row);
    if (op.w1 != Op::none) {
      const float bias = t.weights[op.w1 + at];
#pragma unroll
      for (int j = 0; j < 4; ++j) sum[i][j] = sum[i][j] + bias;
    }
    if (op.accumulate) {
      const Numbers<4> before = load_rows<4>(out);
#pragma unroll
      for (int j = 0; j < 4; ++j) sum[i][j] = before.v[j] + sum[i][j];
    }
    *reinterpret_cast<float4*>(out) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
  }
}

/// `given`: strips given out since all waited, so that short products that follow each other go to different warps.
__device__ __forceinline__ void multiply(const Op& op, const Tile& t, const float* strips, const Place& at,
                                         std::uint32_t given) {
  const bool packed = op.count >= least_outputs;
  const bool wide = is_wide(op);
  const std::uint32_t unit = wide ? 2 * quad_outputs : packed ? quad_outputs : 1;
  const std::uint32_t in_block = (op.count + unit - 1) / unit;
  const std::uint32_t count = in_block * op.groups;
  for (std::uint32_t i = (at.warp + at.warps - given % at.warps) % at.warps; i < count; i += at.warps) {
    const std::uint32_t block = op.groups == 1 ? 0 : i / in_block;
    const std::uint32_t first = (i - block * in_block) * unit;
    const float* strip = strips + static_cast<std::size_t>(i) * op.size * unit;
    if (wide) {
      multiply_strip<2>(op, t, strip, block, first, at.lane);
    } else if (packed) {
      multiply_strip<1>(op, t, strip, block, first, at.lane);
    } else {
      elements::multiply(op, t, block, first, at.lane);
    }
  }
}
std::uint32_t strips(const Op& op) {
  const std::uint32_t unit = is_wide(op) ? 2 * quad_outputs : op.count >= least_outputs ? quad_outputs : 1;
  return (op.count + unit - 1) / unit * op.groups;
}

/// Weights as strips want them, [blocks, strips, inputs, outputs of a strip].
void pack(const Op& op, std::span<const float> weights, std::vector<float>& packed) {
  const std::uint32_t strip_outputs = is_wide(op) ? 2 * quad_outputs : quad_outputs;
  for (std::uint32_t block = 0; block < op.groups; ++block) {
    for (std::uint32_t first = 0; first < op.count; first += strip_outputs) {
      for (std::uint32_t k = 0; k < op.size; ++k) {
        const std::size_t row = op.w0 + (std::size_t{block} * op.size + k) * op.pitch;
        for (std::uint32_t o = first; o < first + strip_outputs; ++o) {
          packed.push_back(o < op.count ? weights[row + o] : 0.0F);
        }
      }
    }
  }
}

// ---- carried numbers ------------------------------------------------------------------------------------------------

/// Calls element(i, row) for every i < count: a warp takes eight numbers of four rows.
template <class Element>
__device__ __forceinline__ void each_carried(std::uint32_t count, const Tile& t, const Place& at,
                                             const Element& element) {
  const std::uint32_t octets = (count + 7) / 8;
  for (std::uint32_t i = at.warp; i < octets * (tile_rows / 4); i += at.warps) {
    const std::uint32_t row = i / octets * 4 + at.lane / 8;
    const std::uint32_t number = i % octets * 8 + at.lane % 8;
    if (number < count && row < t.rows) element(number, row);
  }
}

/// Width 4: tails of three numbers, read four channels ahead. With Full channels are a multiple of 32.
template <bool Full>
__device__ __forceinline__ void convolve_four(const Op& any, const Tile& t, const Place& at) {
  Op op = any;
  op.size = 4;
  constexpr int ahead = 4;
  const std::uint32_t count = op.count;
  const std::uint32_t row = at.lane / 8;
  // A warp's rows first: what lies between two warps' is a division less.
  for (std::uint32_t quad = at.warp; quad < tile_rows / 4; quad += at.warps) {
    const std::uint32_t r = quad * 4 + row;
    if (r >= t.rows) break;
#pragma unroll 1
    for (std::uint32_t first = at.lane % 8; first < (Full ? count : (count + 31) / 32 * 32); first += 8 * ahead) {
      const auto exists = [&](int i) { return Full || first + 8 * i < count; };
      const float* oldest = t.carried(r) + op.state + first;
      const float* middle = oldest + count;
      const float* newer = middle + count;
      float before[ahead][3];
      float4 w[ahead];
      const float4* weights = reinterpret_cast<const float4*>(t.weights + op.w0) + first;
#pragma unroll
      for (int i = 0; i < ahead; ++i) {
        before[i][0] = exists(i) ? oldest[8 * i] : 0.0F;
        before[i][1] = exists(i) ? middle[8 * i] : 0.0F;
        before[i][2] = exists(i) ? newer[8 * i] : 0.0F;
        w[i] = exists(i) ? __ldg(weights + 8 * i) : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
      }
      float value[ahead];
      float newest[ahead];
#pragma unroll
      for (int i = 0; i < ahead; ++i) {
        newest[i] = *t.at(op.a + (exists(i) ? first + 8 * i : 0), r);
        const float taps[4] = {w[i].x, w[i].y, w[i].z, w[i].w};
        value[i] = elements::convolution_sum(
            op, t.weights, exists(i) ? first + 8 * i : 0, newest[i], [&](std::uint32_t j) { return taps[j]; },
            [&](std::uint32_t j) { return before[i][j]; });
      }
      if (t.state_out != nullptr) {
        float* kept = t.state_out + r * t.state_size + op.state + first;
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
          if (!exists(i)) break;
          __stcs(kept + 8 * i, before[i][1]);
          __stcs(kept + count + 8 * i, before[i][2]);
          __stcs(kept + 2 * count + 8 * i, newest[i]);
        }
      }
      if (op.map == Function::silu) {
#pragma unroll
        for (int i = 0; i < ahead; ++i) value[i] = numeric::silu(value[i]);
      } else if (op.map != Function::copy) {
        // One text for all four: it is long.
#pragma unroll 1
        for (int i = 0; i < ahead; ++i) {
          const float y = elements::activated(op, value[0]);
          value[0] = value[1], value[1] = value[2], value[2] = value[3], value[3] = y;
        }
      }
#pragma unroll
      for (int i = 0; i < ahead; ++i) {
        if (exists(i)) *t.at(op.out + first + 8 * i, r) = value[i];
      }
    }
  }
}

__device__ __forceinline__ void convolution(const Op& op, const Tile& t, const Place& at) {
  if (op.size == 4 && op.count % 32 == 0) return convolve_four<true>(op, t, at);
  if (op.size == 4) return convolve_four<false>(op, t, at);
  each_carried(op.count, t, at, [&](std::uint32_t channel, std::uint32_t row) {
    elements::convolution(op, t, channel, row);
    if (t.state_out != nullptr) elements::keep_tail(op, t, channel, row);
  });
}

__device__ __forceinline__ void cell(const Op& op, const Tile& t, const Place& at) {
  each_carried(op.count, t, at, [&](std::uint32_t i, std::uint32_t row) {
    const std::uint32_t head = i / op.size;
    const float* carried = t.carried(row) + op.state;
    float raw[4];
    for (std::uint32_t slot = 0; slot < 4; ++slot) {
      raw[slot] = elements::complete_slot(op, t, slot, head, i % op.size, row, carried + head * op.size);
    }
    elements::Cell s{carried[i], carried[op.count + i], carried[2 * op.count + i], carried[3 * op.count + i]};
    elements::advance(s, raw);
    *t.at(op.out + i, row) = s.output;
    if (t.state_out == nullptr) return;
    float* kept = t.state_out + row * t.state_size + op.state + i;
    kept[0] = s.output;
    kept[op.count] = s.cell;
    kept[2 * op.count] = s.normalizer;
    kept[3 * op.count] = s.stabilizer;
  });
}

// ---- recurrences ----------------------------------------------------------------------------------------------------

/// A warp takes 32 columns of a head of G neighbouring rows, a column a lane. Neighbouring rows are often branches of
/// one word, whose state is then read once. With Exact key_size and value_size are D.
template <int D, int G, bool Exact>
__device__ __forceinline__ void recur(const LearnedRecurrence& r, const Tile& t, const Place& at) {
  const std::uint32_t keys = Exact ? D : r.key_size;
  const std::uint32_t values = Exact ? D : r.value_size;
  const std::uint32_t blocks = (values + 31) / 32;
  const std::uint32_t heads = r.heads;
  const std::uint32_t parts = heads * blocks;
  std::uint32_t row = 0;
  for (std::uint32_t part = at.warp;; part += at.warps) {
    for (; part >= parts; part -= parts) row += G;
    if (row >= t.rows) break;
    const std::uint32_t h = blocks == 1 ? part : part / blocks;
    const std::uint32_t column = (blocks == 1 ? 0 : part % blocks * 32) + at.lane;
    const bool owned = (Exact && D % 32 == 0) || column < values;
    const auto vector = [&](const LearnedFeatures& f) {
      return t.at(f.first + (f.group == 1 ? h : h / f.group) * f.head, row);
    };
    const std::uint32_t state = r.state_group == 1 ? h : h / r.state_group;
    const std::size_t place = r.state + static_cast<std::size_t>(state) * keys * values + column;
    float S[G][D];
#pragma unroll
    for (int g = 0; g < G; ++g) {
      if (g > 0 && t.source[row + g] == t.source[row + g - 1]) {
#pragma unroll
        for (int j = 0; j < D; ++j) S[g][j] = S[g - 1][j];  // not changed before the last of them is there
        continue;
      }
      const float* from = t.carried(row + g) + place;
#pragma unroll
      for (int j = 0; j < D; ++j) S[g][j] = owned && (Exact || j < keys) ? from[j * values] : 0.0F;
    }
    const auto dot = [&](const float* x) {
      Numbers<G> sum;
#pragma unroll
      for (int g = 0; g < G; ++g) sum.v[g] = 0.0F;
#pragma unroll
      for (int j = 0; j < D; ++j) {
        if (!Exact && j >= keys) break;
        const Numbers<G> v = load_rows<G>(x + j * tile_pitch);
#pragma unroll
        for (int g = 0; g < G; ++g) sum.v[g] = __fmaf_rn(v.v[g], S[g][j], sum.v[g]);
      }
      return sum;
    };
    Numbers<G> undecayed{};
    if (r.num_updates > 0 && r.updates[0].reads_undecayed) undecayed = dot(vector(r.updates[0].read));
    if (r.decay_kind == Decay::scalar) {
      const Numbers<G> a = load_rows<G>(vector(r.decay));
#pragma unroll
      for (int j = 0; j < D; ++j) {
#pragma unroll
        for (int g = 0; g < G; ++g) S[g][j] = a.v[g] * S[g][j];
      }
    }
    if (r.decay_kind == Decay::key) {
      const float* x = vector(r.decay);
#pragma unroll
      for (int j = 0; j < D; ++j) {
        if (!Exact && j >= keys) break;
        const Numbers<G> a = load_rows<G>(x + j * tile_pitch);
#pragma unroll
        for (int g = 0; g < G; ++g) S[g][j] = a.v[g] * S[g][j];
      }
    }
#pragma unroll 1
    for (std::uint32_t u = 0; u < r.num_updates; ++u) {
      const LearnedRecurrence::Update& update = r.updates[u];
      Numbers<G> change{};
      if (update.value.first != LearnedFeatures::none && owned) {
        change = load_rows<G>(vector(update.value) + column * tile_pitch);
      }
      if (update.read.first != LearnedFeatures::none) {
        const Numbers<G> sum = update.reads_undecayed ? undecayed : dot(vector(update.read));
#pragma unroll
        for (int g = 0; g < G; ++g) change.v[g] = change.v[g] - sum.v[g];
      }
      if (update.beta.first != LearnedFeatures::none) {
        const Numbers<G> beta = load_rows<G>(vector(update.beta));
#pragma unroll
        for (int g = 0; g < G; ++g) change.v[g] = beta.v[g] * change.v[g];
      }
      const float* write = vector(update.write);
#pragma unroll
      for (int j = 0; j < D; ++j) {
        if (!Exact && j >= keys) break;
        const Numbers<G> v = load_rows<G>(write + j * tile_pitch);
#pragma unroll
        for (int g = 0; g < G; ++g) S[g][j] = __fmaf_rn(change.v[g], v.v[g], S[g][j]);
      }
    }
    const Numbers<G> answer = dot(vector(r.query));
    if (!owned) continue;
    float* out = vector(r.output) + column * tile_pitch;
#pragma unroll
    for (int g = 0; g < G; ++g) out[g] = answer.v[g];
    if (t.state_out == nullptr || state * r.state_group != h) continue;
#pragma unroll
    for (int g = 0; g < G; ++g) {
      if (row + g >= t.rows) break;
      float* to = t.state_out + (row + g) * t.state_size + place;
#pragma unroll
      for (int j = 0; j < D; ++j) {
        if (Exact || j < keys) __stcs(to + j * values, S[g][j]);
      }
    }
  }
}

__device__ __forceinline__ void recurrence(const LearnedRecurrence& r, const Tile& t, const Place& at) {
  const bool square = r.key_size == r.value_size;
  if (square && r.key_size == 32) return recur<32, 2, true>(r, t, at);
  if (square && r.key_size == 16) return recur<16, 4, true>(r, t, at);
  if (square && r.key_size == 64) return recur<64, 1, true>(r, t, at);
  if (r.key_size <= 16) return recur<16, 4, false>(r, t, at);
  if (r.key_size <= 32) return recur<32, 2, false>(r, t, at);
  recur<64, 1, false>(r, t, at);
}

/// A register form, as in recurrence.cu for single tokens.
bool fits(const LearnedRecurrence& r) {
  return r.key_size <= 64 && !r.reads_before && r.ridge.first == LearnedFeatures::none &&
         r.codes == LearnedOperation::none &&
         (r.decay_kind == Decay::none || r.decay_kind == Decay::scalar || r.decay_kind == Decay::key);
}

// ---- the program ----------------------------------------------------------------------------------------------------

/// For every i < count, a row a lane: store(i, row, value(i, row)). `at_once` values are made before they are stored:
/// nothing moves a load of ours before a store.
template <std::uint32_t at_once, class Value, class Store>
__device__ __forceinline__ void each_row(std::uint32_t count, const Place& at, const Value& value, const Store& store) {
  std::uint32_t i = at.warp;
  for (; i + (at_once - 1) * at.warps < count; i += at_once * at.warps) {
    float values[at_once];
#pragma unroll
    for (std::uint32_t j = 0; j < at_once; ++j) values[j] = value(i + j * at.warps, at.lane);
#pragma unroll
    for (std::uint32_t j = 0; j < at_once; ++j) store(i + j * at.warps, at.lane, values[j]);
  }
  for (; i < count; i += at.warps) store(i, at.lane, value(i, at.lane));
}
template <class Element>
__device__ __forceinline__ void each_row(std::uint32_t count, const Place& at, const Element& element) {
  for (std::uint32_t i = at.warp; i < count; i += at.warps) element(i, at.lane);
}

__device__ __forceinline__ void gather(const Op& op, const Tile& t, const Place& at) {
  const float* table = t.weights + op.w0 + t.token[at.lane];
  each_row<8>(
      op.count, at, [&](std::uint32_t i, std::uint32_t) { return __ldg(table + i * op.size); },
      [&](std::uint32_t i, std::uint32_t row, float x) { *t.at(op.out + i, row) = x; });
}

/// The function is known before the loop, and most operands are read one to one.
__device__ __forceinline__ void map(const Op& op, const Tile& t, const Place& at) {
  const bool plain = op.a_share == 1 && op.a_run == 0 && op.b_share == 1 && op.out_run == 0;
  if (!plain) {
    each_row(op.count, at, [&](std::uint32_t i, std::uint32_t row) { elements::map(op, t, i, row); });
    return;
  }
  with_function(op.map, [&](auto function) {
    Op one = op;
    one.map = decltype(function)::value;
    one.a_share = one.b_share = 1;
    one.a_run = one.out_run = 0;
    each_row<2>(
        op.count, at, [&](std::uint32_t i, std::uint32_t row) { return elements::map_value(one, t, i, row); },
        [&](std::uint32_t i, std::uint32_t row, float x) { *t.at(op.out + i, row) = x; });
  });
}

/// Sums are chains, a row and group a thread; then all threads work on the numbers. `sums` [2, groups, tile_rows].
__device__ __forceinline__ void group(const Op& op, const Tile& t, const Place& at, float* sums) {
  if (op.group == Op::Group::bonus) {
    each_row(op.count, at, [&](std::uint32_t g, std::uint32_t row) { elements::bonus(op, t, g, row); });
    return;
  }
  float* scales = sums + op.count * tile_rows;
  each_row(op.count, at, [&](std::uint32_t g, std::uint32_t row) {
    const elements::GroupSums of = elements::group_sums(op, t, g, row);
    sums[g * tile_rows + row] = of.middle;
    scales[g * tile_rows + row] = of.scale;
  });
  __syncthreads();
  const auto numbers = [&](const Op& one) {
#pragma unroll 1
    for (std::uint32_t g = 0; g < one.count; ++g) {
      const elements::GroupSums of{sums[g * tile_rows + at.lane], scales[g * tile_rows + at.lane]};
      each_row<4>(
          one.size, at,
          [&](std::uint32_t i, std::uint32_t row) { return elements::group_value(one, t, of, g, i, row); },
          [&](std::uint32_t i, std::uint32_t row, float x) { *t.at(one.out + g * one.size + i, row) = x; });
    }
  };
  Op one = op;
  if (op.group == Op::Group::rms && op.w0 != Op::none && op.w1 == Op::none && !op.weight_is_offset) {
    one.group = Op::Group::rms;
    one.w1 = Op::none;
    one.weight_is_offset = false;
    numbers(one);
  } else if (op.group == Op::Group::l2) {
    one.group = Op::Group::l2;
    numbers(one);
  } else {
    numbers(op);
  }
}

__device__ __forceinline__ void prefetch_state(const float* state, std::size_t size) {
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(__cvta_generic_to_global(state)),
               "r"(static_cast<std::uint32_t>(size * sizeof(float))));
#endif
}

__global__ void __launch_bounds__(most_threads) tile_kernel(const __grid_constant__ TileArgs args) {
  __shared__ std::uint32_t token[tile_rows], source[tile_rows], own[tile_rows], one[tile_rows];
  const LearnedRows& x = args.x;
  const std::uint32_t first = blockIdx.x * tile_rows;
  if (threadIdx.x < tile_rows) {
    const std::uint32_t i = threadIdx.x;
    const std::uint32_t row = min(first + i, x.rows - 1);  // those behind the last do its work
    const std::uint32_t parent = row / args.branches.symbols;
    token[i] = (args.branches.first_token + row) % args.branches.tokens;
    source[i] = args.begin + parent;
    own[i] = i;
    one[i] = 1;
    const bool asked = i > 0 && parent * args.branches.symbols != row;
    if (!asked && x.state_size % 4 == 0 && x.state_size > 0) {
      prefetch_state(x.state_in + source[i] * x.state_size, x.state_size);
    }
  }
  __syncthreads();
#pragma unroll 1
  for (std::uint32_t o = 0; o < args.num_operations; ++o) {
    const TileOperation& operation = args.operations[o];
    if (operation.waits) __syncthreads();
    const Place at = place();
    const Tile t = tile(args, token, source, own, one);
    const Op& op = operation.op;
    switch (op.kind) {
      case Op::Kind::gather:
        gather(op, t, at);
        break;
      case Op::Kind::multiply:
        multiply(op, t, args.packed + operation.packed, at, operation.given);
        break;
      case Op::Kind::map:
        map(op, t, at);
        break;
      case Op::Kind::group:
        group(op, t, at, t.features + args.num_features * tile_pitch);
        break;
      case Op::Kind::constants:
        each_row(op.count, at, [&](std::uint32_t i, std::uint32_t row) { elements::constants(op, t, i, row); });
        break;
      case Op::Kind::convolution:
        convolution(op, t, at);
        break;
      case Op::Kind::shift:
        each_carried(op.count, t, at, [&](std::uint32_t i, std::uint32_t row) {
          elements::shift(op, t, i, row);
          if (t.state_out != nullptr) elements::keep_shift(op, t, i, row);
        });
        break;
      case Op::Kind::recurrence:
        recurrence(args.recurrences[op.w0], t, at);
        break;
      case Op::Kind::stabilizer:
        each_row(op.count, at, [&](std::uint32_t i, std::uint32_t row) {
          if (row < t.rows) elements::stabilizer(op, t, i, row);
        });
        break;
      case Op::Kind::cell:
        cell(op, t, at);
        break;
    }
  }
  __syncthreads();
  const Tile t = tile(args, token, source, own, one);
  each_row(args.num_logits, place(), [&](std::uint32_t i, std::uint32_t row) {
    if (row < t.rows) *x.at(args.logits + i, first + row) = *t.at(args.logits + i, row);
  });
}

/// Features, the first and how many: at least those that an operation touches.
using Range = std::pair<std::uint32_t, std::uint32_t>;
struct Touched {
  std::vector<Range> read, written;
};

Touched touched(const Op& op, std::span<const LearnedRecurrence> recurrences) {
  Touched all;
  const auto read = [&](std::uint32_t first, std::uint32_t count) { all.read.emplace_back(first, count); };
  const auto write = [&](std::uint32_t first, std::uint32_t count) { all.written.emplace_back(first, count); };
  switch (op.kind) {
    case Op::Kind::gather:
    case Op::Kind::constants:
      write(op.out, op.count);
      break;
    case Op::Kind::multiply:
      read(op.a, op.groups * op.size);
      write(op.out, op.groups * op.count);
      break;
    case Op::Kind::map:
      read(op.a, op.a_run == 0 ? op.count : (op.count / op.a_run + 1) * (op.a_stride + op.a_run));
      read(op.b, op.count);
      read(op.c, op.count);
      write(op.out, op.out_run == 0 ? op.count : (op.count / op.out_run + 1) * (op.out_stride + op.out_run));
      break;
    case Op::Kind::group:
      read(op.a, op.count * op.size);
      read(op.b, op.count * op.size);
      write(op.out, op.group == Op::Group::bonus ? op.count : op.count * op.size);
      break;
    case Op::Kind::convolution:
    case Op::Kind::shift:
      read(op.a, op.count);
      write(op.out, op.count);
      break;
    case Op::Kind::stabilizer:
      read(op.a, op.count);
      read(op.b, op.count);
      write(op.out, 3 * op.count);
      break;
    case Op::Kind::cell:
      read(op.a, 4 * op.count);
      write(op.out, op.count);
      break;
    case Op::Kind::recurrence: {
      const LearnedRecurrence& r = recurrences[op.w0];
      const auto input = [&](const LearnedFeatures& f) {
        if (f.first != LearnedFeatures::none) read(f.first, r.heads * f.head + r.key_size + r.value_size);
      };
      input(r.decay);
      input(r.query);
      for (std::uint32_t u = 0; u < r.num_updates; ++u) {
        input(r.updates[u].read);
        input(r.updates[u].write);
        input(r.updates[u].value);
        input(r.updates[u].beta);
      }
      write(r.output.first, r.heads * r.output.head + r.value_size);
      break;
    }
  }
  return all;
}

bool overlap(const std::vector<Range>& a, const std::vector<Range>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Range& x) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Range& y) { return x.first < y.first + y.second && y.first < x.first + x.second; });
  });
}

/// The most sums of groups that are kept at a time.
std::uint32_t most_sums(const LearnedProgramView& program) {
  std::uint32_t most = 0;
  for (const Op& op : program.operations) {
    if (op.kind == Op::Kind::group) most = std::max(most, 2 * op.count * tile_rows);
  }
  return most;
}

}  // namespace

struct LearnedTiles::Program {
  TileArgs args;
  DeviceArray<float> packed;
  std::size_t shared_bytes = 0;
};

LearnedTiles::LearnedTiles(std::unique_ptr<Program> program) : program_(std::move(program)) {}
LearnedTiles::LearnedTiles(LearnedTiles&&) noexcept = default;
LearnedTiles& LearnedTiles::operator=(LearnedTiles&&) noexcept = default;
LearnedTiles::~LearnedTiles() = default;

std::optional<LearnedTiles> LearnedTiles::of(const LearnedProgramView& program) {
  const std::size_t bytes = sizeof(float) * (std::size_t{tile_pitch} * program.num_features + most_sums(program));
  const bool fit = bytes + declared_bytes <= shared_memory_limit() && program.operations.size() <= most_operations &&
                   program.recurrences.size() <= most_recurrences;
  if (program.weights.size() >= std::size_t{1} << 30U) return std::nullopt;
  if (!fit || !std::all_of(program.recurrences.begin(), program.recurrences.end(), fits)) return std::nullopt;
  auto tiles = std::make_unique<Program>();
  TileArgs& args = tiles->args;
  std::vector<float> packed;
  std::uint32_t given = 0;
  Touched since;
  for (const Op& op : program.operations) {
    const Touched now = touched(op, program.recurrences);
    // A group's sums are in one place.
    const bool waits = op.kind == Op::Kind::group || overlap(now.read, since.written) ||
                       overlap(now.written, since.written) || overlap(now.written, since.read);
    if (waits) since = Touched{};
    since.read.insert(since.read.end(), now.read.begin(), now.read.end());
    since.written.insert(since.written.end(), now.written.begin(), now.written.end());
    if (waits) given = 0;
    args.operations[args.num_operations++] = {op, waits, static_cast<std::uint32_t>(packed.size()), given};
    if (op.kind != Op::Kind::multiply) continue;
    given += strips(op);
    if (op.count >= least_outputs) pack(op, program.weights, packed);
  }
  packed.resize(packed.size() + quads_ahead * quad_outputs);
  tiles->packed = DeviceArray<float>(std::span<const float>(packed));
  tiles->shared_bytes = bytes;
  std::copy(program.recurrences.begin(), program.recurrences.end(), args.recurrences);
  args.packed = tiles->packed.data();
  args.num_features = program.num_features;
  args.logits = program.logits;
  args.num_logits = program.num_logits;
  return LearnedTiles(std::move(tiles));
}

void LearnedTiles::run(const LearnedRows& x, const LearnedBranches& branches, std::uint32_t begin) const {
  if (x.rows == 0) return;
  const std::size_t bytes = program_->shared_bytes;
  allow_shared_memory(tile_kernel, bytes);
  TileArgs args = program_->args;
  args.x = x;
  args.branches = branches;
  args.begin = begin;
  // Blocks that a multiprocessor has room for: fewer have more threads.
  const std::size_t blocks = shared_memory_limit() / (bytes + declared_bytes);
  const unsigned threads = blocks >= 3 ? 128 : blocks == 2 ? 256 : most_threads;
  tile_kernel<<<(x.rows + tile_rows - 1) / tile_rows, threads, bytes>>>(args);
  check_launch("tile_kernel");
}

}  // namespace krohn
