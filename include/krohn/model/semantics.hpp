// The arithmetic in which a model is run. A verdict is about one semantics; docs/semantics.md is the definition.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace krohn {

enum class Semantics {
  fp32_fma_v1,
  fp16_state_v1,
  bf16_state_v1,
  int8_wrap_state_v1,
  int8_saturate_state_v1,
  int16_wrap_state_v1,
  int16_saturate_state_v1,
  /// Of models whose layers have codes, and of no others.
  fp32_snap_v1
};

inline constexpr Semantics every_semantics[] = {Semantics::fp32_fma_v1,
                                                Semantics::fp16_state_v1,
                                                Semantics::bf16_state_v1,
                                                Semantics::int8_wrap_state_v1,
                                                Semantics::int8_saturate_state_v1,
                                                Semantics::int16_wrap_state_v1,
                                                Semantics::int16_saturate_state_v1,
                                                Semantics::fp32_snap_v1};

/// "fp32-fma-v1", "fp16-state-v1", "int8-wrap-state-v1" and so on.
constexpr std::string_view semantics_id(Semantics semantics) {
  switch (semantics) {
    case Semantics::fp16_state_v1:
      return "fp16-state-v1";
    case Semantics::bf16_state_v1:
      return "bf16-state-v1";
    case Semantics::int8_wrap_state_v1:
      return "int8-wrap-state-v1";
    case Semantics::int8_saturate_state_v1:
      return "int8-saturate-state-v1";
    case Semantics::int16_wrap_state_v1:
      return "int16-wrap-state-v1";
    case Semantics::int16_saturate_state_v1:
      return "int16-saturate-state-v1";
    case Semantics::fp32_snap_v1:
      return "fp32-snap-v1";
    case Semantics::fp32_fma_v1:
      break;
  }
  return "fp32-fma-v1";
}

/// The id without what follows the format: fp32, fp16, bf16, int8-wrap, int8-saturate, int16-wrap, int16-saturate,
/// fp32-snap.
constexpr std::string_view semantics_short_name(Semantics semantics) {
  const std::string_view id = semantics_id(semantics);
  const std::string_view rest = semantics == Semantics::fp32_fma_v1    ? "-fma-v1"
                                : semantics == Semantics::fp32_snap_v1 ? "-v1"
                                                                       : "-state-v1";
  return id.substr(0, id.size() - rest.size());
}

inline constexpr std::string_view semantics_short_names =
    "fp32, fp16, bf16, int8-wrap, int8-saturate, int16-wrap, int16-saturate, fp32-snap";

/// Reads an id or a short name; nothing for any other text.
constexpr std::optional<Semantics> parse_semantics(std::string_view text) {
  for (const Semantics semantics : every_semantics) {
    if (text == semantics_id(semantics) || text == semantics_short_name(semantics)) return semantics;
  }
  return std::nullopt;
}

/// A two's complement integer of `bits`: least .. most. What leaves the range comes back at its other end, or stays at
/// the end that it passed.
struct IntegerFormat {
  std::int32_t bits = 0;
  bool saturates = false;

  constexpr std::int32_t least() const { return -(1 << (bits - 1)); }
  constexpr std::int32_t most() const { return (1 << (bits - 1)) - 1; }
  friend constexpr bool operator==(const IntegerFormat&, const IntegerFormat&) = default;
};

/// Nothing for the floating-point semantics.
constexpr std::optional<IntegerFormat> integer_format(Semantics semantics) {
  switch (semantics) {
    case Semantics::int8_wrap_state_v1:
      return IntegerFormat{8, false};
    case Semantics::int8_saturate_state_v1:
      return IntegerFormat{8, true};
    case Semantics::int16_wrap_state_v1:
      return IntegerFormat{16, false};
    case Semantics::int16_saturate_state_v1:
      return IntegerFormat{16, true};
    case Semantics::fp32_fma_v1:
    case Semantics::fp16_state_v1:
    case Semantics::bf16_state_v1:
    case Semantics::fp32_snap_v1:
      break;
  }
  return std::nullopt;
}

}  // namespace krohn
