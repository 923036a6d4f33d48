// What every .cu file of ours shares: the one check of CUDA calls, owned device memory, timing by events.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {

/// Throws DeviceError with the call's text and CUDA's own words.
inline void check(cudaError_t status, const char* call) {
  if (status != cudaSuccess) {
    throw DeviceError(std::string("CUDA: ") + call + ": " + cudaGetErrorString(status));
  }
}
#define KROHN_CUDA_CHECK(call) ::krohn::check((call), #call)

/// Checks the launch before it.
inline void check_launch(const char* kernel) { check(cudaGetLastError(), kernel); }

/// An array in device memory.
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  explicit DeviceArray(std::size_t size) : size_(size) {
    if (size != 0) KROHN_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T)));
  }
  explicit DeviceArray(std::span<const T> values) : DeviceArray(values.size()) { upload(values); }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(DeviceArray&& other) noexcept { swap(other); }
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    swap(other);
    return *this;
  }

  void upload(std::span<const T> values) {
    if (!values.empty()) {
      KROHN_CUDA_CHECK(cudaMemcpy(data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice));
    }
  }
  void download(std::span<T> values) const {
    if (!values.empty()) {
      KROHN_CUDA_CHECK(cudaMemcpy(values.data(), data_, values.size_bytes(), cudaMemcpyDeviceToHost));
    }
  }
  T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  void swap(DeviceArray& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The time between two points of the default stream.
class EventTimer {
 public:
  EventTimer() {
    KROHN_CUDA_CHECK(cudaEventCreate(&begin_));
    KROHN_CUDA_CHECK(cudaEventCreate(&end_));
    KROHN_CUDA_CHECK(cudaEventRecord(begin_));
  }
  ~EventTimer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  EventTimer(const EventTimer&) = delete;
  EventTimer& operator=(const EventTimer&) = delete;

  /// Waits for everything up to here.
  double milliseconds() {
    KROHN_CUDA_CHECK(cudaEventRecord(end_));
    KROHN_CUDA_CHECK(cudaEventSynchronize(end_));
    float elapsed = 0.0F;
    KROHN_CUDA_CHECK(cudaEventElapsedTime(&elapsed, begin_, end_));
    return static_cast<double>(elapsed);
  }

 private:
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

/// A number of the current device.
inline int device_attribute(cudaDeviceAttr attribute) {
  int device = 0;
  int value = 0;
  KROHN_CUDA_CHECK(cudaGetDevice(&device));
  KROHN_CUDA_CHECK(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}
inline int multiprocessors() { return device_attribute(cudaDevAttrMultiProcessorCount); }

/// The most dynamic shared memory that a block may ask for.
inline std::size_t shared_memory_limit() {
  return static_cast<std::size_t>(device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
}

/// The blocks of `kernel` that the device holds at once, at least one a multiprocessor.
template <class Kernel>
unsigned resident_blocks(Kernel kernel, int threads, std::size_t shared_bytes) {
  int blocks = 0;
  KROHN_CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, shared_bytes));
  return static_cast<unsigned>((blocks > 0 ? blocks : 1) * multiprocessors());
}

/// Allows `kernel` that much dynamic shared memory, beside up to 16 KiB that it declares.
template <class Kernel>
void allow_shared_memory(Kernel kernel, std::size_t bytes) {
  if (bytes > 32U * 1024U) {
    KROHN_CUDA_CHECK(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
  }
}

/// 2^x to 2 units in the last place; 0 below the normal numbers.
__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// splitmix64: the random symbols of measurements; element i of a sequence is mixed(seed + i).
__host__ __device__ inline std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

}  // namespace krohn
