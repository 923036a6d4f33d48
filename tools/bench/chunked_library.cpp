// The kernels of learned models behind a C interface, so that tools/bench_chunked.py can run them on the very tensors
// it gives to other implementations. Every function returns nullptr, or a message that stays valid until the next call.
#include <exception>
#include <memory>
#include <string>

#include "krohn/kernels/chunked.hpp"
#include "krohn/kernels/recurrence.hpp"

namespace {

std::string& message() {
  static std::string text;
  return text;
}

template <class F>
const char* guarded(F f) {
  try {
    f();
    return nullptr;
  } catch (const std::exception& error) {
    message() = error.what();
    return message().c_str();
  }
}

}  // namespace

extern "C" {

/// rule 0 delta, 1 linear, 2 keywise, 3 keywise_delta, 4 rank_one, 5 elementwise; format 0 bf16, 1 fp32.
const char* krohn_chunked_make(int rule, int format, std::size_t batch, std::size_t length, std::size_t heads,
                               std::size_t key_heads, std::size_t key_size, std::size_t value_size,
                               unsigned householder, float scale, void** out) {
  return guarded([&] {
    const krohn::ChunkedShape shape{batch, length, heads, key_heads, key_size, value_size, householder};
    *out = new krohn::ChunkedRecurrence(static_cast<krohn::ChunkedRule>(rule),
                                        static_cast<krohn::ChunkedFormat>(format), shape, scale);
  });
}

const char* krohn_chunked_run(void* recurrence, const void* query, const void* key, const void* value,
                              const float* beta, const void* decay, const float* initial_state, void* output,
                              float* final_state, const void* read, const void* write, const float* rates) {
  return guarded([&] {
    static_cast<krohn::ChunkedRecurrence*>(recurrence)
        ->run({query, key, value, beta, decay, initial_state, output, final_state, read, write, rates, false});
  });
}

std::size_t krohn_chunked_segments(void* recurrence) {
  return static_cast<krohn::ChunkedRecurrence*>(recurrence)->segments();
}

void krohn_chunked_free(void* recurrence) { delete static_cast<krohn::ChunkedRecurrence*>(recurrence); }

/// The delta rule of the canonical form, bit-exact fp32: query, key [B, T, H, key_size], value, output [B, T, H,
/// value_size], beta and, unless null, decay (a factor, not its logarithm) [B, T, H], all on the device.
const char* krohn_recurrence_run(std::size_t batch, std::size_t length, std::size_t heads, std::size_t key_size,
                                 std::size_t value_size, const float* query, const float* key, const float* value,
                                 const float* beta, const float* decay, float* output, float* final_state) {
  return guarded([&] {
    const auto rows = [&](const float* data, std::size_t size) {
      const auto row = static_cast<std::int64_t>(heads * size);
      return krohn::RecurrenceInput{
          data, static_cast<std::int64_t>(length) * row, row, static_cast<std::int64_t>(size), 1, 1};
    };
    krohn::Recurrence r;
    r.words = static_cast<std::uint32_t>(batch);
    r.heads = static_cast<std::uint32_t>(heads);
    r.length = static_cast<std::uint32_t>(length);
    r.key_size = static_cast<std::uint32_t>(key_size);
    r.value_size = static_cast<std::uint32_t>(value_size);
    if (decay != nullptr) {
      r.decay_kind = krohn::Recurrence::Decay::scalar;
      r.decay = rows(decay, 1);
    }
    r.num_updates = 1;
    r.updates[0] = {rows(key, key_size), rows(key, key_size), rows(value, value_size), rows(beta, 1), false};
    r.query = rows(query, key_size);
    const krohn::RecurrenceInput like = rows(value, value_size);
    r.output = {output, like.word, like.time, like.head, 1, 1};
    r.state_out = final_state;
    krohn::run_recurrence_cuda(r);
  });
}
}
