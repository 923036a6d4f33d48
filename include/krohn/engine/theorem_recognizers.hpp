// Recognisers for the arithmetic in which the boundary cases of the theorems live, and for triangular models
// (docs/semantics.md, "Semantics of illustrations").
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "krohn/engine/recognizer.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/triangular_model.hpp"

namespace krohn {

/// The number format of hidden states.
enum class NumberFormat { fp32, fp16, bf16 };

/// "fp32", "fp16", "bf16".
std::string_view number_format_name(NumberFormat format);
std::optional<NumberFormat> parse_number_format(std::string_view text);

/// x rounded to the format, -0 made +0: what is stored (docs/semantics.md, section 1).
float stored_in(float x, NumberFormat format);

/// `FORMAT-separate-v1`: the canonical formulas without fused operations, every operation rounded to the format.
std::unique_ptr<Recognizer> make_separate_recognizer(const LrnnModel& model, NumberFormat format);

/// `FORMAT-triangular-v1`: the recurrence of a triangular model.
std::unique_ptr<Recognizer> make_triangular_recognizer(const TriangularModel& model, NumberFormat format);

/// The canonical semantics of a format: fp32-fma-v1, fp16-state-v1, bf16-state-v1.
Semantics canonical_semantics(NumberFormat format);

}  // namespace krohn
