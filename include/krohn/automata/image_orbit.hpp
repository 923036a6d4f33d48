// The images of the state set under all words, their strongly connected components, and the group of each.
//
// If a word w maps a set P onto itself it permutes P; the permutations that arise so form a group G_P, isomorphic for
// all sets of a strongly connected component. Every maximal subgroup of the transition monoid is one of them, and
// every one of them divides the monoid: aperiodicity, solvability and the like are read off without listing elements.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/automata/permutation_group.hpp"
#include "krohn/automata/transformation.hpp"

namespace krohn {

/// A strongly connected component of image sets.
struct ImageComponent {
  std::size_t rank = 0;
  /// Set numbers; the first is the representative P.
  std::vector<std::uint32_t> members;
  /// G_P on the places 0, .., rank - 1 of P's ascending points; the trivial group where `group_known` is false.
  PermutationGroup group;
  /// False where the group's stabiliser chain would take more than a gigabyte: then G_P is not trivial, and `sample`
  /// has some generators, all of them if `sample_generates`.
  bool group_known = true;
  bool sample_generates = false;
  std::vector<Permutation> sample;
};

class ImageOrbit {
 public:
  static constexpr std::uint32_t none = 0xFFFFFFFFU;

  /// The most points, over all sets: past it the exploration ends as it does past `max_sets`. A chain of n states has n
  /// sets of some n / 2 points.
  static constexpr std::size_t max_points = std::size_t{1} << 26U;

  /// Explores at most `max_sets` sets, breadth first from the full set. Where there are more, complete() is false and
  /// the components and groups are those of the part explored: groups found there are real, others may be missing.
  /// Sets of one point form components without a group. Once `stop` is true no more sets are explored.
  ImageOrbit(std::size_t degree, std::vector<Transformation> letters, std::size_t max_sets,
             const std::atomic<bool>* stop = nullptr);

  bool complete() const noexcept { return complete_; }
  std::size_t size() const noexcept { return offset_.size() - 1; }
  std::size_t degree() const noexcept { return degree_; }
  const std::vector<Transformation>& letters() const noexcept { return letters_; }
  /// The set's points in the order in which the representative's points were carried to it (ascending for a
  /// representative): point i comes from the representative's point i.
  std::span<const std::uint32_t> points(std::uint32_t set) const {
    return std::span<const std::uint32_t>(points_).subspan(offset_[set], offset_[set + 1] - offset_[set]);
  }
  /// The image set under a letter; `none` if it was not explored.
  std::uint32_t next(std::uint32_t set, std::size_t letter) const { return next_[set * letters_.size() + letter]; }
  std::uint32_t component_of(std::uint32_t set) const { return component_of_[set]; }
  const std::vector<ImageComponent>& components() const noexcept { return components_; }
  /// The set with exactly these points, or `none`.
  std::uint32_t find(std::span<const std::uint32_t> points) const;

  /// Letters that carry the full set to `set` (shortest).
  std::vector<std::uint32_t> word_to(std::uint32_t set) const;
  /// Words of letters that map the representative of a component to itself and whose actions generate its group;
  /// few and short, but not the fewest.
  std::vector<std::vector<std::uint32_t>> generating_words(std::size_t component) const;
  /// The shortest of a family of loops that act non-trivially: empty iff the group is trivial.
  std::vector<std::uint32_t> shortest_nontrivial_loop(std::size_t component) const;

 private:
  struct Loop {
    std::vector<std::uint32_t> word;
    Permutation action;
  };
  std::vector<Loop> loops(std::size_t component) const;
  void explore(std::size_t max_sets, const std::atomic<bool>* stop);
  void find_components();
  void find_groups();
  std::uint32_t lookup(std::span<const std::uint64_t> bits) const;

  std::size_t degree_;
  std::size_t words_;
  std::vector<Transformation> letters_;
  bool complete_ = true;
  std::vector<std::uint64_t> bits_;  // [sets, words_]
  std::vector<std::size_t> offset_ = {0};
  std::vector<std::uint32_t> points_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> reached_from_;    // breadth-first tree: set
  std::vector<std::uint32_t> reached_letter_;  // and letter
  std::vector<std::uint32_t> table_;           // open addressing, none = free
  std::vector<std::uint32_t> component_of_;
  std::vector<ImageComponent> components_;
  std::vector<std::uint32_t> forward_from_;  // tree inside the component, away from the representative
  std::vector<std::uint32_t> forward_letter_;
};

}  // namespace krohn
