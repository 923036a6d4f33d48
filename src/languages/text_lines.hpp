// Lines of text files and the white space around their parts.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace krohn {

/// Calls `each` with every line, without its \n or \r\n, and its number from 1.
template <typename EachLine>
void for_each_line(std::string_view text, EachLine&& each) {
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, newline - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    each(line, ++number);
    at = newline + 1;
  }
}

/// Without white space at its ends.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

/// The whole text as a decimal number below 2^63.
inline std::optional<std::uint64_t> decimal_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end || text.empty() || value > std::uint64_t{INT64_MAX}) return std::nullopt;
  return value;
}

}  // namespace krohn
