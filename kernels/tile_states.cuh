// What a tile's rows carry besides matrices: tails of convolutions and cells, with neighbouring threads on neighbouring
// numbers of a state. What a warp begins with is asked for before its block waits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tile_rows.cuh"

namespace krohn::tiles {

/// Calls element(i, row) for every i < count: a warp takes eight numbers of four rows.
template <Order order, class Element>
__device__ __forceinline__ void each_carried(std::uint32_t count, const Tile<order>& t, const Place& at,
                                             const Element& element) {
  const std::uint32_t octets = (count + 7) / 8;
  for (std::uint32_t i = at.warp; i < octets * (Layout<order>::rows / 4); i += at.warps) {
    const std::uint32_t row = i / octets * 4 + at.lane / 8;
    const std::uint32_t number = i % octets * 8 + at.lane % 8;
    if (number < count && row < t.rows) element(number, row);
  }
}

/// Apart, since it is long and seldom.
static __device__ __noinline__ float activated(Function f, float y) {
  Op op;
  op.map = f;
  return elements::activated(op, y);
}

/// A convolution of width 4 of one channel.
__device__ __forceinline__ float convolved(const Op& op, const float4& w, float oldest, float middle, float newer,
                                           float newest, float bias) {
  float sum = __fmaf_rn(w.x, oldest, 0.0F);
  sum = __fmaf_rn(w.y, middle, sum);
  sum = __fmaf_rn(w.z, newer, sum);
  sum = __fmaf_rn(w.w, newest, sum);
  return op.w1 != Op::none ? sum + bias : sum;
}
/// The tail that it leaves.
__device__ __forceinline__ void keep_tail(float* to, std::uint32_t count, float middle, float newer, float newest) {
  keep_number(to, middle);
  keep_number(to + count, newer);
  keep_number(to + 2 * count, newest);
}

/// Width 4, tails of three numbers: a thread takes four channels, eight apart, of G rows that continue one word. They
/// are read while those before are computed, the first ones before the features are there. With Full channels are a
/// multiple of 32.
template <int G, bool keeps, bool Full, Order order, class Wait>
__device__ __forceinline__ void convolve_four(const Op& op, const Tile<order>& t, const Place& at, const Wait& wait) {
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
        const auto& [oldest, middle, newer] = item.before[i];
        if (keeps) keep_tail(kept + g * t.state_size + 8 * i, count, middle, newer, x.v[g]);
        x.v[g] = convolved(op, item.w[i], oldest, middle, newer, x.v[g], bias);
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
__device__ __forceinline__ void convolve_families(const Op& op, const Tile<Order::families>& t, const Place& at,
                                                  const Wait& wait) {
  const std::uint32_t families = t.families();
  const std::uint32_t octets = (op.count + 7) / 8;
  struct Item {
    std::uint32_t channel, family;
    float before[3];
    float4 w;
  };
  // Neighbouring eight threads are at neighbouring families: their rows are in different banks.
  const auto load = [&](std::uint32_t i) {
    Item item;
    const std::uint32_t octet = i / families;
    item.family = i - octet * families;
    item.channel = min(octet * 8 + at.lane % 8, op.count - 1);
    const float* tail = t.carried(item.family * 4) + op.state + item.channel;
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
    const float bias = op.w1 != Op::none ? t.weights[op.w1 + item.channel] : 0.0F;
    const auto x = Share<Order::families>(t.at(op.a + item.channel, 0), item.family).load();
    float* const kept = t.state_out + item.family * 4 * t.state_size + op.state + item.channel;
    const auto convolve = [&](int row, float oldest, float middle, float newer) {
      if (keeps && row < 4) keep_tail(kept + row * t.state_size, op.count, middle, newer, x.v[row]);
      const float sum = convolved(op, item.w, oldest, middle, newer, x.v[row], bias);
      return op.map == Function::silu ? numeric::silu(sum) : op.map == Function::copy ? sum : activated(op.map, sum);
    };
    Share<Order::families>::Values y;
#pragma unroll
    for (int g = 0; g < 2; ++g) {
      const float branch = x.v[4 + g];
      y.v[2 * g] = convolve(2 * g, item.before[1], item.before[2], branch);
      y.v[2 * g + 1] = convolve(2 * g + 1, item.before[1], item.before[2], branch);
      y.v[4 + g] = convolve(4 + g, item.before[0], item.before[1], item.before[2]);
    }
    Share<Order::families>(t.at(op.out + item.channel, 0), item.family).store(y);
    item = following;
  }
}

template <Order order>
__device__ __forceinline__ void convolution(const Op& op, const Tile<order>& t, const Place& at) {
  each_carried(op.count, t, at, [&](std::uint32_t channel, std::uint32_t row) {
    // In place: the newest input is kept before the output takes its place.
    if (t.state_out != nullptr) elements::keep_tail(op, t, channel, row);
    elements::convolution(op, t, channel, row);
  });
}

template <Order order>
__device__ __forceinline__ void cell(const Op& op, const Tile<order>& t, const Place& at) {
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

}  // namespace krohn::tiles
