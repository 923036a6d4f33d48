// The pictures of a report: each a function from values to one SVG element, legible in print and without colour.
#pragma once

#include <complex>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/automata/green.hpp"
#include "krohn/verify/clusters.hpp"
#include "krohn/verify/lasso.hpp"

namespace krohn {

/// A drawing and a sentence about it. `svg` is empty where the thing is too large to draw; the caption then says so.
struct Figure {
  std::string svg;
  std::string caption;
  /// In user units; 0 where nobody places the drawing in another.
  double width = 0.0;
  double height = 0.0;
};

/// The automaton: on a circle if all letters are permutations, else in columns by distance from the start. At most 150
/// states; where all letters would be too many, only enough of them to reach every state, which the caption names.
/// `marked`, where given, [states]: states with a second, dashed ring.
Figure draw_automaton(const Dfa& dfa, const std::vector<bool>& marked = {});

/// Drawings one above the other, each under its name.
struct NamedFigure {
  std::string name;
  Figure figure;
};
Figure stacked(const std::vector<NamedFigure>& figures, const std::string& title);

/// The D-classes from the top rank down, each a grid of H-classes with a star in those that contain an idempotent.
Figure draw_egg_boxes(const ImageOrbit& orbit, const GreenRelations& green);

/// The levels from the top down, each with its slots and what its rows do.
Figure draw_cascade(const Cascade& cascade);

/// Eigenvalues in the complex plane against the unit circle, one series a layer.
struct EigenvalueSeries {
  std::string name;
  std::vector<std::complex<double>> values;
};
Figure draw_eigenvalues(const std::vector<EigenvalueSeries>& series);

/// Elements of the hidden state against k on u^k, k = 0, 1, ..; the lasso, where known, as a shaded stretch.
struct Trajectory {
  std::string name;
  std::vector<double> values;
};
Figure draw_trajectories(const std::vector<Trajectory>& trajectories, const std::string& loop_text,
                         const std::optional<Lasso>& lasso);

/// A series over lengths, for margins.
struct LengthSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;
};
/// Margins against length on a logarithmic axis; a vertical line at the certified horizon if it is in range.
Figure draw_margins(const std::vector<LengthSeries>& series, std::optional<std::uint64_t> horizon);

/// Hidden states by their first two principal directions, one series a state of the automaton; words longer than those
/// that made the clusters are drawn larger.
Figure draw_clusters(const Clusters& clusters, const Dfa& automaton);
/// The clusters' gaps against length.
Figure draw_gaps(const std::vector<ClusterGap>& gaps);

/// Accuracy with its confidence interval at some lengths.
struct AccuracyPoint {
  double length = 0.0;
  double value = 0.0;
  double low = 0.0;
  double high = 1.0;
};
struct AccuracySeries {
  std::string name;
  std::vector<AccuracyPoint> points;
};
Figure draw_accuracy(const std::vector<AccuracySeries>& series, double chance);

}  // namespace krohn
