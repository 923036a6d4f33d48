// Tested by tests/verify/sets_test.cpp.
#include "sets/endings.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace krohn::sets {
namespace {

/// What doubles lose on a functional a token: 2^-50 of its entries, times how far errors on the keys' values go while
/// norms do not grow, which is at most 2^10 where the keys' Gram matrix has pivots of at least 2^-20.
constexpr double drift = 0x1p-38;

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
  for (std::size_t r = 0; r < enclosing_.readers().size(); ++r) {
    add_sizes(result.functionals.data() + r * enclosing_.size(), result.noise.data() + r * enclosing_.size());
    enclosing_.back(context, r, result.functionals.data() + r * enclosing_.size(),
                    result.parts.data() + r * enclosing_.generators(),
                    result.sizes.data() + r * enclosing_.generators());
  }
  return result;
}

Box Endings::box_of(const Node& node) const {
  const std::size_t readers = enclosing_.readers().size();
  const std::size_t n = enclosing_.generators();
  const Fan& combinations = enclosing_.combinations();
  Box box{node.parts, std::vector<double>(readers * n * n, 0.0), std::vector<double>(readers * n, 0.0), {}};
  std::vector<double> far(combinations.size());
  for (std::size_t r = 0; r < readers; ++r) {
    enclosing_.supports(node.situation, r, node.functionals.data() + r * enclosing_.size(), far.data());
    for (std::size_t m = 0; m < enclosing_.readers()[r].count; ++m) {
      box.roundings.push_back(enclosing_.rounding(node.context, r, m, node.functionals.data() + r * enclosing_.size(),
                                                  node.noise.data() + r * enclosing_.size()));
    }
    const double loss = drift * static_cast<double>(node.word.size() + 1) * node.largest[r] * enclosing_.reach(r);
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

bool Endings::right(const Node& node, int halvings) {
  Box box = box_of(node);
  return right(node, box, halvings, 0);
}

bool Endings::right(const Node& node, Box& box, int halvings, int depth) {
  ++evaluations_;
  const Readout::Outcome outcome = readout_.evaluate(node.context, node.state, box);
  if (outcome.right) return true;
  lost_ = outcome.lost;
  if (depth == halvings || (!outcome.middle && depth >= 2)) return false;
  const std::size_t n = enclosing_.generators();
  if (outcome.worst.size() >= enclosing_.readers().size() * n && depth < halvings) {
    // No halving helps where the readout is not right at a corner.
    Box corner = box;
    for (std::size_t r = 0; r < enclosing_.readers().size(); ++r) {
      for (std::size_t b = 0; b < n; ++b) {
        for (std::size_t i = 0; i < n; ++i) {
          double& c = corner.coefficients[(r * n + b) * n + i];
          corner.centers[r * n + b] += outcome.worst[r * n + i] * c;
          c = 0.0;
        }
      }
    }
    ++evaluations_;
    if (!readout_.evaluate(node.context, node.state, corner).right) return false;
  }
  // The symbol that moves its reader's t the most, against their size.
  std::size_t widest = 0;
  double most = 0.0;
  for (std::size_t r = 0; r < enclosing_.readers().size(); ++r) {
    double size = 1e-12;
    for (std::size_t b = 0; b < n; ++b) size += std::abs(box.centers[r * n + b]);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t b = 0; b < n; ++b) size += std::abs(box.coefficients[(r * n + b) * n + i]);
    }
    for (std::size_t i = 0; i < n; ++i) {
      double moved = 0.0;
      for (std::size_t b = 0; b < n; ++b) moved += std::abs(box.coefficients[(r * n + b) * n + i]);
      // Readers of one number are not normalised by themselves.
      const double weight = n > 1 ? moved / size : moved;
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
    if (!right(node, half, halvings, depth + 1)) return false;
  }
  return true;
}

}  // namespace krohn::sets
