// Prefix-tree walks. All threads walk the same suffixes in the same order, from different frontier nodes, so that the
// symbol, and with it the row, is the same in a whole warp: rows are operands in the constant bank, or broadcasts from
// shared memory. The frontier is sorted by canonical state, so that a warp's nodes share that too, for ever: the
// expected hidden states are broadcasts as well, stored by parent, [symbol][element], with the next states behind them.
//
// A walk of depth B = M + K: the upper M levels as an odometer of digits with a stack of states in local memory (a
// level is stepped once for each of its nodes), the last K levels unrolled in registers, where the differences of all
// nodes are gathered into one word that is looked at once. Only where it is not zero are the nodes walked again, in
// order, to find which one it was; the least word of all threads wins, so that launch shapes cannot matter.
// Cost a node: (2 D + 1) n_h for the recurrence, D for the comparison, D / 4 loads.
//
// Three forms: unrolled, for 2 to 4 symbols; packed, for more, K = 1 and a row loaded once for eight nodes of a thread,
// whose warp then need not share the canonical state; general, for gates, values, writes and stored formats.
//
// FlatTree runs flat_step for any model, a stack of hidden states in global memory, labels decoded at every node.
#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "cuda.cuh"
#include "dense.cuh"
#include "krohn/kernels/enumerate.hpp"

namespace krohn {
namespace {

constexpr int tree_threads = 256;
/// Frontier nodes a thread walks side by side: they share a canonical state, so that each expected value is loaded once
/// for all of them (a broadcast costs the shared memory as much as any load); where the rows are loaded too, more.
constexpr int few_nodes = 2;
constexpr int many_nodes = 8;
constexpr int max_depth = 64;  // below the frontier
/// Tables up to this size are copied to shared memory.
constexpr std::size_t table_shared_bytes = 100U * 1024U;

using Key = unsigned long long;

struct TreeArgs {
  std::uint64_t frontier_length;
  const std::uint64_t* word;   // [padded]
  const float* hidden;         // [D][padded]
  const std::uint32_t* state;  // [padded]; equal within a thread, and but for the packed form within a warp
  std::uint32_t padded;
  std::uint32_t symbols;
  const float* table;          // [states][table_row]
  std::uint32_t table_row;     // floats, a multiple of 4
  std::uint32_t pitch;         // floats of an expected hidden state
  std::uint32_t table_floats;  // to copy to shared memory, or 0
  std::uint32_t depth;         // B
  std::uint64_t done;
  std::uint64_t first;  // odometer steps first .. last - 1
  std::uint64_t last;
  std::uint64_t segment;  // steps that a warp does for its nodes before it takes the next such piece
  Key* best;
};

/// Not zero if the numbers differ; the second is never -0. Adding +0 makes -0 +0. Where no step makes -0 of other
/// numbers (fma(c, k, h) does not, but for underflow, if h is not -0) that is left out: a false difference would only
/// cost time, since every difference is confirmed by the reference.
template <bool SignedZeros>
__device__ __forceinline__ unsigned difference(float a, float b) {
  return __float_as_uint(SignedZeros ? __fadd_rn(a, 0.0F) : a) ^ __float_as_uint(b);
}

/// Rows with a fixed shape as a kernel parameter.
template <int N>
struct RowParameters {
  float value[N];
};

/// The levels that the unrolled form takes at once: as many as keep the states of all of them in registers.
constexpr int unrolled_levels(int symbols, int size) {
  if (symbols > 2) return 3;
  return size <= 2 ? 5 : size == 3 ? 4 : 3;
}

/// (a ^ c) | (b ^ c): not zero if a, b and c are not all equal. By name, because the compiler would gather it in two
/// three-input instructions.
__device__ __forceinline__ unsigned not_all_equal(unsigned a, unsigned b, unsigned c) {
  unsigned result = 0;
  asm("lop3.b32 %0, %1, %2, %3, 0x7e;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}

/// The nodes that a thread walks side by side.
template <int D, int N>
using Nodes = float[N][D];

/// Gathers where an even number of nodes differ from what is expected: one instruction compares an element of two
/// nodes, one more gathers two such results.
template <int D, int N>
__device__ __forceinline__ void compare(const Nodes<D, N>& h, const float* expected, unsigned& differs) {
  static_assert(N % 2 == 0);
#pragma unroll
  for (int n = 0; n < N; n += 2) {
#pragma unroll
    for (int j = 0; j < D; j += 2) {
      const auto differ = [&](int k) {
        return not_all_equal(__float_as_uint(h[n][k]), __float_as_uint(h[n + 1][k]), __float_as_uint(expected[k]));
      };
      const unsigned first = differ(j);
      const unsigned second = j + 1 < D ? differ(j + 1) : 0U;
      differs |= first | second;
    }
  }
}

/// The children of one node: expected hidden states [S][D], then S offsets of next rows.
template <int D, int S, int NH, bool UnitBeta, int K, class Rows>
struct Unrolled {
  /// Visits the K levels below (h, at); gathers differences.
  static __device__ __forceinline__ void walk(const Rows& rows, const float* table, const Nodes<D, few_nodes>& h,
                                              std::uint32_t at, unsigned& differs) {
    constexpr int next_at = S * D;
    const float4* expected = reinterpret_cast<const float4*>(table + at);
    float e[S * D + S];
    load_quads<(K > 1 ? S * D + S : S * D)>(expected, e);
#pragma unroll
    for (int a = 0; a < S; ++a) {
      float child[few_nodes][D];
#pragma unroll
      for (int n = 0; n < few_nodes; ++n) {
#pragma unroll
        for (int j = 0; j < D; ++j) child[n][j] = h[n][j];
      }
      packed_step<D, NH, UnitBeta>([&](int i) { return rows.value[a * NH * (D + 1) + i]; }, child);
      compare<D>(child, e + a * D, differs);
      if constexpr (K > 1) {
        Unrolled<D, S, NH, UnitBeta, K - 1, Rows>::walk(rows, table, child, __float_as_uint(e[next_at + a]), differs);
      }
    }
  }
};

/// Steps a single column by what steps several.
template <int D, class Step>
__device__ __forceinline__ void one_step(const Step& step, float (&h)[D]) {
  float column[1][D];
#pragma unroll
  for (int j = 0; j < D; ++j) column[0][j] = h[j];
  step(column);
#pragma unroll
  for (int j = 0; j < D; ++j) h[j] = column[0][j];
}

/// One step by a symbol known at run time: the odometer's and the report's.
template <int D, int S, int NH, bool UnitBeta>
struct UnrolledStep {
  static constexpr bool signed_zeros = false;
  const RowParameters<S * NH*(D + 1)>& rows;
  __device__ __forceinline__ void operator()(std::uint32_t a, float (&h)[D]) const {
    const float* row = rows.value + a * (NH * (D + 1));
    one_step<D>([&](float(&column)[1][D]) { packed_step<D, NH, UnitBeta>([&](int i) { return row[i]; }, column); }, h);
  }
};

template <int D, StateFormat F>
struct GeneralStep {
  static constexpr bool signed_zeros = true;
  GeneralLayout layout;
  const float4* rows;
  __device__ __forceinline__ void operator()(std::uint32_t a, float (&h)[D]) const {
    float column[1][D];
#pragma unroll
    for (int j = 0; j < D; ++j) column[0][j] = h[j];
    general_step<D, 1>(layout, rows + a * layout.quads_a_row, column);
#pragma unroll
    for (int j = 0; j < D; ++j) h[j] = stored_device<F>(column[0][j]);
  }
  /// The nodes of a thread as columns of one step.
  __device__ __forceinline__ void all(std::uint32_t a, float (&h)[few_nodes][D]) const {
    general_step<D, few_nodes>(layout, rows + a * layout.quads_a_row, h);
#pragma unroll
    for (int n = 0; n < few_nodes; ++n) {
#pragma unroll
      for (int j = 0; j < D; ++j) h[n][j] = stored_device<F>(h[n][j]);
    }
  }
};

/// Rows of a fixed shape from shared memory.
template <int D, int NH, bool UnitBeta>
struct PackedStep {
  static constexpr bool signed_zeros = false;
  static constexpr int floats = NH * (D + 1);
  const float4* rows;
  __device__ __forceinline__ void operator()(std::uint32_t a, float (&h)[D]) const {
    one_step<D>([&](float(&column)[1][D]) { all(rows + a * quads(floats), column); }, h);
  }
  /// By the row at `at`.
  template <int N>
  static __device__ __forceinline__ void all(const float4* at, float (&h)[N][D]) {
    float row[floats];
    load_quads<floats>(at, row);
    packed_step<D, NH, UnitBeta>([&](int i) { return row[i]; }, h);
  }
};

/// Steps h by symbol a, compares it with what row `at` expects and moves `at` on.
template <int D, class Step>
__device__ __forceinline__ unsigned step_and_compare(const TreeArgs& args, const Step& step, const float* table,
                                                     std::uint32_t a, float (&h)[D], std::uint32_t& at) {
  step(a, h);
  unsigned differs = 0;
#pragma unroll
  for (int j = 0; j < D; ++j) differs |= difference<Step::signed_zeros>(h[j], table[at + a * args.pitch + j]);
  at = __float_as_uint(table[at + args.symbols * args.pitch + a]);
  return differs;
}

/// Walks the last K levels below (h, at) again, shorter words first, and reports the first that differs.
template <int D, class Step>
__device__ __noinline__ void report_below(const TreeArgs& args, const Step& step, const float* table,
                                          const float* start, std::uint32_t start_at, std::uint64_t word,
                                          std::uint64_t length, int levels) {
  std::uint64_t count = 1;
  for (int k = 1; k <= levels; ++k) {
    count *= args.symbols;
    if (length + k <= args.done) continue;
    if ((*const_cast<volatile Key*>(args.best) >> tree_word_bits) < length + k) return;
    for (std::uint64_t suffix = 0; suffix < count; ++suffix) {
      float h[D];
      for (int j = 0; j < D; ++j) h[j] = start[j];
      std::uint32_t at = start_at;
      unsigned differs = 0;
      std::uint64_t power = count;
      std::uint64_t rest = suffix;
      for (int i = 0; i < k; ++i) {
        power /= args.symbols;
        differs = step_and_compare<D>(args, step, table, static_cast<std::uint32_t>(rest / power), h, at);
        rest %= power;
      }
      if (differs != 0) {
        atomicMin(args.best, ((length + k) << tree_word_bits) | (word * count + suffix));
        return;
      }
    }
  }
}

/// The odometer over the upper levels; `below(h, at, differs)` visits the rest. Every warp takes whole runs of 32 N
/// nodes, of which padded is a multiple, so that warps never diverge.
template <int D, int N, class Step, class Below>
__device__ __forceinline__ void walk_tree(const TreeArgs& args, const Step& step, const float* table, int below_levels,
                                          const Below& below) {
  const int upper = static_cast<int>(args.depth) - below_levels;
  constexpr std::uint32_t warp_nodes = 32 * N;
  constexpr std::uint32_t warps = tree_threads / 32;
  const std::uint64_t runs = args.padded / warp_nodes;
  const std::uint64_t pieces = runs * ((args.last - args.first + args.segment - 1) / args.segment);
  for (std::uint64_t piece = std::uint64_t{blockIdx.x} * warps + threadIdx.x / 32; piece < pieces;
       piece += std::uint64_t{gridDim.x} * warps) {
    const std::uint64_t first = args.first + piece / runs * args.segment;
    const std::uint64_t last = min(first + args.segment, args.last);
    const std::uint32_t node = static_cast<std::uint32_t>(piece % runs) * warp_nodes + threadIdx.x % 32;
    float stack[max_depth][N][D];
    std::uint32_t stack_at[max_depth];
    unsigned char digit[max_depth];
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
      for (int j = 0; j < D; ++j) {
        stack[0][n][j] = args.hidden[static_cast<std::size_t>(j) * args.padded + node + 32 * n];
      }
    }
    stack_at[0] = args.state[node] * args.table_row;
    std::uint64_t rest = first;
    for (int level = upper; level-- > 0;) {
      digit[level] = static_cast<unsigned char>(rest % args.symbols);
      rest /= args.symbols;
    }
    int level = 0;
    for (std::uint64_t i = first; i < last; ++i) {
      float h[N][D];
      std::uint32_t at = stack_at[level];
      unsigned differs = 0;
#pragma unroll
      for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int j = 0; j < D; ++j) h[n][j] = stack[level][n][j];
      }
      for (; level < upper; ++level) {
        const std::uint32_t from = at;
#pragma unroll
        for (int n = 0; n < N; ++n) {
          at = from;
          differs |= step_and_compare<D>(args, step, table, digit[level], h[n], at);
#pragma unroll
          for (int j = 0; j < D; ++j) stack[level + 1][n][j] = h[n][j];
        }
        stack_at[level + 1] = at;
      }
      below(h, at, differs);
      // Rare: the path from the root, then everything below it, for each node.
#pragma unroll
      for (int n = 0; n < N && differs != 0; ++n) {
        std::uint64_t word = args.word[node + 32 * n];
        std::uint32_t path_at = stack_at[0];
        for (int l = 0; l < upper; ++l) {
          word = word * args.symbols + digit[l];
          unsigned here = 0;
          for (int j = 0; j < D; ++j) {
            here |= difference<Step::signed_zeros>(stack[l + 1][n][j], table[path_at + digit[l] * args.pitch + j]);
          }
          path_at = stack_at[l + 1];
          const std::uint64_t length = args.frontier_length + l + 1;
          if (here != 0 && length > args.done) atomicMin(args.best, (length << tree_word_bits) | word);
        }
        report_below<D>(args, step, table, h[n], at, word, args.frontier_length + upper, below_levels);
      }
      level = upper;
      while (level > 0) {
        --level;
        if (++digit[level] < args.symbols) break;
        digit[level] = 0;
      }
    }
  }
}

/// Copies the table into shared memory if it is to be there, and waits for all copies.
__device__ __forceinline__ void load_shared_table(const TreeArgs& args, float* shared) {
  for (std::uint32_t i = threadIdx.x; i < args.table_floats; i += blockDim.x) shared[i] = args.table[i];
  __syncthreads();
}

template <int D, int S, int NH, bool UnitBeta, int K>
__global__ void __launch_bounds__(tree_threads, NH < 4 ? 3 : 2)
    unrolled_kernel(const __grid_constant__ RowParameters<S * NH*(D + 1)> rows, TreeArgs args) {
  extern __shared__ float4 shared[];
  float* table = reinterpret_cast<float*>(shared);
  load_shared_table(args, table);
  const UnrolledStep<D, S, NH, UnitBeta> step{rows};
  walk_tree<D, few_nodes>(args, step, table, K, [&](const Nodes<D, few_nodes>& h, std::uint32_t at, unsigned& differs) {
    Unrolled<D, S, NH, UnitBeta, K, RowParameters<S * NH*(D + 1)>>::walk(rows, table, h, at, differs);
  });
}

template <int D, StateFormat F>
__device__ __forceinline__ void general_tree(const TreeArgs& args, const GeneralStep<D, F>& step, const float* table) {
  constexpr int N = few_nodes;
  walk_tree<D, N>(args, step, table, 1, [&](const Nodes<D, N>& h, std::uint32_t at, unsigned& differs) {
    for (std::uint32_t a = 0; a < args.symbols; ++a) {
      float child[N][D];
#pragma unroll
      for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int j = 0; j < D; ++j) child[n][j] = h[n][j];
      }
      step.all(a, child);
#pragma unroll
      for (int j = 0; j < D; ++j) {
        const float expected = table[at + a * args.pitch + j];
#pragma unroll
        for (int n = 0; n < N; ++n) differs |= difference<true>(child[n][j], expected);
      }
    }
  });
}

template <int D, StateFormat F>
__global__ void __launch_bounds__(tree_threads)
    general_tree_kernel(const float4* rows, std::uint32_t row_quads, GeneralLayout layout, TreeArgs args) {
  extern __shared__ float4 shared[];
  float4* shared_rows = shared + args.table_floats / 4;
  load_shared(shared_rows, rows, row_quads);
  load_shared_table(args, reinterpret_cast<float*>(shared));
  if (row_quads != 0) rows = shared_rows;
  const GeneralStep<D, F> step{layout, rows};
  if (args.table_floats != 0) {
    general_tree<D, F>(args, step, reinterpret_cast<const float*>(shared));
  } else {
    general_tree<D, F>(args, step, args.table);
  }
}

template <int D, int NH, bool UnitBeta>
__device__ __forceinline__ void packed_tree(const TreeArgs& args, const PackedStep<D, NH, UnitBeta>& step,
                                            const float* table) {
  constexpr int N = many_nodes;
  walk_tree<D, N>(args, step, table, 1, [&](const Nodes<D, N>& h, std::uint32_t at, unsigned& differs) {
    const float4* next = reinterpret_cast<const float4*>(table + at);
    const float4* row = step.rows;
    for (std::uint32_t a = 0; a < args.symbols; ++a, next += quads(D), row += quads(NH * (D + 1))) {
      float expected[D];
      load_quads<D>(next, expected);
      float child[N][D];
#pragma unroll
      for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int j = 0; j < D; ++j) child[n][j] = h[n][j];
      }
      step.all(row, child);
      compare<D>(child, expected, differs);
    }
  });
}

template <int D, int NH, bool UnitBeta>
__global__ void __launch_bounds__(tree_threads, 2)
    packed_tree_kernel(const float4* rows, std::uint32_t row_quads, TreeArgs args) {
  extern __shared__ float4 shared[];
  float4* shared_rows = shared + args.table_floats / 4;
  load_shared(shared_rows, rows, row_quads);
  load_shared_table(args, reinterpret_cast<float*>(shared));
  const PackedStep<D, NH, UnitBeta> step{shared_rows};
  if (args.table_floats != 0) {
    packed_tree(args, step, reinterpret_cast<const float*>(shared));
  } else {
    packed_tree(args, step, args.table);
  }
}

void check_target(std::uint64_t depth, std::uint64_t target) {
  if (depth + 1 >= max_depth || target > tree_max_length) {
    throw DeviceError("enumerate: expected words of at most " + std::to_string(tree_max_length) +
                      " symbols on a CUDA device, got " + std::to_string(target));
  }
}

template <class Kernel>
unsigned grid_of(Kernel kernel, std::size_t bytes) {
  allow_shared_memory(kernel, bytes);
  return resident_blocks(kernel, tree_threads, bytes);
}

/// Sets the segments so that every warp has as many pieces, many and all but equal: the last ones then cost little.
unsigned divide(TreeArgs& args, unsigned blocks, int nodes_a_thread) {
  constexpr std::uint64_t pieces_a_warp = 64;
  constexpr std::uint64_t least_segment = 16;
  constexpr std::uint64_t warps = tree_threads / 32;
  const std::uint64_t runs = args.padded / static_cast<unsigned>(32 * nodes_a_thread);
  const std::uint64_t segments = std::max<std::uint64_t>(1, pieces_a_warp * warps * blocks / runs);
  const std::uint64_t steps = args.last - args.first;
  args.segment = std::max(std::min(least_segment, steps), (steps + segments - 1) / segments);
  const std::uint64_t pieces = runs * ((steps + args.segment - 1) / args.segment);
  return static_cast<unsigned>(std::min<std::uint64_t>(blocks, (pieces + warps - 1) / warps));
}

}  // namespace

/// Hidden sizes and numbers of factors that have a packed form.
#define KROHN_PACKED_SHAPES \
  KROHN_SHAPE(1, 1)         \
  KROHN_SHAPE(2, 1)         \
  KROHN_SHAPE(2, 2)         \
  KROHN_SHAPE(3, 1)         \
  KROHN_SHAPE(3, 2)         \
  KROHN_SHAPE(3, 3)         \
  KROHN_SHAPE(4, 1)         \
  KROHN_SHAPE(4, 2)         \
  KROHN_SHAPE(4, 3)         \
  KROHN_SHAPE(5, 1)         \
  KROHN_SHAPE(5, 2)         \
  KROHN_SHAPE(5, 3)         \
  KROHN_SHAPE(5, 4)         \
  KROHN_SHAPE(6, 4)         \
  KROHN_SHAPE(6, 5)

struct DenseTree::Memory {
  std::uint64_t frontier_length = 0;
  std::uint32_t padded = 0;
  std::uint32_t size = 0;
  std::uint32_t symbols = 0;
  StateFormat format = StateFormat::fp32;
  DenseRowsView rows;
  std::vector<float> packed;  // [symbols][factors][size + 1]
  /// Rows in shared memory, in the packed layout, or else in the general one.
  bool use_packed = false;
  int nodes_a_thread = few_nodes;
  std::uint32_t row_quads = 0;  // of all rows
  DeviceArray<float> device_rows;
  GeneralLayout layout;
  DeviceArray<std::uint64_t> word;
  DeviceArray<float> hidden;
  DeviceArray<std::uint32_t> state;
  DeviceArray<float> table;
  std::uint32_t table_row = 0;
  std::uint32_t pitch = 0;
  std::uint64_t table_floats = 0;
  DeviceArray<Key> best;
  std::size_t shared_limit = 0;
  std::string form;

  std::uint64_t levels_at_once() const {
    return static_cast<std::uint64_t>(unrolled_levels(static_cast<int>(symbols), static_cast<int>(size)));
  }

  /// A fixed number of factors, and nothing else.
  bool plain() const { return format == StateFormat::fp32 && !rows.gate && !rows.value && !rows.write; }

  bool may_unroll() const {
    if (!plain()) return false;
    if (symbols < 2 || symbols > 4 || 4 * table_floats > table_shared_bytes) return false;
    const std::uint32_t code = 10 * size + rows.factors;
    if (code == 43 || code == 54) return symbols == 2;
    return code == 11 || code == 21 || code == 31 || code == 32 || code == 41 || code == 42 || code == 51 || code == 52;
  }

  bool may_pack() const {
    const int row = quads(static_cast<int>(rows.factors * (size + 1)));
    if (!plain() || 16 * std::size_t{symbols} * static_cast<unsigned>(row) > table_shared_bytes) return false;
    switch (10 * size + rows.factors) {
#define KROHN_SHAPE(D, NH) case 10 * D + NH:
      KROHN_PACKED_SHAPES
#undef KROHN_SHAPE
      return true;
      default:
        return false;
    }
  }

  /// True if every beta is 1, but for factors without a key.
  bool unit_beta() const {
    for (std::size_t f = 0; f < packed.size(); f += size + 1) {
      const auto key = packed.begin() + static_cast<std::ptrdiff_t>(f);
      if (key[size] != -1.0F && std::any_of(key, key + size, [](float k) { return k != 0.0F; })) return false;
    }
    return true;
  }

  TreeArgs args(std::uint64_t done, std::uint64_t target, std::uint64_t first, std::uint64_t last) const {
    TreeArgs a{};
    a.frontier_length = frontier_length;
    a.word = word.data();
    a.hidden = hidden.data();
    a.state = state.data();
    a.padded = padded;
    a.symbols = symbols;
    a.table = table.data();
    a.table_row = table_row;
    a.pitch = pitch;
    a.depth = static_cast<std::uint32_t>(target - frontier_length);
    a.done = done;
    a.first = first;
    a.last = last;
    a.best = best.data();
    if (4 * table.size() <= table_shared_bytes) a.table_floats = static_cast<std::uint32_t>(table.size());
    return a;
  }

  template <int D, int S, int NH, bool UnitBeta>
  double unrolled(TreeArgs a) {
    constexpr int K = unrolled_levels(S, D);
    RowParameters<S * NH*(D + 1)> parameters{};
    std::copy(packed.begin(), packed.end(), parameters.value);
    const auto kernel = unrolled_kernel<D, S, NH, UnitBeta, K>;
    const std::size_t bytes = 4 * std::size_t{a.table_floats};
    const unsigned blocks = divide(a, grid_of(kernel, bytes), nodes_a_thread);
    EventTimer timer;
    kernel<<<blocks, tree_threads, bytes>>>(parameters, a);
    check_launch("unrolled_kernel");
    return timer.milliseconds();
  }

  template <int D, int S, int NH>
  double unrolled(const TreeArgs& a) {
    if constexpr (D > 1) {
      if (unit_beta()) return unrolled<D, S, NH, true>(a);
    }
    return unrolled<D, S, NH, false>(a);
  }

  template <int D, int NH>
  double unrolled(const TreeArgs& a) {
    if (symbols == 2) return unrolled<D, 2, NH>(a);
    if (symbols == 3) return unrolled<D, 3, NH>(a);
    return unrolled<D, 4, NH>(a);
  }

  double unrolled(const TreeArgs& a) {
    switch (10 * size + rows.factors) {
      case 11:
        return unrolled<1, 1>(a);
      case 21:
        return unrolled<2, 1>(a);
      case 31:
        return unrolled<3, 1>(a);
      case 32:
        return unrolled<3, 2>(a);
      case 41:
        return unrolled<4, 1>(a);
      case 42:
        return unrolled<4, 2>(a);
      case 43:
        return unrolled<4, 2, 3>(a);
      case 51:
        return unrolled<5, 1>(a);
      case 52:
        return unrolled<5, 2>(a);
      case 54:
        return unrolled<5, 2, 4>(a);
      default:
        throw InternalError("enumerate: no unrolled kernel of this shape");
    }
  }

  template <int D, int NH, bool UnitBeta>
  double packed_walk(TreeArgs a) {
    // The rows are in shared memory in any case.
    if (4 * std::size_t{a.table_floats} + 16 * std::size_t{row_quads} > table_shared_bytes) a.table_floats = 0;
    const std::size_t bytes = 4 * std::size_t{a.table_floats} + 16 * std::size_t{row_quads};
    const auto kernel = packed_tree_kernel<D, NH, UnitBeta>;
    const unsigned blocks = divide(a, grid_of(kernel, bytes), nodes_a_thread);
    EventTimer timer;
    kernel<<<blocks, tree_threads, bytes>>>(reinterpret_cast<const float4*>(device_rows.data()), row_quads, a);
    check_launch("packed_tree_kernel");
    return timer.milliseconds();
  }

  double packed_walk(const TreeArgs& a) {
    const bool unit = unit_beta();
    switch (10 * size + rows.factors) {
#define KROHN_SHAPE(D, NH) \
  case 10 * D + NH:        \
    return unit ? packed_walk<D, NH, true>(a) : packed_walk<D, NH, false>(a);
      KROHN_PACKED_SHAPES
#undef KROHN_SHAPE
      default:
        throw InternalError("enumerate: no packed kernel of this shape");
    }
  }

  template <int D, StateFormat F>
  double general_walk(TreeArgs a) {
    std::uint32_t in_shared = row_quads;
    if (4 * std::size_t{a.table_floats} + 16 * std::size_t{in_shared} > std::min(shared_limit, table_shared_bytes)) {
      in_shared = 0;
    }
    const std::size_t bytes = 4 * std::size_t{a.table_floats} + 16 * std::size_t{in_shared};
    const auto kernel = general_tree_kernel<D, F>;
    const unsigned blocks = divide(a, grid_of(kernel, bytes), nodes_a_thread);
    EventTimer timer;
    kernel<<<blocks, tree_threads, bytes>>>(reinterpret_cast<const float4*>(device_rows.data()), in_shared, layout, a);
    check_launch("general_tree_kernel");
    return timer.milliseconds();
  }

  template <int D>
  double general_walk(const TreeArgs& a) {
    if (format == StateFormat::fp32) return general_walk<D, StateFormat::fp32>(a);
    if (format == StateFormat::fp16) return general_walk<D, StateFormat::fp16>(a);
    return general_walk<D, StateFormat::bf16>(a);
  }

  double general_walk(const TreeArgs& a) {
    switch (size) {
      case 1:
        return general_walk<1>(a);
      case 2:
        return general_walk<2>(a);
      case 3:
        return general_walk<3>(a);
      case 4:
        return general_walk<4>(a);
      case 5:
        return general_walk<5>(a);
      case 6:
        return general_walk<6>(a);
      case 7:
        return general_walk<7>(a);
      case 8:
        return general_walk<8>(a);
      default:
        throw DeviceError("enumerate: expected a hidden size of 1 to 8, got " + std::to_string(size));
    }
  }
};

DenseTree::DenseTree(const DenseRowsView& rows, StateFormat format, const CanonicalStates& canonical,
                     const TreeFrontier& frontier)
    : memory_(std::make_unique<Memory>()) {
  Memory& m = *memory_;
  m.frontier_length = frontier.length;
  m.size = rows.size;
  m.symbols = canonical.num_symbols;
  m.format = format;
  m.rows = rows;
  m.rows.values = nullptr;
  m.shared_limit = shared_memory_limit();
  for (std::size_t a = 0; a < canonical.num_symbols; ++a) {
    m.packed.insert(m.packed.end(), rows.values + a * rows.stride, rows.values + (a + 1) * rows.stride);
  }
  const std::size_t symbols = canonical.num_symbols;
  const auto lay_out_table = [&](std::uint32_t pitch) {
    m.pitch = pitch;
    m.table_row = static_cast<std::uint32_t>((symbols * pitch + symbols + 3) / 4 * 4);
    m.table_floats = std::uint64_t{m.table_row} * canonical.num_states;
    if (m.table_floats > std::numeric_limits<std::uint32_t>::max()) {
      throw DeviceError("enumerate: the canonical states need more than 2^32 table entries");
    }
  };
  lay_out_table(rows.size);
  std::vector<float> values;
  if (!m.may_unroll() && m.may_pack()) {
    m.use_packed = true;
    m.nodes_a_thread = many_nodes;
    lay_out_table(4 * static_cast<std::uint32_t>(quads(static_cast<int>(rows.size))));
    values = packed_rows(rows);
  } else {
    values = general_rows(rows, m.layout);
  }
  m.row_quads = static_cast<std::uint32_t>(values.size() / 4);
  m.device_rows = DeviceArray<float>(std::span<const float>(values));

  // Nodes by canonical state, each state's run filled up with copies of its last node: to whole warps; where rows are
  // loaded too, to whole threads only, since expected states are then a small part of what is loaded.
  std::vector<std::uint32_t> order(frontier.count);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return frontier.state[a] < frontier.state[b]; });
  const auto of_thread = static_cast<std::size_t>(m.nodes_a_thread);
  const std::size_t of_warp = 32 * of_thread;
  const std::size_t run = m.use_packed ? of_thread : of_warp;
  std::vector<std::uint32_t> filled;
  for (std::size_t i = 0; i < order.size(); ++i) {
    filled.push_back(order[i]);
    const bool last = i + 1 == order.size() || frontier.state[order[i + 1]] != frontier.state[order[i]];
    while (last && filled.size() % run != 0) filled.push_back(order[i]);
  }
  while (filled.size() % of_warp != 0) filled.push_back(filled.back());
  // A thread's nodes follow each other in that order, and lie 32 places apart.
  std::vector<std::uint32_t> padded(filled.size());
  for (std::size_t i = 0; i < filled.size(); ++i) {
    const std::size_t lane = i % of_warp / of_thread;
    padded[i / of_warp * of_warp + i % of_thread * 32 + lane] = filled[i];
  }
  m.padded = static_cast<std::uint32_t>(padded.size());
  std::vector<std::uint64_t> word;
  std::vector<std::uint32_t> state;
  std::vector<float> hidden(padded.size() * rows.size);
  for (std::size_t i = 0; i < padded.size(); ++i) {
    word.push_back(frontier.word[padded[i]]);
    state.push_back(frontier.state[padded[i]]);
    for (std::size_t j = 0; j < rows.size; ++j) {
      hidden[j * padded.size() + i] = frontier.hidden[padded[i] * rows.size + j];
    }
  }
  m.word = DeviceArray<std::uint64_t>(std::span<const std::uint64_t>(word));
  m.state = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(state));
  m.hidden = DeviceArray<float>(std::span<const float>(hidden));

  std::vector<float> table(m.table_floats, 0.0F);
  for (std::size_t q = 0; q < canonical.num_states; ++q) {
    float* row = table.data() + q * m.table_row;
    for (std::size_t a = 0; a < symbols; ++a) {
      std::copy_n(canonical.hidden + (q * symbols + a) * rows.size, rows.size, row + a * m.pitch);
      const std::uint32_t offset = canonical.next[q * symbols + a] * m.table_row;
      std::memcpy(row + symbols * m.pitch + a, &offset, sizeof offset);
    }
  }
  m.table = DeviceArray<float>(std::span<const float>(table));
  m.best = DeviceArray<Key>(1);
}

DenseTree::~DenseTree() = default;

const std::string& DenseTree::form() const noexcept { return memory_->form; }

std::uint64_t DenseTree::steps(std::uint64_t target) const {
  const Memory& m = *memory_;
  const std::uint64_t depth = target - m.frontier_length;
  const bool unrolled = m.may_unroll() && depth >= m.levels_at_once();
  const std::uint64_t below = unrolled ? m.levels_at_once() : 1;
  std::uint64_t steps = 1;
  for (std::uint64_t i = below; i < depth; ++i) steps *= m.symbols;
  return steps;
}

std::uint64_t DenseTree::walk(std::uint64_t done, std::uint64_t target, std::uint64_t first, std::uint64_t last,
                              double& milliseconds) {
  Memory& m = *memory_;
  const std::uint64_t depth = target - m.frontier_length;
  if (depth == 0 || m.padded == 0) return tree_none;
  check_target(depth, target);
  const bool unrolled = m.may_unroll() && depth >= m.levels_at_once();
  m.form = unrolled ? "unrolled" : m.use_packed ? "packed" : "general";
  const Key none = tree_none;
  m.best.upload(std::span<const Key>(&none, 1));
  const TreeArgs args = m.args(done, target, first, last);
  milliseconds += unrolled ? m.unrolled(args) : m.use_packed ? m.packed_walk(args) : m.general_walk(args);
  Key best = none;
  m.best.download(std::span<Key>(&best, 1));
  return best;
}

namespace {

struct FlatTreeArgs {
  FlatModelView model;
  const std::uint32_t* delta;
  const std::int32_t* expected;
  std::uint64_t frontier_length;
  const std::uint64_t* word;
  const float* hidden;  // [count][hidden size]
  const std::uint32_t* state;
  const std::uint8_t* undefined;
  std::uint64_t first;  // frontier nodes first .. last - 1
  std::uint64_t last;
  std::uint32_t depth;
  std::uint64_t done;
  float* scratch;  // [depth + 1][hidden size][threads]
  Key* best;
};

struct StridedHidden {
  float* at;
  std::size_t stride;
  __device__ __forceinline__ float& operator[](std::uint32_t i) const { return at[i * stride]; }
};

template <bool Every>
__global__ void flat_tree_kernel(FlatTreeArgs args) {
  const std::size_t threads = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  const std::size_t thread = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
  const std::uint32_t size = args.model.hidden_size;
  const std::uint32_t symbols = args.model.num_symbols;
  constexpr std::uint32_t undefined_bit = 0x80000000U;
  for (std::uint64_t node = args.first + thread; node < args.last; node += threads) {
    std::uint32_t q[max_depth];
    std::uint32_t digit[max_depth];
    const auto hidden = [&](std::uint32_t depth) {
      return StridedHidden{args.scratch + std::size_t{depth} * size * threads + thread, threads};
    };
    const StridedHidden root = hidden(0);
    for (std::uint32_t i = 0; i < size; ++i) root[i] = args.hidden[node * size + i];
    q[0] = args.state[node] | (args.undefined[node] != 0 ? undefined_bit : 0U);
    digit[0] = 0;
    std::uint64_t word = args.word[node];
    std::uint32_t depth = 0;
    std::uint64_t longest = args.frontier_length + args.depth;
    for (;;) {
      const std::uint64_t length = args.frontier_length + depth + 1;
      if (digit[depth] == symbols || length > longest) {
        if (depth == 0) break;
        --depth;
        ++digit[depth];
        word /= symbols;
        continue;
      }
      const std::uint32_t a = digit[depth];
      const bool was_undefined = (q[depth] & undefined_bit) != 0U;
      const std::uint32_t next = args.delta[std::size_t{q[depth] & ~undefined_bit} * symbols + a];
      FlatStep seen{};
      if (!was_undefined) {
        const StridedHidden from = hidden(depth);
        const StridedHidden to = hidden(depth + 1);
        for (std::uint32_t i = 0; i < size; ++i) to[i] = from[i];
        seen = flat_step<Every>(args.model, a, to, SparseDecoder{});
      }
      const std::int32_t expected = args.expected[next];
      const bool differs = expected != -2 && expected != seen.label;
      if (seen.bad_layer != FlatStep::finite || (differs && length > args.done)) {
        const Key key = (length << tree_word_bits) | (word * symbols + a);
        const Key before = atomicMin(args.best, key);
        longest = min(longest, min(length - 1, static_cast<std::uint64_t>(before >> tree_word_bits)));
        ++digit[depth];
        continue;
      }
      word = word * symbols + a;
      ++depth;
      q[depth] = next | (seen.label < 0 ? undefined_bit : 0U);
      digit[depth] = 0;
    }
  }
}

constexpr unsigned flat_tree_threads = 128;
constexpr std::size_t flat_tree_scratch = std::size_t{4} << 30U;

}  // namespace

struct FlatTree::Memory {
  FlatModelView model;
  DeviceArray<std::uint32_t> arena;
  DeviceArray<FlatLayer> layers;
  DeviceArray<std::uint32_t> delta;
  DeviceArray<std::int32_t> expected;
  std::uint64_t frontier_length = 0;
  std::size_t count = 0;
  std::size_t scratch = flat_tree_scratch;
  DeviceArray<std::uint64_t> word;
  DeviceArray<float> hidden;
  DeviceArray<std::uint32_t> state;
  DeviceArray<std::uint8_t> undefined;
  DeviceArray<Key> best;
};

FlatTree::FlatTree(const FlatModelView& model, std::size_t arena_words, std::span<const std::uint32_t> delta,
                   std::span<const std::int32_t> expected, const TreeFrontier& frontier, const std::uint8_t* undefined,
                   std::size_t memory)
    : memory_(std::make_unique<Memory>()) {
  Memory& m = *memory_;
  m.model = model;
  m.arena = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(model.words, arena_words));
  m.layers = DeviceArray<FlatLayer>(std::span<const FlatLayer>(model.layers, model.num_layers));
  m.model.words = m.arena.data();
  m.model.layers = m.layers.data();
  m.delta = DeviceArray<std::uint32_t>(delta);
  m.expected = DeviceArray<std::int32_t>(expected);
  m.scratch = memory != 0 ? memory : flat_tree_scratch;
  m.frontier_length = frontier.length;
  m.count = frontier.count;
  m.word = DeviceArray<std::uint64_t>(std::span<const std::uint64_t>(frontier.word, frontier.count));
  m.hidden = DeviceArray<float>(std::span<const float>(frontier.hidden, frontier.count * model.hidden_size));
  m.state = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(frontier.state, frontier.count));
  m.undefined = DeviceArray<std::uint8_t>(std::span<const std::uint8_t>(undefined, frontier.count));
  m.best = DeviceArray<Key>(1);
}

FlatTree::~FlatTree() = default;

std::uint64_t FlatTree::walk(std::uint64_t done, std::uint64_t target, std::size_t first, std::size_t last,
                             double& milliseconds) {
  Memory& m = *memory_;
  const std::uint64_t depth = target - m.frontier_length;
  if (depth == 0 || first >= last) return tree_none;
  check_target(depth, target);
  const std::size_t bytes_a_thread = 4 * (depth + 1) * std::max<std::size_t>(1, m.model.hidden_size);
  const std::size_t most = std::max<std::size_t>(1, m.scratch / (bytes_a_thread * flat_tree_threads));
  const auto blocks = static_cast<unsigned>(
      std::min<std::size_t>({most, (last - first + flat_tree_threads - 1) / flat_tree_threads, 132 * 16}));
  const DeviceArray<float> scratch(bytes_a_thread / 4 * blocks * flat_tree_threads);
  const Key none = tree_none;
  m.best.upload(std::span<const Key>(&none, 1));
  FlatTreeArgs args{};
  args.model = m.model;
  args.delta = m.delta.data();
  args.expected = m.expected.data();
  args.frontier_length = m.frontier_length;
  args.word = m.word.data();
  args.hidden = m.hidden.data();
  args.state = m.state.data();
  args.undefined = m.undefined.data();
  args.first = first;
  args.last = last;
  args.depth = static_cast<std::uint32_t>(depth);
  args.done = done;
  args.scratch = scratch.data();
  args.best = m.best.data();
  EventTimer timer;
  const auto kernel = m.model.every_form ? flat_tree_kernel<true> : flat_tree_kernel<false>;
  kernel<<<blocks, flat_tree_threads>>>(args);
  check_launch("flat_tree_kernel");
  milliseconds += timer.milliseconds();
  Key best = none;
  m.best.download(std::span<Key>(&best, 1));
  return best;
}

}  // namespace krohn
