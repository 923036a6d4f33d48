// Permutation groups by a base and strong generating set: order, membership, series, centre, and names.
//
// Permutations act left to right: the product `p then q` takes x to q[p[x]].
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace krohn {

/// The images of 0, .., degree - 1.
using Permutation = std::vector<std::uint32_t>;

/// x -> q[p[x]]: first p, then q.
Permutation then(std::span<const std::uint32_t> p, std::span<const std::uint32_t> q);
Permutation inverse(std::span<const std::uint32_t> p);

/// An immutable group of permutations of 0, .., degree - 1, with a verified stabiliser chain (Schreier-Sims).
class PermutationGroup {
 public:
  /// Throws InputError if a generator is not a permutation of the degree, ResourceError if the chain would take more
  /// than about a gigabyte. No generators give the trivial group.
  /// The stabiliser chain starts with the points of `base`, which are distinct, and goes on with others.
  PermutationGroup(std::size_t degree, const std::vector<Permutation>& generators,
                   std::span<const std::uint32_t> base = {});

  std::size_t degree() const noexcept { return degree_; }
  /// Generators as given, without the identity and repetitions.
  const std::vector<Permutation>& generators() const noexcept { return generators_; }
  bool contains(std::span<const std::uint32_t> permutation) const;

  /// The order in decimal; it may have hundreds of digits.
  std::string order_text() const;
  /// The order where it fits 64 bits.
  std::optional<std::uint64_t> order() const;
  /// The prime factors of the order, ascending, with multiplicity.
  std::vector<std::uint32_t> order_primes() const;
  /// The orbit lengths of the stabiliser chain; their product is the order.
  const std::vector<std::uint32_t>& chain() const noexcept { return chain_; }
  bool is_trivial() const noexcept { return generators_.empty(); }

  /// All elements, the identity first; throws ResourceError above `limit`.
  std::vector<Permutation> elements(std::size_t limit) const;

  /// The elements that fix each of `points`, which are distinct.
  PermutationGroup stabilizer(std::span<const std::uint32_t> points) const;
  /// An element that takes the i-th point of the base given to the constructor to images[i]; none if there is none.
  std::optional<Permutation> element_with(std::span<const std::uint32_t> images) const;

  /// The smallest normal subgroup that contains `elements` (members of this group).
  PermutationGroup normal_closure(const std::vector<Permutation>& elements) const;
  PermutationGroup derived_subgroup() const;
  /// This group, its derived subgroup, and so on, to the first that equals its own derived subgroup.
  std::vector<PermutationGroup> derived_series() const;
  bool is_abelian() const;
  bool is_solvable() const;
  bool is_nilpotent() const;
  /// The order is a power of two (the trivial group included).
  bool is_2_group() const;
  /// The elements that commute with all; none where they were not found within the search limit.
  std::optional<PermutationGroup> centre() const;

 private:
  struct Level;
  class Chain;
  std::size_t degree_ = 0;
  std::vector<Permutation> generators_;
  std::vector<std::uint32_t> given_base_;
  std::vector<std::uint32_t> base_;
  std::vector<std::uint32_t> chain_;
  /// Per level and orbit point the inverse of the transversal element, for membership.
  std::vector<std::vector<std::int32_t>> orbit_index_;
  std::vector<std::vector<Permutation>> transversal_inverse_;
};

/// What a group is called, and what it is built of.
struct GroupName {
  /// "1", "Z_6", "Z_2 x Z_4", "D_4" (order 8), "Q_8", "S_5", "A_5", "PSL(2,7)", products "S_3 x Z_3", Frobenius groups
  /// "Z_5:Z_4"; else "order N".
  std::string name;
  /// Names of the composition factors (composition_series.hpp), cyclic ones first by order, with multiplicity; none
  /// where they were not determined.
  std::optional<std::vector<std::string>> composition_factors;
};

/// Names are given only where they are established: by a faithful natural orbit, by structure theorems, or because the
/// groups of that order with that structure are known.
GroupName name_group(const PermutationGroup& group);

}  // namespace krohn
