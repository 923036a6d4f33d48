// How large the matrices of a layer's recurrences become, alone and multiplied along words.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "krohn/engine/interpreter.hpp"
#include "krohn/engine/spectrum.hpp"
#include "layer_walk.hpp"

namespace krohn {

/// A(x) of a step as a map of [key_size] vectors; diagonal ones of elements are taken by their entries.
class StepMap {
 public:
  StepMap(std::size_t key_size, std::size_t value_size, const forward::Decay<double>& decay,
          std::span<const forward::Update<double>> updates);
  /// The columns of `x` [key_size, n] become A x, or A^T x.
  void apply(Eigen::MatrixXd& x) const;
  void apply_transposed(Eigen::MatrixXd& x) const;
  /// The 2-norm: exactly of a diagonal, or of a scaled I - w r^T; of others by power iteration.
  double norm() const;
  /// The diagonal where there are no factors.
  bool diagonal() const { return factors_.empty() && !rotates_; }
  const Eigen::ArrayXd& decays() const { return decays_; }

 private:
  void decay(Eigen::MatrixXd& x, bool transposed) const;

  struct Factor {
    Eigen::VectorXd read;
    /// Times beta.
    Eigen::VectorXd write;
    bool undecayed = false;
  };
  /// [1], [key_size], or of a diagonal [key_size * value_size].
  Eigen::ArrayXd decays_;
  bool rotates_ = false;
  Eigen::Index size_;
  std::vector<Factor> factors_;
};

class StabilityCollector {
 public:
  void token(const ReadToken& token) { token_ = token; }
  /// The matrix of the token at hand, with the radius of its spectrum.
  void matrix(std::size_t block, std::size_t head, std::size_t key_size, std::size_t value_size,
              const forward::Decay<double>& decay, std::span<const forward::Update<double>> updates, double radius);
  void join(const StabilityCollector& other);
  std::vector<LayerStability> layers() const;

 private:
  ReadToken token_;
  std::map<std::size_t, LayerStability> layers_;
  /// A(x_t) .. A(x_1) of the random word at hand, [key_size, key_size] or a diagonal; per block and head. A thread's
  /// tokens come a layer after another, and in each layer the words one after another.
  std::map<std::pair<std::size_t, std::size_t>, Eigen::MatrixXd> products_;
};

}  // namespace krohn
