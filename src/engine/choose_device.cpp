// No silent fallback: who asks for CUDA gets it or an error. Tested by tests/kernels/recurrent_test.cpp.
#include "choose_device.hpp"

#include <string>

#include "krohn/error.hpp"

namespace krohn {

std::optional<CudaDevice> choose_device(Device asked, bool large_enough) {
  if (asked == Device::cpu || (asked == Device::automatic && !large_enough)) return std::nullopt;
  std::string reason;
  std::optional<CudaDevice> device = find_cuda_device(&reason);
  if (!device && asked == Device::cuda) throw DeviceError("CUDA was asked for, but there is no device: " + reason);
  return device;
}

void require_device(Device asked) { choose_device(asked, false); }

}  // namespace krohn
