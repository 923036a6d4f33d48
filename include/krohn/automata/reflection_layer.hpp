// Groups that one layer of signed gates and one reflection a token does, whatever element a token stands for.
//
// The layer: heads side by side, in each of them A(x) = (I - beta k k^T) diag(alpha) with |k| = 1, beta in [0, 2] and
// alpha in [-1, 1]^d (signed KDA, arXiv:2609.24797). reflection_layer.cpp has the constructions and their proofs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/permutation_group.hpp"

namespace krohn {

/// How such a layer follows a group of permutations.
struct ReflectionLayer {
  /// d of each head. An upper bound: no smaller layer was looked for.
  std::vector<std::size_t> heads;
  /// All entries of all matrices are 0, 1/2, 1 or their negatives: every step is exact in floating point. Else some are
  /// irrational, and rounding leaves a horizon.
  bool exact = false;
  /// "the plane's rotations and reflections", ..
  std::string construction;

  std::size_t size() const {
    std::size_t sum = 0;
    for (const std::size_t d : heads) sum += d;
    return sum;
  }
};

/// A layer in which every letter is one token, and so is every other element that the letters generate (of letters that
/// swap two points: the letters alone). None where none was found: that is no proof that there is none. `letters` are
/// permutations of 0, .., degree - 1. Groups of more than 4096 elements are looked at only as far as swaps go.
std::optional<ReflectionLayer> find_reflection_layer(std::size_t degree, const std::vector<Permutation>& letters);

}  // namespace krohn
