// The recurrence of learned models: one thread a column of S, which stays in registers for all tokens. Sums run in one
// fixed order, so a thread's work is a chain; the parallel work is in columns, heads and words.
//
// A block holds up to 128 columns of one head of a word, or several heads' narrower ones; a thread one or two columns.
// The vectors of eight tokens make a stage; while one stage is computed the next arrives in shared memory by
// asynchronous copies (three stages in a ring), so that each step reads broadcasts of shared memory and nothing else.
// One pass over the key rows of S does all that can be done with them: it finishes an update, sums the read-out, decays
// for the next token and sums that token's first dot product. Two chains of key_size fused multiply-adds run side by
// side, which bounds a step from below by 4 key_size clocks; many words hide it, and then the bound is 3 (4 with a
// decay) instructions an element and update.
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
constexpr int ring_stages = 3;
constexpr std::uint32_t most_columns = 128;
/// Columns a multiprocessor from which two go to a thread: on an H100, 64-row states of 256 heads (124 columns a
/// multiprocessor) take 2.4 ms with one column a thread and 3.0 with two, of 4,096 heads 3.2 and 2.2.
constexpr std::uint64_t two_columns_from = 512;
constexpr std::size_t block_shared_bytes = 100U * 1024U;  // two blocks a multiprocessor

/// delta: every update reads and writes one key. write: one update that reads nothing. removal: RWKV-7's two.
enum class Form { delta, write, removal };
using Decay = Recurrence::Decay;

/// Where a token's numbers lie in shared memory: key-sized vectors, column-sized vectors, single numbers.
///   delta: the keys, the query | the values | the betas, the decay
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

/// Copies elements [first, first + elements) of an input for tokens [t, t + tokens) to `to`, a record a token. Elements
/// that lie side by side go by four where they are aligned; tokens that do are spread over neighbouring threads.
/// `span_log2`: of the least power of two that is not below the elements.
__device__ __forceinline__ void stage(const Recurrence& r, const RecurrenceInput& array, std::uint32_t w,
                                      std::uint32_t h, std::uint32_t t, std::uint32_t tokens, std::uint32_t first,
                                      std::uint32_t elements, std::uint32_t span_log2, float* to, std::uint32_t record,
                                      std::uint32_t lane, std::uint32_t lanes_log2) {
  const float* from = recurrence_detail::at(r, array, w, t, h) + first * array.element;
  if (array.time == 1) {
    const std::uint32_t time = lane % stage_tokens;
    const std::uint32_t step = (1U << lanes_log2) / stage_tokens;
    std::uint32_t element = lane / stage_tokens;
    if (time >= tokens) return;
    from += time + element * array.element;
    to += time * record + element;
    for (; element < elements; element += step, from += step * array.element, to += step) {
      __pipeline_memcpy_async(to, from, sizeof(float));
    }
    return;
  }
  const bool by_four = array.element == 1 && elements % 4 == 0 && array.time % 4 == 0 &&
                       reinterpret_cast<std::uintptr_t>(from) % 16 == 0;
  const std::uint32_t unit = by_four ? 4U : 1U;
  const std::uint32_t units_log2 = min(lanes_log2, by_four ? (span_log2 < 2 ? 0U : span_log2 - 2U) : span_log2);
  const std::uint32_t wide = unit << units_log2;  // elements that the threads of one token copy at once
  const std::uint32_t begin = (lane & ((1U << units_log2) - 1U)) * unit;
  const std::uint32_t step = 1U << (lanes_log2 - units_log2);
  for (std::uint32_t time = lane >> units_log2; time < tokens; time += step) {
    for (std::uint32_t element = begin; element < elements; element += wide) {
      float* target = to + time * record + element;
      const float* source = from + time * array.time + element * array.element;
      if (by_four) {
        __pipeline_memcpy_async(target, source, 4 * sizeof(float));
      } else {
        __pipeline_memcpy_async(target, source, sizeof(float));
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

/// C columns a thread: two share what is read from shared memory, one makes more warps.
template <int D, Form F, Decay K, bool Exact, int C>
__global__ void __launch_bounds__(most_columns, 2)
    recurrence_kernel(const __grid_constant__ Recurrence r, const __grid_constant__ Shape shape) {
  extern __shared__ float4 shared_quads[];
  __shared__ std::uint32_t longest;
  const std::uint32_t columns = 1U << shape.columns_log2;
  const std::uint32_t lanes_log2 = shape.columns_log2 - (C == 2 ? 1U : 0U);
  const std::uint32_t lanes = 1U << lanes_log2;  // of a slot; columns lane, lane + lanes, .. are a thread's
  const std::uint32_t slot = threadIdx.x >> lanes_log2;
  const std::uint32_t lane = threadIdx.x & (lanes - 1U);
  const std::uint32_t record = shape.record.size;
  const std::uint32_t out_pitch = columns + 1U;
  const std::uint32_t slot_size = ring_stages * stage_tokens * record;
  float* ring = reinterpret_cast<float*>(shared_quads) + slot * slot_size;
  float* outs = reinterpret_cast<float*>(shared_quads) + shape.slots * slot_size + slot * 2U * stage_tokens * out_pitch;

  const std::uint64_t pair = static_cast<std::uint64_t>(blockIdx.x) * shape.slots + slot;
  // The last warp of a narrow block has threads without a slot.
  const bool exists = slot < shape.slots && pair < static_cast<std::uint64_t>(r.words) * r.heads;
  const auto w = exists ? static_cast<std::uint32_t>(pair / r.heads) : 0U;
  const auto h = exists ? static_cast<std::uint32_t>(pair % r.heads) : 0U;
  const std::uint32_t first_column = blockIdx.y * columns;
  const std::uint32_t own_columns = exists ? min(columns, r.value_size - first_column) : 0U;
  const auto owns = [&](int k) { return lane + k * lanes < own_columns; };
  const std::uint32_t length = !exists ? 0U : r.lengths != nullptr ? r.lengths[w] : r.length;
  if (threadIdx.x == 0) longest = 0;
  __syncthreads();
  if (lane == 0) atomicMax(&longest, length);
  __syncthreads();
  const std::uint32_t num_stages = (longest + stage_tokens - 1) / stage_tokens;
  const std::uint32_t updates = F == Form::delta ? r.num_updates : 1U;
  const auto key_span = static_cast<std::uint32_t>(D == 16 ? 4 : D == 32 ? 5 : D == 64 ? 6 : 7);

  const auto load_stage = [&](std::uint32_t s) {
    const std::uint32_t t = s * stage_tokens;
    if (t < length) {
      const std::uint32_t tokens = min(static_cast<std::uint32_t>(stage_tokens), length - t);
      float* to = ring + (s % ring_stages) * stage_tokens * record;
      const auto key_vector = [&](const RecurrenceInput& array, std::uint32_t index) {
        stage(r, array, w, h, t, tokens, 0, r.key_size, key_span, to + index * D, record, lane, lanes_log2);
      };
      const auto value_vector = [&](const RecurrenceInput& array, std::uint32_t index) {
        stage(r, array, w, h, t, tokens, first_column, own_columns, shape.columns_log2,
              to + shape.record.values + index * columns, record, lane, lanes_log2);
      };
      const auto scalar = [&](const RecurrenceInput& array, std::uint32_t index) {
        stage(r, array, w, h, t, tokens, 0, 1, 0, to + shape.record.scalars + index, record, lane, lanes_log2);
      };
      if constexpr (F == Form::delta) {
        for (std::uint32_t u = 0; u < updates; ++u) {
          key_vector(r.updates[u].write, u);
          value_vector(r.updates[u].value, u);
          if (r.updates[u].beta.data != nullptr) scalar(r.updates[u].beta, u);
        }
        key_vector(r.query, updates);
        if constexpr (K == Decay::scalar) scalar(r.decay, updates);
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
    __pipeline_commit();
  };

  float S[C][D];
  float rates[C][K == Decay::rate ? D : 1];
#pragma unroll
  for (int k = 0; k < C; ++k) {
    const std::size_t own = first_column + lane + k * lanes;
    const float* from = r.state_in;
    if (from != nullptr && owns(k)) {
      from += recurrence_detail::state_offset(r, r.source != nullptr ? r.source[w] : w, h) + own;
    }
#pragma unroll
    for (int j = 0; j < D; ++j) {
      const bool row = owns(k) && (Exact || j < r.key_size);
      S[k][j] = row && from != nullptr ? from[static_cast<std::size_t>(j) * r.value_size] : 0.0F;
      if constexpr (K == Decay::rate) {
        rates[k][j] = row ? r.rates[static_cast<std::size_t>(j) * r.value_size + own] : 0.0F;
      }
    }
  }

  load_stage(0);
  load_stage(1);
  float* output = r.output.data;
  if (exists && length > 0) output = recurrence_detail::at(r, r.output, w, 0, h) + first_column * r.output.element;
  float dot[C];
#pragma unroll
  for (float& sum : dot) sum = 0.0F;
  const auto flush = [&](std::uint32_t s) {  // writes a stage of outputs, neighbouring tokens side by side
    const std::uint32_t t = s * stage_tokens;
    if (t >= length) return;
    const std::uint32_t tokens = min(static_cast<std::uint32_t>(stage_tokens), length - t);
    const float* from = outs + (s % 2) * stage_tokens * out_pitch;
    float* to = recurrence_detail::at(r, r.output, w, t, h) + first_column * r.output.element;
    for (std::uint32_t i = lane; i < stage_tokens * columns; i += lanes) {
      const std::uint32_t time = i % stage_tokens;
      const std::uint32_t element = i / stage_tokens;
      if (time < tokens && element < own_columns) {
        to[time * r.output.time + element * r.output.element] = from[time * out_pitch + element];
      }
    }
  };

  for (std::uint32_t s = 0; s < num_stages; ++s) {
    __pipeline_wait_prior(0);
    __syncthreads();  // stage s + 1 is here, and nobody reads stage s - 1 any more
    load_stage(s + 2);
    if (shape.transposed_output && s > 0) flush(s - 1);
    const std::uint32_t begin = s * stage_tokens;
    const std::uint32_t end = min(begin + stage_tokens, length);
    for (std::uint32_t t = begin; t < end; ++t) {
      const auto record_of = [&](std::uint32_t token) {
        return ring + (token % (ring_stages * stage_tokens)) * record;
      };
      const float* now = record_of(t);
      const float* values = now + shape.record.values + lane;
      const float* scalars = now + shape.record.scalars;
      const bool last = t + 1 == length;
      const float* next = last ? now : record_of(t + 1);
      float o[C];
#pragma unroll
      for (float& sum : o) sum = 0.0F;
      if constexpr (F == Form::delta) {
        if (t == 0) {
          const float a = K == Decay::scalar ? scalars[updates] : 1.0F;
          for_rows<D, Exact>(
              r.key_size, [&](int j) { return Vectors1{four(now + j)}; },
              [&](int j, int i, const Vectors1& x) {
#pragma unroll
                for (int k = 0; k < C; ++k) {
                  if constexpr (K == Decay::scalar) S[k][j] = a * S[k][j];
                  dot[k] = __fmaf_rn(x.a.v[i], S[k][j], dot[k]);
                }
              });
        }
        for (std::uint32_t u = 0; u < updates; ++u) {
          float c[C];
#pragma unroll
          for (int k = 0; k < C; ++k) {
            const float difference = values[u * columns + k * lanes] - dot[k];
            c[k] = r.updates[u].beta.data == nullptr ? difference : scalars[u] * difference;
            dot[k] = 0.0F;
          }
          const float* write = now + u * D;
          if (u + 1 < updates) {
            for_rows<D, Exact>(
                r.key_size,
                [&](int j) {
                  return Vectors2{four(write + j), four(write + D + j)};
                },
                [&](int j, int i, const Vectors2& x) {
#pragma unroll
                  for (int k = 0; k < C; ++k) {
                    S[k][j] = __fmaf_rn(c[k], x.a.v[i], S[k][j]);
                    dot[k] = __fmaf_rn(x.b.v[i], S[k][j], dot[k]);
                  }
                });
          } else if (!last) {
            const float a = K == Decay::scalar ? next[shape.record.scalars + updates] : 1.0F;
            for_rows<D, Exact>(
                r.key_size,
                [&](int j) {
                  return Vectors3{four(write + j), four(write + D + j), four(next + j)};
                },
                [&](int j, int i, const Vectors3& x) {
#pragma unroll
                  for (int k = 0; k < C; ++k) {
                    S[k][j] = __fmaf_rn(c[k], x.a.v[i], S[k][j]);
                    o[k] = __fmaf_rn(x.b.v[i], S[k][j], o[k]);
                    if constexpr (K == Decay::scalar) S[k][j] = a * S[k][j];
                    dot[k] = __fmaf_rn(x.c.v[i], S[k][j], dot[k]);
                  }
                });
          } else {
            for_rows<D, Exact>(
                r.key_size,
                [&](int j) {
                  return Vectors2{four(write + j), four(write + D + j)};
                },
                [&](int j, int i, const Vectors2& x) {
#pragma unroll
                  for (int k = 0; k < C; ++k) {
                    S[k][j] = __fmaf_rn(c[k], x.a.v[i], S[k][j]);
                    o[k] = __fmaf_rn(x.b.v[i], S[k][j], o[k]);
                  }
                });
          }
        }
      } else if constexpr (F == Form::write) {
        float c[C];
#pragma unroll
        for (int k = 0; k < C; ++k) c[k] = values[k * lanes];
        if constexpr (K == Decay::key) {
          for_rows<D, Exact>(
              r.key_size,
              [&](int j) {
                return Vectors3{four(now + j), four(now + D + j), four(now + 2 * D + j)};
              },
              [&](int j, int i, const Vectors3& x) {
#pragma unroll
                for (int k = 0; k < C; ++k) {
                  S[k][j] = __fmaf_rn(c[k], x.a.v[i], x.c.v[i] * S[k][j]);
                  o[k] = __fmaf_rn(x.b.v[i], S[k][j], o[k]);
                }
              });
        } else {
          float a[C];
#pragma unroll
          for (int k = 0; k < C; ++k) {
            a[k] = K == Decay::rate ? values[columns + k * lanes] : r.decay.data == nullptr ? 1.0F : scalars[0];
          }
          for_rows<D, Exact>(
              r.key_size,
              [&](int j) {
                return Vectors2{four(now + j), four(now + D + j)};
              },
              [&](int j, int i, const Vectors2& x) {
#pragma unroll
                for (int k = 0; k < C; ++k) {
                  float decay = a[k];
                  if constexpr (K == Decay::rate) {
                    decay = recurrence_detail::rate_decay(a[k], rates[k][j], r.negative);
                  }
                  S[k][j] = __fmaf_rn(c[k], x.a.v[i], decay * S[k][j]);
                  o[k] = __fmaf_rn(x.b.v[i], S[k][j], o[k]);
                }
              });
        }
      } else {
        if (t == 0) {
          for_rows<D, Exact>(
              r.key_size, [&](int j) { return Vectors1{four(now + j)}; },
              [&](int j, int i, const Vectors1& x) {
#pragma unroll
                for (int k = 0; k < C; ++k) dot[k] = __fmaf_rn(x.a.v[i], S[k][j], dot[k]);
              });
        }
        float removed[C];
        float c[C];
#pragma unroll
        for (int k = 0; k < C; ++k) {
          removed[k] = 0.0F - dot[k];
          c[k] = values[k * lanes];
          dot[k] = 0.0F;
        }
        for_rows<D, Exact>(
            r.key_size,
            [&](int j) {
              return Vectors5{four(now + D + j), four(now + 2 * D + j), four(now + 3 * D + j), four(now + 4 * D + j),
                              four(next + j)};
            },
            [&](int j, int i, const Vectors5& x) {
#pragma unroll
              for (int k = 0; k < C; ++k) {
                float entry = x.d.v[i] * S[k][j];
                entry = __fmaf_rn(removed[k], x.a.v[i], entry);
                entry = __fmaf_rn(c[k], x.b.v[i], entry);
                o[k] = __fmaf_rn(x.c.v[i], entry, o[k]);
                dot[k] = __fmaf_rn(x.e.v[i], entry, dot[k]);  // not used after the last token
                S[k][j] = entry;
              }
            });
      }
#pragma unroll
      for (int k = 0; k < C; ++k) {
        if (shape.transposed_output) {
          outs[((s % 2) * stage_tokens + (t - begin)) * out_pitch + lane + k * lanes] = o[k];
        } else if (owns(k)) {
          output[t * r.output.time + (lane + k * lanes) * r.output.element] = o[k];
        }
      }
    }
  }
  if (shape.transposed_output && num_stages > 0) {
    __syncthreads();
    flush(num_stages - 1);
  }
  if (r.state_out == nullptr || h % r.state_group != 0) return;
#pragma unroll
  for (int k = 0; k < C; ++k) {
    if (!owns(k)) continue;
    float* to = r.state_out + recurrence_detail::state_offset(r, w, h) + first_column + lane + k * lanes;
#pragma unroll
    for (int j = 0; j < D; ++j) {
      if (Exact || j < r.key_size) to[static_cast<std::size_t>(j) * r.value_size] = S[k][j];
    }
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
  static_assert(16 / 2 >= stage_tokens, "a slot has a thread for each token of a stage");
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
  // Two columns a thread where that leaves enough warps to hide latencies, and registers suffice.
  const bool two = K != Decay::rate && (D == 32 || D == 64) &&
                   pairs * r.value_size >= two_columns_from * static_cast<std::uint64_t>(multiprocessors());
  const std::uint32_t lanes = columns / (two ? 2 : 1);
  shape.slots = std::max(1U, 32U / lanes);
  while (shape.slots > 1 && (shape.slots * slot_bytes > block_shared_bytes || shape.slots > pairs)) shape.slots /= 2;
  const std::size_t bytes = shape.slots * slot_bytes;
  const dim3 grid(static_cast<unsigned>((pairs + shape.slots - 1) / shape.slots),
                  (r.value_size + columns - 1) / columns);
  const unsigned threads = std::max(32U, lanes * shape.slots);
  const auto start = [&](auto kernel) {
    allow_shared_memory(kernel, bytes);
    kernel<<<grid, threads, bytes>>>(r, shape);
    check_launch("recurrence_kernel");
  };
  const bool exact = r.key_size == D;
  const auto start_rows = [&]<int R>() {
    if constexpr (K != Decay::rate && (R == 32 || R == 64)) {
      if (two) return exact ? start(recurrence_kernel<R, F, K, true, 2>) : start(recurrence_kernel<R, F, K, false, 2>);
    }
    if constexpr (K != Decay::rate || R <= 64) {
      exact ? start(recurrence_kernel<R, F, K, true, 1>) : start(recurrence_kernel<R, F, K, false, 1>);
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
      return r.decay_kind == Decay::none ? launch<Form::delta, Decay::none>(r, n + 1, n, n)
                                         : launch<Form::delta, Decay::scalar>(r, n + 1, n, n + 1);
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
