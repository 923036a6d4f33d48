// Flattening of a model: every array of every layer goes into one arena of 32-bit words, by offset, so that a copy of
// the arena on a device needs no pointers mended. The initial hidden states are stored already rounded to the state
// format (docs/semantics.md, section 4), which is where an overflow is found. Linear in the size of the model.
// Tested by tests/engine/machine_test.cpp.
#include "krohn/engine/compiled/flat_model.hpp"

#include <bit>
#include <cstddef>
#include <limits>
#include <string>

#include "krohn/error.hpp"
#include "krohn/model/integer_form.hpp"

namespace krohn {
namespace {

class Arena {
 public:
  explicit Arena(std::vector<std::uint32_t>& words) : words_(words) {}

  template <class T>
  std::uint32_t add(const std::vector<T>& values) {
    const std::uint32_t offset = end();
    for (const T value : values) words_.push_back(std::bit_cast<std::uint32_t>(value));
    return offset;
  }
  std::uint32_t end() const {
    if (words_.size() >= std::numeric_limits<std::uint32_t>::max()) {
      throw ResourceError("model: expected fewer than 2^32 words of tables, got " + std::to_string(words_.size()));
    }
    return static_cast<std::uint32_t>(words_.size());
  }

 private:
  std::vector<std::uint32_t>& words_;
};

StateFormat format_of(Semantics semantics) {
  switch (semantics) {
    case Semantics::fp16_state_v1:
      return StateFormat::fp16;
    case Semantics::bf16_state_v1:
      return StateFormat::bf16;
    case Semantics::int8_wrap_state_v1:
      return StateFormat::int8_wrap;
    case Semantics::int8_saturate_state_v1:
      return StateFormat::int8_saturate;
    case Semantics::int16_wrap_state_v1:
      return StateFormat::int16_wrap;
    case Semantics::int16_saturate_state_v1:
      return StateFormat::int16_saturate;
    case Semantics::fp32_fma_v1:
    case Semantics::fp32_snap_v1:
      break;
  }
  return StateFormat::fp32;
}

/// The vector that each factor reads by: the keys' arrays, or ones of their own.
void add_reads(const TokenTable& table, FlatLayer& flat, Arena& arena) {
  flat.read_offset = flat.key_offset;
  flat.read_index = flat.key_index;
  flat.read_value = flat.key_value;
  if (!table.reads_apart()) return;
  std::vector<std::uint32_t> offset = {0};
  std::vector<std::uint32_t> index;
  std::vector<float> value;
  for (std::size_t row = 0; row < table.num_rows(); ++row) {
    for (const GeneralizedHouseholder& factor : table.row(row).factors) {
      for (const Entry& entry : factor.reads_by()) {
        index.push_back(entry.index);
        value.push_back(entry.value);
      }
      offset.push_back(static_cast<std::uint32_t>(index.size()));
    }
  }
  flat.read_offset = arena.add(offset);
  flat.read_index = arena.add(index);
  flat.read_value = arena.add(value);
}

void add_readouts(const TableLayer& layer, FlatLayer& flat, Arena& arena) {
  std::vector<std::uint32_t> readout_slot = {0};
  std::vector<std::uint32_t> slot_weight = {0};
  std::vector<std::uint32_t> index;
  std::vector<float> value;
  std::vector<float> bias;
  for (const SlotReadout& readout : layer.readouts) {
    for (std::size_t slot = 0; slot < readout.num_slots(); ++slot) {
      for (const Entry& entry : readout.weight[slot]) {
        index.push_back(entry.index);
        value.push_back(entry.value);
      }
      slot_weight.push_back(static_cast<std::uint32_t>(index.size()));
      bias.push_back(readout.bias[slot]);
    }
    readout_slot.push_back(static_cast<std::uint32_t>(bias.size()));
  }
  flat.num_readouts = static_cast<std::uint32_t>(layer.readouts.size());
  flat.readout_slot = arena.add(readout_slot);
  flat.slot_weight = arena.add(slot_weight);
  flat.weight_index = arena.add(index);
  flat.weight_value = arena.add(value);
  flat.bias = arena.add(bias);
}

}  // namespace

FlatModel::FlatModel(const LrnnModel& model, Semantics semantics) {
  if (model.snapped() != (semantics == Semantics::fp32_snap_v1)) {
    throw InputError("semantics: expected " +
                     (model.snapped()
                          ? std::string(semantics_id(Semantics::fp32_snap_v1)) + ", the only one of a model with codes"
                          : "one of a model without codes") +
                     ", got " + std::string(semantics_id(semantics)));
  }
  if (integer_format(semantics)) {
    std::vector<std::string> problems = integer_problems(model, semantics);
    if (!problems.empty()) throw InputError(std::move(problems));
  }
  Arena arena(words_);
  shape_.format = format_of(semantics);
  shape_.every_form = is_integer(shape_.format);
  shape_.num_layers = static_cast<std::uint32_t>(model.layers().size());
  shape_.num_symbols = static_cast<std::uint32_t>(model.alphabet().size());
  shape_.initial_label = model.initial_label();
  shape_.symbol_row = arena.add(model.symbol_row());
  std::vector<float> initial;
  for (const TableLayer& layer : model.layers()) {
    FlatLayer flat{};
    flat.key_size = static_cast<std::uint32_t>(layer.table.key_size());
    flat.value_size = static_cast<std::uint32_t>(layer.table.value_size());
    flat.hidden_offset = static_cast<std::uint32_t>(initial.size());
    flat.reads_before = layer.reads_before ? 1U : 0U;
    flat.num_rows = static_cast<std::uint32_t>(layer.num_rows());
    const TokenTable::Arrays& a = layer.table.arrays();
    flat.gate_offset = arena.add(a.gate_offset);
    flat.gate = arena.add(a.gate);
    flat.factor_offset = arena.add(a.factor_offset);
    flat.beta = arena.add(a.beta);
    flat.key_offset = arena.add(a.key_offset);
    flat.key_index = arena.add(a.key_index);
    flat.key_value = arena.add(a.key_value);
    add_reads(layer.table, flat, arena);
    flat.value_offset = arena.add(a.value_offset);
    flat.value_index = arena.add(a.value_index);
    flat.value_value = arena.add(a.value_value);
    flat.write_offset = arena.add(a.write_offset);
    flat.write_index = arena.add(a.write_index);
    flat.write_value = arena.add(a.write_value);
    add_readouts(layer, flat, arena);
    flat.row_action = arena.add(layer.row_action);
    flat.row_readout = arena.add(layer.row_readout);
    flat.row_next = arena.add(layer.row_next);
    flat.next = arena.add(layer.next);
    flat.num_codes = static_cast<std::uint32_t>(layer.num_codes());
    flat.codes = arena.add(layer.codes);
    shape_.every_form = shape_.every_form || flat.num_codes != 0 || layer.table.reads_apart();
    for (std::size_t i = 0; i < layer.initial_hidden.size(); ++i) {
      const float given = layer.initial_hidden[i];
      const float x = is_integer(shape_.format)
                          ? static_cast<float>(reduced(static_cast<std::int32_t>(given), shape_.format))
                          : stored(given, shape_.format);
      if (is_not_finite(x)) {
        throw NumericError("layer " + std::to_string(layers_.size()) + ": the initial hidden state overflows in " +
                           std::string(semantics_id(semantics)) + " (element " + std::to_string(i) + " is " +
                           std::to_string(layer.initial_hidden[i]) + ")");
      }
      initial.push_back(x);
    }
    layers_.push_back(flat);
  }
  shape_.hidden_size = static_cast<std::uint32_t>(initial.size());
  shape_.initial_hidden = arena.add(initial);
  arena.end();
}

FlatModelView FlatModel::view() const noexcept {
  FlatModelView view = shape_;
  view.words = words_.data();
  view.layers = layers_.data();
  return view;
}

std::vector<float> FlatModel::initial_hidden() const {
  std::vector<float> initial;
  for (std::uint32_t i = 0; i < shape_.hidden_size; ++i) {
    initial.push_back(std::bit_cast<float>(words_[shape_.initial_hidden + i]));
  }
  return initial;
}

}  // namespace krohn
