// The CUDA device, as seen from host code. In a build without CUDA there is none.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
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

/// Numbers in device memory, for callers without CUDA's headers. Members throw DeviceError where a call fails.
class DeviceNumbers {
 public:
  explicit DeviceNumbers(std::size_t size);
  explicit DeviceNumbers(std::span<const float> values);
  ~DeviceNumbers();
  DeviceNumbers(const DeviceNumbers&) = delete;
  DeviceNumbers& operator=(const DeviceNumbers&) = delete;

  float* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  /// Waits for what was enqueued, and copies all numbers.
  void download(std::span<float> values) const;

 private:
  float* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Runs `work`, which enqueues on the default stream, and returns the milliseconds that the device took.
double device_milliseconds(const std::function<void()>& work);

}  // namespace krohn
