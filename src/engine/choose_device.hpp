// The one place where --device becomes devices.
#pragma once

#include <memory>

#include "krohn/engine/device.hpp"
#include "krohn/engine/device_team.hpp"

namespace krohn {

/// The CUDA devices to use, or null for the CPU. Device::automatic takes them all if there are any and `large_enough`;
/// of those asked for, DeviceError, with the reason, where one is missing.
std::shared_ptr<DeviceTeam> choose_devices(const Device& asked, bool large_enough);

}  // namespace krohn
