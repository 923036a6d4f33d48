// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace krohn {

std::array<unsigned char, 32> sha256(std::string_view bytes);

/// The digest as 64 hexadecimal digits in lower case.
std::string sha256_hex(std::string_view bytes);

}  // namespace krohn
