// The devices by name, and the ceilings of one. A missing driver and a machine without a device are answers, not
// errors.
#include <algorithm>
#include <cstdint>

#include "cuda.cuh"
#include "krohn/kernels/device.hpp"

namespace krohn {
namespace {

constexpr std::size_t read_bytes = std::size_t{4} << 30U;
constexpr int chains = 8;
constexpr int rounds = 4096;
constexpr int repetitions = 7;

__global__ void read_kernel(const uint4* data, std::size_t count, std::uint32_t* out) {
  std::uint32_t gathered = 0;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count;
       i += static_cast<std::size_t>(gridDim.x) * blockDim.x) {
    const uint4 x = __ldcs(data + i);
    gathered |= x.x | x.y | x.z | x.w;
  }
  if (gathered == 1U) *out = gathered;  // never: the data is zeros; keeps the loads
}

__global__ void fma_kernel(float a, float b, float* out) {
  float x[chains];
  for (int i = 0; i < chains; ++i) x[i] = static_cast<float>(i + threadIdx.x);
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int i = 0; i < chains; ++i) x[i] = __fmaf_rn(x[i], a, b);
  }
  float sum = 0.0F;
  for (int i = 0; i < chains; ++i) sum += x[i];
  if (sum == -1.0F) *out = sum;
}

}  // namespace

DeviceCeilings measure_device_ceilings() {
  DeviceCeilings ceilings;
  const DeviceArray<uint4> data(read_bytes / sizeof(uint4));
  const DeviceArray<std::uint32_t> word(1);
  const DeviceArray<float> number(1);
  KROHN_CUDA_CHECK(cudaMemset(data.data(), 0, read_bytes));
  constexpr unsigned blocks = 132 * 16;
  constexpr unsigned threads = 256;
  for (int i = 0; i < repetitions; ++i) {
    EventTimer reading;
    read_kernel<<<blocks, threads>>>(data.data(), data.size(), word.data());
    check_launch("read_kernel");
    ceilings.bytes_a_second =
        std::max(ceilings.bytes_a_second, static_cast<double>(read_bytes) / reading.milliseconds() * 1000.0);
    EventTimer adding;
    fma_kernel<<<blocks, threads>>>(0.5F, 1.0F, number.data());
    check_launch("fma_kernel");
    constexpr double operations = static_cast<double>(blocks) * threads * chains * rounds;
    ceilings.fmas_a_second = std::max(ceilings.fmas_a_second, operations / adding.milliseconds() * 1000.0);
  }
  return ceilings;
}

std::vector<CudaDevice> find_cuda_devices(std::string* reason) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    if (reason != nullptr) *reason = status != cudaSuccess ? cudaGetErrorString(status) : "no CUDA device";
    cudaGetLastError();
    return {};
  }
  std::vector<CudaDevice> devices;
  for (int number = 0; number < count; ++number) {
    cudaDeviceProp properties{};
    KROHN_CUDA_CHECK(cudaGetDeviceProperties(&properties, number));
    devices.push_back({number, properties.name});
  }
  return devices;
}

void use_cuda_device(int number) { KROHN_CUDA_CHECK(cudaSetDevice(number)); }

std::size_t free_device_memory() {
  std::size_t free = 0;
  std::size_t total = 0;
  KROHN_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

DeviceNumbers::DeviceNumbers(std::size_t size) : size_(size) {
  if (size != 0) KROHN_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(float)));
}
DeviceNumbers::DeviceNumbers(std::span<const float> values) : DeviceNumbers(values.size()) {
  if (!values.empty()) {
    KROHN_CUDA_CHECK(cudaMemcpy(data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice));
  }
}
DeviceNumbers::~DeviceNumbers() { cudaFree(data_); }
void DeviceNumbers::download(std::span<float> values) const {
  if (values.size() != size_) throw InternalError("DeviceNumbers: a download of another size");
  if (!values.empty()) {
    KROHN_CUDA_CHECK(cudaMemcpy(values.data(), data_, values.size_bytes(), cudaMemcpyDeviceToHost));
  }
}

double device_milliseconds(const std::function<void()>& work) {
  EventTimer timer;
  work();
  return timer.milliseconds();
}

}  // namespace krohn
