// One long sequence: every thread multiplies the rows of a contiguous piece into an affine map (its columns are runs of
// the recurrence from the unit vectors, and from 0 where rows write), CUB scans the maps of all pieces under
// composition, which is associative and not commutative, and the last prefix acts on the hidden state. All products are
// exact (the caller's licence), so the pieces' number does not matter. Cost a symbol: size + 1 recurrences, one byte.
#include <algorithm>
#include <cub/device/device_scan.cuh>
#include <memory>
#include <string>
#include <vector>

#include "cuda.cuh"
#include "dense.cuh"
#include "krohn/kernels/scan.hpp"

namespace krohn {
namespace {

/// As many threads as the registers of their columns allow.
constexpr int map_threads(int size) { return size <= 5 ? 768 : 512; }
/// Symbols a piece at least; below, the maps would cost more than the symbols.
constexpr std::size_t least_piece = 64;

/// Column c is the image of unit vector c; the last of an affine map the image of 0.
template <int D, bool Affine>
struct Map {
  static constexpr int columns = D + (Affine ? 1 : 0);
  float column[columns][D];
};

/// `first` acts first.
template <int D, bool Affine>
struct Compose {
  __host__ __device__ Map<D, Affine> operator()(const Map<D, Affine>& first, const Map<D, Affine>& second) const {
    Map<D, Affine> result;
    for (int c = 0; c < Map<D, Affine>::columns; ++c) {
      for (int i = 0; i < D; ++i) {
        float sum = Affine && c == D ? second.column[Map<D, Affine>::columns - 1][i] : 0.0F;
        for (int j = 0; j < D; ++j) sum = fused(second.column[j][i], first.column[c][j], sum);
        result.column[c][i] = sum;
      }
    }
    return result;
  }
};

template <int D, bool Affine>
__global__ void __launch_bounds__(map_threads(D))
    map_kernel(const float4* rows, std::uint32_t table_quads, std::uint32_t copies, GeneralLayout layout,
               const std::uint8_t* symbols, std::size_t count, std::size_t piece, std::size_t pieces,
               Map<D, Affine>* maps) {
  extern __shared__ float4 table[];
  constexpr int columns = Map<D, Affine>::columns;
  if (table_quads != 0) {
    load_table(table, rows, table_quads, copies);
    rows = table + threadIdx.x % copies;
  }
  for (std::size_t p = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; p < pieces;
       p += static_cast<std::size_t>(gridDim.x) * blockDim.x) {
    float h[columns][D];
#pragma unroll
    for (int c = 0; c < columns; ++c) {
#pragma unroll
      for (int j = 0; j < D; ++j) h[c][j] = c == j ? 1.0F : 0.0F;
    }
    const std::size_t begin = p * piece;
    const std::size_t end = min(begin + piece, count);
    const uint4* at = reinterpret_cast<const uint4*>(symbols + begin);
    const uint4* last = reinterpret_cast<const uint4*>(symbols + (end + 15) / 16 * 16);
    uint4 next = *at;
    std::size_t left = end - begin;
    while (left > 0) {
      uint4 now = next;
      if (++at < last) next = *at;
      const int here = left < 16 ? static_cast<int>(left) : 16;
      left -= here;
      for (int i = 0; i < here; ++i) {
        const std::uint32_t symbol = now.x & 0xFFU;
        now.x >>= 8U;
        if (i % 4 == 3) {
          now.x = now.y;
          now.y = now.z;
          now.z = now.w;
        }
        general_step<D, columns, Affine>(layout, rows + symbol * layout.quads_a_row * copies, static_cast<int>(copies),
                                         Affine ? D : columns, h);
      }
    }
#pragma unroll
    for (int c = 0; c < columns; ++c) {
#pragma unroll
      for (int j = 0; j < D; ++j) maps[p].column[c][j] = h[c][j];
    }
  }
}

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

}  // namespace

/// The sizes are hidden behind virtual calls: one class an instantiated size.
struct MapScan::Memory {
  virtual ~Memory() = default;
  /// Enqueues maps and scan of `count` symbols in device memory, then applies the last prefix to h.
  virtual void advance(const std::uint8_t* symbols, std::size_t count, float* h) = 0;

  std::uint32_t size = 0;
  std::uint32_t symbol_rows = 0;
  std::size_t capacity = 0;
  DeviceArray<std::uint8_t> buffer;
  std::size_t last_count = 0;
};

namespace {

template <int D, bool Affine>
class SizedScan final : public MapScan::Memory {
 public:
  explicit SizedScan(const DenseRowsView& rows) {
    const std::vector<float> values = general_rows(rows, D, layout_);
    table_ = DeviceArray<float>(std::span<const float>(values));
    table_quads_ = layout_.quads_a_row * rows.rows;
    const std::size_t bytes = 16 * std::size_t{table_quads_};
    copies_ = 8 * bytes <= shared_memory_limit() ? 8 : 1;
    shared_bytes_ = bytes * copies_;
    if (shared_bytes_ > shared_memory_limit()) shared_bytes_ = table_quads_ = 0;
    const auto kernel = map_kernel<D, Affine>;
    allow_shared_memory(kernel, shared_bytes_);
    int device = 0;
    int multiprocessors = 0;
    int blocks = 0;
    KROHN_CUDA_CHECK(cudaGetDevice(&device));
    KROHN_CUDA_CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
    KROHN_CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, map_threads(D), shared_bytes_));
    blocks_ = static_cast<unsigned>(std::max(1, blocks) * multiprocessors);
    maps_ = DeviceArray<Map<D, Affine>>(std::size_t{blocks_} * map_threads(D));
    prefixes_ = DeviceArray<Map<D, Affine>>(maps_.size());
    std::size_t temporary = 0;
    KROHN_CUDA_CHECK(cub::DeviceScan::InclusiveScan(nullptr, temporary, maps_.data(), prefixes_.data(),
                                                    Compose<D, Affine>{}, static_cast<int>(maps_.size())));
    temporary_ = DeviceArray<std::uint8_t>(temporary);
  }

  void advance(const std::uint8_t* symbols, std::size_t count, float* h) override {
    if (count == 0) return;
    std::size_t piece = std::max((count + maps_.size() - 1) / maps_.size(), least_piece);
    piece = (piece + 15) / 16 * 16;
    const std::size_t pieces = (count + piece - 1) / piece;
    const unsigned blocks = std::min(blocks_, static_cast<unsigned>((pieces + map_threads(D) - 1) / map_threads(D)));
    map_kernel<D, Affine><<<blocks, map_threads(D), shared_bytes_>>>(reinterpret_cast<const float4*>(table_.data()),
                                                                     table_quads_, copies_, layout_, symbols, count,
                                                                     piece, pieces, maps_.data());
    check_launch("map_kernel");
    std::size_t temporary = temporary_.size();
    KROHN_CUDA_CHECK(cub::DeviceScan::InclusiveScan(temporary_.data(), temporary, maps_.data(), prefixes_.data(),
                                                    Compose<D, Affine>{}, static_cast<int>(pieces)));
    Map<D, Affine> map;
    KROHN_CUDA_CHECK(cudaMemcpy(&map, prefixes_.data() + (pieces - 1), sizeof map, cudaMemcpyDeviceToHost));
    float padded[D] = {};
    float result[D] = {};
    std::copy_n(h, size, padded);
    for (int i = 0; i < D; ++i) {
      float sum = Affine ? map.column[Map<D, Affine>::columns - 1][i] : 0.0F;
      for (int j = 0; j < D; ++j) sum = fused(map.column[j][i], padded[j], sum);
      result[i] = sum + 0.0F;
    }
    std::copy_n(result, size, h);
  }

 private:
  GeneralLayout layout_;
  DeviceArray<float> table_;
  std::uint32_t table_quads_ = 0;
  std::uint32_t copies_ = 1;
  std::size_t shared_bytes_ = 0;
  unsigned blocks_ = 0;
  DeviceArray<Map<D, Affine>> maps_;
  DeviceArray<Map<D, Affine>> prefixes_;
  DeviceArray<std::uint8_t> temporary_;
};

template <bool Affine>
std::unique_ptr<MapScan::Memory> sized_scan(const DenseRowsView& rows) {
  if constexpr (!Affine) {
    if (rows.size == 1) return std::make_unique<SizedScan<1, false>>(rows);
    if (rows.size == 3) return std::make_unique<SizedScan<3, false>>(rows);
    if (rows.size == 4) return std::make_unique<SizedScan<4, false>>(rows);
  }
  if (rows.size <= 2) return std::make_unique<SizedScan<2, Affine>>(rows);
  if (rows.size <= 5) return std::make_unique<SizedScan<5, Affine>>(rows);
  if (rows.size <= 8) return std::make_unique<SizedScan<8, Affine>>(rows);
  throw DeviceError("scan: expected a hidden size of 1 to 8, got " + std::to_string(rows.size));
}

}  // namespace

MapScan::MapScan(const DenseRowsView& rows, bool affine, std::size_t capacity)
    : memory_(affine ? sized_scan<true>(rows) : sized_scan<false>(rows)) {
  memory_->size = rows.size;
  memory_->symbol_rows = rows.rows - 1;
  memory_->capacity = (capacity + 15) / 16 * 16;
  memory_->buffer = DeviceArray<std::uint8_t>(memory_->capacity);
  // The last load of a sequence reaches up to 15 bytes past it.
  KROHN_CUDA_CHECK(cudaMemset(memory_->buffer.data(), 0, memory_->capacity));
}

MapScan::~MapScan() = default;

void MapScan::advance(std::span<const std::uint8_t> symbols, std::span<float> hidden) {
  Memory& m = *memory_;
  while (!symbols.empty()) {
    const std::span<const std::uint8_t> part = symbols.first(std::min(symbols.size(), m.capacity));
    KROHN_CUDA_CHECK(cudaMemcpy(m.buffer.data(), part.data(), part.size(), cudaMemcpyHostToDevice));
    m.advance(m.buffer.data(), part.size(), hidden.data());
    m.last_count = part.size();
    symbols = symbols.subspan(part.size());
  }
}

double MapScan::advance_random(std::size_t count, std::uint64_t seed, std::span<float> hidden) {
  Memory& m = *memory_;
  if (count > m.capacity) throw DeviceError("scan: expected at most " + std::to_string(m.capacity) + " symbols");
  random_bytes_kernel<<<4096, 256>>>(reinterpret_cast<std::uint32_t*>(m.buffer.data()), (count + 3) / 4, m.symbol_rows,
                                     seed);
  check_launch("random_bytes_kernel");
  KROHN_CUDA_CHECK(cudaDeviceSynchronize());
  EventTimer timer;
  m.advance(m.buffer.data(), count, hidden.data());
  m.last_count = count;
  return timer.milliseconds();
}

void MapScan::symbols(std::span<std::uint8_t> out) const {
  const std::size_t count = std::min(out.size(), memory_->last_count);
  KROHN_CUDA_CHECK(cudaMemcpy(out.data(), memory_->buffer.data(), count, cudaMemcpyDeviceToHost));
}

}  // namespace krohn
