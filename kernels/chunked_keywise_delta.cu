// Slabs and segments of the keywise delta rule and of the rank-one rule; the kernels are in chunked_keywise_delta.cuh.
//
// What is prepared of a chunk takes about as much memory as its inputs, so that long inputs go slab by slab, the states
// handed on. Within a slab a few sequences are cut into segments as chunked.cu says.
#include <algorithm>
#include <utility>

#include "chunked.cuh"
#include "chunked_keywise_delta.cuh"
#include "chunked_keywise_delta_plan.hpp"

namespace krohn::keywise_delta {
namespace {

constexpr std::size_t most_prepared_bytes = std::size_t{1} << 29U;
/// Chunks of a segment at least, so that three passes are worth it.
constexpr std::size_t least_segment = 32;

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

}  // namespace

struct Plan::Parts {
  Launches launches;
  Arguments arguments;
  std::size_t length = 0;
  std::size_t slab = 0;      // chunks
  std::size_t segments = 1;  // of a whole slab
  DeviceArray<unsigned char> prepared;
  DeviceArray<float> own, transfer, before, between;
  chunked::Chain chain;

  void run_slab(Arguments a) const {
    const auto tiles = static_cast<unsigned>(a.value_tiles);
    if (a.chunks > 0) launches.prepare(a);
    a.segments = std::max(
        static_cast<int>(divide_up(static_cast<std::size_t>(a.chunks), static_cast<std::size_t>(a.segment_chunks))), 1);
    if (a.segments > 1) {
      Arguments first = a;
      first.output = false;
      first.arrays.initial_state = nullptr;
      first.arrays.final_state = own.data();
      first.final_by_segment = true;
      first.transfer = transfer.data();
      const std::size_t columns = 16 * static_cast<std::size_t>(a.warps);
      launches.advance(first, tiles + static_cast<unsigned>(divide_up(static_cast<std::size_t>(a.key_size), columns)));
      chain.run(transfer.data(), own.data(), a.arrays.initial_state, before.data(), a.segments);
      a.arrays.initial_state = before.data();
      a.initial_by_segment = true;
    }
    launches.advance(a, tiles);
  }
};

Plan::Plan(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale)
    : parts_(std::make_unique<Parts>()) {
  Parts& p = *parts_;
  const bool fp32 = format == ChunkedFormat::fp32;
  if (rule == ChunkedRule::rank_one) {
    p.launches = fp32 ? launches_apart_fp32(shape.key_size) : launches_apart_bf16(shape.key_size);
  } else {
    p.launches = fp32 ? launches_fp32(shape.key_size) : launches_bf16(shape.key_size);
  }
  p.length = shape.length;
  const std::size_t sequences = shape.batch * shape.heads;
  const std::size_t chunks = divide_up(shape.length, chunk_tokens);
  const std::size_t chunk_bytes = std::max<std::size_t>(sequences * p.launches.image_bytes, 1);
  const std::size_t most = std::max<std::size_t>(most_prepared_bytes / chunk_bytes, 1);
  p.slab = divide_up(std::max<std::size_t>(chunks, 1), divide_up(std::max<std::size_t>(chunks, 1), most));
  Arguments& a = p.arguments;
  a.length = shape.length;
  a.batch = static_cast<int>(shape.batch);
  a.heads = static_cast<int>(shape.heads);
  a.key_heads = static_cast<int>(shape.key_heads);
  a.key_size = static_cast<int>(shape.key_size);
  a.value_size = static_cast<int>(shape.value_size);
  a.scale = scale;
  a.warps = static_cast<int>(std::min<std::size_t>(divide_up(shape.value_size, 16), most_columns / 16));
  a.value_tiles = static_cast<int>(divide_up(shape.value_size, 16 * static_cast<std::size_t>(a.warps)));
  const std::size_t blocks = std::max<std::size_t>(sequences * static_cast<std::size_t>(a.value_tiles), 1);
  p.segments = std::clamp<std::size_t>(static_cast<std::size_t>(multiprocessors()) / blocks, 1,
                                       std::max<std::size_t>(p.slab / least_segment, 1));
  if (p.segments < 4) p.segments = 1;
  a.segment_chunks = static_cast<int>(divide_up(p.slab, p.segments));
  p.segments = divide_up(p.slab, static_cast<std::size_t>(a.segment_chunks));
  p.prepared = DeviceArray<unsigned char>(sequences * p.slab * p.launches.image_bytes);
  a.prepared = p.prepared.data();
  const std::size_t state = shape.key_size * shape.value_size;
  if (p.segments > 1) {
    p.own = DeviceArray<float>(sequences * p.segments * state);
    p.before = DeviceArray<float>(sequences * p.segments * state);
    p.transfer = DeviceArray<float>(sequences * p.segments * shape.key_size * shape.key_size);
    p.chain = chunked::Chain(sequences, static_cast<int>(p.segments), a.key_size, a.value_size);
  }
  if (p.slab < chunks) p.between = DeviceArray<float>(sequences * state);
}
Plan::~Plan() = default;

std::size_t Plan::segments() const noexcept { return parts_->segments; }

void Plan::run(const ChunkedArrays& arrays) {
  const Parts& p = *parts_;
  const std::size_t slab_tokens = p.slab * chunk_tokens;
  std::size_t first = 0;
  do {
    Arguments a = p.arguments;
    a.arrays = arrays;
    a.first_token = first;
    a.tokens = std::min(p.length - first, slab_tokens);
    a.chunks = static_cast<int>(divide_up(a.tokens, chunk_tokens));
    if (first > 0) a.arrays.initial_state = p.between.data();
    if (first + a.tokens < p.length) a.arrays.final_state = p.between.data();
    p.run_slab(a);
    first += slab_tokens;
  } while (first < p.length);
}

}  // namespace krohn::keywise_delta
