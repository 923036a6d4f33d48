// Products of a tile's features: quads of outputs by a thread's share of the rows, each sum a single chain. Weights do
// not depend on features: a warp's first ones are asked for before its block waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tile_rows.cuh"

namespace krohn::tiles {

/// Outputs of a warp's strip, a thread's four for each quad. A strip's weights lie input by input.
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
__device__ __forceinline__ std::uint32_t strip_share(std::uint32_t lane) { return lane / 2 % 8; }
__device__ __forceinline__ std::uint32_t strip_output(std::uint32_t lane) { return (lane % 2 + lane / 16 * 2) * 4; }

/// `weights`: a thread's, of the first input; `even`: those of the first inputs. `gated`: of the two quads the second
/// is another product, whose silu the first is multiplied with.
template <bool gated, int quads, int inputs_ahead, Order order>
__device__ __forceinline__ void multiply_strip(const Op& op, const Tile<order>& t, const float* weights,
                                               Ahead<quads, inputs_ahead> even, std::uint32_t block,
                                               std::uint32_t first, std::uint32_t lane) {
  constexpr int width = quads * static_cast<int>(quad_outputs);
  constexpr std::uint32_t pitch = Layout<order>::pitch;
  using Part = Share<order>;
  const std::uint32_t share = strip_share(lane);
  const std::uint32_t o = first + strip_output(lane);
  const std::uint32_t size = op.size;
  Part inputs(t.at(op.a + block * size, 0), share);
  typename Part::Values sum[4 * quads]{};
  const auto add = [&](const float4(&w)[quads], std::uint32_t k) {
    const typename Part::Values v = inputs.load(k * pitch);
#pragma unroll
    for (int q = 0; q < quads; ++q) {
#pragma unroll
      for (int j = 0; j < Part::rows; ++j) {
        sum[4 * q].v[j] = __fmaf_rn(w[q].x, v.v[j], sum[4 * q].v[j]);
        sum[4 * q + 1].v[j] = __fmaf_rn(w[q].y, v.v[j], sum[4 * q + 1].v[j]);
        sum[4 * q + 2].v[j] = __fmaf_rn(w[q].z, v.v[j], sum[4 * q + 2].v[j]);
        sum[4 * q + 3].v[j] = __fmaf_rn(w[q].w, v.v[j], sum[4 * q + 3].v[j]);
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
    inputs.advance(2 * inputs_ahead * pitch);
  }
#pragma unroll 1
  for (; k < size; ++k, weights += width, inputs.advance(pitch)) {
    float4 w[quads];
#pragma unroll
    for (int q = 0; q < quads; ++q) w[q] = __ldg(reinterpret_cast<const float4*>(weights + q * quad_outputs));
    add(w, 0);
  }
  if constexpr (gated) {
    const Part out(t.at(op.out + o, 0), share);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < Part::rows; ++j) sum[i].v[j] = sum[i].v[j] * numeric::silu(sum[4 + i].v[j]);
      out.store(sum[i], i * pitch);
    }
  } else {
    const Part out(t.at(op.out + block * op.count + o, 0), share);
    const auto each_output = [&](const auto& use) {
#pragma unroll
      for (int i = 0; i < 4 * quads; ++i) {
        const std::uint32_t at = i / 4 * quad_outputs + i % 4;
        if (o + at < op.count) use(sum[i].v, at);
      }
    };
    if (op.w1 != Op::none) {
      each_output([&](float(&x)[Part::rows], std::uint32_t at) {
        const float bias = t.weights[op.w1 + o + at];
#pragma unroll
        for (int j = 0; j < Part::rows; ++j) x[j] = x[j] + bias;
      });
    }
    if (op.accumulate) {
      each_output([&](float(&x)[Part::rows], std::uint32_t at) {
        const typename Part::Values before = out.load(at * pitch);
#pragma unroll
        for (int j = 0; j < Part::rows; ++j) x[j] = before.v[j] + x[j];
      });
    }
#pragma unroll
    for (int i = 0; i < 4 * quads; ++i) {
      const std::uint32_t at = i / 4 * quad_outputs + i % 4;
      if (o + at < op.count) out.store(sum[i], at * pitch);
    }
  }
}

/// A row of a block of a product of one to three outputs; the weights of an input lie together, padded to four.
template <Order order>
__device__ __forceinline__ void multiply_few(const Op& op, const Tile<order>& t, const float* weights,
                                             std::uint32_t block, std::uint32_t row) {
  float sum[least_outputs - 1] = {};
  const float* in = t.at(op.a + block * op.size, row);
#pragma unroll 8
  for (std::uint32_t k = 0; k < op.size; ++k) {
    const float4 w = __ldg(reinterpret_cast<const float4*>(weights) + k);
    const float x = in[k * Layout<order>::pitch];
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
template <int quads, bool gated, Order order, class Wait>
__device__ __forceinline__ void multiply_strips(const Op& op, const Tile<order>& t, const float* strips,
                                                const Place& at, std::uint32_t strip, const Wait& wait) {
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
template <Order order, class Wait>
__device__ __forceinline__ void multiply(const TileOperation& operation, const Tile<order>& t, const float* packed,
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
    each_row<order>(op.groups, {first, at.warps, at.lane}, [&](std::uint32_t block, std::uint32_t row) {
      multiply_few(op, t, strips + static_cast<std::size_t>(block) * op.size * least_outputs, block, row);
    });
  }
}
/// The outputs of a strip, of two products in a gated one.
inline std::uint32_t strip_outputs(const TileOperation& operation) {
  const Op& op = operation.op;
  if (op.count < least_outputs) return least_outputs;
  return !operation.gated && is_wide(op) ? 2 * quad_outputs : quad_outputs;
}
inline std::uint32_t strips(const TileOperation& operation) {
  const std::uint32_t outputs = strip_outputs(operation);
  return (operation.op.count + outputs - 1) / outputs * operation.op.groups;
}

/// Weights as strips want them, [blocks, strips, inputs, outputs of a strip]; a strip's outputs are those of `ops`,
/// which are one product, or two in turn.
inline void pack(const TileOperation& operation, std::span<const Op* const> ops, std::span<const float> weights,
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

}  // namespace krohn::tiles
