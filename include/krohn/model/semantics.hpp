// The arithmetic in which a model is run. A verdict is about one semantics; docs/semantics.md is the definition.
#pragma once

#include <optional>
#include <string_view>

namespace krohn {

enum class Semantics { fp32_fma_v1, fp16_state_v1, bf16_state_v1 };

/// "fp32-fma-v1", "fp16-state-v1", "bf16-state-v1".
constexpr std::string_view semantics_id(Semantics semantics) {
  switch (semantics) {
    case Semantics::fp16_state_v1:
      return "fp16-state-v1";
    case Semantics::bf16_state_v1:
      return "bf16-state-v1";
    case Semantics::fp32_fma_v1:
      break;
  }
  return "fp32-fma-v1";
}

/// Reads an id or a format name (fp32, fp16, bf16); nothing for any other text.
constexpr std::optional<Semantics> parse_semantics(std::string_view text) {
  for (const Semantics semantics : {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1}) {
    const std::string_view id = semantics_id(semantics);
    if (text == id || text == id.substr(0, 4)) return semantics;
  }
  return std::nullopt;
}

}  // namespace krohn
