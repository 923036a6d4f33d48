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
};

/// A kernel's parameter, so that operations are read as constants are.
struct TileArgs {
  LearnedRows x;
  LearnedBranches branches;
  std::uint32_t begin = 0;
  std::uint32_t num_operations = 0;
  /// Rows that a tile has work for: all of them, or whole families; and how many of them leave states.
  std::uint32_t rows_used = tile_rows;
  std::uint32_t states_left = tile_rows;
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

/// What the rows of a block are.
struct alignas(16) Rows {
  std::uint32_t token[tile_rows], source[tile_rows], own[tile_rows], one[tile_rows];
};

/// How the rows of a tile continue words: each by itself, two after two one word, or six after six: a word's two
/// branches and the two of either, the only ones that leave states.
enum class Order { single, pairs, families };

/// Rows of a tile, as the operations see them; `rows` of them exist, and no state of others is written.
using Tile = LearnedRows;
__device__ __forceinline__ Tile tile(const TileArgs& args, const Rows& rows) {
  extern __shared__ float4 shared_quads[];
  const LearnedRows& x = args.x;
  std::uint32_t block;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(block));
  const std::uint32_t first = block * args.rows_used;
  Tile t;
  t.features = reinterpret_cast<float*>(shared_quads);
  t.pitch = tile_pitch;
  t.rows = t.words = min(args.rows_used, x.rows - first);
  t.longest = 1;
  t.weights = x.weights;
  t.token = rows.token;
  t.word = t.first_row = rows.own;
  t.length = rows.one;
  t.source = rows.source;
  t.state_in = x.state_in;
  t.state_out = x.state_out == nullptr ? nullptr : x.state_out + block * args.states_left * x.state_size;
  t.state_size = x.state_size;
  return t;
}

/// A number of a word's state, which is read once: it does not stay in the first level cache, where weights do.
__device__ __forceinline__ float state_number(const float* p) {
  float x;
  asm("ld.global.nc.L1::no_allocate.f32 %0, [%1];" : "=f"(x) : "l"(p));
  return x;
}

__device__ __forceinline__ void keep_number(float* p, float x) {
  asm volatile("st.global.L1::no_allocate.f32 [%0], %1;" ::"l"(p), "f"(x) : "memory");
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

template <int N>
__device__ __forceinline__ void store_rows(float* p, const Numbers<N>& x) {
  if constexpr (N == 4) {
    *reinterpret_cast<float4*>(p) = make_float4(x.v[0], x.v[1], x.v[2], x.v[3]);
  } else if constexpr (N == 2) {
    *reinterpret_cast<float2*>(p) = make_float2(x.v[0], x.v[1]);
  } else {
    *p = x.v[0];
  }
}

// ---- products -------------------------------------------------------------------------------------------------------

/// Outputs of a warp's strip, a thread's four for each quad, of four rows. A strip's weights lie input by input.
constexpr std::uint32_t quad_outputs = 16;
/// Products of fewer outputs go a row a thread, for all outputs.
constexpr std::uint32_t least_outputs = 4;
/// From so many outputs on strips have two quads: a thread's inputs then serve twice as many sums.
constexpr std::uint32_t wide_outputs = 128;
/// Weights a thread asks for before it needs them, in quads; twice as many are read behind the last strip's, at most.
constexpr int quads_ahead = 8;

__device__ __host__ constexpr bool is_wide(const Op& op) {
  return op.count >= wide_outputs && op.count % (2 * quad_outputs) == 0;
}

template <int quads, int num_inputs>
struct Ahead {
  static constexpr int inputs = num_inputs;
  float4 w[inputs][quads];
};
template <int quads, int num_inputs>
__device__ __forceinline__ Ahead<quads, num_inputs> load_ahead(const float* weights) {
  Ahead<quads, num_inputs> x;
#pragma unroll
  for (int i = 0; i < num_inputs; ++i) {
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
template <bool gated, int quads, int inputs_ahead>
__device__ __forceinline__ void multiply_strip(const Op& op, const Tile& t, const float* weights,
                                               Ahead<quads, inputs_ahead> even, std::uint32_t block,
                                               std::uint32_t first, std::uint32_t lane) {
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
  const auto add_all = [&](const Ahead<quads, inputs_ahead>& x, int k) {
#pragma unroll
    for (int i = 0; i < inputs_ahead; ++i) add(x.w[i], k + i);
  };
  std::uint32_t k = 0;
#pragma unroll 1
  for (; k + 2 * inputs_ahead <= size; k += 2 * inputs_ahead) {
    const Ahead<quads, inputs_ahead> odd = load_ahead<quads, inputs_ahead>(weights + inputs_ahead * width);
    add_all(even, 0);
    even = load_ahead<quads, inputs_ahead>(weights + 2 * inputs_ahead * width);
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
      float* const out = t.at(op.out + o, row) + i * tile_pitch;
      *reinterpret_cast<float4*>(out) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
    }
  } else {
    float* const out = t.at(op.out + block * op.count + o, row);
    const auto each_output = [&](const auto& use) {
#pragma unroll
      for (int i = 0; i < 4 * quads; ++i) {
        const std::uint32_t at = i / 4 * quad_outputs + i % 4;
        if (o + at < op.count) use(sum[i], at);
      }
    };
    if (op.w1 != Op::none) {
      each_output([&](float(&x)[4], std::uint32_t at) {
        const float bias = t.weights[op.w1 + o + at];
#pragma unroll
        for (int j = 0; j < 4; ++j) x[j] = x[j] + bias;
      });
    }
    if (op.accumulate) {
      each_output([&](float(&x)[4], std::uint32_t at) {
        const Numbers<4> before = load_rows<4>(out + at * tile_pitch);
#pragma unroll
        for (int j = 0; j < 4; ++j) x[j] = before.v[j] + x[j];
      });
    }
    each_output([&](const float(&x)[4], std::uint32_t at) {
      *reinterpret_cast<float4*>(out + at * tile_pitch) = make_float4(x[0], x[1], x[2], x[3]);
    });
  }
}

/// A block of a product of one to three outputs; the weights of an input lie together, padded to four.
__device__ __forceinline__ void multiply_few(const Op& op, const Tile& t, const float* weights, std::uint32_t block,
                                             std::uint32_t row) {
  float sum[least_outputs - 1] = {};
  const float* in = t.at(op.a + block * op.size, row);
#pragma unroll 8
  for (std::uint32_t k = 0; k < op.size; ++k) {
    const float4 w = __ldg(reinterpret_cast<const float4*>(weights) + k);
    const float x = in[k * tile_pitch];
    sum[0] = __fmaf_rn(w.x, x, sum[0]);
    sum[1] = __fmaf_rn(w.y, x, sum[1]);
    sum[2] = __fmaf_rn(w.z, x, sum[2]);
  }
#pragma unroll
  for (std::uint32_t o = 0; o < least_outputs - 1; ++o) {
    if (o >= op.count) break;
    float* out = t.at(op.out + block * op.count + o, row);
    if (op.w1 != Op::none) sum[o] = sum[o] + t.weights[op.w1 + o];
    *out = op.accumulate ? *out + sum[o] : sum[o];
  }
}

/// Strips of a product, from `strip` on for this warp; the first one's weights are asked for before the features are
/// there.
template <int quads, bool gated, class Wait>
__device__ __forceinline__ void multiply_strips(const Op& op, const Tile& t, const float* strips, const Place& at,
                                                std::uint32_t strip, const Wait& wait) {
  constexpr int inputs_ahead = quads_ahead / quads;
  constexpr std::uint32_t width = quads * quad_outputs;
  constexpr std::uint32_t outputs = gated ? quad_outputs : width;
  const std::uint32_t in_block = (op.count + outputs - 1) / outputs;
  const std::uint32_t count = in_block * op.groups;
  // Behind the last strip the first one's are read for nothing.
  const auto weights_of = [&](std::uint32_t i) {
    return strips + static_cast<std::size_t>(i < count ? i : 0) * op.size * width + strip_output(at.lane);
  };
  Ahead<quads, inputs_ahead> even = load_ahead<quads, inputs_ahead>(weights_of(strip));
  wait();
#pragma unroll 1
  while (strip < count) {
    const std::uint32_t block = op.groups == 1 ? 0 : strip / in_block;
    const std::uint32_t first = (strip - block * in_block) * outputs;
    multiply_strip<gated>(op, t, weights_of(strip), even, block, first, at.lane);
    strip += at.warps;
    even = load_ahead<quads, inputs_ahead>(weights_of(strip));
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
    for (std::uint32_t block = first; block < op.groups; block += at.warps) {
      multiply_few(op, t, strips + static_cast<std::size_t>(block) * op.size * least_outputs, block, at.lane);
    }
  }
}
/// The outputs of a strip, of two products in a gated one.
std::uint32_t strip_outputs(const TileOperation& operation) {
  const Op& op = operation.op;
  if (op.count < least_outputs) return least_outputs;
  return !operation.gated && is_wide(op) ? 2 * quad_outputs : quad_outputs;
}
std::uint32_t strips(const TileOperation& operation) {
  const std::uint32_t outputs = strip_outputs(operation);
  return (operation.op.count + outputs - 1) / outputs * operation.op.groups;
}

/// Weights as strips want them, [blocks, strips, inputs, outputs of a strip]; a strip's outputs are those of `ops`,
/// which are one product, or two in turn.
void pack(const TileOperation& operation, std::span<const Op* const> ops, std::span<const float> weights,
          std::vector<float>& packed) {
  const Op& op = *ops[0];
  const std::uint32_t outputs = strip_outputs(operation);
  for (std::uint32_t block = 0; block < op.groups; ++block) {
    for (std::uint32_t first = 0; first < op.count; first += outputs) {
      for (std::uint32_t k = 0; k < op.size; ++k) {
        for (const Op* each : ops) {
          const std::size_t row = each->w0 + (std::size_t{block} * op.size + k) * each->pitch;
          for (std::uint32_t o = first; o < first + outputs; ++o) {
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

/// Apart, since it is long and seldom.
__device__ __noinline__ float activated(Function f, float y) {
  Op op;
  op.map = f;
  return elements::activated(op, y);
}

/// Width 4, tails of three numbers: a thread takes four channels, eight apart, of G rows that continue one word. They
/// are read while those before are computed, the first ones before the features are there. With Full channels are a
/// multiple of 32.
template <int G, bool keeps, bool Full, class Wait>
__device__ __forceinline__ void convolve_four(const Op& op, const Tile& t, const Place& at, const Wait& wait) {
  constexpr int ahead = 4;
  const std::uint32_t count = op.count;
  const auto exists = [&](std::uint32_t first, int i) { return Full || first + 8 * i < count; };
  struct Item {
    float before[ahead][3];
    float4 w[ahead];
  };
  const auto load = [&](std::uint32_t row, std::uint32_t first) {
    Item item;
    const float* oldest = t.carried(row) + op.state + first;
    const float* middle = oldest + count;
    const float* newer = middle + count;
    const float4* weights = reinterpret_cast<const float4*>(t.weights + op.w0) + first;
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      item.before[i][0] = exists(first, i) ? state_number(oldest + 8 * i) : 0.0F;
      item.before[i][1] = exists(first, i) ? state_number(middle + 8 * i) : 0.0F;
      item.before[i][2] = exists(first, i) ? state_number(newer + 8 * i) : 0.0F;
      item.w[i] = exists(first, i) ? __ldg(weights + 8 * i) : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    }
    return item;
  };
  std::uint32_t row = (at.warp * 4 + at.lane / 8) * G;
  std::uint32_t first = at.lane % 8;
  // Behind the last rows the last ones are read for nothing.
  const std::uint32_t last = t.rows - G;
  Item item = load(min(row, last), first);
  wait();
#pragma unroll 1
  while (row < t.rows) {
    std::uint32_t next_row = row;
    std::uint32_t next = first + 8 * ahead;
    if (next - at.lane % 8 >= count) next_row += 4 * G * at.warps, next = at.lane % 8;
    const Item following = load(min(next_row, last), next);
    float* kept = t.state_out + row * t.state_size + op.state + first;
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      if (!exists(first, i)) break;
      const std::uint32_t channel = first + 8 * i;
      Numbers<G> x = load_rows<G>(t.at(op.a + channel, row));
      const float bias = op.w1 != Op::none ? t.weights[op.w1 + channel] : 0.0F;
#pragma unroll
      for (int g = 0; g < G; ++g) {
        if (keeps) {
          float* to = kept + g * t.state_size + 8 * i;
          keep_number(to, item.before[i][1]);
          keep_number(to + count, item.before[i][2]);
          keep_number(to + 2 * count, x.v[g]);
        }
        float y = __fmaf_rn(item.w[i].x, item.before[i][0], 0.0F);
        y = __fmaf_rn(item.w[i].y, item.before[i][1], y);
        y = __fmaf_rn(item.w[i].z, item.before[i][2], y);
        y = __fmaf_rn(item.w[i].w, x.v[g], y);
        if (op.w1 != Op::none) y = y + bias;
        x.v[g] = y;
      }
      if (op.map == Function::silu) {
#pragma unroll
        for (int g = 0; g < G; ++g) x.v[g] = numeric::silu(x.v[g]);
      } else if (op.map != Function::copy) {
#pragma unroll
        for (int g = 0; g < G; ++g) x.v[g] = activated(op.map, x.v[g]);
      }
      store_rows(t.at(op.out + channel, row), x);
    }
    item = following;
    row = next_row;
    first = next;
  }
}

/// The same of families: a thread takes a channel of one. Branches of branches read what the branches add to the tail.
template <bool keeps, class Wait>
__device__ __forceinline__ void convolve_families(const Op& op, const Tile& t, const Place& at, const Wait& wait) {
  const std::uint32_t families = t.rows / 6;
  const std::uint32_t octets = (op.count + 7) / 8;
  struct Item {
    std::uint32_t channel, row;
    float before[3];
    float4 w;
  };
  // Neighbouring eight threads are at neighbouring families: their rows are in different banks.
  const auto load = [&](std::uint32_t i) {
    Item item;
    const std::uint32_t octet = i / families;
    item.row = (i - octet * families) * 6;
    item.channel = min(octet * 8 + at.lane % 8, op.count - 1);
    const float* tail = t.carried(item.row) + op.state + item.channel;
#pragma unroll
    for (int j = 0; j < 3; ++j) item.before[j] = state_number(tail + j * op.count);
    item.w = __ldg(reinterpret_cast<const float4*>(t.weights + op.w0) + item.channel);
    return item;
  };
  const std::uint32_t count = octets * families;
  std::uint32_t i = at.warp * 4 + at.lane / 8;
  Item item = load(min(i, count - 1));
  wait();
#pragma unroll 1
  for (; i < count; i += 4 * at.warps) {
    const Item following = load(min(i + 4 * at.warps, count - 1));
    float* in = t.at(op.a + item.channel, item.row);
    float* out = t.at(op.out + item.channel, item.row);
    const float bias = op.w1 != Op::none ? t.weights[op.w1 + item.channel] : 0.0F;
    const Numbers<2> branch = load_rows<2>(in);
    float* const kept = t.state_out + item.row / 6 * 4 * t.state_size + op.state + item.channel;
    const auto convolve = [&](int row, float oldest, float middle, float newer, const Numbers<2>& newest) {
      Numbers<2> y;
#pragma unroll
      for (int g = 0; g < 2; ++g) {
        float sum = __fmaf_rn(item.w.x, oldest, 0.0F);
        sum = __fmaf_rn(item.w.y, middle, sum);
        sum = __fmaf_rn(item.w.z, newer, sum);
        sum = __fmaf_rn(item.w.w, newest.v[g], sum);
        if (op.w1 != Op::none) sum = sum + bias;
        y.v[g] = op.map == Function::silu   ? numeric::silu(sum)
                 : op.map == Function::copy ? sum
                                            : activated(op.map, sum);
        if (row == 0 || !keeps) continue;
        float* to = kept + (row - 2 + g) * t.state_size;
        keep_number(to, middle);
        keep_number(to + op.count, newer);
        keep_number(to + 2 * op.count, newest.v[g]);
      }
      store_rows(out + row, y);
    };
    const Numbers<2> first = load_rows<2>(in + 2);
    const Numbers<2> second = load_rows<2>(in + 4);
    convolve(0, item.before[0], item.before[1], item.before[2], branch);
    convolve(2, item.before[1], item.before[2], branch.v[0], first);
    convolve(4, item.before[1], item.before[2], branch.v[1], second);
    item = following;
  }
}

__device__ __forceinline__ void convolution(const Op& op, const Tile& t, const Place& at) {
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
      for (int j = 0; j < D; ++j) S[g][j] = owned && (Exact || j < keys) ? state_number(from + j * values) : 0.0F;
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
        if (Exact || j < keys) keep_number(to + j * values, S[g][j]);
      }
    }
  }
}

/// One or two updates of states of 32 by 32 of a head: a warp takes G rows that continue one word, a column a lane. The
/// new states exist entry by entry only, made anew for every sum.
template <int G, int N, Decay decays>
class Advance {
 public:
  static constexpr int D = 32;
  struct Changes {
    Numbers<G> v[N];
  };

  __device__ __forceinline__ Advance(const LearnedRecurrence& r, const Tile& t, std::uint32_t lane, std::uint32_t h)
      : r_(r), t_(t), lane_(lane), h_(h) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
      read_[n] = r.updates[n].read.first == LearnedFeatures::none ? nullptr : vector(r.updates[n].read);
      write_[n] = vector(r.updates[n].write);
    }
    query_ = vector(r.query);
    decay_ = decays == Decay::none ? nullptr : vector(r.decay);
  }

  static __device__ __forceinline__ std::uint32_t grouped(std::uint32_t h, std::uint32_t group) {
    return h >> (31 - __clz(static_cast<int>(group)));
  }

  /// What the updates write of the rows from `row` on, which begin with state S.
  __device__ __forceinline__ Changes changes(const float (&S)[D], std::uint32_t row) const {
    Changes change{};
    const Numbers<G> scalar = scalar_decay(row);
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const LearnedRecurrence::Update& u = r_.updates[n];
      if (u.value.first != LearnedFeatures::none) {
        change.v[n] = load_rows<G>(vector(u.value) + lane_ * tile_pitch + row);
      }
      if (read_[n] != nullptr) {
        Numbers<G> sum{};
        if (decays != Decay::none && n == 0 && u.reads_undecayed) {
#pragma unroll
          for (int j = 0; j < D; ++j) add(read_[n], row, j, same(S[j]), sum);
        } else {
#pragma unroll
          for (int j = 0; j < D; ++j) {
            Numbers<G> entry = decayed(S[j], scalar, row, j);
#pragma unroll
            for (int m = 0; m < n; ++m) update(m, row, j, change, entry);
            add(read_[n], row, j, entry, sum);
          }
        }
#pragma unroll
        for (int g = 0; g < G; ++g) change.v[n].v[g] = change.v[n].v[g] - sum.v[g];
      }
      if (u.beta.first != LearnedFeatures::none) {
        const Numbers<G> beta = load_rows<G>(vector(u.beta) + row);
#pragma unroll
        for (int g = 0; g < G; ++g) change.v[n].v[g] = beta.v[g] * change.v[n].v[g];
      }
    }
    return change;
  }

  /// Answers the rows' queries. Calls use(j, entries) with every row's entry j; S[j] is not needed any more then.
  template <class Use>
  __device__ __forceinline__ void finish(const float (&S)[D], std::uint32_t row, const Changes& change,
                                         const Use& use) const {
    const Numbers<G> scalar = scalar_decay(row);
    Numbers<G> answer{};
#pragma unroll
    for (int j = 0; j < D; ++j) {
      Numbers<G> entry = decayed(S[j], scalar, row, j);
#pragma unroll
      for (int n = 0; n < N; ++n) update(n, row, j, change, entry);
      add(query_, row, j, entry, answer);
      use(j, entry);
    }
    store_rows(vector(r_.output) + lane_ * tile_pitch + row, answer);
  }

 private:
  __device__ __forceinline__ float* vector(const LearnedFeatures& f) const {
    return t_.at(f.first + grouped(h_, f.group) * f.head, 0);
  }
  static __device__ __forceinline__ Numbers<G> same(float entry) {
    Numbers<G> x;
#pragma unroll
    for (int g = 0; g < G; ++g) x.v[g] = entry;
    return x;
  }
  __device__ __forceinline__ Numbers<G> scalar_decay(std::uint32_t row) const {
    if constexpr (decays == Decay::scalar) return load_rows<G>(decay_ + row);
    return Numbers<G>{};
  }
  __device__ __forceinline__ Numbers<G> decayed(float entry, const Numbers<G>& scalar, std::uint32_t row, int j) const {
    Numbers<G> x = same(entry);
    if constexpr (decays == Decay::none) return x;
    const Numbers<G> decay = decays == Decay::key ? load_rows<G>(decay_ + row + j * tile_pitch) : scalar;
#pragma unroll
    for (int g = 0; g < G; ++g) x.v[g] = decay.v[g] * x.v[g];
    return x;
  }
  __device__ __forceinline__ void add(const float* x, std::uint32_t row, int j, const Numbers<G>& entry,
                                      Numbers<G>& sum) const {
    const Numbers<G> v = load_rows<G>(x + row + j * tile_pitch);
#pragma unroll
    for (int g = 0; g < G; ++g) sum.v[g] = __fmaf_rn(v.v[g], entry.v[g], sum.v[g]);
  }
  __device__ __forceinline__ void update(int n, std::uint32_t row, int j, const Changes& change,
                                         Numbers<G>& entry) const {
    const Numbers<G> v = load_rows<G>(write_[n] + row + j * tile_pitch);
#pragma unroll
    for (int g = 0; g < G; ++g) entry.v[g] = __fmaf_rn(change.v[n].v[g], v.v[g], entry.v[g]);
  }

  const LearnedRecurrence& r_;
  const Tile& t_;
  std::uint32_t lane_, h_;
  const float* read_[N];
  const float* write_[N];
  const float* query_;
  const float* decay_;
};

/// All heads of all rows. An entry of a state that was used for the last time makes room for the next rows', whose way
/// here is so hidden. With `families` rows are families of a word's two branches and theirs: only the latter's states
/// leave.
template <Order order, bool keep, int N, Decay decays, class Wait>
__device__ __forceinline__ void recur_on_the_way(const LearnedRecurrence& r, const Tile& t, const Place& at,
                                                 const Wait& wait) {
  constexpr bool families = order == Order::families;
  constexpr int G = order == Order::single ? 1 : 2;
  using Rule = Advance<G, N, decays>;
  constexpr int D = Rule::D;
  constexpr std::uint32_t unit_rows = families ? 6 : G;
  const std::uint32_t units = t.rows / unit_rows;
  const auto state_at = [&](std::uint32_t unit, std::uint32_t h) {
    return t.carried(unit * unit_rows) + r.state + Rule::grouped(h, r.state_group) * (D * D) + at.lane;
  };
  std::uint32_t unit = at.warp;
  std::uint32_t h = 0;
  for (; unit >= units; unit -= units) ++h;
  float S[D];
  const auto load = [&](const float* from) {
#pragma unroll
    for (int j = 0; j < D; ++j) S[j] = state_number(from + j * D);
  };
  load(h < r.heads ? state_at(unit, h) : state_at(0, 0));
  wait();
  std::uint32_t next = unit;
  std::uint32_t next_h = h;
#pragma unroll 1
  for (; h < r.heads; h = next_h) {
    const Rule rule(r, t, at.lane, h);
    const std::uint32_t state = Rule::grouped(h, r.state_group);
    const bool keeps = keep && state * r.state_group == h;
#pragma unroll 1
    while (next_h == h) {
      unit = next;
      const std::uint32_t row = unit * unit_rows;
      next = unit + at.warps;
      for (; next >= units; next -= units) ++next_h;
      const float* from = next_h < r.heads ? state_at(next, next_h) : state_at(unit, h);
      const auto changes = rule.changes(S, row);
      if constexpr (families) {
        float below[2][D];
        rule.finish(S, row, changes, [&](int j, const Numbers<G>& entry) {
          below[0][j] = entry.v[0];
          below[1][j] = entry.v[1];
        });
        const auto branch = [&](int i) {
          const std::uint32_t first = row + 2 + 2 * i;
          const auto below_changes = rule.changes(below[i], first);
          if (!keeps) return rule.finish(below[i], first, below_changes, [](int, const Numbers<G>&) {});
          float* to = t.state_out + (unit * 4 + 2 * i) * t.state_size + r.state + state * (D * D) + at.lane;
          rule.finish(below[i], first, below_changes, [&](int j, const Numbers<G>& entry) {
            keep_number(to + j * D, entry.v[0]);
            keep_number(to + t.state_size + j * D, entry.v[1]);
          });
        };
        branch(0);
        load(from);
        branch(1);
      } else if (keeps) {
        float* to = t.state_out + row * t.state_size + r.state + state * (D * D) + at.lane;
        rule.finish(S, row, changes, [&](int j, const Numbers<G>& entry) {
          S[j] = state_number(from + j * D);
#pragma unroll
          for (int g = 0; g < G; ++g) keep_number(to + g * t.state_size + j * D, entry.v[g]);
        });
      } else {
        rule.finish(S, row, changes, [&](int j, const Numbers<G>&) { S[j] = state_number(from + j * D); });
      }
    }
  }
}

/// Whether `recur_on_the_way` does it.
__host__ __device__ constexpr bool on_the_way(const LearnedRecurrence& r) {
  const auto grouped = [](const LearnedFeatures& f) { return (f.group & (f.group - 1)) == 0; };
  bool fits = r.key_size == 32 && r.value_size == 32 && (r.num_updates == 1 || r.num_updates == 2) &&
              grouped(r.decay) && grouped(r.query) && grouped(r.output) && (r.state_group & (r.state_group - 1)) == 0;
  for (std::uint32_t n = 0; n < r.num_updates; ++n) {
    const LearnedRecurrence::Update& u = r.updates[n];
    fits = fits && grouped(u.read) && grouped(u.write) && grouped(u.value) && grouped(u.beta) &&
           (n == 0 || !u.reads_undecayed);
  }
  return fits;
}

template <Order order, bool keep, class Wait>
__device__ __forceinline__ void recurrence(const LearnedRecurrence& r, const Tile& t, const Place& at,
                                           const Wait& wait) {
  if (on_the_way(r)) {
    if (r.num_updates == 1) {
      if (r.decay_kind == Decay::none) return recur_on_the_way<order, keep, 1, Decay::none>(r, t, at, wait);
      if (r.decay_kind == Decay::scalar) return recur_on_the_way<order, keep, 1, Decay::scalar>(r, t, at, wait);
      return recur_on_the_way<order, keep, 1, Decay::key>(r, t, at, wait);
    }
    if (r.decay_kind == Decay::none) return recur_on_the_way<order, keep, 2, Decay::none>(r, t, at, wait);
    if (r.decay_kind == Decay::scalar) return recur_on_the_way<order, keep, 2, Decay::scalar>(r, t, at, wait);
    return recur_on_the_way<order, keep, 2, Decay::key>(r, t, at, wait);
  }
  // Families have recurrences on the way alone.
  if constexpr (order == Order::families) return;
  const bool square = r.key_size == r.value_size;
  wait();
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

/// For every i < count and every quad of rows: a warp takes four numbers of all rows, a quad a lane.
template <class Element>
__device__ __forceinline__ void each_quad(std::uint32_t count, const Place& at, const Element& element) {
  const std::uint32_t row = at.lane % 8 * 4;
#pragma unroll 1
  for (std::uint32_t i = at.warp * 4 + at.lane / 8; i < count; i += 4 * at.warps) element(i, row);
}
/// For every i < count, a row a lane.
template <class Element>
__device__ __forceinline__ void each_row(std::uint32_t count, const Place& at, const Element& element) {
  for (std::uint32_t i = at.warp; i < count; i += at.warps) element(i, at.lane);
}

/// The first numbers are asked for before features may be overwritten. `in_pairs`: the tokens of two rows are an even
/// number and the next.
template <class Wait>
__device__ __forceinline__ void gather(const Op& op, const Tile& t, const Place& at, bool in_pairs, const Wait& wait) {
  constexpr int at_once = 4;
  const std::uint32_t row = at.lane % 8 * 4;
  const float* const table = t.weights + op.w0;
  const uint4 token = *reinterpret_cast<const uint4*>(t.token + row);
  in_pairs = in_pairs && op.w0 % 2 == 0 && op.size % 2 == 0;
  struct Values {
    Numbers<4> v[at_once];
  };
  const auto load = [&](std::uint32_t first) {
    Values x;
#pragma unroll
    for (int j = 0; j < at_once; ++j) {
      const float* entries = table + min(first + j * 4 * at.warps, op.count - 1) * op.size;
      if (in_pairs) {
        const float2 one =
            __ldg(reinterpret_cast<const float2*>(entries + token.x / 2 * 2));  // behind the last row any
        const float2 two = __ldg(reinterpret_cast<const float2*>(entries + token.z / 2 * 2));
        x.v[j] = {{one.x, one.y, two.x, two.y}};
      } else {
        x.v[j] = {
            {__ldg(entries + token.x), __ldg(entries + token.y), __ldg(entries + token.z), __ldg(entries + token.w)}};
      }
    }
    return x;
  };
  std::uint32_t first = at.warp * 4 + at.lane / 8;
  Values x = load(first);
  wait();
#pragma unroll 1
  while (first < op.count) {
#pragma unroll
    for (int j = 0; j < at_once; ++j) {
      const std::uint32_t i = first + j * 4 * at.warps;
      if (i < op.count) store_rows(t.at(op.out + i, row), x.v[j]);
    }
    first += at_once * 4 * at.warps;
    if (first < op.count) x = load(first);
  }
}

/// The function is known before the loop.
template <Function f>
__device__ __forceinline__ bool map(const Op& op, const Tile& t, const Place& at) {
  constexpr auto reads = [](char operand) { return operands_of(f).find(operand) != std::string_view::npos; };
  const auto shared = [](std::uint32_t i, std::uint32_t share) { return share == 1 ? i : i / share; };
  each_quad(op.count, at, [&](std::uint32_t i, std::uint32_t row) {
    Numbers<4> a{}, b{}, c{};
    float w = 0.0F;
    float v = 0.0F;
    if constexpr (reads('a')) a = load_rows<4>(t.at(op.a + shared(i, op.a_share), row));
    if constexpr (reads('b')) b = load_rows<4>(t.at(op.b + shared(i, op.b_share), row));
    if constexpr (reads('c')) c = load_rows<4>(t.at(op.c + i, row));
    if constexpr (reads('w')) w = t.weights[op.w0 + shared(i, op.w_share)];
    if constexpr (reads('v')) v = t.weights[op.w1 + shared(i, op.v_share)];
    Numbers<4> x;
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      x.v[r] = elementwise<float>(
          f, {op.k0, op.k1, op.k2}, [&] { return a.v[r]; }, [&] { return b.v[r]; }, [&] { return c.v[r]; },
          [&] { return w; }, [&] { return v; });
    }
    store_rows(t.at(op.out + i, row), x);
  });
  return true;
}
/// What layers do to all of their numbers; false where it is something else.
__device__ __forceinline__ bool map(const Op& op, const Tile& t, const Place& at) {
  if (op.a_run != 0 || op.out_run != 0) return false;
  switch (op.map) {
    case Function::copy:
      return map<Function::copy>(op, t, at);
    case Function::add:
      return map<Function::add>(op, t, at);
    case Function::scale:
      return map<Function::scale>(op, t, at);
    case Function::multiply:
      return map<Function::multiply>(op, t, at);
    case Function::multiply_weight:
      return map<Function::multiply_weight>(op, t, at);
    case Function::silu:
      return map<Function::silu>(op, t, at);
    case Function::sigmoid:
      return map<Function::sigmoid>(op, t, at);
    case Function::squared_relu:
      return map<Function::squared_relu>(op, t, at);
    case Function::times_silu:
      return map<Function::times_silu>(op, t, at);
    case Function::times_sigmoid:
      return map<Function::times_sigmoid>(op, t, at);
    case Function::strength:
      return map<Function::strength>(op, t, at);
    default:
      return false;
  }
}

/// Sums are chains, a row and group a thread, in `sums` [2, groups, tile_rows].
__device__ __forceinline__ void sum_groups(const Op& op, const Tile& t, const Place& at, float* sums) {
  each_row(op.count, at, [&](std::uint32_t g, std::uint32_t row) {
    const elements::GroupSums of = elements::group_sums(op, t, g, row);
    sums[g * tile_rows + row] = of.middle;
    sums[(op.count + g) * tile_rows + row] = of.scale;
  });
}
/// Then all threads work on the numbers, which lie together. `weighted`: each has a weight.
template <bool weighted>
__device__ __forceinline__ void scale_groups(const Op& op, const Tile& t, const Place& at, const float* scales) {
  const std::uint32_t row = at.lane % 8 * 4;
  const std::uint32_t first = at.warp * 4 + at.lane / 8;
  const std::uint32_t step = 4 * at.warps;
  const float* in = t.at(op.a + first, row);
  float* out = t.at(op.out + first, row);
  const float* weights = t.weights + op.w0;
  std::uint32_t g = 0;
  std::uint32_t i = first;
#pragma unroll 1
  for (std::uint32_t n = first; n < op.count * op.size; n += step) {
    for (; i >= op.size; i -= op.size) ++g;
    const Numbers<4> scale = load_rows<4>(scales + g * tile_rows + row);
    const float w = weighted ? __ldg(weights + g * op.size * op.w_share + i) : 0.0F;
    Numbers<4> x = load_rows<4>(in);
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      x.v[r] = x.v[r] * scale.v[r];
      if (weighted) x.v[r] = x.v[r] * w;
    }
    store_rows(out, x);
    in += step * tile_pitch;
    out += step * tile_pitch;
    i += step;
  }
}
/// The usual norms; false where it is something else.
__device__ __forceinline__ bool group(const Op& op, const Tile& t, const Place& at, float* sums) {
  const bool rms = op.group == Op::Group::rms && op.w1 == Op::none && !op.weight_is_offset;
  if (!rms && op.group != Op::Group::l2) return false;
  Op one = op;
  if (rms) {
    one.group = Op::Group::rms;
    sum_groups(one, t, at, sums);
  } else {
    one.group = Op::Group::l2;
    sum_groups(one, t, at, sums);
  }
  __syncthreads();
  const float* scales = sums + op.count * tile_rows;
  if (rms && op.w0 != Op::none) {
    scale_groups<true>(op, t, at, scales);
  } else {
    scale_groups<false>(op, t, at, scales);
  }
  return true;
}
__device__ __forceinline__ void any_group(const Op& op, const Tile& t, const Place& at, float* sums) {
  sum_groups(op, t, at, sums);
  __syncthreads();
#pragma unroll 1
  for (std::uint32_t g = 0; g < op.count; ++g) {
    const elements::GroupSums of{sums[g * tile_rows + at.lane], sums[(op.count + g) * tile_rows + at.lane]};
    each_row(op.size, at, [&](std::uint32_t i, std::uint32_t row) {
      *t.at(op.out + g * op.size + i, row) = elements::group_value(op, t, of, g, i, row);
    });
  }
}

/// Operations that few models have, or have little of: apart, so that they take no registers of the others.
__device__ __noinline__ void run_seldom(const TileArgs& args, const Op& op, const Rows& rows) {
  const Place at = place();
  const Tile t = tile(args, rows);
  switch (op.kind) {
    case Op::Kind::map:
      return each_row(op.count, at, [&](std::uint32_t i, std::uint32_t row) { elements::map(op, t, i, row); });
    case Op::Kind::group:
      if (op.group == Op::Group::bonus) {
        return each_row(op.count, at, [&](std::uint32_t g, std::uint32_t row) { elements::bonus(op, t, g, row); });
      }
      return any_group(op, t, at, t.features + args.num_features * tile_pitch);
    case Op::Kind::constants:
      return each_row(op.count, at, [&](std::uint32_t i, std::uint32_t row) { elements::constants(op, t, i, row); });
    case Op::Kind::convolution:
      return convolution(op, t, at);
    case Op::Kind::shift:
      return each_carried(op.count, t, at, [&](std::uint32_t i, std::uint32_t row) {
        if (t.state_out != nullptr) elements::keep_shift(op, t, i, row);
        elements::shift(op, t, i, row);
      });
    case Op::Kind::stabilizer:
      return each_row(op.count, at, [&](std::uint32_t i, std::uint32_t row) {
        if (row < t.rows) elements::stabilizer(op, t, i, row);
      });
    case Op::Kind::cell:
      return cell(op, t, at);
    default:
      break;
  }
}

/// For rows in an order, that leave states or do not.
template <Order order, bool keep>
__global__ void __launch_bounds__(most_threads) tile_kernel(const __grid_constant__ TileArgs args) {
  __shared__ Rows rows;
  const LearnedRows& x = args.x;
  const std::uint32_t first = blockIdx.x * args.rows_used;
  if (threadIdx.x < tile_rows) {
    const std::uint32_t i = threadIdx.x;
    const LearnedBranches& branches = args.branches;
    const std::uint32_t symbols = branches.symbols;
    const std::uint32_t row = min(first + i, x.rows - 1);  // those behind the last do its work
    std::uint32_t parent = row / symbols;
    std::uint32_t token = (branches.first_token + row) % branches.tokens;
    if (branches.levels == 2) {
      parent = row / branches.family();
      const std::uint32_t member = row % branches.family();
      const std::uint32_t below = member - symbols;
      const std::uint32_t child = member < symbols ? member : below / symbols;
      token = (branches.first_token + parent * symbols + child) % branches.tokens;
      if (member >= symbols) token = (token * symbols + below % symbols) % branches.tokens;
    }
    rows.token[i] = token;
    rows.source[i] = args.begin + parent;
    rows.own[i] = i;
    rows.one[i] = 1;
  }
  // Which operation is next: kept here, since a register that lives through all operations would be spilled.
  __shared__ std::uint32_t next_operation[most_threads / 32];
  if (threadIdx.x < most_threads / 32) next_operation[threadIdx.x] = 0;
  __syncthreads();
  for (;;) {
    const Place at = place();
    std::uint32_t* const next = next_operation + at.warp;
    const std::uint32_t number = *static_cast<volatile std::uint32_t*>(next);
    if (number == args.num_operations) break;
    __syncwarp();
    if (at.lane == 0) *next = number + 1;
    __syncwarp();
    const TileOperation& operation = args.operations[number];
    const Tile t = tile(args, rows);
    const Op& op = operation.op;
    const auto wait = [&] {
      if (operation.waits) __syncthreads();
    };
    switch (op.kind) {
      case Op::Kind::gather:
        gather(op, t, at, order != Order::single, wait);
        continue;
      case Op::Kind::multiply:
        multiply(operation, t, args.packed, at, wait);
        continue;
      case Op::Kind::map:
        wait();
        if (map(op, t, at)) continue;
        break;
      case Op::Kind::group:
        wait();
        if (group(op, t, at, t.features + args.num_features * tile_pitch)) continue;
        break;
      case Op::Kind::convolution:
        if constexpr (order == Order::families) {
          convolve_families<keep>(op, t, at, wait);
          continue;
        }
        if (op.size == 4 && op.count % 32 == 0) {
          convolve_four<order == Order::pairs ? 2 : 1, keep, true>(op, t, at, wait);
          continue;
        }
        if (op.size == 4) {
          convolve_four<1, keep, false>(op, t, at, wait);
          continue;
        }
        wait();
        break;
      case Op::Kind::recurrence:
        recurrence<order, keep>(args.recurrences[op.w0], t, at, wait);
        continue;
      default:
        wait();
        break;
    }
    run_seldom(args, op, rows);
  }
  __syncthreads();
  const Tile t = tile(args, rows);
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
      const auto end = [&](const LearnedFeatures& f, std::uint32_t size) {
        return (r.heads - 1) / f.group * f.head + size;
      };
      const auto input = [&](const LearnedFeatures& f, std::uint32_t size) {
        if (f.first != LearnedFeatures::none) read(f.first, end(f, size));
      };
      input(r.decay, r.decay_kind == Decay::key ? r.key_size : 1);
      input(r.query, r.key_size);
      for (std::uint32_t u = 0; u < r.num_updates; ++u) {
        input(r.updates[u].read, r.key_size);
        input(r.updates[u].write, r.key_size);
        input(r.updates[u].value, r.value_size);
        input(r.updates[u].beta, 1);
      }
      write(r.output.first, end(r.output, r.value_size));
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
  std::size_t tile_bytes = 0;
  /// Families have a form: all that is carried is states of recurrences on the way, and tails of three.
  bool twice = false;
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
  if (program.operations.size() > most_operations || program.recurrences.size() > most_recurrences ||
      program.weights.size() >= std::size_t{1} << 30U ||
      !std::all_of(program.recurrences.begin(), program.recurrences.end(), fits)) {
    return std::nullopt;
  }
  auto tiles = std::make_unique<Program>();
  TileArgs& args = tiles->args;
  std::vector<float> packed;
  std::uint32_t given = 0;
  std::uint32_t end = program.logits + program.num_logits;
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
    for (const std::vector<Range>* ranges : {&now.read, &now.written}) {
      for (const auto& [first, count] : *ranges) end = std::max(end, first + count);
    }
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
      pack(operation, std::array{gated->first, gated->second}, program.weights, packed);
    } else {
      pack(operation, std::array{&op}, program.weights, packed);
    }
  }
  args.num_features = std::min(end, program.num_features);
  const std::size_t bytes = sizeof(float) * (std::size_t{tile_pitch} * args.num_features + most_sums(program));
  if (bytes + declared_bytes > shared_memory_limit()) return std::nullopt;
  packed.resize(packed.size() + 2 * quads_ahead * quad_outputs);
  tiles->packed = DeviceArray<float>(std::span<const float>(packed));
  tiles->tile_bytes = bytes;
  std::copy(program.recurrences.begin(), program.recurrences.end(), args.recurrences);
  tiles->twice = std::all_of(program.recurrences.begin(), program.recurrences.end(), on_the_way) &&
                 std::all_of(program.operations.begin(), program.operations.end(), [](const Op& op) {
                   if (op.kind == Op::Kind::convolution) return op.size == 4 && op.count % 8 == 0;
                   return op.kind != Op::Kind::shift && op.kind != Op::Kind::stabilizer && op.kind != Op::Kind::cell;
                 });
  args.packed = tiles->packed.data();
  args.logits = program.logits;
  args.num_logits = program.num_logits;
  return LearnedTiles(std::move(tiles));
}

bool LearnedTiles::twice(std::uint32_t symbols) const { return symbols == 2 && program_->twice; }

void LearnedTiles::run(const LearnedRows& x, const LearnedBranches& branches, std::uint32_t begin) const {
  if (x.rows == 0) return;
  TileArgs args = program_->args;
  args.x = x;
  args.branches = branches;
  args.begin = begin;
  if (branches.levels == 2) {
    const std::uint32_t families = tile_rows / branches.family();
    args.rows_used = families * branches.family();
    args.states_left = families * branches.symbols * branches.symbols;
  }
  // Tiles that a multiprocessor has room for: fewer have more threads.
  const std::size_t bytes = program_->tile_bytes;
  const std::size_t at_once = shared_memory_limit() / (bytes + declared_bytes);
  const unsigned threads = at_once >= 3 ? 128 : at_once == 2 ? 256 : most_threads;
  const auto launch = [&](auto* kernel) {
    allow_shared_memory(kernel, bytes);
    kernel<<<(x.rows + args.rows_used - 1) / args.rows_used, threads, bytes>>>(args);
  };
  const Order order = branches.levels == 2 ? Order::families : branches.symbols % 2 == 0 ? Order::pairs : Order::single;
  const bool keep = x.state_out != nullptr;
  switch (order) {
    case Order::single:
      keep ? launch(tile_kernel<Order::single, true>) : launch(tile_kernel<Order::single, false>);
      break;
    case Order::pairs:
      keep ? launch(tile_kernel<Order::pairs, true>) : launch(tile_kernel<Order::pairs, false>);
      break;
    case Order::families:
      keep ? launch(tile_kernel<Order::families, true>) : launch(tile_kernel<Order::families, false>);
      break;
  }
  check_launch("tile_kernel");
}

}  // namespace krohn
