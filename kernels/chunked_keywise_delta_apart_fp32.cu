// chunked_keywise_delta.cuh for fp32 inputs, what is erased apart from what is written.
#include "chunked_keywise_delta.cuh"

namespace krohn::keywise_delta {

Launches launches_apart_fp32(std::size_t key_size) { return launches<float, true>(key_size); }

}  // namespace krohn::keywise_delta
