// See the header. A sort of the different texts, and a look-up a state.
// Tested by tests/languages/more_formats_test.cpp.
#include "state_labels.hpp"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

namespace krohn {
namespace {

// A decimal number of at most 18 digits without leading zeros.
std::optional<std::int64_t> as_number(const std::string& text) {
  if (text.empty() || text.size() > 18 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return std::stoll(text);
}

}  // namespace

std::vector<std::string> ordered_label_names(const std::vector<std::optional<std::string>>& texts) {
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  for (const std::optional<std::string>& text : texts) {
    if (text && seen.insert(*text).second) names.push_back(*text);
  }
  if (std::all_of(names.begin(), names.end(), [](const std::string& name) { return name == "0" || name == "1"; })) {
    return {"0", "1"};
  }
  if (std::all_of(names.begin(), names.end(), [](const std::string& name) { return as_number(name).has_value(); })) {
    std::sort(names.begin(), names.end(),
              [](const std::string& a, const std::string& b) { return *as_number(a) < *as_number(b); });
  }
  return names;
}

StateLabels state_labels(const std::vector<std::optional<std::string>>& texts) {
  StateLabels labels{ordered_label_names(texts), {}};
  std::unordered_map<std::string, LabelId> index;
  for (std::size_t i = 0; i < labels.names.size(); ++i) index.emplace(labels.names[i], static_cast<LabelId>(i));
  for (const std::optional<std::string>& text : texts) labels.of_state.push_back(text ? index.at(*text) : null_label);
  return labels;
}

}  // namespace krohn
