// The file is read in blocks and translated through a table of 256 entries; nothing of it is kept.
#include "sequence_run.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <vector>

#include "krohn/error.hpp"

namespace krohn::cli {
namespace {

// Line ends are no symbols, so that an alphabet of bytes has at most 254 symbols, below these.
constexpr std::uint8_t skipped = 254;
constexpr std::uint8_t foreign = 255;

std::array<std::uint8_t, 256> symbols_of(const Alphabet& alphabet) {
  std::array<std::uint8_t, 256> table{};
  table.fill(foreign);
  for (Symbol a = 0; a < alphabet.size(); ++a) {
    if (alphabet.name(a).size() != 1) {
      throw InputError("--sequence: expected an alphabet of single bytes, got the symbol '" + alphabet.name(a) + "'");
    }
    table[static_cast<unsigned char>(alphabet.name(a).front())] = static_cast<std::uint8_t>(a);
  }
  table['\n'] = table['\r'] = skipped;
  return table;
}

}  // namespace

ScanResult scan_file(const Machine& machine, const std::string& path, const ScanOptions& options) {
  const std::array<std::uint8_t, 256> table = symbols_of(machine.alphabet());
  std::ifstream file(path, std::ios::binary);
  if (!file) throw InputError(path + ": expected a file of symbols, but it cannot be opened");
  std::vector<char> block(std::size_t{1} << 20U);
  std::uint64_t offset = 0;
  const SymbolSource source = [&](std::span<std::uint8_t> out) {
    std::size_t written = 0;
    // Blocks that hold nothing but line ends do not end the sequence.
    while (written == 0) {
      file.read(block.data(), static_cast<std::streamsize>(std::min(block.size(), out.size())));
      const auto count = static_cast<std::size_t>(file.gcount());
      if (file.bad()) throw InputError(path + ": a read error after " + std::to_string(offset) + " bytes");
      if (count == 0) break;
      std::uint8_t largest = 0;
      for (std::size_t i = 0; i < count; ++i) {
        out[i] = table[static_cast<unsigned char>(block[i])];
        largest = std::max(largest, out[i]);
      }
      if (largest < skipped) {
        offset += count;
        return count;
      }
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint8_t symbol = table[static_cast<unsigned char>(block[i])];
        if (symbol == foreign) {
          throw InputError(path + ": byte " + std::to_string(offset + i + 1) + ": expected a symbol, got byte value " +
                           std::to_string(static_cast<unsigned char>(block[i])));
        }
        if (symbol != skipped) out[written++] = symbol;
      }
      offset += count;
    }
    return written;
  };
  return scan(machine, source, options);
}

}  // namespace krohn::cli
