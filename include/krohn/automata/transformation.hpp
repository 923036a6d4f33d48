// Transformations of 0, .., degree - 1 as lists of images.
//
// Order, here and everywhere in krohn: words and transformations act left to right, q.uv = (q.u).v, so `compose(f, g)`
// is first f, then g. Matrices multiply right to left: A(x_T) .. A(x_1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/automata/dfa.hpp"

namespace krohn {

/// The images of 0, .., degree - 1.
using Transformation = std::vector<std::uint32_t>;

/// For unordered containers.
struct TransformationHash {
  std::size_t operator()(const Transformation& f) const noexcept {
    std::uint64_t hash = 0;
    for (const std::uint32_t image : f) {
      hash = (hash ^ image) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 29U;
    }
    return static_cast<std::size_t>(hash);
  }
};

Transformation identity_transformation(std::size_t degree);
/// q -> g[f[q]]: first f, then g.
Transformation compose(std::span<const std::uint32_t> f, std::span<const std::uint32_t> g);
/// The transformation of a word.
Transformation transformation_of(const Dfa& dfa, std::span<const Symbol> word);
/// The number of distinct images.
std::size_t rank_of(std::span<const std::uint32_t> f);

/// f^index = f^(index + period) with the least index >= 1 and the least period; the period is in decimal (it may
/// exceed 64 bits) and `periodic` says whether it exceeds 1.
struct PowerPattern {
  std::size_t index = 1;
  std::string period = "1";
  bool periodic = false;
};
PowerPattern power_pattern(std::span<const std::uint32_t> f);

/// The distinct transformations among an automaton's letters, numbered by first occurrence.
struct DistinctLetters {
  /// Per symbol the index of its transformation.
  std::vector<std::uint32_t> of_symbol;
  /// Per transformation its first symbol.
  std::vector<Symbol> symbol;
  /// Per transformation the list of images.
  std::vector<Transformation> images;
  /// Whether all of them are permutations.
  bool permute = true;
};
DistinctLetters distinct_letters(const Dfa& dfa);

}  // namespace krohn
