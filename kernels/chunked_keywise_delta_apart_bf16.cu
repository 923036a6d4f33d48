// chunked_keywise_delta.cuh for bf16 inputs, what is erased apart from what is written.
#include "chunked_keywise_delta.cuh"

namespace krohn::keywise_delta {

Launches launches_apart_bf16(std::size_t key_size) { return launches<__nv_bfloat16, true>(key_size); }

}  // namespace krohn::keywise_delta
