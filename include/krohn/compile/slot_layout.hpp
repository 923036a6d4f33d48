// How a cascade level's slot is kept in a layer's hidden matrix, and the factors that act on it.
#pragma once

#include <cstdint>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/model/lrnn_model.hpp"

namespace krohn {

/// How a slot is written in a hidden matrix.
enum class SlotEncoding {
  scalar,        ///< the slot as an integer under one key; at most max_scalar_slots slots, resets only
  value_onehot,  ///< one-hot in the value dimension under one key; resets only
  sign,          ///< two slots as +1 and -1 under one key
  key_onehot,    ///< one-hot over keys
};

/// The largest width that SlotEncoding::scalar holds exactly in bf16 (8 significant bits).
inline constexpr std::uint32_t max_scalar_slots = 256;

/// A hidden matrix of one or two blocks of keys (current, and perhaps previous), each holding a slot's code.
class SlotLayout {
 public:
  /// With `previous` a second block keeps the slot before the last reset; with `halved` (nonnegative spectra) it
  /// keeps half its code. With `doubled` every key coordinate that is swapped is stored twice, for dyadic unit keys.
  SlotLayout(SlotEncoding encoding, std::uint32_t width, bool previous, bool halved, bool doubled);

  std::size_t key_size() const noexcept { return std::size_t{copies_} * keys_ * (previous_ ? 2 : 1); }
  std::size_t value_size() const noexcept { return encoding_ == SlotEncoding::value_onehot ? width_ : 1; }

  /// H_0 [key_size, value_size] for a slot.
  std::vector<float> initial(std::uint32_t slot) const;
  /// Decodes the current (or the previous) block among the slots 0 .. num_slots - 1.
  SlotReadout readout(std::uint32_t num_slots, bool of_previous) const;
  /// The table row of an action. `gate` resets by a zero gate instead of projections. A reset keeps the old slot in
  /// the previous block if there is one.
  TokenRow row(const SlotAction& action, bool gate) const;

 private:
  std::vector<Entry> value_of(std::uint32_t slot, std::uint32_t key) const;
  void push_transposition(TokenRow& row, std::uint32_t i, std::uint32_t j, bool average) const;
  void push_write(TokenRow& row, std::uint32_t key, const std::vector<Entry>& value) const;
  void push_permutation(TokenRow& row, const std::vector<std::uint32_t>& image) const;

  SlotEncoding encoding_;
  std::uint32_t width_;
  bool previous_;
  bool halved_;
  std::uint32_t copies_;
  std::uint32_t keys_;
};

}  // namespace krohn
