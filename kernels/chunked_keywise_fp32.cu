// chunked.cuh for the rule keywise and fp32 inputs.
#include "chunked.cuh"

namespace krohn::chunked {

void launch_keywise_fp32(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  launch<ChunkedRule::keywise, float>(arguments, sequences, tiles);
}

}  // namespace krohn::chunked
