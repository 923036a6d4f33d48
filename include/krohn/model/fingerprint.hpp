// The identity of a model: SHA-256 over a canonical sequence of bytes of the value, never of a file.
//
// The arrays of a model, by name (i counts layers; counts are offsets with one entry more than they have items):
//
//     symbol_row                       I32 [symbols]                 layers.i.reads_before           BOOL [1]
//     layers.i.initial_hidden          F32 [key_size, value_size]    layers.i.row_action             U32 [input rows]
//     layers.i.table.gate_offset       U32 [rows + 1]                layers.i.row_readout            U32 [input rows]
//     layers.i.table.gate              F32 [gates]                   layers.i.row_next               U32 [input rows]
//     layers.i.table.factor_offset     U32 [rows + 1]                layers.i.next                   I32 [entries]
//     layers.i.table.beta              F32 [factors]                 layers.i.readout.slot_offset    U32 [readouts + 1]
//     layers.i.table.key_offset        U32 [factors + 1]             layers.i.readout.bias           F32 [slots]
//     layers.i.table.key_index         U32 [key entries]             layers.i.readout.weight_offset  U32 [slots + 1]
//     layers.i.table.key_value         F32 [key entries]             layers.i.readout.weight_index   U32 [weights]
//     layers.i.table.value_offset, .value_index, .value_value        layers.i.readout.weight_value   F32 [weights]
//     layers.i.table.read_offset, .read_index, .read_value, as the key's, only where some factor reads by another
//     vector layers.i.table.write_offset [rows + 1], .write_index, .write_value
//     layers.i.codes                   F32 [codes, key_size * value_size], only where the layer has codes
//
// Every array is of rank 1 except initial_hidden and codes; the readouts of a layer are laid end to end: readout r owns
// the slots slot_offset[r] .. slot_offset[r+1], and slot s the weights weight_offset[s] .. weight_offset[s+1].
//
// The bytes hashed. N(x) is x in 8 bytes, two's complement, little-endian; T(t) is N(length of t in bytes) and the
// bytes of t in UTF-8.
//  1. T("krohn-lrnn-v1").
//  2. N(number of symbols), then T(name) for each symbol; N(number of labels), then T(name) for each label.
//  3. N(initial label), -1 for the undefined label.
//  4. N(number of arrays); then for each array, in ascending order of the bytes of its name: T(name), T(dtype),
//     N(rank), N(extent) for each extent, N(length in bytes), the values row-major and little-endian (BOOL: one byte).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "krohn/model/lrnn_model.hpp"

namespace krohn {

/// One of the arrays above; `dtype` is "F32", "U32", "I32" or "BOOL".
struct ModelArray {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string bytes;
};

/// All arrays of the model, in ascending order of their names.
std::vector<ModelArray> model_arrays(const LrnnModel& model);

/// SHA-256 of the bytes above: 64 hexadecimal digits in lower case. Linear in the size of the model.
std::string fingerprint(const LrnnModel& model);

}  // namespace krohn
