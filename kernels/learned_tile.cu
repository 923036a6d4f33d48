// A block takes a tile of 32 rows through the whole program: features lie in shared memory from the first operation to
// the logits, so that nothing but weights, which the caches hold, and the words' states move. Blocks of a
// multiprocessor are at different operations, so that one's waiting for states is another's products.
//
// A feature's rows lie side by side, and features 36 numbers apart: quads of rows of eight features in a row are then
// in different banks, whichever way a warp goes through them. Warps take rows by features where an operation works
// number by number or group by group; products as quads of outputs by quads of rows, each sum a single chain; rows'
// states, in recurrences, convolutions and shifts, with neighbouring threads on neighbouring numbers of a state. What
// does not depend on features (weights, tables, the states that a warp begins with) is asked for before a block waits.
#include <algorithm>
#include <array>
#include <type_traits>
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
  /// A product times the silu of another.
  bool gated = false;
  /// Of a product: where its weights begin among the packed ones, and how many strips came since the last wait.
  std::uint32_t packed = 0;
  std::uint32_t given = 0;
  /// Which numbers of the parents' states are asked for now, since they are soon needed.
  std::uint32_t prefetch = 0;
  std::uint32_t prefetch_size = 0;
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
struct Ahead {
  static constexpr int inputs = quads_ahead / quads;
  float4 w[inputs][quads];
};
template <int quads>
__device__ __forceinline__ Ahead<quads> load_ahead(const float* weights) {
  Ahead<quads> x;
#pragma unroll
  for (int i = 0; i < Ahead<quads>::inputs; ++i) {
#pragma unroll
    for (int q = 0; q < quads; ++q) {
      x.w[i][q] = __ldg(reinterpret_cast<const float4*>(weights + (i * quads + q) * static_cast<int>(quad_outputs)));
    }
  }
  return x;
}

/// Which rows and outputs are a thread's. Loads of 16 bytes take half the time where a lane and its neighbour, or the
/// one after that, ask for the same: neighbours have the same rows, lanes two apart the same outputs.
__device__ __forceinline__ std::uint32_t strip_row(std::uint32_t lane) { return lane / 2 % 8 * 4; }
__device__ __forceinline__ std::uint32_t strip_output(std::uint32_t lane) { return (lane % 2 + lane / 16 * 2) * 4; }

/// `weights`: a thread's, of the first input; `even`: those of the first inputs. `gated`: of the two quads the second
/// is another product, whose silu the first is multiplied with.
template <int quads, bool gated>
__device__ __forceinline__ void multiply_strip(const Op& op, const Tile& t, const float* weights, Ahead<quads> even,
                                               std::uint32_t block, std::uint32_t first, std::uint32_t lane) {
  constexpr int inputs_ahead = Ahead<quads>::inputs;
  constexpr int width = quads * static_cast<int>(quad_outputs);
  const std::uint32_t row = strip_row(lane);
  const std::uint32_t o = first + strip_output(lane);
  const std::uint32_t size = op.size;
  const float* inputs = t.at(op.a + block * size, row);
  float sum[4 * quads][4];
#pragma unroll
  for (int i = 0; i < 4 * quads; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) sum[i][j] = 0.0F;
  }
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
  const auto add_all = [&](const Ahead<quads>& x, int k) {
#pragma unroll
    for (int i = 0; i < inputs_ahead; ++i) add(x.w[i], k + i);
  };
  std::uint32_t k = 0;
#pragma unroll 1
  for (; k + 2 * inputs_ahead <= size; k += 2 * inputs_ahead) {
    const Ahead<quads> odd = load_ahead<quads>(weights + inputs_ahead * width);
    add_all(even, 0);
    even = load_ahead<quads>(weights + 2 * inputs_ahead * width);
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
  if constexpr (gated) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) sum[i][j] = sum[i][j] * numeric::silu(sum[4 + i][j]);
      *reinterpret_cast<float4*>(t.at(op.out + o + i, row)) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
    }
  } else {
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
}

/// Strips of a product, from `strip` on for this warp; the first one's weights are asked for before the features are
/// there.
template <int quads, bool gated, class Wait>
__device__ __forceinline__ void multiply_strips(const Op& op, const Tile& t, const float* strips, const Place& at,
                                                std::uint32_t strip, const Wait& wait) {
  constexpr std::uint32_t width = quads * quad_outputs;
  constexpr std::uint32_t outputs = gated ? quad_outputs : width;
  const std::uint32_t in_block = (op.count + outputs - 1) / outputs;
  const std::uint32_t count = in_block * op.groups;
  // Behind the last strip the first one's are read for nothing.
  const auto weights_of = [&](std::uint32_t i) {
    return strips + static_cast<std::size_t>(i < count ? i : 0) * op.size * width + strip_output(at.lane);
  };
  Ahead<quads> even = load_ahead<quads>(weights_of(strip));
  wait();
#pragma unroll 1
  while (strip < count) {
    const std::uint32_t block = op.groups == 1 ? 0 : strip / in_block;
    const std::uint32_t first = (strip - block * in_block) * outputs;
    multiply_strip<quads, gated>(op, t, weights_of(strip), even, block, first, at.lane);
    strip += at.warps;
    even = load_ahead<quads>(weights_of(strip));
  }
}

/// Strips that were given out since all waited count, so that short products that follow each other go to different
/// warps.
template <class Wait>
__device__ __forceinline__ void multiply(const TileOperation& operation, const Tile& t, const float* packed,
                                         const Place& at, const Wait& wait) {
  const Op& op = operation.op;
  const float* strips = packed + operation.packed;
  const std::uint32_t first = (at.warp + at.warps - operation.given % at.warps) % at.warps;
  if (operation.gated) {
    multiply_strips<2, true>(op, t, strips, at, first, wait);
  } else if (is_wide(op)) {
    multiply_strips<2, false>(op, t, strips, at, first, wait);
  } else if (op.count >= least_outputs) {
    multiply_strips<1, false>(op, t, strips, at, first, wait);
  } else {
    wait();
    for (std::uint32_t i = first; i < op.count * op.groups; i += at.warps) {
      const std::uint32_t block = i / op.count;
      elements::multiply(op, t, block, i - block * op.count, at.lane);
    }
  }
}
std::uint32_t strips(const TileOperation& operation) {
  const Op& op = operation.op;
  const std::uint32_t unit = operation.gated             ? quad_outputs
                             : is_wide(op)               ? 2 * quad_outputs
                             : op.count >= least_outputs ? quad_outputs
                                                         : 1;
  return (op.count + unit - 1) / unit * op.groups;
}

/// Weights as strips want them, [blocks, strips, inputs, outputs of a strip]; a strip's outputs are quads of `ops`,
/// which are one product, or two in turn.
void pack(std::span<const Op* const> ops, std::span<const float> weights, std::vector<float>& packed) {
  const Op& op = *ops[0];
  const std::uint32_t quads = ops.size() == 1 && is_wide(op) ? 2 : 1;
  for (std::uint32_t block = 0; block < op.groups; ++block) {
    for (std::uint32_t first = 0; first < op.count; first += quads * quad_outputs) {
      for (std::uint32_t k = 0; k < op.size; ++k) {
        for (const Op* each : ops) {
          const std::size_t row = each->w0 + (std::size_t{block} * op.size + k) * each->pitch;
          for (std::uint32_t o = first; o < first + quads * quad_outputs; ++o) {
            packed.push_back(o < op.count ? weights[row + o] : 0.0F);
          }
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

/// Width 4: tails of three numbers; a thread's four channels, eight apart, of a row are read while those before are
/// computed, the first ones before the features are there. With Full channels are a multiple of 32.
template <bool Full, class Wait>
__device__ __forceinline__ void convolve_four(const Op& any, const Tile& t, const Place& at, const Wait& wait) {
  Op op = any;
  op.size = 4;
  constexpr int ahead = 4;
  const std::uint32_t count = op.count;
  const auto exists = [&](std::uint32_t first, int i) { return Full || first + 8 * i < count; };
  struct Item {
    float before[ahead][3];
    float4 w[ahead];
  };
  const auto load = [&](std::uint32_t r, std::uint32_t first) {
    Item item;
    const float* oldest = t.carried(r) + op.state + first;
    const float* middle = oldest + count;
    const float* newer = middle + count;
    const float4* weights = reinterpret_cast<const float4*>(t.weights + op.w0) + first;
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      item.before[i][0] = exists(first, i) ? oldest[8 * i] : 0.0F;
      item.before[i][1] = exists(first, i) ? middle[8 * i] : 0.0F;
      item.before[i][2] = exists(first, i) ? newer[8 * i] : 0.0F;
      item.w[i] = exists(first, i) ? __ldg(weights + 8 * i) : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    }
    return item;
  };
  std::uint32_t r = at.warp * 4 + at.lane / 8;
  std::uint32_t first = at.lane % 8;
  // Behind the last row the last one is read for nothing.
  const std::uint32_t last = t.rows - 1;
  Item item = load(min(r, last), first);
  wait();
#pragma unroll 1
  while (r < t.rows) {
    std::uint32_t next_r = r;
    std::uint32_t next = first + 8 * ahead;
    if (next - at.lane % 8 >= count) next_r += 4 * at.warps, next = at.lane % 8;
    const Item following = load(min(next_r, last), next);
    float value[ahead];
    float newest[ahead];
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      const std::uint32_t channel = exists(first, i) ? first + 8 * i : 0;
      newest[i] = *t.at(op.a + channel, r);
      const float taps[4] = {item.w[i].x, item.w[i].y, item.w[i].z, item.w[i].w};
      value[i] = elements::convolution_sum(
          op, t.weights, channel, newest[i], [&](std::uint32_t j) { return taps[j]; },
          [&](std::uint32_t j) { return item.before[i][j]; });
    }
    if (t.state_out != nullptr) {
      float* kept = t.state_out + r * t.state_size + op.state + first;
#pragma unroll
      for (int i = 0; i < ahead; ++i) {
        if (!exists(first, i)) break;
        __stcs(kept + 8 * i, item.before[i][1]);
        __stcs(kept + count + 8 * i, item.before[i][2]);
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
      if (exists(first, i)) *t.at(op.out + first + 8 * i, r) = value[i];
    }
    item = following;
    r = next_r;
    first = next;
  }
}

template <class Wait>
__device__ __forceinline__ void convolution(const Op& op, const Tile& t, const Place& at, const Wait& wait) {
  if (op.size == 4 && op.count % 32 == 0) return convolve_four<true>(op, t, at, wait);
  if (op.size == 4) return convolve_four<false>(op, t, at, wait);
  wait();
  each_carried(op.count, t, at, [&](std::uint32_t channel, std::uint32_t row) {
    // In place: the newest input is kept before the output takes its place.
    if (t.state_out != nullptr) elements::keep_tail(op, t, channel, row);
    elements::convolution(op, t, channel, row);
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

/// One update of a D by D state that pairs of rows share, as branches of one word by an even number of symbols: the two
/// new states exist entry by entry only, on their way to memory, and an entry that was used for the last time makes
/// room for the next pair's, whose way here is so hidden.
template <int D, bool decays, class Wait>
__device__ __forceinline__ void recur_in_pairs(const LearnedRecurrence& r, const Tile& t, const Place& at,
                                               const Wait& wait) {
  static_assert(D == 32);
  const LearnedRecurrence::Update& update = r.updates[0];
  const auto state_at = [&](std::uint32_t row, std::uint32_t h) {
    return t.carried(row) + r.state + (r.state_group == 1 ? h : h / r.state_group) * D * D + at.lane;
  };
  float S[D];
  std::uint32_t row = 0;
  std::uint32_t h = at.warp;
  for (; h >= r.heads; h -= r.heads) row += 2;
  {
    const float* from = state_at(min(row, t.rows - 1), h);
#pragma unroll
    for (int j = 0; j < D; ++j) S[j] = from[j * D];
  }
  wait();
#pragma unroll 1
  while (row < t.rows) {
    const auto vector = [&](const LearnedFeatures& f) {
      return t.at(f.first + (f.group == 1 ? h : h / f.group) * f.head, row);
    };
    const std::uint32_t state = r.state_group == 1 ? h : h / r.state_group;
    Numbers<2> decay{};
    if constexpr (decays) decay = load_rows<2>(vector(r.decay));
    const auto decayed = [&](int g, float entry) { return decays ? decay.v[g] * entry : entry; };
    Numbers<2> change{};
    if (update.value.first != LearnedFeatures::none) change = load_rows<2>(vector(update.value) + at.lane * tile_pitch);
    if (update.read.first != LearnedFeatures::none) {
      const float* read = vector(update.read);
      Numbers<2> sum{};
#pragma unroll
      for (int j = 0; j < D; ++j) {
        const Numbers<2> x = load_rows<2>(read + j * tile_pitch);
#pragma unroll
        for (int g = 0; g < 2; ++g) sum.v[g] = __fmaf_rn(x.v[g], decayed(g, S[j]), sum.v[g]);
      }
#pragma unroll
      for (int g = 0; g < 2; ++g) change.v[g] = change.v[g] - sum.v[g];
    }
    if (update.beta.first != LearnedFeatures::none) {
      const Numbers<2> beta = load_rows<2>(vector(update.beta));
#pragma unroll
      for (int g = 0; g < 2; ++g) change.v[g] = beta.v[g] * change.v[g];
    }
    const float* write = vector(update.write);
    const float* query = vector(r.query);
    float* to = nullptr;
    if (t.state_out != nullptr && state * r.state_group == h) {
      to = t.state_out + row * t.state_size + r.state + state * (D * D) + at.lane;
    }
    std::uint32_t next_row = row;
    std::uint32_t next_h = h + at.warps;
    for (; next_h >= r.heads; next_h -= r.heads) next_row += 2;
    const float* from = state_at(next_row < t.rows ? next_row : row, next_row < t.rows ? next_h : h);
    Numbers<2> answer{};
    const auto finish = [&](auto keeps) {
      float* const first = to;
      float* const second = keeps ? to + t.state_size : nullptr;
#pragma unroll
      for (int j = 0; j < D; ++j) {
        const Numbers<2> x = load_rows<2>(write + j * tile_pitch);
        const Numbers<2> q = load_rows<2>(query + j * tile_pitch);
        float entry[2];
#pragma unroll
        for (int g = 0; g < 2; ++g) {
          entry[g] = __fmaf_rn(change.v[g], x.v[g], decayed(g, S[j]));
          answer.v[g] = __fmaf_rn(q.v[g], entry[g], answer.v[g]);
        }
        S[j] = from[j * D];
        if constexpr (keeps) {
          __stcs(first + j * D, entry[0]);
          __stcs(second + j * D, entry[1]);
        }
      }
    };
    if (to != nullptr) {
      finish(std::true_type());
    } else {
      finish(std::false_type());
    }
    *reinterpret_cast<float2*>(vector(r.output) + at.lane * tile_pitch) = make_float2(answer.v[0], answer.v[1]);
    row = next_row;
    h = next_h;
  }
}

/// `in_pairs`: rows 2i and 2i + 1 are branches of one word.
template <class Wait>
__device__ __forceinline__ void recurrence(const LearnedRecurrence& r, const Tile& t, const Place& at, bool in_pairs,
                                           const Wait& wait) {
  const bool square = r.key_size == r.value_size;
  if (in_pairs && square && r.key_size == 32 && r.num_updates == 1 && !r.updates[0].reads_undecayed &&
      r.decay_kind != Decay::key) {
    if (r.decay_kind == Decay::scalar) return recur_in_pairs<32, true>(r, t, at, wait);
    return recur_in_pairs<32, false>(r, t, at, wait);
  }
  wait();
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

/// The first numbers are asked for before features may be overwritten.
template <class Wait>
__device__ __forceinline__ void gather(const Op& op, const Tile& t, const Place& at, const Wait& wait) {
  constexpr std::uint32_t at_once = 16;
  const float* table = t.weights + op.w0 + t.token[at.lane];
  float values[at_once];
  const auto load = [&](std::uint32_t i) {
#pragma unroll
    for (std::uint32_t j = 0; j < at_once; ++j) {
      if (i + j * at.warps < op.count) values[j] = __ldg(table + (i + j * at.warps) * op.size);
    }
  };
  load(at.warp);
  wait();
  for (std::uint32_t i = at.warp; i < op.count; i += at_once * at.warps) {
    if (i != at.warp) load(i);
#pragma unroll
    for (std::uint32_t j = 0; j < at_once; ++j) {
      if (i + j * at.warps < op.count) *t.at(op.out + i + j * at.warps, at.lane) = values[j];
    }
  }
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

/// Asks the second level cache for numbers of a state, from a multiple of four on, and a multiple of four of them.
__device__ __forceinline__ void prefetch_state(const float* state, std::uint32_t size) {
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(__cvta_generic_to_global(state)),
               "r"(size * static_cast<std::uint32_t>(sizeof(float))));
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
  }
  // Which operation is next: kept here, since a register that lives through all operations would be spilled.
  __shared__ std::uint32_t next_operation[most_threads / 32];
  if (threadIdx.x < most_threads / 32) next_operation[threadIdx.x] = 0;
  __syncthreads();
  const bool in_pairs = args.branches.symbols % 2 == 0;
  for (;;) {
    const Place at = place();
    const std::uint32_t number = *static_cast<volatile std::uint32_t*>(next_operation + at.warp);
    if (number == args.num_operations) break;
    __syncwarp();
    if (at.lane == 0) next_operation[at.warp] = number + 1;
    __syncwarp();
    const TileOperation& operation = args.operations[number];
    const Tile t = tile(args, token, source, own, one);
    const Op& op = operation.op;
    const auto wait = [&] {
      if (operation.waits) __syncthreads();
    };
    if (operation.prefetch_size > 0 && at.warp == at.warps - 1) {
      const bool asked = at.lane > 0 && source[at.lane] == source[at.lane - 1];
      if (!asked) prefetch_state(t.carried(at.lane) + operation.prefetch, operation.prefetch_size);
    }
    const bool asks_ahead = op.kind == Op::Kind::gather || op.kind == Op::Kind::multiply ||
                            op.kind == Op::Kind::convolution || op.kind == Op::Kind::recurrence;
    if (!asks_ahead) wait();
    switch (op.kind) {
      case Op::Kind::gather:
        gather(op, t, at, wait);
        break;
      case Op::Kind::multiply:
        multiply(operation, t, args.packed, at, wait);
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
        convolution(op, t, at, wait);
        break;
      case Op::Kind::shift:
        each_carried(op.count, t, at, [&](std::uint32_t i, std::uint32_t row) {
          if (t.state_out != nullptr) elements::keep_shift(op, t, i, row);
          elements::shift(op, t, i, row);
        });
        break;
      case Op::Kind::recurrence:
        recurrence(args.recurrences[op.w0], t, at, in_pairs, wait);
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

/// The numbers of a state that an operation begins with, the first and how many.
Range carried_by(const Op& op, std::span<const LearnedRecurrence> recurrences) {
  const auto first = static_cast<std::uint32_t>(op.state);
  switch (op.kind) {
    case Op::Kind::convolution:
      return {first, op.count * (op.size - 1)};
    case Op::Kind::shift:
    case Op::Kind::stabilizer:
      return {first, op.count};
    case Op::Kind::cell:
      return {first, 4 * op.count};
    case Op::Kind::recurrence: {
      const LearnedRecurrence& r = recurrences[op.w0];
      return {static_cast<std::uint32_t>(r.state), r.heads / r.state_group * r.key_size * r.value_size};
    }
    default:
      return {0, 0};
  }
}

/// States are asked for two operations before they are needed, or one, or by the operation itself: not earlier, since
/// those of all tiles are more than the second level cache holds.
void place_prefetches(TileArgs& args, std::size_t state_size) {
  if (state_size % 4 != 0) return;
  for (std::uint32_t o = 0; o < args.num_operations; ++o) {
    const auto [first, size] = carried_by(args.operations[o].op, args.recurrences);
    if (size == 0) continue;
    const std::uint32_t begin = first / 4 * 4;
    const std::uint32_t end = (first + size + 3) / 4 * 4;
    for (const std::uint32_t before : {2U, 1U, 0U}) {
      if (before > o || args.operations[o - before].prefetch_size > 0) continue;
      args.operations[o - before].prefetch = begin;
      args.operations[o - before].prefetch_size = end - begin;
      break;
    }
  }
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

namespace {

/// Three operations that are one: products of the same features, and the first's times the silu of the second's, where
/// nothing else reads either. `first` and `second` are theirs in that order.
struct Gated {
  const Op* first = nullptr;
  const Op* second = nullptr;
};
std::optional<Gated> gated_at(const LearnedProgramView& program, std::size_t at) {
  if (at + 2 >= program.operations.size()) return std::nullopt;
  const Op* first = &program.operations[at];
  const Op* second = &program.operations[at + 1];
  const Op& map = program.operations[at + 2];
  const auto plain = [&](const Op& op) {
    return op.kind == Op::Kind::multiply && op.groups == 1 && !op.accumulate && op.w1 == Op::none &&
           op.count == map.count && op.count % quad_outputs == 0 && op.a == first->a && op.size == first->size;
  };
  if (map.kind != Op::Kind::map || map.map != Function::times_silu || !plain(*first) || !plain(*second)) {
    return std::nullopt;
  }
  if (map.a_share != 1 || map.b_share != 1 || map.a_run != 0 || map.out_run != 0) return std::nullopt;
  if (map.a == second->out && map.b == first->out) std::swap(first, second);
  if (map.a != first->out || map.b != second->out) return std::nullopt;
  const Range out{map.out, map.count};
  if (overlap({{first->a, first->size}}, {out}) || overlap({{first->out, map.count}}, {{second->out, map.count}})) {
    return std::nullopt;
  }
  // What the products would have left must be overwritten before it is read.
  std::vector<bool> stale(program.num_features, false);
  for (const Op* op : {first, second}) std::fill_n(stale.begin() + op->out, op->count, true);
  std::fill_n(stale.begin() + map.out, map.count, false);
  const auto any_stale = [&](const Range& range) {
    const std::uint32_t end = std::min(range.first + range.second, program.num_features);
    return range.first < end &&
           std::find(stale.begin() + range.first, stale.begin() + end, true) != stale.begin() + end;
  };
  for (std::size_t i = at + 3; i < program.operations.size(); ++i) {
    const Op& op = program.operations[i];
    const Touched now = touched(op, program.recurrences);
    if (std::any_of(now.read.begin(), now.read.end(), any_stale)) return std::nullopt;
    if (op.accumulate && std::any_of(now.written.begin(), now.written.end(), any_stale)) return std::nullopt;
    // Of these `touched` may list more than they write.
    if (op.kind == Op::Kind::recurrence || op.out_run != 0) continue;
    for (const Range& range : now.written) std::fill_n(stale.begin() + range.first, range.second, false);
  }
  if (any_stale({program.logits, program.num_logits})) return std::nullopt;
  return Gated{first, second};
}

}  // namespace

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
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    TileOperation& operation = args.operations[args.num_operations++];
    operation.op = program.operations[i];
    const std::optional<Gated> gated = gated_at(program, i);
    if (gated) {
      operation.op = *gated->first;
      operation.op.out = program.operations[i + 2].out;
      operation.gated = true;
      i += 2;
    }
    const Op& op = operation.op;
    const Touched now = touched(op, program.recurrences);
    // A group's sums are in one place.
    operation.waits = op.kind == Op::Kind::group || overlap(now.read, since.written) ||
                      overlap(now.written, since.written) || overlap(now.written, since.read);
    if (operation.waits) since = Touched{};
    since.read.insert(since.read.end(), now.read.begin(), now.read.end());
    since.written.insert(since.written.end(), now.written.begin(), now.written.end());
    if (operation.waits) given = 0;
    if (op.kind != Op::Kind::multiply) continue;
    operation.given = given;
    operation.packed = static_cast<std::uint32_t>(packed.size());
    given += strips(operation);
    if (gated) {
      pack(std::array{gated->first, gated->second}, program.weights, packed);
    } else if (op.count >= least_outputs) {
      pack(std::array{&op}, program.weights, packed);
    }
  }
  packed.resize(packed.size() + 2 * quads_ahead * quad_outputs);
  place_prefetches(args, program.initial_state.size());
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
