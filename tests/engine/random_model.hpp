// Random compiled models for tests: every feature of the format, drawn from a seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "krohn/model/lrnn_model.hpp"

namespace krohn::testing {

/// What a random model looks like; `sparse` draws keys of two entries, as compiled models have.
struct RandomShape {
  std::size_t symbols = 3;
  std::size_t layers = 1;
  std::size_t key_size = 3;
  std::size_t value_size = 1;
  std::size_t factors = 2;
  std::size_t slots = 4;
  bool gates = true;
  bool values = true;
  bool writes = true;
  bool sparse = false;
  bool reads_before = false;
  /// Some factors read by a vector of their own.
  bool reads_apart = false;
  /// Every decode is into this many rows of the next layer, some of them undefined.
  bool undefined_rows = false;
};

class RandomModel {
 public:
  explicit RandomModel(std::uint32_t seed) : random_(seed) {}

  LrnnModel draw(const RandomShape& shape) {
    constexpr std::size_t labels = 5;
    std::vector<std::string> names;
    for (std::size_t a = 0; a < shape.symbols; ++a) names.push_back("x" + std::to_string(a));
    const std::size_t rows = shape.symbols + 2;
    std::vector<std::int32_t> symbol_row;
    for (std::size_t a = 0; a < shape.symbols; ++a) {
      symbol_row.push_back(static_cast<std::int32_t>(below(shape.layers == 0 ? labels : rows)));
    }
    std::vector<TableLayer> layers;
    for (std::size_t l = 0; l < shape.layers; ++l)
      layers.push_back(layer(shape, rows, l + 1 < shape.layers ? rows : labels));
    return LrnnModel(Alphabet(names), {"l0", "l1", "l2", "l3", "l4"}, static_cast<std::int32_t>(below(labels)),
                     std::move(symbol_row), std::move(layers));
  }

  Word word(std::size_t symbols, std::size_t length) {
    Word word(length);
    for (Symbol& a : word) a = static_cast<Symbol>(below(symbols));
    return word;
  }
  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  float real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_); }
  bool chance(unsigned percent) { return below(100) < percent; }

  std::vector<Entry> entries(std::size_t size, unsigned percent, float low, float high) {
    std::vector<Entry> result;
    for (std::uint32_t i = 0; i < size; ++i) {
      const float value = real(low, high);
      if (chance(percent) && value != 0.0F) result.push_back({i, value});
    }
    return result;
  }

  TokenRow row(const RandomShape& shape) {
    TokenRow row;
    if (shape.gates && chance(50)) {
      const auto gate = [&] {
        const std::size_t kind = below(4);
        return kind == 0 ? 0.0F : kind == 1 ? 1.0F : kind == 2 ? -1.0F : real(-1.0F, 1.0F);
      };
      row.gate.assign(chance(50) ? 1 : shape.key_size, 0.0F);
      std::generate(row.gate.begin(), row.gate.end(), gate);
    }
    const std::size_t factors = below(shape.factors + 1);
    for (std::size_t f = 0; f < factors; ++f) {
      GeneralizedHouseholder factor;
      if (shape.sparse && shape.key_size > 1) {
        const auto i = static_cast<std::uint32_t>(below(shape.key_size));
        auto j = static_cast<std::uint32_t>(below(shape.key_size - 1));
        if (j >= i) ++j;
        factor.key = {{std::min(i, j), 1.0F}, {std::max(i, j), -1.0F}};
        factor.beta = 1.0F;
      } else {
        // A unit key, so that beta in [0, 2] keeps the norm bounded.
        factor.key = entries(shape.key_size, 70, -1.0F, 1.0F);
        float norm = 0.0F;
        for (const Entry& entry : factor.key) norm += entry.value * entry.value;
        for (Entry& entry : factor.key) entry.value /= std::sqrt(norm);
        const std::size_t kind = below(5);
        factor.beta = kind == 0   ? 0.0F
                      : kind == 1 ? 1.0F
                      : kind == 2 ? 2.0F
                      : kind == 3 ? real(1.0F, 2.0F)
                                  : real(0.0F, 1.0F);
      }
      if (shape.reads_apart && chance(60)) factor.read = entries(shape.key_size, 60, -1.0F, 1.0F);
      if (shape.values) factor.value = entries(shape.value_size, 40, -1.0F, 1.0F);
      row.factors.push_back(std::move(factor));
    }
    if (shape.writes && chance(40)) row.write = entries(shape.key_size * shape.value_size, 40, -0.125F, 0.125F);
    return row;
  }

  TableLayer layer(const RandomShape& shape, std::size_t rows, std::size_t next_rows) {
    std::vector<TokenRow> table;
    for (std::size_t r = 0; r < rows + 1; ++r) table.push_back(row(shape));
    const std::size_t hidden = shape.key_size * shape.value_size;
    TableLayer layer{
        TokenTable(shape.key_size, shape.value_size, table), {}, {}, shape.reads_before && chance(60), {}, {}, {}, {}};
    for (std::size_t i = 0; i < hidden; ++i) layer.initial_hidden.push_back(real(-1.0F, 1.0F));
    for (std::size_t i = 0; i < 2; ++i) {
      SlotReadout readout;
      const std::size_t slots = i == 0 ? shape.slots : 1 + below(shape.slots);
      for (std::size_t s = 0; s < slots; ++s) {
        readout.weight.push_back(entries(hidden, 80, -1.0F, 1.0F));
        readout.bias.push_back(chance(50) ? 0.0F : real(-0.5F, 0.5F));
      }
      layer.readouts.push_back(std::move(readout));
    }
    for (std::size_t r = 0; r < rows; ++r) {
      layer.row_action.push_back(static_cast<std::uint32_t>(below(rows + 1)));
      layer.row_readout.push_back(static_cast<std::uint32_t>(below(2)));
      layer.row_next.push_back(static_cast<std::uint32_t>(layer.next.size()));
      for (std::size_t s = 0; s < layer.readouts[layer.row_readout.back()].num_slots(); ++s) {
        const bool undefined = shape.undefined_rows && chance(2);
        layer.next.push_back(undefined ? undefined_row : static_cast<std::int32_t>(below(next_rows)));
      }
    }
    return layer;
  }

  std::mt19937 random_;
};

/// The same model with small integers in its tables and initial states, for the integer semantics.
inline LrnnModel with_integers(const LrnnModel& model) {
  const auto whole = [](std::vector<Entry>& entries, float scale) {
    for (Entry& entry : entries) entry.value = std::round(scale * entry.value);
    std::erase_if(entries, [](const Entry& entry) { return entry.value == 0.0F; });
  };
  std::vector<TableLayer> layers = model.layers();
  for (TableLayer& layer : layers) {
    std::vector<TokenRow> rows;
    for (std::size_t r = 0; r < layer.table.num_rows(); ++r) {
      TokenRow& row = rows.emplace_back(layer.table.row(r));
      for (float& a : row.gate) a = std::round(2.0F * a);
      for (GeneralizedHouseholder& factor : row.factors) {
        factor.beta = std::round(factor.beta);
        whole(factor.key, 3.0F);
        whole(factor.read, 3.0F);
        whole(factor.value, 60.0F);
      }
      whole(row.write, 800.0F);
    }
    layer.table = TokenTable(layer.table.key_size(), layer.table.value_size(), rows);
    for (float& x : layer.initial_hidden) x = std::round(100.0F * x);
  }
  return {model.alphabet(), model.label_names(), model.initial_label(), model.symbol_row(), std::move(layers)};
}

/// The same model with random codes in every other layer, at least in the first, for fp32-snap-v1.
inline LrnnModel with_codes(const LrnnModel& model, std::size_t codes, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> real(-1.0F, 1.0F);
  std::vector<TableLayer> layers = model.layers();
  for (std::size_t l = 0; l < layers.size(); l += 2) {
    for (std::size_t i = 0; i < codes * layers[l].hidden_size(); ++i) layers[l].codes.push_back(real(random) + 0.0F);
  }
  return {model.alphabet(), model.label_names(), model.initial_label(), model.symbol_row(), std::move(layers)};
}

// Integer swaps and resets on a permuted vector of distinct integers: few reachable states, none of them ties.
inline LrnnModel swaps(std::size_t size, std::size_t symbols, std::uint32_t seed, bool gate) {
  RandomModel draw(seed);
  std::vector<TokenRow> rows;
  std::vector<std::string> names;
  std::vector<std::int32_t> symbol_row;
  std::vector<std::uint32_t> row_action;
  std::vector<std::uint32_t> zeros(symbols, 0);
  for (std::size_t a = 0; a < symbols; ++a) {
    TokenRow row;
    const std::size_t count = draw.below(4);
    for (std::size_t f = 0; f < count && size > 1; ++f) {
      const auto i = static_cast<std::uint32_t>(draw.below(size - 1));
      row.factors.push_back({{{i, 1.0F}, {i + 1, -1.0F}}, 1.0F, {}});
    }
    if (size == 1 && a % 2 == 1) row.factors.push_back({{{0, 1.0F}}, 2.0F, {}});
    if (gate && a == 0) {
      row.gate = {0.0F};
      row.write = {{0, 3.0F}};
      for (std::uint32_t j = 1; j < size; ++j) row.write.push_back({j, 1.0F / static_cast<float>(j)});
    }
    rows.push_back(row);
    names.push_back("x" + std::to_string(a));
    symbol_row.push_back(static_cast<std::int32_t>(a));
    row_action.push_back(static_cast<std::uint32_t>(a));
  }
  SlotReadout first;
  std::vector<std::int32_t> next;
  for (std::uint32_t j = 0; j < size; ++j) {
    first.weight.push_back({{j, 1.0F}});
    first.bias.push_back(0.0F);
  }
  first.weight.push_back({{0, -1.0F}});
  first.bias.push_back(0.25F);
  std::vector<std::string> labels;
  for (std::size_t slot = 0; slot <= size; ++slot) {
    next.push_back(static_cast<std::int32_t>(slot));
    labels.push_back(std::to_string(slot));
  }
  std::vector<float> initial;
  for (std::size_t j = 0; j < size; ++j) initial.push_back(static_cast<float>(j + 1));
  TableLayer layer{TokenTable(size, 1, rows), initial, {first}, seed % 2 == 1, row_action, zeros, zeros, next};
  return LrnnModel(Alphabet(names), labels, 0, symbol_row, {layer});
}

}  // namespace krohn::testing
