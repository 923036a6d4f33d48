// Certificate files. docs/certificates.md is the specification of the format and of what a checker has to check.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "krohn/verify/certificate.hpp"

namespace krohn {

/// The bytes of the file; by value, since fields are listed alike for writing and reading. Throws InputError for a name
/// that is not UTF-8.
std::string certificate_bytes(Certificate certificate);

/// Throws InputError for anything that is not exactly one certificate of version 2: another version, a truncated or
/// longer file, a digest that does not fit, unknown or doubled members, sizes that do not fit the payload. `source`
/// names the file in messages.
Certificate parse_certificate(std::string_view bytes, const std::string& source);

/// As write_file and read_file (at most 4 GiB).
void write_certificate(const std::filesystem::path& path, Certificate certificate);
Certificate read_certificate(const std::filesystem::path& path);

}  // namespace krohn
