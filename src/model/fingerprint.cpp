// The canonical arrays of a model and their SHA-256. The same arrays, under the same names, are what a model directory
// holds, so that anyone can recompute the fingerprint from its two files.
#include "krohn/model/fingerprint.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "krohn/digest/sha256.hpp"

namespace krohn {
namespace {

static_assert(std::endian::native == std::endian::little, "values are copied as they lie in memory");

class ArrayList {
 public:
  template <typename T>
  void add(std::string name, const std::vector<T>& values) {
    add(std::move(name), values, {values.size()});
  }
  template <typename T>
  void add(std::string name, const std::vector<T>& values, std::vector<std::uint64_t> shape) {
    std::string bytes(values.size() * sizeof(T), '\0');
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    arrays_.push_back({std::move(name), dtype_of(T{}), std::move(shape), std::move(bytes)});
  }
  void add(std::string name, bool value) { arrays_.push_back({std::move(name), "BOOL", {1}, value ? "\1" : zero_}); }

  std::vector<ModelArray> sorted() && {
    std::sort(arrays_.begin(), arrays_.end(), [](const ModelArray& a, const ModelArray& b) { return a.name < b.name; });
    return std::move(arrays_);
  }

 private:
  static std::string dtype_of(float) { return "F32"; }
  static std::string dtype_of(std::uint32_t) { return "U32"; }
  static std::string dtype_of(std::int32_t) { return "I32"; }
  std::string zero_ = std::string(1, '\0');
  std::vector<ModelArray> arrays_;
};

void add_readouts(const std::vector<SlotReadout>& readouts, const std::string& prefix, ArrayList& list) {
  std::vector<std::uint32_t> slot_offset = {0};
  std::vector<float> bias;
  std::vector<std::uint32_t> weight_offset = {0};
  std::vector<std::uint32_t> weight_index;
  std::vector<float> weight_value;
  for (const SlotReadout& readout : readouts) {
    bias.insert(bias.end(), readout.bias.begin(), readout.bias.end());
    slot_offset.push_back(static_cast<std::uint32_t>(bias.size()));
    for (const std::vector<Entry>& row : readout.weight) {
      for (const Entry& entry : row) {
        weight_index.push_back(entry.index);
        weight_value.push_back(entry.value);
      }
      weight_offset.push_back(static_cast<std::uint32_t>(weight_index.size()));
    }
  }
  list.add(prefix + "slot_offset", slot_offset);
  list.add(prefix + "bias", bias);
  list.add(prefix + "weight_offset", weight_offset);
  list.add(prefix + "weight_index", weight_index);
  list.add(prefix + "weight_value", weight_value);
}

// Numbers as 8 bytes, texts with their size before them.
class FramedHash {
 public:
  template <typename Integer>
  void number(Integer value) {
    const auto wide = static_cast<std::int64_t>(value);
    char raw[sizeof wide];
    std::memcpy(raw, &wide, sizeof wide);
    hash_.add({raw, sizeof wide});
  }
  void text(std::string_view value) {
    number(value.size());
    hash_.add(value);
  }
  std::string fingerprint() { return hexadecimal(hash_.digest()); }

 private:
  Sha256 hash_;
};

}  // namespace

std::vector<ModelArray> model_arrays(const LrnnModel& model) {
  ArrayList list;
  list.add("symbol_row", model.symbol_row());
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    const TableLayer& layer = model.layers()[i];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    const TokenTable::Arrays& a = layer.table.arrays();
    list.add(prefix + "table.gate_offset", a.gate_offset);
    list.add(prefix + "table.gate", a.gate);
    list.add(prefix + "table.factor_offset", a.factor_offset);
    list.add(prefix + "table.beta", a.beta);
    list.add(prefix + "table.key_offset", a.key_offset);
    list.add(prefix + "table.key_index", a.key_index);
    list.add(prefix + "table.key_value", a.key_value);
    list.add(prefix + "table.value_offset", a.value_offset);
    list.add(prefix + "table.value_index", a.value_index);
    list.add(prefix + "table.value_value", a.value_value);
    if (layer.table.reads_apart()) {
      list.add(prefix + "table.read_offset", a.read_offset);
      list.add(prefix + "table.read_index", a.read_index);
      list.add(prefix + "table.read_value", a.read_value);
    }
    list.add(prefix + "table.write_offset", a.write_offset);
    list.add(prefix + "table.write_index", a.write_index);
    list.add(prefix + "table.write_value", a.write_value);
    list.add(prefix + "initial_hidden", layer.initial_hidden, {layer.table.key_size(), layer.table.value_size()});
    add_readouts(layer.readouts, prefix + "readout.", list);
    list.add(prefix + "reads_before", layer.reads_before);
    list.add(prefix + "row_action", layer.row_action);
    list.add(prefix + "row_readout", layer.row_readout);
    list.add(prefix + "row_next", layer.row_next);
    list.add(prefix + "next", layer.next);
    if (!layer.codes.empty()) list.add(prefix + "codes", layer.codes, {layer.num_codes(), layer.hidden_size()});
  }
  return std::move(list).sorted();
}

std::string fingerprint(const LrnnModel& model) {
  FramedHash hash;
  hash.text("krohn-lrnn-v1");
  hash.number(model.alphabet().size());
  for (const std::string& name : model.alphabet().names()) hash.text(name);
  hash.number(model.label_names().size());
  for (const std::string& name : model.label_names()) hash.text(name);
  hash.number(model.initial_label());
  const std::vector<ModelArray> arrays = model_arrays(model);
  hash.number(arrays.size());
  for (const ModelArray& array : arrays) {
    hash.text(array.name);
    hash.text(array.dtype);
    hash.number(array.shape.size());
    for (const std::uint64_t extent : array.shape) hash.number(extent);
    hash.text(array.bytes);
  }
  return hash.fingerprint();
}

}  // namespace krohn
