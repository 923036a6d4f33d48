// The choice of where a computation runs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace krohn {

/// Where a computation runs. `automatic` takes the CUDA devices if there are any and the work is large enough to gain;
/// `cuda` takes every visible one, or those that on_cuda() names. What is computed is the same on any number of them.
struct Device {
  enum class Kind : std::uint8_t { automatic, cpu, cuda };
  /// Devices that can be named, and workers in all.
  static constexpr std::size_t most = 64;

  static const Device automatic;
  static const Device cpu;
  static const Device cuda;

  Kind kind = Kind::automatic;
  /// Of `cuda`: how many workers each visible device has. All zero: one on every visible device.
  std::array<std::uint8_t, most> workers{};

  bool is_cuda() const noexcept { return kind == Kind::cuda; }
  /// True where devices are named.
  bool names() const noexcept {
    return std::any_of(workers.begin(), workers.end(), [](std::uint8_t count) { return count != 0; });
  }
  friend bool operator==(const Device&, const Device&) = default;
};
inline constexpr Device Device::automatic{Kind::automatic, {}};
inline constexpr Device Device::cpu{Kind::cpu, {}};
inline constexpr Device Device::cuda{Kind::cuda, {}};

/// "auto", "cpu", "cuda", or "cuda:" and numbers of visible devices with commas between ("cuda:0,1"; a number that is
/// there twice has two workers). Nothing for any other text.
std::optional<Device> parse_device(std::string_view text);

/// Throws DeviceError, with the reason, if CUDA is asked for and there is no device, or none of a number named.
void require_device(const Device& asked);

}  // namespace krohn
