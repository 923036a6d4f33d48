// Reading codes.safetensors (krohn/checkpoints/checkpoint.hpp).
#pragma once

#include <filesystem>

#include "krohn/model/program.hpp"

namespace krohn {

/// The program with the codes of a file. Throws InputError with every fault of the file at once.
Program with_codes(const Program& program, const std::filesystem::path& path);

}  // namespace krohn
