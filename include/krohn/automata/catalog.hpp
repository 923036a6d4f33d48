// The catalogue of named languages.
#pragma once

#include <span>
#include <string_view>

#include "krohn/automata/dfa.hpp"

namespace krohn {

struct CatalogEntry {
  std::string_view pattern;      ///< as typed, parameters in lower case: "mod:m"
  std::string_view description;  ///< one line: the symbols, then the labels
  std::string_view example;      ///< a name that catalog_language takes: "mod:3"
};

/// Every kind of entry, in the order of the documentation.
std::span<const CatalogEntry> catalog_entries();

/// The automaton of a catalogue name: minimal and canonically numbered, except `random:n,k,seed`, which has all the n
/// states that its generator makes.
///
/// Groups. G is a product of factors joined by `x`: `Z:m` or `Zm` (cyclic, on m points), `S:n` (symmetric), `A:n`
/// (alternating), `D:n` (dihedral, the 2n symmetries of the n-gon), `Q8` (quaternion, on 8 points); a product acts on
/// the points of its factors side by side, and its generators are those of the factors in order, named a, b, ...:
///   Z:m  a = (0 1 .. m-1)                              S:n  a = (0 1), b = (0 1 .. n-1); S:2 only a
///   D:n  a = (0 1 .. n-1), b = i -> -i modulo n        A:n  a = (0 1 2), b = (0 1 .. n-1) for odd n, (1 .. n-1) for
///   even n; Q8   a = multiplication by i from the right, b by j             A:3 only a
/// M:n (or Mn) the Mathieu groups on 11, 12, 22, 23, 24 points, the last two only in points:G; PSL(2,p) on the
/// projective line, a = x + 1, b = -1/x; SL(2,p) on the vectors other than 0, a = (x + y, y), b = (-y, x); AGL(1,p) on
/// 0 .. p-1, a = x + 1, b = gx with the least primitive root g; p is a prime up to 97, 61 and 997. (D:1 and D:2 act on
/// 2 and 4 points; a trivial group has one generator, the identity). The elements are the permutations in lexicographic
/// order of their lists of images, so that 0 is the identity; of S:n this is the order of Python's
/// itertools.permutations. Words act left to right: the running product of x1 x2 .. xt maps the point i to
/// xt(..x2(x1(i))..), and the product pq means p, then q. word-left:G and accept:word-left:G multiply in the other
/// order: x1(x2(..xt(i)..)), the new element first, as data sets of state-tracking papers do
/// (acc = acc * x with (p * q)[i] = p[q[i]]); symbols and labels have the same names.
///
/// `random:n,k,seed`: x1, x2, .. are the outputs of splitmix64 from the state `seed`: state += 0x9E3779B97F4A7C15;
/// z = state; z = (z ^ z>>30) * 0xBF58476D1CE4E5B9; z = (z ^ z>>27) * 0x94D049BB133111EB; output z ^ z>>31 (modulo
/// 2^64). For each state in order and each letter in order one output x gives the next state, the integer part of x*n /
/// 2^64; then for each state one output whose highest bit says whether it accepts. The start is state 0.
///
/// Throws InputError for an unknown name (with the nearest names) and for parameters out of the stated ranges.
Dfa catalog_language(std::string_view name);

}  // namespace krohn
