// Zip archives of stored entries in memory, as PyTorch writes them, read by libzip.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace krohn {

/// The entries of an archive by name, each read whole with its checksum checked. Throws InputError, with `source` at
/// the front, where the bytes are no archive or are truncated, and where an entry is compressed, encrypted, damaged or
/// there twice; entries may not have more bytes together than the archive, so that they cannot overlap.
std::map<std::string, std::shared_ptr<const std::string>, std::less<>> read_zip(std::string_view bytes,
                                                                                const std::string& source);

}  // namespace krohn
