// TokenTable: flattening of rows into arrays and the checks that both ways of construction share. The checks are
// linear in the size of the arrays, and collect up to a dozen problems before they throw.
// Tested by tests/model/lrnn_model_test.cpp.
#include "krohn/model/token_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_problems = 12;

std::uint32_t checked_offset(std::size_t size) {
  if (size > std::numeric_limits<std::uint32_t>::max()) {
    throw ResourceError("token table: expected at most 2^32 - 1 entries, got " + std::to_string(size));
  }
  return static_cast<std::uint32_t>(size);
}

void append(const std::vector<Entry>& entries, std::vector<std::uint32_t>& offset, std::vector<std::uint32_t>& index,
            std::vector<float>& value) {
  for (const Entry& entry : entries) {
    index.push_back(entry.index);
    value.push_back(entry.value);
  }
  offset.push_back(checked_offset(index.size()));
}

std::vector<Entry> entries_between(const std::vector<std::uint32_t>& offset, const std::vector<std::uint32_t>& index,
                                   const std::vector<float>& value, std::size_t item) {
  std::vector<Entry> entries;
  for (std::size_t i = offset[item]; i < offset[item + 1]; ++i) entries.push_back({index[i], value[i]});
  return entries;
}

TokenTable::Arrays flatten(const std::vector<TokenRow>& rows) {
  TokenTable::Arrays arrays;
  arrays.gate_offset = arrays.factor_offset = arrays.key_offset = arrays.value_offset = arrays.write_offset = {0};
  for (const TokenRow& row : rows) {
    arrays.gate.insert(arrays.gate.end(), row.gate.begin(), row.gate.end());
    arrays.gate_offset.push_back(checked_offset(arrays.gate.size()));
    for (const GeneralizedHouseholder& factor : row.factors) {
      arrays.beta.push_back(factor.beta);
      append(factor.key, arrays.key_offset, arrays.key_index, arrays.key_value);
      append(factor.value, arrays.value_offset, arrays.value_index, arrays.value_value);
    }
    arrays.factor_offset.push_back(checked_offset(arrays.beta.size()));
    append(row.write, arrays.write_offset, arrays.write_index, arrays.write_value);
  }
  const auto reads_apart = [](const TokenRow& row) {
    return std::any_of(row.factors.begin(), row.factors.end(), [](const auto& factor) { return !factor.read.empty(); });
  };
  if (std::any_of(rows.begin(), rows.end(), reads_apart)) {
    arrays.read_offset = {0};
    for (const TokenRow& row : rows) {
      for (const GeneralizedHouseholder& factor : row.factors) {
        append(factor.read, arrays.read_offset, arrays.read_index, arrays.read_value);
      }
    }
  }
  return arrays;
}

}  // namespace

TokenTable::TokenTable(std::size_t key_size, std::size_t value_size, const std::vector<TokenRow>& rows)
    : TokenTable(key_size, value_size, flatten(rows)) {}

TokenTable::TokenTable(std::size_t key_size, std::size_t value_size, Arrays arrays)
    : key_size_(key_size), value_size_(value_size), arrays_(std::move(arrays)) {
  validate();
}

void TokenTable::validate() const {
  std::vector<std::string> problems;
  const auto report = [&](std::string problem) {
    if (problems.size() < max_problems) problems.push_back(std::move(problem));
  };
  const auto expect = [&](bool holds, const std::string& name, const std::string& expected, const std::string& got) {
    if (!holds) report(name + ": expected " + expected + ", got " + got);
    return holds;
  };
  const auto expect_offsets = [&](const std::vector<std::uint32_t>& offset, const std::string& name,
                                  std::size_t expected_size, std::size_t end) {
    if (!expect(offset.size() == expected_size, name, std::to_string(expected_size) + " offsets",
                std::to_string(offset.size()))) {
      return false;
    }
    bool valid = expect(offset.front() == 0 && offset.back() == end, name, "offsets from 0 to " + std::to_string(end),
                        std::to_string(offset.front()) + " to " + std::to_string(offset.back()));
    valid = expect(std::is_sorted(offset.begin(), offset.end()), name, "ascending offsets", "a descent") && valid;
    return valid;
  };
  const Arrays& a = arrays_;
  constexpr std::size_t max_size = 1U << 20U;
  expect(key_size_ >= 1 && key_size_ <= max_size, "key_size", "1 to 2^20", std::to_string(key_size_));
  expect(value_size_ >= 1 && value_size_ <= max_size, "value_size", "1 to 2^20", std::to_string(value_size_));
  expect(!a.factor_offset.empty(), "factor_offset", "at least one offset", "none");
  if (!problems.empty()) throw InputError(std::move(problems));

  const std::size_t rows = a.factor_offset.size() - 1;
  const std::size_t factors = a.beta.size();
  bool shapes = expect_offsets(a.factor_offset, "factor_offset", rows + 1, factors);
  shapes = expect_offsets(a.gate_offset, "gate_offset", rows + 1, a.gate.size()) && shapes;
  shapes = expect_offsets(a.key_offset, "key_offset", factors + 1, a.key_index.size()) && shapes;
  shapes = expect_offsets(a.value_offset, "value_offset", factors + 1, a.value_index.size()) && shapes;
  shapes = expect_offsets(a.write_offset, "write_offset", rows + 1, a.write_index.size()) && shapes;
  if (!a.read_offset.empty() || !a.read_index.empty()) {
    shapes = expect_offsets(a.read_offset, "read_offset", factors + 1, a.read_index.size()) && shapes;
  }
  const auto same_size = [&](std::size_t got, std::size_t expected, const std::string& name) {
    return expect(got == expected, name, std::to_string(expected) + " entries", std::to_string(got));
  };
  shapes = same_size(a.key_value.size(), a.key_index.size(), "key_value") && shapes;
  shapes = same_size(a.value_value.size(), a.value_index.size(), "value_value") && shapes;
  shapes = same_size(a.write_value.size(), a.write_index.size(), "write_value") && shapes;
  shapes = same_size(a.read_value.size(), a.read_index.size(), "read_value") && shapes;
  if (!shapes) throw InputError(std::move(problems));

  const auto check_entries = [&](const std::vector<std::uint32_t>& offset, const std::vector<std::uint32_t>& index,
                                 const std::vector<float>& value, std::size_t bound, const std::string& name) {
    for (std::size_t item = 0; item + 1 < offset.size(); ++item) {
      for (std::size_t i = offset[item]; i < offset[item + 1]; ++i) {
        const std::string where = name + "[" + std::to_string(item) + "]";
        if (index[i] >= bound) {
          report(where + ": expected an index below " + std::to_string(bound) + ", got " + std::to_string(index[i]));
        }
        if (i > offset[item] && index[i] <= index[i - 1]) {
          report(where + ": expected ascending indices, got " + std::to_string(index[i - 1]) + " before " +
                 std::to_string(index[i]));
        }
        if (!std::isfinite(value[i]) || value[i] == 0.0F) {
          report(where + ": expected finite non-zero values, got " + std::to_string(value[i]));
        }
      }
    }
  };
  check_entries(a.key_offset, a.key_index, a.key_value, key_size_, "key");
  check_entries(a.read_offset, a.read_index, a.read_value, key_size_, "read");
  check_entries(a.value_offset, a.value_index, a.value_value, value_size_, "value");
  check_entries(a.write_offset, a.write_index, a.write_value, key_size_ * value_size_, "write");
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t length = a.gate_offset[row + 1] - a.gate_offset[row];
    if (length != 1 && length != key_size_) {
      report("gate[" + std::to_string(row) + "]: expected 1 or " + std::to_string(key_size_) + " entries, got " +
             std::to_string(length));
    }
  }
  for (const float gate : a.gate) {
    if (!std::isfinite(gate)) report("gate: expected finite values, got " + std::to_string(gate));
  }
  for (const float beta : a.beta) {
    if (!std::isfinite(beta)) report("beta: expected finite values, got " + std::to_string(beta));
  }
  if (!problems.empty()) throw InputError(std::move(problems));
}

std::size_t TokenTable::num_householder() const noexcept {
  std::size_t most = 0;
  for (std::size_t row = 0; row < num_rows(); ++row) {
    most = std::max<std::size_t>(most, arrays_.factor_offset[row + 1] - arrays_.factor_offset[row]);
  }
  return most;
}

bool TokenTable::gated() const noexcept {
  return std::any_of(arrays_.gate.begin(), arrays_.gate.end(), [](float gate) { return gate != 1.0F; });
}

TokenRow TokenTable::row(std::size_t index) const {
  const Arrays& a = arrays_;
  TokenRow row;
  row.gate.assign(a.gate.begin() + a.gate_offset.at(index), a.gate.begin() + a.gate_offset.at(index + 1));
  for (std::size_t f = a.factor_offset[index]; f < a.factor_offset[index + 1]; ++f) {
    row.factors.push_back(
        {entries_between(a.key_offset, a.key_index, a.key_value, f), a.beta[f],
         entries_between(a.value_offset, a.value_index, a.value_value, f),
         reads_apart() ? entries_between(a.read_offset, a.read_index, a.read_value, f) : std::vector<Entry>()});
  }
  row.write = entries_between(a.write_offset, a.write_index, a.write_value, index);
  return row;
}

}  // namespace krohn
