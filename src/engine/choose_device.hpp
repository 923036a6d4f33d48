// The one place where --device becomes a device.
#pragma once

#include <optional>

#include "krohn/engine/device.hpp"
#include "krohn/kernels/device.hpp"

namespace krohn {

/// The CUDA device to use, or nothing for the CPU. Device::automatic takes CUDA if there is a device and
/// `large_enough`; Device::cuda throws DeviceError, with the reason, where there is none.
std::optional<CudaDevice> choose_device(Device asked, bool large_enough);

}  // namespace krohn
