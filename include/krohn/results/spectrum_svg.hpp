// A spectrum as a drawing: for each head a histogram of the eigenvalues' real parts, beside it the complex plane with
// the unit circle. Plain SVG 1.1, no scripts, no fonts of its own.
#pragma once

#include <string>

#include "krohn/engine/spectrum.hpp"

namespace krohn {

/// The text of an SVG file; `title` is escaped.
std::string spectrum_svg(const LearnedSpectrum& spectrum, const std::string& title);

}  // namespace krohn
