// SHA-256 over the canonical bytes that the header specifies. Text rather than binary, so that a script of a few lines
// in any language can recompute a fingerprint that a certificate names. Cost: linear in the transitions.
#include "krohn/automata/fingerprint.hpp"

#include <cstdint>

#include "krohn/digest/sha256.hpp"

namespace krohn {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

void append_unit(std::string& text, std::uint32_t unit) {
  text += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) text += hex_digits[(unit >> static_cast<unsigned>(shift)) & 0xFU];
}

std::uint32_t code_point(const std::string& scalar) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(scalar[i])); };
  switch (scalar.size()) {
    case 1:
      return byte(0);
    case 2:
      return ((byte(0) & 0x1FU) << 6U) | (byte(1) & 0x3FU);
    case 3:
      return ((byte(0) & 0x0FU) << 12U) | ((byte(1) & 0x3FU) << 6U) | (byte(2) & 0x3FU);
    default:
      return ((byte(0) & 0x07U) << 18U) | ((byte(1) & 0x3FU) << 12U) | ((byte(2) & 0x3FU) << 6U) | (byte(3) & 0x3FU);
  }
}

void append_string(std::string& text, std::string_view value) {
  text += '"';
  for (const std::string& scalar : utf8_scalars(value)) {
    const std::uint32_t code = code_point(scalar);
    if (code == '"' || code == '\\') {
      text += '\\';
      text += static_cast<char>(code);
    } else if (code >= 0x20 && code <= 0x7E) {
      text += static_cast<char>(code);
    } else if (code == '\b') {
      text += "\\b";
    } else if (code == '\t') {
      text += "\\t";
    } else if (code == '\n') {
      text += "\\n";
    } else if (code == '\f') {
      text += "\\f";
    } else if (code == '\r') {
      text += "\\r";
    } else if (code < 0x10000) {
      append_unit(text, code);
    } else {
      append_unit(text, 0xD800U + ((code - 0x10000U) >> 10U));
      append_unit(text, 0xDC00U + ((code - 0x10000U) & 0x3FFU));
    }
  }
  text += '"';
}

}  // namespace

std::string canonical_text(const Dfa& dfa) {
  std::string text = "krohn-automaton-v1\n{\"alphabet\":[";
  for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
    if (a > 0) text += ',';
    append_string(text, dfa.alphabet().name(a));
  }
  text += "],\"start\":" + std::to_string(dfa.start()) + ",\"transitions\":[";
  for (State q = 0; q < dfa.num_states(); ++q) {
    text += q > 0 ? ",[" : "[";
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      if (a > 0) text += ',';
      text += std::to_string(dfa.next(q, a));
    }
    text += ']';
  }
  text += "],\"labels\":[";
  for (State q = 0; q < dfa.num_states(); ++q) {
    if (q > 0) text += ',';
    if (dfa.label(q) == null_label) {
      text += "null";
    } else {
      append_string(text, dfa.label_name(dfa.label(q)));
    }
  }
  return text + "]}";
}

std::string fingerprint(const Dfa& dfa) { return hexadecimal(sha256(canonical_text(dfa))); }

}  // namespace krohn
