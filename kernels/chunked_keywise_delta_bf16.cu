// chunked_keywise_delta.cuh for bf16 inputs.
#include "chunked_keywise_delta.cuh"

namespace krohn::keywise_delta {

Launches launches_bf16(std::size_t key_size) { return launches<__nv_bfloat16, false>(key_size); }

}  // namespace krohn::keywise_delta
