// The kernels of learned models behind a C interface, so that tools/bench_chunked.py can run them on the very tensors
// it gives to other implementations. Every function returns nullptr, or a message that stays valid until the next call.
#include <exception>
#include <memory>
#include <string>

#include "krohn/kernels/chunked.hpp"

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

/// rule 0 delta, 1 linear, 2 keywise; format 0 bf16, 1 fp32.
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
                              float* final_state) {
  return guarded([&] {
    static_cast<krohn::ChunkedRecurrence*>(recurrence)
        ->run({query, key, value, beta, decay, initial_state, output, final_state});
  });
}

std::size_t krohn_chunked_segments(void* recurrence) {
  return static_cast<krohn::ChunkedRecurrence*>(recurrence)->segments();
}

void krohn_chunked_free(void* recurrence) { delete static_cast<krohn::ChunkedRecurrence*>(recurrence); }
}
