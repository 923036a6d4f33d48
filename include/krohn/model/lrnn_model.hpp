// Compiled linear RNNs: a chain of table layers and a readout that is a table.
//
// One time step on symbol a. The first layer's row is symbol_row[a]. Layer l on row r applies
// table row `row_action[r]` to its hidden state, decodes one *slot* (a small integer) from the hidden state with
// readout `row_readout[r]`, and hands on `next[row_next[r] + slot]`: the row of layer l+1, or after the last layer
// the label. Where the layer `reads_before`, the slot is decoded from the hidden state *before* the update (what the
// layer's readout was at t-1), else from the state after it. A tie in a decode, or `undefined_row` as the next row,
// makes the label of this and of every later position `?` (undefined_label), equal to no label. A layer with *codes*
// replaces its hidden state, once updated, by the nearest of them (docs/semantics.md, 12).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/model/token_table.hpp"

namespace krohn {

/// The model's answer where its readout ties or leaves its tables: printed `?`, equal to no label.
inline constexpr std::int32_t undefined_label = -1;
/// An entry of TableLayer::next that leads nowhere.
inline constexpr std::int32_t undefined_row = -1;

/// Decodes a slot from a hidden state by linear scores: score_i = bias_i + sum_j weight_ij vec(H)_j, vec(H) row-major
/// [key_size * value_size]; the slot is the index of the unique largest score. Nearest-centre decoding is the case
/// weight_i = c_i, bias_i = -|c_i|^2 / 2.
struct SlotReadout {
  /// Sparse rows of the weight, one a slot.
  std::vector<std::vector<Entry>> weight;
  /// [slots]
  std::vector<float> bias;
  std::size_t num_slots() const noexcept { return bias.size(); }
  friend bool operator==(const SlotReadout&, const SlotReadout&) = default;
};

/// One layer; the members are plain data, checked as a whole by LrnnModel's constructor.
struct TableLayer {
  TokenTable table;
  /// H_0, row-major [key_size, value_size].
  std::vector<float> initial_hidden;
  std::vector<SlotReadout> readouts;
  bool reads_before = false;
  /// Per row of the layer's input: the row of `table`, the index into `readouts`, and the offset into `next`, where
  /// readouts[row_readout[r]].num_slots() entries belong to the row. Rows may share entries.
  std::vector<std::uint32_t> row_action;
  std::vector<std::uint32_t> row_readout;
  std::vector<std::uint32_t> row_next;
  /// Rows of the next layer or, in the last layer, labels; undefined_row (= undefined_label) leads to `?`.
  std::vector<std::int32_t> next;
  /// [codes, key_size * value_size], row-major: what the hidden state is snapped to after every update; empty: nothing.
  /// Finite, different from each other, zeros without a sign.
  std::vector<float> codes = {};

  std::size_t num_codes() const noexcept { return codes.empty() ? 0 : codes.size() / hidden_size(); }
  std::size_t num_rows() const noexcept { return row_action.size(); }
  std::size_t hidden_size() const noexcept { return table.key_size() * table.value_size(); }
  friend bool operator==(const TableLayer&, const TableLayer&) = default;
};

/// An immutable compiled model. An existing value is valid.
class LrnnModel {
 public:
  /// `symbol_row[a]` is the first layer's row for symbol a (the label, if there are no layers); `initial_label` is
  /// the label of the empty word. Throws InputError naming every shape, index or value that is wrong.
  LrnnModel(Alphabet alphabet, std::vector<std::string> label_names, std::int32_t initial_label,
            std::vector<std::int32_t> symbol_row, std::vector<TableLayer> layers);

  const Alphabet& alphabet() const noexcept { return alphabet_; }
  const std::vector<std::string>& label_names() const noexcept { return label_names_; }
  /// The label's name, "?" for undefined_label.
  const std::string& label_name(std::int32_t label) const;
  std::int32_t initial_label() const noexcept { return initial_label_; }
  const std::vector<std::int32_t>& symbol_row() const noexcept { return symbol_row_; }
  const std::vector<TableLayer>& layers() const noexcept { return layers_; }
  /// The sum of the layers' hidden sizes: the number of scalars carried between tokens.
  std::size_t hidden_size() const noexcept;
  /// Whether a layer has codes.
  bool snapped() const noexcept;

  friend bool operator==(const LrnnModel&, const LrnnModel&) = default;

 private:
  Alphabet alphabet_;
  std::vector<std::string> label_names_;
  std::int32_t initial_label_ = undefined_label;
  std::vector<std::int32_t> symbol_row_;
  std::vector<TableLayer> layers_;
};

}  // namespace krohn
