// Bytes of other people's files: reading them whole under a cap, and showing them in messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace krohn {

/// The largest text file (automata, word lists, JSON) that krohn reads: 1 GiB.
inline constexpr std::size_t max_text_bytes = std::size_t{1} << 30U;

/// The bytes of a file; pipes and devices are read to their end. Throws InputError where the file cannot be opened or
/// read, is a directory, or has more than `max_bytes`; ResourceError where the machine is at fault.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes = max_text_bytes);

/// `text` in single quotes, as it may stand in a message: bytes that are not printable UTF-8 as \xHH, and the middle
/// left out beyond `most` scalars, which must be at least 16.
std::string shown(std::string_view text, std::size_t most = 80);

/// The text behind a byte order mark of UTF-8, where it begins with one.
inline std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

}  // namespace krohn
