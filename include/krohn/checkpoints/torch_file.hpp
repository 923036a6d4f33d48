// PyTorch's torch.save files of plain state dicts, read without executing anything.
//
// 1. Either a zip archive of stored (uncompressed) entries PREFIX/data.pkl and PREFIX/data/KEY, optionally
//    PREFIX/byteorder ("little"), PREFIX/version and others that are not read; or the older form: four pickles (the
//    number 0x1950A86A20F9469CFC6C, the protocol 1001, a dict, the object), the pickled list of storage keys, and for
//    each key its length in elements (8 bytes, little-endian) and its bytes.
// 2. The pickle is run by a machine that knows None, booleans, numbers, strings, tuples, lists, dicts, and the globals
//    collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter and
//    torch.*Storage. Every other global is refused by name: nothing is imported, and nothing is called.
// 3. The object is a dict from strings to tensors, or a dict that has one under "state_dict", "model_state_dict" or
//    "model".
// 4. Tensors may be views with strides, of at most 8 dimensions; offset and extent must lie inside their storage. They
//    may share storages, up to 64 times the bytes of all; a storage key has at most 255 bytes; zip entries do not
//    overlap. So a small file cannot ask for much memory or time.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/checkpoints/safetensors.hpp"

namespace krohn {

/// The tensors of a file, by name, and the memory that they view.
struct TorchFile {
  std::vector<TensorView> tensors;
  std::vector<std::shared_ptr<const void>> owners;
};

/// True if the bytes begin as one of the two forms does.
bool is_torch_file(std::string_view bytes);

/// Copies what it keeps of `bytes`. Throws InputError naming what breaks rules 1 to 4; a global is named with its
/// module.
TorchFile parse_torch_file(std::string_view bytes, const std::string& source);

}  // namespace krohn
