// A second reading of docs/semantics.md for tests: dense loops over the model's own values, with a fused multiply-add
// built from double arithmetic. Shares no code with the engine.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn::reference {

/// fma(a, b, c) in binary32. The product is exact in double; the sum is rounded to odd (the error of the double sum is
/// known exactly by Knuth's two-sum), and a value rounded to odd in 53 >= 24 + 2 bits rounds to binary32 as the exact
/// value does (Boldo and Melquiond 2008).
inline float fma(float a, float b, float c) {
  const double p = static_cast<double>(a) * static_cast<double>(b);
  const double z = static_cast<double>(c);
  double sum = p + z;
  if (!std::isfinite(sum)) return static_cast<float>(sum);
  const double t = sum - p;
  const double error = (p - (sum - t)) + (z - t);
  if (error != 0.0 && (std::bit_cast<std::uint64_t>(sum) & 1U) == 0U) {
    sum = std::nextafter(
        sum, error > 0.0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity());
  }
  return static_cast<float>(sum);
}

/// The value of a format with `digits` significant bits and least subnormal 2^least nearest to x, ties to even.
inline float round_to(float x, int digits, int least, float overflow) {
  if (x == 0.0F || !std::isfinite(x)) return x;
  const int exponent = std::ilogb(x);
  const int ulp = std::max(exponent - digits + 1, least);
  const double scaled = std::ldexp(static_cast<double>(x), -ulp);
  double down = std::floor(scaled);
  const double rest = scaled - down;
  if (rest > 0.5 || (rest == 0.5 && std::fmod(down, 2.0) != 0.0)) down += 1.0;
  const double result = std::ldexp(down, ulp);
  if (std::fabs(result) >= static_cast<double>(overflow)) {
    return std::copysign(std::numeric_limits<float>::infinity(), x);
  }
  return static_cast<float>(result);
}

inline float store(float x, Semantics semantics) {
  if (semantics == Semantics::fp16_state_v1) x = round_to(x, 11, -24, 65536.0F);
  if (semantics == Semantics::bf16_state_v1) x = round_to(x, 8, -133, std::numeric_limits<float>::infinity());
  return x == 0.0F ? 0.0F : x;
}

struct Position {
  std::int32_t label = undefined_label;
  float margin = 0.0F;
  friend bool operator==(const Position&, const Position&) = default;
};

/// A run of the model on one word, one symbol at a time.
class Run {
 public:
  Run(const LrnnModel& model, Semantics semantics) : model_(model), semantics_(semantics) {
    for (const TableLayer& layer : model.layers()) {
      std::vector<float>& h = hidden_.emplace_back(layer.initial_hidden);
      for (float& x : h) x = store(x, semantics);
    }
  }

  Position start() const {
    const std::int32_t label = model_.initial_label();
    return {label, label < 0 ? 0.0F : std::numeric_limits<float>::infinity()};
  }

  /// Sets error() where NaN or infinity arises.
  Position step(Symbol symbol) {
    if (undefined_ || error_) return {};
    std::int32_t row = model_.symbol_row()[symbol];
    float margin = std::numeric_limits<float>::infinity();
    for (std::size_t l = 0; l < hidden_.size(); ++l) {
      if (row < 0) return poison();
      const TableLayer& layer = model_.layers()[l];
      const auto r = static_cast<std::size_t>(row);
      std::optional<std::size_t> slot;
      if (layer.reads_before) {
        slot = decode(layer.readouts[layer.row_readout[r]], hidden_[l], margin);
        if (error_) return {};
        if (!slot) return poison();
      }
      apply(layer, layer.table.row(layer.row_action[r]), hidden_[l]);
      if (error_) return {};
      if (!layer.reads_before) {
        slot = decode(layer.readouts[layer.row_readout[r]], hidden_[l], margin);
        if (error_) return {};
        if (!slot) return poison();
      }
      row = layer.next[layer.row_next[r] + *slot];
    }
    if (row < 0) return poison();
    return {row, margin};
  }

  bool error() const { return error_; }
  bool undefined() const { return undefined_; }
  std::vector<float> hidden() const {
    std::vector<float> all;
    for (const auto& h : hidden_) all.insert(all.end(), h.begin(), h.end());
    return all;
  }

 private:
  Position poison() {
    undefined_ = true;
    for (auto& h : hidden_) std::fill(h.begin(), h.end(), 0.0F);
    return {};
  }

  std::optional<std::size_t> decode(const SlotReadout& readout, const std::vector<float>& h, float& margin) {
    std::vector<float> scores;
    for (std::size_t i = 0; i < readout.num_slots(); ++i) {
      float score = readout.bias[i];
      for (const Entry& entry : readout.weight[i]) score = fma(entry.value, h[entry.index], score);
      if (!std::isfinite(score)) error_ = true;
      scores.push_back(score);
    }
    if (error_) return std::nullopt;
    std::size_t best = 0;
    for (std::size_t i = 1; i < scores.size(); ++i) {
      if (scores[i] > scores[best]) best = i;
    }
    float second = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (i != best) second = std::max(second, scores[i]);
    }
    if (second == scores[best]) return std::nullopt;
    margin = std::min(margin, scores[best] - second);
    return best;
  }

  void apply(const TableLayer& layer, const TokenRow& row, std::vector<float>& h) {
    const std::size_t columns = layer.table.value_size();
    for (std::size_t m = 0; m < columns; ++m) {
      for (std::size_t j = 0; j < layer.table.key_size(); ++j) {
        const float a = row.gate.size() == 1 ? row.gate[0] : row.gate[j];
        float& x = h[j * columns + m];
        if (a == 0.0F) {
          x = 0.0F;
        } else if (a != 1.0F) {
          x = a * x;
        }
      }
      for (const GeneralizedHouseholder& factor : row.factors) {
        if (factor.beta == 0.0F) continue;
        float v = 0.0F;
        for (const Entry& entry : factor.value) {
          if (entry.index == m) v = entry.value;
        }
        float acc = 0.0F;
        const std::vector<Entry>& read = factor.read.empty() ? factor.key : factor.read;
        for (const Entry& r : read) acc = fma(r.value, h[r.index * columns + m], acc);
        const float difference = v - acc;
        const float c = factor.beta * difference;
        for (const Entry& k : factor.key) h[k.index * columns + m] = fma(c, k.value, h[k.index * columns + m]);
      }
    }
    for (const Entry& entry : row.write) h[entry.index] = h[entry.index] + entry.value;
    for (float& x : h) {
      x = store(x, semantics_);
      if (!std::isfinite(x)) error_ = true;
    }
  }

  const LrnnModel& model_;
  Semantics semantics_;
  std::vector<std::vector<float>> hidden_;
  bool undefined_ = false;
  bool error_ = false;
};

}  // namespace krohn::reference
