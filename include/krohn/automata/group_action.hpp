// Faithful actions of low degree for automata whose letters are permutations, and what they remember of the state.
//
// A group automaton runs in one linear layer on a vector h that its letters permute (Grazzi et al. 2025,
// arXiv:2411.12537, Thm 3). The vector starts as a colouring of the points and carries the state: h_q is the start
// colouring moved along any word from the start to q, and different states have different vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// An action of the transition group on `degree` points with a start colouring; see find_action.
struct GroupAction {
  std::size_t degree = 0;
  /// Per symbol: the index into `letters`; symbols that act alike share one. Numbered by first occurrence.
  std::vector<std::uint32_t> letter_of_symbol;
  /// The distinct letters as permutations of the points: `letters[l][point]` is the image of the point.
  std::vector<std::vector<std::uint32_t>> letters;
  /// The colour of every point at the start: 1 and 0 where marking one point of a block system is enough, else 1, 2,
  /// ...
  std::vector<std::uint32_t> colour;
  /// h_q, row-major [states, degree]. h_{q.a}[letters[a][p]] = h_q[p], and the rows are pairwise distinct.
  std::vector<std::uint32_t> state_colours;
  /// The numbers of blocks of the block systems that the points are made of; they sum to `degree`.
  std::vector<std::size_t> block_counts;
  /// The largest number of reflections that a letter needs: max over letters of degree - cycles.
  std::size_t max_reflections = 0;

  std::span<const std::uint32_t> state_colour(State state) const {
    return std::span<const std::uint32_t>(state_colours).subspan(state * degree, degree);
  }
};

/// The number of cycles of a permutation, fixed points counted.
std::size_t cycle_count(std::span<const std::uint32_t> permutation);

/// The action of least degree found among the action on the states, on the blocks of its block systems, and on sums
/// of those; of two with equal degree the one whose letters need fewer reflections. Least among all such sums while
/// the lattice of block systems fits the search budget (some thousand systems), a good one beyond.
///
/// `dfa` has permutation letters and all its states are reachable, as in a minimal automaton; throws InputError
/// otherwise, and ResourceError where states times degree pass 2^28. One state gives degree 1 and the identity.
GroupAction find_action(const Dfa& dfa);

}  // namespace krohn
