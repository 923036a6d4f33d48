// Tests of CUDA kernels skip loudly where there is no device, and fail there under KROHN_REQUIRE_GPU=1.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "krohn/kernels/device.hpp"

namespace krohn::testing {

/// What runs on every visible device say of where they ran, or empty: the caller then returns.
inline std::string gpu_or_skip() {
  std::string reason;
  const std::vector<CudaDevice> devices = find_cuda_devices(&reason);
  if (devices.size() == 1) return devices[0].name;
  // Of hosts whose devices are alike.
  if (!devices.empty()) return std::to_string(devices.size()) + " x " + devices[0].name;
  const char* required = std::getenv("KROHN_REQUIRE_GPU");
  if (required != nullptr && std::string(required) == "1") {
    FAIL("KROHN_REQUIRE_GPU=1, but: " << reason);
  }
  std::cerr << "SKIPPED, NO GPU: " << reason << '\n';
  return {};
}

/// True under KROHN_TEST_SMALL=1: few of the random cases and no long words, for tools that slow a device down a
/// hundredfold (compute-sanitizer).
inline bool small_cases() {
  const char* small = std::getenv("KROHN_TEST_SMALL");
  return small != nullptr && std::string(small) == "1";
}

/// Every how many-th seed to take.
inline std::uint32_t seed_step() { return small_cases() ? 7 : 1; }

}  // namespace krohn::testing
