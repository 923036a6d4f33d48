// Writing SVG. The shapes carry their style as attributes, so that a drawing needs no style sheet and survives being
// cut out of its page. Linear in the number of shapes. Tested by tests/results/report_test.cpp.
#include "krohn/results/svg.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

std::string attribute(std::string_view name, double value) {
  return " " + std::string(name) + "=\"" + svg_number(value) + "\"";
}

std::string attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + xml_escaped(value) + "\"";
}

std::string stroke(const SvgDrawing::Line& style) {
  std::string text = attribute("stroke", style.colour) + attribute("stroke-width", style.width);
  if (style.dash != "none") text += attribute("stroke-dasharray", style.dash);
  return text;
}

/// 1, 2 or 5 times a power of ten, so that a range has some five ticks.
double tick_step(double range) {
  const double raw = range / 5.0;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * 0.999) return factor * power;
  }
  return 10.0 * power;
}

std::string tick_text(double value) {
  if (std::abs(value) < 1e-12) value = 0.0;
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 4);
  return error == std::errc() ? std::string(text.data(), end) : std::string("?");
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    switch (text[i]) {
      case '&':
        result += "&amp;";
        continue;
      case '<':
        result += "&lt;";
        continue;
      case '>':
        result += "&gt;";
        continue;
      case '"':
        result += "&quot;";
        continue;
      case '\'':
        result += "&#39;";
        continue;
      default:
        break;
    }
    if (byte < 0x20 && text[i] != '\n' && text[i] != '\t' && text[i] != '\r') {
      result += "\xEF\xBF\xBD";
      continue;
    }
    // U+FFFE and U+FFFF are EF BF BE and EF BF BF.
    if (byte == 0xEF && i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) == 0xBF &&
        static_cast<unsigned char>(text[i + 2]) >= 0xBE) {
      result += "\xEF\xBF\xBD";
      i += 2;
      continue;
    }
    result += text[i];
  }
  return result;
}

std::string svg_number(double value) {
  if (!std::isfinite(value)) throw InternalError("svg: a coordinate is not finite");
  double rounded = std::round(value * 100.0) / 100.0;
  if (rounded == 0.0) rounded = 0.0;  // no -0
  std::array<char, 64> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), rounded, std::chars_format::fixed);
  if (error != std::errc()) throw InternalError("svg: a coordinate is out of range");
  return std::string(text.data(), end);
}

SeriesStyle series_style(std::size_t index) {
  static constexpr std::array<SeriesStyle, 7> styles = {{{"#0072B2", "none", 0},
                                                         {"#D55E00", "7 3", 1},
                                                         {"#009E73", "2 3", 2},
                                                         {"#CC79A7", "9 3 2 3", 3},
                                                         {"#000000", "4 2", 4},
                                                         {"#E69F00", "12 4", 5},
                                                         {"#56B4E9", "1 2", 6}}};
  return styles[index % styles.size()];
}

SvgDrawing::SvgDrawing(double width, double height, std::string title, std::string description)
    : width_(width), height_(height), title_(std::move(title)), description_(std::move(description)) {}

void SvgDrawing::line(double x1, double y1, double x2, double y2, const Line& style) {
  body_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2) +
           stroke(style) + "/>\n";
}

void SvgDrawing::polyline(const std::vector<std::pair<double, double>>& points, const Line& style) {
  std::string list;
  for (const auto& [x, y] : points) list += (list.empty() ? "" : " ") + svg_number(x) + "," + svg_number(y);
  body_ += "<polyline points=\"" + list + "\" fill=\"none\" stroke-linejoin=\"round\"" + stroke(style) + "/>\n";
}

void SvgDrawing::rectangle(double x, double y, double width, double height, std::string_view fill, const Line& border,
                           double radius) {
  body_ += "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) + attribute("height", height) +
           attribute("fill", fill) + stroke(border);
  if (radius > 0.0) body_ += attribute("rx", radius);
  body_ += "/>\n";
}

void SvgDrawing::circle(double x, double y, double radius, std::string_view fill, const Line& border) {
  body_ += "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius) + attribute("fill", fill) +
           stroke(border) + "/>\n";
}

void SvgDrawing::arrow_head(double x, double y, double from_x, double from_y, std::string_view colour) {
  const double dx = x - from_x;
  const double dy = y - from_y;
  const double length = std::max(1e-9, std::hypot(dx, dy));
  const double ux = dx / length;
  const double uy = dy / length;
  constexpr double size = 8.0;
  const double bx = x - size * ux;
  const double by = y - size * uy;
  body_ += "<path d=\"M" + svg_number(x) + " " + svg_number(y) + " L" + svg_number(bx - 0.4 * size * uy) + " " +
           svg_number(by + 0.4 * size * ux) + " L" + svg_number(bx + 0.4 * size * uy) + " " +
           svg_number(by - 0.4 * size * ux) + " Z\"" + attribute("fill", colour) + "/>\n";
}

void SvgDrawing::arrow(double x1, double y1, double control_x, double control_y, double x2, double y2,
                       const Line& style) {
  body_ += "<path d=\"M" + svg_number(x1) + " " + svg_number(y1) + " Q" + svg_number(control_x) + " " +
           svg_number(control_y) + " " + svg_number(x2) + " " + svg_number(y2) + "\" fill=\"none\"" + stroke(style) +
           "/>\n";
  arrow_head(x2, y2, control_x, control_y, style.colour);
}

void SvgDrawing::loop_arrow(double x1, double y1, double cx1, double cy1, double cx2, double cy2, double x2, double y2,
                            const Line& style) {
  body_ += "<path d=\"M" + svg_number(x1) + " " + svg_number(y1) + " C" + svg_number(cx1) + " " + svg_number(cy1) +
           " " + svg_number(cx2) + " " + svg_number(cy2) + " " + svg_number(x2) + " " + svg_number(y2) +
           "\" fill=\"none\"" + stroke(style) + "/>\n";
  arrow_head(x2, y2, cx2, cy2, style.colour);
}

void SvgDrawing::marker(double x, double y, double size, const SeriesStyle& style) {
  const Line border{style.colour, 1.5, "none"};
  const double r = size / 2.0;
  const auto path = [&](const std::string& d, bool filled) {
    body_ += "<path d=\"" + d + "\"" + (filled ? attribute("fill", style.colour) : attribute("fill", "none")) +
             stroke(border) + "/>\n";
  };
  const auto at = [&](double dx, double dy) { return svg_number(x + dx) + " " + svg_number(y + dy); };
  switch (style.marker) {
    case 1:
      rectangle(x - r, y - r, size, size, style.colour, border);
      break;
    case 2:
      path("M" + at(0, -r) + " L" + at(r, r) + " L" + at(-r, r) + " Z", true);
      break;
    case 3:
      path("M" + at(0, -1.2 * r) + " L" + at(1.2 * r, 0) + " L" + at(0, 1.2 * r) + " L" + at(-1.2 * r, 0) + " Z", true);
      break;
    case 4:
      path("M" + at(-r, -r) + " L" + at(r, r) + " M" + at(-r, r) + " L" + at(r, -r), false);
      break;
    case 5:
      circle(x, y, r, "none", border);
      break;
    case 6:
      path("M" + at(-r, 0) + " L" + at(r, 0) + " M" + at(0, -r) + " L" + at(0, r), false);
      break;
    default:
      circle(x, y, r, style.colour, border);
      break;
  }
}

void SvgDrawing::text(double x, double y, std::string_view text, const Text& style) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + attribute("font-size", style.size) +
           attribute("fill", style.colour);
  if (style.anchor != "start") body_ += attribute("text-anchor", style.anchor);
  if (style.bold) body_ += " font-weight=\"bold\"";
  if (style.halo) body_ += " stroke=\"#ffffff\" stroke-width=\"4\" stroke-linejoin=\"round\" paint-order=\"stroke\"";
  if (style.rotation != 0.0) {
    body_ += " transform=\"rotate(" + svg_number(style.rotation) + " " + svg_number(x) + " " + svg_number(y) + ")\"";
  }
  body_ += ">" + xml_escaped(text) + "</text>\n";
}

void SvgDrawing::place(double x, double y, std::string_view element) {
  constexpr std::string_view opening = "<svg";
  if (!element.starts_with(opening)) throw InternalError("svg: expected an element of a drawing");
  body_ += std::string(opening) + attribute("x", x) + attribute("y", y);
  body_ += element.substr(opening.size());
}

std::string SvgDrawing::svg() const {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + svg_number(width_) + " " + svg_number(height_) +
         "\" width=\"" + svg_number(width_) + "\" height=\"" + svg_number(height_) +
         "\" role=\"img\" font-family=\"sans-serif\">\n<title>" + xml_escaped(title_) + "</title>\n<desc>" +
         xml_escaped(description_) + "</desc>\n" + body_ + "</svg>\n";
}

PlotArea::PlotArea(SvgDrawing& drawing, double left, double top, double width, double height, Range x, Range y,
                   bool logarithmic_x)
    : drawing_(drawing),
      left_(left),
      top_(top),
      width_(width),
      height_(height),
      x_(x),
      y_(y),
      logarithmic_x_(logarithmic_x) {
  if (!(x_.most > x_.least)) x_.most = x_.least + 1.0;
  if (!(y_.most > y_.least)) y_.most = y_.least + 1.0;
}

double PlotArea::x(double value) const {
  const auto place = [&](double v) { return logarithmic_x_ ? std::log(v) : v; };
  return left_ + width_ * (place(value) - place(x_.least)) / (place(x_.most) - place(x_.least));
}

double PlotArea::y(double value) const { return top_ + height_ * (1.0 - (value - y_.least) / (y_.most - y_.least)); }

void PlotArea::axes(std::string_view x_label, std::string_view y_label) {
  const SvgDrawing::Line grid{"#cccccc", 0.7, "none"};
  const auto x_tick = [&](double value) {
    drawing_.line(x(value), top_, x(value), bottom(), grid);
    drawing_.text(x(value), bottom() + 15, tick_text(value), {11.0, "middle"});
  };
  if (logarithmic_x_) {
    for (double v = std::pow(2.0, std::ceil(std::log2(x_.least) - 1e-9)); v <= x_.most * 1.0001; v *= 2.0) x_tick(v);
  } else {
    const double step = tick_step(x_.most - x_.least);
    for (double v = std::ceil(x_.least / step - 1e-9) * step; v <= x_.most + 1e-9 * step; v += step) x_tick(v);
  }
  const double step = tick_step(y_.most - y_.least);
  for (double v = std::ceil(y_.least / step - 1e-9) * step; v <= y_.most + 1e-9 * step; v += step) {
    drawing_.line(left_, y(v), right(), y(v), grid);
    drawing_.text(left_ - 6, y(v) + 4, tick_text(v), {11.0, "end"});
  }
  drawing_.rectangle(left_, top_, width_, height_, "none", {"#555555", 1.0, "none"});
  drawing_.text(left_ + width_ / 2, bottom() + 32, x_label, {12.0, "middle"});
  SvgDrawing::Text vertical{12.0, "middle"};
  vertical.rotation = -90.0;
  drawing_.text(left_ - 44, top_ + height_ / 2, y_label, vertical);
}

}  // namespace krohn
