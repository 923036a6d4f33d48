// chunked.cuh for the rule delta and fp32 inputs.
#include "chunked.cuh"

namespace krohn::chunked {

void launch_delta_fp32(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  launch<ChunkedRule::delta, float>(arguments, sequences, tiles);
}

}  // namespace krohn::chunked
