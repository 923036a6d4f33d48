// chunked.cuh for the rule linear and bf16 inputs.
#include "chunked.cuh"

namespace krohn::chunked {

void launch_linear_bf16(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  launch<ChunkedRule::linear, __nv_bfloat16>(arguments, sequences, tiles);
}

}  // namespace krohn::chunked
