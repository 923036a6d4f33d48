// Plain loops for the semantics of illustrations: a chain of layers as in docs/semantics.md, sections 3 to 5, around
// an update that is either the canonical one with every operation rounded on its own, or a triangular matrix product.
// Nothing here is fast; the bits are the point. Linear in the size of the touched rows a token.
// Tested by tests/verify/refute_test.cpp.
#include "krohn/engine/compiled/theorem_machines.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "krohn/error.hpp"
#include "krohn/numeric/fused.hpp"

namespace krohn {
namespace {

/// What both kinds share: rows, slots, labels, the undefined bit, the bytes.
class ChainMachine : public Machine {
 public:
  ChainMachine(const LrnnModel& model, NumberFormat format, std::string semantics)
      : model_(model), format_(format), semantics_(std::move(semantics)) {
    for (const TableLayer& layer : model_.layers()) {
      for (std::size_t row = 0; row < layer.table.num_rows(); ++row) {
        if (row == 0) rows_.emplace_back();
        rows_.back().push_back(layer.table.row(row));
      }
    }
  }

  const Alphabet& alphabet() const override { return model_.alphabet(); }
  const std::vector<std::string>& label_names() const override { return model_.label_names(); }
  std::string_view semantics() const override { return semantics_; }
  std::size_t state_size() const override { return 4 * model_.hidden_size() + 4; }

  Observation initial(std::span<std::byte> state) const override {
    std::vector<float> hidden;
    for (const TableLayer& layer : model_.layers()) {
      for (const float x : layer.initial_hidden) hidden.push_back(finite(stored_in(x, format_)));
    }
    write(state, hidden, 0);
    const bool undefined = model_.initial_label() == undefined_label;
    return {model_.initial_label(), undefined ? 0.0F : std::numeric_limits<float>::infinity()};
  }

  Observation step(std::span<std::byte> state, Symbol symbol) const override {
    std::vector<float> hidden(model_.hidden_size());
    std::uint32_t undefined = 0;
    if (!hidden.empty()) std::memcpy(hidden.data(), state.data(), 4 * hidden.size());
    std::memcpy(&undefined, state.data() + 4 * hidden.size(), 4);
    if (undefined != 0) return {};
    std::int32_t row = model_.symbol_row().at(symbol);
    float margin = std::numeric_limits<float>::infinity();
    std::size_t offset = 0;
    for (std::size_t l = 0; l < model_.layers().size() && row != undefined_row; ++l) {
      const TableLayer& layer = model_.layers()[l];
      const std::span<float> h = std::span(hidden).subspan(offset, layer.hidden_size());
      const auto r = static_cast<std::size_t>(row);
      const SlotReadout& readout = layer.readouts[layer.row_readout[r]];
      std::optional<std::size_t> slot;
      if (layer.reads_before) {
        slot = decode(readout, h, margin);
        if (!slot) return poison(state);
      }
      apply(l, layer.row_action[r], rows_[l][layer.row_action[r]], h);
      for (float& x : h) x = finite(stored_in(x, format_));
      if (!layer.reads_before) slot = decode(readout, h, margin);
      if (!slot) return poison(state);
      row = layer.next[layer.row_next[r] + *slot];
      offset += layer.hidden_size();
    }
    if (row == undefined_row) return poison(state);
    write(state, hidden, 0);
    return {row, margin};
  }

 protected:
  /// Steps 1 to 3 of a row on one layer's hidden state, before storing.
  virtual void apply(std::size_t layer, std::size_t index, const TokenRow& row, std::span<float> h) const = 0;
  const LrnnModel& model() const { return model_; }
  NumberFormat format() const { return format_; }

 private:
  float finite(float x) const {
    if (is_not_finite(x)) throw NumericError("NaN or infinity in the hidden state in " + semantics_);
    return x;
  }

  void write(std::span<std::byte> state, const std::vector<float>& hidden, std::uint32_t undefined) const {
    if (!hidden.empty()) std::memcpy(state.data(), hidden.data(), 4 * hidden.size());
    std::memcpy(state.data() + 4 * hidden.size(), &undefined, 4);
  }

  Observation poison(std::span<std::byte> state) const {
    write(state, std::vector<float>(model_.hidden_size(), 0.0F), 1);
    return {};
  }

  std::optional<std::size_t> decode(const SlotReadout& readout, std::span<const float> h, float& margin) const {
    std::size_t best = 0;
    float best_score = 0.0F;
    float second = -std::numeric_limits<float>::infinity();
    for (std::size_t slot = 0; slot < readout.num_slots(); ++slot) {
      float score = readout.bias[slot];
      for (const Entry& entry : readout.weight[slot]) score = numeric::fused(entry.value, h[entry.index], score);
      finite(score);
      if (slot == 0 || score > best_score) {
        if (slot != 0) second = best_score;
        best = slot;
        best_score = score;
      } else {
        second = std::max(second, score);
      }
    }
    if (readout.num_slots() == 1) return best;
    if (second == best_score) return std::nullopt;
    margin = std::min(margin, best_score - second);
    return best;
  }

  LrnnModel model_;
  NumberFormat format_;
  std::string semantics_;
  std::vector<std::vector<TokenRow>> rows_;
};

class SeparateMachine final : public ChainMachine {
 public:
  SeparateMachine(const LrnnModel& model, NumberFormat format)
      : ChainMachine(model, format, Arithmetic{format, true}.name()) {}

 private:
  void apply(std::size_t layer, std::size_t, const TokenRow& row, std::span<float> h) const override {
    const std::size_t columns = model().layers()[layer].table.value_size();
    const auto op = [this](float x) { return rounded_to(x, format()); };
    for (std::size_t i = 0; i < h.size(); ++i) {
      const float gate = row.gate.size() == 1 ? row.gate[0] : row.gate[i / columns];
      if (gate == 0.0F) {
        h[i] = 0.0F;
      } else if (gate != 1.0F) {
        h[i] = op(gate * h[i]);
      }
    }
    for (const GeneralizedHouseholder& factor : row.factors) {
      if (factor.beta == 0.0F) continue;
      for (std::size_t m = 0; m < columns; ++m) {
        float value = 0.0F;
        for (const Entry& entry : factor.value) {
          if (entry.index == m) value = entry.value;
        }
        float dot = 0.0F;
        for (const Entry& entry : factor.reads_by()) dot = op(dot + op(entry.value * h[entry.index * columns + m]));
        const float c = op(factor.beta * op(value - dot));
        for (const Entry& entry : factor.key) {
          float& x = h[entry.index * columns + m];
          x = op(x + op(c * entry.value));
        }
      }
    }
    for (const Entry& entry : row.write) h[entry.index] = op(h[entry.index] + entry.value);
  }
};

class TriangularMachine final : public ChainMachine {
 public:
  TriangularMachine(const TriangularModel& model, NumberFormat format)
      : ChainMachine(model.chain(), format, std::string(number_format_name(format)) + "-triangular-v1"),
        triangular_(model) {}

 private:
  void apply(std::size_t layer, std::size_t index, const TokenRow& row, std::span<float> h) const override {
    const std::vector<float>& lower = triangular_.lower(layer, index);
    const std::size_t size = h.size();
    std::vector<float> write(size, 0.0F);
    for (const Entry& entry : row.write) write[entry.index] = entry.value;
    for (std::size_t i = size; i-- > 0;) {
      float acc = 0.0F;
      for (std::size_t j = 0; j < i; ++j) {
        if (lower[i * size + j] != 0.0F) acc = numeric::fused(lower[i * size + j], h[j], acc);
      }
      acc = numeric::fused(row.gate.size() == 1 ? row.gate[0] : row.gate[i], h[i], acc);
      h[i] = acc + write[i];
    }
  }

  TriangularModel triangular_;
};

}  // namespace

std::string_view number_format_name(NumberFormat format) {
  switch (format) {
    case NumberFormat::fp16:
      return "fp16";
    case NumberFormat::bf16:
      return "bf16";
    case NumberFormat::fp32:
      break;
  }
  return "fp32";
}

std::optional<NumberFormat> parse_number_format(std::string_view text) {
  for (const NumberFormat format : {NumberFormat::fp32, NumberFormat::fp16, NumberFormat::bf16}) {
    if (text == number_format_name(format)) return format;
  }
  return std::nullopt;
}

std::unique_ptr<Machine> make_separate_machine(const LrnnModel& model, NumberFormat format) {
  return std::make_unique<SeparateMachine>(model, format);
}

std::unique_ptr<Machine> make_triangular_machine(const TriangularModel& model, NumberFormat format) {
  return std::make_unique<TriangularMachine>(model, format);
}

Semantics canonical_semantics(NumberFormat format) {
  switch (format) {
    case NumberFormat::fp16:
      return Semantics::fp16_state_v1;
    case NumberFormat::bf16:
      return Semantics::bf16_state_v1;
    case NumberFormat::fp32:
      break;
  }
  return Semantics::fp32_fma_v1;
}

std::string Arithmetic::name() const {
  if (!separate) return std::string(semantics_id(canonical_semantics(format)));
  return std::string(number_format_name(format)) + "-separate-v1";
}

Arithmetic arithmetic_of(Semantics semantics) {
  if (integer_format(semantics)) {
    throw InputError("semantics: expected floating point (fp32, fp16, bf16), which the theorems are about, got " +
                     std::string(semantics_id(semantics)) + ", where sums wrap or saturate; see --format");
  }
  for (const NumberFormat format : {NumberFormat::fp16, NumberFormat::bf16}) {
    if (canonical_semantics(format) == semantics) return {format, false};
  }
  return {};
}

std::optional<Arithmetic> parse_arithmetic(std::string_view text) {
  for (const NumberFormat format : {NumberFormat::fp32, NumberFormat::fp16, NumberFormat::bf16}) {
    for (const bool separate : {false, true}) {
      const Arithmetic arithmetic{format, separate};
      if (text == arithmetic.name() || (!separate && text == number_format_name(format))) return arithmetic;
    }
  }
  return std::nullopt;
}

std::unique_ptr<Machine> make_machine(const LrnnModel& model, const Arithmetic& arithmetic) {
  return arithmetic.separate ? make_separate_machine(model, arithmetic.format)
                             : make_machine(model, canonical_semantics(arithmetic.format));
}

}  // namespace krohn
