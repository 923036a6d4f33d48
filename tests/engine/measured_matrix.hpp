// State transition matrices measured on a learned model: a block's step is affine in its own hidden state, so that
// columns are differences of steps.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "krohn/engine/interpreter.hpp"
#include "krohn/model/program.hpp"

namespace krohn::testing {

inline const StatePart& hidden_part(const Program& model, std::size_t block) {
  for (const StatePart& part : model.state_parts()) {
    if (part.kind == StatePart::Kind::hidden && part.layer == block) return part;
  }
  throw std::logic_error("no hidden state");
}

/// A(x_1), .., A(x_t) of a head of a block along the tokens x_1 .. x_t.
inline std::vector<Eigen::MatrixXd> measured_matrices(const Program& model, std::size_t block, std::size_t head,
                                                      const std::vector<std::uint32_t>& tokens) {
  const StatePart& part = hidden_part(model, block);
  const std::size_t keys = part.shape[1];
  const std::size_t columns = part.shape[2];
  forward::Interpreter<forward::OneByOne<double>> pass(model);
  std::vector<double> state(model.state_size());
  pass.initial(state.data());
  std::vector<Eigen::MatrixXd> matrices;
  for (const std::uint32_t token : tokens) {
    const std::vector<double> before = state;
    pass.step(state.data(), &token, nullptr);
    Eigen::MatrixXd matrix(keys, keys);
    for (std::size_t j = 0; j < keys; ++j) {
      std::vector<double> moved = before;
      moved[part.offset + (head * keys + j) * columns] += 1.0;
      pass.step(moved.data(), &token, nullptr);
      for (std::size_t i = 0; i < keys; ++i) {
        const std::size_t at = part.offset + (head * keys + i) * columns;
        matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = moved[at] - state[at];
      }
    }
    matrices.push_back(matrix);
  }
  return matrices;
}

}  // namespace krohn::testing
