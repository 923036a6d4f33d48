// The sequence is read in blocks. On the CPU a block is cut into pieces, several of which a thread walks side by side,
// by points (points_walk.hpp) or in the monoid's table (independent look-ups hide each other's latency); what they do
// acts on the machine's state in order. With neither the machine walks the block symbol by symbol. On CUDA devices
// PieceScan does all of it, a block a device. The last symbol is run by the reference, which gives label and margin.
#include "krohn/engine/scan.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "choose_device.hpp"
#include "cpu_features.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/scan.hpp"
#include "parallel.hpp"
#include "points_walk.hpp"
#include "scan_plan.hpp"

namespace krohn {
namespace {

/// Pieces that a thread walks side by side.
constexpr std::size_t lanes = 8;
/// Symbols of the pieces that are walked side by side.
constexpr std::size_t run_symbols = std::size_t{1} << 16U;
/// Such runs read ahead for each thread.
constexpr std::size_t runs_a_thread = 16;
/// From so many symbols for each entry of the machine's table on, points are looked for on the CPU too: looking takes
/// some microseconds an entry.
constexpr std::uint64_t symbols_an_entry = 1024;
/// Device::automatic has a machine without a monoid walked by a device up to this number of states.
constexpr std::size_t most_states_automatic = 256;
/// Symbols read at a time where a CUDA device may take them; Device::automatic does if there are as many.
constexpr std::size_t device_symbols = std::size_t{1} << 26U;

void check_symbols(std::span<const std::uint8_t> symbols, std::size_t alphabet, std::uint64_t position) {
  std::uint8_t largest = 0;
  for (const std::uint8_t a : symbols) largest = std::max(largest, a);
  if (symbols.empty() || largest < alphabet) return;
  const auto at = std::find_if(symbols.begin(), symbols.end(), [&](std::uint8_t a) { return a >= alphabet; });
  throw InputError("position " + std::to_string(position + static_cast<std::uint64_t>(at - symbols.begin()) + 1) +
                   ": expected a symbol below " + std::to_string(alphabet) + ", got " + std::to_string(*at));
}

/// The elements of `lanes` consecutive pieces of equal length, walked side by side.
std::array<std::uint32_t, lanes> elements_of(const MonoidView& monoid, std::span<const std::uint8_t> pieces) {
  std::array<std::uint32_t, lanes> element{};
  const std::size_t length = pieces.size() / lanes;
  for (std::size_t t = 0; t < length; ++t) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      element[lane] = monoid.right[element[lane] * monoid.num_symbols + pieces[lane * length + t]];
    }
  }
  return element;
}

/// Whole runs of the symbols in parallel, effect(run), and what they do in order, after(state, effect); then what
/// remains, symbol by symbol.
template <class Effect, class After>
std::uint32_t advance_by_runs(const ScanPlan& plan, std::uint32_t state, std::span<const std::uint8_t> symbols,
                              unsigned threads, const Effect& effect, const After& after) {
  const std::size_t runs = symbols.size() / run_symbols;
  std::vector<decltype(effect(symbols))> effects(runs);
  parallel_blocks(runs, threads,
                  [&](std::size_t i) { effects[i] = effect(symbols.subspan(i * run_symbols, run_symbols)); });
  for (const auto& of_run : effects) state = after(state, of_run);
  for (const std::uint8_t a : symbols.subspan(runs * run_symbols)) state = plan.step(state, a);
  return state;
}

/// The state after symbols: by points or by the monoid, or one after the other.
std::uint32_t advance_on_cpu(const ScanPlan& plan, std::uint32_t state, std::span<const std::uint8_t> symbols,
                             unsigned threads) {
  if (plan.points && has_avx2_fma()) {
    const PointsWalk walk(plan.points->view());
    return advance_by_runs(
        plan, state, symbols, threads, [&](std::span<const std::uint8_t> run) { return walk.moved(run); },
        [&](std::uint32_t q, const PointImages& moved) { return plan.points->after(q, moved); });
  }
  if (plan.monoid) {
    const MonoidView monoid = plan.monoid->view();
    return advance_by_runs(
        plan, state, symbols, threads, [&](std::span<const std::uint8_t> run) { return elements_of(monoid, run); },
        [&](std::uint32_t q, const std::array<std::uint32_t, lanes>& elements) {
          for (const std::uint32_t element : elements) q = plan.after_element(q, element);
          return q;
        });
  }
  for (const std::uint8_t a : symbols) state = plan.step(state, a);
  return state;
}

/// The blocks of a sequence, each walked by one of a team's devices without knowing the state before it.
class DeviceScan {
 public:
  DeviceScan(const ScanPlan& plan, std::shared_ptr<DeviceTeam> team, std::size_t block)
      : plan_(plan), team_(std::move(team)), block_(block), scans_(team_ ? team_->size() : 0) {}

  std::uint32_t advance(std::uint32_t state, std::span<const std::uint8_t> symbols) {
    std::vector<PieceEffect> effects((symbols.size() + block_ - 1) / block_);
    team_->work(
        scans_, effects.size(), [this](std::size_t) { return plan_.open(block_); },
        [&](PieceScan& scan, std::size_t i) {
          effects[i] = scan.effect(symbols.subspan(i * block_, std::min(block_, symbols.size() - i * block_)));
        });
    for (const PieceEffect& effect : effects) state = plan_.after(state, effect);
    return state;
  }

 private:
  const ScanPlan& plan_;
  std::shared_ptr<DeviceTeam> team_;
  std::size_t block_;
  std::vector<std::unique_ptr<PieceScan>> scans_;
};

/// Reads until the buffer is full or the source is at its end.
std::size_t fill(const SymbolSource& source, std::span<std::uint8_t> buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const std::size_t count = source(buffer.subspan(filled));
    if (count == 0) break;
    filled += count;
  }
  return filled;
}

}  // namespace

SymbolSource source_of(std::span<const std::uint8_t> symbols) {
  return [symbols, position = std::size_t{0}](std::span<std::uint8_t> out) mutable {
    const std::size_t count = std::min(out.size(), symbols.size() - position);
    std::copy_n(symbols.begin() + static_cast<std::ptrdiff_t>(position), count, out.begin());
    position += count;
    return count;
  };
}

std::optional<std::string> scan_refusal(const Machine& model) {
  const auto plan = plan_scan(model);
  if (const std::string* reason = std::get_if<std::string>(&plan)) return *reason;
  return std::nullopt;
}

ScanResult scan(const Machine& model, const SymbolSource& source, const ScanOptions& options) {
  const std::size_t alphabet = model.alphabet().size();
  if (alphabet > byte_symbols) {
    throw InputError("scan: expected an alphabet of at most 256 symbols, got " + std::to_string(alphabet));
  }
  auto plan_or_reason = plan_scan(model);
  if (const std::string* reason = std::get_if<std::string>(&plan_or_reason)) {
    throw InputError("scan: the model cannot be scanned exactly: " + *reason);
  }
  ScanPlan& plan = std::get<ScanPlan>(plan_or_reason);
  const unsigned threads = threads_to_use(options.threads);
  const bool worthwhile = plan.monoid || plan.machine.count <= most_states_automatic;
  const std::shared_ptr<DeviceTeam> team = choose_devices(options.device, worthwhile);
  // On the CPU once the sequence is so long that looking costs little.
  bool looked = false;
  const auto look_for_points = [&] {
    if (!looked) plan.points = find_points(plan.machine.next, plan.num_symbols);
    looked = true;
  };
  if (team) look_for_points();
  std::size_t read_size = run_symbols * runs_a_thread * threads;
  if (team) {
    read_size = options.device_memory != 0 ? std::clamp<std::size_t>(options.device_memory / 2, 4096, device_symbols)
                                           : device_symbols;
  }
  ScanResult result;
  std::vector<std::byte> carried(model.state_size());
  result.observation = model.initial(carried);
  DeviceScan on_devices(plan, team, read_size);
  // One lot of blocks is read while the other is walked, where there is a thread for it; a device takes a block at a
  // time.
  const std::size_t blocks = team ? team->size() : 1;
  std::vector<std::uint8_t> lot(blocks * read_size);
  std::vector<std::uint8_t> ahead(blocks * read_size);
  const auto read = [&source, alphabet](std::vector<std::uint8_t>& into, std::uint64_t position) {
    const std::size_t filled = fill(source, into);
    check_symbols({into.data(), filled}, alphabet, position);
    return filled;
  };
  std::size_t filled = read(lot, 0);
  bool used_devices = false;
  std::uint32_t state = 0;
  while (filled != 0) {
    result.length += filled;
    std::future<std::size_t> reading;
    if (filled == lot.size()) {
      const std::launch how = threads > 1 || team ? std::launch::async : std::launch::deferred;
      reading = std::async(how, read, std::ref(ahead), result.length);
    }
    used_devices = used_devices || (team && (options.device.is_cuda() || filled >= read_size));
    if (result.length >= symbols_an_entry * plan.machine.next.size()) look_for_points();
    const std::span<const std::uint8_t> all_but_last(lot.data(), filled - 1);
    state = used_devices ? on_devices.advance(state, all_but_last) : advance_on_cpu(plan, state, all_but_last, threads);
    // Which symbol is the last of all is known at the end of the source only.
    const std::size_t size = model.state_size();
    std::copy_n(plan.machine.states.begin() + static_cast<std::ptrdiff_t>(state * size), size, carried.begin());
    result.observation = model.step(carried, lot[filled - 1]);
    state = plan.step(state, lot[filled - 1]);
    if (!reading.valid()) break;
    filled = reading.get();
    std::swap(lot, ahead);
  }
  result.device = used_devices ? team->description() : "cpu";
  return result;
}

}  // namespace krohn
