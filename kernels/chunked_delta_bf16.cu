// chunked.cuh for the rule delta and bf16 inputs.
#include "chunked.cuh"

namespace krohn::chunked {

void launch_delta_bf16(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  launch<ChunkedRule::delta, __nv_bfloat16>(arguments, sequences, tiles);
}

}  // namespace krohn::chunked
