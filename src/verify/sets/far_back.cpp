#include "sets/far_back.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sets/enclosing.hpp"

namespace krohn::sets {
namespace {

template <class X, class Y>
double dot(const X& x, const Y& y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return sum;
}

/// Some tens of functionals.
std::size_t depth_of(std::size_t tokens) { return tokens <= 2 ? 10 : tokens == 3 ? 4 : 3; }

}  // namespace

FarBack::FarBack(std::vector<std::vector<float>> keys, std::vector<double> strengths, std::vector<double> gates)
    : keys_(std::move(keys)), strengths_(std::move(strengths)), gates_(std::move(gates)) {
  for (const double gate : gates_) gated_ = gated_ || gate != 1.0;
  for (const std::vector<float>& key : keys_) {
    squares_.push_back(dot(key, key));
    std::vector<double> rest(key.begin(), key.end());
    // Twice, for the doubles.
    for (int again = 0; again < 2; ++again) {
      for (const std::vector<double>& unit : basis_) {
        const double along = dot(rest, unit);
        for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= along * unit[i];
      }
    }
    const double length = std::sqrt(dot(rest, rest));
    for (double& x : rest) x /= length;
    basis_.push_back(std::move(rest));
  }
}

void FarBack::take_out(std::size_t c, double factor, std::vector<double>& p) const {
  const double along = factor * dot(p, keys_[c]);
  for (std::size_t i = 0; i < p.size(); ++i) p[i] -= along * static_cast<double>(keys_[c][i]);
}

void FarBack::back(std::size_t c, std::vector<double>& p) const {
  take_out(c, strengths_[c], p);
  for (double& x : p) x *= gates_[c];
}

std::vector<FarBack::Functional> FarBack::corners(std::vector<double> p) const {
  std::vector<Functional> corners;
  follow(std::move(p), keys_.size(), depth_of(keys_.size()), corners);
  return corners;
}

void FarBack::follow(std::vector<double> p, std::size_t last, std::size_t depth,
                     std::vector<Functional>& corners) const {
  corners.push_back({p, 0.0});
  for (std::size_t c = 0; c < keys_.size(); ++c) {
    if (c == last) continue;
    if (depth == 0) {
      double square = 0.0;
      for (const std::vector<double>& unit : basis_) square += dot(p, unit) * dot(p, unit);
      corners.back().rest = 2.0 * std::sqrt(square) * (1.0 + 0x1p-18);
      return;
    }
    std::vector<double> end = p;
    take_out(c, std::max(1.0 / squares_[c], strengths_[c]), end);
    follow(std::move(end), c, depth - 1, corners);
  }
}

double FarBack::most(const std::vector<Functional>& corners, const std::vector<double>& halves) const {
  const double norm = std::sqrt(dot(halves, halves));
  double updates = 0.0;
  double decays = 0.0;
  for (const Functional& at : corners) {
    double all = at.rest * norm;
    for (std::size_t i = 0; i < halves.size(); ++i) all += std::abs(at.entries[i]) * halves[i];
    decays = std::max(decays, all);
    for (const std::vector<float>& key : keys_) {
      double sum = at.rest * norm;
      for (std::size_t i = 0; i < halves.size(); ++i) {
        if (key[i] != 0.0F) sum += std::abs(at.entries[i]) * halves[i];
      }
      updates = std::max(updates, sum);
    }
  }
  return (updates + (gated_ ? decays : 0.0)) * (1.0 + slack);
}

}  // namespace krohn::sets
