// The canonical CPU form of a compiled model: flat_step on explicit state, one token a call. Readouts whose weights are
// mostly present are decoded from a dense copy, slot-major, so that the compiler vectorises over slots; an absent
// weight then takes part as +0, which changes no score but the sign of a zero (docs/semantics.md, section 6). Every
// function on the way exists twice, for machines with and without FMA, with the same bits.
// Tested by tests/engine/machine_test.cpp.
#include "compiled/table_machine.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "cpu_features.hpp"
#include "krohn/error.hpp"
#include "krohn/model/fingerprint.hpp"

namespace krohn {
namespace {

/// The elements that fit on the stack; larger models take heap memory for each step.
constexpr std::size_t stack_elements = 256;
constexpr std::uint32_t lanes = 8;

DenseReadout dense_form(const SlotReadout& readout, std::size_t hidden_size) {
  DenseReadout dense;
  dense.slots = static_cast<std::uint32_t>(readout.num_slots());
  dense.padded = (dense.slots + lanes - 1) / lanes * lanes;
  std::size_t present = 0;
  for (const std::vector<Entry>& row : readout.weight) present += row.size();
  const std::size_t cost = hidden_size * dense.padded / lanes;
  if (cost > 2 * (present + dense.slots) || dense.padded > stack_elements) return dense;
  dense.bias = readout.bias;
  dense.bias.resize(dense.padded, 0.0F);
  dense.weight.assign(hidden_size * dense.padded, 0.0F);
  for (std::size_t slot = 0; slot < readout.weight.size(); ++slot) {
    for (const Entry& entry : readout.weight[slot]) dense.weight[entry.index * dense.padded + slot] = entry.value;
  }
  return dense;
}

/// Maps a score to an integer of the same order; -0 and +0 to one.
KROHN_ALWAYS_INLINE std::int32_t ordered(float score) {
  const auto bits = std::bit_cast<std::int32_t>(score + 0.0F);
  return bits ^ ((bits >> 31) & 0x7FFFFFFF);
}

struct CpuDecoder {
  const std::vector<std::vector<DenseReadout>>* dense;

  template <class Hidden>
  KROHN_ALWAYS_INLINE FlatDecode operator()(const std::uint32_t* w, const FlatLayer& layer, std::uint32_t layer_index,
                                            std::uint32_t readout, Hidden hidden) const {
    const DenseReadout& form = (*dense)[layer_index][readout];
    if (form.weight.empty()) return SparseDecoder{}(w, layer, layer_index, readout, hidden);
    alignas(32) float score[stack_elements];
    alignas(32) std::int32_t key[stack_elements];
    const std::uint32_t padded = form.padded;
    for (std::uint32_t s = 0; s < padded; ++s) score[s] = form.bias[s];
    const std::uint32_t size = layer.key_size * layer.value_size;
    const float* weight = form.weight.data();
    for (std::uint32_t e = 0; e < size; ++e, weight += padded) {
      const float h = hidden[e];
      for (std::uint32_t s = 0; s < padded; ++s) score[s] = fused(weight[s], h, score[s]);
    }
    constexpr std::int32_t least = std::numeric_limits<std::int32_t>::min();
    std::int32_t best = least;
    std::int32_t overflow = 0;
    for (std::uint32_t s = 0; s < form.slots; ++s) {
      key[s] = ordered(score[s]);
      best = std::max(best, key[s]);
      overflow |= static_cast<std::int32_t>(is_not_finite(score[s]));
    }
    if (overflow != 0) return {-1, 0.0F, true};
    if (form.slots == 1) return {0, std::numeric_limits<float>::infinity(), false};
    std::int32_t second = least;
    std::int32_t winners = 0;
    for (std::uint32_t s = 0; s < form.slots; ++s) {
      winners += static_cast<std::int32_t>(key[s] == best);
      second = std::max(second, key[s] == best ? least : key[s]);
    }
    if (winners > 1) return {-1, 0.0F, false};
    std::int32_t slot = 0;
    while (key[slot] != best) ++slot;
    const auto value = [](std::int32_t k) { return std::bit_cast<float>(k ^ ((k >> 31) & 0x7FFFFFFF)); };
    return {slot, value(best) - value(second), false};
  }
};

FlatStep step_portable(const FlatModelView& model, std::uint32_t symbol, float* hidden, const CpuDecoder& decoder) {
  return flat_step<true>(model, symbol, hidden, decoder);
}

KROHN_TARGET_AVX2 FlatStep step_avx2(const FlatModelView& model, std::uint32_t symbol, float* hidden,
                                     const CpuDecoder& decoder) {
  return flat_step<true>(model, symbol, hidden, decoder);
}

}  // namespace

TableMachine::TableMachine(LrnnModel model, Semantics semantics)
    : model_(std::move(model)),
      semantics_(semantics),
      flat_(model_, semantics),
      view_(flat_.view()),
      initial_(flat_.initial_hidden()) {
  for (const TableLayer& layer : model_.layers()) {
    std::vector<DenseReadout>& forms = dense_.emplace_back();
    for (const SlotReadout& readout : layer.readouts) forms.push_back(dense_form(readout, layer.hidden_size()));
  }
}

std::string TableMachine::fingerprint() const { return krohn::fingerprint(model_); }

Observation TableMachine::initial(std::span<std::byte> state) const {
  check_size(state);
  write(state, initial_.data(), 0);
  const bool undefined = view_.initial_label == undefined_label;
  return {view_.initial_label, undefined ? 0.0F : std::numeric_limits<float>::infinity()};
}

Observation TableMachine::step(std::span<std::byte> state, Symbol symbol) const {
  check_size(state);
  if (symbol >= view_.num_symbols) {
    throw InternalError("machine: symbol " + std::to_string(symbol) + " is not in the alphabet");
  }
  std::uint32_t undefined = 0;
  std::memcpy(&undefined, state.data() + 4 * initial_.size(), 4);
  if (undefined != 0) return {};
  if (initial_.size() <= stack_elements) {
    float hidden[stack_elements];
    return step_on(state, symbol, hidden);
  }
  std::vector<float> hidden(initial_.size());
  return step_on(state, symbol, hidden.data());
}

void TableMachine::check_size(std::span<std::byte> state) const {
  if (state.size() != state_size()) {
    throw InternalError("machine: expected a state of " + std::to_string(state_size()) + " bytes, got " +
                        std::to_string(state.size()));
  }
}

void TableMachine::write(std::span<std::byte> state, const float* hidden, std::uint32_t undefined) const {
  if (!initial_.empty()) std::memcpy(state.data(), hidden, 4 * initial_.size());
  std::memcpy(state.data() + 4 * initial_.size(), &undefined, 4);
}

Observation TableMachine::step_on(std::span<std::byte> state, Symbol symbol, float* hidden) const {
  if (!initial_.empty()) std::memcpy(hidden, state.data(), 4 * initial_.size());
  const CpuDecoder decoder{&dense_};
  const FlatStep result =
      has_avx2_fma() ? step_avx2(view_, symbol, hidden, decoder) : step_portable(view_, symbol, hidden, decoder);
  if (result.bad_layer != FlatStep::finite) {
    throw NumericError("layer " + std::to_string(result.bad_layer) +
                       ": NaN or infinity in the hidden state or its scores after symbol '" + alphabet().name(symbol) +
                       "' in " + std::string(semantics_id(semantics_)));
  }
  if (result.label == undefined_label) {
    std::fill_n(hidden, initial_.size(), 0.0F);
    write(state, hidden, 1);
    return {};
  }
  write(state, hidden, 0);
  return {result.label, result.margin};
}

std::unique_ptr<Machine> make_machine(LrnnModel model, Semantics semantics) {
  return std::make_unique<TableMachine>(std::move(model), semantics);
}

}  // namespace krohn
