// How the roundings of tokens far back are seen under a delta rule behind a scalar gate, A_c = a_c (I - beta_c k_c
// k_c^T), where they are forgotten slowly or never. A token's last operation rounds entry i of a state by at most h_i,
// half a unit in the last place of the largest there, and not at all where k_i = 0; the gate's product, which the same
// token's I - beta k k^T takes on, by at most h_i too, and not at all where all gates are 1. A query q sees an error
// behind a token through p = A_x q, x the tokens since, and one before what token c changes through B_c p: as at most
// the product of the gates since times F(B_x q) and G(B_c B_x q), where B_c is A_c without its gate and
//     F(p) = max over tokens c of the sum of |p_i| h_i over the i with k_c,i != 0,     G(p) = the sum over all i.
// With 0 <= beta_c |k_c|^2 <= 2 the powers of B_c take p into the segment from p to
//     P_c p = p - max(1, beta_c |k_c|^2) (p . k_c) k_c / |k_c|^2,
// and what P_c made into that too. So the hull of all that words of the P_c make of q in which no token follows itself
// is taken into itself by every B_c: it holds B_x q for all x, and the convex F and G are each largest at one of these
// points. They are followed to some depth; beyond it a point moves by at most twice its part in the span of the keys,
// which no P_c makes longer.
#pragma once

#include <cstddef>
#include <vector>

namespace krohn::sets {

class FarBack {
 public:
  /// Of at most 4 tokens; the keys' Gram matrix has pivots of at least 2^-20 of its diagonal.
  FarBack(std::vector<std::vector<float>> keys, std::vector<double> strengths, std::vector<double> gates);

  struct Functional {
    std::vector<double> entries;
    /// Those that it stands for are at most so far away.
    double rest = 0.0;
  };
  /// A_c p
  void back(std::size_t c, std::vector<double>& p) const;
  /// The points, with p for q.
  std::vector<Functional> corners(std::vector<double> p) const;
  /// The largest F, and with gates the largest G beside it, but for the rounding of the p.
  double most(const std::vector<Functional>& corners, const std::vector<double>& halves) const;

 private:
  void take_out(std::size_t c, double factor, std::vector<double>& p) const;
  void follow(std::vector<double> p, std::size_t last, std::size_t depth, std::vector<Functional>& corners) const;

  std::vector<std::vector<float>> keys_;
  std::vector<double> strengths_;
  std::vector<double> gates_;
  /// Some gate is not 1.
  bool gated_ = false;
  std::vector<double> squares_;
  /// Orthonormal, of the keys' span.
  std::vector<std::vector<double>> basis_;
};

}  // namespace krohn::sets
