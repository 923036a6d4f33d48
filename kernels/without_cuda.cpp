// A build without CUDA: there is no device, and every kernel says so.
#if !defined(KROHN_HAVE_CUDA)

#include "krohn/error.hpp"
#include "krohn/kernels/chunked.hpp"
#include "krohn/kernels/device.hpp"
#include "krohn/kernels/enumerate.hpp"
#include "krohn/kernels/learned.hpp"
#include "krohn/kernels/recurrence.hpp"
#include "krohn/kernels/recurrent.hpp"
#include "krohn/kernels/scan.hpp"

namespace krohn {
namespace {

constexpr const char* missing = "this build of krohn has no CUDA kernels (KROHN_CUDA=ON builds them)";

[[noreturn]] void refuse() { throw DeviceError(missing); }

}  // namespace

struct DeviceWords::Memory {};
struct DenseTree::Memory {};
struct FlatTree::Memory {};
struct PieceScan::Memory {};
struct ChunkedRecurrence::Plan {};
struct LearnedStates::Memory {};
struct LearnedDevice::Memory {};

std::vector<CudaDevice> find_cuda_devices(std::string* reason) {
  if (reason != nullptr) *reason = missing;
  return {};
}
void use_cuda_device(int) { refuse(); }
std::size_t free_device_memory() { refuse(); }

DeviceCeilings measure_device_ceilings() { refuse(); }

DeviceNumbers::DeviceNumbers(std::size_t) { refuse(); }
DeviceNumbers::DeviceNumbers(std::span<const float>) { refuse(); }
DeviceNumbers::~DeviceNumbers() = default;
void DeviceNumbers::download(std::span<float>) const { refuse(); }
double device_milliseconds(const std::function<void()>&) { refuse(); }

void run_recurrence_cuda(const Recurrence&) { refuse(); }

LearnedStates::LearnedStates(std::size_t, std::size_t) { refuse(); }
LearnedStates::~LearnedStates() = default;
LearnedStates::LearnedStates(LearnedStates&&) noexcept = default;
LearnedStates& LearnedStates::operator=(LearnedStates&&) noexcept = default;
std::size_t LearnedStates::capacity() const noexcept { return 0; }

LearnedDevice::LearnedDevice(const LearnedProgramView&, std::span<const LearnedAnswer>, std::size_t) { refuse(); }
LearnedDevice::~LearnedDevice() = default;
void LearnedDevice::restart(LearnedStates&, std::size_t) const { refuse(); }
void LearnedDevice::upload(LearnedStates&, std::size_t, std::span<const float>) const { refuse(); }
void LearnedDevice::download(const LearnedStates&, std::size_t, std::span<float>) const { refuse(); }
void LearnedDevice::read_chunked(std::span<const std::uint32_t>, std::size_t, const LearnedStates&, ChunkedFormat) {
  refuse();
}
void LearnedDevice::read(std::span<const std::uint32_t>, std::span<const std::uint32_t>, std::span<const std::uint32_t>,
                         const LearnedStates&, LearnedStates&) {
  refuse();
}
void LearnedDevice::branch(const LearnedStates&, std::size_t, std::size_t, const LearnedBranches&, LearnedStates*) {
  refuse();
}
bool LearnedDevice::branches_twice(std::uint32_t) const { refuse(); }
void LearnedDevice::set_automaton(const LearnedAutomatonView&, LearnedStates&, std::span<const std::uint32_t>) {
  refuse();
}
LearnedDevice::Checked LearnedDevice::check(const LearnedStates&, std::size_t, LearnedStates*, std::uint32_t) {
  refuse();
}
void LearnedDevice::labels(std::span<std::int32_t>) const { refuse(); }
void LearnedDevice::logits(std::span<float>) const { refuse(); }

DeviceWords::DeviceWords() = default;
DeviceWords::DeviceWords(std::span<const std::uint8_t>, std::span<const std::uint32_t>) { refuse(); }
DeviceWords DeviceWords::random(std::size_t, std::size_t, std::uint32_t, std::uint64_t) { refuse(); }
DeviceWords::~DeviceWords() = default;
DeviceWords::DeviceWords(DeviceWords&&) noexcept = default;
DeviceWords& DeviceWords::operator=(DeviceWords&&) noexcept = default;
std::size_t DeviceWords::num_words() const noexcept { return 0; }
std::size_t DeviceWords::padded_words() const noexcept { return 0; }
std::vector<std::uint8_t> DeviceWords::word(std::size_t) const { refuse(); }

double run_states_cuda(const MachineView&, std::uint32_t, const DeviceWords&, std::span<std::uint32_t>) { refuse(); }
FlatBatchResult run_flat_cuda(const FlatModelView&, std::size_t, std::span<const std::uint32_t>,
                              std::span<const std::uint64_t>, bool, std::span<std::int32_t>, std::span<float>) {
  refuse();
}

DenseTree::DenseTree(const DenseRowsView&, StateFormat, const CanonicalStates&, const TreeFrontier&) { refuse(); }
DenseTree::~DenseTree() = default;
std::uint64_t DenseTree::steps(std::uint64_t) const { refuse(); }
std::uint64_t DenseTree::walk(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, double&) { refuse(); }
const std::string& DenseTree::form() const noexcept {
  static const std::string none;
  return none;
}

FlatTree::FlatTree(const FlatModelView&, std::size_t, std::span<const std::uint32_t>, std::span<const std::int32_t>,
                   const TreeFrontier&, const std::uint8_t*, std::size_t) {
  refuse();
}
FlatTree::~FlatTree() = default;
std::uint64_t FlatTree::walk(std::uint64_t, std::uint64_t, std::size_t, std::size_t, double&) { refuse(); }

PieceScan::PieceScan(const PointsView&, std::size_t) { refuse(); }
PieceScan::PieceScan(const MonoidView&, std::size_t) { refuse(); }
PieceScan::PieceScan(const MachineView&, std::size_t) { refuse(); }
PieceScan::~PieceScan() = default;
PieceEffect PieceScan::effect(std::span<const std::uint8_t>) { refuse(); }
PieceEffect PieceScan::effect_of_random(std::size_t, std::uint64_t, double&) { refuse(); }
void PieceScan::symbols(std::span<std::uint8_t>) const { refuse(); }

ChunkedRecurrence::ChunkedRecurrence(ChunkedRule, ChunkedFormat, const ChunkedShape&, float) { refuse(); }
ChunkedRecurrence::~ChunkedRecurrence() = default;
ChunkedRecurrence::ChunkedRecurrence(ChunkedRecurrence&&) noexcept = default;
ChunkedRecurrence& ChunkedRecurrence::operator=(ChunkedRecurrence&&) noexcept = default;
void ChunkedRecurrence::run(const ChunkedArrays&) { refuse(); }
std::size_t ChunkedRecurrence::segments() const noexcept { return 1; }
double run_chunked(ChunkedRule, ChunkedFormat, const ChunkedShape&, float, const ChunkedHostArrays&) { refuse(); }

}  // namespace krohn

#endif
