// The CPU form: a piece of the sequence is cut into equal parts, which run_dense_avx2 takes as words, once from each
// unit vector; the maps found are applied to the hidden state in order. Every operation is exact (scan_plan.cpp), so
// the state is the run's, whatever the cut. The last symbol is run by the recognizer, which gives label and margin.
// Without AVX2 the recognizer runs the sequence symbol by symbol. On a CUDA device MapScan does the same.
#include "krohn/engine/scan.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "choose_device.hpp"
#include "cpu_features.hpp"
#include "dense_avx2.hpp"
#include "krohn/engine/flat_model.hpp"
#include "krohn/engine/recognizer.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/scan.hpp"
#include "parallel.hpp"
#include "scan_plan.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_symbols = 256;
/// Symbols a thread takes at a time, in parts of equal length.
constexpr std::size_t piece_symbols = std::size_t{1} << 16U;
/// Pieces read ahead for each thread.
constexpr std::size_t pieces_a_thread = 4;
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

/// h <- map(h): column j of `map` is the image of unit vector j, the last one (if affine) the image of 0.
void apply_map(const ScanPlan& plan, const float* map, float* h) {
  const std::size_t size = plan.rows.size;
  float result[scan_max_size] = {};
  for (std::size_t i = 0; i < size; ++i) {
    float sum = plan.affine ? map[size * size + i] : 0.0F;
    for (std::size_t j = 0; j < size; ++j) sum = fused(map[j * size + i], h[j], sum);
    result[i] = sum + 0.0F;
  }
  std::copy_n(result, size, h);
}

/// The maps of consecutive parts of a piece, [parts][columns][size].
std::vector<float> maps_of(const ScanPlan& plan, std::span<const std::uint8_t> piece) {
  const std::size_t size = plan.rows.size;
  const std::size_t columns = size + (plan.affine ? 1 : 0);
  const std::size_t parts = std::min(dense_avx2_words, std::max<std::size_t>(1, piece.size() / 64));
  const Word symbols(piece.begin(), piece.end());
  std::vector<std::span<const Symbol>> words;
  for (std::size_t i = 0; i < parts; ++i) {
    const std::size_t begin = symbols.size() * i / parts;
    words.emplace_back(symbols.data() + begin, symbols.size() * (i + 1) / parts - begin);
  }
  std::vector<float> maps(parts * columns * size);
  std::vector<float> images(parts * size);
  for (std::size_t column = 0; column < columns; ++column) {
    float start[scan_max_size] = {};
    if (column < size) start[column] = 1.0F;
    run_dense_avx2(column < size ? plan.linear : plan.rows, StateFormat::fp32, start, words, images.data());
    for (std::size_t i = 0; i < parts; ++i) {
      std::copy_n(images.begin() + static_cast<std::ptrdiff_t>(i * size), size,
                  maps.begin() + static_cast<std::ptrdiff_t>((i * columns + column) * size));
    }
  }
  return maps;
}

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

std::optional<std::string> scan_refusal(const LrnnModel& model, Semantics semantics) {
  const auto plan = plan_scan(model, semantics, *make_recognizer(model, semantics));
  if (const std::string* reason = std::get_if<std::string>(&plan)) return *reason;
  return std::nullopt;
}

ScanResult scan(const LrnnModel& model, const SymbolSource& source, const ScanOptions& options) {
  const std::size_t alphabet = model.alphabet().size();
  if (alphabet > max_symbols) {
    throw InputError("scan: expected an alphabet of at most 256 symbols, got " + std::to_string(alphabet));
  }
  const auto recognizer = make_recognizer(model, options.semantics);
  const auto plan_or_reason = plan_scan(model, options.semantics, *recognizer);
  if (const std::string* reason = std::get_if<std::string>(&plan_or_reason)) {
    throw InputError("scan: the model cannot be scanned exactly: " + *reason);
  }
  const ScanPlan& plan = std::get<ScanPlan>(plan_or_reason);
  const std::size_t size = plan.rows.size;
  const std::size_t map_size = size * (size + (plan.affine ? 1 : 0));
  const unsigned threads = threads_to_use(options.threads);
  const std::optional<CudaDevice> device = choose_device(options.device, true);
  ScanResult result;
  result.device = has_avx2_fma() ? "cpu (avx2)" : "cpu";
  std::unique_ptr<MapScan> device_scan;
  std::vector<std::byte> state(recognizer->state_size());
  result.observation = recognizer->initial(state);
  std::size_t read_size = piece_symbols * pieces_a_thread * threads;
  if (device) {
    read_size = options.device_memory != 0 ? std::clamp<std::size_t>(options.device_memory / 2, 4096, device_symbols)
                                           : device_symbols;
  }
  std::vector<std::uint8_t> buffer(read_size);
  float h[scan_max_size];
  for (;;) {
    const std::size_t filled = fill(source, buffer);
    if (filled == 0) return result;
    check_symbols({buffer.data(), filled}, alphabet, result.length);
    result.length += filled;
    std::size_t scanned = 0;
    if (device && !device_scan && (options.device == Device::cuda || filled == buffer.size())) {
      device_scan = std::make_unique<MapScan>(plan.rows.view(), plan.affine, buffer.size());
      result.device = device->name;
    }
    if (device_scan || has_avx2_fma()) {
      scanned = filled - 1;
      std::memcpy(h, state.data(), 4 * size);
      if (device_scan) {
        device_scan->advance({buffer.data(), scanned}, {h, size});
      } else {
        std::vector<std::vector<float>> maps((scanned + piece_symbols - 1) / piece_symbols);
        parallel_blocks(maps.size(), threads, [&](std::size_t i) {
          const std::size_t begin = i * piece_symbols;
          maps[i] = maps_of(plan, {buffer.data() + begin, std::min(piece_symbols, scanned - begin)});
        });
        for (const std::vector<float>& piece : maps) {
          for (std::size_t at = 0; at < piece.size(); at += map_size) apply_map(plan, piece.data() + at, h);
        }
      }
      std::memcpy(state.data(), h, 4 * size);
    }
    for (std::size_t i = scanned; i < filled; ++i) result.observation = recognizer->step(state, buffer[i]);
    if (filled < buffer.size()) return result;
  }
}

}  // namespace krohn
