// chunked_keywise_delta.cuh for fp32 inputs.
#include "chunked_keywise_delta.cuh"

namespace krohn::keywise_delta {

Launches launches_fp32(std::size_t key_size) { return launches<float, false>(key_size); }

}  // namespace krohn::keywise_delta
