// CUDA devices, as seen from host code. In a build without CUDA there are none. Every thread has a device of its own,
// on which its calls are made: "this thread's device".
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace krohn {

/// A visible CUDA device.
struct CudaDevice {
  int number = 0;
  std::string name;
};

/// The visible devices, in the order of their numbers. Nothing where no device can be used; `reason`, if given, then
/// says why.
std::vector<CudaDevice> find_cuda_devices(std::string* reason = nullptr);

/// Everything that this thread calls from now on is on this device; the device is started if need be. A new thread is
/// on device 0. Throws DeviceError.
void use_cuda_device(int number);

/// Bytes of this thread's device that are free. Throws DeviceError.
std::size_t free_device_memory();

/// The two ceilings of this thread's device, measured: bytes read from memory a second, and binary32 multiply-adds a
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
