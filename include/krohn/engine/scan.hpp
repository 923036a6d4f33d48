// One long sequence, parallel over its pieces: a prefix scan of the transformations that the pieces effect, exact for
// models that reach finitely many states and refused for others. The sequence is streamed, so that its length is
// bounded by its source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/engine/machine.hpp"

namespace krohn {

/// Fills the span with the next symbols, one a byte, and returns how many it wrote; 0 only at the end. May throw. Is
/// called from one thread at a time, not always the same.
using SymbolSource = std::function<std::size_t(std::span<std::uint8_t>)>;

/// Reads the symbols of a sequence in memory.
SymbolSource source_of(std::span<const std::uint8_t> symbols);

struct ScanOptions {
  Device device = Device::automatic;
  unsigned threads = 0;
  std::uint64_t device_memory = 0;
};

struct ScanResult {
  /// The label after the last symbol, and its margin.
  Observation observation;
  std::uint64_t length = 0;
  std::string device;
};

/// Why a scan would not give the bits of the run: nothing for a model, of any number of layers, whose runs reach
/// finitely many hidden states, found by closure on the bits. An exact model does; one that rounds may.
std::optional<std::string> scan_refusal(const Machine& machine);

/// The label that Machine::run gives. Throws InputError with the reason for models that are refused, for an alphabet of
/// more than 256 symbols and for a symbol outside it; DeviceError as Machine::run, and where Device::cuda is asked for
/// a machine of more states than the device walks. Cost a symbol: one look-up in the table of the monoid of
/// transformations; where that is too large, one in the machine's table on the CPU, one a state of the machine on a
/// device, which Device::automatic takes for few states only.
ScanResult scan(const Machine& model, const SymbolSource& source, const ScanOptions& options = {});

}  // namespace krohn
