// The CUDA device, as seen from host code. In a build without CUDA there is none.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace krohn {

/// The current CUDA device.
struct CudaDevice {
  std::string name;
  std::size_t free_memory = 0;  // bytes
  int multiprocessors = 0;
};

/// Nothing where no device can be used; `reason`, if given, then says why.
std::optional<CudaDevice> find_cuda_device(std::string* reason = nullptr);

/// The two ceilings of the current device, measured: bytes read from memory a second, and binary32 multiply-adds a
/// second (one of each lane counted once). Throws DeviceError where there is no device.
struct DeviceCeilings {
  double bytes_a_second = 0.0;
  double fmas_a_second = 0.0;
};
DeviceCeilings measure_device_ceilings();

}  // namespace krohn
