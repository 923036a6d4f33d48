// The generalized Householder factors of a level's actions. With unnormalised keys a transposition of coordinates i
// and j is I - (e_i - e_j)(e_i - e_j)^T, a projection and write of v is k = e_i, beta = 1, value v; in doubled
// coordinates the transposition has the unit key (1/2, 1/2, -1/2, -1/2) with beta = 2, and a write takes two adjacent
// factors. Every intermediate value is a small dyadic number, so each rounding in fp32, fp16 and bf16 is exact.
//
// A permutation of w one-hot coordinates takes w - #cycles transpositions, the least possible (Scherk: rank(g - I)).
// A reset swaps the current block into the previous one where the old slot is still to be read, and overwrites the
// current block. With nonnegative spectra the swap, whose eigenvalue is -1, is replaced by averaging the two blocks
// after the previous one is cleared: half the old code stays. Tested by tests/compile/compile_test.cpp.
#include "krohn/compile/slot_layout.hpp"

#include <algorithm>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {

SlotLayout::SlotLayout(SlotEncoding encoding, std::uint32_t width, bool previous, bool halved, bool doubled)
    : encoding_(encoding),
      width_(width),
      previous_(previous),
      halved_(halved),
      // One key under which nothing is swapped is a unit vector already.
      copies_(doubled && (encoding == SlotEncoding::key_onehot || previous) ? 2 : 1),
      keys_(encoding == SlotEncoding::key_onehot ? width : 1) {
  if (encoding == SlotEncoding::scalar && width > max_scalar_slots) throw InternalError("slot layout: scalar too wide");
  if (encoding == SlotEncoding::sign && width != 2) throw InternalError("slot layout: a sign holds two slots");
}

std::vector<Entry> SlotLayout::value_of(std::uint32_t slot, std::uint32_t key) const {
  switch (encoding_) {
    case SlotEncoding::scalar:
      return slot == 0 ? std::vector<Entry>{} : std::vector<Entry>{{0, static_cast<float>(slot)}};
    case SlotEncoding::value_onehot:
      return {{slot, 1.0F}};
    case SlotEncoding::sign:
      return {{0, slot == 0 ? 1.0F : -1.0F}};
    case SlotEncoding::key_onehot:
      return slot == key ? std::vector<Entry>{{0, 1.0F}} : std::vector<Entry>{};
  }
  throw InternalError("slot layout: unknown encoding");
}

std::vector<float> SlotLayout::initial(std::uint32_t slot) const {
  std::vector<float> hidden(key_size() * value_size(), 0.0F);
  for (std::uint32_t key = 0; key < keys_; ++key) {
    for (const Entry& entry : value_of(slot, key)) {
      for (std::uint32_t copy = 0; copy < copies_; ++copy) {
        hidden[(key * copies_ + copy) * value_size() + entry.index] = entry.value;
      }
    }
  }
  return hidden;
}

SlotReadout SlotLayout::readout(std::uint32_t num_slots, bool of_previous) const {
  const float scale = of_previous && halved_ ? 0.5F : 1.0F;
  const auto base = static_cast<std::uint32_t>(of_previous ? copies_ * keys_ * value_size() : 0);
  SlotReadout readout;
  for (std::uint32_t slot = 0; slot < num_slots; ++slot) {
    std::vector<Entry> weight;
    float bias = 0.0F;
    switch (encoding_) {
      case SlotEncoding::scalar: {  // nearest centre: c h - c^2 / 2
        const float centre = scale * static_cast<float>(slot);
        if (slot != 0) weight.push_back({base, centre});
        bias = slot == 0 ? 0.0F : -0.5F * centre * centre;
        break;
      }
      case SlotEncoding::value_onehot:
        weight.push_back({base + slot, 1.0F});
        break;
      case SlotEncoding::sign:
        weight.push_back({base, slot == 0 ? 1.0F : -1.0F});
        break;
      case SlotEncoding::key_onehot:
        weight.push_back({base + slot * copies_, 1.0F});
        break;
    }
    readout.weight.push_back(std::move(weight));
    readout.bias.push_back(bias);
  }
  return readout;
}

void SlotLayout::push_transposition(TokenRow& row, std::uint32_t i, std::uint32_t j, bool average) const {
  if (i > j) std::swap(i, j);
  GeneralizedHouseholder factor;
  if (copies_ == 1) {
    factor.key = {{i, 1.0F}, {j, -1.0F}};
    factor.beta = average ? 0.5F : 1.0F;
  } else {
    factor.key = {{2 * i, 0.5F}, {2 * i + 1, 0.5F}, {2 * j, -0.5F}, {2 * j + 1, -0.5F}};
    factor.beta = average ? 1.0F : 2.0F;
  }
  row.factors.push_back(std::move(factor));
}

void SlotLayout::push_write(TokenRow& row, std::uint32_t key, const std::vector<Entry>& value) const {
  for (std::uint32_t copy = 0; copy < copies_; ++copy) {
    row.factors.push_back({{{key * copies_ + copy, 1.0F}}, 1.0F, value});
  }
}

void SlotLayout::push_permutation(TokenRow& row, const std::vector<std::uint32_t>& image) const {
  if (encoding_ == SlotEncoding::sign) {
    for (std::uint32_t copy = 0; copy < copies_; ++copy) row.factors.push_back({{{copy, 1.0F}}, 2.0F, {}});
    return;
  }
  if (encoding_ != SlotEncoding::key_onehot) throw InternalError("slot layout: a register cannot permute");
  // A cycle first -> a -> b -> .. is the swaps (first a), (first b), .. in this order: each puts what the last one
  // brought to `first` where it belongs.
  std::vector<bool> done(width_, false);
  for (std::uint32_t first = 0; first < width_; ++first) {
    if (done[first]) continue;
    for (std::uint32_t at = image[first]; at != first; at = image[at]) {
      done[at] = true;
      push_transposition(row, first, at, false);
    }
  }
}

TokenRow SlotLayout::row(const SlotAction& action, bool gate) const {
  TokenRow row;
  if (action.kind == SlotAction::Kind::identity) return row;
  if (action.kind == SlotAction::Kind::permutation) {
    push_permutation(row, action.image);
    return row;
  }
  if (previous_) {
    if (gate) {
      row.gate.assign(key_size(), 1.0F);
      std::fill(row.gate.begin() + copies_ * keys_, row.gate.end(), 0.0F);
    } else if (halved_) {
      for (std::uint32_t key = 0; key < keys_; ++key) push_write(row, keys_ + key, {});
    }
    for (std::uint32_t key = 0; key < keys_; ++key) push_transposition(row, key, keys_ + key, halved_);
  } else if (gate) {
    row.gate = {0.0F};
  }
  const bool current_is_zero = gate && !halved_;
  for (std::uint32_t key = 0; key < keys_; ++key) {
    const std::vector<Entry> value = value_of(action.image[0], key);
    if (!current_is_zero) {
      push_write(row, key, value);
      continue;
    }
    for (std::uint32_t copy = 0; copy < copies_; ++copy) {
      for (const Entry& entry : value) {
        row.write.push_back(
            {static_cast<std::uint32_t>((key * copies_ + copy) * value_size() + entry.index), entry.value});
      }
    }
  }
  return row;
}

}  // namespace krohn
