// The recurrence of learned models: one thread a column of S, which stays in registers for all tokens. Sums run in one
// fixed order, so a thread's work is a chain; the parallel work is in columns, heads and words.
//
// A block holds up to 128 columns of one head of a word, or of two heads. One warp more, the feeder, brings the vectors
// of some tokens at a time to shared memory by asynchronous copies, into a ring of stages ahead of the others, which
// meet it at barriers in shared memory alone: what addresses cost is nobody's chain. It has a scheduler together with
// one of the others, and must need fewer instructions than they; for the delta rule at 128 rows it is four warps, each
// with its part of a stage's tokens, one for each scheduler. Where every vector of a token lies in one piece, each
// is one bulk copy, where the device has them; its numbers are told to the whole warp, so that they stay in uniform
// registers, since copies of which each thread has its own are started one after the other, some hundred clocks each.
//
// Each step of a column then reads broadcasts of shared memory and nothing else. One pass over the key rows of S does
// all that can be done with them: it finishes an update, sums the read-out, decays for the next token and sums that
// token's first dot product. Two chains of key_size fused multiply-adds run side by side, which bounds a step from
// below by 4 key_size clocks. They do so only as far as compilers interleave them, within one block of straight code:
// a step has no branch, ends with what hangs on the dot product, and loads what the next one begins with. One warp a
// scheduler then takes 550 clocks for a step of 64 rows (335 instructions, with a decay), two more for what each of the
// loads of four numbers brings to the registers. At 128 rows the broadcasts, two clocks of shared memory each, would
// keep it busy for 80 % of the time and more: there the next token's key stays in registers, of almost every second
// four rows, until it is written. Two columns a thread, which halve them, were slower at every shape measured: the
// warps are then half as many.
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

constexpr std::uint32_t most_slots = 2;
constexpr std::uint32_t most_columns = 128;
constexpr std::size_t block_shared_bytes = 100U * 1024U;  // two blocks a multiprocessor
constexpr std::size_t declared_bytes = 16U * 1024U;       // of shared memory, at most

/// deltas: updates that read and write one key each; delta: one such. write: one update that reads nothing. removal:
/// RWKV-7's two.
enum class Form { delta, deltas, write, removal };
constexpr bool has_deltas(Form form) { return form == Form::delta || form == Form::deltas; }
using Decay = Recurrence::Decay;

/// Whether a form keeps a part of the next key in registers. A block of it has a single slot.
constexpr bool keeps_keys(Form form, std::uint32_t rows) { return form == Form::delta && rows == 128; }

/// The rows of which the next key is kept, bit q for the four from row 4 q: about every second four, so that reads of
/// shared memory are spread over a step, none of the first two, which are loaded a token ahead. Which they are with a
/// decay is chosen by the schedule that the compiler makes of it.
constexpr std::uint32_t kept_quads(Decay decay) { return decay == Decay::none ? 0xaaaaaaa0U : 0xaae2aaa0U; }

/// Threads of the feeder: where keys are kept, a warp for each scheduler, which was faster than one alone.
constexpr std::uint32_t feeder_threads(Form form, std::uint32_t rows) { return keeps_keys(form, rows) ? 128 : 32; }

/// Tokens of a stage, and stages of the ring. A stage costs each warp some hundred clocks; where a token has several
/// updates, longer stages would leave one head a block. Keys are kept by a block that has a multiprocessor to itself:
/// its stages are long where the device has the shared memory for them.
constexpr std::uint32_t stage_tokens(Form form) { return form == Form::delta ? 16 : 8; }
constexpr std::uint32_t long_stage_tokens = 32;
constexpr std::uint32_t ring_stages(Form form) { return form == Form::delta ? 3 : 4; }

/// Where a token's numbers lie in shared memory: key-sized vectors, single numbers, column-sized vectors. Of each, that
/// of the block's first slot and that of the second lie side by side: neighbouring heads are then copied as one.
///   deltas: the keys, the query | the betas, the decay | the values
///   write: key, query, decay by key | decay | value, x of decay by rate
///   removal: read, removal write, key, query, decay | | value
struct Record {
  std::uint32_t scalars = 0;  // offset of the first single number
  std::uint32_t values = 0;   // offset of the first column-sized vector
  std::uint32_t size = 0;     // 4 modulo 32: eight tokens of a time-major copy then fall into different banks
};

struct Shape {
  Record record;
  std::uint32_t columns_log2 = 0;
  std::uint32_t slots = 0;  // heads (of words) a block
  bool transposed_output = false;
  std::uint32_t zero = 0;  // which compilers do not know
  std::uint32_t record_bytes = 0;
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
/// Whether the phase of this parity has ended, asked for a while; a barrier that is new has ended one of parity 1.
__device__ __forceinline__ bool barrier_test(std::uint64_t* barrier, std::uint32_t parity) {
  std::uint32_t ended = 0;
#if __CUDA_ARCH__ >= 900
  asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
#else
  asm volatile("{ .reg .pred p; mbarrier.test_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
#endif
               : "=r"(ended)
               : "r"(address_of(barrier)), "r"(parity)
               : "memory");
  return ended != 0;
}
__device__ __forceinline__ void barrier_wait(std::uint64_t* barrier, std::uint32_t parity) {
  while (!barrier_test(barrier, parity)) {
  }
}

#if __CUDA_ARCH__ >= 900
constexpr bool bulk_copies = true;
#else
constexpr bool bulk_copies = false;
#endif
/// Copies of a multiple of 16 bytes, of such addresses, for which a phase of the barrier waits: first their bytes, by
/// one thread, then the copies, by a whole warp with the same numbers in each thread, which one of them starts. As all
/// of it is the same in a warp, it stays in uniform registers.
__device__ __forceinline__ void expect_bulk(std::uint32_t bytes, std::uint64_t* barrier) {
#if __CUDA_ARCH__ >= 900
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(address_of(barrier)), "r"(bytes)
               : "memory");
#endif
}
__device__ __forceinline__ void copy_bulk(std::uint32_t to, std::uint64_t from, std::uint32_t bytes,
                                          std::uint32_t barrier) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "{ .reg .pred p; elect.sync _|p, 0xffffffff;\n"
      "@p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3]; }" ::"r"(to),
      "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
#endif
}

/// For what is the same in a whole warp: compilers then know.
__device__ __forceinline__ std::uint32_t uniform(std::uint32_t x) { return __shfl_sync(~0U, x, 0); }

/// A store without a branch: compilers let chains run side by side within a block of straight code alone.
__device__ __forceinline__ void store_if(bool condition, float* to, float x) {
  asm volatile("{ .reg .pred p; setp.ne.u32 p, %2, 0; @p st.f32 [%0], %1; }" ::"l"(to), "f"(x),
               "r"(static_cast<std::uint32_t>(condition))
               : "memory");
}

// ---- the feeder -----------------------------------------------------------------------------------------------------

/// One input of a slot: elements that go to a record, token by token.
struct Feed {
  const float* from = nullptr;  // of token 0
  std::int64_t time = 0;
  std::int64_t element = 0;
  std::uint32_t to = 0;      // in the first record of the block
  std::uint32_t length = 0;  // tokens
  std::uint16_t elements = 0;
  std::uint8_t unit = 0;  // numbers a copy, 4 or 1; 0: tokens lie side by side, and neighbouring threads take them
  std::uint8_t units_log2 = 0;  // threads that share a token
};
constexpr std::uint32_t most_vectors = 2 * Recurrence::most_updates + 1;
constexpr std::uint32_t most_scalars = Recurrence::most_updates + 1;

/// `span_log2`: of the least power of two that is not below the elements.
__device__ __forceinline__ Feed feed_of(const Recurrence& r, const RecurrenceInput& array, std::uint32_t w,
                                        std::uint32_t h, std::uint32_t first, std::uint32_t elements,
                                        std::uint32_t span_log2) {
  Feed feed;
  feed.from = recurrence_detail::at(r, array, w, 0, h) + first * array.element;
  feed.time = array.time;
  feed.element = array.element;
  feed.elements = static_cast<std::uint16_t>(elements);
  if (array.time == 1) return feed;
  const bool by_four = array.element == 1 && elements % 4 == 0 && array.time % 4 == 0 &&
                       reinterpret_cast<std::uintptr_t>(feed.from) % 16 == 0;
  feed.unit = by_four ? 4 : 1;
  feed.units_log2 = static_cast<std::uint8_t>(min(5U, by_four ? (span_log2 < 2 ? 0U : span_log2 - 2U) : span_log2));
  return feed;
}

/// Copies an input's elements of tokens t .. t + tokens - 1 to records that begin at `to`.
template <std::uint32_t StageTokens, std::uint32_t FeederThreads>
__device__ __forceinline__ void copy_feed(const Feed& feed, std::uint32_t t, std::uint32_t tokens, float* to,
                                          std::uint32_t record, std::uint32_t lane) {
  const float* from = feed.from + t * feed.time;
  to += feed.to;
  if (feed.unit == 0) {
    const std::uint32_t time = lane % StageTokens;
    constexpr std::uint32_t step = FeederThreads / StageTokens;
    if (time >= tokens) return;
    std::uint32_t element = lane / StageTokens;
    from += time + element * feed.element;
    to += time * record + element;
    for (; element < feed.elements; element += step, from += step * feed.element, to += step) {
      __pipeline_memcpy_async(to, from, sizeof(float));
    }
    return;
  }
  const std::uint32_t units_log2 = feed.units_log2;
  const std::uint32_t unit = lane & ((1U << units_log2) - 1U);
  std::uint32_t time = lane >> units_log2;
  const std::uint32_t step = FeederThreads >> units_log2;
  from += time * feed.time;
  to += time * record;
  if (feed.unit == 4) {  // at most 32 units
    if (4 * unit >= feed.elements) return;
    from += 4 * unit;
    to += 4 * unit;
    const std::int64_t from_step = step * feed.time;
    for (; time < tokens; time += step, from += from_step, to += step * record) {
      __pipeline_memcpy_async(to, from, 4 * sizeof(float));
    }
    return;
  }
  for (; time < tokens; time += step, from += step * feed.time, to += step * record) {
    for (std::uint32_t element = unit; element < feed.elements; element += 1U << units_log2) {
      __pipeline_memcpy_async(to + element, from + element * feed.element, sizeof(float));
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

/// Loads from shared memory in the order in which they are written, since a compiler that moves them needs registers
/// for what waits. Like the waits for barriers and the arrivals at them they are volatile, and compilers keep volatile
/// statements in order; the waits acquire and the arrivals release, which keeps weak loads behind the one and before
/// the other in what is made of these instructions, too.
__device__ __forceinline__ Four four_at(std::uint32_t p) {
  Four x;
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(x.v[0]), "=f"(x.v[1]), "=f"(x.v[2]), "=f"(x.v[3])
               : "r"(p));
  return x;
}
__device__ __forceinline__ float one_at(std::uint32_t p) {
  float x;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(p));
  return x;
}

/// Calls body(j) for the rows that exist, unrolled; vectors are loaded eight rows ahead, since a load takes as long as
/// the chains of eight rows. With Exact, key_size is D. The first rows' vectors are given, and are made those that
/// load_after gives. Calls before(j) ahead of each four rows.
template <int D, bool Exact, class Vectors, class Load, class LoadAfter, class Body, class Before>
__device__ __forceinline__ void for_rows(std::uint32_t key_size, Vectors (&ring)[2], const Load& load,
                                         const LoadAfter& load_after, const Body& body, const Before& before) {
#pragma unroll
  for (int j = 0; j < D; j += 4) {
    before(j);
    auto& slot = ring[j / 4 % 2];
    const auto vectors = slot;
    slot = j + 8 < D ? load(j + 8) : load_after(j + 8 - D);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (Exact || j + i < key_size) body(j + i, i, vectors);
    }
  }
}
template <int D, bool Exact, class Load, class Body>
__device__ __forceinline__ void for_rows(std::uint32_t key_size, const Load& load, const Body& body) {
  decltype(load(0)) ring[2] = {load(0), load(4)};
  for_rows<D, Exact>(
      key_size, ring, load, [&](int j) { return ring[j / 4]; }, body, [](int) {});
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

/// The inputs of a slot: calls vector(array, first element, elements, span_log2, place in a record) or
/// scalar(array, place) for each.
template <int D, Form F, Decay K, class Vector, class Scalar>
__device__ __forceinline__ void for_feeds(const Recurrence& r, const Shape& shape, std::uint32_t first_column,
                                          std::uint32_t own_columns, const Vector& vector, const Scalar& add_scalar) {
  constexpr std::uint32_t key_span = D == 16 ? 4 : D == 32 ? 5 : D == 64 ? 6 : 7;
  const std::uint32_t columns = 1U << shape.columns_log2;
  const auto key_vector = [&](const RecurrenceInput& array, std::uint32_t index) {
    vector(array, 0U, r.key_size, key_span, index * shape.slots * D, static_cast<std::uint32_t>(D));
  };
  const auto value_vector = [&](const RecurrenceInput& array, std::uint32_t index) {
    vector(array, first_column, own_columns, shape.columns_log2, shape.record.values + index * shape.slots * columns,
           columns);
  };
  const auto scalar = [&](const RecurrenceInput& array, std::uint32_t index) {
    add_scalar(array, shape.record.scalars + index * shape.slots);
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

template <int D, Form F, Decay K, bool Exact, std::uint32_t Tokens>
__global__ void __launch_bounds__(most_columns + feeder_threads(F, D), D == 128 ? 1 : 2)
    recurrence_kernel(const __grid_constant__ Recurrence r, const __grid_constant__ Shape shape) {
  constexpr std::uint32_t Stages = ring_stages(F);
  constexpr std::uint32_t Feeders = feeder_threads(F, D);
  constexpr bool one_feeder = Feeders == 32;  // warp
  constexpr bool keeps = keeps_keys(F, D);
  extern __shared__ float4 shared_quads[];
  __shared__ std::uint32_t longest;
  __shared__ float one;
  __shared__ alignas(8) std::uint64_t full[Stages];   // a stage's vectors are there
  __shared__ alignas(8) std::uint64_t empty[Stages];  // nobody reads them any more
  const std::uint32_t compute_threads = blockDim.x - Feeders;
  const std::uint32_t block_warp = uniform(threadIdx.x / 32U);
  const bool feeder = one_feeder ? block_warp == compute_threads / 32U : block_warp >= compute_threads / 32U;
  const std::uint32_t columns = 1U << shape.columns_log2;
  const std::uint32_t slot = threadIdx.x >> shape.columns_log2;
  const std::uint32_t lane = threadIdx.x & (columns - 1U);
  const std::uint32_t record = shape.record.size;
  const std::uint32_t out_pitch = columns + 1U;
  const std::uint32_t ring_size = Stages * Tokens * record;
  const std::uint32_t first_column = blockIdx.y * columns;
  const std::uint64_t first_pair = static_cast<std::uint64_t>(blockIdx.x) * shape.slots;
  const std::uint64_t pairs = static_cast<std::uint64_t>(r.words) * r.heads;
  __shared__ std::uint32_t slot_length[most_slots];
  if (threadIdx.x == 0) {
    longest = 0;
    one = 1.0F;
    for (std::uint32_t i = 0; i < Stages; ++i) {
      barrier_init(&full[i], Feeders);
      barrier_init(&empty[i], compute_threads);
    }
    for (std::uint32_t i = 0; i < shape.slots; ++i) {
      slot_length[i] = first_pair + i >= pairs ? 0U
                       : r.lengths == nullptr  ? r.length
                                               : r.lengths[(first_pair + i) / r.heads];
      longest = max(longest, slot_length[i]);
    }
  }
  // Single numbers that are not there are 1.
  for (std::uint32_t i = threadIdx.x; i < Stages * Tokens; i += blockDim.x) {
    float* scalars = reinterpret_cast<float*>(shared_quads) + i * record;
    for (std::uint32_t e = shape.record.scalars; e < shape.record.values; ++e) scalars[e] = 1.0F;
  }
  __syncthreads();
  const std::uint32_t num_stages = uniform((longest + Tokens - 1) / Tokens);

  if (feeder) {
    __shared__ Feed vectors[most_slots * most_vectors];
    __shared__ Feed scalars[most_slots * most_scalars];
    const std::uint32_t own = threadIdx.x - compute_threads;
    std::uint32_t num_vectors = 0;
    std::uint32_t num_scalars = 0;
    // Calls each(i, feed) for every slot's feed of an input.
    const auto for_slots = [&](const RecurrenceInput& array, std::uint32_t first, std::uint32_t elements,
                               std::uint32_t span_log2, std::uint32_t to, std::uint32_t pitch, const auto& each) {
      for (std::uint32_t i = 0; i < shape.slots && first_pair + i < pairs; ++i) {
        Feed feed = feed_of(r, array, static_cast<std::uint32_t>((first_pair + i) / r.heads),
                            static_cast<std::uint32_t>((first_pair + i) % r.heads), first, elements, span_log2);
        feed.to = to + i * pitch;
        feed.length = slot_length[i];
        each(i, feed);
      }
    };
    for_feeds<D, F, K>(
        r, shape, first_column, min(columns, r.value_size - first_column),
        [&](const RecurrenceInput& array, std::uint32_t first, std::uint32_t elements, std::uint32_t span_log2,
            std::uint32_t to, std::uint32_t pitch) {
          Feed before;
          for_slots(array, first, elements, span_log2, to, pitch, [&](std::uint32_t i, const Feed& feed) {
            // Neighbouring heads that lie side by side here and there are one.
            if (i > 0 && before.unit == 4 && feed.unit == 4 && before.elements == pitch && pitch <= 64 &&
                elements == pitch && feed.from == before.from + pitch && feed.length == before.length) {
              before.elements = static_cast<std::uint16_t>(2 * pitch);
              ++before.units_log2;
              --num_vectors;
            } else {
              before = feed;
            }
            if (own == 0) vectors[num_vectors] = before;
            ++num_vectors;
          });
        },
        [&](const RecurrenceInput& array, std::uint32_t to) {
          for_slots(array, 0, 1, 0, to, 1, [&](std::uint32_t, const Feed& feed) {
            if (own == 0) scalars[num_scalars] = feed;
            ++num_scalars;
          });
        });
    if constexpr (one_feeder) {
      __syncwarp();
    } else {
      asm volatile("bar.sync 2, %0;" ::"n"(Feeders) : "memory");
    }
    num_vectors = uniform(num_vectors);
    // Where every vector of a token is one copy, each thread of a warp keeps where one vector's are from and to, for
    // the warp's part of a stage's tokens.
    constexpr std::uint32_t part = Tokens / (Feeders / 32U);
    const std::uint32_t first_token = one_feeder ? 0U : uniform(own / 32U) * part;
    const std::uint32_t own_vector = one_feeder ? own : own % 32U;
    bool bulk = bulk_copies && num_vectors <= 32U;
    std::uint64_t bulk_from = 0;
    std::uint32_t bulk_time = 0;
    std::uint32_t bulk_to = 0;  // the place in bytes, and 12 bits for how many they are
    std::uint32_t bulk_bytes = 0;
    std::uint32_t shortest = longest;
    for (std::uint32_t f = 0; f < num_vectors; ++f) {
      const Feed& feed = vectors[f];
      bulk = bulk && feed.unit == 4 && feed.time < (1 << 28) && feed.time >= 0;
      bulk_bytes += feed.elements * static_cast<std::uint32_t>(Tokens * sizeof(float));
      shortest = min(shortest, feed.length);
    }
    if (own_vector < num_vectors) {
      const Feed& feed = vectors[own_vector];
      bulk_from = __cvta_generic_to_global(feed.from + first_token * feed.time);
      bulk_time = static_cast<std::uint32_t>(feed.time) * static_cast<std::uint32_t>(sizeof(float));
      bulk_to = feed.to * 4U << 12U | feed.elements * 4U;
    }
    const std::uint32_t bulk_end = uniform(bulk ? shortest : 0U);
    for (std::uint32_t s = 0; s < num_stages; ++s) {
      const std::uint32_t place = s % Stages;
      while (!__all_sync(~0U, barrier_test(&empty[place], (s / Stages % 2U) ^ 1U))) {
      }
      const std::uint32_t t = s * Tokens;
      float* to = reinterpret_cast<float*>(shared_quads) + place * Tokens * record;
      if (t + Tokens <= bulk_end) {
        const std::uint32_t barrier = address_of(&full[place]);
        if (own == 0) expect_bulk(bulk_bytes, &full[place]);
#pragma unroll 1
        for (std::uint32_t f = 0; f < num_vectors; ++f) {
          std::uint64_t from = __shfl_sync(~0U, static_cast<unsigned long long>(bulk_from), static_cast<int>(f));
          const std::uint32_t time = __shfl_sync(~0U, bulk_time, static_cast<int>(f));
          const std::uint32_t place_and_bytes = __shfl_sync(~0U, bulk_to, static_cast<int>(f));
          std::uint32_t target = address_of(to + first_token * record) + (place_and_bytes >> 12U);
#pragma unroll
          for (std::uint32_t i = 0; i < part; ++i) {
            copy_bulk(target, from, place_and_bytes & 4095U, barrier);
            from += time;
            target += record * static_cast<std::uint32_t>(sizeof(float));
          }
        }
        bulk_from += std::uint64_t{bulk_time} * Tokens;
      } else {
        for (std::uint32_t f = 0; f < num_vectors; ++f) {
          const Feed& feed = vectors[f];
          if (t < feed.length) copy_feed<Tokens, Feeders>(feed, t, min(Tokens, feed.length - t), to, record, own);
        }
      }
      // A thread a token and single number.
      const std::uint32_t time = own % Tokens;
      for (std::uint32_t f = own / Tokens; f < num_scalars; f += Feeders / Tokens) {
        const Feed& feed = scalars[f];
        if (t + time < feed.length) {
          __pipeline_memcpy_async(to + feed.to + time * record, feed.from + (t + time) * feed.time, sizeof(float));
        }
      }
      barrier_arrive_with_copies(&full[place]);
    }
    return;
  }

  const std::uint32_t updates = F == Form::deltas ? r.num_updates : 1U;
  // A thread's records begin with its slot's first vector.
  const float* ring = reinterpret_cast<float*>(shared_quads) + slot * D;
  const std::uint32_t pitch = keeps ? D : shape.slots * D;  // from vector to vector
  const std::uint32_t scalars_at = shape.record.scalars + slot - slot * D;
  const std::uint32_t values_at = shape.record.values + slot * columns + lane - slot * D;
  float* outs = reinterpret_cast<float*>(shared_quads) + ring_size + slot * 2U * Tokens * out_pitch;
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

  // Where the next output goes: to its place, or to a stage of them.
  float* output = outs + lane;
  if (!shape.transposed_output && exists && length > 0) {
    output = recurrence_detail::at(r, r.output, w, 0, h) + (first_column + lane) * r.output.element;
  }
  const std::int64_t output_step = shape.transposed_output ? static_cast<std::int64_t>(out_pitch) : r.output.time;
  // The records of the token at hand and of the next one; what lies behind the last token's changes nothing that is
  // used. What a pass needs first is loaded a token ahead: nothing of a pass is waited for longer.
  const float* now = ring;
  const float* next = ring;
  float dot = 0.0F;
  float value = 0.0F;
  float beta = 1.0F;   // where there are none, which changes no bit
  float decay = 1.0F;  // before the next token; after the last 1 is used, which changes no bit
  float change = 0.0F;
  // Of some rows the next key is kept for its own update, where broadcasts are what takes the time. Such rows get their
  // update `early` quads before the others' turn: the registers are then free for what is loaded two quads ahead, and
  // one set of them is enough.
  constexpr int early = 4;
  constexpr auto is_kept = [](int j) { return keeps && (kept_quads(K) >> (j / 4) & 1U) != 0; };
  static_assert((kept_quads(K) & 3U) == 0);
  Four kept[keeps ? D / 4 : 1];
  Vectors3 ahead[2];
  // Of the rows from j: what is written, the query, the next key.
  const auto load_rows = [&](const float* write, const float* read, int j) {
    return Vectors3{four(write + j), four(write + pitch + j), four(read + j)};
  };
  // The same by addresses in shared memory, where keys are kept: there a record is the key, the query, beta, the decay
  // and, from the next multiple of four numbers, the values.
  constexpr std::uint32_t query_bytes = 4U * D;
  constexpr std::uint32_t beta_bytes = 8U * D;
  constexpr std::uint32_t decay_bytes = beta_bytes + 4U;
  const std::uint32_t value_bytes = beta_bytes + 16U + 4U * lane;
  const auto rows_at = [&](std::uint32_t write, std::uint32_t read, int j) {
    const std::uint32_t at = 4U * static_cast<std::uint32_t>(j);
    if (is_kept(j)) {
      kept[j / 4] = four_at(read + at);
      return Vectors3{Four{}, four_at(write + query_bytes + at), Four{}};
    }
    return Vectors3{four_at(write + at), four_at(write + query_bytes + at), four_at(read + at)};
  };
  const std::uint32_t ring_at = address_of(ring);
  const std::uint32_t ring_end = ring_at + ring_size * 4U;
  std::uint32_t now_at = ring_at;
  std::uint32_t next_at = ring_at;
  const auto advance = [&](const float* at) { return at + record == ring + ring_size ? ring : at + record; };
  const std::uint32_t decay_at = scalars_at + updates * shape.slots;
  const auto load_update = [&](const float* record_of, std::uint32_t u) {
    value = record_of[values_at + u * (shape.slots * columns)];
    beta = record_of[scalars_at + u * shape.slots];
  };
  const auto flush = [&](std::uint32_t s) {  // writes a stage of outputs, neighbouring tokens side by side
    const std::uint32_t t = s * Tokens;
    if (t >= length) return;
    const std::uint32_t tokens = min(Tokens, length - t);
    const float* from = outs + (s % 2) * Tokens * out_pitch;
    float* to = recurrence_detail::at(r, r.output, w, t, h) + first_column * r.output.element;
    for (std::uint32_t i = lane; i < Tokens * columns; i += columns) {
      const std::uint32_t time = i % Tokens;
      const std::uint32_t element = i / Tokens;
      if (time < tokens && element < own_columns) {
        to[time * r.output.time + element * r.output.element] = from[time * out_pitch + element];
      }
    }
  };

  for (std::uint32_t s = 0; s < num_stages; ++s) {
    // A stage's last token needs the next one's first two.
    if (s == 0) barrier_wait(&full[0], 0U);
    if (s + 1 < num_stages) barrier_wait(&full[(s + 1) % Stages], (s + 1) / Stages % 2U);
    if (shape.transposed_output && s > 0) {
      asm volatile("bar.sync 1, %0;" ::"r"(compute_threads) : "memory");
      flush(s - 1);
      if (s % 2 == 0) output = outs + lane;
    }
    const std::uint32_t end = min((s + 1) * Tokens, length);
    if (s == 0 && length > 0) {
      next = advance(now);
      if constexpr (has_deltas(F)) {
        const float a = K == Decay::scalar ? now[decay_at] : 1.0F;
        for_rows<D, Exact>(
            r.key_size, [&](int j) { return Vectors1{four(now + j)}; },
            [&](int j, int i, const Vectors1& x) {
              if constexpr (K == Decay::scalar) S[j] = a * S[j];
              dot = __fmaf_rn(x.a.v[i], S[j], dot);
            });
        load_update(now, 0);
        change = beta * (value - dot);
        if constexpr (F == Form::delta) {
          if constexpr (keeps) {
            ahead[0] = rows_at(address_of(now), address_of(next), 0);
            ahead[1] = rows_at(address_of(now), address_of(next), 4);
            next_at = address_of(next);
          } else {
            ahead[0] = load_rows(now, next, 0);
            ahead[1] = load_rows(now, next, 4);
          }
#pragma unroll
          for (int j = 0; j < D; j += 4) {
            if (is_kept(j)) kept[j / 4] = four(now + j);
          }
        }
        if (K == Decay::scalar && length > 1) decay = next[decay_at];
      }
    }
    const auto step = [&](std::uint32_t t) {
      const float* after = advance(next);
      const float* values = now + values_at;
      const float* scalars = now + scalars_at;
      float o = 0.0F;
      if constexpr (has_deltas(F)) {
        const float* write = now;
        for (std::uint32_t u = 1; u < updates; ++u) {
          const float c = change;
          dot = 0.0F;
          load_update(now, u);
          for_rows<D, Exact>(
              r.key_size,
              [&](int j) {
                return Vectors2{four(write + j), four(write + pitch + j)};
              },
              [&](int j, int i, const Vectors2& x) {
                S[j] = __fmaf_rn(c, x.a.v[i], S[j]);
                dot = __fmaf_rn(x.b.v[i], S[j], dot);
              });
          change = beta * (value - dot);
          write += pitch;
        }
        const float c = change;
        dot = 0.0F;
        load_update(next, 0);
        const float a = decay;
        if constexpr (K == Decay::scalar) decay = *(t + 2 < length ? after + decay_at : &one);
        const auto row = [&](int j, int i, const Vectors3& x) {
          S[j] = __fmaf_rn(c, x.a.v[i], S[j]);
          o = __fmaf_rn(x.b.v[i], S[j], o);
          if constexpr (K == Decay::scalar) S[j] = a * S[j];
          dot = __fmaf_rn(x.c.v[i], S[j], dot);
        };
        const auto load = [&](int j) { return load_rows(write, next, j); };
        if constexpr (F == Form::delta) {
          for_rows<D, Exact>(
              r.key_size, ahead, load, [&](int j) { return load_rows(next, after, j); }, row, [](int) {});
        } else {
          for_rows<D, Exact>(r.key_size, load, row);
        }
      } else if constexpr (F == Form::write) {
        const float c = *values;
        if constexpr (K == Decay::key) {
          for_rows<D, Exact>(
              r.key_size,
              [&](int j) {
                return Vectors3{four(now + j), four(now + pitch + j), four(now + 2 * pitch + j)};
              },
              [&](int j, int i, const Vectors3& x) {
                S[j] = __fmaf_rn(c, x.a.v[i], x.c.v[i] * S[j]);
                o = __fmaf_rn(x.b.v[i], S[j], o);
              });
        } else {
          const float a = K == Decay::rate ? values[shape.slots * columns] : scalars[0];
          for_rows<D, Exact>(
              r.key_size,
              [&](int j) {
                return Vectors2{four(now + j), four(now + pitch + j)};
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
              return Vectors5{four(now + pitch + j), four(now + 2 * pitch + j), four(now + 3 * pitch + j),
                              four(now + 4 * pitch + j), four(next + j)};
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
      // Here, so that compilers see the longer chain in the dot product.
      if constexpr (has_deltas(F)) change = beta * (value - dot);
      store_if(owned, output, o);
      output += output_step;
      now = next;
      next = after;
    };
    // Where keys are kept: a token of the delta rule, with `left` tokens left, this one among them.
    const auto step_kept = [&](std::uint32_t left) {
      const std::uint32_t next_end = next_at + shape.record_bytes;
      const std::uint32_t after = next_end == ring_end ? ring_at : next_end;
      float o = 0.0F;
      const float c = change;
      dot = 0.0F;
      value = one_at(next_at + value_bytes);
      beta = one_at(next_at + beta_bytes);
      float a = 1.0F;
      if constexpr (K == Decay::scalar) {
        a = left == 1 ? 1.0F : decay;  // what was loaded behind the last token is not used
        decay = one_at(after + decay_bytes);
      }
      float held = c;
      float tied = c;
      const auto update_kept = [&](int quad) {
        if (quad < D / 4 && is_kept(4 * quad)) {
#pragma unroll
          for (int i = 0; i < 4; ++i) S[4 * quad + i] = __fmaf_rn(held, kept[quad].v[i], S[4 * quad + i]);
        }
      };
#pragma unroll
      for (int quad = 0; quad < early; ++quad) update_kept(quad);
      const auto row = [&](int j, int i, const Vectors3& x) {
        // Changes no bit, but compilers do not know: the updates of the next 32 rows wait for the dot product. Else
        // they do all of the kept rows' updates, or one of the two chains, before the rest.
        if (j % 32 == 24) tied = __uint_as_float(__float_as_uint(c) ^ (__float_as_uint(dot) & shape.zero));
        if (j % 32 == 0 && j > 0) held = tied;
        if (!is_kept(j)) S[j] = __fmaf_rn(held, x.a.v[i], S[j]);
        o = __fmaf_rn(x.b.v[i], S[j], o);
        if constexpr (K == Decay::scalar) S[j] = a * S[j];
        dot = __fmaf_rn(is_kept(j) ? kept[j / 4].v[i] : x.c.v[i], S[j], dot);
      };
      const auto before = [&](int j) { update_kept(j / 4 + early); };
      for_rows<D, Exact>(
          r.key_size, ahead, [&](int j) { return rows_at(now_at, next_at, j); },
          [&](int j) { return rows_at(next_at, after, j); }, row, before);
      change = beta * (value - dot);
      store_if(owned, output, o);
      output += output_step;
      now_at = next_at;
      next_at = after;
    };
    std::uint32_t t = s * Tokens;
    if constexpr (keeps) {
      // The tokens left of the stage, and of all.
      std::uint32_t left = length - min(t, length);
      const std::uint32_t last = left - (end - min(t, end));
#pragma unroll 1
      for (; left != last; --left) step_kept(left);
    } else {
      for (; t < end; ++t) step(t);
    }
    barrier_arrive(&empty[s % Stages]);  // every thread: racecheck does not follow one that does for its warp
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
  const std::uint64_t pairs = static_cast<std::uint64_t>(r.words) * r.heads;
  // Two of 16 columns fill a warp, two of 64 make four warps, one for each of a multiprocessor's schedulers.
  const bool two_slots = columns == 16 || (columns == 64 && pairs > static_cast<std::uint64_t>(multiprocessors()));
  shape.slots = two_slots && !keeps_keys(F, D) ? most_slots : 1U;
  const auto lay_out = [&](std::uint32_t tokens) {
    shape.record.scalars = keys * shape.slots * D;
    shape.record.values = shape.record.scalars + (scalars * shape.slots + 3U) / 4U * 4U;
    shape.record.size = (shape.record.values + values * shape.slots * columns + 31U - 4U) / 32U * 32U + 4U;
    return sizeof(float) * (static_cast<std::size_t>(ring_stages(F)) * tokens * shape.record.size +
                            shape.slots * 2U * tokens * (columns + 1U));
  };
  std::size_t bytes = lay_out(stage_tokens(F));
  if (shape.slots > 1 && (bytes > block_shared_bytes || shape.slots > pairs)) {
    shape.slots = 1;
    bytes = lay_out(stage_tokens(F));
  }
  shape.record_bytes = shape.record.size * 4U;
  shape.transposed_output = r.output.time == 1 && r.output.element != 1;
  const dim3 grid(static_cast<unsigned>((pairs + shape.slots - 1) / shape.slots),
                  (r.value_size + columns - 1) / columns);
  const unsigned threads = std::max(32U, columns * shape.slots) + feeder_threads(F, D);
  const auto start = [&](auto kernel) {
    allow_shared_memory(kernel, bytes);
    kernel<<<grid, threads, bytes>>>(r, shape);
    check_launch("recurrence_kernel");
  };
  const bool exact = r.key_size == D;
  const auto start_tokens = [&]<int R, std::uint32_t Tokens>() {
    exact ? start(recurrence_kernel<R, F, K, true, Tokens>) : start(recurrence_kernel<R, F, K, false, Tokens>);
  };
  const auto start_rows = [&]<int R>() {
    if constexpr (keeps_keys(F, R)) {
      const std::size_t more = lay_out(long_stage_tokens);
      if (more + declared_bytes <= shared_memory_limit()) {
        bytes = more;
        return start_tokens.template operator()<R, long_stage_tokens>();
      }
    }
    if constexpr (K != Decay::rate || R <= 64) start_tokens.template operator()<R, stage_tokens(F)>();
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
