// In place of src/checkpoints/zip_archive.cpp: there is no libzip for WebAssembly here.
#include "zip_archive.hpp"

#include "krohn/error.hpp"

namespace krohn {

std::map<std::string, std::shared_ptr<const std::string>, std::less<>> read_zip(std::string_view /*bytes*/,
                                                                                const std::string& source) {
  throw InputError(source +
                   ": expected a file of safetensors or of the older form of torch.save, got a zip archive, which this "
                   "build does not read");
}

}  // namespace krohn
