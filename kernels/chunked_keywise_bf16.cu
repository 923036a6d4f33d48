// chunked.cuh for the rule keywise and bf16 inputs.
#include "chunked.cuh"

namespace krohn::chunked {

void launch_keywise_bf16(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  launch<ChunkedRule::keywise, __nv_bfloat16>(arguments, sequences, tiles);
}

}  // namespace krohn::chunked
