// Clusters of hidden states. A word's state of the automaton says which cluster its carried state belongs to. Means and
// radii come from all short words; random words of doubling lengths show how the clusters drift. Directions: the two
// leading eigenvectors of the points' Gram matrix (points are few, numbers carried may be many), in double; its sums
// have the order of their loops, so that the picture is the same on every machine. Tested by
// tests/verify/failing_test.cpp.
#include "krohn/verify/clusters.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "krohn/error.hpp"
#include "krohn/model/symmetric.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

struct Sampled {
  State state;
  std::uint64_t length;
  std::vector<float> values;
};

// The carried state and the automaton's, along words.
class Run {
 public:
  Run(const Machine& model, const Dfa& automaton)
      : model_(model), automaton_(automaton), state_(model.state_size()), at_(automaton.start()) {
    model_.initial(state_);
  }
  void read(Symbol a) {
    model_.step(state_, a);
    at_ = automaton_.next(at_, a);
  }
  State at() const { return at_; }
  std::vector<float> values(const std::vector<StateUnit>& units) const {
    const std::vector<float> hidden = model_.hidden(state_);
    std::vector<float> values;
    for (const StateUnit& unit : units) {
      const auto begin = hidden.begin() + static_cast<std::ptrdiff_t>(unit.offset);
      values.insert(values.end(), begin, begin + static_cast<std::ptrdiff_t>(unit.size));
    }
    return values;
  }

 private:
  const Machine& model_;
  const Dfa& automaton_;
  std::vector<std::byte> state_;
  State at_;
};

double distance(const float* a, const double* b, std::size_t size) {
  double sum = 0.0;
  for (std::size_t i = 0; i < size; ++i) {
    const double d = static_cast<double>(a[i]) - b[i];
    sum += d * d;
  }
  return std::sqrt(sum);
}

// One unit's clusters: means and radii, by automaton state; states that no short word reaches have none.
struct UnitClusters {
  std::size_t offset = 0;  // in Sampled::values
  std::size_t size = 0;
  std::vector<std::vector<double>> mean;
  std::vector<double> radius;
  bool tells = false;

  std::optional<State> nearest(const std::vector<float>& values) const {
    std::optional<State> best;
    double least = std::numeric_limits<double>::infinity();
    for (State q = 0; q < mean.size(); ++q) {
      if (mean[q].empty()) continue;
      const double d = distance(values.data() + offset, mean[q].data(), size);
      if (d < least) {
        least = d;
        best = q;
      }
    }
    return best;
  }
};

std::vector<UnitClusters> clusters_of(const std::vector<StateUnit>& units, const std::vector<Sampled>& sample,
                                      std::size_t states) {
  std::vector<UnitClusters> result;
  std::size_t offset = 0;
  for (const StateUnit& unit : units) {
    UnitClusters one{offset, unit.size, std::vector<std::vector<double>>(states), std::vector<double>(states, 0.0),
                     false};
    std::vector<double> count(states, 0.0);
    for (const Sampled& point : sample) {
      std::vector<double>& mean = one.mean[point.state];
      mean.resize(unit.size, 0.0);
      for (std::size_t i = 0; i < unit.size; ++i) mean[i] += static_cast<double>(point.values[offset + i]);
      count[point.state] += 1.0;
    }
    std::size_t reached = 0;
    for (State q = 0; q < states; ++q) {
      for (double& x : one.mean[q]) x /= count[q];
      // A word or two, such as the empty one where a state of its own begins, are no cluster.
      if (count[q] < 3.0) one.mean[q].clear();
      reached += count[q] < 3.0 ? 0 : 1;
    }
    one.tells = reached >= 2;
    for (const Sampled& point : sample) {
      if (count[point.state] < 3.0) continue;
      one.radius[point.state] = std::max(
          one.radius[point.state], distance(point.values.data() + offset, one.mean[point.state].data(), unit.size));
      one.tells = one.tells && one.nearest(point.values) == point.state;
    }
    result.push_back(std::move(one));
    offset += unit.size;
  }
  return result;
}

void project(Clusters& clusters, const std::vector<Sampled>& points) {
  const std::size_t n = points.size();
  if (n < 2 || points.front().values.empty()) return;
  const std::size_t d = points.front().values.size();
  std::vector<double> gram(n * n, 0.0);
  std::vector<double> x(n);
  for (std::size_t j = 0; j < d; ++j) {
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += x[i] = static_cast<double>(points[i].values[j]);
    // Numbers without a place in a picture, such as a stabilizer's -infinity.
    if (!std::isfinite(sum)) continue;
    for (double& value : x) value -= sum / static_cast<double>(n);
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t i = 0; i < n; ++i) gram[k * n + i] += x[k] * x[i];
    }
  }
  const SymmetricDecomposition axes = symmetric_decomposition(gram, n);
  double all = 0.0;
  for (std::size_t i = 0; i < n; ++i) all += gram[i * n + i];
  double shown = 0.0;
  std::vector<std::vector<double>> along(2, std::vector<double>(points.size(), 0.0));
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::size_t column = n - 1 - axis;
    // An eigenvalue within the solver's error (of the order of n + d units of roundoff of the largest) is 0: what is
    // seen along such a direction would be rounding errors.
    const double noise = static_cast<double>(n + d) * std::numeric_limits<double>::epsilon() * axes.values.back();
    const double found = axes.values[column];
    const double value = found > noise ? found : 0.0;
    shown += value;
    const double* vector = &axes.vectors[column * n];
    // A direction has two signs; the largest entry is positive.
    const double largest =
        *std::max_element(vector, vector + n, [](double a, double b) { return std::fabs(a) < std::fabs(b); });
    const double length = largest < 0.0 ? -std::sqrt(value) : std::sqrt(value);
    for (std::size_t i = 0; i < n; ++i) along[axis][i] = length * vector[i];
  }
  clusters.shown = all > 0.0 ? shown / all : 1.0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    clusters.points.push_back({points[i].state, points[i].length, along[0][i], along[1][i]});
  }
}

ClusterGap gap_of(const std::vector<Sampled>& points, std::size_t states, std::uint64_t length) {
  ClusterGap gap{length, std::numeric_limits<double>::infinity(), 0.0};
  std::vector<std::vector<double>> mean(states);
  std::vector<double> count(states, 0.0);
  for (const Sampled& point : points) {
    mean[point.state].resize(point.values.size(), 0.0);
    for (std::size_t i = 0; i < point.values.size(); ++i) mean[point.state][i] += static_cast<double>(point.values[i]);
    count[point.state] += 1.0;
  }
  for (State q = 0; q < states; ++q) {
    for (double& x : mean[q]) x /= count[q];
  }
  for (const Sampled& point : points) {
    gap.most_within =
        std::max(gap.most_within, distance(point.values.data(), mean[point.state].data(), point.values.size()));
    const std::vector<double> here(point.values.begin(), point.values.end());
    for (const Sampled& other : points) {
      if (other.state <= point.state) continue;
      gap.least_between = std::min(gap.least_between, distance(other.values.data(), here.data(), here.size()));
    }
  }
  return gap;
}

std::optional<Departure> departure_of(const Machine& model, const std::vector<StateUnit>& units, const Dfa& automaton,
                                      const std::vector<UnitClusters>& clusters, const Word& word) {
  const bool any_tells = std::any_of(clusters.begin(), clusters.end(), [](const auto& one) { return one.tells; });
  // First those that tell the states apart and come to tell wrongly; if there are none, those that go far away.
  for (const bool crossing : {true, false}) {
    if (crossing && !any_tells) continue;
    Run run(model, automaton);
    for (std::uint64_t t = 0; t <= word.size(); ++t) {
      if (t > 0) run.read(word[t - 1]);
      const std::vector<float> values = run.values(units);
      for (std::size_t u = 0; u < units.size(); ++u) {
        const UnitClusters& one = clusters[u];
        if (one.mean[run.at()].empty()) continue;
        Departure departure{units[u].layer, units[u].head, t, run.at(), std::nullopt};
        if (crossing) {
          if (!one.tells) continue;
          departure.nearer = one.nearest(values);
          if (departure.nearer != run.at()) return departure;
        } else if (distance(values.data() + one.offset, one.mean[run.at()].data(), one.size) >
                   2.0 * one.radius[run.at()]) {
          return departure;
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<StateUnit> state_units(const Program& model) {
  std::vector<StateUnit> units;
  for (const StatePart& part : model.state_parts()) {
    if (!part.recurrent()) continue;
    for (std::size_t unit = 0; unit < part.units(); ++unit) {
      units.push_back({part.layer, unit, part.offset + unit * part.unit_size(), part.unit_size()});
    }
  }
  return units;
}

std::vector<StateUnit> state_units(const LrnnModel& model) {
  std::vector<StateUnit> units;
  std::size_t offset = 0;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    units.push_back({l, 0, offset, model.layers()[l].hidden_size()});
    offset += model.layers()[l].hidden_size();
  }
  return units;
}

Clusters find_clusters(const Machine& model, const std::vector<StateUnit>& units, const Dfa& automaton,
                       const std::optional<Word>& word, const ClusterOptions& options) {
  const std::size_t k = automaton.num_symbols();
  const std::size_t states = automaton.num_states();
  Clusters result;
  result.units = units.size();
  // All short words, level by level, from the states of the level before.
  std::vector<Sampled> sample;
  std::vector<Run> level{Run(model, automaton)};
  std::size_t count = 1;
  sample.push_back({level[0].at(), 0, level[0].values(units)});
  try {
    while (count + level.size() * k <= options.words) {
      std::vector<Run> next;
      for (const Run& run : level) {
        for (Symbol a = 0; a < k; ++a) {
          next.push_back(run);
          next.back().read(a);
        }
      }
      ++result.length;
      for (const Run& run : next) sample.push_back({run.at(), result.length, run.values(units)});
      level = std::move(next);
      count += level.size();
    }
  } catch (const NumericError&) {
    // Shorter words do.
  }
  const std::vector<UnitClusters> clusters = clusters_of(units, sample, states);
  for (const UnitClusters& one : clusters) result.telling_units += one.tells ? 1 : 0;

  std::vector<Sampled> points = sample;
  std::vector<Sampled> shortest;
  for (const Sampled& point : sample) {
    if (point.length == result.length) shortest.push_back(point);
  }
  result.gaps.push_back(gap_of(shortest, states, result.length));
  SplitMix64 draw(options.seed);
  std::vector<Run> runs(options.long_words, Run(model, automaton));
  std::uint64_t done = 0;
  try {
    for (std::uint64_t length = std::max<std::uint64_t>(8, 2 * result.length); length <= options.longest; length *= 2) {
      std::vector<Sampled> here;
      for (; done < length; ++done) {
        for (Run& run : runs) run.read(static_cast<Symbol>(draw.next() % k));
      }
      for (const Run& run : runs) here.push_back({run.at(), length, run.values(units)});
      result.gaps.push_back(gap_of(here, states, length));
      points.insert(points.end(), here.begin(), here.end());
    }
  } catch (const NumericError&) {
    // As far as runs are finite.
  }
  std::erase_if(result.gaps, [](const ClusterGap& gap) { return !std::isfinite(gap.least_between); });
  project(result, points);
  if (word) {
    try {
      result.departure = departure_of(model, units, automaton, clusters, *word);
    } catch (const NumericError&) {
      // The word ends in NaN: nothing is said.
    }
  }
  return result;
}

}  // namespace krohn
