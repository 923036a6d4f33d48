// Drawings as SVG text: a few shapes, escaped and well-formed, that read in print and without colour.
//
//  1. A drawing is one <svg> element with a viewBox in user units, role="img", a <title> and a <desc>.
//  2. Numbers are written with at most two decimals and a point, whatever the locale; texts and attributes are escaped;
//     characters that XML 1.0 forbids are written as U+FFFD.
//  3. No scripts, no references to other files, no entities but the five of XML.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace krohn {

/// Text for element content and attribute values.
std::string xml_escaped(std::string_view text);

/// A number with at most two decimals.
std::string svg_number(double value);

/// How series are told apart: colour (Okabe and Ito's palette, safe for the colour-blind), dash pattern and marker all
/// differ, so that any one of the three is enough. Cycles after seven.
struct SeriesStyle {
  std::string_view colour;
  std::string_view dash;  // stroke-dasharray, "none" for a full line
  int marker = 0;         // 0 disc, 1 square, 2 triangle, 3 diamond, 4 cross, 5 ring, 6 plus
};
SeriesStyle series_style(std::size_t index);

class SvgDrawing {
 public:
  SvgDrawing(double width, double height, std::string title, std::string description);

  struct Line {
    std::string_view colour = "#000000";
    double width = 1.0;
    std::string_view dash = "none";
  };
  struct Text {
    double size = 12.0;
    /// "start", "middle", "end".
    std::string_view anchor = "start";
    std::string_view colour = "#000000";
    bool bold = false;
    /// A white rim, for text that lies on lines.
    bool halo = false;
    /// Degrees, clockwise, about the text's point.
    double rotation = 0.0;
  };

  void line(double x1, double y1, double x2, double y2, const Line& style);
  void polyline(const std::vector<std::pair<double, double>>& points, const Line& style);
  void rectangle(double x, double y, double width, double height, std::string_view fill, const Line& border,
                 double radius = 0.0);
  void circle(double x, double y, double radius, std::string_view fill, const Line& border);
  /// A quadratic curve with an arrow head at its end.
  void arrow(double x1, double y1, double control_x, double control_y, double x2, double y2, const Line& style);
  /// A cubic curve with an arrow head at its end.
  void loop_arrow(double x1, double y1, double cx1, double cy1, double cx2, double cy2, double x2, double y2,
                  const Line& style);
  void marker(double x, double y, double size, const SeriesStyle& style);
  void text(double x, double y, std::string_view text, const Text& style);
  /// Another drawing's element, its upper left corner here.
  void place(double x, double y, std::string_view element);

  /// The whole element.
  std::string svg() const;

 private:
  void arrow_head(double x, double y, double from_x, double from_y, std::string_view colour);
  double width_;
  double height_;
  std::string title_;
  std::string description_;
  std::string body_;
};

/// Axes of a plot: maps values to places, draws the frame, ticks and labels. With `logarithmic_x` all x are positive.
class PlotArea {
 public:
  struct Range {
    double least = 0.0;
    double most = 1.0;
  };
  PlotArea(SvgDrawing& drawing, double left, double top, double width, double height, Range x, Range y,
           bool logarithmic_x = false);
  void axes(std::string_view x_label, std::string_view y_label);
  double x(double value) const;
  double y(double value) const;
  double left() const { return left_; }
  double top() const { return top_; }
  double right() const { return left_ + width_; }
  double bottom() const { return top_ + height_; }

 private:
  SvgDrawing& drawing_;
  double left_;
  double top_;
  double width_;
  double height_;
  Range x_;
  Range y_;
  bool logarithmic_x_;
};

}  // namespace krohn
