// chunked.cuh for the rule linear and fp32 inputs.
#include "chunked.cuh"

namespace krohn::chunked {

void launch_linear_fp32(const Arguments& arguments, unsigned sequences, unsigned tiles) {
  launch<ChunkedRule::linear, float>(arguments, sequences, tiles);
}

}  // namespace krohn::chunked
