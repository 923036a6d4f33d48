// Tested by tests/verify/sets_test.cpp.
#include "sets/endings.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace krohn::sets {
namespace {

/// Of a region: limits, and pieces.
constexpr std::size_t most_limits = 96;
constexpr std::uint64_t most_pieces = 1000;
/// Of a margin, by its center, how much may be lost at one point before that is looked into.
constexpr double most_lost = 0.25;

}  // namespace

void Endings::add_sizes(const double* functional, double* noise) const {
  for (std::size_t j = 0; j < enclosing_.size(); ++j) noise[j] += std::abs(functional[j]);
}

Node Endings::root(std::uint32_t situation, Symbol last) const {
  const std::size_t readers = enclosing_.readers().size();
  const std::size_t size = enclosing_.size();
  Node node;
  node.situation = situation;
  node.context = system_.context(situation, last);
  node.state = system_.situations()[system_.next(situation, last)].state;
  node.word = {last};
  node.contexts = {node.context};
  node.functionals.assign(readers * size, 0.0);
  node.parts.assign(readers * enclosing_.generators(), 0.0);
  node.sizes = node.parts;
  node.noise = node.functionals;
  for (std::size_t r = 0; r < readers; ++r) {
    double* functional = node.functionals.data() + r * size;
    enclosing_.begin(node.context, r, functional);
    double most = 0.0;
    for (std::size_t j = 0; j < size; ++j) most = std::max(most, std::abs(functional[j]));
    node.largest.push_back(most);
    add_sizes(functional, node.noise.data() + r * size);
    enclosing_.back(node.context, r, functional, node.parts.data() + r * enclosing_.generators(),
                    node.sizes.data() + r * enclosing_.generators());
  }
  return node;
}

Node Endings::before(const Node& node, const System::Predecessor& predecessor) const {
  Node result = node;
  result.situation = predecessor.situation;
  result.word.insert(result.word.begin(), predecessor.symbol);
  const std::uint32_t context = system_.context(predecessor.situation, predecessor.symbol);
  result.contexts.insert(result.contexts.begin(), context);
  for (std::size_t r = 0; r < enclosing_.readers().size(); ++r) {
    add_sizes(result.functionals.data() + r * enclosing_.size(), result.noise.data() + r * enclosing_.size());
    enclosing_.back(context, r, result.functionals.data() + r * enclosing_.size(),
                    result.parts.data() + r * enclosing_.generators(),
                    result.sizes.data() + r * enclosing_.generators());
  }
  return result;
}

Enclosing::Behind Endings::behind(const Node& node, std::size_t reader) const {
  const std::size_t size = enclosing_.size();
  const std::size_t n = enclosing_.generators();
  return {node.contexts,
          node.functionals.data() + reader * size,
          node.largest[reader],
          node.noise.data() + reader * size,
          node.parts.data() + reader * n,
          node.sizes.data() + reader * n};
}

Box Endings::box_of(Region& region) const {
  const Node& node = region.node;
  const std::size_t readers = enclosing_.readers().size();
  const std::size_t n = enclosing_.generators();
  const Fan& combinations = enclosing_.combinations();
  Box box{.centers = node.parts,
          .coefficients = std::vector<double>(readers * n * n, 0.0),
          .radii = std::vector<double>(readers * n, 0.0),
          .roundings = {},
          .own = node.parts,
          .shares = {},
          .rests = {},
          .scales = std::vector<double>(readers, 1.0)};
  std::vector<double> far(combinations.size());
  for (std::size_t r = 0; r < readers; ++r) {
    enclosing_.supports(node.situation, r, node.functionals.data() + r * enclosing_.size(), far.data());
    region.supports.insert(region.supports.end(), far.begin(), far.end());
    const Enclosing::Rounding rounding = enclosing_.rounding(r, behind(node, r));
    box.roundings.insert(box.roundings.end(), rounding.numbers.begin(), rounding.numbers.end());
    box.shares.insert(box.shares.end(), rounding.shares.begin(), rounding.shares.end());
    box.rests.insert(box.rests.end(), rounding.rests.begin(), rounding.rests.end());
    const double loss = enclosing_.loss(r, behind(node, r));
    double* centers = box.centers.data() + r * n;
    double* coefficients = box.coefficients.data() + r * n * n;
    for (std::size_t b = 0; b < n; ++b) {
      box.radii[r * n + b] = loss + slack * (node.sizes[r * n + b] + std::abs(centers[b]));
    }
    if (n == 2 && combinations.size() > 4) {
      // With u.t in [low, high] and w.t likewise for two directions, t = (u, w)^-1 of them: the least area of all.
      struct Side {
        std::size_t u;
        double middle, half;
      };
      std::vector<Side> sides;
      for (std::size_t u = 0; u < combinations.size(); ++u) {
        const std::size_t v = combinations.opposite(u);
        if (v < u) continue;
        sides.push_back({u, 0.5 * (far[u] - far[v]), std::max(0.0, 0.5 * (far[u] + far[v]))});
      }
      double least = -1.0;
      std::pair<std::size_t, std::size_t> best;
      for (std::size_t i = 0; i < sides.size(); ++i) {
        for (std::size_t j = i + 1; j < sides.size(); ++j) {
          const double* u = combinations.direction(sides[i].u);
          const double* w = combinations.direction(sides[j].u);
          const double determinant = std::abs(u[0] * w[1] - u[1] * w[0]);
          if (determinant < 0.25) continue;
          const double floor = 1e-9;
          const double area = (sides[i].half + floor) * (sides[j].half + floor) / determinant;
          if (least < 0.0 || area < least) {
            least = area;
            best = {i, j};
          }
        }
      }
      const Side& a = sides[best.first];
      const Side& c = sides[best.second];
      const double* u = combinations.direction(a.u);
      const double* w = combinations.direction(c.u);
      const double determinant = u[0] * w[1] - u[1] * w[0];
      const double inverse[4] = {w[1] / determinant, -u[1] / determinant, -w[0] / determinant, u[0] / determinant};
      for (std::size_t b = 0; b < 2; ++b) {
        centers[b] += inverse[2 * b] * a.middle + inverse[2 * b + 1] * c.middle;
        coefficients[2 * b] = inverse[2 * b] * a.half;
        coefficients[2 * b + 1] = inverse[2 * b + 1] * c.half;
        // Of the doubles here: the numbers involved are at most 8 of these.
        box.radii[r * n + b] +=
            16.0 * slack * (std::abs(a.middle) + a.half + std::abs(c.middle) + c.half + std::abs(centers[b]));
      }
      continue;
    }
    // The unit vectors, which every fan has.
    for (std::size_t b = 0; b < n; ++b) {
      for (std::size_t u = 0; u < combinations.size(); ++u) {
        bool own = combinations.direction(u)[b] == 1.0;
        for (std::size_t i = 0; i < n; ++i) own = own && (i == b || combinations.direction(u)[i] == 0.0);
        if (!own) continue;
        const std::size_t v = combinations.opposite(u);
        const double middle = 0.5 * (far[u] - far[v]);
        const double half = std::max(0.0, 0.5 * (far[u] + far[v]));
        centers[b] += middle;
        coefficients[b * n + b] = half;
        box.radii[r * n + b] += slack * (std::abs(middle) + half + std::abs(centers[b]));
      }
    }
  }
  return box;
}

Endings::Limit Endings::limit_by_supports(const Region& region, std::vector<double> direction) const {
  const std::size_t n = enclosing_.generators();
  double most = 0.0;
  double size = 0.0;
  double own = 0.0;
  std::vector<Fan::Part> parts;
  for (std::size_t r = 0; r < enclosing_.readers().size(); ++r) {
    enclosing_.combinations().decompose(direction.data() + r * n, parts);
    for (const Fan::Part& part : parts) {
      const double term = part.weight * region.supports[r * enclosing_.combinations().size() + part.direction];
      most += term;
      size += std::abs(term);
    }
    for (std::size_t b = 0; b < n; ++b) {
      const double term = direction[r * n + b] * region.node.parts[r * n + b];
      own += term;
      size += std::abs(term);
    }
  }
  return {std::move(direction), most + own + slack * size};
}

Endings::Limit Endings::limit_of(const Region& region, std::vector<double> direction) const {
  Limit limit = limit_by_supports(region, std::move(direction));
  double own = 0.0;
  double size = 0.0;
  for (std::size_t t = 0; t < limit.direction.size(); ++t) {
    own += limit.direction[t] * region.node.parts[t];
    size += std::abs(limit.direction[t] * region.node.parts[t]);
  }
  const double far = enclosing_.far(region.node.functionals.data(), limit.direction.data());
  limit.most = std::min(limit.most, far + own + slack * (size + std::abs(far)));
  return limit;
}

/// Where the reader's set, with its radii, lies on one side of 0: its box becomes the segment of all t / r, r >= 1, on
/// the line l . t = least, which every ray from 0 through the set meets. Its points are (least / |l|^2) (l + s l'), l'
/// across l, where s = (l' . t) / (l . t) is at most s_1 if l' - s_1 l goes nowhere beyond 0. Two generators only.
bool Endings::take_out_scale(const Region& region, std::size_t reader, Box& box) const {
  const std::size_t n = enclosing_.generators();
  const Fan& combinations = enclosing_.combinations();
  if (n != 2 || combinations.size() <= 4) return false;
  const double* radii = box.radii.data() + reader * n;
  const auto most_along = [&](double x, double y) {
    std::vector<double> direction(box.centers.size(), 0.0);
    direction[reader * n] = x;
    direction[reader * n + 1] = y;
    return limit_by_supports(region, std::move(direction)).most +
           2.0 * (std::abs(x) * radii[0] + std::abs(y) * radii[1]);
  };
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t u = 0; u < combinations.size(); ++u) {
    const double l[2] = {-combinations.direction(u)[0], -combinations.direction(u)[1]};
    const double least = -most_along(-l[0], -l[1]);
    if (!(least > 0.0)) continue;
    // The least s_1, and of -s, by bisection.
    double ends[2];
    for (const double sign : {1.0, -1.0}) {
      const auto holds = [&](double s) { return most_along(-sign * l[1] - s * l[0], sign * l[0] - s * l[1]) <= 0.0; };
      double low = -0x1p20;
      double high = 0x1p20;
      if (!holds(high)) return false;
      while (high - low > 1e-6 * (1.0 + std::abs(high))) {
        const double middle = std::abs(low) + std::abs(high) > 8.0 && low * high < 0.0
                                  ? (high > -low ? 0.25 * high : 0.25 * low)
                                  : 0.5 * (low + high);
        (holds(middle) ? high : low) = middle;
      }
      ends[sign > 0.0 ? 1 : 0] = sign * high;
    }
    const double spread = std::max(std::abs(ends[0]), std::abs(ends[1]));
    if (!(spread < best)) continue;
    best = spread;
    const double length = least / (l[0] * l[0] + l[1] * l[1]);
    const double across[2] = {-l[1], l[0]};
    const double middle = 0.5 * (ends[0] + ends[1]);
    const double half = std::max(0.5 * (ends[1] - ends[0]), 0.0);
    for (std::size_t b = 0; b < n; ++b) {
      const std::size_t t = reader * n + b;
      box.centers[t] = length * (l[b] + middle * across[b]);
      box.coefficients[t * n] = length * half * across[b];
      box.coefficients[t * n + 1] = 0.0;
    }
    box.scales[reader] = std::max(most_along(l[0], l[1]) / least * (1.0 + slack), 1.0 + slack);
  }
  if (!(best < 0x1p20)) return false;
  for (std::size_t b = 0; b < n; ++b) {
    const std::size_t t = reader * n + b;
    box.radii[t] += 16.0 * slack * (std::abs(box.centers[t]) + std::abs(box.coefficients[t * n]));
  }
  return true;
}

/// Its `most` has room for the box's radii: e is such that the box's t is the exact one up to them.
Endings::Cut Endings::cut_of(const Limit& limit, const Box& box) const {
  const std::size_t n = enclosing_.generators();
  Cut cut{std::vector<double>(limit.direction.size(), 0.0), limit.most};
  double size = std::abs(limit.most);
  for (std::size_t r = 0; r < enclosing_.readers().size(); ++r) {
    for (std::size_t b = 0; b < n; ++b) {
      const double d = limit.direction[r * n + b];
      const double* row = box.coefficients.data() + (r * n + b) * n;
      cut.most += 2.0 * std::abs(d) * box.radii[r * n + b] - d * box.centers[r * n + b];
      size += std::abs(d * box.centers[r * n + b]);
      for (std::size_t i = 0; i < n; ++i) {
        cut.coefficients[r * n + i] += d * row[i];
        size += std::abs(d * row[i]);
      }
    }
  }
  cut.most += slack * size;
  return cut;
}

/// Shrinks the box to what the limits leave of it; false if that is nothing.
bool Endings::tighten(const Region& region, Box& box) const {
  const std::size_t n = enclosing_.generators();
  for (const Limit& limit : region.limits) {
    const Cut cut = cut_of(limit, box);
    double all = 0.0;
    for (const double c : cut.coefficients) all += std::abs(c);
    if (cut.most < -all) return false;
    for (std::size_t k = 0; k < cut.coefficients.size(); ++k) {
      const double c = std::abs(cut.coefficients[k]);
      // |c| e, towards where the limit is, is at most `end`.
      const double end = cut.most + (all - c);
      if (!(end < 0.98 * c)) continue;
      const double part = std::max(end / c, -1.0);
      const double towards = cut.coefficients[k] > 0.0 ? 1.0 : -1.0;
      for (std::size_t b = 0; b < n; ++b) {
        const std::size_t t = k / n * n + b;
        double& side = box.coefficients[t * n + k % n];
        box.centers[t] += 0.5 * (part - 1.0) * towards * side;
        side *= 0.5 * (part + 1.0);
        box.radii[t] += 4.0 * slack * (std::abs(box.centers[t]) + std::abs(side));
      }
      return tighten(region, box);
    }
  }
  return true;
}

/// A direction of t along which the margin falls.
std::vector<double> Endings::fall_of(const Readout::Outcome::Margin& margin, const Box& box) const {
  const std::size_t n = enclosing_.generators();
  std::vector<double> direction(box.centers.size(), 0.0);
  for (std::size_t r = 0; r < enclosing_.readers().size(); ++r) {
    const double* m = box.coefficients.data() + r * n * n;
    const double* by = margin.coefficients.data() + r * n;
    double* out = direction.data() + r * n;
    const double determinant = n == 2 ? m[0] * m[3] - m[1] * m[2] : 0.0;
    if (n == 2 && std::abs(determinant) > 1e-9 * (std::abs(m[0] * m[3]) + std::abs(m[1] * m[2]))) {
      out[0] = -(by[0] * m[3] - by[1] * m[2]) / determinant;
      out[1] = -(by[1] * m[0] - by[0] * m[1]) / determinant;
      continue;
    }
    for (std::size_t b = 0; b < n; ++b) out[b] = m[b * n + b] == 0.0 ? 0.0 : -by[b] / m[b * n + b];
  }
  return direction;
}

/// Whether the margin is positive on what the cut leaves of the box: with a multiplier l >= 0 of the cut, it is at
/// least center - sum of |coefficients + l cut| - l most - radius.
bool Endings::positive(const Readout::Outcome::Margin& margin, const Cut& cut) const {
  std::vector<double> multipliers = {0.0};
  for (std::size_t k = 0; k < cut.coefficients.size(); ++k) {
    if (margin.coefficients[k] * cut.coefficients[k] < 0.0) {
      multipliers.push_back(-margin.coefficients[k] / cut.coefficients[k]);
    }
  }
  return std::ranges::any_of(multipliers, [&](double l) {
    double least = margin.center - l * cut.most;
    double size = std::abs(margin.center) + std::abs(l * cut.most);
    for (std::size_t k = 0; k < margin.coefficients.size(); ++k) {
      const double c = k < cut.coefficients.size() ? l * cut.coefficients[k] : 0.0;
      least -= std::abs(margin.coefficients[k] + c);
      size += std::abs(margin.coefficients[k]) + std::abs(c);
    }
    return least - slack * size > margin.radius;
  });
}

/// The point of the box where the margin is least as far as it is linear; nothing if a limit leaves it out.
std::optional<Box> Endings::worst_corner(const Region& region, const Readout::Outcome::Margin& margin, Box box) const {
  const std::size_t n = enclosing_.generators();
  for (std::size_t t = 0; t < box.centers.size(); ++t) {
    for (std::size_t i = 0; i < n; ++i) {
      double& c = box.coefficients[t * n + i];
      box.centers[t] += (margin.coefficients[t / n * n + i] > 0.0 ? -1.0 : 1.0) * c;
      c = 0.0;
    }
  }
  return is_left_out(region, box) ? std::nullopt : std::optional(std::move(box));
}

/// Whether a limit leaves out a point.
bool Endings::is_left_out(const Region& region, const Box& point) const {
  return std::ranges::any_of(region.limits, [&](const Limit& limit) { return cut_of(limit, point).most < 0.0; });
}

Readout::Outcome Endings::evaluate(const Region& region, const Box& box, Readout& readout) {
  ++evaluations_;
  return readout.evaluate(region.node.context, region.node.state, box);
}

bool Endings::right(const Node& node, int halvings) {
  Region region{node, {}, {}};
  Box box = box_of(region);
  const std::size_t n = enclosing_.generators();
  if (readout_.forgets_scales()) {
    Box directions = box;
    bool all = true;
    for (std::size_t r = 0; r < enclosing_.readers().size() && all; ++r) all = take_out_scale(region, r, directions);
    if (all) {
      region.scaled = true;
      if (right(region, std::move(directions), halvings, 0)) return true;
      // Rounding that is no share of t is taken as it is next to 0: of most of the set it may be a smaller part by far.
      if (std::ranges::any_of(box.shares, [](double share) { return share != 0.0; })) return false;
      region.scaled = false;
      region.pieces = 0;
    }
  }
  const Fan& combinations = enclosing_.combinations();
  // Unit vectors are the box's own sides.
  for (std::size_t r = 0; r < enclosing_.readers().size() && combinations.size() > 2 * n; ++r) {
    for (std::size_t u = 0; u < combinations.size(); ++u) {
      std::vector<double> direction(box.centers.size(), 0.0);
      std::copy_n(combinations.direction(u), n, direction.begin() + static_cast<std::ptrdiff_t>(r * n));
      const double far = region.supports[r * combinations.size() + u];
      double own = 0.0;
      double size = std::abs(far);
      for (std::size_t b = 0; b < n; ++b) {
        own += direction[r * n + b] * node.parts[r * n + b];
        size += std::abs(direction[r * n + b] * node.parts[r * n + b]);
      }
      region.limits.push_back({std::move(direction), far + own + slack * size});
    }
  }
  return right(region, std::move(box), halvings, 0);
}

/// Where so much of the middle's margin is lost, the reader by the lengths of whose answers most of that is, if half.
std::optional<std::size_t> Endings::longest_of(const Region& region, const Box& middle, double lost) {
  double least = 0.75 * lost;
  std::optional<std::size_t> longest;
  for (std::size_t r = 0; r < middle.scales.size(); ++r) {
    if (middle.scales[r] < 1.5) continue;
    Box shortest = middle;
    shortest.scales[r] = 1.0;
    const double left = evaluate(region, shortest, readout_).share;
    if (left < least) {
      least = left;
      longest = r;
    }
  }
  return longest;
}

bool Endings::right(Region& region, Box box, int halvings, int depth) {
  if (!tighten(region, box)) return true;
  ++region.pieces;
  Readout::Outcome outcome = evaluate(region, box, readout_);
  if (outcome.right) return true;
  // What is lost in the middle is lost to lengths, or to rounding, which then is followed by symbols of its own.
  Box middle = box;
  std::fill(middle.coefficients.begin(), middle.coefficients.end(), 0.0);
  const double lost = outcome.middle ? evaluate(region, middle, readout_).share : 0.0;
  std::optional<std::size_t> longest;
  if (lost > most_lost) longest = longest_of(region, middle, lost);
  const bool finely = fine_ != nullptr && lost > most_lost && !longest;
  if (finely) {
    outcome = evaluate(region, box, *fine_);
    if (outcome.right) return true;
  }
  lost_ = outcome.lost;
  const std::size_t n = enclosing_.generators();
  const bool known =
      !region.scaled && !outcome.margins.empty() && outcome.margins.front().coefficients.size() >= box.centers.size();
  bool helps = known;
  for (const Readout::Outcome::Margin& margin : outcome.margins) {
    if (!helps) break;
    helps =
        std::ranges::any_of(region.limits, [&](const Limit& limit) { return positive(margin, cut_of(limit, box)); });
    if (helps || region.limits.size() >= most_limits) continue;
    region.limits.push_back(limit_of(region, fall_of(margin, box)));
    helps = positive(margin, cut_of(region.limits.back(), box));
  }
  if (helps) return true;
  if (depth == halvings || (!outcome.middle && depth >= 2) || region.pieces > most_pieces) return false;
  if (finely && !is_left_out(region, middle) && !evaluate(region, middle, *fine_).right) return false;
  if (known && depth < halvings) {
    // No halving helps where the readout is not right at a corner.
    if (const std::optional<Box> corner = worst_corner(region, outcome.margins.front(), box)) {
      if (!evaluate(region, *corner, readout_).right &&
          (fine_ == nullptr || !evaluate(region, *corner, *fine_).right)) {
        return false;
      }
    }
  }
  if (longest) {
    // Lengths up to the root of the scale, and from there.
    for (const bool far : {false, true}) {
      Box half = box;
      const double root = std::sqrt(half.scales[*longest]);
      half.scales[*longest] = root * (1.0 + 4.0 * slack);
      for (std::size_t b = 0; b < n && far; ++b) {
        const std::size_t t = *longest * n + b;
        half.centers[t] *= root;
        half.radii[t] = root * half.radii[t] + slack * std::abs(half.centers[t]);
        for (std::size_t i = 0; i < n; ++i) {
          half.coefficients[t * n + i] *= root;
          half.radii[t] += slack * std::abs(half.coefficients[t * n + i]);
        }
      }
      if (!right(region, std::move(half), halvings, depth + 1)) return false;
    }
    return true;
  }
  // The symbol that moves its reader's t the most, against their size, and, as far as that is known, by what the
  // reader's answers do to the margin.
  const bool known_by_reader = !outcome.margins.empty() && !outcome.margins.front().by_reader.empty();
  std::size_t widest = 0;
  double most = 0.0;
  for (std::size_t r = 0; r < enclosing_.readers().size(); ++r) {
    double size = 1e-12;
    std::vector<double> moved(n, 0.0);
    for (std::size_t b = 0; b < n; ++b) {
      size += std::abs(box.centers[r * n + b]);
      for (std::size_t i = 0; i < n; ++i) {
        const double c = std::abs(box.coefficients[(r * n + b) * n + i]);
        size += c;
        moved[i] += c;
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      // Readers of one number are not normalised by themselves.
      const double weight =
          (n > 1 ? moved[i] / size : moved[i]) * (known_by_reader ? outcome.margins.front().by_reader[r] : 1.0);
      if (weight > most) {
        most = weight;
        widest = r * n + i;
      }
    }
  }
  if (most == 0.0) return false;
  const std::size_t r = widest / n;
  const std::size_t i = widest % n;
  for (const double sign : {-1.0, 1.0}) {
    Box half = box;
    for (std::size_t b = 0; b < n; ++b) {
      double& c = half.coefficients[(r * n + b) * n + i];
      c *= 0.5;
      half.centers[r * n + b] += sign * c;
      half.radii[r * n + b] += slack * (std::abs(c) + std::abs(half.centers[r * n + b]));
    }
    if (!right(region, std::move(half), halvings, depth + 1)) return false;
  }
  return true;
}

}  // namespace krohn::sets
