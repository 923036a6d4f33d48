// The recurrence of learned models: one thread a column of S, which stays in registers for all tokens. Sums run in one
// fixed order, so a thread's work is a chain; the parallel work is in columns, heads and words.
//
// A block holds up to 128 columns of one head of a word, or of two heads. One warp more, the feeder, brings the vectors
// of eight tokens at a time to shared memory by asynchronous copies, into a ring of stages ahead of the others, which
// meet it at barriers in shared memory alone: what addresses cost is nobody's chain. A token's vector that lies in one
// piece is one bulk copy, where the device has them: copies of quads took the feeder longer than the others' chains.
// Each step of a column then reads broadcasts of shared memory and nothing else. One pass over the key rows of S does
// all that can be done with them: it finishes an update, sums the read-out, decays for the next token and sums that
// token's first dot product. Two chains of key_size fused multiply-adds run side by side, which bounds a step from
// below by 4 key_size clocks; many words hide it, and then the bound is 3 (4 with a decay) instructions an element and
// update, and the broadcasts, which keep the shared memory two clocks each. Two columns a thread, which halve them,
// were slower at every shape measured: the warps are then half as many.
//
// Where every word has a single token (the branches of a prefix tree) nothing is a chain of tokens, and the states' way
// from and to memory is the work: a block takes 32 words of one head, turns their vectors in shared memory, and each of
// its warps takes some of the words, 32 columns of S at a time, a column a lane: loads and stores of whole lines.
//
// The general form, for what has no register form, keeps S in memory and follows recurrence_column.
#include <cuda_pipeline.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "cuda.cuh"
#include "krohn/kernels/recurrence.hpp"

namespace krohn {
namespace {

constexpr int stage_tokens = 8;
constexpr int ring_stages = 4;
constexpr std::uint32_t most_slots = 2;
constexpr std::uint32_t feeder_threads = 32;
constexpr std::uint32_t most_columns = 128;
constexpr std::size_t block_shared_bytes = 100U * 1024U;  // two blocks a multiprocessor

/// deltas: updates that read and write one key each; delta: one such. write: one update that reads nothing. removal:
/// RWKV-7's two.
enum class Form { delta, deltas, write, removal };
constexpr bool has_deltas(Form form) { return form == Form::delta || form == Form::deltas; }
using Decay = Recurrence::Decay;

/// Where a token's numbers lie in shared memory: key-sized vectors, column-sized vectors, single numbers.
///   deltas: the keys, the query | the values | the betas, the decay
///   write: key, query, decay by key | value, x of decay by rate | decay
///   removal: read, removal write, key, query, decay | value
struct Record {
  std::uint32_t values = 0;   // offset of the first column-sized vector
  std::uint32_t scalars = 0;  // offset of the first single number
  std::uint32_t size = 0;     // 4 modulo 32: eight tokens of a time-major copy then fall into different banks
};

struct Shape {
  Record record;
  std::uint32_t columns_log2 = 0;
  std::uint32_t slots = 0;  // heads (of words) a block
  bool transposed_output = false;
};

// ---- barriers in shared memory --------------------------------------------------------------------------------------

__device__ __forceinline__ std::uint32_t address_of(const void* shared) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}
__device__ __forceinline__ void barrier_init(std::uint64_t* barrier, std::uint32_t arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(address_of(barrier)), "r"(arrivals));
}
__device__ __forceinline__ void barrier_arrive(std::uint64_t* barrier) {
  asm volatile("{ .reg .b64 state; mbarrier.arrive.shared.b64 state, [%0]; }" ::"r"(address_of(barrier)) : "memory");
}
/// Arrives once this thread's asynchronous copies so far have.
__device__ __forceinline__ void barrier_arrive_with_copies(std::uint64_t* barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(address_of(barrier)) : "memory");
}
/// Waits for the end of the phase of this parity; a barrier that is new has ended one of parity 1.
__device__ __forceinline__ void barrier_wait(std::uint64_t* barrier, std::uint32_t parity) {
  std::uint32_t ended = 0;
  while (ended == 0) {
#if __CUDA_ARCH__ >= 900
    asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
#else
    asm volatile("{ .reg .pred p; mbarrier.test_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
#endif
                 : "=r"(ended)
                 : "r"(address_of(barrier)), "r"(parity)
                 : "memory");
  }
}

#if __CUDA_ARCH__ >= 900
constexpr bool bulk_copies = true;
#else
constexpr bool bulk_copies = false;
#endif
/// A copy of a multiple of 16 bytes, of such addresses, by one thread; the barrier's phase waits for it.
__device__ __forceinline__ void copy_bulk(float* to, const float* from, std::uint32_t bytes, std::uint64_t* barrier) {
#if __CUDA_ARCH__ >= 900
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(address_of(barrier)), "r"(bytes)
               : "memory");
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(address_of(to)),
      "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(address_of(barrier))
      : "memory");
#endif
}

// ---- the feeder -----------------------------------------------------------------------------------------------------

/// One input of a slot: elements that go to a record, token by token.
struct Feed {
  const float* from = nullptr;  // of token 0
  std::int64_t time = 0;
  std::int64_t element = 0;
  std::uint32_t to = 0;  // in a record
  std::uint16_t elements = 0;
  std::uint8_t unit = 0;  // numbers a copy, 4 or 1; 0: tokens lie side by side, and neighbouring threads take them
  std::uint8_t units_log2 = 0;  // threads that share a token
  /// A token's elements are one copy.
  __device__ __forceinline__ bool whole() const { return (bulk_copies && unit == 4) || elements == 1; }
};
constexpr std::uint32_t most_feeds = 3 * Recurrence::most_updates + 2;

/// `span_log2`: of the least power of two that is not below the elements.
__device__ __forceinline__ Feed feed_of(const Recurrence& r, const RecurrenceInput& array, std::uint32_t w,
                                        std::uint32_t h, std::uint32_t first, std::uint32_t elements,
                                        std::uint32_t span_log2, std::uint32_t to) {
  Feed feed;
  feed.from = recurrence_detail::at(r, array, w, 0, h) + first * array.element;
  feed.time = array.time;
  feed.element = array.element;
  feed.to = to;
  feed.elements = static_cast<std::uint16_t>(elements);
  if (array.time == 1) return feed;
  const bool by_four = array.element == 1 && elements % 4 == 0 && array.time % 4 == 0 &&
                       reinterpret_cast<std::uintptr_t>(feed.from) % 16 == 0;
  feed.unit = by_four ? 4 : 1;
  feed.units_log2 = static_cast<std::uint8_t>(min(5U, by_four ? (span_log2 < 2 ? 0U : span_log2 - 2U) : span_log2));
  return feed;
}

/// Copies an input's elements of tokens t .. t + tokens - 1 to records that begin at `to`.
__device__ __forceinline__ void copy_feed(const Feed& feed, std::uint32_t t, std::uint32_t tokens, float* to,
                                          std::uint32_t record, std::uint32_t lane) {
  const float* from = feed.from + t * feed.time;
  to += feed.to;
  if (feed.unit == 0) {
    const std::uint32_t time = lane % stage_tokens;
    constexpr std::uint32_t step = feeder_threads / stage_tokens;
    if (time >= tokens) return;
    std::uint32_t element = lane / stage_tokens;
    from += time + element * feed.element;
    to += time * record + element;
    for (; element < feed.elements; element += step, from += step * feed.element, to += step) {
      __pipeline_memcpy_async(to, from, sizeof(float));
    }
    return;
  }
  const std::uint32_t units_log2 = feed.units_log2;
  const std::uint32_t begin = (lane & ((1U << units_log2) - 1U)) * feed.unit;
  const std::uint32_t wide = static_cast<std::uint32_t>(feed.unit) << units_log2;
  for (std::uint32_t time = lane >> units_log2; time < tokens; time += feeder_threads >> units_log2) {
    const float* source = from + time * feed.time;
    float* target = to + time * record;
    for (std::uint32_t element = begin; element < feed.elements; element += wide) {
      if (feed.unit == 4) {
        __pipeline_memcpy_async(target + element, source + element, 4 * sizeof(float));
      } else {
        __pipeline_memcpy_async(target + element, source + element * feed.element, sizeof(float));
      }
    }
  }
}

struct Four {
  float v[4];
};
__device__ __forceinline__ Four four(const float* p) {
  const float4 x = *reinterpret_cast<const float4*>(p);
  return {{x.x, x.y, x.z, x.w}};
}

/// Calls body(j) for the rows that exist, unrolled; vectors are loaded eight rows ahead, since a load takes as long as
/// the chains of eight rows. With Exact, key_size is D.
template <int D, bool Exact, class Load, class Body>
__device__ __forceinline__ void for_rows(std::uint32_t key_size, const Load& load, const Body& body) {
  auto even = load(0);
  auto odd = load(4);
#pragma unroll
  for (int j = 0; j < D; j += 8) {
#pragma unroll
    for (int half = 0; half < 8; half += 4) {
      auto& slot = half == 0 ? even : odd;
      const auto vectors = slot;
      if (j + half + 8 < D) slot = load(j + half + 8);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (Exact || j + half + i < key_size) body(j + half + i, i, vectors);
      }
    }
  }
}

struct Vectors1 {
  Four a;
};
struct Vectors2 {
  Four a, b;
};
struct Vectors3 {
  Four a, b, c;
};
struct Vectors5 {
  Four a, b, c, d, e;
};

/// The inputs of a slot: calls add(array, first element, elements, span_log2, place in a record) for each.
template <int D, Form F, Decay K, class Add>
__device__ __forceinline__ void for_feeds(const Recurrence& r, const Shape& shape, std::uint32_t first_column,
                                          std::uint32_t own_columns, const Add& add) {
  constexpr std::uint32_t key_span = D == 16 ? 4 : D == 32 ? 5 : D == 64 ? 6 : 7;
  const std::uint32_t columns = 1U << shape.columns_log2;
  const auto key_vector = [&](const RecurrenceInput& array, std::uint32_t index) {
    add(array, 0U, r.key_size, key_span, index * D);
  };
  const auto value_vector = [&](const RecurrenceInput& array, std::uint32_t index) {
    add(array, first_column, own_columns, shape.columns_log2, shape.record.values + index * columns);
  };
  const auto scalar = [&](const RecurrenceInput& array, std::uint32_t index) {
    add(array, 0U, 1U, 0U, shape.record.scalars + index);
  };
  if constexpr (has_deltas(F)) {
    for (std::uint32_t u = 0; u < r.num_updates; ++u) {
      key_vector(r.updates[u].write, u);
      value_vector(r.updates[u].value, u);
      if (r.updates[u].beta.data != nullptr) scalar(r.updates[u].beta, u);
    }
    key_vector(r.query, r.num_updates);
    if constexpr (K == Decay::scalar) scalar(r.decay, r.num_updates);
  } else if constexpr (F == Form::write) {
    key_vector(r.updates[0].write, 0);
    key_vector(r.query, 1);
    value_vector(r.updates[0].value, 0);
    if constexpr (K == Decay::key) key_vector(r.decay, 2);
    if constexpr (K == Decay::rate) value_vector(r.decay, 1);
    if constexpr (K == Decay::scalar) {
      if (r.decay.data != nullptr) scalar(r.decay, 0);
    }
  } else {
    key_vector(r.updates[0].read, 0);
    key_vector(r.updates[0].write, 1);
    key_vector(r.updates[1].write, 2);
    key_vector(r.query, 3);
    key_vector(r.decay, 4);
    value_vector(r.updates[1].value, 0);
  }
}

template <int D, Form F, Decay K, bool Exact>
__global__ void __launch_bounds__(most_columns + feeder_threads, D == 128 ? 1 : 2)
    recurrence_kernel(const __grid_constant__ Recurrence r, const __grid_constant__ Shape shape) {
  extern __shared__ float4 shared_quads[];
  __shared__ std::uint32_t longest;
  __shared__ alignas(8) std::uint64_t full[ring_stages];   // a stage's vectors are there
  __shared__ alignas(8) std::uint64_t empty[ring_stages];  // nobody reads them any more
  const std::uint32_t compute_threads = blockDim.x - feeder_threads;
  const bool feeder = threadIdx.x >= compute_threads;
  const std::uint32_t columns = 1U << shape.columns_log2;
  const std::uint32_t slot = threadIdx.x >> shape.columns_log2;
  const std::uint32_t lane = threadIdx.x & (columns - 1U);
  const std::uint32_t record = shape.record.size;
  const std::uint32_t out_pitch = columns + 1U;
  const std::uint32_t slot_size = ring_stages * stage_tokens * record;
  const std::uint32_t first_column = blockIdx.y * columns;
  const std::uint64_t first_pair = static_cast<std::uint64_t>(blockIdx.x) * shape.slots;
  const std::uint64_t pairs = static_cast<std::uint64_t>(r.words) * r.heads;
  __shared__ std::uint32_t slot_length[most_slots];
  if (threadIdx.x == 0) {
    longest = 0;
    for (int i = 0; i < ring_stages; ++i) {
      barrier_init(&full[i], feeder_threads);
      barrier_init(&empty[i], compute_threads);
    }
    for (std::uint32_t i = 0; i < shape.slots; ++i) {
      slot_length[i] = first_pair + i >= pairs ? 0U
                       : r.lengths == nullptr  ? r.length
                                               : r.lengths[(first_pair + i) / r.heads];
      longest = max(longest, slot_length[i]);
    }
  }
  __syncthreads();
  const std::uint32_t num_stages = (longest + stage_tokens - 1) / stage_tokens;

  if (feeder) {
    __shared__ Feed feeds[most_slots][most_feeds];
    const std::uint32_t own = threadIdx.x - compute_threads;
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < shape.slots && first_pair + i < pairs; ++i) {
      const std::uint64_t pair = first_pair + i;
      count = 0;
      for_feeds<D, F, K>(r, shape, first_column, min(columns, r.value_size - first_column),
                         [&](const RecurrenceInput& array, std::uint32_t first, std::uint32_t elements,
                             std::uint32_t span_log2, std::uint32_t to) {
                           if (count % feeder_threads == own) {
                             feeds[i][count] =
                                 feed_of(r, array, static_cast<std::uint32_t>(pair / r.heads),
                                         static_cast<std::uint32_t>(pair % r.heads), first, elements, span_log2, to);
                           }
                           ++count;
                         });
    }
    __syncwarp();
    bool all_whole = true;  // slots may begin at other alignments
    for (std::uint32_t i = 0; i < shape.slots && first_pair + i < pairs; ++i) {
      for (std::uint32_t f = 0; f < count; ++f) all_whole = all_whole && feeds[i][f].whole();
    }
    for (std::uint32_t s = 0; s < num_stages; ++s) {
      const std::uint32_t place = s % ring_stages;
      barrier_wait(&empty[place], (s / ring_stages % 2U) ^ 1U);
      const std::uint32_t t = s * stage_tokens;
      for (std::uint32_t i = 0; i < shape.slots; ++i) {
        const std::uint32_t length = slot_length[i];
        if (t >= length) continue;
        const std::uint32_t tokens = min(static_cast<std::uint32_t>(stage_tokens), length - t);
        float* to = reinterpret_cast<float*>(shared_quads) + i * slot_size + place * stage_tokens * record;
        // A thread a token and input, where that is one copy.
        const std::uint32_t time = own % stage_tokens;
        for (std::uint32_t f = own / stage_tokens; f < count && time < tokens; f += feeder_threads / stage_tokens) {
          const Feed& feed = feeds[i][f];
          if (!feed.whole()) continue;
          float* target = to + time * record + feed.to;
          const float* source = feed.from + (t + time) * feed.time;
          if (feed.elements == 1) {
            __pipeline_memcpy_async(target, source, sizeof(float));
          } else {
            copy_bulk(target, source, feed.elements * static_cast<std::uint32_t>(sizeof(float)), &full[place]);
          }
        }
        for (std::uint32_t f = 0; f < count && !all_whole; ++f) {
          if (!feeds[i][f].whole()) copy_feed(feeds[i][f], t, tokens, to, record, own);
        }
      }
      barrier_arrive_with_copies(&full[place]);
    }
    return;
  }

  const std::uint32_t updates = F == Form::deltas ? r.num_updates : 1U;
  const float* ring = reinterpret_cast<float*>(shared_quads) + slot * slot_size;
  float* outs = reinterpret_cast<float*>(shared_quads) + shape.slots * slot_size + slot * 2U * stage_tokens * out_pitch;
  // The last warp of a narrow block has threads without a slot.
  const bool exists = slot < shape.slots && first_pair + slot < pairs;
  const auto w = exists ? static_cast<std::uint32_t>((first_pair + slot) / r.heads) : 0U;
  const auto h = exists ? static_cast<std::uint32_t>((first_pair + slot) % r.heads) : 0U;
  const std::uint32_t own_columns = exists ? min(columns, r.value_size - first_column) : 0U;
  const bool owned = lane < own_columns;
  const std::uint32_t length = exists ? slot_length[slot] : 0U;

  float S[D];
  float rates[K == Decay::rate ? D : 1];
  const std::size_t own = first_column + lane;
  const float* from = r.state_in;
  if (from != nullptr && owned) {
    from += recurrence_detail::state_offset(r, r.source != nullptr ? r.source[w] : w, h) + own;
  }
#pragma unroll
  for (int j = 0; j < D; ++j) {
    const bool row = owned && (Exact || j < r.key_size);
    S[j] = row && from != nullptr ? from[static_cast<std::size_t>(j) * r.value_size] : 0.0F;
    if constexpr (K == Decay::rate) {
      rates[j] = row ? r.rates[static_cast<std::size_t>(j) * r.value_size + own] : 0.0F;
    }
  }

  // Of the token at hand: what is written, its record, and (deltas) the dot product, value and beta of the next update,
  // loaded ahead, since nothing of a pass is waited for longer.
  float* output = r.output.data;
  if (exists && length > 0) {
    output = recurrence_detail::at(r, r.output, w, 0, h) + (first_column + lane) * r.output.element;
  }
  const float* now = ring;
  float dot = 0.0F;
  float value = 0.0F;
  float beta = 1.0F;
  const auto load_update = [&](const float* record_of, std::uint32_t u) {
    value = record_of[shape.record.values + u * columns + lane];
    if (r.updates[u].beta.data != nullptr) beta = record_of[shape.record.scalars + u];
  };
  const auto flush = [&](std::uint32_t s) {  // writes a stage of outputs, neighbouring tokens side by side
    const std::uint32_t t = s * stage_tokens;
    if (t >= length) return;
    const std::uint32_t tokens = min(static_cast<std::uint32_t>(stage_tokens), length - t);
    const float* from = outs + (s % 2) * stage_tokens * out_pitch;
    float* to = recurrence_detail::at(r, r.output, w, t, h) + first_column * r.output.element;
    for (std::uint32_t i = lane; i < stage_tokens * columns; i += columns) {
      const std::uint32_t time = i % stage_tokens;
      const std::uint32_t element = i / stage_tokens;
      if (time < tokens && element < own_columns) {
        to[time * r.output.time + element * r.output.element] = from[time * out_pitch + element];
      }
    }
  };

  for (std::uint32_t s = 0; s < num_stages; ++s) {
    // A stage's last token needs the next one's first.
    if (s == 0) barrier_wait(&full[0], 0U);
    if (s + 1 < num_stages) barrier_wait(&full[(s + 1) % ring_stages], (s + 1) / ring_stages % 2U);
    if (shape.transposed_output && s > 0) {
      asm volatile("bar.sync 1, %0;" ::"r"(compute_threads) : "memory");
      flush(s - 1);
    }
    const std::uint32_t end = min((s + 1) * stage_tokens, length);
    if (has_deltas(F) && s == 0 && length > 0) {
      const float a = K == Decay::scalar ? now[shape.record.scalars + updates] : 1.0F;
      for_rows<D, Exact>(
          r.key_size, [&](int j) { return Vectors1{four(now + j)}; },
          [&](int j, int i, const Vectors1& x) {
            if constexpr (K == Decay::scalar) S[j] = a * S[j];
            dot = __fmaf_rn(x.a.v[i], S[j], dot);
          });
      load_update(now, 0);
    }
    for (std::uint32_t t = s * stage_tokens; t < end; ++t) {
      const bool last = t + 1 == length;
      // The last token's next one is itself: the dot product with it is not used.
      const float* next = now + record == ring + slot_size ? ring : now + record;
      if (last) next = now;
      const float* values = now + shape.record.values + lane;
      const float* scalars = now + shape.record.scalars;
      float o = 0.0F;
      if constexpr (has_deltas(F)) {
        for (std::uint32_t u = 0; u < updates; ++u) {
          const float c = beta * (value - dot);  // without betas beta is 1, which changes no bit
          dot = 0.0F;
          const float* write = now + u * D;
          if (u + 1 < updates) {
            load_update(now, u + 1);
            for_rows<D, Exact>(
                r.key_size,
                [&](int j) {
                  return Vectors2{four(write + j), four(write + D + j)};
                },
                [&](int j, int i, const Vectors2& x) {
                  S[j] = __fmaf_rn(c, x.a.v[i], S[j]);
                  dot = __fmaf_rn(x.b.v[i], S[j], dot);
                });
          } else {
            load_update(next, 0);
            // The state is not decayed after the last token: 1 changes no bit.
            float a = 1.0F;
            if constexpr (K == Decay::scalar) a = last ? 1.0F : next[shape.record.scalars + updates];
            for_rows<D, Exact>(
                r.key_size,
                [&](int j) {
                  return Vectors3{four(write + j), four(write + D + j), four(next + j)};
                },
                [&](int j, int i, const Vectors3& x) {
                  S[j] = __fmaf_rn(c, x.a.v[i], S[j]);
                  o = __fmaf_rn(x.b.v[i], S[j], o);
                  if constexpr (K == Decay::scalar) S[j] = a * S[j];
                  dot = __fmaf_rn(x.c.v[i], S[j], dot);
                });
          }
        }
      } else if constexpr (F == Form::write) {
        const float c = *values;
        if constexpr (K == Decay::key) {
          for_rows<D, Exact>(
              r.key_size,
              [&](int j) {
                return Vectors3{four(now + j), four(now + D + j), four(now + 2 * D + j)};
              },
              [&](int j, int i, const Vectors3& x) {
                S[j] = __fmaf_rn(c, x.a.v[i], x.c.v[i] * S[j]);
                o = __fmaf_rn(x.b.v[i], S[j], o);
              });
        } else {
          const float a = K == Decay::rate ? values[columns] : r.decay.data == nullptr ? 1.0F : scalars[0];
          for_rows<D, Exact>(
              r.key_size,
              [&](int j) {
                return Vectors2{four(now + j), four(now + D + j)};
              },
              [&](int j, int i, const Vectors2& x) {
                float decay = a;
                if constexpr (K == Decay::rate) {
                  decay = recurrence_detail::rate_decay(a, rates[j], r.negative);
                }
                S[j] = __fmaf_rn(c, x.a.v[i], decay * S[j]);
                o = __fmaf_rn(x.b.v[i], S[j], o);
              });
        }
      } else {
        if (t == 0) {
          for_rows<D, Exact>(
              r.key_size, [&](int j) { return Vectors1{four(now + j)}; },
              [&](int j, int i, const Vectors1& x) { dot = __fmaf_rn(x.a.v[i], S[j], dot); });
        }
        const float removed = 0.0F - dot;
        const float c = *values;
        dot = 0.0F;
        for_rows<D, Exact>(
            r.key_size,
            [&](int j) {
              return Vectors5{four(now + D + j), four(now + 2 * D + j), four(now + 3 * D + j), four(now + 4 * D + j),
                              four(next + j)};
            },
            [&](int j, int i, const Vectors5& x) {
              float entry = x.d.v[i] * S[j];
              entry = __fmaf_rn(removed, x.a.v[i], entry);
              entry = __fmaf_rn(c, x.b.v[i], entry);
              o = __fmaf_rn(x.c.v[i], entry, o);
              dot = __fmaf_rn(x.e.v[i], entry, dot);  // not used after the last token
              S[j] = entry;
            });
      }
      if (shape.transposed_output) {
        outs[t % (2U * stage_tokens) * out_pitch + lane] = o;
      } else if (owned) {
        *output = o;
      }
      output += r.output.time;
      now = next;
    }
    barrier_arrive(&empty[s % ring_stages]);  // every thread: racecheck does not follow one that does for its warp
  }
  if (shape.transposed_output && num_stages > 0) {
    asm volatile("bar.sync 1, %0;" ::"r"(compute_threads) : "memory");
    flush(num_stages - 1);
  }
  if (r.state_out == nullptr || h % r.state_group != 0 || !owned) return;
  float* to = r.state_out + recurrence_detail::state_offset(r, w, h) + first_column + lane;
#pragma unroll
  for (int j = 0; j < D; ++j) {
    if (Exact || j < r.key_size) to[static_cast<std::size_t>(j) * r.value_size] = S[j];
  }
}

// ---- one token a word -----------------------------------------------------------------------------------------------

constexpr std::uint32_t single_words = 32;  // a block, and columns
constexpr std::uint32_t single_threads = 256;

/// Where a word's vectors begin in its record in shared memory. Key-sized ones begin at multiples of 4 and have D
/// numbers, those behind key_size zero.
struct SingleShape {
  std::uint32_t decay = 0;  // key_size elements, or one
  std::uint32_t query = 0;
  std::uint32_t read[Recurrence::most_updates] = {};
  std::uint32_t write[Recurrence::most_updates] = {};
  std::uint32_t value[Recurrence::most_updates] = {};
  std::uint32_t beta[Recurrence::most_updates] = {};
  std::uint32_t output = 0;
  std::uint32_t size = 0;  // 4 modulo 32: quads of eight words then lie in different banks
};

/// A block: words 32 blockIdx.x .. of head blockIdx.y, columns 32 blockIdx.z ..
template <int D, Decay K>
__global__ void __launch_bounds__(single_threads)
    single_kernel(const __grid_constant__ Recurrence r, const __grid_constant__ SingleShape shape) {
  extern __shared__ float4 shared_quads[];
  float* shared = reinterpret_cast<float*>(shared_quads);
  const std::uint32_t first_word = blockIdx.x * single_words;
  const std::uint32_t h = blockIdx.y;
  const std::uint32_t first_column = blockIdx.z * single_words;
  const std::uint32_t lane = threadIdx.x % single_words;
  const std::uint32_t warp = threadIdx.x / single_words;
  constexpr std::uint32_t warps = single_threads / single_words;
  const std::uint32_t words = min(single_words, r.words - first_word);
  const std::uint32_t columns = min(single_words, r.value_size - first_column);
  const auto load = [&](const RecurrenceInput& array, std::uint32_t first, std::uint32_t count, std::uint32_t to) {
    const float* from = array.data + (h / array.group) * array.head + first * array.element + first_word + lane;
    if (lane >= words) return;
    for (std::uint32_t e = warp; e < count; e += warps) shared[lane * shape.size + to + e] = from[e * array.element];
  };
  const auto load_keys = [&](const RecurrenceInput& array, std::uint32_t to) {
    load(array, 0, r.key_size, to);
    for (std::uint32_t e = r.key_size + warp; e < D; e += warps) shared[lane * shape.size + to + e] = 0.0F;
  };
  if constexpr (K == Decay::scalar) load(r.decay, 0, 1, shape.decay);
  if constexpr (K == Decay::key) load_keys(r.decay, shape.decay);
  load_keys(r.query, shape.query);
  for (std::uint32_t u = 0; u < r.num_updates; ++u) {
    const RecurrenceUpdate& update = r.updates[u];
    load_keys(update.write, shape.write[u]);
    if (update.read.data != nullptr && shape.read[u] != shape.write[u]) load_keys(update.read, shape.read[u]);
    if (update.value.data != nullptr) load(update.value, first_column, columns, shape.value[u]);
    if (update.beta.data != nullptr) load(update.beta, 0, 1, shape.beta[u]);
  }
  __syncthreads();
  const std::size_t stride = r.value_size;
  for (std::uint32_t i = warp; i < words; i += warps) {
    const std::uint32_t w = first_word + i;
    const float* record = shared + i * shape.size;
    const auto dot = [&](std::uint32_t vector, const float(&S)[D]) {
      float sum = 0.0F;
#pragma unroll
      for (int j = 0; j < D; j += 4) {
        const Four x = four(record + vector + j);
#pragma unroll
        for (int l = 0; l < 4; ++l) {
          if (j + l < r.key_size) sum = __fmaf_rn(x.v[l], S[j + l], sum);
        }
      }
      return sum;
    };
    float S[D];
    const float* from = r.state_in;
    if (from != nullptr) {
      from += recurrence_detail::state_offset(r, r.source != nullptr ? r.source[w] : w, h) + first_column + lane;
    }
#pragma unroll
    for (int j = 0; j < D; ++j) {
      S[j] = from != nullptr && lane < columns && j < r.key_size ? from[j * stride] : 0.0F;
    }
    float undecayed = 0.0F;
    if (r.num_updates > 0 && r.updates[0].reads_undecayed) undecayed = dot(shape.read[0], S);
    if constexpr (K == Decay::scalar) {
      const float a = record[shape.decay];
#pragma unroll
      for (int j = 0; j < D; ++j) S[j] = a * S[j];
    }
    if constexpr (K == Decay::key) {
#pragma unroll
      for (int j = 0; j < D; j += 4) {
        const Four x = four(record + shape.decay + j);
#pragma unroll
        for (int l = 0; l < 4; ++l) S[j + l] = x.v[l] * S[j + l];
      }
    }
    for (std::uint32_t u = 0; u < r.num_updates; ++u) {
      const RecurrenceUpdate& update = r.updates[u];
      float difference = 0.0F;
      if (update.value.data != nullptr && lane < columns) difference = record[shape.value[u] + lane];
      if (update.read.data != nullptr) {
        difference = difference - (update.reads_undecayed ? undecayed : dot(shape.read[u], S));
      }
      const float change = update.beta.data == nullptr ? difference : record[shape.beta[u]] * difference;
#pragma unroll
      for (int j = 0; j < D; j += 4) {
        const Four x = four(record + shape.write[u] + j);
#pragma unroll
        for (int l = 0; l < 4; ++l) S[j + l] = __fmaf_rn(change, x.v[l], S[j + l]);
      }
    }
    if (lane < columns) shared[i * shape.size + shape.output + lane] = dot(shape.query, S);
    if (r.state_out == nullptr || h % r.state_group != 0 || lane >= columns) continue;
    float* to = r.state_out + recurrence_detail::state_offset(r, w, h) + first_column + lane;
#pragma unroll
    for (int j = 0; j < D; ++j) {
      if (j < r.key_size) __stcs(to + j * stride, S[j]);
    }
  }
  __syncthreads();
  if (lane >= words) return;
  float* out = r.output.data + (h / r.output.group) * r.output.head + first_word + lane;
  for (std::uint32_t e = warp; e < columns; e += warps) {
    out[(first_column + e) * r.output.element] = shared[lane * shape.size + shape.output + e];
  }
}

/// S lies in `states`, one for every head, laid out as if state_group were 1.
__global__ void general_kernel(const __grid_constant__ Recurrence r, float* states) {
  const std::uint64_t id = static_cast<std::uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (id >= static_cast<std::uint64_t>(r.words) * r.heads * r.value_size) return;
  const auto c = static_cast<std::uint32_t>(id % r.value_size);
  const auto h = static_cast<std::uint32_t>(id / r.value_size % r.heads);
  const auto w = static_cast<std::uint32_t>(id / r.value_size / r.heads);
  const std::size_t stride = r.value_size;
  float* S = states + (static_cast<std::size_t>(w) * r.heads + h) * r.key_size * stride + c;
  const float* from = nullptr;
  if (r.state_in != nullptr) {
    from = r.state_in + recurrence_detail::state_offset(r, r.source != nullptr ? r.source[w] : w, h) + c;
  }
  for (std::uint32_t j = 0; j < r.key_size; ++j) S[j * stride] = from == nullptr ? 0.0F : from[j * stride];
  recurrence_column(r, w, h, c, S, static_cast<std::int64_t>(stride));
  if (r.state_out == nullptr || h % r.state_group != 0) return;
  float* to = r.state_out + recurrence_detail::state_offset(r, w, h) + c;
  for (std::uint32_t j = 0; j < r.key_size; ++j) to[j * stride] = S[j * stride];
}

struct BlockThreads {
  template <class F>
  __device__ __forceinline__ void each(std::uint32_t n, const F& f) const {
    for (std::uint32_t i = threadIdx.x; i < n; i += blockDim.x) f(i);
    __syncthreads();
  }
};

/// One head of a word a block, S in `states` as above, what the block works with in shared memory.
__global__ void head_kernel(const __grid_constant__ Recurrence r, float* states) {
  extern __shared__ float scratch[];
  const std::uint32_t h = blockIdx.x % r.heads;
  const std::uint32_t w = blockIdx.x / r.heads;
  const std::uint32_t size = r.key_size * r.value_size;
  float* S = states + static_cast<std::size_t>(blockIdx.x) * size;
  const float* from = nullptr;
  if (r.state_in != nullptr) {
    from = r.state_in + recurrence_detail::state_offset(r, r.source != nullptr ? r.source[w] : w, h);
  }
  const BlockThreads threads;
  threads.each(size, [&](std::uint32_t i) { S[i] = from == nullptr ? 0.0F : from[i]; });
  recurrence_head(r, w, h, S, scratch, threads);
  if (r.state_out == nullptr || h % r.state_group != 0) return;
  float* to = r.state_out + recurrence_detail::state_offset(r, w, h);
  threads.each(size, [&](std::uint32_t i) { to[i] = S[i]; });
}

bool same(const RecurrenceInput& a, const RecurrenceInput& b) {
  return a.data == b.data && a.word == b.word && a.time == b.time && a.head == b.head && a.element == b.element &&
         a.group == b.group;
}

template <Form F, Decay K>
void launch(const Recurrence& r, std::uint32_t keys, std::uint32_t values, std::uint32_t scalars) {
  const std::uint32_t D = std::max(16U, std::bit_ceil(r.key_size));
  Shape shape;
  const std::uint32_t columns = std::clamp(std::bit_ceil(r.value_size), 16U, most_columns);
  shape.columns_log2 = static_cast<std::uint32_t>(std::countr_zero(columns));
  shape.record.values = keys * D;
  shape.record.scalars = shape.record.values + values * columns;
  shape.record.size = (shape.record.scalars + scalars + 31U - 4U) / 32U * 32U + 4U;
  shape.transposed_output = r.output.time == 1 && r.output.element != 1;
  const std::size_t slot_bytes =
      sizeof(float) *
      (static_cast<std::size_t>(ring_stages) * stage_tokens * shape.record.size + 2U * stage_tokens * (columns + 1U));
  const std::uint64_t pairs = static_cast<std::uint64_t>(r.words) * r.heads;
  // Two of 16 columns fill a warp, two of 64 make four warps, one for each of a multiprocessor's schedulers.
  shape.slots =
      columns == 16 || (columns == 64 && pairs > static_cast<std::uint64_t>(multiprocessors())) ? most_slots : 1U;
  while (shape.slots > 1 && (shape.slots * slot_bytes > block_shared_bytes || shape.slots > pairs)) shape.slots /= 2;
  const std::size_t bytes = shape.slots * slot_bytes;
  const dim3 grid(static_cast<unsigned>((pairs + shape.slots - 1) / shape.slots),
                  (r.value_size + columns - 1) / columns);
  const unsigned threads = std::max(32U, columns * shape.slots) + feeder_threads;
  const auto start = [&](auto kernel) {
    allow_shared_memory(kernel, bytes);
    kernel<<<grid, threads, bytes>>>(r, shape);
    check_launch("recurrence_kernel");
  };
  const bool exact = r.key_size == D;
  const auto start_rows = [&]<int R>() {
    if constexpr (K != Decay::rate || R <= 64) {
      exact ? start(recurrence_kernel<R, F, K, true>) : start(recurrence_kernel<R, F, K, false>);
    }
  };
  switch (D) {
    case 16:
      return start_rows.template operator()<16>();
    case 32:
      return start_rows.template operator()<32>();
    case 64:
      return start_rows.template operator()<64>();
    default:
      return start_rows.template operator()<128>();
  }
}

/// Starts the form for single tokens, or does nothing where the recurrence has another.
bool launch_single(const Recurrence& r) {
  if (!r.single || r.key_size > 64) return false;
  if (r.decay_kind != Decay::none && r.decay_kind != Decay::scalar && r.decay_kind != Decay::key) return false;
  SingleShape shape;
  const std::uint32_t D = r.key_size <= 16 ? 16 : r.key_size <= 32 ? 32 : 64;
  const auto take = [&shape](std::uint32_t count) {
    shape.size += count;
    return shape.size - count;
  };
  shape.query = take(D);
  if (r.decay_kind == Decay::key) shape.decay = take(D);
  for (std::uint32_t u = 0; u < r.num_updates; ++u) {
    shape.write[u] = shape.read[u] = take(D);
    if (r.updates[u].read.data != nullptr && !same(r.updates[u].read, r.updates[u].write)) shape.read[u] = take(D);
  }
  for (std::uint32_t u = 0; u < r.num_updates; ++u) {
    if (r.updates[u].value.data != nullptr) shape.value[u] = take(single_words);
    if (r.updates[u].beta.data != nullptr) shape.beta[u] = take(1);
  }
  if (r.decay_kind == Decay::scalar) shape.decay = take(1);
  shape.output = take(single_words);
  shape.size = (shape.size + 31U - 4U) / 32U * 32U + 4U;
  const std::size_t bytes = sizeof(float) * single_words * shape.size;
  if (bytes > block_shared_bytes) return false;
  const dim3 grid((r.words + single_words - 1) / single_words, r.heads,
                  (r.value_size + single_words - 1) / single_words);
  const auto start = [&](auto kernel) {
    allow_shared_memory(kernel, bytes);
    kernel<<<grid, single_threads, bytes>>>(r, shape);
    check_launch("single_kernel");
    return true;
  };
  const auto start_kind = [&]<int D>() {
    if (r.decay_kind == Decay::none) return start(single_kernel<D, Decay::none>);
    if (r.decay_kind == Decay::scalar) return start(single_kernel<D, Decay::scalar>);
    return start(single_kernel<D, Decay::key>);
  };
  if (D == 16) return start_kind.template operator()<16>();
  if (D == 32) return start_kind.template operator()<32>();
  return start_kind.template operator()<64>();
}

bool is_delta(const Recurrence& r) {
  if (r.num_updates == 0 || (r.decay_kind != Decay::none && r.decay_kind != Decay::scalar)) return false;
  return std::all_of(r.updates, r.updates + r.num_updates, [](const RecurrenceUpdate& u) {
    return same(u.read, u.write) && u.value.data != nullptr && !u.reads_undecayed;
  });
}
bool is_write(const Recurrence& r) {
  const RecurrenceUpdate& u = r.updates[0];
  return r.num_updates == 1 && u.read.data == nullptr && u.value.data != nullptr && u.beta.data == nullptr &&
         r.decay_kind != Decay::element && r.decay_kind != Decay::rotation &&
         (r.decay_kind != Decay::rate || r.key_size <= 64);
}
bool is_removal(const Recurrence& r) {
  const RecurrenceUpdate& first = r.updates[0];
  const RecurrenceUpdate& second = r.updates[1];
  return r.num_updates == 2 && r.decay_kind == Decay::key && first.read.data != nullptr && first.reads_undecayed &&
         first.value.data == nullptr && first.beta.data == nullptr && second.read.data == nullptr &&
         second.value.data != nullptr && second.beta.data == nullptr;
}

void require(bool condition, const char* what) {
  if (!condition) throw InternalError(std::string("recurrence: expected ") + what);
}

}  // namespace

void run_recurrence_cuda(const Recurrence& recurrence) {
  const Recurrence& r = recurrence;
  require(r.num_updates <= Recurrence::most_updates, "at most 8 updates");
  require(r.state_group >= 1 && r.heads % r.state_group == 0, "heads that share states evenly");
  require(r.query.data != nullptr && r.output.data != nullptr, "a query and an output");
  require((r.decay_kind == Decay::none) == (r.decay.data == nullptr), "a decay of the kind");
  for (std::uint32_t u = 0; u < r.num_updates; ++u) {
    require(r.updates[u].write.data != nullptr, "a write vector in every update");
    require(!r.updates[u].reads_undecayed || (u == 0 && r.updates[u].read.data != nullptr),
            "the undecayed state read by the first update alone");
  }
  if (static_cast<std::uint64_t>(r.words) * r.heads * r.key_size * r.value_size == 0) return;
  require(r.ridge.data == nullptr || (r.value_size > r.key_size && !r.reads_before), "more values than keys");
  require((r.codes == nullptr) == (r.num_codes == 0), "codes and their number");
  if (r.key_size <= 128 && !r.reads_before && r.ridge.data == nullptr && r.codes == nullptr) {
    if (launch_single(r)) return;
    if (is_delta(r)) {
      const std::uint32_t n = r.num_updates;
      if (r.decay_kind == Decay::none) {
        return n == 1 ? launch<Form::delta, Decay::none>(r, 2, 1, 1)
                      : launch<Form::deltas, Decay::none>(r, n + 1, n, n);
      }
      return n == 1 ? launch<Form::delta, Decay::scalar>(r, 2, 1, 2)
                    : launch<Form::deltas, Decay::scalar>(r, n + 1, n, n + 1);
    }
    if (is_write(r)) {
      if (r.decay_kind == Decay::key) return launch<Form::write, Decay::key>(r, 3, 1, 0);
      if (r.decay_kind == Decay::rate) return launch<Form::write, Decay::rate>(r, 2, 2, 0);
      return launch<Form::write, Decay::scalar>(r, 2, 1, 1);
    }
    if (is_removal(r)) return launch<Form::removal, Decay::key>(r, 5, 1, 0);
  }
  const std::size_t columns = static_cast<std::size_t>(r.words) * r.heads * r.value_size;
  const DeviceArray<float> states(columns * r.key_size);
  if (r.ridge.data != nullptr || r.codes != nullptr) {
    // Whole quads: compilers read ahead in them.
    const std::size_t bytes = (recurrence_scratch(r) + 3U) / 4U * 4U * sizeof(float);
    allow_shared_memory(head_kernel, bytes);
    const unsigned block = std::clamp((r.value_size + 31U) / 32U * 32U, 32U, 256U);
    head_kernel<<<r.words * r.heads, block, bytes>>>(r, states.data());
    check_launch("head_kernel");
    return;
  }
  constexpr unsigned threads = 128;
  general_kernel<<<static_cast<unsigned>((columns + threads - 1) / threads), threads>>>(r, states.data());
  check_launch("general_kernel");
}

}  // namespace krohn
