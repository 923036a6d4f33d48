// No silent fallback: who asks for CUDA gets it or an error. Tested by tests/engine/device_team_test.cpp, and on
// devices by tests/kernels/recurrent_test.cpp.
#include "choose_device.hpp"

#include <charconv>
#include <string>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/kernels/device.hpp"

namespace krohn {

std::optional<Device> parse_device(std::string_view text) {
  if (text == "auto") return Device::automatic;
  if (text == "cpu") return Device::cpu;
  if (text == "cuda") return Device::cuda;
  constexpr std::string_view prefix = "cuda:";
  if (!text.starts_with(prefix)) return std::nullopt;
  Device device = Device::cuda;
  const char* at = text.data() + prefix.size();
  const char* const end = text.data() + text.size();
  for (std::size_t count = 1;; ++count) {
    std::size_t number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number >= Device::most || count > Device::most) return std::nullopt;
    ++device.workers[number];
    if (stop == end) return device;
    if (*stop != ',') return std::nullopt;
    at = stop + 1;
  }
}

namespace {

/// The members of a team, none for the CPU.
std::vector<DeviceTeam::Member> members_of(const Device& asked, bool large_enough) {
  if (asked == Device::cpu || (asked == Device::automatic && !large_enough)) return {};
  std::string reason;
  const std::vector<CudaDevice> devices = find_cuda_devices(&reason);
  if (devices.empty()) {
    if (asked.is_cuda()) throw DeviceError("CUDA was asked for, but there is no device: " + reason);
    return {};
  }
  for (std::size_t number = devices.size(); number < Device::most; ++number) {
    if (asked.workers[number] == 0) continue;
    throw DeviceError("devices: expected numbers below " + std::to_string(devices.size()) +
                      ", the number of visible CUDA devices, got " + std::to_string(number));
  }
  std::vector<DeviceTeam::Member> members;
  for (const CudaDevice& device : devices) {
    const auto number = static_cast<std::size_t>(device.number);
    const int workers = !asked.names() ? 1 : number < Device::most ? asked.workers[number] : 0;
    for (int i = 0; i < workers; ++i) members.push_back({device.number, device.name});
  }
  return members;
}

}  // namespace

std::shared_ptr<DeviceTeam> choose_devices(const Device& asked, bool large_enough) {
  std::vector<DeviceTeam::Member> members = members_of(asked, large_enough);
  if (members.empty()) return nullptr;
  return std::make_shared<DeviceTeam>(std::move(members),
                                      [](const DeviceTeam::Member& member) { use_cuda_device(member.number); });
}

void require_device(const Device& asked) { members_of(asked, false); }

}  // namespace krohn
