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

}  // namespace krohn
