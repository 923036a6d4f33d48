// The exact inputs of one recurrence step, a row for each letter action: gate, generalized Householder (GH) factors
// with the values that they write, and additive writes. Everything that reasons exactly reasons on such tables.
//
// A row acts on the hidden matrix H [key_size, value_size], column by column:
//     H <- gate . H;   for each factor in order:  H <- H + k (beta (v - r^T H))^T  =  (I - beta k r^T) H + beta k v^T;
//     H <- H + write,
// where a factor reads by its key, r = k, unless it has a vector r of its own.
// The order of operations and the roundings are those of docs/semantics.md. Keys, values and writes are stored
// sparse: an entry that is absent is zero and takes part in no operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace krohn {

/// A sparse vector entry: `value` at `index`. Indices ascend strictly within a vector; values are finite, non-zero.
struct Entry {
  std::uint32_t index = 0;
  float value = 0.0F;
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// `I - beta k k^T` with the key as stored (not normalised), and the value row [value_size] that the delta rule
/// writes with it. Eigenvalues: 1, and 1 - beta |k|^2. With a vector `read` it is `I - beta k r^T`, as RWKV-7 has it,
/// with 1 - beta r.k in place of 1 - beta |k|^2.
struct GeneralizedHouseholder {
  std::vector<Entry> key;
  float beta = 0.0F;
  std::vector<Entry> value;
  /// Empty: the key.
  std::vector<Entry> read = {};

  const std::vector<Entry>& reads_by() const noexcept { return read.empty() ? key : read; }
  friend bool operator==(const GeneralizedHouseholder&, const GeneralizedHouseholder&) = default;
};

/// One row of a TokenTable, as a value.
struct TokenRow {
  /// One entry (a scalar gate) or key_size entries (diagonal decay, entry j scaling row j of H).
  std::vector<float> gate = {1.0F};
  /// In order of application: factors[0] acts first.
  std::vector<GeneralizedHouseholder> factors;
  /// Added last; `index` is j * value_size + column.
  std::vector<Entry> write;
  friend bool operator==(const TokenRow&, const TokenRow&) = default;
};

/// An immutable list of rows for one layer, stored as arrays so that kernels take plain views of it.
class TokenTable {
 public:
  /// Throws InputError ("rows[r].factors[f].key: expected ..., got ...") for a size of zero, an index out of range or
  /// out of order, a value that is zero, NaN or infinite, or a gate of the wrong length.
  TokenTable(std::size_t key_size, std::size_t value_size, const std::vector<TokenRow>& rows);

  /// The stored form; offsets have one entry more than they have items.
  struct Arrays {
    std::vector<std::uint32_t> gate_offset;    // [rows + 1] into gate
    std::vector<float> gate;                   // 1 or key_size a row
    std::vector<std::uint32_t> factor_offset;  // [rows + 1] into beta, key_offset, value_offset
    std::vector<float> beta;                   // [factors]
    std::vector<std::uint32_t> key_offset;     // [factors + 1] into key_index, key_value
    std::vector<std::uint32_t> key_index;
    std::vector<float> key_value;
    std::vector<std::uint32_t> value_offset;  // [factors + 1] into value_index, value_value
    std::vector<std::uint32_t> value_index;
    std::vector<float> value_value;
    std::vector<std::uint32_t> write_offset;  // [rows + 1] into write_index, write_value
    std::vector<std::uint32_t> write_index;
    std::vector<float> write_value;
    // All empty where every factor reads by its key.
    std::vector<std::uint32_t> read_offset;  // [factors + 1] into read_index, read_value
    std::vector<std::uint32_t> read_index;
    std::vector<float> read_value;
    friend bool operator==(const Arrays&, const Arrays&) = default;
  };
  /// The same checks on arrays read from a file.
  TokenTable(std::size_t key_size, std::size_t value_size, Arrays arrays);

  std::size_t key_size() const noexcept { return key_size_; }
  std::size_t value_size() const noexcept { return value_size_; }
  std::size_t num_rows() const noexcept { return arrays_.factor_offset.size() - 1; }
  std::size_t num_factors() const noexcept { return arrays_.beta.size(); }
  /// The largest number of factors in a row (n_h of the layer).
  std::size_t num_householder() const noexcept;
  /// True if some row's gate is not exactly 1.
  bool gated() const noexcept;
  /// True if some factor reads by a vector of its own.
  bool reads_apart() const noexcept { return !arrays_.read_offset.empty(); }
  const Arrays& arrays() const noexcept { return arrays_; }
  TokenRow row(std::size_t index) const;

  friend bool operator==(const TokenTable&, const TokenTable&) = default;

 private:
  void validate() const;
  std::size_t key_size_ = 0;
  std::size_t value_size_ = 0;
  Arrays arrays_;
};

}  // namespace krohn
