// How results are written as JSON: what the reports share.
#pragma once

#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "krohn/automata/alphabet.hpp"

namespace krohn {

/// Members in the order in which they are added.
using Json = nlohmann::ordered_json;

/// The text of one object, over several lines, with a final line feed.
std::string json_lines(const Json& object);

/// What another module's text of one value says.
Json json_of(const std::string& text);

/// The word as an array of its symbols' names.
inline Json word_json(std::span<const Symbol> word, const Alphabet& alphabet) {
  Json symbols = Json::array();
  for (const Symbol symbol : word) symbols.push_back(alphabet.name(symbol));
  return symbols;
}

/// A decimal as a JSON number where that is exact for every reader, else as a string.
inline Json big_number(const std::string& decimal) {
  constexpr std::size_t safe_digits = 15;  // below 2^53
  if (decimal.size() > safe_digits) return decimal;
  return std::stoull(decimal);
}

template <class T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

inline Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

/// JSON has no infinity.
inline Json number_or_null(double x) { return std::isfinite(x) ? Json(x) : Json(); }

}  // namespace krohn
