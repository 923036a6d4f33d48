// One long sequence through a finite machine: nothing is computed but look-ups. Every thread walks a contiguous piece
// without knowing what came before it, in one of three forms.
//   points: symbols act on at most 8 points, so that what a word does is 8 bytes, and one symbol more is two
//   permutations
//     of bytes by what the symbol's row selects. (p under a word a w) = (p under a) under w: pieces are walked from
//     their ends, which makes the bytes at hand the permuted ones and the symbols the selectors. Rows lie in shared
//     memory once a lane, so that a warp never meets in a bank.
//   monoid: a walk of the monoid's table from the identity gives the element, a look-up a group of symbols.
//   states: a walk of the machine's table from every state, where its monoid is too large.
// What pieces do is multiplied in order, which is associative and not commutative: of points in each warp and then by
// one block, of elements by CUB's scan; by states the pieces are followed one by one. A warp brings lines of 128 bytes,
// one of each of its 32 pieces, to shared memory a line ahead: device memory read in sectors of 32 bytes from that many
// places gives half its rate. Limits: reads of the symbols where the alphabet is small; else the look-ups, one a
// symbol.
#include <cuda_pipeline.h>

#include <algorithm>
#include <cub/device/device_scan.cuh>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda.cuh"
#include "krohn/error.hpp"
#include "krohn/kernels/scan.hpp"
#include "table_walk.cuh"

namespace krohn {
namespace {

constexpr unsigned most_threads = 1024;
constexpr std::size_t line = 128;
/// A line in shared memory, moved on by a quad: lanes then read their lines from different banks.
constexpr std::size_t line_pitch = line + 16;
constexpr std::size_t stages = 2;
constexpr std::size_t lines_of_thread = stages * line_pitch;
/// The least number of threads of a block that a table in shared memory leaves room for.
constexpr std::size_t least_threads = 96;
/// Symbols a piece at least; below, the scan would cost more than the walks.
constexpr std::size_t least_piece = 2 * line;

// ---- points ---------------------------------------------------------------------------------------------------------

/// Where each of 8 points is moved, a byte a point.
struct alignas(8) Images {
  std::uint32_t low;
  std::uint32_t high;
};
constexpr Images identity_images{0x03020100U, 0x07060504U};

/// The same as selectors of bytes, four bits a point: a row is one number, and its look-up one access of a bank a lane.
using Selectors = std::uint32_t;

__host__ __device__ inline std::uint32_t selector_of(std::uint32_t images) {
  const std::uint32_t pairs = images | (images >> 4U);
  return (pairs & 0xFFU) | ((pairs >> 8U) & 0xFF00U);
}

/// Four bytes of two words, by the lower half of the selectors. __byte_perm would clear bits of them first.
__device__ __forceinline__ std::uint32_t select_bytes(std::uint32_t low, std::uint32_t high, std::uint32_t selectors) {
  std::uint32_t out = 0;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(out) : "r"(low), "r"(high), "r"(selectors));
  return out;
}

/// `first`, then `second`.
__device__ __forceinline__ Images then(Selectors first, const Images& second) {
  return {select_bytes(second.low, second.high, first), select_bytes(second.low, second.high, first >> 16U)};
}
__device__ __forceinline__ Images then(const Images& first, const Images& second) {
  return then(selector_of(first.low) | selector_of(first.high) << 16U, second);
}

/// In lane 0: the lanes', one after the other.
__device__ __forceinline__ Images fold_warp(Images mine) {
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const Images other{__shfl_down_sync(0xFFFFFFFFU, mine.low, distance),
                       __shfl_down_sync(0xFFFFFFFFU, mine.high, distance)};
    mine = then(mine, other);
  }
  return mine;
}

constexpr unsigned fold_threads = 1024;

/// values[0] <- all, one after the other. One block.
__global__ void __launch_bounds__(fold_threads) fold_kernel(Images* values, std::uint32_t count) {
  __shared__ Images of_warp[fold_threads / 32];
  const std::uint32_t share = (count + fold_threads - 1) / fold_threads;
  Images mine = identity_images;
  for (std::uint32_t i = threadIdx.x * share; i < min((threadIdx.x + 1) * share, count); ++i) {
    mine = then(mine, values[i]);
  }
  mine = fold_warp(mine);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  mine = fold_warp(of_warp[threadIdx.x]);
  if (threadIdx.x == 0) values[0] = mine;
}

constexpr std::uint32_t row_pitch = 256;

/// Rows of groups, then (where a group is not one symbol) of symbols, each 32 times, a lane's own. A row begins every
/// 256 bytes, of which it takes half: its offset is then a byte moved, not a shift.
template <int G>
struct PointsWalk {
  static constexpr bool backward = true;
  static constexpr bool folds = true;
  using Place = Images;
  using End = Images;

  const Selectors* global;
  std::uint32_t rows;

  struct Loaded {
    const char* rows;
    std::uint32_t lane;  // offset of the lane's copy, below 256
  };

  __device__ __forceinline__ Loaded load(void* shared) const {
    Selectors* to = static_cast<Selectors*>(shared);
    for (std::uint32_t i = threadIdx.x; i < rows * 32; i += blockDim.x) {
      to[i / 32 * (row_pitch / sizeof(Selectors)) + i % 32] = global[i / 32];
    }
    __syncthreads();
    return {static_cast<const char*>(shared), static_cast<std::uint32_t>(threadIdx.x % 32 * sizeof(Selectors))};
  }
  __device__ __forceinline__ Place start(std::uint32_t) const { return identity_images; }
  static __device__ __forceinline__ Selectors row(const Loaded& table, std::uint32_t offset) {
    return *reinterpret_cast<const Selectors*>(table.rows + offset);
  }
  __device__ __forceinline__ void four(const Loaded& table, std::uint32_t word, Place& at) const {
    static_assert(row_pitch == 256 && 32 * sizeof(Selectors) <= row_pitch);
#pragma unroll
    for (int i = 4 / G; i-- > 0;) {
      // Byte 1 the group's number, byte 0 the lane's offset.
      at = then(row(table, __byte_perm(grouped<G>(word, i), table.lane, 0x7704U + 16 * group_byte<G>(i))), at);
    }
  }
  __device__ __forceinline__ void one(const Loaded& table, std::uint32_t symbol, Place& at) const {
    at = then(row(table, (first_symbol_row(G) + symbol) * row_pitch + table.lane), at);
  }
};

/// The rows of a PointsWalk.
std::vector<Selectors> selectors(const PointsView& points, int group) {
  std::vector<Selectors> rows(group_rows(group, points.num_symbols));
  each_group_row(group, points.num_symbols, [&](std::uint32_t row, std::span<const std::uint32_t> symbols) {
    for (std::uint32_t p = 0; p < most_points; ++p) {
      rows[row] |= points.moved(p, symbols) << (4 * p);
    }
  });
  return rows;
}

// ---- elements and states --------------------------------------------------------------------------------------------

/// a followed by b, symbol by symbol of b.
struct Multiply {
  const std::uint32_t* right;
  const std::uint32_t* first;
  const std::uint32_t* rest;
  std::uint32_t num_symbols;
  __device__ std::uint32_t operator()(std::uint32_t a, std::uint32_t b) const {
    if (a == 0) return b;
    for (; b != 0; b = rest[b]) a = right[static_cast<std::size_t>(a) * num_symbols + first[b]];
    return a;
  }
};

// ---- pieces ---------------------------------------------------------------------------------------------------------

struct Pieces {
  const std::uint8_t* symbols;
  std::size_t count;
  std::size_t capacity;  // that can be read, a multiple of a line
  std::size_t length;    // of a piece but the last; a multiple of a line
  std::uint32_t tasks;
  std::uint32_t starts;       // tasks of the same piece, from states 0 .. starts - 1
  std::uint32_t table_quads;  // of shared memory, before the lines
};

/// Walks task t = (piece, start): end[t] <- where `start` is after the piece; if the walk folds, end[t / 32] <- what
/// the warp's pieces do one after the other. Whole warps stay together.
template <class Walk>
__global__ void __launch_bounds__(most_threads)
    walk_kernel(const __grid_constant__ Walk walk, const __grid_constant__ Pieces pieces, typename Walk::End* end) {
  extern __shared__ uint4 shared[];
  const auto table = walk.load(shared);
  const std::uint32_t lane = threadIdx.x % 32;
  char* lines = reinterpret_cast<char*>(shared + pieces.table_quads) + threadIdx.x / 32 * 32 * lines_of_thread;
  constexpr std::uint32_t lanes_of_line = line / 16;
  constexpr std::uint32_t lines_at_once = 32 / lanes_of_line;
  static_assert(lanes_of_line * lines_at_once == 32);
  const auto lines_of_piece = static_cast<std::uint32_t>(pieces.length / line);
  const std::uint32_t tasks = (pieces.tasks + 31) / 32 * 32;
  for (std::uint32_t task = blockIdx.x * blockDim.x + threadIdx.x; task < tasks; task += gridDim.x * blockDim.x) {
    const auto begin_of = [&](std::uint32_t t) { return static_cast<std::size_t>(t / pieces.starts) * pieces.length; };
    const std::size_t begin = begin_of(task);
    // The lane's quad of the lines that it fetches, in the pieces' first lines.
    std::size_t quads[lanes_of_line];
#pragma unroll
    for (std::uint32_t l = 0; l < lanes_of_line; ++l) {
      quads[l] = begin_of(task - lane + l * lines_at_once + lane / lanes_of_line) + lane % lanes_of_line * 16;
    }
    // The lines of step i.
    const auto offset = [&](std::uint32_t i) { return (Walk::backward ? lines_of_piece - 1 - i : i) * line; };
    const auto fetch = [&](std::uint32_t i) {
      if (i < lines_of_piece) {
        char* to =
            lines + i % stages * (32 * line_pitch) + lane / lanes_of_line * line_pitch + lane % lanes_of_line * 16;
#pragma unroll
        for (std::uint32_t l = 0; l < lanes_of_line; ++l) {
          const std::size_t from = quads[l] + offset(i);
          if (from < pieces.capacity) {
            __pipeline_memcpy_async(to + l * lines_at_once * line_pitch, pieces.symbols + from, 16);
          }
        }
      }
      __pipeline_commit();
    };
    typename Walk::Place at = walk.start(task % pieces.starts);
    fetch(0);
    for (std::uint32_t i = 0; i < lines_of_piece; ++i) {
      fetch(i + 1);
      __pipeline_wait_prior(1);
      __syncwarp();
      const uint4* mine = reinterpret_cast<const uint4*>(lines + i % stages * (32 * line_pitch) + lane * line_pitch);
      const std::size_t from = begin + offset(i);
      if (from + line <= pieces.count) {
#pragma unroll
        for (std::uint32_t j = 0; j < lanes_of_line; ++j) {
          const uint4 q = mine[Walk::backward ? lanes_of_line - 1 - j : j];
          const std::uint32_t words[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
          for (int k = 0; k < 4; ++k) walk.four(table, words[Walk::backward ? 3 - k : k], at);
        }
      } else if (from < pieces.count) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(mine);
        const auto left = static_cast<std::uint32_t>(pieces.count - from);
        for (std::uint32_t j = 0; j < left; ++j) walk.one(table, bytes[Walk::backward ? left - 1 - j : j], at);
      }
      __syncwarp();
    }
    if constexpr (Walk::folds) {
      const Images all = fold_warp(at);  // a task that does not exist leaves the identity
      if (lane == 0) end[task / 32] = all;
    } else if (task < pieces.tasks) {
      end[task] = walk.end(at);
    }
  }
}

}  // namespace

struct PieceScan::Memory {
  std::uint32_t num_symbols = 0;
  std::uint32_t starts = 1;
  std::size_t capacity = 0;
  std::size_t last_count = 0;
  DeviceArray<std::uint8_t> buffer;
  DeviceArray<std::uint8_t> temporary;
  // The launch of a walk.
  unsigned threads = 0;
  unsigned blocks = 0;
  std::size_t shared_bytes = 0;
  std::uint32_t table_quads = 0;
  std::size_t most_pieces = 0;
  // By points.
  DeviceArray<Selectors> selectors;
  DeviceArray<Images> images;
  // By elements and states.
  TransitionTable table;
  DeviceArray<std::uint32_t> right;
  DeviceArray<std::uint32_t> first;
  DeviceArray<std::uint32_t> rest;
  DeviceArray<std::uint32_t> ends;
  DeviceArray<std::uint32_t> prefixes;

  /// Launches a scan of the first symbols of the buffer, at least one; returns its tasks.
  std::function<std::uint32_t(std::size_t count)> start;
  /// Waits for it.
  std::function<PieceEffect(std::uint32_t tasks)> result;

  Memory(std::uint32_t symbols, std::size_t most)
      // A line is read whole, whatever the sequence's length.
      : num_symbols(symbols), capacity((most + line - 1) / line * line), buffer(capacity) {
    KROHN_CUDA_CHECK(cudaMemset(buffer.data(), 0, capacity));
  }

  /// What a table may take of a block's shared memory.
  static std::size_t table_limit() { return shared_memory_limit() - least_threads * lines_of_thread; }

  /// Chooses the launch of a walk whose table takes so much of a block's shared memory; asked for once, since the
  /// questions to the driver take as long as a walk of some million symbols.
  template <class Walk>
  void prepare(std::size_t table_bytes) {
    const auto kernel = walk_kernel<Walk>;
    const std::size_t room = (shared_memory_limit() - table_bytes) / lines_of_thread;
    const std::size_t whole = room < 128 ? 32 : 128;  // as many warps on each scheduler
    threads = static_cast<unsigned>(std::min<std::size_t>(most_threads, room / whole * whole));
    table_quads = static_cast<std::uint32_t>(table_bytes / 16);
    shared_bytes = table_bytes + threads * lines_of_thread;
    allow_shared_memory(kernel, shared_bytes);
    blocks = resident_blocks(kernel, static_cast<int>(threads), shared_bytes);
    // One piece for every resident thread, or every group of threads that starts in all states.
    most_pieces = std::max<std::size_t>(1, std::size_t{blocks} * threads / starts);
  }

  /// The number of tasks; their ends are in `end`.
  template <class Walk>
  std::uint32_t walk(const Walk& walk, std::size_t count, DeviceArray<typename Walk::End>& end) {
    Pieces pieces{};
    pieces.symbols = buffer.data();
    pieces.count = count;
    pieces.capacity = capacity;
    pieces.length = (std::max((count + most_pieces - 1) / most_pieces, least_piece) + line - 1) / line * line;
    pieces.starts = starts;
    pieces.tasks = static_cast<std::uint32_t>((count + pieces.length - 1) / pieces.length * starts);
    pieces.table_quads = table_quads;
    if (end.size() < pieces.tasks) end = DeviceArray<typename Walk::End>(pieces.tasks);
    walk_kernel<Walk>
        <<<std::min(blocks, (pieces.tasks + threads - 1) / threads), threads, shared_bytes>>>(walk, pieces, end.data());
    check_launch("walk_kernel");
    return pieces.tasks;
  }

  void use_table(const std::uint32_t* next, std::uint32_t states) {
    table = TransitionTable(next, states, num_symbols, table_limit());
    table.visit([&](const auto& form) { prepare<std::remove_cvref_t<decltype(form)>>(table.shared_bytes()); });
  }
  std::uint32_t walk_table(std::size_t count) {
    std::uint32_t tasks = 0;
    table.visit([&](const auto& form) { tasks = walk(form, count, ends); });
    return tasks;
  }

  template <int G>
  void by_points(const PointsView& points) {
    const std::vector<Selectors> rows = krohn::selectors(points, G);
    selectors = DeviceArray<Selectors>(std::span<const Selectors>(rows));
    prepare<PointsWalk<G>>(row_pitch * rows.size());
    start = [this](std::size_t count) {
      const PointsWalk<G> form{selectors.data(), static_cast<std::uint32_t>(selectors.size())};
      const std::uint32_t tasks = walk(form, count, images);
      fold_kernel<<<1, fold_threads>>>(images.data(), (tasks + 31) / 32);
      check_launch("fold_kernel");
      return tasks;
    };
    result = [this](std::uint32_t) {
      Images all{};
      KROHN_CUDA_CHECK(cudaMemcpy(&all, images.data(), sizeof all, cudaMemcpyDeviceToHost));
      PieceEffect out;
      for (std::uint32_t p = 0; p < most_points; ++p) {
        out.points[p] = static_cast<std::uint8_t>((p < 4 ? all.low : all.high) >> (8 * (p % 4)));
      }
      return out;
    };
  }
};

PieceScan::PieceScan(const PointsView& points, std::size_t capacity)
    : memory_(std::make_unique<Memory>(points.num_symbols, capacity)) {
  const int group = largest_group(
      points.num_symbols, [](std::uint32_t rows) { return std::size_t{row_pitch} * rows <= Memory::table_limit(); });
  if (group == 4) {
    memory_->by_points<4>(points);
  } else if (group == 2) {
    memory_->by_points<2>(points);
  } else {
    memory_->by_points<1>(points);
  }
}

namespace {

void check_table(std::uint64_t entries, std::uint32_t starts) {
  if (entries > piece_scan_max_entries || starts > piece_scan_max_states) {
    throw DeviceError("scan: expected a table of at most " + std::to_string(piece_scan_max_entries) +
                      " entries, walked from at most " + std::to_string(piece_scan_max_states) + " states, got " +
                      std::to_string(entries) + " entries and " + std::to_string(starts) + " states");
  }
}

}  // namespace

PieceScan::PieceScan(const MonoidView& monoid, std::size_t capacity)
    : memory_(std::make_unique<Memory>(monoid.num_symbols, capacity)) {
  const std::uint64_t entries = std::uint64_t{monoid.num_elements} * monoid.num_symbols;
  check_table(entries, 1);
  Memory& m = *memory_;
  m.use_table(monoid.right, monoid.num_elements);
  m.right = DeviceArray<std::uint32_t>(std::span(monoid.right, entries));
  m.first = DeviceArray<std::uint32_t>(std::span(monoid.first, monoid.num_elements));
  m.rest = DeviceArray<std::uint32_t>(std::span(monoid.rest, monoid.num_elements));
  m.start = [&m](std::size_t count) {
    const std::uint32_t tasks = m.walk_table(count);
    const Multiply multiply{m.right.data(), m.first.data(), m.rest.data(), m.num_symbols};
    if (m.prefixes.size() < tasks) m.prefixes = DeviceArray<std::uint32_t>(tasks);
    std::size_t bytes = 0;
    KROHN_CUDA_CHECK(cub::DeviceScan::InclusiveScan(nullptr, bytes, m.ends.data(), m.prefixes.data(), multiply, tasks));
    if (m.temporary.size() < bytes) m.temporary = DeviceArray<std::uint8_t>(bytes);
    KROHN_CUDA_CHECK(
        cub::DeviceScan::InclusiveScan(m.temporary.data(), bytes, m.ends.data(), m.prefixes.data(), multiply, tasks));
    return tasks;
  };
  m.result = [&m](std::uint32_t tasks) {
    PieceEffect all;
    KROHN_CUDA_CHECK(
        cudaMemcpy(&all.element, m.prefixes.data() + (tasks - 1), sizeof all.element, cudaMemcpyDeviceToHost));
    return all;
  };
}

PieceScan::PieceScan(const MachineView& machine, std::size_t capacity)
    : memory_(std::make_unique<Memory>(machine.num_symbols, capacity)) {
  check_table(std::uint64_t{machine.num_states} * machine.num_symbols, machine.num_states);
  Memory& m = *memory_;
  m.starts = machine.num_states;
  m.use_table(machine.next, machine.num_states);
  m.start = [&m](std::size_t count) { return m.walk_table(count); };
  m.result = [&m](std::uint32_t tasks) {
    std::vector<std::uint32_t> images(tasks);
    KROHN_CUDA_CHECK(cudaMemcpy(images.data(), m.ends.data(), 4 * std::size_t{tasks}, cudaMemcpyDeviceToHost));
    PieceEffect all;
    for (std::uint32_t start = 0; start < m.starts; ++start) {
      std::uint32_t state = start;
      for (std::size_t p = 0; p < tasks / m.starts; ++p) state = images[p * m.starts + state];
      all.image.push_back(state);
    }
    return all;
  };
}

PieceScan::~PieceScan() = default;

PieceEffect PieceScan::effect(std::span<const std::uint8_t> symbols) {
  Memory& m = *memory_;
  if (symbols.size() > m.capacity) {
    throw DeviceError("scan: expected at most " + std::to_string(m.capacity) + " symbols");
  }
  if (symbols.empty()) {
    PieceEffect none;
    std::iota(none.points.begin(), none.points.end(), std::uint8_t{0});
    none.image.resize(m.starts);
    std::iota(none.image.begin(), none.image.end(), 0U);
    return none;
  }
  KROHN_CUDA_CHECK(cudaMemcpy(m.buffer.data(), symbols.data(), symbols.size(), cudaMemcpyHostToDevice));
  m.last_count = symbols.size();
  return m.result(m.start(symbols.size()));
}

PieceEffect PieceScan::effect_of_random(std::size_t count, std::uint64_t seed, double& milliseconds) {
  Memory& m = *memory_;
  if (count == 0 || count > m.capacity) {
    throw DeviceError("scan: expected 1 to " + std::to_string(m.capacity) + " symbols");
  }
  fill_random_symbols(reinterpret_cast<std::uint32_t*>(m.buffer.data()), (count + 3) / 4, m.num_symbols, seed);
  m.last_count = count;
  EventTimer timer;
  const std::uint32_t tasks = m.start(count);
  milliseconds += timer.milliseconds();
  return m.result(tasks);
}

void PieceScan::symbols(std::span<std::uint8_t> out) const {
  const std::size_t count = std::min(out.size(), memory_->last_count);
  KROHN_CUDA_CHECK(cudaMemcpy(out.data(), memory_->buffer.data(), count, cudaMemcpyDeviceToHost));
}

}  // namespace krohn
