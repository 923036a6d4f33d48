// Recognisers for the arithmetic in which the boundary cases of the theorems live, and for triangular models
// (docs/semantics.md, "Semantics of illustrations").
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/engine/machine.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/triangular_model.hpp"
#include "krohn/numeric/rounding.hpp"

namespace krohn {

/// The number format of hidden states.
enum class NumberFormat { fp32, fp16, bf16 };

/// "fp32", "fp16", "bf16".
std::string_view number_format_name(NumberFormat format);
std::optional<NumberFormat> parse_number_format(std::string_view text);

inline float rounded_to(float x, NumberFormat format) {
  if (format == NumberFormat::fp16) return round_to_fp16(x);
  if (format == NumberFormat::bf16) return round_to_bf16(x);
  return x;
}
/// x rounded to the format, -0 made +0: what is stored (docs/semantics.md, section 1).
inline float stored_in(float x, NumberFormat format) { return rounded_to(x, format) + 0.0F; }

/// `FORMAT-separate-v1`: the canonical formulas without fused operations, every operation rounded to the format.
std::unique_ptr<Machine> make_separate_machine(const LrnnModel& model, NumberFormat format);

/// `FORMAT-triangular-v1`: the recurrence of a triangular model.
std::unique_ptr<Machine> make_triangular_machine(const TriangularModel& model, NumberFormat format);

/// The canonical semantics of a format: fp32-fma-v1, fp16-state-v1, bf16-state-v1.
Semantics canonical_semantics(NumberFormat format);

/// How a table model computes: the canonical semantics of a format or, if `separate`, FORMAT-separate-v1.
struct Arithmetic {
  NumberFormat format = NumberFormat::fp32;
  bool separate = false;
  /// The identifier of the semantics.
  std::string name() const;
};

Arithmetic arithmetic_of(Semantics semantics);
/// A format (its canonical semantics) or an identifier.
std::optional<Arithmetic> parse_arithmetic(std::string_view text);
std::unique_ptr<Machine> make_machine(const LrnnModel& model, const Arithmetic& arithmetic);

}  // namespace krohn
