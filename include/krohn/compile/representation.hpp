// Small real representations of a group automaton: fewer dimensions or fewer reflections than permutations take, at the
// price of exactness.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// An orthogonal representation of the transition group with a start vector whose images tell the states apart.
struct OrthogonalRepresentation {
  /// The dimensions of its irreducible parts: "4", "3+1".
  std::string name;
  std::size_t dimension = 0;
  /// The largest rank(g - I) over the letters g: the least number of reflections with which each can be written
  /// (Scherk 1950).
  std::size_t reflections = 0;
  /// Per symbol the index into `letters`, numbered by first occurrence.
  std::vector<std::uint32_t> letter_of_symbol;
  /// Per distinct letter its matrix, row-major [dimension, dimension], and rank(g - I).
  std::vector<std::vector<double>> letters;
  std::vector<std::size_t> letter_reflections;
  /// The vector of every state, row-major [states, dimension], of norm 1: letters[a] maps that of q to that of q.a.
  std::vector<double> state_vectors;
  /// The least distance between the vectors of two states.
  double separation = 0.0;
};

/// Representations that no other one found beats in both dimension and reflections, by ascending dimension. Sought
/// among the sums of up to three distinct irreducible real representations, which are the eigenspaces of a random
/// symmetric matrix that commutes with the regular representation. `minimal` is a minimal automaton with permutation
/// letters (InputError otherwise); groups of more than `max_order` elements throw ResourceError. Cost: the cube of the
/// order.
std::vector<OrthogonalRepresentation> find_representations(const Dfa& minimal, std::size_t max_order = 400);

}  // namespace krohn
