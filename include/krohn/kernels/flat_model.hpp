// A compiled model as plain arrays, and one token of its run: the formulas of docs/semantics.md, sections 2 to 4,
// written once for host and device. The view owns nothing; offsets are validated by whoever builds it (an LrnnModel is
// valid by construction), and nothing is checked here. Cost of a token: the entries of its rows and readouts.
#pragma once

#include <bit>
#include <cstdint>

#include "krohn/numeric/fused.hpp"
#include "krohn/numeric/host_device.hpp"
#include "krohn/numeric/rounding.hpp"

namespace krohn {

/// How a hidden state is stored between tokens.
enum class StateFormat : std::uint32_t { fp32, fp16, bf16, int8_wrap, int8_saturate, int16_wrap, int16_saturate };

KROHN_HOST_DEVICE constexpr bool is_integer(StateFormat format) { return format >= StateFormat::int8_wrap; }

/// reduce() of docs/semantics.md for an integer format.
KROHN_HOST_DEVICE constexpr std::int32_t reduced(std::int32_t x, StateFormat format) {
  const std::int32_t most = format < StateFormat::int16_wrap ? 127 : 32767;
  const std::int32_t least = -most - 1;
  if (format == StateFormat::int8_saturate || format == StateFormat::int16_saturate) {
    return x < least ? least : x > most ? most : x;
  }
  // The low bits, as two's complement has them.
  const auto bits = static_cast<std::uint32_t>(x) & (2U * static_cast<std::uint32_t>(most) + 1U);
  const auto value = static_cast<std::int32_t>(bits);
  return value > most ? value - 2 * most - 2 : value;
}

/// One layer. All members but the sizes and flags are offsets into FlatModelView::words.
struct FlatLayer {
  std::uint32_t key_size, value_size;
  std::uint32_t hidden_offset;  // the layer's first element in the concatenated hidden states
  std::uint32_t reads_before;
  std::uint32_t num_rows, num_readouts;
  // The token table, as TokenTable::Arrays.
  std::uint32_t gate_offset, gate;
  std::uint32_t factor_offset, beta;
  std::uint32_t key_offset, key_index, key_value;
  // What a factor reads by: the key's, or those of vectors of their own.
  std::uint32_t read_offset, read_index, read_value;
  std::uint32_t value_offset, value_index, value_value;
  std::uint32_t write_offset, write_index, write_value;
  // Readout i has the slots readout_slot[i] .. readout_slot[i + 1]; slot s the weights slot_weight[s] ..
  // slot_weight[s + 1].
  std::uint32_t readout_slot, slot_weight, weight_index, weight_value, bias;
  std::uint32_t row_action, row_readout, row_next, next;
  // Codes [num_codes][key_size * value_size]; none where num_codes is 0.
  std::uint32_t num_codes, codes;
};

/// A model: layers and one arena of 32-bit words that holds every array.
struct FlatModelView {
  const std::uint32_t* words = nullptr;
  const FlatLayer* layers = nullptr;
  std::uint32_t num_layers = 0;
  std::uint32_t num_symbols = 0;
  std::uint32_t hidden_size = 0;     // of all layers
  std::uint32_t symbol_row = 0;      // offset
  std::uint32_t initial_hidden = 0;  // offset; stored form
  std::int32_t initial_label = -1;
  StateFormat format = StateFormat::fp32;
  /// Integers, codes or read vectors: what kernels without `Every` below leave out.
  bool every_form = false;
};

/// The outcome of one token.
struct FlatStep {
  static constexpr std::int32_t finite = -1;
  std::int32_t label = -1;  // -1: undefined
  float margin = 0.0F;
  /// The layer whose hidden state or scores are NaN or infinite, or `finite`.
  std::int32_t bad_layer = finite;
};

/// One decode: a slot, or a tie (-1); overflow if a score is NaN or infinite.
struct FlatDecode {
  std::int32_t slot = -1;
  float margin = 0.0F;
  bool overflow = false;
};

using numeric::fused;

KROHN_INLINE_DEVICE float float_at(const std::uint32_t* words, std::uint32_t index) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(words[index]);
#else
  return std::bit_cast<float>(words[index]);
#endif
}

/// store() of docs/semantics.md for floating point; adding +0 turns -0 into +0 and changes nothing else.
KROHN_INLINE_DEVICE float stored(float x, StateFormat format) {
  if (format == StateFormat::fp16) return round_to_fp16(x) + 0.0F;
  if (format == StateFormat::bf16) return round_to_bf16(x) + 0.0F;
  return x + 0.0F;
}

/// Applies table row `row` in an integer format: the formulas of docs/semantics.md, section 2, in integers, every
/// element reduced whenever it is written. The parameters are integers, and no number on the way needs more than 32
/// bits (krohn/model/integer_form.hpp).
template <class Hidden>
KROHN_INLINE_DEVICE void apply_integer_row(const std::uint32_t* w, const FlatLayer& layer, std::uint32_t row,
                                           StateFormat format, Hidden hidden) {
  const auto integer_at = [&](std::uint32_t index) { return static_cast<std::int32_t>(float_at(w, index)); };
  const auto element = [&](std::uint32_t i) { return static_cast<std::int32_t>(hidden[i]); };
  const auto store = [&](std::uint32_t i, std::int32_t x) { hidden[i] = static_cast<float>(reduced(x, format)); };
  const std::uint32_t columns = layer.value_size;
  const std::uint32_t gate_begin = w[layer.gate_offset + row];
  const bool diagonal = w[layer.gate_offset + row + 1] - gate_begin > 1;
  for (std::uint32_t i = 0; i < layer.key_size * columns; ++i) {
    store(i, integer_at(layer.gate + gate_begin + (diagonal ? i / columns : 0)) * element(i));
  }
  for (std::uint32_t f = w[layer.factor_offset + row]; f < w[layer.factor_offset + row + 1]; ++f) {
    std::uint32_t value = w[layer.value_offset + f];
    const std::uint32_t value_end = w[layer.value_offset + f + 1];
    for (std::uint32_t m = 0; m < columns; ++m) {
      std::int32_t difference = 0;
      if (value < value_end && w[layer.value_index + value] == m) difference = integer_at(layer.value_value + value++);
      for (std::uint32_t e = w[layer.read_offset + f]; e < w[layer.read_offset + f + 1]; ++e) {
        difference -= integer_at(layer.read_value + e) * element(w[layer.read_index + e] * columns + m);
      }
      const std::int32_t c = integer_at(layer.beta + f) * difference;
      for (std::uint32_t e = w[layer.key_offset + f]; e < w[layer.key_offset + f + 1]; ++e) {
        const std::uint32_t i = w[layer.key_index + e] * columns + m;
        store(i, element(i) + c * integer_at(layer.key_value + e));
      }
    }
  }
  for (std::uint32_t e = w[layer.write_offset + row]; e < w[layer.write_offset + row + 1]; ++e) {
    const std::uint32_t i = w[layer.write_index + e];
    store(i, element(i) + integer_at(layer.write_value + e));
  }
}

/// Applies table row `row`; `hidden[i]` is element i of the layer. Returns false if a stored element is not finite.
/// Without Every, integers and read vectors of their own are left out, for kernels of models that have none.
template <bool Every, class Hidden>
KROHN_INLINE_DEVICE bool apply_row(const std::uint32_t* w, const FlatLayer& layer, std::uint32_t row,
                                   StateFormat format, Hidden hidden) {
  if constexpr (Every) {
    if (is_integer(format)) {
      apply_integer_row(w, layer, row, format, hidden);
      return true;
    }
  }
  const std::uint32_t columns = layer.value_size;
  const std::uint32_t gate_begin = w[layer.gate_offset + row];
  const bool diagonal = w[layer.gate_offset + row + 1] - gate_begin > 1;
  if (diagonal || float_at(w, layer.gate + gate_begin) != 1.0F) {
    for (std::uint32_t j = 0; j < layer.key_size; ++j) {
      const float a = float_at(w, layer.gate + gate_begin + (diagonal ? j : 0));
      if (a == 1.0F) continue;
      for (std::uint32_t m = 0; m < columns; ++m) {
        const std::uint32_t i = j * columns + m;
        hidden[i] = a == 0.0F ? 0.0F : a * hidden[i];
      }
    }
  }
  for (std::uint32_t f = w[layer.factor_offset + row]; f < w[layer.factor_offset + row + 1]; ++f) {
    const float beta = float_at(w, layer.beta + f);
    if (beta == 0.0F) continue;
    const std::uint32_t key_begin = w[layer.key_offset + f];
    const std::uint32_t key_end = w[layer.key_offset + f + 1];
    const std::uint32_t read_begin = Every ? w[layer.read_offset + f] : key_begin;
    const std::uint32_t read_end = Every ? w[layer.read_offset + f + 1] : key_end;
    const std::uint32_t read_index = Every ? layer.read_index : layer.key_index;
    const std::uint32_t read_value = Every ? layer.read_value : layer.key_value;
    std::uint32_t value = w[layer.value_offset + f];
    const std::uint32_t value_end = w[layer.value_offset + f + 1];
    for (std::uint32_t m = 0; m < columns; ++m) {
      float v = 0.0F;
      if (value < value_end && w[layer.value_index + value] == m) v = float_at(w, layer.value_value + value++);
      float acc = 0.0F;
      for (std::uint32_t e = read_begin; e < read_end; ++e) {
        acc = fused(float_at(w, read_value + e), hidden[w[read_index + e] * columns + m], acc);
      }
      const float difference = v - acc;
      const float c = beta * difference;
      for (std::uint32_t e = key_begin; e < key_end; ++e) {
        const std::uint32_t i = w[layer.key_index + e] * columns + m;
        hidden[i] = fused(c, float_at(w, layer.key_value + e), hidden[i]);
      }
    }
  }
  for (std::uint32_t e = w[layer.write_offset + row]; e < w[layer.write_offset + row + 1]; ++e) {
    const std::uint32_t i = w[layer.write_index + e];
    hidden[i] = hidden[i] + float_at(w, layer.write_value + e);
  }
  bool finite = true;
  const std::uint32_t size = layer.key_size * columns;
  for (std::uint32_t i = 0; i < size; ++i) {
    const float x = stored(hidden[i], format);
    hidden[i] = x;
    finite = finite && !is_not_finite(x);
  }
  return finite;
}

/// Replaces the layer's hidden state by the nearest of its codes (docs/semantics.md, 12).
template <class Hidden>
KROHN_INLINE_DEVICE void snap(const std::uint32_t* w, const FlatLayer& layer, Hidden hidden) {
  const std::uint32_t size = layer.key_size * layer.value_size;
  float least = std::bit_cast<float>(0x7F800000U);
  std::uint32_t nearest = layer.num_codes;
  for (std::uint32_t k = 0; k < layer.num_codes; ++k) {
    float distance = 0.0F;
    for (std::uint32_t i = 0; i < size; ++i) {
      const float x = hidden[i] - float_at(w, layer.codes + k * size + i);
      distance = fused(x, x, distance);
    }
    if (distance < least) {
      least = distance;
      nearest = k;
    }
  }
  if (nearest == layer.num_codes) return;
  for (std::uint32_t i = 0; i < size; ++i) hidden[i] = float_at(w, layer.codes + nearest * size + i);
}

/// The running maximum of a decode.
struct FlatMaximum {
  float best = 0.0F;
  float second = 0.0F;
  std::int32_t slot = -1;
  std::uint32_t count = 0;
  bool overflow = false;

  KROHN_INLINE_DEVICE void add(float score) {
    overflow = overflow || is_not_finite(score);
    if (count == 0 || score > best) {
      second = best;
      best = score;
      slot = static_cast<std::int32_t>(count);
    } else if (count == 1 || score > second) {
      second = score;
    }
    ++count;
  }
  KROHN_INLINE_DEVICE FlatDecode decode() const {
    if (overflow) return {-1, 0.0F, true};
    if (count == 1) return {0, std::bit_cast<float>(0x7F800000U), false};
    if (best == second) return {-1, 0.0F, false};
    return {slot, best - second, false};
  }
};

/// Decodes by the sparse weights as stored.
struct SparseDecoder {
  template <class Hidden>
  KROHN_INLINE_DEVICE FlatDecode operator()(const std::uint32_t* w, const FlatLayer& layer, std::uint32_t,
                                            std::uint32_t readout, Hidden hidden) const {
    FlatMaximum maximum;
    const std::uint32_t end = w[layer.readout_slot + readout + 1];
    for (std::uint32_t s = w[layer.readout_slot + readout]; s < end; ++s) {
      float score = float_at(w, layer.bias + s);
      for (std::uint32_t e = w[layer.slot_weight + s]; e < w[layer.slot_weight + s + 1]; ++e) {
        score = fused(float_at(w, layer.weight_value + e), hidden[w[layer.weight_index + e]], score);
      }
      maximum.add(score);
    }
    return maximum.decode();
  }
};

/// A window of a hidden state, so that layers index from 0.
template <class Hidden>
struct HiddenFrom {
  Hidden hidden;
  std::uint32_t offset;
  KROHN_INLINE_DEVICE decltype(auto) operator[](std::uint32_t i) const { return hidden[offset + i]; }
};

/// One symbol of a run that is not undefined. On label -1 the caller poisons; the hidden state is then unspecified.
/// Without Every, only for a model whose `every_form` is false.
template <bool Every, class Hidden, class Decoder>
KROHN_INLINE_DEVICE FlatStep flat_step(const FlatModelView& model, std::uint32_t symbol, Hidden hidden,
                                       const Decoder& decoder) {
  const std::uint32_t* w = model.words;
  auto row = static_cast<std::int32_t>(w[model.symbol_row + symbol]);
  float margin = std::bit_cast<float>(0x7F800000U);
  for (std::uint32_t l = 0; l < model.num_layers; ++l) {
    if (row < 0) return {};
    const FlatLayer& layer = model.layers[l];
    const auto r = static_cast<std::uint32_t>(row);
    const HiddenFrom<Hidden> own{hidden, layer.hidden_offset};
    const std::uint32_t readout = w[layer.row_readout + r];
    FlatDecode decode;
    if (layer.reads_before != 0U) {
      decode = decoder(w, layer, l, readout, own);
      if (decode.overflow) return {-1, 0.0F, static_cast<std::int32_t>(l)};
      if (decode.slot < 0) return {};
    }
    if (!apply_row<Every>(w, layer, w[layer.row_action + r], model.format, own)) {
      return {-1, 0.0F, static_cast<std::int32_t>(l)};
    }
    if constexpr (Every) {
      if (layer.num_codes != 0U) snap(w, layer, own);
    }
    if (layer.reads_before == 0U) {
      decode = decoder(w, layer, l, readout, own);
      if (decode.overflow) return {-1, 0.0F, static_cast<std::int32_t>(l)};
      if (decode.slot < 0) return {};
    }
    margin = decode.margin < margin ? decode.margin : margin;
    row = static_cast<std::int32_t>(w[layer.next + w[layer.row_next + r] + static_cast<std::uint32_t>(decode.slot)]);
  }
  if (row < 0) return {};
  return {row, margin, FlatStep::finite};
}

}  // namespace krohn
