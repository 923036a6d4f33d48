// UTF-8, scalar by scalar. Overlong forms, surrogates and values above U+10FFFF are no UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace krohn {

/// The length in bytes of the scalar that `text` begins with, 0 where its first bytes are not UTF-8.
inline std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  std::uint32_t value = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    value = lead & 0x1FU;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    value = lead & 0x0FU;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    value = lead & 0x07U;
  } else {
    return 0;
  }
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  if (length == 3 && (value < 0x800 || (value >= 0xD800 && value <= 0xDFFF))) return 0;
  if (length == 4 && (value < 0x10000 || value > 0x10FFFF)) return 0;
  return length;
}

/// Adds the scalar `value`; false for 0, surrogates and values above U+10FFFF.
inline bool append_utf8(std::string& text, std::uint32_t value) {
  if (value == 0 || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return false;
  if (value < 0x80) {
    text += static_cast<char>(value);
    return true;
  }
  const int more = value < 0x800 ? 1 : value < 0x10000 ? 2 : 3;
  const std::uint32_t lead = more == 1 ? 0xC0U : more == 2 ? 0xE0U : 0xF0U;
  text += static_cast<char>(static_cast<unsigned char>(lead | (value >> (6U * static_cast<unsigned>(more)))));
  for (int i = more - 1; i >= 0; --i) {
    text += static_cast<char>(static_cast<unsigned char>(0x80U | ((value >> (6U * static_cast<unsigned>(i))) & 0x3FU)));
  }
  return true;
}

}  // namespace krohn
