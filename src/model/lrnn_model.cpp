// The checks that make an existing LrnnModel valid: every index that the engine follows without looking is in range.
#include "krohn/model/lrnn_model.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_problems = 12;

class Problems {
 public:
  void add(std::string problem) {
    if (problems_.size() < max_problems) problems_.push_back(std::move(problem));
  }
  void expect(bool holds, const std::string& where, const std::string& expected, const std::string& got) {
    if (!holds) add(where + ": expected " + expected + ", got " + got);
  }
  void raise_if_any() {
    if (!problems_.empty()) throw InputError(std::move(problems_));
  }

 private:
  std::vector<std::string> problems_;
};

void check_readout(const SlotReadout& readout, std::size_t hidden_size, const std::string& where, Problems& problems) {
  problems.expect(readout.num_slots() >= 1, where, "at least one slot", "none");
  problems.expect(readout.weight.size() == readout.bias.size(), where + ".weight",
                  std::to_string(readout.bias.size()) + " rows", std::to_string(readout.weight.size()));
  for (const float bias : readout.bias) {
    if (!std::isfinite(bias)) problems.add(where + ".bias: expected finite values, got " + std::to_string(bias));
  }
  for (std::size_t slot = 0; slot < readout.weight.size(); ++slot) {
    const std::vector<Entry>& row = readout.weight[slot];
    const std::string at = where + ".weight[" + std::to_string(slot) + "]";
    for (std::size_t i = 0; i < row.size(); ++i) {
      problems.expect(row[i].index < hidden_size, at, "an index below " + std::to_string(hidden_size),
                      std::to_string(row[i].index));
      problems.expect(i == 0 || row[i - 1].index < row[i].index, at, "ascending indices", "a descent");
      problems.expect(std::isfinite(row[i].value) && row[i].value != 0.0F, at, "finite non-zero values",
                      std::to_string(row[i].value));
    }
  }
}

void check_codes(const TableLayer& layer, const std::string& where, Problems& problems) {
  const std::size_t size = layer.hidden_size();
  if (layer.codes.size() % size != 0) {
    problems.add(where + ": expected rows of " + std::to_string(size) + " values, got " +
                 std::to_string(layer.codes.size()) + " values");
    return;
  }
  std::set<std::vector<float>> seen;
  for (std::size_t k = 0; k < layer.codes.size() / size; ++k) {
    const auto begin = layer.codes.begin() + static_cast<std::ptrdiff_t>(k * size);
    std::vector<float> code(begin, begin + static_cast<std::ptrdiff_t>(size));
    const std::string at = where + "[" + std::to_string(k) + "]";
    const auto bad = std::find_if(code.begin(), code.end(),
                                  [](float x) { return !std::isfinite(x) || (x == 0.0F && std::signbit(x)); });
    if (bad != code.end()) {
      problems.add(at + ": expected finite values, zeros without a sign, got " + std::to_string(*bad));
    } else if (!seen.insert(std::move(code)).second) {
      problems.add(at + ": expected codes that differ, got one twice");
    }
  }
}

void check_layer(const TableLayer& layer, const std::string& where, std::size_t next_rows, Problems& problems) {
  problems.expect(layer.initial_hidden.size() == layer.hidden_size(), where + ".initial_hidden",
                  std::to_string(layer.hidden_size()) + " values", std::to_string(layer.initial_hidden.size()));
  for (const float value : layer.initial_hidden) {
    if (!std::isfinite(value)) {
      problems.add(where + ".initial_hidden: expected finite values, got " + std::to_string(value));
    }
  }
  check_codes(layer, where + ".codes", problems);
  for (std::size_t i = 0; i < layer.readouts.size(); ++i) {
    check_readout(layer.readouts[i], layer.hidden_size(), where + ".readouts[" + std::to_string(i) + "]", problems);
  }
  const std::size_t rows = layer.num_rows();
  problems.expect(layer.row_readout.size() == rows, where + ".row_readout", std::to_string(rows) + " entries",
                  std::to_string(layer.row_readout.size()));
  problems.expect(layer.row_next.size() == rows, where + ".row_next", std::to_string(rows) + " entries",
                  std::to_string(layer.row_next.size()));
  if (layer.row_readout.size() != rows || layer.row_next.size() != rows) return;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::string at = "[" + std::to_string(row) + "]";
    problems.expect(layer.row_action[row] < layer.table.num_rows(), where + ".row_action" + at,
                    "a table row below " + std::to_string(layer.table.num_rows()),
                    std::to_string(layer.row_action[row]));
    if (layer.row_readout[row] >= layer.readouts.size()) {
      problems.add(where + ".row_readout" + at + ": expected a readout below " + std::to_string(layer.readouts.size()) +
                   ", got " + std::to_string(layer.row_readout[row]));
      continue;
    }
    const std::size_t end = std::size_t{layer.row_next[row]} + layer.readouts[layer.row_readout[row]].num_slots();
    problems.expect(end <= layer.next.size(), where + ".row_next" + at,
                    "room for the readout's slots in " + std::to_string(layer.next.size()) + " entries",
                    "an end at " + std::to_string(end));
  }
  for (std::size_t i = 0; i < layer.next.size(); ++i) {
    problems.expect(layer.next[i] >= undefined_row && layer.next[i] < static_cast<std::int64_t>(next_rows),
                    where + ".next[" + std::to_string(i) + "]", "a row below " + std::to_string(next_rows),
                    std::to_string(layer.next[i]));
  }
}

}  // namespace

LrnnModel::LrnnModel(Alphabet alphabet, std::vector<std::string> label_names, std::int32_t initial_label,
                     std::vector<std::int32_t> symbol_row, std::vector<TableLayer> layers)
    : alphabet_(std::move(alphabet)),
      label_names_(std::move(label_names)),
      initial_label_(initial_label),
      symbol_row_(std::move(symbol_row)),
      layers_(std::move(layers)) {
  Problems problems;
  const std::size_t labels = label_names_.size();
  problems.expect(initial_label_ >= undefined_label && initial_label_ < static_cast<std::int64_t>(labels),
                  "initial_label", "a label below " + std::to_string(labels), std::to_string(initial_label_));
  problems.expect(symbol_row_.size() == alphabet_.size(), "symbol_row", std::to_string(alphabet_.size()) + " entries",
                  std::to_string(symbol_row_.size()));
  const std::size_t first_rows = layers_.empty() ? labels : layers_.front().num_rows();
  for (const std::int32_t row : symbol_row_) {
    problems.expect(row >= undefined_row && row < static_cast<std::int64_t>(first_rows), "symbol_row",
                    "a row below " + std::to_string(first_rows), std::to_string(row));
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const std::size_t next_rows = i + 1 < layers_.size() ? layers_[i + 1].num_rows() : labels;
    check_layer(layers_[i], "layers[" + std::to_string(i) + "]", next_rows, problems);
  }
  problems.raise_if_any();
}

const std::string& LrnnModel::label_name(std::int32_t label) const {
  static const std::string undefined = "?";
  return label == undefined_label ? undefined : label_names_.at(static_cast<std::size_t>(label));
}

bool LrnnModel::snapped() const noexcept {
  return std::any_of(layers_.begin(), layers_.end(), [](const TableLayer& layer) { return !layer.codes.empty(); });
}

std::size_t LrnnModel::hidden_size() const noexcept {
  std::size_t sum = 0;
  for (const TableLayer& layer : layers_) sum += layer.hidden_size();
  return sum;
}

}  // namespace krohn
