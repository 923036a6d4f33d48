// One row a head. Coordinates are rounded to a hundredth of a pixel, so that equal spectra give equal bytes.
// Tested by tests/tools/checkpoint_commands_test.cpp.
#include "krohn/results/spectrum_svg.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "krohn/results/svg.hpp"

namespace krohn {
namespace {

constexpr double row_height = 200;
constexpr double histogram_left = 60;
constexpr double histogram_width = 420;
constexpr double plane_middle = 600;
constexpr double plane_unit = 70;

std::string number(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.2f", x);
  return text;
}

std::string label(double x, double y, const std::string& text, const char* anchor = "middle") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" + xml_escaped(text) +
         "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const char* stroke) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) +
         "\" stroke=\"" + stroke + "\"/>\n";
}

std::string histogram(const HeadSpectrum& head, double top) {
  const double bottom = top + 150;
  const std::uint64_t most = *std::max_element(head.histogram.begin(), head.histogram.end());
  const double width = histogram_width / static_cast<double>(HeadSpectrum::num_bins);
  const auto at = [](double x) { return histogram_left + (x + 1.2) / 2.4 * histogram_width; };
  std::string svg = line(histogram_left, bottom, histogram_left + histogram_width, bottom, "#444");
  for (const double tick : {-1.0, 0.0, 1.0}) {
    svg += line(at(tick), top + 10, at(tick), bottom + 4, "#ccc");
    svg += label(at(tick), bottom + 18, std::to_string(static_cast<int>(tick)));
  }
  // A logarithmic height, so that a few eigenvalues among many at 1 are seen.
  for (std::size_t i = 0; i < HeadSpectrum::num_bins; ++i) {
    if (head.histogram[i] == 0) continue;
    const double height =
        130 * std::log1p(static_cast<double>(head.histogram[i])) / std::log1p(static_cast<double>(most));
    const char* fill = i < HeadSpectrum::num_bins / 2 ? "#c0392b" : "#2c6fbb";
    svg += "<rect x=\"" + number(histogram_left + width * static_cast<double>(i)) + "\" y=\"" +
           number(bottom - height) + "\" width=\"" + number(width - 1) + "\" height=\"" + number(height) +
           "\" fill=\"" + fill + "\"/>\n";
  }
  return svg;
}

std::string plane(const HeadSpectrum& head, double top) {
  const double middle = top + 85;
  std::string svg = line(plane_middle - 85, middle, plane_middle + 85, middle, "#ccc");
  svg += line(plane_middle, middle - 85, plane_middle, middle + 85, "#ccc");
  svg += "<circle cx=\"" + number(plane_middle) + "\" cy=\"" + number(middle) + "\" r=\"" + number(plane_unit) +
         "\" fill=\"none\" stroke=\"#888\"/>\n";
  for (const std::complex<double>& value : head.sample) {
    // What lies far outside is drawn at the edge.
    const double x = std::clamp(value.real(), -1.2, 1.2);
    const double y = std::clamp(value.imag(), -1.2, 1.2);
    svg += "<circle cx=\"" + number(plane_middle + plane_unit * x) + "\" cy=\"" + number(middle - plane_unit * y) +
           "\" r=\"1.5\" fill=\"" + (value.real() < 0 ? "#c0392b" : "#2c6fbb") + "\" fill-opacity=\"0.5\"/>\n";
  }
  return svg;
}

}  // namespace

std::string spectrum_svg(const LearnedSpectrum& spectrum, const std::string& title) {
  const double height = 60 + row_height * static_cast<double>(std::max<std::size_t>(spectrum.heads.size(), 1));
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"" + number(height) +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"720\" height=\"" + number(height) +
                    "\" fill=\"#fff\"/>\n";
  svg += label(20, 24, title, "start");
  svg += label(20, 42, "eigenvalues of A(x_t): real parts (logarithmic counts) and the complex plane", "start");
  double top = 60;
  for (const HeadSpectrum& head : spectrum.heads) {
    svg += label(20, top + 6,
                 "layer " + std::to_string(head.block) + ", head " + std::to_string(head.head) + ": real parts " +
                     number(head.least_real) + " to " + number(head.most_real) +
                     (head.complex > 0 ? ", complex" : ", real"),
                 "start");
    svg += histogram(head, top);
    svg += plane(head, top);
    top += row_height;
  }
  if (spectrum.heads.empty()) svg += label(20, top + 20, "no state-transition matrices", "start");
  return svg + "</svg>\n";
}

}  // namespace krohn
