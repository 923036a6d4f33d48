// One long sequence through a finite machine. Every thread walks a contiguous piece of it in a transition table, one
// look-up a symbol. In the monoid's table the walk from the identity gives the piece's transformation, an element of a
// finite monoid; CUB scans the elements of all pieces under multiplication, which is associative and not commutative,
// and the last prefix acts on the machine's state. Where the monoid is too large, each piece is walked from every state
// of the machine instead, and the pieces are followed one by one. Both are exact: nothing is computed but look-ups.
// Cost a symbol: one byte read, one look-up (one a state without a monoid). Limits: reads of the symbols; bank
// conflicts of the look-ups where the table lies in shared memory, the L2 cache's accesses where it does not.
#include <algorithm>
#include <cub/device/device_scan.cuh>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "cuda.cuh"
#include "krohn/error.hpp"
#include "krohn/kernels/scan.hpp"

namespace krohn {
namespace {

constexpr int walk_threads = 512;
constexpr int walk_blocks = 3;  // a multiprocessor
/// Symbols that a thread loads at a time: a whole sector of device memory.
constexpr std::size_t sector = 32;
/// Symbols a piece at least; below, the scan would cost more than the walks.
constexpr std::size_t least_piece = 2 * sector;

/// Walks task t = (piece, start): end[t] <- where `start` is after the piece. An entry of the table is the offset of
/// the next state's row. Starts are rows 0 .. starts - 1.
template <class Entry>
__global__ void __launch_bounds__(walk_threads, walk_blocks)
    walk_kernel(const Entry* table, std::uint32_t entries, bool in_shared, std::uint32_t num_symbols,
                const std::uint8_t* symbols, std::size_t count, std::size_t piece, std::uint32_t tasks,
                std::uint32_t starts, std::uint32_t* end) {
  extern __shared__ std::uint32_t shared_words[];
  if (in_shared) {
    Entry* shared = reinterpret_cast<Entry*>(shared_words);
    for (std::uint32_t i = threadIdx.x; i < entries; i += blockDim.x) shared[i] = table[i];
    __syncthreads();
  }
  const Entry* rows = in_shared ? reinterpret_cast<const Entry*>(shared_words) : table;
  for (std::uint32_t task = blockIdx.x * blockDim.x + threadIdx.x; task < tasks; task += gridDim.x * blockDim.x) {
    const std::size_t begin = static_cast<std::size_t>(task / starts) * piece;
    std::uint32_t at = task % starts * num_symbols;
    const auto length = static_cast<std::uint32_t>(min(piece, count - begin));
    const uint4* source = reinterpret_cast<const uint4*>(symbols + begin);
    uint4 next[2] = {source[0], source[1]};
    std::uint32_t left = length;
    for (; left >= sector; left -= sector) {
      const std::uint32_t now[8] = {next[0].x, next[0].y, next[0].z, next[0].w,
                                    next[1].x, next[1].y, next[1].z, next[1].w};
      source += 2;
      if (left > sector) {
        next[0] = source[0];
        next[1] = source[1];
      }
#pragma unroll
      for (int i = 0; i < 32; ++i) at = rows[at + __byte_perm(now[i / 4], 0U, 0x4440U + i % 4)];
    }
    const std::uint32_t now[8] = {next[0].x, next[0].y, next[0].z, next[0].w,
                                  next[1].x, next[1].y, next[1].z, next[1].w};
#pragma unroll
    for (std::uint32_t i = 0; i < 31; ++i) {
      if (i < left) at = rows[at + __byte_perm(now[i / 4], 0U, 0x4440U + i % 4)];
    }
    end[task] = at / num_symbols;
  }
}

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

__global__ void random_bytes_kernel(std::uint32_t* out, std::size_t count, std::uint32_t symbols, std::uint64_t seed) {
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count;
       i += static_cast<std::size_t>(gridDim.x) * blockDim.x) {
    std::uint32_t packed = 0;
    for (std::uint32_t k = 0; k < 4; ++k) {
      packed |= static_cast<std::uint32_t>(mixed(seed + 4 * i + k) % symbols) << (8 * k);
    }
    out[i] = packed;
  }
}

/// The table whose entries are row offsets.
template <class Entry>
std::vector<Entry> offsets(const std::uint32_t* next, std::size_t entries, std::uint32_t num_symbols) {
  std::vector<Entry> out(entries);
  for (std::size_t i = 0; i < entries; ++i) out[i] = static_cast<Entry>(next[i] * num_symbols);
  return out;
}

}  // namespace

struct PieceScan::Memory {
  std::uint32_t num_symbols = 0;
  std::uint32_t starts = 1;
  std::vector<std::uint32_t> next;  // the machine's, on the host
  std::vector<std::uint32_t> first;
  std::vector<std::uint32_t> rest;
  bool monoid = false;
  DeviceArray<std::uint32_t> right;
  DeviceArray<std::uint32_t> device_first;
  DeviceArray<std::uint32_t> device_rest;
  DeviceArray<std::uint16_t> narrow;
  DeviceArray<std::uint32_t> wide;
  bool in_shared = false;
  std::size_t shared_bytes = 0;
  std::uint32_t entries = 0;
  unsigned blocks = 0;
  std::size_t capacity = 0;
  std::size_t last_count = 0;
  DeviceArray<std::uint8_t> buffer;
  DeviceArray<std::uint32_t> ends;
  DeviceArray<std::uint32_t> prefixes;
  DeviceArray<std::uint8_t> temporary;

  Multiply multiply() const { return {right.data(), device_first.data(), device_rest.data(), num_symbols}; }

  template <class Entry>
  void prepare(DeviceArray<Entry>& table, const std::uint32_t* source) {
    const std::vector<Entry> values = offsets<Entry>(source, entries, num_symbols);
    table = DeviceArray<Entry>(std::span<const Entry>(values));
    in_shared = sizeof(Entry) * entries <= shared_memory_limit();
    shared_bytes = in_shared ? sizeof(Entry) * entries : 0;
    allow_shared_memory(walk_kernel<Entry>, shared_bytes);
    blocks = resident_blocks(walk_kernel<Entry>, walk_threads, shared_bytes);
  }

  template <class Entry>
  void walk(const DeviceArray<Entry>& table, std::size_t count, std::size_t piece, std::uint32_t tasks) {
    const unsigned grid = std::min(blocks, (tasks + walk_threads - 1) / walk_threads);
    walk_kernel<Entry><<<grid, walk_threads, shared_bytes>>>(table.data(), entries, in_shared, num_symbols,
                                                             buffer.data(), count, piece, tasks, starts, ends.data());
    check_launch("walk_kernel");
  }

  /// Of the first `count` symbols of the buffer, at least one.
  PieceEffect effect(std::size_t count) {
    last_count = count;
    // One piece for every resident thread, or every group of threads that starts in all states.
    const std::size_t wanted = std::max<std::size_t>(1, std::size_t{blocks} * walk_threads / starts);
    std::size_t piece = std::max((count + wanted - 1) / wanted, least_piece);
    piece = (piece + sector - 1) / sector * sector;
    const std::size_t pieces = (count + piece - 1) / piece;
    const auto tasks = static_cast<std::uint32_t>(pieces * starts);
    if (ends.size() < tasks) ends = DeviceArray<std::uint32_t>(tasks);
    if (narrow.size() != 0) {
      walk(narrow, count, piece, tasks);
    } else {
      walk(wide, count, piece, tasks);
    }
    if (!monoid) {
      std::vector<std::uint32_t> images(tasks);
      KROHN_CUDA_CHECK(cudaMemcpy(images.data(), ends.data(), 4 * std::size_t{tasks}, cudaMemcpyDeviceToHost));
      PieceEffect all;
      for (std::uint32_t start = 0; start < starts; ++start) {
        std::uint32_t state = start;
        for (std::size_t p = 0; p < pieces; ++p) state = images[p * starts + state];
        all.image.push_back(state);
      }
      return all;
    }
    if (prefixes.size() < tasks) prefixes = DeviceArray<std::uint32_t>(tasks);
    std::size_t bytes = 0;
    KROHN_CUDA_CHECK(cub::DeviceScan::InclusiveScan(nullptr, bytes, ends.data(), prefixes.data(), multiply(), tasks));
    if (temporary.size() < bytes) temporary = DeviceArray<std::uint8_t>(bytes);
    KROHN_CUDA_CHECK(
        cub::DeviceScan::InclusiveScan(temporary.data(), bytes, ends.data(), prefixes.data(), multiply(), tasks));
    PieceEffect all;
    KROHN_CUDA_CHECK(
        cudaMemcpy(&all.element, prefixes.data() + (tasks - 1), sizeof all.element, cudaMemcpyDeviceToHost));
    return all;
  }
};

PieceScan::PieceScan(const MachineView& machine, const MonoidView* monoid, std::size_t capacity)
    : memory_(std::make_unique<Memory>()) {
  Memory& m = *memory_;
  m.num_symbols = machine.num_symbols;
  m.monoid = monoid != nullptr;
  m.starts = monoid != nullptr ? 1 : machine.num_states;
  const std::uint32_t rows = monoid != nullptr ? monoid->num_elements : machine.num_states;
  const std::uint32_t* source = monoid != nullptr ? monoid->right : machine.next;
  const std::uint64_t entries = std::uint64_t{rows} * machine.num_symbols;
  if (entries > piece_scan_max_entries || m.starts > piece_scan_max_states) {
    throw DeviceError("scan: expected a table of at most " + std::to_string(piece_scan_max_entries) +
                      " entries, walked from at most " + std::to_string(piece_scan_max_states) + " states, got " +
                      std::to_string(entries) + " entries and " + std::to_string(m.starts) + " states");
  }
  m.entries = static_cast<std::uint32_t>(entries);
  m.next.assign(machine.next, machine.next + std::size_t{machine.num_states} * machine.num_symbols);
  if (monoid != nullptr) {
    m.first.assign(monoid->first, monoid->first + rows);
    m.rest.assign(monoid->rest, monoid->rest + rows);
    m.right = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(source, entries));
    m.device_first = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(m.first));
    m.device_rest = DeviceArray<std::uint32_t>(std::span<const std::uint32_t>(m.rest));
  }
  if (entries <= std::numeric_limits<std::uint16_t>::max()) {
    m.prepare(m.narrow, source);
  } else {
    m.prepare(m.wide, source);
  }
  // The first load of a piece reads a whole sector, whatever the sequence's length.
  m.capacity = (capacity + sector - 1) / sector * sector;
  m.buffer = DeviceArray<std::uint8_t>(m.capacity);
  KROHN_CUDA_CHECK(cudaMemset(m.buffer.data(), 0, m.capacity));
}

PieceScan::~PieceScan() = default;

PieceEffect PieceScan::effect(std::span<const std::uint8_t> symbols) {
  Memory& m = *memory_;
  if (symbols.size() > m.capacity) {
    throw DeviceError("scan: expected at most " + std::to_string(m.capacity) + " symbols");
  }
  if (symbols.empty()) {
    PieceEffect none;
    if (!m.monoid) {
      none.image.resize(m.starts);
      std::iota(none.image.begin(), none.image.end(), 0U);
    }
    return none;
  }
  KROHN_CUDA_CHECK(cudaMemcpy(m.buffer.data(), symbols.data(), symbols.size(), cudaMemcpyHostToDevice));
  return m.effect(symbols.size());
}

std::uint32_t PieceScan::advance_random(std::size_t count, std::uint64_t seed, std::uint32_t state,
                                        double& milliseconds) {
  Memory& m = *memory_;
  if (count > m.capacity) throw DeviceError("scan: expected at most " + std::to_string(m.capacity) + " symbols");
  random_bytes_kernel<<<4096, 256>>>(reinterpret_cast<std::uint32_t*>(m.buffer.data()), (count + 3) / 4, m.num_symbols,
                                     seed);
  check_launch("random_bytes_kernel");
  KROHN_CUDA_CHECK(cudaDeviceSynchronize());
  EventTimer timer;
  const PieceEffect all = m.effect(count);
  milliseconds += timer.milliseconds();
  if (!m.monoid) return all.image[state];
  for (std::uint32_t element = all.element; element != 0; element = m.rest[element]) {
    state = m.next[std::size_t{state} * m.num_symbols + m.first[element]];
  }
  return state;
}

void PieceScan::symbols(std::span<std::uint8_t> out) const {
  const std::size_t count = std::min(out.size(), memory_->last_count);
  KROHN_CUDA_CHECK(cudaMemcpy(out.data(), memory_->buffer.data(), count, cudaMemcpyDeviceToHost));
}

}  // namespace krohn
