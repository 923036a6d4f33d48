// One long sequence by a prefix scan of the affine maps of its pieces: parallel over the one sequence, exact for exact
// models and refused for others. The sequence is streamed, so that its length is bounded by its source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/engine/recognizer.hpp"
#include "krohn/engine/run.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

/// Fills the span with the next symbols, one a byte, and returns how many it wrote; 0 only at the end. May throw.
using SymbolSource = std::function<std::size_t(std::span<std::uint8_t>)>;

/// Reads the symbols of a sequence in memory.
SymbolSource source_of(std::span<const std::uint8_t> symbols);

struct ScanOptions {
  Semantics semantics = Semantics::fp32_fma_v1;
  Device device = Device::automatic;
  unsigned threads = 0;
  std::size_t device_memory = 0;
};

struct ScanResult {
  /// The label after the last symbol, and its margin.
  Observation observation;
  std::uint64_t length = 0;
  std::string device;
};

/// Why a scan would not give the bits of the run: nothing for an exact model. Exact means, established by closure on
/// the bits: one layer of one value column and hidden size at most 8; no reachable state is ever undefined; the row
/// maps generate finitely many affine maps, found without one rounding; and products of any two of them, and their
/// values on the initial hidden state, are sums of at most 2^24 units in the last place, so exact in any order.
std::optional<std::string> scan_refusal(const LrnnModel& model, Semantics semantics);

/// The label that run() gives, for exact models. Throws InputError with the reason for others, for an alphabet of more
/// than 256 symbols and for a symbol outside it; DeviceError as run().
ScanResult scan(const LrnnModel& model, const SymbolSource& source, const ScanOptions& options = {});

}  // namespace krohn
