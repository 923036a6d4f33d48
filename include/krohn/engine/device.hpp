// The choice of where a computation runs.
#pragma once

namespace krohn {

/// Where a computation runs. `automatic` takes a CUDA device if there is one and the work is large enough to gain.
enum class Device { automatic, cpu, cuda };

/// Throws DeviceError, with the reason, if CUDA is asked for and there is no device.
void require_device(Device asked);

}  // namespace krohn
